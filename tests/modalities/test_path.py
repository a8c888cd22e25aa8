"""Integrated gradients along one joint path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.toys import (
    CAT,
    EARS,
    EYES,
    READER,
    SENTENCE,
    SIDE,
    Toy,
    hears_tone,
    linear,
    picture,
    reads_cat,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.modalities.observation import prepare
from veridical.modalities.path import (
    PathSettings,
    gradient_times_change,
    integrate_path,
)
from veridical.modalities.scorer import logits_of
from veridical.modalities.target import decision_score
from veridical.modalities.vision import Vision

ALL = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
PREPARED = prepare(Toy(linear({})), ALL)
WEIGHTS = weights(0, PREPARED)
SEEN = {"vision": PREPARED["vision"]}


def contribution(path, m: str) -> float:
    change = (PREPARED[m].tensor - PREPARED[m].baseline).double()
    return float((path.gradients[m].double() * change).sum())


def square(inputs: Mapping[str, Tensor]) -> Tensor:
    return inputs["vision"].square().flatten(1).sum(1)


def test_the_decision_score_is_the_log_odds_against_the_rest():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0]])
    p = logits.softmax(1)
    assert torch.allclose(decision_score(logits, 1), (p[:, 1] / (1 - p[:, 1])).log())
    assert torch.allclose(decision_score(logits[:, :2], 0), logits[:, 0] - logits[:, 1])


def test_of_a_linear_system_the_gradients_are_the_weights_whatever_the_schedule():
    # Simpson's rule is exact for what g' is of vision, 3 u^2, and of text, 4 u^3.
    for sense in (EYES, READER):
        m = sense.name
        given = {m: PREPARED[m]}
        path = integrate_path(
            Toy(linear({m: WEIGHTS[m]}, 1.0), sense), given, 0, PathSettings(first=2, last=4, tolerance=0)
        )
        torch.testing.assert_close(path.gradients[m][0], WEIGHTS[m], rtol=1e-4, atol=1e-6)
    # The audio's path rises exponentially: the trapezoid rule integrates g' to 1 only as it is refined.
    fine = integrate_path(Toy(linear(WEIGHTS, 1.0)), PREPARED, 0, PathSettings(first=256, last=256))
    torch.testing.assert_close(fine.gradients["audio"][0], WEIGHTS["audio"], rtol=1e-3, atol=1e-6)


def test_contributions_add_up_and_the_shares_are_those_of_each_sense():
    path = integrate_path(Toy(linear(WEIGHTS, 1.0)), PREPARED, 0, PathSettings(last=256, tolerance=0.0005))
    assert path.within
    assert path.gap <= max(5e-4 * abs(path.difference), 1e-4)
    for m, p in PREPARED.items():
        exact = float(((p.tensor - p.baseline)[0].double() * WEIGHTS[m]).sum())
        assert contribution(path, m) == pytest.approx(exact, abs=2e-3 * max(1, abs(exact)))


def test_simpson_is_exact_on_a_quadratic():
    class Straight(Vision):
        def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
            return u, torch.ones_like(u)

    toy, p = Toy(square, Straight(size=SIDE)), SEEN["vision"]
    path = integrate_path(toy, SEEN, 0, PathSettings(first=1, last=2, tolerance=0))
    assert path.nodes == 3
    expected = (p.tensor + p.baseline).double()  # the mean of 2 x over the straight path
    torch.testing.assert_close(path.gradients["vision"].double(), expected, rtol=1e-5, atol=1e-5)
    assert path.gap <= 1e-5 * path.difference + 1e-4


def test_of_a_bilinear_system_each_sense_has_a_share_of_the_product_that_its_pace_decides():
    """Vision goes as u^3 and text as u^4: vision's share is the integral of 3 u^2 u^4, 3/7, and text's is 4/7."""
    change = PREPARED["vision"].tensor - PREPARED["vision"].baseline

    def product(inputs: Mapping[str, Tensor]) -> Tensor:
        seen = ((inputs["vision"] - PREPARED["vision"].baseline) * change).flatten(1).sum(1)
        return seen * inputs["text"][:, :, CAT].sum(1)

    given = {m: PREPARED[m] for m in ("vision", "text")}
    path = integrate_path(Toy(product, EYES, READER), given, 0, PathSettings(first=32, last=64, tolerance=0))
    whole = float(change.square().sum())
    assert path.difference == pytest.approx(whole, rel=1e-4)
    assert contribution(path, "vision") == pytest.approx(3 / 7 * whole, rel=1e-3)
    assert contribution(path, "text") == pytest.approx(4 / 7 * whole, rel=1e-3)


def test_a_relu_network_by_hand():
    """s = relu(x - 0.5) in the one feature that runs from 0 to 1: the gradient is 1 on the second half of the path."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        return (inputs["text"][:, :, CAT].sum(1) - 0.5).relu()

    path = integrate_path(Toy(score, READER), {"text": PREPARED["text"]}, 0, PathSettings(first=16, last=1024))
    assert path.difference == pytest.approx(0.5)
    assert path.contribution == pytest.approx(0.5, abs=0.01)
    cat = PREPARED["text"].tensor[0, :, CAT].argmax()
    assert float(path.gradients["text"][0, cat, CAT]) == pytest.approx(0.5, abs=0.01)


