"""Folders of observations."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from PIL import Image

from veridical.agent.folders import find_observations
from veridical.errors import InputError


def put_picture(path, colour: int = 90):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), colour, np.uint8)).save(path)


def put_sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(8000), 8000)


def test_each_file_is_an_observation_and_so_is_each_folder(tmp_path):
    put_picture(tmp_path / "b.png")
    put_sound(tmp_path / "c.WAV")
    (tmp_path / "d.txt").write_text("\ufeffStop at the kerb.\n", encoding="utf-8")
    for number in (10, 9, 1):
        put_picture(tmp_path / "a" / f"frame{number}.jpg")
    put_sound(tmp_path / "a" / "street.flac")
    (tmp_path / "a" / "words.txt").write_text("Go on.", encoding="utf-8")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "a" / ".hidden").write_bytes(b"x")
    found = dict(find_observations(tmp_path))
    assert list(found) == ["a/", "b.png", "c.WAV", "d.txt"]
    assert found["b.png"]() == {"vision": str(tmp_path / "b.png")}
    assert found["c.WAV"]() == {"audio": str(tmp_path / "c.WAV")}
    assert found["d.txt"]() == {"text": "Stop at the kerb."}
    assert found["a/"]() == {
        "vision": [str(tmp_path / "a" / f"frame{number}.jpg") for number in (1, 9, 10)],
        "audio": str(tmp_path / "a" / "street.flac"),
        "text": "Go on.",
    }


def test_numbers_in_names_are_counted_as_numbers(tmp_path):
    for name in ("10.png", "2.png", "b.png", "1.png", "A.png"):
        put_picture(tmp_path / name)
    assert [name for name, _ in find_observations(tmp_path)] == ["1.png", "2.png", "10.png", "A.png", "b.png"]


def test_what_is_no_folder_or_empty_is_told(tmp_path):
    with pytest.raises(InputError, match="no such folder; give a folder of observations"):
        find_observations(tmp_path / "none")
    put_picture(tmp_path / "x" / "a.png")
    with pytest.raises(InputError, match=r"a\.png: a file"):
        find_observations(tmp_path / "x" / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".keep").touch()
    with pytest.raises(InputError, match="nothing in it; put pictures, recordings"):
        find_observations(tmp_path / "empty")


def test_what_cannot_be_read_is_told_when_its_turn_comes(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    (tmp_path / "b.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "c").mkdir()
    put_sound(tmp_path / "d" / "one.wav")
    put_sound(tmp_path / "d" / "two.wav")
    put_picture(tmp_path / "e" / "one.png")
    (tmp_path / "e" / "labels.json").write_text("{}")
    found = dict(find_observations(tmp_path))
    reasons = {
        "a.csv": "neither a picture, a recording",
        "b.txt": r"b\.txt: not UTF-8 text, at byte 3",
        "c/": "an empty folder",
        "d/": "2 files of audio in one observation; keep one",
        "e/": r"holds frames, one recording and one \.txt file, and not 'labels\.json'",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            found[name]()
