"""The commands ``veridical audit export`` and ``import``: what leaves a log for others, and what comes into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, RecordError
from .options import file_option, filter_options, json_option, log_options, opened, print_json, write_file
from .tables import say

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["export", "import_maps"]

_FILTERS = ("kind action verdict cause system labels concepts subject operator act since until text").split()


@click.command()
@click.argument("which", nargs=-1, metavar="[WHICH]...")
@file_option("--out", ".zip", "The new bundle: entries, proofs and blobs, which verify anywhere without the log.")
@click.option("--all", "everything", is_flag=True, help="All entries.")
@click.option("--with-signals", is_flag=True, help="Lay sealed signals open in the bundle, where their keys are here.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write tables for analysts: decisions, reliance, claims and acts, as Parquet.",
)
@file_option(
    "--checkpoint", "", "Write the latest signed checkpoint, to be kept where the log's operator cannot reach."
)
@file_option("--key", "", "Write the log's verifier keys, to be published; the one that opened the log first.")
@filter_options
@log_options
@json_option
def export(which: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Export entries as a bundle or as tables; or the log's signed checkpoint and its key.

    Which entries: by number or id, --all, or the filters of `veridical audit query`. A bundle also takes along what its
    entries cannot be judged without: the log's keys, operators' acts, and what was dropped by retention.
    """
    out, parquet = options["out"], options["parquet"]
    chosen = [name for name in _FILTERS if options[name]]
    _check(which, options, chosen)
    told: dict[str, Any] = {}
    with opened(options) as log:
        if options["checkpoint"]:
            write_file(options["checkpoint"], log.checkpoint())
            told["checkpoint"] = str(options["checkpoint"])
        if options["key"]:
            write_file(options["key"], "".join(f"{vkey}\n" for vkey in _keys(log)))
            told["key"] = str(options["key"])
        if out or parquet:
            numbers = _numbers(log, which, options)
            if out:
                told |= _bundle(log, numbers, out, signals=options["with_signals"], quiet=as_json)
            if parquet:
                told |= _tables(log, numbers, parquet, quiet=as_json)
    if as_json:
        print_json(told)


def _check(which: tuple[str, ...], options: Mapping[str, Any], chosen: list[str]) -> None:
    """See that the options go together, and that nothing is in the way.

    Raises:
        InputError: they do not.
    """
    out, parquet = options["out"], options["parquet"]
    if not (out or parquet or options["checkpoint"] or options["key"]):
        raise InputError("export: nothing is named to write; give --out, --parquet, --checkpoint or --key")
    ways = bool(which) + options["everything"] + bool(chosen)
    if (out or parquet) and ways != 1:
        told = "more than one way is given" if ways else "nothing says which"
        raise InputError(f"export: {told}; name entries, or give --all, or filters such as --action")
    if ways and not (out or parquet):
        raise InputError("export: entries are chosen, but nothing is named to write them to; give --out or --parquet")
    if options["with_signals"] and not out:
        raise InputError("--with-signals: signals go into a bundle alone; give --out")
    if out and out.exists():
        raise InputError(f"{out} is there already; name another file for the bundle")


def _numbers(log: Log, which: tuple[str, ...], options: Mapping[str, Any]) -> list[int]:
    """Numbers of the entries chosen.

    Raises:
        RecordError: there is none.
    """
    from .asking import ask

    if options["everything"]:
        return list(range(log.size()))
    if which:
        return sorted({log.entry(one).number for one in which})
    found = sorted(row.number for row in ask(log, options))
    if not found:
        raise RecordError("export: nothing in the log meets the filters; nothing was written")
    return found


def _bundle(log: Log, numbers: list[int], path: Path, *, signals: bool, quiet: bool) -> dict[str, Any]:
    from ..log.bundle import write_bundle

    held = write_bundle(log, numbers, path, signals=signals)
    size = path.stat().st_size
    if not quiet:
        more = len(held) - len(numbers)
        along = f" and {more} that they need" if more else ""
        entries = "1 entry" if len(numbers) == 1 else f"{len(numbers):,} entries"
        say(f"{path}: {entries}{along}, {size / 1e6:.1f} MB; check it with: veridical audit verify {path}")
    return {"bundle": str(path), "entries": held, "bytes": size}


def _tables(log: Log, numbers: list[int], folder: Path, *, quiet: bool) -> dict[str, Any]:
    from .parquet import write_tables

    rows = write_tables(log, numbers, folder)
    if not quiet:
        for name, count in rows.items():
            say(f"{folder / f'{name}.parquet'}: {count:,} rows")
    return {"parquet": str(folder), "rows": rows}


def _keys(log: Log) -> list[str]:
    """The log's verifier keys: every key that signed a checkpoint, the first one first."""
    import base64

    from ..log.note_key import NoteKey

    trust = log.trust()
    every = [base64.b64decode(row["public"]) for row in trust.keys() if row["act"] != "added"]  # noqa: SIM118  # no dict
    held = dict.fromkeys([trust.signing_at(1), *every, trust.signing_at(log.size())])
    return [NoteKey(log.origin, public).vkey() for public in held]


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option(
    "--from",
    "library",
    type=click.Choice(("captum", "shap", "inseq")),
    required=True,
    help="The library whose form the file is of.",
)
@click.option("--about", metavar="WHICH", help="The decision that the maps are about, by number or id.")
@log_options
@json_option
def import_maps(file: Path, library: str, about: str | None, as_json: bool, **options: Any) -> None:
    """Put attribution maps that another library made into the log, an entry each."""
    from ..log.statement import new_statement
    from ..record.canonical import canonical_json
    from ..record.foreign import map_to_manifest, read_captum, read_inseq, read_shap

    found = {"captum": read_captum, "inseq": read_inseq}.get(library, lambda path: (read_shap(path),))(file)
    receipts = []
    with opened(options, write=True) as log:
        record = log.entry(about).statement.id if about is not None else None
        statements = []
        for one in found:
            manifest, blobs = map_to_manifest(one)
            for blob in blobs.values():
                log.blobs.put(blob)
            digest = log.blobs.put(canonical_json(manifest, f"the map {one.name}"))
            said = {"about": record, "manifest": digest, "blobs": sorted(blobs), "sealed": [], "name": one.name}
            said |= {"source": one.source, "method": one.method}
            statements.append(new_statement("map", said, [("manifest.json", digest)]))
        receipts = log.append_all(statements)
    rows = [{"entry": r.number, "id": r.id, "name": one.name} for r, one in zip(receipts, found, strict=True)]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            say(f"entry {row['entry']}: {row['name']}, {row['id']}")
