"""The commands ``veridical audit key``, ``witness`` and ``stamp``: keys, and what others vouch for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, IntegrityError, RecordError
from .options import json_option, log_options, opened, print_json, write_file
from .tables import Column, say, table

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["key", "stamp", "witness"]


@click.group()
def key() -> None:
    """Show the keys that sign the log, replace the one in use, or revoke one."""


@key.command("list")
@log_options
@json_option
def list_keys(as_json: bool, **options: Any) -> None:
    """List the log's keys in the order in which they came."""
    from .terminal import print_lines

    with opened(options) as log:
        rows = log.trust().keys()
        here = set(log.keys.ids())
        vkey = log.note_key.vkey()
    told = [{**row, "here": row["key_id"] in here} for row in rows]
    if as_json:
        print_json({"verifier_key": vkey, "keys": told})
        return
    columns = (Column("key"), Column("came"), Column("signs", least=6), Column("here"), Column("revoked", least=7))
    cells = []
    for row in told:
        ended = row["revoked"] is not None
        came = f"{row['act']} at {row['since']}"
        signs = "checkpoints" if row["checkpoints"] else "no more" if ended else "entries"
        revoked = f"from {row['revoked']}, by entry {row['revoked_at']}" if ended else ""
        cells.append((row["key_id"], came, signs, "yes" if row["here"] else "no", revoked))
    print_lines(table(columns, cells))
    say(f"\nverifier key now: {vkey}")


@key.command("rotate")
@click.option("--reason", required=True, metavar="WHY", help="Why it is done.")
@log_options
@json_option
def rotate_key(reason: str, as_json: bool, **options: Any) -> None:
    """Make a new key and sign with it from now on; the old and the new key sign that it is so."""
    with opened(options, write=True) as log:
        receipt = log.rotate(reason)
        now = log.note_key.vkey()
    if as_json:
        print_json({"entry": receipt.number, "id": receipt.id, "verifier_key": now})
    else:
        say(f"entry {receipt.number}: a new key signs from now on; publish it beside the old one:\n{now}")


@key.command("revoke")
@click.argument("key_id", metavar="KEY_ID")
@click.option("--reason", required=True, metavar="WHY", help="Why it is done.")
@click.option(
    "--from-entry",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="The first entry at which its signatures count no more; unless said, the one that says so.",
)
@log_options
@json_option
def revoke_key(key_id: str, reason: str, from_entry: int | None, as_json: bool, **options: Any) -> None:
    """Say that a key's signatures count no more; the key in use is replaced by a new one first."""
    with opened(options, write=True) as log:
        receipt = log.revoke(key_id, reason, from_entry)
    if as_json:
        print_json({"entry": receipt.number, "id": receipt.id, "key_id": key_id})
    else:
        start = receipt.number if from_entry is None else from_entry
        say(f"entry {receipt.number}: {key_id} is revoked from entry {start} on")


@click.command()
@click.argument("key_file", type=click.Path(path_type=Path, dir_okay=False), metavar="WITNESS_KEY_FILE")
@click.option("--name", metavar="NAME", help="The witness's name; unless said, witness.local/ and eight digits.")
@log_options
@json_option
def witness(key_file: Path, name: str | None, as_json: bool, **options: Any) -> None:
    """Cosign the log's latest checkpoint with a key of another home, once it is seen that the log only grew.

    WITNESS_KEY_FILE is a private key as homes keep them, ed25519:….pem. What the witness has seen of the log is kept
    beside it, and a log that is shorter or another than that is not cosigned.
    """
    import time

    from ..log.keys import KeyFolder
    from ..log.note import check_checkpoint, check_cosignature, cosign
    from ..log.note_key import NoteKey

    signer = KeyFolder(key_file.parent).find(key_file.name.removesuffix(".pem"))
    name = name or f"witness.local/{signer.key_id[-8:]}"
    told = NoteKey(name, signer.public, "witness")
    with opened(options, write=True) as log:
        if signer.key_id in {row["key_id"] for row in log.trust().keys()}:  # noqa: SIM118  # no mapping
            raise InputError(f"{key_file} is a key of this log itself; nobody witnesses himself: take another home's")
        note = log.checkpoint()
        head = check_checkpoint(note, log.note_key, log.origin)
        memory = _memory(key_file, log.origin)
        _check_grown(log, memory, head)
        text = cosign(note, name, signer.sign, signer.public, int(time.time()))
        check_cosignature(text, told)
        write_file(memory, note, quiet=True)  # before the cosignature is anywhere: a witness must not forget
        log.keep_witnessed(head.size, name, text)
    if as_json:
        print_json({"size": head.size, "root": head.root.hex(), "witness": told.vkey(), "note": text})
    else:
        say(f"✓ {name} has cosigned the checkpoint of {head.size} entries; its key, for `verify --witness`:")
        say(told.vkey())


