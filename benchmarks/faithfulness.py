"""Which explanations are faithful, and what do they cost? Ours at every rung beside Captum's.

``python -m benchmarks.faithfulness`` (``make benchmark-faithfulness``).

On photographs and composites before EfficientNet-Lite0: insertion, deletion, symmetric relevance gain, faithfulness
correlation and infidelity on evidence units, under an infill operator that our last rung measures with (its home) and
under one that it never used (``_mean``); the curves again on pixels with RISE's fills (``_pixels``); pointing game and
localisation mass where the object is known to the pixel. On Courier's held-out scenes in which removing one object,
sound or phrase flips the decision: whether the first claim names that cause.

With ``--json``: by metric and method the figure; under ``<metric>_interval`` its 95 % interval (bootstrap over
pictures; Wilson's for shares of scenes), under ``<metric>_count`` how many pictures or scenes it rests on, under
``<metric>_ladder_minus_peer`` our ladder's paired difference to each peer, ``[mean, low, high]``; then
``seconds_per_explanation`` and ``evaluations_per_explanation`` by method (medians over pictures; ``_courier`` over
scenes), and ``protocol`` in words.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks._faithfulness_methods import LONG, METHODS, NOISE, SAMPLES, STEPS, Explanation, explain
from benchmarks._faithfulness_metrics import (
    AWAY,
    METRICS,
    Row,
    SceneRow,
    measure_picture,
    measure_story,
    summarise,
)
from benchmarks._faithfulness_metrics import STEPS as CURVE_STEPS
from benchmarks._faithfulness_subjects import LEAST, Picture, Story, pictures, stories
from veridical.errors import InputError, VeridicalError
from veridical.scenarios.courier.evaluate import FIRST_SEED

__all__ = ["PROTOCOL", "Plan", "main", "measure"]

PROTOCOL = {
    "score": "log-odds of the decision against the rest, nats, for every method; curves tell its probability",
    "pictures": (
        "photographs from scikit-image, and frames of Courier's held-out scenes in which exactly one object, whose "
        f"removal changes the top class and lowers its score by {LEAST[0]:g} nat or more, fills {LEAST[1]:.0%} of the "
        "frame or more; the class need not be the object's name"
    ),
    "units": (
        "superpixels (SLIC): values of pixels are summed over each; all figures without a suffix and with "
        f"_{AWAY} rest on them"
    ),
    "curves": (
        f"{CURVE_STEPS} steps; units are taken away by the first infill operator (surround), most influential first; "
        "symmetric relevance gain: least influential first less most influential first; trapezoid rule on 0..1"
    ),
    "home": (
        "ours-measured and ours-ladder measure edits under the operators surround and blur, occlusion, lime and "
        "kernel-shap under surround: curves on units under surround are measured at their home. "
        f"_{AWAY}: units become the frame's mean colour, which no method was measured with"
    ),
    "pixels": (
        "_pixels: maps of pixels where a method has them, else each unit's value spread evenly over its pixels; "
        "deletion to the mean colour, insertion from the blurred picture (RISE's fills)"
    ),
    "correlation and infidelity": (
        "100 random subsets of a fifth of the units, the same for every method; infidelity with the optimal scale, "
        "nat²; infidelity_share over the mean square of the effects"
    ),
    "pointing game": (
        "maximum within 15 pixels of the object, mean of per-class accuracies over kinds of object; of units that "
        "share the maximum, the share of their pixels that hit; pointing_game_centre is the frame's centre on the same "
        "pictures"
    ),
    "localisation mass": "share of positive attribution inside the object's exact mask",
    "cause identification": (
        "scenes in which removing one cause, and no other, flips the decision: the first claim is of its sense and at "
        "least half of its units belong to it; peers' values become claims by veridical.verifier.claims.propose, as "
        "those of our gradient rungs do"
    ),
    "ours": (
        "each rung by itself, proposed without being verified; ours-ladder: the account that stands after climbing, "
        "its seconds and evaluations include the verification of every account on the way"
    ),
    "peers": (
        f"Captum on the joint forward function, all senses. integrated-gradients: {STEPS} steps from our baseline. "
        f"smoothgrad: NoiseTunnel over Saliency, {NOISE[0]} samples, noise {NOISE[1]:.0%} of each sense's range. "
        "guided-backprop: ReLU6 made known to Captum. Both are read as the gradient's length summed over a unit, and "
        "as -times-change, signed gradient times (input - baseline). grad-cam: the last convolutional map of the eyes, "
        "rectified, bilinear; 0 for other senses. occlusion: FeatureAblation, one unit at a time. lime (Captum's "
        f"defaults: cosine kernel, Lasso 0.01) and kernel-shap: {SAMPLES} samples. These three take units away by "
        "surround, silence and mask, our first operators"
    ),
    "time": (
        "wall-clock seconds, methods in turn within every picture or scene, in an order that is turned by one each "
        "time; medians. Segmenting is not counted, nor is gathering peers' values over units; evaluations are inputs "
        "scored or differentiated, a gradient counting once"
    ),
    "long": f"{' and '.join(LONG)} are asked on the first scenes only (option --long)",
}
"""The protocol, in words."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        images: pictures.
        scenes: flipping scenes.
        long: of these, how many are put to the methods that take very many evaluations too.
        seed: of scenes and draws.
        methods: names of methods.

    Raises:
        InputError: a number below zero, nothing to be measured, or an unknown method.
    """

    images: int = 10
    scenes: int = 14
    long: int = 2
    seed: int = 0
    methods: tuple[str, ...] = tuple(METHODS)

    def __post_init__(self) -> None:
        if min(self.images, self.scenes, self.long, self.seed) < 0 or self.images + self.scenes < 1:
            raise InputError(
                f"faithfulness: {self.images} images, {self.scenes} scenes, {self.long} long, seed {self.seed}; none "
                "below 0, and at least one image or scene is wanted"
            )
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown or not self.methods:
            raise InputError(f"faithfulness: no method {', '.join(unknown) or 'given'}; there are {', '.join(METHODS)}")

    def order(self, number: int, *, long: bool = True) -> tuple[str, ...]:
        """Return the methods in the order of their turn: each time another one is the first."""
        chosen = [name for name in self.methods if long or name not in LONG]
        turn = number % max(len(chosen), 1)
        return (*chosen[turn:], *chosen[:turn])


def _sorted(plan: Plan, found: Mapping[str, Explanation]) -> dict[str, Explanation]:
    return {name: found[name] for name in plan.methods if name in found}


def measure(
    plan: Plan, shown: Iterable[Picture] | None = None, told: Iterable[Story] | None = None
) -> tuple[list[Row], list[SceneRow], dict[str, str]]:
    """Measure pictures and scenes.

    Args:
        plan: how much.
        shown: pictures; by default `pictures`.
        told: scenes; by default `stories`.

    Returns:
        Figures by picture, by scene, and the protocols of the metrics as the metrics themselves tell them.

    Raises:
        InputError: Captum, stamps or sounds are not installed.
    """
    offset = 10_000 * plan.seed
    shown = pictures(plan.images, FIRST_SEED + 800_000 + offset, plan.seed) if shown is None else shown
    told = stories(plan.scenes, FIRST_SEED + 500_000 + offset, plan.seed) if told is None else told
    rows, scenes, protocols = list[Row](), list[SceneRow](), dict[str, str]()
    columns = (TextColumn("{task.description:<52}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("pictures", total=plan.images + plan.scenes)
        if plan.images:
            for number, picture in enumerate(shown):

                def ticked(method: str, name: str = picture.name) -> None:
                    progress.update(task, description=f"picture {name}: {method}")

                found = _sorted(plan, explain(plan.order(number), picture.question, ticked))
                ticked("metrics")
                row, named = measure_picture(picture, found)
                rows.append(row)
                protocols |= named
                progress.advance(task)
        if plan.scenes:
            for number, story in enumerate(told):

                def heard(method: str, seed: int = story.seed) -> None:
                    progress.update(task, description=f"scene {seed}: {method}")

                order = plan.order(number, long=number < plan.long)
                scenes.append(measure_story(story, _sorted(plan, explain(order, story.question, heard))))
                progress.advance(task)
    return rows, scenes, protocols


def _cell(value: float | None, interval: Sequence[float] | None, best: bool) -> str:
    if value is None:
        return "–"
    told = f"{value:.3f}" + (f" ({interval[0]:.2f}–{interval[1]:.2f})" if interval else "")
    return f"[bold]{told}[/bold]" if best else told


def best_of(summary: Mapping[str, Any], metric: str) -> frozenset[str]:
    """Return the methods with the best figure of a metric."""
    known = {name: v for name, v in summary[metric].items() if v is not None}
    pick = max if METRICS[metric] == "up" else min
    return frozenset(n for n, v in known.items() if np.isclose(v, pick(known.values()), rtol=0, atol=1e-12))


_TABLES = {
    "evidence units, at the home of what was measured under surround": "",
    f"evidence units, away: {AWAY}": f"_{AWAY}",
    "pixels, RISE's fills": "_pixels",
}


def _print(summary: Mapping[str, Any]) -> None:
    console = Console()
    shown = [m for m in METRICS if summary[m]]
    for title, suffix in _TABLES.items():
        chosen = [m for m in shown if _group(m) == suffix and m != "cause_identification"]
        if chosen:
            console.print(_table(f"{title} ({summary['counts']['pictures']} pictures)", chosen, summary))
    if summary["pointing_game_centre"] is not None:
        console.print(f"pointing game of the frame's centre: {summary['pointing_game_centre']:.3f}")
    for metric, suffix in (("cause_identification", "_courier"), (None, "")):
        costs = {k: summary[f"{k}_per_explanation{suffix}"] for k in ("seconds", "evaluations")}
        if not costs["seconds"]:
            continue
        where = "Courier's flipping scenes" if suffix else "pictures"
        table = Table(title=f"{where}: cost of an explanation, medians")
        for column in ("method", *costs, *((metric.replace("_", " "), "scenes") if metric else ())):
            table.add_column(column, justify="left" if column == "method" else "right", no_wrap=column == "method")
        for name in costs["seconds"]:
            cells = [f"{costs['seconds'][name]:.2f}", f"{costs['evaluations'][name]:.0f}"]
            if metric:
                value, interval = summary[metric].get(name), summary[f"{metric}_interval"].get(name)
                cells += [
                    _cell(value, interval, name in best_of(summary, metric)),
                    str(summary[f"{metric}_count"].get(name, 0)),
                ]
            table.add_row(name, *cells)
        console.print(table)


def _group(metric: str) -> str:
    return next((s for s in (f"_{AWAY}", "_pixels") if metric.endswith(s)), "")


def _table(title: str, metrics: Sequence[str], summary: Mapping[str, Any]) -> Table:
    table = Table(title=title)
    arrows = {"up": "↑", "down": "↓"}
    table.add_column("method", no_wrap=True)
    for metric in metrics:
        table.add_column(f"{metric.removesuffix(_group(metric)).replace('_', ' ')} {arrows[METRICS[metric]]}")
    best = {metric: best_of(summary, metric) for metric in metrics}
    for name in summary["seconds_per_explanation"]:
        cells = (_cell(summary[m].get(name), summary[f"{m}_interval"].get(name), name in best[m]) for m in metrics)
        table.add_row(name, *cells)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    default = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faithfulness", description="Faithfulness of explanations, ours and Captum's."
    )
    parser.add_argument("--images", type=int, default=default.images, help="photographs and composites; 0 for none")
    parser.add_argument("--scenes", type=int, default=default.scenes, help="flipping scenes of Courier; 0 for none")
    parser.add_argument("--long", type=int, default=default.long, help=f"scenes that {' and '.join(LONG)} are asked on")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of scenes and draws")
    parser.add_argument("--methods", nargs="+", default=default.methods, metavar="METHOD", help="some methods only")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        plan = Plan(options.images, options.scenes, options.long, options.seed, tuple(options.methods))
        rows, scenes, protocols = measure(plan)
    except VeridicalError as error:
        parser.error(str(error))
    summary = summarise(rows, scenes)
    if options.json:
        protocol = {**PROTOCOL, "plan": asdict(plan), "metrics, as of the last picture": protocols}
        told = {**summary, "protocol": protocol, "rows": [asdict(r) for r in (*rows, *scenes)]}
        print(json.dumps(told, indent=2))
    else:
        _print(summary)


if __name__ == "__main__":
    main()
