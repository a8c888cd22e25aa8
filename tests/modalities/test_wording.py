"""Coordinates in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent import wording as told
from veridical.modalities import wording
from veridical.modalities.wording import MINUS, nats, number, percent, shortened


@pytest.mark.parametrize(
    ("span", "words"), [((0.0, 1.0), "0–1 s"), ((0.5, 1.25), "0.5–1.25 s"), ((10.0, 20.0), "10–20 s")]
)
def test_seconds(span: tuple[float, float], words: str):
    assert wording.seconds(*span) == words


@pytest.mark.parametrize(
    ("band", "words"), [((0.0, 259.2), "0–259 Hz"), ((614.0, 1101.0), "0.6–1.1 kHz"), ((2100.0, 4000.0), "2.1–4.0 kHz")]
)
def test_hertz(band: tuple[float, float], words: str):
    assert wording.hertz(*band) == words


def test_listed():
    assert [wording.listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0, 0, 10, 10), "the upper left"),
        ((25, 10, 35, 20), "the middle"),
        ((50, 10, 60, 20), "the right"),
        ((25, 20, 35, 30), "the lower middle"),
        ((60, 30, 60, 30), "the lower right"),
    ],
)
def test_position_is_the_ninth_that_holds_the_centre(box: tuple[float, float, float, float], words: str):
    assert wording.position(box, (60, 30)) == words


def test_spans_that_touch_are_joined():
    assert wording.spans([(2, 3), (0, 1), (1, 1.5), (2.2, 2.4)]) == [(0, 1.5), (2, 3)]


@given(st.lists(st.text(st.characters(exclude_characters=";"), min_size=1, max_size=60), min_size=1, max_size=30))
def test_where_evidence_lies_is_never_much_longer_than_asked(places: list[str]):
    shown = shortened("; ".join(places), 80)
    assert len(shown) <= 80 + len(" … and 30 more places") + shown.count("”")


def test_places_are_cut_whole_and_the_rest_is_counted():
    places = [f"the upper left of the frame, at {i}–{i + 1} s" for i in range(5)]
    assert shortened("; ".join(places[:2])) == "; ".join(places[:2])
    assert shortened("; ".join(places)) == "; ".join(places[:2]) + " and 3 more places"
    assert shortened("; ".join(places[:3])) == "; ".join(places[:2]) + " and 1 more place"


def test_quoted_words_are_cut_after_a_word_and_closed():
    assert shortened("“go down; the left side”", 14) == "“go down; the …”"
    assert shortened("“go”, “stop”", 8) == "“go” …"


def test_figures_are_the_same_wherever_they_are_told():
    assert (told.nats, told.number, told.percent, told.MINUS) == (nats, number, percent, MINUS)
    assert [nats(v) for v in (-2.4, 0.31, -0.0, 0.0042, -0.05)] == ["−2.40", "+0.31", "0.00", "+0.0042", "−0.050"]
