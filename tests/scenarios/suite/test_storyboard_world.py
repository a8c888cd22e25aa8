"""The world of a closed loop: events begin when their conditions hold, and the robot steers around what it must."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.scenarios.suite.storyboard_sample import board, cast
from veridical.scenarios.suite.storyboard_world import BEFORE, TICK, World


def after(world: World, seconds: float, target: float = 0.0, around: bool = False) -> World:
    for _ in range(round(seconds / TICK)):
        world.tick(target, around)
    return world


def thing(**more: Any) -> dict[str, Any]:
    return {"name": "thing", "is": "obstacle", "ahead": 6, **more}


def world(*actors: dict[str, Any], **more: Any) -> World:
    told = board(*actors, **more)
    return World(told, cast(told))


def test_before_the_start_the_robot_drove_and_actors_moved_as_at_the_start():
    found = world(thing(side=1.0, walk={"side": 0.5}))
    assert len(found.moments) == round(BEFORE / TICK) + 1
    past = found.at(-2.0)
    assert past.time == pytest.approx(-2.0)
    assert past.motion.ahead == pytest.approx(-2.8)
    assert past.actors["thing"].side == pytest.approx(0.0)
    assert found.at(-9.0) is found.moments[0]
    assert found.now.time == 0


def test_nothing_was_heard_before_the_start():
    found = world({"name": "van", "ahead": 5, "sound": {"is": "siren"}}, speed=0)
    assert {moment.actors["van"].level for moment in found.moments[:-1]} == {-math.inf}
    assert found.now.actors["van"].level == 0


def test_a_sound_that_is_nearer_is_louder():
    found = world({"name": "van", "ahead": 20, "sound": {"is": "siren"}, "walk": {"ahead": -5}}, speed=0)
    assert found.now.actors["van"].level == pytest.approx(-12.04, abs=0.01)
    after(found, 2.0)
    assert found.now.actors["van"].level == pytest.approx(-6.02, abs=0.01)


def test_events_begin_one_after_the_other_by_time_distance_and_delay():
    events = [
        {"when": {"time": 1}, "walk": {"side": -1}},
        {"when": {"within": 3}, "walk": {}},
        {"when": {"after": 0.5}, "seen": False},
    ]
    found = world(thing(side=3, events=events))
    assert not after(found, 0.95, 1.4).now.actors["thing"].walks
    assert after(found, 0.05, 1.4).now.actors["thing"].walks
    while found.now.actors["thing"].gap > 3:
        after(found, TICK, 1.4)
    assert found.now.actors["thing"].gap > 3 - (1.4 + 1) * TICK - 1e-9
    assert not found.now.actors["thing"].walks
    assert after(found, 0.45, 1.4).now.actors["thing"].seen
    assert not after(found, 0.05, 1.4).now.actors["thing"].seen


def test_a_later_event_waits_for_the_one_before_it():
    events = [{"when": {"within": 0.1}, "walk": {"side": 1}}, {"when": {"time": 0}, "seen": False}]
    found = after(world(thing(events=events), speed=0), 3.0)
    assert found.now.actors["thing"].seen


def test_what_is_hidden_is_no_obstacle():
    found = world(thing(seen=False))
    standing = found.now.actors["thing"]
    assert not standing.in_way
    assert standing.collision == math.inf
    assert after(found, 5.0, 1.4, around=True).now.motion.side == 0


def test_it_brakes_within_v_squared_over_two_b():
    found = after(world(), 2.0)
    assert found.now.motion.ahead == pytest.approx(1.4**2 / 4)


def test_it_backs_off_half_a_metre_and_no_further():
    found = after(world(speed=0), 10.0, -0.3)
    assert found.now.motion.ahead == pytest.approx(-0.5, abs=2 * 0.3 * TICK)
    assert found.now.motion.ahead >= -0.5
    assert found.now.motion.speed == 0
    after(found, 2.0, 0.5)
    furthest = found.now.motion.ahead
    after(found, 10.0, -0.3)  # after going on it may back off anew
    assert found.now.motion.ahead < furthest


def test_around_a_thing_it_leaves_its_clearance_and_comes_back_to_its_way():
    found, sides = world(thing(side=0.1), speed=0.5), []
    while found.now.motion.ahead < 9:
        after(found, TICK, 0.5, around=True)
        sides.append(found.now.motion.side)
        assert found.now.actors["thing"].gap > 0
    gaps = [m.actors["thing"].gap for m in found.moments if m.motion.ahead - 0.7 < 6.4 and m.motion.ahead > 6]
    assert min(gaps) == pytest.approx(found.limits.clearance, abs=0.01)  # beside it
    assert min(m.actors["thing"].gap for m in found.moments) > 0.2  # a little less on the way back
    assert min(sides) == pytest.approx(0.1 - 0.3 - 0.3 - 0.25)  # on the side that is nearer
    assert sides[-1] == 0


def test_without_deciding_to_it_goes_around_nothing():
    found = world(thing(side=0.1))
    while found.now.actors["thing"].gap > 0:
        after(found, TICK, 1.4)
    assert found.now.motion.side == 0


def test_what_fills_the_way_is_not_gone_around():
    told = board(thing())
    found = World(told, cast(told, width=3.0))
    assert after(found, 3.0, 0.5, around=True).now.motion.side == 0


def test_the_same_storyboard_gives_the_same_world():
    once, again = (after(world(thing(walk={"side": 0.2})), 3.0, 0.5, True) for _ in range(2))
    assert once.moments == again.moments
