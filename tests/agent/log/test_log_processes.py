from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from tests.agent.log.made import check_whole, decision
from veridical.agent.log.log import Log
from veridical.agent.log.note import read_checkpoint
from veridical.errors import IntegrityError


def test_threads_share_a_log(made):
    def work():
        receipts.extend(made.append(decision(made)) for _ in range(10))

    receipts = []
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = check_whole(made)
    assert sorted(receipt.number for receipt in receipts) == list(range(12, 72))
    assert all(ids[receipt.number] == receipt.id for receipt in receipts)


FORKS = """
import os, sys
from pathlib import Path
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
home, url = Path(sys.argv[1]), sys.argv[2] or None
log = Log.open(home, url)
log.append(new_statement("note", {}, log.about()))
children = []
for name in range(3):
    pid = os.fork()
    if pid == 0:
        for n in range(12):  # with the log that the parent has opened
            log.append(new_statement("note", {"text": f"{name} {n}"}, log.about()))
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
log.append(new_statement("note", {}, log.about()))
"""


def test_forked_processes_append_at_once(tmp_path, url):
    command = [sys.executable, "-c", FORKS, str(tmp_path / "home"), url or ""]
    subprocess.run(command, check=True, timeout=60)
    with Log.open(tmp_path / "home", url) as log:
        assert len(check_whole(log)) == 39
        told = [str(entry.statement.predicate.get("text")) for entry in log.entries(2, 38)]
        assert sorted(told) == sorted(f"{name} {n}" for name in range(3) for n in range(12))
        assert read_checkpoint((tmp_path / "home" / "checkpoint").read_text()).checkpoint.size == 39


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
home, draw = Path(sys.argv[1]), random.Random(7)
for _ in range(10):
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        log = Log.open(home)
        while True:
            receipt = log.append(new_statement("note", {}, log.about()))
            os.write(there, f"{receipt.number} {receipt.id}\\n".encode())
    os.close(there)
    first = os.read(here, 1 << 16)
    time.sleep(draw.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    told = first
    while more := os.read(here, 1 << 16):
        told += more
    sys.stdout.write(told.decode())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(home)], capture_output=True, text=True, check=True, timeout=60
    )
    told = dict(line.split() for line in done.stdout.splitlines())
    with Log.open(home) as log:
        ids = check_whole(log)
        assert len(told) >= 10
        assert all(ids[int(number)] == ident for number, ident in told.items())


def test_an_older_copy_of_the_log_is_found_out(made, tmp_path, url, request):
    """Set back while nobody has it open; on a server, by dropping the last rows."""
    made.close()
    if url is None:
        with sqlite3.connect(tmp_path / "made" / "log.sqlite") as database:
            last(database.execute)
        database.close()
    else:
        server = request.getfixturevalue("postgres")
        name = url.rpartition("%3D")[2]
        last(lambda command: server.ask(command, name))
    for read_only in (False, True):
        with pytest.raises(
            IntegrityError, match=r"11 entries, and .*checkpoint remembers 12; the log was set back"
        ) as found:
            Log.open(tmp_path / "made", url, read_only=read_only)
        assert found.value.cause == "rollback"


def last(execute):
    """Drop entry 11 with all that is derived from it."""
    execute("DELETE FROM entries WHERE number = 11")
    execute("DELETE FROM facets WHERE number = 11")
    execute("DELETE FROM checkpoints WHERE size = 12")
    execute("DELETE FROM nodes WHERE (position + 1) * (1 << level) > 11")


def test_a_log_set_back_under_a_writer_is_found_out(log):
    for _ in range(3):
        log.append(decision(log))
    database = sqlite3.connect(log.home / "log.sqlite")
    with database:
        database.execute("DELETE FROM entries WHERE number = 3")
        database.execute("DELETE FROM checkpoints WHERE size = 4")
    database.close()
    with pytest.raises(IntegrityError, match="the log has 3 entries, and 4 were seen in it; it was set back") as found:
        log.append(decision(log))
    assert found.value.cause == "rollback"
    assert log.size() == 3


def test_another_log_under_a_writer_is_found_out(log, tmp_path):
    log.append(decision(log))
    log.close()
    for name in ("log.sqlite", "log.sqlite-wal", "log.sqlite-shm"):
        (log.home / name).unlink(missing_ok=True)
    with Log.open(tmp_path / "other") as other:
        for _ in range(4):
            other.append(decision(other))
    os.rename(tmp_path / "other" / "log.sqlite", log.home / "log.sqlite")  # noqa: PTH104
    with pytest.raises(IntegrityError, match="the first 2 entries of the log are not those that were seen") as found:
        log.append(decision(log))
    assert found.value.cause == "fork"


def test_a_log_is_not_begun_anew_where_one_was(log, home):
    log.close()
    (home / "log.sqlite").unlink()
    with pytest.raises(IntegrityError, match=r"holds no log, and .*checkpoint remembers one; it was deleted") as found:
        Log.open(home)
    assert found.value.cause == "rollback"
    assert not (home / "log.sqlite").exists()
