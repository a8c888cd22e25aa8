"""Exhibits: a concept's prototypes, called back, and where in them the concept is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import label

from ..errors import InputError
from ..modalities.contract import Modality, Observation, Prepared, SplitSystem
from ..modalities.evidence import Segmentation
from ..modalities.held import held
from .bank import ConceptBank, Prototype
from .earn_settings import EarnSettings
from .places import Place, locate
from .project import Projector
from .rows import grid_of

__all__ = ["Exhibit", "Recall", "connected", "exhibits"]

Recall = Callable[[str], Observation | None]
"""Returns an observation by its name; None where it is no longer had."""

_HALF = 0.5
"""Share of the prototype's strength that the places around it must have to belong to it."""
_SAME = (0.5, 2.0)
"""Ratios of the strength found to that noted, beyond which it is not the observation that the bank was fitted on."""
_NO_UNITS = Segmentation(np.zeros(0, np.int64), (), ())


@dataclass(frozen=True)
class Exhibit:
    """One prototype of a concept, called back.

    Attributes:
        concept: index of the concept.
        prepared: the observation's signal of the bank's sense.
        segmentation: its evidence units; none of a picture, where they are not needed.
        strengths: strength of the concept in each row of the features, nats.
        grid: shape of the rows' places.
        rows: the prototype's row and those connected to it in which the concept is at least half as strong.
        place: where these rows lie.
        peak: where the prototype's row lies.
        present: where all rows lie in which the concept is present.
    """

    concept: int
    prepared: Prepared
    segmentation: Segmentation
    strengths: Float[np.ndarray, " rows"]
    grid: tuple[int, ...]
    rows: tuple[int, ...]
    place: Place
    peak: Place
    present: Place


def connected(strengths: Float[np.ndarray, " rows"], grid: Sequence[int], row: int) -> tuple[int, ...]:
    """Return the rows connected to one row, itself included, that are at least half as strong.

    Of several frames only the row's own is looked at; cells are connected by their sides.
    """
    laid = strengths.reshape(tuple(grid))
    at = np.unravel_index(row, laid.shape)
    if laid.ndim == 3:
        frame = int(at[0]) * prod(laid.shape[1:])
        return tuple(frame + r for r in connected(laid[at[0]].ravel(), laid.shape[1:], row - frame))
    parts, _ = cast("tuple[np.ndarray, int]", label(laid >= _HALF * laid[at]))
    return tuple(int(r) for r in np.flatnonzero(parts.ravel() == parts[at]))


def exhibits(bank: ConceptBank, system: SplitSystem, recall: Recall, settings: EarnSettings) -> Iterator[Exhibit]:
    """Call the prototypes back and find the concepts in them, one observation after the other.

    Passed over are observations that are not had any more, cannot be prepared, or are not what the bank was fitted on:
    another grid, or a strength that is not within a factor of 2 of the one noted.

    Raises:
        InputError: the system has no such sense.
        ContractError: the bank was not fitted on these features.
    """
    if bank.sense not in system.modalities:
        raise InputError(f"names: the system has no sense {bank.sense!r}; it has {', '.join(system.modalities)}")
    sense, projector = system.modalities[bank.sense], Projector(bank)
    wanted: dict[str, list[tuple[int, Prototype]]] = {}
    for k, each in enumerate(bank.prototypes):
        for prototype in each[: settings.prototypes]:
            wanted.setdefault(prototype.observation, []).append((k, prototype))
    for name, uses in wanted.items():
        prepared = _prepared(sense, bank.sense, recall, name)
        if prepared is None:
            continue
        with held(system), torch.no_grad():
            features = system.encode(bank.sense, prepared.tensor)
        strengths, grid = projector(features).strengths.numpy(), grid_of(tuple(features.shape))
        units = _NO_UNITS if prepared.modality == "vision" else sense.segment(prepared)
        for k, prototype in uses:
            row = _row(prototype, grid, strengths[:, k])
            if row is not None:
                rows = connected(strengths[:, k], grid, row)
                there = {*rows, *np.flatnonzero(strengths[:, k] >= bank.threshold[k]).tolist()}
                places = [locate(system, sense, prepared, units, grid, r) for r in (rows, (row,), sorted(there))]
                yield Exhibit(k, prepared, units, strengths[:, k], grid, rows, *places)


def _prepared(sense: Modality, key: str, recall: Recall, name: str) -> Prepared | None:
    try:
        observation = recall(name)
        return None if observation is None or key not in observation else sense.prepare(observation[key])
    except InputError:  # what can no longer be read is no longer had
        return None


def _row(prototype: Prototype, grid: tuple[int, ...], strengths: Float[np.ndarray, " rows"]) -> int | None:
    """Return the prototype's row, or None if these are not the features that it was found in."""
    if prototype.grid != grid or not all(0 <= i < n for i, n in zip(prototype.place, grid, strict=True)):
        return None
    row = int(np.ravel_multi_index(prototype.place, grid))
    ratio = strengths[row] / prototype.strength if prototype.strength > 0 else 0.0
    return row if _SAME[0] <= ratio <= _SAME[1] else None
