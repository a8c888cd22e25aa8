"""What is said: sentences read again and held against the graph, figures in words, and what is told twice."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from .finding import Case, Sheet

__all__ = ["copies", "reasons", "sentences", "shorter"]

_GONE = "…"
_LONGEST = 4000
"""Characters of a sentence that are read; the grammar makes none so long."""
_FIGURE = re.compile("[+\u2212-]?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?(?:\u00a0%)?")
_BY_OPERATOR = {"operators-disagree", "not-confirmed", "off-record", "off-data", "unstable"}
_QUOTED = re.compile("“[^“”]*”")


def sentences(case: Case, sheet: Sheet) -> None:
    """Every sentence is read by the grammar, and each word, figure, fact and mark of it follows from the graph."""
    told = case.result["justification"]
    if "full" not in told or not case.result.get("graph"):
        sheet.skip("the record is of a version without facts")
        return
    from ...concepts.consistency import contradictions
    from ...concepts.draft import Sentence
    from ...concepts.graph_export import from_json

    drawn, cut, read = from_json(case.result["graph"]), 0, dict[str, list[str]]()
    for name in ("sentences", "full"):
        for number, one in enumerate(told[name], 1):
            key = repr(one)  # most of the medium text stands in the full one as it is
            if key not in read:
                read[key] = contradictions(drawn, [_sentence(one, Sentence)])
            found = [fault.removeprefix("sentence 1: ") for fault in read[key]]
            if found and case.cut and _GONE in one["text"]:
                cut += 1
                continue
            sheet.seen += 1
            sheet.faults += [f"sentence {number} of {name}: {fault}" for fault in found]
    if cut:
        sheet.skip(f"{cut} sentences that quote what was cut out")
    sheet.same("the justification's text", told["text"], " ".join(s["text"] for s in told["sentences"]))


def _sentence(told: Mapping[str, Any], make: Any) -> Any:
    """A sentence of the record; what is none is refused here, before it is read."""
    from ...concepts.clauses import Fact

    facts = []
    for fact in told["facts"]:
        words = [fact[key] for key in ("subject", "relation", "unit", "of")]
        if not all(isinstance(word, str) for word in words):
            raise TypeError("a fact holds something else than words")
        if isinstance(fact["value"], bool) or not isinstance(fact["value"], str | int | float | None):
            raise TypeError(f"a fact has the value {fact['value']!r}")
        facts.append(Fact(words[0], words[1], fact["value"], words[2], words[3]))
    edges = tuple((str(source), str(target)) for source, target in told["edges"])
    text, confirmed, kind = told["text"], told["confirmed"], told["kind"]
    if not (isinstance(text, str) and isinstance(kind, str) and isinstance(confirmed, bool)):
        raise TypeError("a sentence lacks its text, its kind or its mark of confirmation")
    if len(text) > _LONGEST:
        raise ValueError(f"a sentence of {len(text)} characters")
    return make(text, tuple(str(c) for c in told["claims"]), confirmed, edges, kind, tuple(facts))


def shorter(case: Case, sheet: Sheet) -> None:
    """The text in two sentences is made of clauses that the graph bears out, with its figures."""
    text = case.result["justification"].get("short")
    if text is None or not case.result.get("graph"):
        sheet.skip("the record is of a version without a short text")
        return
    if not isinstance(text, str) or len(text) > 2 * _LONGEST:
        raise ValueError("the short text is none")
    from ...concepts.clauses import SLOTS, Fact, shown
    from ...concepts.graph_export import from_json
    from ...concepts.truth import Truth

    truth = Truth(from_json(case.result["graph"]))
    pair = next(filter(None, (_read(truth, first, second) for first, second in _halves(text))), None)
    if pair is None:
        if case.cut and _GONE in text:
            sheet.skip("the short text, of which words were cut out")
        else:
            sheet.holds(False, f"the short text “{text[:60]}…” cannot be read by the grammar")
        return
    for read in pair:
        sheet.holds(
            truth.bears_out(read, ""), f"the graph does not bear out the clause {read.clause!r} of the short text"
        )
        for (subject, relation, unit, of), words, slot in truth.reader.asserted(read, ""):
            if words is None:
                continue
            form, sign = SLOTS[slot].form, SLOTS[slot].sign
            value = truth.reader.action(words) if form == "action" else words
            true = truth.of(Fact(subject, relation, value, unit, of))
            told = "" if true is None else shown(form, true, truth.phrases)
            so = told == words or (relation in ("system", "absent") and told.lower() == words.lower())
            sheet.holds(so, f"the short text says “{words}” as {relation} of {subject}; by the graph it is {true!r}")
            turned = bool(sign) and isinstance(true, int | float) and true * sign < 0
            sheet.holds(not turned, f"the short text turns round the sign of {relation} of {subject}")


def _halves(text: str) -> Iterator[tuple[str, str]]:
    for found in islice(re.finditer(r"\. ", text), 64):
        yield text[: found.start() + 1], text[found.end() :]


def _read(truth: Any, first: str, second: str) -> list[Any] | None:
    reads = [truth.reader.read(first), truth.reader.read(second)]
    return None if None in reads else [*reads[0], *reads[1]]


def copies(case: Case, sheet: Sheet) -> None:
    """What the record tells more than once is told alike."""
    result, verdict = case.result, case.result["verdict"]
    if verdict.get("criteria") is not None:
        sheet.same("verdict.alpha", verdict["alpha"], verdict["criteria"]["alpha"])
    first = result["claims"][0]["id"] if result["claims"] else None
    sheet.same("verdict.claim", verdict["claim"], first)
    if not case.attempts:
        return
    last = case.attempts[-1]
    for key in ("verdict", "cause", "reasons", "agreement", "commitment", "committed", "salt", "rung"):
        sheet.close(f"verdict.{key}", verdict[key], last[key], 0.0)
    sheet.close("verdict.criteria", verdict["criteria"], last["committed"]["parameters"]["criteria"], 0.0)
    told = [{"name": c["id"], **{k: c[k] for k in ("modality", "units", "predicted")}} for c in result["claims"]]
    sheet.close("claims", told, last["claims"][: len(told)], 0.0)
    sheet.close("claims' measured effects", [c["measured"] for c in result["claims"]], list(last["measured"]))
    sheet.same("the number of claims", len(told), len(last["measured"]))
    for claim in result["claims"]:
        operators = [effect["operator"] for effect in claim["effects"]]
        asked = last["committed"]["operators"][claim["modality"]]
        so = list(dict.fromkeys(operators)) == asked
        sheet.holds(so, f"{claim['id']} was edited by {operators}, committed were {asked}")


def reasons(case: Case, sheet: Sheet) -> None:
    """Every figure in the verdict's reasons and in the critiques is one of the record's, as it is written in words."""
    result = case.result
    for number, attempt in enumerate(case.attempts, 1):
        last, told = number == len(case.attempts), list(attempt["reasons"])
        if attempt["cause"] == "unmeasurable":
            sheet.skip(f"the reasons of attempt {number}, which quote why it could not be measured")
            continue
        if not last:  # effects by operator, noise and novelty are recorded of the attempt that stands alone
            told = [] if attempt["cause"] in _BY_OPERATOR else told[:1]
        known = _known(attempt, result if last else None)
        for text in [*told, *([attempt["critique"]["sentence"]] if attempt["critique"] and (last or told) else [])]:
            odd = [f for f in _FIGURE.findall(_QUOTED.sub("", text)) if f.lstrip("+\u2212-") not in known]
            sheet.holds(not odd, f"attempt {number}: “{text[:50]}…” tells {', '.join(odd)}, which is no figure here")


def _known(attempt: Mapping[str, Any], result: Mapping[str, Any] | None) -> set[str]:
    """Every figure that may stand in an attempt's reasons, as it is shown, without sign."""
    from ...modalities.wording import nats, number, percent

    asked, claims = attempt["committed"]["parameters"]["criteria"], attempt["claims"]
    figures = [*asked.values(), *attempt["measured"], *(c["predicted"] for c in claims)]
    figures += [attempt["agreement"], max(attempt["agreement"], 0.0), attempt["p"]]
    counts = [len(claims), *range(1, len(claims) + 1)]
    ways = math.prod(len(each["controls"]) + 1 for each in attempt["controls"])
    counts.append(ways)
    figures.append(1 / ways)
    if attempt["controls"] and attempt["controls"][0]["controls"] and attempt["measured"]:
        own = [c["effect"] for c in attempt["controls"][0]["controls"]]
        counts.append(len(own))
        figures.append(sum(e < attempt["measured"][0] - 1e-9 for e in own) / len(own))
    if attempt["critique"]:
        figures += attempt["critique"]["figures"].values()
        counts.append(len(attempt["critique"]["found"]))
        predicted = [c["predicted"] for c in claims]
        square = math.fsum(p * p for p in predicted)
        if square and len(attempt["measured"]) == len(predicted):
            figures.append(math.fsum(p * m for p, m in zip(predicted, attempt["measured"], strict=True)) / square)
    if result is not None:
        figures += _of_the_last(result)
    shown = {str(count) for count in counts}
    for value in filter(lambda v: v is not None, figures):
        for text in (nats(value), number(value, 2), number(value, 3), percent(value), f"{value:g}"):
            shown.update(_FIGURE.findall(text))
    return {text.lstrip("+\u2212-") for text in shown}


def _of_the_last(result: Mapping[str, Any]) -> list[float]:
    found, steady = list[Any](), result["verdict"]["stability"]
    for claim in result["claims"][:1]:
        found += [*(e["effect"] for e in claim["effects"]), *(claim.get("off_data_p") or ()), claim.get("miss_p")]
    found += [test["p"] for test in result["verdict"]["tests"]]
    if steady:
        found += [math.fsum(steady["effects"]) / len(steady["effects"]), steady["noise"]]
    return [value for value in found if value is not None]
