"""Maps at any named layer: what its activations contribute to the score.

A forward hook cuts the graph at the layer: what it gives becomes the point at which the gradient is asked, so nothing
below it is kept or differentiated. What is handed on is a copy, so that an activation which the next layer changes in
place is seen as it was. Hooks are taken away however the pass ends, and leave other threads alone.

A layer that is called several times has a point for each call, and a gradient that is whole, through later calls too;
its map is the sum of the calls' maps.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import ContractError, InputError
from ..held import find_layer
from ..scorer import Inputs, Scorer, recurrent_backward, rows
from .chunk import even
from .gradient import AT_ONCE
from .task import LayerMap, Task

__all__ = [
    "LayerGradientTimesActivation",
    "LayerIntegral",
    "LayerIntegratedGradients",
    "LayerSlopes",
    "arrange",
    "integrate_layer",
    "lay_map",
    "layer_maps",
    "layer_slopes",
    "sense_named",
]

Combine = Callable[[Tensor, Tensor], Tensor]
"""From activations and their gradients, both (rows, channels, ...), to a map (rows, ...)."""

_STEPS_LAST = (nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d)
_STEPS_FIRST = (nn.Linear, nn.LayerNorm, nn.RNNBase, nn.Embedding, nn.MultiheadAttention)


@dataclass(frozen=True)
class LayerSlopes:
    """Activations of a layer and the gradients of each row's score with respect to them.

    Attributes:
        activations: for each call of the layer, in the layer's own shape.
        gradients: the same.
        scores: the target's value for each row.
        logits: the system's scores.
    """

    activations: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    scores: Float[Tensor, " batch"]
    logits: Float[Tensor, "batch actions"]


def _open(output: Any, name: str) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Return the tensor that a layer gives, the first of several, and what puts another in its place."""
    if isinstance(output, Tensor) and output.is_floating_point():
        return output, lambda x: x
    items: list[tuple[Any, Any]] = []
    if isinstance(output, Mapping):
        items = list(output.items())
    elif isinstance(output, tuple | list):
        items = list(enumerate(output))
    for key, value in items:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value, partial(_swapped, output, key)
    raise InputError(f"layer {name!r}: gives a {type(output).__name__} without a tensor of floats; name another layer")


def _swapped(output: Any, key: Any, x: Tensor) -> Any:
    if isinstance(output, tuple):
        changed = (*output[:key], x, *output[key + 1 :])
        return type(output)(*changed) if hasattr(output, "_fields") else type(output)(changed)
    changed = copy.copy(output)
    changed[key] = x
    return changed


@contextmanager
def _tapped(module: nn.Module, name: str, given: Sequence[Tensor] = ()) -> Iterator[list[Tensor]]:
    """Collect a point for each call of a module in this thread; with ``given``, these tensors stand in its place."""
    points: list[Tensor] = []
    owner = threading.get_ident()

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if threading.get_ident() != owner:
            return None
        tensor, put = _open(output, name)
        if given:
            if len(points) == len(given) or given[len(points)].shape != tensor.shape:
                raise InputError(f"layer {name!r}: called otherwise for the input and for its baseline; name another")
            point = given[len(points)].requires_grad_(True)
        elif tensor.requires_grad:  # it depends on an earlier call: its own gradient goes on through here
            point = tensor.clone()
        else:
            point = tensor.detach().clone().requires_grad_(True)
        points.append(point)
        return put(point.clone())

    handle = module.register_forward_hook(hook)
    try:
        yield points
    finally:
        handle.remove()


def _still(inputs: Inputs) -> dict[str, Tensor]:
    return {m: x.clone() if x.is_inference() else x.detach() for m, x in inputs.items()}


