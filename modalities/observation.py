"""An observation, made ready for a system sense by sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import InputError
from .clock import Clock, Stamps
from .contract import Modality, Observation, Prepared, System
from .evidence import Segmentation
from .timed import Timed, place

__all__ = ["prepare", "segment"]


def prepare(system: System, observation: Observation) -> dict[str, Prepared]:
    """Prepare the signals of an observation; senses left out (or None) are absent.

    A signal may come with its time (`Timed`); what is prepared then holds its clock, for `timed.place`. The system
    itself reads the signal as it is: `fusion.synchrony.synchronise` puts signals on the system's own grid.

    Returns:
        The prepared signals, in the order of the system's modalities.

    Raises:
        InputError: not a mapping, an unknown sense, no sense at all, a signal that cannot be used, or timestamps that
            do not fit its frames.
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
    return {m: _prepared(system.modalities[m], signal) for m, signal in given.items()}


def segment(system: System, prepared: Mapping[str, Prepared]) -> dict[str, Segmentation]:
    """Cut every signal into evidence units, and put them on the observation's clock."""
    return {m: place(system.modalities[m].segment(p), p) for m, p in prepared.items()}


def _prepared(modality: Modality, signal: Any) -> Prepared:
    if not isinstance(signal, Timed):
        return modality.prepare(signal)
    prepared = modality.prepare(signal.signal)
    clock = signal.clock
    return replace(prepared, clock=clock if isinstance(clock, Clock) else _stamped(modality, prepared, clock))


def _stamped(modality: Modality, prepared: Prepared, stamps: Stamps) -> Clock:
    interval = getattr(modality, "interval", None)
    if interval is None:
        raise InputError(
            f"{modality.name}: timestamps are for frames, and this sense has none; say when it began (Timed.started)"
        )
    frames = round(prepared.duration / interval)
    if frames != len(stamps.times):
        raise InputError(f"{modality.name}: {len(stamps.times)} timestamps for {frames} frames; give one for each")
    return stamps.clock(interval)
