"""Erasing what a log holds of a subject, and showing that the log is still what it was.

The key is deleted; the records stay. Two entries say so: one that the erasure was ordered, one that it was carried
out, so that a machine that stops in between leaves an order that stands open, and no false word. The certificate joins
the log's checkpoints before and after by a consistency proof: whoever has it sees, without the log, that nothing but
entries at its end was added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError, IntegrityError, RecordError
from .dsse import from_base64, read_envelope, to_base64
from .holds import holds_of
from .merkle import check_consistency, leaf_hash
from .note import NoteKey, check_checkpoint, read_checkpoint
from .proof import LogProof, check_proof, read_proof
from .query import Query
from .statement import Statement, new_statement, read_statement

if TYPE_CHECKING:
    from .log import Log

__all__ = ["Certificate", "check_certificate", "erase", "open_orders"]

FORMAT = "veridical.erasure/1"


@dataclass(frozen=True)
class Certificate:
    """What shows that an erasure left the log as it was.

    Attributes:
        subject: pseudonym.
        records: numbers of its records' entries; they stand unchanged.
        before: checkpoint before the erasure, signed.
        after: the same after it.
        consistency: hashes that lead from one to the other (RFC 9162, section 2.1.4).
        proofs: of the order and of its carrying out, as C2SP's tlog-proof.
        envelopes: of both, as they stand in the log.
    """

    subject: str
    records: tuple[int, ...]
    before: str
    after: str
    consistency: tuple[bytes, ...]
    proofs: tuple[str, str]
    envelopes: tuple[bytes, bytes]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "format": FORMAT,
            "subject": self.subject,
            "records": list(self.records),
            "before": self.before,
            "after": self.after,
            "consistency": [to_base64(h) for h in self.consistency],
            "proofs": list(self.proofs),
            "envelopes": [to_base64(e) for e in self.envelopes],
        }


def erase(log: Log, subject: str, who: str, reason: str) -> Certificate:
    """Erase what a log holds of a subject, by deleting its key.

    An order that was left open is carried out.

    Args:
        log: to be written to; the subject's key must be in its home.
        subject: pseudonym.
        who: asks for it.
        reason: why.

    Raises:
        InputError: nobody, or no reason.
        RecordError: nothing is known of the subject, a record of it is held, or its key was deleted before.
    """
    if not who.strip() or not reason.strip():
        raise InputError("an erasure needs somebody and a reason; say who, and why")
    rows = log.select(Query(kind="decision", subject=subject, newest_first=False, limit=None))
    holds = holds_of(log)
    held = sorted({number for row in rows for number in holds.on(subject, row.id)} | set(holds.on(subject, None)))
    if held:
        told = ", ".join(f"#{number}" for number in held)
        raise RecordError(f"subject {subject} is held by {told}: nothing was erased; lift the hold first")
    known = log.subjects.find(subject) is not None
    order = open_orders(log).get(subject)
    if not known and order is None:
        told = "it was erased before, or is another machine's" if rows else "the log has no record of it"
        raise RecordError(f"subject {subject}: there is no key of it here; {told}")
    before = log.checkpoint()
    about = [(f"record {row.id}", log.entry(row.number).digest) for row in rows][:64] or log.about()
    said = {"subject": subject, "records": len(rows), "entries": [row.number for row in rows]}
    said |= {"who": who, "reason": reason}
    if order is None:
        order = log.append(new_statement("erasure", {**said, "act": "ordered"}, about)).number
    destroyed = int(log.subjects.forget(subject))
    done = log.append(
        new_statement("erasure", {**said, "act": "carried out", "order": order, "keys_destroyed": destroyed}, about)
    )
    old, new = (read_checkpoint(note).checkpoint.size for note in (before, done.checkpoint))
    return Certificate(
        subject,
        tuple(row.number for row in rows),
        before,
        done.checkpoint,
        tuple(log.consistency(old, new)),
        (log.prove(order, new).text(), log.prove(done.number, new).text()),
        (log.entry(order).envelope, log.entry(done.number).envelope),
    )


def open_orders(log: Log) -> dict[str, int]:
    """Return the erasures that were ordered and not carried out: subject → number of the order."""
    found: dict[str, int] = {}
    for row in log.select(Query(kind="erasure", newest_first=False, limit=None)):
        predicate = log.entry(row.number).statement.predicate
        if predicate.get("act") == "ordered":
            found[str(predicate.get("subject"))] = row.number
        else:
            found.pop(str(predicate.get("subject")), None)
    return found


def check_certificate(told: Mapping[str, Any], key: NoteKey) -> tuple[int, int]:
    """Check a certificate without the log.

    Args:
        told: a certificate as plain values.
        key: of the log, had from elsewhere.

    Returns:
        The log's size before and after.

    Raises:
        IntegrityError: something of it does not hold.
    """
    if told.get("format") != FORMAT:
        found = told.get("format")
        raise IntegrityError(f"certificate: format is {found!r:.80}; this version reads {FORMAT!r}", "format")
    _see_form(told)
    before, after = check_checkpoint(told["before"], key), check_checkpoint(told["after"], key)
    path = [from_base64(text, "certificate: its consistency") for text in told["consistency"]]
    check_consistency(before.size, after.size, path, before.root, after.root)
    proofs = [read_proof(text) for text in told["proofs"]]
    statements = []
    for text, proof in zip(told["envelopes"], proofs, strict=True):
        envelope = from_base64(text, "certificate: its envelope")
        if check_proof(proof, leaf_hash(envelope), key) != after:
            raise IntegrityError("certificate: its proofs are of another tree than its checkpoint", "checkpoint")
        where = f"certificate: entry {proof.number}"
        statements.append(read_statement(read_envelope(envelope, where).payload, where, proof.number))
    _see_said(told, statements, proofs)
    return before.size, after.size


def _see_form(told: Mapping[str, Any]) -> None:
    """See that a certificate has its members and no others, each of its kind."""
    sound = set(told) == {"format", *Certificate.__dataclass_fields__}
    sound = sound and all(isinstance(told[name], str) for name in ("subject", "before", "after"))
    for name in ("consistency", "proofs", "envelopes"):
        sound = sound and isinstance(told[name], list) and all(isinstance(text, str) for text in told[name])
    if not sound or len(told["proofs"]) != 2 or len(told["envelopes"]) != 2:
        raise IntegrityError("certificate: it is not one of an erasure: its members are others", "format")


def _see_said(told: Mapping[str, Any], statements: list[Statement], proofs: list[LogProof]) -> None:
    """See that the entries order and carry out the erasure that the certificate tells of."""
    order, done = (statement.predicate for statement in statements)
    acts = [(statement.kind, statement.predicate.get("act")) for statement in statements]
    if acts != [("erasure", "ordered"), ("erasure", "carried out")] or done.get("order") != proofs[0].number:
        raise IntegrityError("certificate: it proves other than an order and its carrying out", "content")
    for name, value in (("subject", told["subject"]), ("entries", told["records"])):
        if done.get(name) != value or (name == "subject" and order.get(name) != value):
            raise IntegrityError(f"certificate: its {name} are not those that the entry erases", "content")
