"""An oversight policy in words: what it does, for whoever must answer for it."""

from __future__ import annotations

from collections.abc import Iterator

from .policy import Explaining, Oversight, Policy, Rule

__all__ = ["told"]

_MODES = {
    "inline": "Every decision is explained before it is answered, as far as the deadline allows.",
    "background": "Every decision is explained after it was answered, in the background.",
    "triggered": "Decisions are explained in the background, where something calls for it.",
    "off": "No decision is explained.",
}
_DEPTHS = {
    "account": "An explanation is an account that nothing tests: its verdict stays open.",
    "measured": "An explanation ends with a verdict; where it does not hold, effects are searched for and measured.",
    "verdict": "An explanation ends with a verdict: what it claims was tested by edits.",
    "ladder": "An explanation climbs from rung to rung until an account is supported, with concepts and the task.",
    "full": "An explanation is whole: verdict, concepts, names, and what the senses do together.",
}
_TRIGGERS = {
    "low margin": "the choice leads the runner-up by fewer than {margin:g} nats",
    "changed decision": "another action was chosen than the time before",
    "modality disagreement": "a sense alone would choose another action, by {margin:g} nats or more",
    "out of distribution": "an input is unlike the natural ones that are known",
    "request": "somebody asks",
    "sampled": "it is its turn in the sample",
}
_WHEN = {
    "supported": "an account is supported",
    "unsupported": "an account is unsupported",
    "inconclusive": "an account is inconclusive",
    "forbidden": "a decision rests on a forbidden reason",
    "fault": "something goes wrong in explaining",
    "stale": "no outcome comes for too long",
    "low margin": "the margin is low",
    "changed decision": "the decision changes",
    "modality disagreement": "a sense alone would choose another action",
    "out of distribution": "an input is unlike the known ones",
    "sensor": "a sense is not usable",
}


def told(policy: Policy) -> tuple[str, ...]:
    """Return what a policy does, one sentence or two each: explaining first, then the rules, then the fail-safe."""
    explain, oversight = policy.explain, policy.oversight
    return (*_explaining(explain), *_rules(oversight), *_guards(explain, oversight))


def _explaining(explain: Explaining) -> Iterator[str]:
    yield _MODES[explain.mode]
    if explain.deadline_ms is not None:
        yield f"A decision is answered within {explain.deadline_ms:g} ms, or told to be late."
    if explain.mode != "off":
        yield _DEPTHS[explain.depth]
    if explain.mode in ("background", "triggered"):
        again = f"started again {_times(explain.restarts)}" if explain.restarts else "not started again"
        yield (
            f"The background is a {explain.worker} of its own; at most {explain.queue} decisions wait, and the oldest "
            f"is dropped. A worker that dies is {again}."
        )
    if explain.triggers:
        called = "An explanation is called for" if explain.mode == "triggered" else "It is looked for and told"
        causes = [_TRIGGERS[name].format(margin=explain.margin) for name in explain.triggers]
        yield f"{called} where {'; where '.join(causes)}."
    if explain.sample:
        yield f"Of all decisions {100 * explain.sample:.4g} % are explained without any cause."


def _rules(oversight: Oversight) -> Iterator[str]:
    if not oversight.rules:
        yield "There are no rules: nothing that is found changes what is done."
    for n, rule in enumerate(oversight.rules, 1):
        yield f"Rule {n}: {_rule(rule, oversight)}"


def _rule(rule: Rule, oversight: Oversight) -> str:
    often = "" if rule.of == 1 else f" {_times(rule.least)} in the last {rule.of} findings"
    lifted = "one finding" if rule.release == 1 else f"{rule.release} findings in a row"
    said = f" People are told: “{rule.reason}”." if rule.reason else ""
    return f"where {_WHEN[rule.when]}{often}, {_reaction(rule.do, oversight)}, until {lifted} without it.{said}"


def _guards(explain: Explaining, oversight: Oversight) -> Iterator[str]:
    if explain.mode == "off":
        return
    lifted = "an outcome" if oversight.release == 1 else f"{oversight.release} outcomes in a row"
    if oversight.stale_s is not None:
        does = _reaction(oversight.stale_do, oversight)
        yield f"Fail-safe: after {oversight.stale_s:g} s without an outcome, {does}, until {lifted}."
    else:
        yield "Fail-safe: how long no outcome comes is not watched (no stale_s)."
    if oversight.fault_do == "none":
        yield "Fail-safe: a worker that is dead for good changes nothing."
    else:
        does = _reaction(oversight.fault_do, oversight)
        yield f"Fail-safe: when the worker is dead for good, {does}, until {lifted}."


def _reaction(do: str, oversight: Oversight) -> str:
    swapped = ", ".join(f"{action} becomes {slower}" for action, slower in oversight.slow.items())
    return {
        "annotate": "annotate: the choice stands, and is told with the reason",
        "slow": f"slow: {swapped}, and other choices stand",
        "hand over": f"hand over: {oversight.fallback} is done, whatever was chosen",
        "stop": f"stop: {oversight.stop} is done, whatever was chosen",
    }[do]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
