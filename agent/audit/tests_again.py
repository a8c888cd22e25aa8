"""The tests again: what follows from the effects that were recorded, worked out a second time.

Nothing here is shared with `verifier`, which worked it out the first time: a check that runs the code which it checks
finds no error of that code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .finding import EXACT, SINGLE, Case, Sheet, odds

__all__ = ["agreed", "claims", "controls", "effects", "further", "placed"]

_MOST_WAYS = 2_000_000
"""Assignments of predictions to edits that are gone through at the most."""
_OVERLAP = 2 / 3
_SIZE = 1e-4
"""Nats: score and prediction come from passes of different batches, and so differ by rounding."""


def agreed(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """Return 1 − Σ|p − m| / Σ max(|p|, |m|), docs/record.md under “The verdict”; 0 of nothing.

    >>> agreed([-4.0, -1.0], [-2.0, -1.0])
    0.6
    """
    pairs = list(zip(predicted, measured, strict=True))
    stake = math.fsum(max(abs(p), abs(m)) for p, m in pairs)
    return 1 - math.fsum(abs(p - m) for p, m in pairs) / stake if stake > 0 else 0.0


def placed(
    predicted: Sequence[float], measured: Sequence[float], others: Sequence[Sequence[float]]
) -> tuple[int, int] | None:
    """Return how many ways there are to place the predictions on a claim or one of its controls each, and how many do.

    Every way is gone through, and its agreement worked out; a way that agrees as well but for rounding counts.

    Args:
        predicted: of each claim, nats.
        measured: of each claim, nats.
        others: effects of each claim's controls, nats.

    Returns:
        Assignments, and how many agree at least as well as the claims do; None where there are too many.

    >>> placed([-2.0], [-1.5], [[0.0, -0.5, -9.0]])
    (4, 1)
    """
    import numpy as np

    ways = math.prod(len(each) + 1 for each in others)
    if not 0 < ways <= _MOST_WAYS:
        return None
    wrong, stake = np.zeros(1), np.zeros(1)
    for p, m, each in zip(predicted, measured, others, strict=True):
        effect = np.array([m, *each], np.float64)
        wrong = (wrong[:, None] + np.abs(p - effect)).ravel()
        stake = (stake[:, None] + np.maximum(abs(p), np.abs(effect))).ravel()
    share = np.divide(wrong, stake, out=np.ones_like(wrong), where=stake > 0)
    return ways, int((1 - share >= agreed(predicted, measured) - EXACT).sum())


def effects(case: Case, sheet: Sheet) -> None:
    """Of every edit told: its probabilities sum to one, give the effect, and the action has the most."""
    told = [(f"{c['id']}", c["modality"], c["effects"]) for c in case.result["claims"]]
    told += [(f"sense {m}", m, each) for m, each in case.result["senses"].items()]
    told += [("the complement", None, case.result["complement"])]
    fixed = case.attempts[-1]["committed"]["operators"] if case.attempts else {}
    for name, m, each in told:
        for one in each:
            where = f"{name} under {one['operator']}"
            probabilities = one["probabilities"]
            sheet.same(f"actions of {where}", sorted(probabilities), sorted(case.actions))
            sheet.near(f"the probabilities of {where}", math.fsum(probabilities.values()), 1.0, 1e-6)
            sheet.holds(_chosen(probabilities, one["action"]), f"{where}: {one['action']!r} is not the likeliest")
            after = odds(probabilities, case.action)
            if math.isfinite(after):
                slack = case.rounding * (1 + abs(one["effect"]))
                sheet.near(f"the effect of {where}", one["effect"], after - case.score, slack)
            sheet.between(f"the energy of {where}", one["energy"])
        if m in fixed and each:
            used = list(dict.fromkeys(one["operator"] for one in each))
            sheet.same(f"the operators of {name}", used, fixed[m])
    for k, one in enumerate(case.result["complement"] if fixed else ()):
        used = sorted(own[min(k, len(own) - 1)] for own in fixed.values())
        sheet.same("the operators of the complement", sorted(one["operator"].split(" + ")), used)


def _chosen(probabilities: Mapping[str, float], action: str) -> bool:
    return probabilities[action] >= max(probabilities.values()) - 1e-12


def claims(case: Case, sheet: Sheet) -> None:
    """Predictions follow from the contributions; means, status and flips from the effects."""
    least = case.result["verdict"]["criteria"]["least"]
    for rank, claim in enumerate(case.result["claims"], 1):
        name, measured = claim["id"], claim["measured"]
        sheet.same(f"rank of {name}", claim["rank"], rank)
        sheet.near(f"{name}.measured", measured, _mean([e["effect"] for e in claim["effects"]]))
        sheet.same(f"{name}.status", claim["status"], _status(measured, claim["predicted"], least))
        ahead = case.score + claim["predicted"]
        if abs(ahead) > _SIZE:
            sheet.same(f"{name}.predicted_flip", claim["predicted_flip"], ahead < 0)
        outcomes = {effect["action"] for effect in claim["effects"]}
        flips = case.action not in outcomes
        sheet.same(f"{name}.flips", claim["flips"], flips)
        becomes = next(iter(outcomes)) if flips and len(outcomes) == 1 else None
        sheet.same(f"{name}.flips_to", claim["flips_to"], becomes)
        for p in claim.get("off_data_p") or ():
            sheet.between(f"{name}.off_data_p", p, 0, 1)
        sheet.same(f"{name}: interval and p", claim.get("interval") is None, claim.get("miss_p") is None)
        if claim.get("miss_p") is not None:
            sheet.between(f"{name}.miss_p", claim["miss_p"], 0, 1)
            sheet.holds(claim["interval"][0] <= claim["interval"][1], f"{name}.interval is the wrong way round")
        if claim.get("confidence") is not None:
            sheet.between(f"{name}.confidence", claim["confidence"], 0, 1)
    _predictions(case, sheet)


def _predictions(case: Case, sheet: Sheet) -> None:
    """A claim predicts minus the sum of its units' contributions, and claims of one attempt share no unit."""
    for number, attempt in enumerate(case.attempts, 1):
        taken: set[tuple[str, int]] = set()
        for claim in attempt["claims"]:
            values, name = attempt["values"][claim["modality"]], f"{claim['name']} of attempt {number}"
            units = claim["units"]
            sheet.holds(all(0 <= u < len(values) for u in units), f"{name} names units that are not there")
            summed = -math.fsum(values[u] for u in units)
            sheet.near(f"the prediction of {name}", claim["predicted"], summed, SINGLE)
            places = {(claim["modality"], u) for u in units}
            sheet.holds(len(places) == len(units) and not places & taken, f"{name} has a unit twice")
            taken |= places


