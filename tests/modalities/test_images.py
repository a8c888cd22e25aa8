"""Pictures in every form that people have them in."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veridical.errors import InputError
from veridical.modalities.images import read_frame, read_frames

RED = (200, 30, 40)


def picture(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (6, 4), RED)
    if mode == "LAB":
        return Image.new("LAB", (6, 4), (112, 192, 170))
    return (image.convert("RGBA") if mode == "RGBa" else image).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "LAB"])
def test_a_mode_with_colours_keeps_them(mode: str):
    frame, notes = read_frame(picture(mode))
    assert frame.shape == (4, 6, 3)
    assert np.abs(frame.astype(int) - RED).max() <= 4
    assert notes == ([] if mode in ("RGB", "RGBA") else [f"colours were converted from mode {mode} to RGB"])


def test_a_palette_is_looked_up():
    image = Image.new("P", (2, 1), 0)
    image.putpalette([*RED, 1, 2, 3])
    image.putpixel((1, 0), 1)
    assert read_frame(image)[0].tolist() == [[list(RED), [1, 2, 3]]]


@pytest.mark.parametrize(("mode", "level"), [("L", 81), ("LA", 81), ("La", 81), ("1", 0)])
def test_a_mode_without_colours_becomes_grey(mode: str, level: int):
    image = Image.new("L", (6, 4), level)
    image = (image.convert("LA") if mode == "La" else image).convert(mode)
    frame, _ = read_frame(image)
    assert (frame == level).all()


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", "<u2"), ("I;16B", ">u2"), ("I", "=i4")])
def test_sixteen_bits_are_scaled_to_eight(mode: str, dtype: str):
    frame, notes = read_frame(Image.frombytes(mode, (3, 2), np.full((2, 3), 65535 // 5, dtype).tobytes()))
    assert (frame == 51).all()
    assert "values were rounded to 8 bits" in notes


def test_thirty_two_bits_out_of_range_are_refused():
    image = Image.fromarray(np.array([[0, 70000]], np.int32))
    with pytest.raises(InputError, match="mode I holds values 0 to 70000"):
        read_frame(image)


def test_transparent_parts_are_laid_over_white():
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [100, 0, 200, 51]]], np.uint8)
    frame, notes = read_frame(pixels)
    assert frame.tolist() == [[[255, 255, 255], [0, 0, 0], [224, 204, 244]]]
    assert notes == ["transparent parts were laid over white"]


def test_a_transparent_palette_colour_is_laid_over_white():
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 0
    frame, notes = read_frame(image)
    assert frame.tolist() == [[[255, 255, 255], [10, 20, 30]]]
    assert "transparent parts were laid over white" in notes


def test_the_exif_orientation_is_applied(tmp_path: Path):
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    frame, notes = read_frame(tmp_path / "turned.png")
    assert frame.tolist() == [[[255, 0, 0]], [[0, 255, 0]]]
    assert notes == ["the picture was turned as its EXIF orientation says"]


def test_of_an_animation_the_first_picture_is_read(tmp_path: Path):
    first, second = Image.new("RGB", (2, 2), RED), Image.new("RGB", (2, 2))
    first.save(tmp_path / "two.gif", save_all=True, append_images=[second])
    frame, notes = read_frame(str(tmp_path / "two.gif"))
    assert np.abs(frame.astype(int) - RED).max() <= 4
    assert "the file holds 2 pictures and only the first is read" in notes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_rounded_to_eight_bits(dtype: type):
    frame, notes = read_frame(np.array([[0, 0.2, 1], [-1e-4, 1.0005, 0.5]], dtype))
    assert frame[:, :, 0].tolist() == [[0, 51, 255], [0, 255, 128]]
    assert notes == ["values were rounded to 8 bits"]


def test_bools_are_black_and_white():
    assert read_frame(np.array([[True, False]]))[0][:, :, 1].tolist() == [[255, 0]]


def test_one_channel_is_grey():
    assert read_frame(np.array([[[7], [9]]], np.uint8))[0].tolist() == [[[7] * 3, [9] * 3]]


def test_big_endian_sixteen_bits():
    assert (read_frame(np.full((1, 1), 257 * 9, ">u2"))[0] == 9).all()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.zeros((3, 8, 9)), r"shape \(3, 8, 9\) is not a picture; channels come last: transpose it"),
        (np.zeros((8, 9, 2)), r"shape \(8, 9, 2\) is not a picture; give a path"),
        (np.zeros(5), r"shape \(5,\) is not a picture"),
        (np.zeros((0, 5, 3)), r"shape \(0, 5, 3\) has no content"),
        (np.zeros((2, 2), np.int64), "values of type int64 have no agreed range"),
        (np.zeros((2, 2), complex), "values of type complex128 have no agreed range"),
        (np.array([[0, 255.0]]), r"values reach from 0 to 255; scale floats to 0..1"),
        (np.array([[-0.5, 1.0]]), r"values reach from -0.5 to 1;"),
        (np.array([[0, 1], [np.nan, np.inf]]), r"2 values are not finite, the first at \(1, 0\)"),
        (b"\x89PNG", "is a bytes, not a picture"),
        (None, "is a NoneType, not a picture"),
        ({"path": "x"}, "is a dict, not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(item: object, message: str):
    with pytest.raises(InputError, match=message) as caught:
        read_frame(item)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"frame 0 \('.*gone.png'\): no such file"):
        read_frames(tmp_path / "gone.png")


def test_a_folder(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder; give the image files in it as a list"):
        read_frames(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a picture at all\n" * 20, b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image(tmp_path: Path, content: bytes):
    (tmp_path / "text.png").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.png'.*image"):
        read_frames(tmp_path / "text.png")


@pytest.mark.parametrize("suffix", ["png", "jpeg", "bmp", "gif", "tiff", "webp"])
def test_an_image_cut_short(tmp_path: Path, suffix: str):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, suffix)
    path = tmp_path / f"truncated.{suffix}"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(InputError, match=r"truncated\.\w+'\)( is not an image|: )") as caught:
        read_frames(path)
    assert "\n" not in str(caught.value)


def test_a_path_with_a_null_character():
    with pytest.raises(InputError, match="cannot be opened as an image"):
        read_frames("a\0b.png")


@pytest.mark.parametrize("signal", [[], (), np.zeros((0, 4, 4, 3), np.uint8)])
def test_no_frames(signal: object):
    with pytest.raises(InputError, match="the sequence holds no frames"):
        read_frames(signal)


def test_a_sequence_says_which_frame_is_wrong():
    with pytest.raises(InputError, match="vision: frame 1: an array of shape"):
        read_frames([picture(), np.zeros((4, 4, 7))])


def test_a_note_names_the_frames_that_it_is_about():
    assert read_frames([picture("CMYK"), picture()])[1] == ("frame 0: colours were converted from mode CMYK to RGB",)
    assert read_frames([picture("CMYK")] * 2)[1] == ("colours were converted from mode CMYK to RGB",)


def test_an_array_of_frames_is_a_sequence():
    stack = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    frames, _ = read_frames(stack)
    assert all(np.array_equal(a, b) for a, b in zip(frames, stack, strict=True))
