from __future__ import annotations

import pytest

from tests.agent.log.kept import copy, first, sql
from veridical.agent.log.log import Log
from veridical.agent.log.verified import Absent, Problem
from veridical.agent.log.verify import verify_log


@pytest.fixture
def log(tmp_path):
    with Log.open(copy(tmp_path)) as found:
        yield found


def test_progress_is_told_and_ends_at_the_whole(log):
    told = []
    verify_log(log, progress=lambda done, of: told.append((done, of)))
    assert told == [(4, 4)]


def test_what_is_appended_meanwhile_is_not_seen(log):
    def append(done, of):
        from tests.agent.log.kept import keep

        keep(log, 7)

    found = verify_log(log, progress=append)
    assert found.entries == 4
    assert log.size() == 5


def test_contents_are_asked_for_every_entry(log):
    seen = []

    def contents(statement, number, holder, count):
        seen.append((number, statement.kind))
        assert holder is log
        count("blobs")
        if number == 2:
            yield Problem("content", "it is odd", 2, statement.id)
        if number == 3:
            yield Absent("sha256:" + "0" * 64, Problem("missing", "it is gone", 3, statement.id))

    found = verify_log(log, contents=contents)
    assert seen == [(0, "opened"), (1, "decision"), (2, "decision"), (3, "decision")]
    assert found.blobs == 4
    assert [(problem.cause, problem.entry) for problem in found.problems] == [("content", 2), ("missing", 3)]


def test_a_table_that_is_gone_is_a_problem_and_no_traceback(log):
    sql(log.home, "DROP TABLE facets")
    found = verify_log(log)
    assert first(found).cause == "database"


def test_an_empty_log_does_not_hold(log):
    for name in ("entries", "facets", "nodes", "checkpoints"):
        sql(log.home, f"DELETE FROM {name}")  # noqa: S608  # the names above
    found = verify_log(log)
    assert not found.ok
    assert found.entries == 0
