"""The verdict again, from contributions read out of a record's maps and the effects that it tells.

Nothing is measured: the claims, their effects and those of their controls are the record's; predictions alone are made
anew. What was not measured the first time, because the account had failed before, cannot be had now either: an account
that fails no more, and has no controls, comes out as ``too-small``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from veridical.errors import RecordError
from veridical.verifier.account import CheckedClaim, Effect, status_of
from veridical.verifier.agreement import agreement, agreement_test
from veridical.verifier.claims import Claim
from veridical.verifier.judge import Criteria, Trial, Verdict, judge
from veridical.verifier.stability import Stability
from veridical.verifier.verify import Reference

__all__ = ["UNTOUCHED", "predict", "predicted", "rejudge", "unit_values"]

UNTOUCHED = ("unmeasurable", "no-claim", "nothing-moves", "operators-disagree", "not-confirmed")
"""Causes that no prediction has a part in."""

Values = Mapping[str, Float[np.ndarray, " units"]]


def unit_values(result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Float[np.ndarray, " units"]]:
    """Return the contribution of each evidence unit by sense, nats: the sum of the sense's map over it.

    Args:
        result: of a record; its ranking says how many units a sense has.
        arrays: ``<sense>.saliency`` and ``<sense>.units``; without units every element is one.

    Raises:
        RecordError: a sense has units and no map.
    """
    counts: dict[str, int] = {}
    for entry in result["ranking"]:
        counts[entry["modality"]] = max(counts.get(entry["modality"], 0), entry["index"] + 1)
    found = {}
    for sense, count in sorted(counts.items()):
        if f"{sense}.saliency" not in arrays:
            raise RecordError(f"record: {sense} has {count} evidence units and no map; give all of a record's maps")
        flat = np.asarray(arrays[f"{sense}.saliency"], np.float64).ravel()
        labels = np.asarray(arrays.get(f"{sense}.units", np.arange(flat.size)), np.int64).ravel()
        inside = labels >= 0
        found[sense] = np.bincount(labels[inside], flat[inside], count)
    return found


def predicted(result: Mapping[str, Any]) -> list[float]:
    """Return what was predicted of each claim, nats."""
    return [float(claim["predicted"]) for claim in result["claims"]]


def predict(result: Mapping[str, Any], values: Values) -> list[float]:
    """Return what contributions predict of each claim, nats: minus their sum over its units."""
    return [-float(values[claim["modality"]][claim["units"]].sum()) for claim in result["claims"]]


def rejudge(result: Mapping[str, Any], predictions: list[float], reference: Reference) -> Verdict:
    """Judge the account that stands again, by other predictions of its claims.

    Args:
        result: of a record.
        predictions: one for each claim, nats.
        reference: what was measured of the system beforehand; read where the attempt was committed to it.
    """
    told = result["verdict"]
    if told["cause"] == "unmeasurable":
        return Verdict(told["verdict"], tuple(told["reasons"]), told["cause"])
    criteria, attempt = Criteria(**told["criteria"]), told["attempts"][-1]
    used = reference if "calibration" in attempt["committed"].get("reference", {}) else Reference()
    calibration = used.calibrations.get(attempt["method"])
    claims = []
    for each, guess in zip(result["claims"], predictions, strict=True):
        claim = Claim(each["id"], each["modality"], tuple(each["units"]), guess)
        p = None if calibration is None else calibration.p(guess, float(each["measured"]))
        status = status_of(each["measured"], guess, criteria.least)
        claims.append(
            CheckedClaim(
                claim, _effects(each), float(each["measured"]), status, p=p, novelty=tuple(each["off_data_p"] or ())
            )
        )
    others = [np.array([c["effect"] for c in each["controls"]], np.float64) for each in attempt["controls"]]
    guesses, measured = np.array(predictions, np.float64), np.array([c.measured for c in claims])
    over = float(np.mean(others[0] < measured[0] - 1e-9)) if others and others[0].size else 0.0
    steady = told["stability"]
    trial = Trial(
        claims=tuple(claims),
        moved=0.0 if told["cause"] == "nothing-moves" else 1.0,
        test=agreement_test(guesses, measured, others) if others else None,
        overtaken=over,
        stability=Stability(tuple(steady["effects"]), steady["noise"], steady["level"]) if steady else None,
        agreement=agreement(guesses, measured) if claims else 0.0,
    )
    return judge(trial, criteria)


def _effects(claim: Mapping[str, Any]) -> tuple[Effect, ...]:
    """As recorded, with log-probabilities for scores: they differ by a constant."""
    return tuple(
        Effect(
            one["operator"],
            float(one["effect"]),
            np.log(np.maximum(list(one["probabilities"].values()), 1e-300)),
            float(one["energy"]),
        )
        for one in claim["effects"]
    )
