"""A system, held still while it is examined: what a forward pass or an attribution could change is put back.

Peers leave models in evaluation mode, parameters without gradients, hooks in place after an exception, and counters
moved on. Here everything that is changed is changed inside one context, and put back when it ends, however it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..errors import InputError

__all__ = ["Held", "find_layer", "held", "parts"]

_LOCKS: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_GUARD = threading.Lock()
_MINE = threading.local()


def parts(system: object) -> dict[str, nn.Module]:
    """Return the torch modules that a system holds, by name: itself as ``""``, else its attributes in their order.

    Mappings and sequences of modules count, as ``"name.key"``; properties are not evaluated.
    """
    if isinstance(system, nn.Module):
        return {"": system}
    found: dict[str, nn.Module] = {}
    for name, value in getattr(system, "__dict__", {}).items():
        if isinstance(value, nn.Module):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}.{k}": v for k, v in value.items() if isinstance(v, nn.Module)}
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found |= {f"{name}.{i}": v for i, v in enumerate(value) if isinstance(v, nn.Module)}
    return found


def find_layer(system: object, name: str) -> nn.Module:
    """Return a layer by its dotted name, ``"eyes.network.blocks.3"``, or ``"network.blocks.3"`` of a torch module.

    Raises:
        InputError: there is no such layer; the message names the nearest that there are.
    """
    layers: dict[str, nn.Module] = {}
    for prefix, part in parts(system).items():
        for inner, module in part.named_modules(remove_duplicate=False):
            layers[".".join(filter(None, (prefix, inner)))] = module
    if name in layers and name:
        return layers[name]
    from difflib import get_close_matches

    near = get_close_matches(name, [n for n in layers if n], 3, 0.3) or [n for n in layers if n][:3]
    told = f"; near it: {', '.join(near)}" if near else "; it holds no torch module"
    raise InputError(f"layer: {type(system).__name__} has no layer {name!r}{told}")


class _Buffer:
    """A module's buffer, and its values when it was found."""

    def __init__(self, module: nn.Module, name: str, tensor: Tensor) -> None:
        self.module, self.name, self.original = module, name, tensor
        self.values = tensor.detach().clone()
        self.current, self.version = tensor, _version(tensor)

    def settle(self) -> None:
        now = self.module._buffers.get(self.name)
        if now is self.current and _version(now) == self.version:
            return
        # A new tensor takes its place: graphs may still need the one that was changed as it is.
        self.current = self.values.clone()
        self.version = _version(self.current)
        self.module._buffers[self.name] = self.current

    def release(self) -> None:
        self.settle()
        if self.current is not self.original:
            with torch.no_grad():
                self.original.copy_(self.values)
            self.module._buffers[self.name] = self.original


class Held:
    """What `held` gives: what was found, and `settle`, which undoes what a forward pass changed in buffers.

    Attributes:
        notes: what the user must be told (found in training mode ...), one sentence each.
    """

    def __init__(self, roots: Mapping[str, nn.Module]) -> None:
        modules = list({id(m): m for root in roots.values() for m in root.modules()}.values())
        self._training = [m for m in modules if m.training]
        self._learning = [p for m in modules for p in m._parameters.values() if p is not None and p.requires_grad]
        self._buffers = [_Buffer(m, k, b) for m in modules for k, b in m._buffers.items() if b is not None]
        self.notes: tuple[str, ...] = ()
        if self._training:
            names = ", ".join(sorted({type(m).__name__ for m in self._training})[:3])
            self.notes = (f"the system was in training mode ({names}); it was examined in evaluation mode",)
        # The flag itself, not eval(): a module's own train() may do more than that.
        for module in self._training:
            module.training = False
        for parameter in self._learning:
            parameter.requires_grad_(False)

    def settle(self) -> None:
        """Give buffers that a forward pass changed their values of before; graphs made so far stay valid."""
        for buffer in self._buffers:
            buffer.settle()

    def release(self) -> None:
        """Put everything back as it was found, buffers as the same objects."""
        for buffer in self._buffers:
            buffer.release()
        for module in self._training:
            module.training = True
        for parameter in self._learning:
            parameter.requires_grad_(True)


def _version(tensor: Tensor | None) -> int:
    return -1 if tensor is None or tensor.is_inference() else tensor._version


@contextmanager
def held(system: object) -> Iterator[Held]:
    """Hold a system still: evaluation mode, no gradients of parameters, buffers as they are; then all as it was.

    One thread at a time examines a module; others wait. Entering again in the same thread costs nothing.
    """
    mine: dict[int, Held] = _MINE.__dict__.setdefault("held", {})
    roots = parts(system)
    key = id(system)
    if key in mine:
        yield mine[key]
        return
    with ExitStack() as stack:
        # Every module, not the roots alone: two systems may share an encoder.
        for module in sorted({m for root in roots.values() for m in root.modules()}, key=id):
            with _GUARD:
                lock = _LOCKS.setdefault(module, threading.RLock())
            stack.enter_context(lock)
        state = Held(roots)
        mine[key] = state
        try:
            yield state
        finally:
            del mine[key]
            state.release()
