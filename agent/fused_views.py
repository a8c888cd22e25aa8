"""What the report's fusion section shows: from a result and its arrays to plain values for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import RecordError
from ..modalities.wording import spans
from . import fused_charts, pictures
from .charts import axis_over
from .views import limit_of
from .wording import clean, nats, number, percent, seconds

__all__ = ["PARTS", "RULINGS", "fused", "glow"]

# What the section holds, in its order, and how each part is called where it is missing.
PARTS = {
    "clock": "one clock",
    "speech": "the spoken words",
    "shares": "the share of each sense",
    "together": "what the senses do together",
    "matrix": "the matrix of senses",
    "interactions": "pairs of evidence",
    "attention": "attention against gradient",
    "depths": "the depths of the network",
    "arrivals": "the decision as evidence arrives",
    "through_time": "relevance carried back through the state",
    "matches": "the same thing in two senses",
}
# Status class, mark and words of a ruling between attention and gradient.
RULINGS = {
    "gradient": ("confirmed", "✓", "the gradient was right"),
    "attention": ("confirmed", "✓", "attention was right"),
    "agree": ("confirmed", "=", "they agree"),
    "neither": ("contradicted", "✗", "neither was right"),
    "undecided": ("negligible", "~", "undecided"),
}
_SEEN = (196, 154, 255)  # attention is no contribution: it has a colour of its own, neither for nor against

Arrays = Mapping[str, np.ndarray]
Json = Mapping[str, Any]


def fused(result: Json, arrays: Arrays) -> dict[str, Any] | None:
    """Return what the fusion section shows, or None where the result has none.

    A part that the result does not have is None; ``missing`` says why, as far as the result does.

    Raises:
        RecordError: an array does not fit the signal that it is of.
    """
    fusion = result.get("fusion")
    if not fusion:
        return None
    limit, given = limit_of(result), {name: fusion.get(name) or None for name in PARTS}
    missing = fusion.get("missing") or {}
    clock, shares, together, grid = (given[name] for name in ("clock", "shares", "together", "matrix"))
    return {
        "limit": limit,
        "missing": {name: clean(missing[name]) for name in PARTS if given[name] is None and missing.get(name)},
        "parts": PARTS,
        "clock": clock and fused_charts.lanes(clock, limit),
        "speech": given["speech"] and _speech(given["speech"]),
        "shares": shares and _axis_and_rows(fused_charts.share_rows(shares)),
        "together": together and _axis_and_rows(fused_charts.waterfall(together, fusion)),
        "matrix": grid and fused_charts.matrix(grid, limit),
        "interactions": given["interactions"] and _interactions(given["interactions"], result),
        "attention": given["attention"] and [_ruling(entry, result, arrays) for entry in given["attention"]],
        "depths": given["depths"] and _depths(given["depths"], result, arrays),
        "arrivals": given["arrivals"] and _arrivals(given["arrivals"], result),
        "through_time": given["through_time"] and _passage(given["through_time"]),
        "matches": given["matches"] and [_match(match) for match in given["matches"]],
    }


def _axis_and_rows(drawn: tuple[Any, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"axis": drawn[0], "rows": drawn[1]}


def _p(value: float | None) -> str:
    return "–" if value is None else number(value, 3)


def _interactions(found: Json, result: Json) -> dict[str, Any]:
    pairs = found["pairs"]
    return {
        "drawn": fused_charts.arcs(pairs, [claim["id"] for claim in result["claims"]]) if pairs else None,
        "found": sum(bool(pair["found"]) for pair in pairs),
        "tested": found["tested"],
        "controls": found["controls"],
        "alpha": found["alpha"],
        "table": [
            {
                "a": clean(f"{pair['a']['sense']}: {pair['a']['where']}"),
                "b": clean(f"{pair['b']['sense']}: {pair['b']['where']}"),
                "effects": [nats(effect) for effect in pair["effects"]],
                "measured": nats(pair["measured"]),
                "range": fused_charts.span_text(*pair["range"]) if pair["range"] else "",
                **{key: "–" if pair[key] is None else nats(pair[key]) for key in ("predicted", "path")},
                "p": _p(pair["p"]),
                "found": bool(pair["found"]),
                "kind": clean(pair["kind"]),
                "tested": pair["p"] is not None,
            }
            for pair in pairs
        ],
    }


def glow(values: np.ndarray, most: float) -> np.ndarray:
    """Colour attention, (height, width) and not negative, for laying over a picture: uint8 (height, width, 4).

    One violet, whose opacity grows with the square root of the share of ``most``, as the report's colours do.
    """
    strength = np.abs(pictures.level(values, most))[..., None]
    return np.concatenate([np.broadcast_to(_SEEN, (*values.shape, 3)), 235 * strength], -1).round().astype(np.uint8)


def _plain(frame: np.ndarray) -> str:
    """A frame in grey, for what lies over it."""
    return pictures.png((frame @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8))  # luma of ITU-R BT.601


def _ruling(entry: Json, result: Json, arrays: Arrays) -> dict[str, Any]:
    status, mark, words = RULINGS.get(entry["right"], ("negligible", "~", clean(entry["right"])))
    return {
        "sense": clean(entry["sense"]),
        "status": status,
        "mark": mark,
        "words": words,
        "told": clean(entry["told"]),
        "overlap": percent(entry["overlap"]),
        "correlation": "–" if entry["correlation"] is None else number(entry["correlation"]),
        "sides": [
            {"name": name, "where": clean(entry[name]["where"]), "effect": nats(entry[name]["effect"])}
            for name in ("attention", "gradient")
        ],
        "row": _track(entry),
        "shown": _beside(entry, result, arrays),
    }


def _track(entry: Json) -> dict[str, Any]:
    """Return the axis of one sense's ruling, and where the two effects and the range of random ones lie on it."""
    own = {name: entry[name]["effect"] for name in ("attention", "gradient")}
    axis = axis_over([*own.values(), *entry["random"]])
    low = axis.at(min(entry["random"], default=0.0))
    return {
        "axis": axis,
        **{name: axis.at(value) for name, value in own.items()},
        "low": low,
        "width": round(axis.at(max(entry["random"], default=0.0)) - low, 2),
        "told": ", ".join(f"{name} {nats(value)}" for name, value in own.items()),
    }


