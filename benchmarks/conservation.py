"""Do contributions sum to the score's difference, do shares agree with taking whole senses away, at what cost?

``python -m benchmarks.conservation`` (``make benchmark-conservation``; about an hour on two cores).

On Courier's held-out scenes. One joint path from the baselines of all senses to the input is integrated until its
contributions miss the score's difference by 1 % at most, or 1024 intervals are spent. Beside it the scores of all
coalitions of senses, and the effect of taking away a whole sense with each of its infill operators (the mean over
operators). Agreement is Spearman's rank correlation over scenes between a sense's share and its ablation (minus the
effect), by sense; and within a scene over its senses.

With ``--through-time`` relevance is carried back through Courier's state instead, at its features (no gradient goes
through an encoder, so that it takes minutes): the gap of the whole, and of each step.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from veridical.errors import InputError, VeridicalError
from veridical.fusion.coalitions import measure_coalitions
from veridical.fusion.condition import conditions
from veridical.fusion.frame import MapOrigin, fuse
from veridical.fusion.measure import Laboratory
from veridical.fusion.senses import sense_shares
from veridical.fusion.tail import Head
from veridical.fusion.through_time import through_time
from veridical.modalities.contract import Observation, System
from veridical.modalities.engines.ranks import rank_correlation
from veridical.modalities.held import held
from veridical.modalities.observation import prepare, segment
from veridical.modalities.path import PathSettings, integrate_path
from veridical.modalities.target import Target
from veridical.modalities.unrolled import RecurrentSystem
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import render, sample_scene

__all__ = ["LEAST", "SETTINGS", "Flow", "Row", "main", "measure", "measure_flow", "summarise", "summarise_flows"]

SETTINGS = PathSettings(first=8, last=1024, tolerance=0.01, map_tolerance=None)
"""How far the path goes: only the sum is asked about."""

LEAST = 0.1
"""Nats: of a smaller difference a share is not told; its gap is told in nats."""


@dataclass(frozen=True)
class Row:
    """One scene.

    Attributes:
        seed: of the scene.
        action: what was decided.
        nodes: points of the path.
        difference: score less that of the baseline, nats.
        gap: how far the contributions miss it, nats.
        shares: sum of contributions by sense.
        low: lower end of each share's interval.
        high: upper end.
        shapley: Shapley value by sense.
        ablation: minus the mean effect of taking away the whole sense, over its operators.
        seconds: spent on the ``path``, on ``fusing`` maps and ranking units, and on ``coalitions``.
    """

    seed: int
    action: str
    nodes: int
    difference: float
    gap: float
    shares: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    shapley: Mapping[str, float]
    ablation: Mapping[str, float]
    seconds: Mapping[str, float]


def measure(system: System, observation: Observation, seed: int = 0) -> Row:
    """Attribute one decision, fuse, and take away each sense as a whole."""
    prepared = prepare(system, observation)
    segmentations = segment(system, prepared)
    with torch.no_grad(), held(system):
        action = int(system({m: p.tensor for m, p in prepared.items()}).argmax())
    times = [time.perf_counter()]
    path = integrate_path(system, prepared, action, SETTINGS)
    times.append(time.perf_counter())
    origin = MapOrigin("the decision against the rest", "joint path", path.gap, {})
    fused = fuse(system, prepared, segmentations, path.gradients, origin)
    times.append(time.perf_counter())
    found = measure_coalitions(system, prepared, action)
    shares = {
        s.sense: s for s in sense_shares(fused.shares, found, conditions(system, prepared)) if s.sense in prepared
    }
    times.append(time.perf_counter())
    laboratory = Laboratory(system, prepared, segmentations, action, score=path.score)
    ablation = {}
    for m in prepared:
        whole = {m: tuple(range(len(segmentations[m])))}
        effects = [float(laboratory.measure([whole], {m: o}).effect[0]) for o in system.modalities[m].operators]
        ablation[m] = -float(np.mean(effects))
    spent: dict[str, float] = dict(zip(("path", "fusing", "coalitions"), np.diff(times).tolist(), strict=True))
    return Row(
        seed=seed,
        action=system.actions[action],
        nodes=path.nodes,
        difference=path.difference,
        gap=abs(sum(fused.shares.values()) - path.difference),
        shares={m: s.contribution for m, s in shares.items()},
        low={m: s.low for m, s in shares.items()},
        high={m: s.high for m, s in shares.items()},
        shapley={m: s.shapley for m, s in shares.items()},
        ablation=ablation,
        seconds=spent,
    )


def _rank(a: Sequence[float], b: Sequence[float]) -> float | None:
    return rank_correlation(np.array(a), np.array(b))


def _interval(a: np.ndarray, b: np.ndarray, draws: int = 1000) -> tuple[float, float]:
    """95 % interval of a rank correlation, by bootstrap over scenes."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(len(a), size=len(a)) for _ in range(draws)]
    found = [r for k in rows if (r := _rank(a[k].tolist(), b[k].tolist())) is not None]
    return (float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))) if found else (-1.0, 1.0)


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of many scenes as plain JSON values."""
    if not rows:
        return {"scenes": 0}
    telling = [r for r in rows if abs(r.difference) >= LEAST]
    share = np.array([r.gap / abs(r.difference) for r in telling])
    senses = list(rows[0].shares)
    agreement = {}
    for m in senses:
        shares, ablation, shapley = (
            np.array([getattr(r, k)[m] for r in rows]) for k in ("shares", "ablation", "shapley")
        )
        agreement[m] = {
            "path": _rank(shares.tolist(), ablation.tolist()),
            "interval": _interval(shares, ablation),
            "shapley": _rank(shapley.tolist(), ablation.tolist()),
            "interval_width": float(np.median([r.high[m] - r.low[m] for r in rows])),
        }
    within = [w for r in rows if (w := _rank([*r.shares.values()], [*r.ablation.values()])) is not None]
    first = [max(r.shares, key=lambda m: r.shares[m]) == max(r.ablation, key=lambda m: r.ablation[m]) for r in rows]
    spent = {k: float(np.median([r.seconds[k] for r in rows])) for k in rows[0].seconds}
    return {
        "scenes": len(rows),
        "too_small_a_difference": len(rows) - len(telling),
        "gap_share": {
            "within_1_percent": float((share <= 0.01).mean()) if len(share) else None,
            "median": float(np.median(share)) if len(share) else None,
            "largest": float(share.max()) if len(share) else None,
        },
        "nodes": float(np.median([r.nodes for r in rows])),
        "agreement_over_scenes": agreement,
        "agreement_within_scenes": float(np.mean(within)) if within else None,
        "same_sense_first": float(np.mean(first)),
        "seconds": spent,
        "fusing_of_attribution": (spent["fusing"] + spent["coalitions"]) / spent["path"],
    }


def _print(told: Mapping[str, Any]) -> None:
    console = Console()
    gap = told["gap_share"]
    if gap["median"] is not None:
        console.print(
            f"{told['scenes']} scenes; gap at most 1 % in {100 * gap['within_1_percent']:.1f} %, median "
            f"{100 * gap['median']:.2f} %, largest {100 * gap['largest']:.2f} %; {told['nodes']:.0f} points (median)"
        )
    table = Table(title="share of a sense against taking it away: Spearman over scenes")
    for column in ("sense", "path's share", "95 %", "Shapley value", "interval's width, nats (median)"):
        table.add_column(column, justify="left" if column == "sense" else "right")
    for m, one in told["agreement_over_scenes"].items():
        cells = ["not defined" if one[k] is None else f"{one[k]:.3f}" for k in ("path", "shapley")]
        low, high = one["interval"]
        table.add_row(m, cells[0], f"{low:.3f} to {high:.3f}", cells[1], f"{one['interval_width']:.2f}")
    console.print(table)
    spent = told["seconds"]
    console.print(
        f"the same sense first in {100 * told['same_sense_first']:.1f} %; path {spent['path']:.2f} s, fusing "
        f"{spent['fusing']:.3f} s, coalitions {spent['coalitions']:.3f} s (medians): "
        f"{100 * told['fusing_of_attribution']:.1f} % of the attribution"
    )


@dataclass(frozen=True)
class Flow:
    """One scene, carried back through the state: nats, and the largest gap of a step as a share of what passed it."""

    seed: int
    difference: float
    gap: float
    step: float
    gradients: int


def measure_flow(system: RecurrentSystem, observation: Observation, seed: int = 0) -> Flow:
    """Carry the decision's score back through the steps."""
    prepared = prepare(system, observation)
    head = Head(system)
    features = head.encode({m: p.tensor for m, p in prepared.items()})
    with torch.no_grad(), held(system):
        action = int(system.decide(features).argmax())
    absent = head.encode({m: p.baseline for m, p in prepared.items()})
    found = through_time(system, features, absent, Target(action))
    step = max(flow.share for flow in (*found.conservation, found.reading))
    return Flow(seed, found.difference, found.gap, step, found.nodes)


