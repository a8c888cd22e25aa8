"""Reasons, and how they are recognised."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts.task_reason import Reason, words


def seen(label: str, named: bool = True, **more) -> dict:
    return {"kind": "concept", "modality": "vision", "concept": 3, "label": label, "named": named, **more}


def read(label: str) -> dict:
    return {"kind": "evidence", "modality": "text", "label": label}


def test_words_are_in_lower_case_and_without_punctuation():
    assert words("Fire engine, fire truck (SIREN) – don't!") == ("fire", "engine", "fire", "truck", "siren", "don't")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Siren", "siren"),
        ("sirens", "Siren"),
        ("wolf", "Wolves"),
        ("mice", "mouse"),
        ("Fire engine, fire truck (siren)", "Fire engines, fire trucks (sirens)"),
        ("kiosque", "Kiosques"),
        ("tabby", "“tabby”"),
    ],
)
def test_names_are_compared_in_any_case_and_number(name, label):
    assert Reason("r", "r", names=(name,)).recognises(seen(label))


@pytest.mark.parametrize(
    ("name", "label"),
    [("car", "care"), ("siren", "no siren"), ("fire engine", "engine"), ("bus", "bu"), ("plan", "plane")],
)
def test_other_names_are_not_taken_for_it(name, label):
    assert not Reason("r", "r", names=(name,)).recognises(seen(label))


def test_a_name_that_was_not_earned_is_none():
    assert not Reason("r", "r", names=("unnamed concept 7",)).recognises(seen("unnamed concept #7", named=False))


@pytest.mark.parametrize("label", ["Emergency vehicle, 0.5–2.4 s", "emergency vehicles", "Emergency vehicle"])
def test_evidence_has_its_name_up_to_a_comma(label):
    assert Reason("r", "r", names=("Emergency vehicle",)).recognises(
        {"kind": "evidence", "modality": "audio", "label": label}
    )


def test_a_name_with_commas_is_found_in_the_label_of_evidence():
    node = {"kind": "evidence", "modality": "audio", "label": "Fire engine, fire truck (siren), 0.5–2.4 s"}
    assert Reason("r", "r", names=("Fire engine, fire truck (siren)",)).recognises(node)


def test_evidence_that_gives_its_name_and_place_is_taken_at_its_word():
    node = {"kind": "evidence", "modality": "vision", "label": "siren, the left", "name": "dog", "where": "the left"}
    assert Reason("r", "r", names=("dog",)).recognises(node)
    assert not Reason("r", "r", names=("siren",)).recognises(node)
    assert not Reason("r", "r", names=("siren",)).recognises(node | {"name": None})
    assert Reason("r", "r", sense="vision", words=("the left",)).recognises(node)
    assert not Reason("r", "r", sense="vision", words=("siren",)).recognises(node)


def test_quoted_words_are_no_name():
    assert not Reason("r", "r", names=("siren",)).recognises(read("“siren”"))
    assert Reason("r", "r", words=("siren",)).recognises(read("“siren”"))


def test_a_sense_leaves_out_the_others_and_alone_takes_all_of_its_own():
    named = Reason("r", "r", sense="audio", names=("Siren",))
    assert not named.recognises(seen("Siren"))
    whole = Reason("r", "r", sense="vision")
    assert whole.recognises(seen("anything", named=False))
    assert whole.recognises({"kind": "unnamed", "modality": "vision", "label": "what no concept accounts for"})
    assert not whole.recognises(read("“stay”"))


def test_a_concept_is_told_by_its_family():
    reason = Reason("r", "r", concepts=("vision#3",))
    assert reason.recognises(seen("unnamed concept #3", named=False))
    assert not reason.recognises(seen("unnamed concept #30", named=False) | {"concept": 30})
    assert not reason.recognises(seen("x") | {"modality": "audio"})


@pytest.mark.parametrize(
    "label", ["“stay where you are”", "“now”, “STAY, where you”", "“Please stay where and 3 more places"]
)
def test_phrases_stand_in_one_place(label):
    assert Reason("r", "r", words=("stay where",)).recognises(read(label))


@pytest.mark.parametrize(
    "label", ["“stay”, “where you are”", "“stays where”", "“where stay”", "“the rest” and 3 more places"]
)
def test_phrases_are_not_put_together_from_places_nor_read_from_our_own_words(label):
    assert not Reason("r", "r", words=("stay where", "more places")).recognises(read(label))


def test_words_are_looked_for_where_a_concept_is_and_in_its_n_grams_only():
    reason = Reason("r", "r", words=("creep past",))
    node = {"kind": "concept", "modality": "text", "concept": 1, "named": True, "label": "x"}
    assert reason.recognises(node | {"where": "“creep past animals”"})
    assert reason.recognises(node | {"where": "“go”", "label": "creep past", "source": "n-grams"})
    assert not reason.recognises(node | {"where": "“go”", "label": "creep past", "source": "operator"})
    assert not reason.recognises(node | {"where": "“creep past”", "modality": "vision"})


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["kind", "modality", "label", "where", "named", "concept", "source"]), st.text())
)
def test_no_node_is_too_odd_to_be_looked_at(node):
    reason = Reason("r", "r", names=("siren",), concepts=("vision#3",), words=("stay",))
    assert reason.recognises(node) in (True, False)
