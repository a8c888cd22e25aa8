"""Guided backpropagation: where a ReLU stands, only positive gradient passes backwards.

Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (ICLR workshop 2015), section 3.4. Adebayo et
al., "Sanity Checks for Saliency Maps" (NeurIPS 2018), found that it hardly depends on the upper layers' weights: it
draws what the lower layers see, whatever the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ..scorer import Inputs, Scorer, Slopes, rows
from .chunk import Layout
from .gradient import AT_ONCE, gradients
from .interception.intercept import RELU, RELU6, Intercept, rules_for, write_back
from .task import Sensitivities, Task

__all__ = ["GuidedBackprop", "guided_gradients"]


class _Guide:
    """Rules for ReLU and ReLU6, which count how often they stood in."""

    def __init__(self) -> None:
        self.met = 0

    def relu(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        self.met += 1
        return self._guided(function, args, kwargs, torch.relu)

    def relu6(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        low, high = _bounds(function, args, kwargs)
        if low != 0:  # hardtanh, which ReLU6 is made of, with other bounds is no ReLU
            return function(*args, **kwargs)
        self.met += 1
        return self._guided(function, args, kwargs, lambda x: F.hardtanh(x, low, high))

    def _guided(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        clip: Callable[[Tensor], Tensor],
    ) -> Tensor:
        x = args[0] if args else kwargs["input"]
        if not (torch.is_grad_enabled() and x.requires_grad):
            return function(*args, **kwargs)
        in_place = kwargs.get("inplace", False) or function.__name__.endswith("_")
        # What is changed in place, maybe a view of something else, must not be what clip keeps for the way back.
        value = clip(x.clone() if in_place else x)
        # The hook sees the whole gradient of the output, over all branches, and clip's own backward pass masks it.
        value.register_hook(lambda gradient: gradient.clamp(min=0))
        return write_back(function, (x,), kwargs, value)


def _bounds(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[float, float]:
    if "relu6" in getattr(function, "__name__", ""):
        return 0.0, 6.0
    low = args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)
    high = args[2] if len(args) > 2 else kwargs.get("max_val", 1.0)
    return float(low), float(high)


def guided_gradients(
    scorer: Scorer, inputs: Inputs, wrt: Collection[str] | None = None, layout: Layout = AT_ONCE
) -> Slopes:
    """Return what `gradients` does, by guided backpropagation: ReLUs and ReLU6s pass positive gradient alone.

    It takes ReLUs however they are called: modules, reused or not, functions, in place. Not found are ReLUs inside
    compiled or scripted code, those of fused recurrent kernels (``RNN(nonlinearity="relu")``) and ``clamp(min=0)``.

    Raises:
        InputError: no ReLU was met; or as `gradients` does.
        ContractError: the system breaks the contract.
    """
    guide = _Guide()
    with Intercept(rules_for((RELU, guide.relu), (RELU6, guide.relu6))):
        found = gradients(scorer, inputs, wrt, layout)
    if guide.met == 0 and rows(inputs) > 0:
        raise InputError(
            f"guided-backprop: no ReLU was met in {type(scorer.system).__name__}, so it would be the plain gradient; "
            "ask for the gradient, or, where the ReLUs are in compiled code, give the system uncompiled"
        )
    return found


@dataclass(frozen=True)
class GuidedBackprop:
    """Gradients that passed only where they and the ReLUs' inputs were positive.

    On the way to a sense that reads no ReLU (a transformer of GELUs) it is the plain gradient.
    """

    name: ClassVar[str] = "guided-backprop"
    additive: ClassVar[bool] = False

    def run(self, task: Task) -> Sensitivities:
        """Take one forward and one backward pass.

        Raises:
            InputError: the system has no ReLU, or integer inputs.
            ContractError: the system breaks the contract.
        """
        return Sensitivities(guided_gradients(task.scorer, task.inputs).values, facts={"evaluations": 1})
