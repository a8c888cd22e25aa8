"""The timeline: what each sense said when, on one clock, in nats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..modalities.clock import Clock
from ..modalities.contract import Prepared, System
from ..modalities.evidence import EvidenceUnit, Segmentation
from ..modalities.wording import listed, number, seconds
from .lanes import Lane, Mark, Span, Timeline, overlap

__all__ = ["timeline"]

UNLIKE = 0.05
"""Seconds by which streams may begin or end apart before a note says so."""

REGULAR = 0.01
"""Share by which gaps between samples may differ while there still is a rate."""


@dataclass(frozen=True)
class _Stream:
    """A sense before its lane is stretched; ``span`` is None where it has no time of its own."""

    sense: str
    span: Span | None
    samples: int
    rate: float | None
    clock: Clock | None
    marks: tuple[Mark, ...]
    words: bool = False
    once: bool = False


def timeline(
    system: System,
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
    values: Mapping[str, Float[np.ndarray, " units"]],
    spans: Mapping[str, Sequence[Span]] | None = None,
) -> Timeline:
    """Lay the contributions of all senses out on one clock.

    Frames are marks, and so are columns of sound (the sum over all bands) and words. Written text has no time of its
    own: its lane is as long as the whole, with its words laid out evenly. A sense sampled once stands for the whole.

    Args:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units, already on the observation's clock (`modalities.timed.place`).
        values: contribution of each unit by sense, nats.
        spans: where words were spoken: for a sense, the first and last second of each of its units.

    Raises:
        InputError: values or spans that do not fit the units, units that are not on the observation's clock, or senses
            that do not overlap in time.
    """
    streams = []
    for m in (m for m in system.modalities if m in prepared):
        if m not in segmentations or m not in values:
            raise InputError(f"timeline: {m} has no {'units' if m not in segmentations else 'values'}; give them")
        each = _checked(m, segmentations[m], values[m])
        spoken = None if spans is None or m not in spans else _check_spans(m, segmentations[m], spans[m])
        streams.append(_stream(m, prepared[m], segmentations[m], each, spoken))
    if not streams:
        raise InputError("timeline: no sense; give at least one prepared signal")
    common, whole, lasting = _extents(streams)
    lanes = tuple(_lane(stream, whole, bool(lasting)) for stream in streams)
    once = [
        f"{s.sense} was sampled once, at {_at(s.span[0])}; it stands for the whole time ({seconds(*whole)})"
        for s in streams
        if s.span and s.once and lasting
    ]
    notes = (*once, *_unlike(lasting), *_unsure(streams, lanes, common))
    start, end = min(lane.start for lane in lanes), max(lane.end for lane in lanes)
    return Timeline(lanes, start, end, common, notes)


def _extents(streams: Sequence[_Stream]) -> tuple[Span, Span, dict[str, Span]]:
    """Return what all streams share, what any covers, and the spans of those sampled more than once."""
    own = {s.sense: s.span for s in streams if s.span and not s.words}
    common = overlap(own)
    lasting = {s.sense: s.span for s in streams if s.span and not (s.words or s.once)}
    whole = _union(lasting or own, common)
    # Words are no stream, but they must lie where there is one, and a text must not come in when all is over.
    spoken = {s.sense: s.span for s in streams if s.span and s.words}
    late = {s.sense: (at, at) for s in streams if s.clock and not s.span and (at := s.clock(0.0)) > whole[1]}
    if own:
        for sense, span in (spoken | late).items():
            overlap({sense: span, listed(list(own)): whole})
    return common, _union({**(lasting or own), **spoken}, common), lasting


def _union(spans: Mapping[str, Span], otherwise: Span) -> Span:
    return (min(a for a, _ in spans.values()), max(b for _, b in spans.values())) if spans else otherwise


def _checked(sense: str, segmentation: Segmentation, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, " units"]:
    each = np.asarray(values, np.float64)
    if each.shape != (len(segmentation),):
        raise InputError(f"timeline: {sense} has {len(segmentation)} units and values of shape {each.shape}; one each")
    if not np.isfinite(each).all():
        raise InputError(f"timeline: {sense}: the value of unit {int(np.argmin(np.isfinite(each)))} is not finite")
    return each


def _check_spans(sense: str, segmentation: Segmentation, spans: Sequence[Span]) -> tuple[Span, ...]:
    if len(spans) != len(segmentation):
        raise InputError(f"timeline: {sense} has {len(segmentation)} words and {len(spans)} spans; give one for each")
    for i, (a, b) in enumerate(spans):
        if not (math.isfinite(a) and math.isfinite(b) and a <= b):
            raise InputError(f"timeline: {sense}: word {i} is said to span {a} to {b} s; give first and last second")
        if i and a < spans[i - 1][0]:
            raise InputError(f"timeline: {sense}: word {i} begins at {a} s, before word {i - 1} ({spans[i - 1][0]} s)")
    return tuple((float(a), float(b)) for a, b in spans)


def _stream(
    sense: str,
    prepared: Prepared,
    segmentation: Segmentation,
    values: Float[np.ndarray, " units"],
    spoken: tuple[Span, ...] | None,
) -> _Stream:
    units, clock = segmentation.units, prepared.clock
    if spoken is not None or prepared.duration == 0:
        if spoken is None and any(unit.span is None for unit in units):  # a table: all of it holds throughout
            every = Mark(0.0, 0.0, math.fsum(values), tuple(range(len(units))))
            return _Stream(sense, None, 1, None, clock, (every,))
        places = spoken or ((0.0, 0.0),) * len(units)
        marks = tuple(Mark(*places[i], float(values[i]), (i,), unit.text) for i, unit in enumerate(units))
        span = (places[0][0], max(b for _, b in places)) if spoken else None
        return _Stream(sense, span, len(units), None, clock, marks, words=True)
    groups: dict[Any, list[EvidenceUnit]] = {}
    for unit in units:
        groups.setdefault(unit.time if unit.frame is None else unit.frame, []).append(unit)
    marks = tuple(
        Mark(
            *group[0].time,
            math.fsum(values[unit.index] for unit in group),
            tuple(unit.index for unit in group),
            None if group[0].frame is None else f"frame {group[0].frame + 1}",
        )
        for group in sorted(groups.values(), key=lambda group: group[0].time)
    )
    to_common = clock or Clock.affine()
    span = (to_common(0.0), to_common(float(prepared.duration)))
    framed = any(unit.frame is not None for unit in units)
    if (framed or "rate" in prepared.detail) and marks and abs(marks[0].start - span[0]) > 1e-6:
        raise InputError(
            f"timeline: {sense} begins at {span[0]:g} s and its first unit at {marks[0].start:g} s; put its units on "
            "the observation's clock, once (modalities.timed.place)"
        )
    samples = len(marks) if framed or "rate" not in prepared.detail else len(prepared.raw)
    rate = _rate(marks) if framed else prepared.detail.get("rate")
    if not framed and rate is not None:
        rate = rate / (1 + to_common.drift)
    return _Stream(sense, span, samples, rate, clock, marks, once=framed and samples == 1)


def _rate(marks: Sequence[Mark]) -> float | None:
    gaps = [b.start - a.start for a, b in pairwise(marks)]
    if not gaps or max(gaps) > (1 + REGULAR) * min(gaps):
        return None
    return len(gaps) / math.fsum(gaps)


def _lane(stream: _Stream, whole: Span, stretch: bool) -> Lane:
    clock, marks = stream.clock, stream.marks
    start, end = stream.span or whole
    worst = 0.0 if clock is None else max(clock.uncertainty_at(clock.inverse(t)) for t in (start, end))
    if stream.span is None:
        start = start if clock is None else max(start, clock(0.0))
        end = max(start, end)
        edges = np.linspace(start, end, max(len(marks), 1) + 1).tolist()
        marks = tuple(replace(mark, start=edges[i], end=edges[i + 1]) for i, mark in enumerate(marks))
    elif stream.once and stretch:
        start, end = whole
        marks = tuple(replace(mark, start=start, end=end) for mark in marks)
    return Lane(
        sense=stream.sense,
        start=start,
        end=end,
        samples=stream.samples,
        rate=stream.rate,
        uncertainty=worst if math.isfinite(worst) else None,
        drift=0.0 if clock is None else None if clock.stamped else clock.drift,
        marks=marks,
        timeless=stream.span is None,
    )


def _unlike(spans: Mapping[str, Span]) -> list[str]:
    """Tell of streams that begin later or end earlier than another."""
    notes = []
    for sense, (start, end) in spans.items():
        first, last = min(spans, key=lambda m: spans[m][0]), max(spans, key=lambda m: spans[m][1])
        if start - spans[first][0] > UNLIKE:
            notes.append(f"{sense} begins {_at(start - spans[first][0])} after {first}")
        if spans[last][1] - end > UNLIKE:
            notes.append(f"{sense} ends {_at(spans[last][1] - end)} before {last}")
    return notes


def _unsure(streams: Sequence[_Stream], lanes: Sequence[Lane], common: Span) -> list[str]:
    """Tell of alignments of unknown or large uncertainty, and of senses without a time of their own."""
    unknown = [lane.sense for lane in lanes if lane.uncertainty is None]
    notes = [f"how well the clock of {sense} is aligned is not known" for sense in unknown]
    known = [lane.uncertainty or 0.0 for lane in lanes if not lane.timeless]
    shared = common[1] - common[0]
    if len(known) > 1 and shared < max(known):
        told = f"less than the {_at(max(known))} by which their alignment errs (one standard deviation)"
        notes.append(f"the senses share {_at(shared)}, {told}")
    for stream in streams:
        if stream.span is None:
            told = "its words stand in their order, evenly" if stream.words else "it holds throughout"
            notes.append(f"{stream.sense} has no time of its own; {told}")
    return notes


def _at(value: float) -> str:
    return f"{number(value, 3).rstrip('0').rstrip('.')} s"
