"""The judges of the sanity checks: closed forms and limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.sanity_judges import (
    HALF,
    SanitySettings,
    judge_inputs,
    judge_randomisation,
    judge_swap,
    partial_correlation,
)

SETTINGS = SanitySettings()
RNG = np.random.default_rng(0)
VALUES = {"vision": RNG.random(60)}
OTHER = {"vision": RNG.random(60)}
EDGES = {"vision": RNG.random(60)}


@pytest.mark.parametrize(
    ("stages", "unrelated", "limit", "verdict"),
    [
        ([0.5, 0.2], [0.0, 0.0], 0.5, "passed"),
        ([0.7, 0.4], [0.0, 0.0], 0.5, "failed"),
        ([0.5, 0.5], [-0.2, 0.2], 0.5, "passed"),  # the limit itself still passes
        ([0.6, 0.6], [0.3, 0.3], 0.65, "passed"),  # halfway from what any weights share
        ([0.8, 0.68], [0.9, 0.9], HALF, "failed"),  # never above half of the ranks' variance
    ],
)
def test_the_limit_is_halfway_from_unrelated_systems_to_no_change(stages, unrelated, limit, verdict):
    found = judge_randomisation({"vision": stages}, {"vision": unrelated})
    assert found.verdict == verdict
    assert found.figures["limit"]["vision"] == pytest.approx(limit)
    assert found.figures["similarity"]["vision"] == pytest.approx(np.mean(stages))


def test_one_sense_that_stays_fails_the_check_and_is_named_alone():
    found = judge_randomisation({"vision": [0.9], "text": [0.1]}, {"vision": [0.1], "text": [0.1]})
    assert found.verdict == "failed"
    assert found.reason == (
        "the map stays when the weights are drawn anew from the top: rank correlation 0.90 in vision (limit 0.55)"
    )


def test_nothing_to_compare_is_not_applicable():
    assert judge_randomisation({"vision": []}, {"vision": []}).verdict == "not applicable"
    assert judge_randomisation({"vision": [0.1]}, {}).verdict == "not applicable"
    assert judge_swap("STOP", {}, [0.9] * 19, SETTINGS).verdict == "not applicable"
    few = judge_swap("STOP", {"GO": 0.1}, [0.9] * 18, SETTINGS)
    assert few.verdict == "not applicable"
    assert few.reason == "18 of the noisy inputs gave maps, too few for a level of 0.05"


@pytest.mark.parametrize(
    ("swapped", "p", "verdict"),
    [(-0.5, 0.05, "passed"), (0.49, 0.05, "passed"), (0.5, 0.1, "failed"), (0.595, 0.55, "failed"), (1.0, 1, "failed")],
)
def test_the_swap_must_differ_more_than_all_noise_at_the_usual_level(swapped, p, verdict):
    null = [0.5 + 0.01 * i for i in range(19)]
    found = judge_swap("STOP", {"GO": 1.0, "SLOW": swapped}, null, SETTINGS)
    assert found.verdict == verdict
    assert found.figures["p"] == pytest.approx(p)
    assert "0.50 to 0.68 in 19 draws" in found.reason
    assert found.figures["swapped"] == {"GO": 1.0, "SLOW": swapped}


def test_a_map_that_randomised_systems_draw_as_well_fails():
    found = judge_inputs(VALUES, [VALUES, VALUES], EDGES, SETTINGS)
    assert found.verdict == "failed"
    assert found.figures["vision"]["shared"] == pytest.approx(1)
    assert found.figures["vision"]["p"] == pytest.approx(0.001)
    assert "most of the map is drawn without the learned weights" in found.reason


def test_a_map_that_they_draw_otherwise_passes_even_where_it_lies_on_edges():
    """A system may rightly look where the edges are: that alone is no fault."""
    found = judge_inputs(VALUES, [OTHER, EDGES], VALUES, SETTINGS)
    assert found.verdict == "passed"
    assert found.figures["vision"]["edges"] == pytest.approx(1)
    assert abs(found.figures["vision"]["shared"]) < 0.4
    assert found.figures["vision"]["partial"] is None  # the edges determine the map


def test_few_units_are_judged_by_nobody_and_constants_rank_nothing():
    few = {"text": np.arange(7.0)}
    assert judge_inputs(few, [few], few, SETTINGS).verdict == "not applicable"
    flat = {"vision": np.ones(60)}
    assert judge_inputs(flat, [VALUES], EDGES, SETTINGS).verdict == "not applicable"
    assert judge_inputs(VALUES, [flat], EDGES, SETTINGS).figures["vision"]["shared"] == 0
    assert judge_inputs(VALUES, [{}], EDGES, SETTINGS).verdict == "not applicable"


def test_a_high_correlation_of_few_units_must_also_beat_permutations():
    values = {"text": np.arange(8.0)}
    close = {"text": np.array([0.0, 2, 1, 4, 3, 6, 5, 7])}
    strict = SanitySettings(level=0.001, permutations=999, noisy=999)
    assert judge_inputs(values, [close], values, SETTINGS).verdict == "failed"
    loose = judge_inputs(values, [{"text": np.array([2.0, 0, 1, 5, 3, 4, 7, 6])}], values, strict)
    assert loose.figures["text"]["shared"] > HALF
    assert loose.verdict == "passed"


@given(st.integers(0, 1000))
def test_the_partial_correlation_is_that_of_what_a_regression_leaves(seed: int):
    a, b, c = np.random.default_rng(seed).standard_normal((3, 30)) @ np.ones((30, 30)) * 0.1 + np.random.default_rng(
        seed + 1
    ).standard_normal((3, 30))
    pairs = np.corrcoef([a, b, c])

    def rest(x):
        return x - np.polyval(np.polyfit(c, x, 1), c)

    found = partial_correlation(pairs[0, 1], pairs[0, 2], pairs[1, 2])
    assert found == pytest.approx(np.corrcoef(rest(a), rest(b))[0, 1], abs=1e-9)


def test_what_is_determined_has_no_partial_correlation():
    assert partial_correlation(0.3, 1.0, 0.3) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noisy": 18}, r"18 noisy inputs and 999 permutations; a level of 0.05 cannot be reached with less than 19"),
        ({"permutations": 5}, "cannot be reached with less than 19"),
        ({"level": 0.01}, "cannot be reached with less than 99"),
        ({"stages": 0}, "stages, draws and others from 1"),
        ({"noise": 0.0}, "noise and level between 0 and 1"),
        ({"level": 1.0}, "noise and level between 0 and 1"),
        ({"seed": -1}, "a seed from 0"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options, message: str):
    with pytest.raises(InputError, match=message):
        SanitySettings(**options)
