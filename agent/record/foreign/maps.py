"""One saliency map, whoever made it: what every foreign form is read into, and the manifest it is logged under.

Nothing here imports the libraries that the maps come from. The manifest's form is specified in ``docs/record.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ....errors import InputError, IntegrityError, RecordError
from ..canonical import canonical_json, digest_of, read_json
from ..plain import plain
from ..tensors import MAX_HEADER, read_tensors, write_tensors

__all__ = [
    "FORMAT",
    "MAX_ELEMENTS",
    "SOURCES",
    "ForeignMap",
    "changed",
    "made",
    "manifest_to_map",
    "map_to_manifest",
    "same",
    "type_of",
]

FORMAT = "veridical.map/1"
SOURCES = ("captum", "inseq", "shap", "veridical")
"""Whose maps there are; ``veridical`` stands for those of our own records."""

MAX_ELEMENTS = 2**26
"""Elements of one array, the most that is taken in."""

_KINDS = "biuf"
_TYPES = {np.dtype(code).name: np.dtype(code) for code in "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()}
_AXES, _NAME = 16, 1000
_PLAIN = ("name", "source", "version", "method", "target", "unit", "gap", "attrs")

Coordinate = np.ndarray | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ForeignMap:
    """One attribution map with all that is known of it.

    Attributes:
        name: what it is called, such as ``captum.input`` or ``inseq.0.target``.
        source: one of `SOURCES`.
        values: one finite number to each element; 0 where ``extras["absent"]`` says that the method gave none.
        dims: names of the axes, in order.
        version: of the library, None if unknown.
        method: its name for the method, None if unknown.
        target: what the map is of: an index, a name or a list of them; None if unknown.
        coords: axis to its labels, or to an array of one number to each position.
        baseline: a number, an array, words, or None. For Captum what the input is compared with; for shap the expected
            output, ``base_values``, in the map's unit.
        unit: of the values, as the library states it; most state none: ``model output``.
        gap: completeness gap in the map's unit (a convergence delta; the output less base and sum); of several the one
            that is largest in size; None if unknown.
        attrs: further plain values.
        extras: further arrays, such as the ``data`` that was explained.

    Raises:
        InputError: something in it is not what it should be.
    """

    name: str
    source: str
    values: np.ndarray
    dims: tuple[str, ...]
    version: str | None = None
    method: str | None = None
    target: Any = None
    coords: Mapping[str, Coordinate] = field(default_factory=dict)
    baseline: float | str | np.ndarray | None = None
    unit: str = "model output"
    gap: float | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"map {self.name!r:.80}"
        if not isinstance(self.name, str) or not 0 < len(self.name) <= _NAME:
            raise InputError(f"{where}: a map is named by 1–{_NAME} characters")
        if self.source not in SOURCES:
            raise InputError(f"{where}: its source is {self.source!r}; known are {', '.join(SOURCES)}")
        arrays = {"values": self.values} | {f"extra {k!r:.80}": v for k, v in self.extras.items()}
        arrays |= {f"coordinates of {k!r:.80}": v for k, v in self.coords.items() if isinstance(v, np.ndarray)}
        for what, array in (arrays | {"baseline": self.baseline}).items():
            if what != "baseline" or isinstance(array, np.ndarray):
                _check_array(array, f"{where}, {what}")
        if len(self.dims) != self.values.ndim or len(set(self.dims)) != len(self.dims):
            raise InputError(f"{where}: {self.values.ndim} axes, but dims are {self.dims}; name each axis once")
        _check_coords(self, where)
        try:
            told = {key: plain(getattr(self, key), key) for key in _PLAIN}
            if not isinstance(self.baseline, np.ndarray):
                told["baseline"] = plain(self.baseline, "baseline")
            canonical_json(told)
        except RecordError as error:
            raise InputError(f"{where}: {error}") from error
        _check_kinds(told, where)
        for key, value in told.items():  # NumPy's scalars have become Python's
            object.__setattr__(self, key, value)

    def same_as(self, other: ForeignMap) -> bool:
        """Whether two maps are the same, bit for bit."""
        mine = [getattr(self, key) for key in (*_PLAIN, "dims", "values", "baseline", "coords", "extras")]
        theirs = [getattr(other, key) for key in (*_PLAIN, "dims", "values", "baseline", "coords", "extras")]
        return all(same(a, b) for a, b in zip(mine, theirs, strict=True))


def made(**told: Any) -> ForeignMap:
    """Return a map of fields that a file gave, and that may be of any kind.

    Raises:
        InputError: a field is of another kind, or something in the map is not what it should be.
    """
    where = f"map {told.get('name')!r:.80}"
    _check_kinds(told, where)
    for key in ("coords", "extras"):
        if not isinstance(told.get(key, {}), Mapping):
            raise InputError(f"{where}: {key} are a {type(told[key]).__name__}, not an object")
    labels = [told["dims"], *(c for c in told.get("coords", {}).values() if not isinstance(c, np.ndarray))]
    if not all(isinstance(row, tuple) and all(isinstance(x, str) for x in row) for row in labels):
        raise InputError(f"{where}: dims and labels are to be lists of strings")
    return ForeignMap(**told)


def changed(given: ForeignMap, **told: Any) -> ForeignMap:
    """Return a map with some fields in place of its own; as `made`."""
    return made(**{f.name: getattr(given, f.name) for f in fields(given)} | told)


def type_of(name: Any) -> np.dtype:
    """Return the dtype of a name that a file gives: NumPy itself would parse such a text as a piece of Python.

    Raises:
        InputError: it is the name of none that a map may have.
    """
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InputError(f"numbers are said to be of {name!r:.80}; a map has {', '.join(_TYPES)}")
    return kind


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same: arrays by dtype, shape and bits, all else by equality."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        both = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        return both and one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def map_to_manifest(given: ForeignMap) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest of a map, ready for canonical JSON, and the blobs that it names, by digest."""
    blobs: dict[str, bytes] = {}
    arrays: dict[str, Any] = {}

    def put(name: str, array: np.ndarray, dims: Sequence[str] | None, unit: str | None) -> dict[str, str]:
        content = write_tensors({"data": array})
        blobs[digest_of(content)] = content
        arrays[name] = {
            "dims": list(dims) if dims is not None else [f"axis_{i}" for i in range(array.ndim)],
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "unit": unit,
            "blob": digest_of(content),
            "coding": {"kind": "exact"},
            "packed": None,
            "bytes": len(content),
        }
        return {"array": name}

    put("values", given.values, given.dims, given.unit)
    coords = {
        dim: put(f"coord.{dim}", c, (dim,), None) if isinstance(c, np.ndarray) else {"labels": list(c)}
        for dim, c in given.coords.items()
    }
    baseline: dict[str, Any] | None = None
    if isinstance(given.baseline, np.ndarray):
        baseline = put("baseline", given.baseline, None, None)
    elif given.baseline is not None:
        baseline = {"words" if isinstance(given.baseline, str) else "value": given.baseline}
    for name, array in given.extras.items():
        put(f"extra.{name}", array, given.dims if array.shape == given.values.shape else None, None)
    told = {key: getattr(given, key) for key in _PLAIN}
    frame = {"format": FORMAT, "critical": [], "coords": coords, "baseline": baseline, "arrays": arrays}
    return frame | told, blobs


