"""Instructions: their clauses, where each lies, and what was held out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from veridical.modalities.encoders.minilm import load_minilm
from veridical.scenarios.courier import clauses, instructions, train
from veridical.scenarios.courier.instructions import CLAUSES, Clause, Instruction, sample_instruction
from veridical.scenarios.courier.partition import PARTITIONS

KINDS = [(), ("halt",), ("tame",), ("halt", "tame")]
FORMS = {kind: instructions._combined(kind) for kind in ("halt", "tame", "talk")}
COMBINED = {kind: tuple(clause for form in forms for clause in form) for kind, forms in FORMS.items()}


def drawn(partition: str, kinds: tuple[str, ...], count: int = 150) -> list[Instruction]:
    rng = np.random.default_rng(0)
    return [sample_instruction(rng, partition, kinds) for _ in range(count)]


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("kinds", KINDS)
def test_one_clause_of_each_kind_asked_for_among_small_talk(partition, kinds):
    for instruction in drawn(partition, kinds):
        told = sorted(clause.kind for clause in instruction.clauses if clause.kind != "talk")
        assert told == sorted(kinds)
        assert len(kinds) < len(instruction.clauses) <= 4
        assert len({clause.text for clause in instruction.clauses}) == len(instruction.clauses)


@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_span_of_a_clause_holds_its_text(partition):
    for instruction in drawn(partition, ("halt",), 40):
        for i, clause in enumerate(instruction.clauses):
            start, end = instruction.span(i)
            assert instruction.text[start:end] == clause.text


def test_spans_and_text_of_a_known_instruction():
    instruction = Instruction((Clause("Go on.", "talk"), Clause("Wait.", "halt"), Clause("Thanks.", "talk")))
    assert instruction.text == "Go on. Wait. Thanks."
    assert [instruction.span(i) for i in range(3)] == [(0, 6), (7, 12), (13, 20)]
    assert instruction.kinds == {"talk", "halt"}


def test_without_leaves_the_other_clauses_as_they_were():
    instruction = drawn("train", ("halt", "tame"), 1)[0]
    for i, gone in enumerate(instruction.clauses):
        rest = instruction.without(i)
        assert rest.clauses == tuple(clause for clause in instruction.clauses if clause is not gone)
        start, end = instruction.span(i)
        text = instruction.text
        assert rest.text == (text[:start] + text[end + 1 :] if end < len(text) else text[: start - 1])


def test_every_place_in_the_order_is_taken_by_the_clause_that_matters():
    places = {[c.kind for c in i.clauses].index("halt") for i in drawn("train", ("halt",))}
    assert places == {0, 1, 2, 3}


def test_the_partitions_share_no_clause():
    plain = {p: {c.text.casefold() for every in CLAUSES[p].values() for c in every} for p in PARTITIONS}
    plain["train"] |= {c.text.casefold() for every in COMBINED.values() for c in every}
    assert not plain["train"] & plain["held-out"]


def test_a_clause_stands_under_one_kind_alone_and_once():
    every = [c for p in PARTITIONS for kind in CLAUSES[p].values() for c in kind]
    every += [c for kind in COMBINED.values() for c in kind]
    assert len({c.text for c in every}) == len(every)
    assert all(c.text == c.text.strip() and c.text[-1] == "." and "  " not in c.text for c in every)


def test_held_out_instructions_hold_held_out_clauses_alone():
    known = {c for kind in CLAUSES["held-out"].values() for c in kind}
    assert all(set(i.clauses) <= known for kinds in KINDS for i in drawn("held-out", kinds, 40))


def test_every_form_gives_the_product_of_its_columns():
    for kind, forms in clauses.FORMS.items():
        assert [len(form) for form in FORMS[kind]] == [math.prod(map(len, form)) for form in forms]
        assert FORMS[kind][0][0] == Clause("".join(column[0] for column in forms[0]), kind)


def test_three_fifths_of_the_training_clauses_are_put_together_and_every_form_is_drawn_alike():
    for kind in ("halt", "tame"):
        told = [c for i in drawn("train", (kind,), 1000) for c in i.clauses if c.kind == kind]
        shares = [np.mean([c in form for c in told]) for form in map(frozenset, FORMS[kind])]
        assert shares == pytest.approx([0.6 / len(shares)] * len(shares), abs=0.05)


def test_small_talk_in_training_holds_words_that_matter_elsewhere():
    for written in (CLAUSES["train"]["talk"], COMBINED["talk"]):
        said = " ".join(c.text.casefold() for c in written)
        assert all(word in said for word in ("wait", "stop"))
    assert "animal" in said


def test_the_longest_instruction_fits_what_training_keeps():
    tokenizer = load_minilm().tokenizer
    longest: dict[str, int] = {}
    for kind in ("halt", "tame", "talk"):
        texts = [c.text for c in (*CLAUSES["train"][kind], *CLAUSES["held-out"][kind], *COMBINED[kind])]
        longest[kind] = max(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    most = max(sum(longest[k] for k in some) for some in itertools.product(("talk", "halt", "tame"), repeat=4))
    assert most + 2 <= train._TOKENS
