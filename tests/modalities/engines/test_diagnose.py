"""Saturation and variation."""

from __future__ import annotations

import math

import pytest
import torch

from tests.toys import EARS, SENTENCE, Toy, linear, picture, sound, weights
from veridical.errors import InputError
from veridical.modalities.engines.diagnose import diagnose
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

PREPARED = prepare(Toy(linear({})), {"vision": picture(2), "audio": sound(), "text": SENTENCE})
WEIGHTS = weights(0, PREPARED)
INPUTS = {m: p.tensor for m, p in PREPARED.items()}
BASELINES = {m: p.baseline for m, p in PREPARED.items()}
X = {"audio": torch.tensor([[1.0, 2.0, -1.0]])}
ZERO = {"audio": torch.zeros(1, 3)}


def heard(score, target: Target | None = None) -> Scorer:
    return Scorer(Toy(lambda i: score(i["audio"]), EARS), target or Target(0))


def test_of_a_linear_score_the_share_is_one_and_nothing_varies():
    for found in diagnose(Scorer(Toy(linear(WEIGHTS, 2.0)), Target(0)), INPUTS, BASELINES).values():
        assert found.local_share == pytest.approx(1, abs=1e-3)
        assert found.saturated is False
        assert found.variation == pytest.approx(0, abs=1e-6)
        assert found.stability is None


def test_of_a_quadratic_score_the_share_is_two_and_of_a_power_its_degree():
    assert diagnose(heard(lambda x: x.square().sum(1)), X, ZERO)["audio"].local_share == pytest.approx(2)
    assert diagnose(heard(lambda x: x.pow(3).sum(1)), X, ZERO)["audio"].local_share == pytest.approx(3)
    # From another baseline: <2 x, x - x0> / (|x|^2 - |x0|^2).
    start = {"audio": torch.tensor([[0.0, 1.0, 0.0]])}
    assert diagnose(heard(lambda x: x.square().sum(1)), X, start)["audio"].local_share == pytest.approx(8 / 5)


def test_a_sigmoid_far_from_its_middle_is_saturated():
    found = diagnose(heard(lambda x: x.sum(1).mul(3).sigmoid()), X, ZERO)["audio"]
    p = 1 / (1 + math.exp(-6))
    assert found.local_share == pytest.approx(6 * p * (1 - p) / (p - 0.5), rel=1e-3)
    assert found.saturated is True


def test_a_clamp_that_holds_everywhere_near_has_no_gradient_to_compare():
    found = diagnose(heard(lambda x: x.sum(1).clamp(max=0.5)), X, ZERO, noise=0.01)["audio"]
    assert (found.local_share, found.saturated, found.variation) == (0.0, True, None)


def test_scores_that_do_not_differ_have_no_share():
    found = diagnose(heard(lambda x: x.square().sum(1)), X, {"audio": -X["audio"]})["audio"]
    assert found.local_share is None
    assert found.saturated is None
    assert found.variation is not None


def test_the_variation_is_one_minus_the_mean_cosine_at_the_very_copies():
    from veridical.modalities.engines.smooth import generators, noisy

    found = diagnose(heard(lambda x: x.pow(3).sum(1)), X, ZERO, samples=5, noise=0.3, seed=8)["audio"]
    copies = noisy(X, 5, 0.3, generators(X, 8, 0))["audio"]
    cosines = torch.cosine_similarity(copies.double().square(), X["audio"].double().square())
    assert found.variation == pytest.approx(1 - float(cosines.mean()), abs=1e-6)
    assert found.variation is not None
    assert found.variation > 0.01


def test_gradients_nearby_that_have_nothing_in_common_vary_by_about_one():
    x = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    shattered = heard(lambda x: (1e5 * x).sin().sum(1) / 100)
    found = diagnose(shattered, {"audio": x}, {"audio": torch.zeros_like(x)}, samples=8)["audio"]
    assert found.variation == pytest.approx(1, abs=0.05)


def test_the_share_is_joint_and_the_variation_each_senses_own():
    def score(inputs):
        return linear({"audio": WEIGHTS["audio"]})(inputs) + inputs["text"].pow(3).sum((1, 2))

    senses = {m: INPUTS[m] for m in ("audio", "text")}
    found = diagnose(Scorer(Toy(score), Target(0)), senses, BASELINES)
    assert found["audio"].local_share == found["text"].local_share
    assert found["audio"].variation == pytest.approx(0, abs=1e-6)
    assert (found["text"].variation or 0) > 0.001
    slope = {"audio": WEIGHTS["audio"][None], "text": 3 * INPUTS["text"].square()}
    promised = sum(float((slope[m] * (INPUTS[m] - BASELINES[m])).sum()) for m in senses)
    scorer = Scorer(Toy(score), Target(0))
    difference = float(scorer.value(senses)) - float(scorer.value({m: BASELINES[m] for m in senses}))
    assert found["text"].local_share == pytest.approx(promised / difference, rel=1e-4)


def test_a_second_call_gives_the_same_figures_and_one_action_for_the_row_is_an_action():
    scorer = heard(lambda x: x.pow(3).sum(1))
    assert diagnose(scorer, X, ZERO) == diagnose(scorer, X, ZERO)
    assert diagnose(heard(lambda x: x.pow(3).sum(1), Target((0,))), X, ZERO) == diagnose(scorer, X, ZERO)


def test_inputs_that_want_gradients_of_their_own_are_left_alone():
    x = {"audio": X["audio"].clone().requires_grad_(True)}
    diagnose(heard(lambda x: x.pow(3).sum(1)), x, ZERO)
    assert x["audio"].grad is None


@pytest.mark.parametrize(
    ("inputs", "baselines", "options", "message"),
    [
        ({"audio": torch.zeros(2, 3)}, {"audio": torch.zeros(2, 3)}, {}, "2 rows, 4 samples"),
        (X, ZERO, {"samples": 0}, "0 samples"),
        (X, ZERO, {"noise": -1.0}, r"noise -1\.0"),
        (X, {}, {}, r"baseline of audio has shape none; \(1, 3\)"),
        (X, {"audio": torch.zeros(1, 4)}, {}, r"baseline of audio has shape \(1, 4\)"),
        ({"audio": torch.ones(1, 3, dtype=torch.long)}, ZERO, {}, "audio holds int64"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused(inputs, baselines, options, message: str):
    with pytest.raises(InputError, match=message):
        diagnose(heard(lambda x: x.pow(3).sum(1)), inputs, baselines, **options)
