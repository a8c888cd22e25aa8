"""One sense's way in: whatever comes, an arrival is told and nothing raised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.stream.small import FRAMES, SOUND, WORDS, frame, noise
from veridical.agent.stream.intake import Intake
from veridical.agent.stream.source import ARRIVALS


def ticks() -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += 0.1


def intake(source: Any) -> Intake:
    now = ticks()
    return Intake(source, lambda: next(now))


ANYTHING = st.one_of(
    st.none(), st.text(), st.integers(), st.floats(), st.lists(st.integers()), st.binary(),
    st.sampled_from([np.zeros(3), np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8), np.full(5, np.inf), (1, 2)]),
    st.builds(object),
)  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from([FRAMES, SOUND, WORDS]), st.lists(st.tuples(ANYTHING, ANYTHING), max_size=8))
def test_whatever_comes_is_an_arrival(source: Any, samples: list[tuple[Any, Any]]):
    way = intake(source)
    for signal, at in samples:
        arrival = way.take(signal, at, None)
        assert arrival.kind in ARRIVALS
        assert arrival.why or arrival.kind in ("taken", "twice")
        assert "\n" not in arrival.why
    assert sum(way.counts.arrivals.values()) == len(samples)


class Exploding:
    """An error of any kind, in a signal that is looked at."""

    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError("bus error")


def test_an_error_of_any_kind_is_a_refusal():
    arrival = intake(FRAMES).take(Exploding(), 1.0, None)
    assert (arrival.kind, arrival.why) == ("refused", "bus error")


def test_a_clock_set_anew_begins_anew_and_says_so():
    way = intake(FRAMES)
    for k in range(5):
        way.take(frame(k), k / 10, None)
    kinds = [way.take(frame(k), 1000 + k / 10, None).kind for k in range(4)]
    assert kinds == ["refused", "refused", "gap", "taken"]
    assert len(way.buffer) == 2
    assert way.counts.restarts == 1
    assert "the clock was set anew" in way.counts.last


def test_a_first_sample_is_held_against_the_other_senses():
    assert intake(FRAMES).take(frame(), 1e9, 5.0).kind == "refused"
    assert intake(FRAMES).take(frame(), 6.0, 5.0).kind == "taken"


def test_words_may_come_hours_apart_and_late_ones_of_a_wrong_clock_do_not_stick():
    way = intake(WORDS)
    assert [way.take(text, at, at).kind for text, at in (("go", 0.0), ("stop", 7200.0))] == ["taken", "taken"]
    assert way.take("turn", 1e12, 7201.0).kind == "refused"
    alone = intake(WORDS)
    assert [alone.take(str(at), at, None).kind for at in (1e12, 1.0, 2.0, 3.0)] == [
        "taken",
        "refused",
        "refused",
        "gap",
    ]


def test_counts_tell_how_evenly_samples_came():
    way = intake(SOUND)
    for k in range(5):
        way.take(noise(800, k), k / 10, None)
    told = way.counts.to_dict()
    assert told["arrivals"] == {"taken": 5, "gap": 0, "twice": 0, "late": 0, "refused": 0}
    assert told["between"]["p50_ms"] == pytest.approx(100)
    assert told["age"] == {"p50_ms": None, "p99_ms": None}
