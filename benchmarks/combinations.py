"""Does the test of pairs find causes that are combinations, and does it find none where there is none?

``python -m benchmarks.combinations`` (``make benchmark-combinations``).

On Courier's held-out scenes. *Combination*: an animal is in the way and the instruction says to creep past animals; the
decision is right, and rendering the scene again without either changes it. The test finds it if a pair it calls found
lies on the animal and in that clause. *Single*: exactly one cause is in the scene, the decision is right, and rendering
the scene again without it changes it. Any pair found there is a false one.

What the system itself does with every pair of things, sounds and clauses of different senses is known from rendering
the scene again without either and without both; the largest such interaction stands beside every scene, for a network
may combine what the policy does not.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor

from veridical.errors import InputError, VeridicalError
from veridical.fusion.coalitions import measure_coalitions
from veridical.fusion.frame import contributions
from veridical.fusion.interactions import Evidence, foretell
from veridical.fusion.measure import Laboratory
from veridical.modalities.engines.ranks import rank_correlation
from veridical.modalities.evidence import Segmentation
from veridical.modalities.observation import prepare, segment
from veridical.modalities.path import gradient_times_change
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.examples import touched
from veridical.scenarios.courier.model import Courier, load
from veridical.scenarios.courier.policy import RULES
from veridical.scenarios.courier.scene import Cause, Scene, render, sample_scene
from veridical.verifier.pairs import PairSettings, PairTest, find_pairs
from veridical.verifier.verify import operators_of

__all__ = ["COMBINED", "Row", "main", "measure", "summarise", "true_interactions"]

COMBINED = "known animal"
"""The rule of the policy that needs two causes of different senses."""

NONE = 0.5
"""Nats: below this a pair of a scene's parts does not interact, as rendering tells."""


@dataclass(frozen=True)
class Row:
    """One scene.

    Attributes:
        seed: of the scene.
        kind: ``combination`` or ``single``.
        rule: the rule that applies.
        action: what was decided.
        true: largest interaction of two parts of different senses, by rendering the scene again, nats (by size).
        tests: the pairs proposed, and what the test said.
        local: each pair's interaction as the Hessian at the input has it.
        path: the same over all strengths.
        right: whether a pair that was found is the true one; None where there is none to find.
        found: whether any pair was found.
        passes: spent on gathering, proposing and testing.
    """

    seed: int
    kind: str
    rule: str
    action: str
    true: float
    tests: Sequence[Mapping[str, Any]] = field(default=())
    local: Sequence[float] = field(default=())
    path: Sequence[float] = field(default=())
    right: bool | None = None
    found: bool = False
    passes: int = 0


@torch.no_grad()
def _encoded(courier: Courier, scene: Scene) -> dict[str, Tensor]:
    prepared = prepare(courier, render(scene))
    return {m: courier.encode(m, p.tensor) for m, p in prepared.items()}


def _parts(scene: Scene) -> dict[str, list[Cause]]:
    """Everything in a scene that can be left out, by sense; whether the policy speaks of it or not."""
    return {
        "vision": [Cause(t.stamp.kind, "vision", i) for i, t in enumerate(scene.things)],
        "audio": [Cause(s.clip.kind, "audio", i) for i, s in enumerate(scene.sounds)],
        "text": [Cause(c.kind, "text", i) for i, c in enumerate(scene.instruction.clauses)],
    }


@torch.no_grad()
def true_interactions(courier: Courier, scene: Scene, action: int) -> dict[tuple[Cause, Cause], float]:
    """Return the interaction of every two parts of different senses, nats, by rendering the scene without them."""
    whole = _encoded(courier, scene)
    parts = {m: {c: _encoded(courier, scene.without(c))[m] for c in some} for m, some in _parts(scene).items()}

    def score(gone: Mapping[str, Tensor]) -> float:
        return float(decision_score(courier.decide({**whole, **gone}), action)[0])

    here = score({})
    alone = {c: score({m: x}) for m, some in parts.items() for c, x in some.items()}
    found = {}
    for m, n in itertools.combinations(parts, 2):
        for (a, x), (b, y) in itertools.product(parts[m].items(), parts[n].items()):
            found[a, b] = here - alone[a] - alone[b] + score({m: x, n: y})
    return found


def _holds(evidence: Evidence, cause: Cause, scene: Scene, segmentations: Mapping[str, Segmentation]) -> bool:
    """Whether a piece of evidence lies on a cause: shares a unit with it."""
    mine = evidence.sense == cause.sense
    return mine and bool(set(evidence.units) & set(touched(scene, cause, segmentations[cause.sense])))


def measure(courier: Courier, scene: Scene, seed: int, kind: str, settings: PairSettings) -> Row:
    """Look for pairs in one scene, and hold them against what rendering tells."""
    prepared = prepare(courier, render(scene))
    segmentations = segment(courier, prepared)
    with torch.no_grad():
        action = int(courier({m: p.tensor for m, p in prepared.items()}).argmax())
    laboratory = Laboratory(courier, prepared, segmentations, action)
    slopes = gradient_times_change(courier, prepared, action)
    ranking = contributions(courier, prepared, segmentations, slopes)
    operators = operators_of(laboratory, 2)
    coalitions = measure_coalitions(courier, prepared, action)
    tests = find_pairs(laboratory, coalitions, [ranking], operators, np.random.default_rng([11, seed]), settings).tests
    told = foretell(laboratory, [(t.interaction.a, t.interaction.b) for t in tests], operators[0])
    true = true_interactions(courier, scene, action)
    return Row(
        seed=seed,
        kind=kind,
        rule=scene.rule.name,
        action=courier.actions[action],
        true=max(true.values(), key=abs),
        tests=[t.to_dict() for t in tests],
        local=[f.local for f in told],
        path=[f.path for f in told],
        right=_right(tests, scene, segmentations) if kind == "combination" else None,
        found=any(t.found for t in tests),
        passes=laboratory.passes,
    )