def _beside(entry: Json, result: Json, arrays: Arrays) -> dict[str, Any] | None:
    """Attention and gradient drawn alike, beside each other; None where attention's map was not kept."""
    sense, signal = entry["sense"], result["observation"].get(entry["sense"])
    values = arrays.get(f"fusion.attention.{sense}")
    if values is None or not signal or not signal["present"]:
        return None
    units = {e["index"]: e for e in result["ranking"] if e["modality"] == sense}
    if max(units, default=-1) >= len(values):
        raise RecordError(
            f"array 'fusion.attention.{clean(sense)}' has {len(values)} values, but the ranking names its unit "
            f"{max(units)}: one value per evidence unit is needed"
        )
    seen = {index: float(values[index]) for index in units}
    draw = {"vision": _frames_beside, "audio": _times_beside, "text": _words_beside}.get(sense)
    return draw(entry, seen, units, result, arrays) if draw and units else None


Units = Mapping[int, Json]


def _frames_beside(
    entry: Json, seen: Mapping[int, float], units: Units, result: Json, arrays: Arrays
) -> dict[str, Any]:
    """The frame with most of either, under attention and under the gradient's contributions."""
    labels, frames = arrays["vision.units"], arrays["vision.frames"]
    mine = {index: unit["contribution"] for index, unit in units.items()}
    most = np.zeros(len(frames))
    for given in (seen, mine):
        whole = sum(abs(value) for value in given.values()) or 1.0
        inside = [np.unique(each[each >= 0]) for each in labels]
        most += [sum(abs(given.get(int(u), 0.0)) for u in members) / whole for members in inside]
    best = int(most.argmax())
    overlays = {
        "attention": glow(pictures.per_unit(labels[best], seen), max(seen.values(), default=0.0)),
        "gradient": pictures.tint(pictures.per_unit(labels[best], mine), limit_of(result)),
    }
    drawn = {}
    for name, overlay in overlays.items():
        mask = np.isin(labels[best], entry[name]["units"])
        drawn[name] = {"overlay": pictures.png(overlay), "path": pictures.outline(mask)}
    return {"kind": "frames", "number": best + 1, "image": _plain(frames[best]),
            "shape": frames[best].shape[:2], **drawn}  # fmt: skip


def _times_beside(entry: Json, seen: Mapping[int, float], units: Units, result: Json, arrays: Arrays) -> dict[str, Any]:
    """Strips of time: bands summed, the evidence that each side names marked beneath."""
    columns = sorted({tuple(unit["unit"]["time"]) for unit in units.values()})
    signal = result["observation"][entry["sense"]]
    axis = fused_charts.clock_axis(0.0, max(signal["duration"], columns[-1][1]))
    drawn = {}
    for name, given in (("attention", seen), ("gradient", {i: u["contribution"] for i, u in units.items()})):
        totals = dict.fromkeys(columns, 0.0)
        for index, unit in units.items():
            totals[tuple(unit["unit"]["time"])] += given[index]
        values = list(totals.values())
        bars = fused_charts.bars([(*span, v) for span, v in totals.items()], axis, (min(values), max(values)))
        limit = limit_of(result)
        for bar, value in zip(bars["bars"], values, strict=True):
            bar["fill"] = fused_charts.colour(value, limit) if name == "gradient" else ""
            bar["side"] = "seen" if name == "attention" else bar["side"]
        named = spans([tuple(units[i]["unit"]["time"]) for i in entry[name]["units"] if i in units])
        spots = [(axis.at(start), round(axis.at(end) - axis.at(start), 2)) for start, end in named]
        drawn[name] = {**bars, "named": spots}
    return {"kind": "times", "axis": axis, **drawn}


