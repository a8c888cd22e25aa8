"""Clauses: the patterns that every sentence is made of, and what each of them asserts.

A clause is a template with slots. The writer (`sentences`, `contrast`) fills the slots, and so says facts; the reader
(`consistency`) finds the slots again in a text. There is no other way for a figure or an action to enter a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..modalities.wording import MINUS, nats, number, percent
from .phrases import Phrases

__all__ = ["CLAUSES", "OPEN", "SLOTS", "Clause", "Fact", "Slot", "Value", "fill", "pattern_of", "shown", "unit_of"]

Value = float | str | None
"""A number, an action or words; None where nothing is to be filled in."""


@dataclass(frozen=True)
class Fact:
    """What a sentence says, in machine form.

    Attributes:
        subject: node of the graph that it is said of.
        relation: what is said, e.g. ``speaks-for``, ``becomes``, ``probability``, ``called``.
        value: a number, an action, words, or None where the relation says it all.
        unit: ``nats``, ``probability`` (shown as a percentage), ``p``, ``action``, ``words`` or nothing.
        of: the action that the value is of, where that is not plain.
    """

    subject: str
    relation: str
    value: Value
    unit: str = ""
    of: str = ""


@dataclass(frozen=True)
class Slot:
    """A place in a clause that is filled.

    Attributes:
        relation: what its value says.
        form: how the value is shown: ``action``, ``probability``, ``p``, ``plain``, ``words``, or nats: ``nats``
            (signed), ``size`` (no sign: the words say whether it falls or rises).
        on: whom it is said of: the ``thing`` of the clause, the ``decision``, or the ``claim`` beside the thing.
        of: slot that holds the action which the value is of.
        sign: −1 or +1 where the clause holds for values of that sign alone.
    """

    relation: str
    form: str
    on: str = "thing"
    of: str = ""
    sign: int = 0


SLOTS: Mapping[str, Slot] = {
    "system": Slot("system", "words", "decision"),
    "decided": Slot("decided", "action", "decision"),
    "probability": Slot("probability", "probability", "decision", "decided"),
    "next": Slot("next", "action", "decision"),
    "next_probability": Slot("probability", "probability", "decision", "next"),
    "ahead": Slot("score", "size", "decision", sign=1),
    "behind": Slot("score", "size", "decision", sign=-1),
    "thing": Slot("called", "words"),
    "speaks_for": Slot("speaks-for", "nats", sign=-1),
    "speaks_against": Slot("speaks-against", "nats", sign=1),
    "less": Slot("speaks-for", "size", sign=-1),
    "more": Slot("speaks-against", "size", sign=1),
    "after": Slot("after", "probability", of="decided"),
    "becomes": Slot("becomes", "action"),
    "then": Slot("after", "probability", of="becomes"),
    "confirmed": Slot("confirmed", "nats", "claim"),
    "predicted": Slot("predicted", "nats"),
    "direct": Slot("direct", "nats"),
    "through_state": Slot("through-state", "nats"),
    "typical": Slot("typical", "nats"),
    "typical_becomes": Slot("typical-becomes", "action"),
    "interaction": Slot("interaction", "nats"),
    "low": Slot("interval-low", "nats"),
    "high": Slot("interval-high", "nats"),
    "least_seen": Slot("range-low", "nats"),
    "most_seen": Slot("range-high", "nats"),
    "p": Slot("p", "p"),
    "negligible": Slot("not-confirmed", "nats"),
    "raised": Slot("not-confirmed", "nats", sign=1),
    "lowered": Slot("not-confirmed", "nats", sign=-1),
    "no_effect": Slot("no-effect", "nats"),
    "unsettled": Slot("unsettled", "nats"),
    "goes_along": Slot("goes-along", "action"),
    "share": Slot("share", "probability", of="goes_along"),
    "usual": Slot("usual", "probability", of="goes_along"),
    "least": Slot("least", "plain", "decision"),
    "absent": Slot("absent", "words", "decision"),
    "reason": Slot("reason", "words", "decision"),
    "other": Slot("rather-than", "action", "decision"),
    "other_probability": Slot("probability", "probability", "decision", "other"),
    "contrast_less": Slot("contrast", "size", of="other", sign=-1),
    "contrast_more": Slot("contrast", "size", of="other", sign=1),
}


@dataclass(frozen=True)
class Clause:
    """A pattern, and what it says beyond its slots: (whom it is said of, relation, value)."""

    template: str
    says: tuple[str, str, Value] | None = None


_MOVES = {
    "falls-to": "without {who} {decided} falls from {probability} to {after} ({speaks_for} nats)",
    "rises-to": "without {who} {decided} rises from {probability} to {after} ({speaks_against} nats)",
    "stays-but-lower": "without {who} {decided} stays at {probability} ({speaks_for} nats)",
    "stays-but-higher": "without {who} {decided} stays at {probability} ({speaks_against} nats)",
    "falls-by": "without {who} the score of {decided} falls by {less} nats",
    "rises-by": "without {who} the score of {decided} rises by {more} nats",
}
_RAW: Mapping[str, str | Clause] = {
    "chose-ahead": "{system} chose {decided} ({probability}; next {next}, {next_probability}), {ahead} nats ahead of "
    "all else together",
    "chose-behind": "{system} chose {decided} ({probability}; next {next}, {next_probability}), {behind} nats behind "
    "all else together",
    "chose": "{system} chose {decided} ({probability}; next {next}, {next_probability})",
    "rests-first": Clause("it rests first on {thing}", ("thing", "first", None)),
    "points-first": Clause("what was measured points first to {thing}", ("thing", "first", None)),
    "next-comes": "next comes {thing}",
    "against": "against it speaks {thing}",
    "alone-for": "taken by itself, {thing} speaks for it too",
    "alone-against": "taken by itself, {thing} speaks against it",
    **{name: text.replace("{who}", "it") for name, text in _MOVES.items()},
    **{f"thing-{name}": text.replace("{who}", "{thing},") for name, text in _MOVES.items()},
    "becomes": "the decision becomes {becomes}",
    "stays": "the decision stays {becomes}",
    "depends": Clause("what is then decided depends on how it is taken out", ("thing", "becomes", None)),
    "beside": "editing the input where it lies confirms it ({confirmed} nats)",
    "predicted": "{predicted} nats were predicted",
    "through": "in the last step alone that does {direct} nats, by way of the memory alone {through_state} nats",
    "typical": "at its usual strength instead, the score changes by {typical} nats",
    "typical-becomes": "the decision is then {typical_becomes}",
    "interaction": "jointly its parts differ from the sum of their single effects by {interaction} nats",
    "nothing-for": Clause("nothing whose effect was confirmed speaks for it", ("decision", "nothing-for", None)),
    "counterfactual": "without {thing}: {becomes} ({then})",
    "counterfactual-bare": "without {thing}: {becomes}",
    "no-counterfactual": Clause(
        "no single concept or piece of evidence is confirmed to change the decision when it is taken out",
        ("decision", "no-counterfactual", None),
    ),
    "nothing-removed": Clause(
        "nothing was taken out, so what would change the decision is not known", ("decision", "nothing-removed", None)
    ),
    "sure": "the effect of {thing} lies between {low} and {high} nats, and random directions of the same size seldom "
    "do as much ({p})",
    "sure-interval": "the effect of {thing} lies between {low} and {high} nats",
    "sure-p": "random directions of the same size seldom do as much as {thing} ({p})",
    "sure-range": "depending on how it is taken out, the effect of {thing} is {least_seen} to {most_seen} nats",
    "supported": Clause("this account was put to the test and is supported", ("decision", "verdict", "supported")),
    "unsupported": Clause(
        "this account was put to the test and is NOT supported", ("decision", "verdict", "unsupported")
    ),
    "inconclusive": Clause("this account could not be settled", ("decision", "verdict", "inconclusive")),
    "reason": "{reason}",
    "negligible": "the account points to {thing}, but this was not confirmed: taking it out made no difference that "
    "counts ({negligible} nats)",
    "raised": "the account points to {thing}, but this was not confirmed: taking it out raised the score instead "
    "({raised} nats)",
    "lowered": "the account points to {thing}, but this was not confirmed: taking it out lowered the score instead "
    "({lowered} nats)",
    "no-effect": "taking out {thing} does nothing that counts ({no_effect} nats)",
    "nor": "nor does taking out {thing} ({no_effect} nats)",
    "unsettled": "taking out {thing} did {unsettled} nats, which was not told from chance",
    "untested": Clause("what taking out {thing} would do was not tested", ("thing", "not-tested", None)),
    "correlate": Clause(
        "{thing} often goes with {goes_along} (in {share} of its occurrences, against {usual} of all decisions), but "
        "taking it out does nothing in this system: it is no cause here",
        ("thing", "no-cause", None),
    ),
    "correlate-unsettled": "{thing} often goes with {goes_along} (in {share} of its occurrences, against {usual} of "
    "all decisions), but what taking it out does in this system was not told from chance ({unsettled} nats)",
    "correlate-untested": Clause(
        "{thing} often goes with {goes_along} (in {share} of its occurrences, against {usual} of all decisions), but "
        "taking it out was not tested, so whether it is a cause in this system is not known",
        ("thing", "not-tested", None),
    ),
    "idle-sense": Clause("taking away {thing} changes the score by less than {least} nats", ("thing", "idle", None)),
    "one-absent": "{absent} was absent",
    "several-absent": "{absent} were absent",
    "rather": "{decided} was chosen rather than {other} ({probability} against {other_probability})",
    "contrast-for": "for {decided} rather than {other} speaks {thing}: without it the lead falls by "
    "{contrast_less} nats",
    "contrast-against": "for {other} rather than {decided} speaks {thing}: without it the lead rises by "
    "{contrast_more} nats",
    "no-contrast": Clause(
        "nothing whose effect was confirmed speaks for {decided} rather than {other}", ("decision", "no-contrast", None)
    ),
    "no-way": Clause("nothing is confirmed to lead to {other} when it is taken out", ("decision", "no-way", None)),
}
CLAUSES: Mapping[str, Clause] = {k: c if isinstance(c, Clause) else Clause(c) for k, c in _RAW.items()}
OPEN = frozenset(
    "unsupported inconclusive negligible raised lowered unsettled untested correlate-unsettled correlate-untested "
    "nothing-removed".split()
)
"""Clauses that say of something that it is not confirmed, or not known."""


def shown(form: str, value: Value, phrases: Phrases) -> str:
    """Return a slot's value as it is written; numbers are in their slot's unit."""
    if isinstance(value, str):
        return phrases.actions.get(value, value) if form == "action" else value
    if value is None:
        return ""
    if form == "probability":
        return percent(value)
    if form == "p":
        return "p < 0.001" if value < 0.001 else f"p = {number(value, 3)}"
    if form == "plain":
        return f"{value:g}"
    return nats(value).lstrip("+" + MINUS) if form == "size" else nats(value)


def unit_of(form: str) -> str:
    """Return the unit of the facts in slots of a form."""
    return {"size": "nats", "plain": "nats"}.get(form, form)


def fill(
    name: str, phrases: Phrases, thing: str = "", claim: str = "", values: Mapping[str, Value] | None = None
) -> tuple[str, tuple[Fact, ...]]:
    """Fill a clause.

    Args:
        name: which, of `CLAUSES`.
        phrases: what the things are called.
        thing: node that the clause is about; it need not be named in it.
        claim: evidence that stands beside the thing.
        values: a value for each slot but ``thing``.

    Returns:
        The clause's text, and the facts it says.
    """
    clause, given = CLAUSES[name], {"thing": phrases.things.get(thing, ""), **(values or {})}
    subject = {"thing": thing, "decision": "decision", "claim": claim}
    slots = re.findall(r"{(\w+)}", clause.template)
    facts = [
        Fact(subject[s.on], s.relation, given[slot], unit_of(s.form), str(given[s.of]) if s.of else "")
        for slot, s in ((slot, SLOTS[slot]) for slot in slots)
    ]
    if clause.says is not None:
        on, relation, value = clause.says
        facts.append(Fact(subject[on], relation, value))
    return clause.template.format_map({s: shown(SLOTS[s].form, given[s], phrases) for s in slots}), tuple(facts)


_FORMS = {
    "probability": "[<>]?\\d+\u00a0%",
    "p": r"p [<=] \d\.\d{3}",
    "plain": r"\d[\d.]*(?:e[+-]\d+)?",
    "size": r"\d+\.\d+",
    "nats": rf"(?:[+{MINUS}]\d+\.\d+|0\.00)",
}


def pattern_of(slot: str, words: Mapping[str, str]) -> str:
    """Return the regular expression of a slot: its figure, or one of the ``words`` that its form allows."""
    form, sign = SLOTS[slot].form, SLOTS[slot].sign
    if form == "nats" and sign:
        return r"\+\d+\.\d+" if sign > 0 else rf"{MINUS}\d+\.\d+"
    return _FORMS.get(form) or words["action" if form == "action" else slot]
