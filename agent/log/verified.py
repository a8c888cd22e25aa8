"""What verifying a log begins with and comes to: what is expected, the problems found, and what was counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from .note import NoteKey

if TYPE_CHECKING:
    from .statement import Statement

__all__ = ["Absent", "Contents", "Expected", "Holder", "Problem", "Verification"]


@runtime_checkable
class Holder(Protocol):
    """What holds the blobs that entries name, and perhaps keys of subjects: a log, or a bundle."""

    @property
    def blobs(self) -> Any:
        """Has ``get(digest) -> bytes``."""
        ...

    @property
    def subjects(self) -> Any:
        """Has ``find(pseudonym) -> Subject | None``."""
        ...


@dataclass(frozen=True)
class Problem:
    """Something that does not hold.

    Attributes:
        cause: a word of `CAUSES`.
        told: what was found, where, and what it means.
        entry: number of the entry; None where it is not one entry's.
        id: of that entry, where it can still be read.
    """

    cause: str
    told: str
    entry: int | None = None
    id: str | None = None

    @property
    def turn(self) -> tuple[int, int]:
        """By what problems are sorted: a database that is damaged as such, for all else follows; then by entry."""
        if self.entry is None:
            return (0 if self.cause == "database" else 2), 0
        return 1, self.entry


@dataclass(frozen=True)
class Absent:
    """A blob that an entry names and that is not there; a problem unless a retention entry says that it was dropped."""

    digest: str
    problem: Problem


@dataclass(frozen=True)
class Expected:
    """What whoever verifies knows from elsewhere.

    Attributes:
        key: the log's key, as its operator published it; without it the key in entry 0 is believed.
        checkpoints: signed tree heads seen earlier; the log must still hold them.
        witnesses: keys of witnesses whose cosignatures count.
        quorum: how many of them must have cosigned the last checkpoint that any of them did.
    """

    key: NoteKey | None = None
    checkpoints: Sequence[str] = ()
    witnesses: Sequence[NoteKey] = ()
    quorum: int = 0


@dataclass
class Verification:
    """What came of it.

    Attributes:
        entries: how many were read.
        kinds: how many of each kind.
        blobs: blobs held against their digest.
        opened: sealed parts that were opened with a key of this home and held against their commitment.
        sealed: sealed parts whose key is not here: erased, or kept elsewhere.
        dropped: blobs absent because a retention entry says so.
        checkpoints: signed tree heads checked.
        witnessed: cosignatures checked.
        size: entries under the last good checkpoint.
        root: of the tree, hexadecimal.
        key: the log's verifier key.
        keys: keys of the log, see `Trust.keys`.
        notes: what is no fault but worth knowing.
        problems: what does not hold, in the order of the entries.
    """

    entries: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    blobs: int = 0
    opened: int = 0
    sealed: int = 0
    dropped: int = 0
    checkpoints: int = 0
    witnessed: int = 0
    size: int = 0
    root: str = ""
    key: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems

    @property
    def first(self) -> Problem | None:
        """The problem of the first bad entry; None where everything holds."""
        return self.problems[0] if self.problems else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"ok": self.ok, **asdict(self)}


Contents = Callable[["Statement", int, Holder, Callable[[str], Any]], Iterator[Problem | Absent]]
"""Checks what an entry refers to: called with its statement, its number, what holds the blobs, and what counts."""
