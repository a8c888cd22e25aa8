"""The command line: ``explain``, ``verify``, ``calibrate``, ``concepts``, ``check``, ``evaluate`` and the rest.

Heavy imports stand inside the commands, so that ``--help`` is quick and only what explains loads a model.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from ..errors import InputError, VeridicalError
from .audit.cli import audit
from .cli_calibrate import calibrate, read_for
from .cli_check import check
from .cli_commands import GROUP, CommandGroup
from .cli_concepts import concepts
from .cli_evaluate import evaluate
from .cli_explain_options import check_asked, concept_options, known_of
from .cli_log_options import keep_options, keeping, kept
from .cli_options import ManyValues, given_senses, json_option, load_observed, observation_options
from .cli_told import place_of, print_result, say_written
from .cli_verify import verify
from .cli_weights import weights

__all__ = ["cli", "main"]

_STAGES = ("prepare", "decide", "attribute", "verify", "concepts", "name", "fuse")
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_HERE = __name__.rpartition(".")[0]
_LATER = {
    "drive": f"{_HERE}.seams.cli_drive:drive",
    "explain-all": f"{_HERE}.batch.cli_explain_all:explain_all",
    "policy": f"{_HERE}.cli_policy:policy",
    "serve": f"{_HERE}.serve.cli_serve:serve",
}


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        version = installed("veridical")
    except PackageNotFoundError:
        version = "(run from a source tree that is not installed)"
    click.echo(f"veridical {version}")
    ctx.exit()


@click.group(cls=CommandGroup, context_settings=_HELP, modules=_LATER, points=GROUP)
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Print version.")
def cli() -> None:
    """Explain what an autonomous system saw, heard and read, and test whether the explanation is true."""


_report = click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a report, one self-contained file."
)


@cli.command(cls=ManyValues)
@observation_options
@_report
@click.option("--record", type=click.Path(path_type=Path), metavar="DIR", help="Write the open record to a new folder.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="What `veridical calibrate` measured of the system; unless said, the system's own, if it has one.",
)
@click.option(
    "--spoken",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A recording of the instruction, instead of --instruction: English, transcribed by Whisper.",
)
@concept_options
@keep_options
@click.option("--no-fusion", is_flag=True, help="Look into the account alone, not into the senses together: quicker.")
@json_option
@click.option("--telemetry", is_flag=True, help="Print spans, metrics and events to stderr (extra otel).")
@click.option("--quiet", is_flag=True, help="Print no explanation and no progress.")
def explain(report: Path | None, record: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Explain one decision, and test the explanation by editing the input.

    Without --camera, --microphone and --instruction the system's own example is explained. With any of them, the
    senses that are not given are absent.
    """
    from .explanation import Explanation
    from .record import check_target, write_record
    from .report import check_report, write_report

    name, calibration = options["name"], options["calibration"]
    observation = given_senses(options)
    if options["spoken"] and options["instruction"]:
        raise InputError("--spoken and --instruction: one instruction is read; give one of the two")
    task = check_asked(options)
    if report:
        check_report(report)
    if record:
        check_target(record)
    log = keeping(options)
    from . import telemetry

    telemetry.setup(console=options["telemetry"])  # loads nothing unless it, or OTEL_*, asks for it
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        if options["spoken"]:
            from ..fusion.speech import hear

            observation["text"] = hear(options["spoken"])
        system, seen = load_observed(name, observation, options["clock"])
        from .explainer import Settings
        from .explainer import explain as explained
        from .fuse_settings import FusionSettings
        from .logged import head_salt

        fusion = None if options["no_fusion"] else FusionSettings()
        reference = read_for(system, calibration) if calibration else None
        settings = Settings(
            fusion=fusion,
            known=known_of(system, task, options),
            reference=reference,
            salt=None if log is None else head_salt(log.log),
        )
        with _progress(hidden=quiet) as advance:
            explanation = explained(system, seen, settings, progress=advance)
    result, arrays = explanation.to_dict(), explanation.arrays()
    logged, failed = kept(log, result, arrays, system)
    if report:
        write_report(report, result, arrays)
    if record:
        write_record(record, result, arrays)
    if options["graph"]:
        Explanation(result, arrays).export_graph(options["graph"])
    first = "" if observation else f"No input was given: this is {name}'s own example.\n\n"
    print_result(
        {**result, **logged},
        as_json=as_json,
        quiet=quiet,
        first=first,
        length=options["length"],
        why_not=options["why_not"],
    )
    say_written(report=report, record=record, graph=options["graph"], log=place_of(logged), hidden=as_json or quiet)
    if failed:
        raise failed


@cli.command(cls=ManyValues)
@observation_options
@click.option(
    "--method", "names", multiple=True, metavar="NAME", help="The method, or several: `veridical methods` lists them."
)
@click.option("--action", metavar="NAME", help="The action to attribute; unless said, the one decided on.")
@click.option("--against", metavar="NAME", help="Attribute the action rather than this one, not against all others.")
@click.option("--seed", default=0, show_default=True, help="The seed of methods that draw.")
@click.option("--layer", metavar="NAME", help="The layer, for methods that look at one: eyes.network.blocks.6, say.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draw the maps, side by side.",
)
@click.option(
    "--arrays", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.npz", help="Write the maps for NumPy."
)
@json_option
def attribute(names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Attribute one decision to its inputs, by one method or several, untested.

    These are proposals: `veridical explain` tests one. Without --camera, --microphone and --instruction the system's
    own example is taken.
    """
    from .attributions import Asked, compute, draw, save, tell

    targets = [path for path in (options["picture"], options["arrays"]) if path]
    missing = [path for path in targets if not path.parent.is_dir()]
    if missing:
        raise InputError(f"{missing[0]}: no folder {missing[0].parent} to write to; make it first")
    observation = given_senses(options)
    with contextlib.redirect_stdout(sys.stderr):
        system, seen = load_observed(options["name"], observation, options["clock"])
        asked = Asked(
            names or ("integrated-gradients",), options["action"], options["against"], options["seed"], options["layer"]
        )
        found = compute(system, seen, asked)
    if options["picture"]:
        draw(found).save(options["picture"])
    if options["arrays"]:
        save(found, options["arrays"])
    tell(found, as_json=as_json)
    for path in targets:
        if not as_json:
            click.echo(f"written: {path}", err=True)


@cli.command()
@json_option
def methods(as_json: bool) -> None:
    """List the attribution methods."""
    from .attributions import listed

    rows = listed()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:<32} {row['summary']}")


@cli.command()
@click.argument("record", type=click.Path(path_type=Path), metavar="RECORD")
@_report
@json_option
def show(record: Path, report: Path | None, as_json: bool) -> None:
    """Print a recorded explanation, or draw its report again, without the model. RECORD is the record's folder."""
    from .record import read_record
    from .report import check_report, write_report

    if report:
        check_report(report)
    result, arrays = read_record(record)
    if report:
        write_report(report, result, arrays)
    print_result(result, as_json=as_json)
    say_written(report=report, hidden=as_json)


for command in (audit, calibrate, check, concepts, evaluate, verify, weights):
    cli.add_command(command)


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
