"""Claims: which units are gathered, and what they predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from veridical.errors import InputError
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.verifier.claims import ClaimSettings, grow, propose


def line(count: int, modality: str = "text", frames: int = 0) -> Segmentation:
    """Units in a row, each the neighbour of the next; in frames of equal length if asked, unconnected between them."""
    per = count // frames if frames else count
    units = tuple(EvidenceUnit(modality, i, (0.0, 0.0), frame=i // per if frames else None) for i in range(count))
    near = tuple(tuple(j for j in (i - 1, i + 1) if 0 <= j < count and j // per == i // per) for i in range(count))
    return Segmentation(np.arange(count), units, near)


def connected(segmentation: Segmentation, units: tuple[int, ...]) -> bool:
    reached, new = set(), {units[0]}
    while new:
        reached |= new
        new = {j for i in new for j in segmentation.neighbours[i] if j in units} - reached
    return reached == set(units)


def grown(values: list[float], **options: Any) -> tuple[int, ...]:
    return grow(line(len(values)), np.array(values), range(len(values)), ClaimSettings(**options))


def test_growth_starts_at_the_strongest_and_stops_at_the_threshold():
    assert grown([0, 0.4, 1.0, 0.31, 0.29, 0.9], largest=1.0) == (1, 2, 3)
    assert grown([0, 0.4, 1.0, 0.31, 0.29, 0.9], largest=1.0, threshold=0.2) == (1, 2, 3, 4, 5)


def test_growth_takes_the_strongest_neighbour_first_and_respects_the_largest_share():
    assert grown([0.5, 0.6, 1.0, 0.7, 0.9, 0, 0, 0, 0, 0], largest=0.3) == (2, 3, 4)
    assert grown([1.0, 0.9], largest=0.25) == (0,)


def test_nothing_grows_where_nothing_speaks_for_the_decision():
    assert grown([0.0, -1.0, -0.0]) == ()
    assert grow(line(3), np.ones(3), (), ClaimSettings()) == ()


def test_ties_go_to_the_first_unit():
    assert grown([0.0, 1.0, 0.0, 1.0], largest=0.25) == (1,)


def test_the_strongest_units_of_all_frames_count_as_neighbours():
    values = np.array([0, 1.0, 0, 0.8, 0, 0, 0, 0, 0.2])
    assert grow(line(9, "vision", 3), values, range(9), ClaimSettings(largest=1.0)) == (1, 3)
    assert grow(line(9, "audio"), values, range(9), ClaimSettings(largest=1.0)) == (1,)


VALUES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-5, 5, width=16))


@given(VALUES, st.floats(0.05, 1.0), st.floats(0.05, 1.0))
@settings(deadline=None)
def test_growth_in_general(values: np.ndarray, threshold: float, largest: float):
    units = grow(line(len(values)), values, range(len(values)), ClaimSettings(threshold=threshold, largest=largest))
    assert bool(units) == bool(values.max() > 0)
    if units:
        assert list(units) == sorted(set(units))
        assert len(units) <= max(1, int(largest * len(values)))
        assert values[list(units)].max() == values.max()
        assert values[list(units)].min() >= threshold * values.max()
        assert connected(line(len(values)), units)


@given(VALUES, VALUES, st.integers(1, 6), st.floats(0, 1))
@settings(deadline=None)
def test_claims_are_disjoint_and_sorted(first: np.ndarray, second: np.ndarray, most: int, least: float):
    segmentations = {"a": line(len(first), "a"), "b": line(len(second), "b")}
    values = {"a": first, "b": second}
    claims = propose(segmentations, values, ClaimSettings(most=most, least=least))
    assert len(claims) <= most
    assert bool(claims) == bool(max(first.max(), second.max()) > 0)
    assert [c.name for c in claims] == [f"c{i + 1}" for i in range(len(claims))]
    assert [c.predicted for c in claims] == sorted(c.predicted for c in claims)
    taken = [(c.modality, u) for c in claims for u in c.units]
    assert len(taken) == len(set(taken))
    for c in claims:
        assert c.predicted == -values[c.modality][list(c.units)].sum()
        assert c.predicted <= least * claims[0].predicted


def test_no_units_no_claims():
    assert propose({"text": line(0)}, {"text": np.zeros(0)}) == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"audio": np.ones(3)}, "no contributions for text; it has audio"),
        ({"text": np.ones(2)}, r"shape \(2,\) for 3 units of text; give one to each unit"),
        ({"text": np.array([0, np.nan, 1])}, "contribution of text unit 1 is not finite"),
    ],
)
def test_contributions_that_do_not_fit_are_refused(values: dict, message: str):
    with pytest.raises(InputError, match=message):
        propose({"text": line(3)}, values)


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"largest": 1.5}, {"most": 0}, {"least": -0.1}])
def test_settings_out_of_range_are_refused(wrong: dict):
    with pytest.raises(InputError, match="are shares"):
        ClaimSettings(**wrong)
