"""Storyboards for tests: actors without pictures, and what decides by a written rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from veridical.scenarios.suite.schema_storyboard import Storyboard
from veridical.scenarios.suite.storyboard_drive import Drive, Step, driven
from veridical.scenarios.suite.storyboard_world import Cast, World

GOAL = {"goal": {"ahead": 10, "within": 20}}


def board(*actors: Mapping[str, Any], must: Mapping[str, Any] | None = None, **more: Any) -> Storyboard:
    """A storyboard of 20 s to a goal 10 m ahead."""
    return Storyboard.model_validate({"seconds": 20, "actors": list(actors), "must": must or GOAL, **more})


def cast(told: Storyboard, width: float = 0.6) -> tuple[Cast, ...]:
    """Its actors, each with a footprint of one width and neither picture nor voice."""
    return tuple(Cast(actor, None, None, width) for actor in told.actors)


def drive(told: Storyboard, rule: Callable[[World], str]) -> Drive:
    """Drive with a rule about the world; nothing is drawn."""
    worlds: list[World] = []

    def observe(world: World) -> dict[str, Any]:
        worlds.append(world)
        return {"vision": np.zeros((3, 1, 1, 3), np.uint8)}

    def decide(observation: Mapping[str, Any], time: float) -> Step:
        assert worlds[-1].now.time == time
        action = rule(worlds[-1])
        return Step(time, action, {action: 1.0})

    return driven(told, cast(told), observe, decide)


def always(action: str) -> Callable[[World], str]:
    """The rule that always comes to the same."""
    return lambda world: action


def careful(world: World) -> str:
    """Stop for what is seen in the way within 2.5 m, yield to what was heard within three seconds, else go on."""
    recent = world.moments[-60:]
    if any(one.level > -np.inf for moment in recent for one in moment.actors.values()):
        return "YIELD"
    seen = world.now.actors.values()
    return "STOP" if any(one.in_way and -0.1 <= one.before < 2.5 for one in seen) else "PROCEED"
