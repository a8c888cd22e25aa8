"""The adaptive quadrature, on functions whose integrals are known."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from veridical.errors import InputError
from veridical.modalities.engines.paths.quadrature import ROUND, Integral, Pace, Rule, integrate
from veridical.modalities.scorer import Slopes


def power(p: float) -> Pace:
    return lambda u: (u**p, p * u ** (p - 1))


STRAIGHT = power(1)
Score = Callable[[Tensor], Tensor]


class Line:
    """The path from 0 to ``change`` of a function of some numbers, and the points that were asked for."""

    def __init__(self, score: Score, change: Tensor, pace: Pace = STRAIGHT) -> None:
        self.score, self.change, self.pace = score, change[None], pace
        self.asked: list[float] = []
        self.sizes: list[int] = []

    def __call__(self, u: Tensor) -> Slopes:
        self.asked += u.tolist()
        self.sizes.append(len(u))
        x = (self.pace(u)[0][:, None] * self.change).requires_grad_(True)
        score = self.score(x)
        (gradient,) = torch.autograd.grad(score.sum(), x)
        return Slopes({"x": gradient}, score.detach(), torch.stack((score, 0 * score), 1).detach())

    def integrate(self, rule: Rule, chunk: int = 4, **more: Callable[[float], None]) -> Integral:
        return integrate(self, {"x": self.change}, {"x": self.pace}, rule, chunk, **more)


WEIGHTS = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
CHANGE = torch.tensor([1.0, 3.0, -2.0], dtype=torch.float64)


def kinked(x: Tensor) -> Tensor:
    """Many kinks along the path, as a ReLU network has."""
    at = torch.linspace(0.05, 0.95, 40, dtype=x.dtype)
    slopes = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    return ((x * CHANGE).sum(1, keepdim=True) / 14 - at).relu() @ slopes.sum(1) + (x @ slopes.T).sin().sum(1)


@settings(deadline=None)
@given(st.floats(0.5, 6), st.integers(1, 40), st.integers(1, 9))
def test_a_linear_score_is_exact_whatever_the_pace_and_the_points(p: float, first: int, chunk: int):
    def pace(u: Tensor) -> tuple[Tensor, Tensor]:
        # Slope infinite at 0 for p < 1; a pace may have any slope that is finite.
        return u**p, p * u.clamp_min(1e-3) ** (p - 1)

    found = Line(lambda x: x @ WEIGHTS + 3, CHANGE, pace).integrate(Rule(first, first), chunk)
    torch.testing.assert_close(found.multipliers["x"][0], WEIGHTS)
    assert found.within
    assert found.difference == pytest.approx(float(WEIGHTS @ CHANGE))


def test_a_quadratic_score_is_exact_on_a_straight_path():
    form = torch.tensor([[2.0, 1.0, 0.0], [1.0, -1.0, 0.5], [0.0, 0.5, 3.0]], dtype=torch.float64)
    found = Line(lambda x: (x @ form * x).sum(1), CHANGE).integrate(Rule(8, 8))
    # The gradient 2 A x, averaged from 0 to the change.
    torch.testing.assert_close(found.multipliers["x"][0], form @ CHANGE)


def test_a_relu_network_by_hand():
    """s = 2 relu(x1 - 1.5) + relu(x0): the first unit is on in the second half of the way, the other all along."""
    found = Line(lambda x: 2 * (x[:, 1] - 1.5).relu() + x[:, 0].relu(), CHANGE).integrate(Rule(16, 4096, 1e-3))
    assert found.within
    assert found.multipliers["x"][0].tolist() == pytest.approx([1.0, 1.0, 0.0], abs=2e-3)
    assert found.evaluations <= 250  # even points would need three times as many


def test_the_error_of_a_smooth_score_falls_with_the_square_of_the_points():
    exact = torch.tensor([(torch.e - 1)], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    errors = []
    for most in (8, 16, 32, 64):
        found = Line(lambda x: x[:, 0].exp(), one).integrate(Rule(8, most, 0.0))
        errors.append(abs(float(found.multipliers["x"] - exact)))
    assert all(a / b == pytest.approx(4, rel=0.35) for a, b in pairwise(errors))


def test_points_go_where_the_integrand_moves():
    def score(x: Tensor) -> Tensor:
        return (200 * (x[:, 0] - 0.8)).sigmoid() + 0.1 * x[:, 0]

    line = Line(score, torch.ones(1, dtype=torch.float64))
    found = line.integrate(Rule(16, 80, 0.0))
    inside = [u for u in line.asked if 0.75 <= u <= 0.875]
    assert len(inside) > 3 * len(line.asked) / 8  # an eighth of the path
    even = Line(score, torch.ones(1, dtype=torch.float64)).integrate(Rule(80, 80, 0.0))
    assert found.gap < even.gap / 10


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(1, 90), st.integers(1, 20))
def test_the_budget_holds_no_point_is_evaluated_twice_and_chunks_are_no_larger(first: int, most: int, chunk: int):
    line = Line(kinked, CHANGE)
    found = line.integrate(Rule(first, most, 0.0), chunk)
    level = -(-first // min(8, first)) * min(8, first)
    assert level + 1 <= found.evaluations <= max(most, level) + 1
    assert len(set(line.asked)) == len(line.asked) == found.evaluations
    assert max(line.sizes) <= chunk
    assert {0.0, 1.0} <= set(line.asked)


def test_what_is_evaluated_does_not_depend_on_the_chunk():
    lines = [Line(kinked, CHANGE) for _ in range(3)]
    maps = [
        line.integrate(Rule(16, 100, 0.0), chunk).multipliers["x"]
        for line, chunk in zip(lines, (1, 5, 200), strict=True)
    ]
    assert lines[0].asked == lines[1].asked == lines[2].asked
    torch.testing.assert_close(maps[0], maps[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(maps[0], maps[2], rtol=1e-12, atol=1e-12)


def test_a_second_call_gives_the_same_bits():
    one, other = (Line(kinked, CHANGE).integrate(Rule(16, 64, 0.0)) for _ in range(2))
    assert torch.equal(one.multipliers["x"], other.multipliers["x"])
    assert (one.contribution, one.map_change) == (other.contribution, other.map_change)


def test_it_stops_as_soon_as_the_gap_is_within_the_tolerance():
    spent = [Line(kinked, CHANGE).integrate(Rule(16, 2000, tolerance)) for tolerance in (0.5, 1e-2, 1e-4)]
    assert all(
        found.within and found.gap <= t * abs(found.difference)
        for found, t in zip(spent, (0.5, 1e-2, 1e-4), strict=True)
    )
    assert spent[0].evaluations == 17
    assert spent[0].evaluations < spent[1].evaluations < spent[2].evaluations < 2001


def test_a_tolerance_that_cannot_be_reached_is_said():
    def lying(u: Tensor) -> Slopes:
        # A score that rises by 2 while its gradient promises 1: a detached branch, say.
        return Slopes({"x": torch.ones(len(u), 1)}, 2 * u, torch.stack((2 * u, 0 * u), 1))

    found = integrate(lying, {"x": torch.ones(1, 1)}, {"x": STRAIGHT}, Rule(16, 64), 8)
    assert not found.within
    assert found.gap == pytest.approx(1.0)
    assert 64 - ROUND <= found.evaluations <= 65


def opposed(u: Tensor) -> Slopes:
    """Two elements that cancel at every point, each with a kink at 0.37: the gap is 0 from the first point on."""
    step = (u > 0.37).double()
    return Slopes({"x": torch.stack((step, -step), 1)}, 0 * u, torch.zeros(len(u), 2, dtype=torch.float64))


def test_a_gap_that_is_small_by_luck_does_not_hide_that_the_map_still_changes():
    change = {"x": torch.ones(1, 2, dtype=torch.float64)}
    loose = integrate(opposed, change, {"x": STRAIGHT}, Rule(16, 4000), 8)
    assert loose.gap == 0
    assert loose.evaluations == 17
    assert loose.map_change is not None
    assert abs(float(loose.multipliers["x"][0, 0]) - 0.63) / 0.63 <= loose.map_change
    strict = integrate(opposed, change, {"x": STRAIGHT}, Rule(16, 4000, map_tolerance=1e-3), 8)
    assert strict.within
    assert strict.map_change is not None
    assert strict.map_change <= 1e-3
    assert float(strict.multipliers["x"][0, 0]) == pytest.approx(0.63, rel=2e-3)
    assert not integrate(opposed, change, {"x": STRAIGHT}, Rule(16, 32, map_tolerance=1e-3), 8).within


def test_the_coarser_map_is_that_of_a_half_to_a_quarter_of_the_points():
    rule = Rule(16, 16, 0.0)
    found = Line(kinked, CHANGE).integrate(rule)
    half = Line(kinked, CHANGE).integrate(Rule(8, 8, 0.0))
    assert found.coarser is not None
    assert torch.equal(found.coarser["x"], half.multipliers["x"])
    long = Line(kinked, CHANGE).integrate(Rule(16, 40, 0.0))
    assert long.coarser is not None
    assert torch.equal(long.coarser["x"], found.multipliers["x"])
    assert Line(kinked, CHANGE).integrate(Rule(1, 1, 0.0)).coarser is None


def test_only_one_chunk_of_gradients_is_alive_at_a_time():
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def evaluate(u: Tensor) -> Slopes:
        nonlocal most
        most = max(most, sum(ref() is not None for ref in alive))
        gradient = torch.stack((u, 1 - u), 1).sin()
        alive.append(weakref.ref(gradient))
        return Slopes({"x": gradient}, u.cos(), torch.stack((u, u), 1))

    integrate(evaluate, {"x": torch.ones(1, 2, dtype=torch.float64)}, {"x": STRAIGHT}, Rule(16, 300, 0.0), 4)
    assert len(alive) >= 70
    assert most <= 1


def test_a_constant_score_is_within_and_its_map_does_not_change():
    found = Line(lambda x: 0 * x.sum(1) + 2, CHANGE).integrate(Rule())
    assert (found.contribution, found.gap, found.map_change, found.evaluations) == (0.0, 0.0, 0.0, 17)
    assert found.within


def test_senses_keep_their_pace():
    """Of the product of two numbers that go as u and u^3 the shares are 1/4 and 3/4."""

    def product(u: Tensor) -> Slopes:
        return Slopes({"a": (u**3)[:, None], "b": u[:, None]}, u**4, torch.stack((u, u), 1))

    one = torch.ones(1, 1, dtype=torch.float64)
    found = integrate(product, {"a": one, "b": one}, {"a": STRAIGHT, "b": power(3)}, Rule(16, 512, 1e-5), 8)
    assert float(found.multipliers["a"]) == pytest.approx(1 / 4, abs=1e-4)
    assert float(found.multipliers["b"]) == pytest.approx(3 / 4, abs=1e-4)


def test_sums_of_low_precision_gradients_are_kept_in_float32():
    def evaluate(u: Tensor) -> Slopes:
        return Slopes({"x": torch.ones(len(u), 3, dtype=torch.bfloat16)}, u.float(), torch.zeros(len(u), 2))

    found = integrate(evaluate, {"x": torch.full((1, 3), 1 / 3)}, {"x": STRAIGHT}, Rule(256, 256), 8)
    assert found.multipliers["x"].dtype == torch.float32
    torch.testing.assert_close(found.multipliers["x"], torch.ones(1, 3))


def test_progress_rises_to_one():
    shares: list[float] = []
    Line(kinked, CHANGE).integrate(Rule(16, 64, 0.0), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 10


@pytest.mark.parametrize("wrong", [{"first": 0}, {"most": 0}])
def test_no_intervals_are_refused(wrong: dict[str, int]):
    with pytest.raises(InputError, match="at least 1 is wanted"):
        Rule(**wrong)


@pytest.mark.parametrize("wrong", [{"tolerance": -1.0}, {"rounding": float("nan")}, {"map_tolerance": -0.1}])
def test_tolerances_below_zero_are_refused(wrong: dict[str, Any]):
    with pytest.raises(InputError, match="tolerances are numbers of at least 0"):
        Rule(**wrong)
