"""A straight line between two points, and the gradient of a function integrated along it, as exactly as is asked for.

Where the function bends in one place only (normalisation bends it where its input is small) a rule of evenly spread
nodes needs many. Here the line is cut where the account does not add up: the function's own values tell the gap of each
piece exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from ..modalities.engines.interception.intercept import EXPANSIONS, SIGMOID, Intercept, rules_for
from ..modalities.engines.interception.recurrent import RECURRENT
from ..modalities.held import held
from ..modalities.path import ROUNDING
from ..modalities.scorer import Inputs, recurrent_backward

__all__ = ["STATE", "FlowSettings", "Line", "dot", "still"]

_BYTES = 2**26  # points evaluated at once take as much at most, beside what the system makes of them
STATE = ""
"""Stands among a step's senses, for the state before it."""

Function = Callable[[Mapping[str, Tensor]], Float[Tensor, " batch"]]


@dataclass(frozen=True)
class FlowSettings:
    """How each step is integrated.

    Attributes:
        nodes: Gauss-Legendre nodes of an interval; the line is cut into two at first, and where it bends, further.
        most: nodes evaluated at most for a step.
        tolerance: gap of a step that is good enough, as a share of what comes into it; one of 1e-4 nats always is.
        gates: rule for products with gates, ``"share"`` or ``"signal"`` (gates are what a sigmoid gives).

    Raises:
        InputError: a number out of range, or an unknown rule.
    """

    nodes: int = 8
    most: int = 192
    tolerance: float = 0.001
    gates: Literal["share", "signal"] = "share"

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.most < 2 * self.nodes or not self.tolerance >= 0:
            raise InputError(f"through time: {self}; nodes is at least 1, most twice that, tolerance at least 0")
        if self.gates not in ("share", "signal"):
            raise InputError(f"through time: gates {self.gates!r}; one of share, signal is wanted")


