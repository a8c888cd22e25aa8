"""Sources: what they refuse, and what they say of themselves."""

from __future__ import annotations

import math

import pytest

from veridical.agent.stream.source import ARRIVALS, Arrival, Rows, Source
from veridical.errors import InputError


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "smell"}, "unknown kind 'smell'"),
        ({"kind": "frames", "rate": 0.0}, "rate 0.0"),
        ({"kind": "frames", "rate": math.nan}, "rate nan"),
        ({"kind": "sound"}, "samples a second"),
        ({"kind": "sound", "rate": 16000.5}, "whole number"),
        ({"kind": "frames", "window": 0.0}, "a window of 0.0 s"),
        ({"kind": "frames", "window": 1e9}, "a window of"),
        ({"kind": "frames", "lateness": -1.0}, "a lateness of -1.0 s"),
        ({"kind": "frames", "hold": 0.0}, "a hold of 0.0 s"),
        ({"kind": "sound", "rate": 8000, "hold": math.inf}, "a hold of inf s"),
    ],
)
def test_what_cannot_be_is_refused_in_words(options: dict, told: str):
    with pytest.raises(InputError, match=told):
        Source(**options)


def test_words_may_stand_for_ever():
    assert Source("words", hold=math.inf).hold == math.inf


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (800, 1), (801, 2), (1200, 2), (1201, 3)])
def test_rows_are_counted_as_yamnet_counts_them(samples: int, count: int):
    assert Rows(800, 400).count(samples) == count


@pytest.mark.parametrize(("length", "hop"), [(0, 1), (1, 0)])
def test_rows_of_nothing_are_refused(length: int, hop: int):
    with pytest.raises(InputError, match="at least 1"):
        Rows(length, hop)


def test_what_is_kept_covers_window_hold_and_lateness():
    assert Source("frames", 10, 3.0, 1.5, 0.5).kept == 6.0
    assert Source("words", hold=math.inf, window=3.0).kept == 7.5


def test_an_arrival_knows_whether_it_is_part_of_the_stream():
    assert [kind for kind in ARRIVALS if Arrival(kind).taken] == ["taken", "gap"]
