"""Pointing game and localisation mass."""

from __future__ import annotations

import numpy as np
import pytest

from veridical.errors import InputError
from veridical.verifier.metrics.localisation import localisation_mass, point, pointing_game

SIDE = 100
MASK = np.zeros((SIDE, SIDE), bool)
MASK[10:20, 10:20] = True


def spot(y: int, x: int) -> np.ndarray:
    values = np.zeros((SIDE, SIDE))
    values[y, x] = 1
    return values


@pytest.mark.parametrize(
    ("y", "x", "hit"),
    [(15, 15, 1.0), (19, 34, 1.0), (19, 35, 0.0), (28, 31, 1.0), (30, 30, 0.0), (80, 80, 0.0)],
)
def test_the_maximum_hits_within_fifteen_pixels_of_the_object(y: int, x: int, hit: float):
    """(28, 31) lies 9 down and 12 right of the corner (19, 19), 15 away; (30, 30) lies 15.6 away."""
    found = point(spot(y, x), MASK)
    assert found.figure == hit
    assert found.centre == 0.0


def test_the_centre_is_told_beside_it():
    middle = np.zeros((SIDE, SIDE), bool)
    middle[45:55, 45:55] = True
    assert point(spot(0, 0), middle).centre == 1.0


def test_pixels_that_share_the_maximum_hit_as_often_as_a_random_one_of_them():
    values = np.zeros((SIDE, SIDE))
    values[15, 15] = values[90, 90] = values[91, 90] = values[92, 90] = 1
    assert point(values, MASK).figure == 0.25


def test_the_game_is_the_mean_of_the_classes_accuracies():
    far = np.zeros((SIDE, SIDE), bool)
    far[48:52, 48:52] = True
    pointings = [point(spot(15, 15), MASK)] * 3 + [point(spot(90, 90), MASK), point(spot(15, 15), far)]
    found = pointing_game(pointings, ["cat", "cat", "cat", "cat", "dog"])
    assert found.by_class == {"cat": 0.75, "dog": 0.0}
    assert found.figure == 0.375
    assert found.centre == 0.5
    assert found.protocol.endswith("mean of the accuracies of 2 classes")


def test_a_map_that_points_nowhere_is_left_out_and_counted():
    nowhere = point(np.ones((SIDE, SIDE)), MASK)
    assert "points nowhere" in nowhere.reason
    found = pointing_game([nowhere, point(spot(15, 15), MASK)], ["cat", "cat"])
    assert (found.figure, found.undefined) == (1.0, 1)
    alone = pointing_game([nowhere], ["cat"])
    assert (alone.value, alone.undefined) == (None, 1)


def test_a_bright_square_on_the_object_holds_the_mass():
    values = np.full((SIDE, SIDE), -0.5)
    values[10:20, 10:20] = 2.0
    assert localisation_mass(values, MASK).figure == 1.0
    values[50:60, 50:60] = 2.0
    assert localisation_mass(values, MASK).figure == 0.5
    assert localisation_mass(np.ones((SIDE, SIDE)), MASK).figure == pytest.approx(0.01)


def test_without_positive_attribution_there_is_no_share():
    found = localisation_mass(-np.ones((SIDE, SIDE)), MASK)
    assert found.value is None
    assert found.reason == "the map has no positive attribution"


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match=r"the mask of shape \(100, 100\) is empty"):
        localisation_mass(np.ones((SIDE, SIDE)), np.zeros((SIDE, SIDE), bool))
    with pytest.raises(InputError, match=r"map: shape \(5, 5\)"):
        point(np.ones((5, 5)), MASK)
    with pytest.raises(InputError, match="1 pointings, 2 classes, 1 protocols"):
        pointing_game([point(spot(1, 1), MASK)], ["a", "b"])
    with pytest.raises(InputError, match="2 protocols"):
        pointing_game([point(spot(1, 1), MASK), point(spot(1, 1), MASK, 5.0)], ["a", "b"])
