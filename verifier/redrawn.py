"""Weights drawn anew, layer by layer, and put back bit for bit: what tests of randomised networks stand on.

A *layer* is a torch module that owns parameters itself, bare ones (`nn.Parameter` set on any module) included. The top
layer is the one of which a parameter was used last in a forward pass; parameters whose use cannot be seen (in compiled
or scripted code), or that this observation does not use, come last, at the bottom.

How a layer is drawn anew:

- by its own initialisation where it has ``reset_parameters`` and no layers inside it. That of a normalisation layer
  draws nothing: scale 1, shift 0, running mean 0 and running variance 1, the untrained state;
- else, and for parameters that such an initialisation leaves as they are, each parameter from a normal distribution
  of its own mean and spread. A parameter of one value throughout has no spread; its size stands in for it, and zeros,
  in which nothing was learned, stay zeros;
- buffers other than running statistics stay as they are.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import InputError
from ..modalities.contract import System
from ..modalities.held import held, parts
from ..modalities.scorer import Inputs, Scorer
from ..modalities.target import Target

__all__ = ["Layer", "Redrawn", "find_layers", "grouped", "redrawn"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One module's own parameters.

    Attributes:
        name: dotted name, as `veridical.modalities.held.find_layer` takes it; the type's name for a system itself.
        module: the module.
        keys: names of its parameters; one that an earlier module owns as well is that one's.
        last: number of the call into torch that used one of them last; -1 where no use was seen.
    """

    name: str
    module: nn.Module
    keys: tuple[str, ...]
    last: int


class _Uses(TorchFunctionMode):
    """Notes which parameter is used when, however it is used: in a module, bare, or in a function."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.last: dict[int, int] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        # To ask for a shape or a device is no use; to ask for the transpose (x.T) is.
        if getattr(func, "__name__", "") != "__get__" or isinstance(found, Tensor):
            self.calls += 1
            self._note((args, kwargs))
        return found

    def _note(self, value: Any) -> None:
        if isinstance(value, nn.Parameter):
            self.last[id(value)] = self.calls
        elif isinstance(value, Mapping):
            self._note(tuple(value.values()))
        elif isinstance(value, (tuple, list)):
            for each in value:
                self._note(each)


def find_layers(system: System, inputs: Inputs) -> tuple[Layer, ...]:
    """Return a system's layers, top first: in the order in which they were last used, the last one first.

    Takes one forward pass. A parameter that several modules share counts once.

    Args:
        system: a torch module, or anything that holds some (see `veridical.modalities.held.parts`).
        inputs: a batch of one, by sense.

    Raises:
        InputError: the system holds no torch module, no parameters, or parameters that are whole numbers.
        ContractError: the scores break the contract.
    """
    roots, name = parts(system), type(system).__name__
    if not roots:
        raise InputError(
            f"randomisation: {name} holds no torch module, so there are no weights to draw anew; keep its networks as "
            "attributes of the system, one by one, or in a list or a dict"
        )
    uses = _Uses()
    with torch.no_grad(), held(system), uses:
        Scorer(system, Target(0, kind="logit"), "for one observation").logits(inputs)
    found: list[Layer] = []
    modules, seen = set(), set()
    for prefix, root in roots.items():
        for inner, module in root.named_modules():
            own = {k: p for k, p in module._parameters.items() if p is not None and id(p) not in seen}
            if module in modules or not own:
                continue
            modules.add(module)
            seen |= {id(p) for p in own.values()}
            told = ".".join(filter(None, (prefix, inner))) or name
            whole = [k for k, p in own.items() if not (p.is_floating_point() or p.is_complex())]
            if whole:
                kind = str(own[whole[0]].dtype).removeprefix("torch.")
                raise InputError(f"randomisation: {told}.{whole[0]} holds {kind}; give the system unquantised")
            found.append(Layer(told, module, tuple(own), max(uses.last.get(id(p), -1) for p in own.values())))
    if not found:
        raise InputError(f"randomisation: the torch modules of {name} hold no parameters, so nothing can be drawn anew")
    found.reverse()  # of layers never seen to be used, those registered last stand nearest to the top
    return tuple(sorted(found, key=lambda layer: -layer.last))


def grouped(layers: Sequence[Layer], most: int) -> tuple[tuple[Layer, ...], ...]:
    """Return the layers in at most ``most`` groups, in order, of sizes that differ by one at the most.

    Raises:
        InputError: less than one group.
    """
    if most < 1:
        raise InputError(f"randomisation: {most} stages; give at least 1")
    count = min(most, len(layers))
    ends = [round(i * len(layers) / count) for i in range(count + 1)]
    return tuple(tuple(layers[a:b]) for a, b in pairwise(ends))


class Redrawn:
    """What `redrawn` gives: draws layers anew, and puts them back."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        tensors = {id(t): t for layer in layers for t in _tensors(layer).values()}
        self._before = [(t, t.detach().clone()) for t in tensors.values()]

    def redraw(self, layers: Sequence[Layer], seed: int) -> None:
        """Draw the weights of some layers anew; those of a layer depend on the seed and its name alone."""
        for layer in layers:
            digest = hashlib.sha256(f"{seed} {layer.name}".encode()).digest()
            drawn, own = _draw(layer, int.from_bytes(digest[:6], "big")), _tensors(layer)
            for key, value in drawn.items():
                _write(own[key], value)

    def restore(self) -> None:
        """Put all weights back, bit for bit, as the same objects."""
        for tensor, value in self._before:
            _write(tensor, value)


