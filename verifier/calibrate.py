"""Calibrating: how far off a method's predictions are on a system, and what natural inputs look like to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ContractError, InputError
from ..fusion.measure import Laboratory
from ..modalities.contract import Observation, System
from ..modalities.observation import prepare, segment
from .conformal import Calibration, read_calibration, write_calibration
from .ladder import METHODS, LadderSettings, propose_at
from .novelty import Novelty, features_of
from .verify import Reference, VerifySettings, operators_of

__all__ = ["CONSTANT", "Calibrated", "calibrate", "read_reference", "write_reference"]

CONSTANT = 0.5
"""Nats added to a prediction's size to give its scale; set before anything was measured."""

NATURAL = "natural inputs"
"""The method's name in the calibration that holds what natural inputs look like."""


@dataclass(frozen=True)
class Calibrated:
    """What calibrating gave.

    Attributes:
        calibrations: by method.
        novelty: what natural inputs look like; None where there were fewer than four.
        used: observations that gave a claim, by method.
        passed_over: observations that could not be used, with the reason.
    """

    calibrations: Mapping[str, Calibration]
    novelty: Novelty | None
    used: Mapping[str, int]
    passed_over: Sequence[str] = field(default=())

    @property
    def reference(self) -> Reference:
        """What a verification takes."""
        return Reference(dict(self.calibrations), self.novelty)


def calibrate(
    system: System,
    observations: Iterable[Observation],
    rungs: Sequence[str] = ("gradient", "few-steps"),
    origin: Mapping[str, Any] | None = None,
    settings: VerifySettings | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Calibrated:
    """Measure, of each observation, the first claim of each rung's account beside its prediction.

    One claim of each observation, for claims of one observation are not exchangeable with those of another. Decisions
    must be of the kind that will be judged: a bound holds for fresh observations drawn as these were.

    Args:
        system: what is explained.
        observations: natural ones.
        rungs: whose predictions are calibrated (those of measured effects are exact for the edits measured).
        origin: what the observations are; plain JSON, kept with the calibration.
        settings: how claims are gathered and edited.
        progress: called with the number of observations done.

    Raises:
        InputError: no observation could be used.
    """
    settings = settings or VerifySettings()
    pairs: dict[str, list[tuple[float, float]]] = {rung: [] for rung in rungs}
    features: dict[str, list[np.ndarray]] = {}
    passed_over: list[str] = []
    for done, observation in enumerate(observations):
        try:
            laboratory = _laboratory(system, observation)
            for rung in rungs:
                found = _first_claim(laboratory, rung, settings)
                if found is not None:
                    pairs[rung].append(found)
            inputs = {m: p.tensor for m, p in laboratory.prepared.items()}
            for m, x in features_of(system, inputs).items():
                features.setdefault(m, []).append(np.asarray(x))
        except (InputError, ContractError) as error:
            passed_over.append(f"observation {done + 1}: {error}")
        progress(done + 1)
    if not features:
        why = passed_over[0] if passed_over else "there were none"
        raise InputError(f"calibrate: no observation could be used: {why}")
    novelty = _novelty(features)
    digest = getattr(system, "digest", None) or getattr(system, "name", type(system).__name__)
    calibrations = {
        METHODS[rung]: Calibration(
            digest, METHODS[rung], dict(origin or {}), CONSTANT, np.array([p for p, _ in each]),
            np.array([m for _, m in each]),
        )
        for rung, each in pairs.items()
        if each
    }  # fmt: skip
    return Calibrated(calibrations, novelty, {METHODS[r]: len(each) for r, each in pairs.items()}, tuple(passed_over))


def _laboratory(system: System, observation: Observation) -> Laboratory:
    prepared = prepare(system, observation)
    segmentations = segment(system, prepared)
    with torch.no_grad():
        action = int(system({m: p.tensor for m, p in prepared.items()})[0].argmax())
    return Laboratory(system, prepared, segmentations, action)


def _first_claim(laboratory: Laboratory, rung: str, settings: VerifySettings) -> tuple[float, float] | None:
    """Predicted and measured effect of the first claim; None where nothing is claimed."""
    claims = propose_at(rung, laboratory, [], LadderSettings(), settings).account.claims[:1]
    if not claims:
        return None
    edit = {claims[0].modality: claims[0].units}
    effects = [
        float(laboratory.measure([edit], each).effect[0]) for each in operators_of(laboratory, settings.operators)
    ]
    return claims[0].predicted, float(np.mean(effects))


def _novelty(features: Mapping[str, list[np.ndarray]]) -> Novelty | None:
    """Fit what natural inputs look like, of the senses with four inputs or more of one length."""
    usable = {}
    for m, each in features.items():
        steps = min(x.shape[1] for x in each)
        same = [x[:, :steps] for x in each]
        if len(same) >= 4:
            usable[m] = np.concatenate(same)
    return Novelty.fit(usable, components=32) if usable else None


def write_reference(folder: str | Path, calibrated: Calibrated, system: str) -> list[Path]:
    """Write calibrations and novelty into a folder, which is made; files of the same names are replaced.

    Args:
        folder: where.
        calibrated: what calibrating gave.
        system: digest of the system, for what natural inputs look like.

    Raises:
        InputError: it cannot be written there.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"calibration: {place} cannot be made: {error.strerror}; name another place") from error
    names = {method: rung for rung, method in METHODS.items()}
    written = [write_calibration(place / f"{names[m]}.json", c) for m, c in calibrated.calibrations.items()]
    if calibrated.novelty is not None:
        empty = np.zeros(0)
        natural = Calibration(
            system, NATURAL, next(iter(calibrated.calibrations.values())).origin if calibrated.calibrations else {},
            CONSTANT, empty, empty, novelty=calibrated.novelty.arrays(),
        )  # fmt: skip
        written.append(write_calibration(place / "natural.json", natural))
    return written


def read_reference(folder: str | Path, system: str | None = None) -> Reference:
    """Read what `write_reference` wrote.

    Args:
        folder: where.
        system: digest of the system that it must have been made for.

    Raises:
        InputError: no such folder, nothing in it, files that were altered, or made for another system.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"calibration: no folder {place}; make one by `veridical calibrate`")
    found = [read_calibration(path) for path in sorted(place.glob("*.json"))]
    if not found:
        raise InputError(f"calibration: {place} holds no calibration (*.json); make one by `veridical calibrate`")
    calibrations: dict[str, Calibration] = {}
    novelty = None
    for each in found:
        if system is not None:
            each.check(system, each.method)
        if each.method == NATURAL:
            novelty = Novelty.from_arrays(each.novelty)
        else:
            calibrations[each.method] = each
    return Reference(calibrations, novelty)
