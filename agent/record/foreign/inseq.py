"""Attributions of inseq: the JSON that ``FeatureAttributionOutput.save`` writes (inseq 0.6 and later), both ways.

inseq puts each tensor into the JSON as a safetensors file in base64, and names the Python classes of what it holds;
these names are looked at and never imported. It marks what a method could not attribute (later tokens, for a decoder)
by NaN: a map holds 0 there, and says so in ``extras["absent"]``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError, RecordError
from ..tensors import read_tensors, write_tensors
from .forms import added, array_of, as_input, as_record, complete, load_json, split_missing, write_json
from .maps import ForeignMap, changed, made

__all__ = ["read_inseq", "write_inseq_json"]

_DATA, _TOKEN = "inseq.data.attribution", "inseq.utils.typing"
_PARTS = ("source", "target")
_DEEPER = {"Granular": ("embedding",), "MultiDimensional": ("layer", "head")}
_COARSE = "CoarseFeatureAttributionSequenceOutput"
_SCORES = {"step": "step_scores", "sequence": "sequence_scores"}


def read_inseq(path: str | Path, *, version: str | None = None, unit: str = "model output") -> tuple[ForeignMap, ...]:
    """Read a saved output: a map to each sequence, and to each of its source and target side that was attributed.

    Args:
        path: JSON as ``save`` writes it, gzipped or not, with or without ``use_primitives``.
        version: of inseq; its files do not tell it.
        unit: of the values, as far as it is known.

    Returns:
        Maps over ``input`` and ``generated`` tokens and, where the method goes deeper, ``embedding``, or ``layer`` and
        ``head``. ``extras`` hold the scores of the steps; ``gap`` is the largest convergence delta of the steps.

    Raises:
        RecordError: the file cannot be read, is malformed, or was saved by an earlier inseq.
    """
    content = load_json(path, "an output of inseq's")
    with as_record(str(path)):
        return _read(content, version, unit)


def write_inseq_json(maps: Sequence[ForeignMap], path: str | Path) -> Path:
    """Write maps as a file that inseq loads; `read_inseq` gives them back bit for bit, whoever made them.

    inseq's own maps become the sequences that they were. Any other must be one- or two-dimensional, over tokens (and
    what was generated), and becomes a sequence of its own; what the form cannot say of it stands in
    ``info.veridical``.

    Raises:
        InputError: a map that is not over tokens, or maps of different outputs of inseq's.
        RecordError: the file is there already or cannot be written.
    """
    if not maps:
        raise InputError("there is no map to write; give at least one")
    infos = [given.attrs["info"] for given in maps if _is_own(given)]
    if any(info != infos[0] for info in infos):
        raise InputError("these maps belong to different outputs of inseq's; write a file to each")
    info = dict(infos[0]) if infos else {"attribution_method": maps[0].method, "input_texts": [], "generated_texts": []}
    groups: dict[Any, list[ForeignMap]] = {}
    for i, given in enumerate(maps):
        groups.setdefault(("own", given.attrs["sequence"]) if _is_own(given) else ("other", i), []).append(given)
    ordered = [given for group in groups.values() for given in sorted(group, key=lambda m: str(m.attrs.get("part")))]
    with as_input("the attrs of these maps"):
        sequences = [
            _rebuild(group) if kind == "own" else _sequence_of(group[0]) for (kind, _), group in groups.items()
        ]
        output = {"sequence_attributions": sequences, "step_attributions": None, "info": info}
        content = _instance("FeatureAttributionOutput", output)
        more = [added(given, told) for given, told in zip(ordered, _read(content, None, "model output"), strict=True)]
    if any(more):
        content["attributes"]["info"] = info | {"veridical": more}
    return write_json(path, content)


def _is_own(given: ForeignMap) -> bool:
    """Whether a map was read from a file of inseq's, and tells all of its sequence."""
    told = given.attrs
    return given.source == "inseq" and isinstance(told.get("info"), dict) and isinstance(told.get("sequence"), int)


def _read(content: Mapping[str, Any], version: str | None, unit: str) -> tuple[ForeignMap, ...]:
    """Return the maps that a file tells of."""
    output, _ = _attributes(content, "FeatureAttributionOutput")
    info = dict(output.get("info") or {})
    more = info.pop("veridical", None)
    found: list[ForeignMap] = []
    for number, given in enumerate(output["sequence_attributions"]):
        sequence, name = _attributes(given, "SequenceOutput")
        found += [
            _map_of(sequence, (number, part, name), info, version, unit)
            for part in _PARTS
            if sequence.get(f"{part}_attributions") is not None
        ]
    if not found:
        raise InputError("no sequence in it was attributed")
    if output.get("step_attributions") is not None:
        found = [changed(m, attrs={**m.attrs, "left_out": ["step_attributions"]}) for m in found]
    if more is not None:
        found = [complete(native, one) for native, one in zip(found, more, strict=True)]
    return tuple(found)


