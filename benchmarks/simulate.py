"""Can the decision under a fresh edit be foretold from the justification alone?

``python -m benchmarks.simulate`` (``make benchmark-simulate``). Simulatability: Doshi-Velez and Kim, 2017;
Hase and Bansal, ACL 2020; here the reader is a fixed rule, so that nobody's goodwill is in the figure.

Held-out scenes are explained. Then each is edited afresh: connected evidence units drawn at random, of one sense or of
two, from a twentieth to nine tenths of a sense; and a cause of the scene (known from its making, not from the
explanation), whole or in part. The rule knows only what a text says: the probabilities of all actions as they were, and
as they became when each of its pieces of evidence, each of its concepts (where they lie) and each sense as a whole was
taken out. Changes of log-probability count by the share of the piece that the edit covers; of one place told twice the
larger; at most that of the whole sense once nine tenths of it are gone. The likeliest action is the prediction.

Beside it, by the same edits: the plain saliency map (the gradient's, and that of the converged path): the sum of the
edited units' contributions is taken from the score, and below zero the second likeliest action is foretold. And *no
change*.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import networkx as nx
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks._shares import share_of
from veridical.agent.conclude import Known, conclude, find_concepts
from veridical.errors import InputError, VeridicalError
from veridical.fusion.measure import Laboratory
from veridical.modalities.evidence import Segmentation
from veridical.modalities.observation import prepare, segment
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.examples import touched
from veridical.scenarios.courier.model import Courier, load
from veridical.scenarios.courier.scene import Scene, render, sample_scene
from veridical.verifier.ladder import climb, propose_at
from veridical.verifier.verify import look_further, operators_of

__all__ = ["Row", "draw_edits", "foretell", "main", "measure", "summarise"]

Edit = Mapping[str, Sequence[int]]
_WHOLE = 0.9
"""Share of a sense's units from which on it counts as taken out."""


@dataclass(frozen=True)
class Row:
    """One fresh edit.

    Attributes:
        seed: seed of the scene.
        verdict: verdict on its account.
        kind: ``random``, ``two senses`` or ``cause``.
        action: what was decided.
        after: what is decided once it is edited.
        text: what the justification foretells.
        gradient: what the gradient's map foretells.
        path: what the converged path's map foretells.
    """

    seed: int
    verdict: str
    kind: str
    action: str
    after: str
    text: str
    gradient: str
    path: str


def _blob(segmentation: Segmentation, share: float, rng: np.random.Generator) -> list[int]:
    """Return connected units, that share of a sense."""
    count = max(1, round(share * len(segmentation)))
    taken = {int(rng.integers(len(segmentation)))}
    while len(taken) < count:
        frontier = sorted({n for u in taken for n in segmentation.neighbours[u]} - taken)
        free = frontier or [u for u in range(len(segmentation)) if u not in taken]
        taken.add(int(free[rng.integers(len(free))]))
    return sorted(taken)


def draw_edits(
    scene: Scene, segmentations: Mapping[str, Segmentation], count: int, rng: np.random.Generator
) -> list[tuple[str, dict[str, list[int]]]]:
    """Draw edits: a third of one sense, a third of two, a third on a cause (where the scene has one)."""
    senses = [m for m, s in segmentations.items() if len(s)]
    found: list[tuple[str, dict[str, list[int]]]] = []
    for i in range(count):
        kind = ("random", "two senses", "cause")[i % 3]
        if kind == "cause" and scene.causes:
            cause = scene.causes[rng.integers(len(scene.causes))]
            units = touched(scene, cause, segmentations[cause.sense])
            kept = [u for u in units if rng.random() < rng.choice((0.5, 1.0))]
            if kept:
                found.append((kind, {cause.sense: kept}))
                continue
        chosen = [str(m) for m in rng.permutation(senses)[: 2 if kind == "two senses" else 1]]
        share = {m: float(rng.uniform(0.05, 0.9)) for m in chosen}
        found.append(
            ("random" if kind == "cause" else kind, {m: _blob(segmentations[m], share[m], rng) for m in chosen})
        )
    return found


