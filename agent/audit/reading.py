"""One decision as a log holds it: its entry, its record as far as it is there, and what people did about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, RecordError

if TYPE_CHECKING:
    import numpy as np

    from ..log.log import Log
    from ..log.reading import Entry
    from ..log.statement import Statement
    from ..log.subjects import Subject

__all__ = ["Decision", "Stored", "acts_about", "read_decision"]


@dataclass(frozen=True)
class Stored:
    """How one array of a record is stored.

    Attributes:
        name: of the array.
        dims: sizes and names of its axes, such as ``3×224×224 frame, y, x``; empty for one that was left out.
        dtype: of the numbers.
        unit: of the values, as far as it is known.
        coding: how it is coded, with the loss.
        state: ``open``, ``sealed``, ``opened`` (sealed, and the key is here), ``erased``, ``dropped``, or why it was
            left out.
    """

    name: str
    dims: str
    dtype: str
    unit: str
    coding: str
    state: str


@dataclass(frozen=True)
class Decision:
    """A decision in a log.

    Attributes:
        log: open for reading.
        entry: its entry.
    """

    log: Log
    entry: Entry

    @property
    def statement(self) -> Statement:
        """What the entry says."""
        return self.entry.statement

    @property
    def predicate(self) -> Mapping[str, Any]:
        """What the log says of the decision."""
        return self.entry.statement.predicate

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"entry {self.entry.number}"

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """Its manifest; None where it was dropped, and a retention entry says so.

        Raises:
            IntegrityError: it is absent without a word, or not what the entry says.
        """
        from ..record.frame import read_manifest

        digest = self.predicate.get("manifest")
        if not isinstance(digest, str):
            raise IntegrityError(f"{self.where}: it names no manifest", "format", self.entry.number)
        try:
            content = self.log.blobs.get(digest)
        except IntegrityError as error:
            if error.cause == "missing" and digest in self.dropped:
                return None
            raise
        return read_manifest(content, f"the manifest of {self.where}")

    @cached_property
    def dropped(self) -> Mapping[str, int]:
        """Digests of its blobs that a retention entry dropped, and its number."""
        own = {self.predicate.get("manifest"), *_list(self.predicate.get("blobs"))}
        own |= {*_list(self.predicate.get("sealed"))}
        found: dict[str, int] = {}
        for number, statement in _of_kind(self.log, "retention"):
            found |= {d: number for d in _list(statement.predicate.get("dropped")) if d in own}
        return found

    @cached_property
    def erased(self) -> int | None:
        """Number of the entry that says that its subject was erased, None where there is none."""
        subject = self.predicate.get("subject")
        if not isinstance(subject, str):
            return None
        for kind in ("erasure", "retention"):
            for number, statement in _of_kind(self.log, kind):
                done = kind == "retention" or statement.predicate.get("act") == "carried out"
                if done and statement.predicate.get("subject") == subject:
                    return number
        return None

    @cached_property
    def _subject(self) -> Subject | None:
        subject = self.predicate.get("subject")
        return self.log.subjects.find(subject) if isinstance(subject, str) else None

    @property
    def key(self) -> bytes | None:
        """The key of its subject; None where it is not in this home."""
        return None if self._subject is None else self._subject.key

    @property
    def name(self) -> str | None:
        """The name of its subject; None where it has none, or it is not in this home."""
        return None if self._subject is None else self._subject.name

    @cached_property
    def result(self) -> dict[str, Any]:
        """The explanation, with the words that were cut out where the key is here.

        Raises:
            RecordError: its manifest was dropped, or a blob is absent or altered.
        """
        from ..record.manifest import read_result

        manifest = self.held()
        gone = (manifest["sealed"] or {}).get("texts", {}).get("blob") in self.dropped
        return read_result(manifest, self.log.blobs.get, None if gone else self.key)

    def held(self) -> dict[str, Any]:
        """Return the manifest, which must be there.

        Raises:
            RecordError: it was dropped.
        """
        if self.manifest is None:
            number = next(iter(self.dropped.values()))
            raise RecordError(
                f"{self.where}: the evidence was dropped, as entry {number} says (retention); what the entry itself "
                "says is all there is"
            )
        return self.manifest

    def arrays(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return arrays: the named ones, or all that can be read.

        Raises:
            RecordError: a named array that is not there, was left out, dropped or erased, or is sealed and its key is
                not here; a blob that is absent or altered.
        """
        from ..record.manifest import read_arrays

        manifest = self.held()
        states = {row.name: row.state for row in self.stored()}
        if names is None:
            wanted = [name for name, state in states.items() if state in ("open", _OPENED)]
        else:
            wanted = list(names)
            for name in wanted:
                if states.get(name) in ("sealed", "erased", "dropped"):
                    told = {"sealed": "sealed, and its subject's key is not in this home"}.get(states[name])
                    raise RecordError(f"array {name!r} of {self.where} is {told or states[name]}")
        return read_arrays(manifest, self.log.blobs.get, wanted, key=self.key)

    def stored(self) -> list[Stored]:
        """Return how each array is stored, by name; those that were left out last."""
        manifest = self.held()
        rows = [self._row(name, entry) for name, entry in sorted(manifest["arrays"].items())]
        left = [Stored(n, "", "", "", "", f"left out: {why}") for n, why in sorted(manifest["omitted"].items())]
        return rows + left

    def _row(self, name: str, entry: Mapping[str, Any]) -> Stored:
        part = entry.get("sealed")
        if (part or entry)["blob"] in self.dropped:
            state = "dropped"
        elif part is None:
            state = "open"
        elif self.key is not None:
            state = _OPENED
        else:
            state = "sealed" if self.erased is None else "erased"
        dims = f"{'×'.join(map(str, entry['shape']))} {', '.join(entry['dims'])}"
        return Stored(name, dims, str(entry["dtype"]), str(entry["unit"] or ""), _coding(entry), state)

    def missing(self) -> list[str]:
        """Say, in a sentence each, what of the record is sealed, erased, dropped or was left out."""
        if self.manifest is None:
            return [f"The evidence was dropped, as entry {next(iter(self.dropped.values()))} says (retention)."]
        rows = self.stored()
        words = ["quoted words"] if (self.manifest["sealed"] or {}).get("texts") else []
        told = []
        for state, said in (
            (_OPENED, "Sealed for the subject, and opened with the key in this home"),
            ("sealed", "Sealed for the subject, whose key is not in this home"),
            ("erased", f"Erased, as entry {self.erased} says"),
            ("dropped", "Dropped by retention"),
        ):
            names = [row.name for row in rows if row.state == state]
            if state == self._seal:
                names = [*words, *names]
            if names:
                told.append(f"{said}: {_some(names)}.")
        left = [row.name for row in rows if row.state.startswith("left out")]
        if left:
            told.append(f"Left out when it was written, for its size: {_some(left)}.")
        lossy = [row.name for row in rows if row.coding.startswith(("fp16", "int8", "sparse"))]
        if lossy:
            told.append(f"Stored at a loss: {_some(lossy)}.")
        return told

    @property
    def _seal(self) -> str:
        """How it stands with what is sealed."""
        if self.key is not None:
            return _OPENED
        return "sealed" if self.erased is None else "erased"

    def gone(self) -> list[str]:
        """Return what was erased or dropped since, in words that a layman knows."""
        if self.manifest is None or self._seal != "erased":
            return []
        named = {"vision.frames": "the pictures", "audio.waveform": "the sound", "quoted words": "the words"}
        names = [row.name for row in self.stored() if row.state == "erased"]
        names += ["quoted words"] if (self.manifest["sealed"] or {}).get("texts") else []
        return [named[name] for name in named if name in names]

    def acts(self) -> list[tuple[int, Mapping[str, Any]]]:
        """Return what operators did about it: number of the entry, and what it says; the first one first."""
        return acts_about(self.log, self.statement.id)


