"""Where rows of features lie."""

from __future__ import annotations

import numpy as np

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, SIDE, Toy, picture, reads_cat, sound
from veridical.concepts.places import Place, locate

TOY = Toy(reads_cat)


class Timed(Toy):
    """Windows of a second, half a second apart."""

    def row_times(self, sense: str, rows: int) -> np.ndarray | None:
        return None if sense == "text" else np.array([(0.5 * i, 0.5 * i + 1) for i in range(rows)])


def at(system, sense, signal, grid, rows) -> Place:
    prepared = sense.prepare(signal)
    return locate(system, sense, prepared, sense.segment(prepared), grid, rows)


def test_cells_of_frames_are_boxes_in_pixels():
    place = at(TOY, EYES, picture(3), (3, 4, 4), [16 + 5, 16 + 6])
    step = SIDE / 4
    assert place.boxes == ((1, step, step, 2 * step, 2 * step), (1, 2 * step, step, 3 * step, 2 * step))
    duration = EYES.prepare(picture(3)).duration
    assert place.time is not None
    np.testing.assert_allclose(place.time, (duration / 3, 2 * duration / 3))
    assert "frame 2" in place.where
    assert place.units == ()


def test_a_single_picture_has_one_frame():
    place = at(TOY, EYES, picture(), (2, 2), [3])
    assert place.boxes == ((0, SIDE / 2, SIDE / 2, SIDE, SIDE),)


def test_tokens_are_words():
    prepared = READER.prepare(SENTENCE)
    units = READER.segment(prepared)
    token = int(np.flatnonzero(units.labels == 20)[0])
    place = at(TOY, READER, SENTENCE, units.labels.shape, [token])
    assert place.units == (20,)
    assert "cat" in place.where
    assert place.time is None


def test_special_tokens_alone_are_places():
    labels = READER.segment(READER.prepare(SENTENCE)).labels
    first = int(np.flatnonzero(labels == -1)[0])
    place = at(TOY, READER, SENTENCE, labels.shape, [first])
    assert place.units == ()
    assert place.where == f"{first + 1} of {len(labels)} places"


def test_windows_have_the_times_that_the_system_tells():
    place = at(Timed(reads_cat), EARS, sound(), (6,), [0])
    assert place.time == (0.0, 1.0)  # and no more than the sound lasts
    place = at(Timed(reads_cat), EARS, np.tile(sound(), 4), (6,), [1, 4, 2])
    assert EARS.prepare(np.tile(sound(), 4)).duration == 4 * RATE / RATE
    assert place.time == (0.5, 3.0)
    assert "0.5" in place.where


def test_windows_apart_are_told_apart():
    place = at(Timed(reads_cat), EARS, np.tile(sound(), 8), (14,), [0, 10])
    assert place.where.count("–") == 2
    assert place.time == (0.0, 6.0)


def test_without_times_rows_are_counted():
    assert at(TOY, EARS, sound(), (6,), [4, 1]).where == "2 and 5 of 6 places"
