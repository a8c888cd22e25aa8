"""The fused frame."""

from __future__ import annotations

import numpy as np
import pytest

from tests.toys import SENTENCE, Toy, laboratory, linear, picture, sound, weights
from veridical.fusion.frame import MapOrigin, contributions, fuse, fuse_units
from veridical.modalities.observation import prepare

OBSERVATION = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
WEIGHTS = weights(1, prepare(Toy(linear({})), OBSERVATION))
LABORATORY = laboratory(Toy(linear(WEIGHTS)), OBSERVATION)
GRADIENTS = {m: w[None] for m, w in WEIGHTS.items()}
ORIGIN = MapOrigin("STOP against the rest", "by hand", 0.25, {"nodes": 5})
FRAME = fuse(LABORATORY.system, LABORATORY.prepared, LABORATORY.segmentations, GRADIENTS, ORIGIN)


def exact(m: str) -> float:
    p = LABORATORY.prepared[m]
    return float(((p.tensor - p.baseline)[0].double() * WEIGHTS[m]).sum())


def test_each_share_is_the_weighted_change_and_every_view_sums_to_it():
    for m, views in FRAME.maps.items():
        assert FRAME.shares[m] == pytest.approx(exact(m), abs=1e-6)
        assert FRAME.values[m].sum() == pytest.approx(exact(m), abs=1e-6)
        for view in views.values():
            assert view.total() == pytest.approx(exact(m), abs=1e-4)


def test_the_maps_say_where_they_come_from():
    assert {m: sorted(views) for m, views in FRAME.maps.items()} == {
        "vision": ["pixels", "units"],
        "audio": ["units", "waveform"],
        "text": ["units", "words"],
    }
    map_ = FRAME.maps["audio"]["units"]
    assert (map_.modality, map_.target, map_.method, map_.unit) == ("audio", "STOP against the rest", "by hand", "nat")
    assert map_.completeness_gap == 0.25
    assert map_.parameters == {"nodes": 5}
    assert tuple(len(map_.coords[d]) for d in map_.dims) == map_.values.shape


def test_the_ranking_holds_every_unit_once_the_strongest_support_first():
    assert [unit.rank for unit in FRAME.ranking] == list(range(1, len(FRAME.ranking) + 1))
    assert len(FRAME.ranking) == sum(len(s) for s in LABORATORY.segmentations.values())
    assert len({(u.unit.modality, u.unit.index) for u in FRAME.ranking}) == len(FRAME.ranking)
    told = [unit.contribution for unit in FRAME.ranking]
    assert told == sorted(told, reverse=True)
    assert all(u.contribution == FRAME.values[u.unit.modality][u.unit.index] for u in FRAME.ranking)


def test_ties_keep_the_order_of_senses_and_units():
    none = {m: np.zeros_like(g) for m, g in GRADIENTS.items()}
    flat = fuse(
        LABORATORY.system, LABORATORY.prepared, LABORATORY.segmentations, {m: GRADIENTS[m] * 0 for m in none}, ORIGIN
    )
    expected = [(m, i) for m, s in LABORATORY.segmentations.items() for i in range(len(s))]
    assert [(u.unit.modality, u.unit.index) for u in flat.ranking] == expected


def test_a_ranked_unit_in_plain_json():
    word = next(u for u in FRAME.ranking if u.unit.text == "cat")
    told = word.to_dict()
    assert (told["rank"], told["modality"], told["index"]) == (word.rank, "text", 20)
    start = SENTENCE.index("cat")
    assert told["unit"] == {"time": [0.0, 0.0], "span": [start, start + 3], "text": "cat"}


def test_contributions_alone_are_those_of_the_frame():
    found = contributions(LABORATORY.system, LABORATORY.prepared, LABORATORY.segmentations, GRADIENTS)
    for m, values in found.items():
        np.testing.assert_array_equal(values, FRAME.values[m])


def test_a_text_without_words_has_a_share_of_nothing():
    lab = laboratory(Toy(linear({"text": WEIGHTS["text"][:2]})), {"text": ""})
    frame = fuse(lab.system, lab.prepared, lab.segmentations, {"text": WEIGHTS["text"][None, :2]}, ORIGIN)
    assert frame.ranking == ()
    assert frame.shares == {"text": 0.0}
    assert frame.values["text"].shape == (0,)


def test_values_of_units_alone_make_a_frame_whose_maps_hold_each_value_spread_over_its_unit():
    found = fuse_units(LABORATORY.system, LABORATORY.prepared, LABORATORY.segmentations, FRAME.values, ORIGIN)
    assert [(u.unit.modality, u.unit.index) for u in found.ranking] == [
        (u.unit.modality, u.unit.index) for u in FRAME.ranking
    ]
    for m, segmentation in LABORATORY.segmentations.items():
        np.testing.assert_allclose(
            segmentation.total(found.maps[m]["units"].values.astype(np.float64)), FRAME.values[m], atol=1e-5
        )
        assert found.shares[m] == pytest.approx(FRAME.values[m].sum())
        inside = found.maps[m]["units"].values[segmentation.labels == 0]
        assert np.ptp(inside) == pytest.approx(0, abs=1e-7)
    assert {m: sorted(views) for m, views in found.maps.items()} == {
        "vision": ["units"],
        "audio": ["units"],
        "text": ["units", "words"],
    }
    np.testing.assert_allclose(found.maps["text"]["words"].values, FRAME.values["text"], atol=1e-6)
