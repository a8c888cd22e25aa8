"""What a stretch of sound is like, without a name: its pitch, how loud it is, how it goes in time.

Pitch is found by YIN (de Cheveigné and Kawahara, J. Acoust. Soc. Am. 111, 2002, equations 6 to 8); pulses by the
autocorrelation of the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len
from scipy.ndimage import uniform_filter1d
from scipy.signal import resample_poly

from ..errors import InputError

__all__ = ["SoundFeatures", "describe", "together"]

_LOWEST, _HIGHEST = 80.0, 3000.0
"""Hertz between which a pitch is looked for."""
_FINE = 32000
"""Least samples per second for the search: with 16,000 a pitch of 3000 Hz falls between two lags, an octave too low."""
_DIP = 0.15
"""Threshold of YIN's normalised difference below which a frame has a pitch (0.10 to 0.15 in the paper)."""
_VOICED = 0.5
"""Least share of the louder frames that have a pitch, for the sound to have one."""
_SWEPT = 2 ** (4 / 12)
"""Ratio of its highest to its lowest pitch from which on a sound is swept: a major third."""
_HOP = 0.01
"""Seconds from one frame to the next."""
_WITHIN = 25.0
"""Decibels below the loudest frame down to which a frame counts as sounding."""
_FLOOR = -120.0
"""Decibels of full scale that silence is given."""
_BRIEF = 0.35
"""Longest sound, in seconds, that is brief; the stretch must be twice as long as it."""
_DEPTH = 0.6
"""Least depth of modulation, (high - low) / (high + low) of the level, for pulses; below it a sound is steady."""
_REGULAR = 0.5
"""Least autocorrelation of the level one pulse later."""
_PULSES = (1.0, 20.0)
"""Pulses per second that are looked for."""
_LOUDER = 3.0
"""Decibels by which a sound that is loud, or quiet, differs from the recording's usual level."""

Wave = Float[np.ndarray, " _"]


@dataclass(frozen=True)
class SoundFeatures:
    """What a sound is like.

    Attributes:
        pitch: hertz, the median over frames that have one; None where there is no clear pitch.
        sweep: the 5th and 95th percentile of the pitch, hertz; None as ``pitch``.
        level: root mean square, decibels of full scale: a sine of amplitude 1 has -3.01; silence has -120.
        above: level less the recording's median level, decibels; None where no recording was given.
        time: ``steady``, ``pulsed``, ``brief`` or ``changing``.
        pulses: per second; None unless pulsed.
    """

    pitch: float | None
    sweep: tuple[float, float] | None
    level: float
    above: float | None
    time: str
    pulses: float | None

    @property
    def words(self) -> str:
        """The features in words, e.g. ``"about 440 Hz, loud (−20 dBFS), pulsed at 2 Hz"``."""
        if self.pitch is None or self.sweep is None:
            pitch = "no clear pitch"
        elif self.sweep[1] >= self.sweep[0] * _SWEPT:
            pitch = f"swept from {_rounded(self.sweep[0])} to {_rounded(self.sweep[1])} Hz"
        else:
            pitch = f"about {_rounded(self.pitch)} Hz"
        level = f"{self.level:.0f} dBFS".replace("-", "\u2212")
        if self.above is not None and abs(self.above) >= _LOUDER:
            level = f"{'loud' if self.above > 0 else 'quiet'} ({level})"
        time = self.time if self.pulses is None else f"pulsed at {self.pulses:.2g} Hz"
        return ", ".join((pitch, level, time))


def describe(wave: np.ndarray, rate: int, recording: np.ndarray | None = None) -> SoundFeatures:
    """Describe a stretch of sound.

    Args:
        wave: (samples,), one channel, -1..1; at least 0.05 s.
        rate: samples per second, 4000 or more.
        recording: the whole that it was taken from, against which it is loud or quiet.

    Raises:
        InputError: not one axis, too short, a rate too low, or values that are not finite.
    """
    for name, given in (("wave", wave), ("recording", recording)):
        if given is not None and (given.ndim != 1 or not np.isfinite(given).all()):
            raise InputError(f"sound: {name} of shape {given.shape}, or not finite; give finite samples of one channel")
    if rate < 4000 or len(wave) < rate / 20:
        raise InputError(
            f"sound: {len(wave)} samples at {rate} per second; give 0.05 s at least, at 4000 per second or more"
        )
    levels = _levels(wave, rate)
    level = float(_decibels(_rms(wave)))
    above = None if recording is None else level - float(np.median(_decibels(_levels(recording, rate))))
    time, pulses = _time(levels, len(wave) / rate)
    pitch, sweep = _pitch(wave, rate)
    return SoundFeatures(pitch, sweep, level, above, time, pulses)


def together(each: Sequence[SoundFeatures]) -> SoundFeatures:
    """Return what several sounds have in common: medians; a pitch, and a way in time, where more than half share it.

    Raises:
        InputError: none given.
    """
    if not each:
        raise InputError("sound: no sounds to describe together; give one at least")
    pitched = [f for f in each if f.pitch is not None]
    clear = 2 * len(pitched) > len(each)
    sweeps = np.median([f.sweep for f in pitched if f.sweep is not None], axis=0) if clear else None
    above = [f.above for f in each if f.above is not None]
    times = [f.time for f in each]
    time = max(sorted(set(times)), key=times.count)
    time = time if 2 * times.count(time) > len(times) else "changing"
    pulses = [f.pulses for f in each if f.pulses is not None and f.time == time]
    return SoundFeatures(
        float(np.median([f.pitch for f in pitched if f.pitch is not None])) if clear else None,
        None if sweeps is None else (float(sweeps[0]), float(sweeps[1])),
        float(np.median([f.level for f in each])),
        float(np.median(above)) if above else None,
        time,
        float(np.median(pulses)) if pulses else None,
    )


