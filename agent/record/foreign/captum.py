"""Captum's attributions: read from live tensors or from a JSON form of ours, for Captum has none of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError, RecordError
from .forms import array_of, as_record, inline, load_json, outline, version_of, write_json
from .maps import ForeignMap, made

__all__ = ["FORMAT_CAPTUM", "read_captum", "write_captum_json"]

FORMAT_CAPTUM = "captum.attributions/1"

_SHARED = ("method", "target", "unit", "version", "source", "attrs")
_DELTA = "convergence_delta"


def read_captum(source: Any, *, names: Sequence[str] = (), delta: Any = None, **meta: Any) -> tuple[ForeignMap, ...]:
    """Read what Captum's ``attribute`` returned, one map to each input.

    Args:
        source: a tensor or array, a tuple of them, or the path of a JSON file as `write_captum_json` writes it.
        names: one to each input; by default ``input``, or ``input_0``, ``input_1`` … where there are several.
        delta: what ``return_convergence_delta=True`` gave: one number to each example, of all inputs together.
        **meta: of live values, further fields of `ForeignMap`, the same for all inputs: ``method``, ``target``,
            ``baseline`` (or a tuple, one to each input), ``dims`` (by default ``example``, ``axis_1`` …), ``coords``,
            ``unit``, ``attrs``, ``version`` (by default that of the Captum which is installed).

    Raises:
        InputError: live values that are no map, or fields that do not go with them.
        RecordError: a file that cannot be read or is malformed.
    """
    if isinstance(source, str | Path):
        if names or delta is not None or meta:
            raise InputError(f"{source} is a file and tells all of itself; leave {[*meta] or 'names and delta'} out")
        return _read_file(source)
    inputs = tuple(source) if isinstance(source, tuple | list) and all(map(_is_array, source)) else (source,)
    called = tuple(names) or (("input",) if len(inputs) == 1 else tuple(f"input_{i}" for i in range(len(inputs))))
    if len(called) != len(inputs):
        raise InputError(f"{len(inputs)} attributions, but {len(called)} names; give one to each")
    unknown = meta.keys() - {"method", "target", "baseline", "dims", "coords", "unit", "attrs", "version"}
    if unknown:
        raise InputError(f"{sorted(unknown)} are no fields of a map of Captum's; see ForeignMap")
    meta.setdefault("version", version_of("captum"))
    gap, extras = _gap(delta)
    found = []
    for i, (name, given) in enumerate(zip(called, inputs, strict=True)):
        own = dict(meta)
        own["baseline"] = _baseline(own.get("baseline"), i, len(inputs))
        values = array_of(given, f"attributions of {name!r}")
        own["dims"] = tuple(own.get("dims") or _dims(values.ndim))
        if hasattr(own.get("target"), "detach"):
            own["target"] = array_of(own["target"], "target").tolist()
        found.append(made(name=name, source="captum", values=values, gap=gap, extras=extras, **own))
    return tuple(found)


def write_captum_json(maps: Sequence[ForeignMap], path: str | Path) -> Path:
    """Write maps as a JSON file; `read_captum` gives them back bit for bit, whoever made them.

    Raises:
        RecordError: the file is there already or cannot be written.
    """
    inputs = []
    for given in maps:
        own = {key: getattr(given, key) for key in (*_SHARED, "name", "gap")}
        own |= {"dtype": given.values.dtype.name, "dims": list(given.dims), "attributions": given.values.tolist()}
        own |= {key: inline(getattr(given, key)) for key in ("coords", "baseline", "extras")}
        inputs.append(own)
    versions = {given.version for given in maps if given.source == "captum"}
    library = {"name": "captum", "version": versions.pop() if len(versions) == 1 else None}
    return write_json(path, {"format": FORMAT_CAPTUM, "library": library, "inputs": inputs})


def _read_file(path: str | Path) -> tuple[ForeignMap, ...]:
    """Read the JSON form; only ``format`` and each input's ``attributions`` must be there."""
    content = load_json(path, "attributions of Captum's")
    if content.get("format") != FORMAT_CAPTUM:
        raise RecordError(f"{path}: format is {content.get('format')!r:.80}; this version reads {FORMAT_CAPTUM!r}")
    with as_record(str(path)):
        inputs = content["inputs"]
        if not isinstance(inputs, list) or not inputs:
            raise InputError("'inputs' is to be a list with at least one input in it")
        found = []
        for i, own in enumerate(inputs):
            told = {"source": "captum", "version": content.get("library", {}).get("version"), "unit": "model output"}
            told |= {key: content[key] for key in _SHARED if key in content}
            told |= {key: own[key] for key in _SHARED if key in own}
            gap, extras = _gap(own.get(_DELTA, content.get(_DELTA)))
            extras |= {name: outline(item) for name, item in own.get("extras", {}).items()}
            values = array_of(own["attributions"], f"attributions of input {i}")
            if "dtype" in own:
                values = outline(inline(values) | {"dtype": own["dtype"]})
            found.append(
                made(
                    name=own.get("name", f"input_{i}"),
                    values=values,
                    dims=tuple(own.get("dims") or _dims(values.ndim)),
                    coords={dim: outline(item) for dim, item in own.get("coords", {}).items()},
                    baseline=outline(own.get("baseline")),
                    gap=own.get("gap", gap),
                    extras=extras,
                    **told,
                )
            )
        return tuple(found)


def _is_array(value: Any) -> bool:
    """Whether a value is a tensor or an array, and not a row of numbers."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _dims(count: int) -> tuple[str, ...]:
    """Captum's axes: examples first; the others are the system's own."""
    return ("example", *(f"axis_{i}" for i in range(1, count)))[:count]


def _baseline(given: Any, place: int, count: int) -> Any:
    """Return one input's baseline: Captum takes a number, a tensor, or a tuple of these."""
    if isinstance(given, tuple):
        if len(given) != count:
            raise InputError(f"{count} attributions, but {len(given)} baselines; give one to each, or one for all")
        given = given[place]
    if given is None or isinstance(given, str | float | int):
        return given
    return array_of(given, "baseline")


def _gap(delta: Any) -> tuple[float | None, dict[str, np.ndarray]]:
    """Return the delta that is largest in size, and all of them where there are several."""
    if delta is None:
        return None, {}
    each = array_of(delta, _DELTA).ravel()
    if each.size == 0:
        raise InputError(f"{_DELTA} holds no number; leave it out")
    gap = float(each[np.abs(each).argmax()])
    return gap, ({_DELTA: each} if each.size > 1 else {})
