"""The stage of a storyboard: actors get pictures and voices, and what is perceived follows from the world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.scenarios.suite.storyboard_sample import board
from veridical.errors import InputError
from veridical.scenarios.courier.scene import SIZE
from veridical.scenarios.courier.sounds import RATE
from veridical.scenarios.suite.schema_scene import SceneSpec
from veridical.scenarios.suite.storyboard_stage import Stage, stage_of
from veridical.scenarios.suite.storyboard_world import TICK, World

DOG = {"name": "dog", "is": "animal", "which": "dog", "ahead": 5}
VAN = {"name": "van", "ahead": 20, "sound": {"is": "siren"}, "walk": {"ahead": -4}}


def street(**more: Any) -> SceneSpec:
    given = {"partition": "train", "seed": 3, "traffic": None, "instruction": "Take the parcel to the pharmacy."}
    return SceneSpec.model_validate({**given, **more})


def made(*actors: Any, scene: SceneSpec | None = None, **more: Any) -> tuple[Stage, World]:
    told = board(*actors, **more)
    stage = stage_of(told, scene or street())
    return stage, World(told, stage.cast)


def run(world: World, seconds: float, target: float = 1.4) -> None:
    for _ in range(round(seconds / TICK)):
        world.tick(target)


def test_an_observation_is_three_frames_three_seconds_of_sound_and_the_instruction():
    stage, world = made(DOG)
    found = stage.observe(world)
    assert found["vision"].shape == (3, SIZE, SIZE, 3)
    assert found["vision"].dtype == np.uint8
    assert found["audio"][0].shape == (3 * RATE,)
    assert found["audio"][0].dtype == np.float32
    assert found["text"] == "Take the parcel to the pharmacy."
    assert not found["audio"][0].any()


def test_frames_are_those_of_the_last_seconds_so_that_the_next_observation_shares_two():
    stage, world = made(DOG)
    before = stage.observe(world)["vision"]
    run(world, 1.0)
    after = stage.observe(world)["vision"]
    np.testing.assert_array_equal(before[1:], after[:2])
    assert (after[1] != after[2]).any()


def test_an_actor_that_is_gone_is_not_drawn():
    hidden = {**DOG, "events": [{"when": {"time": 0.5}, "seen": False}]}
    stage, world = made(hidden, speed=0)
    bare, other = made(speed=0)
    run(world, 1.0, 0.0)
    run(other, 1.0, 0.0)
    np.testing.assert_array_equal(stage.see(world.now), bare.see(other.now))
    assert (stage.see(world.at(0.0)) != bare.see(other.at(0.0))).any()


def test_what_comes_nearer_is_heard_louder_by_the_inverse_of_its_distance():
    still = {**VAN, "walk": {}}
    levels = []
    for ahead in (20, 10):
        stage, world = made({**still, "ahead": ahead}, speed=0)
        run(world, 3.0, 0.0)
        levels.append(stage.hear(world))
    np.testing.assert_allclose(levels[1], 2 * levels[0], atol=1e-6)


def test_a_sound_begins_when_it_begins_and_one_stretch_follows_the_other():
    late = {**VAN, "walk": {}, "heard": False, "events": [{"when": {"time": 1}, "heard": True}]}
    stage, world = made(late, speed=0)
    run(world, 2.0, 0.0)
    early = stage.hear(world)
    assert not early[: round(1.9 * RATE)].any()
    assert early[2 * RATE :].any()
    run(world, 1.0, 0.0)
    np.testing.assert_allclose(stage.hear(world)[: 2 * RATE], early[RATE:], atol=1e-6)


def test_the_street_has_its_own_sound():
    stage, world = made(scene=street(traffic=-40))
    once = stage.hear(world)
    assert once.any()
    run(world, 1.0)
    np.testing.assert_allclose(stage.hear(world)[: 2 * RATE], once[RATE:], atol=1e-6)


def test_what_would_clip_is_scaled_down():
    loud = {"name": "van", "ahead": 1, "walk": {}, "sound": {"is": "siren", "level": 0}}
    stage, world = made(loud, speed=0)
    run(world, 3.0, 0.0)
    assert np.abs(stage.hear(world)).max() == pytest.approx(0.99)


def test_footprints_are_as_wide_as_pictures_and_signs_as_their_pole():
    sign = {"name": "sign", "is": "stop-sign", "ahead": 5}
    wide = {**DOG, "name": "wide", "width": 2.5}
    stage, _ = made(DOG, sign, wide)
    dog = stage.cast[0].body
    assert dog is not None
    assert [one.width for one in stage.cast] == [dog.width, 0.1, 2.5]
    assert dog.height == 0.85
    hung = stage.cast[1].body
    assert hung is not None
    assert (hung.height, hung.hangs) == (0.6, 0.5)


def test_the_same_seed_casts_the_same():
    any_dog = {"name": "dog", "is": "animal", "ahead": 5}
    assert made(any_dog)[0].cast == made(any_dog)[0].cast
    drawn = {
        body.stamp.name
        for seed in range(8)
        for one in made(any_dog, scene=street(seed=seed))[0].cast
        if (body := one.body)
    }
    assert len(drawn) > 1


def test_a_street_with_things_or_an_unknown_picture_or_recording_is_refused():
    with pytest.raises(InputError, match=r"^scene\.things: a storyboard's street is empty"):
        made(scene=street(things=[{"is": "animal"}]))
    with pytest.raises(InputError, match=r"^storyboard\.actors\.1\.which: .*dgo.*dog"):
        made({"name": "van", "ahead": 5, "sound": {"is": "siren"}}, {**DOG, "which": "dgo"})
    with pytest.raises(InputError, match=r"^storyboard\.actors\.1\.sound\.which: .*howl"):
        made(DOG, {"name": "van", "ahead": 5, "sound": {"is": "siren", "which": "howl"}})
