"""Captum and pytorch-grad-cam, asked the same questions as our engines: maps by sense come back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks._subjects import Sample, Subject
from veridical.errors import InputError
from veridical.modalities.held import find_layer

__all__ = ["LADDER", "completeness_gap", "integrated_gradients", "reference", "relative_error", "single_pass"]

LADDER = (20, 30, 50, 75, 100, 150, 200, 300, 400, 600)
"""Numbers of steps that Captum is tried at, until its completeness gap is small enough."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what peers warn of at each call (inputs made to require gradients, hooks set)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def captum() -> Any:
    """Return ``captum.attr``.

    Raises:
        InputError: Captum is not installed.
    """
    try:
        import captum.attr
    except ImportError as error:
        raise InputError("attribution: Captum is not installed; pip install 'veridical[benchmark]'") from error
    return captum.attr


def integrated_gradients(subject: Subject, sample: Sample, steps: int, batch: int | None = None) -> dict[str, Tensor]:
    """Return Captum's integrated gradients (Gauss-Legendre, its default), contributions by sense.

    Args:
        subject: the model.
        sample: the input.
        steps: ``n_steps``.
        batch: ``internal_batch_size``; None, its default, evaluates all steps at once.
    """
    forward, target = subject.peer(sample)
    with _quiet():
        method = captum().IntegratedGradients(forward)
        given, base = tuple(sample.inputs.values()), tuple(sample.baselines.values())
        maps = method.attribute(given, base, target=target, n_steps=steps, internal_batch_size=batch)
    return {m: a.detach() for m, a in zip(sample.inputs, maps, strict=True)}


def completeness_gap(subject: Subject, sample: Sample, maps: Mapping[str, Tensor]) -> tuple[float, float]:
    """Return |sum of contributions - difference| as a share of the score's difference, and the difference itself."""
    scorer = subject.scorer(sample)
    difference = float(scorer.value(sample.inputs)) - float(scorer.value(sample.baselines))
    total = sum(float(a.double().sum()) for a in maps.values())
    return abs(total - difference) / abs(difference), difference


def reference(subject: Subject, sample: Sample, points: int, chunk: int = 2) -> dict[str, Tensor]:
    """Return integrated gradients by the midpoint rule on evenly spaced points, summed in float64: neither side's."""
    scorer, sums = subject.scorer(sample), {m: torch.zeros_like(x, dtype=torch.float64) for m, x in _inputs(sample)}
    middle = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    with scorer.held():
        for u in middle.split(chunk):
            path = {}
            for m, x in _inputs(sample):
                share = u.to(x).view(-1, *[1] * (x.ndim - 1))
                path[m] = sample.baselines[m] + share * (x - sample.baselines[m])
            for m, gradient in scorer.gradient(path).values.items():
                sums[m] += gradient.double().sum(0, keepdim=True)
    return {m: sums[m] / points * (x - sample.baselines[m]) for m, x in _inputs(sample)}


def relative_error(maps: Mapping[str, Tensor], exact: Mapping[str, Tensor]) -> float:
    """Return the L1 distance over all elements of all senses, as a share of the exact map's L1 norm."""
    wrong = sum(float((maps[m].double() - a.double()).abs().sum()) for m, a in exact.items())
    return wrong / sum(float(a.double().abs().sum()) for a in exact.values())


def _inputs(sample: Sample) -> list[tuple[str, Tensor]]:
    return list(sample.inputs.items())


def single_pass(subject: Subject, sample: Sample) -> dict[str, dict[str, Callable[[], dict[str, Tensor]]]]:
    """Return, by method and peer, what runs it once and gives maps by sense.

    Guided backpropagation is given where the model is one module: Captum hooks modules. pytorch-grad-cam takes one
    tensor, so the same holds for it.
    """
    attr, (forward, target) = captum(), subject.peer(sample)
    layer = find_layer(subject.system, subject.layer)

    def run(method: Any, **options: Any) -> Callable[[], dict[str, Tensor]]:
        def work() -> dict[str, Tensor]:
            with _quiet():
                found = method.attribute(tuple(sample.inputs.values()), target=target, **options)
            maps = found if isinstance(found, tuple) else (found,)
            return {m: a.detach() for m, a in zip(sample.inputs, maps, strict=False)}

        return work

    found = {
        "gradient": {"captum": run(attr.Saliency(forward), abs=False)},
        "gradient-times-input": {"captum": run(attr.InputXGradient(forward))},
    }
    cam = {"captum": run(attr.LayerGradCam(forward, layer), relu_attributions=True)}
    if subject.module is not None:
        found["guided-backprop"] = {"captum": run(attr.GuidedBackprop(subject.module))}
        cam["pytorch-grad-cam"] = _pytorch_grad_cam(subject, sample, layer)
    return {**found, "grad-cam": cam}


def _pytorch_grad_cam(subject: Subject, sample: Sample, layer: Any) -> Callable[[], dict[str, Tensor]]:
    """Return pytorch-grad-cam's Grad-CAM, which also brings the map to the picture's size and into 0..1.

    Its hooks stay until it is closed, and would slow everyone down: it is opened anew for each run. It fails on frozen
    parameters unless the input requires a gradient, so that is what it gets.
    """
    try:
        with _quiet():
            from pytorch_grad_cam import GradCAM
            from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise InputError("attribution: grad-cam is not installed; pip install 'veridical[benchmark]'") from error
    (sense, x), asked = _inputs(sample)[0], ClassifierOutputTarget(sample.action)

    def work() -> dict[str, Tensor]:
        with _quiet(), GradCAM(model=subject.module, target_layers=[layer]) as method:
            leaf = x.detach().clone().requires_grad_(True)
            return {sense: torch.from_numpy(method(leaf, cast("list[nn.Module]", [asked])))}

    return work
