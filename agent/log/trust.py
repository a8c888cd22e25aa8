"""Who may sign what: a log's keys, as the log itself brings them in, replaces and revokes them.

Rules. Entry 0 (kind "opened") is signed by the key that it names. A key comes in with "rotated", signed by the key that
it replaces and by itself, or with "added", signed by a key that stands and by itself. "revoked" is signed by a key that
stands and is another; from its ``from_entry`` on, the revoked key's signatures count no more. Every signature on an
envelope must be by a key that stands, and hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import IntegrityError, RecordError
from .dsse import (
    PAYLOAD_TYPE,
    Envelope,
    check_public,
    check_signature,
    from_base64,
    key_id_of,
    to_base64,
)
from .statement import Statement, read_statement

__all__ = ["LOG_FORMAT", "Trust", "key_member"]

LOG_FORMAT = "veridical.log/1"
"""What entry 0 says of the log's form."""

_ACTS = ("rotated", "revoked", "added")


@dataclass
class _Key:
    """One key: where it came from, and until when it counts."""

    public: bytes
    act: str
    since: int
    by: tuple[str, ...] = ()
    revoked: int | None = None  # the first entry at which its signature counts no more
    revoked_at: int | None = None  # the entry that said so first, which it may sign beside another
    runs: list[list[int]] = field(default_factory=list)  # [first, last] entries that it was seen to sign


def key_member(public: bytes) -> dict[str, str]:
    """Return what a predicate's ``key`` says of a public key: ``key_id``, and ``public`` in base64."""
    return {"key_id": key_id_of(public), "public": to_base64(public)}


