from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.batch.item import Bad, Content, Item
from veridical.agent.batch.manifest import MAX_LINE, Manifest


def written(folder, *lines):
    path = folder / "list.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    for name in ("a.png", "b.png", "s.wav"):
        (inner / name).write_bytes(name.encode())
    (tmp_path / "outside.png").write_bytes(b"outside")
    return inner


def test_each_line_is_an_item(folder):
    told = {"id": "x", "camera": ["a.png", "b.png"], "microphone": "s.wav", "instruction": "go"}
    path = written(
        folder, told | {"labels": {"group": "A"}, "time": "2026-11-23T20:00:00Z"}, "", {"id": "y", "camera": "a.png"}
    )
    frames = tuple(Content(n, n.encode()) for n in ("a.png", "b.png"))
    observation = {"vision": frames, "audio": Content("s.wav", b"s.wav"), "text": "go"}
    assert list(Manifest(path)) == [
        Item("x", observation, "2026-11-23T20:00:00.000000+00:00", {"group": "A"}),
        Item("y", {"vision": (Content("a.png", b"a.png"),)}),
    ]
    assert Manifest(path).count() == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "list.jsonl:1: the line is not the JSON"),
        ("[]", "list.jsonl:1: the line is no JSON object"),
        ('{"id": "a", "id": "b"}', "list.jsonl:1: the line is not the JSON"),
        ({"id": "a", "camra": []}, "unknown member 'camra'; did you mean 'camera'?"),
        ({"id": ""}, "id is ''; give one of 1 to 200"),
        ({"id": "a"}, "nothing is observed"),
        ({"id": "a", "camera": 3}, "camera is 3; give a list"),
        ({"id": "a", "instruction": 3}, "instruction is 3; give text"),
        ({"id": "a", "labels": {"x": 1}, "instruction": "go"}, "labels are"),
        ({"id": "a", "time": "noon", "instruction": "go"}, "time is 'noon', which is no moment"),
        ({"id": "a", "camera": ["none.png"]}, "none.png: no such file"),
        ({"id": "a", "camera": ["../outside.png"]}, "leads out of the manifest's folder"),
        ({"id": "a", "camera": ["/etc/hostname"]}, "leads out of the manifest's folder"),
        ({"id": "a", "camera": ["link.png"]}, "leads out of the manifest's folder"),
        ({"id": "a", "camera": ["a\0.png"]}, "cannot be a file's name"),
        ('{"id": "' + "a" * MAX_LINE + '"}', "list.jsonl:1: the line has more than"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on(folder, line, told):
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    bad, good = Manifest(written(folder, line, {"id": "last", "instruction": "go"}))
    assert isinstance(bad, Bad)
    assert told in bad.why
    assert good == Item("last", {"text": "go"})


def test_files_outside_may_be_allowed(folder):
    path = written(folder, {"id": "a", "camera": ["../outside.png", str(folder / "a.png")]})
    (found,) = Manifest(path, absolute=True)
    assert isinstance(found, Item)
    assert [one.content for one in found.observation["vision"]] == [b"outside", b"a.png"]


@given(st.binary(max_size=200))
def test_no_bytes_are_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "list.jsonl"
    path.write_bytes(content)
    assert all(isinstance(one, (Item, Bad)) for one in Manifest(path))
