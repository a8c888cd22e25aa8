from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
from filelock import FileLock

from benchmarks.postgres import Server, binaries
from tests.agent.batch.workers import IDENTITY, Stub
from veridical.agent.batch.batch import LOCK, explain_all
from veridical.agent.batch.done import Done
from veridical.agent.batch.plan import Plan
from veridical.agent.batch.secret import digest_of_content, secret_of
from veridical.agent.batch.sources import open_source
from veridical.agent.log.log import Log
from veridical.agent.log.query import Query
from veridical.agent.log.verify import verify_log
from veridical.errors import InputError

PLAN = Plan(jobs=2)

DRIVER = """
import sys
from pathlib import Path
from benchmarks.postgres import Server, binaries
from tests.agent.batch.workers import Stub
from veridical.agent.batch.batch import explain_all
from veridical.agent.batch.plan import Plan
from veridical.agent.batch.sources import open_source
from veridical.agent.log.log import Log
if __name__ == "__main__":
    with Log.open(sys.argv[2]) as log:
        tally = explain_all(open_source(Path(sys.argv[1])), Plan(jobs=2), log, make=Stub)
    print(tally.explained, tally.done, tally.failed, tally.failed_before)
"""


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "items"
    found.mkdir()
    return found


def put(folder, **words):
    for name, text in words.items():
        (folder / f"{name}.txt").write_text(text)
    return open_source(folder)


def run(source, log, plan=PLAN):
    return explain_all(source, plan, log, make=Stub)


def labels(log, kind="decision"):
    rows = log.select(Query(kind=kind, newest_first=False))
    return [log.entry(row.number).statement.predicate["labels"] for row in rows]


def test_every_item_is_explained_once_and_never_again(folder, log):
    source = put(folder, a="go", b="a cat", c="fail")
    tally = run(source, log, replace(PLAN, labels={"group": "A"}))
    assert (tally.explained, tally.done, tally.failed) == (2, 0, 1)
    assert (tally.verdicts, tally.actions) == ({"supported": 2}, {"GO": 1, "STOP": 1})
    assert tally.failures == [("c", "it was asked to fail")]
    assert (tally.total, tally.seen, tally.entries) == (3, 3, (1, 3))
    assert tally.to_dict()["rate"] == tally.rate > 0
    told = {said["item"]: said for said in labels(log)}
    assert {name: (said["group"], said["depth"]) for name, said in told.items()} == dict.fromkeys(
        "ab", ("A", "verdict")
    )
    (note,) = [log.entry(row.number).statement.predicate for row in log.select(Query(kind="note"))]
    assert (note["event"], note["detail"]["item"], note["detail"]["why"]) == ("failed", "c", "it was asked to fail")
    again = run(source, log)
    assert (again.explained, again.done, again.failed, again.failed_before) == (0, 2, 0, 1)
    assert log.size() == 4
    assert verify_log(log).problems == []


def test_what_failed_is_tried_again_where_that_is_asked_for(folder, log):
    source = put(folder, c="fail")
    run(source, log)
    assert run(source, log, replace(PLAN, retry_failed=True)).failed == 1
    put(folder, c="mended")
    assert run(source, log).explained == 1
    assert len(labels(log, "note")) == 2


def test_a_changed_file_is_explained_anew_and_another_depth_too(folder, log):
    run(put(folder, a="go", b="stay"), log)
    tally = run(put(folder, a="a cat"), log)
    assert (tally.explained, tally.changed, tally.done) == (1, 1, 1)
    deeper = run(open_source(folder), log, replace(PLAN, depth="account"))
    assert (deeper.explained, deeper.changed) == (2, 0)
    run(put(folder, a="go"), log)
    assert len(labels(log)) == 5  # the first content was explained already


def test_the_log_is_asked_as_it_was_when_the_batch_began(folder, log):
    run(put(folder, a="go"), log)
    digest = digest_of_content(secret_of(log.home), b"")
    key = labels(log)[0]["batch"]
    assert Done(log).find(key) == "done"
    assert Done(log, 1).find(key) is None
    assert Done(log).changed("a", digest)
    assert not Done(log).changed("a", labels(log)[0]["item-digest"])
    assert not Done(log).changed("b", digest)


