from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.batch.ray_run import NAME
from tests.agent.batch.systems import FATAL
from veridical.agent.batch.explaining import FIELDS, Explaining
from veridical.agent.batch.packing import pack
from veridical.agent.batch.same import essence
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.record.manifest import read_manifest, read_result

ROOT = Path(__file__).parents[3]


def logged(log):
    """The logged results by item, their words put back."""
    for entry in log.entries():
        said = entry.statement.predicate
        if entry.statement.kind == "decision":
            manifest = read_manifest(log.blobs.get(said["manifest"]), "the manifest")
            yield said["labels"]["item"], read_result(manifest, log.blobs.get, log.subjects.find(said["subject"]).key)


def test_ray_gives_the_same_results_though_a_worker_is_killed(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="extra scale")
    folder, fatal = tmp_path / "items", tmp_path / "fatal"
    folder.mkdir()
    fatal.touch()
    words = {"a": "go down the left side to a cat", "b": "wait at the door", "c": "stop if you meet a cat or siren"}
    for name, text in words.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "d.csv").write_text("no item")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), FATAL: str(fatal), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "tests/agent/batch/ray_run.py"), str(folder), str(tmp_path / "home")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    tally = json.loads(run.stdout)
    assert (tally["explained"], tally["failed"], tally["total"]) == (3, 1, 4)
    assert "d.csv: neither a picture" in tally["failures"][0]["why"]
    assert not fatal.exists()
    monkeypatch.delenv(FATAL, raising=False)
    explain = Explaining(NAME, "verdict", salt="fixed")
    with Log.open(tmp_path / "home") as log:
        found = dict(logged(log))
        assert sorted(found) == sorted(words)
        for name, text in words.items():
            here = explain({**FIELDS, "kind": "item", "id": name, "content": pack({"text": text})})
            assert essence(found[name]) == essence(json.loads(here["result"]))
        assert verify_log(log).problems == []
