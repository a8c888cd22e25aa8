"""What commands print of a result, and of what they wrote where."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_explain_options import at_length, why_not_lines, why_not_told

if TYPE_CHECKING:
    from ..concepts.sentences import Length

__all__ = ["place_of", "print_result", "say_written"]


def print_result(
    result: Mapping[str, Any],
    *,
    as_json: bool,
    quiet: bool = False,
    first: str = "",
    length: Length = "medium",
    why_not: str | None = None,
) -> None:
    """Print a result to stdout, in words or as JSON; with it why another action was not chosen, if that is asked."""
    if as_json:
        from .record import plain

        told = result if why_not is None else {**result, "why_not": why_not_told(result, why_not)}
        click.echo(json.dumps(plain(told), indent=2, allow_nan=False))
    elif not quiet:
        from rich.console import Console

        from .terminal import render, tidy

        seen = Console(file=sys.stdout)
        encoding, width, color = seen.encoding, min(seen.width, 100), seen.color_system is not None
        text = render(at_length(result, length), width=width, color=color, encoding=encoding)
        last = "" if why_not is None else why_not_lines(result, why_not, width)
        click.echo(tidy(first, encoding) + text + tidy(last, encoding), nl=False, color=color)


def place_of(logged: Mapping[str, Any]) -> str | None:
    """Where a decision stands in the log, in words; None where it was not to be logged."""
    told = logged.get("logged")
    return told and f"entry {told['entry']} of {told['origin']}, id {told['id']}"


def say_written(*, hidden: bool, **written: Path | str | None) -> None:
    """Say on stderr what was written where."""
    for name, path in written.items():
        if path and not hidden:
            click.echo(f"{name}: {path}", err=True)
