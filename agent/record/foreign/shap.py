"""Explanations of shap: read from a live ``shap.Explanation`` or from JSON with the same members, and written so.

The members are those of ``shap.Explanation`` (shap 0.51). Values are for the features of one row, of many rows, or of
many rows and outputs; the expected output stands in ``base_values``, and base and values add up to the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError
from .forms import added, array_of, as_record, complete, load_json, split_missing, version_of, write_json
from .maps import ForeignMap, changed, made

__all__ = ["TOLERANCE", "read_shap", "write_shap_json"]

TOLERANCE = 0.05
"""Largest completeness gap that passes, as a share of what the values are to add up to."""

_ROUNDING = 1e-6  # of the output: a gap below this is the rounding of float32
_ARRAYS = ("data", "lower_bounds", "upper_bounds", "error_std", "outputs")
_NAMES = ("feature_names", "output_names", "instance_names")
_OURS = ("library", "method", "unit", "dims", "veridical", "note")
_LEFT = ("main_effects", "hierarchical_values", "clustering", "display_data")  # said to be left out, if they are there


def read_shap(
    source: Any,
    *,
    name: str = "shap",
    method: str | None = None,
    outputs: Any = None,
    unit: str | None = None,
    dims: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> ForeignMap:
    """Read one explanation, and hold it against the system's outputs where these are known.

    Args:
        source: a ``shap.Explanation`` (anything with its members), a mapping of the members, or the path of such JSON.
        name: what to call the map.
        method: the explainer's name; an explanation does not tell it. Of JSON, its member ``method`` otherwise.
        outputs: what the system put out for these rows, a number to each row (and output): the gap is the output less
            the base and the sum of all values. The JSON's own member ``outputs``, if it has one, otherwise.
        unit: of the values, as far as it is known. Of JSON, its member ``unit`` otherwise.
        dims: names of the axes. Of JSON, its member ``dims`` otherwise; by default ``row``, ``feature``, ``output``,
            those of them that there are.
        tolerance: largest gap that passes, as a share of output less base.

    Returns:
        The map. ``baseline`` holds ``base_values``, ``extras`` the numbers in ``data``, ``outputs`` and bounds.

    Raises:
        InputError: a live explanation that is no map over inputs, such as ragged values of several texts.
        RecordError: a file that cannot be read or is malformed.
    """
    if isinstance(source, str | Path):
        members = load_json(source, "an explanation of shap's")
        with as_record(str(source)):
            found = _read(members, name, outputs, dims or members.get("dims"), tolerance)
            found = _completed(found, members, method, unit)
            return complete(found, members["veridical"]) if "veridical" in members else found
    keys = ("values", "base_values", *_ARRAYS, *_NAMES, *_LEFT)
    members = source if isinstance(source, Mapping) else {key: getattr(source, key, None) for key in keys}
    live = type(source).__module__.split(".")[0] == "shap"
    found = _read(members, name, outputs, dims, tolerance)
    found = _completed(found, {}, method, unit)
    return changed(found, version=version_of("shap")) if live else found


def write_shap_json(given: ForeignMap, path: str | Path) -> Path:
    """Write a map as JSON with the members of an explanation; `read_shap` gives it back bit for bit, whoever made it.

    What the members cannot say stands under ``veridical``. ``base_values`` is written for shap's maps alone: another
    library's baseline is an input, and no output.

    Raises:
        RecordError: the file is there already or cannot be written.
    """
    members: dict[str, Any] = {"values": given.values.tolist(), "library": {"name": "shap", "version": None}}
    members |= {"method": given.method, "unit": given.unit, "dims": list(given.dims)}
    if given.source == "shap":
        members["library"]["version"] = given.version
        base = given.baseline
        members["base_values"] = (
            base.tolist() if isinstance(base, np.ndarray) else None if isinstance(base, str) else base
        )
        members |= {key: _listed(given, key) for key in _ARRAYS if key in given.extras}
        members |= {key: given.attrs[key] for key in ("data", *_NAMES) if key in given.attrs}
        for dim, key in (("feature", "feature_names"), ("output", "output_names"), ("row", "instance_names")):
            if dim in given.coords:
                members[key] = np.asarray(given.coords[dim]).tolist()
        if "output_names" not in members and isinstance(given.target, str):
            members["output_names"] = given.target
    native = _completed(_read(members, "shap", None, given.dims, TOLERANCE), members, None, None)
    more = added(given, native)
    return write_json(path, members | ({"veridical": more} if more else {}))


def _read(
    members: Mapping[str, Any], name: str, outputs: Any, dims: Sequence[str] | None, tolerance: float
) -> ForeignMap:
    """Return the map that the members tell of."""
    if members.get("values") is None:
        raise InputError("an explanation of shap's has 'values'; there are none")
    values = array_of(members["values"], "values")
    base = members.get("base_values")
    base = array_of(base, "base_values") if base is not None else None
    arrays = {key: members[key] for key in _ARRAYS if members.get(key) is not None}
    if outputs is not None:
        arrays["outputs"] = outputs
    attrs: dict[str, Any] = {}
    extras: dict[str, np.ndarray] = {}
    if "data" in arrays and not _numeric(arrays["data"]):
        attrs["data"] = _words(arrays.pop("data"))
    for key, value in arrays.items():
        extras[key], absent = split_missing(_floats(value, key))
        if absent is not None:
            extras[f"{key}.absent"] = absent
    data = extras["data"].shape if "data" in extras else _shape(attrs.get("data"))
    axes = tuple(dims) if dims is not None else _dims(values, base, data, members)
    coords, target = _names(members, axes, values.shape, attrs)
    left = [key for key in _LEFT if members.get(key) is not None]
    left += sorted(members.keys() - {"values", "base_values", *_ARRAYS, *_NAMES, *_LEFT, *_OURS})
    attrs |= {"left_out": left} if left else {}
    baseline = base if base is None or base.ndim else float(base)
    gap = None
    if "outputs" in extras and base is not None and values.ndim == len(axes):
        gap, attrs["completeness"] = _completeness(values, base, extras["outputs"], axes, tolerance)
    return made(
        name=name, source="shap", values=values, dims=axes, target=target, coords=coords, baseline=baseline, gap=gap,
        attrs=attrs, extras=extras,
    )  # fmt: skip


def _completed(found: ForeignMap, members: Mapping[str, Any], method: str | None, unit: str | None) -> ForeignMap:
    """Return a map with what an explanation does not tell: by the caller's word, else by the JSON's own members."""
    version = (members.get("library") or {}).get("version")
    method = members.get("method") if method is None else method
    return changed(found, method=method, unit=unit or members.get("unit") or "model output", version=version)


def _dims(
    values: np.ndarray, base: np.ndarray | None, data: tuple[int, ...], members: Mapping[str, Any]
) -> tuple[str, ...]:
    """Tell rows, features and outputs apart: by the shape of the data, else by names and base values."""
    shape, names = values.shape, members.get("output_names")
    if data:
        if shape not in (data, (*data, shape[-1])) or not shape:
            raise InputError(
                f"values of shape {shape} are not one to each of the data's {data}, nor one to each of these and "
                "output: interactions are not a map over inputs; or name the axes with dims"
            )
        several = shape != data
    else:
        listed = isinstance(names, list | tuple) and len(names) == shape[-1] and len(names) > 1
        based = base is not None and base.ndim > 0 and base.shape[-1] == shape[-1]
        several = len(shape) > 1 and based and (listed or (base is not None and base.ndim == 2))
    inner = len(shape) - several
    rows = inner == 2 or (inner > 2 and base is not None and base.ndim == 1 + several and base.shape[:1] == shape[:1])
    features = inner - rows
    middle = ("feature",) if features == 1 else tuple(f"axis_{i}" for i in range(features))
    return (("row",) if rows else ()) + middle + (("output",) if several else ())


def _names(
    members: Mapping[str, Any], axes: tuple[str, ...], shape: tuple[int, ...], attrs: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """Return the coordinates and the target; names that fit no axis go to ``attrs``."""
    coords: dict[str, Any] = {}
    target = None
    sizes = dict(zip(axes, shape, strict=False))
    for dim, key in (("feature", "feature_names"), ("output", "output_names"), ("row", "instance_names")):
        names = members.get(key)
        if names is None:
            continue
        listed = _words(names)
        if key == "output_names" and isinstance(listed, str):
            target = listed
        elif isinstance(listed, list) and len(listed) == sizes.get(dim) and all(isinstance(x, str) for x in listed):
            coords[dim] = tuple(listed)
        elif isinstance(listed, list) and len(listed) == sizes.get(dim) and all(type(x) is int for x in listed):
            coords[dim] = np.asarray(listed, np.int64)
        else:
            attrs[key] = listed
    return coords, target


def _completeness(
    values: np.ndarray, base: np.ndarray, outputs: np.ndarray, axes: tuple[str, ...], tolerance: float
) -> tuple[float, dict[str, Any]]:
    """Return the gap that is largest in size, and whether all pass: output less base and the sum of all values."""
    inner = tuple(i for i, dim in enumerate(axes) if dim not in ("row", "output"))
    total = values.sum(axis=inner, dtype=np.float64)
    try:
        base, outputs = np.broadcast_to(base, total.shape), np.broadcast_to(outputs, total.shape)
    except ValueError as error:
        raise InputError(
            f"outputs of shape {outputs.shape} and base_values of {base.shape} do not fit sums of {total.shape}; "
            "give one output to each row and output"
        ) from error
    gaps = np.asarray(outputs - (base + total), np.float64)
    allowed = np.maximum(tolerance * np.abs(outputs - base), _ROUNDING * np.maximum(1, np.abs(outputs)))
    gap = float(gaps.flat[np.abs(gaps).argmax()])
    return gap, {"tolerance": float(tolerance), "within_tolerance": bool((np.abs(gaps) <= allowed).all())}


def _numeric(value: Any) -> bool:
    """Whether data are numbers throughout: null and NaN stand for what is missing."""
    try:
        found = np.asarray(value)
    except ValueError:
        return False
    if found.dtype.kind == "O":
        return found.size > 0 and all(x is None or isinstance(x, int | float | np.number) for x in found.flat)
    return found.dtype.kind in "biuf"


def _shape(data: Any) -> tuple[int, ...]:
    """Return the shape of words in lists; () where there are none.

    Raises:
        InputError: the lists are ragged, as those of several texts are.
    """
    try:
        return np.shape(data) if data is not None else ()
    except ValueError as error:
        raise InputError(
            f"data are ragged ({error}); read one explanation at a time, such as explanation[0]"
        ) from error


def _floats(value: Any, what: str) -> np.ndarray:
    """Return numbers as an array; null becomes NaN."""
    found = np.asarray(value) if isinstance(value, list | tuple) else None
    if found is not None and found.dtype.kind == "O":
        value = np.asarray([np.nan if x is None else x for x in found.flat], np.float64).reshape(found.shape)
    return array_of(value, what)


def _words(value: Any) -> Any:
    """Return names or words as plain lists."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_words(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _listed(given: ForeignMap, key: str) -> Any:
    """Return an extra array as lists, with null where it says that nothing was there."""
    array, absent = given.extras[key], given.extras.get(f"{key}.absent")
    if absent is None or absent.shape != array.shape:
        return array.tolist()
    listed = array.astype(object)
    listed[absent] = None
    return listed.tolist()
