"""What does a record cost in bytes at each precision of its maps, and what is lost?

``python -m benchmarks.precision`` (``make benchmark-precision``).

Courier's decisions on held-out scenes, explained as ``veridical explain`` does (less what fusion adds), and explained
by one rung alone, so that the maps recorded are those that the verdict rests on: of the main job they mostly are
measured effects, spread evenly over each evidence unit, which zlib makes small by itself. The records are kept under
``out/precision`` and used again.

Each record is stored at each precision, sealed as a log seals it. *As stored* is what ``Context(precision=…)`` gives: a
coarser coding is taken only where it is smaller. *Each map so* has every map in that coding, smaller or not: what the
coding itself does. Then the maps are read again and held against the exact ones: error, ranks, the five leading units;
claims are predicted again from them, and judged by the effects that the record tells. Last, records under a budget.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks._decided import KINDS, Decided, decided
from benchmarks._precision_tables import show
from benchmarks._rejudged import UNTOUCHED, predict, predicted, rejudge, unit_values
from benchmarks._shares import share_of
from benchmarks._stored import BUDGETS, PRECISIONS, Budgeted, Store, Stored
from veridical.agent.record.loss import rank_correlation
from veridical.errors import InputError, VeridicalError
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import load
from veridical.verifier.verify import Reference

__all__ = ["MOVED", "Row", "main", "measure", "rows_of", "summarise"]

MOVED = 0.1
"""Nats from which on a claim's prediction counts as moved: the smallest effect that counts in a verdict."""
_LEADING = 5


@dataclass(frozen=True)
class Row:
    """One record at one precision.

    Attributes:
        kind: of the decision, see `benchmarks._decided.KINDS`.
        seed: of the scene.
        precision: one of `PRECISIONS`.
        forced: whether each map has that coding, smaller or not.
        size: bytes of the manifest, of maps, units, further open arrays, what is sealed, and in all.
        coded: share of the maps that have this coding.
        error: largest error of an element, nats, over all maps.
        total: largest error of a map's sum, nats.
        ranks: Spearman's correlation with the exact map over elements, by map.
        unit_ranks: the same over evidence units, by sense.
        leading: share of the five leading units of all senses that still are.
        moves: how far each claim's prediction moved, nats.
        cause: what decided the verdict.
        verdict: whether it is the recorded one when it is judged again; None where that is not to be had from the
            record.
        becomes: cause of the verdict when it is judged again; None likewise.
    """

    kind: str
    seed: int
    precision: str
    forced: bool
    size: Mapping[str, int]
    coded: float
    error: float
    total: float
    ranks: Mapping[str, float]
    unit_ranks: Mapping[str, float]
    leading: float
    moves: tuple[float, ...]
    cause: str
    verdict: bool | None
    becomes: str | None

    @property
    def hinges(self) -> bool:
        """Whether predictions had a part in the verdict."""
        return self.cause not in UNTOUCHED


def rows_of(one: Decided, reference: Reference) -> tuple[list[Row], list[Budgeted]]:
    """Store one decision at every precision and under every budget.

    Raises:
        RecordError: its arrays cannot be recorded.
    """
    store, told = Store(one.result, one.arrays), one.result["verdict"]
    again = rejudge(one.result, predicted(one.result), reference)
    judged = (again.verdict, again.cause) == (told["verdict"], told["cause"])
    exact = unit_values(one.result, one.arrays)
    rows = []
    for precision in PRECISIONS:
        for forced in (False, True):
            found = store.at(precision, forced)
            values = unit_values(one.result, {**one.arrays, **found.maps})
            guesses = predict(one.result, values)
            verdict = rejudge(one.result, guesses, reference) if judged else None
            rows.append(
                Row(
                    kind=one.kind,
                    seed=one.seed,
                    precision=precision,
                    forced=forced,
                    size=found.size,
                    coded=found.coded,
                    **_loss(one.arrays, found),
                    unit_ranks=_defined({m: rank_correlation(exact[m], values[m]) for m in exact}),
                    leading=len(_leading(exact) & _leading(values)) / max(len(_leading(exact)), 1),
                    moves=tuple(abs(a - b) for a, b in zip(guesses, predicted(one.result), strict=True)),
                    cause=told["cause"],
                    verdict=None if verdict is None else verdict.verdict == told["verdict"],
                    becomes=None if verdict is None else verdict.cause,
                )
            )
    return rows, [store.within(budget, one.kind, one.seed) for budget in BUDGETS]


def _loss(arrays: Mapping[str, np.ndarray], found: Stored) -> dict[str, Any]:
    pairs = {n: (arrays[n].astype(np.float64), m.astype(np.float64)) for n, m in found.maps.items()}
    return {
        "error": max((float(np.abs(b - a).max(initial=0)) for a, b in pairs.values()), default=0.0),
        "total": max((abs(float((b - a).sum())) for a, b in pairs.values()), default=0.0),
        "ranks": _defined({n: rank_correlation(a.ravel(), b.ravel()) for n, (a, b) in pairs.items()}),
    }


def _defined(ranks: Mapping[str, float | None]) -> dict[str, float]:
    return {name: rank for name, rank in ranks.items() if rank is not None}


