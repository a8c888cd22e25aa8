"""Small streams with a known inside, for tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.toys import EARS, EYES, RATE, READER, SIDE, Toy
from veridical.agent.stream.source import Rows, Source
from veridical.modalities.unrolled import Unrolled

FRAMES = Source("frames", 10.0, 3.0, 1.5, 0.5, Rows())
SOUND = Source("sound", RATE, 3.0, 1.0, 0.5, Rows(800, 400))
WORDS = Source("words", None, 3.0, float("inf"))
SOURCES = {"vision": FRAMES, "audio": SOUND, "text": WORDS}


def frame(seed: int = 0) -> np.ndarray:
    """Coloured blocks, another picture for each seed."""
    return np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8).repeat(4, 0).repeat(4, 1)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Noise, within full scale."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


class Walker(Toy):
    """Sees, hears and reads; halves its state at each step and adds what it sees then. All that it encodes is counted.

    Its scores are (10 x state + mean of the sound's rows + mean of the words, 0).
    """

    def __init__(self, mixing: bool = False) -> None:
        super().__init__(lambda inputs: torch.zeros(1), EYES, EARS, READER, name="walker")
        self.encoded = {"vision": 0, "audio": 0, "text": 0}
        self.mixing = mixing

    digest = "sha256:walker"

    def encode(self, modality: str, x: Tensor) -> Tensor:
        if modality == "vision":
            self.encoded[modality] += x.shape[0] * x.shape[1]
            features = x.mean((3, 4))
            return features - features.mean(1, keepdim=True) if self.mixing else features
        if modality == "audio":
            rows = SOUND.rows.count(x.shape[1]) if SOUND.rows else 1
            x = torch.nn.functional.pad(x, (0, 800 + 400 * (rows - 1) - x.shape[1])).unfold(1, 800, 400)
            self.encoded[modality] += x.shape[0] * x.shape[1]
            return x.abs().mean(2, keepdim=True)
        self.encoded[modality] += len(x)
        return x

    def decide(self, features: Mapping[str, Tensor]) -> Tensor:
        unrolled = self.unroll(features)
        state = unrolled.start
        for inputs in unrolled.inputs:
            state = unrolled.advance(state, inputs)
        return unrolled.read(state)

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        frames = features["vision"].split(1, 1) if "vision" in features else ()
        rest = sum((features[m].flatten(1).mean(1) for m in ("audio", "text") if m in features), torch.zeros(1))
        return Unrolled(
            start=torch.zeros(1, 1) if state is None else state,
            inputs=tuple({"vision": f} for f in frames),
            origins=tuple({"vision": np.array([k])} for k in range(len(frames))),
            times=tuple((float(k), k + 1.0) for k in range(len(frames))),
            advance=lambda s, x: s / 2 + x["vision"].flatten(1).mean(1, keepdim=True),
            read=lambda s: torch.stack((10 * s[:, 0] + rest, torch.zeros(len(s)).expand_as(rest + s[:, 0])), 1),
        )

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})


class Answering:
    """Stands where the agent stands: keeps what it was asked."""

    def __init__(self, system: Any) -> None:
        self.system, self.asked = system, []

    def decide(
        self, observation: Mapping[str, Any], given: Any = None, request: bool = False, begun: float = 0.0
    ) -> Any:
        self.asked.append((observation, given, request))
        return "STOP"


assert SIDE == 32  # what `frame` gives
