"""Predicates as the log has them, made from a seed: what the reports count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

START = datetime(2026, 10, 1, 6, tzinfo=UTC)


def ground(label: str, share: float, *, kind: str = "concept", sense: str = "vision", sign: int = -1) -> dict[str, Any]:
    return {
        "label": label,
        "kind": kind,
        "modality": sense,
        "effect": sign * 6.0 * share,
        "share": share,
        "verdictless": False,
    }


def decision(number: int = 0, **changed: Any) -> dict[str, Any]:
    """One decision; the n-th comes n hours after the first."""
    return {
        "id": f"d{number:05d}",
        "time": (START + timedelta(hours=number)).isoformat(),
        "action": "STOP",
        "verdict": "supported",
        "cause": "holds",
        "score": 2.0,
        "shares": {"vision": 3.0, "audio": -1.0},
        "labels": {},
        "system": {"name": "courier", "digest": "sha256:" + "39" * 32},
        "policy": {"name": "crossing", "version": "3"},
        "reliance": [],
        "flags": [],
        **changed,
    }


def act(about: str, what: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": f"act-{about}-{what}",
        "time": "2026-12-01T00:00:00+00:00",
        "about": about,
        "act": what,
        "who": "op-7",
        "reason": "",
        "action": None,
        **changed,
    }


def grouped(count: int, seed: int, planted: float = 0.0) -> list[dict[str, Any]]:
    """Decisions of three groups that rest on six things alike, and ``planted`` more often on the first in group b."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        group = "abc"[int(rng.integers(3))]
        chances = [0.15 + planted * (group == "b"), 0.4, 0.3, 0.2, 0.1, 0.05]
        there = [f"thing {i}" for i, p in enumerate(chances) if rng.random() < p]
        reliance = [ground(thing, float(rng.uniform(0.05, 0.5))) for thing in there]
        made.append(decision(number, labels={"street": group}, reliance=reliance))
    return made
