"""SmoothGrad and VarGrad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, linear, picture, sound, weights
from veridical.errors import ContractError, InputError
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.engines.gradient import gradients
from veridical.modalities.engines.smooth import (
    SmoothGrad,
    VarGrad,
    generators,
    noisy,
    noisy_gradients,
)
from veridical.modalities.engines.task import Method, Task
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

PREPARED = prepare(Toy(linear({})), {"vision": picture(2), "audio": sound(), "text": SENTENCE})
WEIGHTS = weights(0, PREPARED)
SOUND = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))


def heard(score, target: Target | None = None) -> Scorer:
    return Scorer(Toy(lambda i: score(i["audio"]), EARS), target or Target(0))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    found: Any = spearmanr(a, b)
    return float(found.statistic)


CUBE = heard(lambda x: x.pow(3).sum(1))


def copies(x: torch.Tensor, row: int, samples: int, noise: float, seed: int = 0) -> torch.Tensor:
    """The noisy copies of one row, drawn once more."""
    return noisy({"audio": x}, samples, noise, generators({"audio": x}, seed, row))["audio"]


def test_without_noise_smoothgrad_is_the_gradient_to_the_bit_and_vargrad_is_zero():
    task = Task(Scorer(Toy(lambda i: linear(WEIGHTS)(i).tanh()), Target(0)), PREPARED)
    plain = gradients(task.scorer, task.inputs).values
    smooth, variance = SmoothGrad(9, noise=0).run(task), VarGrad(9, noise=0).run(task)
    for m, gradient in plain.items():
        assert torch.equal(smooth.values[m], gradient)
        assert not variance.values[m].any()
    assert smooth.stability == 1.0
    assert variance.stability is None  # no variance anywhere: nothing is ranked


def test_without_noise_a_convolutional_network_has_its_gradient_to_the_bit_too():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
    net(torch.zeros(1, 3, 32, 32))
    scorer = Scorer(Toy(lambda i: net(i["vision"][:, -1])[:, 0], EYES), Target(0))
    x = {"vision": PREPARED["vision"].tensor}
    found = noisy_gradients(scorer, x, 5, 0.0, layout=Layout(1))
    assert torch.equal(found.mean["vision"], gradients(scorer, x).values["vision"])


def test_of_a_cubic_score_mean_and_variance_are_those_of_its_slopes_at_the_very_copies():
    found = noisy_gradients(CUBE, {"audio": SOUND}, 11, 0.2, seed=4, layout=Layout(3))
    for row in range(3):
        slopes = (3 * copies(SOUND[row : row + 1], row, 11, 0.2, 4).square()).double().numpy()
        np.testing.assert_allclose(found.mean["audio"][row], slopes.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.variance["audio"][row], slopes.var(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.halves[0]["audio"][row], slopes[::2].mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.halves[1]["audio"][row], slopes[1::2].mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.spreads[1]["audio"][row], slopes[1::2].var(0), rtol=1e-4, atol=1e-6)


def test_of_many_copies_they_are_what_the_moments_of_the_normal_law_say():
    """With s = x^3: E[3 (x + n)^2] = 3 x^2 + 3 v and Var = 36 x^2 v + 18 v^2, v the variance of the noise."""
    x = SOUND[:1]
    v = float((0.1 * (x.max() - x.min())).square())
    found = noisy_gradients(CUBE, {"audio": x}, 4000, 0.1, layout=Layout(500))
    expected = 3 * x.square() + 3 * v
    variance = 36 * x.square() * v + 18 * v**2
    assert ((found.mean["audio"] - expected) / (variance / 4000).sqrt()).abs().max() < 4.5
    torch.testing.assert_close(found.variance["audio"], variance, rtol=0.25, atol=0)


def test_it_smooths_a_gradient_that_shatters():
    """s = sum of x + sin(200 x) / 100: the gradient is 1 + 2 cos(200 x), its mean over the noise near 1."""
    shattered = heard(lambda x: (x + (200 * x).sin() / 100).sum(1))
    x = {"audio": SOUND[:1]}
    plain = gradients(shattered, x).values["audio"]
    smooth = noisy_gradients(shattered, x, 400, 0.1, layout=Layout(100)).mean["audio"]
    assert float((plain - 1).abs().mean()) > 1
    assert float((smooth - 1).abs().mean()) < 0.1


def test_a_second_call_gives_the_very_same_bits_and_another_seed_does_not():
    first, second, other = (noisy_gradients(CUBE, {"audio": SOUND}, 5, 0.1, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.mean["audio"], second.mean["audio"])
    assert torch.equal(first.variance["audio"], second.variance["audio"])
    assert not torch.equal(first.mean["audio"], other.mean["audio"])


def test_how_many_copies_go_at_once_does_not_change_a_bit():
    maps = [noisy_gradients(CUBE, {"audio": SOUND}, 13, 0.1, layout=Layout(n)) for n in (1, 4, 13, 50)]
    for other in maps[1:]:
        assert torch.equal(other.mean["audio"], maps[0].mean["audio"])
        assert torch.equal(other.variance["audio"], maps[0].variance["audio"])


def test_the_noise_of_a_sense_depends_on_neither_the_other_senses_nor_the_global_generator():
    x = {m: p.tensor for m, p in PREPARED.items()}
    before = torch.random.get_rng_state()
    both = noisy(x, 2, 0.1, generators(x, 0, 0))
    alone = noisy({"audio": x["audio"]}, 2, 0.1, generators({"audio": x["audio"]}, 0, 0))
    assert torch.equal(both["audio"], alone["audio"])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(both["audio"][0], both["audio"][1])


def test_each_row_has_its_own_noise_and_its_own_action():
    x = SOUND[:1].expand(2, -1)
    found = noisy_gradients(heard(lambda x: x.pow(3).sum(1), Target((0, 1))), {"audio": x}, 5, 0.1)
    assert not torch.equal(found.mean["audio"][0], -found.mean["audio"][1])
    torch.testing.assert_close(found.mean["audio"][1], -3 * copies(x[:1], 1, 5, 0.1).square().mean(0))


def test_the_noise_is_the_share_of_the_range_that_was_asked_for():
    x = torch.linspace(-1, 3, 20000)[None]
    drawn = copies(x, 0, 3, 0.25) - x
    assert float(drawn.std()) == pytest.approx(1.0, rel=0.02)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)


def test_padding_of_a_text_stays_zero_and_a_black_line_of_a_picture_does_not():
    text = PREPARED["text"].tensor.clone()
    text[:, 5:9] = 0
    dark = PREPARED["vision"].tensor.clone()
    dark[..., 3, :] = 0
    x = {"text": text, "vision": dark}
    found = noisy(x, 3, 0.2, generators(x, 0, 0))
    assert not found["text"][:, 5:9].any()
    assert (found["text"][:, 4] != text[0, 4]).all()
    assert found["vision"][..., 3, :].all()


def test_memory_does_not_grow_with_the_samples():
    seen: list[int] = []

    def score(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x.pow(3).sum(1)

    noisy_gradients(heard(score), {"audio": SOUND}, 100, 0.1, layout=Layout(8))
    assert max(seen) <= 8
    assert sum(seen) == 300


def test_the_stability_is_the_rank_correlation_of_the_two_halves():
    heard_alone = {"audio": PREPARED["audio"]}
    task = Task(heard(lambda x: (x.pow(3) * WEIGHTS["audio"]).sum(1)), heard_alone, seed=3)
    found = noisy_gradients(task.scorer, task.inputs, 6, 0.1, seed=3)
    for method, halves in ((SmoothGrad(6), found.halves), (VarGrad(6), found.spreads)):
        expected = spearman(*(h["audio"].numpy().ravel() for h in halves))
        assert method.run(task).stability == pytest.approx(expected, abs=1e-9)
        assert 0 < expected < 1


def test_of_several_senses_the_least_stable_counts_and_all_are_told():
    score = Toy(lambda i: linear({"audio": WEIGHTS["audio"]})(i) + i["text"].pow(3).sum((1, 2)), EARS, READER)
    found = SmoothGrad(6, 0.3).run(Task(Scorer(score, Target(0)), {m: PREPARED[m] for m in ("audio", "text")}))
    told = found.facts["half_sample_correlation"]
    assert told["audio"] > 0.99
    assert found.stability == min(told.values()) == told["text"] < 0.99
    assert found.facts["evaluations"] == 6


def test_one_sample_has_no_halves():
    found = SmoothGrad(1).run(Task(Scorer(Toy(linear(WEIGHTS)), Target(0)), PREPARED))
    assert found.stability is None


def test_vargrad_gives_squares():
    task = Task(Scorer(Toy(lambda i: i["audio"].square().sum(1), EARS), Target(0)), {"audio": PREPARED["audio"]})
    found = VarGrad(200, 0.1).run(task)
    x = task.inputs["audio"]
    assert found.squared
    # The slope is 2 (x + n): its variance is four times that of the noise, everywhere.
    assert float(found.values["audio"].mean()) == pytest.approx(4 * (0.1 * float(x.max() - x.min())) ** 2, rel=0.02)


def test_progress_runs_up_to_one():
    shares: list[float] = []
    SmoothGrad(20).run(Task(Scorer(Toy(linear(WEIGHTS)), Target(0)), PREPARED, progress=shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SmoothGrad(0), "0 samples; give at least 1"),
        (lambda: SmoothGrad(noise=-0.1), r"noise -0\.1 of the range"),
        (lambda: SmoothGrad(noise=float("nan")), "noise nan of the range"),
        (lambda: VarGrad(3), "3 samples; give at least 4"),
        (lambda: VarGrad(noise=float("inf")), "noise inf of the range"),
        (lambda: noisy_gradients(CUBE, {"audio": SOUND}, 0, 0.1), "0 samples"),
        (lambda: noisy_gradients(CUBE, {"audio": SOUND[:0]}, 2, 0.1), "a batch of no rows"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message: str):
    with pytest.raises(InputError, match=message):
        make()


def test_integers_are_refused_and_not_made_noisy():
    with pytest.raises(InputError, match="audio holds int64, which has no gradient"):
        noisy_gradients(CUBE, {"audio": torch.ones(1, 4, dtype=torch.int64)}, 3, 0.1, layout=Layout(2))


def test_a_slope_that_is_not_finite_nearby_is_said():
    with pytest.raises(ContractError, match="not finite"):
        noisy_gradients(heard(lambda x: x.sqrt().sum(1)), {"audio": SOUND.abs()}, 20, 0.5)


def test_they_are_methods():
    assert isinstance(SmoothGrad(), Method)
    assert isinstance(VarGrad(), Method)
    assert (SmoothGrad.name, VarGrad.name) == ("smoothgrad", "vargrad")
