"""Does the first claim name the true cause, what does the verdict say, and which rung of the ladder settles it?

``python -m benchmarks.causes`` (``make benchmark-causes``).

Held-out scenes in which removing one object, sound or phrase flips Courier's decision; the scene is rendered without
it, so the cause is known. For each the whole ladder is climbed: does the first claim of the account that stands lie on
the cause, is it judged *supported*, at which rung, with how many passes; the same where the last rung alone is used;
and for a random map in the saliency's place (independent normal values for all evidence units of all senses).

A claim *names* the cause if it is of the same sense and at least half of its units belong to the cause: superpixels of
which the object covers a quarter or more, cells that overlap the sound's time, words of the phrase.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks._shares import share_of
from veridical.agent.explainer import prepare
from veridical.errors import InputError, VeridicalError
from veridical.fusion.measure import Laboratory
from veridical.modalities.contract import System
from veridical.modalities.observation import segment
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.examples import touched
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import Cause, Scene, render, sample_scene
from veridical.verifier.ladder import RUNGS, LadderSettings, climb
from veridical.verifier.verify import Verification, verify

__all__ = ["Row", "flipping_scenes", "main", "measure", "summarise"]


@dataclass(frozen=True)
class Row:
    """One scene: its cause, whether the first claim names it, what the verdict was, and who came to it.

    Attributes:
        seed: seed of the scene.
        cause: kind of the cause whose removal flips the decision.
        sense: sense of the cause.
        action: what is decided with the cause.
        without: what is decided without it.
        named: whether the first claim lies on the cause.
        verdict: verdict on the account that stands.
        rung: the rung whose account stands.
        passes: inputs scored or differentiated, over all rungs climbed.
        predicted: effect of the first claim as committed to, in nats.
        measured: its measured effect, in nats.
        last_named: ``named`` where the last rung alone is used.
        last_verdict: ``verdict`` then.
        last_passes: ``passes`` then.
        random_named: ``named`` for the random map.
        random_verdict: ``verdict`` for the random map.
    """

    seed: int
    cause: str
    sense: str
    action: str
    without: str
    named: bool
    verdict: str
    rung: str
    passes: int
    predicted: float
    measured: float
    last_named: bool
    last_verdict: str
    last_passes: int
    random_named: bool
    random_verdict: str


def _decide(system: System, scene: Scene) -> int:
    prepared = prepare(system, render(scene))
    with torch.no_grad():
        return int(system({m: p.tensor for m, p in prepared.items()}).argmax())


def flipping_scenes(system: System, first: int, partition: str) -> Iterator[tuple[int, Scene, Cause, int, int]]:
    """Yield scenes in which the removal of one cause changes the decision.

    A scene with several such causes is passed over, since none is *the* cause.

    Yields:
        Seed, scene, cause, index of the action decided, index of the action decided without the cause.
    """
    seed = first
    while True:
        scene = sample_scene(seed, partition)
        if scene.causes:
            decided = _decide(system, scene)
            flips = [
                (cause, after) for cause in scene.causes if (after := _decide(system, scene.without(cause))) != decided
            ]
            if len(flips) == 1:
                yield seed, scene, flips[0][0], decided, flips[0][1]
        seed += 1


def _names(scene: Scene, cause: Cause, verification: Verification, laboratory: Laboratory) -> bool:
    if not verification.claims or verification.claims[0].claim.modality != cause.sense:
        return False
    inside = set(touched(scene, cause, laboratory.segmentations[cause.sense]))
    units = verification.claims[0].claim.units
    return sum(u in inside for u in units) >= len(units) / 2


def _row(system: System, seed: int, scene: Scene, cause: Cause, decided: int, after: int) -> Row:
    prepared = prepare(system, render(scene))
    segmentations = segment(system, prepared)
    rng = np.random.default_rng([23, seed])
    noise = {m: rng.standard_normal(len(s)) for m, s in segmentations.items()}
    # The last rung alone has a laboratory of its own, where nothing was measured before.
    laboratory, fresh = (Laboratory(system, prepared, segmentations, decided) for _ in range(2))

    def salt(digest: str) -> str:
        return f"benchmark {seed}"

    climbed = climb(laboratory, lambda proposal: {"rung": proposal.rung, "seed": seed}, salt)
    only = LadderSettings(rungs=RUNGS[-1:])
    last = climb(fresh, lambda proposal: {"rung": "measured alone", "seed": seed}, salt, only)
    ours, theirs = climbed.final.verification, last.final.verification
    random = verify(laboratory, noise, {"map": "random", "seed": seed}, salt)
    return Row(
        seed=seed,
        cause=cause.kind,
        sense=cause.sense,
        action=system.actions[decided],
        without=system.actions[after],
        named=_names(scene, cause, ours, laboratory),
        verdict=ours.verdict.verdict,
        rung=climbed.final.proposal.rung,
        passes=climbed.passes,
        predicted=ours.claims[0].claim.predicted if ours.claims else 0.0,
        measured=ours.claims[0].measured if ours.claims else 0.0,
        last_named=_names(scene, cause, theirs, fresh),
        last_verdict=theirs.verdict.verdict,
        last_passes=last.passes,
        random_named=_names(scene, cause, random, laboratory),
        random_verdict=random.verdict.verdict,
    )


def measure(count: int, first: int, partition: str) -> list[Row]:
    """Measure ``count`` flipping scenes of a partition, the first of which has seed ``first`` or a later one.

    Raises:
        InputError: fewer than one scene, an unknown partition, or stamps or sounds are not installed.
    """
    if count < 1:
        raise InputError(f"causes: {count} scenes; at least 1 is wanted")
    system, rows = load(), []
    columns = (TextColumn("{task.description:<46}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scenes", total=count)
        for found in flipping_scenes(system, first, partition):
            rows.append(_row(system, *found))
            named, held = (sum(v) for v in ([r.named for r in rows], [r.verdict == "supported" for r in rows]))
            progress.update(task, advance=1, description=f"named {named}/{len(rows)}, supported {held}/{len(rows)}")
            if len(rows) == count:
                return rows
    return rows


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Shares overall and by kind of cause, and by rung; ``pearson`` is None where the correlation is not defined."""

    def of(some: list[Row]) -> dict[str, Any]:
        return {
            "named": share_of([r.named for r in some]),
            "supported": share_of([r.verdict == "supported" for r in some]),
            "supported_where_named": share_of([r.verdict == "supported" for r in some if r.named]),
            "inconclusive": share_of([r.verdict == "inconclusive" for r in some]),
            "last_named": share_of([r.last_named for r in some]),
            "last_supported": share_of([r.last_verdict == "supported" for r in some]),
            "random_named": share_of([r.random_named for r in some]),
            "random_supported": share_of([r.random_verdict == "supported" for r in some]),
        }

    kinds = sorted({r.cause for r in rows})
    predicted, measured = (np.array(v) for v in ([r.predicted for r in rows], [r.measured for r in rows]))
    defined = len(rows) > 1 and predicted.std() > 0 and measured.std() > 0
    return {
        "all": of(rows),
        "by_cause": {kind: of([r for r in rows if r.cause == kind]) for kind in kinds},
        "settled": {rung: share_of([r.rung == rung and r.verdict == "supported" for r in rows]) for rung in RUNGS},
        "passes": {
            "ladder": float(np.mean([r.passes for r in rows])),
            "last_rung_alone": float(np.mean([r.last_passes for r in rows])),
        },
        "predicted_against_measured": {
            "pearson": float(np.corrcoef(predicted, measured)[0, 1]) if defined else None,
        },
    }


