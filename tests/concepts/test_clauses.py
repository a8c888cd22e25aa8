"""Clauses: filled, and what they then say."""

from __future__ import annotations

import re

import pytest

from tests.concepts.told import siren
from veridical.concepts.clauses import CLAUSES, OPEN, SLOTS, Fact, fill, pattern_of, shown, unit_of
from veridical.concepts.phrases import Phrases

PHRASES = Phrases.of(siren())


def test_every_slot_is_known_used_and_of_another_slot_of_its_clause():
    used = {slot for clause in CLAUSES.values() for slot in re.findall(r"{(\w+)}", clause.template)}
    assert used == set(SLOTS)
    for clause in CLAUSES.values():
        slots = re.findall(r"{(\w+)}", clause.template)
        assert {SLOTS[slot].of for slot in slots} - {""} <= set(slots)
    assert set(CLAUSES) >= OPEN


def test_a_filled_clause_says_its_facts():
    text, facts = fill("counterfactual", PHRASES, "audio#3", values={"becomes": "PROCEED", "then": 0.8})
    assert text == "without “siren” (0.5–2.4 s): PROCEED (80\u00a0%)"
    assert facts == (
        Fact("audio#3", "called", "“siren” (0.5–2.4 s)", "words"),
        Fact("audio#3", "becomes", "PROCEED", "action"),
        Fact("audio#3", "after", 0.8, "probability", "PROCEED"),
    )
    assert fill("unsupported", PHRASES)[1] == (Fact("decision", "verdict", "unsupported"),)
    assert fill("beside", PHRASES, "audio#3", "c1", {"confirmed": -1.0})[1] == (Fact("c1", "confirmed", -1.0, "nats"),)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("probability", 0.94, "94\u00a0%"),
        ("probability", 0.001, "<1\u00a0%"),
        ("nats", -4.88, "−4.88"),
        ("nats", 0.9, "+0.90"),
        ("size", -0.015, "0.015"),
        ("p", 0.0123, "p = 0.012"),
        ("p", 0.0001, "p < 0.001"),
        ("plain", 0.1, "0.1"),
        ("action", "STOP", "STOP"),
        ("words", "so", "so"),
        ("words", None, ""),
    ],
)
def test_figures_are_shown_in_one_way_that_is_read_again(form: str, value, text: str):
    assert shown(form, value, PHRASES) == text
    slot = (
        next(name for name, slot in SLOTS.items() if slot.form == form and not slot.sign) if form != "size" else "less"
    )
    assert form in ("action", "words") or re.fullmatch(pattern_of(slot, {}), text)
    assert unit_of(form) == {"size": "nats", "plain": "nats"}.get(form, form)
