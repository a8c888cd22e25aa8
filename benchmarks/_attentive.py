"""Systems whose attention `benchmarks.attention` looks at: MiniLM beside sentences, and a word that Whisper heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from veridical.modalities.adapters.transcript import WordHeard, word_logits
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.text import Text

__all__ = ["SCALE", "TEXTS", "TOPICS", "Heard", "Nearest"]

TOPICS = (
    "A recipe for a warm dish with vegetables.",
    "The train leaves late because of the weather.",
    "A doctor looks after a patient in hospital.",
    "The team won the match in the last minute.",
)
"""What MiniLM compares a text with."""

TEXTS = (
    "Peel the carrots, cut them into thin slices, and let them simmer with the onions in a little butter until the "
    "soup is thick and the kitchen smells of thyme.",
    "Passengers for the north were told to wait on platform four, where the board kept changing and snow had covered "
    "the rails since early in the morning.",
    "After the operation the nurse came every hour to check her pulse, and by the evening the surgeon was content with "
    "how the wound had closed.",
    "With two minutes left the captain took the ball past three defenders and put it into the corner, and the whole "
    "stadium rose to its feet at once.",
    "My grandmother never wrote anything down, but every Sunday there was bread, a pot of lentils on the stove, and a "
    "salad from whatever grew behind the house.",
    "The coach was full, the driver had lost his way in the fog twice already, and nobody on board believed that we "
    "would reach the ferry before it sailed.",
    "He had been coughing for weeks before his daughter talked him into seeing someone, who listened to his chest, "
    "frowned, and sent him for an x-ray that same day.",
    "Nobody had thought much of the young goalkeeper until that night, when she saved two penalties in the rain and "
    "carried her club into the final.",
)
"""Texts that it reads."""

SCALE = 20.0
"""Cosines are scores times this, as in the training of sentence-transformers."""


class Nearest:
    """MiniLM as a system: which topic is a text nearest to?"""

    actions = TOPICS

    def __init__(self) -> None:
        self.reader = load_minilm()
        self.modalities = {"text": Text.minilm()}
        self._topics = self.reader.sentence(TOPICS)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return cosines times `SCALE`."""
        x = inputs["text"]
        present = (x != 0).any(-1, keepdim=True)
        sentence = self.reader.states(x).sum(1) / present.sum(1).clamp_min(1)
        return SCALE * F.normalize(sentence, dim=-1) @ self._topics.T


class Heard:
    """A word that Whisper heard, as a split system that shows where its decoder listens."""

    def __init__(self, word: WordHeard) -> None:
        self.word, self.whisper = word, word.whisper
        self.actions, self.modalities = word.actions, word.modalities

    def encode(self, modality: str, x: Tensor) -> Tensor:
        """Return the encoder's states, (batch, 1500, width)."""
        return self.whisper.encode(x)

    def decide(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch 2"]:
        """Return ``log p`` and ``log(1 - p)`` of the word."""
        first = self.word.word.tokens[0]
        logits = self.whisper.token_logits(features["spectrogram"], self.word.tokens, first)
        return word_logits(logits, self.word.tokens[first:])

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch 2"]:
        """Return the scores."""
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})

    def attention(self, features: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], ...]:
        """Return one step: where the word's tokens are written from, mean over layers, heads and tokens."""
        caught: list[Tensor] = []

        def keep(module: Any, args: Any, output: Any) -> None:
            caught.append(output[1])

        layers = self.whisper.network.model.decoder.layers
        hooks = [layer.encoder_attn.register_forward_hook(keep) for layer in layers]
        try:
            self.decide(features)
        finally:
            for hook in hooks:
                hook.remove()
        # The logits of a token come from the position before it: two of the prompt, then the tokens.
        first = self.word.word.tokens[0] + 1
        weights = torch.stack(caught).mean((0, 2))[:, first : len(self.word.tokens) + 1]
        return ({"spectrogram": weights.mean(1)},)

    def row_times(self, modality: str, rows: int) -> Float[np.ndarray, "rows 2"]:
        """Return the spans of the states: 20 ms each."""
        begin = 0.02 * np.arange(rows)
        return np.stack((begin, begin + 0.02), 1)
