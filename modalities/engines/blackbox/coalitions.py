"""Coalitions: what a system scores when only some of the evidence is there, over all senses at once.

What every black-box method rests on. A *player* is a set of evidence units that come and go together; a coalition is
the set of players that are there, and all others are taken away by their sense's infill operator. Only forward passes
are needed, so any callable will do.

Memory is flat: coalitions are scored in chunks, and of each only its score is kept. A coalition that was asked for
twice is scored once. Of a system that can be split, a sense whose edit was seen before is not encoded again, as long
as its features are among the last bytes that `TensorStore` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ....errors import ContractError, InputError
from ...contract import Modality, SplitSystem
from ...edits import check_operator
from ...evidence import Segmentation
from ...scorer import logits_of
from ...store import TensorStore
from ..task import Task

__all__ = [
    "Game",
    "Operators",
    "Player",
    "all_coalitions",
    "budget",
    "check_settings",
    "sense_players",
    "unit_players",
    "unit_values",
]

DRIFT = (0.01, 1e-3)
"""In the target's unit, and as a share of the score: what rounding may change of the input's score among its edits."""

Operators = str | Mapping[str, str] | None
"""An infill operator for all senses, one for each sense by name, or each sense's default."""


@dataclass(frozen=True)
class Player:
    """Evidence units of one sense that come and go together."""

    sense: str
    units: tuple[int, ...]


def unit_players(segmentations: Mapping[str, Segmentation]) -> tuple[Player, ...]:
    """Return one player for each evidence unit, sense by sense."""
    return tuple(Player(m, (u,)) for m, s in segmentations.items() for u in range(len(s)))


def sense_players(segmentations: Mapping[str, Segmentation]) -> tuple[Player, ...]:
    """Return one player for each sense; a sense without units (an empty text) has nothing to take away and is none."""
    return tuple(Player(m, tuple(range(len(s)))) for m, s in segmentations.items() if len(s))


def unit_values(
    players: Sequence[Player], values: Float[np.ndarray, " players"], segmentations: Mapping[str, Segmentation]
) -> dict[str, np.ndarray]:
    """Return values by sense and unit, float64; the units of a player share its value evenly."""
    found = {m: np.zeros(len(s)) for m, s in segmentations.items()}
    for player, value in zip(players, values, strict=True):
        found[player.sense][list(player.units)] += value / len(player.units)
    return found


