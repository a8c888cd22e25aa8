"""How a batch is to be explained, and the key under which the log knows that an item was."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from ...errors import InputError

__all__ = ["ENGINES", "RESERVED", "Plan", "default_jobs"]

ENGINES = ("local", "ray")
"""Where items can be explained."""

RESERVED = ("item", "item-digest", "batch", "depth", "observed")
"""Labels that a batch gives itself."""

_MOST_JOBS = 4  # each job holds a system of its own in memory: more are to be asked for


def default_jobs() -> int:
    """Return how many workers there are unless said: one for each core that may be used, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _MOST_JOBS))


@dataclass(frozen=True)
class Plan:
    """How a batch is explained.

    Attributes:
        system: name of the system, see `veridical.agent.batch.explaining.make_system`.
        depth: how far is explained, one of `veridical.agent.depths.DEPTHS`.
        engine: one of `ENGINES`.
        jobs: workers at once.
        labels: of all items, for analysts.
        limit: the first so many items of the source; None takes all.
        retry_failed: whether what the log has as failed is tried again.
        salt: a text that the salts of control edits follow from, for comparing runs; None takes the log's head.
        policy: ``name``, ``version`` and ``digest`` of the policy in force, for the record; None where there is none.
        attempts: workers that an item may kill before it counts as failed.

    Raises:
        InputError: an unknown engine, a number below 1, or a label that the batch gives itself.
    """

    system: str = "courier"
    depth: str = "verdict"
    engine: str = "local"
    jobs: int = field(default_factory=default_jobs)
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    retry_failed: bool = False
    salt: str | None = None
    policy: Mapping[str, str] | None = None
    attempts: int = 2

    def __post_init__(self) -> None:
        from ..depths import DEPTHS

        if self.engine not in ENGINES:
            raise InputError(f"engine: no {self.engine!r}; there are {', '.join(ENGINES)}")
        if self.depth not in DEPTHS:
            raise InputError(f"depth: no {self.depth!r}; there are {', '.join(DEPTHS)}")
        for name in ("jobs", "limit", "attempts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; give 1 or more")
        if taken := sorted(set(self.labels) & set(RESERVED)):
            raise InputError(f"label {taken[0]!r} is one that a batch gives itself; choose another name")
        if self.salt is not None and not self.salt:
            raise InputError("salt: an empty text; give some text, or leave it out for the log's head")

    def key(self, name: str, digest: str, identity: str) -> str:
        """Return the key of an item under this plan: equal keys are the same work.

        Args:
            name: the item's id.
            digest: of its content.
            identity: of the system, see `veridical.agent.batch.explaining.identity_of`.
        """
        from ..record.canonical import canonical_json

        told = {
            "item": name,
            "digest": digest,
            "system": identity,
            "depth": self.depth,
            "salt": None if self.salt is None else sha256(self.salt.encode()).hexdigest(),
            "policy": None if self.policy is None else dict(self.policy),
        }
        return sha256(canonical_json(told, "the item's key")).hexdigest()[:32]
