"""A checker for those who wrap a system: what is wrong with it, in words, before an explanation depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..errors import ContractError, VeridicalError
from .contract import Observation, Prepared, SplitSystem, System
from .held import parts
from .observation import prepare
from .scorer import logits_of
from .target import decision_score

__all__ = ["check_system"]

Found = Callable[[bool, str, str], None]


def check_system(system: System, observation: Observation) -> tuple[str, ...]:
    """Check a system against the contract on one observation.

    Buffers that a call changes are put back at the end.

    Args:
        system: what is to be explained.
        observation: one signal per sense; give every sense, for a sense left out is not checked.

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
    wrong: list[str] = []
    right: list[str] = []

    def found(good: bool, what: str, why: str) -> None:
        right.append(what) if good else wrong.append(why)

    with _put_back(system):
        _check_names(system, found)
        with torch.no_grad():
            first = _call(system, inputs, 1, "for one observation")
            right += [f"scores of shape {tuple(first.shape)}", "scores are finite"]
            _check_again(system, inputs, first, found)
            training = _in_training(system)
            found(not training, "no part is in training mode", f"in training mode: {', '.join(training)}; call eval()")
            _check_traces(system, inputs, found)
            _check_batch(system, inputs, first, found)
            _check_layout(system, inputs, first, found)
            _check_missing(system, inputs, found)
        _check_gradients(system, prepared, first, found)
        if isinstance(system, SplitSystem):
            with torch.no_grad():
                split = system.decide({m: system.encode(m, x) for m, x in _fresh(inputs).items()})
            gap = float((split - first).abs().max())
            found(
                gap <= _rounding(first),
                "encode and decide agree with the call",
                f"decide(encode(x)) differs from the call by {gap:.3g}; the two paths must do the same",
            )
    if wrong:
        raise ContractError("system: " + "; ".join(wrong))
    return tuple(right)


def _fresh(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies, so that a system that writes into its inputs does not spoil the next check."""
    return {m: x.detach().clone() for m, x in inputs.items()}


def _modules(system: System) -> dict[str, nn.Module]:
    """All torch modules of the system by dotted name."""
    return {
        ".".join(filter(None, (prefix, name))): module
        for prefix, part in parts(system).items()
        for name, module in part.named_modules()
    }


def _buffers(system: System) -> dict[str, tuple[nn.Module, str, Tensor]]:
    return {
        ".".join(filter(None, (name, key))): (module, key, buffer)
        for name, module in _modules(system).items()
        for key, buffer in module._buffers.items()
        if buffer is not None
    }


@contextmanager
def _put_back(system: System) -> Iterator[None]:
    before = [(module, key, buffer, buffer.clone()) for module, key, buffer in _buffers(system).values()]
    enabled = torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_grad_enabled(enabled)
        with torch.no_grad():
            for module, key, buffer, values in before:
                buffer.copy_(values)
                module._buffers[key] = buffer


def _check_names(system: System, found: Found) -> None:
    actions = list(system.actions)
    if not actions or len(set(actions)) != len(actions) or not all(isinstance(a, str) for a in actions):
        found(False, "", f"actions {actions[:5]}; a name for each score is wanted, none of them twice")
    for key, sense in system.modalities.items():
        if sense.name != key:
            found(False, "", f"the modality {sense.name!r} stands under {key!r}; one name for both is wanted")


def _check_again(system: System, inputs: Mapping[str, Tensor], first: Tensor, found: Found) -> None:
    before = {name: buffer.clone() for name, (_, _, buffer) in _buffers(system).items()}
    second = _call(system, inputs, 1, "for one observation")
    changed = [n for n, (_, _, b) in _buffers(system).items() if n not in before or not torch.equal(b, before[n])]
    told = f"; a call changes the buffer {', '.join(changed[:3])}" if changed else ""
    found(
        torch.equal(first, second),
        "two calls agree",
        f"two calls differ by {float((first - second).abs().max()):.3g}; dropout or batch norm in training mode, or "
        f"state that leaks between calls (call eval(), reset the state){told}",
    )


def _marks(system: System) -> dict[str, tuple[int, bool, tuple[bool, ...]]]:
    """Number of hooks, training mode, and which parameters learn, of each module."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        name: (
            sum(len(getattr(module, kind)) for kind in kinds),
            module.training,
            tuple(p.requires_grad for p in module.parameters(False)),
        )
        for name, module in _modules(system).items()
    }


