"""Signals are unpacked to what was packed, and what is too large is refused before it is unpacked."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from PIL import Image
from pydantic import TypeAdapter

from tests.agent.serve.sample import FRAME, HEARD, READ, SEEN, as_array, coded, file_of, sound, sound_file
from tests.toys import EARS, EYES, RATE, READER, SENTENCE
from veridical.agent.serve.kinds import kind_of
from veridical.agent.serve.settings import Bounds
from veridical.agent.serve.signals import unpack
from veridical.agent.serve.wire import Signal
from veridical.errors import InputError

SENSES = {"vision": EYES, "audio": EARS, "text": READER}
READ_SIGNAL = TypeAdapter(Signal)


def taken(sense, signal, **bounds):
    return unpack({sense: READ_SIGNAL.validate_python(signal)}, Bounds(**bounds), SENSES)[sense]


def frames(*files):
    return {"kind": "frames", "images": [coded(f) for f in files]}


def refused(sense, signal, **bounds):
    with pytest.raises(InputError) as error:
        taken(sense, signal, **bounds)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_each_kind_comes_out_as_it_went_in():
    assert np.array_equal(taken("vision", SEEN)[0], FRAME)
    samples, rate = taken("audio", HEARD)
    assert rate == RATE
    assert np.array_equal(samples[:, 0], sound())
    assert taken("text", READ) == SENTENCE


def test_a_flac_file_and_a_jpeg_file_are_read():
    samples, rate = taken("audio", {"kind": "sound", "file": coded(sound_file(sound(), 16000, "FLAC"))})
    assert (rate, samples.shape) == (16000, (RATE, 1))
    assert np.abs(samples[:, 0] - sound()).max() < 2**-14
    assert taken("vision", frames(file_of(FRAME, "JPEG")))[0].shape == FRAME.shape


def test_what_is_unpacked_holds_nothing_but_arrays_and_texts():
    assert all(type(picture) is np.ndarray for picture in taken("vision", SEEN))


@settings(max_examples=50, deadline=None)
@given(nps.arrays(st.sampled_from([np.uint8, np.float32, np.float64]), nps.array_shapes(min_dims=2, max_dims=4)))
def test_an_array_comes_out_as_it_went_in(array):
    found = taken("vision", as_array(array))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


def test_a_picture_that_was_turned_is_turned_back():
    exif = Image.Exif()
    exif[0x0112] = 6
    held = io.BytesIO()
    Image.fromarray(FRAME[:8]).save(held, "JPEG", exif=exif)
    assert taken("vision", frames(held.getvalue()))[0].shape == (32, 8, 3)


def bomb(width, height):
    """A PNG file of a few bytes that says it is of so many pixels."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 99)))
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_pixel_bomb_is_refused_by_its_header():
    assert "60000 x 60000 pixels" in refused("vision", frames(bomb(60000, 60000)))
    assert "100 in all are taken" in refused("vision", frames(*[file_of(FRAME[:8, :8])] * 2), all_pixels=100)


def test_too_many_pictures_are_refused():
    assert "3 pictures, and 2 are taken" in refused("vision", frames(*[file_of(FRAME)] * 3), frames=2)
    assert "2 pictures" in refused("vision", as_array(np.zeros((3, 4, 4, 3), np.uint8)), frames=2)
    assert "pixels each" in refused("vision", as_array(np.zeros((4, 4, 3), np.uint8)), pixels=15)


@pytest.mark.parametrize("cut", [9, 20, 40, 60])
def test_a_picture_that_is_cut_short_is_said_to_be(cut):
    assert refused("vision", frames(file_of(FRAME)[:cut])).startswith("vision: frame 0")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP"])
def test_other_files_than_png_and_jpeg_are_refused(kind):
    assert "no PNG or JPEG" in refused("vision", frames(file_of(FRAME, kind)))


def test_a_sound_that_is_too_long_is_refused_by_its_header():
    assert "8000 samples of 1 channels at 8000 Hz" in refused("audio", HEARD, seconds=0.5)
    assert "samples are taken" in refused("audio", HEARD, samples=7999)
    wide = sound_file(np.zeros((10, 9)), subtype="FLOAT")
    assert "9 channels" in refused("audio", {"kind": "sound", "file": coded(wide)})


def test_a_header_that_lies_about_its_length_makes_no_memory():
    whole = bytearray(sound_file(sound()))
    at = whole.index(b"data")
    whole[at + 4 : at + 8] = struct.pack("<I", 2**32 - 2)
    signal = {"kind": "sound", "file": coded(bytes(whole))}
    with contextlib.suppress(InputError):  # some libraries believe the header, and ours then refuses the length
        assert len(taken("audio", signal)[0]) <= RATE


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound at all" * 9, b"OggS" * 30])
def test_what_is_no_sound_is_said_to_be_none(data):
    assert "WAV or FLAC" in refused("audio", {"kind": "sound", "file": coded(data + b"....")})


def test_an_array_of_another_length_than_its_shape_is_refused():
    signal = as_array(np.zeros((4, 4, 3), np.uint8)) | {"shape": [4, 4, 4]}
    assert "48 bytes for (4, 4, 4) of uint8, which are 64" in refused("vision", signal)
    huge = as_array(np.zeros(4, np.uint8)) | {"shape": [10**8] * 4}
    assert "make them agree" in refused("vision", huge)


def test_a_raw_sound_has_the_bounds_of_one():
    signal = as_array(sound())
    assert np.array_equal(taken("audio", signal), sound())
    assert "samples are taken" in refused("audio", signal, seconds=0.5)
    assert taken("audio", {**signal, "rate": 16000})[1] == 16000
    assert "a rate of 8000 Hz" in refused("vision", as_array(np.zeros((1, 4, 4, 3), np.uint8), rate=8000))


@pytest.mark.parametrize("text", ["????", "AAAAA", "AAAA\n", "ÄÄÄÄ", "AA=A"])
def test_what_is_no_base64_is_refused(text):
    assert "no base64" in refused("vision", {"kind": "frames", "images": [text]})


def test_a_long_instruction_is_refused():
    assert "10 are taken" in refused("text", READ, text=10)


def test_a_string_reaches_no_sense_that_would_open_a_file():
    class Own:
        name = "radar"

    class Asking(Own):
        kind = "words"

    assert [kind_of(m) for m in (EYES, EARS, READER, Own(), Asking())] == ["frames", "sound", "words", "array", "words"]
    for sense, modality in {"vision": EYES, "audio": EARS, "radar": Own()}.items():
        with pytest.raises(InputError, match="kind 'words'"):
            unpack({sense: READ_SIGNAL.validate_python(READ)}, Bounds(), {sense: modality})
