"""Known answers on sounds whose pitch, level and pulses were put there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts.sound_features import SoundFeatures, describe, together
from veridical.errors import InputError

RATE = 16000


def tone(hertz: float, seconds: float = 2.0, rate: int = RATE, harmonics: int = 1) -> np.ndarray:
    at = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sum(
        [np.sin(2 * np.pi * k * hertz * at) / k for k in range(1, harmonics + 1) if k * hertz < rate / 2], axis=0
    )


def noise(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def gate(per_second: float, seconds: float = 2.0, duty: float = 0.5) -> np.ndarray:
    return ((np.arange(round(seconds * RATE)) / RATE * per_second) % 1 < duty).astype(float)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("hertz", [110.0, 440.0, 987.8, 1760.0])
@pytest.mark.parametrize("harmonics", [1, 4])
def test_the_pitch_of_a_tone_is_found_within_a_hundredth(rate: int, hertz: float, harmonics: int):
    found = describe(tone(hertz, 0.5, rate, harmonics), rate)
    assert found.pitch == pytest.approx(hertz, rel=0.01)
    assert found.time == "steady"


@settings(max_examples=25, deadline=None)
@given(hertz=st.floats(90, 2900), seed=st.integers(0, 99))
def test_the_pitch_holds_in_some_noise(hertz: float, seed: int):
    found = describe(tone(hertz, 0.4) + 0.1 * noise(0.4, seed), RATE)
    assert found.pitch == pytest.approx(hertz, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_pitch_and_is_steady(seed: int):
    found = describe(noise(seed=seed), RATE)
    assert (found.pitch, found.sweep, found.time, found.pulses) == (None, None, "steady", None)
    assert found.level == pytest.approx(-20, abs=0.3)
    assert found.words == "no clear pitch, \u221220 dBFS, steady"


@pytest.mark.parametrize("per_second", [2.0, 3.0, 5.0, 8.0])
@pytest.mark.parametrize("carrier", [noise(), tone(600)])
def test_pulses_are_counted(per_second: float, carrier: np.ndarray):
    found = describe(gate(per_second) * carrier, RATE)
    assert found.time == "pulsed"
    assert found.pulses == pytest.approx(per_second, rel=0.05)
    assert found.words.endswith(f"pulsed at {per_second:.0f} Hz")


def test_a_pulsed_tone_keeps_its_pitch():
    assert describe(gate(4.0) * tone(600), RATE).pitch == pytest.approx(600, rel=0.01)


def test_a_sweep_is_told_as_one():
    at = np.arange(2 * RATE) / RATE
    found = describe(np.sin(2 * np.pi * np.cumsum(500 * 3 ** (at / 2)) / RATE), RATE)
    assert found.sweep is not None
    assert found.sweep[0] == pytest.approx(500 * 3**0.05, rel=0.05)
    assert found.sweep[1] == pytest.approx(500 * 3**0.95, rel=0.05)
    assert found.words.startswith("swept from 530 to 1,400 Hz, ")


def test_a_click_is_brief_and_a_crescendo_changes():
    wave = np.zeros(2 * RATE)
    wave[RATE : RATE + 1600] = noise(0.1)
    assert describe(wave, RATE).time == "brief"
    assert describe(noise() * np.linspace(0, 1, 2 * RATE) ** 2, RATE).time == "changing"


def test_the_level_of_a_full_sine_is_that_of_its_power():
    assert describe(2 * tone(500), RATE).level == pytest.approx(20 * math.log10(math.sqrt(0.5)), abs=0.01)


def test_silence_is_steady_at_the_floor_without_a_pitch():
    found = describe(np.zeros(RATE), RATE, np.zeros(2 * RATE))
    assert found == SoundFeatures(None, None, -120.0, 0.0, "steady", None)


def test_loud_and_quiet_are_by_the_recording():
    street = 0.01 * noise(3.0) / 0.1
    assert describe(tone(500, 0.5), RATE, street).words == "about 500 Hz, loud (\u22129 dBFS), steady"
    assert "quiet (" in describe(street[:RATE] / 10, RATE, street).words
    assert describe(street[:RATE], RATE, street).words == "no clear pitch, \u221240 dBFS, steady"


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.01, 2.0))
def test_all_but_the_level_is_free_of_scale(gain: float):
    wave = gate(4.0) * tone(440)
    one, other = describe(wave, RATE), describe(gain * wave, RATE)
    assert other.level == pytest.approx(one.level + 20 * math.log10(gain), abs=1e-6)
    assert other.pitch == pytest.approx(one.pitch)
    assert (other.time, other.pulses) == (one.time, pytest.approx(one.pulses))


def test_together_takes_medians_and_what_most_share():
    each = [describe(tone(h, 0.5), RATE) for h in (400, 420, 440)]
    shared = together([*each, describe(noise(0.5), RATE)])
    assert shared.pitch == pytest.approx(420, rel=0.01)
    assert shared.time == "steady"
    assert shared.above is None
    assert together([each[0], describe(noise(0.5), RATE)]).pitch is None
    assert together([describe(gate(4.0) * noise(), RATE), each[0]]).time == "changing"


@pytest.mark.parametrize(
    ("wave", "rate", "told"),
    [
        (np.zeros((2, 800)), RATE, r"wave of shape \(2, 800\)"),
        (np.full(1600, np.nan), RATE, "not finite"),
        (np.zeros(100), RATE, "100 samples at 16000"),
        (np.zeros(1600), 2000, "at 4000 per second or more"),
    ],
)
def test_what_cannot_be_described_is_refused(wave: np.ndarray, rate: int, told: str):
    with pytest.raises(InputError, match=told):
        describe(wave, rate)


def test_nothing_together_is_refused():
    with pytest.raises(InputError, match="no sounds"):
        together([])
