"""What is told beside the reasons."""

from __future__ import annotations

import pytest

from tests.concepts.told import add_concept, bare, siren
from veridical.concepts.phrases import Phrases
from veridical.concepts.remarks import correlates, idles, of_kind, senses, unconfirmed

GRAPH = siren()
PHRASES = Phrases.of(GRAPH)


def test_nodes_are_found_by_kind_in_order():
    assert of_kind(GRAPH, "evidence") == ["c1", "c2"]
    assert of_kind(GRAPH, "sense", "unnamed") == ["sense:audio", "sense:vision", "unnamed:vision"]


def test_what_is_confirmed_is_no_remark():
    assert [s.claims for s in unconfirmed(GRAPH, PHRASES)] == [("c2",)]
    told = " ".join(s.text for s in (*idles(GRAPH, PHRASES), *correlates(GRAPH, PHRASES)))
    assert "siren" not in told
    assert "#7" not in told


@pytest.mark.parametrize(
    ("effect", "tested", "said", "confirmed"),
    [
        (0.05, True, "does nothing in this system: it is no cause here", True),
        (-0.8, True, "in this system was not told from chance (−0.80 nats)", False),
        (None, False, "was not tested, so whether it is a cause in this system is not known", False),
    ],
)
def test_only_what_was_tested_and_did_nothing_is_called_no_cause(effect, tested, said: str, confirmed: bool):
    graph, goes = bare(), {"action": "SLOW", "share": 0.9, "usual": 0.1, "p": 0.01}
    add_concept(graph, "vision#1", "patch", "", goes_with=goes)
    graph.nodes["vision#1"].update(effect=effect, tested=tested)
    (found,) = correlates(graph, Phrases.of(graph))
    assert said in found.text
    assert found.confirmed == confirmed
    assert idles(graph, Phrases.of(graph)) == []
    graph.nodes["vision#1"]["goes_with"] = {**goes, "share": 0.05}
    assert correlates(graph, Phrases.of(graph)) == []
    assert len(idles(graph, Phrases.of(graph))) == 1


def test_an_effect_that_chance_explains_is_not_called_nothing():
    graph = bare()
    add_concept(graph, "vision#1", "grass", "", -0.8, p=0.3)
    (found,) = idles(graph, Phrases.of(graph))
    assert found.text == "Taking out “grass” did −0.80 nats, which was not told from chance."
    assert (found.confirmed, found.edges) == (False, (("vision#1", "decision"),))


def test_senses_that_do_something_are_told_only_where_everything_is():
    assert [s.text for s in senses(GRAPH, PHRASES, every=False)] == [
        "Taking away all that it saw changes the score by less than 0.1 nats; text was absent."
    ]
    assert next(s.text for s in senses(GRAPH, PHRASES, every=True)) == (
        "Without all that it heard, STOP falls from 94\u00a0% to 10\u00a0% (−5.00 nats) and the decision "
        "becomes PROCEED."
    )
