"""Places: that units, marks and pieces of evidence lie where the signals and the arrays have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..record.canonical import digest_of
from .finding import EXACT, SINGLE, Case, Sheet

__all__ = ["signals", "units"]

_CUT = "…"


def signals(case: Case, sheet: Sheet) -> None:
    """What is told of the signals is what the arrays hold."""
    seen = case.result["observation"]
    sheet.same("the format", case.result["format"], "veridical.explanation/1")
    vision, audio = seen.get("vision") or {}, seen.get("audio") or {}
    if vision.get("present"):
        sheet.same("the number of frames", vision["frames"], len(vision["sizes"]))
        frames = case.arrays.get("vision.units")
        if frames is not None:
            sheet.same("the frames of vision.units", len(frames), vision["frames"])
    wave = case.arrays.get("audio.waveform")
    if audio.get("present") and wave is not None:
        sheet.near("the sound's duration", audio["duration"], len(wave) / audio["rate"])
    for m, signal in seen.items():
        if signal["present"] and signal.get("duration") is not None:
            sheet.between(f"the duration of {m}", signal["duration"])
        if signal["present"] and isinstance(signal.get("text"), str):
            _text(signal, m, sheet)
        units = case.values.get(m)
        if not signal["present"]:
            sheet.holds(units is None, f"{m} was absent, and has units")


def _text(signal: Mapping[str, Any], m: str, sheet: Sheet) -> None:
    """A text that is in the open has the digest that is told, salted where there is a salt (docs/record.md)."""
    salt = signal.get("salt")
    if _CUT in (signal["text"], salt):
        sheet.skip(f"the digest of {m}, whose words were cut out")
        return
    digest = digest_of(signal["text"].encode())
    if salt is not None:
        digest = digest_of(bytes.fromhex(salt) + digest.encode())
    sheet.same(f"the digest of {m}", signal["digest"], digest)


def units(case: Case, sheet: Sheet) -> None:
    """Units lie within the signals and where the arrays have them, and claims within the times of their units."""
    seen = case.result["observation"]
    times: dict[tuple[str, int], Any] = {}
    extents = {m: _extents(case, m) for m in ("vision", "audio")}
    for entry in case.result["ranking"]:
        m, unit, index = entry["modality"], entry["unit"], entry["index"]
        signal, where = seen[m], f"unit {index} of {m}"
        sheet.holds(bool(signal.get("present")), f"the ranking has units of {m}, which was absent")
        first, last = unit["time"]
        times[m, index] = unit["time"]
        sheet.holds(first <= last, f"{where} ends before it begins")
        if signal.get("duration") and not signal.get("clock"):
            sheet.holds(first >= -1e-6 and last <= signal["duration"] + 1e-2, f"{where} lies beyond the signal")
        extent = extents.get(m, {}).get(index)
        if unit.get("box") is not None:
            _box(unit, signal, extent, where, sheet)
        if unit.get("band") is not None:
            _band(unit, signal, extent, where, sheet)
        if unit.get("span") is not None and isinstance(signal.get("text"), str) and _CUT not in signal["text"]:
            start, end = unit["span"]
            sheet.same(f"the words of {where}", unit["text"], signal["text"][start:end])
    for claim in case.result["claims"]:
        spans = [times[claim["modality"], u] for u in claim["units"]]
        span = [min(a for a, _ in spans), max(b for _, b in spans)]
        sheet.close(f"{claim['id']}.time", claim["time"], span, EXACT)


def _extents(case: Case, m: str) -> Mapping[int, tuple[int, ...]]:
    """By unit what the array of units says: frame, first and last place down and across; the array's size last."""
    import numpy as np

    labels = case.arrays.get(f"{m}.units")
    if labels is None or labels.ndim not in (2, 3) or labels.size > 1 << 26:
        return {}
    grid = np.asarray(labels, np.int64).reshape(-1, *labels.shape[-2:])
    count = len(case.values.get(m, ()))
    inside = (grid >= 0) & (grid < count)
    frame, down, across = np.nonzero(inside)
    unit = grid[inside]
    low, high = np.full((3, count), 1 << 30), np.full((3, count), -1)
    for axis, at in enumerate((frame, down, across)):
        np.minimum.at(low[axis], unit, at)
        np.maximum.at(high[axis], unit, at)
    ends = np.concatenate((low, high)).T.tolist()
    return {u: (*map(int, each), *grid.shape[1:]) for u, each in enumerate(ends) if each[3] >= 0}


def _box(unit: Any, signal: Any, extent: tuple[int, ...] | None, where: str, sheet: Sheet) -> None:
    left, top, right, bottom = unit["box"]
    width, height = signal["sizes"][unit["frame"]]
    so = unit["frame"] >= 0 and -1 <= left < right <= width + 1 and -1 <= top < bottom <= height + 1
    sheet.holds(so, f"the box of {where} lies beyond its frame")
    if extent is not None:
        first, y0, x0, last, y1, x1, down, across = extent
        so = first == last == unit["frame"]
        sheet.holds(so, f"{where} is of frame {unit['frame']} in the ranking, of another in vision.units")
        own = [x0 * width / across, y0 * height / down, (x1 + 1) * width / across, (y1 + 1) * height / down]
        sheet.close(f"the box of {where}", unit["box"], [float(v) for v in own], SINGLE)


def _band(unit: Any, signal: Any, extent: tuple[int, ...] | None, where: str, sheet: Sheet) -> None:
    low, high = unit["band"]
    half = signal["rate"] / 2
    sheet.holds(-1e-6 <= low < high <= half + 1, f"the band of {where} is none of the sound's")
    if extent is not None and signal["rate"]:
        _, y0, _, _, y1, _, rows, _ = extent
        step = half / max(rows - 1, 1)
        # Rows of the spectrum lie evenly from 0 to half the rate; a band holds its rows and ends before the next.
        so = low <= y0 * step + 1e-3 and y1 * step <= high + 1e-3
        near = low > (y0 - 1) * step - 1e-3 and high < (y1 + 1) * step + 1e-3
        sheet.holds(so and near, f"the band of {where} is not where audio.units has it")
