"""Small banks, systems and observations for the tests of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.toys import CAT, EARS, EYES, RATE, READER, SIDE, SIREN, Split
from veridical.concepts.bank import ConceptBank, Prototype

WINDOW = RATE // 2
"""Samples of a window of the toy's ears."""


def bank(sense: str, directions: np.ndarray, prototypes: Mapping[int, list[Prototype]], **made: Any) -> ConceptBank:
    """A bank whose space is the features themselves."""
    count, channels = directions.shape
    each = np.full(count, 0.1, np.float32)
    return ConceptBank(
        sense=sense,
        centre=np.zeros(channels, np.float32),
        space=np.eye(channels, dtype=np.float32),
        back=np.eye(channels, dtype=np.float32),
        directions=directions.astype(np.float32),
        replicas=np.zeros((0, count, channels), np.float32),
        typical=each,
        threshold=each,
        usual=np.zeros((count, 33), np.float32),
        natural=np.zeros((0, channels), np.float32),
        stability=np.ones(count, np.float32),
        prototypes=tuple(tuple(prototypes.get(k, ())) for k in range(count)),
        associations=(None,) * count,
        names=(None,) * count,
        price=0.0,
        made=made,
    )


class Windows(Split):
    """Hears windows of half a second: their root mean square, and a constant."""

    def encode(self, modality: str, x: Tensor) -> Tensor:
        if modality != "audio":
            return super().encode(modality, x)
        level = x.unfold(1, WINDOW, WINDOW).square().mean(-1).sqrt()
        return torch.stack((level, torch.ones_like(level)), -1)

    def row_times(self, modality: str, rows: int) -> np.ndarray | None:
        if modality != "audio":
            return None
        starts = np.arange(rows) * WINDOW / RATE
        return np.stack([starts, starts + WINDOW / RATE], 1)


SYSTEM = Windows(lambda inputs: next(iter(inputs.values())).flatten(1).sum(1), EYES, EARS, READER)

TEXTS = {
    "a": "Stop if you meet a cat near the street",
    "b": "Wait at the door, the cat will take your parcel",
    "c": "go down the left side of this street to a cat",
    "d": "if you meet a dog or siren near by",
    "e": "a siren on your way",
    "f": "Siren: stop!",
}


def read() -> ConceptBank:
    """Concept 0 is "cat", concept 1 "siren", concept 2 is nowhere."""
    directions = np.zeros((3, 8))
    directions[0, CAT] = directions[1, SIREN] = 1
    directions[2, 0] = -1
    found: dict[int, list[Prototype]] = {0: [], 1: []}
    for name, text in TEXTS.items():
        x = SYSTEM.modalities["text"].prepare(text).tensor[0]
        for concept, channel in ((0, CAT), (1, SIREN)):
            row = int(x[:, channel].argmax())
            if x[row, channel] > 0:
                found[concept].append(Prototype(name, (row,), (len(x),), float(x[row, channel])))
    return bank("text", directions, found)


def recalled(found: Mapping[str, Any], sense: str) -> Callable[[str], dict[str, Any] | None]:
    """A recall from signals by name."""
    return lambda name: {sense: found[name]} if name in found else None


def pictures(count: int = 4) -> dict[str, np.ndarray]:
    """Black frames, two each; in the second one a red square, a third as wide as the frame, at row 8, column 16."""
    found = {}
    for i in range(count):
        frames = np.zeros((2, SIDE, SIDE, 3), np.uint8)
        frames[1, 8:18, 16:26, 0] = 255
        found[str(i)] = frames
    return found


def seen() -> ConceptBank:
    """Concept 0 is red, concept 1 green, which is nowhere."""
    spots = [Prototype(str(i), (1, 12, 20), (2, SIDE, SIDE), 1.0) for i in range(4)]
    return bank("vision", np.eye(3)[:2], {0: spots})


def sounds(count: int = 4) -> dict[str, tuple[np.ndarray, int]]:
    """Three seconds of silence with one second of a tone in the middle."""
    at = np.arange(3 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * at) * ((at >= 1) & (at < 2))
    return {str(i): (tone.astype(np.float32), RATE) for i in range(count)}


def heard() -> ConceptBank:
    """Concept 0 is loudness."""
    spots = [Prototype(str(i), (2,), (6,), 0.5**0.5) for i in range(4)]
    return bank("audio", np.array([[1.0, 0.0]]), {0: spots})
