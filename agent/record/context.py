"""What a record tells of a decision beside the explanation: when, why, by which system, under which policy."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ...errors import InputError
from .plain import plain
from .sealing import Sealer

__all__ = ["PRECISIONS", "Context", "libraries"]

PRECISIONS = ("exact", "fp16", "int8", "sparse")
"""How finely maps may be stored, the finest first."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_POLICY = {"name", "version", "digest"}
_LIBRARIES = ("numpy", "safetensors", "scikit-image", "scipy", "timm", "torch", "transformers", "veridical")


@dataclass(frozen=True)
class Context:
    """Circumstances of one decision, and how its record is to be stored.

    Attributes:
        id: UUID of version 4, of the record.
        start: when the decision was begun, ISO 8601 with an offset; from the result's own time where not given.
        end: when its explanation was done; the same.
        monotonic: readings of the monotonic clock at both, ns; None where it was not read.
        trigger: why it was recorded: ``request``, ``sampled``, ``low margin``, or any other word.
        labels: name to value, such as a group or a scenario, for analysts.
        policy: ``name``, ``version`` and ``digest`` of the policy in force, None where there is none.
        provenance: ``weights``, ``preprocessing``, ``libraries``, ``precision``, ``device``, ``threads`` and what else
            says how the decision came about; the system is told by the result.
        subject: pseudonym of whom the signals are about.
        seal: seals raw signals and quoted words; None leaves everything in the open.
        precision: how coarsely maps may be stored, one of `PRECISIONS`.
        budget: bytes that the record may take, manifest and blobs together; None for no bound.

    Raises:
        InputError: a value of the wrong form.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    start: str | None = None
    end: str | None = None
    monotonic: tuple[int, int] | None = None
    trigger: str = "request"
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] | None = None
    subject: str | None = None
    seal: Sealer | None = None
    precision: str = "exact"
    budget: int | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InputError(f"context: id {self.id!r} is not a UUID of version 4; leave it out, and one is made")
        if self.precision not in PRECISIONS:
            raise InputError(f"context: precision {self.precision!r} is not known; choose from {', '.join(PRECISIONS)}")
        if self.budget is not None and self.budget <= 0:
            raise InputError(f"context: a budget of {self.budget} bytes holds nothing; leave it out for no bound")
        if not self.trigger or len(self.trigger) > 64:
            raise InputError(f"context: trigger has {len(self.trigger)} characters; say in 1 to 64 why it is recorded")
        if self.policy is not None and set(self.policy) != _POLICY:
            told = ", ".join(sorted(map(str, self.policy))) or "nothing"
            raise InputError(f"context: a policy has name, version and digest; this one has {told}")
        if self.subject and self.seal and self.seal.subject != self.subject:
            raise InputError(
                f"context: subject {self.subject!r}, but sealed for {self.seal.subject!r}; give one of them"
            )
        for name, text in (("start", self.start), ("end", self.end)):
            if text is not None:
                _moment(text, name)

    def frame(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of a manifest that come from here, of a result in plain JSON values."""
        system = result.get("system")
        system = system if isinstance(system, dict) else {}
        given = plain(self.provenance or {}, "provenance")
        provenance = {
            "weights": {},
            "preprocessing": None,
            "libraries": {"veridical": result["version"]} if "version" in result else {},
            "precision": None,
            "device": None,
            "threads": None,
        }
        return {
            "id": self.id,
            "time": self._time(result),
            "trigger": self.trigger,
            "provenance": provenance | given | {"system": {k: system.get(k) for k in ("name", "digest")}},
            "subject": self.subject or (self.seal.subject if self.seal else None),
            "labels": plain(self.labels, "labels"),
            "policy": None if self.policy is None else plain(self.policy, "policy"),
        }

    def _time(self, result: Mapping[str, Any]) -> dict[str, Any]:
        created = result.get("created")
        end = _moment(self.end or created, "end") if self.end or created else datetime.now(UTC)
        if self.start:
            start = _moment(self.start, "start")
        else:
            timing = result.get("timing")
            spent = timing.get("total_ms", 0) if isinstance(timing, dict) else 0
            start = end - timedelta(milliseconds=spent)
        ticks = None
        if self.monotonic is not None:  # ms: 2⁵³ ns are over after 104 days
            ticks = {"start": self.monotonic[0] // 10**6, "end": self.monotonic[1] // 10**6}
        return {
            "start": start.isoformat(timespec="microseconds"),
            "end": end.isoformat(timespec="microseconds"),
            "monotonic": ticks,
            "source": "system clock",
        }


def libraries() -> dict[str, str]:
    """Return name and version of the installed libraries that a decision's figures depend on; imports none of them."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _moment(text: Any, name: str) -> datetime:
    """A time with an offset, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("it has no offset")
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"context: {name} {text!r} is no ISO 8601 time: {error}; write 2026-11-23T20:12:33+00:00"
        ) from error
