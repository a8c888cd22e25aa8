"""Timestamps: late ones, jumps, and what is no timestamp at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from veridical.agent.stream.order import FAR, Order, read_time


def kinds(order: Order, times: list[float], newest: float) -> list[str]:
    return [order.judge(at, newest, newest).kind for at in times]


def test_late_is_beyond_the_lateness_and_not_at_it():
    order = Order(0.5)
    assert kinds(order, [9.5, 9.49, 10.0, 0.0], 10.0) == ["in order", "late", "in order", "late"]


def test_without_anything_to_hold_it_against_a_timestamp_is_believed():
    assert Order(0.5).judge(1.7e9, None, None).kind == "in order"


@pytest.mark.parametrize("jump", [100.0, -100.0])
def test_a_jump_is_believed_the_third_time(jump: float):
    order = Order(0.5)
    times = [1000 + jump + k for k in range(4)]
    assert kinds(order, times[:3], 1000.0) == ["far", "far", "restart"]
    assert order.judge(times[3], times[2], times[2]).kind == "in order"


@pytest.mark.parametrize(
    "times",
    [
        [1100.0, 1000.1, 1101.0, 1102.0],  # one between was in order
        [1100.0, 1100.0, 1100.0, 1100.0],  # the same again proves nothing
        [1100.0, 1099.0, 1098.0, 1097.0],  # a clock that runs backwards
        [1100.0, 1200.0, 1300.0, 1400.0],  # each far from the other
    ],
)
def test_what_does_not_run_on_is_not_believed(times: list[float]):
    assert "restart" not in kinds(Order(0.5), times, 1000.0)


def test_forwards_may_be_allowed():
    order = Order(0.5)
    assert order.judge(1e6, 0.0, 0.0, forwards=False).kind == "in order"
    assert order.judge(0.0, 1e6, 1e6, forwards=False).kind == "far"


def test_far_is_far_beyond_any_lateness():
    assert Order(60.0).judge(1000 - FAR - 1, 1000.0, 1000.0).kind == "far"


@pytest.mark.parametrize("at", [math.nan, math.inf, -1.0, "3", b"3", None, True, [1], object(), 10**400])
def test_what_is_no_timestamp_is_told_and_not_raised(at: object):
    assert isinstance(read_time(at), str)


def test_numbers_of_any_kind_are_seconds():
    assert [read_time(at) for at in (0, 1.5, np.float32(2), np.int64(3))] == [0.0, 1.5, 2.0, 3.0]
