"""The shipped scenarios as a table: by family, how many pass, fail, or fail as they are known to; and what they cover.

``python -m benchmarks.suite`` (``make benchmark-suite``).

``--system courier`` runs every scenario of the suite before the system that it names, ``--system courier-biased`` runs
the family ``shortcut`` before the head with the planted shortcut (see `veridical.scenarios.courier.shortcut`), and
``both`` runs both and puts the two heads side by side on that family. A scenario *holds* where every expectation of its
is met, whatever is known of it: a known failure is the committed head's, and says nothing of another one.

That a scenario passes shows that one thing was right once. Coverage shows what was never tried; neither is a measure of
safety.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from veridical.errors import InputError, VeridicalError
from veridical.scenarios.suite.load import find_scenarios, read_scenario
from veridical.scenarios.suite.result import STATUSES, Result
from veridical.scenarios.suite.runs import Runner

__all__ = ["BIASED", "FAMILY", "SHIPPED", "Row", "main", "measure", "row_of", "shortcut", "summarise"]

SHIPPED = Path(__file__).resolve().parent.parent / "scenarios" / "shipped"
"""Folder of the shipped scenarios."""

BIASED = "courier-biased"
"""Name of the head with the planted shortcut."""

FAMILY = "shortcut"
"""Family that tells the two heads apart."""

_ASKED = ("courier", BIASED, "both")


@dataclass(frozen=True)
class Row:
    """What came of one scenario.

    Attributes:
        name: its family and the name of its file.
        family: its family.
        system: that was tried.
        status: one of `veridical.scenarios.suite.result.STATUSES`.
        held: whether every expectation was met.
        checks: how many expectations were held against what happened.
        met: how many of these were met.
        variants: how many observations were decided.
        seconds: that it took.
        failures: what was expected and what happened, of each expectation that was not met.
        known: why it is known to fail; None where it is to pass.
    """

    name: str
    family: str
    system: str
    status: str
    held: bool
    checks: int
    met: int
    variants: int
    seconds: float
    failures: tuple[str, ...]
    known: str | None


def row_of(result: Result, path: Path) -> Row:
    """Return a result's row."""
    missed = result.failures
    told = (f"{c.variant or 'all'}: {c.expectation}: {c.expected}; {c.happened}" for c in missed)
    about = result.scenario
    return Row(
        name=f"{path.parent.name}/{path.name.partition('.')[0]}",
        family=about.family,
        system=about.system,
        status=result.status,
        held=bool(result.checked) and not missed and result.status != "error",
        checks=len(result.checked),
        met=len(result.checked) - len(missed),
        variants=len(result.variants),
        seconds=result.seconds,
        failures=tuple(told),
        known=about.known_failure,
    )


