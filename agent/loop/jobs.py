"""What a worker is asked for, and what came of it; and an observation made fit to be carried to it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError

__all__ = ["Job", "Outcome", "carried"]

_PLAIN = (str, bytes, bool, int, float)
_DEPTH = 6


@dataclass(frozen=True)
class Job:
    """A decision that is to be explained.

    Attributes:
        id: UUID of version 4, of the decision and its record.
        number: of the agent's decisions.
        observation: one signal per sense, of NumPy arrays, texts and numbers; see `carried`.
        action: that the system chose.
        triggers: why it is to be explained.
        time: when it was decided, ISO 8601 with an offset.
        policy: ``name``, ``version`` and ``digest``; empty where there is none.
        labels: for analysts.
        notes: what is to be told of the observation, one sentence each.
    """

    id: str
    number: int
    observation: Mapping[str, Any]
    action: str
    triggers: tuple[str, ...]
    time: str
    policy: Mapping[str, str]
    labels: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        id: the job's.
        number: the job's.
        kind: ``explained``; ``failed``: explaining it went wrong; ``dropped``: others came before its turn did;
            ``lost``: it was never answered.
        action: that was explained, None where nothing was.
        verdict: of the explanation.
        cause: of the verdict.
        entry: number of its entry in the log, None where it is not there.
        seconds: spent on it.
        findings: see `veridical.agent.loop.findings.findings_of`.
        fault: what went wrong, on one line; also of what was explained and is not in the log.
    """

    id: str
    number: int
    kind: str
    action: str | None = None
    verdict: str | None = None
    cause: str | None = None
    entry: int | None = None
    seconds: float = 0.0
    findings: tuple[str, ...] = ()
    fault: str | None = None


def carried(observation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an observation that a worker may have: a camera's buffer is soon another frame.

    Carried are NumPy arrays of numbers, texts, numbers and None, lists, tuples and mappings of these, and signals with
    their time (`veridical.modalities.timed.Timed`). Arrays are copied unless they cannot be written to by anybody.

    Raises:
        InputError: something else; the message says of which sense.
    """
    if not isinstance(observation, Mapping):
        raise InputError(f"observation: a mapping from sense to signal is wanted, got {type(observation).__name__}")
    return {str(sense): _carried(signal, str(sense), _DEPTH) for sense, signal in observation.items()}


def _carried(value: Any, where: str, depth: int) -> Any:
    import numpy as np  # the caller has loaded it, where there is an array

    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            raise InputError(f"{where}: an array of objects is not carried to the worker; give numbers")
        # base: what is read through a view can be written through the array behind it.
        own = isinstance(value, np.generic) or (not value.flags.writeable and value.base is None)
        return value if own else np.array(value)
    if depth > 0 and isinstance(value, list | tuple):
        each = [_carried(one, where, depth - 1) for one in value]
        return each if isinstance(value, list) else tuple(each)
    if depth > 0 and isinstance(value, Mapping):
        return {str(name): _carried(each, f"{where}.{name}", depth - 1) for name, each in value.items()}
    if depth > 0 and dataclasses.is_dataclass(value) and type(value).__module__.startswith("veridical."):
        for field in dataclasses.fields(value):
            _carried(getattr(value, field.name), f"{where}.{field.name}", depth - 1)
        return copy.deepcopy(value)
    raise InputError(
        f"{where}: a {type(value).__name__} is not carried to the worker; give a NumPy array, a text or a path as text"
    )
