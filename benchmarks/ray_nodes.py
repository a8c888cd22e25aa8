"""A batch on two nodes of Ray: ``python -m benchmarks.ray_nodes`` (``make benchmark-ray``).

Courier's training scenes are written to a folder and explained several times from one and the same salt: by one process
of the local engine, by two, by Ray Data on two local nodes of one processor each, and so again with a worker killed
(SIGKILL) on the way. Told are the throughput of each from its first answer on, and whether every item's result is the
same, byte for byte, as the first run's, but for when and how quickly it was made.

The nodes share one machine: this measures what the engines cost, not what a cluster's network does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks._rendered import render_to
from veridical.agent.batch.batch import Tally, explain_all
from veridical.agent.batch.plan import Plan
from veridical.agent.batch.same import digest_of_result
from veridical.agent.batch.sources import open_source
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.record.manifest import read_manifest, read_result
from veridical.errors import InputError, VeridicalError

__all__ = ["digests_of", "main", "measure"]

NODES = 2
_SALT = "ray_nodes"


def measure(scenes: int, depth: str = "verdict", system: str = "courier", folder: Path | None = None) -> dict[str, Any]:
    """Explain scenes by each engine in turn.

    Args:
        scenes: how many are rendered, where no folder is given.
        depth: how far they are explained.
        system: which system.
        folder: of observations, in place of rendered scenes.

    Raises:
        InputError: no scenes, or Ray is not installed.
    """
    if scenes < 1:
        raise InputError(f"ray_nodes: {scenes} scenes; at least 1 is wanted")
    with tempfile.TemporaryDirectory(prefix="veridical-ray-") as place:
        base = Path(place)
        if folder is None:
            folder = base / "scenes"
            render_to(folder, scenes)
        plans = {f"local, jobs {n}": Plan(system, depth, "local", n, salt=_SALT) for n in (1, NODES)}
        runs = {name: _run(folder, base / f"home-{n}", plan) for n, (name, plan) in enumerate(plans.items())}
        with _cluster():
            plan = Plan(system, depth, "ray", NODES, salt=_SALT)
            runs["Ray, two nodes"] = _run(folder, base / "home-ray", plan)
            runs["Ray, one killed"] = _run(folder, base / "home-killed", plan, kill=True)
    first = next(iter(runs.values()))
    for run in runs.values():
        run["equal"] = sum(first["digests"].get(name) == digest for name, digest in run["digests"].items())
        run["x_first"] = run["rate"] / first["rate"] if first["rate"] else None
    missing = {name: sorted(set(first["digests"]) ^ set(run["digests"])) for name, run in runs.items()}
    return {
        "benchmark": "ray_nodes",
        "system": system,
        "depth": depth,
        "scenes": len(first["digests"]),
        "nodes": NODES,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "all_equal": all(run["equal"] == len(first["digests"]) for run in runs.values()) and not any(missing.values()),
        "runs": {name: {k: v for k, v in run.items() if k != "digests"} for name, run in runs.items()},
    }


def digests_of(log: Log) -> dict[str, str]:
    """Return the digest of each item's result, as the log has it, its sealed words put back.

    Raises:
        RecordError: a record that cannot be read, or an item that stands twice.
    """
    found: dict[str, str] = {}
    for entry in log.entries():
        said = entry.statement.predicate
        if entry.statement.kind == "decision":
            manifest = read_manifest(log.blobs.get(said["manifest"]), "the manifest")
            subject = log.subjects.find(said["subject"])
            result = read_result(manifest, log.blobs.get, None if subject is None else subject.key)
            name = said["labels"]["item"]
            if name in found:
                raise InputError(f"ray_nodes: {name} was explained twice")
            found[name] = digest_of_result(result)
    return found


def _run(folder: Path, home: Path, plan: Plan, *, kill: bool = False) -> dict[str, Any]:
    """Explain a folder into a log of its own; kill a worker once a third is done, if asked to."""
    killed: list[int] = []

    def told(tally: Tally) -> None:
        if kill and not killed and tally.explained >= max(1, (tally.total or 0) // 3):
            killed.append(_kill_one())

    with Log.open(home) as log:
        tally = explain_all(open_source(folder), plan, log, told)
        problems = [problem.told for problem in verify_log(log).problems]
        return {
            "explained": tally.explained,
            "failed": tally.failed,
            "failures": tally.failures[:5],
            "seconds": tally.seconds,
            "starting_s": tally.first,
            "busy_s": tally.busy,
            "rate": tally.rate,
            "verdicts": dict(tally.verdicts),
            "killed": len(killed),
            "verified": not problems,
            "digests": digests_of(log),
        }


@contextlib.contextmanager
def _cluster() -> Iterator[None]:
    """Begin two nodes of Ray on this machine, one processor each, and connect to them."""
    from veridical.agent.batch.ray_engine import prepare_environment

    prepare_environment()
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError as error:
        raise InputError("ray_nodes: Ray is not installed; pip install 'veridical[scale]'") from error
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        cluster.wait_for_nodes()
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def _kill_one() -> int:
    """Kill a worker that explains, of those that this process began; return its process id."""
    for _ in range(200):
        for pid in _children(os.getpid()):
            with contextlib.suppress(OSError):
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
                if title.startswith(b"ray::MapWorker"):
                    os.kill(pid, signal.SIGKILL)
                    return pid
        time.sleep(0.05)
    raise InputError("ray_nodes: no worker of Ray's was found to kill; is this Linux?")


def _children(pid: int) -> list[int]:
    """The processes under another, at any depth, as Linux tells them."""
    found, left = [], [pid]
    while left:
        for tasks in Path(f"/proc/{left.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                under = [int(word) for word in tasks.read_text().split()]
                found += under
                left += under
    return found


def _print(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['scenes']} scenes, depth {result['depth']}, {result['cores']} cores")
    for name in ("engine", "items", "failed", "equal", "items/s", "× first", "start, s", "log"):
        table.add_column(name, justify="left" if name in ("engine", "log") else "right")
    for name, run in result["runs"].items():
        ratio = "" if run["x_first"] is None else f"{run['x_first']:.2f}"
        counts = (str(run[key]) for key in ("explained", "failed", "equal"))
        log = "verified" if run["verified"] else "NOT VERIFIED"
        table.add_row(name, *counts, f"{run['rate']:.3f}", ratio, f"{run['starting_s']:.1f}", log)
    console = Console()
    console.print(table)
    console.print("every result is the same" if result["all_equal"] else "RESULTS DIFFER")


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print it, as a table or as JSON."""
    parser = argparse.ArgumentParser(description="A batch on two nodes of Ray, beside the local engine.")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--depth", default="verdict")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray tells of the dead on standard output
            result = measure(asked.scenes, asked.depth)
    except VeridicalError as error:
        parser.exit(2, f"ray_nodes: error: {' '.join(str(error).split())}\n")
    if asked.json:
        print(json.dumps(result, indent=2, allow_nan=False))
    else:
        _print(result)


if __name__ == "__main__":
    main()