def all_coalitions(players: int) -> Bool[np.ndarray, "coalitions players"]:
    """Return all ``2^players`` coalitions; player i is there in row k where bit i of k is set."""
    return (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1


def budget(samples: int | None, players: int) -> int:
    """Return how many coalitions to draw: those asked for, else 1000, or four for each player where those are more."""
    return max(1000, 4 * players) if samples is None else samples


def check_settings(method: str, operator: Operators, chunk: int, samples: int | None = None) -> None:
    """Hold the settings that black-box methods share against what they may be.

    Raises:
        InputError: an operator that is neither a name nor a mapping of names, a chunk or a number of samples below 1.
    """
    names = operator.values() if isinstance(operator, Mapping) else () if operator is None else (operator,)
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{method}: operator {operator!r}; give a name, a mapping from sense to name, or None")
    if chunk < 1:
        raise InputError(f"{method}: chunk {chunk}; at least 1 coalition must be scored at once")
    if samples is not None and samples < 1:
        raise InputError(f"{method}: {samples} samples; give at least 1, or None for a number that fits the units")


class Game:
    """A decision as a game: coalitions of players go in, the target's value for each comes out.

    The unedited input is scored alone and again in the first chunk: a system that scores it differently there mixes
    the members of a batch or keeps state, no difference of its scores would mean anything, and an error says so.

    Args:
        task: what is attributed.
        players: who comes and goes.
        operator: what absence looks like.
        chunk: coalitions scored at once.

    Attributes:
        score: the target's value at the unedited input; nan before the first call.
        evaluations: inputs scored so far.
        encoded: inputs encoded so far, by sense; empty where the system cannot be split.

    Raises:
        InputError: an operator that a sense does not have, or one for a sense that the system does not have.

    Example:
        >>> game = Game(task, unit_players(task.segmentations))     # doctest: +SKIP
        >>> game(all_coalitions(4)).shape                           # doctest: +SKIP
        (16,)
    """

    def __init__(self, task: Task, players: Sequence[Player], operator: Operators = None, chunk: int = 16) -> None:
        self.players, self.chunk = tuple(players), chunk
        self.score, self.evaluations = float("nan"), 0
        self.operators = _operators(task.senses, operator, task.scorer.system.modalities)
        self._task, self._scorer = task, task.scorer.at(0)
        system = self._scorer.system
        self._split = system if isinstance(system, SplitSystem) else None
        self.encoded = dict.fromkeys(task.prepared, 0) if self._split else {}
        self._store = TensorStore()
        self._whole: dict[str, Tensor] = {}

    def __call__(self, present: Bool[np.ndarray, "coalitions players"]) -> Float[np.ndarray, " coalitions"]:
        """Return the target's value for each coalition, float64; the task's progress runs to 1.

        Raises:
            ContractError: scores of a wrong shape or not finite, or the unedited input scores differently in a batch;
                an infill or an encoder returns too few or too many rows.
        """
        rows, back = _distinct(present)
        scores: list[np.ndarray] = []
        with self._scorer.held(), torch.no_grad():
            alone = self._alone()
            for first in range(0, len(rows), self.chunk):
                scores.append(self._scored(rows[first : first + self.chunk]))
                if first == 0:
                    self.score = _same(alone, float(scores[0][0]))
                self._task.progress(min(1.0, (first + self.chunk) / len(rows)))
        return np.concatenate(scores)[back]

    def facts(self) -> dict[str, Any]:
        """Return what was spent, as plain JSON values."""
        units = {m: len(s) for m, s in self._task.segmentations.items()}
        spent: dict[str, Any] = {"evaluations": self.evaluations, "score": self.score, "units": units}
        return {**spent, "operator": dict(self.operators), **({"encoded": dict(self.encoded)} if self._split else {})}

    def _alone(self) -> float:
        self.evaluations += 1
        if self._split:
            self.encoded = {m: n + 1 for m, n in self.encoded.items()}
        return float(self._scorer(self._task.inputs)[0])

    def _scored(self, present: Bool[np.ndarray, "rows players"]) -> Float[np.ndarray, " rows"]:
        gone: dict[str, list[frozenset[int]]] = {m: [] for m in self._task.prepared}
        for row in present:
            away: dict[str, set[int]] = {m: set() for m in gone}
            for index in np.flatnonzero(~row):
                away[self.players[index].sense].update(self.players[index].units)
            for m, units in away.items():
                gone[m].append(frozenset(units))
        told = ", ".join(f"{m} {name!r}" for m, name in self.operators.items())
        with self._scorer.held() as state:
            try:
                batch = {m: self._sense(m, patterns) for m, patterns in gone.items()}
                if len(present) > 1 and all(len(x) == 1 for x in batch.values()):
                    batch = {m: x.expand(len(present), *x.shape[1:]) for m, x in batch.items()}
                system = self._scorer.system if self._split is None else _Decider(self._split)
                logits = logits_of(system, batch, len(present), f"with evidence taken away (operators: {told})")
            finally:
                state.settle()
        self.evaluations += len(present)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return self._scorer.target(logits).double().cpu().numpy()

    def _sense(self, m: str, patterns: Sequence[frozenset[int]]) -> Tensor:
        """Return inputs of one sense, or features where the system can be split: a row for each pattern of edits.

        Where no pattern differs, one row stands for all in features, for `SplitSystem.decide` broadcasts it.
        """
        distinct = list(dict.fromkeys(patterns))
        found = {p: x for p in distinct if (x := self._known(m, p)) is not None}
        missing = [p for p in distinct if p not in found]
        if missing:
            fresh = self._encode(m, self._edited(m, missing))
            for pattern, row in zip(missing, fresh.split(1), strict=True):
                found[pattern] = row
                self._store.put((m, pattern), row)
        if len(distinct) == 1:
            row = found[distinct[0]]
            return row if self._split else row.expand(len(patterns), *row.shape[1:])
        at = {p: k for k, p in enumerate(distinct)}
        order = torch.tensor([at[p] for p in patterns])
        stacked = torch.cat([found[p] for p in distinct])
        return stacked[order.to(stacked.device)]

    def _known(self, m: str, pattern: frozenset[int]) -> Tensor | None:
        if pattern:
            return self._store.get((m, pattern))
        if m not in self._whole:
            self._whole[m] = self._encode(m, self._task.inputs[m])
        return self._whole[m]

    def _edited(self, m: str, patterns: Sequence[frozenset[int]]) -> Tensor:
        edits = [sorted(p) for p in patterns]
        prepared, segmentation = self._task.prepared[m], self._task.segmentations[m]
        edited = self._task.senses[m].infill(prepared, edits, self.operators[m], segmentation)
        if len(edited) != len(edits):
            raise ContractError(f"{m}: infill returned {len(edited)} rows for {len(edits)} edits; one each is wanted")
        return edited

    def _encode(self, m: str, x: Tensor) -> Tensor:
        if self._split is None:
            return x
        with self._scorer.held() as state:
            try:
                features = self._split.encode(m, x)
            finally:
                state.settle()  # one sense may be encoded more than once for one decision
        if len(features) != len(x):
            raise ContractError(f"system: encode({m!r}) returned {len(features)} rows for {len(x)}; one each is wanted")
        self.encoded[m] += len(x)
        return features


class _Decider:
    """The second half of a split system, as a system of features."""

    def __init__(self, system: SplitSystem) -> None:
        self._system = system
        self.modalities, self.actions = system.modalities, system.actions

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self._system.decide(inputs)


def _operators(senses: Mapping[str, Modality], operator: Operators, known: Mapping[str, Modality]) -> dict[str, str]:
    asked = operator if isinstance(operator, Mapping) else {} if operator is None else dict.fromkeys(senses, operator)
    for m in asked:
        if m not in known:
            raise InputError(f"operator: the system has no sense {m!r}; it has {', '.join(known)}")
    chosen = {m: asked.get(m, sense.operators[0]) for m, sense in senses.items()}
    for m, name in chosen.items():
        check_operator(m, name, senses[m].operators)
    return chosen


def _distinct(
    present: Bool[np.ndarray, "coalitions players"],
) -> tuple[Bool[np.ndarray, "rows players"], np.ndarray]:
    """Return the distinct coalitions, that of all players first, and which of them each of the given ones is.

    They are sorted, so that the edits of the first sense change slowest and stay in the store.
    """
    whole = np.ones((1, present.shape[1]), bool)
    if present.shape[1] == 0:
        return whole, np.zeros(len(present), np.int64)
    rows, back = np.unique(np.concatenate([whole, present]), axis=0, return_inverse=True)
    return rows[::-1], len(rows) - 1 - back.reshape(-1)[1:]


def _same(alone: float, batched: float) -> float:
    if abs(batched - alone) > DRIFT[0] + DRIFT[1] * abs(alone):
        raise ContractError(
            f"system: the same input scores {alone:.3f} alone and {batched:.3f} among its edits; call eval() (dropout, "
            "batch norm), keep no state between calls, keep members of a batch apart; check_system finds which"
        )
    return batched
