"""The variants of a scenario: the scene as written, with values swept, and disturbed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from ...errors import InputError
from ...modalities.images import read_frames
from .compose import Composed, compose
from .load import LoadedScenario
from .load_errors import told
from .perturb import perturb
from .schema import PerturbSpec, Scenario, SceneSpec, Seeds, Sweep
from .schema_base import unknown
from .schema_vary import Values

__all__ = ["BASE", "Variant", "variants"]

BASE = "as written"
"""Name of the first variant."""

_SHORT = {"thing": "things", "sound": "sounds", "light": "background.light", "ground": "background.ground"}


@dataclass(frozen=True)
class Variant:
    """One observation of a scenario.

    Attributes:
        name: what is varied and disturbed, in words; each variant of a scenario has its own.
        observation: signals by sense.
        composed: the scene, undisturbed; None where the scenario is made of files.
        values: what each swept key is here.
        perturbations: what was done to the observation, in this order, each of one strength.
    """

    name: str
    observation: Mapping[str, Any]
    composed: Composed | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    perturbations: tuple[PerturbSpec, ...] = ()


def variants(loaded: LoadedScenario, system: Any = None) -> list[Variant]:
    """Return the variants of a scenario.

    First the scene as written; then, where values are swept, the scene with each combination of them; then each of
    these (or the scene as written) with each perturbation at each of its strengths.

    Args:
        loaded: the scenario.
        system: what ``gradient-patch`` is made against.

    Raises:
        InputError: more variants than the scenario's limit, a path that leads nowhere, a value that does not fit, or a
            signal that cannot be made or read; the message begins with file and line.
    """
    scenario = loaded.scenario
    swept = list(_combinations(loaded))
    disturbed = list(_disturbances(scenario))
    count = 1 + len(swept) + max(len(swept), 1) * len(disturbed)
    if count > scenario.limit:
        told = f"{count} variants, and at most {scenario.limit} are made; vary less, or raise limit"
        raise loaded.error("limit" if "limit" in scenario.model_fields_set else "vary", told)
    base = _base(loaded)
    plain = [_varied(loaded, values) for values in swept]
    others = [_disturbed(loaded, variant, at, specs, system) for variant in plain or [base] for at, specs in disturbed]
    return _told_apart([base, *plain, *others])


def _base(loaded: LoadedScenario) -> Variant:
    scenario = loaded.scenario
    if scenario.scene is not None:
        composed = _composed(loaded, scenario.scene)
        return Variant(BASE, composed.observation, composed)
    seen, made = scenario.observation, {}
    if seen is not None and seen.camera is not None:
        paths = [loaded.file(name, f"observation.camera.{i}") for i, name in enumerate(seen.camera)]
        try:
            made["vision"] = list(read_frames(paths)[0])
        except InputError as error:
            raise loaded.error("observation.camera", str(error)) from error
    if seen is not None and seen.microphone is not None:
        from .perturb_signal import heard

        path = loaded.file(seen.microphone, "observation.microphone")
        try:
            sound = heard(path)
        except InputError as error:
            raise loaded.error("observation.microphone", str(error)) from error
        made["audio"] = (sound.wave[:, 0].astype(np.float32), sound.rate)
    if seen is not None and seen.instruction is not None:
        made["text"] = seen.instruction
    return Variant(BASE, made)


def _composed(loaded: LoadedScenario, spec: SceneSpec, at: str = "") -> Composed:
    """Compose a scene; what is wrong with it is told with file and line."""
    try:
        return compose(spec)
    except InputError as error:
        place, _, what = str(error).partition(": ")
        if place.startswith("scene."):
            raise loaded.error(f"{at}{place}", what) from error
        raise loaded.error(f"{at}scene", str(error)) from error


def _combinations(loaded: LoadedScenario) -> Iterator[dict[str, Any]]:
    """Each combination of the swept values, at most one more than the limit."""
    scenario = loaded.scenario
    if not scenario.vary:
        return
    each = {path: _values(values) for path, values in scenario.vary.items()}
    lengths = sorted({len(values) for values in each.values()})
    if scenario.combine == "zip" and len(lengths) > 1:
        counts = ", ".join(f"{path} {len(values)}" for path, values in each.items())
        raise loaded.error("vary", f"zip pairs the first of each with the first, and they differ in number: {counts}")
    total = lengths[0] if scenario.combine == "zip" else math.prod(map(len, each.values()))
    if total > scenario.limit:
        raise loaded.error("vary", f"{total} combinations, and limit is {scenario.limit}; vary less, or raise limit")
    joined = zip(*each.values(), strict=True) if scenario.combine == "zip" else itertools.product(*each.values())
    for values in joined:
        yield dict(zip(each, values, strict=True))


def _values(values: Values) -> tuple[Any, ...]:
    if isinstance(values, Sweep):
        steps = np.linspace(values.first, values.last, values.steps)
        return tuple(round(float(step), 12) for step in steps)
    if isinstance(values, Seeds):
        return tuple(range(values.first, values.first + values.seeds))
    return tuple(values)


def _varied(loaded: LoadedScenario, values: Mapping[str, Any]) -> Variant:
    """The scene with other values."""
    scene = loaded.scenario.scene
    if scene is None:  # the schema refuses to vary files
        raise loaded.error("vary", "files cannot be varied; give a scene in words, or perturb")
    plain = scene.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for path, value in values.items():
        _put(loaded, plain, path, value)
    name = ", ".join(f"{path} = {_shown(value)}" for path, value in values.items())
    try:
        spec = SceneSpec.model_validate(plain)
    except ValidationError as error:
        _, what = min(told(fault, {}) for fault in error.errors(include_url=False))
        at = next((path for path in values if what.startswith(".".join(_steps(path)))), next(iter(values)))
        raise loaded.error(f"vary.{at}", f"with {name} the scene is none: {what}") from error
    composed = _composed(loaded, spec)
    return Variant(name, composed.observation, composed, dict(values))


def _steps(path: str) -> list[str]:
    """The steps of a dotted path from the scene on: ``thing`` is ``things``, ``light`` is ``background.light``."""
    first, *others = path.removeprefix("scene.").split(".")
    return [*_SHORT.get(first, first).split("."), *others]


def _put(loaded: LoadedScenario, plain: dict[str, Any], path: str, value: Any) -> None:
    """Put a value where a dotted path leads."""
    steps = _steps(path)
    here: Any = plain
    for i, step in enumerate(steps):
        last = i == len(steps) - 1
        if isinstance(here, list):
            if not step.isdecimal() or int(step) >= len(here):
                told = f"{'.'.join(steps[:i])} has {len(here)} items, counted from 0, and no {step!r}"
                raise loaded.error(f"vary.{path}", told)
            key: Any = int(step)
        elif isinstance(here, dict):
            key = step
            if i == 0 and step not in (known := SceneSpec.model_fields):
                raise loaded.error(f"vary.{path}", f"leads nowhere in the scene: {unknown(step, known)}")
        else:
            told = f"{'.'.join(steps[:i])} is a value of its own and has no {step!r}; vary that, or write it out"
            raise loaded.error(f"vary.{path}", told)
        if last:
            here[key] = value
        else:
            here = here.setdefault(key, {}) if isinstance(here, dict) else here[key]


def _disturbances(scenario: Scenario) -> Iterator[tuple[str, tuple[PerturbSpec, ...]]]:
    """What is done together, each of one strength, and where it stands in the file."""
    for i, together in enumerate(scenario.perturb):
        for strengths in itertools.product(*(spec.strength for spec in together)):
            specs = (
                spec.model_copy(update={"strength": (strength,), "sense": spec.senses[0]})
                for spec, strength in zip(together, strengths, strict=True)
            )
            yield f"perturb.{i}", tuple(specs)


def _disturbed(loaded: LoadedScenario, variant: Variant, at: str, specs: Sequence[PerturbSpec], system: Any) -> Variant:
    observation = dict(variant.observation)
    for spec in specs:
        keys = ("frames", "span", "at", "target", "text", "first", "early", "rule")
        more = {key: getattr(spec, key) for key in keys if getattr(spec, key) is not None}
        if spec.scene is not None:
            more["scene"] = _composed(loaded, spec.scene, f"{at}.").observation
        try:
            observation = perturb(
                observation, spec.name, spec.sense, spec.strength[0], spec.seed, system=system, **more
            )
        except InputError as error:
            raise loaded.error(at, str(error).removeprefix("perturb: ")) from error
    done = " and ".join(f"{spec.name} of {spec.sense}, strength {spec.strength[0]:g}" for spec in specs)
    name = done if variant.name == BASE else f"{variant.name}; {done}"
    return Variant(name, observation, variant.composed, variant.values, tuple(specs))


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _told_apart(every: list[Variant]) -> list[Variant]:
    """Number variants of one name, such as those of two seeds of a perturbation."""
    seen: dict[str, int] = {}
    made = []
    for variant in every:
        seen[variant.name] = seen.get(variant.name, 0) + 1
        name = variant.name if seen[variant.name] == 1 else f"{variant.name} ({seen[variant.name]})"
        made.append(variant if name == variant.name else Variant(name, **_rest(variant)))
    return made


def _rest(variant: Variant) -> dict[str, Any]:
    return {key: getattr(variant, key) for key in ("observation", "composed", "values", "perturbations")}
