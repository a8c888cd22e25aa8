from __future__ import annotations

import pytest

from tests.agent.sample import result_and_arrays
from veridical.agent.charts import axis_over, claim_rows, control_rows, ladder_steps, ticks


@pytest.fixture(scope="module")
def sample():
    return result_and_arrays()


@pytest.mark.parametrize(("low", "high"), [(-3.4, 0.4), (0, 1e-6), (-1e5, 2), (-0.07, 0.02)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-12 <= t <= high + 1e-12 for t in found)


def test_an_axis_holds_zero_and_every_value():
    axis = axis_over([-3.0, -1.0])
    assert axis.at(axis.low) == 0
    assert axis.at(axis.high) == 100
    assert 0 < axis.at(-3.0) < axis.at(0.0) < 100
    assert [label for _, label in axis.marks] == ["−3", "−2", "−1", "0"]
    assert axis_over([]).at(0.0) == 50
    assert axis_over([0.0]).at(0.0) == 50


def test_claim_and_control_rows_place_what_was_measured(sample):
    result, _ = sample
    axis, rows = claim_rows(result["claims"])
    assert rows[0]["predicted"] == axis.at(-2.31)
    assert (rows[0]["low"], rows[0]["high"]) == (axis.at(-3.35), axis.at(-2.92))
    axis, rows = control_rows(result)
    assert [(row["id"], len(row["controls"])) for row in rows] == [("c1", 39), *((f"c{i}", 3) for i in range(2, 6))]
    assert all(0 <= x <= 100 for row in rows for x, _ in row["controls"])
    tests = result["verdict"]["tests"]
    assert rows[0]["controls"][5][0] == axis.at(sum(t["controls"][5]["effect"] for t in tests) / 2)
    for row, claim in zip(rows, result["claims"], strict=True):
        assert row["x"] == axis.at(claim["measured"])
        assert row["more"] == sum(x < row["x"] for x, _ in row["controls"])


def test_without_tests_there_are_no_control_rows(sample):
    verdict = sample[0]["verdict"] | {"tests": [], "further_controls": []}
    assert control_rows(sample[0] | {"verdict": verdict})[1] == []


def test_each_attempt_is_a_step_above_the_one_before(sample):
    first, last = ladder_steps(sample[0]["verdict"]["attempts"])
    assert (first["rung"], first["verdict"], first["below"], first["passes"]) == ("gradient", "unsupported", 1, 14)
    assert (last["rung"], last["verdict"], last["below"], last["seconds"]) == ("path", "supported", 0, "3.8")
    assert first["critique"].startswith("Prediction and measurement part")
    assert last["critique"] is None