class Trust:
    """The keys of one log, learnt entry by entry.

    A verifier calls `check` and then `learn` for each entry in turn, and at the end asks `late` for the entries that
    were signed by a key of which a later entry says that it no longer counted. Where the entries of kind "keys" are
    learnt beforehand, `check` finds these itself.
    """

    def __init__(self, public: bytes) -> None:
        check_public(public, "the log's first key", 0)
        first = key_id_of(public)
        self._keys = {first: _Key(public, "opened", 0)}
        self._holders = [(0, first)]  # who signs checkpoints, from which entry on
        self._learnt: list[int] = []

    @classmethod
    def start(cls, public: bytes) -> Trust:
        """Begin with the raw public key that opened the log: pinned by the reader, or what entry 0 says.

        Raises:
            IntegrityError: ``key`` for bytes that are no sound Ed25519 key.
        """
        return cls(public)

    def check(self, envelope: Envelope, entry: int, where: str) -> None:
        """See that every signature of an entry is by a key that may sign it, and holds.

        An entry that brings a key in is signed by that key too; it is taken from the entry once a known key's
        signature holds.

        Raises:
            IntegrityError: ``algorithm`` for a key id of another algorithm; ``key`` for an unknown key; ``revoked``;
                ``signature``; ``format`` for a payload that is no in-toto statement.
        """
        if envelope.payload_type != PAYLOAD_TYPE:
            told = f"{where} holds a payload of type {envelope.payload_type!r:.60}, and {PAYLOAD_TYPE!r} is read"
            raise IntegrityError(f"{told}; a newer veridical may be needed", "format", entry)
        signers = [key_id for key_id, _ in envelope.signatures]
        for key_id in signers:
            _check_algorithm(key_id, where, entry)
        known = [key_id for key_id in signers if self._is_in(key_id, entry)]
        for key_id in known:
            self._check_standing(key_id, entry, where)
            check_signature(envelope, key_id, self._keys[key_id].public, where, entry)
        for key_id in signers:
            if key_id not in known:
                public = _newcomer(envelope, where, entry).get(key_id) if known else None
                if public is None:
                    told = f"{where} is signed by key {key_id}, which this log has not brought in"
                    raise IntegrityError(f"{told}; it was forged, or belongs to another log", "key", entry)
                check_signature(envelope, key_id, public, where, entry)
        for key_id in known:
            _remember(self._keys[key_id].runs, entry)

    def learn(self, statement: Statement, envelope: Envelope, entry: int) -> None:
        """Take in what an entry says of keys; an entry of another kind, or one learnt before, changes nothing.

        Args:
            statement: what the entry says.
            envelope: the entry's envelope; its signatures are checked here too.
            entry: the entry's number.

        Raises:
            IntegrityError: as `check`; ``key`` where a rule for keys is broken; ``format`` for an act or a log's form
                that this version does not know; ``order`` for "opened" elsewhere than at entry 0, and for entries
                learnt out of turn.
        """
        where = f"entry {entry}"
        if (statement.kind == "opened") != (entry == 0):
            told = f"{where} is of kind {statement.kind!r}; entry 0 opens the log, and no other does"
            raise IntegrityError(f"{told}; entries were dropped or moved", "order", entry)
        if statement.kind not in ("opened", "keys") or entry in self._learnt:
            return
        if self._learnt and entry < self._learnt[-1]:
            told = f"{where} comes after entry {self._learnt[-1]}; keys are learnt in the order of the log"
            raise IntegrityError(told, "order", entry)
        self.check(envelope, entry, where)
        if statement.kind == "opened":
            self._open(statement.predicate, where)
        else:
            self._change(statement.predicate, tuple(key_id for key_id, _ in envelope.signatures), entry)
        self._learnt.append(entry)

    def signing_at(self, entry: int) -> bytes:
        """Return the raw public key that signs the checkpoint of the log's first ``entry`` entries.

        It is the key that opened the log, then the one of the last entry before that size by which it was replaced:
        the checkpoint that covers a rotation is signed by the new key.
        """
        found = [key_id for since, key_id in self._holders if since < entry]
        return self._keys[found[-1] if found else self._holders[0][1]].public

    def keys(self) -> list[dict[str, Any]]:
        """Return the keys in the order in which they came, for showing.

        Each has ``key_id``, ``public`` (base64), ``act`` (opened, rotated or added), ``since`` (entry), ``by`` (ids of
        the keys that brought it in), ``revoked`` (the first entry at which it counts no more, or null), ``revoked_at``
        (the entry that says so, or null) and ``checkpoints`` (whether it signs them now).
        """
        holder = self._holders[-1][1]
        return [
            key_member(key.public)
            | {"act": key.act, "since": key.since, "by": list(key.by)}
            | {"revoked": key.revoked, "revoked_at": key.revoked_at, "checkpoints": key_id == holder}
            for key_id, key in self._keys.items()
        ]

    def late(self) -> list[tuple[int, str]]:
        """Return (entry, key id) of what was checked before the log said that the key did not count there, in order."""
        found = []
        for key_id, key in self._keys.items():
            if key.revoked is not None:
                spans = [range(max(first, key.revoked), last + 1) for first, last in key.runs]
                found += [(entry, key_id) for span in spans for entry in span if entry != key.revoked_at]
        return sorted(found)

    def _is_in(self, key_id: str, entry: int) -> bool:
        """Whether the log had brought a key in by an entry."""
        return key_id in self._keys and self._keys[key_id].since <= entry

    def _check_standing(self, key_id: str, entry: int, where: str) -> None:
        """See that a key's signature counts at an entry."""
        key = self._keys[key_id]
        if key.revoked is not None and entry >= key.revoked and entry != key.revoked_at:
            told = (
                f"{where} is signed by key {key_id}, which entry {key.revoked_at} revoked from entry {key.revoked} on"
            )
            raise IntegrityError(f"{told}; do not rely on it", "revoked", entry)

    def _open(self, said: Mapping[str, Any], where: str) -> None:
        """Take in entry 0."""
        if said.get("format") != LOG_FORMAT:
            told = f"{where} opens a log of the form {said.get('format')!r:.60}, and this version reads {LOG_FORMAT!r}"
            raise IntegrityError(f"{told}; a newer veridical may be needed", "format", 0)
        key_id, _ = _read_key(said.get("key"), where, 0)
        if key_id != self._holders[0][1]:
            told = f"{where} opens the log with key {key_id}, and {self._holders[0][1]} is trusted"
            raise IntegrityError(f"{told}; it is another log", "key", 0)

    def _change(self, said: Mapping[str, Any], signers: tuple[str, ...], entry: int) -> None:
        """Take in an entry of kind "keys"."""
        where, act = f"entry {entry}", said.get("act")
        if act not in _ACTS:
            told = f"{where} says {act!r:.40} of a key, and this version knows {', '.join(_ACTS)}"
            raise IntegrityError(f"{told}; a newer veridical may be needed", "format", entry)
        key_id, public = _read_key(said.get("key"), where, entry)
        if act == "revoked":
            self._revoke(key_id, said.get("from_entry"), signers, entry)
            return
        if key_id in self._keys:
            raise IntegrityError(f"{where} brings in key {key_id} a second time; make a new one", "key", entry)
        others = tuple(name for name in signers if name != key_id)
        if key_id not in signers or not others:
            told = f"{where} brings in key {key_id}, signed by {', '.join(signers)}"
            raise IntegrityError(f"{told}; the new key and one that stands must both sign it", "key", entry)
        replaced = said.get("replaced")
        if act == "rotated" and replaced not in others:
            told = f"{where} replaces key {replaced!r:.60} without its signature; the old key must sign its rotation"
            raise IntegrityError(told, "key", entry)
        self._keys[key_id] = _Key(public, str(act), entry, others, runs=[[entry, entry]])
        if act == "rotated" and replaced == self._holders[-1][1]:
            self._holders.append((entry, key_id))

    def _revoke(self, key_id: str, start: Any, signers: tuple[str, ...], entry: int) -> None:
        """Take in that a key's signatures count no more."""
        where, key = f"entry {entry}", self._keys.get(key_id)
        if key is None:
            told = f"{where} revokes key {key_id}, which this log has not brought in; revoke one of its own"
            raise IntegrityError(told, "key", entry)
        start = entry if start is None else start
        last = entry if key.revoked is None else min(entry, key.revoked - 1)  # a second time: only from earlier on
        if not isinstance(start, int) or isinstance(start, bool) or not key.since < start <= last:
            told = f"{where} revokes key {key_id} from entry {start!r:.40}, which must be {key.since + 1} to {last}"
            raise IntegrityError(
                f"{told}: after the key came in, at most this entry, and no later than before", "key", entry
            )
        others = [name for name in signers if name != key_id]
        if not others:
            told = f"{where}: key {key_id} alone signs that it is revoked"
            raise IntegrityError(f"{told}; rotate to a new key first, which signs it", "key", entry)
        firm = [name for name in others if not self._rests(name, key_id, start)]
        if not firm:
            told = f"{where} revokes key {key_id} from entry {start}, after which it brought in what signs this"
            raise IntegrityError(f"{told}: {', '.join(others)}; revoke it from a later entry", "key", entry)
        key.revoked = start
        key.revoked_at = entry if key.revoked_at is None else key.revoked_at
        if self._holders[-1][1] == key_id:
            self._holders.append((entry, firm[0]))

    def _rests(self, name: str, key_id: str, start: int) -> bool:
        """Whether a key came in by nothing but signatures that a revocation of ``key_id`` from ``start`` takes away."""
        key = self._keys[name]
        return bool(key.by) and all(
            (by == key_id and key.since >= start) or self._rests(by, key_id, start) for by in key.by
        )


