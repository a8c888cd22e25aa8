"""Split systems with a known tail, and banks whose concepts are channels of their features; for tests only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.concepts.planted import planted
from tests.toys import CAT, EARS, EYES, READER, SENTENCE, SIREN, Split, picture, sound
from veridical.concepts.bank import Association, ConceptBank, ConceptName
from veridical.concepts.tail import Tail
from veridical.modalities.target import decision_score
from veridical.modalities.unrolled import Unrolled

Score = Callable[[Mapping[str, Tensor]], Tensor]

OBSERVATION: dict[str, Any] = {
    "vision": picture(2), "audio": sound(), "text": SENTENCE.replace("stop", "siren"),
}  # fmt: skip
WINDOWS, CELLS = 8, 4


class Senses(Split):
    """Sees 4 × 4 cells of three colours a frame, hears the loudness of eight windows by halves, reads embeddings."""

    def __init__(self, score: Score) -> None:
        super().__init__(score, EYES, EARS, READER)

    def encode(self, modality: str, x: Tensor) -> Tensor:
        if modality == "audio":
            return x.unflatten(1, (WINDOWS, 2, -1)).square().mean(-1).sqrt() * 10
        if modality == "vision":
            side = x.shape[-1] // CELLS
            return x.unflatten(4, (CELLS, side)).unflatten(3, (CELLS, side)).mean((4, 6)) * 4
        return x

    def row_times(self, modality: str, rows: int) -> np.ndarray | None:
        edges = np.linspace(0, 1, rows + 1)
        return np.stack([edges[:-1], edges[1:]], 1) if modality == "audio" else None


class Remembering(Senses):
    """The same, row after row: the state is ``share`` of what it was and the row's own, and STOP's score is its sum."""

    def __init__(self, parts: Mapping[str, Tensor], share: float) -> None:
        super().__init__(self._run)
        self.parts, self.share = parts, share

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        count = max(x.shape[1] for x in features.values())
        steps = [{m: np.array([k]) for m, x in features.items() if k < x.shape[1]} for k in range(count)]
        return Unrolled(
            start=torch.zeros(1, 1) if state is None else state,
            inputs=tuple({m: features[m][:, r] for m, r in step.items()} for step in steps),
            origins=tuple(steps),
            times=tuple((float(k), k + 1.0) for k in range(count)),
            advance=lambda s, step: self.share * s + sum((x.sum(1) @ self.parts[m])[:, None] for m, x in step.items()),
            read=lambda s: torch.cat((s, torch.zeros_like(s)), 1),
        )

    def _run(self, features: Mapping[str, Tensor]) -> Tensor:
        course = self.unroll(features)
        state = course.start
        for step in course.inputs:
            state = course.advance(state, step)
        return state[:, 0]


def channels(sense: str, count: int, which: tuple[int, ...], **changes: Any) -> ConceptBank:
    """A bank whose k-th concept is strength in the channel ``which[k]``, alone; resamples find it exactly."""
    eye = np.eye(count, dtype=np.float32)[:, list(which)]
    eyes = np.eye(len(which), dtype=np.float32)
    bank = planted(eyes, channels=count, price=0.0)
    given = {"sense": sense, "centre": np.zeros(count, np.float32), "space": eye, "back": np.ascontiguousarray(eye.T)}
    natural = np.random.default_rng(len(sense)).normal(size=(40, count)).astype(np.float32)
    natural /= np.linalg.norm(natural, axis=1, keepdims=True)
    return replace(bank, **(given | {"natural": natural} | changes))


ANIMAL = (ConceptName("animal", "n-grams", 0.9, 0.4, "said once"), None)
GOES = (Association("STOP", 0.9, 0.3, 0.01, 12), Association("STOP", 0.8, 0.3, 0.02, 9))
BANKS = {
    "text": channels("text", 8, (CAT, SIREN), names=ANIMAL, associations=GOES),
    "audio": channels("audio", 2, (0,), names=(ConceptName("beep", "AudioSet", 0.7, 0.2),), associations=(None,)),
}
"""Words of animals and of sirens; the loudness of the first half of a window."""


def linear(parts: Mapping[str, Any], bias: float = 1.0) -> Score:
    """``bias + sum over rows and channels of w · features``; a sense without weights counts nothing."""
    weights = {m: torch.as_tensor(w, dtype=torch.float32) for m, w in parts.items()}

    def score(features: Mapping[str, Tensor]) -> Tensor:
        from veridical.concepts.rows import to_rows

        each = [to_rows(x).sum(1) @ weights[m] if m in weights else x.flatten(1)[:, 0] * 0 for m, x in features.items()]
        return bias + torch.stack(torch.broadcast_tensors(*each)).sum(0)

    return score


def tail_of(system: Split, features: Mapping[str, Tensor]) -> Tail:
    """The tail before these features."""
    with torch.no_grad():
        logits = system.decide(features)
    action = int(logits[0].argmax())
    return Tail(system, features, action, float(decision_score(logits, action)[0]))
