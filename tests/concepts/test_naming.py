"""Names for evidence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from tests.agent.sample import siren
from tests.toys import READER
from veridical.concepts.naming import Name, Namer
from veridical.modalities.audio import Audio
from veridical.modalities.vision import Vision

EYES = Vision(size=224, units=16)
CAT = EYES.prepare(chelsea())
PARTS = EYES.segment(CAT)
EVERYTHING = range(len(PARTS))


def test_a_cat_is_named_by_imagenet():
    found = Namer(seen=0.2).name(CAT, PARTS, EVERYTHING)
    assert found is not None
    assert "cat" in found.text or found.text in ("tabby", "lynx")
    assert found.source == "ImageNet"
    assert 0.2 <= found.confidence <= 1


def test_below_the_stated_probability_nothing_is_named():
    found = Namer(seen=0.0).name(CAT, PARTS, EVERYTHING)
    assert found is not None
    assert Namer(seen=min(1.0, found.confidence + 1e-4)).name(CAT, PARTS, EVERYTHING) is None


def test_a_sound_has_the_same_name_whatever_the_rate():
    at = np.arange(48000) / 16000
    sweep = 0.5 * np.sin(2 * np.pi * 800 * at + 600 * np.sin(np.pi * at))
    found = []
    for rate in (16000, 8000, 22050):
        ears = Audio(rate=rate)
        prepared = ears.prepare((sweep, 16000))
        found.append(Namer().name(prepared, ears.segment(prepared), range(64, 96)))
    assert {name and (name.text, name.source) for name in found} == {("Synthesizer", "AudioSet")}


def test_only_the_claims_time_is_listened_to():
    ears = Audio()
    prepared = ears.prepare(np.concatenate([np.zeros(48000, np.float32), siren(3.0)[-32000:]]))
    cells = ears.segment(prepared)
    late = Namer(heard=0.0).name(prepared, cells, [len(cells) - 1])
    early = Namer(heard=0.0).name(prepared, cells, [0])
    assert late is not None
    assert early is not None
    assert (early.text, late.text) == ("Silence", late.text)
    assert late.text != "Silence"


def test_a_tenth_of_a_second_can_be_asked_about():
    ears = Audio()
    prepared = ears.prepare(np.zeros(100, np.float32))
    assert isinstance(Namer(heard=0.0).name(prepared, ears.segment(prepared), [0]), Name)


@pytest.mark.parametrize("units", [(), (0,)])
def test_words_and_nothing_have_no_name(units: tuple[int, ...]):
    order = READER.prepare("stop")
    assert Namer().name(order, READER.segment(order), units) is None
    assert Namer().name(CAT, PARTS, ()) is None


def test_the_crop_is_a_square_around_the_units_within_the_frame():
    from veridical.concepts.naming import _crop

    frame = torch.zeros(3, 100, 100)
    frame[:, 40:60, 0:10] = 1
    mask = frame[0] > 0
    crop = _crop(frame, mask, 0.0)
    assert crop.shape == (1, 3, 224, 224)
    assert 0.4 < float(crop.mean()) < 0.6  # half of the 20 x 20 square: it cannot reach beyond the left edge
    one = torch.zeros(100, 100, dtype=torch.bool)
    one[99, 99] = True
    assert _crop(frame, one, 0.15).shape == (1, 3, 224, 224)
