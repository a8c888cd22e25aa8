"""An agent that is none: for the service's document, which no system is needed for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ...errors import ContractError

__all__ = ["Nobody"]


class Nobody:
    """Has no senses, and answers nothing."""

    def __init__(self) -> None:
        self.system: Any = self
        self.policy: Any = {}
        self.modalities: Mapping[str, Any] = {}
        self.actions = ()
        self.on_outcome: list[Callable[[Any], Any]] = []

    def decide(self, observation: Mapping[str, Any], given: Any = None, request: bool = False) -> NoReturn:
        """Decide nothing."""
        raise ContractError("service: no agent stands behind it; make it with one")

    def explain(self, observation: Mapping[str, Any], progress: Callable[[str, float], None] | None = None) -> NoReturn:
        """Explain nothing."""
        raise ContractError("service: no agent stands behind it; make it with one")

    def override(self, action: str, who: str, reason: str) -> NoReturn:
        """Take no orders."""
        raise ContractError("service: no agent stands behind it; make it with one")

    def release(self, who: str, reason: str) -> NoReturn:
        """Take none back."""
        raise ContractError("service: no agent stands behind it; make it with one")

    def status(self) -> dict[str, Any]:
        """Tell nothing."""
        return {}

    def close(self, seconds: float = 30.0) -> bool:
        """End."""
        return True
