"""How far the gradient at the input can be trusted: is the score saturated there, and does the gradient hold nearby?"""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import InputError
from ..saliency import Diagnostics
from ..scorer import Inputs, Scorer, rows
from .gradient import gradients
from .smooth import generators, noisy

__all__ = ["SAMPLES", "SATURATED", "diagnose"]

SAMPLES = 4
"""Noisy neighbours of the input at which the gradient is taken."""

SATURATED = 0.1
"""A local share smaller than this, in size, is called saturated."""

ROUNDING = 1e-4
"""Nats: a difference of scores as small as this is rounding (scores are float32), and no share of it is taken."""


def diagnose(
    scorer: Scorer, inputs: Inputs, baselines: Inputs, samples: int = SAMPLES, noise: float = 0.05, seed: int = 0
) -> dict[str, Diagnostics]:
    """Measure saturation and variation of the gradient at one input: one value and ``samples`` + 1 gradients.

    The local share is joint: what the gradients of all senses together promise of the score's difference from all
    baselines together, and so the same for each sense. It is None where the scores do not differ. The variation is each
    sense's own: 1 - mean cosine of its gradient at the input with those at ``samples`` copies where all senses are
    noisy. It is None where the gradient at the input is zero; a gradient nearby that is zero counts as a cosine of 0.

    Args:
        scorer: the system and the question.
        inputs: one row by sense.
        baselines: what absence is, shaped like the inputs.
        samples: noisy copies.
        noise: standard deviation of the noise, as a share of each sense's range of values.
        seed: of the noise.

    Returns:
        diagnostics by sense, without stability, which is the method's own.

    Raises:
        InputError: more rows than one, baselines of another shape, fewer than one sample, integer inputs.
        ContractError: the scores break the contract, or a gradient does not arrive or is not finite.
    """
    if rows(inputs) != 1 or samples < 1 or not noise >= 0:
        told = f"{rows(inputs)} rows, {samples} samples, noise {noise}"
        raise InputError(f"diagnose: {told}; one row, at least 1 sample and noise of 0 or more are wanted")
    for m, x in inputs.items():
        if m not in baselines or baselines[m].shape != x.shape:
            got = tuple(baselines[m].shape) if m in baselines else "none"
            raise InputError(f"diagnose: the baseline of {m} has shape {got}; {tuple(x.shape)} as the input is wanted")
    # Where input and baseline are one (an empty text) there is nothing to attribute, and no gradient is asked for.
    moving = [m for m, x in inputs.items() if not torch.equal(x, baselines[m])]
    if not moving:
        return {m: Diagnostics() for m in inputs}
    with scorer.held():
        near = noisy(inputs, samples, noise, generators(inputs, seed, 0))
        slopes = gradients(scorer.at(0), {m: torch.cat((x.detach(), near[m])) for m, x in inputs.items()}, moving)
        absent = float(scorer.value({m: baselines[m] for m in inputs})[0])
    difference = float(slopes.scores[0]) - absent
    change = {m: (x.detach() - baselines[m].detach())[0].double() for m, x in inputs.items()}
    promised = sum(float((slopes.values[m][0].double() * change[m]).sum()) for m in moving)
    share = promised / difference if abs(difference) > ROUNDING else None
    saturated = None if share is None else abs(share) < SATURATED
    varied = {m: _variation(slopes.values[m]) for m in moving}
    return {m: Diagnostics(share, saturated, varied.get(m)) for m in inputs}


def _variation(gradient: Tensor) -> float | None:
    """1 - mean cosine of the first row with the others; None where the first is zero."""
    flat = gradient.flatten(1).double()
    if not flat[0].any():
        return None
    sizes = flat.norm(dim=1)
    cosines = (flat[1:] @ flat[0]) / (sizes[1:] * sizes[0]).clamp(min=torch.finfo(torch.float64).tiny)
    return 1 - float(cosines.mean())
