"""What a metric found: a figure with its protocol, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ...errors import InputError

__all__ = ["BETTER", "Better", "Result"]

Better = Literal["up", "down", "neither"]

BETTER: dict[str, Better] = {
    "deletion": "down",
    "insertion": "up",
    "srg": "up",
    "road": "up",
    "infidelity": "down",
    "max-sensitivity": "down",
    "faithfulness-correlation": "up",
    "comprehensiveness": "up",
    "sufficiency": "down",
    "completeness-gap": "down",
    "pointing-game": "up",
    "localisation-mass": "up",
    "entropy": "neither",
    "sparsity": "neither",
}
"""By metric, which way is better; entropy and sparsity describe a map and judge it not."""


@dataclass(frozen=True)
class Result:
    """One figure.

    Attributes:
        metric: its name, one of `BETTER`.
        value: the figure; None where it is undefined, never a number in its place.
        protocol: substrate, step, score and settings, in words: figures of different protocols must not be compared.
        reason: why there is no value; empty where there is one.

    Raises:
        InputError: a value that is not finite, neither value nor reason, or both.
    """

    metric: str
    value: float | None
    protocol: str
    reason: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise InputError(f"{self.metric}: value {self.value}, reason {self.reason!r}; give one of the two")
        if self.value is not None and not math.isfinite(self.value):
            raise InputError(f"{self.metric}: the value is {self.value}; give None and the reason instead")

    @property
    def figure(self) -> float:
        """The value, where there must be one.

        Raises:
            InputError: it is undefined.
        """
        if self.value is None:
            raise InputError(f"{self.metric}: undefined: {self.reason}; look at `value` where that may be")
        return self.value
