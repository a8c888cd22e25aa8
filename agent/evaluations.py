"""Methods held against the metrics over a folder of observations: read, measured, told in a table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from ..errors import InputError, VeridicalError
from ..modalities.attribution import attribute
from ..modalities.contract import System
from ..modalities.engines.methods import find_method
from ..modalities.engines.task import Method
from ..modalities.observation import prepare
from ..verifier.metrics.bootstrap import Interval, bootstrap
from ..verifier.metrics.case import Case, Explained
from ..verifier.metrics.result import Result
from ..verifier.metrics.suite import METRICS, Metric, find_metric
from .folders import Read
from .wording import clean

__all__ = ["RESAMPLES", "Asked", "Evaluation", "Seen", "Skipped", "evaluate", "feet", "tables"]

RESAMPLES = 1000
"""Resamples of each bootstrap interval."""

Progress = Callable[[str, float], None]
"""Called with what is at hand, and the share of the work that is done."""

_FIRST, _EACH = 26, 25
"""Columns of the terminal that the metrics' names and each method take."""

_ARROWS = {"up": "↑", "down": "↓", "neither": " "}


@dataclass(frozen=True)
class Asked:
    """Methods and metrics by name (no metrics: all), the most observations (None: all) and the seed.

    Raises:
        InputError: no such method or metric, a method that must be told its layer, or a limit below 1.
    """

    methods: Sequence[str] = ("integrated-gradients",)
    metrics: Sequence[str] = ()
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"evaluate: limit {self.limit}; at least 1 observation is wanted")
        if self.seed < 0:
            raise InputError(f"evaluate: seed {self.seed}; a number from 0 on is wanted")
        self.found()

    def found(self) -> tuple[dict[str, Method], dict[str, Metric]]:
        """Return the methods and the metrics, each once."""
        chosen = {name: find_metric(name) for name in self.metrics} or dict(METRICS)
        return {name: find_method(name) for name in self.methods}, chosen


