"""Measuring: what the system really does when the input is edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError
from ..modalities.contract import Prepared, SplitSystem, System
from ..modalities.evidence import Segmentation
from ..modalities.scorer import logits_of
from ..modalities.target import decision_score

__all__ = ["Joint", "Laboratory", "Measured"]

DRIFT = (0.01, 1e-3)
"""Nats, and share of the score: how far the unedited input may score from itself in another batch (rounding)."""


@dataclass(frozen=True)
class Measured:
    """What a batch of edits did.

    Attributes:
        effect: change of the decision score of each edit, nats.
        logits: scores of all actions after each edit.
        energy: size of each edit as the modality measures it.
        tensor: the edited inputs of the sense.
    """

    effect: Float[Tensor, " edits"]
    logits: Float[Tensor, "edits actions"]
    energy: Float[Tensor, " edits"]
    tensor: Tensor


@dataclass(frozen=True)
class Joint:
    """An edit of several senses at once: the names of its operators, and what it did.

    Tensor and energy are those of the sense of which some units are kept.
    """

    operator: str
    measured: Measured


@dataclass
class Laboratory:
    """One system before one observation; edits are made and measured here.

    On a system that can be split, only the edited sense is encoded again. The input itself is in every batch: a system
    that does not score it there as it did alone is not measurable, and an error says so.

    Attributes:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units.
        action: index of the decision.
        passes: forward passes spent, one for each input.
        chunk: edited inputs at once.
        score: decision score of the input alone, nats; found with a pass of its own where it is not given.
    """

    system: System
    prepared: Mapping[str, Prepared]
    segmentations: Mapping[str, Segmentation]
    action: int
    passes: int = 0
    chunk: int = 32
    score: float | None = None
    _features: dict[str, Tensor] = field(default_factory=dict)

    def _logits(self, modality: str, tensor: Tensor) -> Tensor:
        if isinstance(self.system, SplitSystem):
            if not self._features:
                self._features = {m: self.system.encode(m, p.tensor) for m, p in self.prepared.items()}
            return self.system.decide({**self._features, modality: self.system.encode(modality, tensor)})
        inputs = {m: p.tensor.expand(len(tensor), *p.tensor.shape[1:]) for m, p in self.prepared.items()}
        return self.system({**inputs, modality: tensor})

    def _scores(self, logits: Tensor, edit: str) -> Tensor:
        """Scores of the input and of its edits, in this order, once it is known that they can be compared."""
        bad = (~logits.isfinite().all(1)).nonzero()[:, 0].tolist()
        if bad:
            raise ContractError(
                f"system: the scores are not finite under {edit}: {logits[bad[0]].tolist()}; make the system bear "
                "edited inputs"
            )
        score = decision_score(logits, self.action)
        if self.score is None:
            alone = logits_of(self.system, {m: p.tensor for m, p in self.prepared.items()}, 1, "for one observation")
            self.score = float(decision_score(alone, self.action)[0])
            self.passes += 1
        if abs(float(score[0]) - self.score) > DRIFT[0] + DRIFT[1] * abs(self.score):
            raise ContractError(
                f"system: the same input scores {self.score:.3f} nats alone and {float(score[0]):.3f} among its edits; "
                "call eval() (dropout, batch norm), keep no state between calls, keep members of a batch apart; "
                "check_system finds which"
            )
        return score

    @torch.no_grad()
    def measure(self, modality: str, edits: Sequence[Sequence[int]], operator: str) -> Measured:
        """Edit units of one sense and see what the system does.

        Args:
            modality: the sense.
            edits: unit indices of each edit; none means the input as it is.
            operator: infill operator of the sense.

        Raises:
            ContractError: a score is not finite, or the unedited input does not score as it did alone.
            InputError: an unknown operator or unit.
        """
        sense, prepared = self.system.modalities[modality], self.prepared[modality]
        # The input itself goes through the same batch, so that the difference holds nothing but the edit.
        tensor = sense.infill(prepared, [(), *edits], operator, self.segmentations[modality])
        logits = torch.cat([self._logits(modality, part) for part in tensor.split(self.chunk)])
        self.passes += len(tensor)
        score = self._scores(logits, f"the {modality} operator {operator!r}")
        return Measured(score[1:] - score[0], logits[1:], sense.energy(prepared, tensor[1:]), tensor[1:])

    @torch.no_grad()
    def keep_only(self, modality: str, units: Sequence[int], index: int) -> Joint:
        """Edit everything in all senses except some units of one sense, with each sense's operator number ``index``.

        Raises:
            ContractError: a score is not finite, or the unedited input does not score as it did alone.
        """
        inputs, names = {}, []
        for m, p in self.prepared.items():
            sense = self.system.modalities[m]
            kept = set(units) if m == modality else set()
            rest = [u for u in range(len(self.segmentations[m])) if u not in kept]
            names.append(sense.operators[min(index, len(sense.operators) - 1)])
            inputs[m] = sense.infill(p, [(), rest], names[-1], self.segmentations[m])
        logits = self.system(inputs)
        self.passes += 2
        score = self._scores(logits, "an edit of everything but one claim")
        own = inputs[modality][1:]
        energy = self.system.modalities[modality].energy(self.prepared[modality], own)
        return Joint(" + ".join(names), Measured(score[1:] - score[0], logits[1:], energy, own))
