"""The ladder: explain cheaply, test, and climb only where the account does not hold.

gradient → few steps of the path → converged path → measured effects of the evidence that gradients rank first. Each
rung's account is committed to and judged with controls of its own; what was measured on a lower rung is not measured
again. The last rung reports what was measured, so nothing need be asserted that could not be confirmed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ..errors import ContractError, DeadlineError, InputError
from ..fusion.frame import contributions
from ..fusion.measure import Laboratory
from ..modalities.deadline import within
from ..modalities.path import JointPath, PathSettings, integrate_path
from ..modalities.scorer import Scorer, logits_of
from ..modalities.target import Target, decision_score
from .account import Account, state
from .critic import Critique, criticise
from .grouping import GroupSettings, measured_effects
from .verify import STAGES, Reference, Verification, VerifySettings, operators_of, unmeasurable, verify

__all__ = ["METHODS", "RUNGS", "Attempt", "Climb", "LadderSettings", "Proposal", "climb", "gradient_only", "propose_at"]

RUNGS = ("gradient", "few-steps", "path", "measured")
"""The rungs, the cheapest first."""

METHODS = {
    "gradient": "gradient times change",
    "few-steps": "integrated gradients, few steps",
    "path": "integrated gradients along one joint path",
    "measured": "measured effects of gradient-ranked evidence",
}
"""What each rung's method is called."""

FEW = PathSettings(first=8, last=8, map_tolerance=None)
"""The quadrature of the second rung: nine points."""


@dataclass(frozen=True)
class LadderSettings:
    """How the ladder is climbed.

    Attributes:
        rungs: which rungs, in order; see `RUNGS`.
        path: quadrature of the rung ``path``.
        groups: search of the rung ``measured``.
        again: times that ``measured`` may be tried again with what the controls turned up.
        passes: no further rung is begun once so many inputs were scored or differentiated; None sets no bound.
        seconds: nor after so many seconds; None sets no bound. (A deadline of the laboratory is kept besides.)
        stage: how far each account is tested; see `verify.STAGES`.

    Raises:
        InputError: an unknown rung or stage, none, or a bound that is not positive.
    """

    rungs: tuple[str, ...] = RUNGS
    path: PathSettings = field(default_factory=PathSettings)
    groups: GroupSettings = field(default_factory=GroupSettings)
    again: int = 1
    passes: int | None = None
    seconds: float | None = None
    stage: str = "all"

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise InputError(f"ladder: no stage {self.stage!r}; there are {', '.join(STAGES)}")
        unknown = [rung for rung in self.rungs if rung not in RUNGS]
        if unknown or not self.rungs or len(set(self.rungs)) < len(self.rungs):
            raise InputError(f"ladder: rungs {', '.join(self.rungs) or 'none'}; give some of {', '.join(RUNGS)}, once")
        if self.again < 0 or any(bound is not None and not bound > 0 for bound in (self.passes, self.seconds)):
            raise InputError(
                f"ladder: again {self.again}, passes {self.passes}, seconds {self.seconds}; again is at least 0, the "
                "bounds are positive"
            )


@dataclass(frozen=True)
class Proposal:
    """What a rung proposes.

    Attributes:
        rung: its name.
        account: what is to be tested.
        path: the path gradients that it rests on, or that told it where to look.
        gradients: gradients taken for it.
        passes: forward passes spent on it.
    """

    rung: str
    account: Account
    path: JointPath
    gradients: int
    passes: int


@dataclass(frozen=True)
class Attempt:
    """One rung: what was proposed, what came of it, and what the critic said.

    Attributes:
        proposal: what was proposed.
        verification: what came of it.
        critique: where it went wrong; None where it is supported.
        seconds: spent on proposing and on verifying.
    """

    proposal: Proposal
    verification: Verification
    critique: Critique | None
    seconds: tuple[float, float]


