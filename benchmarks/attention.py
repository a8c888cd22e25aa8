"""Where attention and gradients name different evidence, which of them is right?

``python -m benchmarks.attention``.

Four systems: Courier on held-out scenes (its own cross-attention over its three senses), MiniLM (rollout of its
self-attention; which of four sentences is a text nearest to?), words that Whisper heard in recorded prompts
(cross-attention of the decoder, mean over layers, heads and the word's tokens), and a small vision transformer trained
here on digits (rollout, the class token's row). The other account is gradient times change; for Courier also
integrated gradients in nine points. Each names a twentieth of a sense's evidence units; what one alone names is edited
under two infill operators, beside random sets like it (`veridical.verifier.adjudicate`). Sounds are cut in time alone,
for attention has nothing to say of bands.

Told are the mean overlap (Jaccard) of what both name, the mean rank correlation of all units by size, and who was
right how often.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks._attentive import TEXTS, Heard, Nearest
from benchmarks._vit import train_vit
from veridical.errors import InputError, VeridicalError
from veridical.fusion.attention import attended
from veridical.fusion.frame import contributions
from veridical.fusion.measure import Laboratory
from veridical.modalities.adapters.transcript import listen
from veridical.modalities.audio import Audio
from veridical.modalities.contract import Observation, System
from veridical.modalities.encoders.yamnet import HOP_SAMPLES, SAMPLE_RATE, WINDOW_SAMPLES
from veridical.modalities.engines.attention import Read
from veridical.modalities.observation import prepare
from veridical.modalities.path import integrate_path
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import render, sample_scene
from veridical.verifier.adjudicate import Adjudication, adjudicate
from veridical.verifier.ladder import FEW, gradient_only
from veridical.verifier.verify import operators_of

__all__ = ["Row", "courier_rows", "main", "minilm_rows", "rule_on", "summarise", "vit_rows", "whisper_rows"]

VOICES = "/usr/share/asterisk/sounds/en_US_f_Allison"
"""Where Debian's asterisk-core-sounds-en-wav puts its prompts; VERIDICAL_VOICES names another place."""

PROMPTS = ("vm-rec-name", "conf-onlyperson", "agent-alreadyon", "vm-options", "conf-getpin", "vm-goodbye", "activated")
"""Prompts of which Whisper's longest word is explained."""


@dataclass(frozen=True)
class Row:
    """One ruling: who was right about one sense of one input.

    Attributes:
        system: which.
        sample: which of its inputs.
        sense: which sense.
        account: what was held against attention.
        overlap: Jaccard index of what both name.
        correlation: rank correlation of all units; None where one ranks nothing.
        right: ``attention``, ``gradient``, ``neither``, ``undecided`` or ``agree``.
        attention: mean effect of what attention alone names, nats.
        gradient: the same of the other account.
    """

    system: str
    sample: str
    sense: str
    account: str
    overlap: float
    correlation: float | None
    right: str
    attention: float
    gradient: float


@dataclass(frozen=True)
class Reading:
    """How a system's attention is read: see `veridical.fusion.attention.attended`."""

    read: Read = "first"
    times: Mapping[str, Float[np.ndarray, "rows 2"]] | None = None
    few: bool = False


def rule_on(
    name: str,
    sample: str,
    system: System,
    observation: Observation,
    reading: Reading,
    settings: Adjudication,
) -> Iterator[Row]:
    """Hold attention against gradients in every sense that is attended to.

    Raises:
        InputError: the system has no attention.
        ContractError: the system cannot be measured.
    """
    prepared = prepare(system, observation)
    segmentations = {m: system.modalities[m].segment(p) for m, p in prepared.items()}
    if "audio" in prepared and isinstance(sense := system.modalities["audio"], Audio):
        segmentations["audio"] = Audio(sense.rate, (sense.cell[0], 1)).segment(prepared["audio"])
    with torch.no_grad():
        action = int(system({m: p.tensor for m, p in prepared.items()})[0].argmax())
    laboratory = Laboratory(system, prepared, segmentations, action)
    paths = {"gradient times change": gradient_only(laboratory, 0.05)}
    if reading.few:
        paths["nine points of the path"] = integrate_path(system, prepared, action, FEW)
    seen = attended(system, prepared, segmentations, read=reading.read, times=reading.times)
    for account, path in paths.items():
        other = contributions(system, prepared, segmentations, path.gradients)
        for m, values in seen.items():
            if not (values.any() and other[m].any()):
                continue  # an empty text, silence: nothing is named
            options: dict[str, Any] = {"names": ("attention", "gradient"), "sense": m, "settings": settings}
            found = adjudicate(laboratory, seen, other, operators_of(laboratory, 2), **options)
            effects = found.first.effect, found.second.effect
            yield Row(name, sample, m, account, found.overlap, found.correlation, found.named, *effects)


def courier_rows(scenes: int, first: int, partition: str, settings: Adjudication) -> Iterator[Row]:
    """Yield the rulings on Courier's scenes.

    Raises:
        InputError: an unknown partition, or stamps or sounds are not installed.
    """
    system = load()
    for seed in range(first, first + scenes):
        observation = render(sample_scene(seed, partition))
        windows = system.ears.windows(len(prepare(system, observation)["audio"].raw)) if "audio" in observation else 0
        begin = np.arange(windows) * HOP_SAMPLES / SAMPLE_RATE
        times = {"audio": np.stack((begin, begin + WINDOW_SAMPLES / SAMPLE_RATE), 1)}
        reading = Reading(times=times, few=True)
        yield from rule_on("Courier", str(seed), system, observation, reading, replace(settings, seed=seed))


