"""A steady clock for one topic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.seams.steady import PATIENCE, Steady

S = 1_000_000_000


@given(st.lists(st.integers(0, 10**12), max_size=60))
def test_times_never_go_back_by_more_than_patience(times):
    clock, newest = Steady(), 0
    for ns in times:
        placed = clock.place(ns)
        if placed is not None:
            assert placed >= newest - PATIENCE * S
            newest = max(newest, placed)


@given(st.lists(st.integers(0, 10**12)))
def test_times_in_order_are_left_as_they_are(times):
    clock = Steady()
    assert [clock.place(ns) for ns in sorted(times)] == sorted(times)
    assert clock.told() == []


def test_what_came_late_is_counted_once():
    clock = Steady()
    assert [clock.place(s * S) for s in (5, 4, 3, 6)] == [5 * S, 4 * S, None, 6 * S]
    assert clock.told() == ["1 message came more than 1 s late and was left out"]
    assert clock.told() == []


def test_a_clock_set_back_is_moved_forward():
    clock = Steady()
    placed = [clock.place(s * S) for s in (100, *range(10))]
    assert placed == [100 * S, *[None] * 7, 100 * S, 101 * S, 102 * S]
    assert clock.told() == [
        "the recording's clock was set back by 93 s; times after that go on from it",
        "7 messages came more than 1 s late and were left out",
    ]
