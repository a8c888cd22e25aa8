"""What is left fails, no single part of it can go, and the order stays; on failures whose cause is known."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from veridical.scenarios.suite.minimise_ddmin import ddmin, one_minimal

PARTS = st.integers(1, 12)


@given(PARTS, st.data())
def test_the_cause_alone_is_left(count: int, data: st.DataObject):
    cause = data.draw(st.sets(st.integers(0, count - 1)))
    asked = list[tuple[int, ...]]()

    def fails(some: Sequence[int]) -> bool:
        asked.append(tuple(some))
        return cause <= set(some)

    assert ddmin(range(count), fails) == sorted(cause)
    assert all(list(some) == sorted(some) for some in asked)


@given(PARTS, st.lists(st.sets(st.integers(0, 11), min_size=1, max_size=3), min_size=1, max_size=4))
def test_no_single_part_more_can_be_left_out(count: int, causes: list[set[int]]):
    def fails(some: Sequence[int]) -> bool:
        return any(cause <= set(some) for cause in causes)

    parts = list(range(count))
    if not fails(parts):
        return
    for left in (ddmin(parts, fails), one_minimal(parts, fails)):
        assert fails(left)
        assert not any(fails([part for part in left if part != gone]) for gone in left)


def test_what_fails_with_nothing_in_it_is_nothing():
    assert ddmin([1, 2, 3], lambda some: True) == []
    assert ddmin([], lambda some: False) == []
    assert one_minimal([1, 2], lambda some: True) == []


def test_a_failure_that_two_parts_hide_from_one_another_is_kept_one_minimal():
    # Not monotone: 3 alone fails, and with 1 it does not, unless 2 is there too.
    def fails(some: Sequence[int]) -> bool:
        return 3 in some and (1 not in some or 2 in some)

    assert ddmin([1, 2, 3], fails) == [3]
