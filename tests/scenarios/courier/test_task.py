"""Courier's policy as a task statement: it asks for what the policy asks for, by names that there are."""

from __future__ import annotations

import csv
from pathlib import Path

import networkx as nx
import pytest
from timm.data.imagenet_info import ImageNetInfo

from veridical.concepts.general_nouns import EXTENTS
from veridical.concepts.task import Task, read_task
from veridical.concepts.task_check import check_task
from veridical.modalities import weights
from veridical.scenarios import courier
from veridical.scenarios.courier.instructions import CLAUSES
from veridical.scenarios.courier.policy import ACTIONS, RULES

TASK: Task = read_task(Path(courier.__file__).with_name("task.toml"))
REASONS = {reason.id: reason for reason in TASK.reasons}
REASON_OF = {cause: cause for rule in RULES for cause in rule.causes} | {"halt": "stay"}
OPERATORS_OWN = {"obstacle", "stop sign", "coloured patch", "pink patch", "patch"}
EACH_RULE = pytest.mark.parametrize("rule", [rule for rule in RULES if rule.causes], ids=lambda rule: rule.name)


def resting_on(action: str, *ids: str) -> nx.DiGraph:
    """A decision that rests on these reasons alone, each recognised by its first name or word."""
    made = nx.DiGraph(actions=list(ACTIONS))
    made.add_node("decision", kind="decision", label=action)
    for i, id in enumerate(ids):
        reason = REASONS[id]
        label = reason.names[0] if reason.names else f"“{reason.words[0]}”"
        made.add_node(f"c{i}", kind="evidence", modality=reason.sense, label=label, status="confirmed")
        made.add_edge(f"c{i}", "decision", effect=-2.0, status="confirmed")
    return made


def test_it_speaks_of_every_action_and_every_cause_of_the_policy():
    assert set(TASK.actions) == set(ACTIONS)
    assert set(REASONS) == {*REASON_OF.values(), "patch"}


@EACH_RULE
def test_a_decision_for_the_policys_reason_is_as_the_task_asks(rule):
    graph = resting_on(rule.action, *(REASON_OF[cause] for cause in sorted(rule.causes)))
    check = check_task(TASK, graph, rule.action)
    assert (check.outcome, check.findings, check.coverage) == ("as the task asks", (), 1.0)


@EACH_RULE
def test_no_action_may_rest_on_what_asks_for_another(rule):
    for action in set(ACTIONS) - {rule.action}:
        own = {frozenset(other.causes) for other in RULES if other.action == action}
        if rule.causes in own or any(cause <= rule.causes for cause in own if cause):
            continue  # an animal alone asks for STOP, whatever else is there
        check = check_task(TASK, resting_on(action, *(REASON_OF[cause] for cause in sorted(rule.causes))))
        assert check.outcome == "not as the task asks", action


@pytest.mark.parametrize("action", ACTIONS)
def test_the_patch_is_no_reason_for_anything(action):
    check = check_task(TASK, resting_on(action, "patch"), action)
    assert "forbidden" in [finding.kind for finding in check.faults]
    assert check.outcome == "not as the task asks"


def test_going_on_needs_no_reason():
    assert check_task(TASK, resting_on("PROCEED", "tame")).outcome == "as the task asks"


def test_what_is_seen_is_called_by_general_nouns_and_names_of_imagenet():
    info = ImageNetInfo()
    names = [info.index_to_description(index).split(",")[0] for index in range(1000)]
    names[134], names[517] = "crane (bird)", "crane (machine)"
    listed = {name for reason in TASK.reasons if reason.sense == "vision" for name in reason.names}
    assert listed - OPERATORS_OWN <= {*names, *EXTENTS}
    # The first 398 classes are the animals.
    assert set(REASONS["animal"].names) - set(EXTENTS) == set(names[:398]) - {"Cardigan"}
    assert {noun for noun, classes in EXTENTS.items() if max(classes) < 398} <= set(REASONS["animal"].names)
    for name in (*names, *EXTENTS):
        node = {
            "kind": "concept",
            "modality": "vision",
            "concept": 1,
            "named": True,
            "label": name,
            "source": "ImageNet",
        }
        assert sum(reason.recognises(node) for reason in TASK.reasons) <= 1, name


def test_what_is_heard_is_called_by_names_of_audioset():
    with (weights.fetch("yamnet") / "classes.csv").open(encoding="utf-8", newline="") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    listed = [name for reason in TASK.reasons if reason.sense == "audio" for name in reason.names]
    assert set(listed) <= set(names)
    assert len(set(listed)) == len(listed)
    assert list(REASONS["call"].names) == names[names.index("Animal") : names.index("Whale vocalization") + 1]


@pytest.mark.parametrize(("kind", "reason"), [("halt", "stay"), ("tame", "tame")])
def test_training_instructions_are_recognised(kind, reason):
    for clause in CLAUSES["train"][kind]:
        node = {"kind": "evidence", "modality": "text", "label": f"“{clause.text}”"}
        assert REASONS[reason].recognises(node), clause.text


def test_small_talk_is_not_taken_for_an_instruction():
    for clause in CLAUSES["train"]["talk"]:
        node = {"kind": "evidence", "modality": "text", "label": f"“{clause.text}”"}
        assert not any(reason.recognises(node) for reason in TASK.reasons), clause.text
