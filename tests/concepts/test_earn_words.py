"""Names of what is read, from words and how much of a concept lies on them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts.earn_settings import EarnSettings
from veridical.concepts.earn_words import Reading, fitting, shares, stem

SETTINGS = EarnSettings()


def text(*words: tuple[str, float] | str) -> Reading:
    pairs = [word if isinstance(word, tuple) else (word, 0.0) for word in words]
    return Reading(tuple(w for w, _ in pairs), tuple(x for _, x in pairs))


def named(readings: list[Reading], others: list[Reading] | None = None) -> tuple[str, float, float] | None:
    found = fitting(readings, others or [], SETTINGS)
    return (found.text, round(found.score, 6), round(found.margin, 6)) if found else None


def test_a_share_counts_each_word_once_however_often_the_phrase_stands():
    found = shares(text(("go", 0.2), ("go", 0.2), ("go", 0.2), ("home", 0.3)))
    assert found[("go",)] == pytest.approx(0.6)
    assert found[("go", "go")] == pytest.approx(0.6)
    assert found[("go", "go", "home")] == pytest.approx(0.7)
    assert ("home", "go") not in found


def test_a_phrase_wins_only_where_the_concept_is_on_all_of_it():
    assert named([text("the", ("repaired", 0.3), ("clock", 0.7))] * 3) == ("repaired clock", 1.0, 1.0)
    assert named([text("the", ("repaired", 0.04), ("clock", 0.9), "is")] * 3) == ("clock", 0.9, 0.86)


def test_inflections_are_one_word_and_the_commonest_form_is_shown():
    three = [text(("slow", 0.9), "down"), text(("slow", 0.8), "down"), text("by", ("slowing", 1.0))]
    assert named(three) == ("slow", 0.9, 0.9)
    assert (stem("animals"), stem("slowing"), stem("zzyx"), stem("")) == ("animal", "slow", "zzyx", "")


def test_what_stands_in_all_texts_does_not_win():
    three = [text(("the", 0.55), "a", "b", ("cat", 0.45))] * 3
    usual = [text("the", "dog")] * 5
    assert named(three, usual) is None  # "cat" leads, and is on less than the rest
    assert named([text(("the", 0.3), "a", "b", ("cat", 0.7))] * 3, usual) == ("cat", 0.7, 0.4)


def test_half_of_the_prototypes_on_other_words_leave_it_unnamed():
    assert named([text(("cat", 1.0)), text(("cat", 1.0)), text(("dog", 1.0)), text(("siren", 1.0))]) is not None
    assert named([text(("cat", 1.0)), text(("dog", 1.0)), text(("siren", 1.0))]) is None
    assert named([text("nothing", "here")] * 3) is None
    assert named([text(("", 1.0))] * 3) is None


WORDS = st.lists(st.tuples(st.sampled_from("cat dog the of siren".split()), st.floats(0, 1)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_shares_are_shares_and_order_does_not_matter(rows: list[list[tuple[str, float]]], random):
    readings = [text(*[(w, x / max(1.0, sum(v for _, v in row))) for w, x in row]) for row in rows]
    for each in readings:
        assert all(0 <= share <= 1 + 1e-9 for share in shares(each).values())
    found = named(readings)
    if found:
        assert SETTINGS.read <= found[1] <= 1
        assert SETTINGS.margin - 1e-6 <= found[2] <= found[1] + 1e-9
    random.shuffle(readings)
    assert named(readings) == found