def minilm_rows(sentences: int, settings: Adjudication) -> Iterator[Row]:
    """Yield the rulings on texts that MiniLM reads; all tokens answer, for its sentence is their mean."""
    system = Nearest()
    for k, text in enumerate(TEXTS[:sentences]):
        yield from rule_on("MiniLM", str(k), system, {"text": text}, Reading("mean"), replace(settings, seed=k))


def whisper_rows(prompts: int, settings: Adjudication) -> Iterator[Row]:
    """Yield the rulings on the longest word of each prompt, in slices of a tenth of a second.

    Raises:
        InputError: the prompts are not installed.
    """
    folder = Path(os.environ.get("VERIDICAL_VOICES", VOICES))
    for k, name in enumerate(PROMPTS[:prompts]):
        path = folder / f"{name}.wav"
        if not path.is_file():
            raise InputError(
                "attention: the recorded prompts are not there; apt-get install asterisk-core-sounds-en-wav, or set "
                "VERIDICAL_VOICES, or give --prompts 0"
            )
        heard = listen(path)
        longest = max(range(len(heard.words)), key=lambda i: len(heard.words[i].text))
        word = heard.word(longest, cell=(0.1, 1))
        sample = f"{name}: {heard.words[longest].text}"
        yield from rule_on("Whisper", sample, Heard(word), word.example(), Reading(), replace(settings, seed=k))


def vit_rows(digits: int, settings: Adjudication) -> Iterator[Row]:
    """Yield the rulings on digits that the small transformer was not trained on.

    Raises:
        InputError: scikit-learn is not installed.
    """
    trained = train_vit()
    for k in range(digits):
        options = (trained.system, trained.observation(k), Reading("first"), replace(settings, seed=k))
        yield from rule_on("ViT on digits", str(k), *options)


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return by system, sense and account: how many, the mean overlap and correlation, and who was right how often."""
    found = []
    for system, sense, account in dict.fromkeys((r.system, r.sense, r.account) for r in rows):
        own = [r for r in rows if (r.system, r.sense, r.account) == (system, sense, account)]
        known = [r.correlation for r in own if r.correlation is not None]
        right = Counter(r.right for r in own)
        found.append(
            {
                "system": system,
                "sense": sense,
                "account": account,
                "n": len(own),
                "overlap": float(np.mean([r.overlap for r in own])),
                "correlation": float(np.mean(known)) if known else None,
                **{name: right[name] for name in ("attention", "gradient", "neither", "undecided", "agree")},
                "moved": {
                    "attention": float(np.mean([abs(r.attention) for r in own])),
                    "gradient": float(np.mean([abs(r.gradient) for r in own])),
                },
            }
        )
    return found


def _print(told: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title="attention against gradients: who named what moves the score")
    counts = ("attention", "gradient", "neither", "undecided", "agree")
    for column in ("system", "sense", "gradient account", "n", "overlap", "rank corr.", *counts, "nats a / g"):
        table.add_column(column, justify="left" if column in ("system", "sense", "gradient account") else "right")
    for one in told:
        correlation = "not defined" if one["correlation"] is None else f"{one['correlation']:.2f}"
        cells = (one["system"], one["sense"], one["account"], str(one["n"]), f"{one['overlap']:.2f}", correlation)
        moved = f"{one['moved']['attention']:.2f} / {one['moved']['gradient']:.2f}"
        table.add_row(*cells, *(str(one[name]) for name in counts), moved)
    Console(width=150).print(table)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attention", description="Which of attention and gradients named what matters."
    )
    parser.add_argument("--scenes", type=int, default=20, help="scenes of Courier; 0 for none")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 800_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--sentences", type=int, default=len(TEXTS), help="texts for MiniLM; 0 for none")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="recorded prompts for Whisper; 0 for none")
    parser.add_argument("--digits", type=int, default=40, help="digits for the vision transformer; 0 for none")
    parser.add_argument("--controls", type=int, default=19, help="random sets for each account")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    counts = (options.scenes, options.sentences, options.prompts, options.digits)
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    rows: list[Row] = []
    try:
        if min(counts) < 0 or options.sentences > len(TEXTS) or options.prompts > len(PROMPTS) or options.digits > 350:
            raise InputError(
                f"attention: {options.scenes} scenes, {options.sentences} sentences, {options.prompts} prompts, "
                f"{options.digits} digits; give 0 or more, of the last three at most {len(TEXTS)}, {len(PROMPTS)}, 350"
            )
        settings = Adjudication(controls=options.controls)
        with Progress(*columns, console=Console(stderr=True)) as progress:
            jobs = {
                "Courier": courier_rows(options.scenes, options.first, options.partition, settings),
                "MiniLM": minilm_rows(options.sentences, settings),
                "Whisper": whisper_rows(options.prompts, settings),
                "ViT": vit_rows(options.digits, settings),
            }
            for (name, some), count in zip(jobs.items(), counts, strict=True):
                rows += progress.track(some, description=name, total=None) if count else ()
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(rows)
    if options.json:
        accuracy = train_vit().accuracy if options.digits else None
        print(json.dumps({"summary": told, "vit_accuracy": accuracy, "rows": [asdict(r) for r in rows]}, indent=2))
        return
    _print(told)


if __name__ == "__main__":
    main()
