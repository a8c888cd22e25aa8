"""Grad-CAM: which places of a layer's grid speak for the score, from its activations and their mean gradients.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (ICCV 2017),
section 3, and section 3.3 for guided Grad-CAM. The gradient is taken down to the layer, not to the input.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ...errors import InputError
from ..held import parts
from ..scorer import Inputs, Scorer
from .gradient import AT_ONCE
from .guided import guided_gradients
from .layer import lay_map, layer_maps, sense_named
from .task import LayerMap, Sensitivities, Task

__all__ = ["Call", "GradCAM", "GuidedGradCAM", "default_layer", "grad_cam", "record_calls", "weigh"]


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: its dotted name.
        shape: of the tensor that it gave.
        senses: those which this depends on, as far as autograd knows.
        convolves: whether the layer is a convolution, or holds one.
    """

    layer: str
    shape: tuple[int, ...]
    senses: frozenset[str]
    convolves: bool


def record_calls(scorer: Scorer, inputs: Inputs) -> tuple[Call, ...]:
    """Return the calls of all layers that give a tensor, in the order in which they end: one forward pass of one row.

    What a call depends on is read off the graph that autograd keeps of the pass. With one sense there is nothing to
    find out, and no graph is kept. Senses of integers are not seen, nor what lies behind a cut (no_grad, detach).

    Raises:
        ContractError: the scores break the contract.
    """
    names: dict[nn.Module, str] = {}
    for prefix, part in parts(scorer.system).items():
        for inner, module in part.named_modules():
            names.setdefault(module, ".".join(filter(None, (prefix, inner))))
    several, owner = len(inputs) > 1, threading.get_ident()
    # The node as it is now: one that is changed in place later shows a later node.
    made: list[tuple[str, tuple[int, ...], bool, Any]] = []

    def hook(module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and threading.get_ident() == owner:
            convolves = any(isinstance(inner, _ConvNd) for inner in module.modules())
            made.append((names[module], tuple(output.shape), convolves, output.grad_fn))

    with torch.inference_mode(False), torch.set_grad_enabled(several), scorer.held(), ExitStack() as stack:
        for module, name in names.items():
            if name:
                stack.callback(module.register_forward_hook(hook).remove)
        one = {m: x[:1].detach().clone() for m, x in inputs.items()}
        leaves = {m: x.requires_grad_(several and x.is_floating_point()) for m, x in one.items()}
        # The graph lives as long as what came of it.
        logits = scorer.at(0).logits(leaves)
        reached = _reached([node for *_, node in made], leaves)
        del logits
    alone = frozenset(inputs) if not several else None
    return tuple(
        Call(name, shape, reached[id(node)] if alone is None else alone, convolves)
        for name, shape, convolves, node in made
    )


def _reached(nodes: Sequence[Any], leaves: Inputs) -> dict[int, frozenset[str]]:
    """Return, by the id of each node of the graph, the leaves that it leads back to."""
    found: dict[int, frozenset[str]] = {id(None): frozenset()}
    keep: list[Any] = []  # ids hold as long as their objects live
    stack = [node for node in nodes if node is not None]
    while stack:
        node = stack[-1]
        before = [n for n, _ in node.next_functions if n is not None]
        missing = [n for n in before if id(n) not in found]
        if id(node) not in found and missing:
            stack.extend(missing)
            continue
        own = getattr(node, "variable", None)
        found[id(node)] = frozenset(m for m, x in leaves.items() if x is own).union(*(found[id(n)] for n in before))
        keep.append(node)
        stack.pop()
    return found


def default_layer(calls: Sequence[Call], sense: str | None = None) -> str:
    """Return the last convolutional layer that gives (rows, channels, height, width) of more than one place.

    Or what follows it at once and gives the same shape: its norm, its activation. Other layers may well give tensors of
    four axes (frames, places, features) that are no maps. Layers that read several senses are passed over; with
    ``sense``, so are those that do not read this one.

    Raises:
        InputError: there is none.
    """
    found, last = None, None
    for call in calls:
        grid = len(call.shape) == 4 and call.shape[2] * call.shape[3] > 1
        own = call.senses == {sense} if sense is not None else len(call.senses) <= 1
        follows = last is not None and call.shape == last.shape
        last = call if grid and own and (call.convolves or follows) else None
        found = last or found
    if found is not None:
        return found.layer
    read = "" if sense is None else f" and reads {sense} alone"
    raise InputError(
        f"grad-cam: no convolution gives (rows, channels, height, width){read}; name a layer, layer=, of a transformer "
        "say, or ask for integrated gradients"
    )


def weigh(activations: Tensor, slopes: Tensor, relu: bool = True) -> Tensor:
    """Return the class activation map: channels weighted by their mean gradient, then its positive part.

    Selvaraju et al., equations 1 and 2.

    Args:
        activations: (rows, channels, ...).
        slopes: their gradients.
        relu: whether to keep the positive part alone.
    """
    weights = slopes.flatten(2).mean(2).view(*slopes.shape[:2], *[1] * (slopes.ndim - 2))
    found = (weights * activations).sum(1)
    return found.relu() if relu else found


_PREFIX = 5
"""Tokens before the patches at most: a class token and four registers."""


def _grid(x: Tensor) -> Tensor:
    """Return tokens (rows, channels, tokens) as a square grid without those before it, or as they are."""
    side = math.isqrt(x.shape[2])
    if x.shape[2] - side * side > _PREFIX:
        return x
    return x[:, :, -side * side :].unflatten(2, (side, side))


def grad_cam(
    scorer: Scorer,
    inputs: Inputs,
    layer: str,
    *,
    relu: bool = True,
    patches: bool = False,
    channels: int | None = None,
    at_once: int = AT_ONCE.chunk,
) -> Tensor:
    """Return Grad-CAM at a layer, (layer rows, height, width) or (layer rows, steps).

    Where a system folds frames into the batch, each row of the batch has several layer rows. Of a layer that is called
    several times the maps are added.

    Args:
        scorer: the system and the question; its target may name one action for each row.
        inputs: batches by sense.
        layer: dotted name.
        relu: whether to keep the positive part alone.
        patches: whether the tokens of a layer (rows, tokens, width) are patches of a picture: the last of them, as many
            as make the largest square, are its grid, and up to 5 before them (class token, registers) are dropped.
            With more left over the grid is no square, and there is one value for each token.
        channels: axis of the channels, see `veridical.modalities.engines.layer.arrange`.
        at_once: rows of the batch evaluated at once.

    Raises:
        InputError: no such layer, the score does not depend on it, or it has no places (rows, channels).
        ContractError: the scores break the contract, or a gradient is not finite.

    Example:
        >>> grad_cam(scorer, {"vision": frames}, "network.blocks.6").shape      # doctest: +SKIP
        torch.Size([1, 7, 7])
    """

    def combine(activations: Tensor, slopes: Tensor) -> Tensor:
        if activations.ndim < 3:
            raise InputError(
                f"grad-cam: layer {layer!r} gives {tuple(activations.shape)}, which has no places; name a layer before "
                "the pooling"
            )
        if patches and activations.ndim == 3:
            activations, slopes = _grid(activations), _grid(slopes)
        return weigh(activations, slopes, relu)

    return layer_maps(scorer, inputs, layer, combine, channels=channels, at_once=at_once)


def _chosen(task: Task, layer: str | None, sense: str | None) -> tuple[str, str | None]:
    """Return the layer and the sense that it reads, None where it reads several or that is not known."""
    sense = sense_named(task, sense)
    if layer is not None and sense is not None:
        return layer, sense
    calls = record_calls(task.scorer, task.inputs)
    layer = default_layer(calls, sense) if layer is None else layer
    read = {m for call in calls if call.layer == layer for m in call.senses}
    return layer, sense or (read.pop() if len(read) == 1 else None)


def _is_picture(task: Task, sense: str | None) -> bool:
    return sense is not None and task.inputs[sense].ndim >= 4


@dataclass(frozen=True)
class GradCAM:
    """Grad-CAM at a layer.

    Attributes:
        layer: dotted name; by default the last convolution, or its norm or activation, that gives (rows, channels,
            height, width) of more than one place and reads one sense alone, which one recorded forward pass finds. A
            transformer's layer (rows, tokens, width) gives a square grid where its sense is vision, without the tokens
            before it (class token, registers), else one value for each step.
        sense: the sense that the layer reads; found from the recorded pass where it is not said.
        relu: whether to keep the positive part alone.
        channels: axis of the channels in the layer's output (3 of a Swin transformer's); by default 1 of four axes, and
            of three the last, unless the layer is, or ends with, a one-dimensional convolution.
    """

    name: ClassVar[str] = "grad-cam"
    additive: ClassVar[bool] = False

    layer: str | None = None
    sense: str | None = None
    relu: bool = True
    channels: int | None = None

    def run(self, task: Task) -> LayerMap:
        """Take one forward pass (two if the layer or, of several senses, its sense is not said), and part of one back.

        Raises:
            InputError: no such layer or sense, or the layer has no places; the message says why.
            ContractError: the system breaks the contract.
        """
        layer, sense = _chosen(task, self.layer, self.sense)
        found = grad_cam(
            task.scorer,
            task.inputs,
            layer,
            relu=self.relu,
            patches=_is_picture(task, sense),
            channels=self.channels,
        )
        values, dims = lay_map(found, layer)
        return LayerMap(layer, values, dims, sense, facts={"evaluations": 1, "layer": layer})


@dataclass(frozen=True)
class GuidedGradCAM:
    """Guided backpropagation times Grad-CAM, the latter enlarged to the frames (bilinear).

    Attributes:
        layer: dotted name; by default as `GradCAM` has it.
        sense: the vision sense that the layer reads; found from a recorded pass where it is not said.
        channels: axis of the channels, as `GradCAM` has it.
    """

    name: ClassVar[str] = "guided-grad-cam"
    additive: ClassVar[bool] = False

    layer: str | None = None
    sense: str | None = None
    channels: int | None = None

    def run(self, task: Task) -> Sensitivities:
        """Take the passes of both methods.

        Raises:
            InputError: no such layer or sense, the layer's map does not fit the frames, or the system has no ReLU.
            ContractError: the system breaks the contract.
        """
        layer, sense = _chosen(task, self.layer, self.sense)
        if sense is None or not _is_picture(task, sense):
            told = "more senses than one, or none that is known" if sense is None else f"{sense}, which is no picture"
            raise InputError(f"guided-grad-cam: layer {layer!r} reads {told}; name a layer of vision, and sense=")
        with task.scorer.held():
            found = grad_cam(task.scorer, task.inputs, layer, patches=True, channels=self.channels)
            slopes = guided_gradients(task.scorer, task.inputs, [sense]).values[sense]
        wide = _enlarged(found, slopes, layer)
        return Sensitivities({sense: slopes * wide}, facts={"evaluations": 2, "layer": layer})


def _enlarged(found: Tensor, like: Tensor, layer: str) -> Tensor:
    """Return maps (layer rows, height, width) in the size of frames (..., channels, height, width), one channel."""
    frames = math.prod(like.shape[:-3])
    if found.ndim != 3 or len(found) != frames:
        raise InputError(
            f"guided-grad-cam: layer {layer!r} has a map of shape {tuple(found.shape)}; one (height, width) for "
            f"each of {frames} frames is wanted. Name another layer"
        )
    wide = F.interpolate(found[:, None].float(), like.shape[-2:], mode="bilinear", align_corners=False)
    return wide.to(like).view(*like.shape[:-3], 1, *like.shape[-2:])