def _status(measured: float, predicted: float, least: float) -> str:
    if abs(measured) < least:
        return "negligible"
    return "confirmed" if (measured < 0) == (predicted < 0) else "contradicted"


def controls(case: Case, sheet: Sheet) -> None:
    """The first claim among its controls, and the predictions among all ways to place them."""
    verdict, told = case.result["verdict"], case.result["claims"]
    if not verdict["tests"] and not case.attempts:
        sheet.skip("no control was measured")
    for index, test in enumerate(verdict["tests"]):
        name, found = f"the test under {test['operator']}", [c["effect"] for c in test["controls"]]
        sheet.same(f"k of {name}", test["k"], len(found))
        p = (1 + sum(one <= test["effect"] for one in found)) / (len(found) + 1)
        sheet.near(f"p of {name}", test["p"], p)
        own = told[0]["effects"][index]
        sheet.same(f"the operator of {name}", test["operator"], own["operator"])
        sheet.near(f"the effect of {name}", test["effect"], own["effect"])
        for control in test["controls"]:
            _like(control["units"], told[0]["units"], name, sheet)
            sheet.between(f"energy of a control of {name}", control["energy"])
        same = [c["units"] for c in test["controls"]] == [c["units"] for c in verdict["tests"][0]["controls"]]
        sheet.holds(same, f"{name} has other controls than the first")
    if verdict["tests"]:
        sheet.between(
            "verdict.controls_matched_in_energy", verdict["controls_matched_in_energy"], 0, verdict["tests"][0]["k"]
        )
    for number, attempt in enumerate(case.attempts, 1):
        _placing(number, attempt, sheet)
    _as_told(case, sheet)


def _like(units: Sequence[int], claim: Sequence[int], name: str, sheet: Sheet) -> None:
    """A control has as many units as the claim, and is not the claim over again."""
    again = len(set(units) & set(claim)) > _OVERLAP * len(set(claim)) + EXACT
    sheet.holds(len(set(units)) == len(claim) and not again, f"a control of {name} is not like the claim")


