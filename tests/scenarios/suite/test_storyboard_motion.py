"""The robot's motion: closed forms of speed and place, footprints, gaps and times to collision."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from veridical.scenarios.suite.storyboard_motion import (
    Box,
    Limits,
    Motion,
    gap,
    moved,
    overlap,
    steered,
    time_to_collision,
)

LIMITS = Limits()
SPEEDS = st.floats(-0.5, 3.0)


@given(speed=st.floats(0.1, 5.0), ticks=st.integers(1, 60))
def test_it_stands_after_v_squared_over_two_b_however_often_it_is_looked_at(speed: float, ticks: int):
    motion, seconds = Motion(0.0, speed), speed / LIMITS.braking
    for _ in range(ticks):
        motion = moved(motion, 0.0, seconds / ticks, LIMITS)
    motion = moved(motion, 0.0, 1.0, LIMITS)
    assert motion.speed == pytest.approx(0, abs=1e-9)
    assert motion.ahead == pytest.approx(speed**2 / (2 * LIMITS.braking), abs=1e-9)


def test_from_standing_it_needs_its_rate_to_reach_a_speed():
    after = moved(Motion(), 1.4, 5.0, LIMITS)
    rising = 1.4 / LIMITS.faster
    assert after.speed == 1.4
    assert after.ahead == pytest.approx(1.4 * rising / 2 + 1.4 * (5 - rising))
    assert moved(Motion(), 1.4, 1.0, LIMITS).speed == pytest.approx(LIMITS.faster)


def test_backing_off_brakes_first_and_then_goes_back():
    after = moved(Motion(0.0, 1.0), -0.4, 1.0, LIMITS)
    assert after.speed == pytest.approx(-0.4)  # half a second to stand, half a second back
    assert after.ahead == pytest.approx(1 / 4 - 0.4 * 0.5 / 2)


@given(start=SPEEDS, target=SPEEDS, first=st.floats(0.01, 3), second=st.floats(0.01, 3))
def test_one_long_stretch_is_two_short_ones(start: float, target: float, first: float, second: float):
    motion = Motion(0.0, start)
    once = moved(motion, target, first + second, LIMITS)
    twice = moved(moved(motion, target, first, LIMITS), target, second, LIMITS)
    assert once.ahead == pytest.approx(twice.ahead, abs=1e-6)
    assert once.speed == pytest.approx(twice.speed, abs=1e-6)


@given(start=SPEEDS, target=SPEEDS, seconds=st.floats(0.01, 3))
def test_no_speed_changes_faster_than_the_limits(start: float, target: float, seconds: float):
    after = moved(Motion(0.0, start), target, seconds, LIMITS)
    assert abs(after.speed - start) <= max(LIMITS.braking, LIMITS.faster) * seconds + 1e-9
    assert min(start, target) - 1e-9 <= after.speed <= max(start, target) + 1e-9


def test_steering_is_a_share_of_the_speed_and_ends_where_it_is_wanted():
    assert steered(Motion(0, 1.0), 1.0, 0.5, LIMITS).side == pytest.approx(LIMITS.turning * 0.5)
    assert steered(Motion(0, 1.0, 0.9), 1.0, 5.0, LIMITS).side == 1.0
    assert steered(Motion(0, 0.0), 1.0, 0.5, LIMITS).side == 0
    assert steered(Motion(0, -0.3), 1.0, 0.5, LIMITS).side == 0


def test_gaps_of_footprints():
    robot = Motion(3.0, 1.0).box(LIMITS)
    assert robot == Box(0.0, 3.0 - LIMITS.length, LIMITS.width, LIMITS.length)
    assert gap(robot, Box(0.0, 5.0, 1.0, 0.4)) == pytest.approx(2.0)
    assert gap(robot, Box(1.3, 2.5, 1.0, 0.4)) == pytest.approx(0.5)
    assert gap(robot, Box(0.8 + 0.3, 3.4, 1.0, 0.4)) == pytest.approx(math.hypot(0.3, 0.4))
    assert gap(robot, Box(0.2, 2.8, 1.0, 0.4)) == pytest.approx(-0.2)
    assert overlap(robot, Box(0.7, 9.0, 1.0, 0.4))
    assert not overlap(robot, Box(0.9, 9.0, 1.0, 0.4))
    assert overlap(robot, Box(0.9, 9.0, 1.0, 0.4), clearance=0.25)


def test_the_time_to_a_collision_is_gap_over_closing_speed():
    robot = Motion(0.0, 1.4).box(LIMITS)
    assert time_to_collision(robot, 1.4, Box(0, 2.8, 1, 0.4), 0, 0) == pytest.approx(2.0)
    assert time_to_collision(robot, 1.4, Box(0, 2.8, 1, 0.4), 0, -1.4) == pytest.approx(1.0)
    assert time_to_collision(robot, 1.4, Box(0, 2.8, 1, 0.4), 0, 1.4) == math.inf
    assert time_to_collision(robot, 1.4, Box(2, 2.8, 1, 0.4), 0, 0) == math.inf
    assert time_to_collision(robot, 0.0, Box(2.8, -0.5, 1, 0.4), -1, 0) == pytest.approx(2.0)
    assert time_to_collision(robot, 1.4, Box(0, -0.5, 1, 0.4), 0, 0) == 0


@given(
    side=st.floats(-4, 4), near=st.floats(-4, 4), across=st.floats(-2, 2), along=st.floats(-2, 2), speed=st.floats(0, 2)
)
def test_when_the_time_to_a_collision_has_passed_they_touch_and_not_before(
    side: float, near: float, across: float, along: float, speed: float
):
    robot, other = Motion(0.0, speed).box(LIMITS), Box(side, near, 0.8, 0.4)
    assume(abs(across) > 1e-3 or across == 0)
    assume(abs(along - speed) > 1e-3 or along == speed)
    seconds = time_to_collision(robot, speed, other, across, along)

    def then(after: float) -> float:
        moved_on = Box(robot.side, robot.near + speed * after, robot.width, robot.depth)
        return gap(moved_on, Box(side + across * after, near + along * after, 0.8, 0.4))

    for share in (0.0, 0.5, 0.99):
        if math.isfinite(seconds):
            assert seconds == 0 or then(seconds * share) >= -1e-6
        else:
            assert then(10 * share) >= -1e-6
    if math.isfinite(seconds):
        assert then(seconds) <= 1e-6
