"""One decision and one method, asked again and again: under other weights, other questions, other noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from ..errors import InputError
from ..modalities.attribution import attribute
from ..modalities.contract import Observation, Prepared, System
from ..modalities.engines.methods import find_method
from ..modalities.engines.task import Method
from ..modalities.evidence import Segmentation
from ..modalities.observation import prepare, segment
from ..modalities.scorer import Inputs, Scorer
from ..modalities.target import Target

__all__ = ["Maps", "Subject", "find_subject"]

Maps = Mapping[str, Float[np.ndarray, "..."]]
"""A map by sense."""


@dataclass(frozen=True)
class Subject:
    """One decision and one method.

    Attributes:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units.
        method: the method.
        target: the question; it stays the same whatever a randomised system decides.
        logits: scores of all actions, in their order.
        seed: of what the method draws.
    """

    system: System
    prepared: Mapping[str, Prepared]
    segmentations: Mapping[str, Segmentation]
    method: Method
    target: Target
    logits: tuple[float, ...]
    seed: int = 0

    @property
    def inputs(self) -> Inputs:
        """The prepared tensors by sense."""
        return {m: p.tensor for m, p in self.prepared.items()}

    def maps(self, target: Target | None = None, noise: float = 0.0, seed: int | None = None) -> Maps:
        """Return the method's map of each sense, its most telling view, in float64.

        Args:
            target: another question.
            noise: standard deviation of normal noise on the inputs, as a share of the root mean square of the input's
                elements that are not zero. Zeros stay (padding is made of them), and so do the input's bounds.
            seed: another seed, of the noise and of what the method draws.

        Raises:
            InputError: the method means nothing for this system.
            ContractError: the system breaks the contract.
        """
        used = self.seed if seed is None else seed
        given = self.prepared if noise == 0 else {m: _noisy(p, noise, used) for m, p in self.prepared.items()}
        found = attribute(self.system, given, self.method, target or self.target, seed=used, diagnosed=False)
        return {m: found.map(m).values.astype(np.float64) for m in found.maps}

    def elements(self, maps: Maps) -> dict[str, Float[np.ndarray, " elements"]]:
        """Return the values of each sense in a row, those of padding and special tokens left out."""
        return {m: v[self.segmentations[m].labels >= 0] if self._fits(m, v) else v.ravel() for m, v in maps.items()}

    def densities(self, maps: Maps) -> dict[str, Float[np.ndarray, " units"]]:
        """Return the mean value in each evidence unit, with its sign; senses whose map lies on a grid of its own go."""
        found = {}
        for m, values in maps.items():
            if self._fits(m, values):
                labels = self.segmentations[m].labels
                sizes = np.bincount(labels[labels >= 0], minlength=len(self.segmentations[m]))
                found[m] = self.segmentations[m].total(values) / sizes.clip(1)
        return found

    def _fits(self, sense: str, values: Float[np.ndarray, "..."]) -> bool:
        return values.shape == self.segmentations[sense].labels.shape


def find_subject(
    system: System,
    observation: Observation,
    method: Method | str = "gradient",
    target: Target | None = None,
    seed: int = 0,
) -> Subject:
    """Return the subject: prepared signals, evidence units, and as the question the decision's log-odds, or a target.

    Raises:
        InputError: the observation cannot be used, or there is no such method.
        ContractError: the scores break the contract.
    """
    chosen = find_method(method) if isinstance(method, str) else method
    if not isinstance(chosen, Method):
        raise InputError(f"method: {type(chosen).__name__} is no method; give a name or one of veridical's methods")
    ready = isinstance(observation, Mapping) and observation and isinstance(next(iter(observation.values())), Prepared)
    prepared = dict(observation) if ready else prepare(system, observation)
    with torch.no_grad():
        asked = Scorer(system, Target(0, kind="logit"), "for one observation")
        logits = asked.logits({m: p.tensor for m, p in prepared.items()})[0]
    if target is None:
        target = Target(int(logits.argmax()), kind="log-odds" if len(logits) > 1 else "logit")
    segmentations = segment(system, prepared)
    return Subject(system, prepared, segmentations, chosen, target, tuple(map(float, logits)), seed)


def _noisy(prepared: Prepared, noise: float, seed: int) -> Prepared:
    x = prepared.tensor
    there = x != 0
    if not there.any():
        return prepared
    size = x[there].double().square().mean().sqrt().to(x.dtype)
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32).to(x)
    moved = (x + noise * size * drawn * there).clamp(x.min(), x.max())
    return replace(prepared, tensor=moved)
