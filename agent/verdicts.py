"""What was put to the test and what came of it, as plain values: all that a record and the model give a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..verifier.account import CheckedClaim, Effect
from ..verifier.ladder import Attempt, Climb, LadderSettings
from ..verifier.verify import Verification

__all__ = ["by_action", "claim_told", "effect_told", "further_told", "verdict_told"]


def by_action(actions: Sequence[str], values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Return one value for each action under its name."""
    return {action: float(value) for action, value in zip(actions, values, strict=True)}


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return shifted / shifted.sum()


def effect_told(actions: Sequence[str], effect: Effect) -> dict[str, Any]:
    """Return what one edit did."""
    return {
        "operator": effect.operator,
        "effect": effect.effect,
        "action": actions[int(effect.logits.argmax())],
        "probabilities": by_action(actions, _softmax(effect.logits)),
        "energy": effect.energy,
    }


def claim_told(actions: Sequence[str], decision: str, checked: CheckedClaim) -> dict[str, Any]:
    """Return a claim beside what was measured of it; what it is called is told elsewhere."""
    effects = [effect_told(actions, effect) for effect in checked.effects]
    outcomes = {effect["action"] for effect in effects}
    flipped = decision not in outcomes
    return {
        "id": checked.claim.name,
        "modality": checked.claim.modality,
        "units": list(checked.claim.units),
        "predicted": checked.claim.predicted,
        "effects": effects,
        "measured": checked.measured,
        "status": checked.status,
        "interval": list(checked.interval) if checked.interval else None,
        "miss_p": checked.p,
        "off_data_p": list(checked.novelty),
        "predicted_flip": checked.predicted_flip,
        "flips": flipped,
        "flips_to": outcomes.pop() if flipped and len(outcomes) == 1 else None,
    }


def further_told(actions: Sequence[str], verification: Verification) -> dict[str, Any]:
    """Return what taking away each sense, and everything but the first claim, did."""
    return {
        "senses": {m: [effect_told(actions, e) for e in effects] for m, effects in verification.senses.items()},
        "complement": [effect_told(actions, e) for e in verification.complement],
    }


def verdict_told(actions: Sequence[str], climb: Climb, ladder: LadderSettings | None) -> dict[str, Any]:
    """Return the verdict with all that it follows from.

    Args:
        actions: names of the actions, in the order of the scores.
        climb: the attempts made.
        ladder: how the ladder was climbed; None where that is not known.
    """
    verification = climb.final.verification
    criteria = verification.commitment.content["parameters"]["criteria"]
    test, stability = verification.test, verification.stability
    return {
        "verdict": verification.verdict.verdict,
        "cause": verification.verdict.cause,
        "reasons": list(verification.verdict.reasons),
        "alpha": criteria["alpha"],
        "criteria": dict(criteria),
        "claim": verification.claims[0].claim.name if verification.claims else None,
        "agreement": verification.agreement,
        "specific": None if test is None else {"p": test.p, "assignments": test.assignments, "as_good": test.as_good},
        "tests": _tests(verification),
        "further_controls": _controls(verification)[1:],
        "controls_matched_in_energy": verification.controls.matched,
        "stability": None if stability is None else {**asdict(stability), "effects": list(stability.effects)},
        "necessity": _necessity(actions, verification),
        "sufficiency": None if verification.sufficiency is None else asdict(verification.sufficiency),
        "commitment": verification.commitment.digest,
        "committed": dict(verification.commitment.content),
        "salt": verification.salt,
        "passes": verification.passes,
        "rung": climb.final.proposal.rung,
        "stopped": climb.stopped,
        "ladder": None if ladder is None else {**asdict(ladder), "rungs": list(ladder.rungs)},
        "attempts": [_attempt(attempt) for attempt in climb.attempts],
    }


def _tests(verification: Verification) -> list[dict[str, Any]]:
    """The first claim among its controls, one test per operator."""
    return [
        {
            "operator": t.operator,
            "effect": t.effect,
            "p": t.p,
            "k": len(t.controls),
            "controls": [
                {"effect": e, "energy": n, "units": list(u)}
                for e, n, u in zip(
                    t.controls, verification.control_energies[t.operator], verification.controls.edits, strict=True
                )
            ],
        }
        for t in verification.tests
    ]


def _controls(verification: Verification) -> list[dict[str, Any]]:
    """For each claim its controls, with their mean effect over the operators; none where none was measured."""
    if not verification.tests and not verification.others:
        return []
    means = np.mean([test.controls for test in verification.tests], axis=0).tolist() if verification.tests else []
    every = [(verification.controls, means), *verification.others]
    return [
        {
            "claim": checked.claim.name,
            "controls": [{"effect": e, "units": list(u)} for e, u in zip(effects, drawn.edits, strict=True)],
        }
        for checked, (drawn, effects) in zip(verification.claims, every, strict=True)
    ]


def _necessity(actions: Sequence[str], verification: Verification) -> dict[str, Any] | None:
    found = verification.necessity
    if found is None:
        return None
    decided = [actions[index] for index in getattr(found, "actions", ())]
    told = {"predicted": found.predicted, "effects": list(found.effects), "flips": list(found.flips)}
    return told | ({"actions": decided} if decided else {})


def _attempt(attempt: Attempt) -> dict[str, Any]:
    """One rung, so that it can be judged again: what it said, what it committed to, and what came of it."""
    proposal, verification = attempt.proposal, attempt.verification
    return {
        "rung": proposal.rung,
        "method": proposal.account.method,
        "verdict": verification.verdict.verdict,
        "cause": verification.verdict.cause,
        "reasons": list(verification.verdict.reasons),
        "agreement": verification.agreement,
        "p": None if verification.test is None else verification.test.p,
        "values": {m: np.asarray(v, np.float64).tolist() for m, v in proposal.account.values.items()},
        "claims": [{**asdict(c), "units": list(c.units)} for c in proposal.account.claims],
        "measured": [c.measured for c in verification.claims],
        "controls": _controls(verification),
        "commitment": verification.commitment.digest,
        "committed": dict(verification.commitment.content),
        "salt": verification.salt,
        "critique": attempt.critique.to_dict() if attempt.critique else None,
        "gradients": proposal.gradients,
        "passes": {"proposing": proposal.passes, "verifying": verification.passes},
        "ms": {"proposing": 1000 * attempt.seconds[0], "verifying": 1000 * attempt.seconds[1]},
    }
