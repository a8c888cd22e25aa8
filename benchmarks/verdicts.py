"""Is the verdict to be trusted? ``python -m benchmarks.verdicts`` (``make benchmark-verdicts``).

On Courier's held-out scenes and on photographs and composites before EfficientNet-Lite0:

- **false acceptance**: how often explanations that know nothing of the decision (`benchmarks._families`) are judged
  *supported*, at the verifier's own level;
- **power**: how often measured effects are, and what becomes of other engines' accounts;
- the **cost** of a verdict in forward passes;
- **coverage** of the conformal bound at 90 %: half of the scenes, drawn by seed, calibrate, the others are fresh;
- the **ladder**: how many decisions are settled at which rung, and what that costs beside always taking the last one.

Rows are written as they are measured (``--rows``); a run that is begun again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor

from benchmarks._families import FAMILIES, Stranger, families, randomised
from benchmarks._subjects import Pictures, photograph
from veridical.errors import InputError, VeridicalError
from veridical.fusion.measure import Laboratory
from veridical.modalities.attribution import attribute
from veridical.modalities.contract import Observation, System
from veridical.modalities.observation import prepare, segment
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.verifier.account import Account, state
from veridical.verifier.bounds import wilson
from veridical.verifier.conformal import conformal_bound
from veridical.verifier.ladder import RUNGS, Climb, LadderSettings, climb, gradient_only, propose_at
from veridical.verifier.verify import Verification, VerifySettings, verify

__all__ = ["main", "measure", "summarise"]

FIRST = FIRST_SEED + 600_000
"""Seed of the first scene: no scene of the model card's, nor of any other benchmark's."""

PHOTOGRAPHS = (
    "cat", "coffee", "astronaut", "rocket", "camera", "stereo_motorcycle", "coins", "hubble_deep_field", "moon",
    "clock", "grass", "gravel", "brick",
)  # fmt: skip
"""Photographs that scikit-image's wheel carries."""

SUBJECTS = ("courier", "efficientnet-lite0")
SLOW = ("few-steps", "smoothgrad", "path", "occlusion", "lime", "grad-cam")
"""Engines whose accounts are verified on a part of the inputs only."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        scenes: Courier's scenes.
        pictures: photographs and composites.
        slow: inputs of each subject on which the slow engines are run.
        climbs: inputs of each subject on which the whole ladder is climbed.
        every: measured effects are found on every so many of Courier's scenes.
        first: seed of the first scene.
    """

    scenes: int = 300
    pictures: int = 60
    slow: int = 12
    climbs: int = 20
    every: int = 2
    first: int = FIRST


def _courier(seed: int) -> tuple[System, Observation]:
    from veridical.scenarios.courier.model import load
    from veridical.scenarios.courier.scene import render, sample_scene

    return load(), render(sample_scene(seed, "held-out"))


_PICTURES: list[Pictures] = []


def _laid_out(x: Tensor) -> Tensor:
    """Colours last in memory: half the time on a CPU."""
    return x.contiguous(memory_format=torch.channels_last)


def _picture(number: int, first: int) -> tuple[System, Observation]:
    """A photograph, or a composite: the middle frame of one of Courier's held-out scenes that holds an object."""
    from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
    from veridical.modalities.vision import Vision
    from veridical.scenarios.courier.scene import render, sample_scene

    if not _PICTURES:
        encoder = load_efficientnet_lite0()
        network = torch.nn.Module()
        network.encoder = encoder
        network.forward = lambda x: encoder.classify(encoder.features(_laid_out(x[:, 0])))
        _PICTURES.append(Pictures(network.eval().requires_grad_(False), encoder.class_names, Vision()))
    if number < len(PHOTOGRAPHS):
        return _PICTURES[0], {"vision": photograph(PHOTOGRAPHS[number])}
    seed = first + 50_000 + 1000 * number
    while not (scene := sample_scene(seed, "held-out")).things:
        seed += 1
    return _PICTURES[0], {"vision": render(scene)["vision"][1]}


def _laboratory(system: System, observation: Observation) -> Laboratory:
    prepared = prepare(system, observation)
    segmentations = segment(system, prepared)
    with torch.no_grad():
        action = int(system({m: p.tensor for m, p in prepared.items()})[0].argmax())
    return Laboratory(system, prepared, segmentations, action)


def _fresh(laboratory: Laboratory) -> Laboratory:
    """The same before any edit, so that one account's passes are not another's gain."""
    return Laboratory(
        laboratory.system, laboratory.prepared, laboratory.segmentations, laboratory.action, score=laboratory.score
    )


