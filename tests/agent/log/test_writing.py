from __future__ import annotations

import threading

import pytest
from sqlalchemy.exc import OperationalError

from tests.agent.log.made import check_whole, decision
from veridical.agent.log import writing as module
from veridical.agent.log.database import Lost
from veridical.agent.log.log import Log
from veridical.errors import RecordError


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))


def breaking(log, monkeypatch, *, after, unknown, times=1):
    """Have the connection break, before or after the commit, some times."""
    usual, left = log.database.write, [times]

    def write(work):
        if not left[0]:
            return usual(work)
        left[0] -= 1
        if after:
            usual(work)
        raise Lost(RecordError("the log's server is gone"), unknown)

    monkeypatch.setattr(log.database, "write", write)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_a_broken_connection_loses_and_doubles_nothing(log, monkeypatch, quick, after, times):
    breaking(log, monkeypatch, after=after, unknown=True, times=times)
    statements = [decision(log) for _ in range(3)]
    receipts = log.append_all(statements)
    assert [receipt.number for receipt in receipts] == [1, 2, 3]
    assert [receipt.id for receipt in receipts] == [statement.id for statement in statements]
    assert receipts[0].checkpoint == log.checkpoint()
    assert len(check_whole(log)) == 4


def test_a_receipt_found_again_is_the_one_that_was_made(log, monkeypatch, quick):
    breaking(log, monkeypatch, after=True, unknown=True)
    receipt = log.append(decision(log))
    monkeypatch.undo()
    log.append(decision(log))
    assert receipt.checkpoint == log.checkpoint(2)
    assert receipt.leaf == next(log.stored(1)).leaf


def test_what_nobody_can_know_is_said(log, monkeypatch, quick):
    statement = decision(log)
    breaking(log, monkeypatch, after=False, unknown=True, times=9)
    with pytest.raises(RecordError, match=f"nobody can know whether {statement.id} was appended: look for it"):
        log.append(statement)
    monkeypatch.undo()
    assert log.append(statement).number == 1


def test_what_was_not_appended_is_said(log, monkeypatch, quick):
    breaking(log, monkeypatch, after=False, unknown=False, times=9)
    with pytest.raises(RecordError, match="gone; nothing was appended"):
        log.append(decision(log))


def test_a_server_killed_under_writers(tmp_path, postgres):
    """The server is killed and started again while threads append; what is acknowledged is there, once."""
    stop = threading.Event()
    receipts: list[module.Receipt] = []
    errors: list[str] = []

    def work():
        while not stop.is_set():
            try:
                receipts.append(log.append(decision(log)))
            except RecordError as error:  # the server took longer to come back than an append waits
                errors.append(str(error))

    with Log.open(tmp_path, postgres.new()) as log:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        stop.wait(0.2)
        postgres.stop("immediate")
        postgres.start()
        stop.wait(0.4)
        stop.set()
        for thread in threads:
            thread.join()
        assert all("nothing was appended" in told or "nobody can know" in told for told in errors)
        ids = check_whole(log)
    assert len(receipts) > 5
    assert all(ids[receipt.number] == receipt.id for receipt in receipts)
    assert 0 <= len(ids) - 1 - len(receipts) <= sum("nobody can know" in told for told in errors)


def test_one_that_cannot_be_appended_does_not_take_others_with_it(log):
    """Four appends in one transaction, of which two are refused."""
    good, bad = [decision(log) for _ in range(2)], log.entry(0).statement
    jobs = [module._Job([good[0]], None), module._Job([decision(log), bad], None)]
    jobs += [module._Job([decision(log)], [log.keys.make()]), module._Job([good[1]], None)]
    log._writer._commit(jobs)
    assert [job.error is None for job in jobs] == [True, False, False, True]
    assert "already, as entry 0" in str(jobs[1].error)
    assert "which this log has not brought in" in str(jobs[2].error)
    assert check_whole(log)[1:] == [statement.id for statement in good]


def test_what_a_refused_entry_said_of_keys_is_forgotten(log):
    before = log._writer.holder()
    new = log.keys.make()
    from veridical.agent.log.keys import key_member
    from veridical.agent.log.statement import new_statement

    said = {"act": "rotated", "key": key_member(new.public), "replaced": before.key_id, "reason": "x"}
    job = module._Job([new_statement("keys", said, log.about()), log.entry(0).statement], [before, new])
    log._writer._commit([job])
    assert "already" in str(job.error)
    log.append(decision(log))
    assert log._writer.holder() == before
    check_whole(log)


def test_an_interrupted_leader_leaves_the_others_their_work(log, monkeypatch):
    usual, first = log.database.write, threading.Event()

    def write(work):
        if not first.is_set():
            first.set()
            while not log._writer._waiting:
                pass
            raise KeyboardInterrupt
        return usual(work)

    log._writer.holder()
    monkeypatch.setattr(log.database, "write", write)
    found = []

    def follow():
        first.wait(5)
        found.append(log.append(decision(log)))

    thread = threading.Thread(target=follow)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        log.append(decision(log))
    thread.join()
    assert found[0].number == 1
    assert len(check_whole(log)) == 2


def test_a_failure_of_the_database_is_each_ones(log, monkeypatch):
    def write(work):
        raise RecordError("the log failed")

    monkeypatch.setattr(log.database, "write", write)
    jobs = [module._Job([decision(log)], None) for _ in range(2)]
    log._writer._commit(jobs)
    assert [str(job.error) for job in jobs] == ["the log failed"] * 2
    monkeypatch.undo()
    assert log.append(decision(log)).number == 1


def test_sqlite_is_never_lost():
    import sqlite3

    from veridical.agent.log.trouble import is_lost

    assert not is_lost(OperationalError("", {}, sqlite3.OperationalError("disk I/O error")))
