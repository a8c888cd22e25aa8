"""Gradients at many noisy copies of the input: their mean (SmoothGrad) and their variance (VarGrad).

SmoothGrad: Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017), section 3. VarGrad: Adebayo et al.,
"Sanity Checks for Saliency Maps" (NeurIPS 2018), appendix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import InputError
from ..scorer import Inputs, Scorer, rows
from .chunk import Layout, find_layout, stream
from .ranks import rank_correlation
from .task import Sensitivities, Task

__all__ = ["NoisyGradients", "SmoothGrad", "VarGrad", "generators", "noisy", "noisy_gradients"]


@dataclass(frozen=True)
class NoisyGradients:
    """What gradients at noisy copies of each row gave, by sense, shaped like the inputs.

    Attributes:
        mean: mean of the gradients.
        variance: their variance (divided by the number of samples, not one less).
        halves: means of the even and of the odd samples.
        spreads: variances of the even and of the odd samples.
        samples: how many copies of each row there were.
    """

    mean: Mapping[str, Tensor]
    variance: Mapping[str, Tensor]
    halves: tuple[Mapping[str, Tensor], Mapping[str, Tensor]]
    spreads: tuple[Mapping[str, Tensor], Mapping[str, Tensor]]
    samples: int


class _Running:
    """Running mean and sum of squared deviations: Welford, Technometrics 4 (1962)."""

    def __init__(self) -> None:
        self.count, self.mean, self.spread = 0, torch.zeros(()), torch.zeros(())

    def add(self, x: Tensor) -> None:
        self.count += 1
        if self.count == 1:
            self.mean, self.spread = x.clone(), torch.zeros_like(x)
            return
        delta = x - self.mean
        self.mean += delta / self.count
        self.spread += delta * (x - self.mean)

    def joined(self, other: _Running) -> tuple[Tensor, Tensor]:
        """Return mean and variance of both together: Chan, Golub and LeVeque (1979), equation 2.1."""
        count = self.count + other.count
        if other.count == 0:
            return self.mean, self.spread / count
        delta = other.mean - self.mean
        spread = self.spread + other.spread + delta.square() * (self.count * other.count / count)
        return self.mean + delta * (other.count / count), spread / count

    @property
    def variance(self) -> Tensor:
        return self.spread / max(self.count, 1)


def generators(senses: Inputs, seed: int, row: int) -> dict[str, torch.Generator]:
    """Return a generator for each sense of one row; what it draws depends on nothing but seed, row and sense."""
    seeds = {m: blake2b(f"{seed}/{row}/{m}".encode(), digest_size=8).digest() for m in senses}
    return {m: torch.Generator().manual_seed(int.from_bytes(s, "little", signed=True)) for m, s in seeds.items()}


def noisy(one: Inputs, count: int, noise: float, draws: Mapping[str, torch.Generator]) -> dict[str, Tensor]:
    """Return ``count`` copies of one row, with Gaussian noise.

    The noise is drawn on the CPU, copy by copy, so that it is the same on every device and for every ``count``. In a
    sense of tokens (batch, tokens, features) rows of zeros are padding and stay zero. Inputs that are no floating point
    numbers are copied as they are.

    Args:
        one: batches of one by sense.
        count: copies wanted.
        noise: standard deviation as a share of each sense's range, its largest value minus its smallest.
        draws: a generator for each sense.
    """
    return {m: _noisy(x, count, noise, draws[m]) for m, x in one.items()}


def _noisy(x: Tensor, count: int, noise: float, draw: torch.Generator) -> Tensor:
    x = x.detach()
    if x.numel() == 0 or not x.is_floating_point():
        return x.repeat(count, *[1] * (x.ndim - 1))
    # One draw for each copy: a single larger one would give other numbers.
    drawn = torch.stack([torch.randn(x.shape[1:], generator=draw) for _ in range(count)])
    drawn = drawn.to(device=x.device, dtype=x.dtype) * (noise * (x.amax() - x.amin()))
    if x.ndim == 3:
        drawn *= (x != 0).any(2, keepdim=True)
    return x + drawn


class _Copies:
    """Noisy copies of one row, which are asked for in order."""

    def __init__(self, one: Inputs, noise: float, seed: int, row: int) -> None:
        self.one, self.noise, self.draws = one, noise, generators(one, seed, row)

    def __call__(self, start: int, stop: int) -> dict[str, Tensor]:
        return noisy(self.one, stop - start, self.noise, self.draws)


def noisy_gradients(
    scorer: Scorer,
    inputs: Inputs,
    samples: int,
    noise: float,
    *,
    seed: int = 0,
    layout: Layout | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> NoisyGradients:
    """Return mean and variance of the gradients at noisy copies of each row, all senses made noisy together.

    Memory grows with neither the samples nor, beyond the copies at once and the maps themselves, the batch. The noise
    of a row depends on the seed and its place in the batch, not on how many copies are evaluated at once.

    Args:
        scorer: the system and the question; its target may name one action for each row.
        inputs: batches by sense.
        samples: noisy copies of each row.
        noise: standard deviation of the noise, as a share of each sense's range of values.
        seed: of the noise.
        layout: copies evaluated at once; by default what `find_layout` finds.
        progress: called with the share of the work that is done.

    Raises:
        InputError: integer inputs; fewer than one sample, noise that is negative, no rows.
        ContractError: the scores break the contract, or a gradient does not arrive or is not finite.
    """
    count = rows(inputs)
    _check(samples, noise, 1)
    if count < 1:
        raise InputError("smoothgrad: a batch of no rows; give at least one")
    found: list[dict[str, tuple[_Running, _Running]]] = []
    with scorer.held():
        layout = find_layout(scorer, inputs) if layout is None else layout
        for row in range(count):
            copies = _Copies({m: x[row : row + 1] for m, x in inputs.items()}, noise, seed, row)
            running = {m: (_Running(), _Running()) for m in inputs}
            done = 0
            for slopes in stream(scorer.at(row), copies, samples, layout):
                size = len(slopes.scores)
                for m, values in slopes.values.items():
                    for k in range(size):
                        running[m][(done + k) % 2].add(values[k])
                done += size
                progress((row + done / samples) / count)
            found.append(running)
    both = {m: [r[m][0].joined(r[m][1]) for r in found] for m in inputs}

    def half(k: int, part: str) -> dict[str, Tensor]:
        return {m: torch.stack([getattr(r[m][min(k, samples - 1)], part) for r in found]) for m in inputs}

    return NoisyGradients(
        {m: torch.stack([mean for mean, _ in pairs]) for m, pairs in both.items()},
        {m: torch.stack([variance for _, variance in pairs]) for m, pairs in both.items()},
        (half(0, "mean"), half(1, "mean")),
        (half(0, "variance"), half(1, "variance")),
        samples,
    )


def _agreement(halves: tuple[Mapping[str, Tensor], Mapping[str, Tensor]]) -> dict[str, float | None]:
    """Rank correlation of two half-sample maps, by sense."""
    even, odd = halves
    return {m: rank_correlation(even[m].double().cpu().numpy(), odd[m].double().cpu().numpy()) for m in even}


def _least(agreed: Mapping[str, float | None]) -> float | None:
    return min((r for r in agreed.values() if r is not None), default=None)


def _check(samples: int, noise: float, least: int) -> None:
    if samples < least:
        raise InputError(f"smoothgrad: {samples} samples; give at least {least}")
    if not (math.isfinite(noise) and noise >= 0):
        raise InputError(f"smoothgrad: noise {noise} of the range; give a share of 0 or more, 0.1 say")


@dataclass(frozen=True)
class SmoothGrad:
    """The mean gradient over noisy copies of the input; without noise it is the gradient.

    Its stability is the rank correlation of the maps of the even and of the odd samples; of several senses, the least.

    Attributes:
        samples: noisy copies.
        noise: standard deviation of the noise, as a share of each sense's range of values.

    Raises:
        InputError: fewer than one sample, or noise that is negative or not finite.
    """

    name: ClassVar[str] = "smoothgrad"
    additive: ClassVar[bool] = False

    samples: int = 25
    noise: float = 0.1

    def __post_init__(self) -> None:
        _check(self.samples, self.noise, 1)

    def run(self, task: Task) -> Sensitivities:
        """Take ``samples`` forward and backward passes.

        Raises:
            InputError: integer inputs (token ids), which have no gradient.
            ContractError: the system breaks the contract.
        """
        found = noisy_gradients(
            task.scorer, task.inputs, self.samples, self.noise, seed=task.seed, progress=task.progress
        )
        agreed = _agreement(found.halves) if self.samples > 1 else {}
        return Sensitivities(
            found.mean,
            facts={"evaluations": self.samples, "half_sample_correlation": agreed},
            stability=_least(agreed),
        )


@dataclass(frozen=True)
class VarGrad:
    """The variance of the gradient over noisy copies of the input: where it is large, gradients disagree.

    Attributes:
        samples: noisy copies.
        noise: standard deviation of the noise, as a share of each sense's range of values.

    Raises:
        InputError: fewer than four samples (each half needs two), or noise that is negative or not finite.
    """

    name: ClassVar[str] = "vargrad"
    additive: ClassVar[bool] = False

    samples: int = 25
    noise: float = 0.1

    def __post_init__(self) -> None:
        _check(self.samples, self.noise, 4)

    def run(self, task: Task) -> Sensitivities:
        """Take ``samples`` forward and backward passes.

        Raises:
            InputError: integer inputs (token ids), which have no gradient.
            ContractError: the system breaks the contract.
        """
        found = noisy_gradients(
            task.scorer, task.inputs, self.samples, self.noise, seed=task.seed, progress=task.progress
        )
        agreed = _agreement(found.spreads)
        return Sensitivities(
            found.variance,
            squared=True,
            facts={"evaluations": self.samples, "half_sample_correlation": agreed},
            stability=_least(agreed),
        )
