"""How an array becomes the bytes of a blob, and comes back: exact, or, for maps, coarser at a loss that is measured.

| kind | tensors | value |
| --- | --- | --- |
| exact | ``data`` of the array's dtype | data |
| fp16 | ``data``, float16 | scale · data; scale is a power of two, so that only the 11 bits of float16 are lost |
| int8 | ``data``, int8 | scale · data; scale is the largest magnitude / 127, rounded half to even |
| sparse | ``index``, uint32, rising, into the flat array; ``value``, float16 | scale · value at index, 0 elsewhere |

The scale of float16 matters: a pixel's share of a few nats is about 10⁻⁵, which float16 by itself would hold to a few
bits only.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import IntegrityError, RecordError
from .loss import measure_loss
from .tensors import MAX_HEADER, read_tensors, write_tensors

__all__ = ["EXACT", "LADDER", "Coding", "can_be_coarse", "check_array", "decode", "encode", "pack", "unpack"]

MAX_ELEMENTS = 2**31
MAX_BYTES = 2**30
_LEAST = 256  # elements: below, a coarser coding saves less than its description takes
_SAVES = 0.9
_HUGE = 1e30  # nats: beyond, rounding up could leave float32
_TYPES = {
    np.dtype(name).name: np.dtype(name) for name in "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()
}  # by name, as manifests have them


@dataclass(frozen=True)
class Coding:
    """How an array is stored.

    Attributes:
        kind: exact, fp16, int8 or sparse.
        share: of a sparse map's elements, those of the largest magnitude, that are kept.
    """

    kind: str = "exact"
    share: float = 1.0


EXACT = Coding()
LADDER = (EXACT, Coding("fp16"), Coding("int8"), Coding("sparse", 0.1), Coding("sparse", 0.01))
"""The codings of maps, the finest first."""


def can_be_coarse(array: np.ndarray, unit: str | None) -> bool:
    """Whether an array is a map that may be stored more coarsely: floats in nats, and not a handful."""
    if unit != "nat" or array.dtype not in (np.float32, np.float64) or array.size < _LEAST:
        return False
    return float(np.abs(array).max()) < _HUGE


def encode(array: np.ndarray, coding: Coding = EXACT) -> tuple[bytes, dict[str, Any]]:
    """Return the safetensors file of an array, and what the manifest says of its coding.

    Args:
        array: finite values.
        coding: other than exact for arrays that `can_be_coarse` alone.

    Raises:
        RecordError: a dtype that cannot be written.
    """
    if coding.kind == "exact":
        return write_tensors({"data": array}), {"kind": "exact"}
    exact = np.asarray(array, np.float64).ravel()
    peak = float(np.abs(exact).max(initial=0))
    if coding.kind == "int8":
        scale = peak / 127 or 1.0
        tensors = {"data": np.rint(exact / scale).astype(np.int8).reshape(array.shape)}
        told: dict[str, Any] = {"kind": "int8", "scale": scale}
    else:
        scale = _power_of_two(peak)
        if coding.kind == "fp16":
            tensors = {"data": (exact / scale).astype(np.float16).reshape(array.shape)}
            told = {"kind": "fp16", "scale": scale}
        else:
            kept = min(exact.size, max(1, math.ceil(coding.share * exact.size)))
            order = np.argsort(-np.abs(exact), kind="stable")[:kept]  # stable: ties go to the first in the array
            index = np.sort(order).astype(np.uint32)
            tensors = {"index": index, "value": (exact[index] / scale).astype(np.float16)}
            told = {"kind": "sparse", "scale": scale, "kept": kept}
    stored = _restore(tensors, told, array.shape, array.dtype)
    return write_tensors(tensors), told | {"loss": measure_loss(array, stored)}


def decode(entry: Mapping[str, Any], content: bytes, where: str) -> np.ndarray:
    """Return the array of an entry whose form `read_manifest` has checked.

    Args:
        entry: of the manifest.
        content: the blob, or what was unsealed, as stored.
        where: what is read, for messages.

    Raises:
        IntegrityError: larger than declared or allowed (``size``), an unknown dtype, coding or packing, or a content
            that is not what the entry says (``format``).
    """
    shape, dtype = tuple(entry["shape"]), _TYPES.get(entry["dtype"])
    if dtype is None:
        raise IntegrityError(f"{where}: dtype {entry['dtype']!r:.80} is not known", "format")
    count = math.prod(shape)
    if len(shape) > 16 or count > MAX_ELEMENTS or count * dtype.itemsize > MAX_BYTES:
        raise IntegrityError(f"{where}: shape {list(shape)!r:.80} of {dtype.name} is more than is read", "size")
    coding = entry["coding"]
    wanted = _wanted(coding, shape, dtype, where)
    limit = 8 + MAX_HEADER + sum(math.prod(s) * np.dtype(t).itemsize for s, t in wanted.values())
    tensors = read_tensors(unpack(content, entry.get("packed"), limit, where), where)
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if found != wanted:
        raise IntegrityError(f"{where}: the manifest says {_form(wanted)}, the file holds {_form(found)}", "format")
    index = tensors.get("index")
    if index is not None and not _rises(index, count):
        raise IntegrityError(f"{where}: its indices do not rise within its {count} elements", "format")
    with np.errstate(over="ignore", invalid="ignore"):  # of a hostile scale, told right below
        array = _restore(tensors, coding, shape, dtype)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise IntegrityError(f"{where} holds values that are not finite", "format")
    return array


def pack(content: bytes, *, always: bool = False) -> tuple[bytes, str | None]:
    """Compress by zlib where that saves a tenth, or always; return the bytes to store, and ``"zlib"`` or None."""
    small = zlib.compress(content, 6)
    return (small, "zlib") if always or len(small) <= _SAVES * len(content) else (content, None)


def unpack(content: bytes, packed: Any, limit: int, where: str) -> bytes:
    """Undo `pack`, never making more than ``limit`` bytes.

    Raises:
        IntegrityError: more than ``limit`` (``size``), not zlib's form, or packed otherwise (``format``).
    """
    if packed not in (None, "zlib"):
        raise IntegrityError(f"{where}: packed by {packed!r:.80}; this version knows 'zlib'", "format")
    if packed == "zlib":
        stream = zlib.decompressobj()
        try:
            content, rest = stream.decompress(content, limit + 1), stream.unused_data
        except zlib.error as error:
            raise IntegrityError(
                f"{where} cannot be unpacked: {error}; it was cut short or altered", "format"
            ) from error
        if len(content) <= limit and (rest or not stream.eof):
            raise IntegrityError(f"{where} cannot be unpacked: it was cut short, or more follows", "format")
    if len(content) > limit:
        raise IntegrityError(f"{where} is larger than its dtype and shape declare ({limit} bytes with header)", "size")
    return content


def _power_of_two(peak: float) -> float:
    """The scale that brings the largest magnitude to 2¹⁴ … 2¹⁵, where float16 ends at 65504."""
    if peak == 0:
        return 1.0
    return math.ldexp(1.0, max(math.frexp(peak)[1] - 15, -1021))


def _restore(
    tensors: Mapping[str, np.ndarray], coding: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    if coding["kind"] == "exact":
        return tensors["data"]
    scale = float(coding["scale"])
    if coding["kind"] != "sparse":
        return (tensors["data"].astype(np.float64) * scale).astype(dtype)
    flat = np.zeros(math.prod(shape), dtype)
    flat[tensors["index"]] = (tensors["value"].astype(np.float64) * scale).astype(dtype)
    return flat.reshape(shape)


def _wanted(
    coding: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype, where: str
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """What the file must hold: by name, shape and dtype."""
    kind = coding["kind"]
    if kind == "exact":
        return {"data": (shape, dtype)}
    if kind not in ("fp16", "int8", "sparse"):
        raise IntegrityError(f"{where}: coding {kind!r:.80} is not known; a newer veridical may be needed", "format")
    scale, kept = coding.get("scale"), coding.get("kept")
    if dtype.kind != "f" or not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale < math.inf:
        raise IntegrityError(f"{where}: {kind} asks for floats and a scale above zero, not {scale!r:.80}", "format")
    if kind != "sparse":
        return {"data": (shape, np.dtype(np.float16 if kind == "fp16" else np.int8))}
    if type(kept) is not int or not 0 <= kept <= math.prod(shape):
        raise IntegrityError(f"{where}: kept is {kept!r:.80}, of {math.prod(shape)} elements", "format")
    return {"index": ((kept,), np.dtype(np.uint32)), "value": ((kept,), np.dtype(np.float16))}


def _rises(index: np.ndarray, count: int) -> bool:
    return index.size == 0 or (int(index[-1]) < count and bool((index[1:] > index[:-1]).all()))


def _form(tensors: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> str:
    return ", ".join(f"{name} {dtype.name} {list(shape)}" for name, (shape, dtype) in tensors.items()) or "nothing"


def check_array(name: str, array: Any) -> None:
    """See that an array can be recorded: of bool, int, uint or float, and finite.

    Raises:
        RecordError: it cannot; the message names it.
    """
    if not isinstance(array, np.ndarray) or array.dtype.name not in _TYPES:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise RecordError(f"array {name!r} is of {kind}; a record holds NumPy arrays of bool, int, uint or float")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise RecordError(f"array {name!r} has {bad} of {array.size} values that are not finite; mend what computed it")
    if array.size > MAX_ELEMENTS or array.nbytes > MAX_BYTES:
        raise RecordError(f"array {name!r} has {array.nbytes} bytes; a record holds at most {MAX_BYTES} an array")
