"""Matches across senses: which thing heard, seen or read is about the same as another, and whether chance would do.

A score is the cosine of two places in a semantic space. Its null distribution shuffles the content of one side at a
time: the same confidence laid on other classes of a like kind (`space.Place.others`), or, where a bank is given, the
places of other observations. p = (1 + #{null >= score}) / (K + 1), K being all other contents and no sample of them,
and of both sides the larger p counts: a match must be owed to what was seen *and* to what was heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ..errors import InputError
from ..modalities.contract import Modality, Prepared
from ..modalities.evidence import EvidenceUnit, Segmentation
from ..modalities.wording import number, seconds
from .space import KINDS, RATE, Place, SemanticSpace, nothing_in

__all__ = ["Grounded", "Match", "Others", "Thing", "compare", "ground", "holm", "match"]

Others = Mapping[str, Float[np.ndarray, "others width"]]
"""Unit vectors of other observations by sense, to shuffle pairs with."""

MARGIN = 0.15
"""Width added to a crop on each side, as a share of the crop; as `concepts.naming` has it."""
SHORTEST = 0.975
"""Least seconds of sound that are listened to: one window of YAMNet."""
SURE = {"vision": 0.4, "audio": 0.3}
"""Least probability for a name; below, a thing is "something". As `concepts.naming` has it."""

_VERB = {"vision": "seen at", "audio": "heard at"}


@dataclass(frozen=True)
class Thing:
    """A group of evidence units of one sense, and its place in the space.

    Attributes:
        modality: name of the sense.
        units: indices of the units.
        where: where they lie, in words.
        place: where the space puts them; None where there is nothing to ground.
        missing: why there is nothing, in words; empty where there is a place.
    """

    modality: str
    units: tuple[int, ...]
    where: str
    place: Place | None
    missing: str = ""

    @property
    def name(self) -> str:
        """The likeliest name where it is sure, else ``"something"``; words are their own name."""
        if self.modality == "text":
            return self.where
        best = self.place.names[0] if self.place is not None and self.place.names else ("", 0.0)
        return best[0][:1].lower() + best[0][1:] if best[1] >= SURE[self.modality] else "something"

    def __str__(self) -> str:
        """Return what and where: ``"mountain bike seen at the right, frame 2 (1–2 s)"``."""
        return (
            f"the words {self.where}" if self.modality == "text" else f"{self.name} {_VERB[self.modality]} {self.where}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; vectors are left out."""
        names = [] if self.place is None else [{"name": n, "probability": p} for n, p in self.place.names]
        told = {"modality": self.modality, "units": list(self.units), "where": self.where, "said": str(self)}
        return {**told, "names": names, **({"missing": self.missing} if self.missing else {})}


