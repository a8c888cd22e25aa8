"""Audio: a recording."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from veridical.errors import InputError
from veridical.modalities.audio import Audio
from veridical.modalities.contract import Modality
from veridical.modalities.evidence import EvidenceUnit

SENSE = Audio()
RATE = 16000


def recording(seconds: float = 1.0) -> np.ndarray:
    """A rising tone in a little noise."""
    at = np.arange(round(seconds * RATE)) / RATE
    sweep = signal.chirp(at, 200, at[-1] + 1 / RATE, 6000)
    return (0.3 * sweep + 0.01 * np.random.default_rng(0).standard_normal(len(at))).astype(np.float32)


SOUND = SENSE.prepare(recording())
CELLS = SENSE.segment(SOUND)
edits = st.lists(st.lists(st.integers(0, len(CELLS) - 1), max_size=8), max_size=3)
few = settings(deadline=None, max_examples=20)


def test_audio_is_a_modality():
    assert isinstance(SENSE, Modality)
    assert SENSE.name == "audio"
    assert SENSE.operators == ("silence", "floor", "interpolate", "swap")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate 0; give 1000 to 192000 Hz"),
        ({"cell": (0.01, 8)}, r"cells of 0.01 s at 16000 Hz; give at least 0.032 s"),
        ({"cell": (float("nan"), 8)}, "cells of nan s"),
        ({"cell": (0.25, 0)}, "0 bands"),
        ({"cell": (0.25, 200)}, "200 bands"),
    ],
)
def test_options_out_of_range(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Audio(**options)


def test_prepare():
    assert SOUND.tensor.shape == (1, RATE)
    assert SOUND.tensor.dtype == torch.float32
    assert SOUND.duration == 1.0
    assert np.array_equal(SOUND.raw, recording())
    assert torch.equal(SOUND.baseline, torch.zeros(1, RATE))
    assert SENSE.prepare((np.zeros((8000, 2)), 8000)).notes == (
        "2 channels were mixed down to one",
        "resampled from 8000 Hz to 16000 Hz",
    )


def test_what_cannot_be_read_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        SENSE.prepare(tmp_path / "gone.wav")


def test_the_tensor_does_not_share_memory_with_the_raw_signal():
    prepared = SENSE.prepare(recording())
    prepared.tensor.zero_()
    assert np.abs(prepared.raw).max() > 0.2


def test_cells_tile_time_and_frequency():
    assert CELLS.labels.shape == (257, 126)
    assert np.array_equal(np.unique(CELLS.labels), np.arange(32))
    assert [unit.index for unit in CELLS.units] == list(range(32))
    assert [unit.time for unit in CELLS.units[::8]] == [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    bands = [unit.band for unit in CELLS.units[:8]]
    assert all(bands)
    assert bands[0][0] == 0  # type: ignore[index]
    assert bands[-1][1] == 8000  # type: ignore[index]
    assert [a[1] for a in bands[:-1]] == [b[0] for b in bands[1:]]  # type: ignore[index]


@pytest.mark.parametrize("cell", range(32))
def test_labels_lie_within_their_cells(cell: int):
    unit = CELLS.units[cell]
    rows, columns = np.nonzero(CELLS.labels == cell)
    assert unit.band is not None
    assert unit.band[0] <= rows.min() * 31.25 <= rows.max() * 31.25 <= unit.band[1]
    assert unit.time[0] <= columns.min() * 0.008 <= columns.max() * 0.008 <= unit.time[1]


@few
@given(st.integers(1, 20_000), st.sampled_from([8000, 16000, 44100]), st.integers(1, 12))
def test_any_length_is_cut_without_holes(samples: int, rate: int, bands: int):
    sense = Audio(rate, (0.1, bands))
    prepared = sense.prepare(np.zeros(samples))
    found = sense.segment(prepared)
    assert np.array_equal(np.unique(found.labels), np.arange(len(found)))
    assert found.units[0].time[0] == 0
    assert found.units[-1].time[1] == pytest.approx(samples / rate)


def test_neighbours_share_an_edge():
    assert CELLS.neighbours[0] == (1, 8)
    assert CELLS.neighbours[9] == (1, 8, 10, 17)
    assert CELLS.neighbours[31] == (23, 30)
    for index, near in enumerate(CELLS.neighbours):
        assert all(index in CELLS.neighbours[other] for other in near)


@pytest.mark.parametrize("operator", Audio.operators)
def test_an_empty_edit_changes_nothing(operator: str):
    assert torch.equal(SENSE.infill(SOUND, [[]], operator, CELLS), SOUND.tensor)
    assert SENSE.infill(SOUND, [], operator, CELLS).shape == (0, RATE)


@few
@given(edits, st.sampled_from(Audio.operators))
def test_infill_stays_near_its_cells_in_time(chosen: list[list[int]], operator: str):
    edited = SENSE.infill(SOUND, chosen, operator, CELLS)
    assert edited.shape == (len(chosen), RATE)
    assert torch.isfinite(edited).all()
    for edit, after in zip(chosen, edited, strict=True):
        changed = (after != SOUND.tensor[0]).nonzero()[:, 0].tolist()
        allowed = [(CELLS.units[i].time[0] - 512 / RATE, CELLS.units[i].time[1] + 512 / RATE) for i in edit]
        assert all(any(a <= sample / RATE <= b for a, b in allowed) for sample in changed)


def test_silence_in_every_cell_is_silence():
    edited = SENSE.infill(SOUND, [list(range(len(CELLS)))], "silence", CELLS)
    assert edited.abs().max() < 1e-6
    assert SENSE.energy(SOUND, edited).item() == pytest.approx(1)


def test_silenced_parts_of_a_partition_add_up_to_the_recording():
    edited = SENSE.infill(SOUND, [[i] for i in range(len(CELLS))], "silence", CELLS)
    assert torch.allclose((SOUND.tensor - edited).sum(0), SOUND.tensor[0], atol=1e-5)


def test_silence_takes_one_of_two_tones_away():
    at = np.arange(RATE) / RATE
    low, high = 0.3 * np.sin(2 * np.pi * 400 * at), 0.3 * np.sin(2 * np.pi * 3200 * at)
    prepared = SENSE.prepare(low + high)
    cells = SENSE.segment(prepared)
    above = [unit.index for unit in cells.units if unit.band and unit.band[0] < 3200 < unit.band[1]]
    left = SENSE.infill(prepared, [above], "silence", cells)[0].numpy()
    assert np.abs(left - low)[600:-600].max() < 0.01


def test_floor_lowers_a_sound_to_the_background_and_amplifies_nothing():
    noise = 0.01 * np.random.default_rng(0).standard_normal(2 * RATE)
    burst = noise.copy()
    burst[RATE : RATE + 4000] += 0.3 * np.sin(2 * np.pi * 1000 * np.arange(4000) / RATE)
    prepared = SENSE.prepare(burst)
    cells = SENSE.segment(prepared)
    everything = list(range(len(cells)))
    edited = SENSE.infill(prepared, [everything], "floor", cells)[0].numpy()
    assert np.abs(edited[RATE : RATE + 4000]).max() < 0.05
    assert 0.1 * noise.std() < edited[:RATE].std() < noise.std()


def test_interpolation_keeps_the_level_of_a_tone_across_the_hole():
    at = np.arange(2 * RATE) / RATE
    prepared = SENSE.prepare(0.3 * np.sin(2 * np.pi * 1000 * at))
    cells = SENSE.segment(prepared)
    middle = [unit.index for unit in cells.units if 0.5 <= unit.time[0] < 1.25]
    edited = SENSE.infill(prepared, [middle], "interpolate", cells)
    assert (edited - prepared.tensor).abs().max() < 1e-3
    assert SENSE.energy(prepared, edited).item() < 1e-3


def test_interpolation_takes_a_burst_out_of_steady_noise():
    noise = 0.01 * np.random.default_rng(0).standard_normal(2 * RATE)
    burst = noise.copy()
    burst[RATE : RATE + 4000] += 0.3 * np.sin(2 * np.pi * 1000 * np.arange(4000) / RATE)
    prepared = SENSE.prepare(burst)
    cells = SENSE.segment(prepared)
    around = [unit.index for unit in cells.units if unit.time[1] > 0.8 and unit.time[0] < 1.4]
    edited = SENSE.infill(prepared, [around], "interpolate", cells)[0].numpy()
    assert 0.5 * noise.std() < edited[RATE : RATE + 4000].std() < 1.5 * noise.std()


def test_a_band_edited_throughout_is_interpolated_from_the_bands_beside_it():
    edits = [[unit.index for unit in CELLS.units if unit.index % 8 == 3]]
    edited = SENSE.infill(SOUND, edits, "interpolate", CELLS)
    assert 0 < SENSE.energy(SOUND, edited).item() < 1


def test_a_swap_puts_another_time_of_the_recording_there():
    prepared = SENSE.prepare(np.random.default_rng(0).standard_normal(2 * RATE) / 10)
    cells = SENSE.segment(prepared)
    cut = [unit.index for unit in cells.units if 0.75 <= unit.time[0] < 1]
    edited = SENSE.infill(prepared, [cut], "swap", cells)[0]
    inside = slice(round(0.85 * RATE), round(0.95 * RATE))  # away from the feathered edges
    found = [
        128 * s
        for s in range(-125, 126)
        if inside.start + 128 * s >= 0 and inside.stop + 128 * s <= 2 * RATE
        if torch.allclose(edited[inside], prepared.tensor[0, inside.start + 128 * s : inside.stop + 128 * s], atol=1e-5)
    ]
    assert len(found) == 1
    assert abs(found[0]) > RATE / 4


@pytest.mark.parametrize("operator", ["interpolate", "swap"])
def test_of_a_recording_edited_whole_silence_is_left(operator: str):
    edited = SENSE.infill(SOUND, [list(range(len(CELLS)))], operator, CELLS)
    assert edited.abs().max() < 1e-6


@pytest.mark.parametrize("operator", Audio.operators)
def test_edits_do_not_depend_on_the_edits_beside_them(operator: str):
    many = [[i, i + 3] for i in range(20)]
    together = SENSE.infill(SOUND, many, operator, CELLS)
    assert torch.allclose(together[17], SENSE.infill(SOUND, [many[17]], operator, CELLS)[0], atol=1e-7)


def test_silence_stays_silence():
    prepared = SENSE.prepare(np.zeros(4000))
    cells = SENSE.segment(prepared)
    for operator in Audio.operators:
        edited = SENSE.infill(prepared, [[0], list(range(len(cells)))], operator, cells)
        assert torch.equal(edited, torch.zeros(2, 4000))
        assert SENSE.energy(prepared, edited).tolist() == [0, 0]


@few
@given(st.sets(st.integers(0, 31)))
def test_energy_lies_between_nothing_and_everything(cells: set[int]):
    edited = SENSE.infill(SOUND, [sorted(cells), sorted(set(range(32)) - cells)], "silence", CELLS)
    one, other = SENSE.energy(SOUND, edited).tolist()
    assert 0 <= one <= 1 + 1e-5
    assert one + other >= 1 - 1e-4  # the triangle's inequality: both together are everything
    assert (one == 0) == (not cells)


def test_unknown_operators_and_units():
    with pytest.raises(InputError, match="audio: no infill operator 'mean'; it has silence, floor"):
        SENSE.infill(SOUND, [[0]], "mean", CELLS)
    with pytest.raises(InputError, match="audio: edit 0 names unit 32"):
        SENSE.infill(SOUND, [[32]], "silence", CELLS)
    with pytest.raises(InputError, match="segment this very signal"):
        SENSE.infill(SENSE.prepare(recording(0.5)), [[0]], "silence", CELLS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_schedule_rises_evenly_in_level(dtype: torch.dtype):
    u = torch.linspace(0, 1, 9, dtype=dtype)
    value, slope = SENSE.schedule(u)
    assert value.dtype == slope.dtype == dtype
    assert value[0] == 0
    assert value[-1] == 1
    exact = [(10 ** (4 * (x - 1)) - 1e-4) / (1 - 1e-4) for x in u.tolist()]
    assert value.tolist() == pytest.approx(exact, rel=1e-5)
    levels = 20 * (value + 1e-4 / (1 - 1e-4)).log10()
    assert levels.diff().tolist() == pytest.approx([10.0] * 8, abs=1e-2)  # 80 dB in eight equal steps


def test_the_schedules_slope_is_its_derivative():
    u = torch.linspace(0, 1, 9, dtype=torch.float64, requires_grad=True)
    value, slope = SENSE.schedule(u)
    (derivative,) = torch.autograd.grad(value.sum(), u)
    assert torch.allclose(slope, derivative, rtol=1e-12)
    assert slope[-1].item() == pytest.approx(4 * math.log(10) / (1 - 1e-4))


def test_attribution_views_sum_to_the_product():
    gradient = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    views = SENSE.attribute(SOUND, gradient)
    whole = (gradient.double() * SOUND.tensor).sum().item()
    for dims, coords, values in views.values():
        assert [len(coords[dim]) for dim in dims] == list(values.shape)
        assert values.sum() == pytest.approx(whole, rel=1e-4)
    assert views["units"][0] == ("frequency", "time")
    assert views["units"][2].shape == CELLS.labels.shape
    assert CELLS.total(views["units"][2]).sum() == pytest.approx(whole, rel=1e-4)
    assert views["waveform"][0] == ("sample",)
    assert views["waveform"][2] == pytest.approx((gradient[0].double() * SOUND.tensor[0]).numpy())


def test_a_units_contribution_is_its_effect_where_the_score_is_linear():
    gradient = torch.randn(1, RATE, generator=torch.Generator().manual_seed(1))
    edited = SENSE.infill(SOUND, [[i] for i in range(len(CELLS))], "silence", CELLS)
    effects = ((SOUND.tensor - edited).double() * gradient).sum(1).numpy()
    contributions = CELLS.total(SENSE.attribute(SOUND, gradient)["units"][2])
    assert np.corrcoef(effects, contributions)[0, 1] > 0.95  # not 1: edits have feathered edges


def test_coordinates_are_seconds_and_hertz():
    views = SENSE.attribute(SOUND, torch.ones(1, RATE))
    assert views["units"][1]["frequency"][[0, 1, -1]].tolist() == [0, 31.25, 8000]
    assert views["units"][1]["time"][[0, 1, -1]].tolist() == [0, 0.008, 1.0]
    assert views["waveform"][1]["sample"][[0, -1]].tolist() == [0, 15999 / 16000]


def test_show_joins_cells_that_touch():
    units = CELLS.units
    assert SENSE.show([units[13]]) == "0.25–0.5 s, 2.7–3.9 kHz"
    assert SENSE.show([units[i] for i in (13, 5, 6, 14)]) == "0–0.5 s, 2.7–5.6 kHz"
    assert SENSE.show([units[0], units[24]]) == "0–0.25 s, 0–259 Hz; 0.75–1 s, 0–259 Hz"
    assert SENSE.show(units) == "0–1 s, 0.0–8.0 kHz"
    assert SENSE.show([]) == ""
    checkered = [unit for unit in units if (unit.index // 8 + unit.index) % 2 == 0]
    assert SENSE.show(checkered).endswith(" and 10 more areas")
    with pytest.raises(InputError, match="unit 0 of 'text' has no band"):
        SENSE.show([EvidenceUnit("text", 0, (0.0, 0.0))])
