"""Driving: decisions come step by step, each moves the robot, and the drive ends where it should."""

from __future__ import annotations

import pytest

from tests.scenarios.suite.storyboard_sample import GOAL, always, board, careful, drive
from veridical.scenarios.suite.storyboard_world import TICK


@pytest.mark.parametrize("step", [0.5, 1.0])
def test_decisions_come_a_step_apart_until_the_goal(step: float):
    found = drive(board(step=step), always("PROCEED"))
    assert [each.time for each in found.steps] == pytest.approx([step * i for i in range(len(found.steps))])
    assert found.arrived == pytest.approx(10 / 1.4, abs=TICK)
    assert found.moments[0].time == 0
    assert found.moments[-1].time == found.arrived
    assert len(found.frames) == len(found.steps)


@pytest.mark.parametrize(("seconds", "steps"), [(5, 5), (5.5, 6)])
def test_a_drive_ends_at_its_last_second(seconds: float, steps: int):
    found = drive(board(seconds=seconds, must={"goal": {"ahead": 10, "within": 5}}), always("STOP"))
    assert found.arrived is None
    assert len(found.steps) == steps
    assert found.moments[-1].time == pytest.approx(seconds)


def test_a_drive_ends_at_a_collision():
    found = drive(board({"name": "block", "is": "obstacle", "ahead": 3}), always("PROCEED"))
    assert found.arrived is None
    assert found.moments[-1].actors["block"].gap <= 0
    assert all(moment.actors["block"].gap > 0 for moment in found.moments[:-1])


def test_each_decision_sets_the_speed_that_is_stated_for_it():
    told = board(speed=0, speeds={"PROCEED": 0.8, "STOP": 0.0})
    found = drive(told, lambda world: "PROCEED" if world.now.time < 3 else "STOP")
    speeds = {round(m.time, 2): m.motion.speed for m in found.moments}
    assert speeds[1.0] == pytest.approx(0.8)
    assert speeds[3.0] == pytest.approx(0.8)
    assert speeds[3.4] == pytest.approx(0.0, abs=1e-9)


def test_the_same_drive_twice_is_the_same():
    dog = {"name": "dog", "is": "animal", "ahead": 6, "side": 1, "walk": {"side": -0.2}}
    once, again = (drive(board(dog, must=GOAL), careful) for _ in range(2))
    assert (once.moments, once.steps, once.arrived) == (again.moments, again.steps, again.arrived)
