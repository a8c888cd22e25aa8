"""What happens to a microphone: its recording disturbed.

Every function takes a wave (float, samples × channels, full scale −1..1), a strength above 0 and up to 1, a generator
of random numbers and the rate; it returns a wave of the same shape. A draw does not depend on the strength.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

__all__ = ["babble", "broken", "clipping", "clock_skew", "dropout", "gain_loss", "noise"]

Wave = Float[np.ndarray, "samples channels"]
Draw = np.random.Generator

SKEW = 3.0
VOICES = 6
PIECE = 0.1
_QUIETEST = 1e-3  # −60 dB: what stands for the level of a recording of silence


def noise(wave: Wave, strength: float, draw: Draw, rate: int) -> Wave:
    """White noise: x + s r N(0, 1), r the recording's RMS, a signal-to-noise ratio of −20 log₁₀ s dB."""
    del rate
    return wave + strength * _rms(wave) * draw.standard_normal(wave.shape)


def babble(wave: Wave, strength: float, draw: Draw, rate: int) -> Wave:
    """Six voices at once of the RMS s r, r the recording's: a signal-to-noise ratio of −20 log₁₀ s dB."""
    said = _voices(len(wave), rate, draw)
    return wave + (strength * _rms(wave) / max(float(np.sqrt((said**2).mean())), 1e-9)) * said[:, None]


def clipping(wave: Wave, strength: float, draw: Draw, rate: int) -> Wave:
    """Cut off at c = 10^(−2 s) of the peak and raised to the peak again, as by an amplifier turned up by 40 s dB."""
    del draw, rate
    share = 10 ** (-2 * strength)
    return np.clip(wave, -(cut := share * np.abs(wave).max(initial=0.0)), cut) / share


def gain_loss(wave: Wave, strength: float, draw: Draw, rate: int) -> Wave:
    """Quieter by 60 s dB: 10^(−3 s) x."""
    del draw, rate
    return wave * 10 ** (-3 * strength)


def dropout(wave: Wave, strength: float, draw: Draw, rate: int) -> Wave:
    """⌈s n⌉ of n pieces of 0.1 s are silent, drawn evenly."""
    size = max(1, round(PIECE * rate))
    count = -(-len(wave) // size)
    made = wave.copy()
    for piece in draw.permutation(count)[: math.ceil(strength * count - 1e-9)]:
        made[piece * size : (piece + 1) * size] = 0
    return made


def broken(wave: Wave, strength: float, draw: Draw, rate: int) -> Wave:
    """⌈s n⌉ of n samples are not a number, +∞ or −∞; a recording of integers comes back as floats."""
    del rate
    made = wave.copy()
    order, kinds = draw.permutation(len(wave)), draw.integers(3, size=len(wave))
    hit = order[: math.ceil(strength * len(wave) - 1e-9)]
    made[hit] = np.array([np.nan, np.inf, -np.inf])[kinds[hit]][:, None]
    return made


def clock_skew(wave: Wave, strength: float, draw: Draw, rate: int, early: bool = False) -> Wave:
    """Shifted by 3 s seconds against the pictures, behind them or ahead of them; silence fills up."""
    del draw
    shift = min(round(SKEW * strength * rate), len(wave))
    silence = np.zeros_like(wave[:shift])
    return np.concatenate([wave[shift:], silence] if early else [silence, wave[: len(wave) - shift]])


def _rms(wave: Wave) -> float:
    return max(float(np.sqrt((wave**2).mean())), _QUIETEST)


def _voices(samples: int, rate: int, draw: Draw) -> Float[np.ndarray, " samples"]:
    """Several held-out voices over each other, each from some point on and as often as it takes."""
    from ..courier.sounds import RATE, clips, load_clip

    pool = clips("held-out")["voice"]
    said = np.zeros(samples)
    for _ in range(VOICES):
        voice = load_clip(pool[int(draw.integers(len(pool)))]).astype(np.float64)
        if rate != RATE:
            common = math.gcd(rate, RATE)
            voice = resample_poly(voice, rate // common, RATE // common)
        voice = np.roll(voice, -int(draw.integers(len(voice))))
        said += np.tile(voice / max(float(np.sqrt((voice**2).mean())), 1e-9), -(-samples // len(voice)))[:samples]
    return said
