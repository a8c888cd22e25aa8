"""Our gradient engines beside Captum and pytorch-grad-cam: ``python -m benchmarks.attribution``.

Both sides are asked the same questions of the same float32 model object (evaluation mode, parameters frozen, which
spares the peers their gradients), in one process, on one device. All ratios are ours / theirs: 3 times faster is 0.333.

*Integrated gradients, at an equal completeness gap.* The straight path from one baseline: for EfficientNet-Lite0 a
black picture, the score being the top class's logit; for Courier black frames, silence and mask tokens, jointly, the
score being the decision score. Ours runs at a tolerance of 1 % of the score's difference and stops by itself. Captum
runs at the fewest steps of a ladder (20, 30, 50, 75, 100, 150, 200, 300, 400, 600) whose gap is at most 1 %; finding
them is not timed. It is timed at its default ``internal_batch_size`` (all steps at once) and at the best of 1, 2, 4, 8,
16 and 32, found once for each input on 32 steps and not timed (or all at once, if that is faster); nor is our own
search for a chunk size, made once for each model and told as ``search_ms``. Where a side does not reach 1 %, its most
is taken and ``reached`` is false; where all steps at once would not fit into 80 % of the free memory (by what 50 take),
the longest rung that fits is timed in their place, and ``default_fits`` is false. Rounds are interleaved (ours, ours
again with Captum's number of steps, best, default, ours ...) after a round that is not counted; each ratio is of
medians over the rounds, and the ratio that is told is the median over the inputs, since whether few steps reach 1 % is
partly luck.

*Accuracy.* A small gap is no accurate map. So each side's map is also held against the midpoint rule on 1024 points:
the L1 distance as a share of the reference's L1 norm. And ours is timed once more with as many evaluations as Captum
needed (``ours_at_their_steps``, ``time_ratio_at_their_steps``): where ours stopped earlier, its map may be the less
accurate one.

*Peak memory.* Each figure in a fresh process (`benchmarks._memory`), the model loaded and called once: resident memory
at its peak during the attribution, less that before it. Ours with 50 evaluations, its search for a chunk size counted
(the median of three processes, for they may find different ones), beside Captum's default call: 50 steps, all at once.
``captum_needed_bytes`` is the same at the steps that it needed. Growth: ours with (at most) 400 evaluations over ours
with 50, with one chunk size for both and after an attribution that does not count.

*Single-pass methods.* Medians of interleaved rounds on the first input. pytorch-grad-cam also brings its map to the
picture's size; that is how it comes. The ratio that is told of a model is the median over methods and peers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import _peers
from benchmarks._bench import KEYS, TOLERANCE, Bench, figures_of
from benchmarks._subjects import find_subject
from veridical.errors import InputError, VeridicalError

__all__ = ["KEYS", "MODELS", "Plan", "main", "measure"]

MODELS: dict[str, str] = {
    "efficientnet-lite0": "benchmarks._subjects:efficientnet",
    "courier": "benchmarks._subjects:courier",
}
"""Where each model is made."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        models: names of models, of `MODELS`.
        rounds: rounds counted.
        device: ``"cpu"`` or ``"cuda"``.
        samples: inputs for each model, at most; None for all.
        reference: points of the reference map.

    Raises:
        InputError: an unknown model, no round, no input, no point, or a device that is not there.
    """

    models: tuple[str, ...] = tuple(MODELS)
    rounds: int = 5
    device: str = "cpu"
    samples: int | None = None
    reference: int = 1024

    def __post_init__(self) -> None:
        unknown = [m for m in self.models if m not in MODELS]
        if unknown or not self.models:
            raise InputError(f"attribution: no model {', '.join(unknown) or 'given'}; there are {', '.join(MODELS)}")
        if min(self.rounds, self.reference, 1 if self.samples is None else self.samples) < 1:
            raise InputError(
                f"attribution: {self.rounds} rounds, {self.samples} inputs, {self.reference} points of the reference; "
                "at least 1 of each is wanted"
            )
        if self.device not in ("cpu", "cuda"):
            raise InputError(f"attribution: device {self.device!r}; cpu or cuda is wanted")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("attribution: device cuda; torch finds none here")


def machine(device: str) -> dict[str, Any]:
    """Return what the figures were measured on and with."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "captum", "grad-cam")},
    }


def measure(plan: Plan, tick: Callable[[str], None] = lambda told: None) -> dict[str, Any]:
    """Measure; the figures of `KEYS` come by model, then the details.

    Raises:
        InputError: a peer is not installed.
    """
    _peers.captum()
    result: dict[str, Any] = {key: {} for key in KEYS}
    details: dict[str, Any] = {}
    for name in plan.models:
        tick(f"{name}: loading")
        subject = find_subject(MODELS[name], plan.device)
        bench = Bench(subject, MODELS[name], plan.device, plan.rounds, plan.reference, tick)
        figures, details[name] = figures_of(bench, plan.samples)
        for key, value in figures.items():
            result[key][name] = value
    asked = {"rounds": plan.rounds, "reference": plan.reference, "tolerance": TOLERANCE}
    return {**result, "details": details, **asked, "machine": machine(plan.device)}


