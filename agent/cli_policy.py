"""The command ``veridical policy``: check an oversight policy and say what it does, or print its files' JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .cli_options import json_option

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Oversight policies: when a loop's decisions are explained, and what is done about what is found."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--system", "name", metavar="NAME", help="The system that it is for: its actions are checked, too.")
@json_option
def check(file: Path, name: str | None, as_json: bool) -> None:
    """Check a policy, and say in words what it does. FILE is a TOML file, see docs/policy.md.

    Leaves with status 2, and the line, the value and the likely fix, where the policy could not do what it says.
    """
    from .loop.policy_file import read_policy
    from .loop.policy_words import told

    found = read_policy(file)  # before any system is loaded, which takes seconds
    if name is not None:
        read_policy(file, _actions(name))
    if as_json:
        whole = {**found.context(), "system": name, "policy": found.to_dict(), "told": list(told(found))}
        click.echo(json.dumps(whole, indent=2, allow_nan=False))
        return
    click.echo(f"{found.name}, version {found.version}")
    click.echo(found.digest)
    click.echo(f"Its actions are checked against {name}'s." if name else "Its actions are not checked: no --system.")
    click.echo()
    for sentence in told(found):
        click.echo(f"- {sentence}")


@policy.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of a policy's file, for editors."""
    from .loop.policy_file import policy_schema

    click.echo(json.dumps(policy_schema(), indent=2))


def _actions(name: str) -> list[str]:
    import contextlib
    import sys

    from .systems import load_system

    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        return list(load_system(name).actions)
