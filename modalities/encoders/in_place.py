"""Activations in place where nobody would notice: no gradient is asked for, and nobody looks at what they overwrite.

A convolution's output of an image takes megabytes; to clamp it into fresh memory costs half as much as to make it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["InPlaceReLU", "InPlaceReLU6", "is_unseen"]


def is_unseen(x: Tensor, *modules: nn.Module) -> bool:
    """Whether only the next module reads ``x``: no gradient flows through it, and no hook of ``modules`` saw it."""
    return not x.requires_grad and not any(m._forward_hooks or m._forward_pre_hooks for m in modules)


class _InPlace(nn.Module):
    """An activation that overwrites what the module before it made.

    Args:
        before: that module; its output must go nowhere else.
    """

    def __init__(self, before: nn.Module) -> None:
        super().__init__()
        self._before = (before,)  # in a tuple, or it would be registered as a part of this one
        self.inplace = False  # as far as others ask: where they look, it never is

    def _may(self, x: Tensor) -> bool:
        return is_unseen(x, self._before[0], self)


class InPlaceReLU(_InPlace, nn.ReLU):
    """``max(x, 0)``; in place where `is_unseen`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``max(input, 0)``, of any shape."""
        return F.relu(input, inplace=self._may(input))


class InPlaceReLU6(_InPlace, nn.ReLU6):
    """``min(max(x, 0), 6)``; in place where `is_unseen`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``min(max(input, 0), 6)``, of any shape."""
        return F.relu6(input, inplace=self._may(input))
