"""The time from outside: a checkpoint handed to an authority, and what it answers, kept as an entry of the log.

The clock of the machine that writes a log is its operator's. A token of a time authority (RFC 3161) over a signed
checkpoint shows that all entries under it were there at the token's time. How the authority is reached is the user's:
a command of theirs gets the checkpoint's bytes on its standard input and prints the authority's answer.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...errors import InputError, IntegrityError, RecordError
from .note import check_checkpoint, read_checkpoint
from .note_key import NoteKey
from .statement import new_statement

if TYPE_CHECKING:
    from .log import Log, Receipt

__all__ = ["MOST", "check_stamp", "check_stamp_in", "stamp"]

MOST = 64 * 1024
"""Bytes of an authority's answer, the most that is kept."""

_LONGEST = 200


def stamp(log: Log, authority: str, command: Sequence[str], seconds: float = 60.0) -> Receipt:
    """Have the log's latest checkpoint stamped, and append the answer as an entry of kind ``time``.

    Args:
        log: to be written to.
        authority: its name, for readers.
        command: program and arguments; started without a shell. The checkpoint, a signed note in UTF-8, is its
            standard input; what it prints is the token.
        seconds: after which it is ended.

    Raises:
        InputError: no name, or no command.
        RecordError: the command cannot be started, fails, takes too long, or prints nothing or too much.
    """
    if not authority.strip() or len(authority) > _LONGEST or not authority.isprintable():
        raise InputError(f"authority {authority[:40]!r}: give 1 to {_LONGEST} printable characters")
    if not command:
        raise InputError("no command to reach the authority with; it gets the checkpoint on its standard input")
    note = log.checkpoint()
    head = read_checkpoint(note).checkpoint
    token = _run(command, note.encode("utf-8"), seconds)
    said = {
        "checkpoint": {"size": head.size, "root": f"sha256:{head.root.hex()}", "note": note},
        "token": base64.b64encode(token).decode("ascii"),
        "authority": authority,
    }
    return log.append(new_statement("time", said, log.about()))


def check_stamp(predicate: Mapping[str, Any], roots: Sequence[bytes]) -> datetime:
    """Check that an RFC 3161 token is one over the checkpoint that an entry of kind ``time`` names.

    That the checkpoint is the log's own is for `check_stamp_in`, or for whoever has the log's key.

    Args:
        predicate: of the entry.
        roots: root certificates that are trusted, each as PEM or DER.

    Returns:
        The time that the authority vouches for, UTC.

    Raises:
        InputError: rfc3161-client is not installed, or no root certificate is given or can be read.
        IntegrityError: the token does not hold (``signature``), is of another checkpoint (``digest``), or the entry is
            malformed (``format``).
    """
    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
    except ImportError as error:
        raise InputError("tokens are checked by rfc3161-client: pip install 'veridical[time]'") from error
    note, token = _members(predicate)
    builder = VerifierBuilder(roots=[_certificate(root) for root in roots])
    if not roots:
        raise InputError("no root certificate of the time authority is given; name its file")
    try:
        response = decode_timestamp_response(token)
        imprint = response.tst_info.message_imprint.message
        time = response.tst_info.gen_time
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"the token is no answer of a time authority (RFC 3161): {error}", "signature") from error
    if imprint not in _digests(note):
        raise IntegrityError("the token is over other bytes than this checkpoint's; it is another's", "digest")
    try:
        builder.build().verify_message(response, note)
    except (VerificationError, ValueError) as error:
        told = " ".join(str(error).split(": ErrorStack")[0].split())[:200]
        raise IntegrityError(f"the token does not hold under these root certificates: {told}", "signature") from error
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def check_stamp_in(log: Log, which: int | str, roots: Sequence[bytes]) -> tuple[int, datetime]:
    """Check a token in a log: that it holds, and that its checkpoint is this log's.

    Returns:
        Entries that were there, and when.

    Raises:
        RecordError: the entry is not of kind ``time``.
        InputError: as `check_stamp`.
        IntegrityError: as `check_stamp`; ``fork`` for a checkpoint that is not of this log.
    """
    entry = log.entry(which)
    if entry.statement.kind != "time":
        raise RecordError(
            f"entry {entry.number} is of kind {entry.statement.kind!r}, and has no token; name one of time"
        )
    predicate = entry.statement.predicate
    note = _members(predicate)[0].decode("utf-8")
    size = read_checkpoint(note).checkpoint.size
    head = check_checkpoint(note, NoteKey(log.origin, log.trust().signing_at(size)), log.origin)
    if size > entry.number:
        raise IntegrityError(
            f"entry {entry.number}: its checkpoint is of {size} entries, after it", "order", entry.number
        )
    if head.root != read_checkpoint(log.checkpoint(size)).checkpoint.root:
        told = f"entry {entry.number}: the stamped checkpoint of {size} entries is not this log's"
        raise IntegrityError(told, "fork", entry.number)
    return size, check_stamp(predicate, roots)


def _run(command: Sequence[str], content: bytes, seconds: float) -> bytes:
    name = command[0][:80]
    try:
        done = subprocess.run([*command], input=content, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise RecordError(f"{name} took more than {seconds:g} s; nothing was written") from error
    except (OSError, ValueError) as error:
        raise RecordError(f"{name} cannot be started: {getattr(error, 'strerror', None) or error}") from error
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[-200:]
        raise RecordError(f"{name} failed with status {done.returncode}: {said or 'it says nothing'}")
    if not 0 < len(done.stdout) <= MOST:
        told = f"{len(done.stdout)} bytes" if done.stdout else "nothing"
        raise RecordError(f"{name} printed {told}; a token of 1 to {MOST} bytes is wanted")
    return done.stdout


def _members(predicate: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The stamped bytes and the token."""
    head, token = predicate.get("checkpoint"), predicate.get("token")
    note = head.get("note") if isinstance(head, Mapping) else None
    if not isinstance(head, Mapping) or not isinstance(note, str) or not isinstance(token, str):
        raise IntegrityError("the entry does not hold a checkpoint and a token; it was altered", "format")
    try:
        content = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError) as error:
        raise IntegrityError("the token is not base64; it was altered", "format") from error
    told = read_checkpoint(note).checkpoint
    if (head.get("size"), head.get("root")) != (told.size, f"sha256:{told.root.hex()}"):
        raise IntegrityError("size and root are not those of the stamped checkpoint; the entry was altered", "format")
    return note.encode("utf-8"), content


def _digests(content: bytes) -> set[bytes]:
    import hashlib

    return {hashlib.new(name, content).digest() for name in ("sha256", "sha384", "sha512")}


def _certificate(content: bytes) -> Any:
    from cryptography import x509

    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise InputError(f"a root certificate cannot be read: {error}; give PEM or DER") from error