_OPENED = "opened"


def read_decision(log: Log, which: int | str) -> Decision:
    """Return a decision of a log by number, id or the beginning of its id.

    Raises:
        RecordError: no such entry, or one that is no decision.
    """
    entry = log.entry(which)
    if entry.statement.kind != "decision":
        about = entry.statement.predicate.get("about")
        hint = f"; it is about record {about[:80]}" if isinstance(about, str) else ""
        raise RecordError(f"entry {entry.number} is no decision, but of kind {entry.statement.kind!r}{hint}")
    return Decision(log, entry)


def acts_about(log: Log, id: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Return operators' acts about a record: number of the entry, and what it says; the first one first."""
    from ..log.query import Query

    rows = log.select(Query(kind="operator", about=id, newest_first=False))
    return [(row.number, log.entry(row.number).statement.predicate) for row in rows]


def _of_kind(log: Log, kind: str) -> Iterator[tuple[int, Statement]]:
    from ..log.query import Query

    for row in log.select(Query(kind=kind, newest_first=False)):
        yield row.number, log.entry(row.number).statement


def _coding(entry: Mapping[str, Any]) -> str:
    coding = entry["coding"]
    told, loss = str(coding["kind"]), coding.get("loss")
    if isinstance(coding.get("kept"), int):
        told += f" {coding['kept']}"
    most, rank = (loss.get(key) if isinstance(loss, Mapping) else None for key in ("max", "rank"))
    told += f", off by {most:.2g} at most" if isinstance(most, float | int) else ""
    return told + (f", rank {rank:.4f}" if isinstance(rank, float | int) else "")


def _list(value: Any) -> list[Any]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _some(names: list[str]) -> str:
    """Names with those of one kind put together: ``counterfactual.* (8)``."""
    groups: dict[str, list[str]] = {}
    for name in names:
        head = name.split(".", 1)[0]
        groups.setdefault(head if head in ("counterfactual", "fusion", "concept") else name, []).append(name)
    return ", ".join(n[0] if len(n) == 1 else f"{head}.* ({len(n)})" for head, n in groups.items())
