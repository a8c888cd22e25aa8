"""What decisions must not rest on: which of them do, how much, and in which groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from ..wording import clean
from .decided import Decided
from .rates import Rate, rate
from .reliance import grouped

__all__ = ["LEANS", "Forbidden", "forbidden"]

LEANS = 0.1
"""Least share of all measured effects from which on a decision leans on a thing, as in a task statement."""


@dataclass(frozen=True)
class Forbidden:
    """Whether decisions rest on something that they must not rest on.

    Attributes:
        label: as it was asked for.
        seen: names under which it was found.
        rests: decisions that rest on it, of all with an account.
        leans: of these, the ones in which it has a share of ``LEANS`` or more.
        supported: of ``rests``, how many have a supported account.
        by_group: decisions of each group that rest on it.
        ids: of the decisions that rest on it, the largest share first.
    """

    label: str
    seen: tuple[str, ...]
    rests: Rate
    leans: Rate
    supported: int
    by_group: tuple[Rate, ...]
    ids: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **vars(self),
            "seen": list(self.seen),
            "rests": self.rests.to_dict(),
            "leans": self.leans.to_dict(),
            "by_group": [r.to_dict() for r in self.by_group],
            "ids": list(self.ids),
        }


def forbidden(decided: Iterable[Decided], labels: Sequence[str], by: str | None = None) -> list[Forbidden]:
    """Return for each label which decisions rest on what bears it, in whatever sense.

    Case and spacing make no difference. What nobody named cannot be found.

    Args:
        decided: decisions; those without an account are left out.
        labels: names of what decisions must not rest on.
        by: label whose values are groups.

    Raises:
        InputError: a label is empty.
    """
    held = [d for d in decided if d.verdict is not None]
    return [_forbidden(held, label, by) for label in dict.fromkeys(labels)]


def _forbidden(held: Sequence[Decided], label: str, by: str | None) -> Forbidden:
    wanted = " ".join(label.split()).casefold()
    if not wanted:
        raise InputError("what must not be relied on: an empty label; name a concept or a piece of evidence")
    shares: dict[str, float] = {}
    seen: set[str] = set()
    for d in held:
        names = {g.name for g in d.grounds if " ".join(g.label.split()).casefold() == wanted}
        told = {name: share for name, share in d.rests().items() if name in names}
        if told:
            shares[d.id] = max(told.values())
            seen |= set(told)
    leans = sum(share >= LEANS for share in shares.values())
    groups = grouped(held, by) if by is not None else {}
    return Forbidden(
        clean(label),
        tuple(sorted(seen)),
        rate("rests on it", len(shares), len(held)),
        rate("leans on it", leans, len(held)),
        sum(d.id in shares and d.verdict == "supported" for d in held),
        tuple(rate(group, sum(d.id in shares for d in own), len(own)) for group, own in groups.items()),
        tuple(sorted(shares, key=lambda id: (-shares[id], id))),
    )
