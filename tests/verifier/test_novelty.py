"""Novelty: distances against closed forms, a second opinion on the shrinkage, toys and Courier."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, SIDE, Split, Toy, picture, sees_red, sound
from veridical.errors import ContractError, InputError
from veridical.modalities.observation import prepare
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import render, sample_scene
from veridical.verifier.conformal import Calibration, read_calibration, write_calibration
from veridical.verifier.novelty import LOGITS, Novelty, features_of, pool, shrinkage


def joined(each) -> dict[str, torch.Tensor]:
    return {m: torch.cat([one[m] for one in each]) for m in each[0]}


def seen(system, observation) -> dict[str, torch.Tensor]:
    return features_of(system, {m: p.tensor for m, p in prepare(system, observation).items()})


def rows(n: int, p: int, seed: int = 0) -> np.ndarray:
    """Gaussian rows of falling spread, in turned directions."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(p, p)))[0]
    return 3 + (rng.normal(size=(n, p)) * np.geomspace(3, 0.1, p)) @ turn


@pytest.mark.parametrize(("n", "p"), [(10, 50), (30, 8), (200, 5), (5, 200)])
def test_the_shrinkage_is_scikit_learns(n: int, p: int):
    covariance = pytest.importorskip("sklearn.covariance")
    x = rows(n, p)
    centred = x - x.mean(0)
    assert shrinkage(centred) == pytest.approx(covariance.ledoit_wolf_shrinkage(centred, assume_centered=True))


def test_the_distance_is_mahalanobis_with_the_shrunk_covariance():
    x, fresh = rows(24, 60), rows(3, 60, 1)
    reference = Novelty.fit({"s": x}, seed=4).senses["s"]
    fitted = x[np.random.default_rng(4).permutation(24)[12:]]
    centred = fitted - fitted.mean(0)
    share, s = shrinkage(centred), centred.T @ centred / 12
    shrunk = (1 - share) * s + share * np.trace(s) / 60 * np.eye(60)
    off = fresh - fitted.mean(0)
    wanted = np.sqrt(np.einsum("ij,jk,ik->i", off, np.linalg.inv(shrunk), off) / 60)
    np.testing.assert_allclose(reference.distance(fresh[:, None]), wanted, rtol=1e-4)


def test_few_directions_keep_the_total_variance():
    x = rows(40, 30)
    whole, few = (Novelty.fit({"s": x}, components=k).senses["s"] for k in (64, 3))
    assert len(few.variances) == 3
    totals = [r.variances.sum() + r.rest * (30 - len(r.variances)) for r in (whole, few)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-4)


def test_p_values_of_natural_inputs_are_uniform_on_their_grid():
    rng, p = np.random.default_rng(5), []
    for seed in range(400):
        x = rng.standard_t(3, (25, 12))
        p.append(Novelty.fit({"s": x[:24]}, seed).score({"s": x[24:]})["s"].p[0])
    ranks = np.bincount(np.rint(np.array(p) * 13).astype(int), minlength=14)[1:]
    assert chisquare(ranks).pvalue > 0.01


