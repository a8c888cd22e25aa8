"""Shares with their intervals, as the benchmarks tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from veridical.scenarios.courier.evaluate import wilson

__all__ = ["share_of"]


def share_of(values: Sequence[bool]) -> dict[str, Any]:
    """Return the share of what is true, its 95 % Wilson interval and the number of values."""
    low, high = wilson(sum(values), len(values))
    return {"share": sum(values) / max(len(values), 1), "interval": [low, high], "count": len(values)}
