"""The command ``veridical scenarios render``: what the system gets, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError

if TYPE_CHECKING:
    from .schema import Scenario

__all__ = ["render"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.png|DIR")
@click.option("--system", "name", metavar="NAME", help="Optimise patches against this system, not the scenario's own.")
def render(file: Path, out: Path, name: str | None) -> None:
    """Draw a scenario and its variants: frames with their parts outlined, the sound, the instruction.

    Into a folder, the picture is named after the scenario. Nothing is decided, and no model is loaded unless a patch is
    optimised against one.
    """
    from .contact_sheet import write_contact_sheet
    from .load import read_scenario
    from .vary import variants

    loaded = read_scenario(file)
    path = out if out.suffix.lower() == ".png" else out / f"{loaded.name}.png"
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if out.suffix and out.suffix.lower() != ".png" and not out.is_dir():
        raise InputError(f"{out}: pictures are written as PNG; name a file *.png, or a folder")
    made = variants(loaded, _attacked(loaded.scenario, name))
    click.echo(f"written: {write_contact_sheet(path, loaded, made)}", err=True)


def _attacked(scenario: Scenario, name: str | None) -> Any:
    """The system that patches are optimised against; None where there are none."""
    if not any(spec.name == "gradient-patch" for together in scenario.perturb for spec in together):
        return None
    from .runs import Runner

    return Runner().system(name or scenario.system)
