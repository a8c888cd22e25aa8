"""The figures of a period: what its report says, before it is put into words or onto a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .drifts import Drifts
from .forbidden import Forbidden
from .rates import Oversight, Rate, Reason
from .reliance import Reliance

__all__ = ["PeriodFigures"]


@dataclass(frozen=True)
class PeriodFigures:
    """What a report on all decisions of a period says.

    Attributes:
        since: first instant, ISO 8601, or None.
        until: first instant after it, or None.
        decisions: how many.
        first: time of the first decision, ISO 8601; empty without one.
        last: of the last one.
        systems: how many decisions each system made, told by name and digest.
        policies: under which policy how many were made.
        verdicts: rate of each verdict.
        causes: why accounts were not supported.
        actions: rate of each action.
        reasons: by action what its decisions rest on.
        oversight: what people did, all together first, then by action.
        acts_elsewhere: operators' acts about decisions that are not of the period.
        labels: by label its values.
        drift: the later half against the earlier.
        reliance: by group.
        forbidden: what decisions must not rest on, one for each label asked for.
    """

    since: str | None
    until: str | None
    decisions: int
    first: str
    last: str
    systems: tuple[Rate, ...]
    policies: tuple[Rate, ...]
    verdicts: tuple[Rate, ...]
    causes: tuple[Rate, ...]
    actions: tuple[Rate, ...]
    reasons: Mapping[str, Sequence[Reason]]
    oversight: tuple[Oversight, ...]
    acts_elsewhere: int
    labels: Mapping[str, Sequence[Rate]]
    drift: Drifts
    reliance: Reliance
    forbidden: tuple[Forbidden, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lists = ("systems", "policies", "verdicts", "causes", "actions", "oversight", "forbidden")
        return {
            "format": "veridical.period/1",
            **vars(self),
            **{key: [row.to_dict() for row in getattr(self, key)] for key in lists},
            **{
                key: {k: [r.to_dict() for r in v] for k, v in getattr(self, key).items()}
                for key in ("reasons", "labels")
            },
            "drift": self.drift.to_dict(),
            "reliance": self.reliance.to_dict(),
        }
