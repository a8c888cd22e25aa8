"""What the service asks of the agent that it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["Served"]


@runtime_checkable
class Served(Protocol):
    """An agent, as the service needs it: `veridical.ExplanationAgent`, or what does as it does.

    Attributes:
        system: what decides; its ``modalities`` are read.
        policy: in force; plain values, or with a ``to_dict``.
    """

    system: Any
    policy: Any

    @property
    def on_outcome(self) -> list[Callable[[Any], Any]]:
        """Those to be called with what became of each explanation in the background."""
        ...

    def decide(self, observation: Mapping[str, Any], given: Any = None, request: bool = False) -> Any:
        """Decide."""
        ...

    def explain(self, observation: Mapping[str, Any], progress: Callable[[str, float], None] | None = None) -> Any:
        """Explain, all of it."""
        ...

    def override(self, action: str, who: str, reason: str) -> Any:
        """Put a person's order in place of the system's choices."""
        ...

    def release(self, who: str, reason: str) -> Any:
        """Take it back."""
        ...

    def status(self) -> dict[str, Any]:
        """Tell how it stands."""
        ...

    def close(self, seconds: float = 30.0) -> bool:
        """Drain, and seal the log."""
        ...
