"""A record's arrays as one ``xarray.Dataset``: named dimensions, coordinates, units, and what was decided.

Attributes follow the CF conventions where they have a word for it (``units``, ``long_name``). A dimension that another
array has with another size, or that counts something else, is named after its array: ``y_depth_0``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from .attributes import attributes_of
from .names import describe

if TYPE_CHECKING:
    import xarray

__all__ = ["Coordinate", "coordinates_of", "to_xarray"]

_LONG = {
    "vision.frames": "frames as the system was given them",
    "vision.saliency": "contribution to the decision score, by pixel",
    "vision.units": "evidence unit of each pixel, -1 for none",
    "audio.waveform": "sound as the system was given it",
    "audio.waveform_saliency": "contribution to the decision score, by sample",
    "audio.spectrogram": "level of the sound",
    "audio.saliency": "contribution to the decision score, by frequency and time",
    "audio.units": "evidence unit of each cell, -1 for none",
    "text.saliency": "contribution to the decision score, by word",
    "fusion.speech.nats": "contribution to the decision score, by cell of the recording",
    "fusion.speech.seconds": "where each cell of the recording begins, and the last one ends",
}
_STARTS = {
    "counterfactual.": "input after an edit",
    "fusion.attention.": "share of all attention, by evidence unit",
    "fusion.depth.": "contribution to the decision score, at a layer",
    "concept.": "prototypes of a concept",
}
_AXES: dict[str, str] = {
    "frame": "number of the frame, from 0",
    "y": "down from the top",
    "x": "right from the left",
    "unit": "index of the evidence unit",
    "frequency": "frequency",
    "time": "time on the observation's clock",
}
_OWN = re.compile(r"(?:fusion\.(?P<fused>attention|depth)\.|(?P<concept>concept)\.)(?P<rest>.*)", re.DOTALL)
_SENSES = ("vision.", "audio.", "text.")


@dataclass(frozen=True)
class Coordinate:
    """Where the positions along one axis lie.

    Attributes:
        name: the axis's own name, or another where it says something further, such as ``frame_start``.
        dim: the axis, as the array calls it.
        values: one to each position.
        units: of the values, None where they are words.
        long_name: what they are, in words.
    """

    name: str
    dim: str
    values: np.ndarray
    units: str | None
    long_name: str


def to_xarray(
    result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], manifest: Mapping[str, Any] | None = None
) -> xarray.Dataset:
    """Return a record as a dataset; the extra ``analysis`` brings xarray.

    Args:
        result: the explanation, see ``docs/record.md``.
        arrays: by name, as the record's readers give them; those that are sealed or left out are not there.
        manifest: of version 2, whose entries then tell dimensions, units, uncertainty and losses, and whose ``id`` and
            ``time`` are told.

    Returns:
        A variable to each array, under the array's name; ``audio.frequencies`` and ``audio.times`` are coordinates.

    Raises:
        InputError: xarray is not installed, or an array is not what its entry says.
    """
    try:
        import xarray
    except ImportError as error:
        raise InputError("a dataset needs xarray, which is not here; pip install 'veridical[analysis]'") from error

    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    entries = {name: _entry(name, array, result, manifest) for name, array in arrays.items()}
    taken = {source for entry in entries.values() for source in entry.get("coords", {}).values()}
    for name in sorted(arrays.keys() - taken, key=lambda n: (not n.startswith(_SENSES), n)):
        array, entry = arrays[name], entries[name]
        if len(entry["dims"]) != array.ndim:
            raise InputError(f"array {name!r:.80} has {array.ndim} axes, but its dims are {entry['dims']}")
        dims = {dim: _dim(dim, size, name, sizes) for dim, size in zip(entry["dims"], array.shape, strict=True)}
        sizes |= dict(zip(dims.values(), array.shape, strict=True))
        variables[name] = (tuple(dims.values()), array, _attrs(name, entry))
        for found in coordinates_of(name, entry, array.shape, result, arrays):
            dim = dims[found.dim]
            attrs = {"long_name": found.long_name} | ({"units": found.units} if found.units else {})
            coords.setdefault(found.name if found.name != found.dim else dim, ((dim,), found.values, attrs))
    return xarray.Dataset(variables, coords, _global(result, manifest))


def coordinates_of(
    name: str, entry: Mapping[str, Any], shape: tuple[int, ...], result: Mapping[str, Any], arrays: Mapping[str, Any]
) -> list[Coordinate]:
    """Return the coordinates of one array's axes, as far as the record tells them.

    Args:
        name: of the array.
        entry: its ``dims`` and, where it has them, ``coords``, as `names.describe` gives them.
        shape: of the array.
        result: the explanation.
        arrays: all arrays, for some hold coordinates.
    """
    sizes = dict(zip(entry["dims"], shape, strict=True))
    found = []
    for dim, source in entry.get("coords", {}).items():
        if source in arrays and dim in sizes:
            units = {"frequency": "Hz", "time": "s"}.get(dim)
            found.append(Coordinate(dim, dim, np.asarray(arrays[source]), units, _AXES.get(dim) or dim))
    known = {coordinate.dim for coordinate in found}
    for dim, size in sizes.items():
        if dim in known:
            continue
        if dim in ("frame", "y", "x", "unit"):
            units = "pixel" if dim in ("y", "x") and not name.startswith("fusion.depth.") else "1"
            found.append(Coordinate(dim, dim, np.arange(size), units, _AXES[dim]))
        elif dim == "channel" and size == 3:
            found.append(Coordinate(dim, dim, np.array(["red", "green", "blue"]), None, "colour"))
        found += _frames(result, size) if dim == "frame" else []
        found += _words(result, size) if dim == "word" else []
        found += _samples(name, result, size) if dim == "sample" else []
        edges = arrays.get("fusion.speech.seconds")
        if dim == "cell" and edges is not None and len(edges) == size + 1:
            found.append(Coordinate(dim, dim, np.asarray(edges[:-1]), "s", "where the cell begins, on the recording"))
    return found


def _frames(result: Mapping[str, Any], count: int) -> list[Coordinate]:
    """When each frame begins, as the evidence units tell it."""
    units = [e["unit"] for e in result.get("ranking", ()) if e["modality"] == "vision" and "frame" in e["unit"]]
    starts = {unit["frame"]: unit["time"][0] for unit in units}
    if sorted(starts) != list(range(count)):
        return []
    values = np.array([starts[i] for i in range(count)], np.float64)
    return [Coordinate("frame_start", "frame", values, "s", "where the frame begins, on the observation's clock")]


def _words(result: Mapping[str, Any], count: int) -> list[Coordinate]:
    """The words, and where each stands in the instruction."""
    units = {e["index"]: e["unit"] for e in result.get("ranking", ()) if e["modality"] == "text"}
    if sorted(units) != list(range(count)) or not all("text" in unit and "span" in unit for unit in units.values()):
        return []
    words = np.array([units[i]["text"] for i in range(count)])
    spans = np.array([units[i]["span"] for i in range(count)], np.int64)
    return [
        Coordinate("word", "word", words, None, "word of the instruction"),
        Coordinate("word_start", "word", spans[:, 0], "1", "character of the instruction at which the word begins"),
        Coordinate("word_end", "word", spans[:, 1], "1", "character of the instruction at which the word has ended"),
    ]


def _samples(name: str, result: Mapping[str, Any], count: int) -> list[Coordinate]:
    """When each sample was heard; prototypes of concepts are other sounds, and have no such time."""
    signal = result.get("observation", {}).get("audio", {})
    if name.startswith("concept.") or not signal.get("rate"):
        return []
    seconds = np.arange(count) / signal["rate"]
    clock = signal.get("clock")
    if clock:
        seconds = _on_clock(seconds, np.asarray(clock["local"], float), np.asarray(clock["reference"], float))
    return [Coordinate("sample", "sample", seconds, "s", "time of the sample on the observation's clock")]


def _on_clock(seconds: np.ndarray, local: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Map a signal's own seconds to the observation's: straight between knots, on by the end slopes beyond them."""
    place = np.clip(np.searchsorted(local, seconds, side="right") - 1, 0, len(local) - 2)
    slope = np.diff(reference) / np.diff(local)
    return reference[place] + (seconds - local[place]) * slope[place]


