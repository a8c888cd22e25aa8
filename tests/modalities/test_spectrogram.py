"""The log-mel spectrogram as a sense."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from tests.toys import Toy
from veridical.errors import InputError
from veridical.modalities.check import check_system
from veridical.modalities.contract import Modality
from veridical.modalities.encoders.whisper import SAMPLE_RATE, SAMPLES, log_mel
from veridical.modalities.spectrogram import Spectrogram

SENSE = Spectrogram()


def recording(seconds: float = 1.0) -> np.ndarray:
    """A rising tone in a little noise, silent in its second half."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sweep = signal.chirp(at, 200, at[-1] + 1 / SAMPLE_RATE, 6000) * (at < seconds / 2)
    return (0.3 * sweep + 0.001 * np.random.default_rng(0).standard_normal(len(at))).astype(np.float32)


SOUND = SENSE.prepare(recording())
CELLS = SENSE.segment(SOUND)
FRAMES = SOUND.tensor.shape[-1]
edits = st.lists(st.lists(st.integers(0, len(CELLS) - 1), max_size=8), max_size=3)
few = settings(deadline=None, max_examples=20)


def test_a_spectrogram_is_a_modality():
    assert isinstance(SENSE, Modality)
    assert (SENSE.name, SENSE.operators) == ("spectrogram", ("silence", "floor"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": (0.03, 8)}, r"cells of 0.03 s; give at least 0.04 s"),
        ({"cell": (float("nan"), 8)}, "cells of nan s"),
        ({"cell": (0.25, 0)}, "0 bands; give 1 to 80"),
        ({"cell": (0.25, 81)}, "81 bands; give 1 to 80"),
        ({"name": "audio"}, "name 'audio'; give a name, and one that no other kind of sense has"),
    ],
)
def test_options_out_of_range(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Spectrogram(**options)


def test_the_tensor_is_the_front_ends_with_one_frame_of_silence_behind_the_recording():
    whole = log_mel(torch.from_numpy(recording())[None])
    assert SOUND.detail["frames"] == 102  # the last one to reach the recording is centred 160 samples behind it
    assert FRAMES == 103
    torch.testing.assert_close(SOUND.tensor, whole[:, :, :FRAMES], atol=1e-6, rtol=0)
    torch.testing.assert_close(SOUND.tensor[:, :, -1:].expand(-1, -1, 3000 - 102), whole[:, :, 102:], atol=1e-6, rtol=0)
    assert torch.equal(SOUND.tensor[:, :, -1], SOUND.baseline[:, :, -1])
    assert SOUND.detail["floor"] == float(SOUND.tensor.max()) - 2
    assert SOUND.duration == 1.0
    assert np.array_equal(SOUND.raw, recording())


def test_silence_is_its_own_baseline():
    prepared = SENSE.prepare(np.zeros(4000, np.float32))
    assert torch.equal(prepared.tensor, torch.full_like(prepared.tensor, -1.5))
    assert torch.equal(prepared.tensor, prepared.baseline)
    assert SENSE.energy(prepared, prepared.tensor).tolist() == [0]


def test_what_is_longer_than_30_s_is_cut_and_has_no_frame_behind():
    prepared = SENSE.prepare((np.zeros(8000 * 31, np.float32), 8000))
    assert prepared.notes[1] == "Whisper hears 30 s at once; the 31.0 s were cut to the first 30"
    assert prepared.tensor.shape == (1, 80, 3000)
    assert len(prepared.raw) == SAMPLES
    assert (SENSE.segment(prepared).labels >= 0).all()


def test_what_cannot_be_read_is_an_input_error():
    with pytest.raises(InputError, match="is empty"):
        SENSE.prepare(np.zeros(0, np.float32))


def test_cells_tile_time_and_mel():
    assert CELLS.labels.shape == (80, 103)
    assert np.array_equal(np.unique(CELLS.labels), np.arange(-1, 32))
    assert (CELLS.labels[:, -1] == -1).all()
    assert (CELLS.labels[:, :-1] >= 0).all()
    assert [unit.time for unit in CELLS.units[::8]] == [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    bands = [unit.band or (0.0, 0.0) for unit in CELLS.units[:8]]
    assert (bands[0][0], bands[-1][1]) == (0, 8000)
    assert [a[1] for a in bands[:-1]] == [b[0] for b in bands[1:]]
    assert CELLS.neighbours[9] == (1, 8, 10, 17)


def test_a_bands_centre_lies_in_its_cell():
    views = SENSE.attribute(SOUND, SOUND.tensor)
    _, coords, _ = views["units"]
    for unit in CELLS.units:
        rows, columns = np.nonzero(CELLS.labels == unit.index)
        assert unit.band is not None
        assert unit.band[0] < coords["mel"][rows.min()] <= coords["mel"][rows.max()] < unit.band[1]
        assert unit.time[0] <= coords["frame"][columns.min()]


def test_a_tone_is_brightest_in_the_band_of_its_frequency():
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for hertz in (300, 1000, 3000):
        prepared = SENSE.prepare((0.3 * np.sin(2 * np.pi * hertz * at)).astype(np.float32))
        row = int(prepared.tensor[0, :, 50].argmax())
        assert SENSE.centres[row] == pytest.approx(hertz, rel=0.05)


@few
@given(st.integers(1, 30_000), st.integers(1, 80))
def test_any_length_is_cut_and_every_frame_of_the_recording_has_a_unit(samples: int, bands: int):
    sense = Spectrogram(cell=(0.1, bands))
    prepared = sense.prepare(np.zeros(samples, np.float32))
    found = sense.segment(prepared)
    assert found.labels.shape == tuple(prepared.tensor.shape[1:])
    assert (found.labels[:, : prepared.detail["frames"]] >= 0).all()
    assert found.labels.max() < len(found)
    assert found.units[-1].time[1] == pytest.approx(samples / SAMPLE_RATE)


@few
@given(edits, st.sampled_from(Spectrogram.operators))
def test_infill_changes_its_cells_alone_and_raises_nothing(chosen: list[list[int]], operator: str):
    edited = SENSE.infill(SOUND, chosen, operator, CELLS)
    assert edited.shape == (len(chosen), 80, FRAMES)
    for edit, after in zip(chosen, edited, strict=True):
        outside = torch.from_numpy(~np.isin(CELLS.labels, edit))
        assert torch.equal(after[outside], SOUND.tensor[0][outside])
        assert (after <= SOUND.tensor[0]).all()
        assert (after >= SOUND.detail["floor"] - 1e-6).all()


def test_silence_in_every_cell_is_the_baseline():
    edited = SENSE.infill(SOUND, [range(len(CELLS))], "silence", CELLS)
    assert torch.equal(edited, SOUND.baseline)
    assert SENSE.energy(SOUND, edited).tolist() == [1]
    assert SENSE.energy(SOUND, SENSE.infill(SOUND, [[]], "floor", CELLS)).tolist() == [0]


def test_the_floor_is_what_a_fifth_of_the_frames_stay_below():
    edited = SENSE.infill(SOUND, [range(len(CELLS))], "floor", CELLS)[0, :, :102]
    ordered = SOUND.tensor[0, :, :102].sort(dim=1).values
    torch.testing.assert_close(edited, torch.minimum(SOUND.tensor[0, :, :102], ordered[:, 20:21]))


def test_attribution_sums_to_the_product_and_silence_behind_has_no_share():
    gradient = torch.randn(1, 80, FRAMES, generator=torch.Generator().manual_seed(0))
    dims, coords, values = SENSE.attribute(SOUND, gradient)["units"]
    assert dims == ("mel", "frame")
    assert [len(coords[dim]) for dim in dims] == list(values.shape) == list(CELLS.labels.shape)
    whole = float((gradient.double() * (SOUND.tensor - SOUND.baseline)).sum())
    assert values.sum() == pytest.approx(whole, rel=1e-6)
    assert CELLS.total(values).sum() == pytest.approx(whole, rel=1e-6)
    assert coords["frame"][[0, 1]].tolist() == [0, 0.01]


def test_a_units_contribution_is_its_effect_where_the_score_is_linear():
    gradient = torch.randn(1, 80, FRAMES, generator=torch.Generator().manual_seed(1))
    edited = SENSE.infill(SOUND, [[i] for i in range(len(CELLS))], "silence", CELLS)
    effects = ((SOUND.tensor - edited).double() * gradient).sum((1, 2)).numpy()
    contributions = CELLS.total(SENSE.attribute(SOUND, gradient)["units"][2])
    np.testing.assert_allclose(effects, contributions, rtol=1e-4, atol=1e-4)


def test_sensitivity_is_the_gradients_size_and_variances_stay_as_they_are():
    gradient = torch.randn(1, 80, FRAMES, generator=torch.Generator().manual_seed(2))
    np.testing.assert_allclose(SENSE.sensitivity(SOUND, gradient)["units"][2], gradient[0].abs().numpy())
    np.testing.assert_allclose(SENSE.sensitivity(SOUND, gradient**2, True)["units"][2], gradient[0].numpy() ** 2)


def test_the_path_is_straight():
    value, slope = SENSE.schedule(torch.tensor([0.0, 0.3, 1.0]))
    assert value.tolist() == torch.tensor([0.0, 0.3, 1.0]).tolist()
    assert slope.tolist() == [1, 1, 1]


def test_show_joins_cells_that_touch():
    assert SENSE.show([CELLS.units[i] for i in (0, 1, 8, 9)]) == "0–0.5 s, 0–763 Hz"
    assert SENSE.show(CELLS.units) == "0–1 s, 0.0–8.0 kHz"


def test_unknown_operators_and_units():
    with pytest.raises(InputError, match="spectrogram: no infill operator 'mean'; it has silence, floor"):
        SENSE.infill(SOUND, [[0]], "mean", CELLS)
    with pytest.raises(InputError, match="spectrogram: edit 0 names unit 32"):
        SENSE.infill(SOUND, [[32]], "silence", CELLS)


def test_a_system_over_spectrograms_passes_the_check():
    toy = Toy(lambda inputs: inputs["spectrogram"][:, 40:50].mean((1, 2)), SENSE)
    assert "a finite gradient arrives at spectrogram" in check_system(toy, {"spectrogram": recording()})
