"""Appends per second: what the disk alone does, what a line in a file costs, and what the log costs (private)."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import _killed
from benchmarks._logged import plain, small
from veridical.agent.log.log import Log
from veridical.agent.logged import log_decision

__all__ = ["BATCH", "WORKERS", "appends", "disk"]

WORKERS = 4
"""Threads, or processes, that append at once."""

BATCH = 100
"""Statements of one ``append_all``."""

_PAGE = 4096  # bytes


def disk(folder: Path, seconds: float) -> dict[str, Any]:
    """Measure what the disk does by itself, and what an unsigned log in a plain file does.

    Args:
        folder: on the disk.
        seconds: for each of the three.

    Returns:
        As `_figures` by name: a page written and synced; a statement as a line in a file, synced and not.
    """
    page = os.urandom(_PAGE)
    with (folder / "page").open("wb", buffering=0) as file:

        def write() -> None:
            file.seek(0)
            file.write(page)
            os.fsync(file.fileno())

        found = {"write and fsync 4 kB": _figures(_one_by_one(write, seconds))}
    row = small(0)[0]
    text = {"text": "note of a writer under measurement", "decision": row["decision"], "verdict": row["verdict"]}
    for name, sync in (("a line in a file, fsync", True), ("a line in a file", False)):
        with (folder / "lines").open("ab", buffering=0) as file:

            def line(file: Any = file, sync: bool = sync) -> None:
                file.write(json.dumps(text).encode() + b"\n")
                if sync:
                    os.fsync(file.fileno())

            found[name] = _figures(_one_by_one(line, seconds))
    return found


def appends(home: Path, url: str | None, seconds: float) -> dict[str, Any]:
    """Measure the log, signed and durable.

    Args:
        home: folder of a new log.
        url: of its database; SQLite's file in the home if None.
        seconds: for each way to append.

    Returns:
        As `_figures` by name, in entries: one by one, from threads, from processes, in batches; and decisions with
        their blobs.
    """
    with Log.open(home, url) as log:
        log.append(plain(log, 0))
        found = {"one by one": _figures(_one_by_one(lambda: log.append(plain(log, 1)), seconds))}
        found[f"{WORKERS} threads"] = _figures(*_threads(log, seconds))
        batch = _one_by_one(lambda: log.append_all([plain(log, i) for i in range(BATCH)]), seconds)
        found[f"append_all of {BATCH}"] = _figures(batch, entries=BATCH)
        turn = iter(range(1 << 30))
        found["decisions with their blobs"] = _figures(
            _one_by_one(lambda: log_decision(log, *small(next(turn))), seconds)
        )
    found[f"{WORKERS} processes"] = _figures(*_processes(home, url, seconds))
    return found


def _one_by_one(work: Callable[[], Any], seconds: float) -> list[float]:
    """Do the work for some seconds; return how long each took."""
    taken, end = [], time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return taken


def _figures(taken: list[float], wall: float | None = None, entries: int = 1) -> dict[str, Any]:
    """Entries per second, and milliseconds of one call: the median, and what 99 of 100 stay below."""
    ordered = sorted(taken)
    return {
        "per_second": entries * len(taken) / (sum(taken) if wall is None else wall),
        "p50_ms": 1000 * statistics.median(ordered),
        "p99_ms": 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "calls": len(taken),
    }


def _threads(log: Log, seconds: float) -> tuple[list[float], float]:
    taken: list[list[float]] = [[] for _ in range(WORKERS)]

    def work(slot: int) -> None:
        taken[slot] = _one_by_one(lambda: log.append(plain(log, slot)), seconds)

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(WORKERS)]
    with _clock() as wall:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [value for part in taken for value in part], wall[0]


def _processes(home: Path, url: str | None, seconds: float) -> tuple[list[float], float]:
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_killed.__name__])
    ready, results = context.Barrier(WORKERS + 1), context.Queue()
    workers = [
        context.Process(target=_process, args=(str(home), url, seconds, ready, results), daemon=True)
        for _ in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    ready.wait(60)
    with _clock() as wall:
        taken = [value for _ in workers for value in results.get(timeout=seconds + 120)]
    for worker in workers:
        worker.join()
    return taken, wall[0]


def _process(home: str, url: str | None, seconds: float, ready: Any, results: Any) -> None:
    with Log.open(home, url) as log:
        log.append(plain(log, 0))
        ready.wait(60)
        results.put(_one_by_one(lambda: log.append(plain(log, 1)), seconds))


@contextlib.contextmanager
def _clock() -> Iterator[list[float]]:
    taken, begin = [0.0], time.perf_counter()
    yield taken
    taken[0] = time.perf_counter() - begin
