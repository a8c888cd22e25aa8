"""The built-in observation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.modalities.observation import prepare
from veridical.scenarios.courier import example as module
from veridical.scenarios.courier import sounds
from veridical.scenarios.courier.example import INSTRUCTION, example
from veridical.scenarios.courier.instructions import CLAUSES
from veridical.scenarios.courier.scene import FRAMES


@pytest.fixture(scope="module")
def observation():
    return example()


def test_it_is_three_seconds_of_every_sense(observation):
    assert list(observation) == ["vision", "audio", "text"]
    assert [frame.shape for frame in observation["vision"]] == [(300, 300, 3), (280, 280, 3), (260, 260, 3)]
    assert all(frame.dtype == np.uint8 for frame in observation["vision"])
    wave, rate = observation["audio"]
    assert (len(wave), rate) == (FRAMES * rate, 16000)
    assert 0.01 < np.abs(wave).max() <= 1
    assert observation["text"] == INSTRUCTION


def test_the_cat_comes_nearer(observation):
    """Each frame is the one before, cut closer: the last lies within the first."""
    first, last = observation["vision"][0].astype(int), observation["vision"][2].astype(int)
    places = [(y, x) for y in range(41) for x in range(41) if (first[y : y + 260, x : x + 260] == last).all()]
    assert len(places) == 1


def test_courier_was_not_trained_on_its_stretch_of_the_street(observation):
    first, last = module._BELLS_FROM, module._BELLS_FROM + FRAMES
    trained = (*sounds._BELLS["train"], *sounds._TRAFFIC["train"])
    assert all(last <= a or b <= first for a, b in trained)
    assert any(a <= first and last <= b for a, b in sounds._BELLS["held-out"])


def test_its_instruction_is_small_talk_that_courier_was_not_trained_on():
    assert not any(c.text in INSTRUCTION for kind in CLAUSES["train"].values() for c in kind)


def test_courier_stops_for_it_with_every_sense_present(courier, observation):
    with torch.no_grad():
        scores = courier({m: p.tensor for m, p in prepare(courier, observation).items()})
    assert courier.actions[int(scores.argmax())] == "STOP"


def test_it_is_made_anew_each_time(courier, observation):
    again = courier.example()
    again["vision"][0][:] = 0
    assert observation["vision"][0].any()
    assert example()["vision"][0].any()
