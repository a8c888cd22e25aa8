"""Operators' acts on a bank: concepts named, merged and vetoed, and each of these taken back, by whom, when and why.

Acts stand in ``acts.jsonl`` in the bank's folder, one line of canonical JSON (RFC 8785) each. Lines are only ever
added. Each holds the digest of the line before it and of itself, so that a byte altered, or a line taken out from the
middle, is found. Whoever rewrites the whole chain, or takes lines off its end, is not found by the file alone: that
takes a digest kept elsewhere (`Acted.digest`, in the record of each decision).

What an act does to a concept that was merged or vetoed is settled so:

- a concept that was merged into another is not acted on any more, but split off again (``split``);
- merging into a concept that was itself merged is merging into what it became; a circle is refused;
- nothing is merged into a vetoed concept, and no vetoed concept into another: ``allow`` it first;
- a veto holds for what was merged into the concept, too;
- of several namings the last holds, and ``unname`` gives the earned name back, if there was one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import rfc8785
from filelock import FileLock, Timeout

from ..errors import InputError
from .act import ACTS, FIRST, FORMAT, Act, check_index
from .bank import ConceptBank, ConceptName

__all__ = ["FILE", "Act", "Acted", "append_act", "apply_acts", "read_acts"]

FILE = "acts.jsonl"
"""Name of the file in a bank's folder."""

_WAIT = 10.0


@dataclass(frozen=True, eq=False)
class Acted:
    """A bank after the operators' acts.

    Attributes:
        bank: with the names that operators gave (source ``operator``, score 1, margin 1); a merged concept has the
            name of the one that it went into.
        merges: for each merged concept the one that it is part of now, chains followed to their end.
        vetoed: concepts that were vetoed, and those merged into them.
        digest: SHA-256 of the digests of all acts that were applied, in order.
    """

    bank: ConceptBank
    merges: Mapping[int, int]
    vetoed: frozenset[int]
    digest: str


@dataclass
class _Held:
    """What holds in one sense after some acts."""

    names: dict[int, str] = field(default_factory=dict)
    into: dict[int, int] = field(default_factory=dict)
    vetoed: set[int] = field(default_factory=set)

    def root(self, concept: int) -> int:
        while concept in self.into:
            concept = self.into[concept]
        return concept

    def take(self, act: Act) -> None:
        """Do one act.

        Raises:
            InputError: it makes no sense after those before it.
        """
        k = act.concept
        if k in self.into and act.act != "split":
            raise InputError(
                f"acts: {act.sense} concept {k} was merged into {self.into[k]}, so it cannot be acted on by "
                f"{act.act!r}; act on that one, or split {k} off first"
            )
        missing = {"unname": k not in self.names, "split": k not in self.into, "allow": k not in self.vetoed}
        if missing.get(act.act):
            undone = ACTS[ACTS.index(act.act) - 1]
            raise InputError(
                f"acts: {act.act!r} of {act.sense} concept {k}, on which no {undone!r} is in force; leave it"
            )
        if act.act == "name":
            self.names[k] = str(act.text)
        elif act.act == "unname":
            del self.names[k]
        elif act.act == "merge":
            self._merge(act)
        elif act.act == "split":
            del self.into[k]
        elif act.act == "veto":
            if k in self.vetoed:
                raise InputError(f"acts: {act.sense} concept {k} is vetoed already; leave it")
            self.vetoed.add(k)
        else:
            self.vetoed.remove(k)

    def _merge(self, act: Act) -> None:
        k, into = act.concept, self.root(int(act.into or 0))
        if into == k:
            raise InputError(
                f"acts: {act.sense} concept {k} would be merged into itself by way of {act.into}; name another"
            )
        for each in (k, into):
            if each in self.vetoed:
                raise InputError(
                    f"acts: {act.sense} concept {each} is vetoed and takes no part in a merge of {k} into {act.into}; "
                    "allow it first"
                )
        # As it was said, not where it leads: so that what is split off later takes its own with it.
        self.into[k] = int(act.into or 0)


