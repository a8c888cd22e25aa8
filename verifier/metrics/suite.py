"""The metrics that need no ground truth, by name, for one attribution of one decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...modalities.attribution import attribute
from .case import Explained, UndefinedError
from .completeness import Completeness, completeness
from .complexity import entropy, sparsity
from .correlation import CorrelationSettings, faithfulness_correlation
from .curves import RISE, XPLIQUE, CurveProtocol, deletion_by, insertion_by, srg_by
from .eraser import comprehensiveness, sufficiency
from .fills import Fill
from .infidelity import InfidelitySettings, infidelity_by
from .result import BETTER, Better, Result
from .road import RoadSettings, road
from .sensitivity import SensitivitySettings, max_sensitivity

__all__ = ["METRICS", "UNIT_STEPS", "Metric", "find_metric"]

UNIT_STEPS = CurveProtocol("by units", steps=32)
"""Thirty-two steps over the evidence units of all senses, or one a unit where there are fewer."""

_MOVED = ("vision", "audio")
"""Senses whose elements have one scale, 0..1 or -1..1, on which a small change has a size."""


@dataclass(frozen=True)
class Metric:
    """A metric by name: which way is better, its unit, what it tells, and how it is measured."""

    name: str
    better: Better
    unit: str
    summary: str
    run: Callable[[Explained], Result]

    def __call__(self, found: Explained) -> Result:
        """Return the figure, or the reason why there is none.

        Raises:
            InputError: the method gives a map that is not finite, or cannot be run on a neighbouring input.
            ContractError: the system does not bear an edited input.
        """
        try:
            result = self.run(found)
        except UndefinedError as why:
            return Result(self.name, None, self.summary, reason=str(why))
        return replace(result, metric=self.name)


def find_metric(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        InputError: no such metric; the message names the nearest.
    """
    if name not in METRICS:
        from difflib import get_close_matches

        near = get_close_matches(name, METRICS, 3, 0.3)
        told = f"near it: {', '.join(near)}" if near else f"there are {', '.join(METRICS)}"
        raise InputError(f"evaluate: no metric {name!r}; {told}")
    return METRICS[name]


def _on_pixels(measure: Callable[..., Result], protocol: CurveProtocol, fill: Fill) -> Callable[[Explained], Result]:
    def run(found: Explained) -> Result:
        values = found.pixel_values()  # first: it tells where there is no picture
        return measure(found.case.picture(fill), values, protocol)

    return run


def _on_units(measure: Callable[..., Result], *settings: Any) -> Callable[[Explained], Result]:
    return lambda found: measure(found.case.chances, found.unit_values(), *settings)


def _road(found: Explained) -> Result:
    case, values = found.case, found.pixel_values()
    settings = RoadSettings(seed=case.seed, chunk=case.chunk)
    return road(case.seeing, case.prepared["vision"].tensor, values, settings)


def _correlation(found: Explained) -> Result:
    return faithfulness_correlation(found.case.effects, found.unit_values(), CorrelationSettings(seed=found.case.seed))


def _infidelity(found: Explained) -> Result:
    return infidelity_by(found.case.effects, found.unit_values(), InfidelitySettings(seed=found.case.seed))


def _infidelity_share(found: Explained) -> Result:
    full = infidelity_by(found.case.effects, found.unit_values(), InfidelitySettings(seed=found.case.seed))
    reason = "" if full.share is not None else full.reason or "no perturbation changes the score"
    told = f"infidelity over the mean square of the effects; {full.protocol}"
    return Result("infidelity-share", full.share, told, reason=reason)


