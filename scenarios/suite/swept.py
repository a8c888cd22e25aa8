"""The scenes of a scenario without their pixels: as written, and with each combination of the swept values.

What `vary` renders is told here in words alone, for those who ask what stands in a scene and not how it looks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..courier.instructions import CLAUSES
from ..courier.policy import Rule, decide
from .places import track_of
from .schema import ClauseSpec, Scenario, SceneSpec, Seeds, Sweep
from .schema_vary import Values

__all__ = ["SENSES_OF", "causes_of", "place_of", "put", "rule_of", "scenes_of", "values_of"]

SENSES_OF: dict[str, str] = {
    **dict.fromkeys(("animal", "vehicle", "obstacle", "stop-sign"), "vision"),
    **dict.fromkeys(("siren", "bell", "call"), "audio"),
    **dict.fromkeys(("halt", "tame"), "text"),
}
"""By which sense each cause of Courier's policy comes in."""

_SHORT = {"thing": "things", "sound": "sounds", "light": "background.light", "ground": "background.ground"}
_AHEAD = (0.4, 0.6)  # the middle fifth of the frame, as `compose` has it


def causes_of(spec: SceneSpec) -> frozenset[str]:
    """Return the kinds of cause in a scene that a rule of Courier's policy speaks of."""
    seen = {thing.kind for thing in spec.things if thing.kind in SENSES_OF and _counts(thing, spec.seconds)}
    heard = {sound.kind for sound in spec.sounds if sound.kind in SENSES_OF}
    kinds = {c.text: c.kind for written in CLAUSES.values() for clauses in written.values() for c in clauses}
    every = [c if isinstance(c, ClauseSpec) else ClauseSpec(text=c) for c in spec.instruction or ()]
    read = {c.kind or kinds.get(c.text, "talk") for c in every}
    return frozenset(seen | heard | (read & set(SENSES_OF)))


def rule_of(spec: SceneSpec) -> Rule:
    """Return the rule of Courier's policy that applies to a scene."""
    return decide(causes_of(spec))


def _counts(thing: Any, seconds: int) -> bool:
    if thing.counts is not None:
        return thing.counts
    track = track_of(thing, 1.0, seconds)  # its width changes how high it stands, not where
    ahead = any(place.height > 0 and _AHEAD[0] <= place.x <= _AHEAD[1] for place in track)
    return ahead or thing.kind == "stop-sign"


def values_of(values: Values) -> tuple[Any, ...]:
    """Return the values that a swept key takes, in order."""
    if isinstance(values, Sweep):
        return tuple(round(float(step), 12) for step in np.linspace(values.first, values.last, values.steps))
    if isinstance(values, Seeds):
        return tuple(range(values.first, values.first + values.seeds))
    return tuple(values)


def scenes_of(scenario: Scenario) -> Iterator[tuple[Mapping[str, Any], SceneSpec]]:
    """Yield the scene as written, with no values, then each combination of the swept ones with its scene.

    Raises:
        ValueError: a value does not fit, or a path leads nowhere; a scenario that was run has neither.
    """
    if scenario.scene is None:
        return
    yield {}, scenario.scene
    if not scenario.vary:
        return
    each = {path: values_of(values) for path, values in scenario.vary.items()}
    zipped = scenario.combine == "zip"
    for values in zip(*each.values(), strict=True) if zipped else itertools.product(*each.values()):
        plain = scenario.scene.model_dump(by_alias=True, exclude_unset=True, mode="json")
        chosen = dict(zip(each, values, strict=True))
        for path, value in chosen.items():
            put(plain, path, value)
        yield chosen, SceneSpec.model_validate(plain)


def place_of(path: str) -> tuple[str | int, ...]:
    """Return where a swept path leads within a scene: ``thing.0.size`` to things, 0, size."""
    steps = path.split(".")
    if steps[0] == "scene" and len(steps) > 1:
        steps = steps[1:]
    steps = [*_SHORT.get(steps[0], steps[0]).split("."), *steps[1:]]
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def put(scene: dict[str, Any], path: str, value: Any) -> None:
    """Put a value into a scene's plain data, where a swept path leads.

    Raises:
        ValueError: it leads nowhere.
    """
    here: Any = scene
    *steps, last = place_of(path)
    try:
        for step in steps:
            here = here.setdefault(step, {}) if isinstance(here, dict) else here[step]
        here[last] = value
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path!r} leads nowhere in the scene") from error
