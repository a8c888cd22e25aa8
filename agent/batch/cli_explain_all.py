"""The command ``veridical explain-all``."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, RecordError, VeridicalError
from ..cli_log_options import labels_of
from ..cli_options import json_option
from ..depths import DEPTHS

if TYPE_CHECKING:
    from ..log.log import Log
    from .batch import Tally

__all__ = ["FAILED", "explain_all"]

FAILED = 3
"""Exit status where items failed, and everything else is done."""

_TOLD = 10  # failures that are printed


@click.command(name="explain-all")
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|FILE.mcap|MANIFEST.jsonl")
@click.option(
    "--out", metavar="HOME|URL", help="The log's home, or its database's URL; unless said, VERIDICAL_HOME's log."
)
@click.option("--log-url", metavar="URL", help="The log's database, such as postgresql://user@host/name, beside --out.")
@click.option("--system", "name", default="courier", show_default=True, metavar="NAME", help="The system to explain.")
@click.option(
    "--depth",
    type=click.Choice(DEPTHS),
    default="verdict",
    show_default=True,
    help="How far each decision is explained: account tests nothing, full takes half a minute an item.",
)
@click.option(
    "--engine",
    type=click.Choice(("local", "ray")),
    default="local",
    show_default=True,
    help="Processes here, or Ray Data on a cluster (extra scale; RAY_ADDRESS).",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Workers; unless said, one for each core, four at most. Each holds a system of its own in memory.",
)
@click.option(
    "--every", type=float, default=1.0, show_default=True, metavar="SECONDS", help="Between moments of an .mcap file."
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of all items; several times.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N items alone.")
@click.option("--retry-failed", is_flag=True, help="Try again what the log has as failed.")
@click.option(
    "--salt",
    metavar="TEXT",
    help="Derive the control edits from this text, not from the log's head, so that runs can be compared. Each record "
    "then says that its salt was given beforehand: not for evidence.",
)
@click.option("--allow-absolute", is_flag=True, help="Let a manifest name files outside its own folder.")
@json_option
@click.option("--quiet", is_flag=True, help="Print no progress and no summary.")
@click.pass_context
def explain_all(ctx: click.Context, source: Path, as_json: bool, quiet: bool, **options: Any) -> None:
    """Explain everything in a folder, a manifest or a recording, and write it into the log.

    FOLDER holds a folder for each observation (frames, one recording, one .txt file), or files that belong together by
    their names (lion.png, lion.wav, lion.txt). MANIFEST.jsonl has a line for each: {"id", "camera": [files],
    "microphone": file, "instruction": words, "labels", "time"}.

    Run again after a crash, it goes on: what the log has already, of the same content, system and depth, is not done
    again. Items that fail are noted in the log and told of; the exit status is then 3.
    """
    from .batch import explain_all as explained
    from .plan import Plan, default_jobs
    from .sources import open_source

    plan = Plan(
        system=options["name"],
        depth=options["depth"],
        engine=options["engine"],
        jobs=options["jobs"] or default_jobs(),
        labels=labels_of(options["labels"]),
        limit=options["limit"],
        retry_failed=options["retry_failed"],
        salt=options["salt"],
    )
    home, url = _place(options["out"], options["log_url"])
    items = open_source(source, options["every"], absolute=options["allow_absolute"])
    with contextlib.redirect_stdout(sys.stderr), _opened(home, url) as log:
        tally = None
        try:
            with _progress(hidden=quiet) as told:

                def latest(so_far: Tally) -> None:
                    nonlocal tally
                    tally = so_far
                    told(so_far)

                tally = explained(items, plan, log, latest)
        except KeyboardInterrupt:
            _say_stopped(tally, quiet=quiet or as_json)
            raise click.Abort from None
        except VeridicalError:
            _say_stopped(tally, quiet=quiet or as_json)
            raise
        place = {"home": str(log.home), "origin": log.origin, "entries": log.size()}
    if as_json:
        click.echo(json.dumps({**tally.to_dict(), "log": place}, indent=2, allow_nan=False))
    elif not quiet:
        _say(tally, place)
    if tally.failed or tally.failed_before:
        ctx.exit(FAILED)


def _place(out: str | None, url: str | None) -> tuple[str | None, str | None]:
    """Tell a home from a URL."""
    if out is not None and "://" in out:
        if url is not None:
            raise InputError("--out and --log-url both name a database; give one of the two")
        return None, out
    return out, url


@contextlib.contextmanager
def _opened(home: str | None, url: str | None) -> Iterator[Log]:
    """Open the log, and see that it can be written before anything is computed."""
    from ..log.log import Log

    with Log.open(home, url) as log:
        try:
            log.database.write_patiently(lambda connection: connection.exec_driver_sql("SELECT 1"))
        except RecordError as error:
            raise RecordError(f"nothing was explained, for the log cannot be written: {error}") from error
        yield log


@contextlib.contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[Tally], None]]:
    """Show progress on stderr while a terminal looks on; yields what is told each tally."""
    if hidden or not sys.stderr.isatty():
        yield lambda tally: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("the system is made", total=None, rate="")

        def told(tally: Tally) -> None:
            failed = tally.failed + tally.failed_before
            words = f"explained {tally.explained}" + (f", failed {failed}" if failed else "")
            rate = f"{tally.rate:.2f}/s"
            bar.update(task, description=words, completed=tally.seen, total=tally.total, rate=rate)

        yield told


def _say_stopped(tally: Tally | None, *, quiet: bool) -> None:
    if tally is not None and not quiet:
        click.echo(f"stopped: {tally.explained} items are explained and in the log; run it again to go on", err=True)


def _say(tally: Tally, place: dict[str, Any]) -> None:
    """Print the summary."""
    rows = [
        ("explained", f"{tally.explained}" + (f", of them {tally.changed} anew: changed" if tally.changed else "")),
        ("in the log before", f"{tally.done}"),
        ("failed", f"{tally.failed}" + (f", and {tally.failed_before} before" if tally.failed_before else "")),
        ("verdicts", _counts(tally.verdicts)),
        ("not supported for", _counts(tally.causes)),
        ("actions", _counts(tally.actions)),
        ("workers ended", f"{tally.killed}" if tally.killed else ""),
        ("seconds", f"{tally.seconds:.1f}, {tally.rate:.2f} items a second"),
        ("log", f"{place['origin']}, {place['entries']} entries, in {place['home']}"),
    ]
    for name, words in rows:
        if words:
            click.echo(f"{name:<18}{words}")
    for name, why in tally.failures[:_TOLD]:
        click.echo(f"failed: {name}: {why}", err=True)
    if len(tally.failures) > _TOLD:
        click.echo(f"failed: {tally.failed - _TOLD} more; see `veridical audit` for the notes in the log", err=True)
    if tally.failed_before:
        click.echo("What failed before was not tried again; --retry-failed does so.", err=True)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
