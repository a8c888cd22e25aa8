"""The command ``veridical check``: does a system keep the contract, and do the methods pass the sanity checks?"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from .cli_options import ManyValues, given_senses, json_option, observation_options

__all__ = ["check"]

_WIDTH = 100


@click.command(cls=ManyValues)
@observation_options
@click.option(
    "--method",
    "names",
    multiple=True,
    metavar="NAME",
    help="The method to check, or several; gradient-times-input unless said. `veridical methods` lists them.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The seed of weights, noise and methods that draw.",
)
@click.option("--layer", metavar="NAME", help="The layer, for methods that look at one: eyes.network.blocks.6, say.")
@json_option
def check(names: tuple[str, ...], seed: int, layer: str | None, as_json: bool, **options: Any) -> None:
    """Check a system against the contract, and attribution methods for sanity on it.

    Sanity: does the map change when the weights are drawn at random, and when another action is asked about, or could
    most of it be drawn without the system? Without --camera, --microphone and --instruction the system's own example
    is taken. Leaves with status 1 if the contract is broken or a check failed.
    """
    from .cli_options import load_observed

    name = options["name"]
    observation = given_senses(options)
    with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints, it is not the result
        system, seen = load_observed(name, observation, options["clock"])
        with _progress() as advance:
            found = _examine(system, seen, _Asked(names, seed, layer), advance)
    if as_json:
        click.echo(json.dumps({"system": name, **found}, indent=2, allow_nan=False))
    else:
        if not observation:
            click.echo(f"No input was given: this is {name}'s own example.\n")
        _tell(found)
    click.get_current_context().exit(0 if found["passed"] else 1)


@dataclass(frozen=True)
class _Asked:
    names: Sequence[str]
    seed: int
    layer: str | None


def _examine(
    system: Any, observation: Mapping[str, Any], asked: _Asked, advance: Callable[[str, float], None]
) -> dict[str, Any]:
    """Return what was found, plain JSON values; with the contract broken nothing more is checked."""
    from ..errors import ContractError
    from ..modalities.check import check_system
    from ..modalities.engines.methods import find_method
    from ..verifier.sanity import METHODS_CHECKED, check_sanity
    from ..verifier.sanity_judges import SanitySettings

    methods = [find_method(method, asked.layer) for method in dict.fromkeys(asked.names or METHODS_CHECKED)]
    settings = SanitySettings(seed=asked.seed)
    advance("contract", 0.0)
    try:
        kept, broken = list(check_system(system, observation)), None
    except ContractError as error:
        kept, broken = [], " ".join(str(error).split()).removeprefix("system: ")
    found: dict[str, Any] = {"contract": {"met": broken is None, "kept": kept, "broken": broken}, "methods": []}
    for index, method in enumerate(methods if broken is None else ()):

        def progress(share: float, name: str = method.name, index: int = index) -> None:
            advance(name, (index + share) / len(methods))

        sanity = check_sanity(system, observation, [method], settings, progress)[0]
        told = {"method": sanity.method, "target": sanity.target, "explanations": sanity.explanations}
        checks = [
            {"name": c.name, "verdict": c.verdict, "reason": c.reason, "figures": dict(c.figures)}
            for c in sanity.checks
        ]
        found["methods"].append({**told, "checks": checks})
    found["failed"] = [
        f"{row['method']}: {c['name']}" for row in found["methods"] for c in row["checks"] if c["verdict"] == "failed"
    ]
    return {**found, "passed": broken is None and not found["failed"]}


def _tell(found: Mapping[str, Any]) -> None:
    """Print what was found: the contract, then a table for each method, then what failed."""
    from rich.console import Console
    from rich.table import Table

    from .terminal import tidy
    from .wording import clean

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    console.width = min(console.width, _WIDTH)

    def line(text: str, style: str | None = None) -> None:
        console.print(tidy(clean(text), console.encoding), style=style)

    contract = found["contract"]
    if not contract["met"]:
        line("Contract broken", "bold red")
        line(contract["broken"])
        line("Mend the system first: no method was checked.")
        return
    line(f"Contract kept: {len(contract['kept'])} things checked", "bold")
    line("; ".join(contract["kept"]))
    styles = {"passed": "green", "failed": "bold red", "not applicable": "dim"}
    for row in found["methods"]:
        console.print()
        line(f"{row['method']}: {row['target']}, {row['explanations']} explanations", "bold")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column("verdict", no_wrap=True)
        table.add_column("check", no_wrap=True)
        table.add_column("reason", ratio=1)
        for check_ in row["checks"]:
            told = (check_["verdict"], check_["name"], check_["reason"])
            cells = [tidy(clean(text), console.encoding) for text in told]
            table.add_row(*cells, style=styles[check_["verdict"]] if check_["verdict"] != "passed" else None)
        console.print(table)
    console.print()
    passed = "No check failed. That shows no map to be true: veridical explain tests one."
    line(f"Failed: {', '.join(found['failed'])}" if found["failed"] else passed, None if found["passed"] else "bold")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show progress on stderr while a terminal looks on; yields a callback that takes what is done and 0..1."""
    if not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("contract", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=min(max(share, 0.0), 1.0))
