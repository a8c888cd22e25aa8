"""The geometry of a report's charts, in per cent of their box, so that text keeps its size on a narrow screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .wording import clean, nats, number, why_of

__all__ = ["Axis", "axis_over", "claim_rows", "control_rows", "ladder_steps", "ticks"]


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low: value at 0 %.
        high: value at 100 %.
        marks: (position in %, label) of each tick.
    """

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Return the position of ``value`` in per cent, rounded to a hundredth."""
        return round(100.0 * (value - self.low) / (self.high - self.low), 2)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten) inside ``low``..``high``."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def axis_over(values: Sequence[float]) -> Axis:
    """Return an axis that holds zero and all ``values`` with a margin."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = (high - low) * 0.06 or 1.0
    low, high = low - room, high + room
    marks = ticks(low, high)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step)))
    bare = Axis(low, high, ())
    return Axis(low, high, tuple((bare.at(value), nats(value, digits)) for value in marks))


def claim_rows(claims: Sequence[Mapping[str, Any]]) -> tuple[Axis, list[dict[str, Any]]]:
    """Return the axis and a row per claim: where its prediction and its measured effects lie."""
    axis = axis_over([v for c in claims for v in (c["predicted"], *(e["effect"] for e in c["effects"]))])
    rows = []
    for claim in claims:
        dots = [
            {"x": axis.at(e["effect"]), "operator": clean(e["operator"]), "effect": nats(e["effect"])}
            for e in claim["effects"]
        ]
        places = [dot["x"] for dot in dots] or [axis.at(0.0)]
        rows.append({"id": claim["id"], "predicted": axis.at(claim["predicted"]), "dots": dots,
                     "low": min(places), "high": max(places)})  # fmt: skip
    return axis, rows


def control_rows(result: Mapping[str, Any]) -> tuple[Axis, list[dict[str, Any]]]:
    """Return the axis and a row per claim: where its control edits and it itself lie, means over the operators."""
    verdict = result["verdict"]
    drawn = {each["claim"]: [c["effect"] for c in each["controls"]] for each in verdict["further_controls"]}
    tests = verdict["tests"]
    if tests:
        each = zip(*([c["effect"] for c in test["controls"]] for test in tests), strict=True)
        drawn[verdict["claim"]] = [sum(effects) / len(effects) for effects in each]
    claims = [claim for claim in result["claims"] if claim["id"] in drawn]
    axis = axis_over([v for c in claims for v in (c["measured"], *drawn[c["id"]])])
    rows = []
    for claim in claims:
        controls, own = drawn[claim["id"]], claim["measured"]
        more = sum(effect < own - 1e-9 for effect in controls)
        rows.append(
            {
                "id": claim["id"],
                "x": axis.at(own),
                "effect": nats(own),
                "more": more,
                "k": len(controls),
                # a fixed spread in height, so that controls of nearly the same effect stay apart
                "controls": [(axis.at(effect), 22 + (i * 37) % 56) for i, effect in enumerate(controls)],
            }
        )
    return axis, rows


def ladder_steps(attempts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a step for each attempt, each higher than the one before: what was tried, and what came of it."""
    steps = []
    for index, attempt in enumerate(attempts):
        spent = attempt["passes"]
        critique = attempt["critique"]
        steps.append(
            {
                "rung": clean(attempt["rung"].replace("-", " ")),
                "method": clean(attempt["method"]),
                "verdict": attempt["verdict"],
                "why": why_of(attempt),
                "critique": clean(critique["sentence"]) if critique else None,
                "passes": attempt["gradients"] + spent["proposing"] + spent["verifying"],
                "seconds": number(sum(attempt["ms"].values()) / 1000, 1),
                "below": len(attempts) - 1 - index,
            }
        )
    return steps
