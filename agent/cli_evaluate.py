"""The command ``veridical evaluate``."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from .cli_options import json_option
from .systems import load_system

__all__ = ["evaluate"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--system", "name", default="courier", show_default=True, metavar="NAME", help="The system to explain.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="An attribution method, or several; integrated-gradients unless said. `veridical methods` lists them.",
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric, or several; all unless said.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The most observations to evaluate.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of all that is drawn.")
@json_option
def evaluate(
    folder: Path,
    name: str,
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    limit: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Measure how faithful attribution methods are, over a folder of observations.

    FOLDER holds pictures, recordings (WAV, FLAC, OGG) or .txt files, each an observation, or folders, each an
    observation of several senses: frames, one recording, one .txt file.
    """
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        from .evaluations import Asked, feet, tables
        from .evaluations import evaluate as evaluated
        from .folders import find_observations

        asked = Asked(methods or ("integrated-gradients",), metrics, limit, seed)
        observations = find_observations(folder)
        system = load_system(name)
        with _progress() as advance:
            found = evaluated(system, observations, asked, advance)
    if as_json:
        told = {"system": name, "folder": str(folder), **found.to_dict()}
        click.echo(json.dumps(told, indent=2, allow_nan=False))
        return
    from rich.console import Console

    from .terminal import tidy

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    with console.capture() as drawn:
        for table in tables(found, console.width):
            console.print(table)
            console.print()
        for line in feet(found):
            console.print(line, style="dim" if not line.startswith("Skipped") else "")
    text = "\n".join(line.rstrip() for line in drawn.get().splitlines())
    click.echo(tidy(text, console.encoding), color=console.color_system is not None)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show a bar on stderr while a terminal looks on; yields the callback, which takes what is at hand and 0..1."""
    if not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
