"""What is concluded: the figures, the graph, sentences in three lengths, the task; and what cannot be concluded."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.tails import BANKS, OBSERVATION, Senses, linear
from tests.toys import CAT, SIREN
from veridical.agent import explainer
from veridical.agent.conclude import Conclusions, Known, conclude, find_concepts
from veridical.agent.explainer import Settings, explain
from veridical.concepts.consistency import contradictions
from veridical.concepts.layer import LayerFindings
from veridical.concepts.naming import Name, Namer
from veridical.concepts.task import Task
from veridical.errors import ContractError, InputError

WORDS = 4 * torch.eye(8)[CAT] + torch.eye(8)[SIREN]
SYSTEM = Senses(linear({"text": WORDS}, -1.0))
KNOWN = Known(banks=BANKS)
TASK = Task.from_dict(
    {
        "task": {"name": "crossing", "version": 1},
        "reasons": {"animal": {"sense": "text", "names": ["animal"]}, "siren": {"sense": "audio", "names": ["siren"]}},
        "rule": [{"action": ["STOP"], "must_any": ["animal", "siren"]}],
    }
)


@pytest.fixture(scope="module")
def given() -> Any:
    """What the agent hands over: laboratory, logits, verification and layer of one decision."""
    seen: list[Any] = []
    own = explainer.conclude
    explainer.conclude = lambda *all_: seen.append(all_) or own(*all_)
    try:
        explain(SYSTEM, OBSERVATION, Settings(namer=None, salt="s", known=KNOWN))
    finally:
        explainer.conclude = own
    laboratory, logits, verification, layer, _, _ = seen[0]
    return SimpleNamespace(laboratory=laboratory, logits=logits, verification=verification, layer=layer)


def concluded(given: Any, namer: Namer | None = None, layer: LayerFindings | None = None, **known: Any) -> Conclusions:
    parts = (given.laboratory, given.logits, given.verification, layer or given.layer)
    return conclude(*parts, namer, replace(KNOWN, **known))


def test_the_decision_in_figures(given: Any):
    decided = concluded(given).decided
    assert (decided.system, decided.action, decided.actions, decided.absent) == ("toy", "STOP", ("STOP", "GO"), ())
    assert decided.score == pytest.approx(4.0, abs=1e-4)
    assert decided.logits == pytest.approx((4.0, 0.0), abs=1e-4)
    assert decided.probabilities == pytest.approx((1 / (1 + np.exp(-4.0)), 1 / (1 + np.exp(4.0))), abs=1e-5)


def test_senses_that_were_absent_are_told(given: Any):
    part = replace(given.laboratory, prepared={"text": given.laboratory.prepared["text"]})
    found = conclude(part, given.logits, given.verification, given.layer, None, KNOWN)
    assert found.decided.absent == ("vision", "audio")


def test_the_concept_that_decides_is_drawn_with_its_exact_effect(given: Any):
    found = concluded(given)
    edge = found.graph.edges["text#0.1", "decision"]
    assert edge["effect"] == pytest.approx(-4.0, abs=1e-3)
    assert edge["interval"] == pytest.approx([-4.0, -4.0], abs=1e-3)
    assert edge["p"] <= 0.05
    assert found.graph.graph["bank"] == {m: bank.digest for m, bank in BANKS.items()}
    assert found.graph.graph["verdict"] == given.verification.verdict.verdict


def test_all_three_lengths_follow_from_the_graph(given: Any):
    found = concluded(given)
    for sentences in (found.short, found.sentences, found.full):
        assert sentences
        assert not contradictions(found.graph, sentences)
    lengths = [len(" ".join(s.text for s in each)) for each in (found.short, found.sentences, found.full)]
    assert lengths == sorted(lengths)
    assert any("unnamed concept #0" in s.text for s in found.full)  # weaker than usual: it goes without its name


def test_least_and_alpha_are_those_that_were_committed_to(given: Any):
    graph = concluded(given).graph.graph
    criteria = given.verification.commitment.content["parameters"]["criteria"]
    assert (graph["least"], graph["alpha"]) == (criteria["least"], criteria["alpha"])


def test_names_and_places_are_given_to_every_claim(given: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Namer, "name", lambda self, prepared, segmentation, units: Name("cat", "ImageNet", 0.9))
    found = concluded(given, Namer())
    ids = {c.claim.name for c in given.verification.claims}
    assert ids
    assert set(found.names) == set(found.where) == ids
    assert all(found.graph.nodes[c]["label"].startswith("cat, ") for c in ids)
    assert set(concluded(given).names.values()) == {None}
    assert "“cat”" in concluded(given).where.values()


def test_without_concepts_the_evidence_stands_alone(given: Any):
    found = concluded(given, layer=LayerFindings(missing={"text": "no bank"}))
    assert {d["kind"] for _, d in found.graph.nodes(data=True)} == {"decision", "sense", "evidence"}
    assert not contradictions(found.graph, found.full)


def test_a_task_is_checked_where_one_was_stated(given: Any):
    assert concluded(given).task is None
    found = concluded(given, task=TASK)
    assert found.task is not None
    assert (found.task.task, found.task.action, found.task.expected) == ("crossing", "STOP", None)
    wrong = concluded(given, task=TASK, expected="GO").task
    assert wrong is not None
    assert any(f.kind == "wrong-decision" for f in wrong.findings)


def test_an_action_that_the_system_does_not_have_is_refused(given: Any):
    with pytest.raises(InputError, match="'FLY' is none of the system's actions; they are STOP, GO"):
        concluded(given, task=TASK, expected="FLY")


# Finding concepts


def test_concepts_are_drawn_by_the_salt_and_the_commitment(given: Any):
    one, again = (find_concepts(given.laboratory, given.verification, KNOWN, 0.1) for _ in range(2))
    salted = find_concepts(given.laboratory, replace(given.verification, salt="other"), KNOWN, 0.1)
    controls = [[f.told.controls for f in found.found if f.told] for found in (one, again, salted)]
    assert controls[0] == controls[1] != controls[2]


def test_concepts_that_were_not_asked_for_are_told_so(given: Any):
    found = find_concepts(given.laboratory, given.verification, replace(KNOWN, settings=None), 0.1)
    assert dict(found.missing) == dict.fromkeys(("vision", "audio", "text"), "Concepts were not asked for.")


@pytest.mark.parametrize("error", [ContractError("system: it leaks"), InputError("concepts: no such place")])
def test_where_concepts_cannot_be_measured_it_is_told_and_the_rest_stands(given: Any, monkeypatch: Any, error: Any):
    def fail(*args: Any) -> Any:
        raise error

    monkeypatch.setattr("veridical.agent.conclude.look", fail)
    found = find_concepts(given.laboratory, given.verification, KNOWN, 0.1)
    assert dict(found.missing) == dict.fromkeys(("vision", "audio", "text"), str(error))
    assert not contradictions(concluded(given, layer=found).graph, concluded(given, layer=found).sentences)
