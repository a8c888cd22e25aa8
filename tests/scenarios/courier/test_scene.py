"""Scenes: what is in them, where it lies, and that leaving out one cause changes nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from veridical.errors import InputError
from veridical.scenarios.courier import scene as module
from veridical.scenarios.courier.background import Background
from veridical.scenarios.courier.instructions import Clause, Instruction
from veridical.scenarios.courier.partition import PARTITIONS
from veridical.scenarios.courier.policy import RULES
from veridical.scenarios.courier.scene import FRAMES, SIZE, Cause, Place, Scene, Thing, mask, render, sample_scene
from veridical.scenarios.courier.shortcut import Mark
from veridical.scenarios.courier.sounds import RATE, clips, mix
from veridical.scenarios.courier.stamps import Stamp, stamps

SAMPLES = FRAMES * RATE
MIDDLE = 0.14  # half the width of the corridor that counts as the way: 0.4 to 0.6, and a little drift


@pytest.fixture(scope="module")
def scenes(request) -> list[Scene]:
    request.getfixturevalue("stamps")
    return [sample_scene(seed, partition) for partition in PARTITIONS for seed in range(20)]


@pytest.fixture(scope="module")
def many(request) -> list[tuple[str, Scene]]:
    request.getfixturevalue("stamps")
    return [(partition, sample_scene(seed, partition)) for partition in PARTITIONS for seed in range(500)]


@pytest.fixture
def blocks(monkeypatch):
    """Stamps that are opaque squares, red for ``a`` and blue for ``b``, and ``c``, of which the right half is clear."""
    colours = {"a": (1, 0, 0, 1), "b": (0, 0, 1, 1), "c": (0, 1, 0, 1)}
    pictures = {k: np.broadcast_to(np.array(v, np.float32), (64, 64, 4)).copy() for k, v in colours.items()}
    pictures["c"][:, 32:, 3] = 0
    monkeypatch.setattr(module, "load_stamp", lambda stamp: pictures[stamp.name])


def block(name: str, x: float, foot: float, height: float, flip: bool = False) -> Thing:
    return Thing(Stamp("obstacle", name, name), True, (Place(x, foot, height), *[Place(x, foot, 0.0)] * 2), flip)


def place(*things: Thing) -> Scene:
    return Scene(Background("road", 1), 0.8, things, (), Instruction((Clause("Go on.", "talk"),)))


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    out = np.zeros((FRAMES, SIZE, SIZE), bool)
    out[0, top:bottom, left:right] = True
    return out


def loudest(scene: Scene) -> float:
    return float(np.abs(render(scene)["audio"][0]).max())


# What is sampled


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_rule_of_a_scene_is_the_one_that_was_wanted(partition):
    for seed in range(500):
        wanted = RULES[seed % len(RULES)]
        assert sample_scene(seed, partition, wanted.name).rule is wanted


def test_rules_are_drawn_evenly(many):
    told = Counter(scene.rule.name for _, scene in many)
    assert set(told) == {rule.name for rule in RULES}
    assert all(60 < count < 145 for count in told.values())  # 100 each; four standard deviations are 38


def test_a_scene_is_the_same_from_the_same_seed_and_no_other(scenes):
    assert sample_scene(3, "train") == scenes[3]
    assert len({repr(scene) for scene in scenes}) == len(scenes)
    one, again = render(scenes[3]), render(sample_scene(3, "train"))
    np.testing.assert_array_equal(one["vision"], again["vision"])
    np.testing.assert_array_equal(one["audio"][0], again["audio"][0])


def test_a_scene_is_made_of_its_partition_alone(many):
    pool = {p: {s for every in stamps(p).values() for s in every} for p in PARTITIONS}
    heard = {p: {c for every in clips(p).values() for c in every} for p in PARTITIONS}
    for partition, scene in many:
        assert {thing.stamp for thing in scene.things} <= pool[partition]
        assert {sound.clip for sound in scene.sounds} <= heard[partition]


def test_what_is_in_the_way_is_seen_in_the_middle_in_some_frame(many):
    ways = [t for _, s in many for t in s.things if t.counts and t.stamp.kind != "stop-sign"]
    assert len(ways) > 300
    lost = [t for t in ways if not any(p.height > 0 and abs(p.x - 0.5) <= MIDDLE for p in t.track)]
    assert lost == []


def test_what_is_seen_for_a_moment_is_seen_in_frames_that_follow_each_other(many):
    shown = ["".join("x" if p.height else "." for p in t.track) for _, s in many for t in s.things]
    assert set(shown) <= {"xxx", "xx.", ".xx", "..x"}


def test_what_is_beside_the_way_never_comes_into_it(many):
    beside = [t for _, s in many for t in s.things if not t.counts or t.stamp.kind == "stop-sign"]
    assert len(beside) > 500
    assert min(abs(p.x - 0.5) for t in beside for p in t.track) >= 0.28
    assert {t.stamp.kind for t in beside if t.counts} == {"stop-sign"}


def test_things_are_drawn_from_far_to_near(many):
    for _, scene in many:
        feet = [max(p.foot for p in thing.track) for thing in scene.things]
        assert feet == sorted(feet)


def test_sounds_lie_within_the_scene(many):
    for _, scene in many:
        assert all(s.start >= 0 and s.seconds > 0 and s.start + s.seconds <= FRAMES + 1e-9 for s in scene.sounds)
        assert scene.sounds[0].seconds == FRAMES  # traffic, all the time


def test_causes_are_what_the_policy_speaks_of(many):
    for _, scene in many:
        causes = scene.causes
        assert len({c.kind for c in causes}) == len(causes)
        for cause in causes:
            kind = {
                "vision": lambda c, s=scene: s.things[c.index].stamp.kind,
                "audio": lambda c, s=scene: s.sounds[c.index].clip.kind,
                "text": lambda c, s=scene: s.instruction.clauses[c.index].kind,
            }[cause.sense](cause)
            assert kind == cause.kind
        assert sum(t.counts for t in scene.things) == sum(c.sense == "vision" for c in causes)


def test_an_unknown_rule_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="scene: no rule is named 'Siren'; the policy has siren, halt, stop sign"):
        sample_scene(0, "train", "Siren")


def test_an_unknown_partition_is_refused():
    with pytest.raises(InputError, match="partition: no 'heldout'"):
        sample_scene(0, "heldout")


# What is rendered


def test_an_observation_has_the_stated_shapes_and_never_clips(scenes):
    for scene in scenes:
        seen = render(scene)
        wave, rate = seen["audio"]
        assert seen["vision"].shape == (FRAMES, SIZE, SIZE, 3)
        assert seen["vision"].dtype == np.uint8
        assert (wave.shape, wave.dtype, rate) == ((SAMPLES,), np.float32, RATE)
        assert np.abs(wave).max() <= 0.99 + 1e-6
        assert seen["text"] == scene.instruction.text


def test_leaving_out_a_cause_takes_that_cause_away(scenes):
    for scene in scenes:
        for cause in scene.causes:
            rest = scene.without(cause)
            assert {c.kind for c in rest.causes} == {c.kind for c in scene.causes} - {cause.kind}


def support(thing: Thing, frame: int) -> np.ndarray:
    """Where a thing may have touched the frame."""
    out = np.zeros((SIZE, SIZE), bool)
    if pasted := module._paste(thing, frame):
        where, pixels = pasted
        out[where] = pixels[..., 3] > 0
    return out


def test_leaving_out_a_thing_changes_no_pixel_outside_it_and_no_other_sense(scenes):
    checked = 0
    for scene in scenes:
        whole = render(scene)
        for cause in (c for c in scene.causes if c.sense == "vision"):
            rest = render(scene.without(cause))
            touched = np.stack([support(scene.things[cause.index], i) for i in range(FRAMES)])
            visible = mask(scene, cause)
            assert isinstance(visible, np.ndarray)
            np.testing.assert_array_equal(whole["vision"][~touched], rest["vision"][~touched])
            assert not (visible & ~touched).any()
            changed = (whole["vision"] != rest["vision"]).any(-1)
            assert changed[visible].mean() > 0.9  # the rest has the background's colour by chance
            np.testing.assert_array_equal(whole["audio"][0], rest["audio"][0])
            assert whole["text"] == rest["text"]
            checked += 1
    assert checked > 10


def test_leaving_out_a_sound_takes_away_exactly_its_layer(scenes):
    checked = 0
    for scene in scenes:
        whole = render(scene)
        for cause in (c for c in scene.causes if c.sense == "audio" and loudest(scene) < 0.98):
            rest = render(scene.without(cause))
            layer = render(replace(scene, sounds=(scene.sounds[cause.index],)))["audio"][0]
            np.testing.assert_allclose(whole["audio"][0] - rest["audio"][0], layer, atol=2e-7)
            where = mask(scene, cause)
            assert isinstance(where, tuple)
            first, last = (round(v * RATE) for v in where)
            changed = np.flatnonzero(whole["audio"][0] != rest["audio"][0])
            assert first <= changed[0] < changed[-1] < last + 1
            np.testing.assert_array_equal(whole["vision"], rest["vision"])
            assert whole["text"] == rest["text"]
            checked += 1
    assert checked > 10


def test_leaving_out_a_clause_leaves_the_others_and_the_other_senses(scenes):
    checked = 0
    for scene in scenes:
        for cause in (c for c in scene.causes if c.sense == "text"):
            whole, rest = render(scene), render(scene.without(cause))
            first, last = mask(scene, cause)
            assert whole["text"][first:last] == scene.instruction.clauses[cause.index].text
            others = [c.text for i, c in enumerate(scene.instruction.clauses) if i != cause.index]
            assert rest["text"] == " ".join(others)
            np.testing.assert_array_equal(whole["vision"], rest["vision"])
            np.testing.assert_array_equal(whole["audio"][0], rest["audio"][0])
            checked += 1
    assert checked > 5


def test_a_mixture_that_would_clip_is_scaled_as_a_whole(scenes):
    scene = next(s for s in scenes if len(s.sounds) > 1)
    loud = replace(scene, sounds=tuple(replace(s, level=0.0) for s in scene.sounds))
    quiet = replace(scene, sounds=tuple(replace(s, level=-60.0) for s in scene.sounds))
    waves = [render(s)["audio"][0] for s in (loud, quiet)]
    assert np.abs(waves[0]).max() == pytest.approx(0.99, rel=1e-6)
    np.testing.assert_allclose(*(w / np.abs(w).max() for w in waves), atol=1e-5)


def test_a_slower_sound_is_lower_and_a_short_one_is_repeated(monkeypatch, scenes):
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE).astype(np.float32)
    monkeypatch.setattr(module, "load_clip", lambda clip: tone)
    sound = replace(scenes[0].sounds[0], level=-20.0, start=1.0, seconds=1.5, offset=0.0, speed=0.5)
    wave = render(replace(scenes[0], sounds=(sound,)))["audio"][0]
    assert np.argmax(np.abs(np.fft.rfft(wave[RATE : 2 * RATE]))) == 500
    np.testing.assert_allclose(wave[RATE + 200 : RATE + 2000], wave[2 * RATE + 200 : 2 * RATE + 2000], atol=1e-6)
    assert not wave[:RATE].any()
    assert not wave[2 * RATE + RATE // 2 :].any()


@pytest.mark.usefixtures("blocks")
def test_the_mask_of_a_square_is_its_place_and_its_pixels_are_its_colour_in_the_scene_s_light():
    scene = place(block("a", 0.5, 0.75, 0.25))
    where = mask(scene, scene.causes[0])
    assert isinstance(where, np.ndarray)
    expected = box(84, 112, 140, 168)  # 56 pixels a side, its foot at 168, its middle at 112
    np.testing.assert_array_equal(where, expected)
    frames = render(scene)["vision"]
    assert np.unique(frames[expected], axis=0).tolist() == [[204, 0, 0]]  # 0.8 of 255
    bare = render(place())["vision"]
    np.testing.assert_array_equal(frames[~expected], bare[~expected])


@pytest.mark.usefixtures("blocks")
def test_a_nearer_thing_covers_a_farther_one():
    far, near = block("a", 0.5, 0.75, 0.25), block("b", 0.625, 0.75, 0.25)
    scene = place(far, near)
    one, other = scene.causes
    np.testing.assert_array_equal(mask(scene, one), box(84, 112, 112, 168))
    np.testing.assert_array_equal(mask(scene, other), box(112, 112, 168, 168))
    np.testing.assert_array_equal(mask(scene.without(other), one), box(84, 112, 140, 168))


@pytest.mark.usefixtures("blocks")
def test_what_is_clear_is_not_in_the_mask_and_covers_nothing():
    half = block("c", 0.5, 0.75, 0.25)
    for flip, left in ((False, 84), (True, 112)):
        scene = place(replace(half, flip=flip))
        where = mask(scene, scene.causes[0])
        assert isinstance(where, np.ndarray)
        # Within a pixel: the edge is smoothed as the stamp is made smaller.
        assert (where ^ box(left, 112, left + 28, 168)).sum() <= 56
    scene = place(block("a", 0.5, 0.75, 0.25), half)
    behind = mask(scene, scene.causes[0])
    assert isinstance(behind, np.ndarray)
    assert (behind ^ box(112, 112, 140, 168)).sum() <= 56


@pytest.mark.usefixtures("blocks")
def test_what_stands_over_the_edge_is_cut_off_there():
    scene = place(block("a", 0.0, 1.125, 0.25))
    np.testing.assert_array_equal(mask(scene, scene.causes[0]), box(0, 196, 28, 224))
    outside = place(block("a", 1.5, 0.5, 0.25))
    assert not np.asarray(mask(outside, outside.causes[0])).any()
    np.testing.assert_array_equal(render(outside)["vision"], render(place())["vision"])


def test_the_mask_of_a_sound_and_of_a_clause_is_its_stretch():
    text = Instruction((Clause("Go on.", "talk"), Clause("Wait.", "halt")))
    sound = module.Heard(clips_of_nothing(), -20.0, 0.5, 1.25, 0.0)
    scene = replace(place(), sounds=(sound,), instruction=text)
    assert mask(scene, Cause("siren", "audio", 0)) == (0.5, 1.75)
    assert mask(scene, Cause("halt", "text", 1)) == (7, 12)
    assert scene.rule.name == "siren"


def clips_of_nothing():
    from veridical.scenarios.courier.sounds import Clip

    return Clip("siren", "synthetic 0", seed=0)


def test_layers_are_mixed_at_their_levels(scenes):
    scene = next(s for s in scenes if any(h.clip.seed is not None for h in s.sounds))
    sound = replace(next(h for h in scene.sounds if h.clip.seed is not None), speed=1.0, offset=0.0)
    alone = render(replace(scene, sounds=(sound,)))["audio"][0]
    wave = module.load_clip(sound.clip)[: round(sound.seconds * RATE)]
    np.testing.assert_array_equal(alone, mix([(wave, sound.level, round(sound.start * RATE))], SAMPLES))


# The patch of the planted shortcut


def test_a_patch_stands_in_its_box_in_all_frames_and_changes_nothing_else(blocks):
    plain = place(block("a", 0.5, 0.9, 0.4))
    mark = Mark(0.5, 0.2, 0.16)
    before, after = render(plain), render(replace(plain, mark=mark))
    rows, columns = mark.box(SIZE)
    inside = np.zeros((SIZE, SIZE), bool)
    inside[rows, columns] = True
    expected = np.clip(mark.picture(SIZE) * plain.light * 255 + 0.5, 0, 255).astype(np.uint8)
    assert (after["vision"][:, rows, columns] == expected).all()
    np.testing.assert_array_equal(after["vision"][:, ~inside], before["vision"][:, ~inside])
    np.testing.assert_array_equal(after["audio"][0], before["audio"][0])
    assert after["text"] == before["text"]


def test_a_patch_lies_over_things(blocks):
    thing = block("a", 0.5, 0.5, 0.5)
    mark = Mark(0.5, 0.2, 0.16)
    alone, both = (render(replace(place(*things), mark=mark))["vision"][0] for things in ((), (thing,)))
    np.testing.assert_array_equal(both[mark.box(SIZE)], alone[mark.box(SIZE)])


def test_scenes_are_drawn_without_a_patch_and_a_patch_is_no_cause(scenes):
    assert all(scene.mark is None for scene in scenes)
    for scene in scenes:
        marked = replace(scene, mark=Mark(0.5, 0.2, 0.16))
        assert (marked.causes, marked.rule) == (scene.causes, scene.rule)
        assert all(marked.without(cause).mark is marked.mark for cause in marked.causes)
