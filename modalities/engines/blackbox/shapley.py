"""Shapley values of evidence: exact by enumeration, or estimated by KernelSHAP.

Shapley, "A value for n-person games" (1953); Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions"
(NeurIPS 2017), theorem 2: the Shapley values are the solution of a weighted regression of the score on the presence of
the players, under the constraint that they sum to the score's difference. Covert and Lee, "Improving KernelSHAP"
(AISTATS 2021), sections 3 and 4: the constraint is solved in closed form, coalitions are drawn with their complements,
and the estimate has a standard error. Coalitions of the sizes that fit the budget are all taken, from the smallest and
largest inwards, as in Lundberg's code; only the sizes between are drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ....errors import InputError
from ..ranks import rank_correlation
from ..task import Task, UnitValues
from .coalitions import (
    Game,
    Operators,
    all_coalitions,
    budget,
    check_settings,
    sense_players,
    unit_players,
    unit_values,
)

__all__ = ["Estimate", "KernelShap", "Plan", "estimate_shapley", "halves", "plan_coalitions", "shapley_values"]

MARGIN = 10
"""Evaluations beyond two for each player that an estimate takes at least: both ends, and four pairs that are drawn."""

MOST = 20
"""Players that may be enumerated: a million coalitions."""


def shapley_values(worth: Float[np.ndarray, " coalitions"]) -> Float[np.ndarray, " players"]:
    """Return the Shapley values of a game, exactly.

    Args:
        worth: what each of the ``2^players`` coalitions is worth, in the order of `all_coalitions`.

    Example:
        >>> shapley_values(np.array([0.0, 0.0, 0.0, 1.0]))  # a product of two
        array([0.5, 0.5])
    """
    players = len(worth).bit_length() - 1
    index = np.arange(len(worth))
    size = all_coalitions(players).sum(1)
    orders = [math.factorial(s) * math.factorial(players - s - 1) / math.factorial(players) for s in range(players)]
    values = np.zeros(players)
    for player in range(players):
        without = index[index >> player & 1 == 0]
        values[player] = np.asarray(orders)[size[without]] @ (worth[without | 1 << player] - worth[without])
    return values


@dataclass(frozen=True)
class Plan:
    """Which coalitions an estimate rests on; neither the empty one nor that of all players is among them.

    Attributes:
        present: the coalitions; those that are drawn come last, each followed by its complement.
        weights: weight of each in the regression.
        listed: how many come first that were not drawn: all of their sizes.
    """

    present: Bool[np.ndarray, "coalitions players"]
    weights: Float[np.ndarray, " coalitions"]
    listed: int


def plan_coalitions(players: int, samples: int, rng: np.random.Generator) -> Plan:
    """Choose coalitions for an estimate.

    Args:
        players: number of players, at least 5.
        samples: evaluations that may be spent, the two of nobody and of everybody included; fewer than ``2^players``,
            and at least ``2 players + 10``.
        rng: source of the draws.
    """
    mass = {k: (players - 1) / (k * (players - k)) for k in range(1, players)}
    left, sizes = samples - 2, list(range(1, players))
    listed: list[np.ndarray] = []
    weights: list[float] = []
    for k in range(1, players // 2 + 1):
        both = [k] if 2 * k == players else [k, players - k]
        count = len(both) * math.comb(players, k)
        fits = left * sum(mass[s] for s in both) / sum(mass[s] for s in sizes) >= count
        if k > 1 and not (fits and left - count >= MARGIN - 2):
            break
        for s in both:
            rows = np.zeros((math.comb(players, s), players), bool)
            rows[np.arange(len(rows))[:, None], list(combinations(range(players), s))] = True
            listed.append(rows)
            weights += [mass[s] / len(rows)] * len(rows)
            sizes.remove(s)
        left -= count
    pairs = left // 2
    chance = np.array([mass[s] for s in sizes])
    drawn_sizes = rng.choice(sizes, pairs, p=chance / chance.sum())
    ranks = rng.random((pairs, players)).argsort(1).argsort(1)
    drawn = ranks < drawn_sizes[:, None]
    present = np.concatenate([*listed, np.stack([drawn, ~drawn], 1).reshape(-1, players)])
    each = float(chance.sum()) / (2 * pairs)
    return Plan(present, np.array(weights + [each] * (2 * pairs)), len(weights))


@dataclass(frozen=True)
class Estimate:
    """Estimated Shapley values, and the standard error of each, in the scores' unit."""

    values: Float[np.ndarray, " players"]
    errors: Float[np.ndarray, " players"]


def estimate_shapley(plan: Plan, worth: Float[np.ndarray, " coalitions"], nobody: float, everybody: float) -> Estimate:
    """Solve KernelSHAP's regression under the constraint that the values sum to ``everybody - nobody``.

    The standard errors come from how the drawn pairs differ, each corrected for its leverage (a sandwich estimate of
    the kind HC3, MacKinnon and White 1985). They hold for many pairs; with few they are rough.

    Args:
        plan: the coalitions.
        worth: what each is worth.
        nobody: what the empty coalition is worth.
        everybody: what the coalition of all players is worth.
    """
    z, w = plan.present.astype(np.float64), plan.weights
    ones = np.ones(z.shape[1])
    inverse = np.linalg.inv((z * w[:, None]).T @ z)
    tilt = inverse @ ones / (ones @ inverse @ ones)
    free = inverse @ (z.T @ (w * (worth - nobody)))
    values = free - tilt * (free.sum() - (everybody - nobody))
    # From here on: how far the values would move with each drawn pair. `moves` maps a pair's misfit to them; it maps
    # a vector of equal numbers to 0, so that a complement's misfit counts as that of the coalition, sign turned.
    moves = inverse - np.outer(tilt, ones @ inverse)
    first, weight = z[plan.listed :: 2], w[plan.listed :: 2]
    residual = worth - nobody - z @ values
    misfit = residual[plan.listed :: 2] - residual[plan.listed + 1 :: 2]
    leverage = 2 * weight * np.einsum("pi,ij,pj->p", first, moves, first, optimize=True)
    pull = (first @ moves.T) * (weight * misfit / np.maximum(1 - leverage, 1e-6))[:, None]
    return Estimate(values, pull.std(0, ddof=1) * len(pull) ** 0.5)