def layer_slopes(scorer: Scorer, inputs: Inputs, layer: str, given: Sequence[Tensor] = ()) -> LayerSlopes:
    """Return activations and gradients at a layer: one forward pass, and a backward pass down to the layer alone.

    Args:
        scorer: the system and the question.
        inputs: batches by sense; integers too, for no gradient is taken of them.
        layer: dotted name, see `veridical.modalities.held.find_layer`.
        given: activations that stand in place of the layer's own, one tensor for each call.

    Raises:
        InputError: no such layer, it is not called, it gives no floats, or the score does not depend on it.
        ContractError: the scores break the contract, or a gradient is not finite.
    """
    module = find_layer(scorer.system, layer)
    backward = recurrent_backward(scorer.system, inputs)
    with torch.inference_mode(False), torch.enable_grad(), scorer.held(), backward:
        with _tapped(module, layer, given) as points:
            logits = scorer.logits(_still(inputs))
        if not points:
            raise InputError(
                f"layer {layer!r}: not called by {type(scorer.system).__name__}; name one inside or beside"
            )
        score = scorer.target(logits)
        found = torch.autograd.grad(score.sum(), points, allow_unused=True) if score.requires_grad else [None]
    if all(g is None for g in found):
        raise InputError(
            f"layer {layer!r}: no gradient arrives from the score; the system uses another of the layer's outputs, or "
            "calls it without gradients (no_grad, detach). Name another layer"
        )
    slopes = tuple(torch.zeros_like(p) if g is None else g for g, p in zip(found, points, strict=True))
    if not all(bool(g.isfinite().all()) for g in slopes):
        raise ContractError(
            f"system: the gradient at layer {layer!r} is not finite; look for a square root or a logarithm at zero"
        )
    return LayerSlopes(tuple(p.detach() for p in points), slopes, score.detach(), logits.detach())


def _outputs(scorer: Scorer, inputs: Inputs, layer: str) -> tuple[Tensor, ...]:
    """Return what a layer gives in each call."""
    module = find_layer(scorer.system, layer)
    with torch.inference_mode(False), torch.no_grad(), _tapped(module, layer) as points:
        scorer.logits(_still(inputs))
    if not points:
        raise InputError(f"layer {layer!r}: not called by {type(scorer.system).__name__}; name one inside or beside")
    return tuple(p.detach() for p in points)


def _rows_first(x: Tensor, module: nn.Module) -> Tensor:
    """Return (rows, steps, width) of a recurrent or attention layer that has its steps first; and the way back."""
    return x.transpose(0, 1) if x.ndim == 3 and getattr(module, "batch_first", True) is False else x


def arrange(x: Tensor, module: nn.Module, channels: int | None = None) -> Tensor:
    """Return a layer's output as (rows, channels, ...).

    Channels are axis ``channels`` of the layer's output; by default 1, and of three axes the last (rows, steps, width),
    unless the layer is, or ends with, a one-dimensional convolution, pooling or batch norm.

    Raises:
        InputError: there is no such axis.
    """
    x = _rows_first(x, module)
    if x.ndim == 1:
        return x[:, None]
    if channels is None:
        last = next((m for m in reversed([*module.modules()]) if isinstance(m, (*_STEPS_LAST, *_STEPS_FIRST))), None)
        channels = 2 if x.ndim == 3 and not isinstance(last, _STEPS_LAST) else 1
    if not 1 <= channels < x.ndim:
        raise InputError(f"layer: channels on axis {channels} of shape {tuple(x.shape)}; give 1 to {x.ndim - 1}")
    return x.movedim(channels, 1)


def _summed(maps: Sequence[Tensor], layer: str) -> Tensor:
    """Sum the maps of several calls."""
    shapes = sorted({tuple(m.shape) for m in maps})
    if len(shapes) > 1:
        raise InputError(f"layer {layer!r}: called several times with maps of shapes {shapes}; name a layer inside it")
    return torch.stack(list(maps)).sum(0)


def _parts_of(scorer: Scorer, inputs: Inputs, at_once: int) -> Iterator[tuple[Scorer, dict[str, Tensor]]]:
    """Yield the batch some rows at a time, with the question that is asked about them."""
    count, action = rows(inputs), scorer.target.action
    if count < 1:
        raise InputError("layer: a batch of no rows; give at least one")
    if isinstance(action, tuple) and len(action) != count:
        raise InputError(f"target: {len(action)} actions for a batch of {count}; give one for each row")
    for start, stop in even(count, at_once):
        own = replace(scorer.target, action=action[start:stop]) if isinstance(action, tuple) else scorer.target
        yield Scorer(scorer.system, own, scorer.when), {m: x[start:stop] for m, x in inputs.items()}


