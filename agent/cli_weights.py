"""The commands ``veridical weights list``, ``fetch`` and ``verify``."""

from __future__ import annotations

import json
import sys

import click

from ..errors import WeightsError
from .cli_options import json_option

__all__ = ["weights"]


@click.group()
def weights() -> None:
    """List, fetch or verify the pretrained weights in the cache."""


@weights.command("list")
@json_option
def weights_list(as_json: bool) -> None:
    """List the pretrained weights, and which of them are in the cache."""
    from ..modalities.weights import CATALOGUE, cache_folder, is_cached

    rows = [
        {
            "name": entry.name,
            "version": entry.version,
            "licence": entry.licence,
            "cached": is_cached(entry.name),
            "purpose": entry.purpose,
            "wheel": entry.wheel,
            "sha256": entry.sha256,
        }
        for entry in CATALOGUE.values()
    ]
    if as_json:
        click.echo(json.dumps({"folder": str(cache_folder()), "weights": rows}, indent=2))
        return
    for row in rows:
        held = "in the cache" if row["cached"] else "not fetched"
        click.echo(f"{row['name']:<20} {held:<13} {row['licence']:<12} {row['purpose']}")
    click.echo(f"The cache is {cache_folder()}")


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Fetch all of them.")
def weights_fetch(names: tuple[str, ...], every: bool) -> None:
    """Fetch the weights named into the cache, through pip."""
    from ..modalities.weights import CATALOGUE, fetch

    if bool(names) == every:
        raise click.UsageError(f"give names ({', '.join(CATALOGUE)}) or --all, and not both")
    for name in names or CATALOGUE:
        click.echo(f"{name}: {fetch(name, progress=sys.stderr.isatty())}")


@weights.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def weights_verify(names: tuple[str, ...], as_json: bool) -> None:
    """Verify the digests of the weights in the cache; all that are there, or those named."""
    from ..modalities.weights import CATALOGUE, is_cached, verify

    found = {}
    for name in names or [name for name in CATALOGUE if is_cached(name)]:
        try:
            verify(name)
        except WeightsError as error:
            found[name] = str(error)
        else:
            found[name] = None
    if as_json:
        click.echo(json.dumps([{"name": n, "intact": e is None, "error": e} for n, e in found.items()], indent=2))
    else:
        for name, error in found.items():
            click.echo(f"{name}: {error or 'intact'}")
        if not found:
            click.echo("nothing is in the cache; run: veridical weights fetch --all")
    bad = [name for name, error in found.items() if error]
    if bad:
        raise WeightsError(f"{len(bad)} of {len(found)} not intact: {', '.join(bad)}; fetch again")