@dataclass(frozen=True)
class Grounded:
    """The things of one observation in a semantic space."""

    things: tuple[Thing, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be grounded, one sentence each."""
        return tuple(f"nothing to ground in {t.modality} at {t.where}: {t.missing}" for t in self.things if t.missing)

    def vectors(self, modality: str) -> Float[np.ndarray, "things width"]:
        """Return the unit vectors of one sense's things, for the bank of another observation.

        Raises:
            InputError: the sense has none.
        """
        found = [t.place.vector for t in self.things if t.modality == modality and t.place is not None]
        if not found:
            raise InputError(f"matches: nothing is grounded in {modality!r}; there is nothing to take vectors of")
        return np.stack(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"things": [t.to_dict() for t in self.things], "notes": list(self.notes)}


@dataclass(frozen=True)
class Match:
    """Two things of different senses, and how far they are about the same.

    Attributes:
        a: one thing.
        b: the other.
        score: cosine of their places, -1..1.
        p: chance of a score so high were the content of either side another; see the module.
        adjusted: p over all pairs of the observation (Holm).
        confirmed: whether ``adjusted`` is at most the level asked for.
    """

    a: Thing
    b: Thing
    score: float
    p: float
    adjusted: float
    confirmed: bool

    def __str__(self) -> str:
        """Return the match in words, with its score and p."""
        verdict = "" if self.confirmed else ", not confirmed"
        return f"{self.a} ↔ {self.b} (cosine {number(self.score)}, p {self.adjusted:.2g}{verdict})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        figures = {"score": self.score, "p": self.p, "adjusted": self.adjusted, "confirmed": self.confirmed}
        return {"a": self.a.to_dict(), "b": self.b.to_dict(), **figures, "said": str(self)}


def ground(
    space: SemanticSpace,
    senses: Mapping[str, Modality],
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
    groups: Mapping[str, Sequence[Sequence[int]]],
) -> Grounded:
    """Put groups of evidence units into a semantic space.

    Of units that are seen, the box around them is cut from the frame in which most of them lies; of units that are
    heard, their time from the recording (at least `SHORTEST` seconds, all frequencies); words are read in their order.

    Args:
        space: the space.
        senses: the system's modalities, which say in words where units lie.
        prepared: prepared signals by sense.
        segmentations: their evidence units.
        groups: by sense the groups, each a list of unit indices.

    Returns:
        One thing for each group, in the order given. What says nothing (a silent sound, a crop of few pixels, no units)
        has no place, and `Thing.missing` says why.

    Raises:
        InputError: a sense that has no place in a space, that the observation lacks, or an unknown unit.
    """
    things: list[Thing] = []
    for m, several in groups.items():
        _check(m, several, prepared, segmentations)
        cut = [_cut(prepared[m], segmentations[m], tuple(units)) for units in several]
        missing = [
            (nothing_in(m, signal) or "") if units else "no units" for signal, units in zip(cut, several, strict=True)
        ]
        places = iter(space.places(m, [s for s, no in zip(cut, missing, strict=True) if not no]))
        for units, no in zip(several, missing, strict=True):
            where = _where(senses[m], [segmentations[m].units[u] for u in units])
            things.append(Thing(m, tuple(int(u) for u in units), where, None if no else next(places), no))
    return Grounded(tuple(things))


def _check(
    m: str,
    several: Sequence[Sequence[int]],
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
) -> None:
    if m not in KINDS:
        raise InputError(f"matches: no place for the sense {m!r}; a space has one for {', '.join(KINDS)}")
    if m not in prepared or m not in segmentations:
        raise InputError(f"matches: the observation has no {m!r}; leave its groups out")
    count = len(segmentations[m])
    for units in several:
        for u in units:
            if not 0 <= u < count:
                raise InputError(f"matches: no unit {u} in {m}; it has {count} (0 to {count - 1})")


def _cut(prepared: Prepared, segmentation: Segmentation, units: Sequence[int]) -> Any:
    """The piece of the raw signal that the units hold; an empty one of no units."""
    if prepared.modality == "vision":
        return _crop(prepared, segmentation, units)
    if prepared.modality == "audio":
        return _stretch(prepared, segmentation, units)
    return " ".join(segmentation.units[u].text or "" for u in sorted(units))


def _crop(prepared: Prepared, segmentation: Segmentation, units: Sequence[int]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Cut the box around the units from the frame that holds most of them, as near to a square as the frame allows."""
    if not units:
        return np.zeros((0, 0, 3), np.uint8)
    inside = np.isin(segmentation.labels, list(units))
    frame = int(inside.sum((1, 2)).argmax())
    picture, sides = prepared.raw[frame], inside.shape[1:]
    lines, size = [], 0.0
    for axis in (0, 1):
        at = np.flatnonzero(inside[frame].any(1 - axis)) * picture.shape[axis] / sides[axis]
        first, last = float(at[0]), float(at[-1]) + picture.shape[axis] / sides[axis]
        lines.append((first + last) / 2)
        size = max(size, (1 + 2 * MARGIN) * (last - first))
    pieces = []
    for middle, length in zip(lines, picture.shape, strict=False):
        side = min(round(size), length)
        start = max(0, min(round(middle - side / 2), length - side))
        pieces.append(slice(start, start + side))
    return picture[pieces[0], pieces[1]]


def _stretch(prepared: Prepared, segmentation: Segmentation, units: Sequence[int]) -> Float[np.ndarray, " samples"]:
    """Cut the units' time from the recording, at `RATE`; the time is read off the labels, on the recording's clock."""
    from ..modalities.recordings import read_recording

    if not units:
        return np.zeros(0, np.float32)
    columns = np.flatnonzero(np.isin(segmentation.labels, list(units)).any(0))
    wave, rate = prepared.raw, prepared.detail["rate"]
    step = len(wave) / segmentation.labels.shape[1]
    first, last = columns[0] * step, (columns[-1] + 1) * step
    length = min(round(max(last - first, SHORTEST * rate)), len(wave))
    start = max(0, min(round((first + last - length) / 2), len(wave) - length))
    return read_recording((wave[start : start + length], rate), RATE)[0]


def _where(sense: Modality, units: Sequence[EvidenceUnit]) -> str:
    """Where units lie, in words; of a sound its time alone, for all frequencies are listened to."""
    if not units:
        return "nowhere"
    if sense.name == "audio":
        return seconds(min(u.time[0] for u in units), max(u.time[1] for u in units))
    return sense.show(units)


def compare(a: Place, b: Place, others: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[float, float]:
    """Return the cosine of two places, and its p under shuffled content of either side, the larger of both.

    Args:
        a: one place.
        b: the other.
        others: unit vectors (others, width) that may stand in for ``a`` and for ``b``; by default the places' own.
    """
    score = float(a.vector @ b.vector)
    for_a, for_b = (a.others, b.others) if others is None else others
    tried = ((for_a, b.vector), (for_b, a.vector))
    return score, max((1 + int((rows @ vector >= score).sum())) / (len(rows) + 1) for rows, vector in tried)


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for their number: Holm, Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, least = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = least
    return tuple(adjusted)


def match(grounded: Grounded, alpha: float = 0.05, bank: Others | None = None) -> tuple[Match, ...]:
    """Compare every two things of different senses.

    Args:
        grounded: the things; those without a place are left out.
        alpha: level of the family of all pairs. The least p that a sense can give is 1 / (others + 1), so that many
            pairs leave none that could be confirmed: compare few.
        bank: vectors of other observations by sense, to shuffle pairs with instead of names.

    Returns:
        The matches, the likeliest first.

    Raises:
        InputError: a level outside 0 to 1, or a bank whose vectors are of another width or none.
    """
    if not 0 < alpha < 1:
        raise InputError(f"matches: alpha {alpha}; give a level between 0 and 1")
    placed = [(t, t.place) for t in grounded.things if t.place is not None]
    both = [(a, b) for a, b in combinations(placed, 2) if a[0].modality != b[0].modality]
    pairs = [(a, b) for (a, _), (b, _) in both]
    found = [compare(x, y, (_rows(a, x, bank or {}), _rows(b, y, bank or {}))) for (a, x), (b, y) in both]
    adjusted = holm([p for _, p in found])
    matches = [
        Match(a, b, score, p, own, own <= alpha) for (a, b), (score, p), own in zip(pairs, found, adjusted, strict=True)
    ]
    return tuple(sorted(matches, key=lambda m: (m.p, -m.score)))


def _rows(thing: Thing, place: Place, bank: Others) -> Float[np.ndarray, "rows _"]:
    """What may stand in for a thing."""
    rows = bank.get(thing.modality, place.others)
    if rows.ndim != 2 or rows.shape[1] != len(place.vector) or not len(rows):
        wanted = f"(1 or more, {len(place.vector)})"
        raise InputError(f"matches: a bank of shape {rows.shape} for {thing.modality}; give vectors {wanted}")
    return rows
