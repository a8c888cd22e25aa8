from __future__ import annotations

import pytest

from veridical.agent.batch.folder import Folder
from veridical.agent.batch.item import Bad, Content, Item
from veridical.errors import InputError


def put(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".").replace("_0", "-")).write_bytes(content)
    return folder


def test_a_folder_is_one_observation_its_frames_in_the_order_of_their_numbers(tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    for number in (10, 2, 1):
        (one / f"camera-{number}.png").write_bytes(b"%d" % number)
    (one / "microphone.wav").write_bytes(b"wave")
    (one / "instruction.txt").write_text("\ufeff go \n", encoding="utf-8")
    (one / ".hidden").write_text("")
    frames = tuple(Content(f"one/camera-{n}.png", b"%d" % n) for n in (1, 2, 10))
    observation = {"vision": frames, "audio": Content("one/microphone.wav", b"wave"), "text": "go"}
    assert list(Folder(tmp_path)) == [Item("one", observation)]
    assert Folder(tmp_path).count() == 1


def test_files_of_one_stem_are_one_observation(tmp_path):
    put(tmp_path, lion__png=b"p", lion__wav=b"w", lion__txt=b"go", cat__jpg=b"c")
    found = {item.id: sorted(item.observation) for item in Folder(tmp_path) if isinstance(item, Item)}
    assert found == {"cat": ["vision"], "lion": ["audio", "text", "vision"]}
    assert Folder(tmp_path).count() == 2


def test_a_folder_that_is_an_observation_itself(tmp_path):
    put(tmp_path / "scene", camera__png=b"p", instruction__txt=b"go")
    (found,) = Folder(tmp_path / "scene")
    assert isinstance(found, Item)
    assert (found.id, sorted(found.observation)) == ("scene", ["text", "vision"])


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"lion__png": b"", "lion__jpg": b"", "lion__wav": b"", "lion__ogg": b""},
            "2 files of audio: lion.ogg, lion.wav",
        ),
        ({"notes__csv": b""}, "notes.csv: neither a picture, a recording"),
        ({"a__txt": b"\xff"}, "a.txt: not UTF-8 text, at byte 0"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_rest_goes_on(tmp_path, files, told):
    put(tmp_path, zebra__txt=b"go", **files)
    first, last = Folder(tmp_path)
    assert isinstance(first, Bad)
    assert told in first.why
    assert str(tmp_path) not in first.why
    assert last.id == "zebra"


def test_an_empty_folder_in_it_is_told_and_an_empty_one_refused(tmp_path):
    with pytest.raises(InputError, match="nothing in it"):
        Folder(tmp_path)
    (tmp_path / "empty").mkdir()
    assert list(Folder(tmp_path)) == [Bad("empty", "an empty folder; put frames, a recording or a text there")]


def test_a_pipe_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "a.wav")
    (found,) = Folder(tmp_path)
    assert found == Bad("a", "a.wav: no file; name a picture, a recording or a text")
