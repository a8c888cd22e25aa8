from __future__ import annotations

import pytest

from tests.agent.log.kept import copy, sql
from veridical.agent.log.log import Log
from veridical.agent.log.raw import RawStore
from veridical.errors import IntegrityError


@pytest.fixture
def home(tmp_path):
    return copy(tmp_path)


@pytest.fixture
def store(home):
    with Log.open(home) as log, log.database.read() as connection, RawStore(connection).as_it_is() as found:
        yield found


def test_what_stands_there(store):
    assert store.damage() == []
    assert store.meta()["format"] == "veridical.log/1"
    assert [store.count(name) for name in ("meta", "entries", "checkpoints", "nodes", "witnessed")] == [2, 4, 4, 3, 0]
    assert store.sizes() == [1, 2, 3, 4]
    assert [size for size, _ in store.heads()] == [1, 2, 3, 4]
    assert list(store.cosigned()) == []
    assert [row.position for row in store.nodes(1, 0, 5)] == [0, 1]
    assert {row.number for row in store.facets(1, 3)} == {1, 2}


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5])
def test_entries_come_in_order_some_at_a_time(store, chunk):
    pages = list(store.entries(chunk))
    assert [row.number for page in pages for row in page] == [0, 1, 2, 3]
    assert max(map(len, pages)) <= chunk


def test_a_text_that_is_none_comes_out_as_it_is(home):
    sql(home, "UPDATE entries SET action = CAST(x'53ff4f50' AS TEXT) WHERE number = 1")
    with Log.open(home) as log, log.database.read() as connection:
        with RawStore(connection).as_it_is() as store:
            assert next(store.entries(9))[1].action == "S\udcffOP"
        with pytest.raises(IntegrityError, match="is damaged"), log.database.read() as other:
            next(RawStore(other).entries(9))


def test_another_table_is_a_slip_of_the_program(store):
    with pytest.raises(ValueError, match="there is no table 'sqlite_master'"):
        store.count("sqlite_master")


def test_damage_to_an_index_is_told(home):
    sql(home, "PRAGMA writable_schema=ON")
    sql(home, "DROP INDEX entries_time")
    sql(home, "CREATE INDEX entries_time ON entries (time) WHERE number < 2")
    with Log.open(home) as log, log.database.read() as connection:
        assert RawStore(connection).damage() == []  # an index of another form is whole in itself
