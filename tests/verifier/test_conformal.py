"""Split conformal prediction, and the calibration set on disk."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file
from scipy.stats import beta, betabinom, chisquare, kstest

from veridical.errors import InputError
from veridical.verifier.conformal import (
    Calibration,
    conformal_bound,
    conformal_p,
    read_calibration,
    write_calibration,
)

finite = st.floats(-1e6, 1e6)


def calibration(**changes) -> Calibration:
    rng = np.random.default_rng(0)
    given = {
        "system": "sha256:" + "a" * 64,
        "method": "integrated-gradients",
        "origin": {"made": "2025-01-01", "scenes": [0, 40], "note": "Ωmega"},
        "constant": 0.25,
        "predicted": rng.normal(0, 2, 40),
        "measured": rng.normal(0, 2, 40),
        "statistics": {"random map": [0.5, 0.1, 0.3]},
        "maps": {"prior": np.arange(6, dtype=np.float32).reshape(2, 3), "mask": np.array([True, False])},
        "novelty": {"vision/mean": np.ones(3, np.float32), "vision/rest": np.array(2, np.float32)},
    }
    return Calibration(**(given | changes))


@given(arrays(np.float64, st.integers(1, 60), elements=finite), st.integers(1, 99))
def test_the_bound_is_the_order_statistic_of_exact_rank(scores: np.ndarray, percent: int):
    n, found = len(scores), conformal_bound(scores, percent / 100)
    rank = -(-(n + 1) * percent // 100)  # in whole numbers, where nothing is rounded
    assert found.value == (np.sort(scores)[rank - 1] if rank <= n else math.inf)
    assert bool(found.note) == (rank > n) == (n < found.needed)


def test_too_few_scores_give_an_infinite_bound_and_say_so():
    found = conformal_bound([1.0] * 8, 0.9)
    assert found.value == math.inf
    assert found.needed == 9
    assert found.note == "8 calibration scores are too few for a bound at 0.9: 9 are needed"
    assert conformal_bound([1.0] * 9, 0.9).value == 1.0
    assert conformal_bound([], 0.5).value == math.inf


@given(arrays(np.float64, st.integers(1, 40), elements=finite), finite, st.integers(1, 19))
def test_bound_and_p_value_say_the_same(scores: np.ndarray, value: float, twentieths: int):
    """A value lies above the bound at level 1 − α exactly where its p-value is at most α."""
    bound = conformal_bound(scores, 1 - twentieths / 20).value
    assert (value > bound) == (conformal_p(scores, value) <= twentieths / 20 + 1e-12)


def test_coverage_follows_its_exact_law():
    """Of uniform scores the coverage is the bound itself: Beta(k, n + 1 − k); of m fresh ones, beta-binomial."""
    rng, n, m = np.random.default_rng(1), 39, 20
    bounds = np.array([conformal_bound(rng.random(n), 0.9).value for _ in range(3000)])
    k = 36
    assert kstest(bounds, beta(k, n + 1 - k).cdf).pvalue > 0.01
    covered = (rng.random((3000, m)) <= bounds[:, None]).sum(1)
    assert covered.mean() / m == pytest.approx(k / (n + 1), abs=0.004)
    seen = np.array([(covered <= 14).sum(), *((covered == i).sum() for i in range(15, 21))])
    wanted = 3000 * np.array([betabinom.cdf(14, m, k, n + 1 - k), *betabinom.pmf(range(15, 21), m, k, n + 1 - k)])
    assert chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue > 0.01


def test_p_values_of_exchangeable_scores_are_uniform_on_their_grid():
    rng = np.random.default_rng(2)
    p = np.array([conformal_p(x[1:], x[0]) for x in rng.standard_cauchy((4000, 20))])
    ranks = np.bincount(np.rint(p * 20).astype(int), minlength=21)[1:]
    assert chisquare(ranks).pvalue > 0.01
    assert conformal_p([1.0, 1.0], 1.0) == 1.0
    assert conformal_p([], 3.0) == 1.0


def test_scores_are_the_misses_plain_and_by_the_predictions_scale():
    kept = calibration(predicted=np.array([-2.0, 0.0]), measured=np.array([-1.0, 0.5]), constant=0.5)
    np.testing.assert_allclose(kept.scores(), [1.0, 0.5])
    np.testing.assert_allclose(kept.scores("normalised"), [0.4, 1.0])
    assert kept.interval(3.0, 0.5) == (2.0, 4.0)
    assert kept.interval(-3.0, 0.5, "normalised") == (-6.5, 0.5)
    assert kept.interval(3.0, 0.9) == (-math.inf, math.inf)
    assert kept.p(1.0, 1.75) == 2 / 3
    assert kept.p(1.0, 1.75, "normalised") == 2 / 3
    assert kept.p_of("random map", 0.3) == 0.75


def test_intervals_cover_fresh_claims_whose_miss_grows_with_the_prediction():
    rng, hits = np.random.default_rng(3), {"absolute": 0, "normalised": 0}
    for _ in range(400):
        predicted = rng.normal(0, 2, 60)
        measured = predicted + (abs(predicted) + 0.2) * rng.standard_normal(60)
        kept = calibration(predicted=predicted[1:], measured=measured[1:], constant=0.2)
        for kind in hits:
            low, high = kept.interval(float(predicted[0]), 0.9, kind)
            hits[kind] += low <= measured[0] <= high
    assert all(350 <= n <= 380 for n in hits.values()), hits  # 360 wanted, standard deviation 6


def test_what_is_written_is_read_back_and_small_changes_move_the_digest(tmp_path: Path):
    kept = calibration()
    path = write_calibration(tmp_path / "ig.json", kept)
    back = read_calibration(path, kept.digest)
    assert back.digest == kept.digest
    assert back.content() == kept.content()
    for name, array in kept.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], array)
        assert back.arrays()[name].dtype == array.dtype
        assert back.arrays()[name].shape == array.shape
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ig.json", "ig.safetensors"]
    assert path.read_bytes() == rfc8785.dumps(json.loads(path.read_bytes()))
    others = [
        calibration(system="other"),
        calibration(method="gradient"),
        calibration(constant=0.26),
        calibration(origin={}),
        calibration(predicted=np.nextafter(kept.predicted, 9)),
        calibration(statistics={"random maq": [0.5, 0.1, 0.3]}),
        calibration(maps={}),
    ]
    assert len({kept.digest, *(o.digest for o in others)}) == 8
    again = write_calibration(tmp_path / "ig.json", others[0])
    assert read_calibration(again).system == "other"


def test_the_digest_does_not_hang_on_the_order_or_the_type_of_what_was_given():
    one = calibration(constant=1, maps={"a": np.ones(2), "b": np.zeros(2)}, origin={"x": 1, "y": 2.0})
    other = calibration(constant=1.0, maps={"b": np.zeros(2, ">f8"), "a": np.ones(2)}, origin={"y": 2, "x": 1.0})
    assert one.digest == other.digest


def test_what_was_given_may_change_afterwards():
    measured, origin = np.zeros(3), {"a": [1]}
    kept = calibration(predicted=np.ones(3), measured=measured, origin=origin)
    measured[0], origin["a"] = 5, [2]
    assert kept.measured[0] == 0
    assert kept.origin == {"a": [1]}
    with pytest.raises(ValueError, match="read-only"):
        kept.measured[0] = 1


def _alter_array(folder: Path) -> None:
    tensors = load_file(folder / "c.safetensors")
    tensors["measured"][3] += 1e-9
    save_file(tensors, folder / "c.safetensors")


def _alter_dtype(folder: Path) -> None:
    tensors = load_file(folder / "c.safetensors")
    tensors["novelty/vision/mean"] = tensors["novelty/vision/mean"].astype(np.float64)
    save_file(tensors, folder / "c.safetensors")


def _drop_array(folder: Path) -> None:
    tensors = load_file(folder / "c.safetensors")
    del tensors["statistics/random map"]
    save_file(tensors, folder / "c.safetensors")


def _text(old: str, new: str):
    def alter(folder: Path) -> None:
        path = folder / "c.json"
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")

    return alter


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (_alter_array, "array 'measured' .* it was altered"),
        (_alter_dtype, "array 'novelty/vision/mean' .* it was altered"),
        (_drop_array, "does not hold the arrays that c.json names: statistics/random map"),
        (_text('"constant":0.25', '"constant":0.24'), "has digest sha256:.*, not sha256:.*; it was altered"),
        (_text("Ωmega", "omega"), "it was altered"),
        (_text("integrated-gradients", "gradient"), "it was altered"),
        (_text("calibration/1", "calibration/2"), "has format 'veridical.calibration/2'; this version reads"),
        (_text('"constant":0.25', '"constant":-1'), "constant is -1; nats above 0"),
        (_text('"constant":0.25', '"constant":"1"'), "constant is '1'"),
        (_text('"constant":0.25', '"constant":NaN'), "NaN is not a JSON number"),
        (_text('"constant":0.25', '"constant":1,"constant":0.25'), "a key stands twice"),
        (_text('"constant":0.25,', ""), "must hold arrays, constant, digest"),
        (_text("{", ""), "is not JSON"),
        (lambda f: (f / "c.json").unlink(), "c.json cannot be read: No such file"),
        (lambda f: (f / "c.safetensors").unlink(), "c.safetensors cannot be read: No such file"),
        (lambda f: (f / "c.safetensors").write_bytes(b"abc"), "is not a safetensors file"),
        (lambda f: (f / "c.json").write_text("[]"), "has format 'list'"),
    ],
)
def test_tampering_and_damage_are_noticed(tmp_path: Path, alter, told: str):
    path = write_calibration(tmp_path / "c.json", calibration())
    alter(tmp_path)
    with pytest.raises(InputError, match=told):
        read_calibration(path)


def test_who_alters_everything_is_found_out_by_a_digest_kept_elsewhere(tmp_path: Path):
    path = write_calibration(tmp_path / "c.json", calibration(constant=0.5))
    assert read_calibration(path).constant == 0.5
    with pytest.raises(InputError, match="it was altered"):
        read_calibration(path, calibration().digest)


def test_a_calibration_is_for_one_system_and_one_method():
    kept = calibration()
    kept.check(kept.system, kept.method)
    with pytest.raises(InputError, match="made for method integrated-gradients, not for gradient"):
        kept.check(kept.system, "gradient")
    with pytest.raises(InputError, match=r"made for system sha256:a+, not for courier"):
        kept.check("courier", kept.method)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"predicted": np.zeros(3)}, r"predicted has shape \(3,\), measured \(40,\)"),
        ({"measured": np.full(40, np.nan)}, "measured holds float64, or values that are not finite"),
        ({"maps": {"m": np.array(["a"])}}, "maps/m holds <U1"),
        ({"statistics": {"s": np.zeros((2, 2))}}, r"statistics/s has shape \(2, 2\); a row"),
        ({"system": ""}, "system is ''"),
        ({"constant": 0.0}, "constant is 0.0; nats above 0"),
        ({"constant": math.inf}, "constant is inf"),
        ({"origin": {"a": math.nan}}, "origin cannot be canonical JSON"),
        ({"origin": {"a": np.zeros(2)}}, "origin cannot be canonical JSON"),
    ],
)
def test_what_cannot_be_kept_is_told(changes, told: str):
    with pytest.raises(InputError, match=told):
        calibration(**changes)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: conformal_bound([1.0], 1.0), "level 1.0; a coverage strictly between"),
        (lambda: conformal_bound([1.0, math.inf], 0.5), "not all finite"),
        (lambda: conformal_p(np.zeros((2, 2)), 1.0), r"shape \(2, 2\)"),
        (lambda: conformal_p([1.0], math.nan), "the value to be placed is nan"),
        (lambda: calibration().scores("relative"), "no scores of kind 'relative'; there are absolute, normalised"),
        (lambda: calibration().p_of("nothing", 1.0), "no statistics 'nothing'; there are: random map"),
        (lambda: write_calibration("a.txt", calibration()), "a.txt must end in .json"),
        (lambda: write_calibration("/nowhere/a.json", calibration()), "cannot be written: No such file"),
    ],
)
def test_wrong_questions_are_told(call, told: str):
    with pytest.raises(InputError, match=told):
        call()
