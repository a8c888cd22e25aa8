"""What the log costs: ``python -m benchmarks.log_speed`` (``make benchmark-log``).

Appends per second, signed and on the disk, on SQLite and on PostgreSQL, beside what the disk alone does; time and
memory of verifying a long log, with and without what its entries refer to; searches of it; and the size of proofs as a
log grows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks._log_appends import appends, disk
from benchmarks._log_proofs import fill, proofs
from benchmarks._log_verified import build, searches, verified
from benchmarks.postgres import Server
from veridical.errors import InputError, VeridicalError

__all__ = ["PARTS", "main", "measure"]

PARTS = ("appends", "verify", "proofs")
"""What can be measured."""

_SIZES = tuple(10**power for power in range(1, 7))


def measure(
    parts: Sequence[str] = PARTS,
    *,
    seconds: float = 10.0,
    entries: int = 100_000,
    sizes: Sequence[int] = _SIZES,
    postgresql: bool = True,
    profile: bool = False,
    tick: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """Measure.

    Args:
        parts: of `PARTS`.
        seconds: for each way to append.
        entries: of the log that is verified.
        sizes: of the tree, at which proofs are made.
        postgresql: whether appends are measured on a PostgreSQL server too.
        profile: whether to tell where the time of verifying goes.
        tick: told what is done next.

    Returns:
        Plain JSON values: by part, and ``machine``.

    Raises:
        InputError: an unknown part, or too little of something; PostgreSQL is not installed.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise InputError(f"log_speed: no part {', '.join(unknown) or 'named'}; choose from {', '.join(PARTS)}")
    if seconds <= 0 or entries < 2 or not sizes or min(sizes) < 2:
        told = f"{seconds:g} s, {entries} entries, sizes {', '.join(map(str, sizes)) or 'none'}"
        raise InputError(f"log_speed: {told}; more than 0 s, and 2 entries or more each are wanted")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="veridical-speed-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if "appends" in parts:
            found["appends"] = _appends(folder, seconds, postgresql, tick)
        if "verify" in parts:
            found["verify"] = _verify(folder / "long", entries, profile, tick)
        if "proofs" in parts:
            tick(f"a tree of {max(sizes):,} entries")
            taken = fill(folder / "tree", sizes)
            tick("proofs")
            found["proofs"] = {"build_s": taken, "sizes": proofs(folder / "tree", sizes)}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    return {**found, "machine": {**machine, "load_at_the_end": load}}


def _appends(folder: Path, seconds: float, postgresql: bool, tick: Callable[[str], None]) -> dict[str, Any]:
    tick("the disk")
    found = {"the disk alone": disk(folder, seconds)}
    tick("appends on SQLite")
    found["SQLite"] = appends(folder / "sqlite", None, seconds)
    with Server() if postgresql else nullcontext() as server:
        if server is not None:
            tick("appends on PostgreSQL")
            found[f"PostgreSQL {server.told()}"] = appends(folder / "postgresql", server.new(), seconds)
    return found


def _verify(home: Path, entries: int, profile: bool, tick: Callable[[str], None]) -> dict[str, Any]:
    tick(f"a log of {entries:,} entries")
    found: dict[str, Any] = {"build_s": build(home, entries)}
    for how in ("entries", "contents"):
        tick(f"verifying: {how}")
        found[how] = verified(home, how)
        if profile:
            found[how]["profile"] = verified(home, how, profile=True)["profile"]
    tick("searches")
    database = sum(path.stat().st_size for path in home.glob("log.sqlite*"))
    return {**found, "searches": searches(home), "database_bytes": database}


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    for name, show in (("appends", _show_appends), ("verify", _show_verify), ("proofs", _show_proofs)):
        if name in result:
            for table in show(result[name]):
                console.print(table)
    machine = result["machine"]
    load = "unknown" if machine["load_at_the_end"] is None else f"{machine['load_at_the_end']:.1f}"
    console.print(
        f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}; load at the end {load}"
    )


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _show_appends(found: dict[str, Any]) -> list[Any]:
    tables = []
    for where, rows in found.items():
        table = _table(where, "", "per second", "p50 ms", "p99 ms", "calls")
        for name, row in rows.items():
            cells = (f"{row['per_second']:,.0f}", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{row['calls']:,}")
            table.add_row(name, *cells)
        tables.append(table)
    return tables


def _show_verify(found: dict[str, Any]) -> list[Any]:
    table = _table("verifying", "", "entries", "blobs", "seconds", "per second", "peak MB", "holds")
    profiles = []
    for how, told in (("entries", "entries alone"), ("contents", "with what they refer to")):
        row = found[how]
        rate, peak = f"{row['entries'] / row['seconds']:,.0f}", f"{row['peak_bytes'] / 1e6:.0f}"
        holds = "yes" if row["ok"] else "no"
        table.add_row(told, f"{row['entries']:,}", f"{row['blobs']:,}", f"{row['seconds']:.1f}", rate, peak, holds)
        if row["profile"]:
            profile = _table(f"where the time goes: {told}", "function", "calls", "own s", "share")
            for one in row["profile"]:
                profile.add_row(one["function"], f"{one['calls']:,}", f"{one['own_s']:.2f}", f"{one['share']:.0%}")
            profiles.append(profile)
    searched = _table(f"searches ({found['database_bytes'] / 1e6:.0f} MB database)", "", "ms", "rows")
    for name, row in found["searches"].items():
        searched.add_row(name, f"{row['ms']:.1f}", f"{row['rows']:,}")
    return [table, *profiles, searched]


def _show_proofs(found: dict[str, Any]) -> list[Any]:
    tables = []
    for kind in ("inclusion", "consistency"):
        table = _table(f"proofs of {kind}", "entries", "hashes", "bytes", "make ms", "check ms")
        for row in found["sizes"]:
            one = row[kind]
            cells = (str(one["hashes"]), f"{one['bytes']:,}", f"{one['make_ms']:.2f}", f"{one['check_ms']:.2f}")
            table.add_row(f"{row['size']:,}", *cells)
        tables.append(table)
    return tables


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.log_speed", description="What the log costs.")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="what to measure")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each way to append")
    parser.add_argument("--entries", type=int, default=100_000, help="of the log that is verified")
    parser.add_argument("--largest", type=int, default=_SIZES[-1], help="size of the tree, the largest")
    parser.add_argument("--sqlite-only", action="store_true", help="leave PostgreSQL out")
    parser.add_argument("--profile", action="store_true", help="tell where the time of verifying goes")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds, options.entries, options.largest = 0.2, 300, 1000
    sizes = [size for size in _SIZES if size < options.largest] + [options.largest]
    from rich.console import Console

    console, begin = Console(stderr=True), time.monotonic()
    try:
        result = measure(
            options.parts,
            seconds=options.seconds,
            entries=options.entries,
            sizes=sizes,
            postgresql=not options.sqlite_only,
            profile=options.profile,
            tick=lambda what: console.print(f"{time.monotonic() - begin:6.0f} s  {what}", highlight=False),
        )
    except VeridicalError as error:
        parser.error(str(error))
    print(json.dumps(result, indent=2)) if options.json else _print(result)


if __name__ == "__main__":
    main()
