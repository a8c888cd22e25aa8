"""Places of evidence units, their halves, the windows over them and the rings around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import EARS, EYES, READER, SENTENCE, picture, sound
from tests.verifier.test_claims import line
from tests.verifier.test_controls import grid
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.verifier.places import FRAME, halve, places, ringed, windows

SIGNALS = {
    "vision": (EYES, picture()),
    "frames": (EYES, picture(3)),
    "audio": (EARS, sound()),
    "text": (READER, SENTENCE),
}
SEGMENTED = {name: sense.segment(sense.prepare(signal)) for name, (sense, signal) in SIGNALS.items()}


def boxes(*at: tuple[int, float, float]) -> Segmentation:
    """Boxes of four pixels around (frame, y, x)."""
    units = tuple(
        EvidenceUnit("vision", i, (f, f + 1.0), frame=f, box=(x - 2, y - 2, x + 2, y + 2))
        for i, (f, y, x) in enumerate(at)
    )
    return Segmentation(np.arange(len(at)), units, tuple(() for _ in at))


def cells(*at: tuple[float, tuple[float, float]]) -> Segmentation:
    units = tuple(EvidenceUnit("audio", i, (t, t + 0.1), band=band) for i, (t, band) in enumerate(at))
    return Segmentation(np.arange(len(at)), units, tuple(() for _ in at))


@pytest.mark.parametrize("name", SEGMENTED)
def test_places_are_finite_and_each_axis_but_that_of_frames_runs_from_nought_to_one(name: str):
    found = places(SEGMENTED[name])
    assert found.shape[0] == len(SEGMENTED[name])
    assert np.isfinite(found).all()
    low, high = found.min(axis=0), found.max(axis=0)
    assert (low == 0).all()
    expected = {"vision": (0, 1, 1), "frames": (2 * FRAME, 1, 1), "audio": (1, 1), "text": (0, 1)}[name]
    assert high == pytest.approx(expected)


def test_a_picture_is_frame_height_width_and_frames_lie_close():
    found = places(boxes((0, 10, 10), (0, 20, 50), (1, 10, 10)))
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 1, 1], [FRAME, 0, 0]])


def test_of_sound_pitch_counts_not_hertz():
    found = places(cells((0.0, (0, 0)), (0.0, (700, 700)), (0.5, (2100, 2100))))
    np.testing.assert_allclose(found, [[0, 0], [0, 0.5], [1, 1]])  # log 1, log 2, log 4


def test_there_is_no_place_where_there_is_no_unit():
    assert places(line(0)).size == 0
    assert halve(line(0), (), np.zeros(0)) == ()


@given(st.sampled_from(sorted(SEGMENTED)), st.data())
@settings(deadline=None, max_examples=150)
def test_halves_are_a_partition_and_share_the_weight(name: str, data):
    segmentation = SEGMENTED[name]
    units = data.draw(st.sets(st.integers(0, len(segmentation) - 1), min_size=2))
    seed, sharp = data.draw(st.integers(0, 99)), data.draw(st.sampled_from([0, 1, 8]))
    weight = np.random.default_rng(seed).random(len(segmentation)) ** sharp
    parts = halve(segmentation, sorted(units), weight)
    assert len(parts) == 2
    assert all(parts)
    assert all(list(part) == sorted(set(part)) for part in parts)
    assert set(parts[0]).isdisjoint(parts[1])
    assert {*parts[0], *parts[1]} == units
    chosen = sorted(units)
    smooth = dict(zip(chosen, weight[chosen] + weight[chosen].mean() / 2 + 1e-12, strict=True))
    shares = [sum(smooth[u] for u in part) / sum(smooth.values()) for part in parts]
    assert abs(shares[0] - shares[1]) <= 2 * max(smooth.values()) / sum(smooth.values()) + 1e-9


def both(segmentation: Segmentation, weight: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    return halve(segmentation, range(len(segmentation)), np.array(weight, np.float64))


def test_even_weight_is_cut_in_the_middle_and_heavy_units_draw_the_cut_to_them():
    assert both(line(4), [1, 1, 1, 1]) == ((0, 1), (2, 3))
    assert both(line(4), [0, 0, 0, 0]) == ((0, 1), (2, 3))
    assert both(line(8), [9, 0, 0, 0, 0, 0, 0, 0]) == ((0,), (1, 2, 3, 4, 5, 6, 7))
    assert both(line(8), [0, 0, 0, 0, 0, 0, 0, 9]) == ((0, 1, 2, 3, 4, 5, 6), (7,))


def test_the_cut_is_across_the_longest_axis():
    wide = boxes((0, 10, 10), (0, 40, 10), (0, 10, 40), (0, 40, 40), (0, 25, 500))
    parts = halve(wide, (0, 1, 2, 3), np.ones(5))
    assert parts == ((0, 2), (1, 3))  # among these four height spreads farther than width, as shares of the picture
    assert halve(boxes((0, 10, 10), (1, 10, 10), (0, 10, 90), (1, 10, 90)), range(4), np.ones(4)) == ((0, 1), (2, 3))


def test_one_unit_stays_whole():
    assert halve(line(5), (3,), np.ones(5)) == ((3,),)


def test_halving_on_and_on_ends_with_single_units():
    def leaves(part: tuple[int, ...]) -> list[tuple[int, ...]]:
        parts = halve(SEGMENTED["vision"], part, np.ones(len(SEGMENTED["vision"])))
        return [part] if len(parts) == 1 else [leaf for half in parts for leaf in leaves(half)]

    every = tuple(range(len(SEGMENTED["vision"])))
    assert sorted(leaves(every)) == [(u,) for u in every]


@pytest.mark.parametrize("name", SEGMENTED)
def test_windows_cover_every_unit_and_none_is_empty_whole_or_there_twice(name: str):
    segmentation = SEGMENTED[name]
    found = windows(segmentation)
    assert len(set(found)) == len(found)
    for units in found:
        assert 0 < len(units) < len(segmentation)
        assert list(units) == sorted(set(units))
    assert {u for units in found for u in units} == set(range(len(segmentation)))


def test_windows_of_a_picture_are_boxes_through_all_frames():
    three = boxes(*[(f, y, x) for f in (0, 1) for y in (0, 50, 100) for x in (0, 50, 100)])
    found = windows(three)
    assert len(found) == 9
    assert (0, 1, 3, 4, 9, 10, 12, 13) in found  # top left
    assert (4, 5, 7, 8, 13, 14, 16, 17) in found  # bottom right
    assert (4, 13) in found  # the middle
    for units in found:
        assert {u % 9 for u in units if u < 9} == {u % 9 for u in units if u >= 9}


def test_windows_of_sound_are_spans_of_time_of_all_frequencies():
    sound_cells = cells(*[(t / 4, band) for t in range(5) for band in ((0, 700), (700, 4000))])
    assert windows(sound_cells) == ((0, 1, 2, 3, 4, 5), (2, 3, 4, 5, 6, 7), (4, 5, 6, 7, 8, 9))
    narrow = {(0, 1, 2, 3), (2, 3), (2, 3, 4, 5), (4, 5), (4, 5, 6, 7), (6, 7), (6, 7, 8, 9)}
    assert set(windows(sound_cells, 0.25)) == narrow  # half-way between two times a window of a quarter holds one


def read(text: str) -> Segmentation:
    return READER.segment(READER.prepare(text))


def test_windows_of_text_are_runs_of_words_and_each_sentence():
    found = windows(read("go down the street. stop if you meet cat or dog! then wait"))
    sentences = [(0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10), (11, 12)]
    assert set(sentences) <= set(found)
    assert all(units == tuple(range(units[0], units[-1] + 1)) for units in found)
    runs = [units for units in found if units not in sentences]
    assert runs == [(0, 1, 2, 3, 4, 5, 6), (3, 4, 5, 6, 7, 8, 9), (6, 7, 8, 9, 10, 11, 12)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("go on; stop at cat then wait", 1),
        ("go on: stop at cat then wait", 1),
        ("go on? stop at cat then wait", 1),
        ("\u201cgo on.\u201d stop at cat then wait", 1),
        ("go on, stop at cat then wait", None),
        ("go on stop at cat then wait", None),
    ],
)
def test_a_sentence_ends_at_its_mark_whatever_closes_behind_it(text: str, last: int | None):
    found = windows(read(text))
    assert ((0, 1) in found) == (last is not None)
    assert ((2, 3, 4, 5, 6) in found) == (last is not None)


def test_one_sentence_alone_is_no_window_for_it_is_the_whole():
    assert tuple(range(5)) not in windows(read("stop at cat then wait."))


def test_where_there_is_one_unit_or_none_there_is_no_window():
    assert windows(line(0)) == ()
    assert windows(line(1)) == ()
    assert windows(read("cat")) == ()
    assert windows(read("")) == ()


def test_rings_grow_until_there_are_three_times_as_many():
    assert ringed(line(30), (10,)) == {9, 10, 11}
    assert ringed(line(30), (10, 11)) == {8, 9, 10, 11, 12, 13}
    assert ringed(line(30), (10, 20)) == {9, 10, 11, 19, 20, 21}
    assert ringed(line(30), (0,)) == {0, 1, 2}  # at the end two rings on one side
    assert ringed(grid(1, 7), (24,)) == {24, 17, 31, 23, 25}


def test_a_ring_that_would_leave_too_few_outside_is_not_added():
    assert ringed(line(6), (2,)) == {1, 2, 3}
    assert ringed(line(5), (2,)) == {2}
    assert ringed(line(5), (2,), share=0.4) == {1, 2, 3}
    assert ringed(line(12), (5, 6, 7)) == {4, 5, 6, 7, 8}
    assert ringed(line(12), (5, 6, 7), share=0.25) == {2, 3, 4, 5, 6, 7, 8, 9, 10}
    assert ringed(line(4), (0, 1, 2, 3)) == {0, 1, 2, 3}


def test_what_touches_nothing_has_no_ring():
    assert ringed(boxes((0, 1, 1), (0, 9, 9), (0, 5, 5), (0, 3, 3)), (2,)) == {2}
    assert ringed(line(5), ()) == frozenset()


@given(st.sampled_from(sorted(SEGMENTED)), st.floats(0, 1), st.data())
@settings(deadline=None, max_examples=60)
def test_rings_hold_the_units_and_leave_the_share_outside(name: str, share: float, data):
    segmentation = SEGMENTED[name]
    units = data.draw(st.sets(st.integers(0, len(segmentation) - 1), min_size=1))
    found = ringed(segmentation, sorted(units), share)
    assert units <= found
    assert found == units or len(segmentation) - len(found) >= share * len(segmentation)
    # Without what was reached last there were fewer than three times as many.
    inner = {u for u in found if set(segmentation.neighbours[u]) <= found}
    assert found == units or len(inner & units) < 3 * len(units)
