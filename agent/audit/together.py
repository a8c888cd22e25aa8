"""The senses together: what the shares, coalitions, arrivals and layers of a result must come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .finding import EXACT, SINGLE, Case, Sheet, odds

__all__ = ["together"]

_MAP = 1e-4
"""Relative: sums of maps that are stored in single precision."""


def together(case: Case, sheet: Sheet) -> None:
    """Each part of what fusion tells, as far as it is there."""
    told = case.result.get("fusion")
    if not told:
        sheet.skip("the senses were not looked at together")
        return
    if "shares" in told:
        _shares(case, told, sheet)
    if "clock" in told:
        _clock(case, told, sheet)
    for step in told.get("arrivals") or ():
        _arrival(case, step, sheet)
    if told.get("arrivals"):
        ends = [step["time"][1] for step in told["arrivals"]]
        sheet.holds(ends == sorted(set(ends)), "the arrivals are not in order")
        for before, step in pairwise(told["arrivals"]):
            if step["change"] is not None:
                sheet.near("a step's change", step["change"], step["score"] - before["score"], 10 * case.rounding)
        last = told["arrivals"][-1]
        if case.steady:
            sheet.near("the last arrival's score", last["score"], case.score, 2e-3)
    for ruling in told.get("attention") or ():
        _ruling(case, ruling, sheet)
    for number, pair in enumerate((told.get("interactions") or {}).get("pairs", ()), 1):
        _pair(case, pair, f"pair {number}", sheet)
    _layers(case, told, sheet)
    if "through_time" in told:
        _flow(told["through_time"], sheet)
        times = [
            [step["time"] for step in each or ()] for each in (told["through_time"]["steps"], told.get("arrivals"))
        ]
        if len(times[0]) == len(times[1]):  # both are the system's own steps
            sheet.close("the times of the steps", times[0], times[1])
    if "speech" in told:
        _speech(case, told["speech"], sheet)


def _shares(case: Case, told: Mapping[str, Any], sheet: Sheet) -> None:
    dividends = {frozenset(each["senses"]): each["value"] for each in told["together"]}
    sheet.near("the sum of the coalitions", told["difference"], math.fsum(dividends.values()), SINGLE)
    sheet.near("fusion.difference", told["difference"], told["score"] - told["baseline_score"], SINGLE)
    if case.steady:
        sheet.near("fusion.score", told["score"], case.score, 2e-3)
    sheet.close("fusion.matrix", told["matrix"]["values"], [
        [dividends[frozenset((a, b))] for b in told["matrix"]["senses"]] for a in told["matrix"]["senses"]
    ])  # fmt: skip
    error = case.result["attribution"].get("map_change") or 0.0
    for share in told["shares"]:
        m, name = share["sense"], f"the share of {share['sense']}"
        with_it = {s: v for s, v in dividends.items() if m in s}
        if not with_it:
            sheet.same(name, [share[k] for k in ("contribution", "low", "high", "alone", "last")], [0] * 5)
            continue
        sheet.near(f"{name}, alone", share["alone"], dividends[frozenset((m,))])
        sheet.near(f"{name}, last", share["last"], math.fsum(with_it.values()), SINGLE)
        shapley = math.fsum(v / len(s) for s, v in with_it.items())
        sheet.near(f"{name}, Shapley", share["shapley"], shapley, SINGLE)
        added, own = _added(m, dividends), share["contribution"]
        spread = error * abs(own)
        sheet.near(f"{name}, low", share["low"], min(own - spread, *added), SINGLE)
        sheet.near(f"{name}, high", share["high"], max(own + spread, *added), SINGLE)
        sheet.holds(_sum_of_an_attempt(case, m, own), f"{name} is {own:.6g}, which no attempt's contributions sum to")


def _added(m: str, dividends: Mapping[frozenset[str], float]) -> list[float]:
    """What a sense adds to every coalition of the others: the dividends of all its parts that hold the sense."""
    return [math.fsum(v for s, v in dividends.items() if m in s and s <= whole) for whole in dividends if m in whole]


def _sum_of_an_attempt(case: Case, m: str, own: float) -> bool:
    """An account's own sum; where it is measured effects, that of the path beneath, which was an attempt before."""
    sums = [case.result["attribution"]["shares"].get(m)] if case.result["attribution"]["additive"] else []
    sums += [math.fsum(a["values"].get(m, ())) for a in case.attempts if a["rung"] != "measured"]
    measured_only = not any(a["rung"] != "measured" for a in case.attempts)
    return measured_only or any(each is not None and abs(each - own) <= _MAP * (1 + abs(own)) for each in sums)


