"""The benchmark of the log's speed: its figures hang together, and proofs grow as the logarithm does."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks import _log_appends, _log_proofs, _log_verified, log_speed
from benchmarks._logged import Decisions
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.errors import InputError


def test_proofs_grow_as_the_logarithm_of_the_log(tmp_path):
    sizes = (4, 10, 100, 1000)
    _log_proofs.fill(tmp_path, sizes)
    rows = _log_proofs.proofs(tmp_path, sizes, rounds=8)
    assert [row["size"] for row in rows] == list(sizes)
    for row in rows:
        bound = math.ceil(math.log2(row["size"]))
        assert 1 <= row["inclusion"]["hashes"] <= bound
        assert row["consistency"]["hashes"] <= bound + 1
        assert row["consistency"]["bytes"] == 32 * row["consistency"]["hashes"]
        assert all(row[kind][figure] > 0 for kind in ("inclusion", "consistency") for figure in ("make_ms", "check_ms"))


def test_a_long_log_verifies_with_all_that_it_refers_to(tmp_path):
    batches: list[int] = []
    _log_verified.build(tmp_path, 13, batches.append)
    assert batches == [12]
    with Log.open(tmp_path, read_only=True) as log:
        found = verify_log(log, contents=Contents(deep=False))
        manifests = {entry.statement.predicate["manifest"] for entry in log.entries(1)}
    assert found.ok, found.problems
    assert found.kinds == {"opened": 1, "decision": 12}
    assert len(manifests) == 12  # each decision has one of its own
    assert found.blobs == 12 + 4


def test_searches_find_what_was_put_there(tmp_path):
    _log_verified.build(tmp_path, 101)
    rows = {name: row["rows"] for name, row in _log_verified.searches(tmp_path, rounds=1).items()}
    assert rows["the newest 20"] == rows["kind and action, the newest 20"] == rows["by evidence, the newest 20"] == 20
    assert rows["by a label, the newest 20"] == rows["two facets, the newest 20"] == 2
    assert rows["all of an action"] == rows["count of an action"] == 25
    assert rows["one by the beginning of its id"] == 1


def test_verifying_is_measured_in_a_process_of_its_own(tmp_path):
    with Log.open(tmp_path) as log:
        log.append(Decisions(log).statement(1))
    found = _log_verified.verified(tmp_path, "contents", profile=True)
    assert (found["entries"], found["ok"]) == (2, True)
    assert found["peak_bytes"] >= found["start_bytes"] > 10_000_000
    assert found["seconds"] > 0
    assert sum(row["share"] for row in found["profile"]) <= 1.001


def test_appends_are_counted_each_way(tmp_path, monkeypatch):
    monkeypatch.setattr(_log_appends, "WORKERS", 2)
    alone = _log_appends.disk(tmp_path, 0.02)
    found = _log_appends.appends(tmp_path / "home", None, 0.02)
    assert list(alone) == ["write and fsync 4 kB", "a line in a file, fsync", "a line in a file"]
    names = ["one by one", "2 threads", "append_all of 100", "decisions with their blobs", "2 processes"]
    assert list(found) == names
    for row in [*alone.values(), *found.values()]:
        assert row["per_second"] > 0
        assert row["p99_ms"] >= row["p50_ms"] > 0
    with Log.open(tmp_path / "home", read_only=True) as log:
        calls = sum(row["calls"] * (100 if name.startswith("append_all") else 1) for name, row in found.items())
        assert log.size() == 1 + 1 + 2 + calls  # what opens it, one to warm up, and one of each process
        assert verify_log(log).ok


def test_figures_are_those_of_the_calls():
    found = _log_appends._figures([0.001] * 98 + [0.1, 0.2], wall=2.0, entries=3)
    assert found["per_second"] == pytest.approx(150)
    assert (found["p50_ms"], found["p99_ms"], found["calls"]) == (pytest.approx(1), pytest.approx(200), 100)


def test_the_tables_tell_every_part(capsys, monkeypatch):
    figures = {"per_second": 1234.0, "p50_ms": 1.0, "p99_ms": 2.0, "calls": 9}
    row = {"entries": 10, "blobs": 0, "seconds": 2.0, "peak_bytes": 5e6, "ok": True, "profile": []}
    proof = {"hashes": 4, "bytes": 321, "make_ms": 1.0, "check_ms": 2.0}
    result = {
        "appends": {"SQLite": {"one by one": figures}},
        "verify": {"entries": row, "contents": row, "database_bytes": 1e6, "searches": {"all": {"ms": 1.0, "rows": 7}}},
        "proofs": {"sizes": [{"size": 10, "inclusion": proof, "consistency": proof}]},
        "machine": {"cores": 2, "processor": "x", "python": "3", "load_at_the_end": 0.5},
    }
    monkeypatch.setattr(log_speed, "measure", lambda *_, **__: result)
    log_speed.main([])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("1,234", "verifying", "searches", "321", "load at the end 0.5"))
    log_speed.main(["--json"])
    assert json.loads(capsys.readouterr().out) == result


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"parts": ["size"]}, r"^log_speed: no part size; choose from appends, verify, proofs$"),
        ({"parts": []}, r"^log_speed: no part named"),
        ({"seconds": 0}, r"^log_speed: 0 s, 100000 entries"),
        ({"sizes": [1, 10]}, r"^log_speed: 10 s, 100000 entries, sizes 1, 10; more than 0 s, and 2 entries"),
    ],
)
def test_what_cannot_be_measured_is_refused(asked, told):
    with pytest.raises(InputError, match=told):
        log_speed.measure(**asked)
