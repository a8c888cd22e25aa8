"""The verdict again: which causes the recorded figures leave open, by the questions in their order.

The order of the questions, and what each asks, is that of docs/record.md and docs/architecture.md; none of the
verifier's code is run. Of an attempt that does not stand the record tells means over the operators, and neither misses
nor novelty: there more than one cause may be open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .finding import EXACT, SINGLE, Case, Sheet
from .tests_again import agreed

__all__ = ["critique", "open_causes", "verdict"]

_VERDICTS = {
    "supported": {"holds"},
    "unsupported": {"not-confirmed", "inaccurate", "off-record", "unspecific", "overtaken"},
    "inconclusive": {
        "unmeasurable",
        "no-claim",
        "nothing-moves",
        "operators-disagree",
        "too-small",
        "unstable",
        "off-data",
        "untested",
    },
}
_EARLY = {"unmeasurable", "no-claim", "nothing-moves", "too-small", "untested"}


def verdict(case: Case, sheet: Sheet) -> None:
    """Each attempt's cause is one that its figures leave open, and the ladder stopped where it should."""
    told = case.result["verdict"]
    sheet.holds(told["cause"] in _VERDICTS.get(told["verdict"], ()), f"{told['cause']!r} makes no {told['verdict']!r}")
    for number, attempt in enumerate(case.attempts, 1):
        name, cause = f"attempt {number}", attempt["cause"]
        sheet.holds(
            cause in _VERDICTS.get(attempt["verdict"], ()), f"{name}: {cause!r} makes no {attempt['verdict']!r}"
        )
        if cause == "unmeasurable":
            sheet.skip(f"{name}, which could not be measured")
            continue
        last = number == len(case.attempts)
        left = open_causes(attempt, case.result if last else None)
        sheet.holds(cause in left, f"{name}: its cause is {cause!r}, its figures leave {', '.join(sorted(left))}")
        if not last:
            sheet.holds(attempt["verdict"] != "supported", f"{name} is supported, and another one was made")
    if case.attempts:
        _stopped(case, sheet)


def _stopped(case: Case, sheet: Sheet) -> None:
    told, tried = case.result["verdict"], [a["rung"] for a in case.attempts]
    rungs = (told.get("ladder") or {}).get("rungs")
    if rungs is not None:
        order = [rungs.index(rung) for rung in tried]
        sheet.holds(order == sorted(set(order)), f"the rungs {', '.join(tried)} are not in the order of the ladder")
        if told["stopped"] == "last rung":
            sheet.same("the rung where the ladder ended", tried[-1], rungs[-1])
    supported = case.attempts[-1]["verdict"] == "supported"
    # A supported account that breaks down when more of the input is edited is not supported any more.
    so = supported == (told["stopped"] == "supported") or not case.steady
    sheet.holds(so, f"the ladder stopped for {told['stopped']!r}")


def open_causes(attempt: Mapping[str, Any], result: Mapping[str, Any] | None = None) -> set[str]:
    """Return the causes that an attempt's figures leave open, the first question that is not passed deciding.

    Args:
        attempt: as the record has it.
        result: where it is the attempt that stands: it tells more of that.
    """
    asked, measured = attempt["committed"]["parameters"]["criteria"], attempt["measured"]
    if not attempt["claims"]:
        return {"no-claim"}
    if not measured:
        return {"untested"}
    stands = None if result is None else result["claims"]
    found: set[str] = set()
    moves = [abs(m) for m in measured] + [abs(c["effect"]) for d in attempt["controls"] for c in d["controls"]]
    moves += [abs(e["effect"]) for c in stands or () for e in c["effects"]]
    if max(moves, default=0.0) < 1e-6:
        found.add("nothing-moves")
    falls = None if stands is None else [e["effect"] <= -asked["least"] for e in stands[0]["effects"]]
    if falls is not None and not all(falls):
        return found | {"operators-disagree" if any(falls) else "not-confirmed"}
    if falls is None:
        if measured[0] > -asked["least"]:
            return found | {"operators-disagree", "not-confirmed"}
        found.add("operators-disagree")
    agreement = agreed([c["predicted"] for c in attempt["claims"]], measured)
    if agreement < asked["agreement"] - EXACT:
        return found | {"inaccurate"}
    if abs(agreement - asked["agreement"]) <= EXACT:
        found.add("inaccurate")
    return found | _after(attempt, result, asked)