def _check_traces(system: System, inputs: Mapping[str, Tensor], found: Found) -> None:
    """See what a call leaves behind: in its inputs, on modules, in torch."""
    given, before = _fresh(inputs), _marks(system)
    with torch.enable_grad():
        _call(system, given, 1, "for one observation", fresh=False)
        graded = torch.is_grad_enabled()
    touched = [m for m, x in inputs.items() if m not in given or not torch.equal(given[m], x)]
    touched += [m for m in given if m not in inputs]
    found(
        not touched,
        "inputs are left as they are",
        f"a call changes its input {', '.join(touched)}; work on a copy (x = x.clone(), and no x += ..., inputs.pop())",
    )
    after = _marks(system)
    causes = ("hooks (remove them by their handles)", "training mode", "requires_grad of parameters")
    left = []
    for i, cause in enumerate(causes):
        where = [
            name or "the system itself" for name in after if name not in before or before[name][i] != after[name][i]
        ]
        left += [f"{cause} at {', '.join(where[:3])}"] if where else []
    left += [] if graded else ["gradients switched off (use torch.no_grad as a context)"]
    found(not left, "a call leaves nothing behind", f"a call leaves behind a change of {'; of '.join(left)}")


def _call(system: System, inputs: Mapping[str, Tensor], batch: int, when: str, fresh: bool = True) -> Tensor:
    try:
        return logits_of(system, _fresh(inputs) if fresh else inputs, batch, when)
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
    return [name for name, part in parts(system).items() if any(inner.training for inner in part.modules())]


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


def _not_contiguous(x: Tensor) -> Tensor:
    if x.ndim > 2:
        return x.transpose(-1, -2).contiguous().transpose(-1, -2)
    return torch.stack((x, x), -1)[..., 0]


def _check_layout(system: System, inputs: Mapping[str, Tensor], alone: Tensor, found: Found) -> None:
    """Give the same numbers, otherwise in memory, and the senses in another order."""
    gaps = {m: _not_contiguous(x) for m, x in inputs.items()}
    turned = {m: inputs[m].clone() for m in reversed(list(inputs))}
    cases = [("non-contiguous inputs", gaps, "use reshape in place of view")]
    if len(inputs) > 1:
        cases.append(("the senses in another order", turned, "read the inputs by name, not by position"))
    for what, given, likely in cases:
        try:
            again = _call(system, given, 1, f"for {what}", fresh=False)
        except ContractError as error:
            found(False, "", f"{str(error).removeprefix('system: ')}; {likely}")
            continue
        gap = float((again - alone).abs().max())
        found(
            gap <= _rounding(alone), f"{what} give the same scores", f"{what} change the scores by {gap:.3g}; {likely}"
        )


def _check_missing(system: System, inputs: Mapping[str, Tensor], found: Found) -> None:
    """Leave out one sense at a time: scores all the same, or a refusal in words."""
    for m in inputs if len(inputs) > 1 else ():
        try:
            _call(system, {other: x for other, x in inputs.items() if other != m}, 1, f"without {m}")
        except ContractError as error:
            told = isinstance(error.__cause__, VeridicalError)
            found(
                told,
                f"{m} cannot be left out, and the system says so",
                f"{str(error).removeprefix('system: ')}; a sense that is missing from the inputs is absent: let "
                "something stand in for it, or raise veridical.InputError",
            )
        else:
            found(True, f"{m} can be left out", "")


def _check_gradients(system: System, prepared: Mapping[str, Prepared], logits: Tensor, found: Found) -> None:
    whole = [m for m, p in prepared.items() if not p.tensor.is_floating_point()]
    if whole:
        kind = str(prepared[whole[0]].tensor.dtype).removeprefix("torch.")
        found(False, "", f"{', '.join(whole)} is prepared to {kind}, which has no gradient; prepare embeddings, floats")
        return
    inputs = {m: x.requires_grad_(True) for m, x in _fresh({m: p.tensor for m, p in prepared.items()}).items()}
    with torch.enable_grad():
        try:
            out = system({m: x.clone() for m, x in inputs.items()})  # no leaves, which may not be worked on in place
            gradients = None
            if out.requires_grad:
                score = decision_score(out, int(logits.argmax())).sum()
                gradients = torch.autograd.grad(score, list(inputs.values()), allow_unused=True)
        except RuntimeError as error:
            told = " ".join(str(error).split("Hint:")[0].split())[:200]
            found(False, "", f"the gradient fails: {told}; work on copies where a derivative needs what was there")
            return
    if gradients is None:
        found(
            False,
            "",
            "no gradient reaches any input; a no_grad block, a detach or a cast to integers stands in the way",
        )
        return
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
        changed = [system(_fresh({**others, sense: x})) for x in (p.baseline, p.tensor.flip(-1))]
    before = decision_score(logits, action)
    effect = max(float((decision_score(z, action) - before).abs()) for z in changed)
    for share in (0.25, 0.5, 0.75):
        x = (p.baseline + share * (p.tensor - p.baseline)).detach().requires_grad_(True)
        with torch.enable_grad():
            score = decision_score(system({**_fresh(others), sense: x.clone()}), action).sum()
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
