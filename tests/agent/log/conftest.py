"""What the log's tests share: an empty log, a PostgreSQL server, and a log to be attacked, copied for each attack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.log.attacks import copy_of, make_log
from tests.agent.log.made import decision
from tests.agent.log.postgres import Postgres, binaries, running
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.agent.log.verified import Expected


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of the log as it was written; nobody may touch it."""
    return make_log(tmp_path_factory.mktemp("attacked") / "home")


@pytest.fixture
def attacked(written: Path, tmp_path: Path) -> Path:
    """Home of a copy of it, of which an attacker has everything but what the test keeps from him."""
    return copy_of(written, tmp_path)


@pytest.fixture
def pinned(written: Path) -> Expected:
    """What somebody who once saw the log knows of it."""
    with Log.open(written, read_only=True) as log:
        return Expected(key=log.note_key, checkpoints=(log.checkpoint(),))


@pytest.fixture(scope="session")
def other_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of another log, with keys of its own; nobody may touch it."""
    return make_log(tmp_path_factory.mktemp("other") / "home")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Home of a log that holds entry 0 alone."""
    Log.open(tmp_path / "home").close()
    return tmp_path / "home"


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    """That log, open."""
    with Log.open(home) as found:
        yield found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this session, started when the first test asks for it."""
    where = binaries()
    if where is None:
        what = "no PostgreSQL: apt-get install postgresql, or set VERIDICAL_POSTGRESQL to the folder of initdb"
        if os.environ.get("CI") == "true":
            pytest.fail(what, pytrace=False)
        pytest.skip(what)
    with running(where) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """URL of an empty database of its own."""
    return postgres.new()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """URL of an empty database, None for SQLite's file in the home."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def made(tmp_path: Path, url: str | None) -> Iterator[Log]:
    """A log with nine decisions, an override and a note, on each database."""
    with Log.open(tmp_path / "made", url) as log:
        for number in range(9):
            action = ("STOP", "SLOW", "YIELD")[number % 3]
            log.append(
                decision(log, action, labels={"scenario": "night" if number % 2 else "day"}, subject=f"s-{number}")
            )
        act = {"act": "overridden", "who": "M. Lind", "reason": "saw 100 % clear", "action": "PROCEED"}
        log.append(new_statement("operator", {**act, "about": log.entry(1).statement.id}, log.about()))
        log.append(new_statement("note", {"text": "ä_%"}, log.about()))
        yield log
