"""Coordinates in words."""

from __future__ import annotations

import pytest

from veridical.modalities import wording


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
