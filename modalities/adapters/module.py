"""Any torch module, wrapped as a system: what its arguments are, and where in its output the scores are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import ContractError, InputError
from ..array import Array
from ..contract import Modality
from ..scorer import rows

__all__ = ["Call", "Wrapped", "different", "logits_in", "wrap"]

Call = Callable[[Any, dict[str, Any]], Any]
"""``call(module, arguments)`` runs the module; tensors by argument name, the senses' first, then the constants."""

_CALLS: dict[str, Call] = {
    "positional": lambda module, given: module(*given.values()),
    "tuple": lambda module, given: module(tuple(given.values())),
    "keyword": lambda module, given: module(**given),
    "mapping": lambda module, given: module(given),
}


@dataclass(eq=False)
class Wrapped:
    """A torch module as a system; `wrap` makes it.

    Inputs are brought to the device and the precision of the module's first parameter, and scores back to the inputs'
    device: prepared signals need not be moved.

    Attributes:
        module: what is explained; its layers are named ``"module.…"``.
        modalities: the senses by name.
        actions: names of the scores.
        arguments: the module's argument for each sense.
        call: runs the module.
        output: finds the scores, (batch, actions), in what the module returns.
        constants: further arguments; a tensor whose first axis is 1 is repeated for each row.
        absent: what stands in for an absent sense, each a batch of one.
        binary: whether one score z stands for two actions, as (z, 0).
        name: name in reports.
    """

    module: nn.Module
    modalities: Mapping[str, Modality]
    actions: tuple[str, ...]
    arguments: Mapping[str, str]
    call: Call
    output: Callable[[Any], Any]
    constants: Mapping[str, Any] = field(default_factory=dict)
    absent: Mapping[str, Tensor] = field(default_factory=dict)
    binary: bool = False
    name: str = ""

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of all actions.

        Raises:
            InputError: an unknown sense, or one that is absent and nothing stands in for it.
            ContractError: what the module returns holds no scores of the right shape.
        """
        for sense in inputs:
            if sense not in self.modalities:
                raise InputError(f"{self.name}: no sense {sense!r}; it has {', '.join(self.modalities)}")
        batch, like = rows(inputs), next(iter(inputs.values()))
        home = next((p for p in self.module.parameters() if p.is_floating_point()), like)
        given: dict[str, Any] = {}
        for sense, argument in self.arguments.items():
            given[argument] = self._signal(sense, inputs, batch).to(home.device, home.dtype)
        for argument, value in self.constants.items():
            if isinstance(value, Tensor):
                value = value.to(home.device)
                value = value.expand(batch, *value.shape[1:]) if value.ndim and len(value) == 1 else value
            given[argument] = value
        return self._scores(self.output(self.call(self.module, given)), batch).to(like.device)

    def _signal(self, sense: str, inputs: Mapping[str, Tensor], batch: int) -> Tensor:
        if sense in inputs:
            return inputs[sense]
        if sense not in self.absent:
            raise InputError(
                f"{self.name}: {sense} is absent, and nothing is known to stand in for it; give a signal, or wrap the "
                f"module with absent={{{sense!r}: tensor}}"
            )
        return self.absent[sense].expand(batch, *self.absent[sense].shape[1:])

    def _scores(self, found: Any, batch: int) -> Tensor:
        count = 1 if self.binary else len(self.actions)
        if isinstance(found, Tensor) and count == 1 and tuple(found.shape) == (batch,):
            found = found[:, None]
        if not isinstance(found, Tensor) or not found.is_floating_point() or tuple(found.shape) != (batch, count):
            got = f"{found.dtype} of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise ContractError(
                f"{self.name}: the module's scores are {got.removeprefix('torch.')}; floats of shape "
                f"({batch}, {count}) (batch, actions) are wanted: one action for each score, or give output="
            )
        return torch.cat((found, torch.zeros_like(found)), 1) if self.binary else found


def logits_in(found: Any) -> Any:
    """Return the scores in what a module returned: itself, its ``logits`` by attribute or key, or its first item."""
    if isinstance(found, Tensor):
        return found
    if getattr(found, "logits", None) is not None:
        return found.logits
    if isinstance(found, Mapping) and "logits" in found:
        return found["logits"]
    if isinstance(found, (tuple, list)) and found:
        return logits_in(found[0])
    return found


def different(names: Sequence[Any]) -> tuple[str, ...]:
    """Return names of actions as strings, all different: what occurs twice gets its index, ``"crane (134)"``."""
    told = [str(name) for name in names]
    return tuple(f"{name} ({i})" if told.count(name) > 1 else name for i, name in enumerate(told))


def wrap(
    module: nn.Module,
    senses: Sequence[Modality] | Mapping[str, Modality],
    actions: Sequence[str],
    *,
    call: Literal["positional", "tuple", "keyword", "mapping"] | Call = "positional",
    output: Callable[[Any], Any] = logits_in,
    constants: Mapping[str, Any] | None = None,
    absent: Mapping[str, Tensor] | None = None,
    binary: bool = False,
) -> Wrapped:
    """Wrap a torch module as a system.

    Args:
        module: the module; its inputs may differ in length, and have one row for each row of the batch.
        senses: what it senses, in the order of its arguments; a mapping names the argument of each.
        actions: names of its scores; a regression with one output has one action, whose target is its ``logit``.
        call: how it takes its arguments: one by one, as one tuple, by keyword, as one mapping, or a function
            ``call(module, arguments)``, which may also change what a sense gives into what the module takes.
        output: finds the scores in what the module returns.
        constants: arguments that are not explained, after those that are (token ids, masks, flags).
        absent: what stands in for an absent sense, by its name, each a batch of one; of an `Array` of fixed size its
            baseline does by itself.
        binary: the module gives one score z, the log-odds of the first of two actions.

    Raises:
        InputError: an option that cannot be used.

    Example:
        >>> system = wrap(torch.nn.Linear(2, 3), [Array("point", [2])], ["A", "B", "C"])
        >>> system({"point": torch.zeros(1, 2)}).shape
        torch.Size([1, 3])
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"wrap: a {type(module).__name__} is no torch module; for a function there is BlackBox")
    name = type(module).__name__
    named = dict(senses) if isinstance(senses, Mapping) else {sense.name: sense for sense in senses}
    by_name = {sense.name: sense for sense in named.values()}
    if not named or len(by_name) < len(senses):
        raise InputError(f"wrap: senses {[s.name for s in named.values()]}; give at least one, each of its own name")
    if not actions or isinstance(actions, str) or len(set(actions)) < len(actions):
        raise InputError(f"wrap: actions {actions!r}; give at least one name, all different")
    if binary and len(actions) != 2:
        raise InputError(f"wrap: {len(actions)} actions for one score of two; name both, the one it speaks for first")
    if isinstance(call, str) and call not in _CALLS:
        raise InputError(f"wrap: call {call!r}; one of {', '.join(_CALLS)}, or a function, is wanted")
    stand_ins = {m: s.absent for m, s in by_name.items() if isinstance(s, Array) and s.absent is not None}
    for sense, tensor in (absent or {}).items():
        if sense not in by_name or tensor.ndim == 0 or len(tensor) != 1:
            raise InputError(
                f"wrap: absent {sense!r} of shape {tuple(tensor.shape)}; a batch of one for any of {', '.join(by_name)}"
            )
    clash = set(constants or {}) & set(named)
    if clash:
        raise InputError(f"wrap: {', '.join(sorted(clash))} is both a sense's argument and a constant; name it once")
    return Wrapped(
        module=module,
        modalities=by_name,
        actions=tuple(actions),
        arguments={sense.name: argument for argument, sense in named.items()},
        call=_CALLS[call] if isinstance(call, str) else call,
        output=output,
        constants=dict(constants or {}),
        absent=stand_ins | dict(absent or {}),
        binary=binary,
        name=name,
    )