def _after(attempt: Mapping[str, Any], result: Mapping[str, Any] | None, asked: Mapping[str, float]) -> set[str]:
    """Causes open for an account whose predictions agree."""
    found, stands = set[str](), None if result is None else result["claims"][0]
    calibrated = "calibration" in attempt["committed"]["reference"]
    if stands is None and calibrated:
        found.add("off-record")
    elif stands is not None and stands.get("miss_p") is not None and stands["miss_p"] <= asked["alpha"]:
        return {"off-record"}
    if attempt["controls"]:
        ways = math.prod(len(each["controls"]) + 1 for each in attempt["controls"])
        if 1 / ways > asked["alpha"]:
            return found | {"too-small"}
        if attempt["p"] > asked["alpha"]:
            return found | {"unspecific"}
        own = [c["effect"] for c in attempt["controls"][0]["controls"]]
        over = sum(e < attempt["measured"][0] - EXACT for e in own) / len(own) if own else 0.0
        if over > asked["overtaken"]:
            return found | {"overtaken"}
    # Without controls the record does not tell whether none could be drawn or the test was cut short.
    passed = {"holds"} if attempt["controls"] else {"too-small", "untested"}
    steady = None if result is None else result["verdict"]["stability"]
    if result is None:
        return found | {"unstable", "off-data"} | passed
    if steady is not None and not math.fsum(steady["effects"]) / len(steady["effects"]) < -steady["noise"]:
        return found | {"unstable"}
    novelty = (stands or {}).get("off_data_p") or ()
    return found | ({"off-data"} if novelty and max(novelty) <= asked["alpha"] / 5 else passed)


def critique(case: Case, sheet: Sheet) -> None:
    """Where prediction and measurement part, and what kind of fault that is, follows from the attempt's figures."""
    for number, attempt in enumerate(case.attempts, 1):
        told, name = attempt["critique"], f"the critique of attempt {number}"
        if told is None:
            supported = attempt["verdict"] == "supported"
            sheet.holds(supported or attempt["cause"] == "unmeasurable", f"{name} is missing, though it failed")
            continue
        claims, measured = attempt["claims"], attempt["measured"]
        if attempt["cause"] in _EARLY or not claims or len(measured) != len(claims):
            sheet.same(f"the kind of {name}", told["kind"], "untestable")
            continue
        predicted = [c["predicted"] for c in claims]
        miss = [abs(p - m) for p, m in zip(predicted, measured, strict=True)]
        worst = claims[miss.index(max(miss))]
        sheet.same(f"the claim of {name}", told["claim"], worst["name"])
        sheet.same(f"the sense of {name}", told["modality"], worst["modality"])
        sheet.same(f"the units of {name}", told["units"], worst["units"])
        figures = told["figures"]
        sheet.near(f"the predicted effects of {name}", figures["predicted"], math.fsum(predicted), SINGLE)
        sheet.near(f"the measured effects of {name}", figures["measured"], math.fsum(measured), SINGLE)
        kind = _kind(attempt, predicted, measured, figures.get("together"))
        sheet.same(f"the kind of {name}", told["kind"], kind)
        _overtaking(attempt, kind, name, sheet)


def _kind(attempt: Mapping[str, Any], predicted: list[float], measured: list[float], together: float | None) -> str:
    by_cause = {"holds": "none", "off-data": "off-data", "unstable": "noise", "operators-disagree": "operators"}
    by_cause |= {"overtaken": "missed", "unspecific": "missed"}
    if attempt["cause"] in by_cause:
        return by_cause[attempt["cause"]]
    asked, single = attempt["committed"]["parameters"]["criteria"], math.fsum(measured)
    if together is not None:
        extra = together - single
        if abs(extra) >= max(asked["least"], abs(together) / 2, abs(single) / 2):
            return "interaction" if extra < 0 else "saturation"
    square = math.fsum(p * p for p in predicted)
    scale = math.fsum(p * m for p, m in zip(predicted, measured, strict=True)) / max(square, 1e-300)
    if scale > 0 and agreed([scale * p for p in predicted], measured) >= asked["agreement"]:
        return "scale"
    return "misplaced"


def _overtaking(attempt: Mapping[str, Any], kind: str, name: str, sheet: Sheet) -> None:
    """Where to look next: the controls that did more than the first claim, and what does more together."""
    told, senses = attempt["critique"]["found"], {c["name"]: c["modality"] for c in attempt["claims"]}
    more = {
        (senses[each["claim"]], tuple(control["units"]))
        for each in attempt["controls"]
        for control in each["controls"]
        if control["effect"] < attempt["measured"][0]
    }
    given = [(one["modality"], tuple(one["units"])) for one in told]
    if kind == "interaction":
        every: dict[str, set[int]] = {}
        for claim in attempt["claims"]:
            every.setdefault(claim["modality"], set()).update(claim["units"])
        more |= {(m, tuple(sorted(units))) for m, units in every.items()}
    sheet.holds(set(given) == more, f"{name} does not name the edits that did more than the first claim")
