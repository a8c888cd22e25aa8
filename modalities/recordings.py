"""Recordings: anything that is a sound, as one float32 channel at a given rate."""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float, Float32
from scipy.signal import resample_poly

from ..errors import InputError

__all__ = ["read_recording"]

_KINDS = "give a path, a pair (array, rate), or an array (samples,) or (samples, channels)"
_FULL_SCALE = {"uint8": (128, 128), "int8": (0, 128), "int16": (0, 2**15), "int32": (0, 2**31)}
_RATES = (100, 1_000_000)


def read_recording(signal: Any, rate: int) -> tuple[Float32[np.ndarray, " samples"], tuple[str, ...]]:
    """Read a recording as one channel at ``rate`` hertz.

    Integers are scaled to -1..1 by their full scale; floating-point samples beyond -1..1 are scaled down; channels are
    averaged; another rate is resampled (polyphase; the result may overshoot -1..1 slightly).

    Args:
        signal: a path (WAV, FLAC, OGG ...), a pair (array, rate in hertz), or an array already at ``rate``; arrays are
            (samples,) or (samples, channels).
        rate: wanted rate in hertz.

    Returns:
        The samples and what the user must be told, one sentence each.

    Raises:
        InputError: the recording cannot be read, is empty, or holds values that are not finite.
    """
    array, given = _open(signal, rate)
    wave = _to_float(array)
    notes: list[str] = []
    peak = float(np.abs(wave).max())
    if peak > 1:
        wave = wave / peak
        notes.append(f"samples reached {peak:.4g} times full scale and were scaled down to it")
    if wave.shape[1] > 1:
        notes.append(f"{wave.shape[1]} channels were mixed down to one")
    mono = wave.mean(1)
    if given != rate:
        common = math.gcd(given, rate)
        mono = resample_poly(mono, rate // common, given // common)
        notes.append(f"resampled from {given} Hz to {rate} Hz")
    return np.ascontiguousarray(mono, np.float32), tuple(notes)


def _open(signal: Any, rate: int) -> tuple[np.ndarray, int]:
    if isinstance(signal, (str, Path)):
        return _from_path(signal)
    if isinstance(signal, tuple):
        if len(signal) != 2 or not isinstance(signal[0], np.ndarray):
            kinds = ", ".join(type(part).__name__ for part in signal)
            raise InputError(f"audio: a tuple of ({kinds}) is not a pair (array, rate); {_KINDS}")
        return signal[0], _check_rate(signal[1])
    if isinstance(signal, np.ndarray):
        return signal, rate
    raise InputError(f"audio: a {type(signal).__name__} is not a recording; {_KINDS}")


def _from_path(path: str | Path) -> tuple[np.ndarray, int]:
    try:
        with Path(path).open("rb") as file:
            array, rate = soundfile.read(file, always_2d=True)
    except FileNotFoundError as error:
        raise InputError(f"audio: no such file: {str(path)!r}; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"audio: {str(path)!r} is a folder; give one file in it") from error
    except PermissionError as error:
        raise InputError(f"audio: no permission to read {str(path)!r}") from error
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).rstrip(".")
        raise InputError(
            f"audio: {str(path)!r} cannot be read ({reason}); give a WAV, FLAC or OGG recording"
        ) from error
    return array, _check_rate(rate)


def _check_rate(rate: Any) -> int:
    number = float(rate) if isinstance(rate, Real) and not isinstance(rate, bool) else math.nan
    if not (number.is_integer() and _RATES[0] <= number <= _RATES[1]):
        raise InputError(f"audio: rate {rate!r}; give whole hertz (not kilohertz), {_RATES[0]} to {_RATES[1]}")
    return int(number)


def _to_float(array: np.ndarray) -> Float[np.ndarray, "samples channels"]:
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(f"audio: an array of shape {array.shape} is not a recording; {_KINDS}")
    if 0 in array.shape:
        raise InputError(
            f"audio: the recording of shape {array.shape} is empty; leave audio out of the observation instead"
        )
    if array.shape[1] > 64 and array.shape[1] > array.shape[0]:
        raise InputError(f"audio: shape {array.shape} has {array.shape[1]} channels; if they come first, transpose it")
    if array.dtype.name in _FULL_SCALE:
        zero, full = _FULL_SCALE[array.dtype.name]
        return (array.astype(np.float64) - zero) / full
    if array.dtype.kind != "f":
        kinds = ", ".join(_FULL_SCALE)
        raise InputError(
            f"audio: samples of type {array.dtype} have no agreed full scale; give floats in -1..1 or {kinds}"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        sample, channel = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"audio: {int(bad.sum())} samples are not finite, the first at sample {sample}, channel {channel}; "
            "repair the recording"
        )
    return array.astype(np.float64)
