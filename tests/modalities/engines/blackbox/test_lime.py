"""LIME: a linear model of the score in the presence of evidence units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import LimeBase
from torch import Tensor

from tests.modalities.engines.blackbox.test_coalitions import (
    ALL,
    MANY,
    PAIR,
    WORDS,
    additive,
    asked,
    blind,
    both,
    flat,
    mixed,
)
from tests.toys import READER, SENTENCE, Split, Toy, reads_cat
from veridical.errors import InputError
from veridical.modalities.engines.blackbox.coalitions import all_coalitions
from veridical.modalities.engines.blackbox.lime import Lime, cosine_kernel, fit_local
from veridical.modalities.engines.task import Method

RNG = np.random.default_rng(5)
PRESENT = RNG.random((60, 6)) < 0.5
SCORES = PRESENT @ RNG.standard_normal(6) + (PRESENT[:, 0] & PRESENT[:, 1]) + 0.1 * RNG.standard_normal(60)
WEIGHTS = cosine_kernel(PRESENT, 0.25)


def test_it_is_a_method():
    assert isinstance(Lime(), Method)


def test_the_kernel_is_the_authors():
    found = cosine_kernel(np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool), 0.25)
    # d = 0, 1 - 1/2, 1; sqrt(exp(-d^2 / 0.25^2)) = exp(-8 d^2)
    np.testing.assert_allclose(found, np.exp([0, -2, -8]))
    assert cosine_kernel(np.ones((1, 0), bool), 0.25).tolist() == [1.0]


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_the_fit_solves_the_normal_equations(ridge: float):
    model = fit_local(PRESENT, SCORES, WEIGHTS, ridge)
    assert model is not None
    residual = SCORES - model.intercept - PRESENT @ model.coefficients
    assert WEIGHTS @ residual == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(PRESENT.T @ (WEIGHTS * residual), ridge * model.coefficients, atol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_it_is_captums_lime_on_the_same_samples(ridge: float):
    rows = iter(torch.from_numpy(PRESENT).float())
    by_row = {tuple(p): (s, w) for p, s, w in zip(PRESENT.tolist(), SCORES.tolist(), WEIGHTS.tolist(), strict=True)}

    def draw(original: Tensor, **kwargs: Any) -> Iterator[Tensor]:
        yield from (row[None] for row in rows)

    def looked_up(x: Tensor) -> Tensor:
        return torch.tensor([by_row[tuple((row > 0).tolist())][0] for row in x])

    lime = LimeBase(
        looked_up,
        SkLearnRidge(alpha=ridge),
        lambda original, perturbed, sample, **kwargs: by_row[tuple((sample[0] > 0).tolist())][1],
        draw,
        True,
        lambda sample, original, **kwargs: sample,
        None,
    )
    distinct = {tuple(p): k for k, p in enumerate(PRESENT.tolist())}
    scores = np.array([SCORES[distinct[tuple(p)]] for p in PRESENT.tolist()])
    theirs = lime.attribute(torch.ones(1, 6), n_samples=60)
    model = fit_local(PRESENT, scores, WEIGHTS, ridge)
    assert model is not None
    np.testing.assert_allclose(model.coefficients, theirs[0].numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_fidelity_with_a_sample_left_out_is_that_of_models_fitted_without_it(ridge: float):
    model = fit_local(PRESENT, SCORES, WEIGHTS, ridge)
    assert model is not None
    mean = WEIGHTS @ SCORES / WEIGHTS.sum()
    total = WEIGHTS @ (SCORES - mean) ** 2
    inside, outside = 0.0, 0.0
    for k in range(60):
        rest = np.arange(60) != k
        without = fit_local(PRESENT[rest], SCORES[rest], WEIGHTS[rest], ridge)
        assert without is not None
        outside += WEIGHTS[k] * (SCORES[k] - without.intercept - PRESENT[k] @ without.coefficients) ** 2
        inside += WEIGHTS[k] * (SCORES[k] - model.intercept - PRESENT[k] @ model.coefficients) ** 2
    assert model.fidelity == pytest.approx(1 - inside / total, abs=1e-9)
    assert model.left_out == pytest.approx(1 - outside / total, abs=1e-9)
    assert outside > inside > 0


def test_samples_that_do_not_tell_two_units_apart_determine_nothing():
    present = PRESENT.copy()
    present[:, 1] = present[:, 0]
    assert fit_local(present, SCORES, WEIGHTS) is None
    shrunk = fit_local(present, SCORES, WEIGHTS, 0.1)
    assert shrunk is not None
    assert shrunk.coefficients[0] == pytest.approx(shrunk.coefficients[1])


def test_a_score_that_does_not_vary_has_no_fidelity():
    model = fit_local(PRESENT, np.full(60, 0.1), WEIGHTS)
    assert model is not None
    assert (model.fidelity, model.left_out) == (None, None)
    np.testing.assert_allclose(model.coefficients, 0, atol=1e-12)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_linear_score_the_coefficients_are_its_contributions(kind: type[Toy]):
    for observation in (WORDS, MANY):
        task, expected = additive(observation, kind)
        found = Lime(samples=300).run(task)
        for m in observation:
            np.testing.assert_allclose(found.values[m], expected[m], atol=2e-5)
        assert found.facts["fidelity"] == pytest.approx(1, abs=1e-6)
        assert found.facts["fidelity_left_out"] == pytest.approx(1, abs=1e-6)
        assert found.facts["enumerated"] is (observation is WORDS)
        assert found.facts["samples"] == (32 if observation is WORDS else 300)
        if observation is MANY:
            assert found.stability == pytest.approx(1, abs=1e-3)


def test_a_ridge_shrinks_towards_nothing():
    task, expected = additive(WORDS)
    found = [Lime(ridge=ridge).run(task).values["text"] for ridge in (0.0, 1.0, 1e6)]
    sizes = [float(np.abs(values).sum()) for values in found]
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < 1e-4 * np.abs(expected["text"]).sum()


def test_of_a_product_both_have_the_same_and_the_fidelity_tells_that_it_is_none():
    found = Lime().run(asked(Toy(both, READER), PAIR))
    values = found.values["text"]
    assert values[1] == pytest.approx(values[2], abs=1e-9)
    assert values[0] == pytest.approx(values[3], abs=1e-9)
    assert 0.005 < values[0] < 0.02  # not nothing, as Shapley values have it
    present = all_coalitions(4)
    by_hand = fit_local(present, (present[:, 1] & present[:, 2]) + 0.0, cosine_kernel(present, 0.25))
    assert by_hand is not None
    assert values == pytest.approx(by_hand.coefficients, abs=1e-9)
    assert found.facts["fidelity"] == pytest.approx(by_hand.fidelity)
    assert 0.5 < found.facts["fidelity"] < 0.95


def test_one_word_among_thirty_is_found():
    found = Lime(samples=200).run(asked(Toy(reads_cat, READER), {"text": SENTENCE}))
    assert found.values["text"][20] == pytest.approx(4, abs=1e-4)
    assert np.delete(found.values["text"], 20) == pytest.approx(0, abs=1e-4)
    assert found.facts["intercept"] == pytest.approx(-1, abs=1e-4)


def test_a_callable_without_gradient_will_do():
    values = Lime().run(asked(Toy(blind, READER), PAIR)).values["text"]
    assert values[1] == pytest.approx(values[2])
    assert values[1] > 2


def test_none_and_one_unit():
    nothing = Lime().run(asked(Toy(reads_cat, READER), {"text": ""}))
    assert nothing.values["text"].shape == (0,)
    assert nothing.facts["intercept"] == -1.0
    assert nothing.facts["fidelity"] is None
    assert Lime().run(asked(Toy(reads_cat, READER), {"text": "cat"})).values["text"] == pytest.approx([4])


def test_a_seed_decides_the_samples_and_a_second_run_gives_the_same_bits():
    first, second, other = (flat(Lime(samples=200).run(asked(Toy(mixed), ALL, seed)).values) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_too_few_samples_are_refused_unless_a_ridge_makes_up_for_them():
    task = asked(Toy(reads_cat, READER), {"text": SENTENCE})
    with pytest.raises(InputError, match="lime: 20 samples for 30 units; give at least 32, or a ridge"):
        Lime(samples=20).run(task)
    with pytest.raises(InputError, match=r"samples of width 0\.01 do not determine 30 coefficients"):
        Lime(samples=40, width=0.01).run(task)
    found = Lime(samples=20, ridge=0.1).run(task)
    assert found.values["text"].argmax() == 20


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 0.0}, "width 0.0"),
        ({"width": float("nan")}, "width nan"),
        ({"ridge": -1.0}, "ridge -1.0"),
        ({"samples": 0}, "0 samples"),
        ({"chunk": 0}, "chunk 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=f"lime: .*{message}"):
        Lime(**wrong)
