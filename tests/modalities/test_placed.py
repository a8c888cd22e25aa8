"""Units that know their surroundings."""

from __future__ import annotations

from veridical.modalities.evidence import EvidenceUnit
from veridical.modalities.placed import PlacedUnit


def test_the_dictionary_has_the_fields_of_an_evidence_unit_alone():
    place = {"time": (0.0, 1.0), "frame": 0, "box": (0.0, 0.0, 1.0, 1.0)}
    placed = PlacedUnit("vision", 0, **place, extent=(640.0, 480.0), area=0.1, gap=" ")
    assert placed.to_dict() == EvidenceUnit("vision", 0, **place).to_dict()
