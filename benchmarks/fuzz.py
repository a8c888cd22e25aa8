"""Does any reader break on bytes that somebody else wrote?

``python -m benchmarks.fuzz --minutes 10`` (``make fuzz``).

Every reader of `benchmarks.fuzz_targets` is given valid bytes, changed: by their structure where they are JSON, and
byte by byte. A reader may refuse them as `VeridicalError`; any other exception is a crash, and its input is kept. While
it reads, nothing may be compiled, executed, imported, started, connected to, or opened outside its folder: an audit
hook (PEP 578) refuses it and counts it as a crash.

The engine is Atheris (coverage leads it to what was not reached yet) where it is installed, else random changes alone.
Each target runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from veridical.errors import InputError, VeridicalError

__all__ = ["FORMAT", "fuzz", "main"]

FORMAT = "veridical.fuzz/1"
"""Name and version of the JSON that is printed."""

_ENGINES = ("atheris", "random")


def fuzz(names: Sequence[str], seconds: float, engine: str, folder: Path, seed: int = 0) -> list[dict[str, Any]]:
    """Fuzz targets, one after another, each in a process of its own and for an equal share of the time.

    Args:
        names: of the targets.
        seconds: in all.
        engine: ``atheris`` or ``random``.
        folder: for inputs that crash a reader, ``<target>-<digest>``, and for what was learnt of each target.
        seed: of the changes.

    Returns:
        By target: executions, crashes (what was raised, where, and the file), blocks reached, slowest execution in ms.
    """
    found = []
    for name in names:
        corpus = folder / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        told = folder / f"{name}.json"
        told.unlink(missing_ok=True)
        command = [sys.executable, "-m", "benchmarks._fuzz_run", name, engine, f"{seconds / len(names):.3f}"]
        done = subprocess.run(
            [*command, str(seed), str(folder)], capture_output=True, text=True, check=False, errors="replace"
        )
        row = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {"target": name, "executions": 0}
        if done.returncode or not told.exists():  # it hung, ran out of memory, or was ended by a signal
            last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["nothing said"]
            what = f"ended with {done.returncode}: {last[0][:200]}"
            row.setdefault("crashes", []).append({"what": what, "file": None})
        found.append({"crashes": [], "slowest_ms": None, **row, **_engine(done.stderr)})
    return found


def _engine(told: str) -> dict[str, Any]:
    """What libFuzzer says: blocks reached at first and at the end (``#12 NEW cov: 345 …``), and all executions."""
    counts = [int(line.split("cov: ")[1].split()[0]) for line in told.splitlines() if "cov: " in line]
    done = [int(line.split()[-1]) for line in told.splitlines() if line.startswith("stat::number_of_executed_units")]
    return {"blocks": [counts[0], counts[-1]] if counts else None} | ({"executions": done[0]} if done else {})


def _print(told: Mapping[str, Any]) -> None:
    table = Table(title=f"Readers under changed bytes, {told['engine']}", title_justify="left")
    table.add_column("target")
    for name in ("executions", "blocks reached", "slowest, ms", "crashes"):
        table.add_column(name, justify="right")
    for row in told["targets"]:
        blocks = f"{row['blocks'][0]} → {row['blocks'][1]}" if row["blocks"] else "–"
        slowest = "–" if row["slowest_ms"] is None else f"{row['slowest_ms']:.0f}"
        table.add_row(row["target"], f"{row['executions']:,}", blocks, slowest, str(len(row["crashes"])))
    console = Console()
    console.print(table)
    console.print(f"{told['executions']:,} executions in {told['seconds']:.0f} s, {told['crashes']} crashes.")
    for row in told["targets"]:
        for crash in row["crashes"]:
            console.print(f"{row['target']}: {crash['what']} ({crash['file']})", highlight=False, markup=False)


def main(arguments: list[str] | None = None) -> None:
    """Fuzz and print; ends with 1 where a reader broke."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Readers under changed bytes.")
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, shared by the targets")
    parser.add_argument("--engine", choices=_ENGINES, help="atheris where it is installed, else random")
    parser.add_argument("--targets", nargs="+", metavar="NAME", help="all where none is named")
    parser.add_argument("--seed", type=int, default=0, help="of the changes")
    parser.add_argument("--keep", type=Path, help="folder for what crashes and for the corpus; a temporary one if none")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    engine = options.engine or ("atheris" if find_spec("atheris") else "random")
    start = time.perf_counter()
    try:
        from benchmarks.fuzz_targets import TARGETS

        names = options.targets or TARGETS
        if odd := sorted(set(names) - set(TARGETS)):
            raise InputError(f"fuzz: there is no target {odd[0]!r}; there are {', '.join(TARGETS)}")
        if options.minutes <= 0:
            raise InputError(f"fuzz: {options.minutes} minutes; give more than none")
        with tempfile.TemporaryDirectory() as folder:
            kept = options.keep or Path(folder)
            kept.mkdir(parents=True, exist_ok=True)
            rows = fuzz(names, 60 * options.minutes, engine, kept.absolute(), options.seed)
    except VeridicalError as error:
        parser.error(str(error))
    told = {
        "format": FORMAT,
        "engine": engine,
        "seconds": time.perf_counter() - start,
        "executions": sum(row["executions"] for row in rows),
        "crashes": sum(len(row["crashes"]) for row in rows),
        "targets": rows,
    }
    if options.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(told)
    if told["crashes"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
