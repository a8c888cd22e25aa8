"""Names from end to end, on toys whose concepts are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.earn_sample import SYSTEM, TEXTS, heard, pictures, read, recalled, seen, sounds
from tests.toys import SIDE
from veridical.concepts import earn_images, earn_sounds
from veridical.concepts.bank import ConceptName, Prototype
from veridical.concepts.earn import EarnSettings, name_bank
from veridical.concepts.earn_exhibits import connected, exhibits
from veridical.errors import ContractError, InputError

SETTINGS = EarnSettings(heard=0.5)


def test_words_name_the_concepts_that_lie_on_them():
    named = name_bank(read(), SYSTEM, recalled(TEXTS, "text"))
    assert named.names[:2] == (ConceptName("cat", "n-grams", 1.0, 1.0), ConceptName("siren", "n-grams", 1.0, 1.0))
    assert named.names[2] is None  # it has no prototypes
    np.testing.assert_array_equal(named.directions, read().directions)


def test_names_given_before_are_given_up():
    old = read().named((ConceptName("old", "n-grams", 1.0, 1.0),) * 3)
    assert [n.text if n else None for n in name_bank(old, SYSTEM, recalled(TEXTS, "text")).names] == [
        "cat",
        "siren",
        None,
    ]


def test_observations_that_are_gone_are_passed_over_and_under_three_there_is_no_name():
    for gone, name in (("a", None), ("d", "cat")):
        kept = {k: v for k, v in TEXTS.items() if k != gone}
        found = name_bank(read(), SYSTEM, recalled(kept, "text")).names[0]
        assert (found.text if found else None) == name
    assert name_bank(read(), SYSTEM, recalled(TEXTS, "text"), EarnSettings(least=4)).names == (None, None, None)


@pytest.mark.parametrize("other", ["quite another text", "stop at the street, wait near the door by this", 7, None])
def test_an_observation_that_is_not_what_it_was_is_passed_over(other: Any):
    altered = TEXTS | {"a": other}
    assert {e.concept for e in exhibits(read(), SYSTEM, recalled(altered, "text"), SETTINGS)} == {0, 1}
    assert name_bank(read(), SYSTEM, recalled(altered, "text")).names[0] is None


def test_an_observation_without_the_sense_is_passed_over():
    with pytest.raises(InputError, match="none of the observations of the text bank's prototypes"):
        name_bank(read(), SYSTEM, lambda name: {"audio": 1})


def test_a_bank_of_another_system_is_refused():
    with pytest.raises(InputError, match="no sense 'smell'; it has vision, audio, text"):
        name_bank(replace(read(), sense="smell"), SYSTEM, lambda name: None)
    narrow = replace(heard(), sense="text", prototypes=read().prototypes[:1])
    with pytest.raises(ContractError, match="8 channels, the bank was fitted on 2"):
        name_bank(narrow, SYSTEM, recalled(TEXTS, "text"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"seen": 1.5}, "0 to 1"), ({"context": -1}, "0 or more"), ({"least": 9}, "least 9 of prototypes 8")],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], told: str):
    with pytest.raises(InputError, match=told):
        EarnSettings(**wrong)


def test_a_place_is_what_is_connected_and_half_as_strong():
    row = np.array([0, 5, 6, 10, 4.9, 0, 8, 0])
    assert connected(row, (8,), 3) == (1, 2, 3)
    cells = np.zeros((2, 3, 3))
    cells[1] = [[0, 1, 0], [1, 2, 0.9], [0, 0, 2]]
    cells[0, 1, 1] = 9  # another frame
    assert connected(cells.ravel(), (2, 3, 3), 13) == (10, 12, 13)
    assert connected(np.array([3.0]), (1,), 0) == (0,)


def test_prototypes_show_where_the_concept_is():
    (exhibit, *_) = exhibits(seen(), SYSTEM, recalled(pictures(), "vision"), SETTINGS)
    assert len(exhibit.rows) == 100
    assert earn_images._box(exhibit) == (1, (16.0, 8.0, 26.0, 18.0))
    (exhibit, *_) = exhibits(heard(), SYSTEM, recalled(sounds(), "audio"), SETTINGS)
    assert (exhibit.peak.time, exhibit.place.time, exhibit.present.time) == ((1.0, 1.5), (1.0, 2.0), (1.0, 2.0))
    away = replace(seen(), prototypes=((Prototype("0", (1, 12), (2, SIDE), 1.0),), ()))
    assert list(exhibits(away, SYSTEM, recalled(pictures(), "vision"), SETTINGS)) == []


def eyes(crops: list[torch.Tensor]) -> np.ndarray:
    """An encoder of four classes: a red crop is class 0 or 1, as sure as it is red; any other is class 3."""
    red = np.array([float(c[0].mean()) for c in crops])
    return np.stack([0.5 * red, 0.5 * red, 0 * red, 1 - red], 1).astype(np.float32)


def test_what_is_seen_is_named_by_its_crops(monkeypatch: pytest.MonkeyPatch):
    covers = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    monkeypatch.setattr(earn_images, "vocabulary", lambda: (("toy", "ball", "kite", "cup", "night"), covers))
    monkeypatch.setattr(earn_images, "_meanings", lambda: np.eye(4, dtype=np.float32))
    monkeypatch.setattr(earn_images, "_see", eyes)
    found = name_bank(seen(), SYSTEM, recalled(pictures(), "vision"), EarnSettings(context=0.0)).names
    assert found[1] is None
    assert found[0] is not None
    assert (found[0].text, found[0].source) == ("toy", "ImageNet")
    assert 0.6 < found[0].score <= 1  # less what is red at random places
    # With much around it the crop is nearly black: what is said everywhere does not win.
    assert name_bank(seen(), SYSTEM, recalled(pictures(), "vision"), EarnSettings(context=2.0)).names[0] is None


def test_a_crop_is_a_square_within_the_frame():
    frame = torch.zeros(3, 32, 32)
    frame[:, 8:18, 16:26] = 1
    assert float(earn_images.crop(frame, (16, 8, 26, 18), 0.0).min()) == pytest.approx(1)
    assert float(earn_images.crop(frame, (16, 8, 26, 18), 0.5).mean()) == pytest.approx(0.25, abs=0.02)
    for box in ((28, 0, 32, 2), (0, 0, 32, 32), (31, 31, 32, 32)):
        assert earn_images.crop(frame, box, 3.0).shape == (3, 224, 224)


def ears(prepared: Any) -> tuple[np.ndarray, np.ndarray]:
    """Windows of half a second; class 70 is heard where it is loud, class 494 everywhere else."""
    level = prepared.tensor[0].unfold(0, 4000, 4000).square().mean(-1).sqrt().numpy()
    scores = np.zeros((len(level), 521), np.float32)
    scores[:, 70], scores[:, 67], scores[:, 494] = level > 0.1, 0.95 * (level > 0.1), level <= 0.1
    starts = np.arange(len(level)) / 2
    return scores, np.stack([starts, starts + 0.5], 1)


def test_what_is_heard_is_named_and_described(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(earn_sounds, "_hear", ears)
    monkeypatch.setattr(earn_sounds, "_names", lambda: tuple(f"class {i}" for i in range(521)))
    monkeypatch.setattr(earn_sounds, "_otherwise", lambda best, alike: np.arange(521) != best)
    (found,) = name_bank(heard(), SYSTEM, recalled(sounds(), "audio"), SETTINGS).names
    assert found == ConceptName("class 70", "AudioSet", 1.0, 1.0, found.describes if found else "")
    assert found is not None
    assert found.describes == "about 440 Hz, loud (\u22123 dBFS), steady"
