"""Courier's decisions on drawn scenes, explained once and kept as records: for `benchmarks.precision`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veridical.agent.conclude import Known
from veridical.agent.explainer import Settings, explain
from veridical.agent.record.files import read_record, write_record
from veridical.errors import InputError
from veridical.modalities.contract import System
from veridical.scenarios.courier.scene import render, sample_scene
from veridical.verifier.ladder import LadderSettings

__all__ = ["KINDS", "Decided", "decided"]

KINDS = ("main", "gradient", "few-steps", "path")
"""``main`` climbs as far as it takes; the others stop at their rung, so that the verdict rests on the recorded maps."""


@dataclass(frozen=True)
class Decided:
    """One explained decision.

    Attributes:
        kind: one of `KINDS`.
        seed: of the scene.
        result: the explanation, as it is read from a record.
        arrays: its arrays by name.
    """

    kind: str
    seed: int
    result: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def _settings(kind: str, seed: int) -> Settings:
    """Of a kind; the salt is fixed, so that the same figures come out again."""
    salt = f"precision {seed}"
    if kind == "main":
        return Settings(fusion=None, salt=salt)
    ladder = LadderSettings(rungs=(kind,))
    return Settings(fusion=None, salt=salt, namer=None, known=Known(settings=None), ladder=ladder)


def decided(
    system: System, kind: str, seeds: range, partition: str, folder: Path, done: Callable[[], None] = lambda: None
) -> Iterator[Decided]:
    """Yield the explained decisions on scenes; what was made before of the same system is read from the folder.

    Args:
        system: Courier.
        kind: one of `KINDS`.
        seeds: of the scenes.
        partition: ``"held-out"`` or ``"train"``.
        folder: where the records are kept; made where it is not there.
        done: called after each.

    Raises:
        InputError: an unknown kind or partition, or stamps or sounds are not installed.
        RecordError: a record in the folder was altered, or none can be written.
    """
    if kind not in KINDS:
        raise InputError(f"precision: no decisions of kind {kind!r}; choose from {', '.join(KINDS)}")
    digest = str(getattr(system, "digest", "none")).removeprefix("sha256:")[:12]
    for seed in seeds:
        place = folder / f"{kind}-{partition}-{seed}-{digest}"
        if not place.is_dir():
            explanation = explain(system, render(sample_scene(seed, partition)), _settings(kind, seed))
            write_record(place, explanation.result, explanation.data)
        yield Decided(kind, seed, *read_record(place))
        done()
