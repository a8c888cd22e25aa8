"""At which delay between cause and decision does a method lose the cause?

``python -m benchmarks.delay`` (``make benchmark-delay``).

Scenes of `veridical.scenarios.courier.delayed`: a siren ends so many seconds before the decision, and all between is
idle. Kept are scenes in which leaving the siren out changes the decision score by more than a nat. Every method gives
Courier's features (of frames, of sound windows, of words) their part of the decision, and what it gives is summed over
each second of each sense; the words, which have no second, are one entry. A method *finds* the cause if the entry that
it ranks first is a second of sound that the siren sounds in. A sound window counts for the second of its middle.

========================  ============================================================================================
through time              `veridical.fusion.through_time`, the rule ``share``
through time, signal      the same; gates take nothing
gradient x input          the gradient of the decision score at the features, times the features
integrated gradients      along the straight line from the baselines' features, 32 midpoints (Sundararajan et al. 2017)
occlusion                 one entry at a time is replaced by its baseline's features; minus the measured effect
========================  ============================================================================================

Told beside it: the gap of conservation, over all steps of all scenes as a share of what passed through the step, and of
whole scenes as a share of the score's difference. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor

from veridical.errors import InputError, VeridicalError
from veridical.fusion.line import FlowSettings
from veridical.fusion.tail import Head
from veridical.fusion.through_time import TimeAttribution, through_time
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Inputs, Scorer
from veridical.modalities.target import Target
from veridical.scenarios.courier.delayed import DelayedScene, delayed_scene
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.model import Courier, load

__all__ = ["METHODS", "Case", "Row", "case_of", "main", "measure", "summarise"]

DELAYS = (0, 2, 5, 10, 20, 30)
"""Seconds."""
POINTS = 32
"""Midpoints of integrated gradients."""
TELLING = 1.0
"""Nats that leaving the siren out must change the decision score by."""
_HOP, _WINDOW = 0.48, 0.975

Entries = Mapping[tuple[str, int], float]
"""Contribution of each second of each sense, nats; all words are ``("text", 0)``."""


@dataclass(frozen=True)
class Case:
    """One scene before Courier: its features, those of its baselines, and where the siren is."""

    courier: Courier
    features: Inputs
    baselines: Inputs
    target: Target
    span: tuple[float, float]
    effect: float

    def seconds(self, sense: str) -> np.ndarray:
        """The entry that each row of a sense's features counts for."""
        rows = np.arange(self.features[sense].shape[1])
        if sense == "text":
            return np.zeros(len(rows), np.int64)
        if sense == "vision":
            return rows
        # The last window may be filled up with silence, its middle beyond the scene's end.
        return np.minimum((rows * _HOP + _WINDOW / 2).astype(np.int64), self.features["vision"].shape[1] - 1)

    def entries(self, by_row: Mapping[str, np.ndarray]) -> dict[tuple[str, int], float]:
        """Sum what the rows were given over each second."""
        found = {}
        for m, values in by_row.items():
            sums = np.bincount(self.seconds(m), values.reshape(len(values), -1).sum(1))
            found |= {(m, second): float(v) for second, v in enumerate(sums)}
        return found

    def finds(self, entries: Entries) -> bool:
        """Whether the entry ranked first is a second in which the siren sounds."""
        sense, second = max(entries, key=lambda key: entries[key])
        return sense == "audio" and second < self.span[1] and second + 1 > self.span[0]


def case_of(courier: Courier, scene: DelayedScene) -> Case | None:
    """Encode a scene; None where leaving its siren out does not change the decision score enough."""
    head, prepared = Head(courier), prepare(courier, scene.render())
    features = head.encode({m: p.tensor for m, p in prepared.items()})
    silent = prepare(courier, {"audio": scene.without().render()["audio"]})["audio"]
    with torch.no_grad():
        logits = courier.decide(features)
        target = Target(int(logits.argmax()))
        without = courier.decide({**features, **head.encode({"audio": silent.tensor})})
        effect = float(target(logits) - target(without))
    if effect <= TELLING or scene.span is None:
        return None
    baselines = head.encode({m: p.baseline for m, p in prepared.items()})
    return Case(courier, features, baselines, target, scene.span, effect)


