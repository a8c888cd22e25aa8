from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.agent.log.made import check_whole, decision
from veridical.agent.log import database as module
from veridical.agent.log.database import Database
from veridical.agent.log.log import Log
from veridical.errors import IntegrityError, RecordError


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+other:///x"])
def test_no_file(url):
    with pytest.raises(RecordError, match="has no file; write sqlite:////folder/log"):
        Database(url)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d"])
def test_another_database(url):
    with pytest.raises(RecordError, match=r"cannot lie on '.*'; sqlite and postgresql are what it can") as found:
        Database(url)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("url", ["", "secret", "postgresql://u:secret@h:port/d"])
def test_no_url(url):
    with pytest.raises(RecordError, match="the log's URL cannot be read; write postgresql://user@host") as found:
        Database(url)
    assert "secret" not in str(found.value)


def test_a_driver_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RecordError, match=r"psycopg is not installed: pip install 'veridical\[postgresql\]'"):
        Database("postgresql://localhost/x")


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.01,))
    with pytest.raises(RecordError, match="cannot be reached: start it, or mend host and port") as found:
        Log.open(tmp_path / "home", f"postgresql://u:secret@/d?host={tmp_path}")
    assert "secret" not in str(found.value)


def test_no_such_database_or_user(tmp_path, postgres):
    where = f"host={postgres.folder}"
    with pytest.raises(RecordError, match="has no such database; make it with `createdb`"):
        Log.open(tmp_path, f"postgresql://postgres@/nowhere?{where}")
    with pytest.raises(RecordError, match="it refuses this user or password; mend them in the URL"):
        Log.open(tmp_path, f"postgresql://nobody@/postgres?{where}")


def test_a_server_that_can_only_be_read(tmp_path, postgres_url):
    url = f"{postgres_url}%20-cdefault_transaction_read_only%3Don"
    with pytest.raises(RecordError, match="the server can only be read"):
        Log.open(tmp_path, url)


def test_a_lock_that_another_keeps(home, monkeypatch):
    with Log.open(home) as log:
        other = sqlite3.connect(home / "log.sqlite", isolation_level=None)
        log.close()
        monkeypatch.setattr(module, "WAIT", 0.05)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordError, match=r"another process has kept it locked for 0\.05 s"):
            log.append(decision(log))
        other.execute("ROLLBACK")
        other.close()
        assert log.append(decision(log)).number == 1


def test_a_lock_that_another_keeps_on_a_server(tmp_path, postgres_url, monkeypatch):
    import psycopg

    with Log.open(tmp_path, postgres_url) as log:
        monkeypatch.setattr(module, "WAIT", 0.05)
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [module._LOCK])
            with pytest.raises(RecordError, match=r"another process has kept the log locked for 0\.05 s"):
                log.append(decision(log))
        assert log.append(decision(log)).number == 1


def test_a_full_disk(home, monkeypatch):
    with Log.open(home) as log:
        log.append(decision(log))
        log.close()
        usual = module._guard

        def small(connection):
            usual(connection)
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")

        monkeypatch.setattr(module, "_guard", small)
        with pytest.raises(RecordError, match="the disk is full; make room"):  # noqa: PT012  # the first ones may fit
            for _ in range(20):
                log.append(decision(log, labels={"x": "y" * 4000}))
        monkeypatch.undo()
        log.close()
        log.append(decision(log))
        check_whole(log)


LIMITED = """
import resource, sys
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.errors import RecordError
log = Log.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for n in range(500):
        print(log.append(new_statement("note", {"text": "x" * 3000}, log.about())).id, flush=True)
except RecordError as error:
    print(error)
"""


def test_a_limit_on_the_size_of_files(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
    )
    *ids, told = done.stdout.splitlines()
    assert "make room or mend it" in told
    assert ids
    with Log.open(tmp_path) as log:
        assert check_whole(log)[1:] == ids


OTHER = """
import os, sys
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.errors import RecordError
home, warm = sys.argv[1:]
with Log.open(warm) as log:  # Python's own files may be root's alone: all is imported before they are out of reach
    log.append(new_statement("note", {}, log.about()))
os.setgid(65534)
os.setuid(65534)
with Log.open(home, read_only=True) as log:
    print(log.size(), len(list(log.stored())))
for use in (lambda: Log.open(home), lambda: Log.open(home + "/new")):
    try:
        use()
    except RecordError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_home_of_somebody_else(tmp_path):
    """Read by a user who cannot write there, and has none of SQLite's files beside the database."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with Log.open(home) as log:
            log.append(decision(log))
        for path in (Path(folder), home, *home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        assert not (home / "log.sqlite-wal").exists()
        command = [sys.executable, "-c", OTHER, str(home), str(tmp_path / "warm")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    read, told, made = done.stdout.splitlines()
    assert read == "2 2"
    assert "give this user the right to write" in told
    assert "cannot be made for the log: Permission denied" in made


def test_a_vanished_file_does_not_come_back_empty(home):
    with Log.open(home) as log:
        log.close()
        (home / "log.sqlite").unlink()
        with pytest.raises(RecordError, match="it cannot be opened; look whether it is there"):
            log.append(decision(log))
    assert not (home / "log.sqlite").exists()


def test_every_commit_reaches_the_disk(log):
    with log.database.read() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]


def test_every_commit_reaches_the_servers_disk(tmp_path, postgres_url):
    """Whatever the server's default is, the one of the transaction stands."""
    url = f"{postgres_url}%20-csynchronous_commit%3Doff%20-cdefault_transaction_isolation%3Dserializable"
    with Log.open(tmp_path, url) as log:
        asked = "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')"
        row = log.database.write(lambda connection: connection.exec_driver_sql(asked).one())
        assert tuple(row) == ("on", "read committed")


def test_what_is_not_of_the_database_goes_through(log):
    def work(connection):
        raise KeyError("x")

    with pytest.raises(KeyError):
        log.database.write(work)
    with pytest.raises(KeyError), log.database.read():
        raise KeyError("x")
    assert log.append(decision(log)).number == 1


def test_texts_that_are_no_unicode(home):
    database = sqlite3.connect(home / "log.sqlite")
    with database:
        database.execute("UPDATE entries SET action = CAST(x'ff' AS TEXT)")
    database.close()
    with Log.open(home) as log, pytest.raises(IntegrityError, match="is damaged") as found:
        list(log.stored())
    assert found.value.cause == "database"
