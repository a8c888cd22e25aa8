"""Findings: what a check without the model came to, and the sheet on which it is taken down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["EXACT", "SINGLE", "Case", "Finding", "Sheet", "odds"]

EXACT = 1e-9
"""How far figures may part that were derived in doubles: sums in another order."""
SINGLE = 5e-6
"""How far figures may part, relative to their size and one, that passed through single precision (24 bits)."""

_TOLD = 3
_LONG = 60


@dataclass(frozen=True)
class Finding:
    """What came of one check.

    Attributes:
        what: what was checked, in a few words.
        ok: whether nothing was found wrong; true also where nothing could be checked.
        told: what was found, in words.
        skipped: whether nothing of it could be checked.
    """

    what: str
    ok: bool
    told: str
    skipped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Case:
    """What there is to check.

    Attributes:
        result: the explanation, see ``docs/record.md``.
        arrays: its arrays by name; empty where there are none.
        manifest: of the record; None where only the result is at hand.
    """

    result: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = None

    @property
    def action(self) -> str:
        """The action that was decided."""
        return self.result["decision"]["action"]

    @cached_property
    def actions(self) -> list[str]:
        """All actions, in the order of the scores."""
        return list(self.result["system"]["actions"])

    @property
    def score(self) -> float:
        """Decision score, nats."""
        return self.result["decision"]["score"]

    @property
    def steady(self) -> bool:
        """Whether the system could be measured; one that could not need not answer the same twice."""
        return self.result["verdict"].get("cause") != "unmeasurable"

    @property
    def attempts(self) -> Sequence[Mapping[str, Any]]:
        """Attempts in their order; none where the record is of a version that told of none."""
        return self.result["verdict"].get("attempts") or ()

    @property
    def rounding(self) -> float:
        """Nats by which a score may be off: single precision of the largest score."""
        return SINGLE * (1 + max((abs(z) for z in self.result["decision"]["logits"].values()), default=0.0))

    @cached_property
    def values(self) -> Mapping[str, list[float]]:
        """Contribution of each evidence unit by sense, in the order of the units, as the ranking tells them."""
        found: dict[str, dict[int, float]] = {}
        for entry in self.result["ranking"]:
            found.setdefault(entry["modality"], {})[entry["index"]] = entry["contribution"]
        return {m: [by[i] for i in range(len(by))] for m, by in found.items()}

    def exact(self, name: str) -> bool:
        """Whether an array is stored without loss, as far as the manifest says."""
        return self.loss(name) is None

    def loss(self, name: str) -> Mapping[str, Any] | None:
        """What storing an array lost; None where nothing was."""
        entry = ((self.manifest or {}).get("arrays") or {}).get(name) or {}
        return (entry.get("coding") or {}).get("loss")

    @property
    def cut(self) -> bool:
        """Whether words of a person may have been cut out of the texts."""
        return self.manifest is None or bool(self.manifest.get("sealed"))


class Sheet:
    """Takes down what one check compares: faults, what could not be checked, and how much was."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.faults: list[str] = []
        self.skipped: list[str] = []
        self.seen = 0

    def near(self, where: str, recorded: Any, found: float, tolerance: float = EXACT) -> None:
        """Hold a recorded number against what it comes to; the tolerance is relative to its size and one."""
        self.seen += 1
        if not _number(recorded):
            self.faults.append(f"{where} is {_short(recorded)}, not a number")
        elif not abs(recorded - found) <= tolerance * (1 + abs(found)):
            self.faults.append(f"{where} is {recorded:.7g} in the record, it comes to {found:.7g}")

    def same(self, where: str, recorded: Any, found: Any) -> None:
        """Hold a recorded value against what it should be, exactly; true is not 1."""
        self.seen += 1
        if recorded != found or isinstance(recorded, bool) != isinstance(found, bool):
            self.faults.append(f"{where} is {_short(recorded)} in the record, it comes to {_short(found)}")

    def close(self, where: str, recorded: Any, found: Any, tolerance: float = EXACT) -> None:
        """Hold plain values against each other, number by number."""
        if isinstance(found, Mapping) and isinstance(recorded, Mapping):
            self.same(f"names in {where}", sorted(recorded), sorted(found))
            for key in found.keys() & recorded.keys():
                self.close(f"{where}.{key}", recorded[key], found[key], tolerance)
        elif isinstance(found, list | tuple) and isinstance(recorded, list | tuple):
            self.same(f"length of {where}", len(recorded), len(found))
            for index, (one, other) in enumerate(zip(recorded, found, strict=False)):
                self.close(f"{where}[{index}]", one, other, tolerance)
        elif isinstance(found, int | float) and _number(found):
            self.near(where, recorded, found, tolerance)
        else:
            self.same(where, recorded, found)

    def holds(self, so: bool, fault: str) -> None:
        """Note a fault unless something is so."""
        self.seen += 1
        if not so:
            self.faults.append(fault)

    def between(self, where: str, value: Any, low: float = 0.0, high: float = math.inf) -> None:
        """See that a number lies within bounds."""
        so = _number(value) and low <= value <= high
        self.holds(so, f"{where} is {_short(value)}, which does not lie between {low:g} and {high:g}")

    def skip(self, why: str) -> None:
        """Note what cannot be checked."""
        self.skipped.append(why)

    def finding(self, what: str) -> Finding:
        """Return what came of it all."""
        rest = f"; not checked: {_some(self.skipped)}" if self.skipped else ""
        if self.faults:
            return Finding(what, False, _some(self.faults) + rest)
        if not self.seen:
            return Finding(what, True, f"not checked: {_some(self.skipped) or 'the record tells nothing of it'}", True)
        return Finding(what, True, f"{self.seen} comparison{'s' if self.seen > 1 else ''} hold{rest}")


def odds(probabilities: Mapping[str, float], action: str) -> float:
    """Return the log-odds of an action against the rest, nats.

    >>> round(odds({"STOP": 0.5, "SLOW": 0.25, "YIELD": 0.25}, "STOP"), 12)
    0.0
    """
    rest = math.fsum(p for a, p in probabilities.items() if a != action)
    own = probabilities[action]
    if own <= 0 or rest <= 0:
        return math.inf if own > 0 else -math.inf
    return math.log(own) - math.log(rest)


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300


def _short(value: Any) -> str:
    shown = f"{value:.7g}" if isinstance(value, float) else repr(value)
    return shown if len(shown) <= _LONG else f"{shown[: _LONG - 1]}…"


def _some(told: Iterable[str]) -> str:
    every = list(dict.fromkeys(told))
    more = len(every) - _TOLD
    return "; ".join(every[:_TOLD]) + (f"; and {more} more" if more > 0 else "")
