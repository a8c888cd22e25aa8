"""Vision: camera frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage import data

from veridical.errors import InputError
from veridical.modalities.contract import Modality, Prepared
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.modalities.vision import Vision

SENSE = Vision(size=64, units=12)


def scene() -> tuple[Prepared, Segmentation]:
    prepared = SENSE.prepare([data.astronaut()[:400:4, ::4], data.coffee()[::4, ::4]])
    return prepared, SENSE.segment(prepared)


SCENE, UNITS = scene()
edits = st.lists(st.lists(st.integers(0, len(UNITS) - 1), max_size=6), max_size=3)
few = settings(deadline=None, max_examples=20)


def test_vision_is_a_modality():
    assert isinstance(SENSE, Modality)
    assert SENSE.name == "vision"
    assert SENSE.operators == ("surround", "blur", "mean", "road", "swap")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "size 8 is too small"),
        ({"units": 0}, "0 units do not fit"),
        ({"interval": 0.0}, "interval 0.0 s between frames"),
        ({"interval": float("nan")}, "interval nan s between frames"),
    ],
)
def test_options_out_of_range(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Vision(**options)


def test_prepare_gives_frames_in_order_between_zero_and_one():
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    prepared = Vision(size=64, interval=0.5).prepare([black, white, black])
    assert prepared.tensor.shape == prepared.baseline.shape == (1, 3, 3, 64, 64)
    assert prepared.tensor.dtype == torch.float32
    assert prepared.tensor.mean((0, 2, 3, 4)).tolist() == [0, 1, 0]
    assert prepared.duration == 1.5
    assert prepared.notes == ()
    assert np.array_equal(prepared.raw[1], white)


def test_prepare_keeps_a_picture_that_has_the_size():
    picture = data.astronaut()[:64, :64]
    assert np.array_equal((SENSE.prepare(picture).tensor[0, 0] * 255).round().permute(1, 2, 0).numpy(), picture)


def test_channels_are_red_green_blue(tmp_path: Path):
    Image.new("RGB", (9, 9), (255, 0, 51)).save(tmp_path / "a.png")
    assert torch.allclose(SENSE.prepare(tmp_path / "a.png").tensor[0, 0, :, 0, 0], torch.tensor([1, 0, 0.2]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3000, 2)])
def test_any_size_will_do(shape: tuple[int, int]):
    prepared = SENSE.prepare(np.full(shape, 51, np.uint8))
    assert torch.allclose(prepared.tensor, torch.tensor(0.2))
    assert prepared.raw[0].shape == (*shape, 3)
    found = SENSE.segment(prepared)
    assert max(unit.box[2] for unit in found.units) == shape[1]  # type: ignore[index]
    assert max(unit.box[3] for unit in found.units) == shape[0]  # type: ignore[index]


def test_a_change_of_aspect_is_told():
    notes = SENSE.prepare(np.zeros((30, 40, 3), np.uint8)).notes
    assert notes == ("frames of 40 x 30 pixels were resized to 64 x 64: aspect not kept, nothing cropped",)


def test_what_cannot_be_read_is_an_input_error(tmp_path: Path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match="is not an image"):
        SENSE.prepare([data.astronaut(), tmp_path / "text.png"])


def test_of_an_object_a_third_of_the_frame_wide_little_contrast_is_left_in_the_baseline():
    picture = np.zeros((63, 63), np.uint8)
    picture[21:42, 21:42] = 255
    baseline = Vision(size=63).prepare(picture).baseline
    assert baseline.max() - baseline.min() < 0.2


def test_the_baseline_keeps_light():
    assert torch.allclose(SCENE.baseline.mean((3, 4)), SCENE.tensor.mean((3, 4)), atol=0.01)


def test_the_segmentation_is_a_partition_of_each_frame():
    assert UNITS.labels.shape == (2, 64, 64)
    assert np.array_equal(np.unique(UNITS.labels), np.arange(len(UNITS)))
    for index, unit in enumerate(UNITS.units):
        assert unit.index == index
        assert unit.modality == "vision"
        where = np.argwhere(UNITS.labels == index)
        assert set(where[:, 0]) == {unit.frame}
        assert unit.frame is not None
        assert unit.time == (unit.frame * 1.0, unit.frame + 1.0)
        pieces, _ = ndimage.label(UNITS.labels[unit.frame] == index)  # type: ignore[misc]
        assert pieces.max() == 1


def test_boxes_are_in_pixels_of_the_original_frame():
    for unit in UNITS.units:
        assert unit.frame is not None
        height, width, _ = SCENE.raw[unit.frame].shape
        rows, columns = np.nonzero(UNITS.labels[unit.frame] == unit.index)
        box = np.array(
            [columns.min() * width, rows.min() * height, (columns.max() + 1) * width, (rows.max() + 1) * height]
        )
        assert unit.box == pytest.approx(box / 64)


def test_the_segmentation_is_deterministic():
    again = SENSE.segment(SCENE)
    assert np.array_equal(again.labels, UNITS.labels)
    assert again.neighbours == UNITS.neighbours


def test_neighbours_are_mutual_sorted_and_touch():
    for index, near in enumerate(UNITS.neighbours):
        assert list(near) == sorted(set(near) - {index})
        assert all(index in UNITS.neighbours[other] for other in near)
        grown = np.asarray(ndimage.binary_dilation(UNITS.labels[UNITS.units[index].frame] == index), dtype=bool)
        touching = set(UNITS.labels[UNITS.units[index].frame][grown].tolist()) - {index}
        assert {other for other in near if UNITS.units[other].frame == UNITS.units[index].frame} == touching


def test_neighbours_in_the_next_frame_are_at_the_same_place():
    still = Vision(size=224, units=16)
    prepared = still.prepare([data.astronaut()] * 3)
    found = still.segment(prepared)
    count = len(found) // 3
    for index in range(count):
        assert index + count in found.neighbours[index]
        assert all(other < 2 * count for other in found.neighbours[index])  # never two frames on
    top_left, bottom_right = int(found.labels[0, 0, 0]), int(found.labels[1, -1, -1])
    assert bottom_right not in found.neighbours[top_left]


def test_a_frame_of_one_colour_is_cut_too():
    prepared = Vision().prepare(np.full((50, 70, 3), 90, np.uint8))
    found = Vision().segment(prepared)
    assert len(found) == 64
    for operator in Vision.operators:
        edited = Vision().infill(prepared, [[0], [5, 6]], operator, found)
        assert torch.allclose(edited, prepared.tensor, atol=0.06 if operator == "road" else 1e-5)  # ROAD adds noise
        assert Vision().energy(prepared, edited).tolist() == [0, 0]


@few
@given(edits, st.sampled_from(Vision.operators))
def test_infill_changes_its_units_and_nothing_far_from_them(chosen: list[list[int]], operator: str):
    edited = SENSE.infill(SCENE, chosen, operator, UNITS)
    assert edited.shape == (len(chosen), 2, 3, 64, 64)
    assert edited.dtype == torch.float32
    assert ((edited >= 0) & (edited <= 1)).all()
    for edit, after in zip(chosen, edited, strict=True):
        mask = np.isin(UNITS.labels, edit)
        near = np.asarray(ndimage.binary_dilation(mask, np.ones((1, 9, 9))), dtype=bool)
        same = (after == SCENE.tensor[0]).all(1).numpy()
        assert same[~near].all()


@pytest.mark.parametrize("operator", Vision.operators)
def test_an_empty_edit_changes_nothing(operator: str):
    assert torch.equal(SENSE.infill(SCENE, [[]], operator, UNITS), SCENE.tensor)
    assert SENSE.infill(SCENE, [], operator, UNITS).shape == (0, 2, 3, 64, 64)


@pytest.mark.parametrize("operator", Vision.operators)
def test_edits_do_not_depend_on_the_edits_beside_them(operator: str):
    many = [[i] for i in range(len(UNITS))]
    together = SENSE.infill(SCENE, many, operator, UNITS)
    assert torch.allclose(together[3], SENSE.infill(SCENE, [[3]], operator, UNITS)[0], atol=1e-6)


def test_mean_puts_the_mean_colour_of_the_frame():
    edited = SENSE.infill(SCENE, [[0]], "mean", UNITS)[0, 0]
    inside = torch.from_numpy(UNITS.labels[0] == 0)
    mean = SCENE.tensor[0, 0].mean((1, 2))
    assert torch.allclose(edited[:, inside], mean[:, None].expand(-1, int(inside.sum())), atol=1e-6)


@pytest.mark.parametrize("operator", ["surround", "road", "swap"])
def test_of_a_frame_edited_whole_its_mean_colour_is_left(operator: str):
    first = [unit.index for unit in UNITS.units if unit.frame == 0]
    edited = SENSE.infill(SCENE, [first], operator, UNITS)
    torch.testing.assert_close(edited, SENSE.infill(SCENE, [first], "mean", UNITS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("operator", Vision.operators)
def test_infill_is_deterministic(operator: str):
    one, again = (SENSE.infill(SCENE, [[1, 4], [3]], operator, UNITS) for _ in range(2))
    assert torch.equal(one, again)


def test_road_continues_a_ramp_but_for_its_noise():
    ramp = np.broadcast_to(np.linspace(40, 200, 96).round().astype(np.uint8)[:, None, None], (96, 96, 3))
    sense = Vision(size=96, units=36)
    prepared = sense.prepare(ramp)
    found = sense.segment(prepared)
    unit = int(found.labels[0, 48, 48])
    change = (sense.infill(prepared, [[unit]], "road", found) - prepared.tensor)[0, 0].numpy()
    inside = change[:, found.labels[0] == unit]
    assert abs(inside.mean()) < 0.003
    assert inside.std() == pytest.approx(0.01, rel=0.15)


def test_surround_takes_a_thing_away():
    picture = np.full((224, 224, 3), 60, np.uint8)
    picture[90:130, 90:130] = (250, 20, 20)
    sense = Vision()
    prepared = sense.prepare(picture)
    found = sense.segment(prepared)
    thing = sorted(set(found.labels[0, 90:130, 90:130].ravel().tolist()))
    edited = sense.infill(prepared, [thing], "surround", found)
    assert (edited - 60 / 255).abs().max() < 0.02


@few
@given(st.sets(st.integers(0, len(UNITS) - 1)), st.sets(st.integers(0, len(UNITS) - 1)))
def test_energy_grows_with_the_edit(small: set[int], more: set[int]):
    edited = SENSE.infill(SCENE, [sorted(small), sorted(small | more)], "mean", UNITS)
    low, high = SENSE.energy(SCENE, edited).tolist()
    assert low <= high + 1e-6
    assert (low == 0) == (not small)


def test_energy_of_removing_everything_is_one():
    everything = [list(range(len(UNITS)))]
    edited = SENSE.infill(SCENE, everything, "mean", UNITS)
    assert SENSE.energy(SCENE, edited).item() == pytest.approx(1, abs=1e-5)


def test_unknown_operators_and_units():
    with pytest.raises(InputError, match="vision: no infill operator 'silence'; it has surround, blur, mean"):
        SENSE.infill(SCENE, [[0]], "silence", UNITS)
    with pytest.raises(InputError, match=f"edit 0 names unit {len(UNITS)}"):
        SENSE.infill(SCENE, [[len(UNITS)]], "mean", UNITS)


def test_the_schedule_is_a_cube():
    u = torch.linspace(0, 1, 5, dtype=torch.float64, requires_grad=True)
    value, slope = SENSE.schedule(u)
    torch.testing.assert_close(value, u**3)
    torch.testing.assert_close(slope, torch.autograd.grad(value.sum(), u)[0])
    assert value[[0, -1]].tolist() == [0, 1]


def test_attribution_views_sum_to_the_product():
    gradient = torch.randn(SCENE.tensor.shape, generator=torch.Generator().manual_seed(0))
    views = SENSE.attribute(SCENE, gradient)
    whole = (gradient.double() * (SCENE.tensor - SCENE.baseline)).sum().item()
    assert set(views) == {"units", "pixels"}
    for dims, coords, values in views.values():
        assert dims == ("frame", "y", "x")
        assert [len(coords[dim]) for dim in dims] == list(values.shape)
        assert values.sum() == pytest.approx(whole)
    assert UNITS.total(views["units"][2]).sum() == pytest.approx(whole)


def test_coordinates_are_pixel_centres_or_shares_of_the_frame():
    same = SENSE.prepare(np.zeros((2, 128, 256, 3), np.uint8))
    coords = SENSE.attribute(same, torch.ones(1, 2, 3, 64, 64))["pixels"][1]
    assert coords["y"][[0, -1]].tolist() == [1, 127]
    assert coords["x"][[0, -1]].tolist() == [2, 254]
    unlike = SENSE.prepare([np.zeros((10, 10)), np.zeros((20, 10))])
    coords = SENSE.attribute(unlike, torch.ones(1, 2, 3, 64, 64))["pixels"][1]
    assert coords["x"][[0, -1]].tolist() == [1 / 128, 127 / 128]


def test_show_says_where_and_when():
    sense = Vision(size=96, units=9)
    units = sense.segment(sense.prepare(np.full((3, 96, 96, 3), 7, np.uint8))).units
    assert len(units) == 27
    assert sense.show([units[4], units[22], units[13]]) == "the middle, frames 1–3 (0–3 s)"
    assert sense.show(units[:7]) == "most of the frame, frame 1 (0–1 s)"
    with pytest.raises(InputError, match="unit 0 of 'text' has no box"):
        sense.show([EvidenceUnit("text", 0, (0.0, 0.0))])


def test_the_areas_of_a_frames_units_make_up_the_frame():
    for frame in range(2):
        assert sum(unit.area for unit in UNITS.units if unit.frame == frame) == pytest.approx(1)  # type: ignore[attr-defined]