def measure(
    paths: Sequence[Path], system: str | None = None, jobs: int = 1, tick: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Run scenarios, each job in a process of its own.

    Args:
        paths: of their files.
        system: that is tried; None: the one that each scenario names.
        jobs: processes; of one job the work is done here.
        tick: told of each row as it comes.

    Returns:
        A row for each, in the order of the paths.

    Raises:
        InputError: no scenario, or no job.
    """
    if not paths or jobs < 1:
        raise InputError(f"suite: {len(paths)} scenarios and {jobs} jobs; at least 1 of each is wanted")
    found: dict[Path, Row] = {}
    for path, row in _rows(list(paths), system, jobs):
        found[path] = row
        tick(row)
    return [found[path] for path in paths]


def _rows(paths: Sequence[Path], system: str | None, jobs: int) -> Iterable[tuple[Path, Row]]:
    if jobs == 1:
        runner = Runner(system)
        yield from ((path, row_of(runner.run(path), path)) for path in paths)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        waiting = {pool.submit(_run, system, path): path for path in paths}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


@cache
def _runner(system: str | None) -> Runner:
    """One for each process: it loads a system once."""
    return Runner(system)


def _run(system: str | None, path: Path) -> Row:
    import torch

    torch.set_num_threads(1)
    return row_of(_runner(system).run(path), path)


def summarise(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Return scenarios, variants, statuses, checks and seconds by family, and of all of them under ``all``."""
    families = [*sorted({row.family for row in rows}), "all"]
    return {family: _sums([row for row in rows if family in (row.family, "all")]) for family in families}


def _sums(rows: Sequence[Row]) -> dict[str, Any]:
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    sums = {key: sum(getattr(row, key) for row in rows) for key in ("variants", "checks", "met", "seconds")}
    return {"scenarios": len(rows), **counts, **sums}


def shortcut(honest: Sequence[Row], biased: Sequence[Row]) -> dict[str, Any]:
    """Put the two heads side by side on the family of the planted shortcut.

    Returns:
        ``scenarios``; ``honest`` and ``biased``: how many hold; ``only_honest``, ``only_biased``, ``neither``: names.
    """
    one = {row.name: row.held for row in honest if row.family == FAMILY}
    other = {row.name: row.held for row in biased if row.family == FAMILY}
    names = sorted(one.keys() & other.keys())
    return {
        "scenarios": len(names),
        "honest": sum(one[name] for name in names),
        "biased": sum(other[name] for name in names),
        "only_honest": [name for name in names if one[name] and not other[name]],
        "only_biased": [name for name in names if other[name] and not one[name]],
        "neither": [name for name in names if not one[name] and not other[name]],
    }


def _of_family(paths: Iterable[Path], family: str) -> list[Path]:
    """The files of a family; one that cannot be read is told of where it is run, and belongs to none."""
    found = []
    for path in paths:
        try:
            if read_scenario(path).scenario.family == family:
                found.append(path)
        except VeridicalError:
            continue
    return found


def _covered(paths: Sequence[Path]) -> dict[str, Any]:
    from veridical.scenarios.suite.coverage import cover

    told = cover([read_scenario(path) for path in paths]).to_dict()
    kept = {key: told[key] for key in ("scenarios", "variants", "possible", "pairs")}
    return {**kept, "exercised": len(told["exercised"])}


def _print(told: Mapping[str, Any]) -> None:
    console = Console()
    for system, summary in told["systems"].items():
        table = Table(title=f"the shipped scenarios before {system}")
        table.add_column("family")
        for name in ("scenarios", "variants", *STATUSES, "checks met", "seconds"):
            table.add_column(name, justify="right")
        for family, sums in summary.items():
            counts = (str(sums[key]) for key in ("scenarios", "variants", *STATUSES))
            table.add_row(family, *counts, f"{sums['met']} of {sums['checks']}", f"{sums['seconds']:.0f}")
        console.print(table)
    for row in told["rows"]:
        if not row["held"]:
            console.print(f"[bold]{escape(row['name'])}[/bold] before {row['system']}: {row['status']}")
            for line in row["failures"]:
                console.print(f"  {escape(line)}", soft_wrap=True)
    if told["shortcut"]:
        sides = told["shortcut"]
        console.print(
            f"family {FAMILY}, {sides['scenarios']} scenarios: {sides['honest']} hold before the honest head, "
            f"{sides['biased']} before the biased one; {len(sides['only_honest'])} tell them apart"
        )
    if told["coverage"]:
        cover = told["coverage"]
        console.print(
            f"coverage: {cover['exercised']} of {cover['possible']} combinations of action, cause, sense and "
            f"perturbation, {cover['variants']} variants (no measure of safety)"
        )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description="The shipped scenarios as a table.")
    parser.add_argument("paths", type=Path, nargs="*", default=[SHIPPED], help="files and folders of scenarios")
    parser.add_argument("--system", choices=_ASKED, default="courier", help="which head; both are compared")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--save", type=Path, help="file to which each row is added as it comes, a line of JSON each")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    options.refuse = parser.error
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run and print."""
    options = _options(arguments)
    try:
        paths = find_scenarios(options.paths)
        asked = ["courier", BIASED] if options.system == "both" else [options.system]
        work = {name: _of_family(paths, FAMILY) if name == BIASED else paths for name in asked}
        rows = _measured(work, options)
        covered = _covered(paths) if "courier" in asked else None
    except VeridicalError as error:
        options.refuse(str(error))
        return
    told = {
        "systems": {name: summarise(found) for name, found in rows.items()},
        "shortcut": shortcut(rows["courier"], rows[BIASED]) if len(rows) == 2 else None,
        "coverage": covered,
        "rows": [asdict(row) for found in rows.values() for row in found],
    }
    if options.json:
        print(json.dumps(told, indent=2))
        return
    _print(told)


def _measured(work: Mapping[str, Sequence[Path]], options: argparse.Namespace) -> dict[str, list[Row]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scenarios", total=sum(map(len, work.values())))

        def tick(row: Row) -> None:
            progress.update(task, advance=1, description=row.name)
            if options.save is not None:
                with options.save.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")

        ran = partial(measure, jobs=options.jobs, tick=tick)
        return {name: ran(found, BIASED if name == BIASED else None) for name, found in work.items()}


if __name__ == "__main__":
    main()
