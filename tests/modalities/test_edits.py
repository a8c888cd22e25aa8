"""Edits: which units they name."""

from __future__ import annotations

import numpy as np
import pytest

from veridical.errors import InputError
from veridical.modalities.edits import check_operator, membership
from veridical.modalities.evidence import EvidenceUnit, Segmentation

LABELS = np.array([-1, 0, 1, 1, 2])
FOUND = Segmentation(LABELS, tuple(EvidenceUnit("text", i, (0.0, 0.0)) for i in range(3)), ((),) * 3)


def test_membership_can_be_indexed_by_labels():
    chosen = membership("text", [[], [1], (0, 2), [1, 1]], FOUND, (5,))
    picked = chosen[:, LABELS.tolist()].int().tolist()
    assert picked == [[0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0]]


@pytest.mark.parametrize("unit", [3, -1])
def test_a_unit_that_does_not_exist_is_named(unit: int):
    with pytest.raises(InputError, match=rf"text: edit 1 names unit {unit}; this signal has units 0 to 2"):
        membership("text", [[0], [unit]], FOUND, (5,))


def test_a_signal_without_units_has_none_to_edit():
    none = Segmentation(np.array([-1]), (), ())
    assert membership("text", [[]], none, (1,)).tolist() == [[False]]
    with pytest.raises(InputError, match="this signal has no units"):
        membership("text", [[0]], none, (1,))


def test_the_segmentation_of_another_signal_is_refused():
    with pytest.raises(InputError, match=r"has shape \(5,\) but the signal needs \(6,\)"):
        membership("text", [], FOUND, (6,))


def test_an_unknown_operator_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="no infill operator 'erase'; it has mask, delete"):
        check_operator("text", "erase", ("mask", "delete"))
