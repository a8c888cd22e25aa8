"""One pass over a log: each entry read, and what is stored beside it derived again and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, RecordError
from .dsse import Envelope, from_base64, read_envelope
from .holds import Holds
from .lines import is_name
from .merkle import EMPTY, Frontier, leaf_hash, node_hash
from .note import NoteKey
from .raw import RawStore
from .statement import Statement, read_statement
from .store import FORMAT, columns_of, facets_of
from .trust import Trust
from .verified import Absent, Contents, Expected, Problem, Verification

if TYPE_CHECKING:
    from .log import Log

__all__ = ["Walk"]

_CHUNK = 500
_MOST = 200  # problems that are told


class Walk:
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
        self.absent: list[Absent] = []
        self.origin: Any = None
        self.roots: dict[int, bytes] = {0: EMPTY}
        self.chunk: list[tuple[int, Statement]] = []
        self.holds = Holds()
        self.nodes = 0
        self.facets = 0

    def add(self, cause: str, told: str, entry: int | None = None, id: str | None = None) -> None:
        """Note a problem."""
        self.found.problems.append(Problem(cause, told, entry, id))

    def run(self, store: RawStore, sizes: Callable[[], set[int]], progress: Callable[[int, int], None]) -> None:
        """Read everything once.

        Args:
            store: the database as it is.
            sizes: returns those at which the tree's root is to be kept; called when the origin is known.
            progress: called with entries read and how many there are.
        """
        for told in store.damage():
            self.add("database", told)
        self._meta(store.meta())
        wanted = sizes()
        total, number = store.count("entries"), 0
        for rows in store.entries(_CHUNK):
            first, self.chunk = number, []
            made: list[tuple[int, int, bytes]] = []
            for row in rows:
                number = self._row(row, number, made)
                self.found.entries = number
                if self.frontier.size in wanted and self.broken is None:
                    self.roots[self.frontier.size] = self.frontier.root()
            self._compare_facets(store, first, number)
            self._compare_nodes(store, made)
            progress(number, total)
        self._leftovers(store)

    def _meta(self, meta: Mapping[str, Any]) -> None:
        if meta.get("format") != FORMAT:
            self.add("format", f"the log's form is {meta.get('format')!r:.80}; this version reads {FORMAT!r}")
        self.origin = meta.get("origin")
        if set(meta) != {"format", "origin"}:
            self.add("index", f"the log's own table holds {sorted(map(str, meta))!r:.120}, not format and origin")

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
            if statement.kind == "keys" or number == 0:
                self.trust.learn(statement, envelope, number)  # it checks by itself
                return statement, envelope
            self.trust.check(envelope, number, where)
            self.trust.learn(statement, envelope, number)
        except RecordError as error:
            self.add(getattr(error, "cause", "json"), str(error), number, row.id if isinstance(row.id, str) else None)
            return None, None
        return statement, envelope

    def _start(self, statement: Statement, where: str) -> Trust:
        """The key that everything begins with, by entry 0; whether it is the one expected is seen at the end."""
        key = statement.predicate.get("key")
        public = key.get("public") if isinstance(key, Mapping) else None
        if statement.kind != "opened" or not isinstance(public, str):
            raise IntegrityError(f"{where}: the log does not begin with an entry that opens it", "order", 0)
        if statement.predicate.get("origin") != self.origin:
            told = (
                f"the log calls itself {self.origin!r:.80}, entry 0 calls it {statement.predicate.get('origin')!r:.80}"
            )
            self.add("index", told, 0, statement.id)
        return Trust.start(from_base64(public, where, 0))

    def _leaf(self, row: Any, number: int, sound: bool, made: list[tuple[int, int, bytes]]) -> None:
        """Put an entry into the tree; a sound envelope is believed rather than the stored hash, else the other way."""
        content = row.envelope if isinstance(row.envelope, bytes) else b""
        own, stored = leaf_hash(content), row.leaf
        if stored != own and sound:
            self.add("tree", f"entry {number}: the stored hash of its leaf is not that of its envelope", number)
        self.spoilt |= stored != own or not sound
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
            told = f"entry {number}: its time, {statement.time}, is before {self.last_time} of the entry before it"
            self.add("time", f"{told}, and it does not say that the clock went backwards", number, statement.id)
        if backwards:
            self.found.notes.append(f"Entry {number}: its clock had gone {statement.predicate['clock']!s:.60}.")
        self.last_time = statement.time
        about = statement.predicate.get("about")
        if isinstance(about, str) and about not in self.ids:
            self.add(
                "missing", f"entry {number} is about record {about}, which is not in the log", number, statement.id
            )
        self._special(statement, number)
        if self.contents is not None:
            for problem in self.contents(statement, number, self.log, self._count):
                if isinstance(problem, Absent):
                    self.absent.append(problem)
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
        elif statement.kind == "erasure" and (held := self._held(str(predicate.get("subject")))):
            told = f"entry {number} erases subject {predicate['subject']} while entry {held[0]} holds it"
            self.add("content", told, number, statement.id)

    def _held(self, subject: str) -> list[int]:
        """Entries that hold a subject, or one of its records."""
        found = set(self.holds.on(subject, None))
        for record, holds in self.holds.records.items():
            if holds and record in self.ids and self.log.entry(record).statement.predicate.get("subject") == subject:
                found |= holds
        return sorted(found)

    def _count(self, what: str) -> bool:
        """Count something that was checked (blobs, opened, sealed)."""
        setattr(self.found, what, getattr(self.found, what) + 1)
        return True

    def _compare_facets(self, store: RawStore, first: int, past: int) -> None:
        stored: dict[int, list[tuple[Any, ...]]] = {}
        for row in store.facets(first, past):
            stored.setdefault(row.number, []).append((row.position, row.name, row.value, row.amount))
            self.facets += 1
        for number, statement in self.chunk:
            right = [(i, *facet) for i, facet in enumerate(facets_of(statement))]
            if stored.get(number, []) != right:
                told = f"entry {number}: what it can be found by is not what it says"
                wrong = [f for f in stored.get(number, []) if f not in right] or [
                    f for f in right if f not in stored.get(number, [])
                ]
                self.add("index", f"{told}: {wrong[0][1:]!r:.120}" if wrong else told, number, statement.id)

    def _compare_nodes(self, store: RawStore, made: Sequence[tuple[int, int, bytes]]) -> None:
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
                self.add(
                    "order", f"entry {moved} is not the one that was appended there: entries changed places", moved
                )
                self._break("entries changed places")
                return
        if not self.spoilt:
            told = f"the stored hash of entries {first} to {last} is not that of these entries"
            # Told of the last one: what is wrong with one of them by itself comes before it.
            self.add("tree", f"{told}: the hash or an entry was altered", last)

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

    def _leftovers(self, store: RawStore) -> None:
        """See that nothing is stored beyond what the entries give."""
        if store.count("facets") > self.facets:
            self.add("index", f"{store.count('facets') - self.facets} facets are of no entry of the log")
        if self.broken is None and store.count("nodes") != self.nodes:
            self.add(
                "tree", f"{store.count('nodes')} hashes of subtrees are stored, {self.nodes} belong to the entries"
            )
        if self.trust is not None:
            for entry, key_id in self.trust.late():
                told = f"entry {entry} is signed by key {key_id}, of which a later entry says that it no longer counted"
                self.add("revoked", told, entry)

    def finish(self) -> Verification:
        """Put together what was found."""
        for one in self.absent:
            if one.digest in self.gone:
                self.found.dropped += 1
            else:
                self.found.problems.append(one.problem)
        self.found.problems.sort(key=lambda problem: problem.turn)
        if self.broken is not None:
            self.found.notes.append(f"The tree could not be followed any further: {self.broken}.")
        if len(self.found.problems) > _MOST:
            self.found.notes.append(f"{len(self.found.problems) - _MOST} further problems are not told.")
            del self.found.problems[_MOST:]
        if self.trust is not None:
            self.found.keys = self.trust.keys()
            if isinstance(self.origin, str) and is_name(self.origin):
                self.found.key = NoteKey(self.origin, self.trust.signing_at(self.found.size), "log").vkey()
        return self.found
