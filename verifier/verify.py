"""Verification of one explanation: commit, edit, measure, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .claims import Claim, ClaimSettings, propose
from .commitment import Commitment, commit
from .controls import Controls, draw_controls
from .judge import RankTest, Verdict, judge, rank_test
from .measure import Joint, Laboratory, Measured

__all__ = ["CheckedClaim", "Effect", "Verification", "VerifySettings", "verify"]


@dataclass(frozen=True)
class VerifySettings:
    """How an explanation is verified.

    Attributes:
        operators: infill operators used, the first so many of each sense.
        controls: control edits of the first claim's size; see `veridical.verifier.controls`.
        alpha: level of the rank test.
        least: smallest effect that counts, nats.
        claims: how units are gathered into claims.

    Raises:
        InputError: a number out of range.
    """

    operators: int = 2
    controls: int = 19
    alpha: float = 0.05
    least: float = 0.1
    claims: ClaimSettings = field(default_factory=ClaimSettings)

    def __post_init__(self) -> None:
        if not (self.operators >= 1 and self.controls >= 1 and 0 < self.alpha < 1 and self.least >= 0):
            raise InputError(
                f"verify: operators {self.operators}, controls {self.controls}, alpha {self.alpha}, least "
                f"{self.least}; operators and controls are at least 1, alpha lies between 0 and 1, least is at least 0"
            )


@dataclass(frozen=True)
class Effect:
    """What one edit under one operator did.

    Attributes:
        operator: infill operator; those of all senses, joined by ``+``, where everything but a claim was edited.
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
    """

    claim: Claim
    effects: tuple[Effect, ...]
    measured: float
    status: str


@dataclass(frozen=True)
class Verification:
    """All that was committed, edited and measured, and the verdict.

    Attributes:
        commitment: what was fixed before any edit.
        salt: drawn after the commitment; with it decides the control edits.
        claims: the claims, checked.
        senses: effect of taking away each sense as a whole, by sense, one per operator; senses without evidence units
            (an empty text) are left out.
        complement: effects of editing everything but the first claim, one per operator.
        tests: rank tests of the first claim, one per operator.
        controls: the control edits; their measured energies by operator.
        control_energies: measured energy of each control by operator.
        verdict: the verdict.
        passes: forward passes spent.
    """

    commitment: Commitment
    salt: str
    claims: tuple[CheckedClaim, ...]
    senses: Mapping[str, tuple[Effect, ...]]
    complement: tuple[Effect, ...]
    tests: tuple[RankTest, ...]
    controls: Controls
    control_energies: Mapping[str, tuple[float, ...]]
    verdict: Verdict
    passes: int


def _status(measured: float, predicted: float, least: float) -> str:
    if abs(measured) < least:
        return "negligible"
    return "confirmed" if (measured < 0) == (predicted < 0) else "contradicted"


def verify(
    laboratory: Laboratory,
    values: Mapping[str, Float[np.ndarray, " units"]],
    content: Mapping[str, Any],
    salt: Callable[[str], str],
    settings: VerifySettings | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Verification:
    """Verify an explanation.

    Args:
        laboratory: the system before the observation.
        values: contribution of each evidence unit by sense, nats: the explanation.
        content: what else the commitment must hold (digests of observation, system, saliency; parameters), as plain
            JSON values.
        salt: called with the commitment's digest once everything is fixed; returns a salt that nobody could foresee.
        settings: how.
        progress: called with the share done.

    Raises:
        InputError: the contributions do not fit the evidence units or are not finite.
        ContractError: the system cannot be measured: a score is not finite, or differs between calls.
    """
    settings = settings or VerifySettings()
    spent = laboratory.passes
    claims = propose(laboratory.segmentations, values, settings.claims)
    operators = {m: laboratory.system.modalities[m].operators[: settings.operators] for m in laboratory.prepared}
    commitment = commit(
        {
            **content,
            "claims": [{**asdict(c), "units": list(c.units)} for c in claims],
            "operators": {m: list(names) for m, names in operators.items()},
            "parameters": asdict(settings),
        }
    )
    revealed = salt(commitment.digest)
    rng = np.random.default_rng(commitment.seed(revealed))
    controls = Controls((), (), 0, 0)
    if claims:
        first = claims[0]
        energy = _unit_energy(laboratory, first.modality)
        controls = draw_controls(laboratory.segmentations[first.modality], energy, first.units, settings.controls, rng)
    effects: dict[str, list[Effect]] = {claim.name: [] for claim in claims}
    senses: dict[str, tuple[Effect, ...]] = {}
    tests: list[RankTest] = []
    control_energies: dict[str, tuple[float, ...]] = {}
    # A sense with nothing to edit (an empty text) takes part in the decision, but there is nothing to measure.
    jobs = [(m, name) for m, names in operators.items() if len(laboratory.segmentations[m]) for name in names]
    for done, (m, operator) in enumerate(jobs):
        own = [claim for claim in claims if claim.modality == m]
        tested = bool(claims) and m == claims[0].modality
        made, whole, drawn = _edit(laboratory, m, own, controls.edits if tested else (), operator)
        for claim, effect in zip(own, made, strict=True):
            effects[claim.name].append(effect)
        senses[m] = (*senses.get(m, ()), whole)
        if tested:
            tests.append(rank_test(operator, made[0].effect, [e.effect for e in drawn]))
            control_energies[operator] = tuple(e.energy for e in drawn)
        progress((done + 1) / len(jobs))
    complement: list[Joint] = []
    if claims:
        most = max(len(names) for names in operators.values())
        complement = [laboratory.keep_only(claims[0].modality, claims[0].units, k) for k in range(most)]
    verdict = judge(tests, settings.alpha, settings.least, settings.controls, controls.peers)
    if not jobs:
        verdict = Verdict("inconclusive", ("The observation holds nothing to edit, so there is no claim to test.",))
    return Verification(
        commitment=commitment,
        salt=revealed,
        claims=tuple(_checked(claim, effects[claim.name], settings.least) for claim in claims),
        senses=senses,
        complement=tuple(_effects(c.operator, c.measured, 0)[0] for c in complement),
        tests=tuple(tests),
        controls=controls,
        control_energies=control_energies,
        verdict=verdict,
        passes=laboratory.passes - spent,
    )


def _checked(claim: Claim, effects: Sequence[Effect], least: float) -> CheckedClaim:
    measured = float(np.mean([e.effect for e in effects]))
    return CheckedClaim(claim, tuple(effects), measured, _status(measured, claim.predicted, least))


def _effects(operator: str, result: Measured, shown: int) -> list[Effect]:
    """Effects of a batch; the first ``shown`` keep the edited input, copied, so that the rest of the batch can go."""
    inputs = [x.numpy(force=True).copy() for x in result.tensor[:shown]] + [None] * (len(result.effect) - shown)
    return [
        Effect(operator, float(e), z.numpy(force=True).copy(), float(n), x)
        for e, z, n, x in zip(result.effect, result.logits, result.energy, inputs, strict=True)
    ]


def _edit(
    laboratory: Laboratory, modality: str, claims: Sequence[Claim], controls: Sequence[Sequence[int]], operator: str
) -> tuple[list[Effect], Effect, list[Effect]]:
    """Measure, in one batch, the claims of a sense, the sense as a whole, and the controls."""
    whole = tuple(range(len(laboratory.segmentations[modality])))
    result = laboratory.measure(modality, [*(c.units for c in claims), whole, *controls], operator)
    made = _effects(operator, result, len(claims))
    return made[: len(claims)], made[len(claims)], made[len(claims) + 1 :]


def _unit_energy(laboratory: Laboratory, modality: str) -> Float[np.ndarray, " units"]:
    """Share of the sense's whole edit energy in each unit.

    With the change itself in the gradient's place, a modality's exact split of gradient times change is the split of
    the squared norm.
    """
    prepared = laboratory.prepared[modality]
    sense = laboratory.system.modalities[modality]
    _, _, squares = sense.attribute(prepared, prepared.tensor - prepared.baseline)["units"]
    energy = np.maximum(laboratory.segmentations[modality].total(squares), 0.0)
    return energy / max(float(energy.sum()), 1e-12)
