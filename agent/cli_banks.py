"""Concept banks on the command line: fitted with bars, read with operators' acts, told as values and in lines."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, WeightsError

if TYPE_CHECKING:
    from ..concepts.acts import Acted
    from ..concepts.bank import ConceptBank
    from ..concepts.gather import Gathered
    from .folders import Read

__all__ = ["Fitted", "counted", "described", "fit_banks", "lines_of", "lines_of_choice", "read_acted"]

Begin = Callable[[str, int], Callable[[], None]]
"""Begins a stage of so many steps; returns what is called after each."""


@dataclass(frozen=True)
class Fitted:
    """What became of a folder of observations.

    Attributes:
        banks: concept banks by sense.
        notes: senses without a bank or without names, and why.
        passed_over: observations that could not be used, and why.
    """

    banks: Mapping[str, ConceptBank]
    notes: tuple[str, ...]
    passed_over: tuple[str, ...]


def fit_banks(system: Any, observations: Sequence[tuple[str, Read]], seed: int = 0, named: bool = True) -> Fitted:
    """Find the concepts of every sense in observations, and name them; bars on stderr while a terminal looks on.

    A sense of which there is too little gets no bank, and one that cannot be named no names; both are noted.

    Args:
        system: a system that can be split.
        observations: name of each, and what reads it; they are read again for the names.
        seed: of all that is drawn.
        named: whether names are looked for.

    Raises:
        InputError: the system cannot be split, no observation can be used, or no sense has enough of them.
    """
    from ..concepts.discover import DiscoverySettings, discover
    from ..concepts.gather import gather

    settings, notes, banks = DiscoverySettings(seed=seed), list[str](), dict[str, Any]()
    with _bars() as begin:
        step = begin("observations", len(observations))
        gathered: Gathered = gather(system, observations, lambda _: step())
        step = begin("numbers tried", len(settings.candidates) * len(gathered.rows))
        for m in gathered.rows:
            try:
                banks[m] = discover(gathered, m, settings, step)
            except InputError as error:
                notes.append(f"{m}: no bank: {error}")
        if not banks:
            raise InputError("; ".join(notes))
        if named:
            step = begin("names", len(banks))
            for m, bank in banks.items():
                banks[m], note = _named(bank, system, dict(observations))
                notes += [f"{m}: no names: {note}"] if note else []
                step()
    return Fitted(banks, tuple(notes), gathered.passed_over)


def _named(bank: ConceptBank, system: Any, reads: Mapping[str, Read]) -> tuple[ConceptBank, str]:
    """The bank with its names; if they cannot be had, as it was and why: what was found is not lost for that."""
    from ..concepts.earn import name_bank

    try:
        return name_bank(bank, system, lambda name: reads[name]()), ""
    except (InputError, WeightsError) as error:
        return bank, str(error)


@contextlib.contextmanager
def _bars() -> Iterator[Begin]:
    """Bars on stderr while a terminal looks on; yields what begins one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<13}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:

        def begin(stage: str, total: int) -> Callable[[], None]:
            task = bar.add_task(stage, total=total)
            return lambda: bar.advance(task)

        yield begin


def read_acted(folder: Path, system: str | None = None) -> tuple[dict[str, ConceptBank], dict[str, Acted]]:
    """Read a folder's banks by sense, and what operators did to them; senses without an act are not in the second.

    Args:
        folder: where.
        system: digest, or else name, of the system that the banks must have been fitted for; None for any.

    Raises:
        InputError: no bank there, one that was altered or fitted for another system, acts that were altered or that
            are on another bank.
    """
    from ..concepts.acts import apply_acts, read_acts
    from ..concepts.bank_file import read_banks

    banks = read_banks(folder, system)
    acts = {m: read_acts(folder, bank) for m, bank in banks.items()}
    return banks, {m: apply_acts(banks[m], done) for m, done in acts.items() if done}


