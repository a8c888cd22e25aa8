"""A system and one question: inputs by sense go in, one number for each row comes out, and its gradient.

Every engine works on a `Scorer` and on mappings from sense to tensor, so that it need not know what kind of model
there is behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import ContractError, InputError
from .contract import System
from .held import Held, held, parts
from .target import Target

__all__ = [
    "Inputs",
    "Scorer",
    "Slopes",
    "arrived",
    "check_floating",
    "leaf",
    "logits_of",
    "recurrent_backward",
    "rows",
]

Inputs = Mapping[str, Tensor]
"""A batch of inputs by sense; all have the same number of rows."""


def logits_of(system: System, inputs: Inputs, batch: int, when: str) -> Float[Tensor, "batch actions"]:
    """Call a system and hold its scores against the contract.

    Args:
        system: what is explained.
        inputs: batches by sense.
        batch: size of the batches.
        when: what the inputs are, for the message.

    Raises:
        ContractError: scores of another type or shape, or not finite.
    """
    logits: object = system(inputs)
    wanted = (batch, len(system.actions))
    if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
        got = f"scores of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ContractError(f"system: {got} {when}; a tensor of shape {wanted} (batch, actions) is wanted")
    finite = logits.detach().isfinite().all(1)
    if not finite.all():
        worst = logits.detach()[~finite][0].tolist()
        raise ContractError(
            f"system: the scores are not finite {when}: {worst}; look for a division by zero, a logarithm or a "
            "square root"
        )
    return logits


@dataclass(frozen=True)
class Slopes:
    """Gradients of the target by sense (shaped like the inputs), its value for each row, and the system's scores."""

    values: Mapping[str, Tensor]
    scores: Float[Tensor, " batch"]
    logits: Float[Tensor, "batch actions"]


class Scorer:
    """A system asked one question.

    Attributes:
        system: what is explained.
        target: which number of its scores.
        when: what the inputs are, for messages.

    Example:
        >>> scorer = Scorer(system, Target(2))                              # doctest: +SKIP
        >>> scorer.gradient({"vision": frames}).values["vision"].shape      # doctest: +SKIP
    """

    def __init__(self, system: System, target: Target, when: str = "for the inputs given") -> None:
        self.system, self.target, self.when = system, target, when

    def at(self, row: int) -> Scorer:
        """Return the same question with the target of one row of a batch."""
        return Scorer(self.system, self.target.row(row), self.when)

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Hold the system still (see `veridical.modalities.held`); engines do all their work inside."""
        with held(self.system) as state:
            yield state

    def logits(self, inputs: Inputs) -> Float[Tensor, "batch actions"]:
        """Return the scores of all actions, in float32 or better; with a graph where gradients are enabled.

        Raises:
            ContractError: the scores break the contract.
        """
        with self.held() as state:
            try:
                # Copies: a system that works in place on its input must not change the caller's, nor a leaf.
                own = {m: x.clone() for m, x in inputs.items()}
                logits = logits_of(self.system, own, rows(inputs), self.when)
            finally:
                state.settle()
        return logits if logits.dtype == torch.float64 else logits.float()

    def __call__(self, inputs: Inputs) -> Float[Tensor, " batch"]:
        """Return the target's value for each row; with a graph where gradients are enabled.

        Raises:
            ContractError: the scores break the contract.
        """
        return self.target(self.logits(inputs))

    def value(self, inputs: Inputs) -> Float[Tensor, " batch"]:
        """Return the target's value for each row, without a graph.

        Raises:
            ContractError: the scores break the contract.
        """
        with torch.no_grad():
            return self(inputs)

    def gradient(self, inputs: Inputs, wrt: Collection[str] | None = None) -> Slopes:
        """Return the gradient of each row's number with respect to that row's inputs.

        Parameters get no gradients, and none are accumulated anywhere. A sense on which the score does not depend at
        all is an error, unless its input is empty: an explanation would otherwise report zeros for what it cannot see.

        Args:
            inputs: batches by sense, floating point, each (batch, ...).
            wrt: senses of which the gradient is wanted; by default all.

        Raises:
            InputError: integer inputs (token ids), which have no gradient; an unknown sense.
            ContractError: the scores break the contract, or a gradient does not arrive or is not finite.
        """
        chosen = list(inputs) if wrt is None else list(wrt)
        check_floating(inputs, chosen)
        with torch.inference_mode(False), torch.enable_grad(), self.held(), recurrent_backward(self.system, inputs):
            leaves = {m: leaf(x, m in chosen) for m, x in inputs.items()}
            if rows(inputs) == 0:
                empty = next(iter(inputs.values())).new_zeros(0)
                logits = empty.reshape(0, 1).expand(0, len(self.system.actions))
                return Slopes({m: torch.zeros_like(leaves[m]) for m in chosen}, empty, logits)
            logits = self.logits(leaves)
            if not logits.requires_grad:
                raise ContractError(
                    "system: no gradient reaches any input; a no_grad block, a detach or a cast to integers stands in "
                    "the way. A system without gradients can be explained by the black-box methods (occlusion, RISE, "
                    "LIME, KernelSHAP)"
                )
            score = self.target(logits)
            found = torch.autograd.grad(score.sum(), [leaves[m] for m in chosen], allow_unused=True)
        values = {m: arrived(m, g, leaves[m]) for m, g in zip(chosen, found, strict=True)}
        return Slopes(values, score.detach(), logits.detach())


def rows(inputs: Inputs) -> int:
    """Return the number of rows of a batch.

    Raises:
        InputError: no inputs, or batches of different sizes.
    """
    sizes = {m: len(x) for m, x in inputs.items()}
    if len(set(sizes.values())) != 1:
        raise InputError(f"inputs: one batch size for all senses is wanted, got {sizes or 'nothing'}")
    return next(iter(sizes.values()))


def leaf(x: Tensor, wanted: bool = True) -> Tensor:
    """Return the same values as a leaf of a new graph; a gradient of it is asked for unless it is not wanted."""
    return (x.clone() if x.is_inference() else x.detach()).requires_grad_(wanted)


def check_floating(inputs: Inputs, chosen: Collection[str]) -> None:
    """Raise an `InputError` where a sense is not there or holds integers, of which there is no gradient."""
    for m in chosen:
        if m not in inputs:
            raise InputError(f"gradient: no input {m!r}; there are {', '.join(inputs)}")
        if not inputs[m].is_floating_point():
            raise InputError(
                f"gradient: {m} holds {str(inputs[m].dtype).removeprefix('torch.')}, which has no gradient; "
                "for token ids ask at the embeddings (veridical.Text), for pixels give floats in 0..1"
            )


def arrived(sense: str, gradient: Tensor | None, x: Tensor) -> Tensor:
    """Return a sense's gradient, detached; a `ContractError` where it did not arrive or is not finite."""
    if gradient is None:
        if x.numel() == 0:
            return torch.zeros_like(x)
        raise ContractError(
            f"system: no gradient arrives at {sense}; is the input ignored, detached, rounded or cast to integers? "
            "Leave out of the system's modalities what it ignores"
        )
    if not gradient.isfinite().all():
        raise ContractError(
            f"system: the gradient of {sense} is not finite; look for a square root or a logarithm at zero"
        )
    return gradient.detach()


def recurrent_backward(system: object, inputs: Inputs) -> AbstractContextManager[Any]:
    """Let recurrent layers run backwards in evaluation mode: cuDNN's kernels refuse that, PyTorch's own do not."""
    if not any(x.is_cuda for x in inputs.values()):
        return nullcontext()
    recurrent = any(isinstance(m, nn.RNNBase) for p in parts(system).values() for m in p.modules())
    return torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
