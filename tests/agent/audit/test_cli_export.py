from __future__ import annotations

import json
import sys
import zipfile

import numpy as np
from pyarrow import parquet

from tests.agent.audit.homes import copied, failed, ran, shared
from veridical.agent.record.foreign import read_captum, write_captum_json


def test_a_bundle_holds_what_its_entries_need(tmp_path):
    out = ran(shared(), "export", 2, "--out", tmp_path / "b.zip")
    assert "1 entry and 2 that they need" in out
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        names = archive.namelist()
    assert {"entries/0.json", "entries/2.json", "entries/4.json"} <= set(names)
    assert not any(name.startswith("opened/") for name in names)


def test_signals_go_along_when_asked_for(tmp_path):
    told = json.loads(ran(shared(), "export", 2, "--out", tmp_path / "b.zip", "--with-signals", "--json"))
    assert told["entries"] == [0, 2, 4]
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert any(name.startswith("opened/") for name in archive.namelist())


def test_entries_are_chosen_by_filters_or_all(tmp_path):
    told = json.loads(ran(shared(), "export", "--label", "group=A", "--out", tmp_path / "a.zip", "--json"))
    assert set(told["entries"]) == {0, 1, 3}
    told = json.loads(ran(shared(), "export", "--all", "--out", tmp_path / "b.zip", "--json"))
    assert told["entries"] == [0, 1, 2, 3, 4]
    assert "nothing was written" in failed(shared(), "export", "--action", "FLY", "--out", tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()


def test_options_that_do_not_go_together_are_said(tmp_path):
    out = tmp_path / "b.zip"
    assert "nothing is named to write" in failed(shared(), "export", 2)
    assert "nothing says which" in failed(shared(), "export", "--out", out)
    assert "more than one way" in failed(shared(), "export", 2, "--all", "--out", out)
    assert "nothing is named to write them to" in failed(shared(), "export", 2, "--key", tmp_path / "k")
    assert "signals go into a bundle alone" in failed(shared(), "export", 2, "--with-signals", "--parquet", tmp_path)
    out.write_bytes(b"")
    assert "is there already" in failed(shared(), "export", 2, "--out", out)


def test_tables_are_written_once(tmp_path):
    out = ran(shared(), "export", "--all", "--parquet", tmp_path / "t")
    assert "decisions.parquet: 3 rows" in out
    assert parquet.read_table(tmp_path / "t" / "acts.parquet").num_rows == 1
    assert "is there already" in failed(shared(), "export", "--all", "--parquet", tmp_path / "t")


def test_without_pyarrow_the_way_to_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    told = failed(shared(), "export", "--all", "--parquet", tmp_path / "t")
    assert "pip install 'veridical[analysis]'" in told
    assert not (tmp_path / "t").exists()


def test_a_checkpoint_is_written_and_replaced(tmp_path):
    for _ in range(2):
        ran(shared(), "export", "--checkpoint", tmp_path / "seen")
    assert (tmp_path / "seen").read_text(encoding="utf-8").startswith("veridical.local/")
    assert "cannot be written" in failed(shared(), "export", "--checkpoint", "/proc/none/seen")


def test_foreign_maps_come_into_the_log_and_verify(tmp_path):
    home, file = copied(tmp_path), tmp_path / "captum.json"
    write_captum_json(read_captum(np.array([[0.5, -0.25]]), method="IntegratedGradients", target=1), file)
    assert "entry 5: " in ran(home, "import", file, "--from", "captum", "--about", 2)
    assert json.loads(ran(home, "import", file, "--from", "captum", "--json"))[0]["entry"] == 6
    out = ran(home, "show", 5)
    assert "(entry 2)" in out
    assert "IntegratedGradients" in out
    assert "✓ Verified" in ran(home, "verify")
    failed(home, "import", file, "--from", "shap")
    assert ran(home, "list", "--kind", "map").count("\n") == 4
