"""Where the gradient changes most: the Hessian's eigenpairs that are largest in size, without ever forming it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from ....errors import InputError
from ...scorer import Inputs, Scorer, rows
from .hessian import second_derivatives

__all__ = ["TopCurvature", "top_curvature"]


@dataclass(frozen=True)
class TopCurvature:
    """The directions along which the gradient changes most.

    Attributes:
        values: eigenvalues of H, largest in size first; target's unit per squared unit of the inputs.
        directions: by sense the eigenvectors, shape (pairs, ...) with the input's axes behind; over all senses
            together each is of length 1.
        residuals: ``|H v - value v|`` of each pair, measured: within it of the value there is an eigenvalue.
        products: products with the Hessian spent.
    """

    values: Float64[Tensor, " pairs"]
    directions: Mapping[str, Tensor]
    residuals: Float64[Tensor, " pairs"]
    products: int


def top_curvature(scorer: Scorer, inputs: Inputs, k: int = 3, iterations: int = 24, seed: int = 0) -> TopCurvature:
    """Return the eigenpairs of the Hessian that are largest in size, for one row over all senses jointly.

    Lanczos with full reorthogonalisation (Golub and Van Loan, "Matrix Computations", 4th ed., 10.3.1), in float64 on
    the inputs' device. Not scipy's ``eigsh``: that restarts as often as it likes and gives nothing for a pair that has
    not converged, where here the cost is fixed and each pair comes with its residual. Memory: ``iterations`` vectors.

    Args:
        scorer: the system and the question.
        inputs: batches of one by sense, floating point.
        k: pairs wanted; fewer come back where the inputs have fewer elements.
        iterations: products with the Hessian for the search, at least ``k``; ``k`` more measure the residuals.
        seed: seed of the direction that is started from.

    Raises:
        InputError: not one row, or ``k`` or ``iterations`` out of range.
        ContractError: as `hessian_vector`.
    """
    if rows(inputs) != 1:
        raise InputError(f"top_curvature: {rows(inputs)} rows; give one at a time, with scorer.at(row)")
    if not 1 <= k <= iterations:
        raise InputError(f"top_curvature: k {k} of {iterations} iterations; give 1 <= k <= iterations")
    sizes = {m: x.numel() for m, x in inputs.items()}
    spent = 0
    with second_derivatives(scorer, inputs) as point:

        def product(v: Tensor) -> Tensor:
            nonlocal spent
            spent += 1
            parts = dict(zip(sizes, v.split(list(sizes.values())), strict=True))
            curved = point.product({m: parts[m].view_as(x).to(x) for m, x in inputs.items()})
            return torch.cat([h.flatten().double() for h in curved.values()])

        some = next(iter(inputs.values()))
        generator = torch.Generator().manual_seed(seed)
        steps = min(iterations, sum(sizes.values()))
        values, vectors = _lanczos(product, sum(sizes.values()), steps, generator, some.device)
        order = values.abs().argsort(descending=True)[:k]
        values, vectors = values[order], vectors[:, order]
        residuals = [(product(v) - value * v).norm() for value, v in zip(values, vectors.T, strict=True)]
    parts = dict(zip(sizes, vectors.T.split(list(sizes.values()), 1), strict=True))
    directions = {m: parts[m].reshape(-1, *x.shape[1:]).to(x) for m, x in inputs.items()}
    return TopCurvature(values, directions, torch.stack(residuals), spent)


def _lanczos(
    product: Callable[[Tensor], Tensor], size: int, steps: int, generator: torch.Generator, device: torch.device
) -> tuple[Float64[Tensor, " steps"], Float64[Tensor, "size steps"]]:
    """Return Ritz values and vectors of a symmetric operator after so many steps."""
    basis = torch.zeros(size, steps, dtype=torch.float64, device=device)
    small = torch.zeros(steps, steps, dtype=torch.float64, device=device)
    scale = 0.0

    def fresh(step: int) -> Tensor:
        drawn = torch.randn(size, dtype=torch.float64, generator=generator).to(device)
        return _unit(_orthogonal(drawn, basis[:, :step]))

    v = fresh(0)
    for j in range(steps):
        basis[:, j] = v
        w = product(v)
        scale = max(scale, float(w.norm()))
        small[j, j] = v @ w
        if j + 1 == steps:
            break
        w = _orthogonal(w, basis[:, : j + 1])
        rest = float(w.norm())
        if rest > 1e-10 * scale:
            small[j, j + 1] = small[j + 1, j] = rest
            v = w / rest
        else:  # what was found so far is closed under H: go on elsewhere
            v = fresh(j + 1)
    values, inner = torch.linalg.eigh(small)
    return values, basis @ inner


def _orthogonal(w: Float64[Tensor, " size"], basis: Float64[Tensor, "size found"]) -> Float64[Tensor, " size"]:
    for _ in range(2):  # once leaves rounding behind, twice is enough (Kahan's; Parlett 1998, section 6.9)
        w = w - basis @ (basis.T @ w)
    return w


def _unit(v: Float64[Tensor, " size"]) -> Float64[Tensor, " size"]:
    return v / v.norm()
