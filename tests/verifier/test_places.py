"""Places of evidence units, and their halves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import EARS, EYES, READER, SENTENCE, picture, sound
from tests.verifier.test_claims import line
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.verifier.places import FRAME, halve, places

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