@given(st.integers(4, 40), st.integers(1, 30), st.integers(1, 3), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_distances_are_finite_and_p_values_on_their_grid_and_fall_with_distance(n: int, p: int, steps: int, seed: int):
    rng = np.random.default_rng(seed)
    natural, fresh = rng.normal(size=(n, steps, p)), 3 * rng.normal(size=(9, steps, p))
    novelty = Novelty.fit({"s": natural}, seed)
    score = novelty.score({"s": fresh})["s"]
    assert np.isfinite(score.distance).all()
    order = np.argsort(score.distance)
    assert (np.diff(score.p[order]) <= 0).all()
    assert score.p.min() >= novelty.least_p("s") == 1 / (n // 2 + 1)
    single = [novelty.score({"s": fresh[:, k]})["s"].distance for k in range(steps)]
    np.testing.assert_allclose(score.distance, np.max(single, 0))


def test_far_away_is_off_the_data_and_the_mean_is_not():
    x = rows(40, 20)
    score = Novelty.fit({"s": x}).score({"s": np.stack([x.mean(0), x.mean(0) + 20])})["s"]
    assert score.p.tolist() == pytest.approx([1.0, 1 / 21])


def test_features_that_never_vary_bear_rounding_but_no_change():
    score = Novelty.fit({"s": np.full((20, 6), 2.0)}).score({"s": 2 + np.array([[0.0] * 6, [1e-6] * 6, [0.1] * 6])})[
        "s"
    ]
    assert score.distance[1] < 1
    assert score.distance[2] > 1000
    assert score.p[0] == 1
    assert score.p[2] == pytest.approx(1 / 11)


def test_pooling_describes_mean_and_spread_by_direction_and_length():
    x = torch.randn(2, 3, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    found = pool({"vision": x})["vision"]
    assert found.shape == (2, 3, 12)
    flat = x.flatten(3)
    mean, spread = flat.mean(-1), flat.std(-1, unbiased=False)
    torch.testing.assert_close(found[..., :5], mean / mean.norm(dim=-1, keepdim=True), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[..., 5], mean.norm(dim=-1).log(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[..., 6:11], spread / spread.norm(dim=-1, keepdim=True), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[..., 11], spread.norm(dim=-1).log(), rtol=1e-4, atol=1e-5)


def test_pooling_finds_the_axis_of_the_features():
    sizes = {
        "grid": ((2, 7, 4, 4), (2, 1, 16)),  # (batch, features, height, width)
        "frames": ((2, 3, 7, 4, 4), (2, 3, 16)),
        "tokens": ((2, 9, 7), (2, 1, 16)),
        "plain": ((2, 7), (2, 1, 7)),
    }
    for name, (given_shape, wanted) in sizes.items():
        assert pool({name: torch.rand(given_shape)})[name].shape == wanted
    last = torch.rand(2, 4, 4, 7)
    torch.testing.assert_close(pool({"a": last}, {"a": -1})["a"], pool({"a": last.movedim(-1, 1)})["a"])


def test_padding_does_not_count_and_nothing_but_padding_is_no_error():
    x = torch.rand(2, 5, 7)
    padded = torch.cat((x, torch.zeros(2, 4, 7)), 1)
    torch.testing.assert_close(pool({"text": padded})["text"], pool({"text": x})["text"])
    assert pool({"text": torch.zeros(1, 5, 7)})["text"].isfinite().all()
    assert pool({"text": torch.zeros(1, 0, 7)})["text"].isfinite().all()


def test_what_is_written_into_a_calibration_scores_alike(tmp_path):
    novelty = Novelty.fit({"vision": rows(30, 50), "audio": rows(24, 9)})
    kept = Calibration("sha256:1", "gradient", {}, 0.1, np.zeros(1), np.zeros(1), novelty=novelty.arrays())
    back = Novelty.from_arrays(read_calibration(write_calibration(tmp_path / "c.json", kept)).novelty)
    fresh = {"vision": rows(5, 50, 3), "audio": rows(4, 9, 3)}
    for m, score in novelty.score(fresh).items():
        np.testing.assert_array_equal(back.score(fresh)[m].distance, score.distance)
        np.testing.assert_array_equal(back.score(fresh)[m].p, score.p)


def test_few_natural_inputs_are_told():
    assert Novelty.fit({"s": rows(20, 5)}).notes == ()
    assert Novelty.fit({"s": rows(12, 5)}).notes == (
        "novelty of s: 6 natural inputs to compare with are few (10 or more are wanted, half of those given): "
        "no p-value can be below 0.14",
    )
    assert Novelty.fit({"s": rows(19, 5)}).notes[0].startswith("novelty of s: 9 natural inputs")


def test_a_split_toys_blank_and_noisy_pictures_are_off_the_data():
    system = Split(sees_red, EYES)
    novelty = Novelty.fit(joined([seen(system, {"vision": picture(1, seed)}) for seed in range(40)]))
    noise = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    for odd in (np.zeros((1, SIDE, SIDE, 3), np.uint8), noise):
        assert novelty.score(seen(system, {"vision": odd}))["vision"].p[0] == novelty.least_p("vision")
    fresh = novelty.score(joined([seen(system, {"vision": picture(1, seed)}) for seed in range(100, 140)]))["vision"]
    assert fresh.p.mean() == pytest.approx(0.5, abs=0.2)


def test_each_sense_stands_for_itself():
    system = Split(lambda x: x["vision"].mean((1, 2, 3, 4)), EYES, EARS, READER)
    natural = [{"vision": picture(1, k), "audio": (sound(k), RATE), "text": SENTENCE} for k in range(24)]
    novelty = Novelty.fit(joined([seen(system, o) for o in natural]))
    odd = natural[0] | {"audio": (np.sign(sound(0)), RATE)}
    scores = novelty.score(seen(system, odd))
    assert scores["audio"].p[0] == novelty.least_p("audio")
    assert scores["text"].p[0] == 1  # always the same sentence
    assert set(novelty.score({"audio": seen(system, odd)["audio"]})) == {"audio"}


def test_of_a_system_that_cannot_be_split_the_scores_are_looked_at():
    system = Toy(sees_red, EYES)
    found = seen(system, {"vision": picture()})
    assert set(found) == {LOGITS}
    inputs = {"vision": prepare(system, {"vision": picture()})["vision"].tensor}
    torch.testing.assert_close(found[LOGITS][:, 0], system(inputs))


@pytest.fixture(scope="module")
def courier_novelty(stamps):
    system = load()
    return system, Novelty.fit(joined([seen(system, render(sample_scene(5000 + k, "train"))) for k in range(20)]))


def test_before_courier_blank_frames_and_noise_are_far_off(courier_novelty):
    system, novelty = courier_novelty
    fresh = [render(sample_scene(9000 + k, "train")) for k in range(6)]
    natural = novelty.score(joined([seen(system, o) for o in fresh]))
    rng = np.random.default_rng(0)
    frames = {
        "black": np.zeros((3, 224, 224, 3), np.uint8),
        "grey": np.full((3, 224, 224, 3), 128, np.uint8),
        "noise": rng.integers(0, 256, (3, 224, 224, 3), np.uint8),
        "one black": np.concatenate([fresh[0]["vision"][:2], np.zeros((1, 224, 224, 3), np.uint8)]),
    }
    least = novelty.least_p("vision")
    for name, odd in frames.items():
        score = novelty.score(seen(system, {"vision": odd}))["vision"]
        assert score.p[0] == least, name
        assert score.distance[0] > 1.2 * max(natural["vision"].distance.max(), novelty.senses["vision"].distances[-1])
    silence = novelty.score(seen(system, {"audio": (np.zeros(48000, np.float32), 16000)}))["audio"]
    assert silence.distance[0] > 2 * natural["audio"].distance.max()
    words = novelty.score(seen(system, {"text": "zq xv 17 ##"}))["text"]
    assert words.distance[0] > natural["text"].distance.max()
    assert words.p[0] == novelty.least_p("text")
    for m in natural:
        assert natural[m].p.mean() > 0.2


class Broken(Split):
    def encode(self, modality, x):
        return x / 0


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: pool({"s": torch.zeros(3)}), r"shape \(3,\); \(batch, …\) of two axes"),
        (lambda: pool({"s": torch.zeros(3, 4)}, {"s": 0}), "axis 0 is none of theirs"),
        (lambda: pool({"s": torch.zeros(3, 4)}, {"s": 5}), "axis 5 is none of theirs"),
        (lambda: Novelty.fit({"s": rows(3, 5)}), "3 natural inputs of s; 4 at the very least, 20 to be of use"),
        (lambda: Novelty.fit({}), "0 senses"),
        (lambda: Novelty.fit({"s": np.full((9, 3), np.nan)}), "are not finite; pool them first"),
        (lambda: Novelty.fit({"s": np.zeros((9, 3, 2, 2))}), r"shape \(9, 3, 2, 2\)"),
        (lambda: Novelty.fit({"s": rows(9, 5)}).score({"t": rows(9, 5)}), "nothing known of natural t; known: s"),
        (lambda: Novelty.fit({"s": rows(9, 5)}).score({"s": rows(9, 4)}), "4 features of s; 5 were fitted"),
        (lambda: Novelty.from_arrays({"s/mean": np.zeros(3)}), "of sense 's', components, variances, rest, distances"),
        (
            lambda: Novelty.from_arrays(Novelty.fit({"s": rows(9, 5)}).arrays() | {"s/rest": np.array(0.0)}),
            "parts of sense 's' do not fit",
        ),
        (
            lambda: Novelty.from_arrays(Novelty.fit({"s": rows(9, 5)}).arrays() | {"s/mean": np.zeros(4)}),
            "parts of sense 's' do not fit",
        ),
    ],
)
def test_wrong_features_are_told(call, told: str):
    with pytest.raises(InputError, match=told):
        call()


def test_features_that_are_not_finite_are_the_systems_fault():
    with pytest.raises(ContractError, match="features of vision are no tensor, or not finite"):
        seen(Broken(sees_red, EYES), {"vision": picture()})
