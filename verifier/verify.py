"""Verification of one account: commit, reveal, edit, measure, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ..errors import ContractError, DeadlineError, InputError
from ..fusion.measure import Edit, Laboratory, Operators
from .account import Account, CheckedClaim, Effect, state, status_of
from .agreement import AgreementTest, agreement, agreement_test
from .bounds import Share
from .claims import Claim, ClaimSettings
from .commitment import Commitment, commit, digest_array
from .conformal import Calibration
from .controls import Controls, allot, draw_controls
from .judge import Criteria, RankTest, Trial, Verdict, judge, rank_test
from .novelty import LOGITS, Novelty, pool
from .stability import Stability, measure_stability
from .sufficiency import Necessity, measure_necessity, measure_sufficiency

__all__ = [
    "STAGES",
    "Reference",
    "Verification",
    "VerifySettings",
    "look_further",
    "operators_of",
    "unit_energy",
    "unmeasurable",
    "verify",
]


STAGES = ("account", "claims", "all")
"""How far an account is tested: not at all, its claims measured, or all that the verdict asks for."""


@dataclass(frozen=True)
class VerifySettings:
    """How an account is verified.

    Attributes:
        operators: infill operators used, the first so many of each sense.
        controls: control edits over all claims; see `veridical.verifier.controls`.
        criteria: what *supported* asks for.
        neighbours: noisy neighbours of the input at which the first claim is measured again; none, and stability is
            not looked at.
        supersets: random supersets of the evidence for its sufficiency; none, and it is not looked at.
        claims: how units are gathered into claims.

    Raises:
        InputError: a number out of range.
    """

    operators: int = 2
    controls: int = 20
    criteria: Criteria = field(default_factory=Criteria)
    neighbours: int = 4
    supersets: int = 24
    claims: ClaimSettings = field(default_factory=ClaimSettings)

    def __post_init__(self) -> None:
        c = self.criteria
        if not (self.operators >= 1 and self.controls >= 1 and 0 < c.alpha < 1 and c.least >= 0):
            raise InputError(
                f"verify: operators {self.operators}, controls {self.controls}, alpha {c.alpha}, least {c.least}; "
                "operators and controls are at least 1, alpha lies between 0 and 1, least is at least 0"
            )
        if not (0 < c.agreement <= 1 and 0 <= c.overtaken <= 1 and min(self.neighbours, self.supersets) >= 0):
            raise InputError(
                f"verify: agreement {c.agreement}, overtaken {c.overtaken}, neighbours {self.neighbours}, supersets "
                f"{self.supersets}; the first two are shares (agreement above 0), the others at least 0"
            )


@dataclass(frozen=True)
class Reference:
    """What was measured of a system beforehand, and is committed to.

    Attributes:
        calibrations: by method: how far off its predictions are.
        novelty: what natural inputs look like to the system.
    """

    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    novelty: Novelty | None = None

    def content(self, method: str) -> dict[str, Any]:
        """Return what a commitment holds of it: digests, as plain JSON values."""
        found: dict[str, Any] = {}
        if method in self.calibrations:
            found["calibration"] = self.calibrations[method].digest
        if self.novelty is not None:
            found["novelty"] = {name: digest_array(array) for name, array in self.novelty.arrays().items()}
        return found


@dataclass(frozen=True)
class Verification:
    """All that was committed, edited and measured, and the verdict.

    Attributes:
        account: what was put to the test.
        commitment: what was fixed before any edit.
        salt: drawn after the commitment; with it decides the control edits.
        claims: the claims, checked; fewer than the account has only where measuring failed.
        agreement: of the predicted with the measured effects of all claims.
        test: whether the predictions are right of the claims alone; None where the claims themselves decided.
        tests: rank tests of the first claim's effect, one per operator; none where no control was measured.
        controls: the first claim's control edits.
        control_energies: measured energy of each of them by operator.
        others: control edits of the further claims, and the mean effect of each.
        stability: of the first claim under noise; None where it was not looked at.
        verdict: the verdict.
        passes: forward passes spent on the verdict.
        senses: effect of taking away each sense as a whole, by sense, one per operator; senses without evidence units
            (an empty text) are left out. Of `look_further`, as are those that follow.
        complement: effects of editing everything but the first claim, one per operator.
        necessity: what taking out the evidence of all claims does.
        sufficiency: share of random supersets of the evidence that keep the decision.
        notes: what could not be looked at, and why.
    """

    account: Account
    commitment: Commitment
    salt: str
    claims: tuple[CheckedClaim, ...]
    agreement: float
    test: AgreementTest | None
    tests: tuple[RankTest, ...]
    controls: Controls
    control_energies: Mapping[str, tuple[float, ...]]
    others: tuple[tuple[Controls, tuple[float, ...]], ...]
    stability: Stability | None
    verdict: Verdict
    passes: int
    senses: Mapping[str, tuple[Effect, ...]] = field(default_factory=dict)
    complement: tuple[Effect, ...] = ()
    necessity: Necessity | None = None
    sufficiency: Share | None = None
    notes: tuple[str, ...] = ()


def operators_of(laboratory: Laboratory, count: int) -> tuple[Operators, ...]:
    """Return ways of editing: the senses' first, second ... operators together; the last of a sense that has fewer."""
    names = {m: laboratory.system.modalities[m].operators[:count] for m in laboratory.prepared}
    most = max((len(found) for found in names.values()), default=0)
    return tuple({m: found[min(k, len(found) - 1)] for m, found in names.items()} for k in range(most))


