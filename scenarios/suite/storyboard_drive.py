"""What happens on a drive: the robot perceives, decides, moves as it decided, and perceives what follows from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from .schema_storyboard import Storyboard
from .storyboard_world import TICK, Cast, Moment, World

__all__ = ["Drive", "Step", "driven"]


@dataclass(frozen=True)
class Step:
    """One decision on the way.

    Attributes:
        time: seconds from the start.
        action: what was done: the system's choice, or what oversight put in its place.
        probabilities: of all actions.
        chosen: the system's choice; None where nothing was put in its place.
        level: oversight's; None where no policy was in the loop.
    """

    time: float
    action: str
    probabilities: Mapping[str, float]
    chosen: str | None = None
    level: str | None = None


@dataclass(frozen=True)
class Drive:
    """A drive from its start to the goal, to a collision, or to its last second.

    Attributes:
        moments: the world from its start on, tick by tick.
        steps: the decisions.
        arrived: second at which the goal was reached; None where it was not.
        frames: what was seen last at each decision.
    """

    moments: tuple[Moment, ...]
    steps: tuple[Step, ...]
    arrived: float | None
    frames: tuple[UInt8[np.ndarray, "size size 3"], ...] = ()


Observe = Callable[[World], Mapping[str, Any]]
"""Gives what is perceived of the world as it is now; its ``vision`` is frames, the newest last."""
Decide = Callable[[Mapping[str, Any], float], Step]
"""Decides on an observation at a second of the drive."""


def driven(board: Storyboard, cast: Sequence[Cast], observe: Observe, decide: Decide) -> Drive:
    """Drive.

    A decision takes effect at once and holds for a step: while the system thinks, the world stands still. The drive
    ends at the goal, or where footprints touch, for what a robot does after a collision says nothing.

    Args:
        board: the storyboard.
        cast: its actors.
        observe: how the world is perceived.
        decide: what decides.

    Raises:
        VeridicalError: it cannot decide.
    """
    world = World(board, cast)
    first = len(world.moments) - 1
    steps: list[Step] = []
    frames: list[np.ndarray] = []
    arrived: float | None = None
    while arrived is None and world.now.time < board.seconds - TICK / 2 and not _touching(world.now):
        observation = observe(world)
        step = decide(observation, world.now.time)
        steps.append(step)
        frames.append(observation["vision"][-1])
        for _ in range(round(board.step / TICK)):
            now = world.tick(float(board.speeds[step.action]), step.action in board.round)
            if now.motion.ahead >= board.must.goal.ahead - 1e-9:
                arrived = now.time
            if arrived is not None or _touching(now) or now.time >= board.seconds - TICK / 2:
                break
    return Drive(tuple(world.moments[first:]), tuple(steps), arrived, tuple(frames))


def _touching(moment: Moment) -> bool:
    return any(one.seen and one.gap <= 0 for one in moment.actors.values())
