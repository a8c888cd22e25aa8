"""Recordings in every form that people have them in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from veridical.errors import InputError
from veridical.modalities.recordings import read_recording

RATE = 16000


def tone(seconds: float = 0.5, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(("suffix", "tolerance"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.05)])
def test_files(tmp_path: Path, suffix: str, tolerance: float):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(), RATE)
    for signal in (path, str(path)):
        wave, notes = read_recording(signal, RATE)
        assert wave.shape == (8000,)
        assert np.abs(wave - tone()).max() < tolerance
        assert notes == ()


def test_another_rate_is_resampled_and_said(tmp_path: Path):
    soundfile.write(tmp_path / "cd.wav", tone(rate=44100), 44100)
    wave, notes = read_recording(tmp_path / "cd.wav", RATE)
    assert len(wave) == 8000
    assert np.abs(wave - tone())[200:-200].max() < 1e-3
    assert notes == ("resampled from 44100 Hz to 16000 Hz",)


@pytest.mark.parametrize("rate", [8000, 48000.0, np.int64(22050), np.float32(32000), 11025])
def test_a_pair_gives_its_rate(rate: float):
    wave, notes = read_recording((tone(rate=int(rate)), rate), RATE)
    assert len(wave) == 8000
    assert np.abs(wave - tone())[200:-200].max() < 2e-3
    assert notes == (f"resampled from {int(rate)} Hz to 16000 Hz",)


def test_channels_are_mixed_down_and_said():
    left = tone()
    wave, notes = read_recording((np.stack([left, 0 * left], 1), RATE), RATE)
    assert np.allclose(wave, left / 2, atol=1e-6)
    assert notes == ("2 channels were mixed down to one",)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", [0, 128, 192]),
        ("int8", [-128, 0, 64]),
        ("int16", [-(2**15), 0, 2**14]),
        (">i2", [-(2**15), 0, 2**14]),
        ("int32", [-(2**31), 0, 2**30]),
        ("float16", [-1, 0, 0.5]),
        ("float64", [-1, 0, 0.5]),
    ],
)
def test_numbers_are_scaled_by_their_full_scale(dtype: str, values: list[float]):
    wave, notes = read_recording(np.array(values, dtype), RATE)
    assert wave.dtype == np.float32
    assert wave.tolist() == [-1, 0, 0.5]
    assert notes == ()


def test_samples_beyond_full_scale_are_scaled_down_and_said():
    wave, notes = read_recording(np.array([0.5, -2.0]), RATE)
    assert wave.tolist() == [0.25, -1.0]
    assert notes == ("samples reached 2 times full scale and were scaled down to it",)


@pytest.mark.parametrize("rate", [0, -16000, 44.1, 44100.5, float("nan"), float("inf"), "16000", None, True, 10**9])
def test_a_rate_that_is_none(rate: object):
    with pytest.raises(InputError, match=r"audio: rate .*; give whole hertz \(not kilohertz\), 100 to 1000000"):
        read_recording((tone(), rate), RATE)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\) is not a recording"),
        (np.array(3.0), r"shape \(\) is not a recording"),
        (np.zeros(0), r"shape \(0, 1\) is empty"),
        ((np.zeros((0, 2)), RATE), r"shape \(0, 2\) is empty"),
        (np.zeros((2, 8000)), r"shape \(2, 8000\) has 8000 channels; if they come first, transpose it"),
        (np.zeros(5, np.int64), "type int64 have no agreed full scale"),
        (np.zeros(5, bool), "type bool have no agreed full scale"),
        (np.zeros(5, complex), "type complex128 have no agreed full scale"),
        (np.array([0, 0, np.nan, np.inf]), "2 samples are not finite, the first at sample 2, channel 0"),
        (np.array([[0, 0], [0, -np.inf]]), "1 samples are not finite, the first at sample 1, channel 1"),
        ((tone(), RATE, 2), r"a tuple of \(ndarray, int, int\) is not a pair"),
        ((RATE, tone()), r"a tuple of \(int, ndarray\) is not a pair"),
        ([0.0, 1.0], "a list is not a recording; give a path"),
        (b"RIFF", "a bytes is not a recording"),
        (None, "a NoneType is not a recording"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(signal: object, message: str):
    with pytest.raises(InputError, match=message) as caught:
        read_recording(signal, RATE)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"no such file: '.*gone\.wav'; check the path"):
        read_recording(tmp_path / "gone.wav", RATE)


@pytest.mark.parametrize("content", [b"", b"not a recording\n" * 9, b"RIFF\x10\x00\x00\x00WAVEfmt "])
def test_a_file_that_is_no_recording(tmp_path: Path, content: bytes):
    (tmp_path / "text.wav").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.wav' cannot be read \(.*\); give a WAV"):
        read_recording(tmp_path / "text.wav", RATE)


def test_a_folder_is_no_recording(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder; give one file in it"):
        read_recording(tmp_path, RATE)


@pytest.mark.parametrize("name", ["a\0b.wav", "a" * 5000])
def test_a_path_that_cannot_be(name: str):
    with pytest.raises(InputError, match="cannot be read"):
        read_recording(name, RATE)


def test_a_file_without_samples(tmp_path: Path):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), RATE)
    with pytest.raises(InputError, match=r"the recording of shape \(0, 2\) is empty"):
        read_recording(tmp_path / "empty.wav", RATE)
