"""Scenes and variants for tests of the suite: parts whose place and effect on a toy are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests import toys

CLAUSES = ("go down the left side", "stop if you meet cat", "wait at siren")
TEXT = ". ".join(CLAUSES)
SQUARE = np.zeros((1, toys.SIDE, toys.SIDE), bool)
SQUARE[:, 16:24, 16:24] = True


@dataclass(frozen=True)
class Piece:
    """A part of a scene, as composing gives it."""

    name: str
    sense: str
    without: Callable[[], Mapping[str, Any]]
    mask: np.ndarray | None = None
    time: tuple[float, float] | None = None
    span: tuple[int, int] | None = None
    what: str = "toy"


@dataclass(frozen=True)
class Made:
    """A scene, as composing gives it."""

    observation: Mapping[str, Any]
    parts: Mapping[str, Piece]
    scene: Any = None


@dataclass(frozen=True)
class Varied:
    """A variant of a scenario."""

    name: str
    observation: Mapping[str, Any]
    composed: Made | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    perturbations: tuple[Any, ...] = ()


def sounding(tone: bool = True) -> np.ndarray:
    """Faint noise, and a tone at 0.5 to 0.625 s."""
    noise = 0.01 * np.random.default_rng(0).standard_normal(toys.RATE)
    return np.clip(noise + 0.5 * toys.TONE.numpy() * tone, -1, 1).astype(np.float32)


def observation(cat: bool = True, siren: bool = True, tone: bool = True, red: bool = True) -> dict[str, Any]:
    """A picture with a red square, a sound with a tone, a text with "cat" and "siren"; or without any of them."""
    frames = toys.picture()
    if not red:
        frames[:, 16:24, 16:24] = 110
    said = [CLAUSES[0], *([CLAUSES[1]] if cat else []), *([CLAUSES[2]] if siren else [])]
    return {"vision": frames, "audio": (sounding(tone), toys.RATE), "text": ". ".join(said)}


def scene(**there: bool) -> Made:
    """The scene of `observation`, with its parts."""
    whole = observation(**there)
    spans = {clause: (TEXT.find(clause), TEXT.find(clause) + len(clause)) for clause in CLAUSES}
    parts = [
        Piece("thing 0", "vision", lambda: observation(red=False), mask=SQUARE),
        Piece("sound 0", "audio", lambda: observation(tone=False), time=(0.5, 0.625)),
        Piece("clause 1", "text", lambda: observation(cat=False), span=spans[CLAUSES[1]]),
        Piece("clause 2", "text", lambda: observation(siren=False), span=spans[CLAUSES[2]]),
    ]
    return Made(whole, {part.name: part for part in parts})


def variant(name: str = "as written", **there: bool) -> Varied:
    """A variant of nothing but the scene."""
    made = scene(**there)
    return Varied(name, made.observation, made)


def reads(cat: float = 4.0, siren: float = 2.0, bias: float = 0.0) -> toys.Score:
    """A score that is a sum over two words."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        text = inputs["text"]
        return bias + cat * text[:, :, toys.CAT].sum(1) + siren * text[:, :, toys.SIREN].sum(1)

    return score


def senses(red: float = 1.0, tone: float = 1.0, cat: float = 1.0, bias: float = 0.0) -> toys.Score:
    """A score that is a sum over the red square, the tone and the word "cat"."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        each = [inputs["text"].new_full((len(inputs["text"]),), bias)] if "text" in inputs else [torch.tensor([bias])]
        if "vision" in inputs:
            each.append(red * toys.sees_red(inputs))
        if "audio" in inputs:
            each.append(tone * toys.hears_tone(inputs))
        if "text" in inputs:
            each.append(cat * toys.reads_cat(inputs))
        return torch.stack(torch.broadcast_tensors(*each)).sum(0)

    return score
