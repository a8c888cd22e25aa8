"""The geometry of the fusion section's charts, in per cent of their box; every figure is in nats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..modalities.wording import shortened
from . import pictures
from .charts import Axis, axis_over, ticks
from .wording import clean, in_order, nats, seconds

__all__ = [
    "arcs",
    "bars",
    "clock_axis",
    "colour",
    "lanes",
    "matrix",
    "share_rows",
    "span_text",
    "waterfall",
    "word",
]

_WIDE = 12.0  # % of the clock from which a mark has room for its figure
_CHARACTER = 0.85  # % of the clock that a character of a caption takes on a wide screen
_CAPTION_ROWS = 3
_BORDERS = 24  # borders in time beyond which only a lane's ends have a whisker
_WIDEST = 12.0  # pixels of the arc of the strongest pair
_UNEXPLAINED = 0.005  # nats; a smaller rest would be shown as 0.00
_NOTHING = {"absent", "black", "blank", "silent", "empty", "still"}  # conditions in which a sense tells nothing

Json = Mapping[str, Any]


def colour(value: float, limit: float) -> str:
    """Return the report's colour of a contribution as a CSS colour; full at ``limit`` nats.

    Example:
        >>> colour(2.0, 2.0)
        'rgb(196 72 0 / 0.92)'
    """
    red, green, blue, opacity = pictures.tint(np.array([[value]]), limit)[0, 0].tolist()
    return f"rgb({red} {green} {blue} / {opacity / 255:.2f})"


def span_text(low: float, high: float) -> str:
    """Return an interval in nats: ``+3.20 … +5.00``; one figure where its ends read the same."""
    first, last = nats(low), nats(high)
    return first if first == last else f"{first} … {last}"


def clock_axis(start: float, end: float) -> Axis:
    """Return the axis of seconds from ``start`` to ``end``, without margins; a moment is given a second."""
    end = end if end > start else start + 1.0
    bare = Axis(start, end, ())
    return Axis(start, end, tuple((bare.at(t), f"{round(t, 9):g} s") for t in ticks(start, end)))


def bars(spans: Sequence[tuple[float, float, float]], axis: Axis, extremes: tuple[float, float]) -> dict[str, Any]:
    """Place signed values over stretches of time as bars from a zero line: up for the decision, down against it.

    Args:
        spans: start and end in seconds, value in nats.
        axis: of seconds; what lies beyond its ends is cut off.
        extremes: the least and the greatest value that the height must hold, so that several charts share a scale.

    Returns ``zero`` (% from the top) and ``bars`` (x, y, width and height in %, whether it speaks for the decision).
    """
    down, up = max(0.0, -extremes[0]), max(0.0, extremes[1])
    zero = 100.0 * up / (up + down) if up + down else 50.0
    zero = min(max(zero, 10.0), 90.0) if up and down else zero
    scale = min([room / most for room, most in ((zero, up), (100.0 - zero, down)) if most], default=0.0)
    placed = []
    for start, end, value in spans:
        left, right = (axis.at(min(max(t, axis.low), axis.high)) for t in (start, end))
        height = scale * abs(value)
        placed.append(
            {
                "x": left,
                "width": round(max(right - left, 0.2), 2),
                "y": round(zero - height if value > 0 else zero, 2),
                "height": round(height, 2),
                "side": "for" if value >= 0 else "against",
            }
        )
    return {"zero": round(zero, 2), "bars": placed}


def lanes(clock: Json, limit: float) -> dict[str, Any]:
    """Return the fused timeline: an axis of seconds and a lane for each sense, all bars on one scale of nats.

    Args:
        clock: ``fusion.clock`` of a result.
        limit: nats at which the colour is full.
    """
    axis = clock_axis(clock["start"], clock["end"])
    timed = [mark["value"] for lane in clock["lanes"] if not lane["timeless"] for mark in lane["marks"]]
    extremes = (min(timed, default=0.0), max(timed, default=0.0))
    every = [abs(mark["value"]) for lane in clock["lanes"] for mark in lane["marks"]]
    return {
        "axis": axis,
        "rows": [_lane(lane, axis, extremes, limit, max(every, default=0.0) or 1.0) for lane in clock["lanes"]],
        "notes": [clean(note) for note in clock["notes"]],
        "uncertain": any((lane["uncertainty"] or 0) > 0 for lane in clock["lanes"]),
        "timed": [lane["timeless"] for lane in clock["lanes"]].count(False),
    }


def _lane(lane: Json, axis: Axis, extremes: tuple[float, float], limit: float, largest: float) -> dict[str, Any]:
    marks = lane["marks"]
    told = {
        "sense": clean(lane["sense"]),
        "facts": _facts(lane),
        "total": nats(sum(mark["value"] for mark in marks)),
        "timeless": lane["timeless"],
    }
    if lane["timeless"]:
        return {**told, "words": [_timeless(mark, limit, largest) for mark in marks]}
    drawn = bars([(mark["start"], mark["end"], mark["value"]) for mark in marks], axis, extremes)
    for bar, mark in zip(drawn["bars"], marks, strict=True):
        label = f"{clean(mark['label'])}, " if mark["label"] else ""
        bar["fill"] = colour(mark["value"], limit)
        bar["title"] = f"{label}{seconds((mark['start'], mark['end']))}: {nats(mark['value'])} nats"
    captions = _captions(marks, drawn["bars"])
    depth = max((caption["row"] for caption in captions), default=-1) + 1
    return {**told, **drawn, "captions": captions, "depth": depth, "dense": len(captions) > 4,
            "whiskers": _whiskers(lane, axis)}  # fmt: skip


def word(text: str, value: float, full: float) -> dict[str, Any]:
    """Return a word as it is drawn: the larger its value, up to ``full``, the more colour and the thicker the line."""
    strength = float(abs(pictures.level(np.array(value), full)))
    line = round(6 * strength, 1) if strength >= 0.15 else 0
    side = "for" if value >= 0 else "against"
    return {"text": clean(text), "side": side, "strength": round(strength, 3), "line": line}


def _timeless(mark: Json, limit: float, largest: float) -> dict[str, Any]:
    value = mark["value"]
    return {**word(mark["label"] or "·", value, limit), "nats": nats(value), "shown": abs(value) >= 0.3 * largest}


def _facts(lane: Json) -> list[str]:
    """What a lane's time is made of, in words."""
    count = lane["samples"]
    noun = {"vision": "frame", "text": "word"}.get(lane["sense"], "sample")
    facts = [f"{_thousands(count)} {noun}{'s' if count != 1 else ''}"]
    if lane["timeless"]:
        return ["no time of its own: it holds throughout"]
    if lane["rate"] is not None:
        facts.append(f"{_thousands(lane['rate'])} a second")
    elif count > 1 and noun != "word":
        facts.append("irregular")
    if lane["uncertainty"] is None:
        facts.append("how well it is aligned is not known")
    elif lane["uncertainty"] > 0:
        facts.append(f"±\u00a0{lane['uncertainty']:.2g}\u00a0s")
    if lane["drift"]:
        facts.append(f"drift {nats(100 * lane['drift'], 3)}\u00a0%")
    return facts