def verify(
    laboratory: Laboratory,
    account: Account | Mapping[str, Float[np.ndarray, " units"]],
    content: Mapping[str, Any],
    salt: Callable[[str], str],
    settings: VerifySettings | None = None,
    reference: Reference | None = None,
    progress: Callable[[float], None] = lambda share: None,
    stage: str = "all",
) -> Verification:
    """Verify an account of a decision.

    First the claims are measured; only if they hold are controls drawn and measured. A system that cannot be measured
    makes the verdict *inconclusive*, with the reason.

    Args:
        laboratory: the system before the observation.
        account: what is put to the test, or the contribution of each evidence unit by sense, nats.
        content: what else the commitment must hold (digests of observation, system, saliency; parameters), as plain
            JSON values.
        salt: called with the commitment's digest once everything is fixed; returns a salt that nobody could foresee.
        settings: how.
        reference: what was measured of the system beforehand.
        progress: called with the share done.
        stage: one of `STAGES`: where to end. A deadline of the laboratory may end it before; the verdict then is
            *inconclusive*, unless the claims alone settle it.

    Raises:
        InputError: the contributions do not fit the evidence units or are not finite.
    """
    settings, reference = settings or VerifySettings(), reference or Reference()
    if not isinstance(account, Account):
        account = state("unnamed", account, laboratory.segmentations, settings.claims)
    operators = operators_of(laboratory, settings.operators)
    commitment = commit(
        {
            **content,
            "method": account.method,
            "values": {m: digest_array(np.asarray(v, np.float64) + 0.0) for m, v in account.values.items()},
            "claims": [{**asdict(c), "units": list(c.units)} for c in account.claims],
            "operators": {m: list(dict.fromkeys(each[m] for each in operators)) for m in laboratory.prepared},
            "parameters": asdict(settings),
            "reference": reference.content(account.method),
        }
    )
    revealed = salt(commitment.digest)
    spent = laboratory.passes
    course = _Course(laboratory, account, operators, settings, reference)
    rng = np.random.default_rng(commitment.seed(revealed))
    try:
        course.run(rng, progress, stage)
    except DeadlineError:
        course.cut = True
    except ContractError as error:
        course.blocked = str(error).removesuffix(".")
    trial = course.trial()
    return Verification(
        account=account,
        commitment=commitment,
        salt=revealed,
        claims=trial.claims,
        agreement=trial.agreement,
        test=trial.test,
        tests=trial.ranks,
        controls=course.controls[0] if course.controls else Controls(),
        control_energies=course.energies,
        others=tuple(zip(course.controls[1:], course.control_effects[1:], strict=True)),
        stability=trial.stability,
        verdict=judge(trial, settings.criteria),
        passes=laboratory.passes - spent,
    )