@dataclass(frozen=True)
class Line:
    """A function along the straight line between two points; batches of one."""

    function: Function
    start: Mapping[str, Tensor]
    stop: Mapping[str, Tensor]
    name: str

    def integrate(
        self, settings: FlowSettings, *, gated: bool = False
    ) -> tuple[dict[str, Tensor], tuple[float, float], int]:
        """Return the integral of the gradient by sense, the values at both ends, and the points evaluated.

        Composite Gauss-Legendre: the function's own values tell the gap of each interval exactly, and those with the
        widest are halved until all gaps together are small enough.

        Raises:
            InputError: gates were to take nothing, and there are none.
            ContractError: values or a gradient are not finite, or no gradient arrives.
        """
        edges, done, spent = dict(zip((0.0, 0.5, 1.0), self.values([0.0, 0.5, 1.0]), strict=True)), {}, 0
        fresh = [(0.0, 0.5), (0.5, 1.0)]
        if not np.isfinite(list(edges.values())).all():
            raise ContractError(f"system: {self.name} gives {edges[0.0]} to {edges[1.0]}; finite numbers are wanted")
        least = max(settings.tolerance * abs(edges[1.0] - edges[0.0]), ROUNDING)
        while fresh:
            size = self.together(settings.nodes)
            for group in (fresh[i : i + size] for i in range(0, len(fresh), size)):
                parts, values = self.gradients(group, settings.nodes)
                done |= dict(zip(group, parts, strict=True))
                edges |= {(a + b) / 2: v for (a, b), v in zip(group, values, strict=True)}
            spent += len(fresh) * settings.nodes
            gaps = {(a, b): abs(edges[b] - edges[a] - self.along(done[a, b])) for a, b in done}
            wide = [i for i in sorted(gaps, key=lambda i: -gaps[i]) if gaps[i] > least / (2 * len(gaps))]
            wide = wide[: (settings.most - spent) // (2 * settings.nodes)] if sum(gaps.values()) > least else []
            fresh = [half for a, b in wide for half in ((a, (a + b) / 2), ((a + b) / 2, b))]
            for interval in wide:
                del done[interval]
        parts = list(done.values())
        if gated and settings.gates == "signal":
            parts = [self.gradients([i], settings.nodes, gates=False)[0][0] for i in done]
            spent += len(done) * settings.nodes
        return {m: torch.stack([p[m] for p in parts]).sum(0) for m in self.start}, (edges[0.0], edges[1.0]), spent

    def at(self, u: Float[Tensor, " points"]) -> dict[str, Tensor]:
        """The points of the line at ``u``."""
        found = {}
        for m, x in self.stop.items():
            t = u.to(x).view(-1, *[1] * (x.ndim - 1))
            found[m] = (1 - t) * self.start[m] + t * x  # so that both ends are met exactly
        return found

    @torch.no_grad()
    def values(self, u: list[float]) -> list[float]:
        """The function at some points."""
        return self.function(self.at(torch.tensor(u, dtype=torch.float64))).tolist()

    def together(self, nodes: int) -> int:
        """Intervals whose nodes are evaluated in one batch."""
        size = sum(x.nbytes for x in self.stop.values()) * (nodes + 1)
        return max(1, _BYTES // max(size, 1))

    def gradients(
        self, intervals: list[tuple[float, float]], nodes: int, *, gates: bool = True
    ) -> tuple[list[dict[str, Tensor]], list[float]]:
        """Return the integral over each interval, and the function's value in its middle, all from one batch."""
        x, w = np.polynomial.legendre.leggauss(nodes)
        u = np.concatenate([a + (b - a) * (x + 1) / 2 for a, b in intervals])
        beside = np.array([(a + b) / 2 for a, b in intervals])
        points = {m: p.requires_grad_() for m, p in self.at(torch.tensor(np.concatenate((u, beside)))).items()}
        shut = Intercept(rules_for((SIGMOID, _detached)), {**EXPANSIONS, **RECURRENT})
        with nullcontext() if gates else shut:
            values = self.function(points)
        if not gates and not shut.asked:
            raise InputError(f"through time: {self.name} has no gate (a sigmoid) that could take nothing; use 'share'")
        if not values.requires_grad:
            raise ContractError(f"system: no gradient passes through {self.name}; look for a no_grad block or a detach")
        names = list(points)
        found = torch.autograd.grad(values[: len(u)].sum(), [points[m] for m in names], allow_unused=True)
        whole = {m: points[m].new_zeros(points[m].shape) if g is None else g for m, g in zip(names, found, strict=True)}
        for m, g in whole.items():
            if not g.isfinite().all():
                raise ContractError(f"system: the gradient of {m or 'the state'} is not finite in {self.name}")
        parts = []
        for k, (a, b) in enumerate(intervals):
            weights = torch.tensor((b - a) / 2 * w)
            rows = slice(k * nodes, (k + 1) * nodes)
            parts.append({m: torch.tensordot(weights.to(g), g[rows], 1)[None] for m, g in whole.items()})
        return parts, values[len(u) :].detach().tolist()

    def along(self, integral: Mapping[str, Tensor]) -> float:
        """What an integral of the gradient says of the function's change."""
        return sum(dot(integral[m], self.stop[m], self.start[m]) for m in integral)


@contextmanager
def still(system: object, features: Inputs) -> Iterator[None]:
    """Hold a system still while gradients are taken inside it, recurrent layers on an accelerator included."""
    with torch.inference_mode(False), torch.enable_grad(), held(system) as state, recurrent_backward(system, features):
        try:
            yield
        finally:
            state.settle()


def dot(multiplier: Tensor, stop: Tensor, start: Tensor) -> float:
    """Return ``multiplier · (stop - start)``, summed in float64."""
    return float((multiplier.double() * (stop.double() - start.double())).sum())


def _detached(function: Callable[..., Tensor], args: tuple[object, ...], kwargs: Mapping[str, object]) -> Tensor:
    return function(*args, **kwargs).detach()