def _clock(case: Case, told: Mapping[str, Any], sheet: Sheet) -> None:
    for lane in told["clock"]["lanes"]:
        m, marks = lane["sense"], lane["marks"]
        held = [u for mark in marks for u in mark["units"]]
        sheet.holds(len(set(held)) == len(held), f"a unit of {m} is marked twice on the clock")
        fits = [a["values"][m] for a in case.attempts if a["rung"] != "measured" and m in a["values"]]
        if case.result["attribution"]["additive"]:
            fits.append(case.values.get(m, []))
        best = min(fits, key=lambda v: abs(math.fsum(v) - math.fsum(k["value"] for k in marks)), default=None)
        times = {e["index"]: e["unit"] for e in case.result["ranking"] if e["modality"] == m}
        for number, mark in enumerate(marks, 1):
            if not lane["timeless"] and m != "text" and mark["units"]:
                spans = [times[u]["time"] for u in mark["units"]]
                span = [min(a for a, _ in spans), max(b for _, b in spans)]
                sheet.close(f"mark {number} of {m} on the clock", [mark["start"], mark["end"]], span, SINGLE)
            sheet.holds(mark["start"] <= mark["end"], f"mark {number} of {m} ends before it begins")
            if best is not None:
                value = math.fsum(best[u] for u in mark["units"])
                sheet.near(f"mark {number} of {m} on the clock", mark["value"], value, _MAP)


def _arrival(case: Case, step: Mapping[str, Any], sheet: Sheet) -> None:
    probabilities = step["probabilities"]
    sheet.near("the probabilities of an arrival", math.fsum(probabilities.values()), 1.0, 1e-6)
    sheet.holds(probabilities[step["action"]] >= max(probabilities.values()) - 1e-9, "an arrival's action")
    score = odds(probabilities, case.action)
    if math.isfinite(score):
        sheet.near("the score of an arrival", step["score"], score, 10 * case.rounding)
    sheet.holds(step["time"][0] <= step["time"][1], "an arrival ends before it begins")


def _ruling(case: Case, ruling: Mapping[str, Any], sheet: Sheet) -> None:
    m, tops = ruling["sense"], []
    for account in ("attention", "gradient"):
        side, name = ruling[account], f"{account} in {ruling['sense']}"
        tops.append(set(side["top"]))
        sheet.near(f"the effect of {name}", side["effect"], math.fsum(side["effects"]) / len(side["effects"]))
        sheet.same(f"the operators of {name}", len(side["effects"]), len(ruling["operators"]))
        for p in side["p"]:
            whole = p * (side["controls"] + 1)
            so = abs(whole - round(whole)) < 1e-6 and 1 <= round(whole) <= side["controls"] + 1
            sheet.holds(so, f"p of {name} is {p:.4g}, no share of its {side['controls']} controls")
    a, b = tops
    sheet.near(f"the overlap in {m}", ruling["overlap"], len(a & b) / max(len(a | b), 1))
    for account, own, other in (("attention", a, b), ("gradient", b, a)):
        sheet.same(f"what {account} alone names in {m}", sorted(ruling[account]["units"]), sorted(own - other or own))
    sheet.same(f"whether both agree in {m}", ruling["right"] == "agree", a == b)
    if ruling["correlation"] is not None:
        sheet.between(f"the correlation in {m}", ruling["correlation"], -1, 1)
    sheet.holds(ruling["random"][0] <= ruling["random"][1], f"the range of random sets in {m}")


def _pair(case: Case, pair: Mapping[str, Any], name: str, sheet: Sheet) -> None:
    claims, whole = case.result["claims"], case.result["fusion"]["interactions"]
    alpha = whole["alpha"]
    sheet.holds(max(pair["controls"]) <= whole["controls"], f"{name} has more controls than any pair")
    sheet.same("the pairs tested", whole["tested"], len(whole["pairs"]))
    a, b, both = pair["effects"]
    sheet.near(f"the interaction of {name}", pair["measured"], both - a - b, SINGLE)
    sheet.same(f"the kind of {name}", pair["kind"], "synergy" if pair["measured"] > 0 else "redundancy")
    largest = max(abs(a), abs(b), abs(both))
    sheet.near(f"the share of {name}", pair["share"], abs(pair["measured"]) / largest if largest else 0.0, SINGLE)
    low, high = pair["range"]
    sheet.holds(low - EXACT <= pair["measured"] <= high + EXACT, f"the range of {name} misses its interaction")
    if pair["p"] is None:
        sheet.same(f"whether {name} is found", pair["found"], False)
    else:
        sheet.same(f"whether {name} is found", pair["found"], pair["p"] <= alpha)
    one_sense = pair["a"]["sense"] == pair["b"]["sense"]
    sheet.holds(not (one_sense and set(pair["a"]["units"]) & set(pair["b"]["units"])), f"{name} shares a unit")
    for side in (pair["a"], pair["b"]):
        units, count = set(side["units"]), len(case.values.get(side["sense"], ()))
        sheet.holds(all(0 <= u < count for u in units), f"{name} names units that are not there")
        own = [c for c in claims if c["modality"] == side["sense"]]
        holding = [c["id"] for c in own if 2 * len(units & set(c["units"])) >= len(units)]
        sheet.same(f"the claim of a side of {name}", side["claim"], holding[0] if holding else None)
        sheet.holds(len(set(side["units"])) == len(side["units"]), f"{name} has a unit twice")


