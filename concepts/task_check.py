"""Held against the task: whether a decision rests on the reasons that its task asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import networkx as nx

from ..errors import InputError
from ..modalities.wording import listed, nats, number, percent
from .grounds import Ground, grounds, recognise
from .task import Asked, Task
from .task_findings import FINDINGS, OUTCOMES, Finding, TaskCheck, affects_verdict, summarise

__all__ = ["FINDINGS", "OUTCOMES", "Finding", "TaskCheck", "affects_verdict", "check_task", "summarise"]

_OTHERS = {"may": "allowed", "noted": "noted", "must not": "fault"}
_ROUNDING = 1e-9  # shares are sums of quotients


class _Check:
    """One decision, its task and what it rests on: what the findings are made from."""

    def __init__(self, task: Task, graph: nx.DiGraph) -> None:
        self.task, self.graph = task, graph
        self.action = str(graph.nodes["decision"]["label"])
        self.asked: Asked = task.asks(self.action)
        own = recognise(graph, task.reasons)
        self.present = {reason for node in own for reason in own[node] if graph.nodes[node]["kind"] != "together"}
        self.grounds = grounds(graph, own)
        self.labels = {reason.id: reason.label for reason in task.reasons}

    def carried(self, *reasons: str) -> tuple[tuple[Ground, ...], float]:
        """The grounds that were recognised as any of these reasons, and their share."""
        found = tuple(ground for ground in self.grounds if set(reasons) & set(ground.reasons))
        return found, min(math.fsum(ground.share for ground in found), 1.0)

    def relied(self, *reasons: str) -> bool:
        found, share = self.carried(*reasons)
        return bool(found) and share >= self.task.share - _ROUNDING

    def ruled_out(self) -> list[Finding]:
        made = []
        for reason in sorted(self.asked.must_not):
            found, share = self.carried(reason)
            if found:
                relied = self.relied(reason)
                text = f"In this system {self.action} rests on {self.labels[reason]}, which the task rules out"
                rest = "" if relied else f"; below {percent(self.task.share)} that is noted only"
                kind, severity = ("forbidden", "fault") if relied else ("trace", "noted")
                text = f"{text} ({_figures(found[0], share)}){rest}."
                made.append(_finding(kind, severity, text, (reason,), found))
        return made

    def wanted(self) -> list[Finding]:
        made = []
        sets = {frozenset({reason}) for reason in self.asked.must} | self.asked.must_any
        for some in sorted(map(sorted, sets)):
            if any(self.relied(reason) for reason in some):
                continue
            asked = " or ".join(self.labels[reason] for reason in some)
            text = f"The task asks that {self.action} rest on {asked}"
            there = [reason for reason in some if reason in self.present]
            found, share = self.carried(*some)
            if not there and not found:
                text = f"{text}; nothing in the account was recognised as that{self._blind(some)}."
                made.append(_finding("missing", "fault", text, tuple(some), ()))
                continue
            be = "is" if len(there or some) == 1 else "are"
            named = listed([self.labels[reason] for reason in there or some])
            part = f" (it carries {percent(share)} of it)" if found else ""
            text = f"{text}; {named} {be} there, but the decision was not found to rest on it{part}."
            made.append(_finding("ignored", "fault" if self.grounds else "noted", text, tuple(some), found))
        return made

    def _blind(self, some: Sequence[str]) -> str:
        """Senses of these reasons that the account does not know: absent, or misspelt in the task."""
        known = {data.get("modality", data.get("label")) for _, data in self.graph.nodes(data=True)}
        senses = {reason.sense for reason in self.task.reasons if reason.id in some and reason.sense is not None}
        unknown = sorted(senses - known)
        return f" (it knows no sense {' or '.join(map(repr, unknown))})" if unknown else ""

    def unlisted(self) -> list[Finding]:
        spoken, severity = self.asked.allowed | self.asked.must_not, _OTHERS[self.task.others]
        alike: dict[tuple[str, ...], list[Ground]] = {}
        for ground in self.grounds:
            if not spoken & set(ground.reasons):
                alike.setdefault(ground.reasons or ("", ground.node), []).append(ground)  # no reason is called ""
        made = []
        for found in map(tuple, alike.values()):
            reasons, share = found[0].reasons, math.fsum(ground.share for ground in found)
            what = listed([self.labels[reason] for reason in reasons]) or _quoted(found[0].label)
            trace = severity == "fault" and share < self.task.share - _ROUNDING
            text = f"In this system {self.action} rests on {what}, of which no rule for it speaks"
            text = f"{text} ({_figures(found[0], share)})."
            made.append(_finding("unlisted", "noted" if trace else severity, text, reasons, found))
        return made

    def of_reason(self, expected: str | None, faults: Sequence[Finding]) -> list[Finding]:
        if not self.grounds or expected not in (None, self.action):
            return []
        if out := [finding for finding in faults if finding.kind in ("forbidden", "unlisted")]:
            what = "something that the task does not allow"
            reasons = tuple(sorted({reason for finding in out for reason in finding.reasons}))
        elif self.asked.allowed and self.task.others != "may" and not any(map(self.relied, self.asked.allowed)):
            what, reasons = "nothing that the task allows", tuple(sorted(self.asked.allowed))
        else:
            return []
        text = f"The decision {'is right, but rests' if expected else 'rests'} on {what}."
        return [_finding("wrong-reason", "fault", text, reasons, ())]

    def coverage(self) -> float | None:
        """Share of the grounds that the rules allow, and do not rule out for something else that is there."""
        if not self.grounds:
            return None
        covered = [
            ground.share
            for ground in self.grounds
            if self.asked.allowed & set(ground.reasons) and not self.asked.must_not & set(ground.reasons)
        ]
        return min(math.fsum(covered), 1.0)


def _figures(ground: Ground, share: float) -> str:
    chance = "" if ground.p is None else f", p = {number(ground.p, 3)}"
    return f"{percent(share)} of what speaks for it; {nats(ground.effect)} nats{chance}"


def _quoted(label: str) -> str:
    return label if label.startswith("“") else f"“{label}”"


def _finding(kind: str, severity: str, text: str, reasons: tuple[str, ...], found: tuple[Ground, ...]) -> Finding:
    share, nodes = min(math.fsum(ground.share for ground in found), 1.0), tuple(ground.node for ground in found)
    first = found[0] if found else None
    text = text[:1].upper() + text[1:]
    return Finding(kind, severity, text, reasons, nodes, share, first and first.effect, first and first.p)


def _refuse_misfit(task: Task, graph: nx.DiGraph, expected: str | None) -> None:
    if not graph.nodes.get("decision", {}).get("label"):
        raise InputError("task check: the graph has no node 'decision' with a label; give the graph of one decision")
    if odd := [node for node in graph if not isinstance(node, str)]:
        raise InputError(f"task check: {odd[0]!r} is no id of a node; ids are strings, as `causal_graph` makes them")
    if actions := graph.graph.get("actions"):
        for what, action in [(f"task {task.name!r}, [[rule]] action", each) for each in task.actions] + [
            ("expected action", each) for each in (expected,) if each is not None
        ]:
            if action not in actions:
                raise InputError(f"{what} {action!r} is none of the system's actions; they are {', '.join(actions)}")


def check_task(task: Task, graph: nx.DiGraph, expected: str | None = None) -> TaskCheck:
    """Hold a decision against its task: does it rest on the reasons that it may and must, and on none that it must not?

    What it rests on are measured effects only, see `grounds.grounds`; the findings hold of this system. A finding is a
    statement about the decision and its reasons, not about whether the account is true: that is the verdict's.

    Args:
        task: the task.
        graph: graph of one decision.
        expected: the action that would have been right, where that is known. Where it is not, the decision itself is
            taken as it is, and only its reasons are judged.

    Raises:
        InputError: the graph has no decision or an effect that is no number, or the task or ``expected`` names an
            action that the system does not have.
    """
    _refuse_misfit(task, graph, expected)
    check = _Check(task, graph)
    action, held = check.action, check.ruled_out() + check.wanted() + check.unlisted()
    if expected is not None and expected != action:
        held.append(Finding("wrong-decision", "fault", f"The task asks for {expected}, and {action} was decided."))
    held += check.of_reason(expected, [finding for finding in held if finding.severity == "fault"])
    findings = tuple(sorted(held, key=lambda finding: FINDINGS.index(finding.kind)))  # stable: else as they were made
    faults = [finding for finding in findings if finding.severity == "fault"]
    asked, unsettled, known = OUTCOMES[0], "", check.grounds
    if any(finding.kind == "wrong-decision" for finding in faults):
        asked = OUTCOMES[1]
    elif not known or graph.graph.get("verdict") == "inconclusive":
        asked = OUTCOMES[2]
        unsettled = "the verdict is inconclusive" if known else f"nothing that was drawn speaks for {action}"
    elif faults:
        asked = OUTCOMES[1]
    sentences = (_headline(check, asked, unsettled), *(f.text for f in findings if f.severity != "allowed"))
    return TaskCheck(task.name, task.digest, action, expected, asked, check.coverage(), known, findings, sentences)


def _headline(check: _Check, outcome: str, unsettled: str) -> str:
    if outcome == OUTCOMES[2]:
        return f"Whether {check.action} is as the task asks is undecided: {unsettled}."
    if outcome == OUTCOMES[1]:
        return f"{check.action} is not as the task asks."
    relied = [id for id in sorted(check.asked.allowed) if check.relied(id)]
    relied.sort(key=lambda id: -check.carried(id)[1])
    told = [f"{check.labels[id]} ({percent(check.carried(id)[1])} of what speaks for it)" for id in relied]
    return f"{check.action} is as the task asks" + (f": in this system it rests on {listed(told)}." if told else ".")
