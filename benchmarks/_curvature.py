"""What `benchmarks.curvature` makes of its edits: errors, radii, and their intervals (private)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from veridical.verifier.radius import STRENGTHS

__all__ = ["DRAWS", "TOLD", "Row", "summarise"]

TOLD = tuple(STRENGTHS.index(t) for t in (0.125, 0.25, 0.5, 1.0))
"""Strengths of which errors are told."""

DRAWS = 1000
"""Resamples of the bootstrap."""


@dataclass(frozen=True)
class Row:
    """One edit: what was promised, and what it did.

    Attributes:
        sample: the scene's seed, or the photograph's name.
        sense: the sense that is edited.
        operator: its infill operator.
        units: evidence units edited.
        trusted: by second order (that of the network, those of surrogates): what the prediction says of itself.
        within: likewise, the strength up to which it says that curvature bears.
        measured: effects at `STRENGTHS`, nats.
        predicted: the same as promised, by order.
        radius: of validity, by order.
        telling: whether the edit moves the score by more than the tolerance; where it does not a radius says nothing.
    """

    sample: str
    sense: str
    operator: str
    units: int
    trusted: Mapping[str, str]
    within: Mapping[str, float]
    measured: Sequence[float]
    predicted: Mapping[str, Sequence[float]]
    radius: Mapping[str, float]
    telling: bool


def _figures(errors: Float[np.ndarray, "rows orders strengths"]) -> Float[np.ndarray, "figures orders strengths"]:
    """Median and mean error, and both as a share of the first order's; nan where that is 0."""
    middle, mean = np.median(errors, 0), errors.mean(0)
    shares = [np.divide(x, x[0], out=np.full_like(x, np.nan), where=x[0] > 0) for x in (middle, mean)]
    return np.stack([middle, mean, *shares])


_NAMES = ("median", "mean", "median_ratio", "mean_ratio")


def _bootstrapped(
    statistic: Callable[[np.ndarray], np.ndarray], values: np.ndarray, samples: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a statistic of rows and its 95 % percentile interval, all rows of a sample drawn together."""
    names, group = np.unique(np.array(samples), return_inverse=True)
    members = [np.flatnonzero(group == g) for g in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = [
        statistic(values[np.concatenate([members[g] for g in rng.integers(len(names), size=len(names))])])
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(np.stack(drawn), (0.025, 0.975), axis=0)
    return statistic(values), low, high


def _errors(rows: Sequence[Row], orders: Sequence[str]) -> Float[np.ndarray, "rows orders strengths"]:
    predicted = np.array([[r.predicted[o] for o in orders] for r in rows])
    return np.abs(predicted - np.array([r.measured for r in rows])[:, None])


def _plain(values: Sequence[float]) -> list[float] | None:
    """Return a figure and its interval as JSON has them; None where it is not defined."""
    return [float(v) for v in values] if np.isfinite(values).all() else None


def _told(rows: Sequence[Row], orders: Sequence[str]) -> dict[str, Any]:
    """Return errors by strength, order and figure, each with its interval."""
    errors = _errors(rows, orders)[:, :, TOLD]
    value, low, high = _bootstrapped(_figures, errors, [r.sample for r in rows])
    return {
        f"{STRENGTHS[i]:g}": {
            order: {name: _plain([x[f, k, s] for x in (value, low, high)]) for f, name in enumerate(_NAMES)}
            for k, order in enumerate(orders)
        }
        for s, i in enumerate(TOLD)
    }


def _where_trusted(rows: Sequence[Row], order: str) -> dict[str, Any]:
    """Errors of full edits by what their prediction says of itself; and of edits made as far as curvature bears."""
    found: dict[str, Any] = {}
    for label in ("first", "second", "insufficient"):
        some = [r for r in rows if r.trusted[order] == label]
        found[label] = {"edits": len(some), "share": len(some) / max(len(rows), 1)}
        if some:
            found[label]["full_strength"] = _told(some, ("first", order))["1"]
    borne = [(r, _last(r.within[order])) for r in rows if r.within[order] >= STRENGTHS[0]]
    found["as_far_as_borne"] = {"edits": len(borne), "share": len(borne) / max(len(rows), 1)}
    if borne:
        every = _errors([r for r, _ in borne], ("first", order))
        errors = every[np.arange(len(borne)), :, [k for _, k in borne]][:, :, None]
        value, low, high = _bootstrapped(_figures, errors, [r.sample for r, _ in borne])
        found["as_far_as_borne"] |= {
            "median_strength": float(np.median([STRENGTHS[k] for _, k in borne])),
            **{n: _plain([x[f, 1, 0] for x in (value, low, high)]) for f, n in enumerate(_NAMES)},
        }
    return found


def _last(within: float) -> int:
    return max(k for k, t in enumerate(STRENGTHS) if t <= within)


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Return errors, what predictions say of themselves, and radii; plain JSON values.

    Errors are told of all edits, and of those that are *telling*: that move the score by more than the tolerance.
    """
    if not rows:
        return {"edits": 0}
    orders = list(rows[0].predicted)
    telling = [r for r in rows if r.telling]
    radius = {o: [r.radius[o] for r in telling] for o in orders}
    return {
        "edits": len(rows),
        "samples": len({r.sample for r in rows}),
        "median_effect": float(np.median([abs(r.measured[-1]) for r in rows])),
        "errors": _told(rows, orders),
        "telling": {"edits": len(telling), "errors": _told(telling, orders) if telling else {}},
        "by_edit": {
            f"{m} {o}": {"edits": len(some), "errors": _told(some, orders)}
            for m, o in dict.fromkeys((r.sense, r.operator) for r in rows)
            if (some := [r for r in rows if (r.sense, r.operator) == (m, o)])
        },
        "trusted": {order: _where_trusted(rows, order) for order in rows[0].trusted},
        "radius": {
            o: {
                "quartiles": np.quantile(v, (0.25, 0.5, 0.75)).tolist(),
                "mean": float(np.mean(v)),
                "whole": float(np.mean(np.array(v) == 1)),
            }
            for o, v in radius.items()
            if v
        },
    }
