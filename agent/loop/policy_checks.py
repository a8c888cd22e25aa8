"""What is wrong with an oversight policy: each value by itself, and what cannot go together.

The checks work on plain mappings of values, so that the dataclasses (`policy`) and the reader of files (`policy_file`)
share them: the one says what is wrong, the other also on which line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import InputError
from .policy_keys import EXPLAIN, OVERSIGHT, RULE, Key, nearest, shown

__all__ = [
    "JUDGED",
    "MISSING",
    "NOTICED",
    "Problem",
    "explain_problems",
    "lacking_actions",
    "oversight_problems",
    "policy_problems",
    "refuse",
    "rule_problems",
    "unfit",
]

JUDGED = ("supported", "unsupported", "inconclusive", "forbidden")
"""Findings that only an explanation gives."""
NOTICED = ("low margin", "changed decision", "modality disagreement", "out of distribution")
"""Findings of the triggers: made only where the policy looks for them."""

MISSING = "is missing"
"""What is wrong with a key that must be given and is not: there is no value to tell."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a policy.

    Attributes:
        table: ``explain``, ``oversight``, ``oversight.rules``, ``oversight.slow``; empty for the top level.
        key: within the table; empty where the table itself is meant.
        value: what stands there.
        wrong: what is wrong, as the end of a sentence.
        fix: how to mend it.
        rule: which table of ``oversight.rules``, from 1; None where that is not known.
    """

    table: str
    key: str
    value: Any
    wrong: str
    fix: str
    rule: int | None = None

    @property
    def place(self) -> str:
        """Where it stands, as the file has it: ``[[oversight.rules]] 2 when``."""
        table = f"[{self.table}]" if self.table else "the top level,"
        if self.table == "oversight.rules":
            table = "[[oversight.rules]]" + (f" {self.rule}" if self.rule else "")
        key = self.key if self.key.isprintable() else ascii(self.key)
        return f"{table} {key}".strip(" ,")

    def told(self, where: str) -> str:
        """Return it on one line: what, where, the value, the likely fix."""
        value = "" if self.wrong == MISSING else f"{shown(self.value)} "
        return f"{where}: {self.place}: {value}{self.wrong}; {self.fix}"


def refuse(problems: Iterator[Problem], where: str = "policy") -> None:
    """Raise an `InputError` that tells the first problem, if there is one."""
    for problem in problems:
        raise InputError(problem.told(where))


def unfit(table: str, keys: Sequence[Key], values: Values) -> Iterator[Problem]:
    """Yield a table's values that do not fit their keys; a value that is not there counts as its default."""
    for key in keys:
        found = key.unfit(values.get(key.name, None if key.needed else key.default))
        if found is not None and key.name not in values:
            found = MISSING, found[1]
        if found is not None:
            yield Problem(table, key.name, values.get(key.name), *found)


def explain_problems(values: Values) -> Iterator[Problem]:
    """Yield what is wrong with the table ``explain`` by itself."""
    broken = list(unfit("explain", EXPLAIN, values))
    yield from broken
    if broken:
        return
    mode, deadline, triggers, sample = (values[k] for k in ("mode", "deadline_ms", "triggers", "sample"))

    def problem(key: str, wrong: str, fix: str) -> Problem:
        return Problem("explain", key, values[key], wrong, fix)

    if mode == "inline" and deadline is None:
        yield problem("mode", "needs a deadline", "say by when a decision must be answered: deadline_ms = 500, say")
    if mode != "triggered" and sample > 0:
        every = "no decision is explained" if mode == "off" else "every decision is explained"
        yield problem("sample", f"has no meaning in mode {mode!r}: {every}", "leave it out, or mode = 'triggered'")
    if mode == "triggered" and not triggers and sample == 0:
        yield problem("triggers", "leaves nothing that would call for an explanation", "name some, or give a sample")
    if "sampled" in triggers and sample == 0:
        yield problem("triggers", "asks for 'sampled' with a sample of 0", "write sample = 0.05, say, or leave it out")
    if "low margin" in triggers and values["margin"] == 0:
        yield problem("margin", "is never undercut, and 'low margin' is asked for", "write margin = 0.5, say")


def rule_problems(values: Values) -> Iterator[Problem]:
    """Yield what is wrong with one rule by itself."""
    broken = list(unfit("oversight.rules", RULE, values))
    yield from broken
    if not broken and values["least"] > values["of"]:
        of, least = values["of"], values["least"]
        wrong = f"is more than the last findings that are counted, of = {of}: the rule could never fire"
        yield Problem("oversight.rules", "least", least, wrong, f"write of = {least} or more, or least = {of} or less")