def _rows(given: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {m: x[0].flatten(1).sum(1, dtype=torch.float64).numpy() for m, x in given.items()}


def _gradient(case: Case) -> Entries:
    slopes = Scorer(Head(case.courier), case.target).gradient(case.features).values
    return case.entries(_rows({m: slopes[m] * x for m, x in case.features.items()}))


def _integrated(case: Case) -> Entries:
    scorer = Scorer(Head(case.courier), case.target)
    total = {m: torch.zeros_like(x) for m, x in case.features.items()}
    for k in range(POINTS):
        u = (k + 0.5) / POINTS
        slopes = scorer.gradient({m: b + u * (case.features[m] - b) for m, b in case.baselines.items()}).values
        total = {m: t + slopes[m] / POINTS for m, t in total.items()}
    return case.entries(_rows({m: t * (case.features[m] - case.baselines[m]) for m, t in total.items()}))


@torch.no_grad()
def _occlusion(case: Case) -> Entries:
    found: dict[tuple[str, int], float] = {}
    score = float(case.target(case.courier.decide(case.features)))
    for m, x in case.features.items():
        for second in np.unique(case.seconds(m)):
            edited = x.clone()
            at = torch.from_numpy(np.flatnonzero(case.seconds(m) == second))
            edited[:, at] = case.baselines[m][:, at]
            found[m, int(second)] = score - float(case.target(case.courier.decide({**case.features, m: edited})))
    return found


def _flow(case: Case, settings: FlowSettings) -> tuple[Entries, TimeAttribution]:
    found = through_time(case.courier, case.features, case.baselines, case.target, settings)
    return case.entries(found.by_row), found


METHODS: Mapping[str, Callable[[Case], Entries]] = {
    "through time": lambda case: _flow(case, FlowSettings())[0],
    "through time, signal": lambda case: _flow(case, FlowSettings(gates="signal"))[0],
    "gradient x input": _gradient,
    "integrated gradients": _integrated,
    "occlusion": _occlusion,
}
"""From a case to what each second of each sense is given."""


@dataclass(frozen=True)
class Row:
    """One scene at one delay.

    Attributes:
        seed: seed of the scene.
        delay: seconds between the siren's end and the decision.
        effect: what leaving the siren out takes from the decision score, nats.
        found: by method, whether the siren is ranked first.
        first: by method, sense and second of the entry ranked first.
        seconds: by method, what it took.
        gaps: of each step of "through time", the gap as a share of what passed through it.
        gap: of the whole scene, as a share of the score's difference.
    """

    seed: int
    delay: int
    effect: float
    found: Mapping[str, bool]
    first: Mapping[str, tuple[str, int]]
    seconds: Mapping[str, float]
    gaps: Sequence[float]
    gap: float


def _row(case: Case, seed: int, delay: int) -> Row:
    entries: dict[str, Entries] = {}
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    entries["through time"], flow = _flow(case, FlowSettings())
    seconds["through time"] = time.perf_counter() - start
    for name, method in METHODS.items():
        if name in entries:
            continue
        start = time.perf_counter()
        entries[name] = method(case)
        seconds[name] = time.perf_counter() - start
    return Row(
        seed=seed,
        delay=delay,
        effect=case.effect,
        found={name: case.finds(some) for name, some in entries.items()},
        first={name: max(some, key=lambda key: some[key]) for name, some in entries.items()},
        seconds=seconds,
        gaps=[c.share for c in flow.conservation],
        gap=flow.gap / max(abs(flow.difference), 1e-12),
    )


def _cases(courier: Courier, delay: int, first: int, partition: str) -> Iterator[tuple[int, Case | None]]:
    seed = first
    while True:
        yield seed, case_of(courier, delayed_scene(seed, delay, partition))
        seed += 1


def measure(delays: Sequence[int], scenes: int, first: int, partition: str) -> tuple[list[Row], dict[int, int]]:
    """Measure so many telling scenes at each delay, from a seed on; at most four times as many are tried.

    Returns:
        A row for each, and how many were tried at each delay.

    Raises:
        InputError: a delay out of range, an unknown partition, or stamps or sounds are not installed.
    """
    courier, rows, tried = load(), [], {}
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for delay in delays:
            task = progress.add_task(f"delay of {delay} s", total=scenes)
            count = tried[delay] = 0
            for seed, case in _cases(courier, delay, first, partition):
                tried[delay] += 1
                if case is not None:
                    rows.append(_row(case, seed, delay))
                    count += 1
                    progress.update(task, advance=1)
                if count == scenes or tried[delay] == 4 * scenes:
                    break
    return rows, tried


def summarise(rows: Sequence[Row], tried: Mapping[int, int]) -> dict[str, Any]:
    """Return the share found by delay and method, with its interval, and the gaps of conservation."""
    told: dict[str, Any] = {"delays": {}}
    for delay, many in tried.items():
        some = [r for r in rows if r.delay == delay]
        shares = {}
        for name in METHODS:
            right = sum(r.found[name] for r in some)
            seconds = float(np.median([r.seconds[name] for r in some])) if some else None
            shares[name] = {
                "share": right / len(some) if some else None,
                "interval": list(wilson(right, len(some))),
                "median_seconds": seconds,
            }
        effect = float(np.median([r.effect for r in some])) if some else None
        told["delays"][str(delay)] = {"scenes": len(some), "tried": many, "median_effect": effect, "found": shares}
    steps, whole = np.array([g for r in rows for g in r.gaps]), np.array([r.gap for r in rows])
    told["conservation"] = {
        name: {"count": len(v), "max": float(v.max()), "median": float(np.median(v))} if len(v) else {"count": 0}
        for name, v in (("steps", steps), ("scenes", whole))
    }
    return told


def _print(told: Mapping[str, Any]) -> None:
    console, table = Console(), Table(title="share of scenes in which the delayed siren is ranked first")
    table.add_column("delay")
    for delay, one in told["delays"].items():
        table.add_column(f"{delay} s\n{one['scenes']} of {one['tried']} scenes", justify="right")
    for name in METHODS:
        cells = []
        for one in told["delays"].values():
            share, (low, high) = one["found"][name]["share"], one["found"][name]["interval"]
            cells.append("none" if share is None else f"{100 * share:.0f} % ({100 * low:.0f}–{100 * high:.0f})")
        table.add_row(name, *cells)
    effects = [one["median_effect"] for one in told["delays"].values()]
    table.add_row("median effect, nats", *("none" if e is None else f"{e:.1f}" for e in effects))
    console.print(table)
    for name, one in told["conservation"].items():
        if one["count"]:
            gaps = f"largest {100 * one['max']:.2f} %, median {100 * one['median']:.3f} %"
            console.print(f"gap of conservation, {one['count']} {name}: {gaps}")
    last = next(reversed(told["delays"].values()))["found"]
    if all(v["median_seconds"] is not None for v in last.values()):
        times = ", ".join(f"{name} {v['median_seconds']:.2f}" for name, v in last.items())
        console.print(f"median seconds of a scene at the last delay, encoding aside: {times}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.delay", description="Share in which a delayed cause is found, against the delay."
    )
    parser.add_argument("--scenes", type=int, default=20, help="telling scenes at each delay")
    parser.add_argument("--delays", type=int, nargs="+", default=list(DELAYS), help="seconds")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 900_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.scenes < 1:
            raise InputError(f"delay: {options.scenes} scenes; at least 1 is wanted")
        rows, tried = measure(list(dict.fromkeys(options.delays)), options.scenes, options.first, options.partition)
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(rows, tried)
    if options.json:
        print(json.dumps({**told, "rows": [asdict(r) for r in rows]}, indent=2))
        return
    _print(told)


if __name__ == "__main__":
    main()
