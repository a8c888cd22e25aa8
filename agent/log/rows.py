"""The rows of entries that a transaction appends: made one by one, checked as a verifier would, inserted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert

from .dsse import Signer, read_envelope, seal
from .merkle import leaf_hash
from .note import Checkpoint, sign_checkpoint
from .state import State
from .statement import Statement
from .store import checkpoints, columns_of, entries, facets, facets_of, nodes

__all__ = ["Mark", "Rows"]

Mark = tuple[int, str, bytes]
"""Number, id and leaf of an entry."""


@dataclass
class Rows:
    """Rows to insert, by table.

    Attributes:
        entries: of ``entries``.
        facets: of ``facets``.
        nodes: of ``nodes``.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    facets: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, statement: Statement, signers: Sequence[Signer], state: State) -> Mark:
        """Seal a statement, make its rows and take it into the state.

        Nothing becomes a row that a verifier would refuse: the envelope is read again, and its signatures are checked.

        Raises:
            RecordError: it cannot be sealed, or the log does not let these signers sign it.
        """
        number, where = state.size, f"entry {state.size}"
        content = seal(statement.payload(), signers)
        envelope = read_envelope(content, where, number)
        state.trust.check(envelope, number, where)
        state.trust.learn(statement, envelope, number)
        leaf = leaf_hash(content)
        self.entries.append({"number": number, **columns_of(statement), "leaf": leaf, "envelope": content})
        for position, (name, value, amount) in enumerate(facets_of(statement)):
            word = {"number": number, "position": position, "name": name, "value": value, "amount": amount}
            self.facets.append(word)
        made = state.frontier.append(leaf)
        self.nodes += [{"level": level, "position": at, "hash": value} for level, at, value in made if level]
        state.time = statement.time
        return number, statement.id, leaf

    def lengths(self) -> tuple[int, int, int]:
        """How many rows there are, by table."""
        return len(self.entries), len(self.facets), len(self.nodes)

    def cut(self, lengths: tuple[int, int, int]) -> None:
        """Drop the rows that came after."""
        for made, length in zip((self.entries, self.facets, self.nodes), lengths, strict=True):
            del made[length:]

    def insert(self, connection: Connection, origin: str, signer: Signer, state: State) -> str:
        """Insert the rows, and the tree head that signs them; return its note."""
        checkpoint = Checkpoint(origin, state.size, state.frontier.root())
        note = sign_checkpoint(checkpoint, origin, signer.sign, signer.public)
        for table, made in ((entries, self.entries), (facets, self.facets), (nodes, self.nodes)):
            if made:
                connection.execute(insert(table), made)
        connection.execute(insert(checkpoints), [{"size": state.size, "note": note}])
        return note
