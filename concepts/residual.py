"""Residuals: what no weights >= 0 of a bank's directions account for, and whether that has a direction of its own.

They lie in the directions' polar cone: the product with every direction is 0 or less. Where nothing new is there, a
row's residual points anywhere in the part of that cone that the row's concepts leave open (Moreau's decomposition: of
noise alike in all coordinates, what is left does not depend on what was taken off, but for which concepts did it). So
chance is drawn from just there, by a random walk that begins at the row itself (Besag and Clifford, Biometrika 1989;
the walk is hit-and-run, Smith, Operations Research 1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr, ndtri

from .project import nonnegative

__all__ = ["Found", "anywhere", "explained", "halved", "leading", "refit", "unaccounted"]

Coordinates = Float[np.ndarray, "rows dims"]
Directions = Float[np.ndarray, "concepts dims"]
_WALK = 40
"""Steps of the random walk: several times the number of dimensions."""


@dataclass(frozen=True, eq=False)
class Found:
    """A direction in residuals.

    Attributes:
        direction: of all rows; (dims,), length 1.
        gain: share of the residuals' squares that a direction explains in the half it was not found from.
        again: cosine of the directions of the two halves.
    """

    direction: Float[np.ndarray, " dims"]
    gain: float
    again: float


def unaccounted(rows: Coordinates, directions: Directions) -> tuple[Coordinates, Float[np.ndarray, "rows concepts"]]:
    """Return what no weights >= 0 account for, and the weights: without price, which leaves some of every concept."""
    weights = nonnegative(rows, directions)
    left = rows.astype(np.float64) - weights @ directions
    left[np.square(left).sum(1) <= 1e-8 * np.square(rows).sum(1)] = 0.0  # rounding has directions too
    return left, weights


def explained(direction: Float[np.ndarray, " dims"], left: Coordinates) -> float:
    """Return the share of the residuals' squares that weights >= 0 of one direction explain."""
    return float(np.square(np.maximum(left @ direction, 0)).sum() / max(np.square(left).sum(), 1e-12))


def leading(left: Coordinates) -> Float[np.ndarray, " dims"]:
    """Return the direction that explains most, from three starts, by power steps each of which explains no less."""
    principal = np.linalg.eigh(left.T @ left)[1][:, -1]
    best, most = principal, -1.0
    for found in (principal, -principal, left.sum(0)):
        for _ in range(20):
            step = np.maximum(left @ found, 0) @ left
            size = float(np.linalg.norm(step))
            if size <= 0:
                break
            found = step / size
        if np.linalg.norm(found) > 0 and (share := explained(found, left)) > most:
            best, most = found / np.linalg.norm(found), share
    return best


def halved(left: Coordinates, first: Bool[np.ndarray, " rows"]) -> Found:
    """Find a direction in each half of the rows, and in all."""
    one, other = leading(left[first]), leading(left[~first])
    gain = (explained(one, left[~first]) + explained(other, left[first])) / 2
    return Found(leading(left), gain, float(one @ other))


def _open(weights: Float[np.ndarray, "rows concepts"], directions: Directions) -> Float[np.ndarray, "rows dims dims"]:
    """Projections onto what is orthogonal to each row's concepts."""
    patterns, which = np.unique(weights > 1e-6, axis=0, return_inverse=True)
    flat = [np.eye(directions.shape[1]) - np.linalg.pinv(directions[p]) @ directions[p] for p in patterns]
    return np.array(flat, np.float64)[which.ravel()]


def anywhere(
    left: Coordinates, weights: Float[np.ndarray, "rows concepts"], directions: Directions, rng: np.random.Generator
) -> Coordinates:
    """Return rows as long as the residuals that point anywhere in what each row's concepts leave open.

    Args:
        left: residuals, where the walks begin.
        weights: of the concepts in each row, see `unaccounted`.
        directions: of the concepts.
        rng: where chance comes from.
    """
    active, flat = weights > 1e-6, _open(weights, directions)
    length = np.linalg.norm(left, axis=1, keepdims=True)
    # A Gaussian in the cone: its direction is even. A row's concepts are independent, so their number is the rank.
    free = np.maximum(left.shape[1] - active.sum(1), 1)
    at = left / np.maximum(length, 1e-12) * np.sqrt(rng.chisquare(free))[:, None]
    for _ in range(_WALK):
        way = np.einsum("nij,nj->ni", flat, rng.normal(size=at.shape))
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-12)
        slack, rate = np.maximum(-at @ directions.T, 0), way @ directions.T
        rate[active | (np.abs(rate) < 1e-9)] = 0.0
        bound = np.divide(slack, rate, out=np.full_like(rate, np.inf), where=rate != 0)
        high = np.where(rate > 0, bound, np.inf).min(1)
        low = np.where(rate < 0, bound, -np.inf).max(1)
        mean = -(at * way).sum(1)
        bottom, top = ndtr(low - mean), ndtr(high - mean)
        drawn = mean + ndtri(np.clip(bottom + rng.random(len(at)) * (top - bottom), 1e-12, 1 - 1e-12))
        at = at + np.clip(drawn, low, high)[:, None] * way
    return at / np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-12) * length


def refit(rows: Coordinates, directions: Directions, price: float, fixed: int = 0, rounds: int = 6) -> Directions:
    """Fit directions to rows, from where they are: weights >= 0 and directions in turn.

    The step of the directions is one of K-SVD's (Aharon, Elad and Bruckstein, IEEE Trans. Signal Processing 2006): of
    what the other concepts leave of the rows, the mean weighted by this one's strength.

    Args:
        rows: coordinates.
        directions: of length 1.
        price: of the weights, as the bank has it.
        fixed: so many of the first are left as they are.
        rounds: how often.

    Returns:
        The directions, of length 1; one that no row uses stays as it was.
    """
    found = directions.astype(np.float64)
    for _ in range(rounds):
        weights = nonnegative(rows, found, price).astype(np.float64)
        left = rows - weights @ found
        for k in range(fixed, len(found)):
            step = weights[:, k] @ left + np.square(weights[:, k]).sum() * found[k]
            size = np.linalg.norm(step)
            if size > 1e-9:
                left += np.outer(weights[:, k], found[k] - step / size)
                found[k] = step / size
    return found.astype(np.float32)
