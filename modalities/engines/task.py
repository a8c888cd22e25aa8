"""What an attribution method is asked, and what it may answer.

A method is a small frozen dataclass: its fields are its settings, and ``run`` answers a `Task`. The answer comes in one
of four kinds, which `veridical.modalities.attribution` lays out on the raw axes as saliency maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..contract import Modality, Prepared
from ..evidence import Segmentation
from ..scorer import Scorer
from ..timed import place

__all__ = ["Answer", "Contributions", "LayerMap", "Method", "Sensitivities", "Task", "Term", "UnitValues"]


@dataclass(frozen=True)
class Task:
    """One decision to attribute.

    Attributes:
        scorer: the system and the question.
        prepared: the prepared signals by sense.
        seed: seed of whatever a method draws.
        progress: called with the share of the work that is done.
    """

    scorer: Scorer
    prepared: Mapping[str, Prepared]
    seed: int = 0
    progress: Callable[[float], None] = lambda share: None

    @property
    def senses(self) -> Mapping[str, Modality]:
        """The senses by name."""
        return {m: self.scorer.system.modalities[m] for m in self.prepared}

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The prepared tensors by sense, batches of one."""
        return {m: p.tensor for m, p in self.prepared.items()}

    @property
    def baselines(self) -> dict[str, Tensor]:
        """What absence is, by sense, shaped like the inputs."""
        return {m: p.baseline for m, p in self.prepared.items()}

    @cached_property
    def segmentations(self) -> dict[str, Segmentation]:
        """Evidence units by sense."""
        return {m: place(self.senses[m].segment(p), p) for m, p in self.prepared.items()}


@dataclass(frozen=True)
class Answer:
    """What every kind of answer carries.

    Attributes:
        gap: completeness gap over all senses, in the target's unit; None where the method promises none.
        facts: what was spent and reached (evaluations, tolerance met ...), plain JSON values; joins the parameters.
        notes: what the user must be told, one sentence each.
        stability: rank correlation with what the method gives from other draws or fewer evaluations; None if it
            was not measured.
        unit: unit of the values where it is not the target's.
    """

    gap: float | None = field(default=None, kw_only=True)
    facts: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    stability: float | None = field(default=None, kw_only=True)
    unit: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Term:
    """Multipliers by sense, which times (input - baseline) are contributions; both shaped like the prepared tensor."""

    multipliers: Mapping[str, Tensor]
    baselines: Mapping[str, Tensor]


@dataclass(frozen=True)
class Contributions(Answer):
    """Additive contributions of input elements, in the target's unit: the mean over ``terms``."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Sensitivities(Answer):
    """How much the score would change with each input element; shaped like the prepared tensors.

    Attributes:
        values: gradients (target's unit per unit of input), or their variances where ``squared``.
        squared: whether the values are variances.
    """

    values: Mapping[str, Tensor]
    squared: bool = False


@dataclass(frozen=True)
class UnitValues(Answer):
    """One contribution for each evidence unit of each sense, in the target's unit."""

    values: Mapping[str, Float[np.ndarray, " units"]]


@dataclass(frozen=True)
class LayerMap(Answer):
    """A map on a layer's own grid.

    Attributes:
        layer: name of the layer.
        values: the layer's axes, batch and channels gone: (rows, height, width), (rows, steps) ...; where a system
            folds frames or windows into the batch they are the rows.
        dims: their names.
        sense: the sense that the layer reads, where it is known.
    """

    layer: str
    values: Float[np.ndarray, "..."]
    dims: tuple[str, ...]
    sense: str | None = None


@runtime_checkable
class Method(Protocol):
    """An attribution method: a frozen dataclass whose fields are its settings."""

    name: ClassVar[str]
    """Name, as the literature has it, in lower case with hyphens: ``"integrated-gradients"``."""
    additive: ClassVar[bool]
    """Whether the values are contributions that can be summed."""

    def run(self, task: Task) -> Answer:
        """Attribute.

        Raises:
            InputError: the method means nothing for this system or sense; the message says why.
            ContractError: the system breaks the contract.
        """
        ...