@dataclass(frozen=True)
class Climb:
    """The attempts made.

    Attributes:
        attempts: in order; the last one's account is the explanation.
        stopped: why no further rung was tried: ``supported``, ``last rung``, ``passes``, ``seconds``, ``stage`` (no
            further test was asked for) or ``untestable``.
    """

    attempts: tuple[Attempt, ...]
    stopped: str

    @property
    def final(self) -> Attempt:
        """The attempt whose account stands."""
        return self.attempts[-1]

    @property
    def passes(self) -> int:
        """Inputs scored or differentiated over all attempts."""
        return sum(a.proposal.gradients + a.proposal.passes + a.verification.passes for a in self.attempts)


def climb(
    laboratory: Laboratory,
    content: Callable[[Proposal], Mapping[str, Any]],
    salt: Callable[[str], str],
    settings: LadderSettings | None = None,
    verifying: VerifySettings | None = None,
    reference: Reference | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Climb:
    """Climb until an account is supported, or there is no rung or no time left.

    Args:
        laboratory: the system before the observation.
        content: what else the commitment to a proposal must hold.
        salt: called with each commitment's digest; returns a salt that nobody could foresee.
        settings: which rungs, and how far.
        verifying: how each account is verified.
        reference: what was measured of the system beforehand.
        progress: called with ``attribute`` or ``verify`` and the share done of a whole climb.

    Raises:
        ContractError: the system gives no gradients, or breaks the contract at the input itself.
        DeadlineError: the laboratory's deadline does not leave the time for the first rung's account.
    """
    settings, verifying = settings or LadderSettings(), verifying or VerifySettings()
    began, attempts = time.perf_counter(), list[Attempt]()
    order = [r for r in settings.rungs if r != "measured"]
    order += ["measured"] * (1 + settings.again) if "measured" in settings.rungs else []
    stopped: str | None = None
    failed = ""
    for number, rung in enumerate(order):
        stopped = _stop(attempts, settings, time.perf_counter() - began) if attempts else None
        if stopped:
            break
        start = time.perf_counter()
        share = number / len(order)
        progress("attribute", share)
        try:
            with within(laboratory.deadline, f"account: {rung}", what=f"the account of the rung {rung!r}"):
                proposal = propose_at(rung, laboratory, attempts, settings, verifying)
        except DeadlineError:
            if not attempts:
                raise
            stopped = "seconds"
            break
        except ContractError as error:
            if not attempts:
                raise
            failed = str(error)  # what breaks down on the path may bear to be measured
            continue
        failed = ""
        middle = time.perf_counter()
        progress("verify", share)
        verification = verify(
            laboratory, proposal.account, content(proposal), salt, verifying, reference, stage=settings.stage
        )
        critique = None
        if verification.verdict.verdict != "supported":
            operators = operators_of(laboratory, verifying.operators)
            spent = laboratory.passes
            critique = criticise(laboratory, verification, operators, verifying.criteria)
            verification = replace(verification, passes=verification.passes + laboratory.passes - spent)
        attempts.append(Attempt(proposal, verification, critique, (middle - start, time.perf_counter() - middle)))
    if stopped is None and failed:
        attempts[-1] = replace(attempts[-1], verification=unmeasurable(attempts[-1].verification, failed))
        stopped = "untestable"
    if stopped is None:
        held = attempts[-1].verification.verdict.verdict == "supported"
        stopped = "supported" if held else "last rung"
    return Climb(tuple(attempts), stopped)


def _stop(attempts: list[Attempt], settings: LadderSettings, seconds: float) -> str | None:
    """Why to stop after these attempts; None to go on."""
    last = attempts[-1]
    if last.verification.verdict.verdict == "supported":
        return "supported"
    if last.verification.verdict.cause in ("unmeasurable", "nothing-moves"):
        return "untestable"
    if last.verification.verdict.cause == "untested":
        return "seconds" if settings.stage == "all" else "stage"
    if settings.passes is not None and Climb(tuple(attempts), "").passes >= settings.passes:
        return "passes"
    if settings.seconds is not None and seconds >= settings.seconds:
        return "seconds"
    if last.proposal.rung == "measured" and (last.critique is None or not last.critique.found):
        return "last rung"
    return None


def propose_at(
    rung: str,
    laboratory: Laboratory,
    attempts: list[Attempt],
    settings: LadderSettings | None = None,
    verifying: VerifySettings | None = None,
) -> Proposal:
    """Return a rung's proposal, given the attempts made before.

    Raises:
        InputError: an unknown rung.
        ContractError: the system gives no gradients, or cannot be measured.
    """
    settings, verifying = settings or LadderSettings(), verifying or VerifySettings()
    if rung not in RUNGS:
        raise InputError(f"ladder: no rung {rung!r}; there are {', '.join(RUNGS)}")
    if rung == "measured":
        return _measured(laboratory, attempts, settings, verifying)
    path = _path(rung, laboratory, settings)
    values = contributions(laboratory.system, laboratory.prepared, laboratory.segmentations, path.gradients)
    account = state(METHODS[rung], values, laboratory.segmentations, verifying.claims)
    return Proposal(rung, account, path, path.nodes, 1 if rung == "gradient" else 0)


def _path(rung: str, laboratory: Laboratory, settings: LadderSettings) -> JointPath:
    if rung == "gradient":
        return gradient_only(laboratory, settings.path.tolerance)
    chosen = FEW if rung == "few-steps" else settings.path
    return integrate_path(laboratory.system, laboratory.prepared, laboratory.action, chosen)


def gradient_only(laboratory: Laboratory, tolerance: float) -> JointPath:
    """Return the gradient at the input as a path of one point: contributions are gradient times change.

    Of a system that has no finite score at the baseline, score and scores there are NaN: absence is an edit like any
    other, and that some edit cannot be measured is for the verdict to say.

    Raises:
        ContractError: the system gives no gradients, or breaks the contract at the input itself.
    """
    system, prepared = laboratory.system, laboratory.prepared
    scorer = Scorer(system, Target(laboratory.action))
    inputs, baselines = ({m: getattr(p, which) for m, p in prepared.items()} for which in ("tensor", "baseline"))
    slopes = scorer.gradient(inputs)
    with scorer.held(), torch.no_grad():
        try:
            empty = logits_of(system, baselines, 1, "at the baseline")[0]
        except ContractError:
            empty = slopes.logits.new_full((len(system.actions),), float("nan"))
    total = sum(float((slopes.values[m].double() * (inputs[m] - baselines[m]).double()).sum()) for m in inputs)
    score, nothing = float(slopes.scores[0]), float(decision_score(empty[None], laboratory.action)[0])
    within = abs(total - (score - nothing)) <= tolerance * abs(score - nothing)
    gradients = {m: g.detach() for m, g in slopes.values.items()}
    return JointPath(gradients, score, nothing, empty.detach(), total, 1, within)


def _measured(
    laboratory: Laboratory, attempts: list[Attempt], settings: LadderSettings, verifying: VerifySettings
) -> Proposal:
    spent, gradients = laboratory.passes, 0
    if attempts:
        path = attempts[-1].proposal.path
    else:
        path = gradient_only(laboratory, settings.path.tolerance)
        gradients = 1
    # What gradients made of the units on lower rungs says where to look, the best path's first.
    before = [a for a in reversed(attempts) if a.proposal.rung != "measured"]
    rankings: list[Mapping[str, Float[np.ndarray, " units"]]] = [dict(a.proposal.account.values) for a in before[:2]]
    if not rankings:
        rankings = [contributions(laboratory.system, laboratory.prepared, laboratory.segmentations, path.gradients)]
    seen: list[tuple[str, tuple[int, ...]]] = []
    for attempt in reversed(attempts):
        seen += list(attempt.critique.found[:4]) if attempt.critique else []
        if attempt.proposal.rung == "measured":
            seen += [(c.modality, c.units) for c in attempt.proposal.account.claims]
    operators = operators_of(laboratory, verifying.operators)
    found = measured_effects(laboratory, rankings, operators, seen, settings.groups)
    account = Account(METHODS["measured"], found.values, found.claims)
    return Proposal("measured", account, path, gradients, laboratory.passes - spent)
