"""Self-critique: where prediction and measurement part, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import ContractError
from ..fusion.measure import Laboratory, Operators
from ..modalities.wording import nats, number
from .agreement import agreement
from .judge import Criteria
from .sufficiency import union
from .verify import Verification

__all__ = ["Critique", "criticise"]


@dataclass(frozen=True)
class Critique:
    """What is wrong with an account.

    Attributes:
        kind: ``interaction`` (the named evidence does more together than its parts alone), ``saturation`` (less),
            ``scale`` (right places, wrong sizes), ``missed`` (other evidence does more), ``misplaced`` (what is named
            does nothing), ``off-data`` (the edits leave the data that the system knows), ``noise``, ``operators``
            (they disagree), ``untestable`` or ``none``.
        modality: the sense of the claim that is farthest off; None where there is no claim.
        claim: its name.
        units: its units.
        figures: what it was found from, nats.
        sentence: all this in words, with the repair proposed.
        found: where to look next: what does more together than alone, and control edits that lowered the score more
            than the first claim, strongest first.
    """

    kind: str
    modality: str | None
    claim: str | None
    units: tuple[int, ...]
    figures: Mapping[str, float]
    sentence: str
    found: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        told = asdict(self)
        told["units"] = list(self.units)
        told["found"] = [{"modality": m, "units": list(units)} for m, units in self.found]
        return told


_REPAIRS = {
    "interaction": "measure groups instead of adding up parts",
    "saturation": "integrate along a path, or measure, instead of trusting the slope at the input",
    "scale": "integrate along a longer path, or measure",
    "missed": "look at the control edits that did more",
    "misplaced": "rank the evidence anew with a longer path, or measure",
    "off-data": "use another infill operator",
    "noise": "look for evidence that weighs more",
    "operators": "look for evidence that counts under every operator",
    "untestable": "look farther than the slope at the input",
    "unmeasurable": "mend the system; check_system finds what is wrong",
    "too-small": "cut the input into more evidence units",
    "untested": "allow more time",
    "none": "nothing is to be mended",
}


_NOTHING_TO_SAY = ("unmeasurable", "no-claim", "nothing-moves", "too-small", "untested")
"""Causes of which no claim is the fault."""


def criticise(
    laboratory: Laboratory,
    verification: Verification,
    operators: Sequence[Operators],
    criteria: Criteria | None = None,
) -> Critique:
    """Say where an account's predictions and the measurements part, and propose the repair.

    All claims are taken out together, an edit that may be new; what else is needed was measured already.

    Args:
        laboratory: the system before the observation.
        verification: of the account.
        operators: as it was verified with.
        criteria: as it was judged by.
    """
    criteria = criteria or Criteria()
    verdict = verification.verdict
    if not verification.claims or verdict.cause in _NOTHING_TO_SAY:
        repair = _REPAIRS.get(verdict.cause, _REPAIRS["untestable"])
        return Critique("untestable", None, None, (), {}, f"{verdict.reasons[0]} To do: {repair}.")
    claims = verification.claims
    worst = max(claims, key=lambda c: abs(c.claim.predicted - c.measured))
    predicted = np.array([c.claim.predicted for c in claims])
    measured = np.array([c.measured for c in claims])
    figures = {"predicted": float(predicted.sum()), "measured": float(measured.sum())}
    if len(claims) > 1:
        try:
            laboratory.score_all([union(claims)], operators)
            together = [float(laboratory.measure([union(claims)], each).effect[0]) for each in operators]
            figures["together"] = float(np.mean(together))
        except ContractError:
            pass  # said in the verification's own notes; the other figures stand
    found = _overtaking(verification)
    kind = _kind(verification, predicted, measured, figures, criteria)
    if kind == "interaction":
        found = (*union(claims).items(), *found)
    told = {
        "interaction": f"alone the claims change the score by {nats(figures['measured'])} nats, together by "
        f"{nats(figures.get('together', 0.0))}: each stands in for the others",
        "saturation": f"alone the claims change the score by {nats(figures['measured'])} nats, together by "
        f"{nats(figures.get('together', 0.0))}: the score has no farther to fall",
        "scale": f"the sizes are off by a factor of {number(_scale(predicted, measured), 2)}, the places are right",
        "missed": f"{len(found)} of the control edits lower the score more than the first claim does"
        if found
        else "what is predicted of it holds of comparable evidence as well",
        "misplaced": _misplaced(predicted, measured),
        "off-data": "the edited inputs are unlike anything that the system was calibrated on",
        "noise": "the first claim's effect drowns in noise",
        "operators": "how evidence is taken out changes what that does",
        "none": "prediction and measurement do not part",
    }[kind]
    sentence = (
        f"Prediction and measurement part most at claim {worst.claim.name.removeprefix('c')} ({worst.claim.modality}): "
        f"{nats(worst.claim.predicted)} nats predicted, {nats(worst.measured)} measured; {told}. "
        f"To do: {_REPAIRS[kind]}."
    )
    return Critique(kind, worst.claim.modality, worst.claim.name, worst.claim.units, figures, sentence, found)


def _scale(predicted: np.ndarray, measured: np.ndarray) -> float:
    return float((predicted * measured).sum() / max(float((predicted**2).sum()), float(np.finfo(np.float64).tiny)))


def _misplaced(predicted: np.ndarray, measured: np.ndarray) -> str:
    if measured.sum() > 0:
        return "what is named speaks against the decision"
    if abs(measured.sum()) < abs(predicted.sum()) / 2:
        return "what is named does little"
    return "what is named matters, but not in the proportions predicted"


def _kind(
    verification: Verification,
    predicted: np.ndarray,
    measured: np.ndarray,
    figures: Mapping[str, float],
    criteria: Criteria,
) -> str:
    by_cause = {
        "holds": "none",
        "off-data": "off-data",
        "unstable": "noise",
        "operators-disagree": "operators",
        "overtaken": "missed",
        "unspecific": "missed",
    }
    if verification.verdict.cause in by_cause:
        return by_cause[verification.verdict.cause]
    together = figures.get("together")
    if together is not None:
        extra = together - figures["measured"]
        if abs(extra) >= max(criteria.least, abs(together) / 2, abs(figures["measured"]) / 2):
            return "interaction" if extra < 0 else "saturation"
    scaled = _scale(predicted, measured)
    if scaled > 0 and agreement(scaled * predicted, measured) >= criteria.agreement:
        return "scale"
    return "misplaced"


def _overtaking(verification: Verification) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Control edits, of the first claim and of the others, that did more than the first claim."""
    first = verification.claims[0]
    found: list[tuple[float, str, tuple[int, ...]]] = []
    if verification.tests:
        means = np.mean([test.controls for test in verification.tests], axis=0)
        found += [
            (float(e), first.claim.modality, edit) for e, edit in zip(means, verification.controls.edits, strict=True)
        ]
    for checked, (controls, effects) in zip(verification.claims[1:], verification.others, strict=False):
        found += [(e, checked.claim.modality, edit) for e, edit in zip(effects, controls.edits, strict=True)]
    return tuple((m, edit) for e, m, edit in sorted(found) if e < first.measured)
