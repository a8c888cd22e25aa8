"""The command ``veridical scenarios``."""

from __future__ import annotations

import click

__all__ = ["scenarios"]


@click.group()
def scenarios() -> None:
    """Scenarios: files that say what a system must do, and for which reason."""
