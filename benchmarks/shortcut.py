"""Is a planted shortcut found where it is a cause, and not where it is none?

``python -m benchmarks.shortcut`` (``make benchmark-shortcut``).

A coloured patch stands in held-out scenes. One head of Courier learnt to stop for it (it stood in 95 % of the training
scenes that ask for STOP), the committed one never saw it. The scene is rendered again without the patch, so what it
truly does is known. *Affected* are decisions for which the patch truly speaks by half a nat or more.

It is *found* in a decision where the concepts that the patch makes (those that lose 30 % of their strength without it),
taken out of the features jointly, are told from zero (chance, interval, size) and speak for the decision. Beside that:
where one place of a patch concept alone is drawn as a reason. A *patch concept* is one with half of its prototypes on
patches, which is what an operator who looks at them would call it.

Both heads' banks are of the same training scenes, with the patch beside STOP; the honest head's is fitted here. It may
hold no patch concept at all, for nothing of the honest head's gradients leads there. So the honest head is looked into
a second time with the biased head's concepts (the encoders are the same): there the patch concept is present, goes with
STOP in its training scenes as well, and should be told to *go along*: present with the action, and no cause of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks._shares import share_of
from veridical.concepts.bank import ConceptBank
from veridical.concepts.bank_file import read_banks
from veridical.concepts.discover import associate
from veridical.concepts.layer import look
from veridical.concepts.project import Projector
from veridical.errors import InputError, VeridicalError
from veridical.fusion.measure import Laboratory
from veridical.modalities.observation import prepare, segment
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.find_concepts import FIRST, find
from veridical.scenarios.courier.model import Courier, load, load_biased
from veridical.scenarios.courier.recall import marked, name_of, scene_of
from veridical.scenarios.courier.scene import SIZE, render, sample_scene

__all__ = ["MATTERS", "Row", "main", "measure", "patch_concepts", "reassociated", "summarise"]

MATTERS = 0.5
"""Nats from which on an effect is one that matters."""


@dataclass(frozen=True)
class Row:
    """One scene with a patch.

    Attributes:
        seed: seed of the scene.
        asked: what the policy asks for.
        action: what was decided.
        without: what is decided without the patch.
        true: effect of rendering the scene without the patch, nats.
        effect: effect of the concepts that it makes, jointly, nats; 0 where it makes none.
        found: whether that is told from zero and speaks for the decision.
        place: whether one place of a patch concept is drawn as a reason for the decision.
        goes_along: whether a patch concept is told to go with the decision and to be no cause.
    """

    seed: int
    asked: str
    action: str
    without: str
    true: float
    effect: float
    found: bool
    place: bool
    goes_along: bool


def patch_concepts(bank: ConceptBank) -> frozenset[int]:
    """Return the concepts with half of their prototypes, or more, on the patch of their scene."""
    found = set()
    for k, prototypes in enumerate(bank.prototypes):
        on = 0
        for prototype in prototypes:
            mark = scene_of(prototype.observation).mark
            if mark is not None:
                rows, columns = mark.box(SIZE)
                _, y, x = prototype.place
                side = SIZE / prototype.grid[-1]
                inside = rows.start < (y + 1) * side and rows.stop > y * side
                on += inside and columns.start < (x + 1) * side and columns.stop > x * side
        if prototypes and on >= len(prototypes) / 2:
            found.add(k)
    return frozenset(found)


@torch.no_grad()
def _row(system: Courier, banks: Mapping[str, ConceptBank], patches: frozenset[int], seed: int) -> Row:
    scene = sample_scene(seed, "held-out")
    prepared = prepare(system, render(marked(scene, seed)))
    segmentations = segment(system, prepared)
    features = {m: system.encode(m, p.tensor) for m, p in prepared.items()}
    action = int(system.decide(features).argmax())
    laboratory = Laboratory(system, prepared, segmentations, action)
    laboratory.measure([{}], {})
    plain = system.encode("vision", system.modalities["vision"].prepare(render(scene)["vision"]).tensor)
    logits = system.decide({**features, "vision": plain})
    with torch.enable_grad():
        layer = look(laboratory, {"patch": ("vision", plain)}, banks, np.random.default_rng([43, seed]))
    group = next((g for g in layer.groups if g.claim == "patch"), None)
    places = [f for f in layer.found if f.instance.sense == "vision" and f.instance.concept in patches]
    decided = system.actions[action]
    goes = False
    for f in places:
        association = banks["vision"].associations[f.instance.concept]
        idle = f.told is not None and abs(f.told.effect) < 0.1
        goes |= bool(idle and association and association.action == decided and association.share > association.usual)
    return Row(
        seed=seed,
        asked=scene.rule.action,
        action=decided,
        without=system.actions[int(logits.argmax())],
        true=float(decision_score(logits, action)[0]) - float(laboratory.score or 0.0),
        effect=group.told.effect if group else 0.0,
        found=bool(group and group.told.drawn(0.1, 0.05) and group.told.effect < 0),
        place=any(f.told is not None and f.told.drawn(0.1, 0.05) and f.told.effect < 0 for f in places),
        goes_along=goes,
    )


def measure(system: Courier, banks: Mapping[str, ConceptBank], scenes: int, first: int) -> list[Row]:
    """Measure so many held-out scenes with a patch.

    Raises:
        InputError: fewer than one scene, or stamps or sounds are not installed.
    """
    if scenes < 1:
        raise InputError(f"shortcut: {scenes} scenes; at least 1 is wanted")
    patches, rows = patch_concepts(banks["vision"]), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(system.name, total=scenes)
        for seed in range(first, first + scenes):
            rows.append(_row(system, banks, patches, seed))
            progress.advance(task)
    return rows


@torch.no_grad()
def reassociated(system: Courier, banks: Mapping[str, ConceptBank], scenes: int) -> dict[str, ConceptBank]:
    """Return banks in which visual concepts go with what this system decides, in training scenes with the patch."""
    bank, present, decided = banks["vision"], [], []
    projector = Projector(bank)
    for seed in range(FIRST, FIRST + scenes):
        prepared = prepare(system, render(scene_of(name_of(seed, "train", shortcut=True))))
        features = {m: system.encode(m, p.tensor) for m, p in prepared.items()}
        present.append((projector(features["vision"]).strengths.numpy() >= bank.threshold).any(0))
        decided.append(system.actions[int(system.decide(features).argmax())])
    return {**banks, "vision": replace(bank, associations=associate(np.array(present), decided))}


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Shares of one head: accuracy, how often the patch matters, how often it is found, and where it should not be."""
    affected = [r for r in rows if r.true <= -MATTERS]
    others = [r for r in rows if r.true > -MATTERS]
    return {
        "scenes": len(rows),
        "right": share_of([r.action == r.asked for r in rows]),
        "right_without_patch": share_of([r.without == r.asked for r in rows]),
        "stops": share_of([r.action == "STOP" for r in rows]),
        "affected": share_of([r.true <= -MATTERS for r in rows]),
        "found_where_affected": share_of([r.found for r in affected]),
        "place_where_affected": share_of([r.place for r in affected]),
        "alarms": share_of([r.found for r in rows]),
        "alarms_of_half_a_nat": share_of([r.found and r.effect <= -MATTERS for r in rows]),
        "alarms_where_not_affected": share_of([r.found and r.effect <= -MATTERS for r in others]),
        "place_alarms": share_of([r.place for r in rows]),
        "goes_along_where_it_stops": share_of([r.goes_along for r in rows if r.action == "STOP"]),
    }