class _Course:
    """One verification under way: what was measured so far."""

    def __init__(
        self,
        laboratory: Laboratory,
        account: Account,
        operators: Sequence[Operators],
        settings: VerifySettings,
        reference: Reference,
    ) -> None:
        self.laboratory, self.account, self.operators = laboratory, account, operators
        self.settings, self.reference = settings, reference
        self.claims: list[CheckedClaim] = []
        self.controls: list[Controls] = []
        self.control_effects: list[tuple[float, ...]] = []
        self.energies: dict[str, tuple[float, ...]] = {}
        self.test: AgreementTest | None = None
        self.ranks: list[RankTest] = []
        self.stability: Stability | None = None
        self.moved, self.overtaken, self.blocked, self.cut = 0.0, 0.0, "", False

    def run(self, rng: np.random.Generator, progress: Callable[[float], None], stage: str) -> None:
        """Measure in stages, each only if the account has come through those before."""
        if not self.account.claims:
            return
        if stage == "account":
            self.cut = True
            return
        self._measure_claims()
        progress(0.3)
        if judge(self.trial(), self.settings.criteria).cause != "too-small":
            return  # a claim that fails needs no control
        if stage == "claims":
            self.cut = True
            return
        self._measure_controls(rng)
        progress(0.8)
        if self.settings.neighbours and judge(self.trial(), self.settings.criteria).verdict == "supported":
            first = self.account.claims[0]
            edit = {first.modality: first.units}
            self.stability = measure_stability(
                self.laboratory,
                edit,
                self.operators,
                self.settings.neighbours,
                np.random.default_rng(rng.integers(2**63)),
            )
        progress(1.0)

    def trial(self) -> Trial:
        """What was measured so far, for the judge."""
        predicted, measured = self._figures()
        return Trial(
            claims=tuple(self.claims),
            moved=self.moved,
            test=self.test,
            ranks=tuple(self.ranks),
            overtaken=self.overtaken,
            stability=self.stability,
            blocked=self.blocked,
            agreement=agreement(predicted, measured) if self.claims else 0.0,
            cut=self.cut,
        )

    def _figures(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([c.claim.predicted for c in self.claims]), np.array([c.measured for c in self.claims])

    def _measure_claims(self) -> None:
        lab, claims = self.laboratory, self.account.claims
        edits: list[Edit] = [{c.modality: c.units} for c in claims]
        lab.score_all(edits, self.operators)
        found = [lab.measure(edits, each) for each in self.operators]
        for i, claim in enumerate(claims):
            effects = tuple(
                _effect(lab, claim, each[claim.modality], float(m.effect[i]), m.logits[i].numpy(force=True))
                for each, m in zip(self.operators, found, strict=True)
            )
            self.claims.append(self._checked(claim, effects))
        self.moved = max(abs(e.effect) for c in self.claims for e in c.effects)
        if self.moved < 1e-6:  # perhaps nothing moves the score; take away all there is before saying so
            whole: Edit = {m: tuple(range(len(s))) for m, s in lab.segmentations.items()}
            each = [{m: units} for m, units in whole.items()]
            self.moved = max(float(lab.measure([whole, *each], o).effect.abs().max()) for o in self.operators)

    def _checked(self, claim: Claim, effects: tuple[Effect, ...]) -> CheckedClaim:
        lab, calibration = self.laboratory, self.reference.calibrations.get(self.account.method)
        measured = float(np.mean([e.effect for e in effects]))
        checked = CheckedClaim(
            claim,
            effects,
            measured,
            status_of(measured, claim.predicted, self.settings.criteria.least),
            predicted_flip=(lab.score or 0.0) + claim.predicted < 0,
            flips=tuple(int(e.logits.argmax()) != lab.action for e in effects),
            novelty=self._novelty(claim, effects),
        )
        if calibration is None:
            return checked
        return replace(
            checked, interval=calibration.interval(claim.predicted), p=calibration.p(claim.predicted, measured)
        )

    def _novelty(self, claim: Claim, effects: Sequence[Effect]) -> tuple[float, ...]:
        novelty, m = self.reference.novelty, claim.modality
        if novelty is not None and LOGITS in novelty.senses:
            scores = pool({LOGITS: torch.from_numpy(np.stack([effect.logits for effect in effects]))})
            return tuple(float(p) for p in novelty.score(scores)[LOGITS].p)
        if novelty is None or m not in novelty.senses:
            return ()
        found = [self.laboratory.features(m, claim.units, effect.operator) for effect in effects]
        if any(x is None for x in found):
            return ()
        return tuple(float(novelty.score(pool({m: x}))[m].p[0]) for x in found if x is not None)

    def _measure_controls(self, rng: np.random.Generator) -> None:
        lab, claims = self.laboratory, self.account.claims
        energy = {m: unit_energy(lab, m) for m in dict.fromkeys(c.modality for c in claims)}
        for claim, count in zip(claims, allot(self.settings.controls, len(claims)), strict=True):
            segmentation = lab.segmentations[claim.modality]
            self.controls.append(draw_controls(segmentation, energy[claim.modality], claim.units, count, rng))
        edits: list[Edit] = [
            {claim.modality: edit} for claim, drawn in zip(claims, self.controls, strict=True) for edit in drawn.edits
        ]
        lab.score_all(edits, self.operators)
        effects = np.array([lab.measure(edits, each).effect.tolist() for each in self.operators])
        at = np.cumsum([0, *(len(drawn.edits) for drawn in self.controls)])
        by_claim = [effects[:, a:b] for a, b in pairwise(at.tolist())]
        means = [each.mean(axis=0) for each in by_claim]
        self.control_effects = [tuple(each.tolist()) for each in means]
        predicted, measured = self._figures()
        self.test = agreement_test(predicted, measured, means)
        first, own = self.claims[0], by_claim[0]
        if own.shape[1]:
            self.moved = max(self.moved, float(np.abs(effects).max()))
            self.overtaken = float(np.mean(means[0] < first.measured - 1e-9))
            for k, effect in enumerate(first.effects):
                self.ranks.append(rank_test(effect.operator, effect.effect, own[k].tolist()))
                m = first.claim.modality
                self.energies[effect.operator] = tuple(
                    lab.energy(m, edit, effect.operator) for edit in self.controls[0].edits
                )


def look_further(
    laboratory: Laboratory, verification: Verification, settings: VerifySettings | None = None
) -> Verification:
    """Measure what the verdict does not hang on, but a reader wants to know.

    Each sense taken away as a whole, everything but the first claim, all claims together (necessity), and random
    supersets of the evidence (sufficiency). Where the system cannot be measured a note says so, and the verdict is
    *inconclusive*: a system that breaks down under one edit is no witness under another.
    """
    settings = settings or VerifySettings()
    spent = laboratory.passes
    operators = operators_of(laboratory, settings.operators)
    found = verification
    try:
        senses = {
            m: tuple(_joint(laboratory, {m: tuple(range(len(s)))}, each, m) for each in operators)
            for m, s in laboratory.segmentations.items()
            if len(s)
        }
        found = replace(found, senses=senses)
        if found.claims:
            first = found.claims[0].claim
            rest = {
                m: [u for u in range(len(s)) if m != first.modality or u not in first.units]
                for m, s in laboratory.segmentations.items()
            }
            complement = tuple(_joint(laboratory, rest, each, first.modality) for each in operators)
            found = replace(found, complement=complement)
            found = replace(found, necessity=measure_necessity(laboratory, found.claims, operators))
        if found.claims and settings.supersets:
            rng = np.random.default_rng([1, found.commitment.seed(found.salt)])
            share = measure_sufficiency(laboratory, found.claims, operators[0], settings.supersets, rng)
            found = replace(found, sufficiency=share)
    except ContractError as error:
        found = unmeasurable(found, str(error))
    return replace(found, passes=found.passes + laboratory.passes - spent)


def unmeasurable(verification: Verification, why: str) -> Verification:
    """Return the verification of an account with the verdict that further edits could not be measured, and a note."""
    note, verdict = f"Not all edits could be measured: {why.removesuffix('.')}.", verification.verdict
    if verdict.cause != "unmeasurable":  # which says it already
        verdict = Verdict("inconclusive", (note, *verdict.reasons), "unmeasurable")
    return replace(verification, verdict=verdict, notes=(*verification.notes, note))


def _effect(
    laboratory: Laboratory, claim: Claim, operator: str, effect: float, logits: Float[np.ndarray, " actions"]
) -> Effect:
    tensor, energy = laboratory.edited(claim.modality, claim.units, operator)
    return Effect(operator, effect, logits.copy(), energy, tensor.numpy(force=True).copy())


def _joint(laboratory: Laboratory, edit: Edit, operators: Operators, shown: str) -> Effect:
    """Measure one edit of several senses; its energy is that of the sense ``shown``."""
    found = laboratory.measure([edit], operators)
    names = " + ".join(operators[m] for m in edit)
    energy = laboratory.energy(shown, edit[shown], operators[shown])
    return Effect(names, float(found.effect[0]), found.logits[0].numpy(force=True).copy(), energy)


def unit_energy(laboratory: Laboratory, modality: str) -> Float[np.ndarray, " units"]:
    """Return the share of the sense's whole edit energy in each unit.

    With the change itself in the gradient's place, a modality's exact split of gradient times change is the split of
    the squared norm.
    """
    prepared = laboratory.prepared[modality]
    sense = laboratory.system.modalities[modality]
    _, _, squares = sense.attribute(prepared, prepared.tensor - prepared.baseline)["units"]
    energy = np.maximum(laboratory.segmentations[modality].total(squares), 0.0)
    return energy / max(float(energy.sum()), 1e-12)
