"""Windows: which frames, which sound, which words, and what is told of what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.stream.small import FRAMES, RATE, SOUND, WORDS, frame, noise
from veridical.agent.loop.findings import findings_of
from veridical.agent.stream.frames import FrameBuffer
from veridical.agent.stream.sound import SoundBuffer
from veridical.agent.stream.source import SENSOR, Source
from veridical.agent.stream.window import AtHand, at_hand, steps_of
from veridical.agent.stream.words import WordBuffer


def seen(times: list[float], source: Source = FRAMES) -> FrameBuffer:
    buffer = FrameBuffer(source)
    for at in times:
        buffer.put(at, buffer.read(frame(round(1000 * at))))
    return buffer


def heard(start: float, seconds: float) -> SoundBuffer:
    buffer = SoundBuffer(SOUND)
    for k in range(round(10 * seconds)):
        buffer.put(start + k / 10, buffer.read(noise(RATE // 10, k)))
    return buffer


def times(hand: AtHand) -> list[float]:
    return [round(shot.at, 3) for shot in hand.shots]


def check_told(hand: AtHand) -> bool:
    """Whether a note says that the sense is broken; what makes a finding of notes must read it so."""
    broken = [note for note in hand.notes if note.startswith(SENSOR)]
    for note in hand.notes:
        assert ("sensor" in findings_of({"notes": [note]})) == (note in broken)
    return bool(broken)


def test_frames_are_a_step_apart_and_end_at_the_moment():
    buffer = seen([k / 10 for k in range(50)])
    assert times(at_hand("vision", buffer, 4.0, 1.0, 9)) == [2.0, 3.0, 4.0]
    assert times(at_hand("vision", buffer, 4.05, 1.0, 9)) == [2.0, 3.0, 4.0]
    assert not check_told(at_hand("vision", buffer, 4.0, 1.0, 9))


def test_a_camera_that_jitters_skips_no_frame():
    buffer = seen([0.0, 1.02, 1.99, 3.03, 3.98], Source("frames", 1.0, 3.0, 1.5, 0.5))
    assert [times(at_hand("vision", buffer, at, 1.0, 9)) for at in (2.5, 3.98)] == [
        [0.0, 1.02, 1.99],
        [1.99, 3.03, 3.98],
    ]


def test_a_stream_begins_with_fewer_steps():
    buffer = seen([0.0, 1.0])
    assert [steps_of({"vision": buffer}, at, 1.0) for at in (0.0, 0.9, 1.0, 2.0)] == [1, 1, 2, 3]
    assert [steps_of({"audio": heard(0.0, 0.1)}, at, 1.0) for at in (0.5, 1.0, 1.1)] == [1, 1, 2]
    assert times(at_hand("vision", buffer, 1.0, 1.0, 2)) == [0.0, 1.0]


def test_the_last_frame_is_held_and_then_the_sense_is_absent():
    buffer = seen([0.0, 1.0, 2.0])
    held = at_hand("vision", buffer, 3.4, 1.0, 9)
    assert times(held) == [0.0, 1.0, 2.0]
    assert held.age == pytest.approx(1.4)
    assert "is held" in held.notes[0]
    assert not check_told(held)
    gone = at_hand("vision", buffer, 3.6, 1.0, 9)
    assert gone.signal is None
    assert check_told(gone)
    assert "1.6 s old, and 1.5 s are allowed" in gone.notes[0]
    assert check_told(at_hand("vision", FrameBuffer(FRAMES), 1.0, 1.0, 1))


def test_after_a_stall_the_next_frame_stands_for_the_seconds_without_one():
    hand = at_hand("vision", seen([0.0, 0.1, 5.0, 6.0]), 6.0, 1.0, 9)
    assert times(hand) == [5.0, 5.0, 6.0]
    assert check_told(hand)


def test_frames_of_the_future_are_not_seen():
    assert times(at_hand("vision", seen([0.0, 1.0, 2.0]), 1.4, 1.0, 2)) == [0.0, 1.0]


def test_sound_is_that_of_the_window():
    buffer = heard(0.0, 5.0)
    samples, rate = at_hand("audio", buffer, 4.5, 1.0, 9).signal
    assert rate == RATE
    assert np.array_equal(samples, buffer.cut(1.5, 3.0).samples)


def test_before_the_stream_there_was_silence_and_it_is_no_fault():
    hand = at_hand("audio", heard(0.0, 0.5), 0.5, 1.0, 1)
    assert not check_told(hand)
    assert "younger than the window; 0.5 s" in hand.notes[0]
    samples, _ = hand.signal
    assert not samples[: RATE // 2].any()
    assert samples[RATE // 2 :].any()


@pytest.mark.parametrize(("at", "broken"), [(5.1, False), (5.9, False), (6.5, True)])
def test_sound_that_fails_is_silence_for_a_while_and_then_absent(at: float, broken: bool):
    hand = at_hand("audio", heard(0.0, 5.0), at, 1.0, 9)
    assert check_told(hand) is broken
    assert (hand.signal is None) is broken


def test_sound_with_a_long_hole_fell_silent():
    buffer = heard(0.0, 1.0)
    for k in range(5):
        buffer.put(2.5 + k / 10, buffer.read(noise(RATE // 10, k)))
    assert check_told(at_hand("audio", buffer, 3.0, 1.0, 9))


@pytest.mark.parametrize(("hold", "text"), [(float("inf"), "go"), (5.0, None)])
def test_words_stand_as_long_as_they_may(hold: float, text: Any):
    buffer = WordBuffer(Source("words", None, 3.0, hold))
    assert at_hand("text", buffer, 1.0, 1.0, 1) == AtHand()
    buffer.put(1.0, buffer.read("go"))
    assert at_hand("text", buffer, 100.0, 1.0, 1).signal == text
    assert WORDS.hold == float("inf")