def _pieces(
    graph: nx.DiGraph, units: Mapping[str, tuple[str, frozenset[int]]]
) -> list[tuple[str, frozenset[int], Any]]:
    """Return sense, units and probabilities afterwards of each piece that the text tells."""
    found = []
    for node, (sense, members) in units.items():
        if graph.has_edge(node, "decision") and members:
            found.append((sense, members, graph.edges[node, "decision"]["after"]))
    return found


def foretell(
    graph: nx.DiGraph, units: Mapping[str, tuple[str, frozenset[int]]], sizes: Mapping[str, int], edit: Edit
) -> str:
    """Return the action that the justification's figures foretell for an edit.

    Args:
        graph: the causal graph.
        units: of evidence and concepts the sense and the evidence units that they lie in.
        sizes: evidence units of each sense.
        edit: units edited, by sense.
    """
    actions, before = graph.graph["actions"], graph.graph["probabilities"]
    start = np.log([max(before[a], 1e-6) for a in actions])

    def change(after: Mapping[str, float]) -> np.ndarray:
        return np.log([max(after[a], 1e-6) for a in actions]) - start

    total = start.copy()
    for sense, edited in edit.items():
        gone = set(edited)
        if f"sense:{sense}" in graph and len(gone) >= _WHOLE * sizes[sense]:
            total += change(graph.edges[f"sense:{sense}", "decision"]["after"])
            continue
        told = []
        for own, members, after in _pieces(graph, units):
            covered = len(members & gone) / len(members) if own == sense else 0.0
            if covered > 0:
                told.append((covered * change(after), members & gone))
        # Of what lies in the same place (a claim and its concepts) the larger change is taken, once.
        told.sort(key=lambda each: -float(np.abs(each[0]).max()))
        used: set[int] = set()
        for shift, where in told:
            if len(where & used) < 0.5 * len(where):
                total += shift
                used |= where
    return actions[int(total.argmax())]


def _by_map(values: Mapping[str, np.ndarray], score: float, probabilities: np.ndarray, edit: Edit) -> int:
    """Return the action that a saliency map foretells."""
    order = np.argsort(-probabilities)
    lost = sum(float(values[m][list(units)].sum()) for m, units in edit.items())
    return int(order[0] if score - lost >= 0 else order[1])


def _units(layer: Any, claims: Any, segmentations: Mapping[str, Segmentation]) -> dict[str, tuple[str, frozenset[int]]]:
    """Return the evidence units of claims and concepts; a concept's are those that its place covers by half."""
    found = {c.claim.name: (c.claim.modality, frozenset(c.claim.units)) for c in claims}
    for each in layer.found:
        m, units = each.instance.sense, set(each.place.units)
        if each.place.boxes:
            labels = segmentations[m].labels
            inside = np.zeros(labels.shape, bool)
            for frame, left, top, right, bottom in each.place.boxes:
                inside[frame, round(top) : round(bottom), round(left) : round(right)] = True
            sizes = np.bincount(labels.ravel(), minlength=len(segmentations[m]))
            covered = np.bincount(labels[inside], minlength=len(segmentations[m]))
            units = set(np.flatnonzero(covered >= 0.5 * np.maximum(sizes, 1)).tolist())
        elif m == "audio" and each.place.time:
            first, last = each.place.time
            units = {u.index for u in segmentations[m].units if first <= (u.time[0] + u.time[1]) / 2 <= last}
        found[each.instance.id] = (m, frozenset(int(u) for u in units))
    members = {g.claim: g.members for g in layer.groups}
    for claim, ids in members.items():
        if claim in found:
            found[f"together:{claim}"] = (found[claim][0], frozenset(u for i in ids for u in found[i][1]))
    return found


