"""Criteria of a drive: each is held by a drive that should, and falls in the second in which it should."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.suite.storyboard_sample import GOAL, always, board, careful, drive
from veridical.scenarios.suite.result import Checked
from veridical.scenarios.suite.storyboard_criteria import judged
from veridical.scenarios.suite.storyboard_world import TICK

BLOCK = {"name": "block", "is": "obstacle", "ahead": 5.05}
DOG = {
    "name": "dog",
    "is": "animal",
    "ahead": 6,
    "side": 1.5,
    "events": [{"when": {"within": 4}, "walk": {"side": -0.75}}],
}
VAN = {
    "name": "van",
    "ahead": 5,
    "side": 4,
    "heard": False,
    "sound": {"is": "siren"},
    "events": [{"when": {"time": 2}, "heard": True}, {"when": {"after": 3}, "heard": False}],
}


def checks(told: Any, rule: Any) -> dict[str, Checked]:
    found = judged(drive(told, rule), told)
    assert all(check.kind == "closed loop" for check in found)
    assert all((check.figures["fell"] is None) == bool(check.held) for check in found)
    return {check.expectation.removeprefix("storyboard."): check for check in found}


def test_a_free_way_is_driven_in_the_time_that_its_speed_takes():
    found = checks(board(), always("PROCEED"))
    assert found["goal"].held
    assert found["goal"].figures["arrived"] == pytest.approx(10 / 1.4, abs=TICK)
    assert found["collision"].happened == "there was nothing to run into"


def test_a_robot_that_never_moves_fails():
    found = checks(board(speed=0), always("STOP"))
    assert not found["goal"].held
    assert found["goal"].happened == "after 20.00 s it had come 0.00 m (at 20.00 s)"


def test_who_drives_on_collides_in_the_second_that_distance_over_speed_foretells():
    found = checks(board(BLOCK), always("PROCEED"))
    assert not found["collision"].held
    assert found["collision"].figures["fell"] == pytest.approx(5.05 / 1.4, abs=TICK)
    assert found["collision"].happened == "it ran into block, or block into it (at 3.65 s)"
    assert not found["goal"].held  # the drive ends there


def test_the_gap_that_is_left_is_the_distance_less_the_stopping_distance():
    told = board(BLOCK, must={**GOAL, "stop_before": {"actor": "block", "least": 0.3}, "time_to_collision": 0.5})
    found = checks(told, careful)
    stop = found["stop_before[0]"]
    assert stop.held
    assert stop.figures["gap"] == pytest.approx(5.05 - 2.8 - 1.4**2 / 4)
    assert stop.figures["stood"] == pytest.approx(2 + 0.7, abs=TICK)
    assert found["collision"].figures["gap"] == stop.figures["gap"]
    assert found["time_to_collision"].held
    assert found["time_to_collision"].figures["least"] == pytest.approx((5.05 - 2.8) / 1.4, abs=2 * TICK)
    wider = board(BLOCK, must={**GOAL, "stop_before": {"actor": "block", "least": 2}})
    assert not checks(wider, careful)["stop_before[0]"].held


def test_who_does_not_stand_has_not_stopped():
    told = board(DOG, must={**GOAL, "stop_before": {"actor": "dog"}})
    stop = checks(told, always("SLOW"))["stop_before[0]"]
    assert not stop.held
    assert stop.happened.startswith("it never stood; it came as near as")


def test_what_never_was_in_the_way_was_not_stopped_for():
    aside = {"name": "dog", "is": "animal", "ahead": 6, "side": 3}
    stop = checks(board(aside, must={**GOAL, "stop_before": {"actor": "dog"}}), always("PROCEED"))["stop_before[0]"]
    assert (stop.held, stop.happened) == (False, "dog never was in its way (at 7.15 s)")


def test_an_animal_that_crosses_is_waited_for_and_the_goal_is_reached():
    must = {**GOAL, "stop_before": {"actor": "dog"}, "time_to_collision": 0.4, "needless_stops": {}}
    found = checks(board(DOG, must=must), careful)
    assert all(check.held for check in found.values()), found


def test_the_time_to_yield_counts_from_when_it_is_heard():
    told = board(VAN, must={**GOAL, "yield_within": {"actor": "van", "seconds": 1}})
    found = checks(told, careful)["yield_within[0]"]
    assert found.held
    assert found.figures["taken"] == 0
    late = checks(told, lambda world: "YIELD" if world.now.time > 3.5 else "PROCEED")["yield_within[0]"]
    assert (late.held, late.figures["taken"], late.figures["fell"]) == (False, 2, 3)
    never = checks(told, always("PROCEED"))["yield_within[0]"]
    assert (never.held, never.figures["fell"]) == (False, 3)
    assert never.happened == "it never did; heard from 2.00 s on (at 3.00 s)"


def test_what_is_never_heard_cannot_be_yielded_to():
    silent = {**VAN, "events": []}
    told = board(silent, must={**GOAL, "yield_within": {"actor": "van", "seconds": 1}})
    assert not checks(told, always("YIELD"))["yield_within[0]"].held


def test_speed_near_an_actor():
    beside = {"name": "dog", "is": "animal", "ahead": 5, "side": 1.2}
    told = board(beside, must={**GOAL, "speed_near": {"actor": "dog", "within": 1, "most": 0.6}})
    fast = checks(told, always("PROCEED"))["speed_near[0]"]
    assert (fast.held, fast.figures["fastest"]) == (False, 1.4)
    assert checks(told, always("SLOW"))["speed_near[0]"].held
    assert checks(told, always("STOP"))["speed_near[0]"].happened == "it never came so near to dog"


def test_stops_are_needless_where_nothing_gave_reason_to():
    must = {**GOAL, "needless_stops": {"most": 1}}
    idle = checks(board(must=must, seconds=20), lambda world: "STOP" if world.now.time in (2, 3) else "PROCEED")
    assert idle["needless_stops"].figures["stops"] == [2, 3]
    assert idle["needless_stops"].figures["fell"] == 3  # the one that is too many
    assert checks(board(BLOCK, must=must), careful)["needless_stops"].held
    heard = checks(board(VAN, must=must), careful)["needless_stops"]
    assert heard.figures["stops"] == []


def test_a_stop_sign_beside_the_way_is_reason_to_stop():
    sign = {"name": "sign", "is": "stop-sign", "ahead": 4, "side": 1.4}
    tree = {"name": "tree", "is": "tree", "ahead": 4, "side": 1.4}
    must = {**GOAL, "needless_stops": {}}
    rule = lambda world: "STOP" if world.now.time == 1 else "PROCEED"  # noqa: E731
    assert checks(board(sign, must=must), rule)["needless_stops"].held
    assert not checks(board(tree, must=must), rule)["needless_stops"].held


def test_the_same_drive_twice_is_judged_the_same():
    told = board(DOG, BLOCK, VAN, must={**GOAL, "needless_stops": {}})
    assert judged(drive(told, careful), told) == judged(drive(told, careful), told)
