from __future__ import annotations

import pytest

from tests.agent.batch.workers import IDENTITY, Stub, broken, stillborn
from veridical.agent.batch.explaining import FIELDS
from veridical.agent.batch.local import LocalEngine
from veridical.agent.batch.packing import pack
from veridical.errors import ContractError, WeightsError


def rows(*words, kind="item"):
    return [{**FIELDS, "kind": kind, "id": w, "key": w, "content": pack({"text": w})} for w in words]


@pytest.fixture
def engine():
    made = LocalEngine(Stub, jobs=2)
    yield made
    made.close()


def test_every_row_comes_back_once_and_others_pass_through(engine):
    assert engine.start() == IDENTITY
    asked = [*rows("a", "b cat"), *rows("known", kind="done"), *rows("c", "d", "fail")]
    found = sorted((row["id"], row["kind"]) for row in engine.run(asked))
    expected = [("a", "explained"), ("b cat", "explained"), ("c", "explained"), ("d", "explained"), ("fail", "failed")]
    assert found == [*expected, ("known", "done")]
    assert list(engine.run([])) == []


def test_the_feed_is_read_as_it_is_needed(engine):
    engine.start()
    drawn = []

    def feed():
        for row in rows(*(f"row {i}" for i in range(20))):
            drawn.append(row["id"])
            yield row

    for done, _ in enumerate(engine.run(feed())):
        assert len(drawn) <= done + 4  # one for each worker, and what is on its way
    assert len(drawn) == 20


def test_a_row_is_given_to_another_worker_when_one_dies_and_fails_when_it_kills_too_many(engine, tmp_path):
    once, always = tmp_path / "once", tmp_path / "always"
    once.write_text("1")
    always.write_text("9")
    engine.start()
    found = {row["id"]: row for row in engine.run(rows("a", f"die={once}", f"die={always}", "b"))}
    assert {name.split("/")[-1]: row["kind"] for name, row in found.items()} == {
        "a": "explained",
        "b": "explained",
        "once": "explained",
        "always": "failed",
    }
    assert "2 workers ended while they had it (the last with status -9)" in found[f"die={always}"]["why"]
    assert engine.killed == 3
    assert always.read_text() == "7"


def test_a_worker_that_cannot_be_made_is_said():
    for make, error, told in ((broken, WeightsError, "no weights of stub"), (stillborn, ContractError, "3 workers in")):
        engine = LocalEngine(make)
        try:
            with pytest.raises(error, match=told):
                engine.start()
        finally:
            engine.close()