def _words_beside(entry: Json, seen: Mapping[int, float], units: Units, result: Json, arrays: Arrays) -> dict[str, Any]:
    """The words twice, in order; the stronger, the more colour."""
    ordered = sorted(units.values(), key=lambda e: e["unit"]["span"][0])
    most, limit = max(seen.values(), default=0.0), limit_of(result)
    drawn: dict[str, list[dict[str, Any]]] = {"attention": [], "gradient": []}
    for unit in ordered:
        for name, value, full in (("attention", seen[unit["index"]], most), ("gradient", unit["contribution"], limit)):
            word = fused_charts.word(unit["unit"]["text"], value, full)
            side = "seen" if name == "attention" else word["side"]
            drawn[name].append({**word, "side": side, "named": unit["index"] in entry[name]["units"]})
    return {"kind": "words", **drawn}


def _depths(depths: Sequence[Json], result: Json, arrays: Arrays) -> dict[str, Any] | None:
    """The strip: at each depth, the relevance on the frame that has most of it over all depths."""
    signal = result["observation"].get("vision")
    if not signal or not signal["present"]:
        return None
    frames = arrays["vision.frames"]
    maps = [np.asarray(arrays[f"fusion.depth.{k}"], np.float64) for k in range(len(depths))]
    for k, found in enumerate(maps):
        if found.ndim != 3 or len(found) != len(frames):
            raise RecordError(
                f"array 'fusion.depth.{k}' has shape {found.shape}, but there are {len(frames)} frames: "
                "(frames, height, width) is needed"
            )
    sizes = [np.abs(found).sum((1, 2)) for found in maps]
    best = int(np.sum([size / (size.sum() or 1.0) for size in sizes], axis=0).argmax())
    return {
        "number": best + 1,
        "image": _plain(frames[best]),
        "layers": [_layer(depth, found[best]) for depth, found in zip(depths, maps, strict=True)],
    }


def _layer(depth: Json, found: np.ndarray) -> dict[str, Any]:
    """One picture of the strip. Depths differ in the size of their cells: each is full at its own strongest."""
    full = float(np.abs(found).max())
    return {
        "overlay": pictures.png(pictures.tint(found, full or 1.0)),
        "layer": clean(depth["layer"]),
        "title": clean(depth["title"]),
        "full": f"±{nats(full).lstrip('+')}",
        **{key: None if depth[key] is None else number(depth[key]) for key in ("edges", "last")},
    }


def _speech(found: Json) -> dict[str, Any]:
    """Each spoken word: what the decision owes to it, and what cutting its sound out does."""
    rows = [
        {
            "text": clean(word["text"]),
            "time": seconds(word["time"]),
            "value": nats(word["value"]),
            "inside": percent(word["inside"]),
            "effect": nats(word["effect"]),
            "action": clean(word["action"]),
            "heard": clean(word["heard"]),
            "lost": bool(word["lost"]),
        }
        for word in found["words"]
    ]
    rank = "not defined" if found["rank"] is None else number(found["rank"])
    return {"rows": rows, "told": clean(found["told"]), "agreement": number(found["agreement"]), "rank": rank}


def _passage(found: Json) -> dict[str, Any]:
    """What each step's evidence gave and what it left to the state before it, as a table."""
    senses = list(dict.fromkeys(m for step in found["steps"] for m in step["by_sense"]))
    rows = [
        {
            "time": seconds(step["time"]),
            "given": [nats(step["by_sense"].get(m, 0.0)) for m in senses],
            "before": nats(step["to_state"]),
            "gap": nats(step["gap"]),
        }
        for step in found["steps"]
    ]
    whole = {name: nats(found[name]) for name in ("difference", "older", "gap")}
    return {"senses": [clean(m) for m in senses], "rows": rows, **whole}


def _arrivals(arrivals: Sequence[Json], result: Json) -> list[dict[str, Any]]:
    steps, before, decided = [], None, result["decision"]["action"]
    for arrival in arrivals:
        action, chances = arrival["action"], arrival["probabilities"]
        steps.append(
            {
                "time": seconds(arrival["time"]),
                "action": clean(action),
                "changed": before is not None and action != before,
                "score": nats(arrival["score"]),
                "odds": [
                    {
                        "name": name,
                        "text": percent(chances[name]),
                        "width": round(100 * chances[name], 1),
                        "chosen": name == action,
                        "followed": name == decided,
                    }
                    for name in result["system"]["actions"]
                ],
            }
        )
        before = action
    return steps


def _match(match: Json) -> dict[str, Any]:
    return {"a": clean(match["a"]), "b": clean(match["b"]), "score": number(match["score"]), "p": _p(match["p"]),
            "confirmed": bool(match["confirmed"])}  # fmt: skip