def oversight_problems(values: Values) -> Iterator[Problem]:
    """Yield what is wrong with the table ``oversight`` by itself; its rules are mappings of values that fit."""
    broken = [*unfit("oversight", OVERSIGHT, values), *_slow_problems(values["slow"])]
    yield from broken
    if broken:
        return
    rules = values["rules"]
    for n, rule in enumerate(rules, 1):
        for problem in _unarmed(rule["do"], values):
            yield replace(problem, table="oversight.rules", key="do", rule=n)
    yield from _twice(rules)
    guards = {"stale_do": values["stale_s"] is not None, "fault_do": True}
    for key, active in guards.items():
        for problem in _unarmed(values[key], values) if active else ():
            yield replace(problem, key=key)


def _slow_problems(slow: Any) -> Iterator[Problem]:
    if not isinstance(slow, Mapping):
        yield Problem("oversight", "slow", slow, "is no table", "write a table [oversight.slow] with PROCEED = 'SLOW'")
        return
    for action, slower in slow.items():
        for word in (action, slower):
            if not isinstance(word, str) or not word.strip() or not word.isprintable():
                fix = "write actions' names, in quotation marks"
                yield Problem("oversight.slow", str(action), word, "is no action's name", fix)
                break
        else:
            if action == slower:
                fix = "leave it out: an action that the table lacks stays as it is"
                yield Problem("oversight.slow", action, slower, "is the action itself", fix)


def _unarmed(do: str, values: Values) -> Iterator[Problem]:
    """Yield a problem where a reaction lacks the action that it puts in the choice's place."""
    needs = {"slow": "slow", "hand over": "fallback", "stop": "stop"}.get(do)
    if needs is None or values[needs]:
        return
    fix = {
        "slow": "say in [oversight.slow] what stands in for what: PROCEED = 'SLOW', say",
        "hand over": "say in [oversight] which action stands in: fallback = 'STOP', say",
        "stop": "say in [oversight] which action stops: stop = 'STOP', say",
    }[do]
    yield Problem("oversight", "", do, "has no action to put in the choice's place", fix)


def _twice(rules: Sequence[Values]) -> Iterator[Problem]:
    """Yield rules that fire at the very same moments and do the same."""
    seen: dict[tuple[Any, ...], int] = {}
    for n, rule in enumerate(rules, 1):
        same = tuple(rule[k] for k in ("when", "do", "of", "least"))
        if same in seen:
            wrong = f"is asked for by rule {seen[same]} in the same way, with the same reaction"
            yield Problem("oversight.rules", "when", rule["when"], wrong, "leave one of the two out", n)
        seen.setdefault(same, n)


def policy_problems(explain: Values, oversight: Values) -> Iterator[Problem]:
    """Yield what cannot go together: rules whose finding is never made, a watch over what never comes."""
    mode, depth, triggers = explain["mode"], explain["depth"], explain["triggers"]
    for n, rule in enumerate(oversight["rules"], 1):
        when, never = rule["when"], None
        if when in JUDGED and mode == "off":
            never = "nothing is explained in mode 'off'", "write another mode, or leave the rule out"
        elif when in JUDGED and when != "inconclusive" and depth == "account":
            never = "at depth 'account' nothing is tested", "write depth = 'verdict', or leave the rule out"
        elif when in NOTICED and when not in triggers:
            never = "nothing looks for it", f"put {when!r} into triggers of [explain], or leave the rule out"
        elif when == "stale" and oversight["stale_s"] is None:
            never = "nothing counts as stale", "write stale_s = 30, say, in [oversight], or leave the rule out"
        if never is not None:
            yield Problem("oversight.rules", "when", when, f"can never be found: {never[0]}", never[1], n)
    if mode == "off" and oversight["stale_s"] is not None:
        wrong = "would always run out: nothing is explained in mode 'off'"
        yield Problem("oversight", "stale_s", oversight["stale_s"], wrong, "leave it out, or write another mode")


def lacking_actions(oversight: Values, actions: Sequence[str]) -> Iterator[Problem]:
    """Yield actions that a policy names and a system lacks."""
    named = [("oversight", key, oversight[key]) for key in ("fallback", "stop") if oversight[key] is not None]
    for action, slower in oversight["slow"].items():
        named += [("oversight.slow", action, action), ("oversight.slow", action, slower)]
    for table, key, action in named:
        if action not in actions:
            fix = f"the system's actions are {', '.join(actions)}{nearest(action, actions)}"
            yield Problem(table, key, action, "is no action of this system", fix)