def _layers(case: Case, told: Mapping[str, Any], sheet: Sheet) -> None:
    import numpy as np

    for k, layer in enumerate(told.get("depths") or ()):
        name = f"fusion.depth.{k}"
        if name not in case.arrays:
            sheet.skip(f"{name} is not at hand")
        elif not case.exact(name):
            sheet.skip(f"{name} is stored with a loss")
        else:
            values = np.asarray(case.arrays[name], np.float64)
            size = float(np.abs(values).sum())
            miss = abs(layer["total"] - float(values.sum()))
            sheet.holds(miss <= 1e-6 * (1 + size), f"the total of {name} is off by {miss:.3g} nats")
            sheet.near(f"the size of {name}", layer["size"], size, _MAP)
            if layer["support"] is not None and size:
                support = float(values.clip(0).sum()) / size
                sheet.near(f"the support of {name}", layer["support"], support, _MAP)
            if layer["centre"] is not None and size and values.ndim == 3:
                weight = np.abs(values) / size
                down, across = ((np.arange(n) + 0.5) / n for n in values.shape[1:])
                own = [float((weight.sum((0, 2)) * down).sum()), float((weight.sum((0, 1)) * across).sum())]
                sheet.close(f"the centre of {name}", list(layer["centre"]), own, _MAP)
            if layer["entropy"] is not None and size and values.size > 1:
                share = (np.abs(values) / size)[values != 0]
                even = -(share * np.log(share)).sum() / math.log(values.size)
                sheet.near(f"the entropy of {name}", layer["entropy"], float(even), _MAP)
            sheet.same(f"the resolution of {name}", list(layer["resolution"]), list(values.shape[-2:]))
    for m, values in case.values.items():
        shown = case.arrays.get(f"fusion.attention.{m}")
        if shown is not None:
            sheet.same(f"units of fusion.attention.{m}", len(shown), len(values))
            sheet.holds(bool((np.asarray(shown) >= 0).all()), f"fusion.attention.{m} has a negative share")


def _flow(told: Mapping[str, Any], sheet: Sheet) -> None:
    steps, slack = told["steps"], 1e-4
    for number, step in enumerate(steps, 1):
        name = f"step {number} through time"
        gap = step["relevance_in"] - step["to_state"] - step["to_inputs"]
        sheet.near(f"the gap of {name}", step["gap"], gap, 1e-6)
        sheet.near(f"the inputs of {name}", step["to_inputs"], math.fsum(step["by_sense"].values()), slack)
    for number, (before, after) in enumerate(pairwise(steps), 1):
        passed = f"what step {number + 1} hands to step {number}"
        sheet.near(passed, after["to_state"], before["relevance_in"], slack)
    given = math.fsum(v for step in steps for v in step["by_sense"].values()) + told["older"]
    sheet.near("the gap through time", told["gap"], abs(told["difference"] - given), slack)


def _speech(case: Case, told: Mapping[str, Any], sheet: Sheet) -> None:
    for number, word in enumerate(told["words"], 1):
        name = f"spoken word {number}"
        sheet.holds(word["time"][0] <= word["time"][1], f"{name} ends before it begins")
        sheet.between(f"the confidence of {name}", word["confidence"], 0, 1 + 1e-6)
        sheet.holds(word["action"] in case.actions, f"{name}: {word['action']!r} is no action")
    sheet.between("the agreement of speech", told["agreement"], -1, 1)
    if told.get("rank") is not None:
        sheet.between("the rank correlation of speech", told["rank"], -1, 1)
    nats = case.arrays.get("fusion.speech.nats")
    if nats is not None:
        size = float(abs(nats.astype("f8")).sum())
        so = abs(float(nats.sum()) - math.fsum(w["value"] for w in told["words"])) <= 1e-3 * (1 + size)
        sheet.holds(so, "the sound's contributions do not sum to those of the words")
