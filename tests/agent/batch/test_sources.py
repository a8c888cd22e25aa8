from __future__ import annotations

import pytest

from veridical.agent.batch.drive import Drive
from veridical.agent.batch.folder import Folder
from veridical.agent.batch.manifest import Manifest
from veridical.agent.batch.sources import open_source
from veridical.errors import InputError


def test_a_path_says_what_it_holds(tmp_path):
    (tmp_path / "a.txt").write_text("go")
    (tmp_path / "list.jsonl").write_text("")
    (tmp_path / "drive.mcap").write_bytes(b"")
    assert isinstance(open_source(tmp_path), Folder)
    assert open_source(tmp_path / "list.jsonl", absolute=True) == Manifest(tmp_path / "list.jsonl", True)
    assert open_source(tmp_path / "drive.mcap", 0.5) == Drive(tmp_path / "drive.mcap", 0.5)


@pytest.mark.parametrize(
    ("name", "told"), [("nothing", "no such file or folder"), ("a.csv", "ends in .jsonl or .mcap")]
)
def test_anything_else_is_refused(tmp_path, name, told):
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match=told):
        open_source(tmp_path / name)
