"""Decisions to append, and all that a database says of a log held against its envelopes."""

from __future__ import annotations

from veridical.agent.log.log import Log
from veridical.agent.log.merkle import Frontier, leaf_hash
from veridical.agent.log.note import NoteKey, check_checkpoint
from veridical.agent.log.statement import Statement, new_statement
from veridical.agent.log.store import columns_of, facets_of


def decision(log: Log, action: str = "STOP", time: str | None = None, **members: object) -> Statement:
    """A statement about a decision, with an id of its own."""
    said = {
        "clock": "steady",
        "about": None,
        "system": {"name": "courier", "digest": "sha256:" + "0" * 64},
        "action": action,
        "verdict": "supported",
        "cause": "all tests passed",
        "subject": None,
        "labels": {"scenario": "night"},
        "reliance": [{"label": "siren", "kind": "concept", "modality": "audio", "effect": 1.25, "share": 0.5}],
        "flags": [],
    }
    return new_statement("decision", {**said, **members}, log.about(), time)


def check_whole(log: Log) -> list[str]:
    """See that columns, facets, hashes and tree heads are those of the envelopes; return the ids in order."""
    frontier, nodes, roots, ids = Frontier(0, []), [], {}, []
    trust = log.trust()
    for at, row in enumerate(log.stored()):
        entry = log.entry(row.number)
        assert row.number == at
        assert row.leaf == leaf_hash(row.envelope)
        assert row.columns == columns_of(entry.statement)
        assert row.facets == facets_of(entry.statement)
        trust.check(entry.sealed, at, f"entry {at}")
        nodes += [node for node in frontier.append(row.leaf) if node[0]]
        roots[frontier.size] = frontier.root()
        ids.append(entry.statement.id)
    assert list(log.tree_nodes()) == sorted(nodes)
    heads = list(log.checkpoints())
    assert heads[-1][0] == len(ids)
    for size, note in heads:
        found = check_checkpoint(note, NoteKey(log.origin, trust.signing_at(size)), log.origin)
        assert (found.size, found.root) == (size, roots[size])
    return ids