def _right(tests: Sequence[PairTest], scene: Scene, segmentations: Mapping[str, Segmentation]) -> bool:
    animal, tame = (next(c for c in scene.causes if c.kind == kind) for kind in ("animal", "tame"))
    for test in tests:
        sides = test.interaction.a, test.interaction.b
        for a, b in (sides, sides[::-1]):
            if test.found and _holds(a, animal, scene, segmentations) and _holds(b, tame, scene, segmentations):
                return True
    return False


def _decides(courier: Courier, scene: Scene) -> str:
    with torch.no_grad():
        return courier.actions[int(courier.decide(_encoded(courier, scene)).argmax())]


def _fits(courier: Courier, scene: Scene, kinds: int) -> bool:
    """Whether the scene has so many causes, the decision is right, and hangs on each of them."""
    if len(scene.causes) != kinds or _decides(courier, scene) != scene.rule.action:
        return False
    return all(_decides(courier, scene.without(c)) != scene.rule.action for c in scene.causes)


def _scenes(courier: Courier, kind: str, count: int, first: int, partition: str) -> Iterator[tuple[int, Scene]]:
    """Draw scenes of a kind, from a seed on; at most twenty are tried for each."""
    rules = [COMBINED] if kind == "combination" else [r.name for r in RULES if len(r.causes) == 1]
    found = 0
    for seed in range(first, first + 20 * count):
        scene = sample_scene(seed, partition, rules[seed % len(rules)])
        if _fits(courier, scene, 2 if kind == "combination" else 1):
            found += 1
            yield seed, scene
        if found == count:
            return


def _share(hits: int, count: int) -> dict[str, Any]:
    low, high = wilson(hits, count)
    return {"share": hits / max(count, 1), "interval": [low, high], "count": count}


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of many scenes as plain JSON values."""
    combined, single = ([r for r in rows if r.kind == kind] for kind in ("combination", "single"))
    clean = [r for r in single if abs(r.true) < NONE]
    pairs = [
        (test["measured"], local, path)
        for r in rows
        for test, local, path in zip(r.tests, r.local, r.path, strict=True)
    ]
    ranks: dict[str, float | None] = {}
    for k, name in ((1, "local"), (2, "path")):
        measured, foretold = np.array([p[0] for p in pairs]), np.array([p[k] for p in pairs])
        ranks[name] = rank_correlation(measured, foretold) if len(pairs) > 2 else None
    return {
        "pair_found": _share(sum(bool(r.right) for r in combined), len(combined)),
        "any_found_in_combinations": _share(sum(r.found for r in combined), len(combined)),
        "false": _share(sum(r.found for r in single), len(single)),
        "false_where_rendering_shows_none": _share(sum(r.found for r in clean), len(clean)),
        "true_interaction": {
            kind: float(np.median([abs(r.true) for r in some])) if some else None
            for kind, some in (("combination", combined), ("single", single))
        },
        "rank_correlation_with_measured": ranks,
        "pairs": len(pairs),
        "passes": float(np.median([r.passes for r in rows])) if rows else 0.0,
    }


def _print(told: Mapping[str, Any]) -> None:
    table = Table(title="pairs found, of scenes")
    for column in ("scenes", "share", "95 %", "n"):
        table.add_column(column, justify="left" if column == "scenes" else "right")
    names = {
        "pair_found": "combination: the true pair found",
        "any_found_in_combinations": "combination: any pair found",
        "false": "single cause: any pair found (false)",
        "false_where_rendering_shows_none": f"the same, no true interaction above {NONE} nats",
    }
    for key, name in names.items():
        low, high = told[key]["interval"]
        share, count = f"{100 * told[key]['share']:.1f} %", str(told[key]["count"])
        table.add_row(name, share, f"{100 * low:.1f} to {100 * high:.1f} %", count)
    console = Console()
    console.print(table)
    ranks = told["rank_correlation_with_measured"]
    shown = {k: "not defined" if v is None else f"{v:.2f}" for k, v in ranks.items()}
    console.print(
        f"{told['pairs']} pairs: rank correlation of measured interactions with the Hessian's at the input "
        f"{shown['local']}, over all strengths {shown['path']}; {told['passes']:.0f} passes a scene (median)"
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.combinations", description="Pairs of evidence: found where they are, and only there."
    )
    parser.add_argument("--scenes", type=int, default=40, help="scenes of each kind")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 1_000_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    try:
        if options.scenes < 1:
            raise InputError(f"combinations: {options.scenes} scenes; give at least 1")
        courier = load()
        columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            for kind in ("combination", "single"):
                scenes = _scenes(courier, kind, options.scenes, options.first, options.partition)
                for seed, scene in progress.track(scenes, total=options.scenes, description=kind):
                    rows.append(measure(courier, scene, seed, kind, PairSettings()))
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(rows)
    if options.json:
        print(json.dumps({**told, "rows": [asdict(r) for r in rows]}, indent=2))
        return
    _print(told)


if __name__ == "__main__":
    main()
