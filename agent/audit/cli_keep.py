"""The commands ``veridical audit act``, ``erase``, ``hold`` and ``retain``: what people do about what a log holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, IntegrityError
from .options import (
    file_option,
    json_option,
    log_options,
    opened,
    print_json,
    read_keys,
    read_text,
    who_options,
    write_file,
)
from .tables import Column, paint, say, table

if TYPE_CHECKING:
    from ..log.log import Log
    from ..log.retention import Due

__all__ = ["act", "erase", "hold", "retain"]

_ACTS = ("accepted", "overridden", "stopped", "contested", "annotated")
_WORDS = 2000  # characters of a name or a reason


@click.command()
@click.argument("which", metavar="WHICH")
@click.argument("what", type=click.Choice(_ACTS))
@who_options
@click.option("--action", metavar="NAME", help="The action put in the decision's place; goes with overridden.")
@log_options
@json_option
def act(which: str, what: str, who: str, reason: str, action: str | None, as_json: bool, **options: Any) -> None:
    """Write down what an operator did about a decision, as an entry of the log."""
    from ..log.statement import new_statement
    from .reading import read_decision
    from .told import did

    if action is not None and what != "overridden":
        raise InputError(f"--action goes with overridden: what was {what} has no other action in its place")
    for name, text in (("--who", who), ("--reason", reason), ("--action", action or "none")):
        if not text.strip() or len(text) > _WORDS or not text.isprintable():
            raise InputError(f"{name} {text[:40]!r}: give 1 to {_WORDS} printable characters")
    with opened(options, write=True) as log:
        entry = read_decision(log, which).entry
        said = {"about": entry.statement.id, "act": what, "who": who, "reason": reason, "action": action}
        receipt = log.append(new_statement("operator", said, [(f"record {entry.statement.id}", entry.digest)]))
    if as_json:
        print_json({"entry": receipt.number, "id": receipt.id, "about": entry.statement.id})
    else:
        say(f"entry {receipt.number}: {who} {did(what)} the decision of entry {entry.number}")


@click.command()
@click.option("--subject", metavar="NAME", help="Whose signals are erased, by name or pseudonym.")
@click.option("--record", metavar="WHICH", help="The decision whose signals are erased, by number or id.")
@click.option("--who", metavar="NAME", help="Who asks for it.")
@click.option("--reason", metavar="WHY", help="Why it is done.")
@file_option("--certificate", ".json", "Write what shows that the log is otherwise as it was.")
@click.option(
    "--check", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Check such a certificate."
)
@click.option("--key", metavar="VKEY|FILE", help="The log's verifier key, to check a certificate with.")
@log_options
@json_option
def erase(as_json: bool, **options: Any) -> None:
    """Erase what was sensed of a subject, by deleting its key; records and proofs stay as they are.

    This cannot be taken back. What is under a hold is not erased.
    """
    if options["check"]:
        _check_certificate(options, as_json=as_json)
        return
    if (options["subject"] is None) == (options["record"] is None):
        raise InputError("erase: say --subject NAME or --record WHICH, one of the two")
    if not options["who"] or not options["reason"]:
        raise InputError("erase: --who and --reason are wanted; the log says who asked for it, and why")
    target = options["certificate"]
    if target and not target.parent.is_dir():
        raise InputError(f"--certificate {target}: there is no folder {target.parent}; make it first")
    from ..log.erasure import erase as erased

    with opened(options, write=True) as log:
        subject = _subject(log, options)
        told = erased(log, subject, options["who"], options["reason"]).to_dict()
    if target:
        from ..record.canonical import canonical_json

        # One spelling, byte for byte: whatever is changed in the file is found.
        write_file(target, canonical_json(told, "the certificate").decode("utf-8"))
    if as_json:
        print_json(told)
        return
    count = len(told["records"])
    records = "1 record" if count == 1 else f"{count:,} records"
    say(f"✓ {subject}: its key is deleted; what was sensed in {records} can be read by nobody any more.")
    if not target:
        say(paint("--certificate FILE.json would have kept the proof that nothing else was changed.", dim=True))


def _subject(log: Log, options: Mapping[str, Any]) -> str:
    """The pseudonym of what is to be erased.

    Raises:
        InputError: a record whose subject has others as well.
    """
    from ..log.query import Query
    from .asking import subject_of
    from .reading import read_decision

    if options["subject"] is not None:
        return subject_of(log, options["subject"])
    decision = read_decision(log, options["record"])
    subject = decision.predicate.get("subject")
    if not isinstance(subject, str):
        raise InputError(f"{decision.where} names no subject: nothing of it is sealed, and nothing can be erased")
    count = log.count(Query(kind="decision", subject=subject))
    if count > 1:
        raise InputError(
            f"{decision.where}: its subject has {count} records, which share one key; to erase all of them say "
            f"--subject {subject}"
        )
    return subject


def _check_certificate(options: Mapping[str, Any], *, as_json: bool) -> None:
    """Check a certificate of an erasure, without the log."""
    from ..log.erasure import check_certificate
    from ..record.canonical import read_json

    path = options["check"]
    if not options["key"]:
        raise InputError("erase --check: --key is wanted, the log's verifier key")
    told = read_json(read_text(path, "a certificate").encode("utf-8"), str(path), canonical=True)
    if not isinstance(told, dict):
        raise IntegrityError(f"{path} is no certificate of an erasure", "format")
    fault: IntegrityError | None = None
    for key in read_keys(options["key"]):
        try:
            before, after = check_certificate(told, key)
            break
        except IntegrityError as error:
            fault = fault or error
    else:
        raise fault or InputError("--key: no key was given")
    if as_json:
        print_json({"subject": told.get("subject"), "before": before, "after": after, "records": told.get("records")})
    else:
        say(f"✓ {told.get('subject')}: the erasure is in the log, and all that was done to the log of {before} entries")
        say(f"  is that entries were added at its end: it has {after}.")


@click.group()
def hold() -> None:
    """Keep subjects or records from being erased or dropped, as long as the law asks."""


@hold.command("place")
@click.option("--subject", "subjects", multiple=True, metavar="NAME", help="A subject to hold; may be repeated.")
@click.option("--record", "records", multiple=True, metavar="WHICH", help="A record to hold; may be repeated.")
@click.option("--everything", is_flag=True, help="Hold the whole log.")
@who_options
@log_options
@json_option
def place_hold(who: str, reason: str, as_json: bool, **options: Any) -> None:
    """Place a hold, as an entry of the log; its number is what lifts it again."""
    from ..log.holds import place
    from .asking import subject_of

    with opened(options, write=True) as log:
        subjects = [subject_of(log, name) for name in options["subjects"]]
        receipt = place(log, who, reason, subjects, options["records"], options["everything"])
    if as_json:
        print_json({"entry": receipt.number, "id": receipt.id})
    else:
        say(f"entry {receipt.number}: the hold stands; `veridical audit hold lift {receipt.number}` ends it")


@hold.command("lift")
@click.argument("number", type=click.IntRange(0), metavar="NUMBER")
@who_options
@log_options
@json_option
def lift_hold(number: int, who: str, reason: str, as_json: bool, **options: Any) -> None:
    """Lift a hold, by the number of the entry that placed it."""
    from ..log.holds import lift

    with opened(options, write=True) as log:
        receipt = lift(log, number, who, reason)
    if as_json:
        print_json({"entry": receipt.number, "id": receipt.id, "lifted": number})
    else:
        say(f"entry {receipt.number}: the hold of entry {number} is lifted")


@hold.command("list")
@log_options
@json_option
def list_holds(as_json: bool, **options: Any) -> None:
    """List the holds that stand."""
    from ..log.holds import holds_of
    from .terminal import print_lines
    from .told import gist, when

    with opened(options) as log:
        standing = holds_of(log)
        numbers = sorted(standing.everything.union(*standing.subjects.values(), *standing.records.values()))
        said = [log.entry(number).statement for number in numbers]
    if as_json:
        print_json([{"entry": n, **s.predicate} for n, s in zip(numbers, said, strict=True)])
    elif not said:
        say("No hold stands.")
    else:
        columns = (Column("entry", right=True), Column("time (UTC)"), Column("hold", least=20), Column("reason", 12))
        cells = [
            (str(number), when(s.time), gist("hold", s.predicate), str(s.predicate.get("reason", "")))
            for number, s in zip(numbers, said, strict=True)
        ]
        print_lines(table(columns, cells))


@click.command()
@click.argument("rules", type=click.Path(path_type=Path, dir_okay=False), metavar="RULES.toml")
@click.option("--who", required=True, metavar="NAME", help="Who answers for it.")
@click.option("--dry-run", is_flag=True, help="Tell what would go, and let it be.")
@log_options
@json_option
def retain(rules: Path, who: str, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Carry out retention rules: what is older than they say goes, unless a hold keeps it."""
    from ..log.retention import due, read_rules
    from ..log.retention import retain as carry_out
    from .terminal import print_lines

    asked = read_rules(rules)
    with opened(options, write=not dry_run) as log:
        found = due(log, asked)
        entries = [] if dry_run else carry_out(log, found, who)
    if as_json:
        print_json({"dry_run": dry_run, "due": [_due(one) for one in found], "entries": entries})
        return
    columns = (
        Column("rule", least=20),
        Column("records", right=True),
        Column("keys", right=True),
        Column("blobs", right=True),
        Column("held", right=True),
    )
    cells = [(d.rule.text(), *(f"{len(x):,}" for x in (d.records, d.subjects, d.blobs, d.held))) for d in found]
    print_lines(table(columns, cells))
    if dry_run:
        say("Nothing was changed: this was a dry run.")
    elif entries:
        say(
            f"Done; entries {entries[0]} to {entries[-1]} say so." if len(entries) > 1 else f"Done: entry {entries[0]}."
        )
    else:
        say("Nothing was due.")


def _due(one: Due) -> dict[str, Any]:
    lists = {name: list(getattr(one, name)) for name in ("records", "subjects", "blobs", "held")}
    return {"rule": one.rule.text(), **lists}
