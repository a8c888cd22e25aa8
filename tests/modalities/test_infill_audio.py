"""Holes in a spectrum, filled from beside them or from other times."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.modalities.infill_audio import interpolate, swap


def grid(bins: int = 6, windows: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(bins, windows, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def pick() -> np.random.Generator:
    return np.random.default_rng(0)


HOLE = torch.zeros(6, 12, dtype=torch.bool)
HOLE[2:4, 4:8] = True


def test_levels_run_straight_across_the_hole_and_phases_stay():
    rise = torch.linspace(-3, 1, 12, dtype=torch.float64).exp()[None] * torch.ones(6, 1, dtype=torch.float64)
    phase = grid().angle()
    spectrum = torch.polar(rise, phase)
    hidden = torch.where(HOLE, 7 * spectrum, spectrum)
    torch.testing.assert_close(interpolate(hidden, HOLE), spectrum)


def test_before_the_first_and_behind_the_last_the_level_stays():
    edges = torch.zeros(6, 12, dtype=torch.bool)
    edges[:, :3] = edges[:, 10:] = True
    filled = interpolate(grid(), edges).abs()
    torch.testing.assert_close(filled[:, :3], grid().abs()[:, 3:4].expand(-1, 3))
    torch.testing.assert_close(filled[:, 10:], grid().abs()[:, 9:10].expand(-1, 2))


def test_a_bin_that_is_edited_throughout_is_filled_from_those_above_and_below():
    through = torch.zeros(6, 12, dtype=torch.bool)
    through[2:4] = True
    filled, known = interpolate(grid(), through).abs().log(), grid().abs().log()
    torch.testing.assert_close(filled[2], known[1] + (known[4] - known[1]) / 3)
    torch.testing.assert_close(filled[3], known[1] + 2 * (known[4] - known[1]) / 3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_a_filled_level_lies_between_those_that_are_known(seed: int, share: float):
    edited = torch.rand(6, 12, generator=torch.Generator().manual_seed(seed)) < share
    filled, known = interpolate(grid(seed=seed), edited), grid(seed=seed)
    assert filled.isfinite().all()
    torch.testing.assert_close(filled[~edited], known[~edited])
    if not edited.all():
        outside = known[~edited].abs()
        assert (filled.abs() <= outside.max() * (1 + 1e-9)).all()
        assert (filled.abs() >= outside.min() * (1 - 1e-9)).all()


def test_where_all_is_edited_or_silent_the_fill_is_silence():
    everything = torch.ones(6, 12, dtype=torch.bool)
    assert torch.equal(interpolate(grid(), everything), torch.zeros_like(grid()))
    assert torch.equal(interpolate(torch.zeros_like(grid()), HOLE), torch.zeros_like(grid()))
    assert torch.equal(swap(grid(), everything, pick()), torch.zeros_like(grid()))


def test_a_hole_in_silence_is_filled_with_silence():
    sound = torch.where(HOLE, grid(), 0)
    assert torch.equal(interpolate(sound, HOLE)[HOLE], torch.zeros(8, dtype=torch.complex128))


def test_a_swap_takes_one_other_time_of_the_same_bins():
    spectrum = grid()
    filled = swap(spectrum, HOLE, pick())
    steps = {s for s in range(-4, 5) if torch.equal(filled[2:4, 4:8], spectrum[2:4, max(4 + s, 0) : 8 + s])}
    assert len(steps) == 1
    assert abs(steps.pop()) == 4  # nearer the hole would lie on itself


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.95))
def test_swapped_values_are_those_of_the_same_bin_where_it_is_not_edited(seed: int, share: float):
    edited = torch.rand(6, 12, generator=torch.Generator().manual_seed(seed)) < share
    spectrum = grid(seed=seed)
    filled = swap(spectrum, edited, pick())
    for hole, before, after in zip(edited, spectrum, filled, strict=True):
        allowed = before[~hole].tolist() or [0]
        assert all(value in allowed for value in after[hole].tolist())


def test_a_draw_decides_between_times():
    found = [swap(grid(2, 40), torch.arange(40).expand(2, 40) == 20, np.random.default_rng(i))[0, 20] for i in range(9)]
    assert len({complex(value) for value in found}) > 3
    assert pytest.approx(found[0]) == swap(grid(2, 40), torch.arange(40).expand(2, 40) == 20, pick())[0, 20]
