"""Why *this word* was heard: each word of a Whisper transcript as a system that can be explained.

A word's score is its exact log-odds, given the audio and the words before it as they were heard (teacher forcing).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from ..audio import Audio
from ..contract import Modality, Prepared
from ..encoders.whisper import SAMPLE_RATE, Hearing, SpokenWord, Whisper, first_window, load_whisper, log_mel
from ..recordings import read_recording
from ..spectrogram import Spectrogram

__all__ = ["Speech", "Transcript", "WordHeard", "listen", "word_logits"]

Over = Literal["waveform", "spectrogram"]

_UNSURE = -1.0  # mean log-probability of a token below which Whisper's own transcribe.py doubts a transcript


class Speech(Audio):
    """A recording of speech at 16 kHz, of which the first 30 s are heard; otherwise `veridical.Audio`.

    Args:
        cell: seconds and number of bands of the cells.
    """

    def __init__(self, cell: tuple[float, int] = (0.25, 8)) -> None:
        super().__init__(SAMPLE_RATE, cell)

    def prepare(self, signal: Any) -> Prepared:
        """Turn a recording into the system's input, as `veridical.Audio` does, cut to 30 s with a note.

        Raises:
            InputError: the recording cannot be read, is empty, or holds values that are not finite.
        """
        prepared = super().prepare(signal)
        wave, notes = first_window(prepared.raw)
        return replace(
            prepared,
            tensor=prepared.tensor[:, : len(wave)],
            baseline=prepared.baseline[:, : len(wave)],
            raw=wave,
            duration=len(wave) / SAMPLE_RATE,
            notes=(*prepared.notes, *notes),
        )


def word_logits(logits: Float[Tensor, "batch tokens vocabulary"], tokens: Sequence[int]) -> Float[Tensor, "batch 2"]:
    """Return ``log p`` and ``log(1 - p)`` of a word, from the logits by which each of its tokens is chosen.

    With ``p_k`` the probability of the k-th token given those before, ``p`` is their product, and ``1 - p`` the sum of
    ``p_1 ... p_(k-1) (1 - p_k)``: the word went another way at its k-th token. All terms are positive, so that nothing
    cancels, however near p is to 0 or 1.

    >>> word_logits(torch.tensor([[[0.0, 0.0], [0.0, 0.0]]]), [0, 1]).exp()
    tensor([[0.2500, 0.7500]])
    """
    index = torch.tensor(tokens, device=logits.device)[None, :, None].expand(len(logits), -1, 1)
    whole = logits.logsumexp(-1)
    token = logits.gather(2, index)[..., 0] - whole
    other = logits.scatter(2, index, -torch.inf).logsumexp(-1) - whole
    before = torch.cat((torch.zeros_like(token[:, :1]), token[:, :-1].cumsum(1)), 1)
    return torch.stack((token.sum(1), (before + other).logsumexp(1)), 1)


class WordHeard:
    """One word of a transcript, as a system of two actions: the word, and anything else.

    The scores are ``log p`` and ``log(1 - p)`` of the word, so that the decision score is the word's log-odds in nats.
    Its words before are held fixed as they were heard, also where the audio is edited.

    Attributes:
        whisper: the recogniser.
        word: the word.
        tokens: ids of the transcript's tokens up to the word's last.
        over: ``"waveform"`` (sense ``audio``) or ``"spectrogram"`` (sense ``spectrogram``).
        actions: the word in quotes, and ``"anything else"``.
        modalities: the one sense.
    """

    def __init__(self, transcript: Transcript, word: SpokenWord, over: Over, cell: tuple[float, int]) -> None:
        self.whisper, self.word, self.over = transcript.whisper, word, over
        self.tokens = transcript.hearing.tokens[: word.tokens[1]]
        self.name = f"Whisper, word {transcript.words.index(word)} of “{transcript.text}”"
        self.actions: Sequence[str] = (f"“{word.text}”", "anything else")
        sense: Modality = Speech(cell) if over == "waveform" else Spectrogram(cell)
        self.modalities: Mapping[str, Modality] = {sense.name: sense}
        self._wave = transcript.wave

    def example(self) -> dict[str, Any]:
        """Return the observation in which the word was heard."""
        return {next(iter(self.modalities)): self._wave}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch 2"]:
        """Return ``log p`` and ``log(1 - p)`` of the word for each row.

        Args:
            inputs: ``audio`` (batch, samples) at 16 kHz, or ``spectrogram`` (batch, 80, frames).

        Raises:
            InputError: the sense is missing: a word is heard in something.
        """
        (sense,) = self.modalities
        if sense not in inputs:
            raise InputError(f"word {self.word.text!r}: no {sense}; it is the only sense, and cannot be absent")
        spectrum = log_mel(inputs[sense]) if self.over == "waveform" else inputs[sense]
        first = self.word.tokens[0]
        logits = self.whisper.token_logits(self.whisper.encode(spectrum), self.tokens, first)
        return word_logits(logits, self.tokens[first:])


@dataclass(frozen=True)
class Transcript:
    """What Whisper heard in a recording.

    Attributes:
        whisper: the recogniser.
        wave: the samples heard, at 16 kHz; at most 30 s.
        hearing: text, tokens, words and their probabilities.
        notes: what the user must be told, one sentence each.
    """

    whisper: Whisper
    wave: Float[np.ndarray, " samples"]
    hearing: Hearing
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What was heard."""
        return self.hearing.text

    @property
    def words(self) -> tuple[SpokenWord, ...]:
        """The words in their order."""
        return self.hearing.words

    def word(self, index: int, over: Over = "spectrogram", cell: tuple[float, int] = (0.25, 8)) -> WordHeard:
        """Return one word as a system, to be asked why it was heard.

        Args:
            index: position in `words`, from 0.
            over: ``"spectrogram"``: gradients are with respect to what Whisper reads; ``"waveform"``: to the samples,
                through its front end.
            cell: seconds and number of bands of the evidence units; ``(0.5, 1)`` are slices of time.

        Raises:
            InputError: no such word, another ``over``, or cells out of range.
        """
        if not 0 <= index < len(self.words):
            told = " ".join(f"{i} {word.text}" for i, word in enumerate(self.words))
            raise InputError(f"transcript: no word {index}; there are {len(self.words)}: {told}")
        if over not in ("waveform", "spectrogram"):
            raise InputError(f"transcript: over {over!r}; one of waveform, spectrogram is wanted")
        return WordHeard(self, self.words[index], over, cell)


