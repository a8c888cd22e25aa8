"""Options of commands that write into the log, and what they ask for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, RecordError, VeridicalError

if TYPE_CHECKING:
    import numpy as np

    from ..modalities.contract import System
    from .log.log import Log, Receipt

__all__ = ["Keeping", "keep_options", "keeping", "kept", "labels_of"]

_LABEL = re.compile(r"[\w.-]{1,64}")
_SIZE = re.compile(r"(\d{1,9})\s*([kM]?)B?")
_OPTIONS = (
    click.option("--no-log", is_flag=True, help="Do not append the decision to the log."),
    click.option(
        "--log",
        "log_url",
        metavar="URL",
        help="The log's database, such as postgresql://user@host/name; unless said, SQLite's in VERIDICAL_HOME.",
    ),
    click.option(
        "--subject",
        metavar="NAME",
        help="Whom the signals are about: what is sealed for one subject is erased together. Unless said, the decision "
        "is a subject of its own.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="NAME=VALUE",
        help="A label for analysts, such as group=A or scenario=night; several times for several.",
    ),
    click.option(
        "--precision",
        type=click.Choice(("exact", "fp16", "int8", "sparse")),
        default="exact",
        show_default=True,
        help="How finely maps are kept in the log; the loss is measured and written down.",
    ),
    click.option(
        "--budget", metavar="SIZE", help="The most that the record may take in the log, such as 500kB or 2MB."
    ),
)


def keep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that are about the log."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Keeping:
    """An open log, and how a decision is to be written into it.

    Attributes:
        log: opened for writing.
        subject: name of whom the signals are about, None for a subject of its own.
        labels: for analysts.
        precision: of maps.
        budget: bytes of one record, or None.
        started: wall clock (ISO 8601) and monotonic clock (ns) when the decision was begun.
    """

    log: Log
    subject: str | None
    labels: Mapping[str, str]
    precision: str
    budget: int | None
    started: tuple[str, int]

    def keep(self, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], system: System) -> Receipt:
        """Append a decision.

        Raises:
            RecordError: it could not be written.
            InputError: a subject's name that cannot be used, or a budget that cannot be held.
        """
        from .logged import log_decision
        from .provenance import provenance_of
        from .record.context import Context

        context = Context(
            **({"id": result["id"]} if "id" in result else {}),
            start=self.started[0],
            end=_now(),
            monotonic=(self.started[1], time.monotonic_ns()),
            labels=self.labels,
            provenance=provenance_of(system),
            precision=self.precision,
            budget=self.budget,
        )
        return log_decision(self.log, result, arrays, context, self.subject)


def keeping(options: Mapping[str, Any]) -> Keeping | None:
    """Open the log that the options ask for; None where nothing is to be logged.

    Opened before anything is computed, so that a log that cannot be written to is said at once.

    Raises:
        InputError: options that exclude each other, a malformed label or size.
        RecordError: the log cannot be opened for writing.
    """
    labels, budget = labels_of(options["labels"]), _bytes(options["budget"])
    if options["no_log"]:
        given = [name for name in ("log_url", "subject", "labels", "budget") if options[name]]
        if given or options["precision"] != "exact":
            name = (given or ["precision"])[0].removesuffix("_url").removesuffix("s")
            raise InputError(f"--no-log and --{name}: nothing is written into the log; give one of the two")
        return None
    return Keeping(
        _writable(options["log_url"]),
        options["subject"],
        labels,
        options["precision"],
        budget,
        (_now(), time.monotonic_ns()),
    )


def _writable(url: str | None) -> Log:
    """Open the log, and see that it can be signed and written."""
    import os

    from .log.dsse import key_id_of
    from .log.log import Log

    log = Log.open(url=url)
    try:
        log.keys.find(key_id_of(log.note_key.public))
        # Whatever is asked within it, a transaction that writes takes the lock first, as every append does.
        log.database.write_patiently(lambda connection: connection.exec_driver_sql("SELECT 1"))
        if not os.access(log.home, os.W_OK):
            raise RecordError(f"{log.home} cannot be written; give this user the right to it, or set VERIDICAL_HOME")
    except BaseException:
        log.close()
        raise
    return log


def kept(
    log: Keeping | None, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray], system: System
) -> tuple[dict[str, Any], VeridicalError | None]:
    """Append a decision, and say where it stands.

    Returns:
        ``{"logged": {"entry", "id", "origin"}}``, empty where there is no log; and what went wrong, to be raised once
        the explanation is told: whoever waited for it gets it, and learns that it is not in the log.
    """
    if log is None:
        return {}, None
    try:
        receipt = log.keep(result, arrays, system)
    except VeridicalError as error:
        return {}, RecordError(f"the decision is explained, but it is NOT in the log: {error}")
    finally:
        log.log.close()
    return {"logged": {"entry": receipt.number, "id": receipt.id, "origin": log.log.origin}}, None


def labels_of(given: tuple[str, ...]) -> dict[str, str]:
    """Read labels.

    Raises:
        InputError: one that is not NAME=VALUE, or a name given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not _LABEL.fullmatch(name) or not value.strip() or len(value) > 200 or not value.isprintable():
            raise InputError(f"--label {text[:80]!r}: write NAME=VALUE, such as group=A")
        if name in found:
            raise InputError(f"--label {name}: given twice, {found[name]!r} and {value!r}; give one value")
        found[name] = value
    return found


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise InputError(f"--budget {text!r}: write a size such as 500kB or 2MB")
    return int(match[1]) * {"": 1, "k": 1000, "M": 1_000_000}[match[2]]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
