"""The command line: ``veridical explain``, ``veridical show``, ``veridical weights``.

Heavy imports stand inside the commands, so that ``--help`` is quick and only what explains loads a model.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from ..errors import InputError, VeridicalError, WeightsError
from .systems import load_system

__all__ = ["cli", "main"]

_STAGES = ("prepare", "decide", "attribute", "verify", "name")
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _ManyValues(click.Command):
    """A command whose option ``--camera`` takes every value up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        values = None  # how many values the option has had, while it is the last one named
        for argument in [*args, "-"]:
            if argument.startswith("-"):
                if values == 0:
                    raise click.UsageError("Option '--camera' requires an argument.", ctx)
                values = 0 if argument == "--camera" else None
            elif values is not None:
                values += 1
                if values > 1:
                    spread.append("--camera")
            spread.append(argument)
        return super().parse_args(ctx, spread[:-1])


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    try:
        version = importlib.metadata.version("veridical")
    except importlib.metadata.PackageNotFoundError:
        version = "(run from a source tree that is not installed)"
    click.echo(f"veridical {version}")
    ctx.exit()


@click.group(context_settings=_HELP)
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Print version.")
def cli() -> None:
    """Explain what an autonomous system saw, heard and read, and test whether the explanation is true."""


_report = click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a report, one self-contained file."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON, and nothing else.")


