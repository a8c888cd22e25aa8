"""Courier's trained head: attention across the senses, and memory over the steps.

Frozen features come in: a 7 x 7 grid of visual cells a frame, the scores of AudioSet's classes in sound windows of
0.96 s, one state a token. At each step (one camera frame, one second) a few memory slots attend to the cells of that
frame, to the sound windows that overlap that second, and to all words; a gated recurrent unit carries the slots on.
Every activation is smooth (SiLU, tanh, sigmoid, softmax), so that curvature exists everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...errors import InputError
from .policy import ACTIONS

__all__ = ["CourierHead", "HeadSize"]

_WINDOW_HOP = 0.48
_WINDOW = 0.975


@dataclass(frozen=True)
class HeadSize:
    """Sizes of the head.

    Attributes:
        vision: features of a visual cell.
        audio: features of a sound window.
        text: features of a token.
        width: features inside the head.
        heads: attention heads; they divide the width.
        slots: memory slots.
        cells: cells a side of the visual grid.
    """

    vision: int = 1280
    audio: int = 521
    text: int = 384
    width: int = 112
    heads: int = 4
    slots: int = 4
    cells: int = 7


class CourierHead(nn.Module):
    """Scores of the four actions from the features of what is seen, heard and read."""

    def __init__(self, size: HeadSize | None = None) -> None:
        """Build the head with random parameters."""
        super().__init__()
        self.size = size = size or HeadSize()
        width = size.width
        self.project = nn.ModuleDict(
            {
                m: nn.Sequential(nn.LayerNorm(d), nn.Linear(d, width))
                for m, d in (("vision", size.vision), ("audio", size.audio), ("text", size.text))
            }
        )
        self.kind = nn.ParameterDict({m: nn.Parameter(0.1 * torch.randn(width)) for m in self.project})
        self.place = nn.Parameter(0.1 * torch.randn(size.cells**2, width))
        self.slots = nn.Parameter(torch.randn(size.slots, width))
        self.before = nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.memory = nn.GRUCell(width, width)
        self.read = nn.Sequential(
            nn.LayerNorm(size.slots * width), nn.Linear(size.slots * width, 2 * width), nn.SiLU(), nn.Linear(2 * width,
            2 * width), nn.SiLU(), nn.Linear(2 * width, len(ACTIONS)),
        )  # fmt: skip

    def _attend(self, slots: Tensor, tokens: Tensor, hidden: Bool[Tensor, "batch tokens"]) -> Tensor:
        """Multi-head attention of the slots over the tokens, written out so that it can be differentiated twice."""
        batch, heads = len(tokens), self.size.heads

        def split(x: Tensor) -> Tensor:
            return x.view(batch, -1, heads, self.size.width // heads).transpose(1, 2)

        q, k, v = split(self.query(self.before(slots))), split(self.key(tokens)), split(self.value(tokens))
        logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        logits = logits.masked_fill(hidden[:, None, None, :], -1e4)
        return self.out((logits.softmax(-1) @ v).transpose(1, 2).reshape(batch, -1, self.size.width))

    def forward(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of the actions.

        Args:
            features: ``vision`` (batch, frames, 1280, 7, 7), ``audio`` (batch, windows, 521), ``text`` (batch, tokens,
                384), where a row of zeros is padding. A sense left out, or all of whose features are zero, is absent.
                Batches of one are broadcast. Frames and sound set the number of steps; without both there is one.

        Raises:
            InputError: no sense, or one that Courier does not have.
        """
        if not features or not set(features) <= set(self.project):
            given = ", ".join(features) or "none"
            raise InputError(
                f"courier: senses given: {given}; give at least one of {', '.join(self.project)}, and no other"
            )
        batch = max(len(x) for x in features.values())
        parts: dict[str, tuple[Tensor, Tensor]] = {}
        for m, x in features.items():
            x = x.flatten(3).transpose(2, 3) if m == "vision" else x
            hidden = (x == 0).all(-1)
            tokens = self.project[m](x) + self.kind[m]
            if m == "vision":
                tokens = tokens + self.place
            parts[m] = tokens.expand(batch, *tokens.shape[1:]), hidden.expand(batch, *hidden.shape[1:])
        steps = max(parts["vision"][0].shape[1] if "vision" in parts else 1, self._seconds(parts))
        slots = self.slots.expand(batch, -1, -1)
        for step in range(steps):
            tokens, hidden = self._at(parts, step)
            heard = self._attend(slots, tokens, hidden)
            slots = self.memory(heard.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
        return self.read(slots.flatten(1))

    def _seconds(self, parts: Mapping[str, tuple[Tensor, Tensor]]) -> int:
        """Whole seconds that the sound windows span."""
        windows = parts["audio"][0].shape[1] if "audio" in parts else 0
        return max(1, int((windows - 1) * _WINDOW_HOP + _WINDOW)) if windows else 1

    def _at(self, parts: Mapping[str, tuple[Tensor, Tensor]], step: int) -> tuple[Tensor, Tensor]:
        """Tokens at hand in one step, and which of them are hidden.

        That second's frame (the last one stays), its sound windows, every word, and a token of nothing.
        """
        tokens, hidden = [], []
        for m, (x, h) in parts.items():
            if m == "vision":
                frame = min(step, x.shape[1] - 1)
                x, h = x[:, frame], h[:, frame]
            elif m == "audio":
                starts = torch.arange(x.shape[1], device=x.device) * _WINDOW_HOP
                now = (starts < step + 1) & (starts + _WINDOW > step)
                x, h = x[:, now], h[:, now]
            tokens.append(x)
            hidden.append(h)
        nothing = tokens[0].new_zeros(len(tokens[0]), 1, self.size.width)
        return F.pad(torch.cat(tokens, 1), (0, 0, 0, 1)), torch.cat((*hidden, nothing[..., 0] != 0), 1)
