"""The command ``veridical calibrate``."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .cli_options import json_option
from .systems import load_system

if TYPE_CHECKING:
    from ..verifier.verify import Reference

__all__ = ["calibrate", "read_for"]


def read_for(system: Any, folder: Path) -> Reference:
    """Return the reference in a folder, if it was made for this system.

    Raises:
        InputError: no such folder, files that were altered, or made for another system.
    """
    from ..verifier.calibrate import read_reference

    return read_reference(folder, _digest(system))


def _digest(system: Any) -> str:
    return getattr(system, "digest", None) or getattr(system, "name", type(system).__name__)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write it.")
@click.option("--system", "name", default="courier", show_default=True, metavar="NAME", help="The system to explain.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The most observations to use.")
@json_option
def calibrate(folder: Path, out: Path, name: str, limit: int | None, as_json: bool) -> None:
    """Measure how far off explanations of a system are, over a folder of observations like those to be judged.

    FOLDER is laid out as for `veridical evaluate`. Of each observation the first claim is predicted and measured, and
    what its features are is noted; `veridical explain --calibration DIR` then gives each predicted effect its interval,
    and says if an edited input is unlike any of these.
    """
    with contextlib.redirect_stdout(sys.stderr):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from ..verifier.calibrate import calibrate as calibrated
        from ..verifier.calibrate import write_reference
        from .folders import find_observations

        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; name a folder")
        observations = find_observations(folder)[:limit]
        system = load_system(name)
        passed_over: list[str] = []

        def read() -> Any:
            for told, each in observations:
                try:
                    yield each()
                except InputError as error:
                    passed_over.append(f"{told}: {error}")

        columns = (TextColumn("calibrate"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        hidden = not sys.stderr.isatty()
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
            task = bar.add_task("", total=len(observations))
            found = calibrated(
                system, read(), origin={"observations": len(observations)},
                progress=lambda done: bar.update(task, completed=done),
            )  # fmt: skip
        written = write_reference(out, found, _digest(system))
    passed_over += found.passed_over
    result = {
        "folder": str(out),
        "files": [path.name for path in written],
        "used": dict(found.used),
        "bounds": {m: c.interval(0.0)[1] for m, c in found.calibrations.items()},
        "passed_over": passed_over,
    }
    if as_json:
        plain = {m: b if b < float("inf") else None for m, b in result["bounds"].items()}
        click.echo(json.dumps({**result, "bounds": plain}, indent=2))
        return
    for method, count in found.used.items():
        bound = result["bounds"].get(method, float("inf"))
        told = f"within {bound:.2f} nats of the measured effect, 9 times of 10" if bound < float("inf") else (
            "too few claims for a bound: 9 are the least"
        )  # fmt: skip
        click.echo(f"{method}: {count} first claims; {told}")
    for note in found.novelty.notes if found.novelty else ():
        click.echo(note)
    for line in passed_over:
        click.echo(f"passed over: {line}", err=True)
    click.echo(f"written: {out}", err=True)