def _max_sensitivity(found: Explained) -> Result:
    case = found.case
    moved = [m for m in case.prepared if m in _MOVED]
    if not moved:
        raise UndefinedError("neither picture nor sound: for other senses a small change has no agreed size")
    sizes = [case.prepared[m].tensor.numel() for m in moved]

    def explain(flat: Tensor) -> np.ndarray:
        near = {
            m: replace(case.prepared[m], tensor=part.reshape(case.prepared[m].tensor.shape))
            for m, part in zip(moved, flat[0].split(sizes), strict=True)
        }
        prepared = {m: near.get(m, p) for m, p in case.prepared.items()}
        again = attribute(case.system, prepared, found.method, case.target, seed=case.seed, diagnosed=False)
        each = [next(iter(views.values())).values.reshape(-1) for views in again.maps.values()]
        return np.concatenate(each).astype(np.float64)

    x = torch.cat([case.prepared[m].tensor.flatten(1) for m in moved], 1)
    result = max_sensitivity(explain, x, SensitivitySettings(seed=case.seed))
    return replace(result, protocol=f"{', '.join(moved)}: {result.protocol}")


def _completeness(found: Explained) -> Completeness:
    facts = found.attribution.facts
    difference = facts.get("difference")
    if difference is None and "score_without_evidence" in facts:
        difference = found.attribution.score - facts["score_without_evidence"]
    if found.attribution.gap is None or difference is None:
        raise UndefinedError("the method promises no sum")
    total = sum(next(iter(views.values())).total() for views in found.attribution.maps.values())
    return completeness(total, float(difference), 0.0)


def _completeness_share(found: Explained) -> Result:
    full = _completeness(found)
    told = f"gap over the difference; {full.protocol}"
    return Result("completeness-share", full.share, told, reason=full.share_reason)


def _entropy(found: Explained) -> Result:
    full = entropy(found.unit_values())
    reason = "" if full.normalised is not None else full.reason or "a single unit"
    return Result("entropy", full.normalised, "over evidence units, as a share of the largest there is", reason=reason)


def _sparsity(found: Explained) -> Result:
    return replace(sparsity(found.unit_values()), protocol="Gini index over evidence units")


def _table() -> dict[str, Metric]:
    rise, units = "RISE protocol, pixels", "evidence units of all senses"
    rows: list[tuple[str, str, str, Callable[[Explained], Result]]] = [
        ("deletion", "probability", rise, _on_pixels(deletion_by, RISE, RISE.deleted)),
        ("insertion", "probability", rise, _on_pixels(insertion_by, RISE, RISE.inserted)),
        ("srg", "probability", rise, _on_pixels(srg_by, RISE, RISE.deleted)),
        ("deletion-xplique", "probability", "xplique protocol, pixels", _on_pixels(deletion_by, XPLIQUE, "zero")),
        ("insertion-xplique", "probability", "xplique protocol, pixels", _on_pixels(insertion_by, XPLIQUE, "zero")),
        ("road", "probability", "noisy linear imputation, pixels", _road),
        ("unit-deletion", "probability", units, _on_units(deletion_by, UNIT_STEPS)),
        ("unit-insertion", "probability", units, _on_units(insertion_by, UNIT_STEPS)),
        ("unit-srg", "probability", units, _on_units(srg_by, UNIT_STEPS)),
        ("comprehensiveness", "probability", units, _on_units(comprehensiveness)),
        ("sufficiency", "probability", units, _on_units(sufficiency)),
        ("faithfulness-correlation", "", units, _correlation),
        ("infidelity", "nat²", units, _infidelity),
        ("infidelity-share", "", units, _infidelity_share),
        ("max-sensitivity", "", "neighbours of picture and sound", _max_sensitivity),
        ("completeness-gap", "nat", "contributions of all senses", _completeness),
        ("completeness-share", "", "contributions of all senses", _completeness_share),
        ("entropy", "", units, _entropy),
        ("sparsity", "", units, _sparsity),
    ]
    return {name: Metric(name, _better(name), unit, summary, run) for name, unit, summary, run in rows}


def _better(name: str) -> Better:
    if name in ("infidelity-share", "completeness-share"):
        return "down"
    return BETTER[name.removeprefix("unit-").removesuffix("-xplique")]


METRICS: dict[str, Metric] = _table()
"""Every metric that needs no ground truth, by its name."""
