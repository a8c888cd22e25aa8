"""Counters, durations and the log's size, by OpenTelemetry's meters."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .words import APPEND, DECIDE, EXPLAIN, VERDICTS, VERIFY, Bounded

__all__ = ["BUCKETS", "COUNTERS", "Meters"]

COUNTERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "veridical.decisions": ("{decision}", "Decisions that were explained, by action."),
        "veridical.verdicts": ("{verdict}", "Verdicts on explanations, with the one word for their cause."),
        "veridical.log.appends": ("{entry}", "Entries that were appended to the log, signed and durable."),
        "veridical.log.failures": ("{entry}", "Entries that could not be appended to the log."),
        "veridical.overrides": ("{act}", "Operators' acts in the log that put another action in a decision's place."),
    }
)
"""Unit and description of each counter."""

BUCKETS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        EXPLAIN: (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 120, 300),
        DECIDE: (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        VERIFY: (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 120),
        APPEND: (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60),
    }
)
"""Upper bounds in seconds of each duration's buckets: OpenTelemetry's own are meant for milliseconds."""


class Meters:
    """The instruments of one meter; without a meter all calls do nothing.

    Args:
        meter: an OpenTelemetry meter, or None.
        limit: how many actions, and how many causes, are told apart; any further one is counted as ``other``.
    """

    def __init__(self, meter: Any = None, limit: int = 64) -> None:
        self.on = meter is not None
        self._action, self._cause = Bounded(limit), Bounded(limit)
        if meter is None:
            return
        self._counters = {
            name: meter.create_counter(name, unit=unit, description=said) for name, (unit, said) in COUNTERS.items()
        }
        self._durations = {
            name: meter.create_histogram(
                f"{name}.duration",
                unit="s",
                description=f"Duration of {name}.",
                explicit_bucket_boundaries_advisory=list(bounds),
            )
            for name, bounds in BUCKETS.items()
        }
        self._size = meter.create_gauge(
            "veridical.log.size", unit="{entry}", description="Entries in the log, as of the last append."
        )

    def decided(self, action: str) -> None:
        """Count a decision."""
        if self.on:
            self._counters["veridical.decisions"].add(1, {"veridical.action": self._action(action)})

    def judged(self, verdict: str, cause: str) -> None:
        """Count a verdict."""
        if self.on:
            told = verdict if verdict in VERDICTS else "other"
            labels = {"veridical.verdict": told, "veridical.cause": self._cause(cause)}
            self._counters["veridical.verdicts"].add(1, labels)

    def took(self, name: str, seconds: float, error: str | None = None) -> None:
        """Record the duration of an operation, under the name of its span; unknown names are left out."""
        if self.on and name in self._durations:
            self._durations[name].record(seconds, {} if error is None else {"error.type": error})

    def appended(self, entries: int, size: int | None, overrides: int = 0) -> None:
        """Count entries that are in the log, which now has ``size`` of them, None where that is not known."""
        if self.on:
            self._counters["veridical.log.appends"].add(entries)
            if overrides:
                self._counters["veridical.overrides"].add(overrides)
            if size is not None:
                self._size.set(size)

    def failed(self, entries: int, error: str) -> None:
        """Count entries that did not get into the log."""
        if self.on:
            self._counters["veridical.log.failures"].add(entries, {"error.type": error})