@cli.command(cls=_ManyValues)
@click.option(
    "--camera", multiple=True, metavar="IMAGE...", help="Image files, one or several, oldest first: what it sees."
)
@click.option("--microphone", metavar="FILE", help="A sound file (WAV, FLAC or OGG): what it hears.")
@click.option("--instruction", metavar="TEXT", help="The instruction in words: what it reads.")
@click.option("--system", "name", default="courier", show_default=True, metavar="NAME", help="The system to explain.")
@_report
@click.option("--record", type=click.Path(path_type=Path), metavar="DIR", help="Write the open record to a new folder.")
@_json
@click.option("--quiet", is_flag=True, help="Print no explanation and no progress.")
def explain(
    camera: tuple[str, ...],
    microphone: str | None,
    instruction: str | None,
    name: str,
    report: Path | None,
    record: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Explain one decision, and test the explanation by editing the input.

    Without --camera, --microphone and --instruction the system's own example is explained. With any of them, the
    senses that are not given are absent.
    """
    from .record import check_target, write_record
    from .report import check_report, write_report

    given = {"vision": list(camera) or None, "audio": microphone, "text": instruction}
    observation = {sense: signal for sense, signal in given.items() if signal is not None}
    if report:
        check_report(report)
    if record:
        check_target(record)
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        system = load_system(name)
        unknown = [sense for sense in observation if sense not in system.modalities]
        if unknown:
            raise InputError(f"system {name!r} has no sense {unknown[0]!r}; it has {', '.join(system.modalities)}")
        if not observation and not callable(getattr(system, "example", None)):
            raise InputError(
                f"no input was given, and system {name!r} has no example of its own (a method example()); give "
                "--camera, --microphone or --instruction"
            )
        from .explainer import explain as explained

        with _progress(hidden=quiet) as advance:
            explanation = explained(system, observation or system.example(), progress=advance)
    result, arrays = explanation.to_dict(), explanation.arrays()
    if report:
        write_report(report, result, arrays)
    if record:
        write_record(record, result, arrays)
    first = "" if observation else f"No input was given: this is {name}'s own example.\n\n"
    _print(result, as_json=as_json, quiet=quiet, first=first)
    _say_written(report, record, hidden=as_json or quiet)


@cli.command()
@click.argument("record", type=click.Path(path_type=Path), metavar="RECORD")
@_report
@_json
def show(record: Path, report: Path | None, as_json: bool) -> None:
    """Print a recorded explanation, or draw its report again, without the model. RECORD is the record's folder."""
    from .record import read_record
    from .report import check_report, write_report

    if report:
        check_report(report)
    result, arrays = read_record(record)
    if report:
        write_report(report, result, arrays)
    _print(result, as_json=as_json, quiet=False, first="")
    _say_written(report, None, hidden=as_json)


@cli.group()
def weights() -> None:
    """List, fetch or verify the pretrained weights in the cache."""


@weights.command("list")
@_json
def weights_list(as_json: bool) -> None:
    """List the pretrained weights, and which of them are in the cache."""
    from ..modalities.weights import CATALOGUE, cache_folder, is_cached

    rows = [
        {
            "name": entry.name,
            "version": entry.version,
            "licence": entry.licence,
            "cached": is_cached(entry.name),
            "purpose": entry.purpose,
            "wheel": entry.wheel,
            "sha256": entry.sha256,
        }
        for entry in CATALOGUE.values()
    ]
    if as_json:
        click.echo(json.dumps({"folder": str(cache_folder()), "weights": rows}, indent=2))
        return
    for row in rows:
        held = "in the cache" if row["cached"] else "not fetched"
        click.echo(f"{row['name']:<20} {held:<13} {row['licence']:<12} {row['purpose']}")
    click.echo(f"The cache is {cache_folder()}")


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Fetch all of them.")
def weights_fetch(names: tuple[str, ...], every: bool) -> None:
    """Fetch the weights named into the cache, through pip."""
    from ..modalities.weights import CATALOGUE, fetch

    if bool(names) == every:
        raise click.UsageError(f"give names ({', '.join(CATALOGUE)}) or --all, and not both")
    for name in names or CATALOGUE:
        click.echo(f"{name}: {fetch(name, progress=sys.stderr.isatty())}")


@weights.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_json
def weights_verify(names: tuple[str, ...], as_json: bool) -> None:
    """Verify the digests of the weights in the cache; all that are there, or those named."""
    from ..modalities.weights import CATALOGUE, is_cached, verify

    found = {}
    for name in names or [name for name in CATALOGUE if is_cached(name)]:
        try:
            verify(name)
        except WeightsError as error:
            found[name] = str(error)
        else:
            found[name] = None
    if as_json:
        click.echo(json.dumps([{"name": n, "intact": e is None, "error": e} for n, e in found.items()], indent=2))
    else:
        for name, error in found.items():
            click.echo(f"{name}: {error or 'intact'}")
        if not found:
            click.echo("nothing is in the cache; run: veridical weights fetch --all")
    bad = [name for name, error in found.items() if error]
    if bad:
        raise WeightsError(f"{len(bad)} of {len(found)} not intact: {', '.join(bad)}; fetch again")


@contextlib.contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[str, float], None] | None]:
    """Show progress on stderr while a terminal looks on; yields the callback, which takes a stage and 0..1."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("prepare", total=len(_STAGES))

        def advance(stage: str, share: float) -> None:
            done = _STAGES.index(stage) if stage in _STAGES else 0
            bar.update(task, description=f"{stage:<10}", completed=done + min(max(share, 0.0), 1.0))

        yield advance


def _print(result: Mapping[str, Any], *, as_json: bool, quiet: bool, first: str) -> None:
    """Print a result to stdout, in words or as JSON."""
    if as_json:
        from .record import plain

        click.echo(json.dumps(plain(result), indent=2, allow_nan=False))
    elif not quiet:
        from rich.console import Console

        from .terminal import render, tidy

        seen = Console(file=sys.stdout)
        encoding = seen.encoding
        text = render(result, width=min(seen.width, 100), color=seen.color_system is not None, encoding=encoding)
        click.echo(tidy(first, encoding) + text, nl=False, color=seen.color_system is not None)


def _say_written(report: Path | None, record: Path | None, *, hidden: bool) -> None:
    """Say on stderr what was written where."""
    for name, path in (("report", report), ("record", record)):
        if path and not hidden:
            click.echo(f"{name}: {path}", err=True)


def main() -> NoReturn:
    """Run the command line and leave with its exit status: 0, 2 for an error that is said, 130 when interrupted."""
    try:
        status = cli.main(standalone_mode=False, prog_name="veridical")
        sys.stdout.flush()
    except VeridicalError as error:
        _fail(" ".join(str(error).split()))
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "veridical"
        _fail(f"{error.format_message()}\nTry: {path} --help")
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more can be said
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int = 2) -> NoReturn:
    click.echo(f"veridical: error: {message}", err=True)
    sys.exit(status)
