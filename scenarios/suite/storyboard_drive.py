"""What happened on a drive: every tick of the world, and every decision taken on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .storyboard_world import Moment

__all__ = ["Drive", "Step"]


@dataclass(frozen=True)
class Step:
    """One decision on the way.

    Attributes:
        time: seconds from the start.
        action: what was done: the system's choice, or what oversight put in its place.
        probabilities: of all actions.
    """

    time: float
    action: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Drive:
    """A drive from its start to the goal, or to its last second.

    Attributes:
        moments: the world, tick by tick.
        steps: the decisions.
        arrived: second at which the goal was reached; None where it was not.
    """

    moments: tuple[Moment, ...]
    steps: tuple[Step, ...]
    arrived: float | None
