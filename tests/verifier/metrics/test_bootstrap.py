"""Bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from veridical.errors import InputError
from veridical.verifier.metrics.bootstrap import bootstrap
from veridical.verifier.metrics.result import Result


def test_the_interval_of_many_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).standard_normal(400).tolist()
    found = bootstrap(values, resamples=4000)
    mean, error = float(np.mean(values)), float(np.std(values)) / 20
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(mean - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(mean + 1.96 * error, abs=0.15 * error)


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(300):
        found = bootstrap(rng.exponential(size=50).tolist(), resamples=300)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 1.0 <= found.high
    assert 0.88 <= inside / 300 <= 0.98  # a skewed distribution, where the percentile interval is known to fall short


def test_undefined_values_are_left_out_and_counted():
    found = bootstrap([1.0, None, 3.0, None])
    assert (found.mean, found.count, found.undefined) == (2.0, 2, 2)
    assert (found.low, found.high) == (1.0, 3.0)


def test_of_one_value_or_none_there_is_no_interval():
    assert bootstrap([2.5]).low is None
    assert bootstrap([2.5]).mean == 2.5
    assert bootstrap([None]).mean is None
    assert bootstrap([]).count == 0


def test_the_seed_decides():
    values = [0.1, 0.5, 0.7, 0.2, 0.9, 0.15]
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, 50, seed=1) != bootstrap(values, 50, seed=2)


def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match="0 resamples"):
        bootstrap([1.0], 0)
    with pytest.raises(InputError, match="level 1"):
        bootstrap([1.0], level=1.0)
    with pytest.raises(InputError, match="not finite"):
        bootstrap([1.0, float("nan")])


def test_a_result_has_a_finite_value_or_a_reason():
    assert Result("srg", 0.5, "p").figure == 0.5
    with pytest.raises(InputError, match="srg: undefined: why; look at `value`"):
        _ = Result("srg", None, "p", reason="why").figure
    with pytest.raises(InputError, match="give one of the two"):
        Result("srg", None, "p")
    with pytest.raises(InputError, match="give one of the two"):
        Result("srg", 0.5, "p", reason="why")
    with pytest.raises(InputError, match="the value is nan"):
        Result("srg", float("nan"), "p")
