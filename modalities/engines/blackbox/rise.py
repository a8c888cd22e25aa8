"""RISE: the mean score over random subsets of the evidence, with a unit and without it.

Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models" (BMVC 2018). Their
importance is ``E[s M_i] / E[M_i]``, the mean score where unit i is kept, which holds the mean score of all masks in
each value. Here it is the contrast ``E[s | kept] - E[s | removed]``: the same order of units, but in the target's unit,
and 0 for a unit that does nothing. Masks are drawn over evidence units, which take the place of the paper's upsampled
grid. With ``keep = 1/2`` the expectation is the Banzhaf value of the unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from ....errors import InputError
from ..ranks import rank_correlation
from ..task import Task, UnitValues
from .coalitions import (
    Game,
    Operators,
    all_coalitions,
    budget,
    check_settings,
    unit_players,
    unit_values,
)

__all__ = ["Rise", "contrasts", "draw_masks", "standard_errors"]

FEWEST = 8


def draw_masks(units: int, masks: int, keep: float, rng: np.random.Generator) -> Bool[np.ndarray, "masks units"]:
    """Return random masks in which each unit is kept in the same number of masks.

    With ``keep = 1/2`` masks 2j and 2j + 1 are each other's opposite (antithetic pairs): what units do in even orders
    then cancels from the contrast instead of adding to its noise. Else each unit is removed in the same number of
    masks, at least two, in an order of its own.

    Args:
        units: number of units.
        masks: number of masks; one more is drawn if pairs need it.
        keep: probability of each unit to be kept.
        rng: source of the draws.
    """
    if keep == 0.5:
        half = rng.random(((masks + 1) // 2, units)) < 0.5
        return np.stack([half, ~half], 1).reshape(-1, units)
    removed = min(max(round((1 - keep) * masks), 2), masks - 2)
    column = np.arange(masks)[:, None] >= removed
    return rng.permuted(np.broadcast_to(column, (masks, units)), axis=0)


def contrasts(
    present: Bool[np.ndarray, "masks units"],
    scores: Float[np.ndarray, " masks"],
    weights: Float[np.ndarray, " masks"] | None = None,
) -> Float[np.ndarray, " units"]:
    """Return for each unit the mean score where it is kept, less that where it is removed, in the scores' unit.

    Each unit must be kept in some mask and removed in some.

    Args:
        present: whether each unit is kept.
        scores: score of each mask.
        weights: weight of each mask; by default all count alike.
    """
    w = np.ones(len(scores)) if weights is None else weights
    level = scores - scores.mean()  # the means cancel; without them there is less rounding
    kept, gone = present * w[:, None], ~present * w[:, None]
    return level @ kept / kept.sum(0) - level @ gone / gone.sum(0)


def standard_errors(
    present: Bool[np.ndarray, "masks units"], scores: Float[np.ndarray, " masks"], paired: bool
) -> Float[np.ndarray, " units"]:
    """Return the standard error of each contrast, in the scores' unit.

    Args:
        present: whether each unit is kept.
        scores: score of each mask.
        paired: whether masks 2j and 2j + 1 are each other's opposite; else the error is that of two means (Welch),
            which is on the safe side, since masks of fixed counts vary less than masks drawn one by one.
    """
    if paired:
        signed = (scores[::2] - scores[1::2])[:, None] * np.where(present[::2], 1.0, -1.0)
        return signed.std(0, ddof=1) / len(signed) ** 0.5
    total = np.zeros(present.shape[1])
    for side in (present, ~present):
        count = side.sum(0)
        spread = ((scores[:, None] - scores @ side / count) ** 2 * side).sum(0) / (count - 1)
        total += spread / count
    return np.sqrt(total)


@dataclass(frozen=True)
class Rise:
    """The mean score where a unit is kept, less the mean score where it is removed, over random masks.

    Where the masks that there are do not outnumber those asked for, each is taken once with its probability, and the
    expectation is exact. The values are effects averaged over what else is there; they do not add up to the score.

    Attributes:
        masks: how many masks; by default 1000, or four for each unit where those are more.
        keep: probability of each unit to be kept.
        operator: infill operator, one name for all senses or one for each; by default each sense's first.
        chunk: edited inputs scored at once.

    Raises:
        InputError: a setting out of range.
    """

    name: ClassVar[str] = "rise"
    additive: ClassVar[bool] = False

    masks: int | None = None
    keep: float = 0.5
    operator: Operators = None
    chunk: int = 16

    def __post_init__(self) -> None:
        check_settings(self.name, self.operator, self.chunk, self.masks)
        if not 0 < self.keep < 1:
            raise InputError(f"rise: keep {self.keep}; the probability of a unit to be kept lies between 0 and 1")
        if self.masks is not None and self.masks < FEWEST:
            raise InputError(f"rise: {self.masks} masks; give at least {FEWEST}, better hundreds")

    def run(self, task: Task) -> UnitValues:
        """Attribute; one forward pass for each distinct mask, and two for the input.

        Raises:
            InputError: a sense has no such operator.
            ContractError: the system breaks the contract.
        """
        game = Game(task, unit_players(task.segmentations), self.operator, self.chunk)
        units = len(game.players)
        masks = budget(self.masks, units)
        exact = 2**units <= masks
        if exact:
            present = all_coalitions(units)
            kept = present.sum(1)
            scores = game(present)
            found = contrasts(present, scores, self.keep**kept * (1 - self.keep) ** (units - kept))
            facts = {"masks": len(present), "enumerated": True}
            return UnitValues(unit_values(game.players, found, task.segmentations), facts=game.facts() | facts)
        present = draw_masks(units, masks, self.keep, np.random.default_rng(task.seed))
        scores = game(present)
        found = contrasts(present, scores)
        errors = unit_values(game.players, standard_errors(present, scores, self.keep == 0.5), task.segmentations)
        facts = {
            "masks": len(present),
            "enumerated": False,
            "standard_errors": {m: e.tolist() for m, e in errors.items()},
        }
        return UnitValues(
            unit_values(game.players, found, task.segmentations),
            facts=game.facts() | facts,
            stability=_stability(present, scores),
        )


def _stability(present: Bool[np.ndarray, "masks units"], scores: Float[np.ndarray, " masks"]) -> float | None:
    middle = len(scores) // 4 * 2  # even: no pair is torn
    halves = [(present[part], scores[part]) for part in (slice(None, middle), slice(middle, None))]
    if not all(p.any(0).all() and (~p).any(0).all() for p, _ in halves):
        return None
    return rank_correlation(contrasts(*halves[0]), contrasts(*halves[1]))
