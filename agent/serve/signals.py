"""Signals as they are sent, turned into what a sense reads: files decoded, arrays unpacked, all within bounds."""

from __future__ import annotations

import base64
import binascii
import io
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ...errors import InputError
from ...modalities.images import read_frame
from .kinds import kind_of
from .settings import Bounds
from .wire import ArraySignal, FrameSignal, Signal, SoundSignal, WordSignal

__all__ = ["unpack", "unpack_one"]

_FAULTS = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, zlib.error)
_SOUNDS = ("WAV", "WAVEX", "FLAC", "RF64")
_CHANNELS = 8
_TAKEN = {
    "frames": ("frames", "array"),
    "sound": ("sound", "array"),
    "words": ("words",),
    "array": ("array", "frames", "sound"),
}
"""Kinds of signals that a sense of each kind is given; a string to none but those that read words."""


def unpack(signals: Mapping[str, Signal], bounds: Bounds, senses: Mapping[str, Any]) -> dict[str, Any]:
    """Return the observation that signals tell: uint8 pictures, pairs (samples, rate), arrays and strings.

    Args:
        signals: by sense.
        bounds: the most that each may hold.
        senses: a system's modalities.

    Raises:
        InputError: a sense that the system lacks, a signal of another kind than it reads, one that cannot be read, or
            is larger than is taken.
    """
    return {sense: unpack_one(sense, signal, bounds, senses) for sense, signal in signals.items()}


def unpack_one(sense: str, signal: Signal, bounds: Bounds, senses: Mapping[str, Any]) -> Any:
    """Return one sense's signal; see `unpack`."""
    if sense not in senses:
        raise InputError(f"observation: unknown modality {sense!r}; this system has {', '.join(senses)}")
    wanted = kind_of(senses[sense])
    if signal.kind not in _TAKEN[wanted]:
        raise InputError(f"{sense}: a signal of kind {signal.kind!r}, and this sense reads {wanted!r}; send that")
    if isinstance(signal, WordSignal):
        if len(signal.text) > bounds.text:
            raise InputError(f"{sense}: {len(signal.text)} characters, and {bounds.text} are taken; send fewer words")
        return signal.text
    if isinstance(signal, FrameSignal):
        return _frames(sense, signal, bounds)
    if isinstance(signal, SoundSignal):
        return _sound(sense, signal, bounds)
    return _array(sense, signal, bounds, senses[sense])


def _frames(sense: str, signal: FrameSignal, bounds: Bounds) -> list[np.ndarray]:
    if len(signal.images) > bounds.frames:
        raise InputError(f"{sense}: {len(signal.images)} pictures, and {bounds.frames} are taken; send the latest ones")
    opened, pixels = [], 0
    for index, text in enumerate(signal.images):
        where = f"{sense}: frame {index}"
        picture = _opened(where, _bytes(where, text))
        size = picture.width * picture.height
        pixels += size
        if size > bounds.pixels or pixels > bounds.all_pixels:  # as the header says it, before anything is unpacked
            told = f"{picture.width} x {picture.height} pixels, {pixels} in all so far"
            taken = f"{bounds.pixels} a picture and {bounds.all_pixels} in all are taken"
            raise InputError(f"{where}: {told}; {taken}: send smaller ones")
        opened.append(picture)
    return [_decoded(f"{sense}: frame {index}", picture) for index, picture in enumerate(opened)]


def _decoded(where: str, picture: Image.Image) -> np.ndarray:
    try:
        picture.load()
        return read_frame(picture, where)[0]
    except InputError:
        raise
    except _FAULTS as error:
        raise InputError(f"{where} is corrupt or cut short: {str(error)[:120]}") from error


def _opened(where: str, data: bytes) -> Image.Image:
    """Open a file by the class of its kind: `Image.open` would warn of large ones, and tell other kinds apart."""
    kinds = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
    kind = next((kind for start, kind in kinds.items() if data.startswith(start)), None)
    if kind is None:
        raise InputError(f"{where}: {len(data)} bytes that are no PNG or JPEG file; send one, as base64")
    try:
        return kind(io.BytesIO(data))
    except _FAULTS as error:
        raise InputError(f"{where}: cannot be opened as a PNG or JPEG file: {str(error)[:120]}") from error


def _sound(sense: str, signal: SoundSignal, bounds: Bounds) -> tuple[np.ndarray, int]:
    data = _bytes(sense, signal.file)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in _SOUNDS:
                raise InputError(f"{sense}: a {file.format} file; send WAV or FLAC")
            _check_sound(sense, file.frames, file.channels, file.samplerate, bounds)
            return file.read(file.frames, dtype="float32", always_2d=True), file.samplerate
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        why = str(error).rpartition(": ")[2].rstrip(".")[:120]
        raise InputError(
            f"{sense}: {len(data)} bytes that are no WAV or FLAC file ({why}); send one, as base64"
        ) from error


def _check_sound(sense: str, frames: int, channels: int, rate: int, bounds: Bounds) -> None:
    if channels > _CHANNELS:
        raise InputError(f"{sense}: {channels} channels, and {_CHANNELS} are taken; mix them down")
    if frames > bounds.seconds * rate or frames * channels > bounds.samples:
        told = f"{frames} samples of {channels} channels at {rate} Hz"
        raise InputError(
            f"{sense}: {told}; {bounds.seconds:g} s and {bounds.samples} samples are taken: send the end of it"
        )


def _array(sense: str, signal: ArraySignal, bounds: Bounds, modality: Any) -> Any:
    kind = np.dtype(signal.dtype).newbyteorder("<")
    shape: tuple[int, ...] = tuple(signal.shape)
    wanted = math.prod(signal.shape) * kind.itemsize
    data = _bytes(sense, signal.data)
    if len(data) != wanted:
        raise InputError(
            f"{sense}: {len(data)} bytes for {shape} of {signal.dtype}, which are {wanted}; make them agree"
        )
    array = np.frombuffer(data, kind).astype(kind.newbyteorder("=")).reshape(shape)
    rate = signal.rate or getattr(modality, "rate", None)
    if rate is not None and len(shape) <= 2:
        length, *channels = signal.shape
        _check_sound(sense, length, math.prod(channels), int(rate), bounds)
        return (array, signal.rate) if signal.rate else array
    if signal.rate:
        raise InputError(
            f"{sense}: a rate of {signal.rate} Hz for an array of shape {shape}; leave it away, or send sound"
        )
    frames = shape[0] if len(shape) == 4 else 1
    pixels = math.prod(shape[-3:-1] if len(shape) > 2 else shape)
    if frames > bounds.frames or pixels > bounds.pixels or frames * pixels > bounds.all_pixels:
        taken = f"{bounds.frames} pictures, {bounds.pixels} pixels each and {bounds.all_pixels} in all"
        raise InputError(f"{sense}: an array of shape {shape}; {taken} are taken: send smaller ones")
    return array


def _bytes(where: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InputError(f"{where}: no base64 (RFC 4648, section 4, with padding): {error!s:.80}") from error
