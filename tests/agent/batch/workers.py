"""What stands in for explaining in the tests of a batch: quick, without torch, and known in what it gives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veridical.agent.batch.explaining import FIELDS
from veridical.agent.batch.frames import to_bytes
from veridical.agent.batch.packing import unpack
from veridical.agent.record.canonical import canonical_json

IDENTITY = "stub sha256:0"


def result_of(words: str) -> dict[str, Any]:
    """The smallest result that a record takes."""
    return {
        "format": "veridical.explanation/1",
        "system": {"name": "stub", "digest": None, "actions": ["GO", "STOP"]},
        "observation": {"text": {"present": True, "digest": None, "notes": []}},
        "decision": {"action": "STOP" if "cat" in words else "GO", "score": 1.0, "probabilities": {}},
        "verdict": {"verdict": "supported", "cause": None},
        "notes": [f"{len(words)} characters"],
    }


class Stub:
    """Answers at once; words may ask it to take its time, to fail, or to die (by a file that says how often)."""

    identity = IDENTITY

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        row = {**FIELDS, **row, "system": IDENTITY, "seconds": 0.0}
        words = unpack(row["content"])["text"]
        for word in words.split():
            name, _, value = word.partition("=")
            if name == "sleep":
                time.sleep(float(value))
            if name == "die":
                _die(Path(value))
            if name == "fail":
                return {**row, "content": b"", "kind": "failed", "why": "it was asked to fail"}
        result = canonical_json(result_of(words))
        return {**row, "content": b"", "kind": "explained", "result": result, "arrays": to_bytes({})}


def _die(count: Path) -> None:
    """Kill this process as long as a file says so, a life less each time."""
    left = int(count.read_text())
    if left > 0:
        count.write_text(str(left - 1))
        os.kill(os.getpid(), signal.SIGKILL)


def stillborn() -> Stub:
    """Die before anything is made."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def broken() -> Stub:
    """Refuse, as a system that cannot be made does."""
    from veridical.errors import WeightsError

    raise WeightsError("no weights of stub; fetch them")
