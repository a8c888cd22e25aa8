"""Sums: what the decision, the contributions and the times of a result must add up to."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise

from .finding import EXACT, SINGLE, Case, Sheet, odds

__all__ = ["attribution", "decision", "ranking", "timing"]

_ROUNDING = 1e-4
"""Nats: a gap as small as this is rounding, whatever the difference (docs/record.md: contributions are single)."""
_SATURATED = 0.1
_STAGES = ("prepare_ms", "forward_ms", "attribution_ms", "verification_ms", "concepts_ms", "fusion_ms", "rest_ms")


def decision(case: Case, sheet: Sheet) -> None:
    """The probabilities are the softmax of the scores, the action has the most, the score is its log-odds."""
    told = case.result["decision"]
    logits, probabilities = told["logits"], told["probabilities"]
    sheet.same("the actions of decision.logits", sorted(logits), sorted(case.actions))
    sheet.same("the actions of decision.probabilities", sorted(probabilities), sorted(case.actions))
    most = max(logits.values())
    weights = {action: math.exp(z - most) for action, z in logits.items()}
    whole = math.fsum(weights.values())
    for action, weight in weights.items():
        sheet.near(f"decision.probabilities.{action}", probabilities.get(action), weight / whole, 1e-6)
    sheet.holds(logits[case.action] == most, f"decision.action is {case.action!r}, another action scores higher")
    score = odds(weights, case.action)
    if math.isfinite(score):
        sheet.near("decision.score", told["score"], score, case.rounding)
    sheet.same("decision.target", told["target"], f"{case.action} against the rest")


def attribution(case: Case, sheet: Sheet) -> None:
    """Shares, their sum, the difference of the scores and the gap between the two."""
    told = case.result["attribution"]
    shares = told["shares"]
    sheet.holds(set(case.values) <= set(shares), "the ranking has units of a sense without a share")
    sheet.close("attribution.shares", shares, {m: math.fsum(case.values.get(m, ())) for m in shares}, SINGLE)
    if told.get("sum") is not None:
        sheet.near("attribution.sum", told["sum"], math.fsum(shares.values()), SINGLE)
    if case.steady:
        sheet.near("attribution.score", told["score"], case.score, 1e-4)
    else:
        sheet.skip("the score of the path, which need not come out the same twice")
    if told.get("difference") is not None:
        difference = told["score"] - told["baseline_score"]
        sheet.near("attribution.difference", told["difference"], difference, SINGLE)
        gap = abs(math.fsum(shares.values()) - told["difference"])
        sheet.near("attribution.gap", told["gap"], gap, SINGLE)
        if "gap_share" in told:
            share = told["gap"] / max(abs(told["difference"]), 1e-9)
            sheet.near("attribution.gap_share", told["gap_share"], share)
        _within(case, sheet)
    if told.get("baseline_action") is not None:
        sheet.holds(told["baseline_action"] in case.actions, "attribution.baseline_action is no action of the system")
    sheet.between("attribution.nodes", told["nodes"], 1)
    for m, one in (told.get("diagnostics") or {}).items():
        if one.get("local_share") is not None:
            name = f"attribution.diagnostics.{m}.saturated"
            sheet.same(name, one["saturated"], one["local_share"] < _SATURATED)
        if one.get("variation") is not None:
            sheet.between(f"attribution.diagnostics.{m}.variation", one["variation"], -EXACT, 2 + EXACT)
    if "committed" in case.result["verdict"]:
        sheet.same("attribution.method", told["method"], case.result["verdict"]["committed"]["method"])
        sheet.same("attribution.additive", told["additive"], case.result["verdict"]["rung"] != "measured")


def _within(case: Case, sheet: Sheet) -> None:
    """Whether the gap is within what was asked for; of measured effects it is that of the path beneath them."""
    told = case.result["attribution"]
    bound, gap = max(told["tolerance"] * abs(told["difference"]), _ROUNDING), told["gap"]
    if not told.get("additive", True):
        beneath = [a["values"] for a in case.attempts if a["rung"] != "measured"]
        if not beneath:
            sheet.skip("attribution.within_tolerance, which is of the path beneath the measured effects")
            return
        gap = abs(math.fsum(x for values in beneath[-1].values() for x in values) - told["difference"])
    if abs(gap - bound) > 1e-4 * (1 + bound):
        sheet.same("attribution.within_tolerance", told["within_tolerance"], gap <= bound)


def ranking(case: Case, sheet: Sheet) -> None:
    """Every unit stands once, the largest contribution first, and has the value that the attempt gave it."""
    entries = case.result["ranking"]
    sheet.same("the ranks", [e["rank"] for e in entries], list(range(1, len(entries) + 1)))
    places = [(e["modality"], e["index"]) for e in entries]
    sheet.holds(len(set(places)) == len(places), "a unit stands twice in the ranking")
    for before, after in pairwise(entries):
        so = before["contribution"] >= after["contribution"]
        sheet.holds(so, f"the units of ranks {before['rank']} and {after['rank']} are not in order")
    if case.attempts:
        for m, values in case.attempts[-1]["values"].items():
            sheet.close(f"contributions of {m}", case.values.get(m, []), list(values), SINGLE)


def timing(case: Case, sheet: Sheet) -> None:
    """Times of the stages add up to the whole, passes to those of the attempts."""
    told = case.result["timing"]
    if "rest_ms" in told:
        there = [stage for stage in _STAGES if stage in told]  # earlier versions told fewer
        for stage in there[:-1]:
            sheet.between(f"timing.{stage}", told[stage])
        whole = math.fsum(told[stage] for stage in there)
        sheet.near("timing.total_ms", told["total_ms"], whole, 1e-6)
    if "x_forward" in told:
        sheet.near("timing.x_forward", told["x_forward"], told["total_ms"] / max(told["forward_ms"], 1e-6), EXACT)
    datetime.fromisoformat(case.result["created"])
    if not case.attempts:
        return
    for stage, name in (("proposing", "attribution_ms"), ("verifying", "verification_ms")):
        spent = math.fsum(a["ms"][stage] for a in case.attempts)
        for number, attempt in enumerate(case.attempts, 1):
            sheet.between(f"ms of attempt {number}, {stage}", attempt["ms"][stage])
        sheet.holds(spent <= told[name] * 1.01 + 1, f"the attempts took {spent:.0f} ms, timing.{name} is less")
    _passes(case, sheet)


def _passes(case: Case, sheet: Sheet) -> None:
    told, looked = case.result["timing"]["passes"], bool(case.result["attribution"].get("diagnostics"))
    gradients = sum(a["gradients"] for a in case.attempts)
    edits = sum(a["passes"]["proposing"] + a["passes"]["verifying"] for a in case.attempts)
    edits += (case.result.get("concepts") or {}).get("passes", 0) + looked
    extra = told["backward"] - gradients
    sheet.holds(extra > 0 if looked else extra == 0, "timing.passes.backward is not what the attempts come to")
    sheet.same("timing.passes.forward", told["forward"], 1 + told["backward"] + edits)
    sheet.same("verdict.passes", case.result["verdict"]["passes"], case.attempts[-1]["passes"]["verifying"])
