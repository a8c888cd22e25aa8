"""Checkpoints: signed tree heads as C2SP signed notes, with the cosignatures of witnesses.

A checkpoint says how many entries a log has and what the root of their tree is, signed by the log, and perhaps by
witnesses who have seen that it only grew. The texts are those of c2sp.org/signed-note, c2sp.org/tlog-checkpoint and
c2sp.org/tlog-cosignature (its Ed25519 form, cosignature/v1), so that others' tools read them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import ContractError, InputError, IntegrityError
from .lines import from_base64, from_decimal, is_line, is_name, shown, to_base64
from .merkle import EMPTY, HASH_BYTES, MAX_SIZE
from .note_key import ID_BYTES, NoteKey

__all__ = [
    "MAX_NOTE",
    "MAX_SIGNATURES",
    "Checkpoint",
    "NoteKey",
    "SignedCheckpoint",
    "check_checkpoint",
    "check_cosignature",
    "cosign",
    "read_checkpoint",
    "sign_checkpoint",
]

MAX_NOTE = 64 * 1024
"""Bytes of a note, the most that is read."""

MAX_SIGNATURES = 64
"""Signatures under a note, the most that are read."""

_SIGNATURE_BYTES, _TIME_BYTES = 64, 8
_DASH = "— "

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Checkpoint:
    """What a log states of its tree (tlog-checkpoint).

    Attributes:
        origin: which log it is, one line.
        size: entries in the log.
        root: root hash of their tree, 32 bytes.
        extensions: further lines, without meaning here.

    Raises:
        InputError: what a checkpoint cannot hold.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or not is_line(line):
                raise InputError(f"{shown(line)} cannot be a line of a checkpoint: empty, or with control characters")
        if not 0 <= self.size <= MAX_SIZE:
            raise InputError(f"a checkpoint of {self.size} entries cannot be; sizes go from 0 to {MAX_SIZE}")
        if len(self.root) != HASH_BYTES:
            raise InputError(f"the root of a checkpoint has {len(self.root)} bytes, not {HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY:
            raise InputError(f"a checkpoint of no entries has the root {self.root.hex()}, not that of the empty tree")

    def body(self) -> bytes:
        """What is signed: origin, size and root, and the extensions, each on a line."""
        return "".join(f"{x}\n" for x in (self.origin, self.size, to_base64(self.root), *self.extensions)).encode()


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint as it was read, with signatures that are not checked yet.

    Attributes:
        checkpoint: what is stated.
        signatures: (name of the key, key id and signature), as they stand.
    """

    checkpoint: Checkpoint
    signatures: tuple[tuple[str, bytes], ...]

    def text(self) -> str:
        """Write the note, byte for byte as it was read."""
        lines = [f"{_DASH}{name} {to_base64(content)}\n" for name, content in self.signatures]
        return f"{self.checkpoint.body().decode()}\n{''.join(lines)}"

    def by(self, key: NoteKey) -> list[bytes]:
        """What stands signed in the name of a key, unchecked: signatures without the key id."""
        return [content[ID_BYTES:] for name, content in self.signatures if _same(name, content, key)]


def sign_checkpoint(checkpoint: Checkpoint, name: str, sign: Sign, public: bytes) -> str:
    """Sign a checkpoint with the log's key.

    Args:
        checkpoint: what is stated.
        name: of the key; by custom, the log's origin.
        sign: makes the Ed25519 signature of a message, 64 bytes.
        public: the key's public half, 32 bytes.

    Returns:
        The note's text.

    Raises:
        InputError: a name or key that cannot be.
        ContractError: `sign` returns something else than 64 bytes.
    """
    key = NoteKey(name, public)
    return SignedCheckpoint(checkpoint, ((name, key.key_id + _signed(checkpoint.body(), sign)),)).text()


def read_checkpoint(text: str) -> SignedCheckpoint:
    """Read a signed checkpoint strictly: what is read here writes itself back byte for byte. Nothing is verified.

    Raises:
        IntegrityError: malformed (cause ``checkpoint``), or larger than is read (cause ``size``).
    """
    if len(text) > MAX_NOTE or len(text.encode("utf-8", "surrogatepass")) > MAX_NOTE:
        raise IntegrityError(f"the checkpoint has more than {MAX_NOTE} bytes; it is not one of ours", "size")
    body, gap, lines = text.rpartition("\n\n")
    if not gap or not lines.endswith("\n") or not all(map(is_line, text.split("\n"))):
        raise _malformed("text, an empty line and signatures are wanted, in UTF-8 without control characters")
    names = lines[:-1].split("\n")
    if len(names) > MAX_SIGNATURES:
        raise IntegrityError(f"the checkpoint has {len(names)} signatures, more than {MAX_SIGNATURES}", "size")
    return SignedCheckpoint(_read_body(body.split("\n")), tuple(_read_signature(line) for line in names))


def check_checkpoint(text: str, key: NoteKey, origin: str | None = None) -> Checkpoint:
    """Read a checkpoint and check the log's signature under it; signatures of others are passed over (signed-note).

    Args:
        text: the note.
        key: of the log.
        origin: the log that it must be of; by default the one that the key is named after.

    Raises:
        IntegrityError: malformed or of another log (cause ``checkpoint``), not signed by this key (``key``), or the
            signature does not hold (``signature``).
        InputError: the key is a witness's.
    """
    _check_kind(key, "log")
    signed = read_checkpoint(text)
    found, wanted = signed.checkpoint, key.name if origin is None else origin
    _check_signature(found.body(), _only(signed, key), key)
    if found.origin != wanted:
        raise IntegrityError(f"the checkpoint is of log {shown(found.origin)}, not of {shown(wanted)}", "checkpoint")
    return found


def cosign(text: str, name: str, sign: Sign, public: bytes, when: int) -> str:
    """Add a witness's cosignature; one that this key gave before is replaced.

    A witness first checks the log's signature (`check_checkpoint`) and that the log grew from what was seen before
    (`veridical.agent.log.merkle.check_consistency`): this states that it did.

    Args:
        text: the log's note.
        name: of the witness.
        sign: makes the Ed25519 signature of a message, 64 bytes.
        public: the witness's public key, 32 bytes.
        when: the time, in whole seconds since 1970 (POSIX).

    Raises:
        IntegrityError: the note is malformed (cause ``checkpoint``) or too large (``size``).
        InputError: a name, key or time that cannot be.
        ContractError: `sign` returns something else than 64 bytes.
    """
    key = NoteKey(name, public, "witness")
    if not 0 <= when <= MAX_SIZE:
        raise InputError(f"a cosignature at {when} s cannot be; give seconds since 1970, up to 2^63 - 1")
    signed = read_checkpoint(text)
    others = tuple(pair for pair in signed.signatures if not _same(*pair, key))
    signature = _signed(_cosigned(signed.checkpoint, when), sign)
    line = (name, key.key_id + when.to_bytes(_TIME_BYTES, "big") + signature)
    found = SignedCheckpoint(signed.checkpoint, (*others, line)).text()
    read_checkpoint(found)  # what is too large to be read again is not handed out
    return found


def check_cosignature(text: str, witness: NoteKey) -> int:
    """Check a witness's cosignature under a checkpoint.

    Returns:
        When the witness saw it, in seconds since 1970 (POSIX).

    Raises:
        IntegrityError: the note is malformed (cause ``checkpoint``), not signed by this witness (``key``), or the
            signature does not hold (``signature``).
        InputError: the key is a log's.
    """
    _check_kind(witness, "witness")
    signed = read_checkpoint(text)
    content = _only(signed, witness)
    when = int.from_bytes(content[:_TIME_BYTES], "big")
    _check_signature(_cosigned(signed.checkpoint, when), content[_TIME_BYTES:], witness)
    if when > MAX_SIZE:
        raise IntegrityError(f"witness {witness.name} gives the time {when} s, beyond 2^63 - 1", "checkpoint")
    return when


def _read_body(lines: list[str]) -> Checkpoint:
    """Read what is signed: origin, size, root and extensions (tlog-checkpoint)."""
    if len(lines) < 3:
        raise _malformed(f"{len(lines)} lines where origin, size and root are wanted")
    size = from_decimal(lines[1], "the size in the checkpoint", "checkpoint")
    root = from_base64(lines[2], "the root in the checkpoint", "checkpoint")
    try:
        return Checkpoint(lines[0], size, root, tuple(lines[3:]))
    except InputError as error:
        raise _malformed(str(error)) from error


def _read_signature(line: str) -> tuple[str, bytes]:
    """Read one line: dash, name of the key, base64 of key id and signature (signed-note)."""
    name, gap, content = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not gap or not is_name(name):
        raise _malformed(f"{shown(line)} is no signature: a dash, a name and base64 are wanted")
    found = from_base64(content, f"the signature of {shown(name)} under the checkpoint", "checkpoint")
    if len(found) <= ID_BYTES:
        raise _malformed(f"the signature of {shown(name)} has {len(found)} bytes, too few for any")
    return name, found


def _only(signed: SignedCheckpoint, key: NoteKey) -> bytes:
    """The one signature that stands in the name of a key."""
    found = signed.by(key)
    if not found:
        names = ", ".join(sorted({shown(name) for name, _ in signed.signatures})[:4])
        what = f"the checkpoint is not signed by key {key.name} with the id {key.key_id.hex()}, but by {names}"
        raise IntegrityError(what, "key")
    if len(found) > 1:
        raise _malformed(f"key {key.name} stands under it {len(found)} times, where once is wanted")
    return found[0]


def _same(name: str, content: bytes, key: NoteKey) -> bool:
    """Whether a signature stands in the name of a key: by name and key id, as signed-note asks."""
    return name == key.name and content[:ID_BYTES] == key.key_id


def _cosigned(checkpoint: Checkpoint, when: int) -> bytes:
    """What a witness signs: a header that no checkpoint begins with, the time, and the body (tlog-cosignature)."""
    return b"cosignature/v1\ntime %d\n" % when + checkpoint.body()


def _signed(message: bytes, sign: Sign) -> bytes:
    """Sign, and see that it is an Ed25519 signature by its length."""
    signature = sign(message)
    if len(signature) != _SIGNATURE_BYTES:
        raise ContractError(f"the signer gave {len(signature)} bytes; an Ed25519 signature has {_SIGNATURE_BYTES}")
    return signature


def _check_signature(message: bytes, signature: bytes, key: NoteKey) -> None:
    """Verify an Ed25519 signature (RFC 8032)."""
    # Here, for notes are also read where cryptography is not installed.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        what = f"the signature of {key.name} ({key.key_id.hex()}) under the checkpoint does not hold; it was altered"
        raise IntegrityError(what, "signature") from error


def _check_kind(key: NoteKey, kind: str) -> None:
    """Refuse a key of the other kind, which a caller took by mistake."""
    if key.kind != kind:
        raise InputError(f"key {key.name} is a {key.kind}'s, where a {kind}'s is wanted; give the right verifier key")


def _malformed(what: str) -> IntegrityError:
    """The error of every text that is no checkpoint."""
    return IntegrityError(f"the checkpoint is malformed: {what}; it was cut short or altered", "checkpoint")