def _told(found: Verification, proposing: float = 0.0) -> dict[str, Any]:
    first = found.claims[0] if found.claims else None
    return {
        "verdict": found.verdict.verdict,
        "cause": found.verdict.cause,
        "agreement": found.agreement,
        "p": found.test.p if found.test else None,
        "passes": found.passes,
        "proposing": proposing,
        "claims": len(found.account.claims),
        "predicted": first.claim.predicted if first else None,
        "measured": first.measured if first else None,
    }


def _engine(name: str, laboratory: Laboratory, difference: float) -> Mapping[str, np.ndarray] | None:
    """Contributions of the evidence units by an engine that is no rung; None where it does not apply."""
    from veridical.fusion.frame import contributions
    from veridical.modalities.engines.blackbox.lime import Lime
    from veridical.modalities.engines.smooth import noisy_gradients
    from veridical.modalities.scorer import Scorer
    from veridical.modalities.target import Target

    segmentations, inputs = laboratory.segmentations, {m: p.tensor for m, p in laboratory.prepared.items()}
    if name == "smoothgrad":  # its mean gradient times the change from the baseline: nats
        found = noisy_gradients(Scorer(laboratory.system, Target(laboratory.action)), inputs, 16, 0.15)
        return contributions(laboratory.system, laboratory.prepared, segmentations, found.mean)
    if name in ("grad-cam", "lime") and len(segmentations) > 1:
        return None  # Grad-CAM sees; LIME would need a thousand passes over 300 units of three senses
    if name == "grad-cam":
        maps = attribute(laboratory.system, laboratory.prepared, "grad-cam", diagnosed=False).maps["vision"]
        values = {"vision": segmentations["vision"].total(maps["pixels"].values)}
        scale = abs(difference) / max(float(np.abs(values["vision"]).sum()), 1e-12)
        return {"vision": values["vision"] * scale}
    method = Lime(samples=300) if name == "lime" else name
    maps = attribute(laboratory.system, laboratory.prepared, method, diagnosed=False).maps
    return {m: np.asarray(maps[m]["evidence"].values, np.float64) for m in segmentations}


def _row(subject: str, number: int, plan: Plan, stranger: Stranger, twins: dict[str, System]) -> dict[str, Any]:
    """Measure one input."""
    began = time.perf_counter()
    seed = plan.first + number
    system, observation = _courier(seed) if subject == "courier" else _picture(number, plan.first)
    base = _laboratory(system, observation)
    settings = VerifySettings()

    def salt(digest: str) -> str:
        return f"benchmark {seed}"

    def judged(account: Account, laboratory: Laboratory) -> Verification:
        return verify(laboratory, account, {"input": number}, salt, settings)

    if subject not in twins:
        twins[subject] = randomised(system, base)
    slope = gradient_only(base, 0.05)
    base.score = slope.score
    rng = np.random.default_rng([31, seed])
    row: dict[str, Any] = {"subject": subject, "number": number, "false": {}, "true": {}, "climb": None}
    for name, values in families(base, slope.difference, stranger, twins[subject], rng).items():
        row["false"][name] = _told(judged(state(name, values, base.segmentations), _fresh(base)))
    ladder = LadderSettings()
    proposal = propose_at("gradient", base, [], ladder, settings)
    row["true"]["gradient"] = _told(judged(proposal.account, _fresh(base)), proposal.gradients)
    laboratory = _fresh(base)
    if subject != "courier" or number % plan.every == 0:
        row["true"]["measured"], account = _measured(laboratory, number, salt, settings)
        stranger.keep(base, account.values)
    if number < plan.slow:
        for name in SLOW:
            if name in RUNGS:
                values = propose_at(name, base, [], ladder, settings).account.values
            else:
                values = _engine(name, base, slope.difference)
            if values is not None:
                row["true"][name] = _told(judged(state(name, values, base.segmentations), _fresh(base)))
    if number < plan.climbs:
        row["climb"] = _climbed(climb(_fresh(base), lambda p: {"input": number}, salt, ladder, settings))
    row["seconds"] = time.perf_counter() - began
    return row


def _measured(
    laboratory: Laboratory, number: int, salt: Callable[[str], str], settings: VerifySettings
) -> tuple[dict[str, Any], Account]:
    """Verify measured effects, found from the plain gradient's ranking, and once more from what controls turned up."""
    last = climb(laboratory, lambda p: {"input": number}, salt, LadderSettings(rungs=("measured",)), settings)
    found, first = last.final.verification, last.attempts[0]
    told = {
        **_told(found, sum(a.proposal.passes + a.proposal.gradients for a in last.attempts)),
        "attempts": len(last.attempts),
        "first_attempt": first.verification.verdict.verdict,
        "first_passes": first.proposal.passes + first.verification.passes,
        "all_passes": last.passes,
    }
    return told, found.account


