"""Verifying a long log, in a process of its own, and searching it (private): ``python -m benchmarks._log_verified``.

The process tells how long it took, how much memory it had at the most, and, if asked, where the time went.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._logged import ACTIONS, Decisions
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.query import Query
from veridical.agent.log.verify import verify_log

__all__ = ["build", "searches", "verified"]

_ROOT = Path(__file__).resolve().parent.parent
_BATCH = 500
_TOP = 12  # functions that a profile names


def build(home: Path, entries: int, tick: Callable[[int], None] = lambda done: None) -> float:
    """Make a log of so many entries, entry 0 and decisions, by the real writer in batches; return the seconds."""
    begin = time.perf_counter()
    with Log.open(home) as log:
        made = Decisions(log)
        for start in range(1, entries, _BATCH):
            numbers = range(start, min(start + _BATCH, entries))
            log.append_all([made.statement(number) for number in numbers])
            tick(len(numbers))
    return time.perf_counter() - begin


def verified(home: Path, how: str = "entries", profile: bool = False) -> dict[str, Any]:
    """Verify a log in a process of its own.

    Args:
        home: of the log.
        how: ``entries`` alone, or with their ``contents``.
        profile: whether to tell where the time goes; it takes about twice as long then.

    Returns:
        ``seconds``, ``peak_bytes``, ``start_bytes`` (before verifying), ``entries``, ``blobs``, ``ok``, ``profile``.
    """
    command = [sys.executable, "-m", "benchmarks._log_verified", str(home), how, *(["--profile"] if profile else [])]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def searches(home: Path, rounds: int = 5) -> dict[str, dict[str, Any]]:
    """Time searches of a log made by `build`, as ``audit list`` makes them: milliseconds (median) and rows."""
    asked: dict[str, Query] = {
        "the newest 20": Query(newest_first=True, limit=20),
        "kind and action, the newest 20": Query(kind="decision", action=ACTIONS[2], newest_first=True, limit=20),
        "by a label, the newest 20": Query(facets=(("label:site", "site 7"),), newest_first=True, limit=20),
        "by evidence, the newest 20": Query(facets=(("evidence", "siren"),), newest_first=True, limit=20),
        "two facets, the newest 20": Query(
            facets=(("evidence", "cat"), ("label:site", "site 7")), newest_first=True, limit=20
        ),
        "all of an action": Query(action=ACTIONS[2], limit=None),
    }
    found: dict[str, dict[str, Any]] = {}
    with Log.open(home, read_only=True) as log:
        begin = log.entry(log.size() // 2).statement
        asked["since the middle, the first 20"] = Query(since=begin.time, limit=20)
        for name, query in asked.items():
            found[name] = _timed(lambda query=query: len(log.select(query)), rounds)
        found["count of an action"] = _timed(lambda: log.count(Query(action=ACTIONS[2])), rounds)
        found["one by the beginning of its id"] = _timed(lambda: len([log.entry(begin.id[:12])]), rounds)
    return found


def _timed(work: Callable[[], int], rounds: int) -> dict[str, Any]:
    taken, rows = [], 0
    for _ in range(rounds):
        begin = time.perf_counter()
        rows = work()
        taken.append(1000 * (time.perf_counter() - begin))
    return {"ms": sorted(taken)[rounds // 2], "rows": rows}


def _peak() -> int:
    """Most bytes that were resident; what the parent had before this process began does not count, where /proc is."""
    status = Path("/proc/self/status")
    if status.is_file():
        row = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(row.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _measure(home: Path, how: str, profile: bool) -> dict[str, Any]:
    profiler = cProfile.Profile() if profile else None
    with Log.open(home, read_only=True) as log:
        start, begin = _peak(), time.perf_counter()
        if profiler is not None:
            profiler.enable()
        found = verify_log(log, contents=Contents(deep=False) if how == "contents" else None)
        if profiler is not None:
            profiler.disable()
        taken = time.perf_counter() - begin
    return {
        "seconds": taken,
        "start_bytes": start,
        "peak_bytes": _peak(),
        "entries": found.entries,
        "blobs": found.blobs,
        "ok": found.ok,
        "profile": [] if profiler is None else _top(profiler),
    }


def _top(profiler: cProfile.Profile) -> list[dict[str, Any]]:
    """Functions by the time that they themselves took."""
    stats: Any = pstats.Stats(profiler, stream=io.StringIO())
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:_TOP]
    return [
        {"function": f"{Path(file).name}:{name}", "calls": calls, "own_s": own, "share": own / stats.total_tt}
        for (file, _, name), (_, calls, own, _, _) in rows
    ]


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m benchmarks._log_verified")
    _parser.add_argument("home", type=Path)
    _parser.add_argument("how", choices=("entries", "contents"))
    _parser.add_argument("--profile", action="store_true")
    _options = _parser.parse_args()
    print(json.dumps(_measure(_options.home, _options.how, _options.profile)))
