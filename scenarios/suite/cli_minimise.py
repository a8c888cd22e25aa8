"""The command ``veridical scenarios minimise``: the smallest scenario that still fails in the same way."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from .load import LoadedScenario
    from .minimise import Minimised

__all__ = ["minimise"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--out", type=click.Path(path_type=Path), metavar="NEW", help="The new file; by default FILE-minimal.")
@click.option("--expectation", metavar="NAME", help="Whose failure is kept, such as rely_on[0]; else the first.")
@click.option("--system", "name", metavar="NAME", help="Try this system, whichever the scenario names.")
@click.option("--most", type=click.IntRange(min=2), metavar="N", help="Run at most so many scenarios (400).")
@click.option("--force", is_flag=True, help="Replace NEW where it is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON, and nothing else.")
def minimise(
    file: Path,
    out: Path | None,
    expectation: str | None,
    name: str | None,
    most: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make a scenario that fails as small as it can be while it fails in the same way.

    Expectations, swept values, perturbations, things, sounds and sentences are left out by delta debugging; then keys
    fall back to what is usual and numbers go towards nothing. Mind that it runs dozens of scenarios.
    """
    from .load import SUFFIX, read_scenario
    from .minimise import MOST_RUNS, check_place, write_minimised
    from .minimise import minimise as minimised
    from .runs import Runner

    loaded = read_scenario(file)
    path = out or file.with_name(f"{loaded.name}-minimal{SUFFIX}")
    check_place(path, loaded, replace=force)  # before the runs, not after them
    runner = Runner(name=name)
    with _progress(hidden=as_json) as advance:
        made = minimised(loaded, runner.tried, expectation=expectation, most=most or MOST_RUNS, progress=advance)
    write_minimised(path, loaded, made, replace=force)
    if as_json:
        click.echo(json.dumps(_plain(made, loaded, path), indent=2, ensure_ascii=False))
        return
    click.echo(made.text, nl=False)
    click.echo(f"\n{made.before} parts, {made.after} left; {made.runs} scenarios were run", err=True)
    click.echo(_whole(made), err=True)
    click.echo(f"written: {path}", err=True)


def _whole(made: Minimised) -> str:
    if made.whole:
        return f"No single part more can be left out without that {made.expectation} is met, or fails otherwise."
    return "The runs were used up: more could perhaps be left out; raise --most."


def _plain(made: Minimised, loaded: LoadedScenario, path: Path) -> dict[str, Any]:
    told = {key: value for key, value in vars(made).items() if key != "text"}
    return {"format": "veridical.minimised/1", "file": str(loaded.path), "written": str(path), **told}


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Shows on stderr how many were run and how many parts are left, while a terminal looks on."""
    if hidden or not sys.stderr.isatty():
        yield lambda runs, parts: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading") as status:
        yield lambda runs, parts: status.update(f"{runs} scenarios were run, {parts} parts are left")