def _placing(number: int, attempt: Mapping[str, Any], sheet: Sheet) -> None:
    name, measured = f"attempt {number}", attempt["measured"]
    predicted = [c["predicted"] for c in attempt["claims"]]
    if len(measured) != len(predicted):
        return  # it could not be measured; what follows from that is checked with the verdict
    sheet.near(f"the agreement of {name}", attempt["agreement"], agreed(predicted, measured))
    drawn = attempt["controls"]
    if not drawn:  # what is too small has no control; there is one way to place the prediction then
        sheet.holds(attempt["p"] in (None, 1), f"{name} has a p and no controls")
        return
    sheet.same(f"claims of the controls of {name}", [c["claim"] for c in drawn], [c["name"] for c in attempt["claims"]])
    for each, claim in zip(drawn, attempt["claims"], strict=True):
        for control in each["controls"]:
            _like(control["units"], claim["units"], f"{claim['name']} of {name}", sheet)
    found = placed(predicted, measured, [[c["effect"] for c in each["controls"]] for each in drawn])
    if found is None:
        sheet.skip(f"{name}: too many ways to place its predictions")
    else:
        sheet.near(f"p of {name}", attempt["p"], found[1] / found[0])


def _as_told(case: Case, sheet: Sheet) -> None:
    """What the verdict tells of its tests is what its attempt has."""
    verdict = case.result["verdict"]
    if not case.attempts:
        return
    last, specific = case.attempts[-1], verdict["specific"]
    sheet.same("verdict.specific and the p of its attempt", specific is None, last["p"] is None)
    if specific is not None:
        sheet.near("verdict.specific.p", specific["p"], specific["as_good"] / specific["assignments"])
        sheet.near("verdict.specific.p, by its attempt", specific["p"], last["p"])
        ways = math.prod(len(each["controls"]) + 1 for each in last["controls"])
        sheet.same("verdict.specific.assignments", specific["assignments"], ways)
    if verdict["tests"] and last["controls"]:
        count = len(verdict["tests"])
        for index, control in enumerate(last["controls"][0]["controls"]):
            mean = math.fsum(t["controls"][index]["effect"] for t in verdict["tests"]) / count
            sheet.near(f"control {index + 1} of the first claim", control["effect"], mean)
            sheet.same(
                f"units of control {index + 1}", control["units"], verdict["tests"][0]["controls"][index]["units"]
            )
    sheet.close("verdict.further_controls", verdict["further_controls"], list(last["controls"][1:]))


def further(case: Case, sheet: Sheet) -> None:
    """Necessity, sufficiency and stability of the account that stands."""
    verdict, told = case.result["verdict"], case.result["claims"]
    need, enough, steady = verdict["necessity"], verdict["sufficiency"], verdict["stability"]
    if need is not None:
        sheet.near("necessity.predicted", need["predicted"], math.fsum(c["predicted"] for c in told), SINGLE)
        sheet.same("lengths in necessity", len(need["effects"]), len(need["flips"]))
        if "actions" in need:
            sheet.close("necessity.flips", need["flips"], [action != case.action for action in need["actions"]])
        # Of n actions the one that is chosen has at least 1/n, one that is not at most 1/2.
        lowest = -math.log(max(len(case.actions) - 1, 1))
        for effect, flips in zip(need["effects"], need["flips"], strict=False):
            after = case.score + effect
            so = after <= _SIZE if flips else after >= lowest - _SIZE
            sheet.holds(so, f"necessity: {after:.4g} nats are left, with {'another' if flips else 'the same'} action")
    if enough is not None:
        sheet.same("sufficiency.method", enough["method"], "hoeffding")
        kept = enough["value"] * enough["count"]
        sheet.near("sufficiency.value, in supersets", kept, round(kept), 1e-6)
        half = math.sqrt(math.log(2 / (1 - enough["level"])) / (2 * enough["count"]))
        sheet.near("sufficiency.low", enough["low"], max(enough["value"] - half, 0.0))
        sheet.near("sufficiency.high", enough["high"], min(enough["value"] + half, 1.0))
        if case.attempts:
            asked = case.attempts[-1]["committed"]["parameters"]["supersets"]
            sheet.same("sufficiency.count", enough["count"], asked)
        sheet.between("sufficiency.value", enough["value"], 0, 1)
    if steady is not None:
        sheet.between("stability.noise", steady["noise"])
        sheet.near("stability.level", steady["level"], 0.01)
        if case.attempts:
            asked = case.attempts[-1]["committed"]["parameters"]["neighbours"]
            sheet.same("neighbours of stability", len(steady["effects"]), asked)
    if need is None and enough is None and steady is None:
        sheet.skip("none of it was measured")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
