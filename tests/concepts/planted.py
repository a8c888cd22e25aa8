"""Features with a known inside: a planted dictionary in a turned space, for the tests of banks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.concepts.bank import Association, ConceptBank, ConceptName, Prototype


def turned(size: int, seed: int = 0) -> np.ndarray:
    """A rotation."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def planted(directions: Any, channels: int = 0, price: float = 0.05, **changes: Any) -> ConceptBank:
    """A bank of these directions, whose space is a rotation of the first of its channels."""
    rows = np.asarray(directions, np.float32)
    count, dims = rows.shape
    channels = channels or dims
    space = turned(channels)[:, :dims].astype(np.float32)
    bank = ConceptBank(
        sense="vision",
        centre=np.linspace(0.1, 0.3, channels, dtype=np.float32),
        space=space,
        back=np.ascontiguousarray(space.T),
        directions=rows,
        replicas=np.stack([rows, rows]),
        typical=np.full(count, 2.0, np.float32),
        threshold=np.full(count, 0.5, np.float32),
        usual=np.tile(np.linspace(0, 4, 33, dtype=np.float32), (count, 1)),
        natural=np.eye(channels, dtype=np.float32)[:2],
        stability=np.full(count, 0.95, np.float32),
        prototypes=((Prototype("a", (0, 1), (1, 3), 2.5),),) * count,
        associations=(Association("STOP", 0.9, 0.3, 0.01, 12),) + (None,) * (count - 1),
        names=(ConceptName("cat", "ImageNet", 0.8, 0.3),) + (None,) * (count - 1),
        price=price,
        made={"system": "toy", "observations": 100, "settings": {"present": 0.15}},
    )
    return replace(bank, **changes)


def features(bank: ConceptBank, coordinates: Any) -> Tensor:
    """Features of one decision, (1, rows, channels), that have these coordinates."""
    return torch.from_numpy((bank.centre + np.asarray(coordinates) @ bank.back).astype(np.float32))[None]
