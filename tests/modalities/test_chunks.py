"""Long recordings, read in pieces."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

from tests.toys import EARS, RATE, Toy, linear
from veridical.errors import InputError
from veridical.modalities.chunks import chunked
from veridical.modalities.clock import Clock
from veridical.modalities.observation import prepare
from veridical.modalities.timed import Timed, place
from veridical.modalities.weights import fetch


def ramp(path, minutes: float):
    """Write a recording whose samples count up, second by second, so that the test holds little of it either."""
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for first in range(0, round(minutes * 60 * RATE), RATE):
            file.write(((first + np.arange(RATE)) % 30_000).astype(np.int16))
    return path


def began(piece: Timed) -> float:
    assert isinstance(piece.clock, Clock)
    assert piece.clock.drift == 0
    return piece.clock(0.0)


def test_pieces_together_are_the_recording_and_say_when_they_began(tmp_path):
    path = ramp(tmp_path / "long.wav", 1.25)
    pieces = list(chunked(path, 30))
    assert [began(piece) for piece in pieces] == [0.0, 30.0, 60.0]
    assert [len(piece.signal[0]) for piece in pieces] == [30 * RATE, 30 * RATE, 15 * RATE]
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(np.concatenate([piece.signal[0] for piece in pieces]), whole)
    for mine, theirs in zip(chunked((whole, RATE), 30), pieces, strict=True):
        np.testing.assert_array_equal(mine.signal[0], theirs.signal[0])
        assert mine.clock == theirs.clock


def test_of_ten_minutes_two_pieces_at_most_are_in_memory(tmp_path):
    path = ramp(tmp_path / "long.wav", 10)
    piece = 30 * RATE * 4
    tracemalloc.start()
    try:
        count = sum(1 for _ in chunked(path, 30))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20
    assert piece < peak < 2.5 * piece  # the whole is 20


@pytest.mark.parametrize(
    ("length", "seconds", "overlap", "firsts", "last"),
    [
        (10.0, 4.0, 0.0, [0, 4, 8], 10),
        (10.0, 4.0, 1.0, [0, 3, 6], 10),
        (10.1, 4.0, 1.0, [0, 3, 6, 9], 10.1),
        (3.0, 4.0, 1.0, [0], 3),
        (0.5, 4.0, 3.5, [0], 0.5),
        (4.0, 4.0, 0.0, [0], 4),
        (4.001, 4.0, 0.0, [0, 4], 4.001),
    ],
)
def test_pieces_overlap_as_asked_and_none_lies_within_another(length, seconds, overlap, firsts, last):
    wave = np.arange(round(length * 1000))
    pieces = list(chunked((wave, 1000), seconds, overlap))
    assert [began(piece) for piece in pieces] == firsts
    for first, piece in zip(firsts, pieces, strict=True):
        assert piece.signal[0][0] == first * 1000
    assert pieces[-1].signal[0][-1] == round(last * 1000) - 1


def test_a_real_minute_is_heard_piece_by_piece_at_its_time():
    path = fetch("yamnet") / "street.wav"
    ends, samples = [], 0
    for piece in chunked(path, 25):
        prepared = prepare(Toy(linear({})), {"audio": piece})["audio"]
        units = place(EARS.segment(prepared), prepared).units
        ends.append((units[0].time[0], units[-1].time[1]))
        samples += len(prepared.raw)
    np.testing.assert_allclose(ends, [(0, 25), (25, 50), (50, 60)])
    assert samples == 60 * RATE


@pytest.mark.parametrize(
    ("recording", "options", "message"),
    [
        ("nothing.wav", {}, "'nothing.wav' does not exist; give one file"),
        (".", {}, r"'\.' is a folder"),
        (3, {}, r"chunks: a int; give a path or a pair \(array, rate\)"),
        ((np.zeros(9),), {}, r"no pair \(array, rate\)"),
        ((np.zeros(9), 0.5), {}, "rate 0.5; give whole hertz"),
        ((np.zeros(0), 8000), {}, "the recording is empty; leave audio out"),
        ((np.zeros(9), 8), {"seconds": 0}, "pieces of 0 s; give a positive number"),
        ((np.zeros(9), 8), {"seconds": float("nan")}, "pieces of nan s"),
        ((np.zeros(9), 8), {"seconds": 2, "overlap": 2}, "an overlap of 2 s of pieces of 2 s; give at least 0, and"),
        ((np.zeros(9), 8), {"seconds": 2, "overlap": -1}, "an overlap of -1 s"),
        ((np.zeros(9), 8), {"seconds": 0.01}, "are less than a sample on"),
    ],
)
def test_what_cannot_be_cut_is_refused_at_once(unchecked: None, recording, options, message: str):
    with pytest.raises(InputError, match=message):
        chunked(recording, **options)


def test_a_file_that_is_no_recording_is_refused_at_once(tmp_path):
    path = tmp_path / "words.wav"
    path.write_text("no sound")
    with pytest.raises(InputError, match=r"'words.wav' cannot be read \(.*\); give a WAV, FLAC or OGG recording"):
        chunked(path)


def test_a_file_cut_short_after_it_was_opened_is_told(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE), RATE)
    pieces = chunked(path, 1)
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(InputError, match=r"'long.flac' (ends|cannot be read)"):
        list(pieces)
