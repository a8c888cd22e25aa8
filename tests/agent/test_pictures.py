from __future__ import annotations

import base64
import io
import wave

import numpy as np
from PIL import Image

from tests.agent.sample import RATE, siren
from veridical.agent import pictures


def test_png_gives_back_the_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    found = Image.open(io.BytesIO(base64.b64decode(pictures.png(pixels).split(",")[1])))
    np.testing.assert_array_equal(np.asarray(found), pixels)


def test_wav_gives_back_the_samples():
    samples = siren(0.5)
    with wave.open(io.BytesIO(base64.b64decode(pictures.wav(samples, RATE).split(",")[1]))) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
        found = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    np.testing.assert_allclose(found, samples, atol=1 / 32767)


def test_outline_of_a_rectangle_is_its_four_sides():
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    assert pictures.outline(mask) == "M2 1H4M2 3H4M2 1V3M4 1V3"
    assert pictures.outline(np.ones((2, 3), bool)) == "M0 0H3M0 2H3M0 0V2M3 0V2"
    assert pictures.outline(np.zeros((2, 3), bool)) == ""


def test_level_is_a_signed_square_root_that_saturates():
    np.testing.assert_allclose(pictures.level(np.array([-8, -1, -0.25, 0, 0.25, 4]), 1.0), [-1, -1, -0.5, 0, 0.5, 1])


def test_tint_is_clear_at_nought_and_two_hues_apart():
    against, none, favour = pictures.tint(np.array([[-1.0, 0.0, 1.0]]), 1.0)[0].astype(int)
    assert none[3] == 0
    assert favour[0] > favour[2]
    assert against[2] > against[0]
    assert favour[3] == against[3] > 200


def test_per_unit_spreads_and_leaves_out():
    labels = np.array([[0, 0, -1], [1, 5, 5]])
    np.testing.assert_array_equal(pictures.per_unit(labels, {0: 2.0, 5: -1.0}), [[2, 2, 0], [0, -1, -1]])


def test_density_of_an_even_map_is_the_mean_units_contribution():
    labels = np.repeat(np.arange(4), 16 * 4).reshape(1, 16, 16)
    found = pictures.density(np.full((1, 16, 16), 0.5), labels)
    np.testing.assert_allclose(found, 0.5 * 64)


def test_mel_rows_run_from_the_top_down_and_reach_both_ends():
    rows = pictures.mel_rows(np.linspace(0, 8000, 257), 100)
    assert (rows[0], rows[-1]) == (256, 0)
    assert (np.diff(rows) <= 0).all()
    assert 1000 < np.linspace(0, 8000, 257)[rows[50]] < 2500  # the middle in mel is near 1.8 kHz


def test_spectrum_finds_a_tone():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    found = pictures.spectrum(tone)
    assert found.shape == (257, 126)
    assert (found[:, 20:100].argmax(axis=0) == 32).all()  # 1000 Hz of 31.25 Hz bins
