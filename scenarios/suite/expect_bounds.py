"""Expectations of the explanation and of the whole: verdict, robustness, latency, the oversight policy's reaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ...errors import VeridicalError
from ...modalities.wording import listed
from .expect_decisions import failed
from .expect_trial import Decided, Trial
from .perturb_names import KINDS
from .result import Checked
from .schema_expect import Expect, OversightExpect, Robust

__all__ = ["BISECTIONS", "check_latency", "check_oversight", "check_robust", "check_verdict", "largest_strength"]

BISECTIONS = 6
"""Halvings in the search for the largest strength: it is found to within 1/64."""

_TIMED = 5  # explanations of which the median is the latency
_NO_CERTIFICATE = "found by halving, with one draw of what is random: no certificate, weaker ones may change it too"


def check_verdict(trial: Trial, expect: Expect, variants: Sequence[Any]) -> list[Checked]:
    """Hold ``verdict`` against that on the explanation of each variant given."""
    wanted, found = expect.verdicts, []
    expected = f"the verdict on the explanation is {' or '.join(wanted)}"
    for variant in variants if wanted else ():
        try:
            verdict = trial.explanation(variant).result["verdict"]
        except VeridicalError as error:
            found.append(failed("verdict", error, expected, "verdict", variant.name))
            continue
        reasons = [str(reason) for reason in verdict.get("reasons") or []]
        happened = f"{verdict['verdict']}{f': {reasons[0]}' if reasons else ''}"
        figures = {"verdict": verdict["verdict"], "cause": verdict.get("cause"), "p": verdict.get("p"),
                   "agreement": verdict.get("agreement")}  # fmt: skip
        held = verdict["verdict"] in wanted
        found.append(Checked("verdict", held, expected, happened, figures, "verdict", variant.name))
    return found


def largest_strength(kept: Callable[[float], bool], steps: int = BISECTIONS) -> tuple[float, list[tuple[float, bool]]]:
    """Return the largest strength from 0 to 1 found to keep the action, and all that was tried.

    Strength 1 is tried first, then the interval is halved: what keeps the action is its lower end, what changes it its
    upper one. That is the radius only if nothing weaker changes the action, which is not known.

    Args:
        kept: whether the action is kept at a strength.
        steps: halvings.
    """
    tried = [(1.0, kept(1.0))]
    if tried[0][1]:
        return 1.0, tried
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        tried.append((middle, kept(middle)))
        low, high = (middle, high) if tried[-1][1] else (low, middle)
    return low, tried


def check_robust(trial: Trial, expect: Expect, variant: Any) -> list[Checked]:
    """Search for the largest strength of each perturbation that keeps the action of the scene as written."""
    return [_robust(trial, wanted, k, variant) for k, wanted in enumerate(expect.robust)]


def _robust(trial: Trial, wanted: Robust, index: int, variant: Any) -> Checked:
    from .perturb import perturb

    name, kind = f"robust[{index}]", "robustness"
    sense = wanted.sense or KINDS[wanted.perturbation].senses[0]
    what = f"{wanted.perturbation} of {sense}"
    expected = f"{what} of a strength of {wanted.least:g} leaves the action as it is"
    broke: dict[float, str] = {}

    def kept(strength: float) -> bool:
        disturbed = perturb(variant.observation, wanted.perturbation, sense, strength, wanted.seed)
        after = trial.decide(disturbed, f"variant {variant.name!r} under {what} of {strength:g}").action
        broke[strength] = after
        return after == before.action

    try:
        before = trial.decided(variant)
        # The bound itself first: what is asked for is decided by it, the search only says by how much.
        at_bound = kept(wanted.least)
        found, tried = largest_strength(kept)
    except VeridicalError as error:
        return failed(name, error, expected, kind, variant.name)
    tried = sorted({*tried, (wanted.least, at_bound)})
    weakest = min((s for s, ok in tried if not ok), default=None)
    told = (
        f"{before.action} is kept up to {found:.3g}"
        if found > 0
        else f"{before.action} is not kept at any strength tried"
    )
    if weakest is not None:
        told += f"; at {weakest:.3g} it is {broke[weakest]}"
    held = at_bound and (weakest is None or weakest > wanted.least)
    figures = {"radius": found, "least": wanted.least, "tried": [[s, broke[s]] for s, _ in tried], "certified": False}
    return Checked(name, held, expected, f"{told} ({_NO_CERTIFICATE})", figures, kind, variant.name)


def check_latency(trial: Trial, expect: Expect, variant: Any) -> list[Checked]:
    """Time decisions, and verified explanations, on this machine: medians of five."""
    wanted, found = expect.latency_ms, []
    if wanted is None:
        return []
    for what, bound, timed in (
        ("decision", wanted.decision, lambda: trial.seconds(variant.observation)),
        ("explanation", wanted.explanation, lambda: _explaining(trial, variant)),
    ):
        if bound is None:
            continue
        name, expected = f"latency_ms.{what}", f"{what} within {bound:g} ms"
        try:
            taken = 1000 * timed()
        except VeridicalError as error:
            found.append(failed(name, error, expected, "latency", variant.name))
            continue
        happened = f"{taken:.0f} ms on this machine, the median of five"
        figures = {"ms": taken, "bound": bound}
        found.append(Checked(name, taken <= bound, expected, happened, figures, "latency", variant.name))
    return found


def _explaining(trial: Trial, variant: Any) -> float:
    """Seconds of a decision with its verified explanation: the gradient's account, its claims and 19 controls."""
    from ...agent.depths import settings_at
    from ...agent.explainer import Explainer

    explainer, taken = Explainer(trial.system, settings_at("verdict")), []
    for _ in range(_TIMED):
        start = time.perf_counter()
        trial.guarded(lambda: explainer.explain(variant.observation), f"variant {variant.name!r}, explained")
        taken.append(time.perf_counter() - start)
    return median(taken)


