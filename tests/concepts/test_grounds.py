"""What a decision rests on: known answers on hand-made graphs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.concepts.task_graphs import concept, evidence, graph, together, unnamed
from veridical.concepts.grounds import grounds, recognise
from veridical.concepts.task_reason import Reason
from veridical.errors import InputError

REASONS = (
    Reason("sign", "the sign", "vision", names=("stop sign",)),
    Reason("patch", "the patch", "vision", names=("patch",)),
    Reason("seen", "anything seen", "vision"),
)


def found(made, reasons=REASONS[:2]):
    return grounds(made, recognise(made, reasons))


def told(made) -> dict[str, tuple[float, tuple[str, ...]]]:
    return {ground.node: (round(ground.share, 6), ground.reasons) for ground in found(made)}


def test_nothing_measured_is_nothing_it_rests_on():
    assert found(graph()) == ()


def test_only_what_is_confirmed_or_drawn_and_speaks_for_it_counts():
    made = graph()
    evidence(made, "c1", "stop sign, the left", -2.0)
    evidence(made, "c2", "patch, the left", -2.0, status="contradicted")
    evidence(made, "c3", "patch, the right", -0.01, status="negligible")
    evidence(made, "c4", "patch, the middle", 3.0)
    concept(made, "vision#1", "patch", 2.0)
    made.nodes[concept(made, "vision#2", "patch", None)]["effect"] = -3.0
    (only,) = found(made)
    assert (only.node, only.reasons, only.share, only.effect, only.p) == ("c1", ("sign",), 1.0, -2.0, None)
    assert (only.label, only.modality, only.tells) == ("stop sign, the left", "vision", ("c1",))


def test_evidence_and_its_concepts_count_once():
    made = graph()
    evidence(made, "c1", "the left", -3.0)
    concept(made, "vision#1", "stop sign", -2.0, carried={"c1": 0.9})
    evidence(made, "c2", "the right", -1.0)
    assert told(made) == {"vision#1": (0.75, ("sign",)), "c2": (0.25, ())}
    assert found(made)[0].tells == ("c1", "vision#1")


def test_concepts_taken_out_together_share_what_they_do_together():
    made = graph()
    evidence(made, "c1", "the left", -3.0)
    members = [concept(made, "vision#1", "stop sign", -1.5), concept(made, "vision#2", "patch", -0.5)]
    together(made, "c1", members, -4.0)
    unnamed(made, "audio", -4.0)
    assert told(made) == {
        "unnamed:audio": (0.5, ()),
        "vision#1": (0.375, ("sign",)),
        "vision#2": (0.125, ("patch",)),
    }
    assert found(made)[1].tells == ("c1", "together:c1", "vision#1", "vision#2")


def test_several_concepts_of_one_piece_of_evidence_add_up_where_nobody_took_them_out_together():
    made = graph()
    evidence(made, "c1", "the left", -1.0)
    for i in (1, 2):
        concept(made, f"vision#{i}", "stop sign", -1.5, carried={"c1": 0.8})
    concept(made, "vision#3", "patch", -3.0)
    assert told(made) == {"vision#3": (0.5, ("patch",)), "vision#1": (0.25, ("sign",)), "vision#2": (0.25, ("sign",))}


def test_where_concepts_tell_less_than_half_the_rest_is_a_ground_of_its_own():
    made = graph()
    evidence(made, "c1", "the left", -4.0)
    concept(made, "vision#1", "stop sign", -1.0, carried={"c1": 0.9})
    assert told(made) == {"c1": (0.75, ()), "vision#1": (0.25, ("sign",))}


def test_concepts_that_do_nothing_one_by_one_are_what_does_it_together():
    made = graph()
    members = [concept(made, "vision#1", "stop sign", None), concept(made, "vision#2", "patch", None)]
    together(made, "c1", members, -4.0)
    assert told(made) == {"together:c1": (1.0, ("patch", "sign"))}


def test_evidence_is_not_known_by_a_concept_that_was_tested_and_does_nothing():
    made = graph()
    evidence(made, "c1", "the left", -4.0)
    concept(made, "vision#1", "stop sign", None, carried={"c1": 0.9})
    assert told(made) == {"c1": (1.0, ())}
    made.nodes["vision#1"]["tested"] = False
    assert told(made) == {"c1": (1.0, ("sign",))}


def test_a_concept_without_a_name_is_what_its_evidence_is_and_one_with_a_name_is_not():
    made = graph()
    evidence(made, "c1", "stop sign, the left", -4.0)
    concept(made, "vision#1", None, -4.0, carried={"c1": 0.9})
    assert told(made) == {"vision#1": (1.0, ("sign",))}
    made.nodes["vision#1"].update(named=True, label="graffiti")
    assert told(made) == {"vision#1": (1.0, ())}


def test_a_concept_belongs_to_the_evidence_that_carries_most_of_it():
    made = graph()
    evidence(made, "c1", "stop sign, the left", -4.0)
    evidence(made, "c2", "patch, the right", -4.0)
    concept(made, "vision#1", None, -4.0, carried={"c1": 0.4, "c2": 0.6})
    assert told(made) == {"c1": (0.5, ("sign",)), "vision#1": (0.5, ("patch",))}


def test_a_concept_that_is_carried_alike_belongs_to_the_stronger_evidence():
    for first, second in (("c1", "c2"), ("c2", "c1")):
        made = graph()
        evidence(made, first, "stop sign, the left", -4.0)
        evidence(made, second, "patch, the right", -2.0)
        concept(made, "vision#1", None, -4.0, carried={"c1": 0.5, "c2": 0.5})
        assert told(made) == {"vision#1": (0.666667, ("sign",)), second: (0.333333, ("patch",))}


def test_a_concept_that_no_evidence_carries_mostly_stands_alone():
    made = graph()
    evidence(made, "c1", "stop sign, the left", -4.0)
    concept(made, "vision#1", None, -4.0, carried={"c1": 0.4})
    assert told(made) == {"c1": (0.5, ("sign",)), "vision#1": (0.5, ())}


def test_what_no_concept_accounts_for_is_only_known_by_a_whole_sense():
    made = graph()
    unnamed(made, "vision", -1.0)
    assert [ground.reasons for ground in found(made, REASONS)] == [("seen",)]


@pytest.mark.parametrize("effect", [None, "-1", float("nan"), float("-inf"), -1e300])
def test_an_effect_that_is_no_number_is_refused(effect):
    made = graph()
    evidence(made, "c1", "the left", -1.0)
    made.edges["c1", "decision"]["effect"] = effect
    with pytest.raises(InputError, match=r"edge 'c1' -> 'decision' has the effect .*give a finite number"):
        found(made)


EFFECTS = st.floats(-5, 5).filter(lambda v: abs(v) > 1e-3)


@st.composite
def graphs(draw):
    made = graph()
    homes = [f"c{i}" for i in range(1, draw(st.integers(0, 3)) + 1)]
    labels = st.sampled_from(["stop sign", "patch", None])
    for home in homes:
        status = draw(st.sampled_from(["confirmed", "negligible"]))
        evidence(made, home, f"{draw(labels) or 'the middle'}, the left", draw(EFFECTS), status=status)
    concepts = []
    for i in range(draw(st.integers(0, 4))):
        carried = {home: draw(st.floats(0, 1)) for home in homes if draw(st.booleans())}
        concepts.append(concept(made, f"vision#{i}", draw(labels), draw(st.none() | EFFECTS), carried=carried))
    for home in homes:
        members = [c for c in concepts if draw(st.booleans())]
        if len(members) > 1:
            together(made, home, members, draw(st.none() | EFFECTS))
    if draw(st.booleans()):
        unnamed(made, "vision", draw(EFFECTS))
    return made


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_shares_are_of_one_whole_and_every_edge_that_speaks_for_it_is_told_once(made):
    rests = found(made)
    speaking = {
        node
        for node, _, edge in made.in_edges("decision", data=True)
        if made.nodes[node]["kind"] != "sense" and edge["effect"] < 0 and edge.get("status", "confirmed") == "confirmed"
    }
    assert {node for ground in rests for node in ground.tells} == speaking
    assert sum(ground.share for ground in rests) == pytest.approx(1.0 if speaking else 0.0)
    assert all(ground.share > 0 and ground.effect < 0 and ground.node in ground.tells for ground in rests)
    things = {ground.tells for ground in rests}
    assert sum(len(tells) for tells in things) == len(speaking)
    assert [ground.share for ground in rests] == sorted((ground.share for ground in rests), reverse=True)
