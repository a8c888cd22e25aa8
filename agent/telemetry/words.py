"""The closed vocabulary of telemetry: names of spans and attributes, and what may be their values."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from types import MappingProxyType
from typing import Any

__all__ = [
    "APPEND",
    "ATTRIBUTES",
    "DECIDE",
    "EVALUATION",
    "EXPLAIN",
    "FUNCTIONS",
    "STAGES",
    "VERDICTS",
    "VERIFY",
    "Bounded",
    "attributes_of",
    "error_type",
    "guarded",
    "release",
]

EXPLAIN, DECIDE, VERIFY, APPEND = "veridical.explain", "veridical.decide", "veridical.verify", "veridical.log.append"

STAGES = ("prepare", "decide", "attribute", "verify", "concepts", "name", "fuse")
"""Stages that an explanation reports; each is a child span, ``veridical.<stage>``."""

VERDICTS = ("supported", "unsupported", "inconclusive")

EVALUATION = "gen_ai.evaluation.result"
"""Name of the event of a verdict: OpenTelemetry's semantic conventions for generative AI, status *development*."""

ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "id": "gen_ai.response.id",
        "action": "veridical.action",
        "verdict": "veridical.verdict",
        "cause": "veridical.cause",
        "rung": "veridical.rung",
        "digest": "veridical.system.digest",
        "entry": "veridical.log.entry",
        "kind": "veridical.log.kind",
    }
)
"""Every attribute that a caller can set. The list is closed for privacy: no signal, no words of an instruction, no
name of a person has a place in it; what is not on it is left out."""

FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        EXPLAIN: "veridical.agent.explainer.Explainer.explain",
        DECIDE: "veridical.agent.explainer.Explainer.decide",
        VERIFY: "veridical.agent.recheck.recheck",
        APPEND: "veridical.agent.log.log.Log.append",
    }
)
"""``code.function.name`` of a span, by its name."""

_LONGEST = 200  # characters of a value: a digest has 71, an id 36

_logger = logging.getLogger("veridical")


def attributes_of(words: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Return the attributes for words of the closed list (see `ATTRIBUTES`); others, and None, are left out."""
    found: dict[str, str | int | float | bool] = {}
    for word, value in words.items():
        name = ATTRIBUTES.get(word)
        if name is None or not isinstance(value, str | int | float):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            continue
        found[name] = value[:_LONGEST] if isinstance(value, str) else value
    return found


def error_type(error: BaseException) -> str:
    """Return what ``error.type`` says of an error: its class. Never its message, which may quote an instruction."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Run a block whose failure becomes one warning on the logger ``veridical``.

    The only place where swallowing an error is right: telemetry is no evidence, and a broken exporter, meter or
    result must never cost a decision, its explanation or its entry in the log. The message of the error stays away from
    the warning for the reason it stays away from spans: it may quote what was seen or read.

    Args:
        what: what is lost, for the warning.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  # as said above
        _logger.warning("telemetry: %s is lost (%s); the decision and its log stand", what, error_type(error))


def release() -> str:
    """Return the version of this package, as telemetry names it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("veridical")
    except PackageNotFoundError:
        return "unknown"


class Bounded:
    """Values of one label of a metric, held to so many that no series of decisions can fill a database of metrics.

    Attributes:
        limit: how many different values are told apart; any further one is ``other``.
    """

    def __init__(self, limit: int = 64) -> None:
        self.limit = limit
        self._seen: set[str] = set()
        self._lock = Lock()

    def __call__(self, value: str) -> str:
        """Return the value, or ``other``."""
        value = value[:_LONGEST]
        with self._lock:
            if value not in self._seen:
                if len(self._seen) >= self.limit:
                    return "other"
                self._seen.add(value)
        return value
