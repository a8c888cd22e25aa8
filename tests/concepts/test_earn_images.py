"""Names of what is seen, from probabilities alone; and the general nouns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.data.imagenet_info import ImageNetInfo

from veridical.concepts import earn_images
from veridical.concepts.earn_images import fitting
from veridical.concepts.earn_settings import EarnSettings
from veridical.concepts.general_nouns import EXTENTS, extent

NAMES = ("animal", "cat", "dog", "car", "grass", "meadow")
COVERS = np.array(
    [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]], np.float32
)
SETTINGS = EarnSettings()
NOTHING = np.zeros(6)


@pytest.fixture(autouse=True)
def meanings(monkeypatch: pytest.MonkeyPatch):
    """Each class has a meaning of its own, but a meadow means nearly what grass does."""
    vectors = np.eye(5, dtype=np.float32)
    vectors[4] = (0, 0, 0, 0.9, 0.43589)
    monkeypatch.setattr(earn_images, "_meanings", lambda: vectors)


def named(rows: list[list[float]], ordinary: np.ndarray = NOTHING) -> tuple[str, float, float] | None:
    found = fitting(np.array(rows) @ COVERS.T, ordinary, NAMES, COVERS, SETTINGS)
    return (found.text, round(found.score, 6), round(found.margin, 6)) if found else None


def test_cats_and_dogs_together_earn_the_general_noun_and_cats_alone_the_special_one():
    assert named([[0.8, 0, 0, 0, 0], [0, 0.8, 0, 0, 0], [0.4, 0.4, 0, 0, 0]]) == ("animal", 0.8, 0.8)
    assert named([[0.8, 0, 0, 0, 0]] * 3) == ("cat", 0.8, 0.8)
    assert named([[0.75, 0.05, 0, 0, 0]] * 3) == ("cat", 0.75, 0.7)  # 0.75 is more than nine tenths of 0.8


def test_what_is_said_everywhere_does_not_win():
    rows = [[0.3, 0, 0, 0.7, 0]] * 4
    assert named(rows) == ("grass", 0.7, 0.4)
    ordinary = np.array([0, 0, 0, 0, 0.7, 0])
    assert named(rows, ordinary) == ("cat", 0.3, 0.3)


def test_one_striking_prototype_does_not_name_the_rest():
    assert named([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0.1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]) is None


def test_two_meanings_as_good_as_each_other_leave_it_unnamed_and_two_words_for_one_do_not():
    assert named([[0.5, 0, 0.45, 0, 0]] * 3) is None
    assert named([[0, 0, 0, 0.5, 0.45]] * 3) == ("grass", 0.5, 0.5)


def test_below_the_threshold_there_is_no_name():
    assert named([[0, 0, SETTINGS.seen + 0.01, 0, 0]] * 3) is not None
    assert named([[0, 0, SETTINGS.seen - 0.01, 0, 0]] * 3) is None


PROBABILITIES = st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=3, max_size=8)


@settings(max_examples=60, deadline=None)
@given(PROBABILITIES, st.randoms(use_true_random=False))
def test_scores_and_margins_are_shares_and_order_does_not_matter(rows: list[list[float]], random):
    every = [[x / max(sum(row), 1) for x in row] for row in rows]
    found = named(every)
    if found:
        assert SETTINGS.seen <= found[1] <= 1
        assert SETTINGS.margin - 1e-6 <= found[2] <= found[1]
    random.shuffle(every)
    assert named(every) == found


def test_general_nouns_cover_what_imagenet_says_they_do():
    info = ImageNetInfo()
    told = {i: info.index_to_description(i, detailed=True) for i in range(1000)}
    for noun, name in (
        ("dog", "golden retriever"), ("cat", "tabby"), ("bird", "hen"), ("fish", "goldfish"), ("bear", "brown bear"),
        ("insect", "bee"), ("reptile", "green lizard"), ("hoofed animal", "zebra"), ("vehicle", "ambulance"),
        ("car", "sports car"), ("truck", "fire engine"), ("bus", "school bus"), ("train", "streetcar"),
        ("flower", "daisy"), ("fruit", "banana"), ("vegetable", "broccoli"), ("hat", "cowboy hat"),
        ("shoe", "running shoe"), ("musical instrument", "violin"), ("building", "church"), ("clock", "wall clock"),
        ("tool", "hammer"), ("ball", "tennis ball"), ("furniture", "desk"), ("aircraft", "airliner"),
        ("boat or ship", "canoe"), ("landscape", "seashore"), ("fungus", "agaric"), ("container", "ashcan"),
    ):  # fmt: skip
        assert any(told[i].startswith(name) for i in extent(noun)), noun
    assert all("dog" not in told[i].split(":")[0].split(", ")[0] for i in extent("vehicle"))
    assert max(map(max, EXTENTS.values())) < 1000
    assert extent("nonsense") == frozenset()


@pytest.mark.parametrize(
    ("part", "whole"),
    [(p, "animal") for p in ("mammal", "bird", "reptile", "fish", "insect")]
    + [(p, "mammal") for p in ("dog", "cat", "big cat", "bear", "monkey or ape", "hoofed animal", "rodent or rabbit")]
    + [(p, "vehicle") for p in ("car", "truck", "bus", "train", "boat or ship", "aircraft", "farm machine")]
    + [(p, "plant") for p in ("flower", "fruit", "vegetable")]
    + [("fruit", "food"), ("vegetable", "food"), ("hat", "clothing"), ("shoe", "clothing"), ("duck or goose", "bird")],
)
def test_what_is_a_kind_of_another_lies_within_it(part: str, whole: str):
    assert extent(part) < extent(whole)
