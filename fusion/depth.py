"""From early to late: what speaks for the score at successive depths of a network.

At each layer gradient times activation, summed over channels: HiResCAM (Draelos and Carin, "Use HiResCAM instead of
Grad-CAM for faithful explanations of convolutional neural networks", 2020, section 3), without its final ReLU, and with
the activations that the baseline gives in the place of zeros. Before a layer norm, which does not see how large its
input is, gradient times activation is 0 everywhere; against the baseline it is what each place contributes to first
order, in the target's unit. It is no measured effect.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor, nn

from ..errors import ContractError, InputError
from ..modalities.contract import Prepared, System
from ..modalities.engines.cam import Call, record_calls
from ..modalities.engines.ranks import rank_correlation
from ..modalities.held import find_layer, parts
from ..modalities.scorer import Inputs, Scorer, recurrent_backward
from ..modalities.target import Target

__all__ = ["UNIT", "Depth", "Strip", "depths"]

UNIT = "first order, against the baseline's activations"
"""What values are beside the target's unit."""

_FRAMES = 5  # axes of a prepared tensor of pictures
_PREFIX = 5
"""Tokens before the patches of a picture at most: a class token and four registers."""

Map = Float[np.ndarray, "_ _ _"]


@dataclass(frozen=True)
class Depth:
    """One layer's map.

    Attributes:
        layer: its dotted name.
        position: when it is called, from the first layer that reads the sense alone over places (0) to the last (1).
        resolution: rows and columns of its grid; of a text 1 and its tokens.
        values: contributions, (frames, rows, columns).
        total: their sum.
        size: sum of their sizes.
        support: share of the sizes that speaks for the score; None where all are zero.
        centre: centre of the sizes, down and across, as shares of the frame; None where all are zero.
        entropy: of the sizes, as a share of an even map's: 1 spread evenly, 0 in one place; None where all are zero.
        edges: rank correlation of the sizes with the edges that are seen (Sobel's gradient of brightness, mean over
            each cell); None of other senses, and where either is constant.
        last: rank correlation of the values with those of the last layer, on the coarser of the two grids.
    """

    layer: str
    position: float
    resolution: tuple[int, int]
    values: Map
    total: float
    size: float
    support: float | None
    centre: tuple[float, float] | None
    entropy: float | None
    edges: float | None
    last: float | None

    @property
    def title(self) -> str:
        """The grid in words: ``"14 × 14"``."""
        return f"{self.resolution[0]} × {self.resolution[1]}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the map."""
        told = {k: getattr(self, k) for k in ("layer", "title", "position", "total", "size", "support", "entropy")}
        centre = None if self.centre is None else list(self.centre)
        return {**told, "resolution": list(self.resolution), "centre": centre, "edges": self.edges, "last": self.last}


