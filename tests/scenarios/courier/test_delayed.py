"""Delayed scenes: one siren, long past, and nothing else that could be the cause."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.errors import InputError
from veridical.modalities.observation import prepare
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.delayed import LONGEST, delayed_scene
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.partition import PARTITIONS
from veridical.scenarios.courier.scene import FRAMES, SIZE
from veridical.scenarios.courier.sounds import RATE, clips

pytestmark = pytest.mark.usefixtures("stamps")


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("delay", [0, 1, 5, 30])
def test_the_siren_ends_as_long_before_the_end_as_was_asked(partition, delay):
    for seed in range(5):
        scene = delayed_scene(seed, delay, partition)
        assert scene.seconds == 3 + delay
        assert scene.span is not None
        start, stop = scene.span
        assert 0 <= start <= 1
        assert stop == pytest.approx(3)
        assert scene.cause is not None
        assert scene.parts[0].sounds[scene.cause.index].clip in clips(partition)["siren"]


def test_nothing_else_is_a_cause():
    for seed in range(20):
        scene = delayed_scene(seed, 20)
        assert scene.parts[0].rule.name == "siren"
        assert {part.rule.name for part in scene.without().parts} == {"clear"}
        kinds = {c.kind for part in scene.without().parts for c in part.causes}
        assert kinds <= {"tame"}  # which says something of animals alone, and there are none in the way


@pytest.mark.parametrize("delay", [0, 4])
def test_an_observation_has_the_stated_shapes(delay):
    seen = delayed_scene(2, delay).render()
    wave, rate = seen["audio"]
    assert seen["vision"].shape == (3 + delay, SIZE, SIZE, 3)
    assert seen["vision"].dtype == np.uint8
    assert (wave.shape, wave.dtype, rate) == (((3 + delay) * RATE,), np.float32, RATE)
    assert isinstance(seen["text"], str)


def test_leaving_out_the_siren_changes_nothing_else():
    for seed in range(4):
        scene = delayed_scene(seed, 7)
        whole, rest = scene.render(), scene.without().render()
        np.testing.assert_array_equal(whole["vision"], rest["vision"])
        assert whole["text"] == rest["text"]
        changed = np.flatnonzero(whole["audio"][0] != rest["audio"][0]) / RATE
        assert scene.span is not None
        assert scene.span[0] <= changed[0] + 1 / RATE
        assert scene.span[0] + 0.1 > changed[0]
        assert changed[-1] < FRAMES


def test_a_longer_scene_goes_on_where_a_shorter_one_ends():
    short, long = delayed_scene(3, 2).render(), delayed_scene(3, 8).render()
    np.testing.assert_array_equal(long["vision"][:5], short["vision"])
    np.testing.assert_array_equal(long["audio"][0][: 5 * RATE], short["audio"][0])
    assert long["text"] == short["text"]


def test_the_street_is_one_street_and_its_traffic_goes_on():
    parts = delayed_scene(1, 9).parts
    assert len({part.background for part in parts}) == len({part.light for part in parts}) == 1
    heard = [part.sounds[0] for part in parts]
    assert len({(h.clip, h.level) for h in heard}) == 1
    assert np.diff([h.offset for h in heard]).tolist() == pytest.approx([FRAMES] * 3)
    assert len({part.things for part in parts}) > 1


def test_a_scene_is_the_same_from_the_same_seed_and_no_other():
    assert delayed_scene(5, 6) == delayed_scene(5, 6)
    assert delayed_scene(5, 6) != delayed_scene(6, 6)
    assert delayed_scene(5, 6) != delayed_scene(5, 6, "held-out")


def test_courier_still_acts_on_a_siren_that_is_past():
    courier = load()
    scene = delayed_scene(0, 6, "held-out")
    scores = []
    for one in (scene, scene.without()):
        with torch.no_grad():
            scores.append(courier({m: p.tensor for m, p in prepare(courier, one.render()).items()}))
    assert courier.actions[int(scores[0].argmax())] == "YIELD"
    effect = decision_score(scores[0], 3) - decision_score(scores[1], 3)
    assert float(effect) > 3


def test_bad_input_is_refused_in_words():
    with pytest.raises(InputError, match=rf"a delay of {LONGEST + 1} s; 0 to {LONGEST} is wanted"):
        delayed_scene(0, LONGEST + 1)
    with pytest.raises(InputError, match="a delay of -1 s"):
        delayed_scene(0, -1)
    with pytest.raises(InputError, match="partition: no 'both'"):
        delayed_scene(0, 1, "both")
    silent = delayed_scene(0, 1).without()
    assert (silent.cause, silent.span) == (None, None)
    with pytest.raises(InputError, match="there is no siren to leave out"):
        silent.without()
