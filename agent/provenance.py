"""How a decision came about: digests of the weights and of the preprocessing, libraries, precision, device."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import torch

from ..modalities.contract import System
from .record.canonical import canonical_json
from .record.context import libraries

__all__ = ["preprocessing_of", "provenance_of", "weights_of"]

_PLAIN = (bool, int, float, str, type(None))
_known: weakref.WeakKeyDictionary[Any, tuple[Any, dict[str, str]]] = weakref.WeakKeyDictionary()


def provenance_of(system: System) -> dict[str, Any]:
    """Return what a record says of how a system decides.

    A system may say more, or better, by an attribute ``provenance``, a mapping of plain values, which goes before.

    Returns:
        ``weights``, digest by part; ``preprocessing``, digest of the senses' settings; ``libraries``, version by name;
        ``precision`` of the parameters; ``device``; ``threads`` that compute.
    """
    parts = dict(_parts(system))
    tensors = [t for module in parts.values() for t in module.state_dict().values() if t.is_floating_point()]
    said = getattr(system, "provenance", None)
    found = {
        "weights": weights_of(system),
        "preprocessing": preprocessing_of(system),
        "libraries": libraries(),
        "precision": ", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in tensors})) or None,
        "device": ", ".join(sorted({str(t.device) for t in tensors})) or "cpu",
        "threads": torch.get_num_threads(),
    }
    return found | (dict(said) if isinstance(said, Mapping) else {})


def weights_of(system: System) -> dict[str, str]:
    """Return the SHA-256 of the parameters and buffers of each part of a system, by the part's name.

    They are computed once, and again when a tensor was exchanged or written to since.
    """
    parts = dict(_parts(system))
    state = [(name, key, *_version(value)) for name, part in parts.items() for key, value in part.state_dict().items()]
    try:
        if system in _known and _known[system][0] == state:
            return _known[system][1]
    except TypeError:  # cannot be weakly referred to, or hashed: then anew each time
        return {name: _digest(module) for name, module in parts.items()}
    found = {name: _digest(module) for name, module in parts.items()}
    _known[system] = state, found
    return found


def preprocessing_of(system: System) -> str:
    """Return the digest of the senses: their types, and their settings as far as these are plain values."""
    told = {
        name: {
            "type": f"{type(sense).__module__}.{type(sense).__qualname__}",
            "settings": {key: value for key, value in sorted(vars(sense).items()) if isinstance(value, _PLAIN)}
            if hasattr(sense, "__dict__")
            else {},
        }
        for name, sense in system.modalities.items()
    }
    return f"sha256:{sha256(canonical_json(told, 'the settings of the senses')).hexdigest()}"


def _parts(system: System) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules that a system is made of: its children, or those among its attributes."""
    if isinstance(system, torch.nn.Module):
        children = dict(system.named_children())
        yield from children.items() if children else [("system", system)]
        return
    for name, value in sorted(vars(system).items()) if hasattr(system, "__dict__") else ():
        if isinstance(value, torch.nn.Module):
            yield name, value


def _version(value: torch.Tensor) -> tuple[int, int]:
    """Where a tensor lies, and how often it was written to, as autograd counts; inference tensors are not counted."""
    return value.data_ptr(), 0 if value.is_inference() else value._version


def _digest(module: torch.nn.Module) -> str:
    total = sha256()
    for name, value in sorted(module.state_dict().items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        raw = value.detach().contiguous().cpu()
        total.update(raw.view(torch.uint8).numpy().tobytes() if raw.dim() else raw.reshape(1).view(torch.uint8).numpy())
    return f"sha256:{total.hexdigest()}"