def _climbed(found: Climb) -> dict[str, Any]:
    return {
        "rung": found.final.proposal.rung,
        "verdict": found.final.verification.verdict.verdict,
        "cause": found.final.verification.verdict.cause,
        "attempts": [
            {"rung": a.proposal.rung, "verdict": a.verification.verdict.verdict,
             "critique": a.critique.kind if a.critique else None}
            for a in found.attempts
        ],
        "passes": found.passes,
    }  # fmt: skip


def _work(share: tuple[str, list[int]], plan: Plan) -> Iterator[dict[str, Any]]:
    subject, numbers = share
    stranger, twins = Stranger(), dict[str, System]()
    for number in numbers:
        yield _row(subject, number, plan, stranger, twins)


def _worker(share: tuple[str, list[int]], plan: Plan, queue: Any) -> None:
    torch.set_num_threads(1)
    try:
        for row in _work(share, plan):
            queue.put(row)
    except VeridicalError as error:
        queue.put({"error": str(error)})
    queue.put(None)


def measure(plan: Plan, jobs: int = 1, rows_file: Path | None = None) -> list[dict[str, Any]]:
    """Measure all inputs.

    Args:
        plan: how much.
        jobs: processes, one thread each.
        rows_file: rows are appended there; those that it holds already are not measured again.

    Raises:
        InputError: a number below 1, or stamps or sounds are not installed.
    """
    few = min(plan.scenes, plan.pictures, plan.slow, plan.climbs) < 0 or plan.scenes + plan.pictures < 1
    if few or min(jobs, plan.every) < 1:
        raise InputError(f"verdicts: {plan}, {jobs} jobs; at least one input and one job are wanted")
    rows = [json.loads(line) for line in rows_file.read_text().splitlines()] if rows_file and rows_file.exists() else []
    done = {(row["subject"], row["number"]) for row in rows}
    shares = []
    for subject, count in zip(SUBJECTS, (plan.scenes, plan.pictures), strict=True):
        left = [n for n in range(count) if (subject, n) not in done]
        # Blocks, so that each process meets inputs of every kind, and the input before is another's in each.
        shares += [(subject, block.tolist()) for block in np.array_split(np.array(left, int), jobs) if len(block)]
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("inputs", total=plan.scenes + plan.pictures, completed=len(rows))
        for row in _rows(shares, plan, jobs):
            if "error" in row:
                raise InputError(row["error"])
            rows.append(row)
            if rows_file:
                with rows_file.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            progress.update(task, advance=1, description=f"{row['subject']} {row['number']}")
    return rows


