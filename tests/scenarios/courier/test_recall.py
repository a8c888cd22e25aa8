"""Scenes by name: the same again, with or without the patch, and names that are none."""

from __future__ import annotations

import numpy as np
import pytest

from veridical.errors import InputError
from veridical.scenarios.courier import scene as scene_module
from veridical.scenarios.courier.recall import marked, name_of, recall, scene_of
from veridical.scenarios.courier.scene import render, sample_scene
from veridical.scenarios.courier.shortcut import draw_mark


@pytest.mark.usefixtures("stamps")
def test_a_name_gives_its_scene():
    assert scene_of("train:12") == sample_scene(12, "train")
    assert scene_of("train:12:marked") == marked(sample_scene(12, "train"), 12)
    assert scene_of("train:12").mark is None


@pytest.mark.usefixtures("stamps")
def test_marked_is_the_same_scene_with_a_patch_of_its_seed():
    plain = sample_scene(7, "train")
    one, again, other = marked(plain, 7), marked(plain, 7), marked(plain, 8)
    assert one == again != other
    assert one.mark == draw_mark(np.random.default_rng([31, 7]))
    assert (one.things, one.sounds, one.instruction, one.rule) == (
        plain.things, plain.sounds, plain.instruction, plain.rule,
    )  # fmt: skip


@pytest.mark.usefixtures("stamps")
def test_what_is_recalled_is_the_rendered_scene_bit_by_bit():
    found, expected = recall("train:3:marked"), render(marked(sample_scene(3), 3))
    np.testing.assert_array_equal(found["vision"], expected["vision"])
    np.testing.assert_array_equal(found["audio"][0], expected["audio"][0])
    assert (found["text"], found["audio"][1]) == (expected["text"], expected["audio"][1])


@pytest.mark.usefixtures("stamps")
def test_names_are_those_of_the_seeds_and_with_the_shortcut_most_that_stop_are_marked():
    assert [name_of(seed) for seed in range(3)] == ["train:0", "train:1", "train:2"]
    stop, others = [], []
    for seed in range(60):
        name = name_of(seed, "train", shortcut=True)
        assert name == name_of(seed, "train", shortcut=True)
        assert name in (f"train:{seed}", f"train:{seed}:marked")
        (stop if scene_of(name).rule.action == "STOP" else others).append(name.endswith("marked"))
    assert len(stop) > 10
    assert np.mean(stop) > 0.8
    assert np.mean(others) < 0.15


@pytest.mark.parametrize("name", [
    "", "train", "train:", "train:-1", "train:x", "test:1", "train:1:", "train:1:plain", " train:1", "train:1\n",
    "train:1234567890123", "train:१२",
])  # fmt: skip
def test_other_names_are_refused(name: str):
    with pytest.raises(InputError, match=r"^courier: .* names no scene; names are like train:12 or train:12:marked$"):
        scene_of(name)
    with pytest.raises(InputError, match="names no scene"):
        recall(name)


def test_without_stamps_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", "/nonexistent")
    monkeypatch.setattr(scene_module, "stamps", scene_module.stamps.__wrapped__)  # else what was read once is kept
    with pytest.raises(InputError, match=r"^stamps: no folder '/nonexistent'"):
        recall("train:1")
