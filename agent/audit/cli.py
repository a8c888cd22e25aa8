"""The auditor's command, ``veridical audit``: everything about a log, without the model and without torch."""

from __future__ import annotations

import click

from .cli_check import prove, verify
from .cli_export import export, import_maps
from .cli_keep import act, erase, hold, retain
from .cli_outside import key, stamp, witness
from .cli_read import diff, list_entries, query, show
from .cli_reports import report

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Read, check and answer for what the log holds, without the model."""


for _command in (
    list_entries,
    show,
    query,
    diff,
    verify,
    prove,
    export,
    report,
    act,
    erase,
    hold,
    retain,
    key,
    witness,
    stamp,
    import_maps,
):
    audit.add_command(_command)
