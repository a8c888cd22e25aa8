"""Instances: connected places of a concept, by corners and neighbouring frames in pictures, by gaps in sequences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.concepts.planted import planted
from veridical.concepts.instances import Instance, find_instances

BANK = planted(np.eye(3)[:1])
TWO = planted(np.eye(3)[:2])


def laid(grid: tuple[int, ...], **at: float) -> np.ndarray:
    """Strengths of one concept that is at the places named, ``_0_1_2=1.5``."""
    column = np.zeros(grid, np.float32)
    for place, strength in at.items():
        column[tuple(int(i) for i in place.strip("_").split("_"))] = strength
    return column.reshape(-1, 1)


def places(strengths: np.ndarray, grid: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [each.rows for each in find_instances(BANK, strengths, grid)]


@pytest.mark.parametrize("step", [s for s in product((-1, 0, 1), repeat=3) if any(s)])
def test_cells_that_touch_in_any_of_26_ways_are_one_place(step: tuple[int, int, int]):
    column = np.zeros((3, 3, 3), np.float32)
    column[1, 1, 1] = column[1 + step[0], 1 + step[1], 1 + step[2]] = 1.0
    assert len(places(column.reshape(-1, 1), (3, 3, 3))) == 1


def test_cells_that_do_not_touch_are_two_places():
    assert places(laid((1, 3, 3), _0_0_0=2.0, _0_0_2=1.0), (1, 3, 3)) == [(0,), (2,)]
    assert places(laid((3, 1, 1), _0_0_0=1.0, _2_0_0=2.0), (3, 1, 1)) == [(2,), (0,)]
    assert places(laid((3, 3), _0_0=1.0, _1_1=1.0, _2_2=1.0), (3, 3)) == [(0, 4, 8)]


def test_rows_of_a_sequence_two_apart_are_one_place_and_three_apart_are_two():
    assert places(laid((9,), _0=1.0, _2=1.0, _5=1.5, _6=1.5), (9,)) == [(5, 6), (0, 2)]


def test_a_row_alone_is_a_place_of_its_own():
    assert find_instances(BANK, np.array([[0.75]], np.float32), (1,)) == (Instance("vision", 0, 1, (0,), 0.75, 0.75),)


def test_places_are_counted_by_their_sums_not_by_their_largest_strength():
    strengths = laid((9,), _0=2.0, _4=1.5, _5=1.5, _8=1.0)
    found = find_instances(BANK, strengths, (9,))
    assert [(each.id, each.rows, each.strength, each.total) for each in found] == [
        ("vision#0.1", (4, 5), 1.5, 3.0),
        ("vision#0.2", (0,), 2.0, 2.0),
        ("vision#0.3", (8,), 1.0, 1.0),
    ]


def test_places_of_the_same_sum_are_counted_by_their_rows():
    assert places(laid((7,), _6=1.0, _3=1.0, _0=1.0), (7,)) == [(0,), (3,), (6,)]


def test_what_is_below_a_quarter_of_the_largest_belongs_to_no_place():
    assert places(laid((5,), _0=2.0, _1=0.5, _2=0.49), (5,)) == [(0, 1)]


def test_a_concept_below_its_threshold_everywhere_is_not_there():
    assert places(laid((5,), _0=0.49, _1=0.3), (5,)) == []
    assert places(laid((5,), _0=0.5), (5,)) == [(0,)]


def test_what_is_nowhere_has_no_place_even_without_a_threshold_nor_has_anything_where_there_are_no_rows():
    bank = planted(np.eye(3)[:1], threshold=np.zeros(1, np.float32))
    assert find_instances(bank, np.zeros((4, 1), np.float32), (4,)) == ()
    assert find_instances(bank, np.zeros((0, 1), np.float32), (0,)) == ()
    assert find_instances(bank, np.zeros((0, 1), np.float32), (0, 4, 4)) == ()


def test_the_strongest_of_all_concepts_come_first_and_merged_ones_are_passed_over():
    strengths = np.array([[1.0, 3.0], [1.5, 0.0], [0.0, 0.0]], np.float32)
    assert [each.id for each in find_instances(TWO, strengths, (3,))] == ["vision#1.1", "vision#0.1"]
    assert [each.id for each in find_instances(TWO, strengths, (3,), merged=(1,))] == ["vision#0.1"]


some = arrays(np.float32, (2 * 3 * 4, 1), elements=st.floats(0, 4, width=32))


@given(some, st.sampled_from([(2, 3, 4), (6, 4), (24,)]))
def test_places_part_what_is_active_and_their_figures_are_of_their_rows(strengths: np.ndarray, grid: tuple[int, ...]):
    found = find_instances(BANK, strengths, grid)
    column = strengths[:, 0]
    active = np.flatnonzero(column >= 0.25 * column.max()) if column.max() >= 0.5 else np.array([], int)
    assert sorted(r for each in found for r in each.rows) == active.tolist()
    assert [each.index for each in found] == list(range(1, len(found) + 1))
    for each in found:
        assert list(each.rows) == sorted(each.rows)
        assert each.total == pytest.approx(float(column[list(each.rows)].sum()), rel=1e-5)
        assert each.strength == column[list(each.rows)].max()
    assert [each.total for each in found] == sorted((each.total for each in found), reverse=True)


@given(some, st.sampled_from([0.5, 2.0, 8.0]))
def test_where_a_concept_is_does_not_hang_on_its_unit(strengths: np.ndarray, scale: float):
    bank = planted(np.eye(3)[:1], threshold=np.full(1, 0.5 * scale, np.float32))
    one, other = find_instances(BANK, strengths, (2, 3, 4)), find_instances(bank, scale * strengths, (2, 3, 4))
    assert [(each.id, each.rows) for each in one] == [(each.id, each.rows) for each in other]


@given(some)
def test_concepts_that_are_nowhere_change_nothing(strengths: np.ndarray):
    more = np.hstack([strengths, np.zeros_like(strengths)])
    assert find_instances(TWO, more, (2, 3, 4)) == find_instances(BANK, strengths, (2, 3, 4))