def _scene(system: Courier, seed: int, partition: str, edits: int) -> list[Row]:
    scene = sample_scene(seed, partition)
    prepared = prepare(system, render(scene))
    segmentations = segment(system, prepared)
    with torch.no_grad():
        logits = system({m: p.tensor for m, p in prepared.items()})[0]
    action = int(logits.argmax())
    laboratory = Laboratory(system, prepared, segmentations, action)
    climbed = climb(laboratory, lambda p: {"rung": p.rung, "seed": seed}, lambda digest: f"simulate {seed}")
    verification = look_further(laboratory, climbed.final.verification)
    known = Known(banks=system.concepts)
    layer = find_concepts(laboratory, verification, known, 0.1)
    found = conclude(laboratory, logits, verification, layer, None, known)
    units = _units(layer, verification.claims, segmentations)
    maps = {rung: propose_at(rung, laboratory, []).account.values for rung in ("gradient", "path")}
    drawn = draw_edits(scene, segmentations, edits, np.random.default_rng([47, seed]))
    operators = operators_of(laboratory, 1)[0]
    after = laboratory.measure([edit for _, edit in drawn], operators).logits.argmax(-1).tolist()
    sizes = {m: len(s) for m, s in segmentations.items()}
    probabilities = logits.softmax(-1).numpy(force=True)
    score = float(laboratory.score or 0.0)
    return [
        Row(
            seed=seed,
            verdict=verification.verdict.verdict,
            kind=kind,
            action=system.actions[action],
            after=system.actions[then],
            text=foretell(found.graph, units, sizes, edit),
            gradient=system.actions[_by_map(maps["gradient"], score, probabilities, edit)],
            path=system.actions[_by_map(maps["path"], score, probabilities, edit)],
        )
        for (kind, edit), then in zip(drawn, after, strict=True)
    ]


def measure(scenes: int, edits: int, first: int, partition: str) -> list[Row]:
    """Explain so many scenes and edit each of them so often.

    Raises:
        InputError: fewer than one scene or edit, an unknown partition, or stamps or sounds are not installed.
    """
    if min(scenes, edits) < 1:
        raise InputError(f"simulate: {scenes} scenes, {edits} edits; at least 1 of each is wanted")
    system, rows = load(), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scenes", total=scenes)
        for seed in range(first, first + scenes):
            rows += _scene(system, seed, partition, edits)
            progress.advance(task)
    return rows


def _figures(rows: list[Row]) -> dict[str, Any]:
    changed = [r for r in rows if r.after != r.action]
    return {
        "no change": share_of([r.after == r.action for r in rows]),
        **{k: share_of([r.after == getattr(r, k) for r in rows]) for k in ("text", "path", "gradient")},
        **{
            f"{k}, where it changes": share_of([r.after == getattr(r, k) for r in changed])
            for k in ("text", "path", "gradient")
        },
        "change foretold where it changes": share_of([r.text != r.action for r in changed]),
        "change foretold where it stays": share_of([r.text != r.action for r in rows if r.after == r.action]),
    }


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Accuracies over all edits, by kind of edit, and where the account is supported."""
    return {
        "all": _figures(rows),
        **{kind: _figures([r for r in rows if r.kind == kind]) for kind in ("random", "two senses", "cause")},
        "supported": _figures([r for r in rows if r.verdict == "supported"]),
        "scenes": len({r.seed for r in rows}),
    }


def _print(summary: dict[str, Any]) -> None:
    table = Table(title=f"decisions under fresh edits, foretold; {summary['scenes']} scenes")
    groups = [k for k in summary if k != "scenes"]
    table.add_column("")
    for group in groups:
        table.add_column(group, justify="right")
    for key in summary["all"]:
        cells = []
        for group in groups:
            share = summary[group][key]
            low, high = share["interval"]
            cells.append(f"{100 * share['share']:.1f} % ({100 * low:.0f}–{100 * high:.0f}, {share['count']})")
        table.add_row(key, *cells)
    Console().print(table)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description="Fresh edits, foretold.")
    parser.add_argument("--scenes", type=int, default=50, help="scenes")
    parser.add_argument("--edits", type=int, default=24, help="fresh edits of each")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 640_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        rows = measure(options.scenes, options.edits, options.first, options.partition)
    except VeridicalError as error:
        parser.error(str(error))
    summary = summarise(rows)
    if options.json:
        print(json.dumps({**summary, "rows": [asdict(r) for r in rows]}, indent=2))
    else:
        _print(summary)


if __name__ == "__main__":
    main()
