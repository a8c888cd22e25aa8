"""The core contract: what a system is, what a modality is, and what passes between them.

A *system* maps prepared inputs to one score (logit) per action. A *modality* is one sense: it turns a raw signal into
the tensor that gradients are taken with respect to, cuts it into evidence units, and knows what absence looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .clock import Clock
from .evidence import EvidenceUnit, Segmentation

__all__ = ["Modality", "Observation", "Prepared", "SplitSystem", "System"]

Observation = Mapping[str, Any]
"""Raw input of a system: one signal per modality name; a modality left out is absent."""


@dataclass(frozen=True)
class Prepared:
    """One signal, ready for the system.

    Attributes:
        modality: name of the modality.
        tensor: batch of one, shape (1, ...): (1, frames, 3, height, width) in 0..1 for vision, (1, samples) for audio,
            (1, tokens, features) for text, where an all-zero row is padding.
        baseline: what absence is on an attribution path; same shape as ``tensor``.
        raw: the signal as given, for display and digest: a tuple of uint8 (height, width, 3) arrays, which may differ
            in size, float32 (samples,) at the modality's rate, or the string.
        duration: seconds that the signal spans on its own clock, which starts at 0.
        notes: what the user must be told (resampled, mixed down, truncated ...), one sentence each.
        detail: what the modality itself needs later (token ids, scale factors ...).
        clock: from the signal's own seconds to the observation's; None where they are the same.
    """

    modality: str
    tensor: Tensor
    baseline: Tensor
    raw: Any
    duration: float
    notes: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    clock: Clock | None = None


@runtime_checkable
class Modality(Protocol):
    """One sense."""

    @property
    def name(self) -> str:
        """Name under which the signal stands in an observation."""
        ...

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the infill operators, at least two; the first is the default."""
        ...

    def prepare(self, signal: Any) -> Prepared:
        """Turn a raw signal into the system's input.

        Raises:
            InputError: the signal cannot be read, is empty, or holds values that are not finite.
        """
        ...

    def segment(self, prepared: Prepared) -> Segmentation:
        """Cut the signal into evidence units."""
        ...

    def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Path parameter of this modality and its derivative at ``u`` in 0..1; both shaped like ``u``.

        The attribution path is ``baseline + g(u) * (tensor - baseline)``, with g(0) = 0 and g(1) = 1.
        """
        ...

    def attribute(
        self, prepared: Prepared, gradient: Tensor
    ) -> Mapping[str, tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]]:
        """Turn a path-averaged gradient (shape of ``prepared.tensor``) into contributions on the raw axes.

        Returns a mapping from view name to (dims, coords, values). The view ``"units"`` has the shape of the
        segmentation's labels, and each view sums to ``(gradient * (tensor - baseline)).sum()``.
        """
        ...

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Replace, for each edit, the units listed; returns (edits, ...).

        Other elements stay as near to untouched as the sense allows; an empty edit changes nothing.

        Raises:
            InputError: an unknown operator or unit.
        """
        ...

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Size of each edit: L2 norm of what changed over that of removing everything (0 none, about 1 all)."""
        ...

    def show(self, units: Sequence[EvidenceUnit]) -> str:
        """Where the units lie, in words: position and time, time and frequency, or the words themselves."""
        ...


@runtime_checkable
class System(Protocol):
    """What is wrapped and explained."""

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses by name."""
        ...

    @property
    def actions(self) -> Sequence[str]:
        """Names of the actions, in the order of the scores."""
        ...

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Scores (logits) of all actions; a modality missing from ``inputs`` is absent."""
        ...


@runtime_checkable
class SplitSystem(System, Protocol):
    """A system that can be split, so that an edit in one modality re-encodes that one alone."""

    def encode(self, modality: str, x: Tensor) -> Tensor:
        """Features of one modality, shape (batch, ...)."""
        ...

    def decide(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Scores from features; batches of one are broadcast."""
        ...
