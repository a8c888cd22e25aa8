"""An account: what an explanation says of a decision, in a form that can be tested, and what tests found of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..modalities.evidence import Segmentation
from .claims import Claim, ClaimSettings, propose

__all__ = ["Account", "CheckedClaim", "Effect", "state", "status_of"]


@dataclass(frozen=True)
class Account:
    """What an explanation says.

    Attributes:
        method: who says it.
        values: contribution of each evidence unit by sense, nats.
        claims: what follows for edits, the strongest first, disjoint.
    """

    method: str
    values: Mapping[str, Float[np.ndarray, " units"]]
    claims: tuple[Claim, ...]

    def predict(self, modality: str, units: Sequence[int]) -> float:
        """Return what an edit of these units should do to the score, nats: minus the sum of their contributions."""
        return -float(np.sum(self.values[modality][list(units)]))


def state(
    method: str,
    values: Mapping[str, Float[np.ndarray, " units"]],
    segmentations: Mapping[str, Segmentation],
    settings: ClaimSettings | None = None,
) -> Account:
    """Return the account that contributions of evidence units make: their claims, by `claims.propose`.

    Raises:
        InputError: contributions of a sense are missing, too few or too many, or not finite.
    """
    return Account(method, values, propose(segmentations, values, settings))


@dataclass(frozen=True)
class Effect:
    """What one edit under one operator did.

    Attributes:
        operator: infill operator; those of all senses, joined by ``+``, where several were edited.
        effect: change of the decision score, nats.
        logits: scores of all actions.
        energy: size of the edit as the edited sense (of a complement, the claim's) measures it.
        edited: edited input of the sense, where it is kept to be shown.
    """

    operator: str
    effect: float
    logits: np.ndarray
    energy: float
    edited: np.ndarray | None = None


@dataclass(frozen=True)
class CheckedClaim:
    """A claim beside what was measured.

    Attributes:
        claim: the claim.
        effects: one per operator.
        measured: mean effect over the operators, nats.
        status: ``confirmed`` (the effect has the predicted sign), ``contradicted`` (the other sign) or ``negligible``
            (smaller than counts).
        interval: where the effect was to lie by the method's own record, nats; None without a calibration.
        p: conformal p-value of the miss, small where it is larger than the method's misses are; None likewise.
        predicted_flip: whether the prediction alone takes the decision score below zero, where all other actions
            together are likelier.
        flips: for each operator if the decision changed.
        novelty: for each operator the conformal p-value of the edited input among natural ones, small where it is off
            the data; empty without a calibration.
    """

    claim: Claim
    effects: tuple[Effect, ...]
    measured: float
    status: str
    interval: tuple[float, float] | None = None
    p: float | None = None
    predicted_flip: bool = False
    flips: tuple[bool, ...] = ()
    novelty: tuple[float, ...] = ()


def status_of(measured: float, predicted: float, least: float) -> str:
    """Return ``confirmed``, ``contradicted`` or ``negligible``."""
    if abs(measured) < least:
        return "negligible"
    return "confirmed" if (measured < 0) == (predicted < 0) else "contradicted"