def listen(signal: Any, whisper: Whisper | None = None, silence: float = 0.6) -> Transcript:
    """Hear what is said in a recording.

    Args:
        signal: as `veridical.Audio` takes it; of what is longer than 30 s the first 30 s are heard.
        whisper: the recogniser; by default Whisper tiny.en, whose weights are fetched on first use.
        silence: probability of nobody speaking, by Whisper's own account, above which no words are taken for heard:
            it writes some even of silence. The default is that of its reference implementation.

    Raises:
        InputError: the recording cannot be used, or no speech was heard in it.
        WeightsError: the weights cannot be fetched.

    Example:
        >>> system = listen("prompt.wav").word(3)                       # doctest: +SKIP
        >>> veridical.attribute(system, system.example()).map()         # doctest: +SKIP
    """
    if not 0 <= silence <= 1:
        raise InputError(f"listen: silence {silence}; a probability is wanted, 0 to 1")
    recording, notes = read_recording(signal, SAMPLE_RATE)
    wave, cut = first_window(recording)
    whisper = whisper or load_whisper()
    hearing = whisper.transcribe(torch.from_numpy(wave.copy())[None].to(whisper.allowed.device))
    if hearing.no_speech > silence or not hearing.words:
        raise InputError(
            f"listen: no speech was heard; Whisper holds it for {hearing.no_speech:.0%} probable that nobody speaks"
            f" (it wrote {hearing.text!r}); more than {silence:.0%} is too much. For faint speech raise silence"
        )
    mean = math.fsum(math.log(max(p, 1e-30)) for p in hearing.probabilities) / len(hearing.probabilities)
    notes = (*notes, *cut)
    if mean < _UNSURE:
        notes += (f"Whisper is unsure of this: {mean:.2f} nats a token, below {_UNSURE:.0f}; it may not be speech",)
    if not hearing.ended:
        notes += (f"Whisper was stopped after {len(hearing.tokens)} tokens; it may repeat itself",)
    return Transcript(whisper, wave, hearing, notes)
