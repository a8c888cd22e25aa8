"""The auditor's command, ``veridical audit``: everything about a log, without the model and without torch."""

from __future__ import annotations

import click

from .cli_check import prove, verify
from .cli_export import export, import_maps
from .cli_read import diff, list_entries, query, show

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Read, check and answer for what the log holds, without the model."""


for command in (list_entries, show, query, diff, verify, prove, export, import_maps):
    audit.add_command(command)