def manifest_to_map(manifest: Mapping[str, Any] | bytes, get: Callable[[str], bytes]) -> ForeignMap:
    """Read a map back from its manifest.

    Args:
        manifest: as parsed, or its canonical JSON.
        get: gives a blob's bytes by its digest.

    Raises:
        IntegrityError: a blob is not what its digest and entry say, or the format is not known.
        RecordError: the manifest is malformed.
    """
    found = read_json(manifest, "the map's manifest", canonical=True) if isinstance(manifest, bytes) else manifest
    if not isinstance(found, Mapping) or found.get("format") != FORMAT or found.get("critical", []) != []:
        told = (found.get("format"), found.get("critical")) if isinstance(found, Mapping) else type(found).__name__
        raise IntegrityError(f"the map's manifest is {told!r:.200}; this version reads {FORMAT!r}", "format")
    try:
        arrays = {name: _fetch(name, entry, get) for name, entry in found["arrays"].items()}
        coords = {dim: arrays[c["array"]] if "array" in c else tuple(c["labels"]) for dim, c in found["coords"].items()}
        base = found["baseline"]
        baseline = base if base is None else arrays[base["array"]] if "array" in base else next(iter(base.values()))
        return made(
            **{key: found[key] for key in _PLAIN},
            values=arrays["values"],
            dims=tuple(found["arrays"]["values"]["dims"]),
            coords=coords,
            baseline=baseline,
            extras={name.removeprefix("extra."): a for name, a in arrays.items() if name.startswith("extra.")},
        )
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
        raise RecordError(f"the map's manifest is malformed: {error!r:.200}; it was altered") from error


