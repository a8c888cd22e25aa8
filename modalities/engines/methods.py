"""All methods, by name."""

from __future__ import annotations

from dataclasses import MISSING, fields
from difflib import get_close_matches

from ...errors import InputError
from .attention import AttentionRollout, GradientWeightedAttention
from .blackbox.lime import Lime
from .blackbox.occlusion import Occlusion
from .blackbox.rise import Rise
from .blackbox.shapley import KernelShap
from .cam import GradCAM, GuidedGradCAM
from .gradient import Gradient, GradientTimesInput
from .guided import GuidedBackprop
from .layer import LayerGradientTimesActivation, LayerIntegratedGradients
from .paths.integrated import ExpectedGradients, IntegratedGradients
from .relevance.lrp import LRP
from .smooth import SmoothGrad, VarGrad
from .task import Method

__all__ = ["METHODS", "find_method"]

_ALL: tuple[type[Method], ...] = (
    Gradient,
    GradientTimesInput,
    GuidedBackprop,
    SmoothGrad,
    VarGrad,
    IntegratedGradients,
    ExpectedGradients,
    GradCAM,
    GuidedGradCAM,
    LayerGradientTimesActivation,
    LayerIntegratedGradients,
    AttentionRollout,
    GradientWeightedAttention,
    LRP,
    Occlusion,
    Rise,
    Lime,
    KernelShap,
)

METHODS: dict[str, type[Method]] = {method.name: method for method in _ALL}
"""Every method's class by its name."""


def find_method(name: str, layer: str | None = None) -> Method:
    """Return a method with its default settings.

    Args:
        name: one of `METHODS`.
        layer: name of the layer, for the methods that look at one; others do without.

    Raises:
        InputError: no such method; or one that must be told its layer.
    """
    if name not in METHODS:
        near = get_close_matches(name, METHODS, 3, 0.3)
        told = f"; near it: {', '.join(near)}" if near else f"; there are {', '.join(METHODS)}"
        raise InputError(f"attribute: no method {name!r}{told}")
    method = METHODS[name]
    by_name = {f.name: f for f in fields(method)}  # type: ignore[arg-type]
    if "layer" not in by_name:
        return method()
    if layer is None and by_name["layer"].default is MISSING:
        raise InputError(f"attribute: {name} must be told which layer; give {method.__name__}(layer=...), or --layer")
    return method() if layer is None else method(layer=layer)  # type: ignore[call-arg]
