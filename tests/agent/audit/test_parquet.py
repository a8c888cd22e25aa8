from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from pyarrow import parquet

from tests.agent.audit.content_sample import made
from tests.agent.audit.homes import copied, shared
from veridical.agent.audit.parquet import TABLES, write_tables
from veridical.agent.audit.reading import read_decision
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.errors import RecordError

NOTHING = "sha256:" + "0" * 64


def tables(folder):
    return {name: parquet.read_table(folder / f"{name}.parquet").to_pylist() for name in TABLES}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "t"
    with Log.open(shared(), read_only=True) as log:
        rows = write_tables(log, range(5), folder)
        predicates = [dict(read_decision(log, n).predicate) for n in (1, 2, 3)]
    return tables(folder), rows, predicates


def test_a_table_says_what_the_log_says(written):
    found, rows, predicates = written
    assert rows == {name: len(found[name]) for name in TABLES}
    assert [row["entry"] for row in found["decisions"]] == [1, 2, 3]
    for row, said in zip(found["decisions"], predicates, strict=True):
        for name in ("id", "action", "verdict", "cause", "score", "probability", "subject", "manifest", "flags"):
            assert row[name] == said[name]
        assert row["time"] == datetime.fromisoformat(said["time"])
        assert row["time"].tzinfo is not None
        assert row["system"] == said["system"]["name"]
        assert dict(row["labels"]) == said["labels"]
        assert dict(row["shares"]) == pytest.approx(said["shares"])
        assert row["evidence"] == "there"
    assert len(found["reliance"]) == sum(len(said["reliance"]) for said in predicates)


def test_claims_and_acts_have_a_row_each(written):
    found, _, predicates = written
    claims = [row for row in found["claims"] if row["entry"] == 2]
    assert [row["claim"] for row in claims] == [claim["id"] for claim in made("concepts")[0]["claims"]]
    assert [row["measured"] for row in claims] == [claim["measured"] for claim in made("concepts")[0]["claims"]]
    (act,) = found["acts"]
    assert (act["entry"], act["record"], act["who"], act["action"]) == (4, predicates[1]["id"], "Ann", "GO")


def test_words_that_were_sealed_stay_out(written):
    found, _, _ = written
    words = made("simple")[0]["observation"]["text"]["text"]
    assert words not in str(found)


def test_values_of_a_foreign_kind_do_not_stop_the_tables(tmp_path):
    home = copied(tmp_path)
    odd = {"about": None, "act": "annotated", "who": 7, "reason": None, "action": ["x"]}
    with Log.open(home) as log:
        log.append(new_statement("operator", odd, log.about()))
        rows = write_tables(log, [5], tmp_path / "t")
    assert rows["acts"] == 1
    row = tables(tmp_path / "t")["acts"][0]
    assert (row["who"], row["reason"], row["action"]) == ("7", None, "['x']")


def test_values_are_read_as_what_they_are():
    from veridical.agent.audit.parquet import _VALUES

    assert _VALUES["real"](True) is None
    assert _VALUES["real"](math.inf) is None
    assert _VALUES["real"](2) == 2.0
    assert _VALUES["time"]("no time") is None
    assert _VALUES["time"]("2026-11-23T00:00:00+00:00") == datetime(2026, 11, 23, tzinfo=UTC)
    assert _VALUES["texts"]([1]) == []
    assert _VALUES["texts"]({"a": 1, "b": None}) == [("a", "1"), ("b", None)]
    assert _VALUES["list"]("x") == []
    assert _VALUES["int"]("1") is None
    assert _VALUES["bool"](1) is None


def test_many_rows_are_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("veridical.agent.audit.parquet._CHUNK", 1)
    with Log.open(shared(), read_only=True) as log:
        rows = write_tables(log, [1, 2, 3], tmp_path)
    assert {name: len(found) for name, found in tables(tmp_path).items()} == rows


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with Log.open(shared(), read_only=True) as log, pytest.raises(RecordError, match="cannot be written to"):
        write_tables(log, [1], tmp_path / "file" / "t")