def _thousands(value: float) -> str:
    return f"{value:,.6g}".replace(",", "\u202f")


def _captions(marks: Sequence[Json], drawn: Sequence[Json]) -> list[dict[str, Any]]:
    """Labels, with figures where there is room and for the strongest, in rows so that none covers another."""
    strongest = max((abs(mark["value"]) for mark in marks), default=0.0)
    free, found = [-100.0] * _CAPTION_ROWS, []
    for mark, bar in zip(marks, drawn, strict=True):
        told = bar["width"] >= _WIDE or (strongest > 0 and abs(mark["value"]) == strongest)
        label, figure = clean(mark["label"] or ""), nats(mark["value"]) if told else ""
        if not (label or figure):
            continue
        half = _CHARACTER * (len(label) + len(figure) + 1) / 2
        middle = min(max(bar["x"] + bar["width"] / 2, half), 100.0 - half)
        row = next((i for i, end in enumerate(free) if middle - half >= end), None)
        if row is not None:
            free[row] = middle + half
            found.append({"x": round(middle, 2), "row": row, "label": label, "nats": figure})
    return found


def _whiskers(lane: Json, axis: Axis) -> list[tuple[float, float]]:
    """One standard deviation about each border between a lane's marks, (low, high) in %."""
    spread = lane["uncertainty"]
    if spread is None or spread <= 0:
        return []
    borders = sorted({t for mark in lane["marks"] for t in (mark["start"], mark["end"])})
    borders = borders if len(borders) <= _BORDERS else [borders[0], borders[-1]]
    ends = [(max(t - spread, axis.low), min(t + spread, axis.high)) for t in borders]
    return [(axis.at(low), axis.at(high)) for low, high in ends if low < high]


def share_rows(shares: Sequence[Json]) -> tuple[Axis, list[dict[str, Any]]]:
    """Return the axis and a row per sense: its contribution as a bar from zero, its interval as a whisker."""
    axis = axis_over([share[k] for share in shares for k in ("contribution", "low", "high")])
    zero, rows = axis.at(0.0), []
    for share in shares:
        end = axis.at(share["contribution"])
        rows.append(
            {
                "sense": clean(share["sense"]),
                "x": min(zero, end),
                "width": round(abs(end - zero), 2),
                "side": "for" if share["contribution"] >= 0 else "against",
                "low": axis.at(share["low"]),
                "high": axis.at(share["high"]),
                "nats": nats(share["contribution"]),
                "span": span_text(share["low"], share["high"]),
                **{key: nats(share[key]) for key in ("alone", "last", "shapley")},
                "condition": "" if share["condition"] == "working" else clean(share["condition"]),
                "nothing": share["condition"] in _NOTHING,
                "told": clean(share["told"]),
            }
        )
    return axis, rows