@dataclass(frozen=True)
class Skipped:
    """An observation that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Seen:
    """An observation that was evaluated: its name, senses and decision, and what the user must be told of it."""

    name: str
    senses: tuple[str, ...]
    action: str
    notes: tuple[str, ...] = ()


@dataclass
class Evaluation:
    """What was found.

    Attributes:
        asked: what was asked.
        seen: the observations, in order.
        skipped: those left out.
        results: by metric and method, one figure for each observation seen.
        seconds: by method, how long each attribution took.
    """

    asked: Asked
    seen: list[Seen] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    results: dict[str, dict[str, list[Result]]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def interval(self, metric: str, method: str) -> Interval:
        """Return the mean over the observations, and its bootstrap interval."""
        return bootstrap([r.value for r in self.results[metric][method]], RESAMPLES, seed=self.asked.seed)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        metrics = {}
        for name, by_method in self.results.items():
            known = METRICS[name]
            every = [r for results in by_method.values() for r in results]
            metrics[name] = {
                "better": known.better,
                "unit": known.unit,
                "protocols": list(dict.fromkeys(r.protocol for r in every)),
                "methods": {m: asdict(self.interval(name, m)) | _each(rs) for m, rs in by_method.items()},
            }
        return {
            "observations": [
                asdict(seen) | {"senses": list(seen.senses), "notes": list(seen.notes)} for seen in self.seen
            ],
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "seed": self.asked.seed,
            "resamples": RESAMPLES,
            "metrics": metrics,
            "seconds_per_attribution": {m: sum(t) / len(t) if t else None for m, t in self.seconds.items()},
        }


def _each(results: Sequence[Result]) -> dict[str, Any]:
    return {"values": [r.value for r in results], "reasons": [r.reason or None for r in results]}


def evaluate(
    system: System,
    observations: Sequence[tuple[str, Read]],
    asked: Asked,
    progress: Progress = lambda what, share: None,
) -> Evaluation:
    """Attribute each observation's decision by each method, and measure each attribution by each metric.

    An observation that cannot be used is skipped; a figure that cannot be had is undefined, with the reason.

    Args:
        system: what is explained.
        observations: names, and what reads them; see `veridical.agent.folders`.
        asked: methods, metrics, limit and seed.
        progress: called with what is at hand, and the share of the work that is done.

    Raises:
        InputError: no observation can be used.
    """
    methods, metrics = asked.found()
    found = Evaluation(asked, results={k: {m: [] for m in methods} for k in metrics}, seconds={m: [] for m in methods})
    wanted = min(asked.limit or len(observations), len(observations))
    for name, read in observations:
        if len(found.seen) == wanted:
            break
        done = len(found.seen) / wanted
        progress(name, done)
        try:
            prepared = prepare(system, read())
            case = Case(system, prepared, asked.seed)
        except VeridicalError as error:
            found.skipped.append(Skipped(name, " ".join(str(error).split())))
            continue
        notes = tuple(note for p in prepared.values() for note in p.notes)
        found.seen.append(Seen(name, tuple(prepared), system.actions[case.action], notes))
        tell = _within(progress, name, done, 1 / wanted)
        for i, (label, method) in enumerate(methods.items()):
            part = _Part(found, case, _within(tell, label, i / len(methods), 1 / len(methods)))
            part.measure(label, method, metrics)
    if not found.seen:
        first = found.skipped[0]
        raise InputError(
            f"none of {len(found.skipped)} observations can be used; the first, {first.name}: {first.reason}"
        )
    progress("done", 1.0)
    return found


def _within(progress: Progress, name: str, start: float, length: float) -> Progress:
    """Return the progress of a part of the work, which tells the name of the whole first."""
    return lambda what, share: progress(f"{name}: {what}" if what else name, start + length * share)


@dataclass(frozen=True)
class _Part:
    """One case, and where its figures go."""

    found: Evaluation
    case: Case
    progress: Progress

    def measure(self, label: str, method: Method, metrics: Mapping[str, Metric]) -> None:
        self.progress("", 0.0)
        case, start = self.case, time.perf_counter()
        try:
            given = attribute(case.system, case.prepared, method, case.target, seed=case.seed, diagnosed=False)
        except VeridicalError as error:
            for name, metric in metrics.items():
                self._keep(name, label, Result(name, None, metric.summary, reason=_line(error)))
            return
        self.found.seconds[label].append(time.perf_counter() - start)
        explained = Explained(case, method, given)
        for i, (name, metric) in enumerate(metrics.items()):
            self.progress(name, (i + 1) / (len(metrics) + 1))
            try:
                result = metric(explained)
            except VeridicalError as error:
                result = Result(name, None, metric.summary, reason=_line(error))
            self._keep(name, label, result)

    def _keep(self, metric: str, method: str, result: Result) -> None:
        self.found.results[metric][method].append(result)


def _line(error: VeridicalError) -> str:
    return " ".join(str(error).split())


def tables(found: Evaluation, width: int) -> list[Table]:
    """Return tables of metric by method, as many methods to each as fit: mean, interval, and of how many if not all."""
    methods = list(found.seconds)
    fit = max(1, (width - _FIRST) // _EACH)
    return [_table(found, methods[i : i + fit]) for i in range(0, len(methods), fit)]


def _table(found: Evaluation, methods: Sequence[str]) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    drawn.add_column("metric", no_wrap=True)
    for method in methods:
        drawn.add_column(method, justify="left", overflow="fold")
    for name in found.results:
        cells = [_cell(found.interval(name, method), len(found.seen)) for method in methods]
        drawn.add_row(Text(f"{name} {_ARROWS[METRICS[name].better]}"), *cells)
    times = [f"{sum(t) / len(t):.2f}" if (t := found.seconds[m]) else "–" for m in methods]
    drawn.add_row(Text("seconds an attribution", "dim"), *(Text(t, "dim") for t in times))
    return drawn


def _cell(interval: Interval, seen: int) -> Text:
    if interval.mean is None:
        return Text("–", "dim")
    cell = Text(_figure(interval.mean), "bold")
    if interval.low is not None and interval.high is not None:
        cell.append(f" [{_figure(interval.low)}, {_figure(interval.high)}]", "not bold")
    if interval.count < seen:
        cell.append(f"\nof {interval.count}", "not bold dim")
    return cell


def _figure(value: float) -> str:
    told = f"{value:.3f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.2g}"
    return told.replace("-", "\u2212", 1) if value < 0 else told


def feet(found: Evaluation) -> list[str]:
    """Return what must stand under the table, a line each: what was measured how, what is missing, and why."""
    count = len(found.seen)
    lines = [f"{_counted(count, 'observation')}; mean and 95 % bootstrap interval (percentile, {RESAMPLES} resamples)."]
    if 1 < count < 20:
        lines.append(
            f"Intervals of so few observations ({count}) are too narrow: read them as a lower bound of the doubt."
        )
    if count == 1:
        lines.append("One observation has no interval.")
    told: dict[str, list[str]] = {}
    for name, by_method in found.results.items():
        protocols = Counter(r.protocol for rs in by_method.values() for r in rs if r.value is not None)
        if protocols:
            unit = f", {METRICS[name].unit}" if METRICS[name].unit.startswith("nat") else ""
            several = len(protocols) > 1  # more units here, other senses there
            more = f" (the commonest of {len(protocols)} protocols; --json names all)" if several else ""
            told.setdefault(f"{protocols.most_common(1)[0][0]}{unit}{more}", []).append(name)
    lines += [f"{', '.join(names)}: {protocol}." for protocol, names in told.items()]
    missing: dict[str, Counter[str]] = {}
    for name, by_method in found.results.items():
        for method, results in by_method.items():
            for result in results:
                if result.reason:
                    missing.setdefault(f"{method}: {result.reason}", Counter())[name] += 1
    for reason, names in missing.items():
        lines.append(_ended(f"– {', '.join(names)} ({max(names.values())} of {count}): {reason}"))
    for skipped in found.skipped:
        lines.append(_ended(f"Skipped {clean(skipped.name)}: {clean(skipped.reason)}"))
    if found.skipped:
        lines.append(f"{_counted(len(found.skipped), 'entry', 'entries')} of the folder skipped.")
    return lines


def _ended(line: str) -> str:
    return line if line.endswith((".", "?", "!")) else f"{line}."


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