def _entry(
    name: str, array: np.ndarray, result: Mapping[str, Any], manifest: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """What an array is: by the manifest's entry, otherwise by its name."""
    told = (manifest or {}).get("arrays", {}).get(name)
    return told if told is not None and "coding" in told else describe(name, array) | attributes_of(name, result)


def _dim(dim: str, size: int, name: str, sizes: Mapping[str, int]) -> str:
    """Name an axis of the dataset: as in the array, or after the array where it is another axis of that name."""
    own = _OWN.fullmatch(name)
    if own and dim not in ("frame", "channel"):
        kind = "" if own["fused"] == "attention" else own["concept"] or own["fused"]
        return "_".join(filter(None, (dim, kind, _slug(own["rest"]).removesuffix("_prototypes"))))
    if dim.startswith("axis_") or sizes.get(dim, size) != size:
        return f"{dim}_{_slug(name)}"
    return dim


def _slug(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_")


def _attrs(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of one variable; what is not known is left out."""
    long = _LONG.get(name) or next((told for start, told in _STARTS.items() if name.startswith(start)), name)
    attrs: dict[str, Any] = {"long_name": long, "units": entry.get("unit")} | dict(entry.get("attrs", {}))
    uncertainty = entry.get("uncertainty")
    if uncertainty:
        attrs |= {"uncertainty": uncertainty["value"], "uncertainty_kind": uncertainty["kind"]}
    coding = entry.get("coding", {})
    if coding.get("loss"):
        attrs |= {"coding": coding["kind"]} | {f"coding_loss_{k}": v for k, v in coding["loss"].items()}
    return {key: value for key, value in attrs.items() if isinstance(value, str | int | float)}


def _global(result: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """Attributes of the dataset: what was decided, by which system, and with which verdict."""
    decision, verdict = result.get("decision", {}), result.get("verdict", {})
    frame = manifest or {}
    attrs = {
        "Conventions": "CF-1.11",
        "title": f"what {decision.get('action', 'a decision')} rested on",
        "source": f"veridical {result.get('version', '')}".strip(),
        "id": frame.get("id"),
        "created": result.get("created"),
        "start": frame.get("time", {}).get("start"),
        "end": frame.get("time", {}).get("end"),
        "system": result.get("system", {}).get("name"),
        "system_digest": result.get("system", {}).get("digest"),
        "action": decision.get("action"),
        "target": decision.get("target"),
        "score": decision.get("score"),
        "score_units": "nat",
        "verdict": verdict.get("verdict"),
        "cause": verdict.get("cause"),
        "method": result.get("attribution", {}).get("method"),
    }
    return {key: value for key, value in attrs.items() if isinstance(value, str | int | float)}
