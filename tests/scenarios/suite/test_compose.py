"""Scenes in words, composed: what is drawn where, and what changes without a part."""

import numpy as np
import pytest

from veridical.errors import InputError
from veridical.scenarios.courier.scene import render
from veridical.scenarios.courier.sounds import RATE
from veridical.scenarios.suite.compose import compose
from veridical.scenarios.suite.schema import SceneSpec

pytestmark = pytest.mark.usefixtures("stamps")

DOG = {"is": "animal", "which": "dog"}
SIREN = {"is": "siren", "which": "synthetic 3"}


def spec(**said):
    """A scene of things to train on, without the street's own sound."""
    return SceneSpec.model_validate({"partition": "train", "traffic": None, **said})


def mask_of(part):
    assert part.mask is not None
    return part.mask


def places(thing, **said):
    return compose(spec(things=[thing], **said)).plan.things[0].track


FULL = {
    "things": [DOG, {"is": "stop-sign"}, {"is": "tree", "where": "left"}],
    "sounds": [SIREN, {"is": "noise", "which": "kettle", "start": 1, "seconds": 1}],
    "instruction": ["Take the parcel.", {"text": "Creep past animals.", "kind": "tame"}],
    "patch": {"x": 0.5, "y": 0.5, "side": 0.2},
}


def test_the_same_words_are_the_same_scene():
    one, two = (compose(spec(**FULL)) for _ in range(2))
    assert np.array_equal(one.observation["vision"], two.observation["vision"])
    assert np.array_equal(one.observation["audio"][0], two.observation["audio"][0])
    assert one.observation["text"] == "Take the parcel. Creep past animals."
    assert one.observation["vision"].shape == (3, 224, 224, 3)
    assert one.observation["audio"][0].shape == (3 * RATE,)


def test_a_short_scene_is_one_of_couriers():
    made = compose(spec(**FULL))
    again = render(made.scene)
    assert np.array_equal(made.observation["vision"], again["vision"])
    assert np.array_equal(made.observation["audio"][0], again["audio"][0])
    assert made.scene.rule == made.rule


def test_parts_have_the_numbers_of_the_file():
    parts = compose(spec(**FULL)).parts
    assert [(name, part.name, part.sense, part.kind) for name, part in parts.items()] == [
        ("thing 0", "thing 0", "vision", "animal"),
        ("thing 1", "thing 1", "vision", "stop-sign"),
        ("thing 2", "thing 2", "vision", "tree"),
        ("sound 0", "sound 0", "audio", "siren"),
        ("sound 1", "sound 1", "audio", "noise"),
        ("clause 0", "clause 0", "text", "talk"),
        ("clause 1", "clause 1", "text", "tame"),
        ("patch", "patch", "vision", "patch"),
    ]
    assert parts["thing 0"].what == "dog"
    assert parts["sound 0"].time == (0.2, 2.7)
    assert parts["sound 1"].time == (1.0, 2.0)
    text = "Take the parcel. Creep past animals."
    assert text[slice(*(parts["clause 1"].span or ()))] == "Creep past animals."


@pytest.mark.parametrize("name", ["thing 0", "thing 1", "patch"])
def test_without_a_thing_only_its_place_changes(name):
    made = compose(spec(**FULL))
    part = made.parts[name]
    without = part.without()
    changed = (without["vision"] != made.observation["vision"]).any(-1)
    assert changed.any()
    # A mask is what is opaque by more than half: its rim lies outside.
    assert (changed & ~mask_of(part)).sum() < 0.35 * mask_of(part).sum()
    assert (changed & mask_of(part)).sum() > 0.9 * mask_of(part).sum()
    assert np.array_equal(without["audio"][0], made.observation["audio"][0])
    assert without["text"] == made.observation["text"]


def test_masks_are_disjoint():
    parts = compose(spec(**FULL)).parts
    masks = [part.mask for part in parts.values() if part.mask is not None]
    assert np.sum(masks, axis=0).max() == 1
    assert mask_of(parts["patch"]).sum(axis=(1, 2)).tolist() == [44 * 44] * 3


def test_without_a_sound_only_its_time_changes():
    made = compose(spec(**FULL))
    without = made.parts["sound 1"].without()
    changed = np.flatnonzero(without["audio"][0] != made.observation["audio"][0])
    assert changed.min() >= RATE
    assert changed.max() < 2 * RATE
    assert np.array_equal(without["vision"], made.observation["vision"])


def test_without_a_clause_the_others_stay():
    parts = compose(spec(**FULL)).parts
    assert parts["clause 0"].without()["text"] == "Creep past animals."
    assert parts["clause 1"].without()["text"] == "Take the parcel."


def test_one_thing_more_changes_no_other():
    some = spec(things=[{"is": "animal"}, {"is": "tree"}], sounds=[{"is": "call"}], seed=4)
    more = spec(things=[*FULL["things"][:0], {"is": "animal"}, {"is": "tree"}, DOG], sounds=[{"is": "call"}], seed=4)
    few, many = (compose(one).parts for one in (some, more))
    assert [few[k].what for k in few] == [many[k].what for k in few]


def test_what_is_left_out_is_drawn_by_the_seed():
    found = {compose(spec(things=[{"is": "animal"}], seed=seed)).parts["thing 0"].what for seed in range(8)}
    assert len(found) > 3
    one, two = (compose(spec(seed=seed)) for seed in (0, 1))
    assert not np.array_equal(one.observation["vision"], two.observation["vision"])
    assert one.observation["text"] in {c.text for c in _talk()}