_TOLD = {
    "ig_time_ratio_vs_captum_best": "integrated gradients: time, Captum's best batch (aim: 0.333 or less, 3x faster)",
    "ig_time_ratio_vs_captum_default": "integrated gradients: time, Captum's default, all steps at once",
    "ig_peak_memory_ratio_vs_captum_default": "integrated gradients: peak memory, Captum's default (aim: 0.2 or less)",
    "ig_memory_growth_50_to_400": "integrated gradients: our peak memory, 400 evaluations / 50 (aim: 0.95 to 1.05)",
    "single_pass_time_ratio": "single-pass methods: time (aim: 1 or less)",
}


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(title=title)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _path_rows(details: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in details:
        ours, theirs = one["ours"], one["captum"]
        batch = "all" if theirs["best_batch"] is None else str(theirs["best_batch"])
        fewer = "all" if theirs["default_fits"] else f"all ({theirs['default_steps'] or 'none'} fit)"
        for side, label, spent in ((ours, "ours", ours["evaluations"]), (theirs, "Captum, best", theirs["steps"])):
            mine = side is ours
            found = f"{side['gap']:.2%}", f"{side['map_error']:.1%}", f"{side['ms' if mine else 'best_ms']:.0f}"
            chunk, ratio = (str(ours["layout"]["chunk"]), "") if mine else (batch, f"{one['time_ratio_vs_best']:.2f}")
            rows.append((one["sample"] if mine else "", label, str(spent), *found, chunk, ratio))
        more = one["ours_at_their_steps"]
        found = f"{more['gap']:.2%}", f"{more['map_error']:.1%}", f"{more['ms']:.0f}"
        ratio = f"{one['time_ratio_at_their_steps']:.2f}"
        rows.append(("", "ours, as many", str(more["evaluations"]), *found, str(ours["layout"]["chunk"]), ratio))
        default = _number(theirs["default_ms"], ".0f"), fewer, _number(one["time_ratio_vs_default"], ".2f")
        rows.append(("", "Captum, default batch", _number(theirs["default_steps"], "d"), "", "", *default))
        at_50 = f"{theirs['gap_at_50']:.2%}", f"{theirs['map_error_at_50']:.1%}"
        rows.append(("", "Captum, default steps", "50", *at_50, "", "", ""))
    return rows


def _print(result: dict[str, Any]) -> None:
    console, models = Console(), list(result["details"])
    told = [(_TOLD[key], *(_number(result[key][m]) for m in models)) for key in KEYS]
    console.print(_table("ours / theirs", ("", *models), told))
    for name, details in result["details"].items():
        columns = ("input", "", "evaluations", "gap", "map error", "median ms", "at once", "ours / theirs")
        rows = _path_rows(details["integrated_gradients"])
        console.print(_table(f"{name}: integrated gradients at a gap of at most {TOLERANCE:.0%}", columns, rows))
        memory = details["memory"]
        sides = {
            "ours, with its search": "ours",
            "ours": "ours_50",
            "ours ": "ours_400",
            "Captum, all at once": "captum_50",
        }
        taken = [(told, memory[f"{k}_evaluations"], memory[f"{k}_bytes"]) for told, k in sides.items()]
        taken.append(("Captum, all at once", memory["captum_needed_steps"], memory["captum_needed_bytes"]))
        shown = [(told, _number(n, "d"), "does not fit" if b is None else f"{b / 2**20:.0f}") for told, n, b in taken]
        console.print(_table(f"{name}: peak memory of integrated gradients", ("", "evaluations", "MiB"), shown))
        passes = [
            (method, peer, f"{one['ours_ms']:.1f}", f"{one['peer_ms']:.1f}", f"{one['ratio']:.2f}")
            for method, peers in details["single_pass"].items()
            for peer, one in peers.items()
        ]
        columns = ("method", "peer", "ours, ms", "theirs, ms", "ours / theirs")
        console.print(_table(f"{name}: single-pass methods, medians", columns, passes))
    about = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    console.print(f"{result['rounds']} rounds, map errors against {result['reference']} points; {about}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    told = "Our gradient engines beside Captum and pytorch-grad-cam."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=told)
    parser.add_argument("--rounds", type=int, default=5, help="rounds counted")
    parser.add_argument("--models", default=",".join(MODELS), help="names, with commas between them")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--inputs", type=int, help="inputs for each model, at most; all, if it is not given")
    parser.add_argument("--reference", type=int, default=1024, help="points of the reference maps")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    try:
        names = tuple(name for name in options.models.split(",") if name)
        plan = Plan(names, options.rounds, options.device, options.inputs, options.reference)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("starting", total=None)
            result = measure(plan, lambda told: progress.update(task, description=told))
    except VeridicalError as error:
        parser.error(str(error))
    print(json.dumps(result, indent=2)) if options.json else _print(result)


if __name__ == "__main__":
    main()
