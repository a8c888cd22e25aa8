"""Lanes: one sense each on the common clock, and the marks on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError
from ..modalities.wording import listed, seconds

__all__ = ["Lane", "Mark", "Span", "Timeline", "overlap"]

Span = tuple[float, float]
"""First and last second on the common clock."""


@dataclass(frozen=True)
class Mark:
    """A stretch of one lane: a frame, a column of sound, a word.

    Attributes:
        start: first second on the common clock.
        end: last second.
        value: sum of the contributions of its units, nats.
        units: their indices in the sense's segmentation.
        label: ``"frame 2"``, the word, or None.
    """

    start: float
    end: float
    value: float
    units: tuple[int, ...]
    label: str | None = None


@dataclass(frozen=True)
class Lane:
    """One sense on the common clock.

    Attributes:
        sense: its name.
        start: first second that it covers.
        end: last second.
        samples: frames, samples of sound, words.
        rate: samples a second of the common clock; None where they are irregular, or fewer than two, or words.
        uncertainty: standard deviation of its alignment at its worse end, seconds; None where it is not known.
        drift: by how much the common clock runs on more than the sense's, as a share; None where the samples have
            timestamps of their own.
        marks: in the order of time; their values sum to the sense's share.
        timeless: whether the sense has no time of its own (written text): it holds throughout, and where its marks lie
            says only in which order they come.
    """

    sense: str
    start: float
    end: float
    samples: int
    rate: float | None
    uncertainty: float | None
    drift: float | None
    marks: tuple[Mark, ...]
    timeless: bool = False

    @property
    def share(self) -> float:
        """Sum of the marks, nats."""
        return math.fsum(mark.value for mark in self.marks)


@dataclass(frozen=True)
class Timeline:
    """The lanes of all senses on one clock.

    Attributes:
        lanes: in the order of the system's senses.
        start: first second that any lane covers.
        end: last second; the same as the first where no sense has a time.
        common: the span that all lanes with a time of their own share.
        notes: what the user must be told (streams of different length, an alignment of unknown uncertainty ...).
    """

    lanes: tuple[Lane, ...]
    start: float
    end: float
    common: Span
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return _plain(asdict(self))


def overlap(lanes: Sequence[Lane] | Mapping[str, Span]) -> Span:
    """Return the span that all lanes share; those without a time of their own are left out, and (0, 0) if all are.

    Args:
        lanes: lanes, or first and last second by sense.

    Raises:
        InputError: there is no such span; the message tells each.
    """
    if not isinstance(lanes, Mapping):
        lanes = {lane.sense: (lane.start, lane.end) for lane in lanes if not lane.timeless}
    if not lanes:
        return 0.0, 0.0
    start, end = max(a for a, _ in lanes.values()), min(b for _, b in lanes.values())
    moments = any(a == b for a, b in lanes.values())
    if start > end or (start == end and not moments):
        told = listed([f"{sense} covers {seconds(*span)}" for sense, span in lanes.items()])
        raise InputError(
            f"timeline: no overlap in time: {told}; are all on one clock? Say when each began, or leave one out"
        )
    return start, end


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: _plain(v) for k, v in content.items()}
    return [_plain(v) for v in content] if isinstance(content, (list, tuple)) else content