def _rows(shares: list[tuple[str, list[int]]], plan: Plan, jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        for share in shares:
            yield from _work(share, plan)
        return
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    waiting, running = list(shares), 0
    while waiting or running:
        while waiting and running < jobs:
            context.Process(target=_worker, args=(waiting.pop(0), plan, queue), daemon=True).start()
            running += 1
        row = queue.get()
        if row is None:
            running -= 1
        else:
            yield row


def _share(values: list[bool]) -> list[float] | None:
    return wilson(sum(values), len(values)).to_list() if values else None


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures: rates as [rate, low, high] with 95 % Wilson intervals.

    ``power`` is over the inputs on which the engine's account makes a claim; ``no_claim`` is the share on which it
    makes none, ``power_all`` counts those as not supported.
    """

    def of(some: list[dict[str, Any]], group: str) -> dict[str, list[dict[str, Any]]]:
        names = dict.fromkeys(name for row in some for name in row[group])
        return {name: [row[group][name] for row in some if name in row[group]] for name in names}

    def supported(found: list[dict[str, Any]]) -> list[bool]:
        return [r["verdict"] == "supported" for r in found]

    def figures(some: list[dict[str, Any]]) -> dict[str, Any]:
        false, true = of(some, "false"), of(some, "true")
        return {
            "inputs": len(some),
            "false_acceptance": {name: _share(supported(false[name])) for name in FAMILIES if name in false},
            "power": {name: _share(supported([r for r in found if r["claims"]])) for name, found in true.items()},
            "power_all": {name: _share(supported(found)) for name, found in true.items()},
            "no_claim": {name: _share([not r["claims"] for r in found]) for name, found in true.items()},
            "inconclusive": {n: _share([r["verdict"] == "inconclusive" for r in f]) for n, f in true.items()},
            "causes": {name: _counts([r["cause"] for r in found]) for name, found in {**true, **false}.items()},
            "passes_per_verdict": {
                name: float(np.mean([r["passes"] for r in found])) for name, found in {**true, **false}.items()
            },
            "conformal_coverage": {"gradient": _coverage(some, "gradient")},
            "ladder": _ladder(some),
        }

    return {**figures(rows), "by_subject": {s: figures([r for r in rows if r["subject"] == s]) for s in SUBJECTS}}


def _counts(causes: list[str]) -> dict[str, int]:
    return {cause: causes.count(cause) for cause in sorted(set(causes))}


def _coverage(rows: list[dict[str, Any]], rung: str, level: float = 0.9) -> dict[str, Any] | None:
    """Coverage of the conformal bound on fresh inputs: of each subject even numbers calibrate, odd ones are fresh."""
    inside: list[bool] = []
    for subject in SUBJECTS:
        misses: dict[int, list[float]] = {0: [], 1: []}
        for row in rows:
            r = row["true"].get(rung, {})
            if row["subject"] == subject and r.get("predicted") is not None and r.get("measured") is not None:
                misses[row["number"] % 2].append(abs(r["predicted"] - r["measured"]))
        if min(len(misses[0]), len(misses[1])) >= 10:
            bound = conformal_bound(misses[0], level).value
            inside += [miss <= bound for miss in misses[1]]
    return {"level": level, "coverage": _share(inside), "fresh": len(inside)} if inside else None


def _ladder(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    climbs = [row for row in rows if row["climb"]]
    if not climbs:
        return None
    always = [row["true"]["measured"]["all_passes"] for row in climbs if "measured" in row["true"]]
    rungs = [row["climb"]["rung"] if row["climb"]["verdict"] == "supported" else "not settled" for row in climbs]
    return {
        "climbs": len(climbs),
        "settled_at": {rung: _share([r == rung for r in rungs]) for rung in (*dict.fromkeys(rungs),)},
        "mean_passes": float(np.mean([row["climb"]["passes"] for row in climbs])),
        "always_last_mean_passes": float(np.mean(always)) if always else None,
        "critiques": _counts([a["critique"] for row in climbs for a in row["climb"]["attempts"] if a["critique"]]),
    }


def _cell(share: list[float] | None) -> str:
    return "–" if share is None else f"{100 * share[0]:.1f} % ({100 * share[1]:.1f}–{100 * share[2]:.1f})"


def _print(summary: dict[str, Any]) -> None:
    console = Console()
    every = {"all": summary, **summary["by_subject"]}
    for title, key in (
        ("false acceptance: supported though it knows nothing", "false_acceptance"),
        ("power: supported where a claim was made", "power"),
        ("makes no claim", "no_claim"),
    ):
        table = Table(title=title)
        for column in ("", *(f"{name} (n = {found['inputs']})" for name, found in every.items())):
            table.add_column(column, justify="right" if column else "left")
        for name in summary[key]:
            table.add_row(name, *(_cell(found[key].get(name)) for found in every.values()))
        console.print(table)
    table = Table(title="cost of a verdict, forward passes (mean)")
    for column in ("", *every):
        table.add_column(column, justify="right" if column else "left")
    for name in summary["passes_per_verdict"]:
        passes = (found["passes_per_verdict"].get(name) for found in every.values())
        table.add_row(name, *("–" if p is None else f"{p:.1f}" for p in passes))
    console.print(table)
    for rung, found in summary["conformal_coverage"].items():
        if found:
            console.print(
                f"conformal bound at 90 %, {rung}: covers {_cell(found['coverage'])} of {found['fresh']} fresh"
            )
    ladder = summary["ladder"]
    if ladder:
        told = ", ".join(f"{rung} {_cell(share)}" for rung, share in ladder["settled_at"].items())
        console.print(f"ladder, {ladder['climbs']} climbs: settled at {told}")
        always = ladder["always_last_mean_passes"]
        beside = "" if always is None else f", always the last rung {always:.0f}"
        console.print(f"mean passes {ladder['mean_passes']:.0f}{beside}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description="Is the verdict to be trusted?")
    plan = Plan()
    parser.add_argument("--scenes", type=int, default=plan.scenes, help="Courier's scenes")
    parser.add_argument("--pictures", type=int, default=plan.pictures, help="photographs and composites")
    parser.add_argument("--slow", type=int, default=plan.slow, help="inputs of each for the slow engines")
    parser.add_argument("--climbs", type=int, default=plan.climbs, help="inputs of each for the whole ladder")
    parser.add_argument("--every", type=int, default=plan.every, help="measured effects on every so many scenes")
    parser.add_argument("--first", type=int, default=plan.first, help="seed of the first scene")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--rows", type=Path, help="file to which rows are appended, and from which a run goes on")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    plan = Plan(options.scenes, options.pictures, options.slow, options.climbs, options.every, options.first)
    try:
        rows = measure(plan, options.jobs, options.rows)
    except VeridicalError as error:
        parser.error(str(error))
    summary = summarise(rows)
    if options.json:
        print(json.dumps(summary, indent=2))
    else:
        _print(summary)


if __name__ == "__main__":
    main()
