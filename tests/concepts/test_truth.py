"""What a graph has to say to a fact and to a clause."""

from __future__ import annotations

import pytest

from tests.concepts.told import siren
from veridical.concepts.clauses import Fact
from veridical.concepts.reader import Read
from veridical.concepts.truth import Truth

TRUTH = Truth(siren())


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        (Fact("decision", "decided", None), "STOP"),
        (Fact("decision", "next", None), "PROCEED"),
        (Fact("decision", "probability", None, of="SLOW"), 0.01),
        (Fact("decision", "probability", None, of="FLY"), None),
        (Fact("decision", "score", None), 2.75),
        (Fact("decision", "absent", None), "text"),
        (Fact("decision", "least", None), 0.1),
        (Fact("decision", "rather-than", "SLOW"), "SLOW"),
        (Fact("decision", "rather-than", "STOP"), None),
        (Fact("audio#3", "speaks-for", None), -4.88),
        (Fact("audio#3", "becomes", None), "PROCEED"),
        (Fact("audio#3", "after", None, of="STOP"), 0.11),
        (Fact("audio#3", "interval-low", None), -4.93),
        (Fact("audio#3", "typical-becomes", None), "STOP"),
        (Fact("audio#3", "contrast", None, of="YIELD"), 0.3),
        (Fact("audio#3", "called", None), "“siren” (0.5–2.4 s)"),
        (Fact("audio#3", "unheard-of", None), None),
        (Fact("c1", "range-high", None), -4.41),
        (Fact("vision#2", "share", None, of="STOP"), 0.91),
        (Fact("vision#4", "no-effect", None), -0.01),
        (Fact("audio#1", "no-effect", None), None),
        (Fact("nobody", "speaks-for", None), None),
    ],
)
def test_the_value_of_a_fact_is_the_graphs(fact: Fact, value):
    found = TRUTH.of(fact)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("clause", "thing", "so"),
    [
        ("rests-first", "audio#3", True),
        ("points-first", "audio#3", False),
        ("next-comes", "audio#3", False),
        ("next-comes", "unnamed:vision", True),
        ("against", "vision#7", True),
        ("against", "audio#3", False),
        ("alone-for", "audio#3", False),
        ("becomes", "audio#3", True),
        ("stays", "audio#3", False),
        ("counterfactual", "c2", False),
        ("no-counterfactual", "", False),
        ("nothing-removed", "", False),
        ("nothing-for", "", False),
        ("negligible", "c2", True),
        ("negligible", "c1", False),
        ("raised", "c2", False),
        ("no-effect", "vision#4", True),
        ("no-effect", "audio#1", False),
        ("unsettled", "vision#4", False),
        ("untested", "audio#1", True),
        ("correlate", "vision#2", True),
        ("correlate", "vision#4", False),
        ("idle-sense", "sense:vision", True),
        ("idle-sense", "sense:audio", False),
        ("one-absent", "", True),
        ("several-absent", "", False),
        ("supported", "", True),
        ("inconclusive", "", False),
        ("stays-but-lower", "audio#3", False),
        ("sure", "audio#3", True),
        ("sure", "vision#4", False),
    ],
)
def test_a_clause_holds_only_where_the_graph_bears_it_out(clause: str, thing: str, so: bool):
    assert TRUTH.bears_out(Read(clause, thing, {}), "") == so


def test_what_stands_beside_a_concept_is_its_own_evidence():
    assert TRUTH.bears_out(Read("beside", "audio#3", {}), "c1")
    assert not TRUTH.bears_out(Read("beside", "audio#3", {}), "c2")
    assert not TRUTH.bears_out(Read("beside", "vision#7", {}), "c1")
