"""From what a method answers to saliency maps: values on the raw axes of each sense, with names and coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from ..errors import InputError
from .contract import Modality, Prepared
from .engines.task import Answer, Contributions, LayerMap, Sensitivities, Task, UnitValues
from .evidence import Segmentation

__all__ = ["View", "Views", "lay_out", "spread"]

View = tuple[tuple[str, ...], Mapping[str, np.ndarray], np.ndarray]
"""Dims, coordinates, values."""
Views = Mapping[str, View]
"""By name: ``"units"`` has the shape of the segmentation's labels, ``"evidence"`` one value for each evidence unit."""


def lay_out(answer: Answer, task: Task) -> dict[str, dict[str, View]]:
    """Return the views of each sense that the answer speaks of.

    ==================  ==========================================================================================
    answer              views
    ==================  ==========================================================================================
    `Contributions`     those of the sense's ``attribute``; each sums to the sense's share
    `Sensitivities`     those of the sense's ``sensitivity``: lengths of the gradient over colours or features
    `UnitValues`        ``units``: each unit's value spread evenly over its elements; ``evidence``: one value a unit
    `LayerMap`          ``layer``: the layer's own grid; ``pixels`` where it is one grid for each frame (bilinear)
    ==================  ==========================================================================================

    Raises:
        InputError: a sense cannot lay such values out.
    """
    if isinstance(answer, Contributions):
        return {m: _contributions(answer, task.senses[m], p) for m, p in task.prepared.items()}
    if isinstance(answer, Sensitivities):
        return {m: _sensitivities(answer, task.senses[m], task.prepared[m]) for m in answer.values}
    if isinstance(answer, UnitValues):
        return {
            m: _unit_values(values, task.senses[m], task.prepared[m], task.segmentations[m])
            for m, values in answer.values.items()
        }
    if isinstance(answer, LayerMap):
        return _layer(answer, task)
    raise InputError(f"attribute: an answer of type {type(answer).__name__}; one of the four kinds is wanted")


def _contributions(answer: Contributions, sense: Modality, prepared: Prepared) -> dict[str, View]:
    m = prepared.modality
    total: dict[str, View] = {}
    for term in answer.terms:
        views = sense.attribute(replace(prepared, baseline=term.baselines[m]), term.multipliers[m])
        for name, (dims, coords, values) in views.items():
            before = total[name][2] if name in total else 0.0
            total[name] = (dims, coords, before + values / len(answer.terms))
    return total


def _sensitivities(answer: Sensitivities, sense: Modality, prepared: Prepared) -> dict[str, View]:
    view = getattr(sense, "sensitivity", None)
    if view is None:
        raise InputError(
            f"attribute: the sense {sense.name} has no method `sensitivity`, so gradients that are not contributions "
            "cannot be laid out; ask for an additive method, such as integrated-gradients"
        )
    return dict(view(prepared, answer.values[prepared.modality], answer.squared))


def spread(
    values: Float[np.ndarray, " units"], sense: Modality, prepared: Prepared, segmentation: Segmentation
) -> View:
    """Return each unit's value spread evenly over its elements, on the axes of the sense's view ``units``."""
    dims, coords, _ = sense.attribute(prepared, torch.zeros_like(prepared.tensor))["units"]
    labels = segmentation.labels
    sizes = np.bincount(labels[labels >= 0], minlength=len(segmentation)).clip(1)
    each = np.append(values / sizes, 0.0)  # -1, no unit, finds the last
    return dims, coords, each[labels]


def _unit_values(
    values: Float[np.ndarray, " units"], sense: Modality, prepared: Prepared, segmentation: Segmentation
) -> dict[str, View]:
    return {
        "units": spread(values, sense, prepared, segmentation),
        "evidence": (("unit",), {"unit": np.arange(len(segmentation))}, np.asarray(values, np.float64)),
    }


def _layer(answer: LayerMap, task: Task) -> dict[str, dict[str, View]]:
    sense = answer.sense or (next(iter(task.prepared)) if len(task.prepared) == 1 else None)
    if sense is None:
        raise InputError(
            f"attribute: which sense does layer {answer.layer!r} read? Name it, sense=, one of "
            f"{', '.join(task.prepared)}"
        )
    if sense not in task.prepared:
        raise InputError(f"attribute: no sense {sense!r} in the observation; it has {', '.join(task.prepared)}")
    values = np.asarray(answer.values, np.float64)
    grid = {d: np.arange(n) for d, n in zip(answer.dims, values.shape, strict=True)}
    views: dict[str, View] = {}
    prepared = task.prepared[sense]
    whole = task.senses[sense].attribute(prepared, torch.zeros_like(prepared.tensor))
    dims, coords, empty = next(iter(whole.values()))
    if dims == ("frame", "y", "x") and values.ndim == 3 and len(values) == len(empty):
        wide = F.interpolate(torch.from_numpy(values)[None], empty.shape[1:], mode="bilinear", align_corners=False)
        views["pixels"] = (dims, coords, wide[0].numpy())
    views["layer"] = (answer.dims, grid, values)
    return {sense: views}
