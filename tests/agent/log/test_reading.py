from __future__ import annotations

import pytest
from sqlalchemy import event, insert

from tests.agent.log.made import decision
from veridical.agent.log import reading as module
from veridical.agent.log.merkle import leaf_hash, root_at
from veridical.agent.log.reading import Entry
from veridical.agent.log.store import nodes
from veridical.agent.record.canonical import digest_of
from veridical.errors import IntegrityError


def test_pages_join(log, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 3)
    log.append_all([decision(log) for _ in range(20)])
    for _ in range(9):
        log.append(decision(log))
    assert [entry.number for entry in log.entries()] == list(range(30))
    assert [row.number for row in log.stored(2, 9)] == list(range(2, 9))
    assert [len(row.facets) for row in log.stored(5, 12)] == [3] * 7
    assert [size for size, _ in log.checkpoints()] == [1, *range(21, 31)]
    assert [size for size, _ in log.checkpoints(22)] == list(range(22, 31))
    assert len(list(log.tree_nodes())) == 15 + 7 + 3 + 1
    assert list(log.entries(5, 5)) == []
    assert list(log.entries(30)) == []


def test_an_entry_is_read_when_it_is_asked(log):
    entry = Entry(3, b"{}")
    assert entry.digest == digest_of(b"{}")
    with pytest.raises(IntegrityError, match="entry 3"):
        _ = entry.statement
    first = log.entry(0)
    assert first.statement is first.statement
    assert first.digest == digest_of(first.envelope)


def test_the_hashes_of_a_root_come_at_once(made):
    made.append_all([decision(made) for _ in range(15)])
    asked: list[str] = []
    with made.database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2]))
        for size in range(28):
            node = module.frontiers_of(connection, [size])
            before = len(asked)
            root = root_at(size, node)
            assert len(asked) == before <= 2
            assert root == root_at(size, module.node_of(connection))
            asked.clear()
        assert module.frontiers_of(connection, [])(1, 3) == module.node_of(connection)(1, 3)


def test_a_hash_of_the_tree(log):
    with log.database.read() as connection:
        node = module.node_of(connection)
        assert node(0, 0) == leaf_hash(log.entry(0).envelope)
        for level, position in ((0, 1), (1, 0)):
            with pytest.raises(IntegrityError, match=f"hash at level {level}, position {position} is absent") as found:
                node(level, position)
            assert found.value.cause == "tree"
    log.database.write(lambda c: c.execute(insert(nodes), [{"level": 1, "position": 0, "hash": b"short"}]) and None)
    with log.database.read() as connection, pytest.raises(IntegrityError, match="absent or no hash"):
        module.node_of(connection)(1, 0)
