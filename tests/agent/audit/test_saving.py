from __future__ import annotations

import numpy as np
import pytest

from veridical.agent.audit.saving import check_array_file, picture, save
from veridical.errors import InputError, RecordError


def test_colours_stay_colours_and_frames_stand_side_by_side():
    frames = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3)).astype(np.uint8)
    shown = picture(frames, "vision.frames")
    assert np.array_equal(shown, np.concatenate(list(frames), axis=1))
    assert picture(frames[0], "x").shape == (3, 4, 3)


def test_signs_have_colours_and_one_sign_is_grey():
    shown = picture(np.array([[[0.0, 2.0, -2.0]]], np.float32), "vision.saliency")
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[0, 1, 0] > shown[0, 1, 2]
    assert shown[0, 2, 0] < shown[0, 2, 2]
    assert picture(np.array([[0, 1], [2, 4]], np.int16), "units")[..., 0].tolist() == [[0, 64], [128, 255]]
    assert picture(np.zeros((2, 2)), "x").max() == 0


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2), ()])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(InputError, match=r"axes, and a picture two or three; save it as \.npy"):
        picture(np.zeros(shape), "x")


def test_an_array_is_written_as_its_numbers(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    save(array, "x", tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), array)
    with pytest.raises(RecordError, match="cannot be written"):
        save(array, "x", tmp_path / "none" / "a.npy")


def test_where_it_goes_is_checked_first(tmp_path):
    assert check_array_file(str(tmp_path / "A.PNG")).suffix == ".PNG"
    with pytest.raises(InputError, match="no folder"):
        check_array_file(str(tmp_path / "none" / "a.npy"))
    with pytest.raises(InputError, match=r"\.npy \(numbers\) or \.png"):
        check_array_file("a.txt")
