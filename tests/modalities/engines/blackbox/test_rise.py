"""RISE: the mean score over random subsets of the evidence, with a unit and without it."""

from __future__ import annotations

import numpy as np
import pytest

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
from veridical.modalities.engines.blackbox.rise import Rise, contrasts, draw_masks, standard_errors
from veridical.modalities.engines.ranks import rank_correlation
from veridical.modalities.engines.task import Method


def game(present: np.ndarray) -> np.ndarray:
    """Nine players; what 0 to 3 do together, and a little of 4."""
    x = present.astype(float)
    return 2 * x[:, 0] + 3 * x[:, 1] * x[:, 2] - x[:, 2] * x[:, 3] * x[:, 0] + 0.5 * x[:, 4]


def expected(keep: float) -> np.ndarray:
    """Mean of the game where a player is there less where not; others are there with probability ``keep``."""
    k = keep
    return np.array([2 - k * k, 3 * k, 3 * k - k * k, -k * k, 0.5, 0, 0, 0, 0])


def test_it_is_a_method():
    assert isinstance(Rise(), Method)


def test_pairs_are_opposite_and_each_unit_is_kept_in_half():
    masks = draw_masks(7, 31, 0.5, np.random.default_rng(0))
    assert masks.shape == (32, 7)
    assert np.array_equal(masks[::2], ~masks[1::2])
    assert (masks.sum(0) == 16).all()


@pytest.mark.parametrize(("keep", "kept"), [(0.2, 8), (0.8, 32), (0.999, 38), (0.001, 2)])
def test_other_masks_keep_each_unit_in_its_share(keep: float, kept: int):
    masks = draw_masks(9, 40, keep, np.random.default_rng(0))
    assert (masks.sum(0) == kept).all()
    assert len(np.unique(masks, axis=1)[0]) > 1


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.8])
def test_over_all_masks_the_contrast_is_its_expectation(keep: float):
    present = all_coalitions(9)
    kept = present.sum(1)
    weights = keep**kept * (1 - keep) ** (9 - kept)
    np.testing.assert_allclose(contrasts(present, game(present), weights), expected(keep), atol=1e-12)


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.8])
def test_estimates_are_unbiased_and_their_standard_errors_are_about_those_that_are_seen(keep: float):
    found, errors = [], []
    for seed in range(300):
        present = draw_masks(9, 80, keep, np.random.default_rng(seed))
        found.append(contrasts(present, game(present)))
        errors.append(standard_errors(present, game(present), keep == 0.5))
    seen = np.std(found, axis=0)
    assert np.abs(np.mean(found, 0) - expected(keep)).max() < 4 * seen.max() / 300**0.5
    ratio = np.sqrt(np.mean(np.square(errors), 0)) / seen
    assert ratio.min() > 0.85
    assert ratio.max() < 1.35  # masks of fixed counts spread less than Welch's formula says where units act together


def test_the_order_of_units_is_that_of_the_papers_importance():
    present = draw_masks(9, 400, 0.5, np.random.default_rng(0))
    theirs = game(present) @ present / (len(present) * 0.5)  # Petsiuk et al., equation 6
    ours = contrasts(present, game(present))
    assert np.array_equal(theirs.argsort(), ours.argsort())
    np.testing.assert_allclose(ours, 2 * (theirs - game(present).mean()), atol=1e-12)


def test_opposite_pairs_leave_less_noise_than_masks_drawn_apart():
    def spread(paired: bool) -> float:
        found = []
        for seed in range(100):
            rng = np.random.default_rng(seed)
            present = draw_masks(9, 80, 0.5, rng) if paired else rng.random((80, 9)) < 0.5
            found.append(contrasts(present, (present[:, 0] ^ present[:, 1]) + 0.0))
        return float(np.std(found, axis=0).mean())

    # What two do in even order alone is no noise at all.
    assert spread(True) == pytest.approx(0, abs=1e-12)
    assert spread(False) > 0.05


@pytest.mark.parametrize("kind", [Toy, Split])
@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_few_units_are_enumerated_and_a_linear_scores_values_are_its_contributions(kind: type[Toy], keep: float):
    task, contributions = additive(WORDS, kind)
    found = Rise(keep=keep).run(task)
    np.testing.assert_allclose(found.values["text"], contributions["text"], atol=1e-5)
    assert found.facts["enumerated"] is True
    assert (found.facts["masks"], found.facts["evaluations"]) == (32, 33)
    assert found.stability is None


def test_of_many_units_the_values_lie_within_their_errors():
    task, contributions = additive(MANY)
    found = Rise(masks=300).run(task)
    errors = np.concatenate(list(found.facts["standard_errors"].values()))
    off = (flat(found.values) - flat(contributions)) / errors
    assert np.abs(off).max() < 5
    assert 0.7 < off.std() < 1.3
    assert found.facts["evaluations"] <= 302
    present = draw_masks(len(off), 300, 0.5, np.random.default_rng(0))
    scores = present @ flat(contributions)
    first, second = contrasts(present[:150], scores[:150]), contrasts(present[150:], scores[150:])
    assert found.stability == pytest.approx(rank_correlation(first, second), abs=1e-3)


def test_what_speaks_loud_is_found_and_is_stable():
    task = asked(Toy(reads_cat, READER), {"text": SENTENCE})
    found = Rise(masks=200).run(task)
    assert found.values["text"].argmax() == 20
    assert found.values["text"][20] == pytest.approx(4)
    error = found.facts["standard_errors"]["text"]
    assert error[20] == pytest.approx(0, abs=1e-6)
    assert np.abs(np.delete(found.values["text"], 20)).max() < 5 * max(error)


def test_of_a_product_each_has_half_and_a_bystander_nothing():
    np.testing.assert_allclose(Rise().run(asked(Toy(both, READER), PAIR)).values["text"], [0, 0.5, 0.5, 0], atol=1e-12)
    # With nine tenths kept the other is nearly always there.
    often = Rise(keep=0.9).run(asked(Toy(both, READER), PAIR)).values["text"]
    np.testing.assert_allclose(often, [0, 0.9, 0.9, 0], atol=1e-12)


def test_a_callable_without_gradient_will_do():
    assert Rise().run(asked(Toy(blind, READER), PAIR)).values["text"] == pytest.approx([0, 2, 2, 0])


def test_none_and_one_unit():
    assert Rise().run(asked(Toy(reads_cat, READER), {"text": ""})).values["text"].shape == (0,)
    assert Rise().run(asked(Toy(reads_cat, READER), {"text": "cat"})).values["text"] == pytest.approx([4])


def test_a_seed_decides_the_masks_and_a_second_run_gives_the_same_bits():
    first, second, other = (flat(Rise(masks=40).run(asked(Toy(mixed), ALL, seed)).values) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    chunked = flat(Rise(masks=40, chunk=7).run(asked(Toy(mixed), ALL, 1)).values)
    np.testing.assert_allclose(first, chunked, atol=1e-5)


def test_halves_in_which_a_unit_never_goes_have_no_stability():
    found = Rise(masks=8, keep=0.99).run(asked(Toy(mixed), ALL))
    assert found.stability is None
    assert np.isfinite(flat(found.values)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keep": 0.0}, "keep 0.0"),
        ({"keep": float("nan")}, "keep nan"),
        ({"masks": 7}, "7 masks"),
        ({"chunk": 0}, "chunk 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=f"rise: {message}"):
        Rise(**wrong)