@contextmanager
def redrawn(system: object, layers: Sequence[Layer]) -> Iterator[Redrawn]:
    """Hold a system still, let its layers be drawn anew, and put everything back, however the context ends.

    Graphs made before stay valid, for the weights are then what they were.

    Example:
        >>> with redrawn(system, layers) as weights:        # doctest: +SKIP
        ...     weights.redraw(layers[:3], seed=0)          # the three topmost
    """
    with held(system):
        weights = Redrawn(layers)
        try:
            yield weights
        finally:
            weights.restore()


def _tensors(layer: Layer) -> dict[str, Tensor]:
    """A layer's parameters, and its buffers where its own initialisation sets them, too (running statistics)."""
    found: dict[str, Tensor] = {k: p for k in layer.keys if (p := layer.module._parameters[k]) is not None}
    if _initialises(layer.module):
        found |= {k: b for k, b in layer.module._buffers.items() if b is not None}
    return found


def _write(tensor: Tensor, value: Tensor) -> None:
    """Write values past autograd: its graphs need no warning, and `held` must take the buffers as those it found."""
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        tensor.data.copy_(value)


def _initialises(module: nn.Module) -> bool:
    """Whether a module has an initialisation of its own that can be called and concerns no other layer."""
    reset = getattr(module, "reset_parameters", None)
    if not callable(reset) or next((p for child in module.children() for p in child.parameters()), None) is not None:
        return False
    asked = inspect.signature(reset).parameters.values()
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in asked)


def _draw(layer: Layer, seed: int) -> dict[str, Tensor]:
    """Return new values of a layer's parameters and running statistics, on the CPU, the same on every device."""
    own = _tensors(layer)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        drawn = _initialised(layer.module, own) if _initialises(layer.module) else {}
        for key in layer.keys:
            value = own[key].detach().cpu().clone()
            kept = key not in drawn or drawn[key].shape != value.shape or torch.equal(drawn[key].to(value), value)
            if kept and not (key in drawn and _constant(value)):
                drawn[key] = _normal(value)
    return drawn


def _initialised(module: nn.Module, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a module's own initialisation makes of a twin of it, which shares nothing that is written to."""
    twin = copy.copy(module)
    copies = {k: t.detach().cpu().clone() for k, t in own.items()}
    vars(twin)["_parameters"] = {
        k: None if p is None else nn.Parameter(copies.get(k, p.detach().cpu().clone()), requires_grad=False)
        for k, p in module._parameters.items()
    }
    vars(twin)["_buffers"] = {k: copies.get(k) for k in module._buffers}
    twin.reset_parameters()  # type: ignore[operator]
    made = {**twin._parameters, **twin._buffers}
    return {k: t.detach() for k in own if (t := made.get(k)) is not None}


def _constant(value: Tensor) -> bool:
    return value.numel() == 0 or bool((value == value.flatten()[0]).all())


def _normal(value: Tensor) -> Tensor:
    wide = value if value.element_size() >= 4 else value.float()
    if wide.numel() == 0:
        return value
    mean = wide.mean()
    spread = mean.abs() if _constant(value) else wide.std(correction=0)
    return mean + spread * torch.randn_like(wide)
