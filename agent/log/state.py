"""What a writer must know of a log to append to it: the tree's frontier, the last entry's time, and who may sign."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ...errors import IntegrityError
from .dsse import from_base64
from .merkle import Frontier, root_at
from .reading import Entry, find_entry, frontiers_of, tip
from .store import entries
from .trust import Trust

__all__ = ["State", "learn_keys"]


@dataclass
class State:
    """What is known of a log; good as long as nobody else appends to it.

    Attributes:
        frontier: of the tree.
        time: of the last entry, "" where there is none.
        trust: who may sign.
    """

    frontier: Frontier
    time: str
    trust: Trust

    @classmethod
    def read(cls, connection: Connection, known: State | None = None) -> State:
        """Read the state of a log, within a transaction that keeps others from appending.

        Args:
            connection: to the log.
            known: what was known before. It is taken as it is where nobody appended meanwhile.

        Raises:
            IntegrityError: ``rollback`` or ``fork``: what was known of the log is not in it; or its last entry, or one
                about keys, cannot be read.
        """
        size = tip(connection)
        if known is not None and known.size == size:
            return known
        node = frontiers_of(connection, [size] if known is None else [known.size, size])
        if known is not None and size < known.size:
            told = f"the log has {size} entries, and {known.size} were seen in it; it was set back"
            raise IntegrityError(f"{told}: restore the later copy", "rollback")
        if known is not None and root_at(known.size, node) != known.frontier.root():
            told = f"the first {known.size} entries of the log are not those that were seen in it"
            raise IntegrityError(f"{told}; it is another log, or an altered one: restore the right one", "fork")
        trust = learn_keys(connection, None if known is None else (known.trust, known.size))
        return cls(Frontier.at(size, node), find_entry(connection, size - 1).statement.time, trust)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.frontier.size

    def copy(self) -> State:
        """Return one that can be changed without changing this one, but for who may sign."""
        return State(Frontier(self.frontier.size, list(self.frontier.hashes)), self.time, self.trust)


def learn_keys(connection: Connection, known: tuple[Trust, int] | None = None) -> Trust:
    """Read who may sign, from the entries that say so.

    Args:
        connection: to the log.
        known: what was learnt before, and up to which number; it is brought up to date.

    Raises:
        IntegrityError: an entry that breaks the rules of `veridical.agent.log.trust`.
    """
    wanted = select(entries.c.number, entries.c.envelope).where(entries.c.kind.in_(("opened", "keys")))
    rows = connection.execute(wanted.where(entries.c.number >= (known[1] if known else 0)).order_by(entries.c.number))
    trust = known[0] if known else None
    for number, envelope in rows:
        if not isinstance(number, int) or not isinstance(envelope, bytes):
            raise IntegrityError(f"entry {number!r:.40}: the database holds no bytes; it was altered", "database")
        entry = Entry(number, envelope)
        if trust is None:
            trust = _started(entry)
        trust.learn(entry.statement, entry.sealed, number)
    if trust is None:
        raise IntegrityError("the log has no entry that opens it; it was cut, or restore a backup", "order", 0)
    return trust


def _started(entry: Entry) -> Trust:
    """Begin with the key that entry 0 names."""
    key = entry.statement.predicate.get("key")
    public = from_base64(key.get("public") if isinstance(key, dict) else None, f"entry {entry.number}: key", 0)
    return Trust.start(public)
