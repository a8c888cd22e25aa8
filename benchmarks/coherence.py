"""Do maps move with what is seen? Temporal coherence on scenes whose true motion is known.

``python -m benchmarks.coherence`` (``make benchmark-coherence``).

Held-out scenes in which something in the way crosses or enters, and is seen in all frames. The motion of every visible
pixel of a thing is known exactly from the scene's tracks (it is moved and made larger, `motion`); the ground's is not
used. Maps are contributions of pixels to the decision score: of the gradient at the input and of a path of few steps,
each also smoothed along the true tracks; and, as what chance gives, independent normal values (1 - 1/√2 = 0.29 before
they are carried along). Coherence is `veridical.fusion.coherence`, 1 for a map that moves exactly as the things do. It
falls, too, where one frame counts for more than the next. Intervals are 95 % by bootstrap over scenes.

A smoothed map has been told the motion that it is measured with: its coherence says what smoothing does, not how good
the method was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from veridical.errors import InputError, VeridicalError
from veridical.fusion.coherence import coherence, follow, smooth
from veridical.modalities.contract import System
from veridical.modalities.observation import prepare
from veridical.modalities.path import PathSettings, gradient_times_change, integrate_path
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import FRAMES, SIZE, Cause, Scene, Thing, mask, render, sample_scene
from veridical.scenarios.courier.stamps import load_stamp

__all__ = ["MAPS", "Row", "main", "maps_of", "measure", "motion", "moving_scenes", "summarise"]

MAPS = ("gradient", "path, 9 points", "noise")
"""What is measured; each also smoothed."""
FAR = 0.25
"""Share of the frame's width that a thing must move by in all."""


def _box(thing: Thing, frame: int) -> tuple[float, float, float, float]:
    """Top, left, height and width of a thing as it is drawn, in pixels."""
    place, shape = thing.track[frame], load_stamp(thing.stamp).shape
    height = max(4, round(place.height * SIZE))
    width = max(4, round(height * shape[1] / shape[0]))
    return round(place.foot * SIZE) - height, round(place.x * SIZE) - width // 2, height, width


def motion(scene: Scene) -> Float[np.ndarray, "pairs size size 2"]:
    """Return where each visible pixel of a thing was in the frame before (row, column); NaN for all other pixels.

    A pixel whose place in the frame before was hidden, by another thing or beyond the frame's edge, is NaN too.
    """
    found = np.full((FRAMES - 1, SIZE, SIZE, 2), np.nan)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    for k, thing in enumerate(scene.things):
        seen = mask(scene, Cause(thing.stamp.kind, "vision", k))
        if not isinstance(seen, np.ndarray):  # of a thing it always is
            continue
        for t in range(1, FRAMES):
            if min(thing.track[t].height, thing.track[t - 1].height) <= 0:
                continue
            (top, left, height, width), (top0, left0, height0, width0) = _box(thing, t), _box(thing, t - 1)
            row = (rows - top) / height * height0 + top0 - 0.5
            column = (columns - left) / width * width0 + left0 - 0.5
            near = np.stack((np.floor(row + 0.5), np.floor(column + 0.5))).astype(np.int64)
            inside = ((near >= 0) & (near < SIZE)).all(0)
            near = near.clip(0, SIZE - 1)
            known = seen[t] & inside & seen[t - 1][near[0], near[1]]
            found[t - 1][known] = np.stack((row, column), -1)[known]
    return found


def moving_scenes(first: int, partition: str) -> Iterator[tuple[int, Scene]]:
    """Yield scenes, from a seed on, in which something in the way moves far and is seen in all frames."""
    seed = first
    while True:
        scene = sample_scene(seed, partition)
        for thing in scene.things:
            xs = [place.x for place in thing.track if place.height > 0]
            if thing.counts and len(xs) == FRAMES and max(xs) - min(xs) > FAR:
                yield seed, scene
                break
        seed += 1


