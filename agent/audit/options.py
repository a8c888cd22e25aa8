"""What the auditor's commands share: where the log is, which key is trusted, how files are read and written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, RecordError

if TYPE_CHECKING:
    from ..log.log import Log
    from ..log.note_key import NoteKey

__all__ = [
    "file_option",
    "filter_options",
    "json_option",
    "log_options",
    "opened",
    "print_json",
    "read_keys",
    "read_text",
    "who_options",
    "write_file",
]

_MOST = 2**20  # bytes of a text file: keys, checkpoints, proofs

json_option = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, and nothing else.")


_FILTERS = (
    click.option("--kind", metavar="KIND", help="Of which kind; decision unless said, any for all kinds."),
    click.option("--action", metavar="NAME", help="Only decisions for this action."),
    click.option("--verdict", metavar="WORD", help="Only with this verdict: supported, unsupported or inconclusive."),
    click.option("--cause", metavar="WORD", help="Only where this decided the verdict, such as unspecific."),
    click.option("--system", metavar="NAME", help="Only of this system."),
    click.option(
        "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only with this label; may be repeated."
    ),
    click.option("--concept", "concepts", multiple=True, metavar="NAME", help="Only resting on this; may be repeated."),
    click.option("--subject", metavar="NAME", help="Only about this subject, by its name or its pseudonym."),
    click.option("--operator", metavar="WHO", help="Only decisions about which this person did something."),
    click.option("--act", metavar="ACT", help="Only decisions about which this was done, such as overridden."),
    click.option("--since", metavar="TIME", help="Only from this moment on, such as 2026-11-23 (UTC)."),
    click.option("--until", metavar="TIME", help="Only before this moment."),
    click.option("--text", metavar="TEXT", help="Only where this stands in what entries can be found by."),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose entries; see `veridical.agent.audit.asking.ask`."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where the log is."""
    where = click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="The folder of the log; unless said, VERIDICAL_HOME or the user's data directory.",
    )
    url = click.option(
        "--log",
        "url",
        metavar="URL",
        help="The log's database, such as postgresql://user@host/name; unless said, SQLite's in the home.",
    )
    return where(url(command))


def who_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say who does it, and why."""
    who = click.option("--who", required=True, metavar="NAME", help="Who does it.")
    why = click.option("--reason", required=True, metavar="WHY", help="Why it is done.")
    return who(why(command))


def file_option(name: str, suffix: str, told: str) -> Callable[..., Any]:
    """An option that names a file to write."""
    return click.option(name, type=click.Path(path_type=Path, dir_okay=False), metavar=f"FILE{suffix}", help=told)


@contextlib.contextmanager
def opened(options: Mapping[str, Any], *, write: bool = False) -> Iterator[Log]:
    """Open the log that the options name, for reading unless said.

    A log that is not there is not begun by an auditor.

    Raises:
        RecordError: no log, or one that cannot be opened.
    """
    from ..log.log import Log

    if write:
        Log.open(options["home"], options["url"], read_only=True).close()
    with Log.open(options["home"], options["url"], read_only=not write) as log:
        yield log


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    from ..record.plain import plain

    click.echo(json.dumps(plain(value), indent=2, allow_nan=False))


def read_text(path: Path, what: str) -> str:
    """Read a text file.

    Raises:
        InputError: it cannot be read, is too large, or is no UTF-8.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST + 1)
        if len(content) > _MOST:
            raise InputError(f"{path}: {what} has at most {_MOST} bytes, and this file has more")
        return content.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; name the file of {what}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not {what}: it is no text in UTF-8") from error


def read_keys(given: str, option: str = "--key") -> list[NoteKey]:
    """Read verifier keys: one as it is, or a file that holds one a line, the one that opened the log first.

    Raises:
        InputError: neither a key nor a file that can be read.
        IntegrityError: a key that is malformed.
    """
    from ..log.note_key import NoteKey

    path = Path(given)
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long for a name, or none
        there = False
    if there:
        given = read_text(path, "a verifier key")
    elif "+" not in given:
        raise InputError(f"{option} {given[:80]!r}: no such file, and no verifier key (name+id+base64)")
    keys = [NoteKey.read(line) for line in map(str.strip, given.splitlines()) if line]
    if not keys:
        raise InputError(f"{option} {path}: the file is empty; a verifier key (name+id+base64) is wanted")
    return keys


def write_file(path: Path, content: str | bytes, *, quiet: bool = False) -> None:
    """Write a file, whole or not at all, and say so on stderr; one that is there already is replaced.

    Raises:
        RecordError: it cannot be written.
    """
    import os
    import secrets

    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        os.replace(beside, path)  # noqa: PTH105  # the same as Path.replace
    except OSError as error:
        raise RecordError(f"{path} cannot be written: {error.strerror}; name another place") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    if not quiet:
        click.echo(f"written: {path}", err=True)
