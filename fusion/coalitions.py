"""What senses do alone and what only their combination does: the decision score of every coalition of senses.

A coalition is a set of senses that are as they were given; all others stand at their attribution baseline. With M
senses there are 2^M. Of a system that can be split each sense is encoded twice, and the rest costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from ..modalities.contract import Prepared, SplitSystem, System
from ..modalities.held import held
from ..modalities.target import decision_score

__all__ = ["MOST", "Coalition", "Coalitions", "measure_coalitions"]

MOST = 8
"""Senses at most: with eight there are 256 coalitions."""

Coalition = frozenset[str]
"""Senses that are as they were given."""


@dataclass(frozen=True)
class Coalitions:
    """Decision scores of all coalitions of senses.

    Attributes:
        senses: names, in the order of the system's modalities.
        scores: the score of the decision where these senses are as given and all others at their baseline, nats.
    """

    senses: tuple[str, ...]
    scores: Mapping[Coalition, float]

    @property
    def difference(self) -> float:
        """Score of all senses less that of none, nats."""
        return self.scores[frozenset(self.senses)] - self.scores[frozenset()]

    def dividends(self) -> dict[Coalition, float]:
        """Return what each coalition does that none of its parts does, nats; together they are the difference.

        Harsanyi's dividends (International Economic Review, 1963): ``d(S) = sum over T in S of (-1)^(|S| - |T|) v(T)``.
        That of one sense is what it does alone.
        """
        return {
            whole: sum((-1) ** (len(whole) - len(part)) * self.scores[part] for part in _subsets(sorted(whole)))
            for whole in _subsets(self.senses)
            if whole
        }

    def marginal(self, sense: str) -> dict[Coalition, float]:
        """Return what a sense adds to each coalition of the others, nats."""
        others = [m for m in self.senses if m != sense]
        return {s: self.scores[s | {sense}] - self.scores[s] for s in _subsets(others)}

    def shapley(self) -> dict[str, float]:
        """Return each sense's mean contribution over all orders in which senses may come in, nats (Shapley, 1953).

        Each dividend is shared evenly among its members; the values add up to the difference.
        """
        shares = dict.fromkeys(self.senses, 0.0)
        for members, dividend in self.dividends().items():
            for m in members:
                shares[m] += dividend / len(members)
        return shares

    def interaction(self) -> dict[Coalition, float]:
        """Return how much each two senses act together, nats, what more senses do with them shared out evenly.

        The Shapley interaction index (Grabisch and Roubens, International Journal of Game Theory, 1999):
        ``I(S) = sum over T that hold S of d(T) / (|T| - |S| + 1)``, d the dividends.
        """
        every = self.dividends()
        pairs = [frozenset(pair) for pair in combinations(self.senses, 2)]
        return {s: sum(d / (len(t) - 1) for t, d in every.items() if s <= t) for s in pairs}

    def matrix(self) -> Float[np.ndarray, "senses senses"]:
        """Return what each sense does alone (the diagonal) and what each pair does beyond its two senses, nats.

        What three senses do together beyond their pairs is in `dividends`.
        """
        found = self.dividends()
        return np.array([[found[frozenset({a, b})] for b in self.senses] for a in self.senses], np.float64)


def _subsets(senses: list[str] | tuple[str, ...]) -> list[Coalition]:
    return [frozenset(chosen) for size in range(len(senses) + 1) for chosen in combinations(senses, size)]


@torch.no_grad()
def measure_coalitions(system: System, prepared: Mapping[str, Prepared], action: int) -> Coalitions:
    """Score every coalition of the senses that are present.

    Raises:
        InputError: no sense, or more than `MOST`.
        ContractError: scores of a wrong shape, or not finite.
    """
    senses = tuple(prepared)
    if not senses:
        raise InputError("coalitions: no sense; give at least one prepared signal")
    if len(senses) > MOST:
        raise InputError(f"coalitions: {len(senses)} senses make {2 ** len(senses)} coalitions; give at most {MOST}")
    every = _subsets(senses)
    rows = {m: torch.tensor([int(m in coalition) for coalition in every]) for m in senses}
    with held(system) as state:
        try:
            ends = {m: torch.cat((p.baseline, p.tensor)) for m, p in prepared.items()}
            logits = _logits(system, ends, rows)
        finally:
            state.settle()
    if logits.shape != (len(every), len(system.actions)) or not bool(logits.isfinite().all()):
        raise ContractError(
            f"system: scores of shape {tuple(logits.shape)} for {len(every)} coalitions of senses, or not finite; give "
            f"finite scores of {len(system.actions)} actions also where senses are at their baseline"
        )
    scores = decision_score(logits, action).tolist()
    return Coalitions(senses, dict(zip(every, scores, strict=True)))


def _logits(system: System, ends: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> Tensor:
    """Scores of all coalitions, from each sense's (baseline, input)."""
    if isinstance(system, SplitSystem):
        features = {m: system.encode(m, x) for m, x in ends.items()}
        return system.decide({m: x[rows[m].to(x.device)] for m, x in features.items()})
    # One row at a time: 2^M whole inputs need not fit into memory.
    count = len(next(iter(rows.values())))
    return torch.cat([system({m: x[rows[m][k]][None] for m, x in ends.items()}) for k in range(count)])