def _print(summaries: Mapping[str, dict[str, Any]]) -> None:
    table = Table(title="a planted shortcut, held-out scenes with the patch")
    table.add_column("")
    for name, summary in summaries.items():
        table.add_column(f"{name}, {summary['scenes']} scenes", justify="right")
    for key in (k for k in next(iter(summaries.values())) if k not in ("scenes", "patch_concepts")):
        cells = []
        for summary in summaries.values():
            share = summary[key]
            low, high = share["interval"]
            cells.append(f"{100 * share['share']:.1f} % ({100 * low:.0f}–{100 * high:.0f}, {share['count']})")
        table.add_row(key.replace("_", " "), *cells)
    Console().print(table)
    for name, summary in summaries.items():
        Console().print(f"{name}: patch concepts {summary['patch_concepts'] or 'none'}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shortcut", description="A planted shortcut, found?")
    parser.add_argument("--scenes", type=int, default=200, help="scenes for each head")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 630_000, help="seed of the first scene")
    parser.add_argument("--honest-banks", type=Path, help="the honest head's banks of marked scenes, fitted before")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        honest, biased = load(), load_biased()
        fitted = read_banks(options.honest_banks) if options.honest_banks else find(honest, 400, shortcut=True)
        lent = reassociated(honest, {**honest.concepts, "vision": biased.concepts["vision"]}, 200)
        heads = {
            "biased head": (biased, biased.concepts),
            "honest head": (honest, fitted),
            "honest head, the biased one's concepts": (honest, lent),
        }
        rows = {name: measure(*pair, options.scenes, options.first) for name, pair in heads.items()}
        summaries = {
            name: {**summarise(rows[name]), "patch_concepts": sorted(patch_concepts(banks["vision"]))}
            for name, (_, banks) in heads.items()
        }
    except VeridicalError as error:
        parser.error(str(error))
    if options.json:
        plain = {name: [asdict(r) for r in each] for name, each in rows.items()}
        print(json.dumps({**summaries, "rows": plain}, indent=2))
    else:
        _print(summaries)


if __name__ == "__main__":
    main()
