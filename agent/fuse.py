"""What fusion adds to an explanation: one clock, shares of the senses, what they do together, attention, depth.

Each part says what it found, or why it is missing; none can keep the explanation from being given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..concepts.naming import Namer
from ..errors import ContractError, InputError
from ..fusion.frame import FusedFrame
from ..fusion.measure import Laboratory
from ..fusion.speech import Spoken
from ..verifier.ladder import Climb
from .fuse_parts import Parts
from .fuse_settings import FusionSettings

__all__ = ["Fused", "fuse_further"]

Plain = dict[str, Any]


@dataclass(frozen=True)
class Fused:
    """What was found: plain JSON values, and arrays by name."""

    told: Plain
    arrays: Mapping[str, np.ndarray]


def fuse_further(
    laboratory: Laboratory,
    fused: FusedFrame,
    climbed: Climb,
    namer: Namer | None = None,
    settings: FusionSettings | None = None,
    spoken: Spoken | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Fused:
    """Look into what the senses do, alone and together; ``docs/record.md`` says what each value means.

    Args:
        laboratory: the system before the observation, what was measured so far included.
        fused: the account's frame.
        climbed: how the account was come to.
        namer: without one, nothing is compared in meaning either.
        settings: what is looked into.
        spoken: the recording of the instruction, where it was spoken.
        progress: called with the share that is done.
    """
    settings = settings or FusionSettings()
    work = Parts(laboratory, fused, climbed, settings, spoken)
    parts: tuple[tuple[str, bool, Callable[[], Any]], ...] = (
        ("clock", True, work.clock),
        ("speech", spoken is not None, work.speech),
        ("shares", True, work.shares),
        ("interactions", settings.pairs is not None, work.interactions),
        ("attention", settings.attention is not None, work.attention),
        ("depths", settings.depths > 1, work.depths),
        ("arrivals", True, work.arrivals),
        ("through_time", settings.through_time, work.through_time),
        ("matches", settings.matches and namer is not None, work.matches),
    )
    told: Plain = {}
    for k, (name, wanted, part) in enumerate(parts):
        progress(k / len(parts))
        if not wanted:
            if name != "speech":  # which nobody misses who wrote the instruction
                work.missing[name] = "It was not asked for."
            continue
        try:
            told |= part()
        except (ContractError, InputError) as error:
            work.missing[name] = str(error)
    progress(1.0)
    return Fused({**told, "missing": work.missing}, work.arrays)