def _leading(values: Mapping[str, np.ndarray]) -> set[tuple[str, int]]:
    every = [(-float(v), m, i) for m, each in values.items() for i, v in enumerate(each)]
    return {(m, i) for _, m, i in sorted(every)[:_LEADING]}


def measure(plan: Mapping[str, int], first: int, partition: str, folder: Path) -> tuple[list[Row], list[Budgeted]]:
    """Explain scenes, or read what was explained before, and store each decision at every precision.

    Args:
        plan: decisions by kind.
        first: seed of the first scene.
        partition: ``"held-out"`` or ``"train"``.
        folder: where records are kept.

    Raises:
        InputError: no decision, an unknown partition, or stamps or sounds are not installed.
        RecordError: a record in the folder was altered, or none can be written.
    """
    if min(plan.values(), default=0) < 0 or not sum(plan.values()):
        raise InputError(f"precision: {dict(plan)} decisions; at least 1 is wanted, and none below 0")
    system, rows, budgets = load(), list[Row](), list[Budgeted]()
    reference = system.reference or Reference()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for kind, count in plan.items():
            task = progress.add_task(f"decisions, {kind}", total=count)
            for one in decided(system, kind, range(first, first + count), partition, folder):
                more, bounded = rows_of(one, reference)
                rows, budgets = rows + more, budgets + bounded
                progress.advance(task)
    return rows, budgets


def _spread(values: Sequence[float]) -> list[float] | None:
    """Median, least and most; None of nothing."""
    return [float(f(values)) for f in (np.median, np.min, np.max)] if len(values) else None


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    judged = [r for r in rows if r.verdict is not None]
    maps, senses = ({name for r in rows for name in getattr(r, key)} for key in ("ranks", "unit_ranks"))
    return {
        "records": len(rows),
        "bytes": {part: _spread([r.size[part] for r in rows]) for part in rows[0].size},
        "coded": float(np.mean([r.coded for r in rows])),
        "error": _spread([r.error for r in rows]),
        "sum": _spread([r.total for r in rows]),
        "rank": {name: _spread([r.ranks[name] for r in rows if name in r.ranks]) for name in sorted(maps)},
        "unit_rank": {m: _spread([r.unit_ranks[m] for r in rows if m in r.unit_ranks]) for m in sorted(senses)},
        "leading": float(np.mean([r.leading for r in rows])),
        "moved": share_of([move > MOVED for r in rows for move in r.moves]),
        "most_moved": max((move for r in rows for move in r.moves), default=0.0),
        "verdicts": share_of([bool(r.verdict) for r in judged]),
        "verdicts_hinging": share_of([bool(r.verdict) for r in judged if r.hinges]),
        "causes": share_of([r.becomes == r.cause for r in judged]),
    }


def summarise(rows: Sequence[Row], budgets: Sequence[Budgeted]) -> dict[str, Any]:
    """Return figures by kind of decision, way of storing and precision; and by kind and budget what was given up."""
    kinds = list(dict.fromkeys(r.kind for r in rows))
    told: dict[str, Any] = {}
    for kind in kinds:
        own = [r for r in rows if r.kind == kind]
        told[kind] = {
            way: {p: _figures([r for r in own if r.forced == forced and r.precision == p]) for p in PRECISIONS}
            for way, forced in (("as stored", False), ("each map so", True))
        }
    return {"precision": told, "budget": {k: _given_up([b for b in budgets if b.kind == k]) for k in kinds}}


def _given_up(budgets: Sequence[Budgeted]) -> dict[str, Any]:
    """By budget: how many records fit, their bytes, what was left out and how maps are coded, mean counts a record."""
    told = {}
    for budget in BUDGETS:
        own = [b for b in budgets if b.budget == budget]
        fit = [b for b in own if b.size is not None]
        told[str(budget)] = {
            "records": len(own),
            "fit": len(fit),
            "bytes": _spread([b.size for b in fit if b.size is not None]),
            "least": _spread([b.least for b in own if b.least is not None]),
            "omitted": _means([b.omitted for b in fit]),
            "codings": _means([b.codings for b in fit]),
        }
    return told


def _means(counts: Sequence[Mapping[str, int]]) -> dict[str, float]:
    names = sorted({name for each in counts for name in each})
    return {name: float(np.mean([each.get(name, 0) for each in counts])) for name in names}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description="Bytes and losses of records.")
    parser.add_argument("--main", type=int, default=12, help="decisions explained as far as it takes")
    for kind in KINDS[1:]:
        parser.add_argument(f"--{kind}", type=int, default=24, help=f"decisions explained by the rung {kind} alone")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 650_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--folder", type=Path, default=Path("out/precision"), help="where records are kept")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    plan = {kind: getattr(options, kind.replace("-", "_")) for kind in KINDS}
    try:
        rows, budgets = measure(plan, options.first, options.partition, options.folder)
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(rows, budgets)
    if options.json:
        print(json.dumps({**told, "rows": [asdict(r) for r in rows], "budgets": [asdict(b) for b in budgets]}))
        return
    show(told)


if __name__ == "__main__":
    main()
