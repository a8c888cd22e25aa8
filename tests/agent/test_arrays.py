"""The arrays that go with an explanation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.toys import RATE, SENTENCE, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent.arrays import _decibels, _indices
from veridical.agent.explainer import Settings, explain
from veridical.modalities.saliency import SaliencyMap

TOY = Toy(lambda i: 0.5 * sees_red(i) + 0.5 * hears_tone(i) + reads_cat(i))
OBSERVATION = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
FOUND = explain(TOY, OBSERVATION, Settings(namer=None, salt="s"))
RESULT, ARRAYS = FOUND.to_dict(), FOUND.arrays()


def test_each_sense_has_its_arrays_and_they_fit():
    assert ARRAYS["vision.frames"].shape == (2, 32, 32, 3)
    assert ARRAYS["vision.saliency"].shape == ARRAYS["vision.units"].shape == (2, 32, 32)
    bins, windows = ARRAYS["audio.saliency"].shape
    assert ARRAYS["audio.spectrogram"].shape == ARRAYS["audio.units"].shape == (bins, windows)
    assert ARRAYS["audio.frequencies"].shape == (bins,)
    assert ARRAYS["audio.times"].shape == (windows,)
    assert ARRAYS["audio.waveform"].shape == ARRAYS["audio.waveform_saliency"].shape == (RATE,)
    assert ARRAYS["text.saliency"].shape == (30,)
    assert int(ARRAYS["text.saliency"].argmax()) == 20
    for m, name in (("vision", "vision.saliency"), ("audio", "audio.saliency"), ("text", "text.saliency")):
        assert ARRAYS[name].sum() == pytest.approx(RESULT["attribution"]["shares"][m], abs=1e-3)
    for claim in RESULT["claims"]:
        kept = [n for n in ARRAYS if n.startswith(f"counterfactual.{claim['id']}.")]
        assert len(kept) == (0 if claim["modality"] == "text" else 2)


def grid(windows: int, hop: int = 128) -> SaliencyMap:
    values = np.zeros((257, windows), np.float32)
    coords = {"frequency": np.arange(257) * 31.25, "time": np.arange(windows) * hop / 16000}
    return SaliencyMap("audio", values, ("frequency", "time"), coords, "STOP", "method", "silence")


def test_a_sine_of_full_scale_is_at_0_decibels():
    wave = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    level = _decibels(wave, grid(126), 16000)
    assert level.shape == (257, 126)
    assert level[32, 60] == pytest.approx(0, abs=0.01)
    assert level.max() <= 0.01
    assert level.min() == pytest.approx(-120)


@pytest.mark.parametrize("samples", [1, 100, 511, 512, 1000])
def test_the_spectrum_of_a_short_sound_has_the_grid_of_its_map(samples: int):
    windows = 1 + samples // 128
    assert _decibels(np.zeros(samples, np.float32), grid(windows), 16000).shape == (257, windows)


def test_unit_indices_never_wrap():
    assert _indices(np.array([-1, 32767])).dtype == np.int16
    many = _indices(np.array([-1, 40_000]))
    assert (many.dtype, many.tolist()) == (np.int32, [-1, 40_000])
