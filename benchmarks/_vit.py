"""A small vision transformer that reads digits, trained here: no weights of a larger one come in a wheel."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from veridical.errors import InputError
from veridical.modalities.adapters.module import Wrapped, wrap
from veridical.modalities.vision import Vision

__all__ = ["SIDE", "Digits", "Trained", "read_digits", "train_vit"]

SIDE = 32
"""Pixels a side: the digits' 8 x 8, each made 4 x 4."""

_EPOCHS, _BATCH, _RATE = 12, 32, 1e-3


@dataclass(frozen=True)
class Digits:
    """Handwritten digits of scikit-learn (Alpaydin and Kaynak, UCI 1998), split by their order.

    Attributes:
        pictures: in 0..1, enlarged, (digits, SIDE, SIDE).
        labels: what they are.
        train: how many, the first of them, are for training.
    """

    pictures: Float[np.ndarray, "digits side side"]
    labels: Int[np.ndarray, " digits"]
    train: int


@dataclass(frozen=True)
class Trained:
    """A trained transformer as a system, its accuracy on digits that it was not trained on, and these."""

    system: Wrapped
    accuracy: float
    digits: Digits

    def observation(self, index: int) -> dict[str, Any]:
        """Return a digit that it was not trained on, as uint8 (SIDE, SIDE, 3)."""
        picture = self.digits.pictures[self.digits.train + index]
        return {"vision": (255 * picture).round().astype(np.uint8)[:, :, None].repeat(3, 2)}


def read_digits() -> Digits:
    """Return the digits, four fifths of them for training: the last fifth is by other writers.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "digits: they come with scikit-learn, which is missing; pip install 'veridical[benchmark]'"
        ) from error
    found: Any = load_digits()
    pictures = (found.images / 16).repeat(SIDE // 8, 1).repeat(SIDE // 8, 2)
    return Digits(pictures, found.target.astype(np.int64), 4 * len(pictures) // 5)


def _network() -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    size: dict[str, Any] = {"img_size": SIDE, "patch_size": 8, "num_classes": 10, "embed_dim": 48, "depth": 4}
    network = VisionTransformer(**size, num_heads=4, mlp_ratio=2.0, weight_init="jax")
    # timm's start is for large models: here positions would be lost beside the patches for most of the training.
    assert network.pos_embed is not None  # noqa: S101 - this size has them
    nn.init.normal_(network.pos_embed, std=0.5)
    return network


def _wrapped(network: nn.Module) -> Wrapped:
    sense = Vision(size=SIDE, units=36)
    # Ink is 1 and paper 0 in the data: centred, so that neither is nothing.
    return wrap(network, [sense], [str(k) for k in range(10)], call=lambda m, given: m(2 * given["vision"][:, 0] - 1))


@functools.cache
def train_vit(epochs: int = _EPOCHS, seed: int = 0) -> Trained:
    """Train the transformer: 16 patches and a class token, 4 layers of 4 heads, 48 features.

    Adam, the rate falling along a cosine. The same seed and machine give the same network.

    Raises:
        InputError: scikit-learn is not installed.
    """
    digits = read_digits()
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(digits.pictures).float()[:, None].expand(-1, 3, -1, -1)
    y = torch.from_numpy(digits.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network()
    optimiser = torch.optim.Adam(network.parameters(), _RATE)
    steps = epochs * -(-digits.train // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(digits.train, generator=generator).split(_BATCH):
            optimiser.zero_grad()
            logits = network(2 * x[rows] - 1)
            nn.functional.cross_entropy(logits, y[rows]).backward()
            optimiser.step()
            schedule.step()
    network.eval().requires_grad_(False)
    with torch.no_grad():
        right = network(2 * x[digits.train :] - 1).argmax(1) == y[digits.train :]
    return Trained(_wrapped(network), float(right.float().mean()), digits)
