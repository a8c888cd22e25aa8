"""Infidelity: how far a map is from predicting what random perturbations do to the score.

Source: Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, definition 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from .correlation import draw_subsets
from .removal import Removal, Score, checked_map, name_of, scores_of
from .result import Result

__all__ = ["Infidelity", "InfidelitySettings", "Perturb", "gaussian", "infidelity", "infidelity_by"]

Perturb = Callable[[Tensor, torch.Generator], Tensor]
"""From rows that are all the input, and a generator, to perturbations I of their shape; the edited input is x - I."""


@dataclass(frozen=True)
class Infidelity(Result):
    """Infidelity, and what it rests on.

    Attributes:
        scale: the factor that the map was multiplied by; 1 unless the optimal one was asked for.
        share: infidelity over the mean square of the score's changes: 0 for a map that predicts them, 1 for one that
            predicts nothing (with the optimal scale it cannot be worse); None where the score never changes.
        predicted: Iᵀ map of each perturbation, before scaling.
        measured: f(x) - f(x - I).
    """

    scale: float | None = field(default=None, kw_only=True)
    share: float | None = field(default=None, kw_only=True)
    predicted: Float[np.ndarray, " samples"] = field(default_factory=lambda: np.zeros(0), kw_only=True)
    measured: Float[np.ndarray, " samples"] = field(default_factory=lambda: np.zeros(0), kw_only=True)


@dataclass(frozen=True)
class InfidelitySettings:
    """How infidelity is measured.

    Attributes:
        samples: perturbations.
        scaled: multiply the map by the factor that makes infidelity least (section 2.2 of the paper), so that maps of
            any unit can be compared.
        share: share of elements that is removed, where elements are removed.
        seed: of the perturbations.
        chunk: perturbed inputs scored at once.

    Raises:
        InputError: no samples, or a share that is not between 0 and 1.
    """

    samples: int = 100
    scaled: bool = True
    share: float = 0.2
    seed: int = 0
    chunk: int = 32

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 < self.share < 1:
            raise InputError(f"infidelity: {self.samples} samples, share {self.share}; at least 1, and between 0 and 1")


def gaussian(sigma: float) -> Perturb:
    """Return independent Gaussian noise of standard deviation ``sigma`` on every element."""

    def perturb(rows: Tensor, generator: torch.Generator) -> Tensor:
        # Drawn on the CPU, so that a seed gives the same noise on every device.
        return sigma * torch.randn(rows.shape, generator=generator, dtype=rows.dtype).to(rows.device)

    return perturb


def infidelity(
    score: Score,
    x: Float[Tensor, "1 ..."],
    attribution: Float[Tensor, "1 ..."],
    perturb: Perturb,
    settings: InfidelitySettings | None = None,
    *,
    described: str = "the perturbations given",
) -> Infidelity:
    """Return the mean of (Iᵀ map - (f(x) - f(x - I)))² over random perturbations I; lower is better.

    The map must say what a unit of each input element is worth (a gradient; integrated gradients *not* multiplied by
    input minus baseline); for contributions there is `infidelity_by`.

    Args:
        score: f.
        x: the input, a batch of one.
        attribution: the map, shaped like ``x``.
        perturb: draws the perturbations, such as ``gaussian(0.1)``.
        settings: samples and scaling.
        described: the perturbations in words, for the protocol.

    Raises:
        InputError: a map of another shape, or not finite.
        ContractError: scores that are not one finite number for each row.

    Example:
        >>> w, x = torch.tensor([[2.0, -1.0]]), torch.ones(1, 2)
        >>> round(infidelity(lambda x: x @ w[0], x, w, gaussian(0.1)).value, 6)
        0.0
    """
    s = settings or InfidelitySettings()
    values = torch.from_numpy(checked_map(attribution, tuple(x.shape)))
    generator = torch.Generator().manual_seed(s.seed)
    before = float(scores_of(score, x)[0])
    predicted, after = [], []
    for first in range(0, s.samples, s.chunk):
        rows = x.expand(min(s.chunk, s.samples - first), *x.shape[1:])
        change = perturb(rows, generator)
        predicted.append((change.detach().double().cpu().flatten(1) @ values).numpy())
        after.append(scores_of(score, rows - change))
    return _found(
        np.concatenate(predicted), before - np.concatenate(after), s, f"{name_of(score)}; input elements, {described}"
    )


def infidelity_by(
    removal: Removal, values: Float[np.ndarray, "..."] | Tensor, settings: InfidelitySettings | None = None
) -> Infidelity:
    """Return infidelity of contributions, where perturbations remove random elements; lower is better.

    Iᵀ map is then the sum of the contributions of what is removed: the paper's perturbation "to a baseline" with the
    map in the score's unit.

    Args:
        removal: what the system scores without certain elements.
        values: one contribution for each element.
        settings: samples, share and scaling.

    Raises:
        InputError: not one finite value for each element.
    """
    s = settings or InfidelitySettings()
    each = checked_map(values, removal.shape)
    if len(each) < 2:
        return Infidelity("infidelity", None, _protocol(removal.name, s), reason="fewer than two elements to remove")
    removed = draw_subsets(len(each), s.share, s.samples, s.seed)
    scores = removal(np.concatenate([np.zeros((1, len(each)), bool), removed]))
    size = int(removed[0].sum())
    return _found(removed @ each, scores[0] - scores[1:], s, f"{removal.name}, random {size} of {len(each)} removed")


def _protocol(what: str, settings: InfidelitySettings) -> str:
    scaling = "optimal scaling of the map" if settings.scaled else "the map as it is"
    return f"{what}; {settings.samples} samples, {scaling}"


def _found(
    predicted: Float[np.ndarray, " samples"],
    measured: Float[np.ndarray, " samples"],
    settings: InfidelitySettings,
    what: str,
) -> Infidelity:
    told = _protocol(what, settings)
    scale = 1.0
    if settings.scaled:
        size = float(predicted @ predicted)
        if size == 0:
            why = "the map predicts no effect for any perturbation, so that no scale fits it"
            return Infidelity("infidelity", None, told, reason=why, predicted=predicted, measured=measured)
        scale = float(predicted @ measured) / size
    value = float(np.mean((scale * predicted - measured) ** 2))
    effect = float(np.mean(measured**2))
    share = value / effect if effect else None
    return Infidelity("infidelity", value, told, scale=scale, share=share, predicted=predicted, measured=measured)