def _talk():
    from veridical.scenarios.courier.instructions import CLAUSES

    return CLAUSES["train"]["talk"]


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"things": [DOG]}, "animal"),
        ({"things": [{**DOG, "where": "left"}]}, "clear"),
        ({"things": [{**DOG, "where": "left", "counts": True}]}, "animal"),
        ({"things": [{**DOG, "counts": False}]}, "clear"),
        ({"things": [{**DOG, "where": {"x": 0.45}}]}, "animal"),
        ({"things": [{**DOG, "where": {"x": 0.1}}]}, "clear"),
        ({"things": [{**DOG, "where": "right", "motion": "enter"}]}, "clear"),
        ({"things": [{"is": "stop-sign"}]}, "stop sign"),
        ({"things": [{"is": "sign"}]}, "clear"),
        ({"things": [DOG], "instruction": "Slow down for animals but never halt for them."}, "known animal"),
        ({"things": [DOG], "sounds": [SIREN]}, "siren"),
        ({"instruction": {"text": "Warte.", "kind": "halt"}}, "halt"),
        ({"seconds": 9, "things": [{**DOG, "seen": [6, 9]}]}, "animal"),
        ({"seconds": 9, "sounds": [SIREN]}, "siren"),
    ],
)
def test_the_policy_sees_what_counts(said, rule):
    assert compose(spec(**said)).rule.name == rule


def test_motions():
    still = places({**DOG, "size": 0.4})
    assert {(p.x, p.foot, p.height) for p in still} == {(0.5, 0.9, 0.4)}
    assert [p.x for p in places({**DOG, "motion": "cross"})] == pytest.approx([0.86, 0.5, 0.14])
    assert [p.x for p in places({**DOG, "motion": "enter"})] == pytest.approx([0.88, 0.69, 0.5])
    assert [p.x for p in places({**DOG, "motion": "enter", "where": "left"})] == pytest.approx([-0.29, -0.1, 0.09])
    assert [p.height > 0 for p in places({**DOG, "motion": "glimpse"})] == [True, True, False]
    assert [p.height > 0 for p in places({**DOG, "motion": "glimpse", "seen": [1, 3]})] == [False, True, True]
    assert [p.height > 0 for p in places({**DOG, "seen": [0, 1]})] == [True, False, False]
    nearer = places({**DOG, "size": 0.5, "motion": "approach"})
    assert [p.height for p in nearer] == pytest.approx([0.175, 0.5 * 0.35**0.5, 0.5])
    # A thing on flat ground: its foot lies as far below the horizon as it is large.
    assert [(p.foot - 0.4) / p.height for p in nearer] == pytest.approx([1.0] * 3)
    track = {"track": [{"x": 0.1, "foot": 0.8, "height": 0.2}, {"x": 0.2, "foot": 0.9, "height": 0.0}]}
    assert [(p.x, p.height) for p in places({**DOG, "motion": track})] == [(0.1, 0.2), (0.2, 0.0), (0.2, 0.0)]


def test_a_wide_thing_is_no_wider_than_the_way():
    wide = mask_of(compose(spec(things=[{"is": "vehicle", "which": "sportscar2"}])).parts["thing 0"])
    columns = np.flatnonzero(wide.any(axis=(0, 1)))
    assert columns.max() - columns.min() <= 0.63 * 224


def test_what_is_nearer_covers_what_is_farther_whatever_the_order():
    near, far = {**DOG, "where": {"x": 0.5, "foot": 1.0}}, {"is": "tree", "where": {"x": 0.5, "foot": 0.7}, "size": 0.5}
    one, two = compose(spec(things=[near, far])), compose(spec(things=[far, near]))
    assert mask_of(one.parts["thing 0"]).sum() == mask_of(two.parts["thing 1"]).sum()
    assert one.parts["thing 0"].what == two.parts["thing 1"].what == "dog"


def test_a_long_scene_has_a_frame_for_each_second():
    made = compose(spec(seconds=8, things=[{**DOG, "seen": [5, 8]}], sounds=[{**SIREN, "start": 1, "seconds": 4}]))
    assert made.observation["vision"].shape == (8, 224, 224, 3)
    assert made.observation["audio"][0].shape == (8 * RATE,)
    assert mask_of(made.parts["thing 0"]).any(axis=(1, 2)).tolist() == [False] * 5 + [True] * 3
    heard = np.flatnonzero(made.observation["audio"][0])
    assert RATE <= heard.min() < heard.max() < 5 * RATE
    quiet = made.parts["sound 0"].without()
    assert not quiet["audio"][0].any()
    assert np.array_equal(quiet["vision"], made.observation["vision"])


def test_sounds_of_a_long_scene_are_mixed_as_those_of_a_short_one():
    sounds = [SIREN, {"is": "noise", "which": "kettle", "offset": 0.3, "speed": 1.2, "level": -30}]
    made = compose(spec(sounds=sounds))
    assert np.array_equal(made.plan.heard(), made.observation["audio"][0])


def test_the_streets_own_sound_is_there_unless_it_is_left_out():
    heard = SceneSpec.model_validate({"partition": "train", "seed": 3})
    silent = compose(spec())
    assert not silent.observation["audio"][0].any()
    loud = np.sqrt((compose(heard).observation["audio"][0] ** 2).mean())
    assert -66 < 20 * np.log10(loud) < -50
    assert list(compose(heard).parts) == ["clause 0"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"things": [DOG, {"is": "animal", "which": "dgo"}]},
            "scene.things.1.which: no 'dgo'; do you mean 'dingo' or 'dog'?",
        ),
        ({"things": [{"is": "animal", "which": "lion"}]}, "scene.things.0.which: no 'lion'"),
        ({"sounds": [{"is": "siren", "which": "synthetic 999"}]}, "scene.sounds.0.which: no 'synthetic 999'; do you"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(said, told):
    with pytest.raises(InputError) as caught:
        compose(spec(**said))
    assert str(caught.value).startswith(told)
