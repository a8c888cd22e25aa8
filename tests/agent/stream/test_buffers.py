"""Buffers of frames, sound and words: in order, each once, bounded, whatever order they came in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.stream.small import FRAMES, RATE, SOUND, WORDS, frame, noise
from veridical.agent.stream.frames import UNRATED, FrameBuffer
from veridical.agent.stream.sound import CHUNKS, SNAP, SoundBuffer
from veridical.agent.stream.source import Source
from veridical.agent.stream.words import MOST, WordBuffer
from veridical.errors import InputError


def put(buffer: Any, at: float, signal: Any) -> str:
    return buffer.put(at, buffer.read(signal))[0]


def test_a_frame_twice_another_at_its_time_and_one_that_was_missing():
    buffer = FrameBuffer(FRAMES)
    assert [put(buffer, at, frame(k)) for k, at in enumerate((0.0, 0.1))] == ["taken", "taken"]
    assert put(buffer, 0.1, frame(1)) == "twice"
    assert put(buffer, 0.1, frame(9)) == "refused"
    assert put(buffer, 0.4, frame(4)) == "gap"
    assert buffer.put(0.2, buffer.read(frame(2))) == ("taken", "put 0.2 s behind the newest, where it belongs")
    assert len(buffer) == 4
    assert (buffer.began, buffer.newest) == (0.0, 0.4)


def test_a_camera_may_fill_the_same_memory_again():
    buffer, memory = FrameBuffer(FRAMES), frame(1)
    put(buffer, 0.0, memory)
    memory[:] = 0
    shot = buffer.nearest(0.0, 0, 0)
    assert shot is not None
    assert np.array_equal(shot.frame, frame(1))


@pytest.mark.parametrize(
    ("signal", "told"),
    [
        (np.zeros((4, 4, 3), np.uint8), "4 x 4 pixels, and those before had 32 x 32"),
        (np.full((32, 32, 3), np.nan), "not finite"),
        (np.zeros((2, 32, 32, 3), np.uint8), "shape"),
        (np.zeros((0, 0, 3), np.uint8), "no content"),
        ("no such file.png", "no such file"),
        (None, "not a picture"),
    ],
)
def test_a_bad_frame_is_refused_in_words(signal: Any, told: str):
    buffer = FrameBuffer(FRAMES)
    put(buffer, 0.0, frame())
    with pytest.raises(InputError, match=told):
        buffer.read(signal)


@pytest.mark.parametrize("rate", [10.0, None])
def test_frames_kept_are_bounded_by_time_and_number(rate: float | None):
    source = Source("frames", rate, 3.0, 1.5, 0.5)
    buffer, item = FrameBuffer(source), FrameBuffer(source).read(frame())
    for k in range(2000):
        buffer.put(k * 0.01, item)
    assert len(buffer) <= (UNRATED if rate is None else 2 * 60 + 8)
    assert buffer.put(0.0, item)[0] == "late"


def test_nearest_takes_the_earlier_of_two_and_looks_no_further_than_asked():
    buffer = FrameBuffer(FRAMES)
    for k, at in enumerate((1.0, 2.0, 4.0)):
        put(buffer, at, frame(k))
    found = [buffer.nearest(at, before, after) for at, before, after in ((1.5, 1, 1), (3.0, 0.5, 0.5), (3.9, 2, 0))]
    assert [shot and shot.at for shot in found] == [1.0, None, 2.0]


ORDERS = st.permutations(range(12))


@settings(deadline=None, max_examples=60)
@given(ORDERS, st.lists(st.integers(0, 11), max_size=6))
def test_frames_stand_as_if_they_had_come_sorted_and_once(order: list[int], again: list[int]):
    buffer = FrameBuffer(Source("frames", 10.0, 3.0, 1.5, 3.0))
    for k in [*order, *again]:
        put(buffer, 0.1 * k, frame(k))
    shots = [buffer.nearest(0.1 * k, 0, 0) for k in range(12)]
    assert len(buffer) == 12
    assert all(s is not None and np.array_equal(s.frame, frame(k)) for k, s in enumerate(shots))


@settings(deadline=None, max_examples=60)
@given(ORDERS, st.lists(st.integers(0, 11), max_size=6), st.lists(st.floats(-0.004, 0.004), min_size=12, max_size=12))
def test_sound_stands_as_if_it_had_come_sorted_and_once(order: list[int], again: list[int], jitter: list[float]):
    wave = noise(12 * 800)
    chunks = [wave[k * 800 : (k + 1) * 800] for k in range(12)]
    times = [1 + k / 10 + (jitter[k] if k else 0.0) for k in range(12)]
    buffer = SoundBuffer(Source("sound", RATE, 3.0, 1.0, 3.0))
    for k in [*order, *again]:
        put(buffer, times[k], chunks[k])
    cut = buffer.cut(1.0, 1.2)
    assert cut.missing == 0
    assert np.array_equal(cut.samples, wave)


def test_where_nothing_came_in_there_is_silence_and_it_is_told():
    buffer = SoundBuffer(SOUND)
    assert put(buffer, 0.0, np.full(800, 0.5, np.float32)) == "taken"
    assert put(buffer, 0.2, np.full(800, 0.25, np.float32)) == "gap"
    cut = buffer.cut(-0.1, 0.5)
    assert cut.missing == pytest.approx(0.3)
    assert [float(cut.samples[k]) for k in (0, 800, 1600, 2400, 3200)] == [0.0, 0.5, 0.0, 0.25, 0.0]
    assert buffer.ended == pytest.approx(0.3)


def test_where_chunks_overlap_the_earlier_stands():
    buffer = SoundBuffer(SOUND)
    put(buffer, 0.05, np.full(800, 0.25, np.float32))
    put(buffer, 0.0, np.full(800, 0.5, np.float32))
    assert np.unique(buffer.cut(0.0, 0.1).samples).tolist() == [0.5]
    assert np.unique(buffer.cut(0.1, 0.05).samples).tolist() == [0.25]


def test_placing_stays_as_it_was_when_old_sound_goes():
    wave, buffer = noise(RATE * 20), SoundBuffer(SOUND)
    shifts = np.random.default_rng(1).uniform(0, SNAP / 2, 200)
    for k in range(200):
        put(buffer, k / 10 + shifts[k], wave[k * 800 : (k + 1) * 800])
    first = round((shifts[0]) * RATE)
    cut = buffer.cut(17.0 + first / RATE, 3.0)
    assert np.array_equal(cut.samples[: 3 * RATE - first], wave[17 * RATE : 20 * RATE - first])
    assert len(buffer) <= SOUND.kept * 10 + 2


def test_a_chunk_beyond_full_scale_is_not_scaled_by_itself():
    read = SoundBuffer(SOUND).read(np.array([0.5, 2.0], np.float32))
    np.testing.assert_allclose(read.samples, [0.5, 2.0], rtol=1e-6)
    assert SoundBuffer(SOUND).read(np.array([2**14], np.int16)).samples.tolist() == [0.5]
    assert SoundBuffer(SOUND).read((np.ones((4, 2)), RATE)).samples.shape == (4,)


@pytest.mark.parametrize(
    ("signal", "told"),
    [
        (np.array([0.1, np.nan]), "not finite"),
        (np.zeros(0), "empty"),
        (np.zeros((2, 2, 2)), "not a recording"),
        (np.array(1.0), "not a recording"),
        ((np.zeros(4), 44100), "44100 Hz in a stream at 8000 Hz"),
        (np.zeros(8000 * 60), "cut them up"),
        (np.array(["a"]), "full scale"),
        ("wave.wav", "type str"),
    ],
)
def test_bad_sound_is_refused_in_words(signal: Any, told: str):
    with pytest.raises(InputError, match=told):
        SoundBuffer(SOUND).read(signal)


def test_chunks_kept_are_bounded_however_short():
    buffer, chunk = SoundBuffer(SOUND), SoundBuffer(SOUND).read(np.zeros(1, np.float32))
    for k in range(CHUNKS + 500):
        buffer.put(k / RATE, chunk)
    assert len(buffer) == CHUNKS


def test_the_newest_instruction_stands_from_its_time_on():
    buffer = WordBuffer(WORDS)
    assert [put(buffer, at, text) for at, text in ((5.0, "go"), (9.0, "stop"), (9.0, "stop"), (9.0, "go"))] == [
        "taken",
        "taken",
        "twice",
        "refused",
    ]
    assert [said and said.text for said in map(buffer.standing, (4.9, 5.0, 8.9, 9.0, 1e6))] == [
        None,
        "go",
        "go",
        "stop",
        "stop",
    ]
    buffer.rebase(2.0)
    standing = buffer.standing(2.0)
    assert standing is not None
    assert standing.text == "stop"


def test_instructions_kept_are_bounded():
    buffer = WordBuffer(WORDS)
    for k in range(3 * MOST):
        put(buffer, float(k), str(k))
    assert len(buffer) == MOST


@pytest.mark.parametrize(("signal", "told"), [(3, "type int"), ("x" * 100_001, "characters"), ("\ud800", "Unicode")])
def test_bad_words_are_refused_in_words(signal: Any, told: str):
    with pytest.raises(InputError, match=told):
        WordBuffer(WORDS).read(signal)
