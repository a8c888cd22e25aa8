"""Courier's trained head: attention across the senses, and memory over the steps.

Frozen features come in: a 7 x 7 grid of visual cells a frame, the scores of AudioSet's classes in sound windows of
0.96 s, one state a token. At each step (one camera frame, one second) a few memory slots attend to the cells of that
frame, to the sound windows that overlap that second, and to all words; a gated recurrent unit carries the slots on.
Every activation is smooth (SiLU, tanh, sigmoid, softmax), so that curvature exists everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...errors import InputError
from ...modalities.unrolled import Unrolled
from .policy import ACTIONS

__all__ = ["WINDOW", "WINDOW_HOP", "CourierHead", "HeadSize"]

WINDOW_HOP = 0.48
"""Seconds from one sound window to the next."""
WINDOW = 0.975
"""Seconds of a sound window."""


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

    def _attend(
        self, slots: Tensor, tokens: Tensor, hidden: Bool[Tensor, "batch tokens"]
    ) -> tuple[Tensor, Float[Tensor, "batch heads slots tokens"]]:
        """Multi-head attention of the slots over the tokens, written out so that it can be differentiated twice."""
        batch, heads = len(tokens), self.size.heads

        def split(x: Tensor) -> Tensor:
            return x.view(batch, -1, heads, self.size.width // heads).transpose(1, 2)

        q, k, v = split(self.query(self.before(slots))), split(self.key(tokens)), split(self.value(tokens))
        logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        logits = logits.masked_fill(hidden[:, None, None, :], -1e4)
        weights = logits.softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, -1, self.size.width)), weights

    def _remember(self, slots: Tensor, heard: Tensor) -> Tensor:
        """Carry the memory on by one step."""
        return self.memory(heard.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)

    def _tokens(self, m: str, x: Tensor) -> tuple[Tensor, Tensor]:
        """Project one sense's features; return the tokens and which of them are hidden, for they are absent."""
        x = x.flatten(3).transpose(2, 3) if m == "vision" else x
        if len(x) > 1 and not torch.is_grad_enabled():
            tokens, hidden = self._changed(m, x)
        else:
            tokens, hidden = self.project[m](x), (x == 0).all(-1)
        tokens = tokens + self.kind[m]
        return (tokens + self.place if m == "vision" else tokens), hidden

    def _changed(self, m: str, x: Tensor) -> tuple[Tensor, Tensor]:
        """Project the first member's rows, and of the others those that differ: edits leave most rows as they were."""
        differs = (x[1:] != x[:1]).any(-1)
        first, others = self.project[m](x[:1]), x[1:][differs]
        tokens, hidden = (
            first.repeat(len(x), *[1] * (x.ndim - 1)),
            (x[:1] == 0).all(-1).repeat(len(x), *[1] * (x.ndim - 2)),
        )
        tokens[1:][differs] = self.project[m](others)
        hidden[1:][differs] = (others == 0).all(-1)
        return tokens, hidden

    def forward(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of the actions.

        Args:
            features: ``vision`` (batch, frames, 1280, 7, 7), ``audio`` (batch, windows, 521), ``text`` (batch, tokens,
                384), where a row of zeros is padding. A sense left out, or all of whose features are zero, is absent.
                Batches of one are broadcast. Frames and sound set the number of steps; without both there is one.

        Raises:
            InputError: no sense, or one that Courier does not have.
        """
        slots, parts = self._begin(features)
        for rows in self._schedule(features):
            tokens, hidden = self._at(parts, rows)
            slots = self._remember(slots, self._attend(slots, tokens, hidden)[0])
        return self.read(slots.flatten(1))

    @torch.no_grad()
    def attention(self, features: Mapping[str, Tensor]) -> tuple[dict[str, Float[Tensor, "batch rows *place"]], ...]:
        """Return for each step how much each frame's cells, each sound window and each token is attended to.

        Means over heads and slots: vision (batch, frames, cells, cells), audio (batch, windows), text (batch, tokens).
        In each step they sum to 1, less what goes to the token of nothing.

        Raises:
            InputError: as `forward`.
        """
        slots, parts = self._begin(features)
        found = []
        for rows in self._schedule(features):
            tokens, hidden = self._at(parts, rows)
            heard, weights = self._attend(slots, tokens, hidden)
            slots = self._remember(slots, heard)
            each, first, step = weights.mean((1, 2)), 0, {}
            for m, chosen in rows.items():
                x = parts[m][0]
                step[m] = x.new_zeros(len(slots), *x.shape[1:-1])
                count = len(chosen) * x[0, 0, ..., 0].numel()
                step[m][:, chosen] = each[:, first : first + count].unflatten(1, (len(chosen), *x.shape[2:-1]))
                first += count
            if "vision" in step:
                step["vision"] = step["vision"].unflatten(2, (self.size.cells, self.size.cells))
            found.append(step)
        return tuple(found)

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        """Return the steps of `forward`; the state is the slots, (batch, slots, width).

        Args:
            features: as in `forward`.
            state: what is remembered already; by default nothing.

        Raises:
            InputError: as `forward`.
        """
        self._check(features)
        schedule = self._schedule(features)
        start = self.slots[None] if state is None else state

        def advance(slots: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
            batch = max(len(slots), *(len(x) for x in inputs.values()))
            parts = {m: tuple(x.expand(batch, *x.shape[1:]) for x in self._tokens(m, x)) for m, x in inputs.items()}
            slots = slots.expand(batch, -1, -1)
            tokens, hidden = self._at(parts, {m: list(range(x.shape[1])) for m, x in inputs.items()})
            return self._remember(slots, self._attend(slots, tokens, hidden)[0])

        return Unrolled(
            start=start,
            inputs=tuple({m: features[m][:, chosen] for m, chosen in rows.items()} for rows in schedule),
            origins=tuple({m: np.array(chosen, np.int64) for m, chosen in rows.items()} for rows in schedule),
            times=tuple((float(k), float(k + 1)) for k in range(len(schedule))),
            advance=advance,
            read=lambda slots: self.read(slots.flatten(1)),
        )

    def _check(self, features: Mapping[str, Tensor]) -> None:
        if not features or not set(features) <= set(self.project):
            given = ", ".join(features) or "none"
            raise InputError(
                f"courier: senses given: {given}; give at least one of {', '.join(self.project)}, and no other"
            )

    def _begin(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
        """Return the memory before the first step, and every sense's tokens with which of them are hidden."""
        self._check(features)
        batch = max(len(x) for x in features.values())
        parts: dict[str, tuple[Tensor, Tensor]] = {}
        for m, x in features.items():
            tokens, hidden = self._tokens(m, x)
            parts[m] = tokens.expand(batch, *tokens.shape[1:]), hidden.expand(batch, *hidden.shape[1:])
        return self.slots.expand(batch, -1, -1), parts

    def _schedule(self, features: Mapping[str, Tensor]) -> list[dict[str, list[int]]]:
        """Return which frame (the last one stays), sound windows and words are at hand in each second."""
        windows = features["audio"].shape[1] if "audio" in features else 0
        seconds = max(1, int((windows - 1) * WINDOW_HOP + WINDOW)) if windows else 1
        frames = features["vision"].shape[1] if "vision" in features else 1
        schedule = []
        for step in range(max(frames, seconds)):
            starts = [(w, w * WINDOW_HOP) for w in range(windows)]
            own = {
                "vision": [min(step, frames - 1)],
                "audio": [w for w, start in starts if start < step + 1 and start + WINDOW > step],
                "text": list(range(features["text"].shape[1])) if "text" in features else [],
            }
            schedule.append({m: own[m] for m in features})
        return schedule

    def _at(self, parts: Mapping[str, tuple[Tensor, ...]], rows: Mapping[str, list[int]]) -> tuple[Tensor, Tensor]:
        """Return the tokens at hand in one step, and which of them are hidden; the last is a token of nothing."""
        tokens, hidden = [], []
        for m, chosen in rows.items():
            x, h = parts[m]
            tokens.append(x[:, chosen].flatten(1, -2))
            hidden.append(h[:, chosen].flatten(1))
        nothing = tokens[0].new_zeros(len(tokens[0]), 1, self.size.width)
        return F.pad(torch.cat(tokens, 1), (0, 0, 0, 1)), torch.cat((*hidden, nothing[..., 0] != 0), 1)