def summarise_flows(flows: Sequence[Flow]) -> dict[str, Any]:
    """Return the figures of many scenes as plain JSON values."""
    told: dict[str, Any] = {"scenes": len(flows), "gradients": float(np.median([f.gradients for f in flows]))}
    telling = [f for f in flows if abs(f.difference) >= LEAST]
    told["too_small_a_difference"] = len(flows) - len(telling)
    for name, share in (("whole", [f.gap / abs(f.difference) for f in telling]), ("step", [f.step for f in flows])):
        values = np.array(share)
        some = len(values) > 0
        told[name] = {
            "within_1_percent": float((values <= 0.01).mean()) if some else None,
            "median": float(np.median(values)) if some else None,
            "largest": float(values.max()) if some else None,
        }
    return told


def _print_flows(told: Mapping[str, Any]) -> None:
    table = Table(title=f"{told['scenes']} scenes, carried back through the state: gap as a share")
    for column in ("of", "at most 1 %", "median", "largest"):
        table.add_column(column, justify="left" if column == "of" else "right")
    for name, title in (("whole", "the score's difference"), ("step", "what went through a step (the worst one)")):
        one = told[name]
        cells = ["not defined" if v is None else f"{100 * v:.2f} %" for v in one.values()]
        table.add_row(title, *cells)
    Console().print(table)


