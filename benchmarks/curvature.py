"""Does curvature help to foretell what a finite edit does?

``python -m benchmarks.curvature`` (``make benchmark-curvature``).

On Courier's head, which is smooth, in the features of its senses, on held-out scenes; and on EfficientNet-Lite0, whose
ReLU6 leave its Hessian empty almost everywhere, at its input, on photographs: with the curvature of the network itself
and with that of a SoftPlus surrogate. Edits are connected evidence units drawn at random, 1 to 8 of them, under every
infill operator of the sense. Each is predicted before it is made (`veridical.verifier.predictions`), then made in part,
at strengths 1/16 to 1, and measured on the real network. The score is the log-odds of the decision, in nats.

Told are the errors |predicted - measured| by order and strength; the error of second order as a share of that of first;
the same where the prediction itself says that curvature bears the edit; and the radius of validity. Intervals are 95 %
by bootstrap over scenes or photographs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor

from benchmarks._curvature import Row, summarise
from benchmarks._subjects import PHOTOGRAPHS, efficientnet
from veridical.errors import InputError, VeridicalError
from veridical.fusion.frame import contributions
from veridical.fusion.tail import Head
from veridical.modalities.contract import SplitSystem, System
from veridical.modalities.evidence import Segmentation
from veridical.modalities.observation import prepare, segment
from veridical.modalities.path import PathSettings, integrate_path
from veridical.modalities.scorer import Inputs, Scorer
from veridical.modalities.target import Target
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import render, sample_scene
from veridical.verifier.predictions import Basis, predict
from veridical.verifier.radius import RadiusSettings, radii, valid_to

__all__ = ["connected", "main", "measure_courier", "measure_photographs"]

BETAS = (5.0, 10.0)
"""Sharpness of the SoftPlus surrogates tried."""


def connected(segmentation: Segmentation, size: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return evidence units grown at random from one unit, each beside one before; fewer where there are no more."""
    taken = {int(rng.integers(len(segmentation)))}
    while len(taken) < size:
        beside = sorted({n for u in taken for n in segmentation.neighbours[u]} - taken)
        if not beside:
            break
        taken.add(beside[rng.integers(len(beside))])
    return tuple(sorted(taken))


@dataclass(frozen=True)
class _Case:
    """One sense of one input under one operator: edits drawn, and where their directions are taken."""

    basis: Basis
    edited: Inputs
    sense: str
    operator: str
    edits: Sequence[tuple[int, ...]]
    betas: Sequence[float] = field(default=())

    def rows(self, sample: str) -> Iterator[Row]:
        """Predict, then measure."""
        units = {self.sense: self.edits}
        plain = predict(self.basis, self.edited, units, chunk=2)
        soft = {
            f"SoftPlus {beta:g}": predict(_with(self.basis, beta), self.edited, units, chunk=2) for beta in self.betas
        }
        found, settings = radii(self.basis, self.edited, plain), RadiusSettings()
        for k, (units_of, one) in enumerate(zip(self.edits, found, strict=True)):
            predicted, radius = dict(one.predicted), dict(one.radius)
            judged = {"second": plain[k], **{name: many[k] for name, many in soft.items()}}
            for name, many in soft.items():
                predicted[name] = many[k].at(np.array(settings.strengths))["second"]
                radius[name] = valid_to(one.strengths, predicted[name] - one.measured, one.tolerance)
            yield Row(
                sample,
                self.sense,
                self.operator,
                len(units_of),
                {name: p.trusted for name, p in judged.items()},
                {name: p.within for name, p in judged.items()},
                one.measured.tolist(),
                {order: effect.tolist() for order, effect in predicted.items()},
                radius,
                one.telling,
            )


def _with(basis: Basis, beta: float) -> Basis:
    return Basis(basis.scorer, basis.inputs, basis.gradient, basis.score, basis.contributions, beta, basis.reach)


def _cases(
    system: System, observation: Mapping[str, Any], edits: int, rng: np.random.Generator, betas: Sequence[float] = ()
) -> Iterator[_Case]:
    """Yield the edits of one observation, sense by sense; in features where the system can be split."""
    prepared = prepare(system, observation)
    inputs = {m: p.tensor for m, p in prepared.items()}
    segmentations = segment(system, prepared)
    head = Head(system) if isinstance(system, SplitSystem) else None
    encode: Callable[[Inputs], Mapping[str, Tensor]] = dict if head is None else head.encode
    with torch.no_grad():
        action = int(system(inputs).argmax())
    # Of a scene the map need not come to rest: that takes four times as long, and only its sums over units count.
    path = integrate_path(system, prepared, action, PathSettings(map_tolerance=None))
    account = contributions(system, prepared, segmentations, path.gradients)
    basis = Basis.of(Scorer(head or system, Target(action)), encode(inputs), account)
    for m, p in prepared.items():
        sense, segmentation = system.modalities[m], segmentations[m]
        for operator in sense.operators if len(segmentation) else ():
            drawn = [connected(segmentation, int(rng.integers(1, 9)), rng) for _ in range(edits)]
            edited = sense.infill(p, drawn, operator, segmentation)
            yield _Case(basis, encode({m: edited}), m, operator, drawn, betas)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def measure_courier(scenes: int, first: int, partition: str, edits: int) -> list[Row]:
    """Edit the features of Courier's senses.

    Args:
        scenes: how many, from the seed ``first`` on.
        first: seed of the first.
        partition: ``"held-out"`` or ``"train"``.
        edits: edits of each sense under each operator.

    Raises:
        InputError: an unknown partition, or stamps or sounds are not installed.
    """
    if not scenes:
        return []
    system, rows = load(), []
    with _progress() as progress:
        for seed in progress.track(range(first, first + scenes), description="Courier's head: scenes"):
            rng = np.random.default_rng(seed)
            for case in _cases(system, render(sample_scene(seed, partition)), edits, rng):
                rows += case.rows(str(seed))
    return rows


