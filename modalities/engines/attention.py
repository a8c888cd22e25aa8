"""What attention layers look at: rollout, and rollout weighted by gradients.

Both follow self-attention from layer to layer over the same tokens of one sense, as `capture_attention` catches it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from .interception.captured import Captured, Weights, capture_attention
from .task import LayerMap, Task, UnitValues

__all__ = [
    "AttentionRollout",
    "GradientWeightedAttention",
    "Head",
    "Read",
    "attention_rollout",
    "gradient_weighted_attention",
]

Head = Literal["mean", "max", "min"]
"""How heads become one."""
Read = Literal["first", "mean", "last"]
"""Which query's row is the answer: the first token's (a class token), the last's, or the mean over all."""


def attention_rollout(
    maps: Sequence[Weights], discard: float = 0.0, head: Head = "mean"
) -> Float[Tensor, "rows tokens tokens"]:
    """Multiply attention through the layers; row i says from which input tokens token i draws. Rows sum to 1.

    Abnar and Zuidema, "Quantifying Attention Flow in Transformers" (ACL 2020), section 3: ``A = (W + I) / 2`` of each
    layer, rows normalised, and ``R <- A R`` from the first layer to the last. The paper has the mean over heads;
    ``max``, ``min`` and ``discard`` are in common use, and change the map a good deal.

    Args:
        maps: weights of the layers, the first layer first.
        discard: share of each row's weights, the lowest, that are set to zero before.
        head: how heads become one.
    """
    tokens = maps[0].shape[-1]
    own = torch.eye(tokens, dtype=maps[0].dtype, device=maps[0].device)
    rolled = own.expand(len(maps[0]), -1, -1)
    drop = int(discard * tokens)
    for weights in maps:
        fused = {"mean": weights.mean, "max": weights.amax, "min": weights.amin}[head](1)
        if drop:
            lowest = fused.topk(drop, -1, largest=False).indices
            fused = fused.scatter(-1, lowest, 0.0)
            fused = fused / fused.sum(-1, keepdim=True).clamp_min(torch.finfo(fused.dtype).tiny)
        layer = fused + own
        rolled = layer / layer.sum(-1, keepdim=True) @ rolled
    return rolled


def gradient_weighted_attention(
    maps: Sequence[Weights], gradients: Sequence[Weights]
) -> Float[Tensor, "rows tokens tokens"]:
    """Add up attention that raises the score, layer by layer, starting from the identity.

    Chefer, Gur and Wolf, "Generic Attention-Model Explainability for Interpreting Bi-Modal and Encoder-Decoder
    Transformers" (ICCV 2021), equations 5 and 6: ``A = mean over heads of max(0, gradient * weights)`` and
    ``R <- R + A R``.

    Args:
        maps: weights of the layers, the first layer first.
        gradients: of the score with respect to the weights.
    """
    tokens = maps[0].shape[-1]
    relevance = torch.eye(tokens, dtype=maps[0].dtype, device=maps[0].device).expand(len(maps[0]), -1, -1)
    for weights, gradient in zip(maps, gradients, strict=True):
        relevance = relevance + (gradient * weights).clamp_min(0).mean(1) @ relevance
    return relevance


def _read(relevance: Float[Tensor, "rows tokens tokens"], read: Read) -> Float[np.ndarray, "rows tokens"]:
    row = {"first": relevance[:, 0], "mean": relevance.mean(1), "last": relevance[:, -1]}[read]
    return row.double().cpu().numpy()


def _grid(tokens: int, height: int, width: int) -> tuple[int, int, int] | None:
    """Return (tokens before the patches, rows, columns) of a grid shaped like the frame, None if there is none."""
    for before in range(min(tokens, 9)):
        down = math.isqrt(max(0, round((tokens - before) * height / width)))
        for rows in (down, down + 1):
            if rows > 0 and (tokens - before) % rows == 0:
                columns = (tokens - before) // rows
                # Patches are about square: their sides differ by less than the rounding of one row.
                if abs(rows * width - columns * height) < max(height, width):
                    return before, rows, columns
    return None


