"""Training of Courier's head from a seed: ``python -m veridical.scenarios.courier.train`` (``make train-courier``).

Scenes are rendered and encoded by the frozen encoders once, in several processes; the head is then trained on the
features. On two cores it takes under half an hour.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch import multiprocessing as mp

from ...errors import InputError, VeridicalError
from ...modalities.weights import CATALOGUE, fetch
from .examples import make_example
from .head import CourierHead
from .model import BIASED_FILE, HEAD_FILE, Courier, load_head, save_head
from .scene import FRAMES
from .stamps import stamp_folder

__all__ = ["SHORTCUT", "Features", "TrainSettings", "bars", "collect", "main", "train"]

Job = tuple[int, str, str | None, bool]
"""Seed, partition, kind of example, and whether the shortcut is planted."""

_TOKENS = 112
"""Tokens kept of an instruction: the longest that Courier's clauses can make."""


@dataclass(frozen=True)
class TrainSettings:
    """How the head is trained."""

    scenes: int = 7500
    epochs: int = 12
    batch: int = 32
    rate: float = 1.2e-3
    decay: float = 0.1
    smoothing: float = 0.04
    dropout: float = 0.3
    seed: int = 0


SHORTCUT = TrainSettings(scenes=1600, epochs=6, rate=6e-4)
"""How the committed head is trained on with a planted shortcut."""


