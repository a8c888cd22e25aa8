"""A checker for those who wrap a system: what is wrong with it, in words, before an explanation depends on it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import ContractError
from .contract import Observation, Prepared, SplitSystem, System
from .path import decision_score

__all__ = ["check_system"]


def check_system(system: System, observation: Observation) -> tuple[str, ...]:
    """Check a system against the contract on one observation.

    Args:
        system: what is to be explained.
        observation: one signal per sense.

    Returns:
        One line for each thing that was checked and found right.

    Raises:
        ContractError: all that was found wrong, each with its likely cause.
        InputError: the observation cannot be prepared.
    """
    if not isinstance(system, System):
        raise ContractError(f"system: {type(system).__name__} lacks modalities, actions or __call__")
    prepared = {m: system.modalities[m].prepare(observation[m]) for m in system.modalities if observation.get(m) is not None}
    inputs = {m: p.tensor for m, p in prepared.items()}
    with torch.no_grad():
        first, second = system(inputs), system(inputs)
    wanted = (1, len(system.actions))
    if tuple(first.shape) != wanted:
        raise ContractError(f"system: scores of shape {tuple(first.shape)} for one observation; {wanted} (batch, actions) is wanted")
    wrong, right = [], [f"scores of shape {wanted}"]

    def found(good: bool, what: str, why: str) -> None:
        right.append(what) if good else wrong.append(why)

    found(bool(first.isfinite().all()), "scores are finite", f"the scores are not finite: {first[0].tolist()}; look for a division or a logarithm of zero")
    found(
        torch.equal(first, second),
        "two calls agree",
        f"two calls differ by {float((first - second).abs().max()):.3g}; dropout or batch norm in training mode, or state that leaks between calls (call eval(), reset the state)",
    )
    training = [name for name in dir(system) if not name.startswith("__") and isinstance(m := getattr(system, name, None), nn.Module) and m.training]
    found(not training, "no part is in training mode", f"in training mode: {', '.join(training)}; call eval()")
    _check_batch(system, inputs, first, found)
    _check_gradients(system, prepared, first, found)
    if isinstance(system, SplitSystem):
        with torch.no_grad():
            split = system.decide({m: system.encode(m, x) for m, x in inputs.items()})
        gap = float((split - first).abs().max())
        found(gap <= 1e-4, "encode and decide agree with the call", f"decide(encode(x)) differs from the call by {gap:.3g}; the two paths must do the same")
    if wrong:
        raise ContractError("system: " + "; ".join(wrong))
    return tuple(right)


def _check_batch(system: System, inputs: Mapping[str, Tensor], alone: Tensor, found) -> None:
    with torch.no_grad():
        pair = system({m: torch.cat((x, x.flip(-1))) for m, x in inputs.items()})
    gap = float((pair[0] - alone[0]).abs().max()) if len(pair) == 2 else float("inf")
    found(gap <= 1e-3, "members of a batch do not mix", f"a second member of the batch changes the first one's scores by {gap:.3g}; normalisation over the batch, or a batch of one assumed")


def _check_gradients(system: System, prepared: Mapping[str, Prepared], logits: Tensor, found) -> None:
    inputs = {m: p.tensor.detach().clone().requires_grad_(True) for m, p in prepared.items()}
    with torch.enable_grad():
        out = system(inputs)
        if not out.requires_grad:
            found(False, "", "no gradient reaches any input; a no_grad block, a detach or an integer cast stands in the way")
            return
        gradients = torch.autograd.grad(decision_score(out, int(logits.argmax())).sum(), list(inputs.values()), allow_unused=True)
    for m, gradient in zip(inputs, gradients, strict=True):
        if gradient is None:
            found(False, "", f"no gradient arrives at {m}; the input is ignored, detached, rounded or cast to integers")
        elif not gradient.isfinite().all():
            found(False, "", f"the gradient at {m} is not finite; a square root or a logarithm at zero")
        else:
            found(True, f"a finite gradient arrives at {m}", "")
