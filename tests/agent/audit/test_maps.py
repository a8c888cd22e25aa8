"""Maps sum to what is told of the units, and digests are those that were committed to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.audit.content_sample import faults, made
from veridical.agent.audit.content import recheck_content
from veridical.agent.audit.finding import Case, Sheet
from veridical.agent.audit.maps import array_digest, saliency
from veridical.verifier.commitment import digest_array


@settings(max_examples=30)
@given(st.sampled_from(["f4", ">f8", "i2", "u1", "?"]), st.lists(st.integers(1, 4), max_size=3))
def test_digests_are_those_of_the_verifier(kind: str, shape: list[int]):
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(kind)
    assert array_digest(array) == digest_array(array)
    assert array_digest(array, "i8") == digest_array(array.astype(np.int64))


def found(array: np.ndarray, name: str, manifest: dict | None = None) -> Sheet:
    result, arrays = made("simple")
    sheet = Sheet()
    saliency(Case(result, {**arrays, name: array}, manifest), sheet)
    return sheet


def test_an_element_that_was_changed_is_found_and_its_unit_named():
    own = made("simple")[1]["vision.saliency"].copy()
    own.flat[0] += 0.01
    unit = made("simple")[1]["vision.units"].flat[0]
    assert f"unit {unit} of vision: its map sums to" in found(own, "vision.saliency").faults[0]


def test_a_map_of_another_shape_is_found():
    assert "vision.units names units" in found(np.zeros((1, 2, 3), np.float32), "vision.saliency").faults[0]


@pytest.mark.parametrize(("off", "ok"), [(0.004, True), (0.4, False)])
def test_a_coarser_map_may_miss_by_what_storing_it_lost(off: float, ok: bool):
    own = made("simple")[1]["vision.saliency"].copy()
    own.flat[0] += off
    manifest = {"arrays": {"vision.saliency": {"coding": {"kind": "int8", "loss": {"max": 0.005, "sum": 0.004}}}}}
    assert (not found(own, "vision.saliency", manifest).faults) is ok


def test_swapped_units_are_not_those_committed_to():
    result, arrays = made("simple")
    own = arrays["vision.units"].copy()
    own[own == 0], own[own == 1] = 1, 0
    told = {f.what: f.told for f in recheck_content(result, {**arrays, "vision.units": own}) if not f.ok}
    assert "vision.units are not the evidence units committed to" in told["commitments"]


def test_contributions_other_than_those_committed_to_are_found():
    told = faults("simple", ("verdict/attempts/0/values/text", [0.0] * 5))["commitments"]
    assert "the digest of attempt 1's contributions of text" in told


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("system/digest", "sha256:" + "0" * 64, "the system of attempt 1"),
        ("observation/vision/digest", "sha256:" + "0" * 64, "the observation of attempt 1"),
        ("verdict/attempts/0/commitment", "sha256:" + "0" * 64, "the commitment of attempt 1"),
        ("verdict/attempts/0/claims/0/units", [0], "claims of attempt 1"),
    ],
)
def test_what_is_not_as_it_was_committed_to_is_found(path: str, value: object, told: str):
    assert told in faults("simple", (path, value))["commitments"]


def test_without_attempts_nothing_was_committed_to():
    told = {f.what: f for f in recheck_content({**made("simple")[0], "verdict": {"verdict": "supported"}})}
    assert told["commitments"].skipped
