"""Signals whose time is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.toys import EARS, EYES, SENTENCE, TABLE, TOKENIZER, Toy, linear, picture, sound
from veridical.errors import InputError
from veridical.modalities.clock import Clock
from veridical.modalities.observation import prepare
from veridical.modalities.placed import PlacedUnit
from veridical.modalities.text import Text
from veridical.modalities.timed import Timed, place
from veridical.modalities.vision import Vision

TOY = Toy(linear({}))
NO_CLOCK: Any = 3.0


def test_a_signal_with_a_time_is_prepared_as_without_and_keeps_its_clock():
    plain = prepare(TOY, {"vision": picture(3), "audio": sound(), "text": SENTENCE})
    timed = prepare(
        TOY,
        {
            "vision": Timed.stamped(picture(3), [0, 1.2, 2.0], 0.01),
            "audio": Timed.started(sound(), 0.3, 1e-4, 0.02),
            "text": Timed.started(SENTENCE, 5.0),
        },
    )
    assert [p.clock for p in plain.values()] == [None] * 3
    assert timed["vision"].clock == Clock.of_stamps([0, 1.2, 2.0], 1.0, 0.01)
    assert timed["audio"].clock == Clock.affine(0.3, 1e-4, 0.02)
    assert timed["text"].clock == Clock.affine(5.0)
    for m, p in timed.items():
        assert (p.tensor == plain[m].tensor).all()
        assert p.duration == plain[m].duration


def test_place_moves_times_and_nothing_else():
    prepared = prepare(TOY, {"vision": Timed.stamped(picture(3), [10, 11.2, 12.0])})["vision"]
    before = EYES.segment(prepared)
    after = place(before, prepared)
    spans: dict[int | None, tuple[float, float]] = {0: (10.0, 11.2), 1: (11.2, 12.0), 2: (12.0, 13.0)}
    for old, new in zip(before.units, after.units, strict=True):
        assert isinstance(new, PlacedUnit)
        assert new == replace(old, time=spans[old.frame])
    assert after.labels is before.labels
    assert after.neighbours is before.neighbours


def test_a_camera_of_another_interval_is_placed_by_its_stamps():
    eyes = Vision(size=32, units=4, interval=0.04)
    prepared = prepare(Toy(linear({}), eyes), {"vision": Timed.stamped(picture(3), [2.0, 2.04, 2.09])})["vision"]
    ends = sorted({unit.time for unit in place(eyes.segment(prepared), prepared).units})
    np.testing.assert_allclose(ends, [(2.0, 2.04), (2.04, 2.09), (2.09, 2.135)])


def test_columns_of_sound_stay_in_order_and_touch():
    prepared = prepare(TOY, {"audio": Timed.started(sound(), 7.0, -0.05)})["audio"]
    units = place(EARS.segment(prepared), prepared).units
    times = sorted({unit.time for unit in units})
    assert times[0][0] == 7.0
    assert times[-1][1] == pytest.approx(7.95)
    assert [b for _, b in times[:-1]] == [a for a, _ in times[1:]]


def test_without_a_clock_the_segmentation_itself_comes_back():
    prepared = prepare(TOY, {"audio": sound()})["audio"]
    segmentation = EARS.segment(prepared)
    assert place(segmentation, prepared) is segmentation


def test_a_text_without_words_has_nothing_to_place():
    reader = Text(TOKENIZER, TABLE)
    prepared = prepare(Toy(linear({}), reader), {"text": Timed.started("", 3.0)})["text"]
    segmentation = reader.segment(prepared)
    assert place(segmentation, prepared) is segmentation


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"vision": Timed.stamped(picture(2), [0, 1, 2])}, "vision: 3 timestamps for 2 frames; give one for"),
        (lambda: {"vision": Timed.stamped(picture(1)[0], [0, 1])}, "vision: 2 timestamps for 1 frames"),
        (
            lambda: {"audio": Timed.stamped(sound(), [0, 1])},
            "audio: timestamps are for frames, and this sense has none",
        ),
        (lambda: {"vision": Timed.stamped(picture(2), [1, 0])}, "go backwards at sample 1: 0.0 s after 1.0 s"),
        (lambda: {"audio": Timed.started(None, 0.0)}, "timed: no signal; give the signal itself"),
        (lambda: {"audio": Timed.started(Timed.started(sound(), 1.0), 0.0)}, "timed: a signal that is timed already"),
        (lambda: {"audio": Timed(sound(), NO_CLOCK)}, "timed: a float is no clock; use Timed.started"),
        (lambda: {"audio": Timed.started("nothing.wav", 3.0)}, "audio: no such file"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(unchecked: None, make, message: str):
    with pytest.raises(InputError, match=message):
        prepare(TOY, make())


def test_couriers_own_example_is_placed_by_its_stamps():
    from veridical.scenarios.courier.model import load

    courier = load()
    example = courier.example()
    example["vision"] = Timed.stamped(example["vision"], [0, 1.2, 2.0])
    example["audio"] = Timed.started(example["audio"], 0.25)
    prepared = prepare(courier, example)
    seen, heard = (place(courier.modalities[m].segment(prepared[m]), prepared[m]) for m in ("vision", "audio"))
    assert sorted({unit.time for unit in seen.units}) == [(0.0, 1.2), (1.2, 2.0), (2.0, 3.0)]
    assert heard.units[0].time == (0.25, 0.5)
    assert heard.units[-1].time == (3.0, 3.25)
    assert courier.modalities["vision"].show([seen.units[0]]).endswith("frame 1 (0–1.2 s)")