def read_acts(folder: str | Path, bank: ConceptBank | None = None) -> tuple[Act, ...]:
    """Read the acts of a folder and check their chain.

    Args:
        folder: the bank's; without ``acts.jsonl`` there are no acts.
        bank: where given, only the acts on its sense are returned, and all of them must be on it, or on a bank that
            it grew from (``made["parent"]`` and ``made["ancestors"]``).

    Raises:
        InputError: a line was altered or cut off, one is missing in between, or is on another bank.
    """
    path = Path(folder) / FILE
    if not Path(folder).is_dir():
        raise InputError(f"acts: no folder {folder}; give the folder of a concept bank")
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise InputError(f"acts: {path} cannot be read: {error.strerror}; look at its rights") from error
    *lines, rest = content.split(b"\n")
    if rest:
        raise InputError(
            f"acts: {path}, line {len(lines) + 1}: cut off; copy the file again, or remove what is left of that line"
        )
    acts: list[Act] = []
    for number, line in enumerate(lines, 1):
        acts.append(_parse(line, f"{path}, line {number}", acts[-1].digest if acts else FIRST))
    if bank is None:
        return tuple(acts)
    for number, act in enumerate(acts, 1):
        _check_bank(act, bank, f"{path}, line {number}")
    return tuple(act for act in acts if act.sense == bank.sense)


def append_act(folder: str | Path, act: Act) -> Act:
    """Add an act to a folder's file, which is made; on disk when this returns.

    Safe to call from several processes at once. An act that makes no sense after those before it is not written.

    Returns:
        The act as written, with ``previous``.

    Raises:
        InputError: no such folder, it cannot be written, its acts were altered, or the act makes no sense after them.
    """
    path = Path(folder) / FILE
    if not path.parent.is_dir():
        raise InputError(f"acts: no folder {folder}; give the folder of a concept bank")
    try:
        with FileLock(path.with_name(f".{FILE}.lock"), timeout=_WAIT):
            before = read_acts(folder)
            held = _Held()
            for each in (*before, act):
                if each.sense == act.sense:
                    held.take(each)
            written = replace(act, previous=before[-1].digest if before else FIRST)
            fresh = not path.exists()
            with path.open("ab") as file:
                file.write(written.line + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if fresh:
                _sync(path.parent)
    except Timeout:
        raise InputError(f"acts: {path} is held by another process for {_WAIT:g} s; try again") from None
    except OSError as error:
        raise InputError(f"acts: {path} cannot be written: {error.strerror}; look at the folder's rights") from error
    return written


def apply_acts(bank: ConceptBank, acts: Iterable[Act]) -> Acted:
    """Return what a bank is after acts, in their order; acts on other senses are passed over.

    Raises:
        InputError: an act on another bank or on no concept of this one, or one that makes no sense after those before.
    """
    held, total = _Held(), sha256()
    for number, act in enumerate((a for a in acts if a.sense == bank.sense), 1):
        _check_bank(act, bank, f"act {number} on {bank.sense}")
        check_index(act, bank)
        held.take(act)
        total.update(act.digest.encode())
    given = [
        ConceptName(held.names[k], "operator", 1.0, 1.0) if k in held.names else n for k, n in enumerate(bank.names)
    ]
    roots = [held.root(k) for k in range(len(bank))]
    return Acted(
        bank.named(tuple(given[root] for root in roots)),
        {k: root for k, root in enumerate(roots) if root != k},
        frozenset(k for k, root in enumerate(roots) if root in held.vetoed),
        f"sha256:{total.hexdigest()}",
    )


def _check_bank(act: Act, bank: ConceptBank, where: str) -> None:
    ancestors = bank.made.get("ancestors")
    known = [bank.digest, bank.made.get("parent"), *(ancestors if isinstance(ancestors, list | tuple) else ())]
    if act.sense == bank.sense and act.bank not in known:
        raise InputError(
            f"acts: {where} is on the bank {act.bank}, this one is {bank.digest}; move {FILE} to the bank that it is on"
        )


def _parse(line: bytes, where: str, previous: str) -> Act:
    wrong = f"acts: {where}: altered"
    try:
        told = json.loads(line)
        canonical = rfc8785.dumps(told)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise InputError(f"{wrong}, not JSON any more; copy the file again") from error
    if canonical != line or not isinstance(told, dict):
        raise InputError(f"{wrong}, not a canonical JSON object; copy the file again")
    if told.pop("format", None) != FORMAT:
        raise InputError(f"{wrong}, or of another format than {FORMAT!r}; read it with the version that wrote it")
    digest = told.pop("digest", None)
    try:
        act = Act(**told)
    except TypeError as error:
        raise InputError(f"{wrong}, fields {sorted(told)}; copy the file again") from error
    except InputError as error:
        raise InputError(f"{wrong}: {error}") from error
    if act.digest != digest:
        raise InputError(f"{wrong}, its digest is {act.digest}, it says {digest}; copy the file again")
    if act.previous != previous:
        raise InputError(
            f"acts: {where}: follows {act.previous}, the line before is {previous}; one was taken out or put in"
        )
    return act


def _sync(folder: Path) -> None:
    """Have a new file's entry in its folder on disk, too, where the system knows how."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
