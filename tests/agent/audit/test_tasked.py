"""The check against the task rests on the graph's effects and on nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.audit.content_sample import checked, faults, made


def test_a_real_one_holds():
    found = checked("task", "concepts")
    assert (found.ok, found.skipped) == (True, False)
    assert made("concepts")[0]["concepts"]["task"]["grounds"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("grounds/0/share", 0.2, "share of the ground"),
        ("grounds/0/effect", -0.2, "effect of the ground"),
        ("grounds", [], "the grounds"),
        ("action", "GO", "the action of the task"),
        ("outcome", "undecided", "the outcome of the task"),
        ("expected", "GO", "the outcome of the task"),
        ("coverage", 0.123, "the task's coverage"),
        ("sentences", ["STOP is right.", "Trust it."], "the task's sentences"),
        ("findings", [{"kind": "fine", "severity": "noted", "nodes": [], "text": "x"}], "there is no finding 'fine'"),
    ],
)
def test_one_that_was_changed_is_found(path: str, value: Any, told: str):
    assert told in faults("concepts", (f"concepts/task/{path}", value))["task"]


def test_without_a_task_nothing_is_checked():
    assert checked("task", "simple").skipped
