"""Judging: the verdict that follows from what was measured, and the reasons in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..modalities.wording import nats, number, percent
from .account import CheckedClaim
from .agreement import AgreementTest
from .stability import Stability

__all__ = ["Criteria", "RankTest", "Trial", "Verdict", "judge", "rank_test"]


@dataclass(frozen=True)
class Criteria:
    """What *supported* asks for.

    Attributes:
        alpha: level of the tests.
        least: smallest effect that counts, nats.
        agreement: least agreement of the predicted with the measured effects of all claims; see `agreement.agreement`.
        overtaken: largest share of the first claim's controls that may lower the score more than it does.
    """

    alpha: float = 0.05
    least: float = 0.1
    agreement: float = 0.5
    overtaken: float = 0.25


@dataclass(frozen=True)
class RankTest:
    """The first claim's effect among its controls' under one operator.

    Attributes:
        operator: infill operator.
        effect: measured effect of the claim, nats.
        controls: measured effects of the control edits, nats.
        p: (1 + number of controls that lower the score at least as much) / (controls + 1).
    """

    operator: str
    effect: float
    controls: tuple[float, ...]
    p: float


@dataclass(frozen=True)
class Verdict:
    """*supported*, *unsupported* or *inconclusive*, with the reasons in words.

    Attributes:
        verdict: the verdict.
        reasons: in words, with figures; the one that decides comes first.
        cause: what decided, one word, for programs: ``holds``, ``unmeasurable``, ``no-claim``, ``nothing-moves``,
            ``not-confirmed``, ``operators-disagree``, ``inaccurate``, ``off-record``, ``too-small``, ``unspecific``,
            ``overtaken``, ``unstable``, ``off-data`` or ``untested``.
    """

    verdict: str
    reasons: tuple[str, ...]
    cause: str = ""


@dataclass(frozen=True)
class Trial:
    """What was measured of an account, for `judge`.

    Attributes:
        claims: the claims, checked, the first one first.
        moved: largest effect of any edit made, nats.
        test: whether the predictions are right of the claims rather than of any edit like them; None where the claims
            alone decided, so that no control was measured.
        ranks: the first claim's effect among its controls', one test per operator.
        overtaken: share of the first claim's controls that lower the score more than it does, mean over operators.
        stability: of the first claim's effect under noise; None where it was not looked at.
        blocked: why nothing could be measured, in words.
        cut: whether the test was ended before all was measured, for want of time or because no more was asked for.
        agreement: of the predicted with the measured effects of all claims.
    """

    claims: tuple[CheckedClaim, ...] = ()
    moved: float = 0.0
    test: AgreementTest | None = None
    ranks: tuple[RankTest, ...] = ()
    overtaken: float = 0.0
    stability: Stability | None = None
    blocked: str = ""
    agreement: float = 0.0
    cut: bool = False


def rank_test(operator: str, effect: float, controls: Sequence[float]) -> RankTest:
    """Rank the claim's effect among the controls'.

    Exact for exchangeable draws (Phipson and Smyth, "Permutation P-values should never be zero", SAGMB 2010,
    section 3); a tie counts against the claim.

    >>> rank_test("blur", -2.0, [-1.0, 0.1, -3.0]).p
    0.5
    """
    as_low = sum(control <= effect for control in controls)
    return RankTest(operator, effect, tuple(controls), (1 + as_low) / (len(controls) + 1))


Finding = tuple[str, str, str] | None
"""Verdict, cause and reason, or None where a question is passed."""


def judge(trial: Trial, criteria: Criteria | None = None) -> Verdict:
    """Come to a verdict: the first question that is not passed decides; *supported* passes them all."""
    criteria = criteria or Criteria()
    for question in _QUESTIONS:
        found = question(trial, criteria)
        if found is not None:
            verdict, cause, reason = found
            return Verdict(verdict, (reason, *_also(trial, cause)), cause)
    test, first = trial.test, trial.claims[0]
    if test is None and trial.cut:
        why = "Its claims were measured, but no control edit was, so chance is not ruled out: the test was cut short."
        return Verdict("inconclusive", (why, *_also(trial, "untested")), "untested")
    if test is None:
        return Verdict("inconclusive", ("No control edit was measured, so chance is not ruled out.",), "too-small")
    if all(abs(c.claim.predicted - c.measured) < 1e-6 for c in trial.claims):
        reason = (
            f"What it states was measured ({_claims(len(trial.claims))}), and of comparable evidence it would not be "
            f"as right (p = {number(test.p, 3)}); taking out the first claim's evidence changes the score by "
            f"{nats(first.measured)} nats."
        )
        return Verdict("supported", (reason, *_also(trial, "holds")), "holds")
    reason = (
        f"Its predictions agree with what was measured ({percent(test.agreement)}, {_claims(len(trial.claims))}), and "
        f"would not of comparable evidence (p = {number(test.p, 3)}); taking out the first claim's evidence changes "
        f"the score by {nats(first.measured)} nats, {nats(first.claim.predicted)} predicted."
    )
    return Verdict("supported", (reason, *_also(trial, "holds")), "holds")


def _claims(count: int) -> str:
    return "1 claim" if count == 1 else f"{count} claims"


def _figures(claim: CheckedClaim) -> str:
    return "; ".join(f"{effect.operator}: {nats(effect.effect)} nats" for effect in claim.effects)


def _measurable(trial: Trial, criteria: Criteria) -> Finding:
    return ("inconclusive", "unmeasurable", f"It could not be measured: {trial.blocked}.") if trial.blocked else None


def _tested(trial: Trial, criteria: Criteria) -> Finding:
    if trial.claims or not trial.cut:
        return None
    return "inconclusive", "untested", "Nothing was edited: what it claims was not put to the test."


def _claimed(trial: Trial, criteria: Criteria) -> Finding:
    if trial.claims:
        return None
    return "inconclusive", "no-claim", "Nothing speaks for the decision, so there is no claim to test."


def _moves(trial: Trial, criteria: Criteria) -> Finding:
    if trial.moved >= 1e-6:
        return None
    why = "No edit changes the score: there is nothing to tell a true account from a false one."
    return "inconclusive", "nothing-moves", why


def _confirmed(trial: Trial, criteria: Criteria) -> Finding:
    first = trial.claims[0]
    falls = [effect.effect <= -criteria.least for effect in first.effects]
    if all(falls):
        return None
    if any(falls):
        return "inconclusive", "operators-disagree", f"The operators disagree on the first claim ({_figures(first)})."
    why = (
        "Editing the first claim's evidence does not lower the score by as much as counts, "
        f"{criteria.least:g} nats ({_figures(first)}; {nats(first.claim.predicted)} predicted)."
    )
    return "unsupported", "not-confirmed", why


def _accurate(trial: Trial, criteria: Criteria) -> Finding:
    if trial.agreement >= criteria.agreement:
        return None
    worst = max(trial.claims, key=lambda c: abs(c.claim.predicted - c.measured))
    why = (
        f"Its predictions miss what was measured: they agree to {percent(max(trial.agreement, 0.0))} over "
        f"{_claims(len(trial.claims))}, {percent(criteria.agreement)} is asked for; of claim "
        f"{worst.claim.name.removeprefix('c')}, {nats(worst.claim.predicted)} nats were predicted, "
        f"{nats(worst.measured)} measured."
    )
    return "unsupported", "inaccurate", why


def _on_record(trial: Trial, criteria: Criteria) -> Finding:
    first = trial.claims[0]
    if first.p is None or first.p > criteria.alpha:
        return None
    why = (
        f"It misses by more than accounts of its kind do on this system: {nats(first.claim.predicted)} nats predicted, "
        f"{nats(first.measured)} measured (conformal p = {number(first.p, 3)})."
    )
    return "unsupported", "off-record", why


def _large_enough(trial: Trial, criteria: Criteria) -> Finding:
    test = trial.test
    if test is None or 1 / test.assignments <= criteria.alpha:
        return None
    smallest = f"smallest possible p {number(1 / test.assignments, 3)}, level {criteria.alpha:g}"
    why = f"The input is too small for the test: too few edits are comparable to the claims' ({smallest})."
    return "inconclusive", "too-small", why


def _specific(trial: Trial, criteria: Criteria) -> Finding:
    test = trial.test
    if test is None or test.p <= criteria.alpha:
        return None
    why = (
        f"The same predictions would be as right of comparable evidence: p = {number(test.p, 3)} over "
        f"{test.assignments} ways to place them, level {criteria.alpha:g}."
    )
    return "unsupported", "unspecific", why


def _leading(trial: Trial, criteria: Criteria) -> Finding:
    if trial.test is None or trial.overtaken <= criteria.overtaken:
        return None
    why = (
        f"The account leaves out evidence that matters more: {percent(trial.overtaken)} of the first claim's control "
        f"edits lower the score more than it does, {percent(criteria.overtaken)} may."
    )
    return "unsupported", "overtaken", why


def _steady(trial: Trial, criteria: Criteria) -> Finding:
    if trial.stability is None or trial.stability.steady:
        return None
    s = trial.stability
    why = (
        f"The first claim's effect cannot be told from noise: near the input it is {nats(s.mean)} nats on average, and "
        f"noise alone changes the score by {number(s.noise, 2)} nats."
    )
    return "inconclusive", "unstable", why


def _on_data(trial: Trial, criteria: Criteria) -> Finding:
    first = trial.claims[0]
    if not first.novelty or max(first.novelty) > criteria.alpha / 5:
        return None
    told = ", ".join(f"{e.operator}: p = {number(p, 3)}" for e, p in zip(first.effects, first.novelty, strict=True))
    why = f"Every operator takes the input off the data that the system knows ({told}), so its answer may mean nothing."
    return "inconclusive", "off-data", why


_QUESTIONS: tuple[Callable[[Trial, Criteria], Finding], ...] = (
    _measurable,
    _tested,
    _claimed,
    _moves,
    _confirmed,
    _accurate,
    _on_record,
    _large_enough,
    _specific,
    _leading,
    _steady,
    _on_data,
)


def _also(trial: Trial, cause: str) -> tuple[str, ...]:
    """Further figures, beside the reason that decided."""
    told = []
    if trial.claims and cause not in ("not-confirmed", "operators-disagree", "no-claim", "unmeasurable"):
        told.append(f"First claim: {_figures(trial.claims[0])}.")
    if trial.ranks:
        told.append(
            "Among its controls: "
            + "; ".join(f"{r.operator}: p = {number(r.p, 2)} of {len(r.controls)}" for r in trial.ranks)
            + "."
        )
    if trial.stability is not None and cause != "unstable":
        s = trial.stability
        told.append(
            f"Under noise its effect is {nats(s.mean)} nats on average; noise alone changes the score by "
            f"{number(s.noise, 2)} nats."
        )
    return tuple(told)