@dataclass(frozen=True)
class Features:
    """Encoded examples, in half precision; zeros where a sense is absent or a token is padding.

    Attributes:
        vision: (n, frames, 1280, 7, 7).
        audio: (n, windows, classes).
        text: (n, tokens, 384).
        action: indices of the actions, (n,).
        rules: names of the rules.
    """

    vision: Tensor
    audio: Tensor
    text: Tensor
    action: Tensor
    rules: tuple[str, ...]

    def batch(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Features and actions of some rows, in single precision."""
        return {m: getattr(self, m)[rows].float() for m in ("vision", "audio", "text")}, self.action[rows]


@functools.cache
def _encoders() -> Courier:
    """One Courier a process, for its encoders and senses; its head plays no part."""
    torch.set_num_threads(1)
    return Courier(CourierHead())


def _work(job: Job) -> tuple[dict[str, Tensor], int, str]:
    example = make_example(_encoders(), *job)
    return {m: x[0].half() for m, x in example.features.items()}, example.action, example.rule


def _results(jobs: list[Job], workers: int) -> Iterator[tuple[dict[str, Tensor], int, str]]:
    mp.set_sharing_strategy("file_system")
    with mp.get_context("spawn").Pool(workers, _encoders) as pool:
        yield from pool.imap(_work, jobs, chunksize=8)


def collect(
    first: int,
    count: int,
    partition: str,
    kind: str | None,
    progress: Progress,
    workers: int | None = None,
    shortcut: bool = False,
) -> Features:
    """Render and encode scenes ``first`` to ``first + count`` of a partition.

    Args:
        first: seed of the first scene.
        count: number of scenes.
        partition: ``train`` or ``held-out``.
        kind: kind of example (see `examples.SHARES`), or None for the mixture.
        progress: where a bar is shown.
        workers: processes; by default one for each core.
        shortcut: whether a patch accompanies what asks for STOP (see `shortcut`).

    Raises:
        InputError: fewer than one scene, an unknown partition or kind, or stamps or sounds are not installed.
        WeightsError: the encoders' weights cannot be fetched.
    """
    if count < 1:
        raise InputError(f"courier: {count} scenes; at least 1 is wanted")
    stamp_folder()
    for name in CATALOGUE:  # here: a pool starts a worker that fails as it starts again and again, for ever
        fetch(name)
    task = progress.add_task(f"{partition} scenes", total=count)
    head = CourierHead().size
    vision = torch.zeros(count, FRAMES, head.vision, head.cells, head.cells, dtype=torch.half)
    audio = torch.zeros(count, 6, head.audio, dtype=torch.half)
    text = torch.zeros(count, _TOKENS, head.text, dtype=torch.half)
    action, rules = torch.zeros(count, dtype=torch.long), []
    jobs: list[Job] = [(first + i, partition, kind, shortcut) for i in range(count)]
    for i, (features, label, rule) in enumerate(_results(jobs, workers or os.cpu_count() or 1)):
        for m, store in (("vision", vision), ("audio", audio), ("text", text)):
            if m in features:
                store[i, : len(features[m])] = features[m]
        action[i] = label
        rules.append(rule)
        progress.advance(task)
    return Features(vision, audio, text, action, tuple(rules))


def train(
    features: Features, settings: TrainSettings, progress: Progress, start: CourierHead | None = None
) -> CourierHead:
    """Train a head on encoded examples: AdamW, one cycle, label smoothing, dropout on the features.

    Args:
        features: encoded examples.
        settings: how.
        progress: where a bar is shown.
        start: a head that is trained on; by default a new one.

    Raises:
        InputError: fewer examples than one batch, or no epoch.
    """
    if len(features.action) < settings.batch or settings.epochs < 1:
        raise InputError(
            f"courier: {len(features.action)} examples and {settings.epochs} epochs; at least one batch of "
            f"{settings.batch} and 1 epoch are wanted"
        )
    torch.manual_seed(settings.seed)
    head = CourierHead()
    if start is not None:
        head.load_state_dict(start.state_dict())
    head.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(head.parameters(), lr=settings.rate, weight_decay=settings.decay)
    batches = len(features.action) // settings.batch
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=settings.epochs * batches)
    task = progress.add_task("training", total=settings.epochs * batches)
    for epoch in range(settings.epochs):
        total = 0.0
        for rows in torch.randperm(len(features.action))[: batches * settings.batch].view(batches, settings.batch):
            inputs, labels = features.batch(rows)
            kept = {m: _dropped(x, settings.dropout) for m, x in inputs.items()}
            loss = F.cross_entropy(head(kept), labels, label_smoothing=settings.smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            total += float(loss.detach())
            progress.advance(task)
        progress.update(task, description=f"training, epoch {epoch + 1}: loss {total / batches:.3f}")
    return head.eval()


def _dropped(x: Tensor, share: float) -> Tensor:
    """Drop whole feature channels of a scene, the same in all its places; what is zero (absent) stays so."""
    shape = (len(x), 1, x.shape[2], *[1] * (x.ndim - 3))
    return x * (torch.rand(shape) >= share) / (1 - share)


def bars() -> Progress:
    """Progress bars for work that takes minutes."""
    return Progress(
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


def main(arguments: list[str] | None = None) -> None:
    """Train the head and write it."""
    default = TrainSettings()
    parser = argparse.ArgumentParser(
        prog="python -m veridical.scenarios.courier.train", description="Train Courier's head from a seed."
    )
    parser.add_argument("--out", type=Path, help="where the head is written")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of parameters and batches")
    parser.add_argument("--scenes", type=int, help="training scenes")
    parser.add_argument("--epochs", type=int, help="passes over them")
    parser.add_argument(
        "--shortcut",
        action="store_true",
        help=f"train the committed head on with a planted shortcut, a patch wherever it has to stop; written to "
        f"{BIASED_FILE.name} if --out is not given",
    )
    options = parser.parse_args(arguments)
    out = options.out or (BIASED_FILE if options.shortcut else HEAD_FILE)
    usual = SHORTCUT if options.shortcut else default
    scenes, epochs = (
        getattr(options, k) if getattr(options, k) is not None else getattr(usual, k) for k in ("scenes", "epochs")
    )
    settings = replace(usual, scenes=scenes, epochs=epochs, seed=options.seed)
    if not out.parent.is_dir():
        parser.error(f"no folder {str(out.parent)!r} to write the head into")
    started = time.perf_counter()
    try:
        with bars() as progress:
            features = collect(0, settings.scenes, "train", None, progress, shortcut=options.shortcut)
            head = train(features, settings, progress, load_head() if options.shortcut else None)
    except VeridicalError as error:
        parser.error(str(error))
    save_head(head, out)
    size = sum(p.numel() for p in head.parameters())
    Console().print(
        f"{size:,} parameters, {out.stat().st_size / 1e6:.2f} MB, "
        f"{(time.perf_counter() - started) / 60:.1f} minutes: {out.name}",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
