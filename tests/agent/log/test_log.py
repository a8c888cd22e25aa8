from __future__ import annotations

import subprocess
import sys

import pytest

from tests.agent.log.made import check_whole, decision
from veridical.agent.log.log import Log, Query
from veridical.agent.log.merkle import EMPTY, check_consistency, leaf_hash
from veridical.agent.log.note import check_checkpoint, read_checkpoint
from veridical.agent.log.proof import check_proof, read_proof
from veridical.agent.log.statement import new_statement
from veridical.errors import IntegrityError, RecordError


def root(note):
    return read_checkpoint(note).checkpoint.root


def test_a_new_log_opens_itself(log, home):
    first = log.entry(0).statement
    assert log.size() == 1
    assert first.kind == "opened"
    assert first.predicate["origin"] == log.origin
    assert log.origin.startswith("veridical.local/")
    assert first.subjects == log.about()
    assert (home / "checkpoint").read_text() == log.checkpoint()
    assert check_checkpoint(log.checkpoint(), log.note_key, log.origin).size == 1


def test_what_is_appended_is_there(tmp_path, url):
    with Log.open(tmp_path / "home", url) as log:
        statements = [decision(log) for _ in range(5)]
        receipts = [log.append(statement) for statement in statements]
        assert [receipt.number for receipt in receipts] == [1, 2, 3, 4, 5]
        for statement, receipt in zip(statements, receipts, strict=True):
            entry = log.entry(receipt.number)
            assert entry.statement == statement
            assert (receipt.id, receipt.leaf) == (statement.id, leaf_hash(entry.envelope))
            assert check_checkpoint(receipt.checkpoint, log.note_key).size == receipt.number + 1
        assert check_whole(log)[1:] == [statement.id for statement in statements]
    with Log.open(tmp_path / "home", url) as again:
        assert again.origin == log.origin
        assert again.append(decision(again)).number == 6
        assert check_whole(again)[1:6] == [statement.id for statement in statements]


def test_several_at_once_stand_under_one_tree_head(made):
    receipts = made.append_all([decision(made) for _ in range(7)])
    assert [receipt.number for receipt in receipts] == list(range(12, 19))
    assert {receipt.checkpoint for receipt in receipts} == {made.checkpoint()}
    with pytest.raises(IntegrityError, match="no checkpoint of size 15, which was within one transaction") as found:
        made.checkpoint(15)
    assert found.value.cause == "checkpoint"
    check_whole(made)
    assert made.append_all([]) == []


def test_several_at_once_are_all_or_none(made):
    one = decision(made)
    with pytest.raises(RecordError, match=f"the log holds {one.id} already, as entry 13; an id is used once"):
        made.append_all([decision(made), one, one])
    assert made.size() == 12
    made.append(one)
    assert len(check_whole(made)) == 13


def test_an_id_is_used_once(made):
    with pytest.raises(RecordError, match="already, as entry 3; an id is used once: make a new statement"):
        made.append(made.entry(3).statement)
    assert made.size() == 12


