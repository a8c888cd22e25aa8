"""Regions in words: where superpixels lie in the frames, in one phrase that a person can read at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InputError
from .evidence import EvidenceUnit
from .placed import PlacedUnit
from .wording import listed, position, seconds, spans

__all__ = ["describe"]

_NINTHS = tuple(f"the {a} {b}".replace("  ", " ") for a in ("upper", "", "lower") for b in ("left", "middle", "right"))
_MOST = 0.5
"""Share of a frame from which on a region is most of it."""
_SECOND = 0.5
"""A second part is worth naming where it holds at least this share of what the first holds."""
_NEARLY_ALL = 0.7
"""The parts named stand for the region where they hold this share of it; below, "and elsewhere" is added."""


def describe(units: Sequence[EvidenceUnit]) -> str:
    """Return where superpixels lie: ``"the middle and lower middle, frames 1–3 (0–3 s)"``.

    At most two of the nine parts of the frame are named, those that hold most of the region's area; the rest is
    "elsewhere". A region that covers half of its frames or more is "most of the frame". Where it lies in one part in
    some frames and in a part far from that in the others, each has a phrase of its own. Units without an extent (read
    from a record) are told in pixels.

    Raises:
        InputError: a unit has no box or no frame.
    """
    parts: dict[int, dict[str, float]] = {}
    times: dict[int, tuple[float, float]] = {}
    covered = 0.0
    for unit in units:
        frame, part, area = _part(unit)
        held = parts.setdefault(frame, {})
        held[part] = held.get(part, 0.0) + area
        times[frame] = unit.time
        covered += unit.area or 0.0 if isinstance(unit, PlacedUnit) else 0.0
    if not units:
        return ""
    if covered >= _MOST * len(parts):
        return f"most of the frame, {_frames(times)}"
    leads = {frame: _ranked(held)[0] for frame, held in parts.items()}
    clear = all(held[leads[frame]] >= _NEARLY_ALL * sum(held.values()) for frame, held in parts.items())
    apart = list(dict.fromkeys(leads[frame] for frame in sorted(leads)))
    if clear and len(apart) == 2 and not _adjacent(*apart):
        return "; ".join(f"{part}, {_frames({f: times[f] for f in times if leads[f] == part})}" for part in apart)
    whole = {part: sum(held.get(part, 0.0) for held in parts.values()) for held in parts.values() for part in held}
    return f"{_named(whole)}, {_frames(times)}"


def _part(unit: EvidenceUnit) -> tuple[int, str, float]:
    """The frame and the part of it that a unit lies in, and its area (of its box, where its own is not known)."""
    if unit.box is None or unit.frame is None:
        raise InputError(f"vision: unit {unit.index} of {unit.modality!r} has no box or frame; show its own units only")
    left, top, right, bottom = unit.box
    area = (right - left) * (bottom - top)
    if not isinstance(unit, PlacedUnit) or unit.extent is None:
        return unit.frame, f"pixels x {left:.0f}–{right:.0f}, y {top:.0f}–{bottom:.0f}", area
    share = area / (unit.extent[0] * unit.extent[1])
    return unit.frame, position(unit.box, unit.extent), share if unit.area is None else unit.area


def _reading_order(part: str) -> tuple[int, str]:
    return (_NINTHS.index(part) if part in _NINTHS else len(_NINTHS), part)


def _ranked(held: Mapping[str, float]) -> list[str]:
    """Parts, the one that holds most first."""
    return sorted(held, key=lambda part: (-round(held[part], 6), _reading_order(part)))


def _named(held: Mapping[str, float]) -> str:
    """The one or two parts that hold most, in reading order, and whether there is more."""
    ranked, total = _ranked(held), sum(held.values())
    first, both = held[ranked[0]], sum(held[part] for part in ranked[:2])
    more = first < _NEARLY_ALL * total and (both >= _NEARLY_ALL * total or both - first >= _SECOND * first)
    chosen = ranked[: 2 if more else 1]
    words = [part if i == 0 else part.removeprefix("the ") for i, part in enumerate(sorted(chosen, key=_reading_order))]
    if sum(held[part] for part in chosen) < _NEARLY_ALL * total:
        words.append("elsewhere")
    return listed(words)


def _adjacent(one: str, other: str) -> bool:
    """Whether two ninths of the frame touch, corners included."""
    if one not in _NINTHS or other not in _NINTHS:
        return False
    rows, columns = zip(*(divmod(_NINTHS.index(part), 3) for part in (one, other)), strict=True)
    return abs(rows[0] - rows[1]) <= 1 and abs(columns[0] - columns[1]) <= 1


def _frames(times: Mapping[int, tuple[float, float]]) -> str:
    """Frames, numbered from 1, and their time: ``"frames 1–2 (0–2 s)"``."""
    runs: list[list[int]] = []
    for frame in sorted(times):
        if runs and frame == runs[-1][-1] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    told = [f"{run[0] + 1}–{run[-1] + 1}" if len(run) > 1 else f"{run[0] + 1}" for run in runs]
    clock = listed([seconds(*span).removesuffix(" s") for span in spans(list(times.values()))]) + " s"
    return f"frame{'s' if len(times) > 1 else ''} {listed(told)} ({clock})"