def _fetch(name: str, entry: Mapping[str, Any], get: Callable[[str], bytes]) -> np.ndarray:
    """Return one array, held against its digest, its size and what its entry says."""
    try:
        kind = type_of(entry["dtype"])
    except InputError as error:
        raise IntegrityError(f"array {name!r:.80}: {error}", "format") from error
    shape, size = entry["shape"], entry["bytes"]
    if entry["coding"] != {"kind": "exact"} or entry["packed"] is not None:
        raise IntegrityError(f"array {name!r:.80} is coded as {entry['coding']!r:.80}; a map's are exact", "format")
    whole = isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape)
    count = math.prod(shape) if whole else -1
    if not 0 <= count <= MAX_ELEMENTS or not 0 <= size - count * kind.itemsize <= 8 + MAX_HEADER:
        raise IntegrityError(f"array {name!r:.80} of {kind} {shape!r:.80} is said to take {size!r} bytes", "size")
    content = get(entry["blob"])
    if len(content) != size:
        raise IntegrityError(f"array {name!r:.80} takes {len(content)} bytes, not the {size} of its entry", "size")
    if digest_of(content) != entry["blob"]:
        raise IntegrityError(f"array {name!r:.80}: expected {entry['blob']}, got {digest_of(content)}", "digest")
    tensors = read_tensors(content, f"array {name!r:.80}")
    if list(tensors) != ["data"] or tensors["data"].dtype != kind or list(tensors["data"].shape) != shape:
        raise IntegrityError(f"array {name!r:.80} does not hold the one tensor 'data' of {kind} {shape}", "digest")
    return tensors["data"]


def _check_array(array: Any, where: str) -> None:
    """See that an array is one that a map may hold."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS or array.dtype.itemsize > 8:
        told = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"{where} are of {told}; give a NumPy array of bool, int, uint or float up to 64 bits")
    if not 0 < array.size <= MAX_ELEMENTS or array.ndim > _AXES:
        raise InputError(f"{where} have shape {array.shape}; give 1–{MAX_ELEMENTS} numbers over at most {_AXES} axes")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise InputError(f"{where}: {bad} of {array.size} are not finite; mend what computed them, or leave them out")


def _check_kinds(told: Mapping[str, Any], where: str) -> None:
    """See that plain fields are of the kind that they are said to be, whatever a file held."""
    kinds: dict[str, Any] = {"name": str, "source": str, "unit": str, "version": str | None, "method": str | None}
    kinds |= {"gap": float | int | None, "attrs": Mapping, "baseline": float | int | str | np.ndarray | None}
    for key, kind in kinds.items():
        if key in told and not isinstance(told[key], kind):
            raise InputError(f"{where}: {key} is a {type(told[key]).__name__}; see ForeignMap for what it may be")


def _check_coords(given: ForeignMap, where: str) -> None:
    """See that every coordinate belongs to an axis, and has one label or number to each position."""
    sizes = dict(zip(given.dims, given.values.shape, strict=True))
    for dim, coord in given.coords.items():
        if dim not in sizes:
            raise InputError(f"{where}: coordinates of {dim!r:.80}, but the axes are {', '.join(given.dims)}")
        if not isinstance(coord, np.ndarray) and not all(isinstance(x, str) and len(x) <= _NAME for x in coord):
            raise InputError(f"{where}: labels of {dim!r:.80} are to be strings of at most {_NAME} characters")
        if (coord.shape if isinstance(coord, np.ndarray) else (len(coord),)) != (sizes[dim],):
            raise InputError(f"{where}: {len(coord)} coordinates of {dim!r:.80}, which has {sizes[dim]} positions")
