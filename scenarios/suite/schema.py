"""The format of scenario files, ``veridical.scenario/1``, as models; ``docs/scenarios.md`` tells it in words.

Whoever only collects scenarios imports `load`, which imports this module where a file is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, model_validator

from .schema_base import Line, Many, Model, Slug, refuse, unknown
from .schema_expect import Counterfactual, Expect, PartSpec
from .schema_scene import ClauseSpec, ObservationSpec, SceneSpec
from .schema_storyboard import Storyboard
from .schema_vary import PerturbSpec, Seeds, Sweep, Values

__all__ = [
    "FORMAT",
    "SCHEMA_ID",
    "ClauseSpec",
    "Expect",
    "KnownFailure",
    "ObservationSpec",
    "PartSpec",
    "PerturbSpec",
    "Scenario",
    "SceneSpec",
    "Seeds",
    "Storyboard",
    "Sweep",
    "scenario_schema",
]

FORMAT = "veridical.scenario/1"
"""Name of the format; the number is a file's ``version``."""

SCHEMA_ID = "urn:veridical:scenario:1"
"""Identifier of its JSON Schema."""


class KnownFailure(Model):
    """Why the scenario is known to fail: it stays in and is counted, and does not fail a run."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    """Why the system fails it."""


class Scenario(Model):
    """One scenario: an observation, what is varied and disturbed, and what is expected."""

    scenario: Line
    """Title."""
    version: Annotated[StrictInt, Field(ge=1, le=1)]
    """Version of the format."""
    why: Line
    """Why it matters, in one line."""
    family: Slug
    """What kind of scenario it is; suites are counted by it."""
    tags: Annotated[tuple[Slug, ...], Field(max_length=32)] = ()
    """Further words to select it by."""
    system: Slug = "courier"
    """The system, by its registered name."""
    known_failure: KnownFailure | None = None
    """It is known to fail: it is counted, and a run says so if it passes."""
    scene: SceneSpec | None = None
    """The observation, in words; or ``observation``."""
    observation: ObservationSpec | None = None
    """The observation, in files; or ``scene``."""
    storyboard: Storyboard | None = None
    """The scene as a closed loop."""
    vary: Annotated[Mapping[Annotated[str, Field(min_length=1, max_length=200)], Values], Field(max_length=16)] = {}
    """Dotted paths into the scene, and the values that each takes in turn."""
    combine: Literal["product", "zip"] = "product"
    """Every combination of the swept values, or the first of each, the second of each …"""
    limit: Annotated[StrictInt, Field(ge=1, le=4096)] = 64
    """Variants at most, the scene as written included; more are refused, none is left out in silence."""
    perturb: Annotated[tuple[Annotated[tuple[PerturbSpec, ...], Many()], ...], Field(max_length=64)] = ()
    """Perturbations, each making variants of its own; those in a list of their own disturb together."""
    expect: Expect = Field(default_factory=Expect.model_construct)
    """What must hold; may be left out beside a storyboard, which says so itself."""

    @model_validator(mode="after")
    def _whole(self) -> Scenario:
        if (self.scene is None) == (self.observation is None):
            given = "both are given" if self.scene else "neither is given"
            raise refuse("", f"scene and observation: {given}; give the one or the other")
        if self.storyboard is None and "expect" not in self.model_fields_set:
            raise refuse("", "the key is missing; add 'expect', and say at least which action must be chosen")
        if self.storyboard is not None and self.scene is None:
            raise refuse("storyboard", "there is no scene to drive through; give scene, not observation")
        if self.vary and self.scene is None:
            raise refuse("vary", "files cannot be varied; give a scene in words, or perturb")
        for at, part in _parts(self.expect):
            _check_part(self, at, part)
        _check_comparisons(self)
        return self


def _parts(expect: Expect) -> Iterator[tuple[str, PartSpec]]:
    for key in ("rely_on", "not_rely_on"):
        for i, part in enumerate(getattr(expect, key)):
            yield f"expect.{key}.{i}", part
    for i, one in enumerate(expect.counterfactual):
        yield f"expect.counterfactual.{i}.without", one.without


def _check_part(scenario: Scenario, at: str, part: PartSpec) -> None:
    """Refuse a part that is not in the scene."""
    scene, what = scenario.scene, part.what
    if scene is None:
        if what in ("thing", "sound", "patch") or ".without" in at:
            raise refuse(f"{at}.{what}", "the observation is files, whose parts have no names; give a scene in words")
        read = None if scenario.observation is None else scenario.observation.instruction
    else:
        for key, many in (("thing", scene.things), ("sound", scene.sounds)):
            index = getattr(part, key)
            if index is not None and index >= len(many):
                told = f"the scene has {len(many)}, counted from 0"
                raise refuse(f"{at}.{key}", f"there is no {key} {index}; {told}")
        if what == "patch" and scene.patch is None:
            raise refuse(f"{at}.patch", "the scene has none; give it a patch")
        if scene.instruction is None:
            return
        read = " ".join(c.text if isinstance(c, ClauseSpec) else c for c in scene.instruction)
    varied = any("instruction" in path for path in scenario.vary)
    if part.words is not None and not varied and (read is None or part.words not in read):
        raise refuse(f"{at}.words", f"{part.words!r} does not stand in the instruction; copy it from there")


def _check_comparisons(scenario: Scenario) -> None:
    """Refuse a comparison for which there is nothing to compare."""
    expect = scenario.expect
    compared = expect.on == "variants" or expect.same_as is not None
    if compared and not scenario.vary and not scenario.perturb:
        key = "same_as" if expect.same_as is not None else "on"
        raise refuse(f"expect.{key}", "there are no variants; give vary or perturb")
    for i, one in enumerate(expect.direction):
        if one.when not in scenario.vary:
            raise refuse(f"expect.direction.{i}.when", f"is not varied: {unknown(one.when, scenario.vary)}")
    for i, one in enumerate(expect.counterfactual):
        _alone(scenario, f"expect.counterfactual.{i}", one)


def _alone(scenario: Scenario, at: str, one: Counterfactual) -> None:
    """Refuse to leave out a stretch of words that is no whole sentence of the instruction."""
    words = one.without.words
    if words is None or scenario.scene is None or scenario.scene.instruction is None:
        return
    every = [c.text if isinstance(c, ClauseSpec) else c for c in scenario.scene.instruction]
    if words not in every and not any("instruction" in path for path in scenario.vary):
        raise refuse(f"{at}.without.words", f"{words!r} is no whole item of the instruction; make it one of its list")


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of scenario files, for editors.

    What it cannot say (that a part exists, that a path can be varied) is checked when a file is read.
    """
    schema = _untitled(Scenario.model_json_schema(by_alias=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **schema,
        "title": "Scenario",
        "description": f"A scenario file, {FORMAT}.",
        "anyOf": [{"required": ["expect"]}, {"required": ["storyboard"]}],
    }


def _untitled(node: Any) -> Any:
    """The schema without the titles that repeat each key; an editor shows the descriptions."""
    if isinstance(node, list):
        return [_untitled(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: _untitled(one) for key, one in node.items() if key != "title" or not isinstance(one, str)}