class _Classifier:
    """EfficientNet-Lite0 as a system that sees one frame."""

    def __init__(self) -> None:
        subject = efficientnet()
        self.network = subject.module  # so that it is found, and held still
        self.pictures, self.actions, self.modalities = subject.system, subject.system.actions, subject.system.modalities
        self.photographs = {s.name: s.inputs["vision"][0].permute(1, 2, 0).numpy() for s in subject.samples}

    def __call__(self, inputs: Inputs) -> Tensor:
        """Return the logits."""
        return self.pictures({"vision": inputs["vision"][:, 0]})


def measure_photographs(photographs: int, edits: int, seed: int = 0) -> list[Row]:
    """Edit superpixels of photographs that EfficientNet-Lite0 classifies; curvature raw and of surrogates.

    Args:
        photographs: how many of `PHOTOGRAPHS`.
        edits: edits under each operator.
        seed: seed of the edits.
    """
    if not photographs:
        return []
    system, rows = _Classifier(), []
    with _progress() as progress:
        chosen = list(system.photographs)[:photographs]
        for name in progress.track(chosen, description="EfficientNet-Lite0: photographs"):
            rng = np.random.default_rng([seed, chosen.index(name)])
            for case in _cases(system, {"vision": system.photographs[name]}, edits, rng, BETAS):
                rows += case.rows(name)
    return rows


def _cell(value: Sequence[float] | None) -> str:
    return "not defined" if value is None else f"{value[0]:.2f} ({value[1]:.2f}–{value[2]:.2f})"


def _print(name: str, told: Mapping[str, Any]) -> None:
    console = Console()
    if not told["edits"]:
        return
    console.print(f"{name}: {told['edits']} edits, median effect {told['median_effect']:.3f} nats")
    for title, errors in (("all edits", told["errors"]), ("telling edits", told["telling"]["errors"])):
        table = Table(title=f"{name}, {title}: error in nats, and over first order's")
        for column in ("strength", "order", "median", "mean", "of first's median", "of first's mean"):
            table.add_column(column, justify="left" if column == "order" else "right")
        for strength, by_order in errors.items():
            for order, one in by_order.items():
                cells = (f"{one['median'][0]:.4f}", f"{one['mean'][0]:.4f}")
                table.add_row(strength, order, *cells, _cell(one["median_ratio"]), _cell(one["mean_ratio"]))
            table.add_section()
        console.print(table)
    for order, by_label in told["trusted"].items():
        for label, one in by_label.items():
            ratio = one.get("full_strength", {}).get(order, one).get("median_ratio")
            to = f", to strength {one['median_strength']:.2f} (median)" if "median_strength" in one else ""
            said = f"; median error over first order's {_cell(ratio)}" if ratio else ""
            console.print(f"{order}, {label.replace('_', ' ')}: {100 * one['share']:.0f} % of edits{to}{said}")
    for order, one in told["radius"].items():
        low, middle, high = one["quartiles"]
        whole = f"{100 * one['whole']:.0f} % hold all the way"
        console.print(f"radius, {order}: median {middle:.2f} (quartiles {low:.2f}–{high:.2f}), {whole}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curvature", description="Errors of predicted effects with and without curvature."
    )
    parser.add_argument("--scenes", type=int, default=40, help="scenes of Courier; 0 for none")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 700_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument(
        "--photographs", type=int, default=len(PHOTOGRAPHS), help="photographs for EfficientNet-Lite0; 0 for none"
    )
    parser.add_argument("--edits", type=int, default=1, help="edits of each sense under each operator")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.edits < 1 or options.scenes < 0 or not 0 <= options.photographs <= len(PHOTOGRAPHS):
            raise InputError(
                f"curvature: {options.scenes} scenes, {options.photographs} photographs, {options.edits} edits; give 0 "
                f"or more, 0 to {len(PHOTOGRAPHS)}, and at least 1"
            )
        rows = {
            "courier": measure_courier(options.scenes, options.first, options.partition, options.edits),
            "efficientnet-lite0": measure_photographs(options.photographs, options.edits),
        }
    except VeridicalError as error:
        parser.error(str(error))
    told = {name: summarise(some) for name, some in rows.items()}
    if options.json:
        print(json.dumps({**told, "rows": {k: [asdict(r) for r in v] for k, v in rows.items()}}, indent=2))
        return
    for name, one in told.items():
        _print(name, one)


if __name__ == "__main__":
    main()
