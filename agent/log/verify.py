"""Verifying a whole log: every signature, digest, hash of the tree and checkpoint, and what the database says of them.

One pass over the entries in their order. What is stored beside an entry is derived from it again and compared; nothing
stored is believed. Each problem has a cause (`CAUSES`), the entry where there is one, and words; the first bad entry is
told first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, RecordError
from .dsse import Envelope, read_envelope
from .holds import Holds
from .merkle import Frontier, leaf_hash, node_hash
from .note import NoteKey, check_checkpoint, check_cosignature, read_checkpoint
from .statement import Statement, read_statement
from .store import columns_of, facets_of
from .trust import Trust

if TYPE_CHECKING:
    from .log import Log

__all__ = ["Expected", "Problem", "Verification", "verify_log"]

Progress = Callable[[int, int], None]
Contents = Callable[[Statement, int, "Log", Callable[[str], bool]], Iterator["Problem"]]

_CHUNK = 500
_MOST = 200  # problems that are told


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


def verify_log(
    log: Log,
    expected: Expected | None = None,
    contents: Contents | None = None,
    progress: Progress = lambda done, of: None,
) -> Verification:
    """Verify a log.

    Args:
        log: opened for reading.
        expected: what is known from elsewhere. Without it this shows that the log is whole, not that it is the one
            that was written: who holds the key can write another.
        contents: checks what an entry refers to (blobs, manifests); see `veridical.agent.audit.contents`. None looks
            at the entries alone.
        progress: called with entries read and how many there are.
    """
    walk = _Walk(log, expected or Expected(), contents)
    try:
        walk.run(progress)
    except RecordError as error:
        walk.add(getattr(error, "cause", "database"), str(error), getattr(error, "entry", None))
    return walk.finish()


class _Walk:
    """One pass over a log."""

    def __init__(self, log: Log, expected: Expected, contents: Contents | None) -> None:
        self.log, self.expected, self.contents = log, expected, contents
        self.found = Verification()
        self.trust: Trust | None = None
        self.frontier = Frontier(0, [])
        self.leaves = bytearray()
        self.broken: str | None = None  # why the tree cannot be followed any further
        self.spoilt = False  # whether an entry's own problem explains that hashes differ
        self.ids: dict[str, int] = {}
        self.last_time = ""
        self.gone: set[str] = set()
        self.absent: list[tuple[str, Problem]] = []
        self.roots: dict[int, bytes] = {}
        self.chunk: list[tuple[int, Statement]] = []
        self.holds = Holds()
        self.nodes = 0
        self.facets = 0

    def add(self, cause: str, told: str, entry: int | None = None, id: str | None = None) -> None:
        """Note a problem."""
        self.found.problems.append(Problem(cause, told, entry, id))

    # -- the pass

    def run(self, progress: Progress) -> None:
        """Read everything once."""
        with self.log.reading() as store:
            for told in store.damage():
                self.add("database", told)
            self._meta(store.meta())
            wanted = self._wanted(store)
            total, number = store.count("entries"), 0
            for rows in store.entries(_CHUNK):
                first, self.chunk = number, []
                made: list[tuple[int, int, bytes]] = []
                for row in rows:
                    number = self._row(row, number, made)
                    if self.frontier.size in wanted and self.broken is None:
                        self.roots[self.frontier.size] = self.frontier.root()
                self._compare_facets(store, first, number)
                self._compare_nodes(store, made)
                progress(number, total)
            self.found.entries = number
            self._leftovers(store, number)
            self._checkpoints(store, number)
            self._seen(store, number)

    def _meta(self, meta: Mapping[str, Any]) -> None:
        from .store import FORMAT

        if meta.get("format") != FORMAT:
            self.add("format", f"the log's form is {meta.get('format')!r}; this version reads {FORMAT!r}")
        self.origin = meta.get("origin")

    def _wanted(self, store: Any) -> set[int]:
        """Sizes at which the root is to be known."""
        sizes = set(store.sizes())
        for text in (*self.expected.checkpoints, self.log.seen() or ""):
            try:
                sizes.add(read_checkpoint(text).checkpoint.size)
            except IntegrityError:
                continue  # told where it is checked
        return sizes

    def _row(self, row: Any, number: int, made: list[tuple[int, int, bytes]]) -> int:
        """Take in one row; return the number that the next one must have."""
        if row.number != number:
            if not isinstance(row.number, int) or row.number < number:
                self.add("order", f"entry {number}: the row there has the number {row.number!r}", number)
                self._break(f"entry {number} is not where it should be")
                return number + 1
            some = f"entries {number} to {row.number - 1} are" if row.number > number + 1 else f"entry {number} is"
            self.add("missing", f"{some} absent from the log: dropped, or lost", number)
            self._break(f"{some} absent")
            number = row.number
        statement, envelope = self._envelope(row, number)
        self._leaf(row, number, statement is not None, made)
        if statement is not None and envelope is not None:
            self._said(row, number, statement)
        return number + 1

    def _envelope(self, row: Any, number: int) -> tuple[Statement | None, Envelope | None]:
        where = f"entry {number}"
        if not isinstance(row.envelope, bytes):
            self.add("database", f"{where}: its envelope is a {type(row.envelope).__name__}, not bytes", number)
            return None, None
        try:
            envelope = read_envelope(row.envelope, where)
            statement = read_statement(envelope.payload, where, number)
            if self.trust is None:
                self.trust = self._start(statement, where)
            self.trust.check(envelope, number, where)
            self.trust.learn(statement, envelope, number)
        except RecordError as error:
            self.add(getattr(error, "cause", "json"), str(error), number, row.id if isinstance(row.id, str) else None)
            return None, None
        return statement, envelope

    def _start(self, statement: Statement, where: str) -> Trust:
        """The key that everything begins with: the one expected, or the one in entry 0."""
        if self.expected.key is not None:
            return Trust.start(self.expected.key.public)
        from .dsse import from_base64

        key = statement.predicate.get("key")
        public = key.get("public") if isinstance(key, Mapping) else None
        if statement.kind != "opened" or not isinstance(public, str):
            raise IntegrityError(f"{where}: the log does not begin with an entry that opens it", "order", 0)
        return Trust.start(from_base64(public, where, 0))

    def _leaf(self, row: Any, number: int, sound: bool, made: list[tuple[int, int, bytes]]) -> None:
        """Put an entry into the tree; a sound envelope is believed rather than the stored hash, else the other way."""
        content = row.envelope if isinstance(row.envelope, bytes) else b""
        own, stored = leaf_hash(content), row.leaf
        if stored != own and sound:
            self.add("tree", f"entry {number}: the stored hash of its leaf is not that of its envelope", number)
        self.spoilt |= stored != own
        used = own if sound or not isinstance(stored, bytes) or len(stored) != 32 else stored
        self.leaves += used
        if self.broken is None:
            made += [node for node in self.frontier.append(used) if node[0] > 0]

    def _said(self, row: Any, number: int, statement: Statement) -> None:
        """Check what an entry says against the others, and what the database says of it."""
        if statement.id in self.ids:
            told = f"entry {number} stands twice, it is entry {self.ids[statement.id]} once more"
            self.add("order", told, number, statement.id)
            return
        self.ids[statement.id] = number
        self.chunk.append((number, statement))
        self.found.kinds[statement.kind] = self.found.kinds.get(statement.kind, 0) + 1
        for name, value in columns_of(statement).items():
            if getattr(row, name) != value:
                told = f"entry {number}: column {name} says {getattr(row, name)!r}, the entry {value!r}"
                self.add("index", told, number, statement.id)
        backwards = str(statement.predicate.get("clock", "")).startswith("backwards")
        if statement.time < self.last_time and not backwards:
            told = f"entry {number}: its time, {statement.time}, is before {self.last_time} of an earlier entry"
            self.add("time", f"{told}, and it does not say that the clock went backwards", number, statement.id)
        if backwards:
            self.found.notes.append(f"entry {number}: its clock had gone {statement.predicate['clock']}")
        self.last_time = max(self.last_time, statement.time)
        about = statement.predicate.get("about")
        if isinstance(about, str) and about not in self.ids:
            self.add("missing", f"entry {number} is about record {about}, which is not in the log", number, statement.id)
        self._special(statement, number)
        if self.contents is not None:
            for problem in self.contents(statement, number, self.log, self._count):
                if problem.cause == "missing" and problem.id:
                    self.absent.append((problem.id, problem))
                else:
                    self.found.problems.append(problem)

    def _special(self, statement: Statement, number: int) -> None:
        """Take in what holds, retention and erasures say."""
        predicate = statement.predicate
        if statement.kind == "hold":
            self.holds.learn(predicate, number)
        elif statement.kind == "retention":
            dropped = predicate.get("dropped")
            self.gone |= {d for d in dropped if isinstance(d, str)} if isinstance(dropped, list) else set()
        elif statement.kind == "erasure" and self.holds.on(str(predicate.get("subject")), None):
            told = f"entry {number} erases subject {predicate.get('subject')} while entry "
            told += f"{self.holds.on(str(predicate.get('subject')), None)[0]} holds it"
            self.add("content", told, number, statement.id)

    def _count(self, what: str) -> bool:
        """Count something that was checked (blobs, opened, sealed)."""
        setattr(self.found, what, getattr(self.found, what) + 1)
        return True

    # -- what is stored beside the entries

    def _compare_facets(self, store: Any, first: int, past: int) -> None:
        stored: dict[int, list[tuple[Any, ...]]] = {}
        for row in store.facets(first, past):
            stored.setdefault(row.number, []).append((row.position, row.name, row.value, row.amount))
            self.facets += 1
        for number, statement in self.chunk:
            right = [(i, *facet) for i, facet in enumerate(facets_of(statement))]
            if stored.get(number, []) != right:
                told = f"entry {number}: what it can be found by is not what it says"
                wrong = [f for f in stored.get(number, []) if f not in right] or [f for f in right if f not in stored.get(number, [])]
                self.add("index", f"{told}: {wrong[0][1:]!r:.120}" if wrong else told, number, statement.id)

    def _compare_nodes(self, store: Any, made: Sequence[tuple[int, int, bytes]]) -> None:
        """Hold the stored hashes of subtrees against those of the entries."""
        for level in sorted({node[0] for node in made}):
            right = {position: value for at, position, value in made if at == level}
            stored = {row.position: row.hash for row in store.nodes(level, min(right), max(right))}
            self.nodes += len(stored)
            for position, value in right.items():
                if stored.get(position) != value and self.broken is None:
                    self._node(level, position, stored.get(position))
                    break

    def _node(self, level: int, position: int, stored: Any) -> None:
        """Say what a hash that differs means."""
        first, last = position << level, ((position + 1) << level) - 1
        if level == 1 and isinstance(stored, bytes) and not self.spoilt:
            moved = self._moved(position, stored)
            if moved is not None:
                self.add("order", f"entry {moved} is not the one that was appended there: entries changed places", moved)
                self._break("entries changed places")
                return
        if not self.spoilt:
            told = f"the stored hash of entries {first} to {last} is not that of these entries"
            self.add("tree", f"{told}: the hash or an entry was altered", first)

    def _moved(self, position: int, stored: bytes) -> int | None:
        """The entry of a pair whose place another entry of the log takes; None where none does."""
        leaves = [bytes(self.leaves[i : i + 32]) for i in range(0, len(self.leaves), 32)]
        left, right = leaves[2 * position], leaves[2 * position + 1]
        if node_hash(right, left) == stored:
            return 2 * position
        for leaf in leaves:
            if node_hash(leaf, right) == stored:
                return 2 * position
            if node_hash(left, leaf) == stored:
                return 2 * position + 1
        return None

    def _break(self, why: str) -> None:
        """From here on the tree cannot be followed."""
        if self.broken is None:
            self.broken = why

    def _leftovers(self, store: Any, number: int) -> None:
        """See that nothing is stored beyond what the entries give."""
        if store.count("facets") > self.facets:
            self.add("index", f"{store.count('facets') - self.facets} facets are of no entry of the log")
        if self.broken is None and store.count("nodes") != self.nodes:
            self.add("tree", f"{store.count('nodes')} hashes of subtrees are stored, {self.nodes} belong to the entries")
        if self.trust is not None:
            for entry, key_id in self.trust.late():
                told = f"entry {entry} is signed by key {key_id}, of which a later entry says that it no longer counted"
                self.add("revoked", told, entry)

    # -- tree heads

    def _key_at(self, size: int) -> NoteKey:
        """The key that signs the tree head of a size."""
        if self.trust is None or not isinstance(self.origin, str):
            raise IntegrityError("no key can be read from the log: entry 0 or the origin was altered", "key")
        return NoteKey(self.origin, self.trust.signing_at(size), "log")

    def _checkpoints(self, store: Any, number: int) -> None:
        last = 0
        for size, note in store.heads():
            self.found.checkpoints += 1
            where = f"the checkpoint of size {size}"
            self._head(note, where, number, size)
            last = max(last, size) if isinstance(size, int) else last
        if last < number:
            some = f"entries {last} to {number - 1} are" if number > last + 1 else f"entry {last} is"
            self.add("checkpoint", f"{some} under no signed checkpoint: appended by other means, or a checkpoint is gone", last)

    def _head(self, note: Any, where: str, number: int, size: int | None = None, cause: str = "checkpoint") -> None:
        """Hold one signed tree head against the tree."""
        try:
            if not isinstance(note, str):
                raise IntegrityError(f"{where} is a {type(note).__name__}, not text", "checkpoint")
            told = read_checkpoint(note).checkpoint
            head = check_checkpoint(note, self._key_at(told.size), self.origin)
        except IntegrityError as error:
            self.add(error.cause, f"{where}: {error}", error.entry)
            return
        if size is not None and head.size != size:
            self.add("checkpoint", f"{where} is one of size {head.size}")
        elif head.size > number:
            told = f"{where}: it was signed over {head.size} entries, and {number} are there"
            self.add("rollback" if cause == "fork" else "missing", f"{told}: the last ones were dropped", number)
        elif self.broken is None and not self.spoilt and self.roots.get(head.size) != head.root:
            told = f"{where}: its root is not that of the first {head.size} entries"
            why = "another log was signed by this key" if cause == "fork" else "an entry was replaced, added or dropped"
            self.add(cause, f"{told}: {why}", None)
        elif cause == "checkpoint":
            self.found.size, self.found.root = max(self.found.size, head.size), head.root.hex()

    def _seen(self, store: Any, number: int) -> None:
        """Hold tree heads from elsewhere, and cosignatures, against the log."""
        own = self.log.seen()
        if own:
            self._head(own, "the checkpoint that this machine has seen", number, cause="fork")
        for index, text in enumerate(self.expected.checkpoints, 1):
            self._head(text, f"the checkpoint given ({index})", number, cause="fork")
        counted: dict[int, set[str]] = {}
        for size, name, note in store.cosigned():
            self._head(note, f"the checkpoint of size {size} that {name} cosigned", number, size, cause="fork")
            for witness in self.expected.witnesses:
                if witness.name == name:
                    try:
                        check_cosignature(note, witness)
                        counted.setdefault(size, set()).add(name)
                        self.found.witnessed += 1
                    except IntegrityError as error:
                        self.add(error.cause, f"the cosignature of {name} on size {size}: {error}")
        most = max((len(names) for names in counted.values()), default=0)
        if most < self.expected.quorum:
            self.add("checkpoint", f"{most} of the witnesses have cosigned one checkpoint; {self.expected.quorum} are asked for")

    def finish(self) -> Verification:
        """Put together what was found."""
        for digest, problem in self.absent:
            if digest in self.gone:
                self.found.dropped += 1
            else:
                self.found.problems.append(Problem(problem.cause, problem.told, problem.entry))
        late = len(self.found.problems) + 1
        self.found.problems.sort(key=lambda p: p.entry if p.entry is not None else late * 10**9)
        if self.broken is not None:
            self.found.notes.append(f"The tree could not be followed beyond it: {self.broken}.")
        if len(self.found.problems) > _MOST:
            self.found.notes.append(f"{len(self.found.problems) - _MOST} further problems are not told.")
            del self.found.problems[_MOST:]
        if self.trust is not None:
            self.found.keys = self.trust.keys()
            if isinstance(getattr(self, "origin", None), str):
                self.found.key = NoteKey(self.origin, self.trust.signing_at(1), "log").vkey()
        return self.found
