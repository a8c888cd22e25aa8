from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.record.sealing import Sealer, is_raw, unseal
from veridical.errors import IntegrityError

KEY = bytes(range(32))


@given(st.binary(max_size=300))
def test_what_was_sealed_comes_back(content):
    part, blob = Sealer("s-1", KEY).seal(content)
    assert unseal(part, blob, KEY) == content
    assert part["blob"] == f"sha256:{hashlib.sha256(blob).hexdigest()}"
    assert part["bytes"] == len(content)


def test_one_content_sealed_twice_shows_neither_in_the_blob_nor_in_the_commitment():
    one, two = (Sealer("s-1", KEY).seal(b"turn left") for _ in range(2))
    assert one[0]["commitment"] != two[0]["commitment"]
    assert one[1] != two[1]
    assert b"turn left" not in one[1]
    assert one[0]["commitment"] != f"sha256:{hashlib.sha256(b'turn left').hexdigest()}"


@pytest.mark.parametrize("place", [0, 11, 12, 40, -1])
def test_a_changed_byte_is_found(place):
    part, blob = Sealer("s-1", KEY).seal(b"turn left")
    spoilt = bytearray(blob)
    spoilt[place] ^= 1
    with pytest.raises(IntegrityError, match="blob, key and commitment do not belong together") as told:
        unseal(part, bytes(spoilt), KEY)
    assert told.value.cause == "digest"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"cipher": "none"}, "algorithm"),
        ({"bytes": 3}, "size"),
        ({"bytes": None}, "format"),
        ({"bytes": True}, "format"),
        ({"commitment": "sha256:12"}, "format"),
        ({"commitment": "sha256:" + "0" * 64}, "digest"),
    ],
)
def test_a_changed_entry_is_told_by_its_cause(change, cause):
    part, blob = Sealer("s-1", KEY).seal(b"turn left")
    with pytest.raises(IntegrityError, match="frames") as told:
        unseal({**part, **change}, blob, KEY, "frames")
    assert told.value.cause == cause


def test_without_the_key_nothing_opens():
    part, blob = Sealer("s-1", KEY).seal(b"turn left")
    with pytest.raises(IntegrityError, match="another subject's"):
        unseal(part, blob, bytes(32))


def test_a_sealer_does_not_print_its_key():
    assert "key" not in repr(Sealer("s-1", KEY))


def test_signals_are_raw_and_maps_are_not():
    raw = ["vision.frames", "audio.waveform", "audio.spectrogram", "counterfactual.c1.blur.vision"]
    assert all(map(is_raw, raw))
    maps = ["vision.saliency", "vision.units", "audio.times", "text.saliency", "concept.vision#1.prototypes"]
    assert not any(map(is_raw, maps))
