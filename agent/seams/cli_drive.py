"""The command ``veridical drive``: what a recording of a drive holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cli_options import json_option

if TYPE_CHECKING:
    from .mcap_read import Recording

__all__ = ["drive"]


@click.group()
def drive() -> None:
    """Look into recordings of drives (MCAP)."""


@drive.command()
@click.argument("path", metavar="FILE.mcap", type=click.Path(path_type=Path))
@json_option
def show(path: Path, as_json: bool) -> None:
    """Say what a recording holds: its topics, which sense each serves, and from when to when.

    A recording that was cut off is read as far as it goes, and that is said.
    """
    from .mcap_read import survey

    recording = survey(path)
    if as_json:
        click.echo(json.dumps(_plain(recording), indent=2, allow_nan=False))
        return
    _tell(recording)


def _plain(recording: Recording) -> dict[str, Any]:
    topics = [
        {
            "topic": t.name,
            "schema": t.schema,
            "encoding": t.encoding,
            "sense": t.kind,
            "messages": t.count,
            "first": t.first if t.count else None,
            "last": t.last if t.count else None,
        }
        for t in recording.topics.values()
    ]
    attached = [{"name": name, "media_type": kind, "bytes": size} for name, kind, size in recording.attachments]
    return {
        "topics": topics,
        "first": recording.first,
        "last": recording.last,
        "whole": recording.whole,
        "notes": list(recording.notes),
        "metadata": {name: dict(told) for name, told in recording.metadata.items()},
        "attachments": attached,
    }


def _tell(recording: Recording) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    from ..terminal import tidy
    from ..wording import clean

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)

    def shown(text: str) -> str:
        return tidy(clean(text), console.encoding)

    first, last = recording.first, recording.last
    if first is None or last is None:
        console.print("No messages.", style="bold")
    else:
        console.print(f"{last - first:.1f} s, {len(recording.topics)} topics", style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, right in (("topic", False), ("sense", False), ("messages", True), ("from", True), ("to", True)):
        table.add_column(name, justify="right" if right else "left")
    table.add_column("schema")
    for t in recording.topics.values():
        spans = [f"{at - first:.1f} s" for at in (t.first, t.last)] if t.count and first is not None else ["", ""]
        told = f"{t.schema or 'none'} ({t.encoding or 'none'})"
        table.add_row(*map(shown, (t.name, t.kind or "-", str(t.count), *spans, told)))
    console.print(table)
    for name, told in recording.metadata.items():
        console.print(shown(f"{name}: " + ", ".join(f"{key} {value}" for key, value in told.items())))
    if recording.attachments:
        size = sum(size for _, _, size in recording.attachments)
        console.print(f"{len(recording.attachments)} attachments, {size:,} bytes")
    for note in recording.notes:
        console.print(shown(f"Note: {note}."), style="yellow")
