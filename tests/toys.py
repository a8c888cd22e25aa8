"""Small systems with a known inside, for tests only: two actions, and a score that a test writes down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from veridical.fusion.measure import Laboratory
from veridical.modalities.audio import Audio
from veridical.modalities.contract import Modality
from veridical.modalities.observation import prepare
from veridical.modalities.text import Text
from veridical.modalities.vision import Vision

Score = Callable[[Mapping[str, Tensor]], Tensor]

SIDE = 32
RATE = 8000
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "go down the left side of this market street to a pharmacy and then wait at its door for someone who will take "
    "your parcel but stop if you meet cat dog siren near by on way back home"
).split()


def tokenizer() -> PreTrainedTokenizerFast:
    """A BERT-like tokenizer that knows `WORDS`."""
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *dict.fromkeys(WORDS)])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - no password
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=core, **names)


def _embedding(rows: int) -> Tensor:
    """Random embeddings of six features, and two of their own: feature 6 is 1 for "cat" alone, 7 for "siren"."""
    table = torch.randn(rows, 8, generator=torch.Generator().manual_seed(7))
    table[:, 6:] = 0
    table[0] = 0
    return table


TOKENIZER = tokenizer()
TABLE = _embedding(len(TOKENIZER))
CAT, SIREN = 6, 7
TABLE[TOKENIZER.convert_tokens_to_ids("cat"), CAT] = 1
TABLE[TOKENIZER.convert_tokens_to_ids("siren"), SIREN] = 1

EYES = Vision(size=SIDE, units=36)
EARS = Audio(rate=RATE, cell=(0.125, 5))
READER = Text(TOKENIZER, TABLE, max_tokens=80)


class Toy:
    """A system of two actions, STOP and GO: the score of STOP is a function of the inputs, that of GO is 0."""

    actions: Sequence[str] = ("STOP", "GO")

    def __init__(self, score: Score, *senses: Modality, name: str = "toy") -> None:
        self.score, self.name = score, name
        self.modalities = {sense.name: sense for sense in senses or (EYES, EARS, READER)}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        score = self.score(inputs)
        return torch.stack((score, torch.zeros_like(score)), 1)


class Split(Toy):
    """The same, split: the features of a sense are its input, and what was encoded is counted."""

    def __init__(self, score: Score, *senses: Modality) -> None:
        super().__init__(score, *senses)
        self.encoded: list[tuple[str, int]] = []

    def encode(self, modality: str, x: Tensor) -> Tensor:
        self.encoded.append((modality, len(x)))
        return x

    def decide(self, features: Mapping[str, Tensor]) -> Tensor:
        batch = max(len(x) for x in features.values())
        return Toy.__call__(self, {m: x.expand(batch, *x.shape[1:]) for m, x in features.items()})

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})


class Dropping(nn.Module):
    """A system that is a torch module, with dropout; in training mode as it is made."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"text": READER}
        self.drop = nn.Dropout(0.5)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        score = 3 + self.drop(inputs["text"]).sum((1, 2))
        return torch.stack((score, torch.zeros_like(score)), 1)


def weights(seed: int, like: Mapping[str, Any]) -> dict[str, Tensor]:
    """Random weights, one for each input element of each prepared sense."""
    generator = torch.Generator().manual_seed(seed)
    return {
        m: torch.randn(p.tensor.shape[1:], generator=generator) / p.tensor[0].numel() ** 0.5 for m, p in like.items()
    }


def linear(parts: Mapping[str, Tensor], bias: float = 0.0) -> Score:
    """``bias + sum w x`` over all senses."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        each = [(inputs[m] * w).flatten(1).sum(1) for m, w in parts.items()]
        return bias + torch.stack(torch.broadcast_tensors(*each)).sum(0)

    return score


def picture(frames: int = 1, seed: int = 0) -> np.ndarray:
    """Frames of coloured blocks; a red square stands in rows and columns 16 to 23 of 32."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(60, 160, (frames, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    blocks[:, 16:24, 16:24] = (250, 20, 20)
    return blocks


def sees_red(inputs: Mapping[str, Tensor]) -> Tensor:
    """How red the place of the square is, in the last frame."""
    place = inputs["vision"][:, -1, :, 16:24, 16:24].mean((2, 3))
    return 12 * (place[:, 0] - place[:, 1]) - 3


BURST = slice(4000, 5000)
"""Samples of 0.5 to 0.625 s."""


def _tone() -> Tensor:
    wave = torch.zeros(RATE)
    wave[BURST] = torch.sin(2 * torch.pi * 1200 * torch.arange(1000) / RATE) * torch.hann_window(1000, periodic=False)
    return wave


TONE = _tone()


def sound(seed: int = 0) -> np.ndarray:
    """A second of noise with a tone of 1.2 kHz at 0.5 to 0.625 s."""
    noise = 0.1 * np.random.default_rng(seed).standard_normal(RATE)
    return np.clip(noise + 0.5 * TONE.numpy(), -1, 1).astype(np.float32)


def hears_tone(inputs: Mapping[str, Tensor]) -> Tensor:
    """The tone's amplitude at its time."""
    return 10 * (inputs["audio"] @ TONE) / float(TONE @ TONE) - 2


SENTENCE = " ".join([*WORDS[:20], "cat", *WORDS[20:29]])
"""Thirty words; the 21st is "cat"."""


def reads_cat(inputs: Mapping[str, Tensor]) -> Tensor:
    """Whether the word "cat" is there."""
    return 4 * inputs["text"][:, :, CAT].sum(1) - 1


def laboratory(system: Any, observation: Mapping[str, Any]) -> Laboratory:
    """The laboratory of a system before an observation."""
    prepared = prepare(system, observation)
    segmentations = {m: system.modalities[m].segment(p) for m, p in prepared.items()}
    with torch.no_grad():
        action = int(system({m: p.tensor for m, p in prepared.items()})[0].argmax())
    return Laboratory(system, prepared, segmentations, action)
