"""An observation as bytes, and back: digested, sent and explained in one and the same form."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ...errors import InputError
from .frames import from_bytes, to_bytes
from .item import Content

__all__ = ["pack", "unpack"]


def pack(observation: Mapping[str, Any]) -> bytes:
    """Serialise an observation; equal observations give equal bytes.

    Args:
        observation: by sense: a `Content`, words, an array, a pair of an array and its rate, or several of the first
            and third.

    Raises:
        InputError: a signal of another kind.
    """
    return to_bytes({sense: _part(sense, signal) for sense, signal in sorted(observation.items())})


def unpack(content: bytes) -> dict[str, Any]:
    """Read what `pack` wrote, as signals that a system's senses take.

    Raises:
        InputError: a picture or a recording that cannot be read.
    """
    return {sense: _signal(part) for sense, part in from_bytes(content).items()}


def _part(sense: str, signal: Any) -> bytes:
    if isinstance(signal, str):
        return to_bytes({"kind": "words", "text": signal})
    if isinstance(signal, Content):
        kind = "picture" if sense == "vision" else "sound"
        return to_bytes({"kind": kind, "name": signal.name, "content": signal.content})
    if isinstance(signal, tuple) and len(signal) == 2 and isinstance(signal[1], (int, float)):
        return to_bytes({"kind": "wave", "array": _written(sense, signal[0]), "rate": signal[1]})
    if isinstance(signal, (tuple, list)):
        return to_bytes({"kind": "several", **{f"{i:06}": _part(sense, one) for i, one in enumerate(signal)}})
    return to_bytes({"kind": "array", "array": _written(sense, signal)})


def _written(sense: str, array: Any) -> bytes:
    import numpy as np

    from ...errors import RecordError
    from ..record.tensors import write_tensors

    if not isinstance(array, np.ndarray):
        raise InputError(f"{sense}: a {type(array).__name__} cannot be sent to a worker; give a file, words or arrays")
    try:
        return write_tensors({"array": array})
    except RecordError as error:
        raise InputError(f"{sense}: {error}") from error


def _signal(content: bytes) -> Any:
    part = from_bytes(content)
    kind = part.pop("kind")
    if kind == "words":
        return part["text"]
    if kind == "several":
        return [_signal(part[name]) for name in sorted(part)]
    if kind == "picture":
        return _picture(part["content"], part["name"])
    if kind == "sound":
        return _sound(part["content"], part["name"])
    from ..record.tensors import read_tensors

    array = read_tensors(part["array"], "an array")["array"]
    return (array, part["rate"]) if kind == "wave" else array


def _picture(content: bytes, name: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError as error:
        raise InputError(f"vision: {name} is not an image that Pillow can read; is it a picture, and whole?") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"vision: {name}: cannot be opened as an image: {error}") from error


def _sound(content: bytes, name: str) -> Any:
    import soundfile

    try:
        return soundfile.read(io.BytesIO(content), always_2d=True)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).rstrip(".").replace(repr(io.BytesIO).split("'")[1], "")
        raise InputError(f"audio: {name} cannot be read ({reason}); give a WAV, FLAC or OGG recording") from error
