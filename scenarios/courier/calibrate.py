"""Calibrate the reference system: ``python -m veridical.scenarios.courier.calibrate`` (``make calibrate-courier``).

On held-out scenes, for those are what is judged: a bound from training scenes would not hold for objects and sounds
that the head never met. The seeds are no benchmark's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ...errors import VeridicalError
from ...verifier.calibrate import calibrate, write_reference
from .evaluate import FIRST_SEED
from .model import load
from .scene import render, sample_scene
from .train import bars

__all__ = ["FIRST", "FOLDER", "main"]

FIRST = FIRST_SEED + 900_000
"""Seed of the first scene."""

FOLDER = Path(__file__).with_name("calibration")
"""Where the committed calibration lies."""


def _scenes(count: int) -> Iterator[dict[str, Any]]:
    for seed in range(FIRST, FIRST + count):
        yield render(sample_scene(seed, "held-out"))


def main(arguments: list[str] | None = None) -> None:
    """Calibrate and write."""
    parser = argparse.ArgumentParser(
        prog="python -m veridical.scenarios.courier.calibrate", description="Calibrate Courier's explanations."
    )
    parser.add_argument("--scenes", type=int, default=200, help="scenes")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    options = parser.parse_args(arguments)
    if options.scenes < 1:
        parser.error(f"{options.scenes} scenes; at least 1 is wanted")
    system, progress = load(), bars()
    origin = {"scenes": options.scenes, "partition": "held-out", "first_seed": FIRST}
    try:
        with progress:
            task = progress.add_task("scenes", total=options.scenes)
            found = calibrate(
                system,
                _scenes(options.scenes),
                origin=origin,
                progress=lambda done: progress.update(task, completed=done),
            )
        write_reference(options.out, found, system.digest)
    except VeridicalError as error:
        parser.error(str(error))
    console = Console()
    for method, each in found.calibrations.items():
        half = each.interval(0.0)[1]
        console.print(f"{method}: {found.used[method]} claims, 90 % within {half:.2f} nats of what was measured")


if __name__ == "__main__":
    main()