def _kept(path: Path | None) -> dict[int, Row]:
    """Scenes that were measured before."""
    if path is not None and not path.parent.is_dir():
        raise InputError(f"conservation: there is no folder for the rows' file {path.name!r}; make it first")
    if path is None or not path.exists():
        return {}
    try:
        rows = [Row(**json.loads(line)) for line in path.read_text().splitlines()]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"conservation: {path.name!r} does not hold rows of this benchmark: {error}") from error
    return {row.seed: row for row in rows}  # the last of a seed counts


def _scenes(count: int, first: int, partition: str) -> Iterator[tuple[int, Observation]]:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for seed in progress.track(range(first, first + count), description="scenes"):
            yield seed, render(sample_scene(seed, partition))


def _rows(count: int, first: int, partition: str, kept: Path | None) -> Iterator[Row]:
    known, system = _kept(kept), load()
    for seed, observation in _scenes(count, first, partition):
        row = known.get(seed)
        # A path that stopped short under an earlier, smaller budget is taken again; one that did not is the same.
        if row is None or (row.gap > SETTINGS.tolerance * abs(row.difference) and row.nodes <= SETTINGS.last):
            known[seed] = measure(system, observation, seed)
            if kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps(asdict(known[seed])) + "\n")
        yield known[seed]


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conservation", description="Sums, shares of senses, and what fusing costs."
    )
    parser.add_argument("--scenes", type=int, default=200, help="scenes of Courier")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 800_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--rows", type=Path, help="a file of scenes already measured, which grows; for going on later")
    parser.add_argument("--through-time", action="store_true", help="carry relevance back through the state instead")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.scenes < 1:
            raise InputError(f"conservation: {options.scenes} scenes; give at least 1")
        if options.through_time:
            courier = load()
            scenes = _scenes(options.scenes, options.first, options.partition)
            flows = [measure_flow(courier, observation, seed) for seed, observation in scenes]
            told = summarise_flows(flows)
            if options.json:
                print(json.dumps({**told, "rows": [asdict(f) for f in flows]}, indent=2))
            else:
                _print_flows(told)
            return
        rows = list(_rows(options.scenes, options.first, options.partition, options.rows))
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(rows)
    if options.json:
        print(json.dumps({**told, "rows": [asdict(r) for r in rows]}, indent=2))
        return
    _print(told)


if __name__ == "__main__":
    main()
