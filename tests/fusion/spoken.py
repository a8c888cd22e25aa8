"""A recogniser with a known inside: each word is heard from its own stretch of time and from nothing else."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from veridical.fusion.speech import Spoken
from veridical.modalities.adapters.transcript import Transcript
from veridical.modalities.encoders.whisper import SAMPLE_RATE, Hearing, SpokenWord, Whisper
from veridical.modalities.encoders.word_times import WordTime

WORDS = ("stop", "if", "cat", "near")
SPANS = ((0.2, 0.5), (0.5, 0.6), (0.7, 1.0), (1.0, 1.4))
DURATION = 1.6
GAIN = 0.02
"""Log-odds by which a frame of the spectrogram at full level speaks for its word."""

_VOCABULARY = 3


def hearing(words: tuple[str, ...], no_speech: float = 0.0) -> Hearing:
    """A transcript of these words, a token each."""
    found, at = [], 0
    for k, word in enumerate(words):
        found.append(SpokenWord(word, (at, at + len(word)), (k, k + 1), 0.9))
        at += len(word) + 1
    return Hearing(" ".join(words), (1,) * len(words), (0.9,) * len(words), tuple(found), no_speech, True)


class Ear(Whisper):
    """Hears a word where more than half of its stretch sounds; no speech where no word is heard."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.register_buffer("allowed", torch.ones(1, dtype=torch.bool))
        self.heard = 0
        self.encoded = 0

    def transcribe(self, wave: Tensor) -> Hearing:
        self.heard += 1
        pieces = [wave[0, round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in SPANS]
        words = tuple(w for w, piece in zip(WORDS, pieces, strict=True) if (piece.abs() > 0.1).float().mean() > 0.5)
        return hearing(words, 0.0 if words else 0.9)

    def encode(self, spectrum: Tensor) -> Tensor:
        self.encoded += len(spectrum)
        return spectrum

    def token_logits(self, states: Tensor, tokens, first: int = 0) -> Tensor:
        at = torch.arange(states.shape[-1]) * 0.01
        level = (states + 1.5).sum(1)
        rows = [GAIN * (level * ((at > a - 1e-6) & (at < b - 1e-6))).sum(1) for a, b in SPANS]
        logits = torch.zeros(len(states), len(tokens), _VOCABULARY)
        for k in range(first, len(tokens)):
            logits[:, k, 1] = rows[k]
        return logits[:, first:]


def wave(seed: int = 0) -> np.ndarray:
    """Square waves of varied length where a word is, of full level; a hum of -60 dB elsewhere."""
    at = np.arange(round(DURATION * SAMPLE_RATE)) / SAMPLE_RATE
    sounding = np.any([(at >= a) & (at < b) for a, b in SPANS], 0)
    noise = np.random.default_rng(seed).choice([-0.5, 0.5], len(at))
    return np.where(sounding, noise, 0.001 * noise).astype(np.float32)


def spoken() -> Spoken:
    """The four words, heard when they are said."""
    times = tuple(WordTime(a, b, 1.0) for a, b in SPANS)
    return Spoken(Transcript(Ear(), wave(), hearing(WORDS)), times)
