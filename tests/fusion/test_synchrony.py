"""Signals on the system's own grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import EARS, EYES, RATE, READER, Toy, linear, picture, sound
from veridical.errors import InputError
from veridical.fusion.synchrony import resample, synchronise
from veridical.fusion.timeline import timeline
from veridical.modalities.array import Array
from veridical.modalities.axis import Axis
from veridical.modalities.clock import Clock
from veridical.modalities.observation import prepare
from veridical.modalities.timed import Timed, place
from veridical.modalities.vision import Vision

TOY = Toy(linear({}))


def numbered(count: int) -> list[np.ndarray]:
    return [np.full((8, 8, 3), i, np.uint8) for i in range(count)]


def which(frames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def test_what_is_in_step_stays_as_it_is():
    wave = np.tile(sound(), 3)
    found = synchronise(TOY, {"vision": picture(3), "audio": wave, "text": "stop"})
    assert found.notes == ()
    np.testing.assert_array_equal(np.stack(found.observation["vision"]), picture(3))
    np.testing.assert_array_equal(found.observation["audio"][0], wave)
    assert found.observation["text"] == "stop"
    assert found.clocks == {"vision": Clock.affine(), "audio": Clock.affine()}


def test_each_tick_takes_the_frame_nearest_to_it():
    stamps = [10.0, 10.4, 11.1, 11.9, 12.4, 13.0]
    found = synchronise(TOY, {"vision": Timed.stamped(numbered(6), stamps, 0.03)})
    assert which(found.observation["vision"]) == [0, 2, 3, 5]
    assert found.notes == (
        "vision: frames lie up to 0.1 s from the times at which the system reads them",
        "vision: 2 of 6 frames are not used: they lie outside, or between the times that are read",
    )
    assert found.clocks["vision"](0.0) == 10.0
    assert found.clocks["vision"].uncertainty == pytest.approx(math.hypot(0.03, 0.1))


def test_a_fast_camera_is_thinned_to_the_systems_interval():
    eyes = Vision(size=32, units=4, interval=0.5)
    stamps = 100 + np.arange(50) / 25
    found = synchronise(Toy(linear({}), eyes), {"vision": Timed.stamped(numbered(50), stamps)})
    assert which(found.observation["vision"]) == [0, 12, 25, 37]


def test_a_gap_between_frames_is_told_with_its_times_and_the_nearest_stand_in():
    found = synchronise(TOY, {"vision": Timed.stamped(numbered(4), [0, 1, 5, 6])})
    assert which(found.observation["vision"]) == [0, 1, 1, 1, 2, 2, 3]
    assert "vision: no frame was taken in 1–5 s; the nearest stand in" in found.notes
    assert found.clocks["vision"].uncertainty == 2.0


def test_sound_that_began_later_sets_the_origin_and_keeps_its_samples():
    wave = np.arange(4 * RATE, dtype=np.float32) / (8 * RATE)
    found = synchronise(
        TOY, {"vision": Timed.stamped(numbered(5), [0, 1, 2, 3, 4]), "audio": Timed.started(wave, 0.75)}
    )
    assert which(found.observation["vision"]) == [1, 2, 3, 4]
    np.testing.assert_array_equal(found.observation["audio"][0], wave)
    assert found.clocks["audio"](0.0) == 0.75
    assert found.notes[0] == "vision: frames lie up to 0.25 s from the times at which the system reads them"


def test_sound_is_cut_and_filled_with_silence_to_the_length_of_the_frames():
    wave = np.full(round(3.8 * RATE), 0.5, np.float32)
    found = synchronise(TOY, {"vision": Timed.stamped(numbered(3), [1, 2, 3]), "audio": Timed.started(wave, 0.0)})
    heard, rate = found.observation["audio"]
    assert (len(heard), rate) == (3 * RATE, RATE)
    np.testing.assert_array_equal(heard, np.where(np.arange(3 * RATE) < 2.8 * RATE, np.float32(0.5), np.float32(0)))
    assert found.notes == (
        "audio: the first 1 s lie outside the common time and were cut",
        "audio: 0.2 s of silence stand at the end",
    )


@pytest.mark.parametrize("drift", [0.002, -0.002, 0.05])
def test_a_drifting_sound_is_resampled_onto_the_common_clock(drift: float):
    """A tone of 700 Hz on the common clock, recorded by a device that runs wrong, comes out as 700 Hz."""
    recorded = Clock.affine(2.0, drift)
    own = np.arange(6 * RATE) / RATE
    wave = 0.5 * np.sin(2 * np.pi * 700 * recorded(own))
    found = synchronise(TOY, {"vision": Timed.stamped(numbered(5), [2, 3, 4, 5, 6]), "audio": Timed(wave, recorded)})
    heard = found.observation["audio"][0]
    common = 2.0 + np.arange(len(heard)) / RATE
    np.testing.assert_allclose(heard[64:], 0.5 * np.sin(2 * np.pi * 700 * common)[64:], atol=2e-4)
    assert f"audio: resampled for a drift of {drift:.2g}" in found.notes


def test_a_drift_of_less_than_half_a_sample_leaves_the_samples_alone():
    wave = sound()
    found = synchronise(TOY, {"audio": Timed.started(wave, 5.0, 5e-5, 0.01)})
    assert np.isin(found.observation["audio"][0], [*wave, 0]).all()
    assert not any("resampled" in note for note in found.notes)
    assert found.clocks["audio"] == Clock.affine(5.0, 0.0, 0.01)


def test_a_single_frame_stands_for_the_whole_time():
    wave = np.tile(sound(), 3)
    found = synchronise(TOY, {"vision": Timed.stamped(numbered(1), [1.5]), "audio": wave})
    assert which(found.observation["vision"]) == [0, 0, 0]
    assert "vision: one frame, taken at 1.5 s, stands for all 3" in found.notes
    assert found.clocks["vision"].uncertainty == 1.5


def test_what_was_synchronised_prepares_with_its_clocks_and_is_in_step():
    observation = {
        "vision": Timed.stamped(list(picture(4)), [50.0, 51.1, 51.9, 53.0]),
        "audio": Timed.started(np.tile(sound(), 4), 50.5, 1e-3, 0.02),
        "text": "stop for the cat",
    }
    found = synchronise(TOY, observation)
    prepared = prepare(TOY, found.timed())
    placed = {m: place(TOY.modalities[m].segment(p), p) for m, p in prepared.items()}
    line = timeline(TOY, prepared, placed, {m: np.zeros(len(s)) for m, s in placed.items()})
    assert line.common == pytest.approx((50.5, 54.5))
    assert [lane.drift for lane in line.lanes] == [0.0, 0.0, 0.0]
    assert not any("ends" in note or "begins" in note for note in line.notes)
    again = synchronise(TOY, found.timed())
    assert again.notes == ()
    np.testing.assert_array_equal(again.observation["audio"][0], found.observation["audio"][0])


def test_a_clock_of_unknown_uncertainty_stays_unknown():
    found = synchronise(TOY, {"audio": Timed(np.tile(sound(), 2), Clock.fit([0, 1], [3, 4]))})
    assert found.clocks["audio"].uncertainty is None


def test_senses_without_a_grid_are_left_as_they_are():
    table = Array("table", [Axis("feature", size=2)], baseline=0.0)
    toy = Toy(linear({}), EYES, EARS, READER, table)
    given = {"audio": None, "text": Timed.started("stop", 9.0), "table": [1.0, 2.0]}
    assert synchronise(toy, given).observation == {"audio": None, "text": "stop", "table": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ({"smell": 1}, "unknown modality 'smell'; this system has vision, audio, text"),
        (
            {"vision": Timed.stamped(numbered(2), [10, 11]), "audio": sound()},
            "no overlap in time: vision covers 10–12 s and audio covers 0–1 s; are all on one clock",
        ),
        ({"vision": Timed.stamped(numbered(2), [1])}, "1 timestamps for 2 frames of vision; give one for each"),
        ({"vision": []}, "vision holds no frames"),
        ({"audio": Timed.stamped(sound(), [1, 2])}, r"say when audio began \(Timed.started\)"),
        ({"text": Timed.started(3, 1.0)}, "text has neither frames nor a rate; give it without a clock"),
        ({"audio": np.array([np.nan])}, "audio: 1 samples are not finite"),
    ],
)
def test_what_cannot_be_put_in_step_is_refused_in_words(observation, message: str):
    with pytest.raises(InputError, match=message):
        synchronise(TOY, observation)


@given(st.integers(0, 2**32 - 1), st.integers(-40, 300))
@settings(max_examples=20, deadline=None)
def test_at_whole_samples_resampling_gives_the_samples_and_silence_outside(seed: int, first: int):
    wave = np.random.default_rng(seed).uniform(-1, 1, 200)
    at = first + np.arange(60)
    inside = (at >= 0) & (at < 200)
    expected = np.where(inside, wave[at.clip(0, 199)], 0)
    np.testing.assert_allclose(resample(wave, at.astype(float)), expected, atol=1e-6)


def test_resampling_faster_cuts_what_the_new_rate_cannot_hold():
    """At 1.25 samples a point, 0.45 cycles a sample lie beyond the new Nyquist frequency and 0.3 do not."""
    samples, at = np.arange(4000), 500 + 1.25 * np.arange(2000)
    high, low = (resample(np.sin(2 * np.pi * f * samples), at, 1 / 1.25) for f in (0.45, 0.3))
    assert np.abs(high).max() < 0.02
    np.testing.assert_allclose(low, np.sin(2 * np.pi * 0.3 * at), atol=0.01)