@dataclass(frozen=True)
class Strip:
    """Maps of one sense at successive depths, the earliest first.

    Attributes:
        sense: which.
        target: what is explained, in words.
        unit: of the values.
        layers: the maps.
    """

    sense: str
    target: str
    unit: str
    layers: tuple[Depth, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the maps."""
        layers = [layer.to_dict() for layer in self.layers]
        return {"sense": self.sense, "target": self.target, "unit": self.unit, "layers": layers}


def depths(
    system: System, prepared: Mapping[str, Prepared], target: Target, sense: str = "vision", count: int = 6
) -> Strip:
    """Return maps at successive depths of what reads one sense: three forward passes and one backward pass.

    Of pictures the layers are convolutional stages (the last layer of each resolution, then more within the longest
    stages), or else a transformer's layers over patches; of a text, layers over its tokens. They read this sense alone,
    once, and resolution never rises.

    Args:
        system: what is explained.
        prepared: its prepared signals.
        target: the question.
        sense: which sense.
        count: layers at most; at least 2.

    Raises:
        InputError: no such sense, fewer than two layers asked for, or no two layers with places; the message says why.
        ContractError: the scores break the contract, or a gradient is not finite.

    Example:
        >>> [layer.title for layer in depths(courier, prepared, Target(2)).layers]      # doctest: +SKIP
        ['112 × 112', '56 × 56', '28 × 28', '14 × 14', '14 × 14', '7 × 7']
    """
    if sense not in prepared or count < 2:
        known = ", ".join(prepared)
        raise InputError(
            f"depth: {count} layers of {sense}; give 2 or more, and one of the observation's senses: {known}"
        )
    scorer = Scorer(system, target)
    inputs = {m: p.tensor for m, p in prepared.items()}
    with scorer.held():
        calls = record_calls(scorer, inputs)
        places = _candidates(system, calls, sense, prepared[sense].tensor)
        chosen = _spaced(places, count)
        if len(chosen) < 2:
            raise InputError(
                f"depth: {type(system).__name__} has {len(chosen)} layers over places of {sense} that read it alone, "
                "once, in one go; a convolutional network, or a transformer over patches or tokens is wanted"
            )
        names = [places[i].layer for i in chosen]
        here, slopes = _slopes(scorer, inputs, names)
        there = _absent(scorer, {**inputs, sense: prepared[sense].baseline}, names)
    maps = [_laid(here[n] - there[n], slopes[n], places[i]) for i, n in zip(chosen, names, strict=True)]
    edges = _edges(prepared[sense].tensor) if prepared[sense].tensor.ndim == _FRAMES else None
    first, last = places[0].at, places[-1].at
    at = [(places[i].at - first) / max(1, last - first) for i in chosen]
    layers = [_depth(n, x, v, edges, maps[-1]) for n, x, v in zip(names, at, maps, strict=True)]
    return Strip(sense, target.describe(system.actions), f"{target.unit} ({UNIT})", tuple(layers))


@dataclass(frozen=True)
class _Place:
    """A layer over places: where its call stands, its name, its grid, and whether its places are tokens."""

    at: int
    layer: str
    grid: tuple[int, int]
    tokens: bool


def _candidates(system: System, calls: Sequence[Call], sense: str, x: Tensor) -> list[_Place]:
    """Return the layers that may be shown, in the order in which they end."""
    idle = {
        ".".join(filter(None, (part, name)))
        for part, root in parts(system).items()
        for name, module in root.named_modules()
        if isinstance(module, nn.Dropout | nn.Identity)
    }
    picture, times = x.ndim == _FRAMES, Counter(call.layer for call in calls if call.layer not in idle)
    rows = (x.shape[0] * x.shape[1] if picture else x.shape[0],)
    own = [(i, c) for i, c in enumerate(calls) if c.senses == {sense} and times[c.layer] == 1 and c.shape[:1] == rows]
    grids: list[_Place] = []
    before: tuple[int, ...] = ()
    for i, call in own if picture else ():
        # As in Grad-CAM's default: convolutions, and what follows one at once in its shape (a norm, an activation).
        follows = call.convolves or call.shape == before
        if len(call.shape) == 4 and follows and _squares(call.shape[2:], x.shape[-2:]):
            grids.append(_Place(i, call.layer, (call.shape[2], call.shape[3]), tokens=False))
            before = call.shape
        else:
            before = ()
    if len({place.grid for place in grids}) < 2:
        grids = [
            _Place(i, call.layer, grid, tokens=True)
            for i, call in own
            if len(call.shape) == 3 and (grid := _token_grid(call.shape[1], x)) is not None
        ]
    kept: list[_Place] = []
    for place in grids:
        if kept and place.grid == kept[-1].grid and kept[-1].layer.startswith(f"{place.layer}."):
            kept[-1] = place  # what ends with its last layer stands for this
        elif not kept or math.prod(place.grid) <= math.prod(kept[-1].grid):
            kept.append(place)
    return kept


def _squares(grid: Sequence[int], frame: Sequence[int]) -> bool:
    """Return whether cells of a grid are about square: sides differ by less than the rounding of one row."""
    return math.prod(grid) > 1 and abs(grid[0] * frame[1] - grid[1] * frame[0]) < max(frame)


def _token_grid(tokens: int, x: Tensor) -> tuple[int, int] | None:
    """Return the grid of a picture's patches, or (1, tokens) of a text; None where tokens are something else."""
    if x.ndim != _FRAMES:
        return (1, tokens) if x.ndim == 3 and tokens == x.shape[1] else None
    side = math.isqrt(tokens)
    return (side, side) if side > 1 and tokens - side * side <= _PREFIX else None


def _spaced(places: Sequence[_Place], count: int) -> list[int]:
    """Return which layers to show: the last of each resolution, then one within the longest stretch, and so on.

    The last one, but not from within a block that goes on to a lower resolution, where there is another.
    """
    inside = [sum(p.layer.startswith(f"{q.layer}.") and q.grid != p.grid for q in places) for p in places]
    stages = [[i for i, p in enumerate(places) if p.grid == grid] for grid in dict.fromkeys(p.grid for p in places)]
    ends = [max(i for i in stage if inside[i] <= 1 + min(inside[k] for k in stage)) for stage in stages]
    if len(ends) > count:
        ends = [ends[round(k * (len(ends) - 1) / (count - 1))] for k in range(count)]
    chosen = sorted(set(ends))
    while len(chosen) < count:
        # Stretches lie between calls; before the first layer chosen there is one as well.
        stretches = sorted(pairwise([-1, *chosen]), key=lambda ab: places[max(ab[0], 0)].at - places[ab[1]].at)
        found = next((k for ab in stretches if (k := _between(places, *ab)) is not None), None)
        if found is None:
            break
        chosen = sorted({*chosen, found})
    return chosen


def _between(places: Sequence[_Place], first: int, last: int) -> int | None:
    """Return a layer within a stretch: of those in its middle half the outermost, a block rather than what is in it."""
    low, high = places[max(first, 0)].at, places[last].at
    middle = (low + high) / 2
    off = {k: abs(places[k].at - middle) for k in range(first + 1, last)}
    return min(off, key=lambda k: (4 * off[k] > high - low, places[k].layer.count("."), off[k]), default=None)


def _slopes(scorer: Scorer, inputs: Inputs, layers: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return activations and gradients at all layers, from one forward and one backward pass."""
    points: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.enable_grad(), recurrent_backward(scorer.system, inputs):
        with _caught(scorer, layers, points):
            score = scorer({m: x.detach().clone() for m, x in inputs.items()})
        live = {n: x for n, x in points.items() if x.requires_grad and score.requires_grad}
        found = torch.autograd.grad(score.sum(), list(live.values()), allow_unused=True) if live else ()
    slopes = {n: g for n, g in zip(live, found, strict=True) if g is not None}
    missing = ", ".join(name for name in layers if name not in slopes)
    if missing:
        raise InputError(f"depth: no gradient arrives at {missing}; a no_grad block or a detach stands in the way")
    bad = [name for name, gradient in slopes.items() if not gradient.isfinite().all()]
    if bad:
        raise ContractError(f"system: the gradient at layer {bad[0]!r} is not finite; look for a root or log at zero")
    return {n: x.detach() for n, x in points.items()}, slopes


def _absent(scorer: Scorer, inputs: Inputs, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the activations that the baseline of the sense gives, without gradients."""
    points: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.no_grad(), _caught(scorer, layers, points):
        scorer.logits({m: x.detach().clone() for m, x in inputs.items()})
    return points


@contextmanager
def _caught(scorer: Scorer, layers: Sequence[str], points: dict[str, Tensor]) -> Iterator[None]:
    """Keep what each layer gives, as a point of the graph, and hand on a copy, lest it be changed in place."""
    owner = threading.get_ident()

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
            if threading.get_ident() != owner:
                return None
            points[name] = output if output.requires_grad else output.detach().requires_grad_(torch.is_grad_enabled())
            return points[name].clone()

        return hook

    with ExitStack() as stack:
        for name in layers:
            stack.callback(find_layer(scorer.system, name).register_forward_hook(keep(name)).remove)
        yield


def _laid(change: Tensor, gradients: Tensor, place: _Place) -> Map:
    """Return gradient times change of activation, summed over channels, (frames, rows, columns)."""
    found = (change * gradients).double().sum(2 if place.tokens else 1)
    return (found[:, -math.prod(place.grid) :].unflatten(1, place.grid) if place.tokens else found).numpy(force=True)


def _edges(x: Tensor) -> Map:
    """Return Sobel's gradient of brightness (mean of the colours) of each frame."""
    brightness = x[0].mean(1).double().numpy(force=True)
    return np.hypot(ndimage.sobel(brightness, axis=1), ndimage.sobel(brightness, axis=2))


def _depth(layer: str, position: float, values: Map, edges: Map | None, last: Map) -> Depth:
    """Describe one map."""

    def pooled(x: Map, grid: tuple[int, int]) -> Map:
        return F.adaptive_avg_pool2d(torch.from_numpy(x), grid).numpy()

    grid = (values.shape[1], values.shape[2])
    coarse = (min(grid[0], last.shape[1]), min(grid[1], last.shape[2]))
    size, (support, centre, entropy) = np.abs(values), (None, None, None)
    summed = float(size.sum())
    if summed > 0:
        share, support = size / summed, float(values.clip(0).sum() / summed)
        down, across = ((np.arange(n) + 0.5) / n for n in grid)
        centre = (float((share.sum((0, 2)) * down).sum()), float((share.sum((0, 1)) * across).sum()))
        even = math.log(share.size)
        entropy = float(-(share[share > 0] * np.log(share[share > 0])).sum() / even) if even else 0.0
    return Depth(
        layer, position, grid, values, float(values.sum()), summed, support, centre, entropy,
        edges=None if edges is None else rank_correlation(size, pooled(edges, grid)),
        last=rank_correlation(pooled(values, coarse), pooled(last, coarse)),
    )  # fmt: skip
