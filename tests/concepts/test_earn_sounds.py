"""Names of what is heard, from scores alone."""

from __future__ import annotations

import numpy as np
import pytest

from veridical.concepts import earn_sounds
from veridical.concepts.earn_settings import EarnSettings
from veridical.concepts.earn_sounds import FAMILIES, family, fitting

SETTINGS = EarnSettings()
NAMES = tuple(f"class {i}" for i in range(521))
ANIMAL, SHEEP, CROW, BELL, SPEECH, SILENCE = 67, 92, 112, 195, 0, 494


@pytest.fixture(autouse=True)
def meanings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(earn_sounds, "_otherwise", lambda best, alike: np.arange(521) != best)


def named(*prototypes: dict[int, float], ordinary: dict[int, float] | None = None) -> tuple[int, float, float] | None:
    fits, usual = np.zeros((len(prototypes), 521)), np.zeros(521)
    for row, each in zip(fits, prototypes, strict=True):
        row[list(each)] = list(each.values())
    for index, value in (ordinary or {}).items():
        usual[index] = value
    found = fitting(fits, usual, NAMES, "loud", SETTINGS)
    if found is None:
        return None
    assert (found.source, found.describes) == ("AudioSet", "loud")
    return int(found.text.split()[1]), round(found.score, 6), round(found.margin, 6)


def test_the_general_class_wins_where_prototypes_differ_and_the_special_one_where_they_do_not():
    assert named({ANIMAL: 0.9, SHEEP: 0.88}, {ANIMAL: 0.9, CROW: 0.9}, {ANIMAL: 0.9}) == (ANIMAL, 0.9, 0.9)
    assert named(*[{ANIMAL: 0.9, SHEEP: 0.88}] * 3) == (SHEEP, 0.88, 0.88)
    assert named(*[{ANIMAL: 0.9, SHEEP: 0.7}] * 3) == (ANIMAL, 0.9, 0.9)


def test_what_is_heard_everywhere_does_not_win():
    assert named(*[{SILENCE: 1.0, BELL: 0.5}] * 3, ordinary={SILENCE: 0.9}) == (BELL, 0.5, 0.4)


def test_two_families_alike_leave_it_unnamed():
    assert named(*[{BELL: 0.6, SPEECH: 0.5}] * 3) is None
    assert named(*[{BELL: 0.6, SPEECH: 0.4}] * 3) == (BELL, 0.6, 0.2)


def test_one_prototype_does_not_name_the_rest():
    assert named({BELL: 1.0}, {BELL: 1.0}, {}, {}, {}) is None
    assert named(*[{BELL: SETTINGS.heard - 0.01}] * 3) is None


def test_families_are_those_of_the_ontology():
    assert [family(i) for i in (0, 66, 67, 131, 132, 390, 494, 520)] == [0, 0, 1, 1, 2, 6, 12, 13]
    assert list(FAMILIES) == sorted(set(FAMILIES))
