"""Our engines, asked as `benchmarks._peers` asks its own: maps by sense come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from benchmarks._subjects import Sample, Subject
from veridical.modalities.engines.cam import grad_cam
from veridical.modalities.engines.chunk import Layout, find_layout
from veridical.modalities.engines.gradient import gradients
from veridical.modalities.engines.guided import guided_gradients
from veridical.modalities.engines.paths.integrated import integrated_gradients as integrate
from veridical.modalities.engines.paths.quadrature import Rule

__all__ = ["PathMaps", "integrated_gradients", "search", "single_pass"]


@dataclass(frozen=True)
class PathMaps:
    """Contributions by sense, and the evaluations spent on them."""

    maps: Mapping[str, Tensor]
    evaluations: int


def integrated_gradients(
    subject: Subject, sample: Sample, evaluations: int | None = None, layout: Layout | None = None
) -> PathMaps:
    """Return our integrated gradients on the straight path, contributions by sense.

    Args:
        subject: the model.
        sample: the input.
        evaluations: spend as many as fit into this number, whatever the gap; None stops at a gap of 1 % of the score's
            difference, and gives up at 600 (the last rung of `_peers.LADDER`).
        layout: rows at once; None takes what is found by measurement.
    """
    rule = Rule(tolerance=0.01, most=600)
    if evaluations is not None:
        rule = Rule(tolerance=0.0, rounding=0.0, most=evaluations - 1)
    found = integrate(subject.scorer(sample), sample.inputs, sample.baselines, rule, layout)
    return PathMaps(found.contributions, int(found.evaluations[0]))


def search(subject: Subject, sample: Sample) -> Layout:
    """Search for the layout, which is kept for the model and inputs of these shapes; return it."""
    return find_layout(subject.scorer(sample), sample.inputs, list(sample.inputs))


def single_pass(subject: Subject, sample: Sample) -> dict[str, Callable[[], dict[str, Tensor]]]:
    """Return, by method, what runs it once and gives maps by sense; the methods that the peers are asked for."""
    scorer, inputs = subject.scorer(sample), sample.inputs
    sense = next(iter(inputs))

    def times_input() -> dict[str, Tensor]:
        return {m: g * inputs[m] for m, g in gradients(scorer, inputs).values.items()}

    found: dict[str, Callable[[], dict[str, Tensor]]] = {
        "gradient": lambda: dict(gradients(scorer, inputs).values),
        "gradient-times-input": times_input,
    }
    if subject.module is not None:
        found["guided-backprop"] = lambda: dict(guided_gradients(scorer, inputs).values)
    found["grad-cam"] = lambda: {sense: grad_cam(scorer, inputs, subject.layer)}
    return found
