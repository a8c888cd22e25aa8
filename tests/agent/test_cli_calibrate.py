"""The command ``veridical calibrate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent import cli_calibrate
from veridical.agent.cli_calibrate import calibrate, read_for
from veridical.errors import InputError

SYSTEM = Toy(reads_cat, READER)


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cli_calibrate, "load_system", lambda name: SYSTEM)
    folder = tmp_path / "texts"
    folder.mkdir()
    words = SENTENCE.split()
    for i in range(12):
        (folder / f"{i}.txt").write_text(" ".join([*words[i:], *words[:i]]))
    (folder / "notes.pdf").write_text("no observation")
    return folder


def test_a_calibration_is_written_and_what_is_passed_over_is_named(texts: Path, tmp_path: Path):
    found = CliRunner().invoke(calibrate, [str(texts), "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert found.exit_code == 0
    assert "gradient times change: 12 first claims; within 0.00 nats of the measured effect" in found.stdout
    assert "passed over: notes.pdf: neither a picture, a recording" in found.stderr
    assert "written: " in found.stderr
    assert set(read_for(SYSTEM, tmp_path / "out").calibrations) == {
        "gradient times change",
        "integrated gradients, few steps",
    }
    with pytest.raises(InputError, match="made for system toy, not for other"):
        read_for(Toy(reads_cat, READER, name="other"), tmp_path / "out")


def test_json_is_the_whole_result_and_too_few_claims_have_no_bound(texts: Path, tmp_path: Path):
    arguments = [str(texts), "--out", str(tmp_path / "out"), "--limit", "5", "--json"]
    found = CliRunner().invoke(calibrate, arguments, catch_exceptions=False)
    told = json.loads(found.stdout)
    assert told["used"]["gradient times change"] == 5
    assert told["bounds"]["gradient times change"] is None
    assert told["files"] == ["gradient.json", "few-steps.json", "natural.json"]


def test_a_file_in_the_folders_place_is_refused_before_anything_is_computed(texts: Path, tmp_path: Path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="is a file; name a folder"):
        CliRunner().invoke(calibrate, [str(texts), "--out", str(tmp_path / "out")], catch_exceptions=False)