def maps_of(system: System, scene: Scene, seed: int) -> dict[str, Float[np.ndarray, "frames size size"]]:
    """Return the maps of one scene's frames, by name."""
    prepared = prepare(system, render(scene))
    with torch.no_grad():
        action = int(system({m: p.tensor for m, p in prepared.items()}).argmax())
    few = integrate_path(system, prepared, action, PathSettings(first=8, last=8, map_tolerance=None))
    each = (gradient_times_change(system, prepared, action), few.gradients)
    eyes, frames = system.modalities["vision"], prepared["vision"]
    found = {
        name: np.asarray(eyes.attribute(frames, g["vision"])["pixels"][2], np.float64)
        for name, g in zip(MAPS, each, strict=False)
    }
    return {**found, "noise": np.random.default_rng([37, seed]).standard_normal((FRAMES, SIZE, SIZE))}


@dataclass(frozen=True)
class Row:
    """One scene: coherence by map, of the map itself and smoothed, and the share of pixels whose motion is known."""

    seed: int
    plain: Mapping[str, float]
    smoothed: Mapping[str, float]
    known: float


def measure(count: int, first: int, partition: str, width: float) -> list[Row]:
    """Measure moving scenes.

    Args:
        count: how many.
        first: seed of the first that is tried.
        partition: ``"held-out"`` or ``"train"``.
        width: of the smoothing, in frames.

    Raises:
        InputError: an unknown partition, a width below 0, or stamps or sounds are not installed.
    """
    system, rows = load(), []
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scenes with motion", total=count)
        for seed, scene in moving_scenes(first, partition):
            ways = motion(scene)
            tracks, maps = follow(ways), maps_of(system, scene, seed)
            rows.append(
                Row(
                    seed,
                    {name: coherence(m, ways) for name, m in maps.items()},
                    {name: coherence(smooth(m, tracks, width), ways) for name, m in maps.items()},
                    float(np.isfinite(ways[..., 0]).mean()),
                )
            )
            progress.update(task, advance=1)
            if len(rows) == count:
                break
    return rows


def _mean(values: Sequence[float]) -> list[float]:
    """Mean and its 95 % interval by bootstrap."""
    drawn = np.random.default_rng(0).choice(np.asarray(values), (2000, len(values))).mean(1)
    return [float(np.mean(values)), *(float(q) for q in np.quantile(drawn, (0.025, 0.975)))]


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Return mean coherence by map, plain and smoothed, each with its interval."""
    return {
        "scenes": len(rows),
        "known": float(np.mean([r.known for r in rows])),
        "plain": {name: _mean([r.plain[name] for r in rows]) for name in MAPS},
        "smoothed": {name: _mean([r.smoothed[name] for r in rows]) for name in MAPS},
    }


def _print(told: Mapping[str, Any]) -> None:
    known = f"{100 * told['known']:.0f} % of pixels"
    table = Table(title=f"temporal coherence, {told['scenes']} scenes with motion ({known} of known motion)")
    for column in ("map", "as it is", "smoothed along the tracks"):
        table.add_column(column, justify="left" if column == "map" else "right")
    for name in MAPS:
        cells = [f"{v[0]:.3f} ({v[1]:.3f}–{v[2]:.3f})" for v in (told["plain"][name], told["smoothed"][name])]
        table.add_row(name, *cells)
    Console().print(table)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coherence", description="Temporal coherence of maps on scenes with known motion."
    )
    parser.add_argument("--scenes", type=int, default=6, help="scenes with motion")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 950_000, help="seed of the first scene tried")
    parser.add_argument("--width", type=float, default=1.0, help="of the smoothing, frames")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.scenes < 1:
            raise InputError(f"coherence: {options.scenes} scenes; at least 1 is wanted")
        rows = measure(options.scenes, options.first, options.partition, options.width)
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(rows)
    if options.json:
        print(json.dumps({**told, "rows": [asdict(r) for r in rows]}, indent=2))
        return
    _print(told)


if __name__ == "__main__":
    main()
