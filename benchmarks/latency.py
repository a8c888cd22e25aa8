"""Time of one explanation: ``python -m benchmarks.latency`` (``make benchmark-latency``).

Courier's built-in observation is decided and explained several times, the rungs in turn within each round, and the
medians are told: one forward pass, one gradient, the joint path, the verification, all of it; in milliseconds and as
multiples of one forward pass.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from veridical.agent.explainer import Explainer
from veridical.errors import InputError, VeridicalError
from veridical.modalities.path import gradient_times_change, integrate_path
from veridical.scenarios.courier.model import load

__all__ = ["main", "measure"]

_STAGES = ("prepare_ms", "forward_ms", "attribution_ms", "verification_ms", "rest_ms")


def _ms(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    out = work()
    return 1000 * (time.perf_counter() - start), out


def measure(rounds: int) -> dict[str, Any]:
    """Time every rung ``rounds`` times, in turn, after one round that is not counted.

    Raises:
        InputError: fewer than one round.
    """
    if rounds < 1:
        raise InputError(f"latency: {rounds} rounds; at least 1 is wanted")
    system = load()
    agent = Explainer(system)
    observation = system.example()
    prepared = {m: system.modalities[m].prepare(signal) for m, signal in observation.items()}
    inputs = {m: p.tensor for m, p in prepared.items()}
    with torch.no_grad():
        action = int(system(inputs).argmax())
    times: dict[str, list[float]] = {}
    stages: list[dict[str, Any]] = []
    for i in track(range(rounds + 1), description="rounds", console=Console(stderr=True), transient=True):

        def forward() -> None:
            with torch.no_grad():
                system(inputs)

        row = {"forward": _ms(forward)[0], "gradient": _ms(lambda: gradient_times_change(system, prepared, action))[0]}
        row["integrated gradients"], path = _ms(lambda: integrate_path(system, prepared, action))
        row["verified explanation"], explanation = _ms(lambda: agent.explain(observation))
        if i:
            for name, value in row.items():
                times.setdefault(name, []).append(value)
            stages.append({**explanation.to_dict()["timing"], "nodes": path.nodes})
    forward_ms = statistics.median(times["forward"])
    rungs = {
        name: {
            "ms": statistics.median(values),
            "x_forward": statistics.median(values) / forward_ms,
            "min_ms": min(values),
            "max_ms": max(values),
        }
        for name, values in times.items()
    }
    split = {key: statistics.median(s[key] for s in stages) for key in _STAGES}
    return {
        "forward_ms": forward_ms,
        "rungs": rungs,
        "split": {key: {"ms": value, "x_forward": value / forward_ms} for key, value in split.items()},
        "passes": stages[-1]["passes"],
        "path_nodes": stages[-1]["nodes"],
        "rounds": rounds,
        "machine": {
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "processor": platform.machine(),
            "torch": torch.__version__,
        },
    }


def _print(result: dict[str, Any]) -> None:
    console = Console()
    for title, rows in (
        ("rungs, each on its own", result["rungs"]),
        ("one verified explanation, split", result["split"]),
    ):
        table = Table(title=title)
        for column in ("", "median ms", "x forward"):
            table.add_column(column, justify="left" if not column else "right")
        for name, row in rows.items():
            table.add_row(name.removesuffix("_ms"), f"{row['ms']:.0f}", f"{row['x_forward']:.1f}")
        console.print(table)
    passes = result["passes"]
    console.print(
        f"{passes['forward']} forward and {passes['backward']} backward passes; {result['rounds']} rounds; "
        f"{result['machine']['threads']} threads"
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description="Time of one explanation, split.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds counted")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        result = measure(options.rounds)
    except VeridicalError as error:
        parser.error(str(error))
    print(json.dumps(result, indent=2)) if options.json else _print(result)


if __name__ == "__main__":
    main()