def check_oversight(trial: Trial, expect: Expect, variant: Any, policy: Path | None) -> list[Checked]:
    """Feed what is found of a decision to the oversight policy, and hold its reaction against what it should be.

    A rule may ask for a finding several times in a row; the same findings are given as often as the policy's slowest
    rule asks, as if the situation lasted.

    Args:
        trial: the system and its variants.
        expect: what is expected.
        variant: whose decision it is.
        policy: path of the policy's file.
    """
    wanted = expect.oversight
    if wanted is None:
        return []
    from ...agent.loop.findings import findings_of
    from ...agent.loop.oversight import Overseer
    from ...agent.loop.policy_file import read_policy

    name, kind, expected = "oversight", "oversight", _expected(wanted)
    if policy is None:
        return [Checked(name, None, expected, f"there is no policy at {wanted.policy!r}", {}, kind, variant.name)]
    try:
        rules = read_policy(policy).check(trial.system.actions)
        decided = trial.decided(variant)
        findings = {*findings_of(trial.explanation(variant).result), *_triggered(decided, rules.explain.margin)}
        overseer = Overseer(rules.oversight, list(trial.system.actions))
        times = max((rule.of for rule in rules.oversight.rules), default=1)
        reached, level = 0, overseer.react(decided.action).level
        for k in range(times):
            overseer.found(sorted(findings), f"{variant.name}#{k}")  # each a decision of its own
            after = overseer.react(decided.action)
            reached, level = (reached, level) if after.level == level else (k + 1, after.level)
    except VeridicalError as error:
        return [failed(name, error, expected, kind, variant.name)]
    reaction = overseer.react(decided.action)
    held = (wanted.level is None or reaction.level == wanted.level) and (
        wanted.action is None or reaction.action in wanted.action
    )
    after = f" after {reached} such decisions" if reached > 1 else ""
    told = f"{reaction.level}{after}, {decided.action} becomes {reaction.action}; found: {listed(sorted(findings))}"
    figures = {"level": reaction.level, "action": reaction.action, "chosen": decided.action,
               "findings": sorted(findings), "after": reached}  # fmt: skip
    return [Checked(name, held, expected, told, figures, kind, variant.name)]


def _triggered(decided: Decided, margin: float) -> set[str]:
    return {"low margin"} if decided.margin < margin else set()


def _expected(wanted: OversightExpect) -> str:
    asked = [f"reacts with {wanted.level}"] if wanted.level is not None else []
    asked += [f"has {' or '.join(wanted.action)} done"] if wanted.action is not None else []
    return f"the policy {wanted.policy} {listed(asked)}"
