"""Evidence units and segmentations."""

from __future__ import annotations

import json

import numpy as np

from veridical.modalities.evidence import EvidenceUnit, Segmentation


def test_a_unit_becomes_plain_json_without_coordinates_that_do_not_apply():
    unit = EvidenceUnit("audio", 3, (0.25, 0.5), band=(259.0, 614.0))
    expected = {"modality": "audio", "index": 3, "time": [0.25, 0.5], "band": [259.0, 614.0]}
    assert json.loads(json.dumps(unit.to_dict())) == expected


def test_index_zero_and_frame_zero_are_kept():
    unit = EvidenceUnit("vision", 0, (0.0, 1.0), frame=0, box=(0.0, 0.0, 2.0, 3.0))
    assert unit.to_dict() == {
        "modality": "vision",
        "index": 0,
        "time": [0.0, 1.0],
        "frame": 0,
        "box": [0.0, 0.0, 2.0, 3.0],
    }


def segmentation(labels: list[int], count: int) -> Segmentation:
    units = tuple(EvidenceUnit("text", i, (0.0, 0.0)) for i in range(count))
    return Segmentation(np.array(labels), units, ((),) * count)


def test_total_sums_over_each_unit_and_leaves_out_what_belongs_to_none():
    found = segmentation([-1, 0, 2, 2, -1], 3)
    assert len(found) == 3
    assert found.total(np.array([100.0, 1.0, 2.0, 3.0, 100.0])).tolist() == [1.0, 0.0, 5.0]


def test_total_adds_in_double_precision():
    found = segmentation([0] * 10_001, 1)
    values = np.full(10_001, 1e-4, np.float32)
    values[0] = 1e4
    assert abs(found.total(values)[0] - (1e4 + 1.0)) < 1e-3


def test_total_of_no_units_is_empty():
    assert segmentation([-1, -1], 0).total(np.ones(2)).shape == (0,)
