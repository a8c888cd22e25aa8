"""Why not another action."""

from __future__ import annotations

import pytest

from tests.concepts.told import add_concept, bare, siren
from veridical.concepts.clauses import Fact
from veridical.concepts.contrast import why_not
from veridical.errors import InputError

GRAPH = siren()


def texts(action: str, graph=GRAPH) -> list[str]:
    return [sentence.text for sentence in why_not(graph, action)]


def test_what_speaks_for_either_is_told_and_what_leads_to_the_other():
    assert texts("PROCEED") == [
        "STOP was chosen rather than PROCEED (94\u00a0% against 4\u00a0%).",
        "For STOP rather than PROCEED speaks “siren” (0.5–2.4 s): without it the lead falls by 5.40 nats.",
        "For PROCEED rather than STOP speaks unnamed concept #7 (the lower left, all frames): without it the lead "
        "rises by 1.10 nats.",
        "Without “siren” (0.5–2.4 s): PROCEED (80\u00a0%).",
    ]
    sentences = why_not(GRAPH, "PROCEED")
    assert [s.kind for s in sentences] == ["decision", "for", "against", "counterfactual"]
    assert sentences[1].edges == (("audio#3", "decision"),)
    assert Fact("audio#3", "contrast", -5.4, "nats", "PROCEED") in sentences[1].facts


def test_where_nothing_speaks_for_it_or_leads_there_that_is_told():
    assert texts("YIELD")[1:] == [
        "Nothing whose effect was confirmed speaks for STOP rather than YIELD.",
        "For YIELD rather than STOP speaks “siren” (0.5–2.4 s): without it the lead rises by 0.30 nats.",
        "Nothing is confirmed to lead to YIELD when it is taken out.",
    ]


def test_a_whole_sense_is_told_only_where_nothing_smaller_leads_there():
    graph = siren()
    graph.edges["sense:vision", "decision"]["becomes"] = "SLOW"
    assert texts("SLOW", graph)[-1] == "Without all that it saw: SLOW (1\u00a0%)."
    graph.edges["sense:audio", "decision"]["becomes"] = "PROCEED"
    assert texts("PROCEED", graph)[-1].startswith("Without “siren”")


def test_only_confirmed_effects_and_contrasts_that_count_are_told_and_at_most_three():
    graph = bare()
    for i in range(5):
        add_concept(
            graph, f"audio#{i}", f"sound {i}", "", -1.0, contrasts={"SLOW": -0.5 - i}, p=0.5 if i == 4 else 0.01
        )
    add_concept(graph, "audio#9", "hum", "", -1.0, contrasts={"SLOW": -0.05})
    assert [t.split("“")[1].split("”")[0] for t in texts("SLOW", graph)[1:-1]] == ["sound 3", "sound 2", "sound 1"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("STOP", "action: 'STOP' is what was decided; ask why not PROCEED, SLOW, YIELD"),
        ("FLY", "action: 'FLY' is not known; ask why not PROCEED, SLOW, YIELD"),
    ],
)
def test_the_decided_action_and_unknown_ones_are_refused(action: str, said: str):
    with pytest.raises(InputError, match=said):
        why_not(GRAPH, action)