def _rms(wave: np.ndarray) -> Any:
    return np.sqrt(np.mean(np.square(wave, dtype=np.float64), axis=-1))


def _decibels(level: Any) -> Any:
    return 20 * np.log10(np.maximum(level, 10 ** (_FLOOR / 20)))


def _rounded(hertz: float) -> str:
    """Two figures: a pitch heard over a street is not known better."""
    return f"{float(f'{hertz:.2g}'):,.0f}"


def _framed(wave: Wave, rate: int, seconds: float) -> Float[np.ndarray, "frames samples"]:
    size, hop = min(round(seconds * rate), len(wave)), round(_HOP * rate)
    return np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), size)[::hop]


def _levels(wave: Wave, rate: int) -> Float[np.ndarray, " frames"]:
    return _rms(_framed(wave, rate, 0.02))


def _pitch(wave: Wave, rate: int) -> tuple[float | None, tuple[float, float] | None]:
    """Return the median pitch and its 5th and 95th percentile; None without a clear one."""
    factor = math.ceil(_FINE / rate)
    wave, rate = (resample_poly(wave, factor, 1), rate * factor) if factor > 1 else (wave, rate)
    longest = math.ceil(rate / _LOWEST)
    shortest = math.floor(rate / _HIGHEST)
    frames = _framed(wave, rate, 2.5 / _LOWEST)
    if frames.shape[1] <= longest + shortest:
        return None, None
    loud = _decibels(_rms(frames))
    frames = frames[(loud >= loud.max() - _WITHIN) & (loud > _FLOOR)]
    periods = [_period(d, shortest) for d in _differences(frames, longest)]
    found = np.array([rate / p for p in periods if p is not None])
    if not len(frames) or len(found) < _VOICED * len(frames):
        return None, None
    low, high = np.quantile(found, (0.05, 0.95))
    return float(np.median(found)), (float(low), float(high))


def _differences(frames: Float[np.ndarray, "frames samples"], longest: int) -> Float[np.ndarray, "frames lags"]:
    """Return YIN's cumulative mean normalised difference (equation 8) for lags 0 to ``longest``."""
    window = frames.shape[1] - longest
    size = next_fast_len(frames.shape[1] + window)
    spectrum = np.fft.rfft(frames, size)
    product = np.fft.irfft(spectrum * np.fft.rfft(frames[:, :window], size).conj(), size)[:, : longest + 1]
    power = np.cumsum(np.pad(np.square(frames), ((0, 0), (1, 0))), axis=1)
    energy = power[:, window : window + longest + 1] - power[:, : longest + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * product, 0.0)
    lags = np.arange(1, longest + 1)
    out = np.ones_like(difference)
    out[:, 1:] = difference[:, 1:] * lags / np.maximum(np.cumsum(difference[:, 1:], axis=1), 1e-12)
    return out


def _period(difference: Float[np.ndarray, " lags"], shortest: int) -> float | None:
    """Return the first dip below the threshold, refined by a parabola, in samples; None without one."""
    below = np.nonzero(difference[shortest:-1] < _DIP)[0]
    if not len(below):
        return None
    lag = int(below[0]) + shortest
    while lag + 1 < len(difference) - 1 and difference[lag + 1] < difference[lag]:
        lag += 1
    left, middle, right = difference[lag - 1 : lag + 2]
    bend = left - 2 * middle + right
    return lag + (0.5 * (left - right) / bend if bend > 1e-12 else 0.0)


def _time(levels: Float[np.ndarray, " frames"], seconds: float) -> tuple[str, float | None]:
    """Return how the level goes in time, and the pulses per second."""
    loud = _decibels(levels)
    sounding = int((loud >= loud.max() - _WITHIN).sum()) * _HOP
    if loud.max() <= _FLOOR:
        return "steady", None
    rate = _pulses(levels)
    if rate is not None:
        return "pulsed", rate
    if sounding <= _BRIEF and seconds >= 2 * sounding:
        return "brief", None
    return ("steady" if _depth(uniform_filter1d(levels, 5)) < _DEPTH else "changing"), None


def _depth(levels: Float[np.ndarray, " frames"]) -> float:
    low, high = np.quantile(levels, (0.1, 0.9))
    return float((high - low) / max(high + low, 1e-12))


def _pulses(levels: Float[np.ndarray, " frames"]) -> float | None:
    """Return how often the level goes up and down, per second, where it does so regularly: two pulses at least."""
    smooth = uniform_filter1d(levels, 3)
    if _depth(smooth) < _DEPTH:
        return None
    centred = smooth - smooth.mean()
    last = min(round(1 / _PULSES[0] / _HOP), len(centred) // 2)
    alike = np.array([_correlation(centred[: len(centred) - lag], centred[lag:]) for lag in range(last + 1)])
    first = math.ceil(1 / _PULSES[1] / _HOP)
    peaks = [
        lag
        for lag in range(first, last)
        if alike[lag] >= _REGULAR and alike[lag] >= alike[lag - 1] and alike[lag] > alike[lag + 1]
        and alike[:lag].min() < _REGULAR / 2  # else it has not gone down since
    ]  # fmt: skip
    if not peaks:
        return None
    # The first of those that are nearly as good as the best: its multiples are peaks, too.
    lag = next(p for p in peaks if alike[p] >= 0.85 * max(alike[q] for q in peaks))
    bend = alike[lag - 1] - 2 * alike[lag] + alike[lag + 1]
    shift = 0.5 * (alike[lag - 1] - alike[lag + 1]) / bend if bend < -1e-12 else 0.0
    return 1 / ((lag + shift) * _HOP)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 1e-12 else 0.0
