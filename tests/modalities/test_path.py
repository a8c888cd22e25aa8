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
    sees_red,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.modalities.contract import Modality
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


@pytest.mark.parametrize("sense", [EYES, EARS, READER], ids=lambda sense: sense.name)
@pytest.mark.parametrize("first", [1, 3, 16])
def test_of_a_linear_system_the_gradients_are_the_weights_whatever_the_schedule(sense: Modality, first: int):
    m = sense.name
    toy = Toy(linear({m: WEIGHTS[m]}, 1.0), sense)
    path = integrate_path(toy, {m: PREPARED[m]}, 0, PathSettings(first=first, last=first, map_tolerance=None))
    torch.testing.assert_close(path.gradients[m][0], WEIGHTS[m], rtol=1e-5, atol=1e-7)
    assert path.within


def test_contributions_add_up_and_the_shares_are_those_of_each_sense():
    path = integrate_path(Toy(linear(WEIGHTS, 1.0)), PREPARED, 0, PathSettings(tolerance=1e-4))
    assert path.within
    assert path.gap <= max(1e-4 * abs(path.difference), 1e-4)
    for m, p in PREPARED.items():
        exact = float(((p.tensor - p.baseline)[0].double() * WEIGHTS[m]).sum())
        assert contribution(path, m) == pytest.approx(exact, abs=1e-4 * max(1, abs(exact)))


def test_a_gap_that_is_small_does_not_end_the_path_while_the_map_still_changes():
    def bent(inputs: Mapping[str, Tensor]) -> Tensor:
        return torch.tanh(3 * inputs["text"][:, :, CAT].sum(1)) * inputs["text"][:, :, :CAT].sum((1, 2))

    toy, given = Toy(bent, READER), {"text": PREPARED["text"]}
    loose = integrate_path(toy, given, 0, PathSettings(last=256, tolerance=1e9, map_tolerance=None))
    strict = integrate_path(toy, given, 0, PathSettings(last=256, tolerance=1e9, map_tolerance=1e-3))
    assert loose.nodes == 17
    assert strict.nodes > 17
    assert strict.map_change is not None
    assert strict.map_change <= 1e-3


def test_two_points_are_enough_for_a_quadratic_on_a_straight_path():
    class Straight(Vision):
        def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
            return u, torch.ones_like(u)

    toy, p = Toy(square, Straight(size=SIDE)), SEEN["vision"]
    path = integrate_path(toy, SEEN, 0, PathSettings(first=1, last=2, tolerance=0, map_tolerance=None))
    assert path.nodes == 2
    assert path.map_change is None
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


def test_a_refinement_evaluates_only_its_new_points():
    seen: list[Tensor] = []
    sizes: list[int] = []

    def bent(inputs: Mapping[str, Tensor]) -> Tensor:
        seen.extend(hears_tone(inputs).detach())
        sizes.append(len(inputs["audio"]))
        return (hears_tone(inputs) - 0.4).relu()

    heard = {"audio": PREPARED["audio"]}
    path = integrate_path(Toy(bent, EARS), heard, 0, PathSettings(first=4, last=16, tolerance=0, chunk=3))
    assert path.nodes == sum(sizes) == 17
    assert max(sizes) == 3
    assert len(torch.stack(seen).unique()) == 17
    shares: list[float] = []
    integrate_path(Toy(square, EYES), SEEN, 0, PathSettings(first=4, last=4), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_size_of_the_chunks_does_not_matter_nor_whether_it_was_found_by_measurement():
    def bent(inputs: Mapping[str, Tensor]) -> Tensor:
        return (sees_red(inputs) - 2).relu() + square(inputs)

    paths = [integrate_path(Toy(bent, EYES), SEEN, 0, PathSettings(tolerance=0, chunk=c)) for c in (1, 3, 17, None)]
    assert {path.nodes for path in paths} == {65}
    for path in paths[1:]:
        torch.testing.assert_close(path.gradients["vision"], paths[0].gradients["vision"])
    assert [path.layout.chunk for path in paths[:3]] == [1, 3, 17]


def test_a_second_call_gives_the_same_bits():
    toy = Toy(lambda inputs: (hears_tone(inputs) + sees_red(inputs)).tanh() * reads_cat(inputs))
    one, other = (integrate_path(toy, PREPARED, 0, PathSettings(tolerance=0)) for _ in range(2))
    assert all(torch.equal(one.gradients[m], other.gradients[m]) for m in PREPARED)
    assert (one.contribution, one.map_change, one.layout) == (other.contribution, other.map_change, other.layout)


def test_the_map_tells_how_much_it_still_changes():
    toy = Toy(lambda inputs: (hears_tone(inputs) - 1.0).relu(), EARS)
    changes = []
    for last in (16, 64, 256):
        path = integrate_path(toy, {"audio": PREPARED["audio"]}, 0, PathSettings(last=last, tolerance=0))
        assert path.map_change is not None
        changes.append(path.map_change)
    assert changes[0] > 2 * changes[1] > 4 * changes[2] > 0


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

    integrate_path(Toy(looking, EARS), {"audio": PREPARED["audio"]}, 0, PathSettings(chunk=3))
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
    assert path.gradients["text"].shape == given["text"].tensor.shape
    plain = gradient_times_change(Toy(score, EYES, READER), given, 0)
    assert plain["text"].count_nonzero() == 0
    assert bool((plain["vision"] == 1).all())


def test_where_nothing_differs_from_its_baseline_nothing_contributes():
    given = prepare(Toy(reads_cat, READER), {"text": ""})
    path = integrate_path(Toy(reads_cat, READER), given, 0)
    assert (path.contribution, path.nodes, path.within) == (0.0, 1, True)
    assert path.score == path.baseline_score
    assert gradient_times_change(Toy(reads_cat, READER), given, 0)["text"].count_nonzero() == 0


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda i: i["vision"].detach().flatten(1).sum(1), "no gradient reaches any input"),
        (lambda i: i["vision"].flatten(1).sum(1), "no gradient arrives at text"),
        (
            lambda i: (i["vision"].flatten(1).sum(1) * 0 + i["text"].sum((1, 2))).log(),
            "scores are not finite on the path",
        ),
        (lambda i: i["vision"].sum() + i["text"].sum((1, 2))[:1], r"of shape \(1, 2\) on the path .* \(2, 2\)"),
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