def test_a_finer_level_evaluates_only_its_new_points():
    seen: list[int] = []

    def counting(inputs: Mapping[str, Tensor]) -> Tensor:
        seen.append(len(inputs["audio"]))
        return hears_tone(inputs)

    heard = {"audio": PREPARED["audio"]}
    path = integrate_path(Toy(counting, EARS), heard, 0, PathSettings(first=4, last=16, tolerance=0, chunk=3))
    assert path.nodes == sum(seen) == 17
    assert max(seen) == 3
    shares: list[float] = []
    integrate_path(Toy(square, EYES), SEEN, 0, PathSettings(first=4, last=4), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_size_of_the_chunks_does_not_matter():
    maps = [integrate_path(Toy(square, EYES), SEEN, 0, PathSettings(chunk=c)).gradients["vision"] for c in (1, 3, 17)]
    torch.testing.assert_close(maps[0], maps[1])
    torch.testing.assert_close(maps[0], maps[2])


def test_a_constant_score_contributes_nothing_and_is_within_the_tolerance():
    path = integrate_path(Toy(lambda inputs: 0 * inputs["vision"].flatten(1).sum(1) + 2, EYES), SEEN, 0)
    assert (path.contribution, path.gap, path.within, path.nodes) == (0.0, 0.0, True, 17)


def test_rounding_of_a_score_that_hardly_differs_is_no_gap():
    path = integrate_path(Toy(lambda inputs: 1e-7 * inputs["vision"].flatten(1).sum(1) + 9, EYES), SEEN, 0)
    assert path.within
    assert path.nodes == 17


def test_the_ends_of_the_path_are_the_baseline_and_the_very_input():
    seen: list[Tensor] = []

    def looking(inputs: Mapping[str, Tensor]) -> Tensor:
        seen.extend(inputs["audio"].detach())
        return inputs["audio"].sum(1)

    integrate_path(Toy(looking, EARS), {"audio": PREPARED["audio"]}, 0)
    assert torch.equal(seen[0], PREPARED["audio"].baseline[0])
    assert any(torch.equal(x, PREPARED["audio"].tensor[0]) for x in seen)


def test_the_plain_gradient_is_free_of_the_schedule():
    found = gradient_times_change(Toy(linear(WEIGHTS)), PREPARED, 0)
    for m, w in WEIGHTS.items():
        torch.testing.assert_close(found[m][0], w, rtol=1e-4, atol=1e-7)


def test_an_empty_text_that_a_system_passes_over_contributes_nothing():
    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        return inputs["vision"].flatten(1).sum(1)

    given = prepare(Toy(score, EYES, READER), {"vision": picture(), "text": ""})
    path = integrate_path(Toy(score, EYES, READER), given, 0)
    assert path.gradients["text"].count_nonzero() == 0


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda i: i["vision"].detach().flatten(1).sum(1), "no gradient reaches any input"),
        (lambda i: i["vision"].flatten(1).sum(1), "no gradient arrives at text"),
        (
            lambda i: (i["vision"].flatten(1).sum(1) * 0 + i["text"].sum((1, 2))).log(),
            "scores are not finite on the path",
        ),
        (lambda i: i["vision"].sum() + i["text"].sum((1, 2))[:1], r"of shape \(1, 2\) on the path .* \(3, 2\)"),
        (
            lambda i: (i["vision"].flatten(1).sum(1) * 0).sqrt() + i["text"].sum((1, 2)),
            "the gradient of vision is not finite",
        ),
    ],
)
def test_what_a_system_does_wrong_is_said(score, message: str):
    given = {m: PREPARED[m] for m in ("vision", "text")}
    with pytest.raises(ContractError, match=message):
        integrate_path(Toy(score, EYES, READER), given, 0)


def test_scores_that_are_no_tensor_are_refused():
    class Listing(Toy):
        def __call__(self, inputs: Mapping[str, Tensor]) -> Any:
            return [1.0, 2.0]

    with pytest.raises(ContractError, match=r"a list for one observation; a tensor of shape \(1, 2\)"):
        logits_of(Listing(reads_cat, READER), {}, 1, "for one observation")


@pytest.mark.parametrize("wrong", [{"first": 0}, {"chunk": 0}, {"tolerance": -1.0}, {"last": 0}])
def test_settings_out_of_range_are_refused(wrong: dict):
    with pytest.raises(InputError, match="at least 1"):
        PathSettings(**wrong)
