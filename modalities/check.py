"""A checker for those who wrap a system: what is wrong with it, in words, before an explanation depends on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..errors import ContractError
from .contract import Observation, Prepared, SplitSystem, System
from .observation import prepare
from .scorer import logits_of
from .target import decision_score

__all__ = ["check_system"]

Found = Callable[[bool, str, str], None]


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
    prepared = prepare(system, observation)
    inputs = {m: p.tensor for m, p in prepared.items()}
    with torch.no_grad():
        first = _call(system, inputs, 1, "for one observation")
        second = _call(system, inputs, 1, "for one observation")
    wrong: list[str] = []
    right = [f"scores of shape {tuple(first.shape)}", "scores are finite"]

    def found(good: bool, what: str, why: str) -> None:
        right.append(what) if good else wrong.append(why)

    found(
        torch.equal(first, second),
        "two calls agree",
        f"two calls differ by {float((first - second).abs().max()):.3g}; dropout or batch norm in training mode, or "
        "state that leaks between calls (call eval(), reset the state)",
    )
    training = _in_training(system)
    found(not training, "no part is in training mode", f"in training mode: {', '.join(training)}; call eval()")
    _check_batch(system, inputs, first, found)
    _check_gradients(system, prepared, first, found)
    if isinstance(system, SplitSystem):
        with torch.no_grad():
            split = system.decide({m: system.encode(m, x) for m, x in inputs.items()})
        gap = float((split - first).abs().max())
        found(
            gap <= _rounding(first),
            "encode and decide agree with the call",
            f"decide(encode(x)) differs from the call by {gap:.3g}; the two paths must do the same",
        )
    if wrong:
        raise ContractError("system: " + "; ".join(wrong))
    return tuple(right)


def _call(system: System, inputs: Mapping[str, Tensor], batch: int, when: str) -> Tensor:
    try:
        return logits_of(system, inputs, batch, when)
    except ContractError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        raise ContractError(f"system: the call fails {when}: {type(error).__name__}: {told}") from error


def _rounding(scores: Tensor) -> float:
    """How far scores that should be equal may differ: what float32 loses over a deep network."""
    return 1e-3 * max(1.0, float(scores.abs().max()))


def _in_training(system: System) -> list[str]:
    """Names of the system's parts that are in training mode."""
    if isinstance(system, nn.Module):
        return [name or "the system itself" for name, part in system.named_modules() if part.training]
    # What the instance holds; properties are not evaluated, for they may be costly.
    held = {name: part for name, part in getattr(system, "__dict__", {}).items() if isinstance(part, nn.Module)}
    return [name for name, part in held.items() if any(inner.training for inner in part.modules())]


def _check_batch(system: System, inputs: Mapping[str, Tensor], alone: Tensor, found: Found) -> None:
    other = {m: x.flip(-1) for m, x in inputs.items()}
    with torch.no_grad():
        pair = _call(system, {m: torch.cat((x, other[m])) for m, x in inputs.items()}, 2, "for a batch of two")
        other_alone = _call(system, other, 1, "for one observation, reversed")
    gap = float((pair - torch.cat((alone, other_alone))).abs().max())
    found(
        gap <= _rounding(pair),
        "members of a batch do not mix",
        f"in a batch of two the scores differ by {gap:.3g} from those of each alone; normalisation over the batch, or "
        "a batch of one assumed",
    )


def _check_gradients(system: System, prepared: Mapping[str, Prepared], logits: Tensor, found: Found) -> None:
    inputs = {m: p.tensor.detach().clone().requires_grad_(True) for m, p in prepared.items()}
    with torch.enable_grad():
        out = system(inputs)
        if not out.requires_grad:
            found(
                False,
                "",
                "no gradient reaches any input; a no_grad block, a detach or a cast to integers stands in the way",
            )
            return
        score = decision_score(out, int(logits.argmax())).sum()
        gradients = torch.autograd.grad(score, list(inputs.values()), allow_unused=True)
    for m, gradient in zip(inputs, gradients, strict=True):
        if gradient is None:
            found(False, "", f"no gradient arrives at {m}; the input is ignored, detached, rounded or cast to integers")
        elif not gradient.isfinite().all():
            found(False, "", f"the gradient at {m} is not finite; a square root or a logarithm at zero")
        elif gradient.any() or prepared[m].tensor.allclose(prepared[m].baseline):
            found(True, f"a finite gradient arrives at {m}", "")
        else:
            _check_zero_gradient(system, prepared, m, logits, found)


def _check_zero_gradient(
    system: System, prepared: Mapping[str, Prepared], sense: str, logits: Tensor, found: Found
) -> None:
    """Tell a sense that changes nothing here from one whose gradient is lost, where at the input it is zero.

    A score may be saturated at the input; so the gradient is also taken on the way from the baseline.
    """
    p, action = prepared[sense], int(logits.argmax())
    others = {m: other.tensor for m, other in prepared.items() if m != sense}
    with torch.no_grad():
        changed = [system({**others, sense: x}) for x in (p.baseline, p.tensor.flip(-1))]
    before = decision_score(logits, action)
    effect = max(float((decision_score(z, action) - before).abs()) for z in changed)
    for share in (0.25, 0.5, 0.75):
        x = (p.baseline + share * (p.tensor - p.baseline)).detach().requires_grad_(True)
        with torch.enable_grad():
            score = decision_score(system({**others, sense: x}), action).sum()
        gradient = torch.autograd.grad(score, x, allow_unused=True)[0] if score.requires_grad else None
        if gradient is not None and gradient.any():
            found(True, f"a finite gradient arrives at {sense} (zero at the input itself)", "")
            return
    found(
        effect <= _rounding(logits),
        f"{sense} changes nothing here, and its gradient says so",
        f"the gradient at {sense} is zero everywhere from the baseline to the input, yet edits of it change the score "
        f"by up to {effect:.3g}; a rounding, a threshold or an argmax stands in the way (use a smooth one, or pass the "
        "gradient straight through)",
    )
