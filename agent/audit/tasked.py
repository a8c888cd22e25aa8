"""The check against the task again: that its grounds are the graph's, and its findings and outcome follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .finding import Case, Sheet

__all__ = ["task"]

_OUTCOMES = ("as the task asks", "not as the task asks", "undecided")
_FINDINGS = ("wrong-decision", "wrong-reason", "forbidden", "ignored", "missing", "unlisted", "trace")


def task(case: Case, sheet: Sheet) -> None:
    """The grounds are the graph's effects that speak for the decision, and the findings and the outcome theirs."""
    told = (case.result.get("concepts") or {}).get("task")
    if not told:
        sheet.skip("no task was stated")
        return
    sheet.same("the action of the task", told["action"], case.action)
    from ...concepts.graph_export import from_json
    from ...concepts.grounds import grounds

    drawn = from_json(case.result["graph"])
    found = {g.node: g for g in grounds(drawn, dict.fromkeys(drawn, ()))}
    sheet.same("the grounds", sorted(g["node"] for g in told["grounds"]), sorted(found))
    for ground in told["grounds"]:
        own = found.get(ground["node"])
        if own is not None:
            for key in ("label", "modality", "effect", "p"):
                sheet.same(f"{key} of the ground {own.node}", ground[key], getattr(own, key))
            sheet.near(f"share of the ground {own.node}", ground["share"], own.share)
            sheet.same(f"what the ground {own.node} tells", list(ground["tells"]), list(own.tells))
    _findings(case, told, sheet)


def _findings(case: Case, told: Mapping[str, Any], sheet: Sheet) -> None:
    by_node = {g["node"]: g for g in told["grounds"]}
    for finding in told["findings"]:
        of = [by_node[n] for n in finding["nodes"] if n in by_node]
        if not of or len(of) != len(finding["nodes"]):
            continue
        name = f"the finding on {finding['nodes'][0]}"
        sheet.near(f"share of {name}", finding["share"], min(math.fsum(g["share"] for g in of), 1.0))
        for key in ("effect", "p"):
            sheet.same(f"{key} of {name}", finding[key], of[0][key])
    faults = [f for f in told["findings"] if f["severity"] == "fault"]
    undecided = not told["grounds"] or case.result["verdict"]["verdict"] == "inconclusive"
    wrong = told["expected"] not in (None, case.action)
    for finding in told["findings"]:
        so = finding["kind"] in _FINDINGS and finding["severity"] in ("fault", "noted", "allowed")
        sheet.holds(so, f"there is no finding {finding['kind']!r} that is {finding['severity']!r}")
    outcome = _OUTCOMES[1] if wrong else _OUTCOMES[2] if undecided else _OUTCOMES[1 if faults else 0]
    sheet.same("the outcome of the task", told["outcome"], outcome)
    spoken = [f["text"] for f in told["findings"] if f["severity"] != "allowed"]
    sheet.same("the task's sentences", list(told["sentences"][1:]), spoken)
    _coverage(told, sheet)


def _coverage(told: Mapping[str, Any], sheet: Sheet) -> None:
    """The coverage is the share of some grounds that have reasons: which of them are allowed only the task says."""
    shares: Sequence[float] = [g["share"] for g in told["grounds"] if g["reasons"]]
    if told["coverage"] is None or not told["grounds"]:
        sheet.same("whether the task has a coverage", told["coverage"] is None, not told["grounds"])
        return
    sums = {0.0}
    for share in shares[:14]:
        sums |= {each + share for each in sums}
    if len(shares) <= 14:
        so = any(abs(min(each, 1.0) - told["coverage"]) <= 1e-6 for each in sums)
        sheet.holds(so, f"the task's coverage is {told['coverage']:.4g}, which its grounds do not come to")
