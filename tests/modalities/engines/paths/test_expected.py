"""Expected gradients of batches."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from veridical.errors import InputError
from veridical.modalities.contract import Modality
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.engines.paths.expected import Draws, drawn, expected_gradients, level, mean_score
from veridical.modalities.engines.paths.integrated import integrated_gradients
from veridical.modalities.engines.paths.quadrature import Rule
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

WEIGHTS = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.3, 0.1, -1.0, 2.0]])


class Tensors:
    """Two scores of one input: linear, or quadratic, or bent."""

    modalities: Mapping[str, Modality] = {}
    actions = ("a", "b")

    def __init__(self, kind: str = "linear") -> None:
        self.kind = kind
        self.inputs: list[weakref.ref[Tensor]] = []

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["x"]
        self.inputs.append(weakref.ref(x))
        if self.kind == "quadratic":
            x = x.square()
        if self.kind == "bent":
            x = (x + x.roll(1, 1)).sin()
        return x @ WEIGHTS.T


def ask(kind: str, target: Target | None = None) -> Scorer:
    return Scorer(Tensors(kind), target or Target(0, kind="logit"))


def some(count: int, seed: int) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


X, BACKGROUND = some(3, 0), some(10, 1)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_draws_are_stratified_and_baselines_come_up_about_as_often(samples: int, count: int, seed: int):
    u, which = Draws(samples, seed).of(count)
    assert torch.equal((u * samples).floor(), torch.arange(samples).double())
    often = which.bincount(minlength=count)
    assert often.max() - often.min() <= 1
    again = Draws(samples, seed).of(count)
    assert torch.equal(again[0], u)
    assert torch.equal(again[1], which)


def test_of_a_linear_system_they_are_the_weights_times_the_way_from_the_mean_baseline():
    scorer = ask("linear", Target((0, 1, 1), kind="logit"))
    found = expected_gradients(scorer, {"x": X}, {"x": BACKGROUND}, Draws(50))
    exact = WEIGHTS[[0, 1, 1]] * (X - BACKGROUND.mean(0))
    torch.testing.assert_close(found.contributions["x"], exact)
    assert bool((found.gaps < 1e-5).all())
    torch.testing.assert_close(found.baseline_scores.float(), (BACKGROUND @ WEIGHTS.T).mean(0)[[0, 1, 1]])
    assert found.multipliers is None
    assert found.within.all()


def test_of_a_quadratic_system_they_are_the_mean_over_baselines_of_the_difference_of_squares():
    found = expected_gradients(ask("quadratic"), {"x": X}, {"x": BACKGROUND}, Draws(4000), Layout(400))
    exact = WEIGHTS[0] * (X.square() - BACKGROUND.square().mean(0))
    torch.testing.assert_close(found.contributions["x"], exact, rtol=0, atol=0.1)
    assert bool((found.gaps < 0.2).all())


def test_from_one_baseline_they_come_near_integrated_gradients():
    scorer, base = ask("bent"), {"x": BACKGROUND[:1]}
    exact = integrated_gradients(scorer, {"x": X}, base, Rule(64, 1024, 1e-5))
    near = expected_gradients(scorer, {"x": X}, base, Draws(1000), Layout(100))
    torch.testing.assert_close(near.contributions["x"], exact.contributions["x"], rtol=0, atol=1e-3)


def test_what_is_told_of_the_error_is_some_times_the_error():
    exact = sum(
        integrated_gradients(ask("bent"), {"x": X}, {"x": b[None]}, Rule(64, 1024, 1e-5)).contributions["x"]
        for b in BACKGROUND
    ) / len(BACKGROUND)
    told, true = [], []
    for seed in range(8):
        found = expected_gradients(ask("bent"), {"x": X}, {"x": BACKGROUND}, Draws(60, seed), Layout(60))
        told.append(found.map_changes)
        size = (found.contributions["x"] - exact).abs().sum(1) / found.contributions["x"].abs().sum(1)
        true.append(size.double())
    ratio = float(torch.stack(told).mean() / torch.stack(true).mean())
    assert 1 < ratio < 6  # strata of half the draws are twice as wide: it errs on the safe side


def test_rows_do_not_depend_on_the_rows_beside_them_nor_bits_on_the_call():
    scorer = ask("bent", Target((0, 1, 0)))
    whole = expected_gradients(scorer, {"x": X}, {"x": BACKGROUND}, Draws(33), Layout(4))
    again = expected_gradients(scorer, {"x": X}, {"x": BACKGROUND}, Draws(33), Layout(4))
    assert torch.equal(whole.contributions["x"], again.contributions["x"])
    for i in range(3):
        alone = expected_gradients(scorer.at(i), {"x": X[i : i + 1]}, {"x": BACKGROUND}, Draws(33), Layout(4))
        assert torch.equal(alone.contributions["x"][0], whole.contributions["x"][i])
    other = expected_gradients(scorer, {"x": X}, {"x": BACKGROUND}, Draws(33, seed=1), Layout(4))
    assert not torch.allclose(other.contributions["x"], whole.contributions["x"])
    chunked = expected_gradients(scorer, {"x": X}, {"x": BACKGROUND}, Draws(33), Layout(7))
    torch.testing.assert_close(chunked.contributions["x"], whole.contributions["x"])


def test_a_chunk_is_all_that_is_in_memory():
    scorer = ask("bent")
    system = scorer.system
    assert isinstance(system, Tensors)
    for draw in drawn(scorer, {"x": X[:1]}, {"x": BACKGROUND}, Draws(64), {"x": level}, Layout(4)):
        assert draw.gradients["x"].shape == (1, 4)
        assert sum(ref() is not None for ref in system.inputs) <= 1
    assert len(system.inputs) == 16


def test_a_batch_of_none_and_an_input_that_is_its_only_baseline():
    found = expected_gradients(ask("bent"), {"x": X[:0]}, {"x": BACKGROUND})
    assert found.contributions["x"].shape == (0, 4)
    assert found.gaps.shape == (0,)
    same = expected_gradients(ask("bent"), {"x": X[:1]}, {"x": X[:1]})
    assert same.contributions["x"].count_nonzero() == 0
    assert same.evaluations.tolist() == [0]
    assert same.within.all()


def test_the_mean_score_does_not_depend_on_the_chunk():
    for chunk in (1, 3, 50):
        assert mean_score(ask("linear"), {"x": BACKGROUND}, Layout(chunk)) == pytest.approx(
            float((BACKGROUND @ WEIGHTS[0]).mean()), abs=1e-5
        )


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"tolerance": -1.0}, {"tolerance": float("nan")}])
def test_settings_out_of_range_are_refused(wrong: dict):
    with pytest.raises(InputError, match="at least 1 sample, and a tolerance of at least 0"):
        Draws(**wrong)


def test_no_baselines_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        expected_gradients(ask("linear"), {"x": X}, {"x": BACKGROUND[:0]})
