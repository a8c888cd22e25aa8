"""One model under measurement: the parts of `benchmarks.attribution` that take time (private)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks import _memory, _ours, _peers
from benchmarks._subjects import Sample, Subject

__all__ = ["BATCHES", "KEYS", "SHARE", "TOLERANCE", "Bench", "figures_of", "interleaved", "milliseconds"]

KEYS = (
    "ig_time_ratio_vs_captum_best",
    "ig_time_ratio_vs_captum_default",
    "ig_peak_memory_ratio_vs_captum_default",
    "ig_memory_growth_50_to_400",
    "single_pass_time_ratio",
)
"""The figures that the result tells first, each by model."""

TOLERANCE = 0.01
"""Completeness gap asked of both sides, as a share of the score's difference."""

BATCHES = (1, 2, 4, 8, 16, 32)
"""Values of ``internal_batch_size`` that Captum is tried at."""

SHARE = 0.8
"""Share of the free memory that all steps at once may take."""


def milliseconds(work: Callable[[], Any], device: str) -> float:
    """Return the time that the work takes, the device's included."""
    start = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start)


def interleaved(works: Mapping[str, Callable[[], Any]], rounds: int, device: str) -> dict[str, float]:
    """Return the median milliseconds of each, over rounds in turn after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for i in range(rounds + 1):
        for name, work in works.items():
            ms = milliseconds(work, device)
            if i:
                times[name].append(ms)
    return {name: statistics.median(values) for name, values in times.items()}


@dataclass(frozen=True)
class Bench:
    """One model under measurement.

    Attributes:
        subject: the model.
        where: where it is made, ``"package.module:function"``, for processes of their own.
        device: ``"cpu"`` or ``"cuda"``.
        rounds: rounds counted.
        reference: points of the reference map.
        tick: told what is done next.
    """

    subject: Subject
    where: str
    device: str
    rounds: int
    reference: int
    tick: Callable[[str], None]

    def gap(self, sample: Sample, maps: Mapping[str, Tensor]) -> float:
        return _peers.completeness_gap(self.subject, sample, maps)[0]

    def steps(self, sample: Sample) -> tuple[int, bool, dict[int, float]]:
        """Return the steps that Captum needs, whether they are enough, and its gap at each rung tried (50 always)."""
        gaps: dict[int, float] = {}
        for steps in _peers.LADDER:
            gaps[steps] = self.gap(sample, _peers.integrated_gradients(self.subject, sample, steps, 4))
            if gaps[steps] <= TOLERANCE:
                break
        last = max(gaps)
        enough = gaps[last] <= TOLERANCE
        if 50 not in gaps:
            gaps[50] = self.gap(sample, _peers.integrated_gradients(self.subject, sample, 50, 4))
        return last, enough, gaps

    def fitting(self, steps: int, bytes_of_50: int | None) -> int | None:
        """Return the longest rung up to ``steps`` that fits into memory all at once; None if none does."""
        if bytes_of_50 is None:  # 50 did not
            return None
        free = _memory.available(self.device)
        rungs = [n for n in _peers.LADDER if n <= steps]
        return max((n for n in rungs if free is None or bytes_of_50 * n / 50 <= SHARE * free), default=None)

    def sample(self, sample: Sample, bytes_of_50: int | None) -> dict[str, Any]:
        """Measure integrated gradients on one input."""
        subject, device = self.subject, self.device
        self.tick(f"{subject.name}: {sample.name}: steps that Captum needs")
        steps, enough, gaps = self.steps(sample)
        self.tick(f"{subject.name}: {sample.name}: reference")
        exact = _peers.reference(subject, sample, self.reference)
        self.tick(f"{subject.name}: {sample.name}: Captum's best batch")

        def theirs(count: int, batch: int | None) -> Callable[[], Any]:
            return lambda: _peers.integrated_gradients(subject, sample, count, batch)

        by_batch = {b: milliseconds(theirs(max(BATCHES), b), device) for b in BATCHES}
        best = min(by_batch, key=lambda b: by_batch[b])
        at_once = self.fitting(steps, bytes_of_50)
        self.tick(f"{subject.name}: {sample.name}: rounds")
        search_ms = milliseconds(lambda: _ours.search(subject, sample), device)
        works: dict[str, Callable[[], Any]] = {
            "ours": lambda: _ours.integrated_gradients(subject, sample),
            "equal": lambda: _ours.integrated_gradients(subject, sample, steps),
            "best": theirs(steps, best),
        }
        if at_once is not None:
            works["default"] = theirs(at_once, None)
        times = interleaved(works, self.rounds, device)
        batch: int | None = best
        if at_once == steps and times["default"] < times["best"]:  # then all at once is Captum's best
            times["best"], batch = times["default"], None
        path, maps = _ours.integrated_gradients(subject, sample), theirs(steps, best)()
        equal = _ours.integrated_gradients(subject, sample, steps)
        captum_50 = _peers.integrated_gradients(subject, sample, 50, best)
        gap, difference = _peers.completeness_gap(subject, sample, path.maps)
        return {
            "sample": sample.name,
            "action": subject.system.actions[sample.action],
            "difference": difference,
            "ours": {
                "ms": times["ours"],
                "evaluations": path.evaluations,
                "gap": gap,
                "reached": gap <= TOLERANCE,
                "map_error": _peers.relative_error(path.maps, exact),
                "layout": asdict(_ours.search(subject, sample)),
                "search_ms": search_ms,
            },
            "ours_at_their_steps": {
                "ms": times["equal"],
                "evaluations": equal.evaluations,
                "gap": self.gap(sample, equal.maps),
                "map_error": _peers.relative_error(equal.maps, exact),
            },
            "captum": {
                "steps": steps,
                "gap": gaps[steps],
                "reached": enough,
                "map_error": _peers.relative_error(maps, exact),
                "gap_at_50": gaps[50],
                "map_error_at_50": _peers.relative_error(captum_50, exact),
                "gaps": {str(n): g for n, g in sorted(gaps.items())},
                "best_batch": batch,
                "best_ms": times["best"],
                "default_ms": times.get("default"),
                "default_steps": at_once,
                "default_fits": at_once == steps,
            },
            "time_ratio_vs_best": times["ours"] / times["best"],
            "time_ratio_at_their_steps": times["equal"] / times["best"],
            "time_ratio_vs_default": times["ours"] / times["default"] if "default" in times else None,
        }

    def memory(self) -> dict[str, Any]:
        """Measure peak memory, each in a fresh process, on the first input.

        What our search for a chunk size finds may differ from process to process: the median of three then.
        """
        layout = _ours.search(self.subject, self.subject.samples[0])
        asked = {
            "ours": ("ours", 50, None),
            "captum_50": ("captum", 50, None),
            "ours_50": ("ours", 50, layout),
            "ours_400": ("ours", 400, layout),
        }
        found: dict[str, Any] = {"layout": asdict(layout)}
        for name, (side, steps, given) in asked.items():
            self.tick(f"{self.subject.name}: memory: {name.replace('_', ' ')}")
            times = 3 if name == "ours" else 1
            peaks = [_memory.peak(self.where, side, steps, given, self.device) for _ in range(times)]
            known = [one for one in peaks if one is not None]
            whole = len(known) == len(peaks)
            found[f"{name}_bytes"] = statistics.median(one["bytes"] for one in known) if whole else None
            found[f"{name}_evaluations"] = known[0]["evaluations"] if whole else None
        return found

    def needed(self, memory: dict[str, Any], steps: int) -> None:
        """Add what Captum's default takes at the steps that it needed, if they fit."""
        memory["captum_needed_steps"] = steps
        memory["captum_needed_bytes"] = memory["captum_50_bytes"] if steps == 50 else None
        if steps != 50 and self.fitting(steps, memory["captum_50_bytes"]) == steps:
            self.tick(f"{self.subject.name}: memory: captum {steps}")
            one = _memory.peak(self.where, "captum", steps, device=self.device)
            memory["captum_needed_bytes"] = one["bytes"] if one else None

    def single_pass(self) -> dict[str, dict[str, dict[str, float]]]:
        """Measure the methods of one pass on the first input, by method and peer."""
        self.tick(f"{self.subject.name}: single-pass methods")
        sample = self.subject.samples[0]
        ours, found = _ours.single_pass(self.subject, sample), {}
        for method, peers in _peers.single_pass(self.subject, sample).items():
            times = interleaved({"ours": ours[method], **peers}, 4 * self.rounds, self.device)
            found[method] = {
                peer: {"ours_ms": times["ours"], "peer_ms": times[peer], "ratio": times["ours"] / times[peer]}
                for peer in peers
            }
        return found


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs


def _median(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def figures_of(bench: Bench, samples: int | None) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Measure one model, on ``samples`` inputs at most: its figures by key, and the details."""
    memory = bench.memory()
    path = [bench.sample(sample, memory["captum_50_bytes"]) for sample in bench.subject.samples[:samples]]
    bench.needed(memory, path[0]["captum"]["steps"])
    passes = bench.single_pass()
    figures = (
        _median([row["time_ratio_vs_best"] for row in path]),
        _median([row["time_ratio_vs_default"] for row in path]),
        _ratio(memory["ours_bytes"], memory["captum_50_bytes"]),
        _ratio(memory["ours_400_bytes"], memory["ours_50_bytes"]),
        _median([one["ratio"] for peers in passes.values() for one in peers.values()]),
    )
    details = {"integrated_gradients": path, "memory": memory, "single_pass": passes}
    return dict(zip(KEYS, figures, strict=True)), details