def _memory(key_file: Path, origin: str) -> Path:
    """Where a witness keeps what it has seen of a log."""
    import hashlib

    return key_file.with_name(f"{key_file.stem}.{hashlib.sha256(origin.encode()).hexdigest()[:16]}.seen")


def _check_grown(log: Log, memory: Path, head: Any) -> None:
    """See that the log is the one that the witness saw before, and only grew.

    Raises:
        IntegrityError: ``rollback`` or ``fork``.
        RecordError: what was seen cannot be read.
    """
    from ..log.merkle import check_consistency
    from ..log.note import read_checkpoint

    try:
        if not memory.exists():
            return
        seen = read_checkpoint(memory.read_text(encoding="utf-8")).checkpoint
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{memory} cannot be read: {error}; it holds what this witness has seen") from error
    if seen.size > head.size:
        raise IntegrityError(
            f"the log has {head.size} entries, and this witness has seen {seen.size}: not cosigned", "rollback"
        )
    try:
        check_consistency(seen.size, head.size, log.consistency(seen.size, head.size), seen.root, head.root)
    except IntegrityError as error:
        told = f"the log is another than the one of {seen.size} entries that this witness has seen: not cosigned"
        raise IntegrityError(told, "fork") from error


@click.command()
@click.option("--authority", metavar="NAME", help="The time authority's name, for readers.")
@click.option(
    "--with",
    "command",
    metavar="COMMAND",
    help="What is run without a shell: it gets the checkpoint on its standard input and prints the token.",
)
@click.option("--check", metavar="WHICH", help="Check the token in an entry of kind time.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A root certificate of the authority, PEM or DER; may be repeated.",
)
@log_options
@json_option
def stamp(command: str | None, roots: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Have the latest checkpoint stamped by a time authority, or check such a stamp (RFC 3161)."""
    from ..log.stamp import check_stamp_in
    from ..log.stamp import stamp as stamped

    if options["check"] is not None:
        if options["authority"] or command:
            raise InputError("stamp --check: --authority and --with make a new stamp; leave them out")
        contents = [_bytes(path) for path in roots]
        with opened(options) as log:
            size, time = check_stamp_in(log, options["check"], contents)
        if as_json:
            print_json({"size": size, "time": time.isoformat()})
        else:
            say(f"✓ The authority vouches that {size} entries were there at {time:%Y-%m-%d %H:%M:%S} UTC.")
        return
    if roots or not options["authority"] or not command:
        raise InputError("stamp: --authority NAME and --with COMMAND are wanted; --root goes with --check")
    with opened(options, write=True) as log:
        receipt = stamped(log, options["authority"], _words(command))
    if as_json:
        print_json({"entry": receipt.number, "id": receipt.id})
    else:
        say(f"entry {receipt.number}: the answer of {options['authority']} is kept")


def _words(command: str) -> list[str]:
    """Split a command into its words, as a shell would, and nothing more than that."""
    import shlex

    try:
        return shlex.split(command)
    except ValueError as error:
        raise InputError(f"--with {command[:80]!r}: {error}; close the quotation marks") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; name a file with a root certificate") from error
