"""The question that an explanation answers: which number of the system's scores is explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError

__all__ = ["Target", "decision_score"]

Kind = Literal["log-odds", "logit", "log-probability"]


def decision_score(logits: Float[Tensor, "batch actions"], action: int) -> Float[Tensor, " batch"]:
    """Return the log-odds of one action (of at least two) against the rest, ``z_c - logsumexp(z_others)``, in nats.

    >>> float(decision_score(torch.tensor([[0.0, 0.0]]), 0))
    0.0
    """
    others = torch.cat((logits[:, :action], logits[:, action + 1 :]), 1)
    return logits[:, action] - others.logsumexp(1)


@dataclass(frozen=True)
class Target:
    """One number for each row of scores.

    Attributes:
        action: index of the action that is explained; a tuple gives one for each row of a batch.
        against: explain the contrast ``z_action - z_against`` instead (``why STOP rather than SLOW``).
        kind: without ``against``: ``"log-odds"`` of the action against the rest (nats, the decision score),
            ``"log-probability"`` (nats), or ``"logit"``, the score as the system gives it.

    Raises:
        InputError: an unknown kind, a negative index, or an action against itself.

    Example:
        >>> Target(1, against=0)(torch.tensor([[1.0, 3.0]]))
        tensor([2.])
    """

    action: int | tuple[int, ...]
    against: int | None = None
    kind: Kind = "log-odds"

    def __post_init__(self) -> None:
        each = self.action if isinstance(self.action, tuple) else (self.action,)
        if self.kind not in ("log-odds", "logit", "log-probability"):
            raise InputError(f"target: kind {self.kind!r}; one of log-odds, logit, log-probability is wanted")
        if min((*each, 0 if self.against is None else self.against), default=0) < 0:
            raise InputError(f"target: {self}; actions are counted from 0")
        if self.against is not None and self.against in each:
            raise InputError(f"target: action {self.against} against itself; name another, or none for the rest")

    @property
    def unit(self) -> str:
        """``"nat"``, or ``"logit"`` where the system's own score is explained and may be of any unit."""
        return "logit" if self.kind == "logit" and self.against is None else "nat"

    def __call__(self, logits: Float[Tensor, "batch actions"]) -> Float[Tensor, " batch"]:
        """Return the number for each row.

        Raises:
            InputError: an action that the scores do not have, or as many as there are no rows.
        """
        rows, count = logits.shape
        each = self.action if isinstance(self.action, tuple) else (self.action,)
        if max((*each, 0 if self.against is None else self.against), default=0) >= count:
            raise InputError(f"target: {self}; the system has {count} actions, 0 to {count - 1}")
        if isinstance(self.action, tuple) and len(self.action) != rows:
            raise InputError(f"target: {len(self.action)} actions for a batch of {rows}; give one for each row")
        if self.kind == "log-odds" and self.against is None and count < 2:
            raise InputError("target: a single score has no log-odds against the rest; ask for kind 'logit'")
        if self.against is None and self.kind == "log-odds" and isinstance(self.action, int):
            return decision_score(logits, self.action)
        index = torch.tensor(each, device=logits.device).expand(rows)[:, None]
        chosen = logits.gather(1, index)[:, 0]
        if self.against is not None:
            return chosen - logits[:, self.against]
        if self.kind == "log-probability":
            return chosen - logits.logsumexp(1)
        if self.kind == "logit":
            return chosen
        rest = logits.scatter(1, index, -torch.inf)
        return chosen - rest.logsumexp(1)

    def row(self, index: int) -> Target:
        """Return the target of one row of a batch."""
        if isinstance(self.action, int):
            return self
        return Target(self.action[index], self.against, self.kind)

    def describe(self, actions: Sequence[str]) -> str:
        """Return the question in words: ``"STOP against the rest"``, ``"STOP rather than SLOW"``."""
        name = ", ".join(actions[a] for a in self.action) if isinstance(self.action, tuple) else actions[self.action]
        if self.against is not None:
            return f"{name} rather than {actions[self.against]}"
        told = {"log-odds": f"{name} against the rest", "logit": f"score of {name}"}
        return told.get(self.kind, f"log-probability of {name}")
