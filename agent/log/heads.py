"""Signed tree heads held against the tree: those of the log, those seen elsewhere, those that witnesses cosigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, RecordError
from .lines import is_name
from .note import NoteKey, check_checkpoint, check_cosignature, read_checkpoint

if TYPE_CHECKING:
    from .raw import RawStore
    from .walk import Walk

__all__ = ["check_heads", "wanted_sizes"]


def wanted_sizes(walk: Walk, store: RawStore) -> set[int]:
    """Sizes at which the tree's root is to be known."""
    sizes = {size for size in store.sizes() if isinstance(size, int)}
    for text in (*walk.expected.checkpoints, _seen(walk)):
        try:
            sizes.add(read_checkpoint(text).checkpoint.size if text else 0)
        except RecordError:
            continue  # told where it is checked
    return sizes


def check_heads(walk: Walk, store: RawStore) -> None:
    """Check every tree head that there is, and that one covers the whole log."""
    number, last = walk.found.entries, 0
    for size, note in store.heads():
        walk.found.checkpoints += 1
        _head(walk, note, f"the checkpoint of size {size!r:.40}", size)
        last = max(last, size) if isinstance(size, int) else last
    if last < number:
        some = f"entries {last} to {number - 1} are" if number > last + 1 else f"entry {last} is"
        told = f"{some} under no signed checkpoint: appended by other means, or a checkpoint is gone"
        walk.add("checkpoint", told, last)
    seen = _seen(walk, tell=True)
    if seen:
        _head(walk, seen, "the checkpoint that this machine has seen", own=False)
    for index, text in enumerate(walk.expected.checkpoints, 1):
        _head(walk, text, f"the checkpoint given ({index})", own=False)
    _witnesses(walk, store)
    _expected_key(walk)


def _seen(walk: Walk, *, tell: bool = False) -> str:
    """The tree head that the home remembers; empty where there is none."""
    try:
        return walk.log.seen.read() or ""
    except RecordError as error:
        if tell:
            walk.add(getattr(error, "cause", "checkpoint"), f"the checkpoint that this machine has seen: {error}")
        return ""


def _key_at(walk: Walk, size: int) -> NoteKey:
    """The key that signs the tree head of a size."""
    if walk.trust is None:
        raise IntegrityError("no key can be read from the log, for entry 0 cannot", "key")
    if not isinstance(walk.origin, str) or not is_name(walk.origin):
        raise IntegrityError(f"the log's origin is {walk.origin!r:.80}, which is none; it was altered", "index")
    return NoteKey(walk.origin, walk.trust.signing_at(size), "log")


def _head(walk: Walk, note: Any, where: str, size: Any = None, *, own: bool = True) -> None:
    """Hold one tree head against the tree; ``own`` ones are the log's, others remember what it was."""
    number = walk.found.entries
    try:
        if not isinstance(note, str):
            raise IntegrityError(f"it is a {type(note).__name__}, not text", "checkpoint")
        told = read_checkpoint(note).checkpoint
        head = check_checkpoint(note, _key_at(walk, told.size), walk.origin)
    except RecordError as error:
        walk.add(getattr(error, "cause", "checkpoint"), f"{where}: {error}")
        return
    if size is not None and head.size != size:
        walk.add("checkpoint", f"{where} is one of size {head.size}")
    elif head.size > number:
        walk.add("rollback", f"{where} was signed over {head.size} entries, and {number} are there", number)
    elif walk.roots.get(head.size) != head.root:
        if walk.broken is not None or walk.spoilt:
            return  # why hashes differ was told
        why = "an entry was replaced, added or dropped" if own else "the same key has signed another log"
        told = f"{where}: its root is not that of the first {head.size} entries: {why}"
        walk.add("checkpoint" if own else "fork", told)
    elif own:
        walk.found.size, walk.found.root = head.size, head.root.hex()


def _witnesses(walk: Walk, store: RawStore) -> None:
    """Check what witnesses cosigned, and whether enough of them did."""
    counted: dict[int, set[bytes]] = {}
    for size, name, note in store.cosigned():
        where = f"the checkpoint of size {size!r:.40} that {name!r:.80} cosigned"
        _head(walk, note, where, size, own=False)
        if isinstance(note, str) and f"\n— {name} " not in note:
            walk.add("index", f"{where}: nobody of that name stands under it")
        known = [witness for witness in walk.expected.witnesses if witness.name == name]
        if not known:
            walk.found.notes.append(
                f"{where}: the witness's key was not given, so that its cosignature is not checked."
            )
        for witness in known:
            try:
                check_cosignature(note, witness)
            except RecordError as error:
                walk.add(getattr(error, "cause", "signature"), f"{where}: {error}")
                continue
            counted.setdefault(size, set()).add(witness.public)
            walk.found.witnessed += 1
    most = max(map(len, counted.values()), default=0)
    if most < walk.expected.quorum:
        told = f"{most} of the witnesses given have cosigned one checkpoint; {walk.expected.quorum} are asked for"
        walk.add("checkpoint", told)


def _expected_key(walk: Walk) -> None:
    """See that the key known from elsewhere is one of the log's."""
    key = walk.expected.key
    if key is None or walk.trust is None:
        return
    from .dsse import key_id_of

    held = {row["key_id"]: row for row in walk.trust.keys()}  # noqa: SIM118  # a method, no mapping
    row = held.get(key_id_of(key.public))
    if key.name != walk.origin:
        walk.add("key", f"the key given is of the log {key.name!r:.80}, this one is {walk.origin!r:.80}")
    elif row is None:
        walk.add("key", "the key given is none of this log's: it is another log, signed by somebody else")
    elif row["revoked"] is not None:
        walk.found.notes.append(f"The key given was revoked from entry {row['revoked']} on.")