def test_the_first_items_alone_and_a_name_that_stands_twice(folder, log):
    source = put(folder, a="go", b="stay", c="wait")
    assert run(source, log, replace(PLAN, limit=2)).seen == 2
    (folder / "c").mkdir()
    (folder / "c" / "words.txt").write_text("other")
    tally = run(source, log)
    assert (tally.explained, tally.failures) == (1, [("c", "c: a second item of this name; give each its own")])


def test_an_items_digest_cannot_be_guessed_without_the_homes_secret(folder, log, tmp_path):
    run(put(folder, a="go"), log)
    with Log.open(tmp_path / "other") as other:
        run(open_source(folder), other)
        assert labels(other)[0]["item-digest"] != labels(log)[0]["item-digest"]


def test_labels_of_a_manifest_are_kept_but_for_those_of_the_batch(tmp_path, log):
    path = tmp_path / "list.jsonl"
    lines = [
        {"id": "x", "instruction": "go", "labels": {"group": "B"}, "time": "2026-11-23T20:00:00Z"},
        {"id": "y", "instruction": "go", "labels": {"batch": "mine"}},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    tally = run(open_source(path), log)
    assert tally.failures == [("y", "y: label 'batch' is one that a batch gives itself; rename it")]
    (said,) = labels(log)
    assert (said["group"], said["observed"]) == ("B", "2026-11-23T20:00:00.000000+00:00")


def test_one_batch_at_a_time_in_a_home(folder, log):
    source = put(folder, a="go")
    with FileLock(log.home / LOCK), pytest.raises(InputError, match="another batch is being written"):
        run(source, log)


def test_another_system_than_was_asked_for_is_a_failure(folder, log, monkeypatch):
    monkeypatch.setattr("veridical.agent.batch.local.LocalEngine.start", _start)
    tally = run(put(folder, a="go"), log)
    assert (tally.explained, tally.failed) == (0, 1)
    assert f"explained by {IDENTITY}, and asked for was another" in tally.failures[0][1]


def _start(engine):
    engine._workers = [engine._begin()]
    engine._hello(engine._workers[0])
    return "another"


@pytest.mark.skipif(binaries() is None and os.environ.get("CI") != "true", reason="no PostgreSQL")
def test_a_log_on_postgresql(folder, tmp_path):
    source = put(folder, a="go", b="a cat", c="fail")
    with Server() as server:
        url = server.new()
        for expected in ((2, 0, 1, 0), (0, 2, 0, 1)):
            with Log.open(tmp_path / "home", url) as log:
                tally = run(source, log)
                assert (tally.explained, tally.done, tally.failed, tally.failed_before) == expected
                assert verify_log(log).problems == []


def test_a_driver_killed_thrice_loses_nothing_and_does_nothing_twice(folder, tmp_path):
    script, home = tmp_path / "driver.py", tmp_path / "home"
    script.write_text(DRIVER)
    names = {f"item{i:02}": "go sleep=0.03" for i in range(30)} | {"bad": "fail"}
    put(folder, **names)
    Log.open(home).close()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))  # noqa: PTH120
    command = [sys.executable, str(script), str(folder), str(home)]
    environment = {**os.environ, "PYTHONPATH": root}
    for _ in range(3):
        with Log.open(home, read_only=True) as log:
            before = log.size()
            driver = subprocess.Popen(command, env=environment, cwd=root)
            while log.size() < before + 6 and driver.poll() is None:
                time.sleep(0.01)
        driver.send_signal(signal.SIGKILL)
        assert driver.wait() == -signal.SIGKILL
    last = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
    explained, done, failed, failed_before = map(int, last.stdout.split())
    assert (explained + done, failed + failed_before) == (30, 1)
    assert done >= 15
    with Log.open(home) as log:
        assert Counter(said["item"] for said in labels(log)) == Counter(name for name in names if name != "bad")
        assert len(labels(log, "note")) == 1
        assert verify_log(log).problems == []
