"""Find Courier's concepts: ``python -m veridical.scenarios.courier.find_concepts`` (``make concepts-courier``).

On plain training scenes that the head was not trained on (its seeds are others). With ``--shortcut`` it is the biased
head that is looked into, on scenes with its patch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from ...concepts.bank import ConceptBank
from ...concepts.bank_file import write_banks
from ...concepts.discover import DiscoverySettings, discover
from ...concepts.gather import gather
from ...errors import VeridicalError
from .model import BANKS, BIASED_BANKS, Courier, load, load_biased
from .recall import name_of, recall
from .train import bars

__all__ = ["FIRST", "find", "main"]

FIRST = 400_000
"""Seed of the first scene."""


def find(system: Courier, scenes: int, shortcut: bool = False, first: int = FIRST) -> dict[str, ConceptBank]:
    """Find and name the concepts of all senses, with a progress bar.

    Args:
        system: Courier, with whichever head.
        scenes: how many scenes are looked at.
        shortcut: whether the patch of `shortcut` accompanies what asks for STOP.
        first: seed of the first.

    Raises:
        InputError: too few scenes, or stamps or sounds are not installed.
        WeightsError: the encoders' weights cannot be fetched.
    """
    from ...concepts.earn import name_bank

    settings = DiscoverySettings()
    with bars() as progress:
        task = progress.add_task("scenes", total=scenes)
        names = (name_of(first + i, "train", shortcut) for i in range(scenes))
        given = ((name, lambda name=name: recall(name)) for name in names)
        gathered = gather(system, given, lambda done: progress.update(task, completed=done))
        task = progress.add_task("concepts", total=len(settings.candidates) * len(gathered.rows))
        banks = {m: discover(gathered, m, settings, lambda: progress.advance(task)) for m in gathered.rows}
        task = progress.add_task("names", total=len(banks))
        for m, bank in banks.items():
            banks[m] = name_bank(bank, system, recall)
            progress.advance(task)
    return banks


def main(arguments: list[str] | None = None) -> None:
    """Find the concepts and write their banks."""
    parser = argparse.ArgumentParser(
        prog="python -m veridical.scenarios.courier.find_concepts", description="Find Courier's concepts."
    )
    parser.add_argument("--scenes", type=int, default=600, help="training scenes")
    parser.add_argument("--shortcut", action="store_true", help="of the biased head, on scenes with its patch")
    parser.add_argument("--out", type=Path, help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        system = load_biased() if options.shortcut else load()
        out = options.out or (BIASED_BANKS if options.shortcut else BANKS)
        banks = find(system, options.scenes, options.shortcut)
        write_banks(out, banks)
    except VeridicalError as error:
        parser.error(str(error))
    for m, bank in banks.items():
        named = ", ".join(f"#{k} {name.text}" for k, name in enumerate(bank.names) if name) or "none named"
        Console().print(f"{m}: {len(bank)} concepts; {named}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