def layer_maps(
    scorer: Scorer,
    inputs: Inputs,
    layer: str,
    combine: Combine,
    *,
    channels: int | None = None,
    at_once: int = AT_ONCE.chunk,
) -> Tensor:
    """Return maps at a layer, from its activations and gradients; the sum over the layer's calls.

    Args:
        scorer: the system and the question; its target may name one action for each row.
        inputs: batches by sense.
        layer: dotted name.
        combine: from activations and gradients (rows, channels, ...) to maps (rows, ...).
        channels: axis of the channels, see `arrange`.
        at_once: rows of the batch evaluated at once.

    Returns:
        maps (layer rows, ...), for each row of the batch as many as the system folds into the layer's rows.

    Raises:
        InputError, ContractError: as `layer_slopes`; no rows; calls whose maps differ in shape.

    Example:
        >>> layer_maps(scorer, inputs, "network.blocks.3", lambda a, g: (a * g).sum(1))     # doctest: +SKIP
    """
    module, found = find_layer(scorer.system, layer), []
    with scorer.held():
        for asked, part in _parts_of(scorer, inputs, at_once):
            slopes = layer_slopes(asked, part, layer)
            pairs = zip(slopes.activations, slopes.gradients, strict=True)
            maps = [combine(arrange(a, module, channels), arrange(g, module, channels)) for a, g in pairs]
            found.append(_summed(maps, layer))
    return torch.cat(found)


@dataclass(frozen=True)
class LayerIntegral:
    """What integrating at a layer gave.

    Attributes:
        values: contributions for each call of the layer, in the layer's own shape.
        differences: each row's score with the layer as it is, minus that with the layer as the baseline makes it.
    """

    values: tuple[Tensor, ...]
    differences: Float[Tensor, " batch"]


def integrate_layer(
    scorer: Scorer,
    inputs: Inputs,
    baselines: Inputs,
    layer: str,
    *,
    steps: int = 32,
    at_once: int = AT_ONCE.chunk,
    progress: Callable[[float], None] = lambda share: None,
) -> LayerIntegral:
    """Integrate the gradient at a layer, from the activations that the baselines give to those that the inputs give.

    The path is straight in the layer's own space; the rest of the system, what goes round the layer included, is as the
    inputs make it. Layer conductance has it otherwise. Gauss-Legendre quadrature, which Captum has too; the path is
    streamed row by row, so that memory grows with ``at_once`` alone.

    Raises:
        InputError, ContractError: as `layer_slopes`; fewer than one step; the layer is called otherwise for the
            baselines.
    """
    if steps < 1:
        raise InputError(f"layer: {steps} steps; give at least 1")
    module = find_layer(scorer.system, layer)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    # The ends weigh nothing: they give the scores that the contributions are held against.
    alphas = torch.tensor([0.0, *((nodes + 1) / 2), 1.0], dtype=torch.float64)
    shares = torch.tensor([0.0, *(weights / 2), 0.0], dtype=torch.float64)
    found: list[list[Tensor]] = []
    differences = []
    with scorer.held():
        for row, (asked, one) in enumerate(_parts_of(scorer, inputs, 1)):
            absent = {m: baselines[m][row : row + 1] for m in one}
            here, there = _outputs(asked, one, layer), _outputs(asked, absent, layer)
            if [a.shape for a in here] != [b.shape for b in there]:
                raise InputError(f"layer {layer!r}: called otherwise for the input and for its baseline; name another")
            ends = [(_rows_first(a, module), _rows_first(b, module)) for a, b in zip(here, there, strict=True)]
            totals, scores = [torch.zeros_like(a) for a, _ in ends], []
            for start, stop in even(steps + 2, at_once):
                given = [_between(a, b, alphas[start:stop], module) for a, b in ends]
                many = {m: x.expand(stop - start, *x.shape[1:]) for m, x in one.items()}
                slopes = layer_slopes(asked.at(0), many, layer, given)
                scores.append(slopes.scores)
                for total, gradient in zip(totals, slopes.gradients, strict=True):
                    each = _rows_first(gradient, module).unflatten(0, (stop - start, -1))
                    total += torch.einsum("n,n...->...", shares[start:stop].to(each), each)
                progress((row + stop / (steps + 2)) / rows(inputs))
            found.append([t * (a - b) for t, (a, b) in zip(totals, ends, strict=True)])
            differences.append(torch.cat(scores)[-1] - torch.cat(scores)[0])
    values = tuple(_rows_first(torch.cat(each), module) for each in zip(*found, strict=True))
    return LayerIntegral(values, torch.stack(differences))


