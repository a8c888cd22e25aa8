"""Are concepts' effects those of the things that make them?

``python -m benchmarks.concepts`` (``make benchmark-concepts``).

Held-out scenes are rendered again without each of their causes, so it is known what each of them truly does to
Courier's decision, and which concepts it makes: those that lose at least 30 % of their strength without it. The
concepts' effect is that of taking them out of the network's features jointly, do(concept = 0); the pixels, the sound
and the words are left alone. A cause *mattered* if without it the score falls by half a nat or more; the concepts say
so if taking them out makes it fall as much. (Only the joining of cause and concepts uses the rendering.)
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks._shares import share_of
from veridical.concepts.layer import look
from veridical.errors import InputError, VeridicalError
from veridical.fusion.measure import Laboratory
from veridical.modalities.observation import prepare, segment
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import Courier, load
from veridical.scenarios.courier.scene import render, sample_scene

__all__ = ["MATTERS", "Row", "main", "measure", "summarise"]

MATTERS = 0.5
"""Nats from which on an effect is one that matters."""


@dataclass(frozen=True)
class Row:
    """One cause of one scene.

    Attributes:
        seed: seed of the scene.
        cause: kind of the cause.
        sense: its sense.
        action: what was decided.
        true: effect of rendering the scene without it, nats.
        concepts: how many places of concepts it makes.
        effect: effect of taking these out of the features jointly, nats; 0 where it makes none.
        strongest: largest effect of one of them alone, nats.
        drawn: whether the joint effect can be told from zero (p, interval, size).
        milliseconds: time of the concept layer for the whole decision.
    """

    seed: int
    cause: str
    sense: str
    action: str
    true: float
    concepts: int
    effect: float
    strongest: float
    drawn: bool
    milliseconds: float


@torch.no_grad()
def _rows(system: Courier, seed: int, partition: str) -> list[Row]:
    scene = sample_scene(seed, partition)
    if not scene.causes:
        return []
    prepared = prepare(system, render(scene))
    segmentations = segment(system, prepared)
    features = {m: system.encode(m, p.tensor) for m, p in prepared.items()}
    action = int(system.decide(features).argmax())
    laboratory = Laboratory(system, prepared, segmentations, action)
    laboratory.measure([{}], {})
    evidence, true = {}, {}
    for i, cause in enumerate(scene.causes):
        signal = render(scene.without(cause))
        m = cause.sense
        without = {m: system.encode(m, system.modalities[m].prepare(signal[m]).tensor)}
        scores = decision_score(system.decide({**features, **without}), action)
        true[i] = float(scores[0]) - float(laboratory.score or 0.0)
        evidence[str(i)] = (m, without[m])
    with torch.enable_grad():
        found = look(laboratory, evidence, system.concepts, np.random.default_rng([41, seed]))
    groups = {group.claim: group for group in found.groups}
    alone = {f.instance.id: f.told.effect for f in found.found if f.told is not None}
    spent = 1000 * sum(found.seconds.values())
    rows = []
    for i, cause in enumerate(scene.causes):
        group = groups.get(str(i))
        rows.append(
            Row(
                seed=seed,
                cause=cause.kind,
                sense=cause.sense,
                action=system.actions[action],
                true=true[i],
                concepts=len(group.members) if group else 0,
                effect=group.told.effect if group else 0.0,
                strongest=max((alone[k] for k in group.members), key=abs) if group else 0.0,
                drawn=bool(group and group.told.drawn(0.1, 0.05)),
                milliseconds=spent,
            )
        )
    return rows


def measure(scenes: int, first: int, partition: str, system: Courier | None = None) -> list[Row]:
    """Measure the causes of so many scenes that have any, the first of which has seed ``first`` or a later one.

    Raises:
        InputError: fewer than one scene, an unknown partition, or stamps or sounds are not installed.
    """
    if scenes < 1:
        raise InputError(f"concepts: {scenes} scenes; at least 1 is wanted")
    system, rows, done, seed = system or load(), [], 0, first
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scenes", total=scenes)
        while done < scenes:
            found = _rows(system, seed, partition)
            seed += 1
            if found:
                rows += found
                done += 1
                progress.advance(task)
    return rows


def _figures(rows: list[Row]) -> dict[str, Any]:
    true, effect = (np.array([getattr(r, k) for r in rows]) for k in ("true", "effect"))
    defined = len(rows) > 2 and true.std() > 0 and effect.std() > 0
    large = [r for r in rows if abs(r.true) > MATTERS]
    said, so = [r for r in rows if r.effect <= -MATTERS], [r for r in rows if r.true <= -MATTERS]
    return {
        "causes": len(rows),
        "spearman": float(cast("Any", spearmanr(true, effect)).statistic) if defined else None,
        "sign": share_of([(r.true < 0) == (r.effect < 0) and r.effect != 0 for r in large]),
        "precision": share_of([r.true <= -MATTERS for r in said]),
        "recall": share_of([r.effect <= -MATTERS for r in so]),
        "recall_drawn": share_of([r.drawn and r.effect < 0 for r in so]),
        "sign_strongest": share_of([(r.true < 0) == (r.strongest < 0) and r.strongest != 0 for r in large]),
        "concepts": float(np.mean([r.concepts for r in rows])) if rows else 0.0,
    }


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Figures over all causes and by sense, and the time of the layer."""
    spent = list({r.seed: r.milliseconds for r in rows}.values())
    return {
        "all": _figures(rows),
        **{m: _figures([r for r in rows if r.sense == m]) for m in sorted({r.sense for r in rows})},
        "scenes": len(spent),
        "milliseconds": {"median": float(np.median(spent)), "ninth_decile": float(np.quantile(spent, 0.9))},
    }


def _cell(share: dict[str, Any]) -> str:
    low, high = share["interval"]
    return f"{100 * share['share']:.1f} % ({100 * low:.0f}–{100 * high:.0f}, {share['count']})"


def _print(summary: dict[str, Any]) -> None:
    table = Table(title=f"concepts' effects against those of the things that make them, {summary['scenes']} scenes")
    keys = ("sign", "precision", "recall", "recall_drawn", "sign_strongest")
    titles = ("sign", "precision", "recall", "recall, edge drawn", "sign, strongest alone")
    for column in ("", "causes", "rank correlation", *titles):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("all", "audio", "text", "vision"):
        if name in summary:
            row = summary[name]
            rho = row["spearman"]
            told = "not defined" if rho is None else f"{rho:.2f}"
            table.add_row(name, str(row["causes"]), told, *(_cell(row[key]) for key in keys))
    Console().print(table)
    spent = summary["milliseconds"]
    Console().print(f"the layer: {spent['median']:.0f} ms a decision, ninth decile {spent['ninth_decile']:.0f} ms")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concepts", description="Concepts against true causes.")
    parser.add_argument("--scenes", type=int, default=320, help="scenes with causes")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 600_000, help="seed of the first scene tried")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        rows = measure(options.scenes, options.first, options.partition)
    except VeridicalError as error:
        parser.error(str(error))
    summary = summarise(rows)
    if options.json:
        print(json.dumps({**summary, "rows": [asdict(r) for r in rows]}, indent=2))
    else:
        _print(summary)


if __name__ == "__main__":
    main()
