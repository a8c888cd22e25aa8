"""Proofs at growing sizes of a log: how many hashes and bytes, and how long to make and to check (private)."""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from veridical.agent.log.log import Log
from veridical.agent.log.merkle import Frontier, check_consistency, leaf_hash
from veridical.agent.log.note import Checkpoint, read_checkpoint, sign_checkpoint
from veridical.agent.log.proof import check_proof, read_proof
from veridical.agent.log.store import checkpoints, entries, nodes

__all__ = ["fill", "proofs"]

_BATCH = 20_000
_HASH = 32  # bytes


def fill(home: Path, sizes: Sequence[int], tick: Callable[[int], None] = lambda done: None) -> float:
    """Make a log whose tree has the largest of some sizes, and a signed tree head at each; return the seconds.

    The tables are those of a log, and the tree is right; what the entries say is not: their envelopes are a few bytes,
    and only entry 0 was signed. A tree head is signed at each of the sizes, which a writer in batches would not do.
    """
    begin, wanted = time.perf_counter(), sorted(sizes)
    with Log.open(home) as log:
        tree, signer = Frontier(0, []), log.keys.current()
        tree.append(leaf_hash(log.entry(0).envelope))
        while tree.size < wanted[-1]:
            rows: dict[Any, list[dict[str, Any]]] = {entries: [], nodes: [], checkpoints: []}
            for number in range(tree.size, min(tree.size + _BATCH, wanted[-1])):
                content = f"{number}".encode()
                leaf = leaf_hash(content)
                rows[entries].append(_row(number, leaf, content))
                rows[nodes] += [
                    {"level": level, "position": at, "hash": value} for level, at, value in tree.append(leaf) if level
                ]
                if tree.size in wanted:
                    head = Checkpoint(log.origin, tree.size, tree.root())
                    note = sign_checkpoint(head, log.origin, signer.sign, signer.public)
                    rows[checkpoints].append({"size": tree.size, "note": note})

            def work(connection: Any, rows: dict[Any, list[dict[str, Any]]] = rows) -> None:
                for table, made in rows.items():
                    if made:
                        connection.execute(table.insert(), made)

            log.database.write(work)
            tick(len(rows[entries]))
    return time.perf_counter() - begin


def _row(number: int, leaf: bytes, content: bytes) -> dict[str, Any]:
    words = {"about": None, "action": None, "verdict": None, "system": None, "subject": None}
    said = {"id": str(uuid.uuid4()), "kind": "note", "time": "2026-11-23T20:12:33.281000+00:00"}
    return {"number": number, **said, **words, "leaf": leaf, "envelope": content}


def proofs(home: Path, sizes: Sequence[int], rounds: int = 20) -> list[dict[str, Any]]:
    """Measure proofs at each size, on entries drawn anew each time.

    Returns:
        By size: of inclusion, hashes and bytes (the most; text of the proof with its tree head, as it is sent), and
        milliseconds to make and to check (medians; checked from its text, the signature included); of consistency from
        a drawn smaller size, the same, where the bytes are those of the hashes.
    """
    rng, found = random.Random(7), []
    with Log.open(home, read_only=True) as log:
        key = log.note_key
        for size in sorted(sizes):
            included = [_included(log, key, rng.randrange(size), size) for _ in range(rounds)]
            consistent = [_consistent(log, rng.randrange(1, size), size) for _ in range(rounds)]
            found.append(
                {"size": size, "inclusion": _figures(included), "consistency": _figures(consistent), "rounds": rounds}
            )
    return found


def _included(log: Log, key: Any, number: int, size: int) -> tuple[int, int, float, float]:
    leaf = leaf_hash(log.entry(number).envelope)
    begin = time.perf_counter()
    proof = log.prove(number, size)
    made = time.perf_counter()
    text = proof.text()
    middle = time.perf_counter()
    check_proof(read_proof(text), leaf, key)
    return len(proof.path), len(text.encode()), made - begin, time.perf_counter() - middle


def _consistent(log: Log, old: int, new: int) -> tuple[int, int, float, float]:
    head = read_checkpoint(log.checkpoint(new)).checkpoint
    root = _root(log, old)
    begin = time.perf_counter()
    path = log.consistency(old, new)
    made = time.perf_counter()
    check_consistency(old, new, path, root, head.root)
    return len(path), _HASH * len(path), made - begin, time.perf_counter() - made


def _root(log: Log, size: int) -> bytes:
    """The root that the log had at a size at which no tree head was signed."""
    from veridical.agent.log.merkle import root_at
    from veridical.agent.log.reading import node_of

    with log.database.read() as connection:
        return root_at(size, node_of(connection))


def _figures(rows: Sequence[tuple[int, int, float, float]]) -> dict[str, Any]:
    hashes, length, making, checking = zip(*rows, strict=True)
    return {
        "hashes": max(hashes),
        "bytes": max(length),
        "make_ms": 1000 * statistics.median(making),
        "check_ms": 1000 * statistics.median(checking),
    }