def described(bank: ConceptBank, acted: Acted | None = None) -> dict[str, Any]:
    """Return a bank, with what operators did to it, as plain JSON values; strengths in nats, stabilities as cosines."""
    made = bank.made
    return {
        "sense": bank.sense,
        "digest": bank.digest,
        "version": bank.version,
        "system": made.get("system"),
        "observations": made.get("observations"),
        "gradient_share": made.get("gradient_share"),
        "stability": float(bank.stability.mean()) if len(bank) else None,
        "tried": list(made.get("tried") or ()),
        "chosen": _chosen(bank),
        "acts": acted.digest if acted else None,
        "concepts": [_concept(bank, k, acted) for k in range(len(bank))],
    }


def _concept(bank: ConceptBank, k: int, acted: Acted | None) -> dict[str, Any]:
    vetoed, goes_with, told = bool(acted and k in acted.vetoed), bank.associations[k], None
    name = None if vetoed else (acted.bank if acted else bank).names[k]
    if goes_with:
        told = {"action": goes_with.action, "share": goes_with.share, "usual": goes_with.usual, "p": goes_with.p}
    return {
        "id": f"{bank.sense}#{k}",
        "name": name.text if name else None,
        "source": name.source if name else None,
        "score": name.score if name else None,
        "margin": name.margin if name else None,
        "describes": name.describes if name else "",
        "stability": float(bank.stability[k]),
        "typical": float(bank.typical[k]),
        "goes_with": told,
        "merged_into": f"{bank.sense}#{acted.merges[k]}" if acted and k in acted.merges else None,
        "vetoed": vetoed,
        "prototypes": [prototype.observation for prototype in bank.prototypes[k]],
    }


def _chosen(bank: ConceptBank) -> dict[str, Any] | None:
    """Which of the numbers tried the bank has, and what sets it apart; None of a bank that grew, or does not tell."""
    alike = [each for each in bank.made.get("tried") or () if each["concepts"] == len(bank)]
    least = (bank.made.get("settings") or {}).get("stable")
    if not alike or least is None:
        return None
    chosen = min(alike, key=lambda each: abs(each["stability"] - float(bank.stability.mean())))
    stable = [each["concepts"] for each in bank.made["tried"] if each["stability"] >= least]
    if chosen["stability"] < least:
        why = "none of the numbers tried is stable" if not stable else "not stable"
    else:
        why = "the most that are stable" if len(bank) == max(stable) else "stable"
    return {**chosen, "least": least, "why": why}


def lines_of_choice(told: Mapping[str, Any]) -> list[str]:
    """Return how the number of concepts came about: what was chosen and why, and each number that was tried.

    Args:
        told: a bank as `described` returns it.
    """
    from ..modalities.wording import number, percent

    if (chosen := told["chosen"]) is None:
        return []
    tried = "; ".join(f"{e['concepts']}: {number(e['stability'])}, {percent(e['left'])} left" for e in told["tried"])
    return [
        f"{counted(chosen['concepts'])}: {chosen['why']} (stability {number(chosen['stability'])}, at least "
        f"{number(chosen['least'])} asked for; {percent(chosen['left'])} left unaccounted for)",
        f"tried (concepts that differ: stability over resamples, what is left): {tried}",
    ]


def counted(concepts: int) -> str:
    """Return ``1 concept``, ``2 concepts``."""
    return f"{concepts} concept{'' if concepts == 1 else 's'}"


def lines_of(told: Mapping[str, Any]) -> list[str]:
    """Return a line for each concept: its name, how well it fits, how stable it is, what it goes with."""
    return [_line(each) for each in told["concepts"]]


def _line(each: Mapping[str, Any]) -> str:
    from ..modalities.wording import number, percent

    name = f"“{each['name']}”" if each["name"] else "unnamed"
    if each["source"] == "operator":
        name += " (by an operator)"
    elif each["source"]:
        name += f" ({each['source']}: score {number(each['score'])}, margin {number(each['margin'])})"
    marks = ["vetoed"] if each["vetoed"] else []
    marks += [f"merged into {each['merged_into']}"] if each["merged_into"] else []
    marks += [each["describes"]] if each["describes"] else []
    marks.append(f"stability {number(each['stability'])}")
    if goes := each["goes_with"]:
        marks.append(f"goes with {goes['action']} ({percent(goes['share'])}, usually {percent(goes['usual'])})")
    return f"{each['id']}  {name}; {'; '.join(marks)}"
