"""Proofs that stand alone: one text that shows, offline, that an entry is in a log (c2sp.org/tlog-proof).

The text holds the entry's number, the hashes from its leaf to the root, and the checkpoint with that root. With the
entry and the log's public key, nothing else is needed to check it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InputError, IntegrityError
from .lines import from_base64, from_decimal, shown, to_base64
from .merkle import HASH_BYTES, MAX_PATH, MAX_SIZE, check_inclusion
from .note import MAX_NOTE, Checkpoint, NoteKey, check_checkpoint, check_cosignature, read_checkpoint

__all__ = ["MAX_EXTRA", "MAX_PROOF", "LogProof", "check_proof", "read_proof"]

MAX_PROOF = 2 * MAX_NOTE
"""Bytes of a proof, the most that is read."""

MAX_EXTRA = MAX_NOTE // 2
"""Bytes of extra data, the most that a proof carries."""

_HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA, _INDEX = "extra ", "index "


@dataclass(frozen=True)
class LogProof:
    """A proof of one entry.

    Attributes:
        number: of the entry, from 0.
        path: hashes beside the way from the leaf to the root, as `veridical.agent.log.merkle.inclusion_path` gives.
        checkpoint: the signed checkpoint's text.
        extra: whatever else is wanted beside it; nothing signs it, and it must not be trusted.

    Raises:
        InputError: a number or hash that cannot be, too many hashes, or too much extra data.
    """

    number: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_SIZE:
            raise InputError(f"entry {self.number} cannot be; numbers go from 0 to {MAX_SIZE}")
        if len(self.path) > MAX_PATH or any(len(beside) != HASH_BYTES for beside in self.path):
            raise InputError(f"a proof holds up to {MAX_PATH} hashes of {HASH_BYTES} bytes each; these are not")
        if len(self.extra) > MAX_EXTRA:
            raise InputError(f"{len(self.extra)} bytes are too many beside a proof; at most {MAX_EXTRA} are read")

    def text(self) -> str:
        """Write the proof; by custom, it lies in a file that ends in ``.tlog-proof``."""
        extra = [_EXTRA + to_base64(self.extra)] if self.extra else []
        lines = [_HEADER, *extra, f"{_INDEX}{self.number}", *map(to_base64, self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint


def read_proof(text: str) -> LogProof:
    """Read a proof strictly: what is read here writes itself back byte for byte. Nothing is verified.

    Raises:
        IntegrityError: another format or version (cause ``format``), a malformed number or hash (``tree``), a malformed
            checkpoint (``checkpoint``), or more than is read (``size``).
    """
    if len(text) > MAX_PROOF or len(text.encode("utf-8", "surrogatepass")) > MAX_PROOF:
        raise IntegrityError(f"the proof has more than {MAX_PROOF} bytes; it is not one of ours", "size")
    head, gap, checkpoint = text.partition("\n\n")
    header, *lines = head.split("\n")
    if header != _HEADER:
        raise IntegrityError(f"the proof begins with {shown(header)}; {_HEADER} alone is read", "format")
    extra = b""
    if lines and lines[0].startswith(_EXTRA):
        extra = from_base64(lines.pop(0).removeprefix(_EXTRA), "the extra line of the proof", "tree")
        if not extra:
            raise IntegrityError("the proof has an extra line without data, which is not written; altered", "tree")
    if not gap or not lines or not lines[0].startswith(_INDEX):
        raise IntegrityError("the proof lacks its number or its checkpoint; it was cut short or altered", "tree")
    number = from_decimal(lines[0].removeprefix(_INDEX), "the number in the proof", "tree")
    if len(lines) - 1 > MAX_PATH:
        raise IntegrityError(f"the proof has {len(lines) - 1} hashes, more than any tree needs; it was altered", "tree")
    path = tuple(from_base64(line, "a hash of the proof", "tree") for line in lines[1:])
    read_checkpoint(checkpoint)
    try:
        return LogProof(number, path, checkpoint, extra)
    except InputError as error:
        raise IntegrityError(f"the proof is malformed: {error}; it was altered", "tree") from error


def check_proof(
    proof: LogProof,
    leaf: bytes,
    key: NoteKey,
    witnesses: Sequence[NoteKey] = (),
    quorum: int = 0,
    origin: str | None = None,
) -> Checkpoint:
    """Check that an entry is in a log, by the steps of tlog-proof.

    Args:
        proof: what was read.
        leaf: hash of the entry, computed from its bytes (`veridical.agent.log.merkle.leaf_hash`).
        key: of the log.
        witnesses: keys of known witnesses; whatever stands in their names must hold.
        quorum: how many of them must have signed. Keys are counted, not names: a witness under two names is one.
        origin: the log that it must be of; by default the one that the key is named after.

    Returns:
        The checkpoint that the log, and the witnesses, have signed.

    Raises:
        IntegrityError: it is not proven. Causes: ``checkpoint``, ``key`` (not signed by the log, or by too few
            witnesses), ``signature``, ``tree``.
        InputError: a quorum that these witnesses cannot reach, or the log's own key among them.
    """
    known = {witness.public for witness in witnesses}
    if not 0 <= quorum <= len(known):
        raise InputError(f"{quorum} of {len(known)} witnesses cannot be asked for; give their keys, or a lower quorum")
    if key.public in known:
        raise InputError(f"the key of the log, {key.name}, is among its witnesses; nobody witnesses himself")
    checkpoint = check_checkpoint(proof.checkpoint, key, origin)
    signed = read_checkpoint(proof.checkpoint)
    present = [witness for witness in witnesses if signed.by(witness)]
    for witness in present:
        check_cosignature(proof.checkpoint, witness)
    if len({witness.public for witness in present}) < quorum:
        names = ", ".join(witness.name for witness in present) or "none"
        raise IntegrityError(f"{quorum} witnesses must have signed the checkpoint, and {names} did", "key")
    check_inclusion(leaf, proof.number, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint
