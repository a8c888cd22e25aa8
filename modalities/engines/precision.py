"""Low precision: a system as it runs in bf16, fp16 or int8, and how true a map made there stays to float32.

Robots run what fits: half-precision numbers and linear layers of 8-bit integers. A map of the float32 system explains
another system than the one that decided; a map made in low precision has its rounding. Both can be had and compared.
It matters: on EfficientNet-Lite0 in bf16 gradient × input has a rank correlation of 0.5 with float32's (three pictures,
0.50 to 0.56), for rounding moves units over their kinks; SmoothGrad has 0.92, occlusion 0.98 and more.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ...errors import ContractError, InputError
from ..contract import Prepared, System
from ..held import parts
from ..layout import lay_out
from ..scorer import Scorer
from ..target import Target
from .interception.intercept import LINEAR, Intercept, rules_for
from .task import Answer, Method, Task

__all__ = ["Fidelity", "Precision", "Reduced", "compare_precision", "fidelity", "int8_linear", "reduced"]

Precision = Literal["bf16", "fp16", "int8"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LIKELY = {
    "fp16": "numbers above 65504 overflow in it; use bf16",
    "bf16": "see first whether they are in float32",
    "int8": "see first whether they are in float32",
}


class _StraightThrough(torch.autograd.Function):
    """Rounding, with the gradient of not rounding (Bengio, Léonard and Courville 2013, arXiv:1308.3432)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def _to_int8(x: Float[Tensor, "*rows features"]) -> tuple[Float[Tensor, "*rows features"], Float[Tensor, "*rows 1"]]:
    """Return whole numbers in -127..127 and each row's scale; a row of zeros has scale 1."""
    largest = x.detach().abs().amax(-1, keepdim=True)
    scale = torch.where(largest > 0, largest / 127, 1.0)
    return _StraightThrough.apply(x / scale), scale


def int8_linear(
    x: Float[Tensor, "*rows features"],
    weight: Float[Tensor, "out features"],
    bias: Float[Tensor, " out"] | None = None,
) -> Float[Tensor, "*rows out"]:
    """Return a linear layer's output as 8-bit integers give it, differentiable.

    Symmetric, without zero points: one scale for each output's weights, and one, found on the spot, for each row of
    the input (each token; one for the whole tensor, as torch's dynamic quantisation has it, would mix the members of a
    batch). Products of whole numbers are summed in float32, exactly up to 1040 features (127^2 1040 < 2^24).

    The gradient goes straight through the rounding: with respect to the input it is that of the linear layer with its
    weights as they are after rounding; scales count as constants.
    """
    whole, scale = _to_int8(weight)
    return _int8_product(x, whole, scale, bias)


