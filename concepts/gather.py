"""Gathering: what a bank is fitted on, from a folder of observations: features, and the gradients that weigh them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from ..fusion.tail import Head
from ..modalities.contract import Observation, SplitSystem
from ..modalities.held import held
from ..modalities.observation import prepare
from .rows import grid_of, to_rows

__all__ = ["Gathered", "Rows", "gather"]

_STRENGTHS = (1.0, 0.5)
"""Shares of the features at which gradients are taken: at the whole of a sure decision they are flat."""
_STEEPEST = 20
"""Rows of one observation whose gradients are kept, the steepest."""


@dataclass
class Rows:
    """Rows of one sense from many observations.

    Attributes:
        features: rows of each observation, float16; (rows, channels) each.
        grids: shape of the places of each.
        names: name of each observation.
        outer: sum of the outer products of the gradients of all actions' scores; (channels, channels).
        gradients: how many.
    """

    features: list[np.ndarray] = field(default_factory=list)
    grids: list[tuple[int, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    outer: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    gradients: int = 0

    def add(self, name: str, features: Tensor, gradients: Float[np.ndarray, "count channels"]) -> None:
        """Add one observation."""
        rows = to_rows(features)[0]
        if not len(self.outer):
            self.outer = np.zeros((rows.shape[1], rows.shape[1]))
        self.features.append(rows.half().numpy(force=True))
        self.grids.append(grid_of(tuple(features.shape)))
        self.names.append(name)
        self.outer += gradients.T.astype(np.float64) @ gradients.astype(np.float64)
        self.gradients += len(gradients)


@dataclass(frozen=True)
class Gathered:
    """What was gathered.

    Attributes:
        rows: by sense.
        actions: action decided in each observation, by name.
        system: digest, or name, of the system.
        passed_over: observations that could not be used, and why.
    """

    rows: Mapping[str, Rows]
    actions: Mapping[str, str]
    system: str
    passed_over: tuple[str, ...] = ()


def _jacobian(head: Head, features: Mapping[str, Tensor], sense: str) -> Float[np.ndarray, "count channels"]:
    """Return the steepest rows' gradients of all actions' scores (less their mean) by one sense's features."""
    kept = []
    for strength in _STRENGTHS:
        x = (features[sense] * strength).detach().requires_grad_(True)
        logits = head({**features, sense: x})[0]
        if not logits.isfinite().all():
            continue  # half the features may be an input that the system does not bear
        centred = logits - logits.mean()
        for k in range(len(logits)):
            (gradient,) = torch.autograd.grad(centred[k], x, retain_graph=k < len(logits) - 1)
            rows = to_rows(gradient)[0]
            kept.append(rows[rows.norm(dim=1).topk(min(_STEEPEST, len(rows))).indices])
    if not kept:
        raise ContractError("concepts: the scores are not finite; nothing can be told of their gradients")
    return torch.cat(kept).numpy(force=True)


def gather(
    system: SplitSystem,
    observations: Iterable[tuple[str, Callable[[], Observation] | Observation]],
    progress: Callable[[int], None] = lambda done: None,
) -> Gathered:
    """Encode observations and take the gradients of all actions' scores by their features.

    Args:
        system: a system that can be split.
        observations: name and observation, or what reads it; one that cannot be used is passed over and told.
        progress: called with the number done.

    Raises:
        InputError: the system cannot be split, or no observation can be used.
    """
    head, rows, actions, passed = Head(system), dict[str, Rows](), dict[str, str](), list[str]()
    with held(system) as state:
        for done, (name, given) in enumerate(observations, 1):
            try:
                prepared = prepare(system, given() if callable(given) else given)
                features = head.encode({m: p.tensor for m, p in prepared.items()})
                with torch.no_grad():
                    logits = head(features)[0]
                found = {m: _jacobian(head, features, m) for m in features}
                state.settle()
            except (InputError, ContractError) as error:
                passed.append(f"{name}: {error}")
                progress(done)
                continue
            actions[name] = system.actions[int(logits.argmax())]
            for m, x in features.items():
                rows.setdefault(m, Rows()).add(name, x, found[m])
            progress(done)
    if not rows:
        why = f": {passed[0]}" if passed else ""
        raise InputError(f"concepts: none of {len(passed)} observations can be used{why}")
    name = getattr(system, "digest", None) or getattr(system, "name", type(system).__name__)
    return Gathered(rows, actions, name, tuple(passed))
