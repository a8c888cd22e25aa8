"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from .systems import load_system

__all__ = ["ManyValues", "given_senses", "json_option", "load_observed", "observation_options"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON, and nothing else.")

_OBSERVATION = (
    click.option(
        "--camera", multiple=True, metavar="IMAGE...", help="Image files, one or several, oldest first: what it sees."
    ),
    click.option("--microphone", metavar="FILE", help="A sound file (WAV, FLAC or OGG): what it hears."),
    click.option("--instruction", metavar="TEXT", help="The instruction in words: what it reads."),
    click.option(
        "--clock",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE.json",
        help="When each signal was: its start, drift or timestamps, by sense; unless said, all begin at 0.",
    ),
    click.option(
        "--system", "name", default="courier", show_default=True, metavar="NAME", help="The system to explain."
    ),
)


def observation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what is observed, and by which system."""
    for option in reversed(_OBSERVATION):
        command = option(command)
    return command


def given_senses(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the observation of the options given; senses that were not are left out."""
    given = {"vision": list(options["camera"]) or None, "audio": options["microphone"], "text": options["instruction"]}
    return {sense: signal for sense, signal in given.items() if signal is not None}


def load_observed(
    name: str, observation: Mapping[str, Any], clock: Path | None = None
) -> tuple[Any, Mapping[str, Any]]:
    """Return a system, and the observation given or else the system's own example, with its clocks.

    Raises:
        InputError: no such system, a sense that it lacks, nothing to look at, or a file that holds no clocks.
    """
    from .clocks import read_clocks, with_clocks

    clocks = read_clocks(clock) if clock else {}
    system = load_system(name)
    unknown = [sense for sense in observation if sense not in system.modalities]
    if unknown:
        raise InputError(f"system {name!r} has no sense {unknown[0]!r}; it has {', '.join(system.modalities)}")
    if not observation and not callable(getattr(system, "example", None)):
        raise InputError(
            f"no input was given, and system {name!r} has no example of its own (a method example()); give "
            "--camera, --microphone or --instruction"
        )
    return system, with_clocks(observation or system.example(), clocks)


class ManyValues(click.Command):
    """A command whose option ``--camera`` takes every value up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values but the first, then parse as click does."""
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