def _answer(task: Task, found: Captured, relevance: Tensor, read: Read) -> UnitValues | LayerMap:
    """Lay a relevance of tokens for tokens out on words, patches or steps."""
    sense, tokens = found.sense, relevance.shape[-1]
    facts: dict[str, Any] = {
        "sense": sense,
        "layers": len(found.maps),
        "heads": found.maps[0].shape[1],
        "tokens": tokens,
        "layers_left_out": found.left_out,
    }
    left = f"{found.left_out} attention layers are left out: they are not self-attention of {sense} over its tokens"
    notes = (left,) if found.left_out else ()
    prepared = task.prepared[sense]
    values = _read(relevance, read)
    special = f"attention: the first token of {sense} is no class token; read its rows otherwise, read='mean'"
    if sense == "text" and values.shape == (1, prepared.tensor.shape[1]):
        segmentation = task.segmentations[sense]
        if read == "first" and segmentation.labels[0] >= 0:
            raise InputError(special)
        facts["share_of_special_tokens"] = float(values[0][segmentation.labels < 0].sum() / max(values.sum(), 1e-30))
        return UnitValues({sense: segmentation.total(values[0])}, facts=facts, notes=notes, unit="attention")
    grid = _grid(tokens, *prepared.tensor.shape[-2:]) if sense == "vision" else None
    if grid is None:
        return LayerMap("attention", values, ("row", "step"), sense, facts=facts, notes=notes, unit="attention")
    before, rows, columns = grid
    if read == "first" and before == 0:
        raise InputError(special)
    facts["tokens_before_patches"] = before
    values = values[:, before:].reshape(len(values), rows, columns)
    return LayerMap("attention", values, ("row", "y", "x"), sense, facts=facts, notes=notes, unit="attention")


def _check_read(method: str, read: str) -> None:
    if read not in ("first", "mean", "last"):
        raise InputError(f"{method}: read {read!r}; one of first, mean, last is wanted")


@dataclass(frozen=True)
class AttentionRollout:
    """From which tokens a transformer's answer draws, as its attention has it; says nothing of for or against.

    Abnar and Zuidema (ACL 2020); see `attention_rollout`. It doesn't depend on the question.

    Attributes:
        discard: share of each row's weights, the lowest, that are left out.
        head: how heads become one.
        read: which token's row is the answer.
        sense: which sense; needed only where several have self-attention of their own.

    Raises:
        InputError: a setting out of range.

    Example:
        >>> attribute(reader, {"text": "stop at the kerb"}, AttentionRollout())     # doctest: +SKIP
    """

    discard: float = 0.0
    head: Head = "mean"
    read: Read = "first"
    sense: str | None = None
    name: ClassVar[str] = "attention-rollout"
    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_read(self.name, self.read)
        if not 0 <= self.discard < 1:
            raise InputError(f"{self.name}: discard={self.discard}; a share from 0 to below 1 is wanted")
        if self.head not in ("mean", "max", "min"):
            raise InputError(f"{self.name}: head {self.head!r}; one of mean, max, min is wanted")

    def run(self, task: Task) -> UnitValues | LayerMap:
        """Attribute: one value a word, a patch, or a step.

        Raises:
            InputError: there is no attention to follow; the message says why.
            ContractError: the system breaks the contract.
        """
        found = capture_attention(task.scorer, task.inputs, self.sense)
        rolled = attention_rollout(found.maps, self.discard, self.head)
        return _answer(task, found, rolled, self.read)


@dataclass(frozen=True)
class GradientWeightedAttention:
    """From which tokens a transformer's answer draws what raises the score.

    Chefer, Gur and Wolf (ICCV 2021); see `gradient_weighted_attention`. What a token keeps of itself (the identity that
    the recursion starts from) is not counted.

    Attributes:
        read: which token's row is the answer.
        sense: which sense; needed only where several have self-attention of their own.

    Raises:
        InputError: an unknown setting.

    Example:
        >>> attribute(reader, {"text": "stop at the kerb"}, GradientWeightedAttention())     # doctest: +SKIP
    """

    read: Read = "first"
    sense: str | None = None
    name: ClassVar[str] = "gradient-weighted-attention"
    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_read(self.name, self.read)

    def run(self, task: Task) -> UnitValues | LayerMap:
        """Attribute: one value a word, a patch, or a step.

        Raises:
            InputError: there is no attention to follow; the message says why.
            ContractError: the system breaks the contract.
        """
        found = capture_attention(task.scorer, task.inputs, self.sense)
        relevance = gradient_weighted_attention(found.maps, found.gradients)
        own = torch.eye(relevance.shape[-1], dtype=relevance.dtype, device=relevance.device)
        return _answer(task, found, relevance - own, self.read)
