"""The share of each sense in a decision, with its interval and the sense's condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .coalitions import Coalitions
from .condition import Condition

__all__ = ["SenseShare", "sense_shares"]


@dataclass(frozen=True)
class SenseShare:
    """What a sense contributes to the decision score, nats.

    What senses do together belongs to none of them, and every way to share it out is a convention. The interval holds
    what the account says and what the sense adds in every order in which senses may come in: where it is wide, the
    share is a matter of convention; where it is a point, it is not.

    Attributes:
        sense: its name.
        contribution: what the account gives it.
        low: lower end of the interval.
        high: upper end.
        alone: what it does with all other senses at their baseline.
        last: what it adds where all others are as they were given.
        shapley: its mean over all orders.
        condition: whether there is anything in the signal.
    """

    sense: str
    contribution: float
    low: float
    high: float
    alone: float
    last: float
    shapley: float
    condition: Condition

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        told = asdict(self)
        del told["condition"]
        return {**told, "condition": self.condition.state, "told": self.condition.told}


def sense_shares(
    contributions: Mapping[str, float], coalitions: Coalitions, states: Mapping[str, Condition], error: float = 0.0
) -> tuple[SenseShare, ...]:
    """Return the share of every sense; one that is absent or broken has nothing, and says why.

    Args:
        contributions: the account's sum by sense, nats.
        coalitions: scores of all coalitions of the senses.
        states: condition of every sense of the system, in its order.
        error: relative error of the account's contributions, as far as it is known (a path's ``map_change``).
    """
    shapley = coalitions.shapley()
    found = []
    for m, condition in states.items():
        if m not in coalitions.senses:
            found.append(SenseShare(m, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, condition))
            continue
        own = float(contributions[m])
        added = coalitions.marginal(m)
        alone = added[frozenset()]
        last = added[frozenset(coalitions.senses) - {m}]
        spread = error * abs(own)
        low, high = min(own - spread, *added.values()), max(own + spread, *added.values())
        found.append(SenseShare(m, own, low, high, alone, last, shapley[m], condition))
    return tuple(found)