def halves(plan: Plan) -> list[tuple[Int[np.ndarray, " rows"], Plan]]:
    """Return two plans of half of the drawn pairs each, and which coalitions of the whole plan each one takes."""
    pairs = (len(plan.present) - plan.listed) // 2
    found = []
    for first, last in ((0, pairs // 2), (pairs // 2, pairs)):
        rows = np.concatenate([np.arange(plan.listed), plan.listed + np.arange(2 * first, 2 * last)])
        weights = plan.weights[rows]
        weights[plan.listed :] *= pairs / (last - first)
        found.append((rows, Plan(plan.present[rows], weights, plan.listed)))
    return found


@dataclass(frozen=True)
class KernelShap:
    """Shapley values: each unit's effect, averaged over all orders in which the evidence could come in.

    They sum to the score at the input less the score without any evidence. Games of few players are enumerated, and the
    values exact; of more, KernelSHAP's estimate is given with its standard errors, and it sums exactly all the same.

    Attributes:
        samples: inputs scored for an estimate, by default 1000, or four for each player where those are more; as many
            as there are coalitions, and these are enumerated.
        exact: up to how many players are enumerated in any case (``2^players`` passes).
        players: ``"units"``, or ``"senses"``: whole senses come and go, eight coalitions for three, and the units of a
            sense share its value evenly.
        operator: infill operator, one name for all senses or one for each; by default each sense's first.
        chunk: edited inputs scored at once.

    Raises:
        InputError: a setting out of range.
    """

    name: ClassVar[str] = "kernel-shap"
    additive: ClassVar[bool] = True

    samples: int | None = None
    exact: int = 12
    players: Literal["units", "senses"] = "units"
    operator: Operators = None
    chunk: int = 16

    def __post_init__(self) -> None:
        check_settings(self.name, self.operator, self.chunk, self.samples)
        if not 0 <= self.exact <= MOST:
            raise InputError(
                f"kernel-shap: exact {self.exact}; 0 to {MOST} players can be enumerated (2^players passes)"
            )
        if self.players not in ("units", "senses"):
            raise InputError(f"kernel-shap: players {self.players!r}; one of units, senses is wanted")

    def run(self, task: Task) -> UnitValues:
        """Attribute; one forward pass for each distinct coalition, and one more for the input.

        Raises:
            InputError: a sense has no such operator, or the samples are too few for the players.
            ContractError: the system breaks the contract.
        """
        by_sense = self.players == "senses"
        players = (sense_players if by_sense else unit_players)(task.segmentations)
        game = Game(task, players, self.operator, self.chunk)
        count, samples = len(players), budget(self.samples, len(players))
        notes: list[str] = []
        stability = None
        if count <= self.exact or 2**count <= samples:
            worth = game(all_coalitions(count))
            values, nobody, everybody = shapley_values(worth), float(worth[0]), float(worth[-1])
            facts: dict[str, Any] = {"samples": len(worth), "enumerated": True}
        else:
            if samples < 2 * count + MARGIN:
                raise InputError(
                    f"kernel-shap: {samples} samples for {count} players; give at least {2 * count + MARGIN}, or ask "
                    "for players 'senses'"
                )
            plan = plan_coalitions(count, samples, np.random.default_rng(task.seed))
            ends = np.stack([np.zeros(count, bool), np.ones(count, bool)])
            worth = game(np.concatenate([ends, plan.present]))
            nobody, everybody = float(worth[0]), float(worth[1])
            found = estimate_shapley(plan, worth[2:], nobody, everybody)
            apart = [estimate_shapley(half, worth[2:][rows], nobody, everybody).values for rows, half in halves(plan)]
            values, stability = found.values, rank_correlation(*apart)
            errors = unit_values(players, found.errors, task.segmentations)
            facts = {"samples": len(worth), "enumerated": False}
            facts["standard_errors"] = {m: e.tolist() for m, e in errors.items()}
            notes += _doubts(found, task.scorer.target.unit)
        facts |= {"score_without_evidence": nobody}
        if by_sense:
            facts["senses"] = {p.sense: float(v) for p, v in zip(players, values, strict=True)}
            notes.append("whole senses came and went: the units of a sense share its value evenly")
        gap = abs(float(values.sum()) - (everybody - nobody))
        shares = unit_values(players, values, task.segmentations)
        return UnitValues(shares, gap=gap, facts=game.facts() | facts, notes=tuple(notes), stability=stability)


def _doubts(found: Estimate, unit: str) -> list[str]:
    """Return a note where the errors are as large as the values."""
    largest, error = float(np.abs(found.values).max()), float(found.errors.max())
    if error <= largest / 2:
        return []
    return [f"KernelSHAP's standard error reaches {error:.2g} {unit}, its values {largest:.2g}: ask for more samples"]
