"""Long recordings, read in pieces: however long they are, no more than one piece is in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ..errors import InputError
from .clock import Clock
from .timed import Timed

__all__ = ["chunked"]


def chunked(recording: Any, seconds: float = 30.0, overlap: float = 0.0) -> Iterator[Timed]:
    """Read a recording in pieces, each with its time in the whole.

    Args:
        recording: a path (WAV, FLAC, OGG), read piece by piece, or a pair (array, rate in hertz).
        seconds: length of a piece; the last may be shorter.
        overlap: seconds by which a piece begins before the one before it ends.

    Yields:
        Pieces as `veridical.Audio` takes them, (array, rate), with the clock of the recording.

    Raises:
        InputError: a length that is not positive, an overlap that is negative or as long as a piece, a recording that
            is empty, cannot be read or ends too early; the options are checked at once, not at the first piece.

    Example:
        >>> for piece in chunked("street.wav", 30):                    # doctest: +SKIP
        ...     decision = agent.decide({"audio": piece})
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"chunks: pieces of {seconds} s; give a positive number of seconds")
    if not 0 <= overlap < seconds:
        raise InputError(f"chunks: an overlap of {overlap} s of pieces of {seconds} s; give at least 0, and less")
    if isinstance(recording, tuple):
        return _of_array(recording, seconds, overlap)
    if not isinstance(recording, (str, Path)):
        raise InputError(f"chunks: a {type(recording).__name__}; give a path or a pair (array, rate)")
    if not Path(recording).is_file():
        told = "is a folder" if Path(recording).is_dir() else "does not exist"
        raise InputError(f"chunks: {str(recording)!r} {told}; give one file")
    try:
        info = soundfile.info(str(recording))
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise _unread(recording, error) from error
    return _of_file(recording, _pieces(info.frames, info.samplerate, seconds, overlap), info.samplerate)


def _pieces(samples: int, rate: int, seconds: float, overlap: float) -> list[tuple[int, int]]:
    """Return first and past-the-last sample of each piece; a piece that the one before holds is left out."""
    length = round(seconds * rate)
    step = length - round(overlap * rate)
    if length < 1 or step < 1:
        raise InputError(f"chunks: pieces of {seconds} s at {rate} Hz, {overlap} s shared, are less than a sample on")
    if samples < 1:
        raise InputError("chunks: the recording is empty; leave audio out of the observation instead")
    firsts = range(0, max(samples - (length - step), 1), step)
    return [(first, min(first + length, samples)) for first in firsts]


def _of_array(recording: tuple[Any, ...], seconds: float, overlap: float) -> Iterator[Timed]:
    if len(recording) != 2 or not isinstance(recording[0], np.ndarray) or recording[0].ndim not in (1, 2):
        raise InputError("chunks: a tuple that is no pair (array, rate); arrays are (samples,) or (samples, channels)")
    wave, rate = recording
    if not (isinstance(rate, (int, np.integer)) and not isinstance(rate, bool) and rate > 0):
        raise InputError(f"chunks: rate {rate!r}; give whole hertz")
    pieces = _pieces(len(wave), int(rate), seconds, overlap)
    return (Timed((wave[a:b], int(rate)), Clock.affine(a / rate)) for a, b in pieces)


def _of_file(path: str | Path, pieces: list[tuple[int, int]], rate: int) -> Iterator[Timed]:
    try:
        with soundfile.SoundFile(str(path)) as file:
            for first, past in pieces:
                file.seek(first)
                wave = file.read(past - first, dtype="float32")
                if len(wave) < past - first:
                    raise InputError(
                        f"chunks: {Path(path).name!r} ends {(first + len(wave)) / rate:.3g} s in, before its header "
                        "says; is it whole?"
                    )
                yield Timed((wave, rate), Clock.affine(first / rate))
    except (OSError, RuntimeError) as error:
        raise _unread(path, error) from error


def _unread(path: str | Path, error: Exception) -> InputError:
    return InputError(
        f"chunks: {Path(path).name!r} cannot be read ({str(error).rstrip('.')}); give a WAV, FLAC or OGG recording"
    )
