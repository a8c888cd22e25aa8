"""The command ``veridical verify``."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_options import ManyValues, given_senses, json_option, load_observed, observation_options

if TYPE_CHECKING:
    from .recheck import Recheck

__all__ = ["verify"]

_WIDTH = 100  # a line that is longer is hard to read


@click.command(cls=ManyValues)
@click.argument("record", type=click.Path(path_type=Path), metavar="RECORD")
@observation_options
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="What was given to `veridical explain` as --calibration; unless said, the system's own, if it has one.",
)
@json_option
def verify(record: Path, as_json: bool, **options: Any) -> None:
    """Come to a recorded verdict again, from the record and the model.

    RECORD is the record's folder. The observation must be the one that was explained; without --camera, --microphone
    and --instruction the system's own example is taken. Every edit is made and measured again, and every figure must be
    the same to the last bit. Leaves with status 1 if something differs.
    """
    from .record import read_record

    result, arrays = read_record(record)
    observation = given_senses(options)
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        from .cli_calibrate import read_for
        from .recheck import recheck

        system, seen = load_observed(options["name"], observation, options["clock"])
        folder = options["calibration"]
        reference = read_for(system, folder) if folder else None
        with _progress() as advance:
            found = recheck(result, system, seen, arrays, reference, advance)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        _tell(found)
    click.get_current_context().exit(0 if found.agrees else 1)


def _tell(found: Recheck) -> None:
    """Print the outcome, a line for each point, and what was not checked."""
    from rich.console import Console
    from rich.table import Table

    from .terminal import tidy
    from .wording import clean

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    console.width = min(console.width, _WIDTH)

    def text(said: str) -> str:
        return tidy(clean(said), console.encoding)

    bad = sum(not point.agrees for point in found.points)
    if found.agrees:
        console.print(text(f"Verified: {found.recorded}, come to again bit for bit"), style="bold green")
    else:
        console.print(text(f"Not verified: {bad} of {len(found.points)} points differ"), style="bold red")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for point in found.points:
        mark = "✓" if point.agrees else "✗"
        table.add_row(*map(text, (mark, point.what, point.told)), style=None if point.agrees else "bold red")
    console.print(table)
    if found.verdict is not None and not found.agrees:
        told = f"The verdict is {found.recorded} in the record, {found.verdict} now."
        console.print(text(told), style="bold" if found.verdict != found.recorded else None)
    for line in found.skipped:
        console.print(text(line), style="dim")
    if found.passes:
        console.print(text(f"{found.passes} inputs were scored again."), style="dim")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show progress on stderr while a terminal looks on; yields a callback that takes a stage and 0..1."""
    if not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("read", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)