def _check_algorithm(key_id: str, where: str, entry: int | None) -> None:
    """See that a key id names Ed25519."""
    if not key_id.startswith("ed25519:"):
        told = f"{where} names key {key_id!r:.60}; Ed25519 alone is read, and its keys are called ed25519:…"
        raise IntegrityError(
            f"{told}; it was altered to a weaker algorithm, or is another program's", "algorithm", entry
        )


def _read_key(member: Any, where: str, entry: int) -> tuple[str, bytes]:
    """Read what a predicate says of a key: its id and the raw public key, which must belong together."""
    key_id = member.get("key_id") if isinstance(member, dict) else None
    if not isinstance(member, dict) or not isinstance(key_id, str):
        raise IntegrityError(f"{where}: key is {member!r:.60}, not an object with key_id and public", "json", entry)
    _check_algorithm(key_id, where, entry)
    if member.get("algorithm", "ed25519") != "ed25519":
        told = f"{where}: key {key_id:.60} says algorithm {member['algorithm']!r:.40}; Ed25519 alone is read"
        raise IntegrityError(told, "algorithm", entry)
    public = from_base64(member.get("public"), f"{where}: public of key {key_id:.60}", entry)
    check_public(public, f"{where}: key {key_id:.60}", entry)
    if key_id != key_id_of(public):
        raise IntegrityError(f"{where} calls key {key_id_of(public)} {key_id:.60}; the id was forged", "key", entry)
    return key_id, public


def _newcomer(envelope: Envelope, where: str, entry: int) -> dict[str, bytes]:
    """Return the key that an entry itself brings in, by its id; empty where it brings in none."""
    try:
        statement = read_statement(envelope.payload, where, entry)
    except RecordError:  # whoever reads the entry says so; here, it brings in nothing
        return {}
    if statement.kind != "keys" or statement.predicate.get("act") not in ("rotated", "added"):
        return {}
    key_id, public = _read_key(statement.predicate.get("key"), where, entry)
    return {key_id: public}


def _remember(runs: list[list[int]], entry: int) -> None:
    """Add an entry to those that a key was seen to sign; entries in a row cost no more than one."""
    if runs and runs[-1][0] <= entry <= runs[-1][1] + 1:
        runs[-1][1] = max(runs[-1][1], entry)
    else:
        runs.append([entry, entry])
