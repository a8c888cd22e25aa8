"""An observation, made ready for a system sense by sense."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InputError
from .contract import Observation, Prepared, System

__all__ = ["prepare"]


def prepare(system: System, observation: Observation) -> dict[str, Prepared]:
    """Prepare the signals of an observation; senses left out (or None) are absent.

    Returns:
        The prepared signals, in the order of the system's modalities.

    Raises:
        InputError: not a mapping, an unknown sense, no sense at all, or a signal that cannot be used.
    """
    if not isinstance(observation, Mapping):
        raise InputError(
            f"observation: a mapping from sense to signal is wanted, got {type(observation).__name__}; "
            "e.g. {'vision': 'frame.png'}"
        )
    known = list(system.modalities)
    for name in observation:
        if name not in system.modalities:
            raise InputError(f"observation: unknown modality {name!r}; this system has {', '.join(known)}")
    given = {m: observation[m] for m in known if observation.get(m) is not None}
    if not given:
        raise InputError(f"observation: empty; give at least one of {', '.join(known)}")
    return {m: system.modalities[m].prepare(signal) for m, signal in given.items()}
