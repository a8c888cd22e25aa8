"""A small system that is served, signals as they are sent, and an agent that a test can hold up."""

from __future__ import annotations

import base64
import contextlib
import io
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image
from starlette.testclient import TestClient
from torch import Tensor

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent.depths import settings_at
from veridical.agent.loop.agent import ExplanationAgent
from veridical.agent.serve.app import make_app
from veridical.agent.serve.settings import ServeSettings

TOKEN, OPERATOR = "a-token-of-the-tests", "an-operators-token-of-the-tests"
AUTH = MappingProxyType({"Authorization": f"Bearer {TOKEN}"})
URL = "http://localhost"


def score(inputs: Mapping[str, Tensor]) -> Tensor:
    """What is there of a red square, a tone and a cat; of none, a little."""
    parts = {"vision": sees_red, "audio": hears_tone, "text": reads_cat}
    return torch.stack([parts[m]({m: x}) for m, x in inputs.items()]).sum(0) + 0.5


def system() -> Toy:
    """STOP and GO, of three senses, any of which may be absent."""
    return Toy(score, EYES, EARS, READER)


def agent(**options: Any) -> ExplanationAgent:
    """An agent around it that explains quickly."""
    return ExplanationAgent(system(), settings=settings_at("verdict"), **options)


@contextlib.contextmanager
def served(one: Any = None, **options: Any) -> Iterator[TestClient]:
    """A client of the application that serves an agent, with the token; the agent is ``client.agent``."""
    one = agent() if one is None else one
    app = make_app(one, ServeSettings(TOKEN, **options))
    with TestClient(app, base_url=URL, headers=dict(AUTH)) as client:
        client.agent = one  # type: ignore[attr-defined]
        yield client


class Slow:
    """An agent whose explanations, and decisions where asked, wait for a test's word."""

    def __init__(self) -> None:
        self.system, self.policy, self.on_outcome = system(), {"name": "none"}, []
        self.go, self.began, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.deciding = threading.Event()
        self.deciding.set()
        self.closed = 0
        self.steps = 0

    def decide(
        self, observation: Mapping[str, Any], given: Any = None, request: bool = False, begun: float | None = None
    ) -> Any:
        self.deciding.wait(20)
        return ExplanationAgent(self.system).decide(observation)

    def explain(self, observation: Mapping[str, Any], progress: Any = None) -> Any:
        self.began.set()
        progress("prepare", 1.0)
        try:
            while not self.go.wait(0.01):
                self.steps += 1
                progress("verify", 0.25)
        finally:
            self.ended.set()
        raise ValueError("a fault of the test's own")

    def override(self, action: str, who: str, reason: str) -> Any:
        return {"before": "none", "after": "override", "why": reason, "by": who, "time": "now", "action": action}

    def release(self, who: str, reason: str) -> Any:
        return {"before": "override", "after": "none", "why": reason, "by": who, "time": "now", "action": None}

    def status(self) -> dict[str, Any]:
        return {"odd": float("nan"), "set": {1}}

    def close(self, seconds: float = 30.0) -> bool:
        self.closed += 1
        return True


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def file_of(array: np.ndarray, kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    Image.fromarray(array).save(held, kind)
    return held.getvalue()


def sound_file(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", **options: Any) -> bytes:
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=kind, **options)
    return held.getvalue()


def as_array(array: np.ndarray, **more: Any) -> dict[str, Any]:
    return {
        "kind": "array", "shape": list(array.shape), "dtype": array.dtype.name, "data": coded(array.tobytes()), **more
    }  # fmt: skip


FRAME = picture()[0]
SEEN = {"kind": "frames", "images": [coded(file_of(FRAME))]}
HEARD = {"kind": "sound", "file": coded(sound_file(sound(), subtype="FLOAT"))}
READ = {"kind": "words", "text": SENTENCE}
WHOLE = {"vision": SEEN, "audio": HEARD, "text": READ}
RAW = {"vision": picture(), "audio": (sound(), RATE), "text": SENTENCE}
