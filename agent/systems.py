"""Systems by name: installed packages register them, so that nothing here needs to know any of them."""

from __future__ import annotations

from typing import Any

from ..errors import ContractError, InputError

__all__ = ["GROUP", "load_system"]

GROUP = "veridical.systems"
"""Entry-point group; each entry names a callable without arguments that returns a system."""


def load_system(name: str) -> Any:
    """Make the system that an installed package registered under ``name`` in the group ``veridical.systems``.

    An entry point names a callable without arguments that returns a `veridical.modalities.contract.System`.

    Raises:
        InputError: no such name.
        ContractError: the entry point cannot be imported.
    """
    import importlib.metadata  # late: it costs a tenth of what an auditor's command may

    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none; is veridical installed? (pip install -e .)"
        raise InputError(f"no system is named {name!r}; known: {known}")
    try:
        make = points[name].load()
    except (ImportError, AttributeError) as error:
        raise ContractError(f"system {name!r} ({points[name].value}) cannot be imported: {error}") from error
    return make()