def waterfall(together: Sequence[Json], fusion: Json) -> tuple[Axis, list[dict[str, Any]]]:
    """Return the axis and the steps from the baseline's score to the decision's: each sense, then each combination.

    What the parts leave unexplained of the difference is a step of its own. Without a baseline's score, the steps
    start at zero.
    """
    known = in_order({sense for part in together for sense in part["senses"]})
    parts = sorted(together, key=lambda part: (len(part["senses"]), sorted(map(known.index, part["senses"]))))
    steps = [(_part(in_order(part["senses"]), len(known)), part["value"]) for part in parts]
    base, difference = fusion.get("baseline_score"), fusion.get("difference")
    rest = 0.0 if difference is None else difference - sum(value for _, value in steps)
    if abs(rest) >= _UNEXPLAINED:
        steps.append(("not accounted for", rest))
    level, placed = base or 0.0, []
    for label, value in steps:
        placed.append((label, level, level + value))
        level += value
    axis = axis_over([base or 0.0, *(end for _, _, end in placed)])
    rows = (
        []
        if base is None
        else [{"label": "all at their baseline", "total": True, "x": axis.at(base), "nats": nats(base)}]
    )
    rows += [
        {"label": label, "total": False, "x": axis.at(min(a, b)), "width": round(abs(axis.at(b) - axis.at(a)), 2),
         "from": axis.at(a), "end": axis.at(b), "side": "for" if b >= a else "against", "nats": nats(b - a)}
        for label, a, b in placed
    ]  # fmt: skip
    rows.append({"label": "the decision" if base is not None else "the whole difference", "total": True,
                 "x": axis.at(level), "nats": nats(level)})  # fmt: skip
    return axis, rows


def _part(senses: Sequence[str], count: int) -> str:
    if len(senses) == 1:
        return f"{clean(senses[0])} alone"
    names = f"all {count}" if 2 < len(senses) == count else " + ".join(clean(sense) for sense in senses)
    return f"{names}, only together"


def matrix(found: Json, limit: float) -> dict[str, Any]:
    """Return the cells of the matrix of senses: figure, colour of the one scale, and a width that shows the size."""
    values = found["values"]
    largest = max((abs(v) for row in values for v in row if v is not None), default=0.0) or 1.0
    names = [clean(sense) for sense in found["senses"]]
    rows = [
        [
            {"nats": "–", "width": 0.0, "fill": "transparent", "side": "for", "own": i == j}
            if value is None
            else {"nats": nats(value), "width": round(100.0 * abs(value) / largest, 1), "fill": colour(value, limit),
                  "side": "for" if value >= 0 else "against", "own": i == j}
            for j, value in enumerate(row)
        ]
        for i, row in enumerate(values)
    ]  # fmt: skip
    return {"senses": names, "rows": list(zip(names, rows, strict=True))}


def arcs(pairs: Sequence[Json], claims: Iterable[str]) -> dict[str, Any]:
    """Return evidence as rows, by sense, and an arc for each pair, to be drawn to the right of them.

    Args:
        pairs: ``fusion.interactions.pairs`` of a result.
        claims: names of the claims that a row can lead to.

    Returns ``rows`` (sense, where, claim or None, middle in %), ``arcs`` (an SVG path in a box of 100 by 100, width
    in pixels, kind, whether it was found, where its figure stands).
    """
    known, ends = set(claims), [end for pair in pairs for end in (pair["a"], pair["b"])]
    unique = list(dict.fromkeys(_key(end) for end in ends))
    senses = in_order({key[0] for key in unique})
    unique.sort(key=lambda key: senses.index(key[0]))
    claim_of = {_key(end): end["claim"] for end in ends if end["claim"] in known}
    middle = {key: round(100.0 * (i + 0.5) / len(unique), 2) for i, key in enumerate(unique)}
    largest = max((abs(pair["measured"]) for pair in pairs), default=0.0) or 1.0
    drawn = []
    for pair in sorted(pairs, key=lambda pair: pair["found"]):  # what was found lies on top
        y0, y1 = sorted((middle[_key(pair["a"])], middle[_key(pair["b"])]))
        reach = round(16.0 + 84.0 * (y1 - y0) / 100.0, 2)
        drawn.append(
            {
                "path": f"M0 {y0:.2f}C{reach} {y0:.2f} {reach} {y1:.2f} 0 {y1:.2f}",
                "width": round(max(1.5, _WIDEST * abs(pair["measured"]) / largest), 1),
                "kind": "redundancy" if pair["kind"] == "redundancy" else "synergy",
                "found": bool(pair["found"]),
                "x": round(0.75 * reach, 2),  # a cubic whose inner points lie at `reach` gets that far
                "y": round((y0 + y1) / 2, 2),
                "nats": nats(pair["measured"]),
            }
        )
    rows = [{"sense": clean(key[0]), "where": shortened(clean(key[1]), 60), "whole": clean(key[1]), "y": middle[key],
             "claim": claim_of.get(key)} for key in unique]  # fmt: skip
    return {"rows": rows, "arcs": drawn}


def _key(end: Json) -> tuple[str, str, tuple[int, ...]]:
    return end["sense"], end["where"], tuple(end["units"])