QUERIES = [
    ({}, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    ({"kind": "decision", "newest_first": False}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ({"action": "SLOW"}, [8, 5, 2]),
    ({"action": "SLOW", "facets": (("label:scenario", "night"),)}, [8, 2]),
    ({"facets": (("label:scenario", "night"), ("concept", "siren"))}, [8, 6, 4, 2]),
    ({"facets": (("label:scenario", "night"), ("concept", "bell"))}, []),
    ({"verdict": "supported", "limit": 2}, [9, 8]),
    ({"limit": 2, "offset": 3}, [8, 7]),
    ({"offset": 10}, [1, 0]),
    ({"limit": 0}, []),
    ({"subject": "s-4"}, [5]),
    ({"system": "courier", "kind": "operator"}, []),
    ({"kind": "operator", "facets": (("act", "overridden"), ("who", "M. Lind"))}, [10]),
    ({"text": "m. lind"}, [10]),
    ({"text": "roceed"}, [10]),
    ({"text": "%"}, []),
    ({"text": "s_4"}, []),
    ({"text": "NIGHT", "limit": 1}, [8]),
    ({"since": "2000-01-01", "until": "2001-01-01"}, []),
    ({"since": "2000-01-01", "limit": 1}, [11]),
]


def test_queries(made):
    for query, numbers in QUERIES:
        asked = Query(**query)
        assert [row.number for row in made.select(asked)] == numbers, query
        if asked.limit is None and not asked.offset:
            assert made.count(asked) == len(numbers), query


def test_a_row_tells_the_columns(made):
    statement = made.entry(5).statement
    (row,) = made.select(Query(subject="s-4"))
    assert row.id == statement.id
    assert row.time == statement.time
    assert (row.kind, row.action, row.verdict, row.system) == ("decision", "SLOW", "supported", "courier")
    (act,) = made.select(Query(about=made.entry(1).statement.id))
    assert act.number == 10


def test_since_takes_the_moment_and_until_does_not(made):
    time = made.entry(5).statement.time
    assert min(row.number for row in made.select(Query(since=time))) == 5
    assert max(row.number for row in made.select(Query(until=time))) == 4


def test_entries_by_number_and_by_id(made):
    ident = made.entry(4).statement.id
    for which in (4, "4", "#4", ident, ident[:12], ident.upper()):
        assert made.entry(which).number == 4
    assert [entry.number for entry in made.entries(3, 6)] == [3, 4, 5]
    assert [entry.number for entry in made.entries(9)] == [9, 10, 11]


def test_no_such_entry(made):
    for which in (99, -1, "99", "", "abc", "00000000-0000", "x' OR 1=1", "9" * 30, "½"):
        told = r"no entry .* in the log of 12; give a number below 12, or six characters or more of an id"
        with pytest.raises(RecordError, match=told):
            made.entry(which)


def test_the_beginning_of_two_ids(log):
    with_id = [new_statement("note", {}, log.about(), id=f"abcdef00-0000-4000-8000-00000000000{n}") for n in "12"]
    log.append_all(with_id)
    with pytest.raises(RecordError, match="more than one entry's id begins with 'abcdef'"):
        log.entry("abcdef")
    assert log.entry(with_id[1].id).number == 2


def test_every_entry_is_proven(made):
    for number in range(made.size()):
        proof = read_proof(made.prove(number).text())
        leaf = leaf_hash(made.entry(number).envelope)
        assert check_proof(proof, leaf, made.note_key).size == 12
    early = made.prove(2, 5)
    assert check_proof(early, leaf_hash(made.entry(2).envelope), made.note_key).size == 5
    for number, size in ((12, None), (-1, None), (5, 5)):
        with pytest.raises(RecordError, match=f"no entry {number} in the log of"):
            made.prove(number, size)


def test_every_size_begins_the_later_ones(made):
    for old in range(1, 13):
        for new in range(old, 13):
            path = made.consistency(old, new)
            check_consistency(old, new, path, root(made.checkpoint(old)), root(made.checkpoint(new)))
    assert made.consistency(0) == []
    check_consistency(0, 12, [], EMPTY, root(made.checkpoint()))
    for old, new in ((5, 4), (-1, 3), (3, 13)):
        with pytest.raises(RecordError, match=f"sizes {old} and {new} cannot be compared in a log of 12"):
            made.consistency(old, new)


def test_a_late_statement_says_so(log):
    log.append(decision(log, time="2026-11-23T20:00:02.500000+00:00"))
    log.append(decision(log, time="2026-11-23T20:00:00.000000+00:00"))
    log.append(new_statement("note", {}, log.about(), time="2026-11-23T19:00:00.000000+00:00"))
    log.append(decision(log, time="2026-11-23T19:00:00.000000+00:00"))
    clocks = [entry.statement.predicate.get("clock") for entry in log.entries(2)]
    assert clocks == ["backwards by 2.500000 s", "backwards by 3600.000000 s", "steady"]
    check_whole(log)


def test_reading_only(made, tmp_path, url):
    with Log.open(tmp_path / "made", url, read_only=True) as reader:
        assert reader.size() == 12
        assert reader.prove(3).number == 3
        with pytest.raises(RecordError, match="is open for reading; open it without read_only to append"):
            reader.append(decision(reader))


def test_no_log_to_read(tmp_path):
    with pytest.raises(RecordError, match=r"no log at .*log\.sqlite; name its home"):
        Log.open(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


def test_no_log_on_a_server_to_read(tmp_path, postgres_url):
    with pytest.raises(RecordError, match="holds no log; name another home"):
        Log.open(tmp_path, postgres_url, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_reading_writes_nothing(made, tmp_path, url):
    made.close()
    before = {path: path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()}
    with Log.open(tmp_path / "made", url, read_only=True) as reader:
        list(reader.stored())
    after = {path: path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before


def test_witnessed_heads_are_kept(made):
    made.keep_witnessed(12, "w/1", "note one")
    made.keep_witnessed(12, "w/1", "note two")
    made.keep_witnessed(11, "w/1", "note")
    assert made.witnessed() == [(11, "w/1", "note"), (12, "w/1", "note two")]
    assert made.witnessed(12) == [(12, "w/1", "note two")]


def test_no_torch_and_nothing_heavy_is_imported():
    script = "import sys; import veridical.agent.log.log; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20)
    assert not {"torch", "numpy", "scipy", "networkx", "pandas", "cryptography"} & set(done.stdout.split())
