"""Verification of one explanation: commit, edit, measure, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from .claims import Claim, ClaimSettings, propose
from .commitment import Commitment, commit
from .controls import Controls, draw_controls
from .judge import RankTest, Verdict, judge, rank_test
from .measure import Laboratory

__all__ = ["CheckedClaim", "Effect", "Verification", "VerifySettings", "verify"]


@dataclass(frozen=True)
class VerifySettings:
    """How an explanation is verified.

    Attributes:
        operators: infill operators used, the first so many of each sense.
        controls: control edits of the first claim.
        alpha: level of the rank test.
        least: smallest effect that counts, nats.
        claims: how units are gathered into claims.
    """

    operators: int = 2
    controls: int = 19
    alpha: float = 0.05
    least: float = 0.1
    claims: ClaimSettings = field(default_factory=ClaimSettings)


@dataclass(frozen=True)
class Effect:
    """What one edit under one operator did: change of the score (nats), scores of all actions, edit energy, edited input of the sense."""

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
        status: ``confirmed`` (the effect has the predicted sign), ``contradicted`` (the other sign) or ``negligible`` (smaller than counts).
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
        senses: effect of taking away each sense as a whole, by sense, one per operator.
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
        content: what else the commitment must hold (digests of observation, system, saliency; parameters), as plain JSON values.
        salt: called with the commitment's digest once everything is fixed; returns a salt that nobody could foresee.
        settings: how.
        progress: called with the share done.
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
    controls = Controls((), (), 0)
    if claims:
        first = claims[0]
        energy = _unit_energy(laboratory, first.modality)
        controls = draw_controls(laboratory.segmentations[first.modality], energy, first.units, settings.controls, rng)
    effects: dict[str, list[Effect]] = {claim.name: [] for claim in claims}
    senses: dict[str, tuple[Effect, ...]] = {}
    tests, complement, control_energies = [], [], {}
    jobs = sum(len(names) for names in operators.values())
    for m, names in operators.items():
        own = [claim for claim in claims if claim.modality == m]
        whole = tuple(range(len(laboratory.segmentations[m])))
        extra = controls.edits if claims and m == claims[0].modality else ()
        of_sense = []
        for operator in names:
            result = laboratory.measure(m, [*(c.units for c in own), whole, *extra], operator)
            # The edited inputs of claims are kept to be shown; copied, so that those of the controls can go.
            shown = [x.numpy(force=True).copy() for x in result.tensor[: len(own)]] + [None] * (1 + len(extra))
            made = [
                Effect(operator, float(e), z.numpy(force=True), float(n), x)
                for e, z, n, x in zip(result.effect, result.logits, result.energy, shown, strict=True)
            ]
            for claim, effect in zip(own, made, strict=False):
                effects[claim.name].append(effect)
            of_sense.append(made[len(own)])
            if extra:
                drawn = made[len(own) + 1 :]
                tests.append(rank_test(operator, effects[claims[0].name][-1].effect, [e.effect for e in drawn]))
                control_energies[operator] = tuple(e.energy for e in drawn)
            progress((len(senses) * settings.operators + len(of_sense)) / max(jobs, 1))
        senses[m] = tuple(of_sense)
    if claims:
        complement = [laboratory.keep_only(claims[0].modality, claims[0].units, k) for k in range(settings.operators)]
    checked = []
    for claim in claims:
        measured = float(np.mean([e.effect for e in effects[claim.name]]))
        checked.append(CheckedClaim(claim, tuple(effects[claim.name]), measured, _status(measured, claim.predicted, settings.least)))
    return Verification(
        commitment=commitment,
        salt=revealed,
        claims=tuple(checked),
        senses=senses,
        complement=tuple(Effect(c.operator, float(c.measured.effect[0]), c.measured.logits[0].numpy(force=True), 1.0) for c in complement),
        tests=tuple(tests),
        controls=controls,
        control_energies=control_energies,
        verdict=judge(tests, settings.alpha, settings.least, settings.controls),
        passes=laboratory.passes - spent,
    )


def _unit_energy(laboratory: Laboratory, modality: str) -> Float[np.ndarray, " units"]:
    """Share of the sense's whole edit energy in each unit.

    With the change itself in the gradient's place, a modality's exact split of gradient times change is the split of the squared norm.
    """
    prepared = laboratory.prepared[modality]
    _, _, squares = laboratory.system.modalities[modality].attribute(prepared, prepared.tensor - prepared.baseline)["units"]
    energy = np.maximum(laboratory.segmentations[modality].total(squares), 0.0)
    return energy / max(float(energy.sum()), 1e-12)
