"""The command `veridical drive`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.agent.seams.drive_sample import write_drive
from veridical.agent.seams.cli_drive import drive
from veridical.errors import InputError


def run(*arguments: str) -> str:
    done = CliRunner().invoke(drive, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_what_a_recording_holds(tmp_path):
    told = run("show", str(write_drive(tmp_path / "a.mcap", 3.0)))
    assert "2.8 s, 3 topics" in told
    for line in ("/camera", "foxglove.CompressedImage (json)", "/instruction", "audio"):
        assert line in told
    assert "veridical: format veridical.drive/1" in told


def test_as_json(tmp_path):
    told = json.loads(run("show", str(write_drive(tmp_path / "a.mcap", 3.0)), "--json"))
    assert told["whole"] is True
    camera = next(t for t in told["topics"] if t["topic"] == "/camera")
    assert (camera["sense"], camera["messages"], camera["first"], camera["last"]) == ("vision", 6, 0.0, 2.5)


def test_a_recording_that_was_cut_off(tmp_path):
    path = write_drive(tmp_path / "a.mcap", 3.0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    told = " ".join(run("show", str(path)).split())
    assert "Note: the recording was cut off at byte" in told


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        run("show", str(tmp_path / "a.mcap"))


def test_nothing_heavy_is_imported():
    code = (
        "import sys; import veridical.agent.seams.cli_drive\n"
        "heavy = {'torch', 'mcap', 'numpy', 'PIL', 'gymnasium', 'google.protobuf', 'pydantic', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
