"""The letter: to a person whom a decision affects, why it was made and how far that is known.

It gives what Article 86 of Regulation (EU) 2024/1689, the AI Act, asks for: the role of the system in the decision and
the main elements of it. Every figure is one of the record; nothing is said beyond what was measured, and an account
that did not pass its test is called that before any reason is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import RecordError
from ...modalities.wording import listed, percent
from ..wording import SENSES, clean
from .annex import annex
from .decided import Act, Decided, read_acts, read_decisions
from .letter_form import Letter, Section
from .letter_words import CAUSES, Element, against, day, elements, given, took_in, without

__all__ = ["Letter", "Section", "letter"]

_MOST = 6  # main elements that are told
_TITLES = {
    "supported": "You can rely on this account as far as it was tested",
    "unsupported": "Do not rely on this account: it failed its test",
    "inconclusive": "It is not known whether this account is true",
}


def letter(
    result: Mapping[str, Any],
    predicate: Mapping[str, Any],
    acts: Iterable[Mapping[str, Any]] = (),
    proof_line: str = "",
    *,
    entry: int | None = None,
    erased: Sequence[str] = (),
    contact: str | None = None,
) -> Letter:
    """Write the letter about one decision.

    Args:
        result: the explanation, see ``docs/record.md``; its quoted words may have been cut out.
        predicate: what the log says of the decision.
        acts: predicates of operators' acts; those about other records are left out.
        proof_line: the log's fingerprint and what was checked of it, one line; empty if it was not checked.
        entry: number of the log's entry.
        erased: what was erased since, in words or by name of an array.
        contact: where to contest, such as an address.

    Raises:
        RecordError: a member of the result or of a predicate is missing or of another type.
    """
    decided = read_decisions([predicate])[0]
    own = [act for act in read_acts(acts) if act.about == decided.id]
    try:
        if result["decision"]["action"] != decided.action:
            raise RecordError(
                f"record {clean(decided.id)}: the log says {clean(decided.action)!r}, its result "
                f"{clean(str(result['decision']['action']))!r}; verify the log before a letter goes out"
            )
        sections = (
            _decided(result, decided),
            _trust(result, decided),
            _role(result, decided, own),
            *_reasons(result, decided),
            _changes(result),
            *_missing(result, erased),
            _contest(contact),
            _check(decided, proof_line, entry),
        )
        figures = annex(result, predicate)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"record {clean(decided.id)}: no letter can be written of its result: {clean(repr(error))}; its members "
            "are not of the form of veridical.explanation/1"
        ) from error
    title = f"Why {clean(decided.system)} chose {clean(decided.action)}"
    return Letter(title, f"An explanation of the decision of {day(decided.time)}", sections, figures)


def _decided(result: Mapping[str, Any], decided: Decided) -> Section:
    action = clean(decided.action)
    odds = sorted(result["decision"]["probabilities"].items(), key=lambda item: (-item[1], item[0]))
    first = f"On {day(decided.time)} the system “{clean(decided.system)}” chose {action}."
    own = percent(dict(odds)[decided.action])
    others = [(clean(name), p) for name, p in odds if name != decided.action]
    second = f"It gave {action} a chance of {own}."
    if others:
        second += f" Next came {others[0][0]} with {percent(others[0][1])}."
    return Section("What was decided", (f"{first} {second}",))


def _trust(result: Mapping[str, Any], decided: Decided) -> Section:
    verdict = result["verdict"]
    word = verdict["verdict"]
    how = (
        "This letter says why. That account was put to a test. Parts of what the system took in were taken away, and "
        "the system was asked again."
    )
    why = CAUSES.get(verdict["cause"], clean(str(verdict["cause"])))
    outcome = {
        "supported": f"The account passed. {_borne_out(verdict, result['claims'])} A test cannot show that nothing "
        "was missed.",
        "unsupported": f"The account failed. {why} Each point below was measured for itself. Together they do not "
        "explain the decision.",
        "inconclusive": f"The test did not settle it. {why} The account may be right or wrong.",
    }.get(word)
    if outcome is None:
        raise ValueError(f"verdict {word!r}")
    tried = sum(a["verdict"] != "supported" for a in verdict["attempts"][:-1])
    quicker = ""
    if tried:
        quicker = (
            " One quicker account was tried before and did not pass."
            if tried == 1
            else (f" {tried} quicker accounts were tried before and did not pass.")
        )
    return Section(_TITLES[word], (f"{how} {outcome}{quicker} The outcome on record is “{word}”.",), tone=word)


def _borne_out(verdict: Mapping[str, Any], claims: Sequence[Mapping[str, Any]]) -> str:
    """In what the account was right; where it is made of what was measured, being right of that is no merit."""
    right, count = sum(c["status"] == "confirmed" for c in claims), len(claims)
    if all(abs(c["predicted"] - c["measured"]) < 1e-6 for c in claims):
        things = "one thing was" if count == 1 else f"{count} things were"
        told = f"It tells what was measured when {things} taken away."
    elif right == count:
        told = f"{'The one thing' if count == 1 else f'All {count} things'} that it names did what it had foretold."
    else:
        told = f"{right} of the {count} things that it names did what it had foretold."
    return f"{told} Of other parts like these it would not have been as right." if verdict["specific"] else told


def _role(result: Mapping[str, Any], decided: Decided, acts: Sequence[Act]) -> Section:
    taken = took_in(result)
    actions = [clean(name) for name in result["system"]["actions"]]
    role = (
        f"The system is a computer program. It took in {listed(taken) if taken else 'nothing'}. From that it chose one "
        f"of {len(actions)} actions: {listed(actions)}."
    )
    if decided.policy:
        role += f" It worked under the policy “{clean(decided.policy)}”."
    role += " The record does not say whether the choice was carried out, or what came of it."
    return Section("The part of the system, and of people", (role, *(_acted(acts))))


def _acted(acts: Sequence[Act]) -> list[str]:
    verbs = {
        "accepted": "accepted the decision",
        "overridden": "set the decision aside",
        "stopped": "stopped the system",
        "contested": "contested the decision",
        "annotated": "added a note",
        "named": "named something in it",
    }
    told = []
    for act in acts:
        said = f"On {day(act.time)}, {clean(act.who)} {verbs.get(act.act, clean(act.act))}."
        if act.action:
            said += f" In its place came {clean(act.action)}."
        if act.reason:
            said += f" The reason given: “{clean(act.reason)}”"
        told.append(said)
    if not any(act.act in ("accepted", "overridden", "stopped") for act in acts):
        told.append("The log names no person who confirmed or changed this decision.")
    return told


def _reasons(result: Mapping[str, Any], decided: Decided) -> list[Section]:
    action, verdict = clean(decided.action), result["verdict"]["verdict"]
    found = elements(result)
    passed = verdict == "supported"
    heading = "What the decision rested on" if passed else "What was measured"
    if not found:
        none = ("Nothing was found of which it was shown that the decision rests on it.",)
        return [Section(heading, none), *_opposed(result, action)]
    lead = "These things spoke for the choice, the strongest first. They overlap, so the figures do not add up."
    if not passed:
        lead = f"Keep in mind that the account as a whole is {verdict}. {lead}"
    if any("“" in e.thing and "the words" not in e.thing for e in found[:_MOST]):
        lead += " Names in quotation marks are the best guess of another program."
    if len(found) > _MOST:
        lead += f" The {_MOST} strongest of {len(found)} are shown."
    first = Section(heading, (lead,), tuple(_point(e, action) for e in found[:_MOST]))
    return [first, *_opposed(result, action)]


def _opposed(result: Mapping[str, Any], action: str) -> list[Section]:
    """What spoke against the decision, and what the account says that was not found so."""
    told, found = [], against(result)
    if not found:
        told.append("Nothing was found of which it was shown that it spoke against the choice.")
    unfound = sum(c["status"] != "confirmed" for c in result["claims"])
    if unfound:
        what = "One thing" if unfound == 1 else f"{unfound} things"
        told.append(
            f"{what} that the account names did not do what it says when measured. They are not given as reasons."
        )
    return [Section("What spoke against it", tuple(told), tuple(_point(e, action) for e in found[:_MOST]))]


def _point(element: Element, action: str) -> tuple[str, str]:
    return f"{element.thing[0].upper()}{element.thing[1:]}.", without(element, action)


def _changes(result: Mapping[str, Any]) -> Section:
    action = clean(result["decision"]["action"])
    found = [e for e in (*elements(result), *given(result)) if e.becomes != action]
    if not found:
        none = f"None of the things that were taken away changed the choice. It was {action} each time."
        return Section("What would have changed it", (none,))
    sure = [(f"Without {e.thing}:", f"the choice is {e.becomes}.") for e in found if e.becomes]
    perhaps = [(f"Without {e.thing}:", "that depends on how it is taken away.") for e in found if not e.becomes]
    lead = (
        "This was tried out on the system. It shows how the system works, not what would have come of it in the world."
    )
    return Section("What would have changed it", (lead,), (*sure, *perhaps)[:_MOST])


def _missing(result: Mapping[str, Any], erased: Sequence[str]) -> list[Section]:
    told = []
    absent = [s for s, signal in result["observation"].items() if not signal["present"]]
    if absent:
        names = listed([SENSES[s][1] if s in SENSES else clean(s) for s in absent])
        told.append(f"When it decided, the system had nothing from its {names}.")
    shares = (result.get("fusion") or {}).get("shares") or ()
    told += [clean(s["told"]) for s in shares if s["condition"] not in ("working", "absent") and s.get("told")]
    if erased:
        what = listed([clean(name) for name in erased])
        told.append(f"Erased since, and not to be had again: {what}. What was measured before is kept.")
    return [Section("What was not available", tuple(told))] if told else []


def _contest(contact: str | None) -> Section:
    where = f"Write to {clean(contact)}." if contact else "Write to the organisation that used the system."
    return Section(
        "If you do not agree",
        (
            f"You can contest this decision. {where} Quote the number of the record below. Ask that your objection be "
            "written into the log. No one can then take it out unseen.",
            "You have this letter under Article 86 of the EU's AI Act (Regulation 2024/1689), the right to an "
            "explanation. Other rights that you may have are not touched.",
        ),
    )


def _check(decided: Decided, proof_line: str, entry: int | None) -> Section:
    number = f", entry {entry} of the log" if entry is not None else ""
    told = [
        f"Record {clean(decided.id)}{number}.",
        "All of this rests on a signed record. If it is changed later, that shows. Anyone who has the log can check it "
        "with “veridical audit verify”. It takes neither the system nor our word.",
    ]
    if proof_line:
        told.insert(1, clean(proof_line))
    else:
        told.append("The record was not checked against the log when this letter was written.")
    return Section("How to check this letter", tuple(told))
