"""Once: what is put together is what would have been made of the whole, and it is made once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.agent.stream.small import FRAMES, SOUND, SOURCES, Walker, frame, noise
from tests.toys import EYES, RATE, Toy, sees_red
from veridical.agent.stream.frames import Shot
from veridical.agent.stream.once import Once
from veridical.agent.stream.units import join_frames
from veridical.agent.stream.window import AtHand
from veridical.errors import ContractError
from veridical.modalities.observation import prepare, segment
from veridical.modalities.vision import Vision


def hand(*seeds: int) -> AtHand:
    shots = tuple(Shot(float(k), frame(seed), str(seed)) for k, seed in enumerate(seeds))
    return AtHand([shot.frame for shot in shots], shots, 0.0)


def window(*seeds: int, wave: Any = None, text: str = "go on") -> dict[str, AtHand]:
    wave = noise(3 * RATE) if wave is None else wave
    return {"vision": hand(*seeds), "audio": AtHand((wave, RATE), (), 0.0), "text": AtHand(text, (), 0.0)}


def observation(at: dict[str, AtHand]) -> dict[str, Any]:
    return {m: x.signal for m, x in at.items() if x.signal is not None}


@pytest.mark.parametrize("size", [32, 48])
def test_frames_prepared_and_cut_up_one_by_one_are_those_of_all(size: int):
    sense = Vision(size=size, units=36, interval=0.5)
    frames = [np.kron(frame(k), np.ones((1, 2, 1), np.uint8)) for k in (1, 2, 1)]
    whole = sense.segment(sense.prepare(frames))
    joined = join_frames([sense.segment(sense.prepare([f])) for f in frames], 0.5)
    assert np.array_equal(joined.labels, whole.labels)
    assert joined.units == whole.units
    assert joined.neighbours == whole.neighbours


def test_what_is_known_of_a_window_is_what_would_be_found_out():
    system, at = Walker(), window(1, 2, 3)
    once = Once(system, SOURCES)
    for _ in range(2):
        given = once.read(at)
        prepared = prepare(system, observation(at))
        assert list(given.prepared) == list(prepared)
        for m, p in prepared.items():
            found = given.prepared[m]
            assert torch.equal(found.tensor, p.tensor)
            assert torch.equal(found.baseline, p.baseline)
            assert (found.duration, found.notes) == (p.duration, p.notes)
            assert (found.detail.keys(), found.detail.get("sizes")) == (p.detail.keys(), p.detail.get("sizes"))
            torch.testing.assert_close(given.features[m], system.encode(m, p.tensor), rtol=1e-5, atol=1e-5)
        for m, units in segment(system, prepared).items():
            assert np.array_equal(given.segmentations[m].labels, units.labels)
            assert given.segmentations[m].units == units.units


def test_each_frame_is_encoded_once():
    system = Walker()
    once = Once(system, SOURCES)
    once.read(window(0, 1, 2))
    before = dict(system.encoded)
    for k in range(1, 9):
        once.read(window(k, k + 1, k + 2))
    assert system.encoded["vision"] - before["vision"] == 8
    assert system.encoded["text"] == before["text"]
    assert system.encoded["audio"] == before["audio"]


def test_sound_is_encoded_again_only_where_its_samples_are_others():
    system, wave = Walker(), noise(5 * RATE)
    once = Once(system, SOURCES)
    once.read(window(1, wave=wave[: 3 * RATE]))
    before = system.encoded["audio"]
    once.read(window(1, wave=wave[400 : 3 * RATE + 400]))  # a row on: one new row
    assert system.encoded["audio"] - before == 1
    once.read(window(1, wave=wave[500 : 3 * RATE + 500]))  # a quarter of a row on: all are new
    assert system.encoded["audio"] - before == 1 + SOUND.rows.count(3 * RATE) if SOUND.rows else False


def test_a_sense_whose_rows_hang_together_is_found_out_and_encoded_as_a_whole():
    system = Walker(mixing=True)
    once = Once(system, SOURCES)
    for seeds in ((1, 2, 3), (2, 3, 4)):
        at = window(*seeds)
        given = once.read(at)
        tensor = prepare(system, observation(at))["vision"].tensor
        assert torch.equal(given.features["vision"], system.encode("vision", tensor))
    assert "encoded as a whole" in once.whole["vision"]
    assert once.status()["vision"]["whole"] == once.whole["vision"]


def test_without_rows_known_a_sense_is_encoded_as_a_whole():
    system = Walker()
    once = Once(system, {"vision": replace(FRAMES, rows=None)})
    for seeds in ((1, 2, 3), (1, 2, 3), (2, 3, 4)):
        once.read({"vision": hand(*seeds)})
    assert system.encoded["vision"] == 6


def test_nothing_is_used_again_where_that_is_asked_for():
    system = Walker()
    once = Once(system, SOURCES, reuse=False)
    for _ in range(3):
        once.read({"vision": hand(1, 2, 3)})
    assert system.encoded["vision"] == 3 * 3 + 3  # and the whole, once, to hold the parts against


@pytest.mark.usefixtures("unchecked")  # a check of types looks into the mapping, and so asks
def test_units_are_found_when_they_are_asked_for_and_each_frames_once(monkeypatch: pytest.MonkeyPatch):
    cut, sense = [], Vision(size=32, units=36)
    segment_one = Vision.segment
    monkeypatch.setattr(Vision, "segment", lambda self, p: (cut.append(1), segment_one(self, p))[1])
    once = Once(Toy(sees_red, sense), {"vision": FRAMES})
    given = [once.read({"vision": hand(k, k + 1, k + 2)}) for k in range(3)]
    assert "vision" in given[0].segmentations
    assert "audio" not in given[0].segmentations
    assert cut == []
    for known in given:
        assert list(dict(known.segmentations)) == ["vision"]
    assert len(cut) == 5


def test_of_a_system_that_cannot_be_split_there_are_no_features():
    given = Once(Toy(sees_red, EYES), {"vision": FRAMES}).read({"vision": hand(1), "audio": AtHand()})
    assert given.features == {}
    assert list(given.prepared) == ["vision"]


def test_an_encoder_that_loses_rows_breaks_the_contract():
    class Losing(Walker):
        def encode(self, modality: str, x: torch.Tensor) -> torch.Tensor:
            return super().encode(modality, x)[:0]

    with pytest.raises(ContractError, match="returned 0 rows for 3"):
        Once(Losing(), SOURCES).read({"vision": hand(1, 2, 3)})


def test_memory_is_bounded():
    once = Once(Walker(), SOURCES)
    for k in range(100):
        once.read(window(k, k + 1, wave=noise(RATE, k), text=str(k)))
    assert all(len(kept) <= kept.most <= 64 for stores in (once._rows, once._prepared) for kept in stores.values())