def _map_of(
    sequence: Mapping[str, Any],
    place: tuple[int, str, str | None],
    info: dict[str, Any],
    version: str | None,
    unit: str,
) -> ForeignMap:
    """Return the map of one side of one sequence."""
    number, part, name = place
    tokens = {side: [_token(t) for t in sequence[side]] for side in _PARTS}
    start, end = sequence["attr_pos_start"], sequence["attr_pos_end"]
    values, absent = split_missing(_tensor(sequence[f"{part}_attributions"], f"{part}_attributions"))
    extras = {"absent": absent} if absent is not None else {}
    for short, key in _SCORES.items():
        for score, tensor in (sequence.get(key) or {}).items():
            extras[f"{short}.{score}"], missing = split_missing(_tensor(tensor, f"{key} {score!r}"))
            if missing is not None:
                extras[f"{short}.{score}.absent"] = missing
    deeper = next((dims for start_, dims in _DEEPER.items() if (name or "").startswith(start_)), ())
    dims = ("input", "generated", *deeper, *(f"axis_{i}" for i in range(2 + len(deeper), values.ndim)))[: values.ndim]
    coords = {"input": tuple(word for _, word in tokens[part])}
    if values.ndim > 1:
        coords["generated"] = tuple(word for _, word in tokens["target"][start:end])
    deltas = extras.get("step.deltas")
    return made(
        name=f"inseq.{number}.{part}",
        source="inseq",
        values=values,
        dims=dims,
        version=version,
        method=info.get("attribution_method"),
        target=info.get("attributed_fn"),
        coords=coords,
        unit=unit,
        gap=None if deltas is None else float(deltas.flat[np.abs(deltas).argmax()]),
        attrs={
            "sequence": number, "part": part, "class": name, "tokens": tokens, "positions": [start, end], "info": info,
        },
        extras=extras,
    )  # fmt: skip


def _attributes(given: Mapping[str, Any], ending: str) -> tuple[Mapping[str, Any], str | None]:
    """Return an object's attributes and its class's name, None where the file does not tell (``use_primitives``)."""
    if "__instance_type__" not in given:
        return given, None
    module, name = given["__instance_type__"]
    if not module.startswith("inseq.") or not name.endswith(ending):
        raise InputError(f"it holds a {module}.{name} where inseq has a {ending}")
    return given["attributes"], name


def _token(given: Mapping[str, Any]) -> list[Any]:
    """Return a token's number and its words."""
    token, _ = _attributes(given, "TokenWithId")
    number, word = token["id"], token["token"]
    if type(number) is not int or not isinstance(word, str):
        raise InputError(f"a token is {number!r:.40} {word!r:.40}, not a number and a string")
    return [number, word]


def _tensor(given: Any, what: str) -> np.ndarray:
    """Return a tensor that inseq saved."""
    if not isinstance(given, str):
        raise InputError(f"{what} are not safetensors in base64; save them again with inseq 0.6 or later")
    try:
        tensors = read_tensors(base64.b64decode(given, validate=True), what)
    except (RecordError, ValueError) as error:
        raise InputError(f"{error!s:.300}; save them again with scores_precision float32 or float16") from error
    if list(tensors) != ["attribution"]:
        raise InputError(f"{what} hold {sorted(tensors)!r:.80}, not the one tensor 'attribution'")
    return array_of(tensors["attribution"], what)


def _packed(given: ForeignMap, array: np.ndarray, key: str) -> str:
    """Return a tensor as inseq saves it, with NaN where nothing was attributed."""
    absent = given.extras.get(key)
    if absent is not None and array.dtype.kind == "f":
        array = np.where(absent, array.dtype.type(np.nan), array)
    return base64.b64encode(write_tensors({"attribution": array})).decode()


def _instance(name: str, attributes: Mapping[str, Any], module: str = _DATA) -> dict[str, Any]:
    return {"__instance_type__": [module, name], "attributes": dict(attributes)}


def _tokens(listed: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [_instance("TokenWithId", {"id": number, "token": word}, _TOKEN) for number, word in listed]


def _rebuild(group: Sequence[ForeignMap]) -> dict[str, Any]:
    """Return one sequence of inseq's from the maps of its sides."""
    first = group[0]
    attributes: dict[str, Any] = {side: _tokens(first.attrs["tokens"][side]) for side in _PARTS}
    attributes |= dict(zip(("attr_pos_start", "attr_pos_end"), first.attrs["positions"], strict=True))
    for part in _PARTS:
        of = next((given for given in group if given.attrs["part"] == part), None)
        attributes[f"{part}_attributions"] = None if of is None else _packed(of, of.values, "absent")
    for short, key in _SCORES.items():
        attributes[key] = dict(_scores(first, f"{short}."))
    return _instance(first.attrs["class"] or _COARSE, attributes)


def _scores(given: ForeignMap, start: str) -> Iterator[tuple[str, str]]:
    """Yield the scores of one kind by name, as inseq saves them."""
    for key, array in given.extras.items():
        if key.startswith(start) and not key.endswith(".absent"):
            yield key.removeprefix(start), _packed(given, array, f"{key}.absent")


def _sequence_of(given: ForeignMap) -> dict[str, Any]:
    """Return a sequence that holds another library's map over tokens."""
    labels = [given.coords.get(dim) for dim in given.dims]
    if given.values.ndim > 2 or not isinstance(labels[0], tuple) or given.values.dtype.kind != "f":
        raise InputError(
            f"map {given.name!r:.80} is over {', '.join(given.dims)}; inseq's form holds floats over tokens that are "
            "named, and what was generated"
        )
    columns = given.values.reshape(len(given.values), -1)
    said = labels[1] if len(labels) > 1 else (given.target if isinstance(given.target, str) else "output",)
    said = said if isinstance(said, tuple) else tuple(str(i) for i in range(columns.shape[1]))
    absent = given.extras.get("absent")
    if absent is not None and absent.shape == given.values.shape:
        columns = np.where(absent.reshape(columns.shape), columns.dtype.type(np.nan), columns)
    attributes = {
        "source": _tokens([(-1, word) for word in labels[0]]),  # −1: of no vocabulary; inseq decodes numbers from 0 on
        "target": _tokens([(-1, word) for word in said]),
        "source_attributions": base64.b64encode(write_tensors({"attribution": columns})).decode(),
        "target_attributions": None,
        "step_scores": {},
        "sequence_scores": {},
        "attr_pos_start": 0,
        "attr_pos_end": columns.shape[1],
    }
    return _instance(_COARSE, attributes)
