"""Units lie where signals and arrays have them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.audit.content_sample import checked, faults, made

FIRST = {
    m: next(i for i, e in enumerate(made("simple")[0]["ranking"]) if e["modality"] == m)
    for m in ("vision", "audio", "text")
}


def test_those_of_a_real_record_do():
    assert checked("units", "simple").ok
    assert checked("signals", "simple").ok
    assert checked("units", "simple", {}).ok


@pytest.mark.parametrize(
    ("m", "key", "value", "told"),
    [
        ("vision", "box", [1.0, 1.0, 2.0, 2.0], "the box of unit"),
        ("vision", "box", [-9.0, 1.0, 2.0, 2.0], "lies beyond its frame"),
        ("audio", "band", [10.0, 20.0], "is not where audio.units has it"),
        ("audio", "band", [20.0, 10.0], "is none of the sound's"),
        ("text", "text", "dog", "the words of unit"),
        ("audio", "time", [0.0, 99.0], "lies beyond the signal"),
        ("audio", "time", [0.2, 0.1], "ends before it begins"),
    ],
)
def test_a_unit_elsewhere_is_found(m: str, key: str, value: Any, told: str):
    assert told in faults("simple", (f"ranking/{FIRST[m]}/unit/{key}", value))["units"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("format", "veridical.explanation/2", "the format"),
        ("observation/vision/frames", 7, "the number of frames"),
        ("observation/audio/duration", 9.0, "the sound's duration"),
        ("observation/text/text", "Drive on.", "the digest of text"),
        ("observation/text", {"present": False}, "text was absent, and has units"),
    ],
)
def test_a_signal_that_is_told_otherwise_is_found(path: str, value: Any, told: str):
    assert told in faults("simple", (path, value))["signals"]


def test_a_text_that_was_cut_out_is_skipped():
    assert "signals" not in faults("simple", ("observation/text/text", "…"))


def test_the_time_of_a_claim_is_that_of_its_units():
    assert "c1.time" in faults("simple", ("claims/0/time", [-1.0, 9.0]))["units"]
