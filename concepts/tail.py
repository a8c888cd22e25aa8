"""The tail: what the system decides when single places of its features are changed, everything else as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError
from ..fusion.measure import DRIFT
from ..modalities.contract import SplitSystem
from ..modalities.target import decision_score
from ..modalities.unrolled import RecurrentSystem
from .rows import from_rows, to_rows

__all__ = ["Outcome", "Shift", "Tail"]

_CHUNK = 64


@dataclass(frozen=True)
class Shift:
    """A change of some rows of one sense's features.

    Attributes:
        sense: the sense.
        rows: which rows, ascending.
        change: what is added to each of them; (rows, channels).
    """

    sense: str
    rows: tuple[int, ...]
    change: Float[Tensor, "rows channels"]


@dataclass(frozen=True)
class Outcome:
    """What changes of the features did.

    Attributes:
        effect: change of the decision score for each, nats.
        logits: scores of all actions after each.
    """

    effect: Float[np.ndarray, " edits"]
    logits: Float[np.ndarray, "edits actions"]


class Tail:
    """The second half of a split system before one observation's features.

    The features themselves go through every batch beside their edits; a system that scores them otherwise there than
    alone is not measurable, and an error says so.

    Attributes:
        passes: rows of features scored so far.
        score: decision score of the features as they are, nats.
    """

    def __init__(self, system: SplitSystem, features: Mapping[str, Tensor], action: int, score: float) -> None:
        """Take up a decision.

        Args:
            system: a split system, held still.
            features: features by sense, batches of one.
            action: index of the decision.
            score: its score, nats.
        """
        self.system, self.features, self.action, self.score = system, dict(features), action, score
        self.passes = 0

    @torch.no_grad()
    def measure(self, edits: Sequence[Sequence[Shift]]) -> Outcome:
        """Return what each edit (one shift a sense or several; none is nothing) does to the decision.

        Raises:
            ContractError: a score is not finite, or the features score otherwise in a batch.
        """
        effects, logits = np.zeros(len(edits)), np.zeros((len(edits), len(self.system.actions)), np.float32)
        senses = [frozenset(shift.sense for shift in edit) for edit in edits]
        for touched in dict.fromkeys(senses):
            members = [i for i, each in enumerate(senses) if each == touched]
            for first in range(0, len(members), _CHUNK):
                chosen = members[first : first + _CHUNK]
                found = self.system.decide(self.edited([edits[i] for i in chosen], sorted(touched)))
                effects[chosen], logits[chosen] = self._checked(found.expand(len(chosen) + 1, -1))
        return Outcome(effects, logits)

    def edited(self, edits: Sequence[Sequence[Shift]], senses: Sequence[str]) -> dict[str, Tensor]:
        """Return the features with each edit made, the unedited first; senses that none of them touches stay one."""
        found = dict(self.features)
        for m in senses:
            x = self.features[m]
            rows = to_rows(x).repeat(len(edits) + 1, 1, 1)
            for i, edit in enumerate(edits, 1):
                for shift in edit:
                    if shift.sense == m:
                        rows[i, list(shift.rows)] += shift.change.to(rows)
            found[m] = from_rows(rows, tuple(x.shape))
        return found

    def _checked(self, logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        self.passes += len(logits)
        if not logits.isfinite().all():
            raise ContractError("system: the scores are not finite where a concept is taken out of the features")
        scores = decision_score(logits, self.action)
        if abs(float(scores[0]) - self.score) > DRIFT[0] + DRIFT[1] * abs(self.score):
            raise ContractError(
                f"system: the same features score {self.score:.3f} nats alone and {float(scores[0]):.3f} among their "
                "edits; decide() must keep members of a batch apart"
            )
        return (scores[1:] - scores[0]).double().numpy(force=True), logits[1:].numpy(force=True)

    def gradients(self) -> dict[str, Float[Tensor, "rows channels"]]:
        """Return the gradient of the decision score by the rows of each sense's features.

        Raises:
            ContractError: no gradient arrives.
        """
        given = {m: x.detach().requires_grad_(True) for m, x in self.features.items()}
        with torch.enable_grad():
            score = decision_score(self.system.decide(given), self.action)[0]
            if not score.requires_grad:
                raise ContractError("system: no gradient of the score arrives at the features; do not detach them")
            found = torch.autograd.grad(score, list(given.values()), allow_unused=True)
        pairs = zip(given.items(), found, strict=True)
        return {m: to_rows(torch.zeros_like(x) if g is None else g)[0] for (m, x), g in pairs}

    @torch.no_grad()
    def by_state(self, edits: Sequence[Sequence[Shift]]) -> tuple[np.ndarray, np.ndarray] | None:
        """Part the effects of edits at the last step: what they do there directly, and by what is remembered alone.

        Patching between the edited and the unedited run (Vig et al., "Investigating Gender Bias in Language Models
        Using Causal Mediation Analysis", NeurIPS 2020): *by the memory*, the state before the last step is the edited
        run's and the last step's inputs are the unedited; *directly*, the other way about. They need not add up.

        Returns:
            Direct effects and effects by way of the memory, nats; None for a system without a state, or with one step.
        """
        if not isinstance(self.system, RecurrentSystem) or not edits:
            return None
        senses = sorted({shift.sense for edit in edits for shift in edit})
        course = self.system.unroll(self.edited(edits, senses))
        plain = self.system.unroll(self.features)
        if len(course.inputs) < 2:
            return None
        state, usual = course.start, plain.start
        for step, own in zip(course.inputs[:-1], plain.inputs[:-1], strict=True):
            state, usual = course.advance(state, step), plain.advance(usual, own)
        direct = course.read(course.advance(usual, course.inputs[-1]))
        through = course.read(course.advance(state, plain.inputs[-1]))
        self.passes += 2 * (len(edits) + 1)
        direct, through = (x.expand(len(edits) + 1, -1) for x in (direct, through))
        return tuple(
            (s[1:] - s[0]).double().numpy(force=True)
            for s in (decision_score(x, self.action) for x in (direct, through))
        )  # type: ignore[return-value]
