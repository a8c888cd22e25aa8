"""The condition of a signal: each state, and its threshold from both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, SIDE, Toy, linear, picture, sound
from veridical.fusion.condition import CLIPPED, DARK, FLAT, SILENT, Condition, conditions
from veridical.modalities.array import Array
from veridical.modalities.contract import Prepared
from veridical.modalities.observation import prepare

TOUCH: Any = Array("touch", [4])
SYSTEM = Toy(linear({}))


def state(signal: Any, sense: Any) -> str:
    return told(sense.prepare(signal)).state


def told(prepared: Prepared) -> Condition:
    return conditions(SYSTEM, {prepared.modality: prepared})[prepared.modality]


def seen(frames: torch.Tensor) -> Condition:
    """The condition of frames (frames, 3, height, width)."""
    return told(Prepared("vision", frames[None], torch.zeros_like(frames)[None], None, float(len(frames))))


def heard(wave: np.ndarray | torch.Tensor) -> Condition:
    tensor = torch.as_tensor(wave, dtype=torch.float32)[None]
    return told(Prepared("audio", tensor, torch.zeros_like(tensor), None, 1.0))


def striped(mean: float, spread: float) -> torch.Tensor:
    """A frame whose pixels lie ``spread`` above and below a mean, by turns."""
    sign = torch.tensor([1.0, -1.0]).repeat(SIDE, SIDE // 2)
    return (mean + spread * sign).expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    ("signal", "sense", "expected"),
    [
        (picture(), EYES, "working"),
        (picture(3), EYES, "working"),
        (np.zeros((SIDE, SIDE, 3), np.uint8), EYES, "black"),
        (np.zeros((3, SIDE, SIDE, 3), np.uint8), EYES, "black"),
        (np.full((SIDE, SIDE, 3), 255, np.uint8), EYES, "blank"),
        (np.full((2, SIDE, SIDE, 3), 90, np.uint8), EYES, "blank"),
        (np.repeat(picture(), 3, 0), EYES, "frozen"),
        (np.repeat(picture(), 2, 0), EYES, "frozen"),
        (sound(), EARS, "working"),
        (np.zeros(RATE, np.float32), EARS, "silent"),
        (np.sign(sound()).astype(np.float32), EARS, "clipped"),
        (SENTENCE, READER, "working"),
        ("go", READER, "working"),
        ("7", READER, "working"),
        ("", READER, "empty"),
        (" \n ", READER, "empty"),
        ("... -- !", READER, "empty"),
        ([0.0, 1.0, 0.0, 0.0], TOUCH, "working"),
        ([0.0, 0.0, 0.0, 0.0], TOUCH, "still"),
    ],
)
def test_each_state_is_told(signal: Any, sense: Any, expected: str):
    system = Toy(linear({}), sense)
    found = conditions(system, prepare(system, {sense.name: signal}))[sense.name]
    assert found.state == expected
    assert bool(found.told) == (expected != "working")
    assert found.told == "" or found.told.endswith(".")


def test_a_sense_that_was_not_given_is_absent():
    found = conditions(SYSTEM, prepare(SYSTEM, {"text": SENTENCE}))
    assert {m: c.state for m, c in found.items()} == {"vision": "absent", "audio": "absent", "text": "working"}
    assert found["audio"].told == "It was not given."
    assert list(found) == list(SYSTEM.modalities)


def test_a_broken_sense_is_one_that_holds_nothing():
    broken = {"absent", "black", "blank", "silent", "empty", "still"}
    every = {*broken, "working", "frozen", "clipped"}
    assert {s for s in every if Condition(s).broken} == broken


@pytest.mark.parametrize(("spread", "expected"), [(FLAT - 1e-3, "blank"), (FLAT + 1e-3, "working")])
def test_a_frame_is_blank_up_to_a_spread(spread: float, expected: str):
    assert seen(striped(0.5, spread)).state == expected


@pytest.mark.parametrize(("mean", "expected"), [(DARK - 1e-3, "black"), (DARK + 1e-3, "blank")])
def test_what_shows_nothing_is_black_up_to_an_intensity(mean: float, expected: str):
    assert seen(striped(mean, FLAT / 2)).state == expected


def test_a_dark_frame_that_shows_something_works():
    assert seen(striped(DARK / 2, 2 * FLAT)).state == "working"


@pytest.mark.parametrize("colour", [(1.0, 0.0, 0.0), (0.2, 0.5, 0.9)])
def test_a_frame_of_one_colour_is_blank_whatever_the_colour(colour: tuple[float, float, float]):
    frame = torch.tensor(colour)[None, :, None, None].expand(2, 3, SIDE, SIDE)
    assert seen(frame).state == "blank"


def test_a_lamp_that_turns_on_before_a_covered_camera_is_no_picture():
    assert seen(torch.cat((striped(0.2, 0), striped(0.7, 0)))).state == "blank"


def test_one_frame_that_shows_something_is_enough():
    assert seen(torch.cat((striped(0, 0), striped(0.5, 0.1)))).state == "working"


def test_frames_are_frozen_only_if_all_are_the_same_to_the_bit():
    frames = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    same = frames[:1].repeat(4, 1, 1, 1)
    assert seen(same).state == "frozen"
    assert "All 4 frames are the same" in seen(same).told
    same[2, 1, 5, 5] += 1e-3
    assert seen(same).state == "working"
    assert seen(frames[:1]).state == "working"  # a single frame is no stream


@pytest.mark.parametrize(("peak", "expected"), [(0.99 * SILENT, "silent"), (1.01 * SILENT, "working")])
def test_a_recording_is_silent_up_to_a_peak(peak: float, expected: str):
    wave = np.zeros(RATE)
    wave[100] = -peak
    assert heard(wave).state == expected


@pytest.mark.parametrize(("share", "expected"), [(CLIPPED - 2e-3, "working"), (CLIPPED + 2e-3, "clipped")])
def test_a_recording_is_clipped_from_a_share_of_its_samples(share: float, expected: str):
    wave = np.full(RATE, 0.5)
    wave[: int(share * RATE) : 2] = 1.0
    wave[1 : int(share * RATE) : 2] = -1.0
    assert heard(wave).state == expected


def test_the_share_that_is_clipped_is_told():
    wave = np.full(100, 0.3)
    wave[:25] = -1.0
    assert "25\u00a0% of the samples are at full scale" in heard(wave).told
    assert not heard(wave).broken