def _int8_product(x: Tensor, whole: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    rounded, size = _to_int8(x)
    out = F.linear(rounded, whole) * (size * scale[:, 0])
    return out if bias is None else out + bias


class Reduced:
    """A system that computes in low precision; its layers keep their names. Made by `reduced`.

    Attributes:
        precision: ``"bf16"``, ``"fp16"`` or ``"int8"``.
        modalities: the system's.
        actions: the system's.
    """

    def __init__(self, system: System, precision: Precision) -> None:
        # Under their own names, so that `held` and `find_layer` find the parts as in the system itself.
        vars(self).update(parts(system))
        self.modalities, self.actions, self.precision = system.modalities, system.actions, precision
        self._ask = system.__call__
        self._weights = WeakTensorKeyDictionary()  # of a weight its version, its whole numbers and their scales

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores in float32.

        Raises:
            ContractError: scores that are not finite, and when differentiated: gradients that are not.
        """
        watched = {m: self._watch(m, x) if x.requires_grad else x for m, x in inputs.items()}
        with self._context(next(iter(inputs.values())).device.type):
            logits = self._ask(watched)
        if not isinstance(logits, Tensor):  # which the scorer says in words
            return logits
        if not logits.detach().isfinite().all():
            raise ContractError(f"system: the scores are not finite in {self.precision}; {_LIKELY[self.precision]}")
        return logits.float()

    def _context(self, device: str) -> AbstractContextManager[Any]:
        if self.precision == "int8":
            return Intercept(rules_for((LINEAR, self._linear)))
        return torch.autocast(device, _DTYPES[self.precision])

    def _linear(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        given = dict(zip(("input", "weight", "bias"), args, strict=False)) | dict(kwargs)
        x, weight, bias = given["input"], given["weight"], given.get("bias")
        if weight.requires_grad:
            return int8_linear(x, weight, bias)
        version = -1 if weight.is_inference() else weight._version
        known = self._weights.get(weight)
        if known is None or known[0] != version:
            known = (version, *_to_int8(weight))
            self._weights[weight] = known
        _, whole, scale = known
        return _int8_product(x, whole, scale, bias)

    def _watch(self, sense: str, x: Tensor) -> Tensor:
        def check(gradient: Tensor) -> None:
            if not gradient.isfinite().all():
                raise ContractError(
                    f"system: the gradient of {sense} is not finite in {self.precision}; {_LIKELY[self.precision]}"
                )

        seen = x.view_as(x)  # the hook goes with the graph, and the caller's tensor has none
        seen.register_hook(check)
        return seen


def reduced(system: System, precision: Precision) -> Reduced:
    """Return a system that computes in low precision, for a `Scorer` or any method. The system itself is not changed.

    ``"bf16"`` and ``"fp16"`` are torch's autocast on the inputs' device. ``"int8"`` computes every linear layer by
    `int8_linear` and all else in float32: what a dynamically quantised network computes, at no gain in speed. Linear
    layers inside ``nn.MultiheadAttention`` count as far as `Intercept` sees them; compiled code is not seen. Gradients
    are not scaled: in fp16 those below 6e-8 vanish on their way.

    Raises:
        InputError: an unknown precision.

    Example:
        >>> scorer = Scorer(reduced(system, "bf16"), Target(2))            # doctest: +SKIP
    """
    if precision not in get_args(Precision):
        raise InputError(f"precision: {precision!r}; one of {', '.join(get_args(Precision))} is wanted")
    return Reduced(system, precision)


@dataclass(frozen=True)
class Fidelity:
    """How true a map stays to a reference; None where it is not defined (a map of one value, a sum of zero).

    Attributes:
        rank_correlation: Spearman's, of the signed values; 1 at best.
        top_overlap: share of the reference's top elements, by size, that are the map's too.
        completeness: sum of the map over the sum of the reference; 1 at best.
        l1: sum of differences, by size, over the sum of the reference's sizes; 0 at best.
    """

    rank_correlation: float | None
    top_overlap: float
    completeness: float | None
    l1: float | None


def fidelity(values: Float[np.ndarray, "..."], reference: Float[np.ndarray, "..."], top: float = 0.1) -> Fidelity:
    """Compare a map with a reference of the same shape.

    Args:
        values: the map.
        reference: what it should be.
        top: share of elements that count as the top; at least one element does. Of equals the first counts.

    Raises:
        InputError: shapes that differ, no elements, values that are not finite, or a share out of range.

    Example:
        >>> fidelity(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])).rank_correlation
        1.0
    """
    if values.shape != reference.shape or not values.size:
        raise InputError(f"fidelity: shapes {values.shape} and {reference.shape}; two maps of one shape are wanted")
    if not 0 < top <= 1:
        raise InputError(f"fidelity: top {top}; give a share above 0, up to 1")
    a, b = (np.asarray(v, np.float64).ravel() for v in (values, reference))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("fidelity: a map holds values that are not finite; look at how it was made")
    from scipy.stats import rankdata

    ranks = float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else None
    count = max(1, round(top * a.size))
    first = [set(np.argsort(-np.abs(v), kind="stable")[:count].tolist()) for v in (a, b)]
    size, total = float(np.abs(b).sum()), float(b.sum())
    return Fidelity(
        ranks,
        len(first[0] & first[1]) / count,
        float(a.sum()) / total if total else None,
        float(np.abs(a - b).sum()) / size if size else None,
    )


def compare_precision(
    system: System,
    prepared: Mapping[str, Prepared],
    target: Target,
    method: Method,
    precision: Precision,
    *,
    seed: int = 0,
    top: float = 0.1,
) -> dict[str, Fidelity]:
    """Return how true a method's maps in low precision stay to those in float32, by sense.

    Compared are values of evidence units where the method gives those, else the map on the units' grid (pixels, bins
    and windows, tokens), else the first view that `lay_out` gives.

    Raises:
        InputError: an unknown precision, or the method means nothing here.
        ContractError: the system breaks the contract, or low precision overflows.
    """
    found = []
    for each in (reduced(system, precision), system):
        task = Task(Scorer(each, target), prepared, seed)
        with task.scorer.held():
            found.append(_laid_out(method.run(task), task))
    return {name: fidelity(values, found[1][name], top) for name, values in found[0].items()}


def _laid_out(answer: Answer, task: Task) -> dict[str, np.ndarray]:
    """Return by sense the values of one view: of evidence units where there is one, else on the units' grid."""
    found = {}
    for m, views in lay_out(answer, task).items():
        best = next(name for name in ("evidence", "units", *views) if name in views)
        found[m] = views[best][2]
    return found
