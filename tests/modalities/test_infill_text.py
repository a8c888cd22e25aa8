"""Rows closed up, and what that changes."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.modalities.infill_text import close_up, least_change

ABSENT = torch.tensor([0.5, -0.25], dtype=torch.float64)


def rows(*values: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_rows_that_are_kept_move_up_in_order():
    x = rows((1, 1), (2, 2), (3, 3))[None].repeat(4, 1, 1)
    kept = torch.tensor([[True, True, True], [True, False, True], [False, False, True], [False, False, False]])
    firsts = close_up(x, kept)[:, :, 0].tolist()
    assert firsts == [[1, 2, 3], [1, 3, 0], [3, 0, 0], [0, 0, 0]]


def test_what_was_only_taken_out_counts_its_distance_to_absence():
    x = rows((1, 0), (1, 0.1), (4, 2), (1, 0))
    for kept in itertools.product([True, False], repeat=4):
        after = close_up(x[None], torch.tensor([kept]))
        lost = (x[~torch.tensor(kept)] - ABSENT).pow(2).sum().item()
        assert least_change(x, after, ABSENT).tolist() == pytest.approx([lost])


def test_what_stands_in_counts_its_distance_to_what_it_stands_for():
    x = rows((1, 0), (5, 5), (6, 6), (2, 0))
    after = rows((1, 0), (6, 5), (2, 0), (0, 0))[None]  # the second row and the third became one
    absent = lambda row: (x[row] - ABSENT).pow(2).sum().item()  # noqa: E731
    assert least_change(x, after, ABSENT).tolist() == pytest.approx([1 + min(absent(1), absent(2))])


def by_hand(x: torch.Tensor, y: torch.Tensor) -> float:
    """All ways to hold the rows of y against rows of x: most that are the same, and of these the least change."""
    ways = []
    for chosen in itertools.combinations(range(len(x)), len(y)):
        apart = (x[list(chosen)] - y).pow(2).sum(1)
        lost = sum((x[i] - ABSENT).pow(2).sum().item() for i in range(len(x)) if i not in chosen)
        ways.append((-int((apart == 0).sum()), apart.sum().item() + lost))
    return min(ways)[1]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_it_is_the_best_of_all_ways(seed: int, left: int):
    pick = torch.Generator().manual_seed(seed)
    letters = torch.randn(4, 2, generator=pick, dtype=torch.float64)
    x, y = (letters[torch.randint(4, (count,), generator=pick)] for count in (5, left))
    after = torch.zeros(1, 5, 2, dtype=torch.float64)
    after[0, :left] = y
    assert least_change(x, after, ABSENT).item() == pytest.approx(by_hand(x, y))
