"""Nothing acknowledged is lost: ``python -m benchmarks.kills`` (``make benchmark-kills``).

Processes append to one log and write down every receipt that they get. At random moments one of them, or all, are
killed (SIGKILL) and started again; on PostgreSQL the server is killed too. Afterwards every entry whose receipt was
written down must be in the log, with the same hash at the same number, and the log must verify.

A killed process takes nothing with it that it had handed to the system: this measures the order in which things are
written, not whether a disk keeps what it says it has kept when the power fails.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import _killed
from benchmarks._killing import Run, kill_server, kill_writers
from benchmarks.postgres import Server
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.merkle import check_consistency
from veridical.agent.log.note import read_checkpoint
from veridical.agent.log.verify import Expected, verify_log
from veridical.errors import InputError, VeridicalError

__all__ = ["main", "measure"]

_SMALL = 100  # characters of an error, enough to tell it from others
_URL = re.compile(r"\S+://\S+")


def _judge(run: Run) -> dict[str, Any]:
    """Hold the log against what was acknowledged, and verify it."""
    told = _killed.read_told(run.lines)
    begin = time.perf_counter()
    with Log.open(run.home, run.url, read_only=True) as log:
        leaves, named = {}, set()
        for row in log.entries():
            predicate = row.statement.predicate
            named |= {predicate.get("manifest"), *predicate.get("blobs", ()), *predicate.get("sealed", ())}
        for row in log.stored():
            leaves[row.number] = row.leaf.hex()
        lost = [ack for ack in told.acknowledged if leaves.get(ack.number) != ack.leaf]
        roots = {size: read_checkpoint(note).checkpoint.root.hex() for size, note in log.checkpoints()}
        other = [ack for ack in told.acknowledged if roots.get(ack.size) != ack.root]
        _consistent(log, run.seen)
        found = verify_log(log, Expected(checkpoints=run.seen), Contents(deep=False))
        numbers = {ack.number for ack in told.acknowledged}
        orphans = [digest for digest in log.blobs if digest not in named]
    parts = sum(1 for _ in run.home.glob("blobs/*/.*.part"))
    return {
        "kills": dict(run.killed),
        "acknowledged": len(told.acknowledged),
        "twice": len(told.acknowledged) - len(numbers),
        "lost": len(lost),
        "other_tree_head": len(other),
        "unacknowledged": len(leaves) - 1 - len(numbers),  # entry 0 opens the log
        "refused": len(told.refused),
        "refusals": dict(Counter(_URL.sub("…", text)[:_SMALL] for text in told.refused).most_common(5)),
        "wrong": told.wrong[:5],
        "heads_consistent": len(run.seen),
        "orphans": len(orphans),
        "parts": parts,
        "entries": len(leaves),
        "decisions": found.kinds.get("decision", 0),
        "blobs": found.blobs,
        "verified": found.ok,
        "problems": [f"{problem.cause}: {problem.told}" for problem in found.problems[:5]],
        "judged_s": time.perf_counter() - begin,
    }


def _consistent(log: Log, seen: list[str]) -> None:
    """See that every tree head seen before a kill is one of the log's beginnings.

    Raises:
        IntegrityError: one is not.
    """
    last = read_checkpoint(log.checkpoint()).checkpoint
    for size, root in sorted({(c.size, c.root) for c in (read_checkpoint(note).checkpoint for note in seen)}):
        check_consistency(size, last.size, log.consistency(size, last.size), root, last.root)


def measure(
    kills: int = 200,
    server_kills: int = 0,
    *,
    writers: int = 4,
    seed: int = 7,
    server: Server | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Kill writers, then the server under them, and see what is left.

    Args:
        kills: of writers, at least as many as there are writers.
        server_kills: of the server.
        writers: processes that append at once.
        seed: of who is killed, and when.
        server: PostgreSQL; SQLite if None.
        tick: told how many kills are done more.

    Returns:
        Plain JSON values: kills by kind, entries ``acknowledged``, of those ``lost`` (not there, or another), entries
        that are there ``unacknowledged``, appends ``refused`` with an error, ``orphans`` (blobs that no entry names),
        ``verified`` and what is wrong, seconds.

    Raises:
        InputError: fewer kills than writers, or kills of a server that is not there.
        IntegrityError: a tree head seen before a kill is of another log than the one found after it.
    """
    if writers < 1 or kills < writers:
        raise InputError(f"kills: {kills} kills of {writers} writers; at least one of each writer is wanted")
    if server_kills and server is None:
        raise InputError(f"kills: {server_kills} kills of a server; SQLite has none, name PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="veridical-kills-", ignore_cleanup_errors=True) as folder:
        begin, times = time.perf_counter(), {}
        run = Run(Path(folder), None if server is None else server.new(), writers, random.Random(seed))
        try:
            kill_writers(run, kills, tick)
            if server is not None and server_kills:
                times = kill_server(run, server, server_kills, tick)
        finally:
            run.end()
        seconds = time.perf_counter() - begin
        name = "SQLite" if server is None else f"PostgreSQL {server.told()}"
        return {"database": name, "writers": writers, **_judge(run), **times, "seconds": seconds}


_ROWS = {
    "kills": "kills", "acknowledged": "acknowledged", "lost": "of those lost or altered",
    "other_tree_head": "of those under another tree head", "unacknowledged": "there, but not acknowledged",
    "refused": "refused with an error", "heads_consistent": "tree heads seen before a kill, all consistent",
    "entries": "entries", "decisions": "of those decisions", "orphans": "blobs that no entry names",
    "parts": "blobs half written", "verified": "verifies", "server_up_again_s": "server up again, s (median)",
    "acknowledged_again_s": "acknowledged again, s (median)", "seconds": "seconds",
}  # fmt: skip


def _print(results: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", *(result["database"] for result in results), title="kills")
    for key, told in _ROWS.items():
        table.add_row(told, *(_cell(result.get(key)) for result in results))
    console = Console()
    console.print(table)
    for result in results:
        refused = [f"{count} × {text}" for text, count in result["refusals"].items()]
        for text in (*result["problems"], *result["wrong"], *refused):
            console.print(f"{result['database']}: {text}", markup=False)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{count} {name}" for name, count in value.items() if count)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; the exit status is 1 where something acknowledged was lost or the log does not verify."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description="Kills, and what is lost: nothing.")
    parser.add_argument("--kills", type=int, default=200, help="kills of writers on SQLite")
    parser.add_argument("--postgresql-kills", type=int, default=100, help="kills of writers on PostgreSQL")
    parser.add_argument("--server-kills", type=int, default=100, help="kills of the PostgreSQL server")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one database alone")
    parser.add_argument("--writers", type=int, default=4, help="processes that append at once")
    parser.add_argument("--seed", type=int, default=7, help="of who is killed, and when")
    parser.add_argument("--quick", action="store_true", help="a few kills only")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    if options.quick:
        options.kills, options.postgresql_kills, options.server_kills = 2 * options.writers, options.writers, 2
    said = {"writers": options.writers, "seed": options.seed}
    results = []
    try:
        if options.only != "postgresql":
            results.append(measure(options.kills, **said))
        if options.only != "sqlite":
            with Server() as server:
                results.append(measure(options.postgresql_kills, options.server_kills, server=server, **said))
    except VeridicalError as error:
        parser.error(str(error))
    print(json.dumps(results, indent=2)) if options.json else _print(results)
    if any(result["lost"] or result["wrong"] or not result["verified"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
