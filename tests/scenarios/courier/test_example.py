"""The built-in observation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veridical.modalities.observation import prepare
from veridical.scenarios.courier import example as module
from veridical.scenarios.courier import sounds
from veridical.scenarios.courier.background import draw_background
from veridical.scenarios.courier.example import INSTRUCTION, example
from veridical.scenarios.courier.instructions import CLAUSES
from veridical.scenarios.courier.scene import FRAMES, SIZE


@pytest.fixture(scope="module")
def observation():
    return example()


def test_it_is_three_seconds_of_every_sense(observation):
    assert list(observation) == ["vision", "audio", "text"]
    assert observation["vision"].shape == (FRAMES, SIZE, SIZE, 3)
    assert observation["vision"].dtype == np.uint8
    wave, rate = observation["audio"]
    assert (len(wave), rate) == (FRAMES * rate, 16000)
    assert 0.01 < np.abs(wave).max() <= 1
    assert observation["text"] == INSTRUCTION


def test_the_cat_comes_nearer_on_the_road(observation):
    """The cat stands in the middle, and what is not the cat is the road as it is drawn; each second it is higher."""
    for i, frame in enumerate(observation["vision"]):
        road = (np.clip(draw_background(module._ROAD, i, SIZE), 0, 1) * 255).astype(np.uint8)
        rows, columns = np.nonzero((frame != road).any(2))
        height = 112 + 9 * i
        assert rows.max() == pytest.approx(0.93 * SIZE, abs=4)  # its feet stay where they are
        assert np.ptp(rows) == pytest.approx(height, abs=6)
        assert np.ptp(columns) == pytest.approx(height * 280 / 298, abs=6)  # the oval's axes
        assert (columns.min() + columns.max()) / 2 == pytest.approx(SIZE / 2, abs=3)


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