def _between(here: Tensor, there: Tensor, alphas: Tensor, module: nn.Module) -> Tensor:
    """Return points of the path, (points x rows, ...) or with the rows where the layer has them."""
    along = alphas.to(here).view(-1, *[1] * here.ndim)
    return _rows_first((there + along * (here - there)).flatten(0, 1), module).contiguous()


def lay_map(found: Tensor, layer: str) -> tuple[Float[np.ndarray, "..."], tuple[str, ...]]:
    """Return a map (rows, ...) as an array, and the names of its dims.

    Raises:
        InputError: more than three axes beside the rows.
    """
    dims = {1: ("row",), 2: ("row", "step"), 3: ("row", "y", "x"), 4: ("row", "frame", "y", "x")}.get(found.ndim)
    if dims is None:
        raise InputError(f"layer {layer!r}: a map of shape {tuple(found.shape)}; one to four axes have names")
    return found.float().cpu().numpy(), dims


def sense_named(task: Task, sense: str | None) -> str | None:
    """Return the sense that the user names, or the only one.

    Raises:
        InputError: the observation has no such sense.
    """
    if sense is None:
        return next(iter(task.prepared)) if len(task.prepared) == 1 else None
    if sense not in task.prepared:
        raise InputError(f"layer: no sense {sense!r} in the observation; it has {', '.join(task.prepared)}")
    return sense


@dataclass(frozen=True)
class LayerGradientTimesActivation:
    """Gradient times activation at a layer, summed over channels: contributions to first order, against zeros.

    Attributes:
        layer: dotted name.
        sense: the sense that the layer reads; of an observation with one sense it need not be said.
        channels: axis of the channels, see `arrange`.
    """

    name: ClassVar[str] = "layer-gradient-times-activation"
    additive: ClassVar[bool] = True

    layer: str
    sense: str | None = None
    channels: int | None = None

    def run(self, task: Task) -> LayerMap:
        """Take one forward pass, and a backward pass down to the layer.

        Raises:
            InputError: no such layer or sense, or the layer has no such map; the message says why.
            ContractError: the system breaks the contract.
        """
        sense = sense_named(task, self.sense)
        found = layer_maps(task.scorer, task.inputs, self.layer, lambda a, g: (a * g).sum(1), channels=self.channels)
        values, dims = lay_map(found, self.layer)
        return LayerMap(self.layer, values, dims, sense, facts={"evaluations": 1})


@dataclass(frozen=True)
class LayerIntegratedGradients:
    """Integrated gradients at a layer (see `integrate_layer`), summed over channels.

    The contributions sum to the score's difference between the layer as it is and as the baseline makes it.

    Attributes:
        layer: dotted name.
        steps: points of the quadrature.
        sense: the sense that the layer reads; of an observation with one sense it need not be said.
        channels: axis of the channels, see `arrange`.

    Raises:
        InputError: fewer than one step.
    """

    name: ClassVar[str] = "layer-integrated-gradients"
    additive: ClassVar[bool] = True

    layer: str
    steps: int = 32
    sense: str | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"layer-integrated-gradients: {self.steps} steps; give at least 1")

    def run(self, task: Task) -> LayerMap:
        """Take ``steps`` + 2 forward and backward passes from the layer on, and two forward passes.

        Raises:
            InputError: no such layer or sense, or the layer has no such map; the message says why.
            ContractError: the system breaks the contract.
        """
        sense, module = sense_named(task, self.sense), find_layer(task.scorer.system, self.layer)
        found = integrate_layer(
            task.scorer, task.inputs, task.baselines, self.layer, steps=self.steps, progress=task.progress
        )
        total = sum(float(v.double().sum()) for v in found.values)
        difference = float(found.differences[0])
        maps = [arrange(v, module, self.channels).sum(1) for v in found.values]
        values, dims = lay_map(_summed(maps, self.layer), self.layer)
        facts = {"evaluations": self.steps + 4, "difference": difference}
        return LayerMap(self.layer, values, dims, sense, gap=abs(total - difference), facts=facts)
