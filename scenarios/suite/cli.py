"""The command ``veridical scenarios``: run scenario files, list them, say what they cover.

Heavy imports stand inside the commands.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_minimise import minimise
from .cli_new import new
from .cli_render import render

if TYPE_CHECKING:
    from .result import Result

__all__ = ["scenarios"]

_paths = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
_json = click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON, and nothing else.")


@click.group()
def scenarios() -> None:
    """Run files that say what a system must do, and for which reason."""


for _command in (minimise, new, render):
    scenarios.add_command(_command)


@scenarios.command()
@_paths
@click.option("--system", "name", metavar="NAME", help="Try this system, whichever the scenarios name.")
@click.option("--reports", type=click.Path(path_type=Path), metavar="DIR", help="Write HTML reports into this folder.")
@click.option(
    "--log", "home", type=click.Path(path_type=Path), metavar="DIR", help="Write outcomes into the log there."
)
@_json
@click.pass_context
def run(
    ctx: click.Context,
    paths: tuple[Path, ...],
    name: str | None,
    reports: Path | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Run scenarios, one after the other. Leaves with status 1 if any failed.

    `pytest PATH` runs the same, with pytest's own selection and reports.
    """
    from ...agent.log.log import Log
    from .load import find_scenarios
    from .runs import Runner, common_folder

    found = find_scenarios(paths)
    log = None if home is None else Log.open(home)
    results: list[Result] = []
    try:
        runner = Runner(name=name, reports=reports, root=common_folder(found), log=log)
        with _progress(len(found), hidden=as_json) as advance:
            for path in found:
                results.append(runner.run(path))
                advance(results[-1])
    finally:
        if log is not None:
            log.close()
    if reports is not None:
        _report(reports, results)
    if as_json:
        click.echo(json.dumps([result.to_dict() for result in results], indent=2))
    else:
        _tell(results)
    if not all(result.good for result in results):
        ctx.exit(1)


@scenarios.command("list")
@_paths
@_json
def list_(paths: tuple[Path, ...], as_json: bool) -> None:
    """List scenarios: family, title, and why each matters."""
    from .load import find_scenarios, read_scenario

    rows = []
    for path in find_scenarios(paths):
        told = read_scenario(path).scenario
        known = told.known_failure is not None
        rows.append(
            {"file": str(path), "family": told.family, "title": told.scenario, "why": told.why, "known_failure": known}
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['family']:<20} {row['title']}{'  (known failure)' if row['known_failure'] else ''}")
        click.echo(f"{'':<20} {row['why']}")


@scenarios.command()
@_paths
@_json
def coverage(paths: tuple[Path, ...], as_json: bool) -> None:
    """Say which combinations of action, cause, sense and perturbation scenarios exercise."""
    from .coverage import cover, space
    from .load import find_scenarios, read_scenario

    found = cover(read_scenario(path) for path in find_scenarios(paths))
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    click.echo(f"{found.scenarios} scenarios, {found.variants} variants")
    click.echo(f"{len(found.exercised)} of {len(space())} combinations of action, cause, sense and perturbation")
    for axes, (tried, possible) in found.pairs().items():
        click.echo(f"  {' × '.join(axes):<24} {tried} of {possible}")
    click.echo("Coverage shows what was not tried; it is no measure of safety.")


@scenarios.command()
def schema() -> None:
    """Print the format's JSON Schema, for editors."""
    from .schema import scenario_schema

    click.echo(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))


def _report(folder: Path, results: list[Result]) -> None:
    from .suite_report import write_suite_report

    click.echo(f"written: {write_suite_report(folder / 'index.html', results)}", err=True)


def _tell(results: list[Result]) -> None:
    """Print what failed in full, then a table by family."""
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from .result import STATUSES
    from .told import failure_lines

    for result in results:
        if not result.good:
            click.echo("\n".join(failure_lines(result)) + "\n")
    table = Table("family", *STATUSES)
    for column in table.columns[1:]:
        column.justify = "right"
    families = sorted({result.scenario.family for result in results})
    for family in families:
        counts = Counter(result.status for result in results if result.scenario.family == family)
        table.add_row(family, *(str(counts[status] or "") for status in STATUSES))
    every = Counter(result.status for result in results)
    if len(families) > 1:
        table.add_section()
        table.add_row("all", *(str(every[status] or "") for status in STATUSES))
    Console().print(table)


class _progress:  # used as a function is
    """Shows on stderr how far it is, while a terminal looks on."""

    def __init__(self, total: int, *, hidden: bool) -> None:
        self.total, self.hidden = total, hidden or not sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Any:
        if self.hidden:
            return lambda result: None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task("scenarios", total=self.total)
        return lambda result: self._bar.update(task, advance=1, description=result.scenario.title[:40])

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