def _print(summary: dict[str, Any]) -> None:
    table = Table(title="scenes in which removing one cause flips the decision")
    for column in (
        "cause",
        "scenes",
        "first claim names it",
        "supported",
        "random map names it",
        "random map supported",
    ):
        table.add_column(column, justify="left" if column == "cause" else "right")
    for name, row in {**summary["by_cause"], "all": summary["all"]}.items():
        cells = []
        for key in ("named", "supported", "random_named", "random_supported"):
            low, high = row[key]["interval"]
            cells.append(f"{100 * row[key]['share']:.0f} % ({100 * low:.0f}–{100 * high:.0f})")
        table.add_row(name, str(row["named"]["count"]), *cells)
    Console().print(table)
    settled = ", ".join(f"{rung} {100 * share['share']:.0f} %" for rung, share in summary["settled"].items())
    passes = summary["passes"]
    Console().print(f"supported at the rung: {settled}")
    Console().print(f"mean passes: {passes['ladder']:.0f}; the last rung alone: {passes['last_rung_alone']:.0f}")
    r = summary["predicted_against_measured"]["pearson"]
    told = "not defined" if r is None else f"r = {r:.2f}"
    Console().print(f"predicted against measured effect of the first claim: {told}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.causes", description="Cause identification and verdicts on flipping scenes."
    )
    parser.add_argument("--scenes", type=int, default=120, help="flipping scenes")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 500_000, help="seed of the first scene tried")
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
