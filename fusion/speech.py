"""Spoken instructions: what a decision owes to a word, laid onto the sound that said it, and checked there.

A recogniser turns sound into words, and the system reads the words. So there are two accounts of one cause. By the
first, each word's share of the decision (nats of text evidence) is spread over the sound by what the recogniser hears
that word from: `carry_back`. By the second, the sound of a word is taken away, the rest is transcribed again, and the
system reads what is heard now: `veridical.fusion.spoken_effects`, which also holds the one against the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..modalities.adapters.transcript import Transcript, listen, word_logits
from ..modalities.attribution import METHODS, attribute
from ..modalities.encoders.whisper import Hearing, Whisper
from ..modalities.encoders.word_times import WordTime, word_times
from ..modalities.evidence import EvidenceUnit
from ..modalities.spectrogram import Spectrogram

__all__ = ["BALANCE", "Carried", "CarriedWord", "Spoken", "carry_back", "hear"]

BALANCE = 0.1
"""Share of a word's saliency, in size, that must be left when what speaks for and against the word is summed."""

_CHUNK = 4  # recordings encoded at once


@dataclass(frozen=True)
class Spoken:
    """A recording of speech, what was heard in it, and when.

    Attributes:
        transcript: the samples at 16 kHz, the words, and notes.
        times: when each word was said, in the words' order.
    """

    transcript: Transcript
    times: tuple[WordTime, ...]

    def __post_init__(self) -> None:
        if len(self.times) != len(self.transcript.words):
            raise InputError(
                f"speech: {len(self.times)} times for {len(self.transcript.words)} words; give one for each"
            )

    @property
    def text(self) -> str:
        """What was heard: the instruction that the system is to read."""
        return self.transcript.text

    @property
    def wave(self) -> Float[np.ndarray, " samples"]:
        """The samples, at 16 kHz."""
        return self.transcript.wave

    @property
    def hearing(self) -> Hearing:
        """Text, tokens and words."""
        return self.transcript.hearing


def hear(signal: Any, whisper: Whisper | None = None, silence: float = 0.6) -> Spoken:
    """Hear what is said in a recording, and when each word is.

    Args:
        signal: as `veridical.Audio` takes it; of what is longer than 30 s the first 30 s are heard, with a note.
        whisper: the recogniser; by default Whisper tiny.en, whose weights are fetched on first use.
        silence: probability of nobody speaking above which no words are taken for heard.

    Raises:
        InputError: the recording cannot be used, or no speech was heard in it.
        WeightsError: the weights cannot be fetched.

    Example:
        >>> spoken = hear("prompt.wav")                                               # doctest: +SKIP
        >>> spoken.times[1].start, spoken.text                                        # doctest: +SKIP
        (0.41, 'Please hold while I try that extension.')
    """
    transcript = listen(signal, whisper, silence)
    wave = torch.from_numpy(transcript.wave.copy())[None].to(transcript.whisper.allowed.device)
    return Spoken(transcript, word_times(transcript.whisper, wave, transcript.hearing))


@dataclass(frozen=True)
class CarriedWord:
    """One word, and what the decision owes to it.

    Attributes:
        text: the word.
        time: when it was said.
        value: nats of the decision score.
        inside: share of the value that came to lie within the word's span; cells in part, by overlap.
        even: whether the recogniser's saliency did not tell where the word was heard, so that its span was taken.
    """

    text: str
    time: WordTime
    value: float
    inside: float
    even: bool


@dataclass(frozen=True)
class Carried:
    """What the decision owes to the words, over the time of the recording.

    Attributes:
        edges: seconds at which the cells begin, and at which the last one ends.
        by_word: nats of each word in each cell; a row sums to the word's value.
        words: the words.
        by: how the saliency of words over time was had.
        notes: what the user must be told, one sentence each.
    """

    edges: Float[np.ndarray, " edges"]
    by_word: Float[np.ndarray, "words cells"]
    words: tuple[CarriedWord, ...]
    by: str
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> Float[np.ndarray, " cells"]:
        """Nats of each cell; their sum is that of the words."""
        return self.by_word.sum(0)

    def total(self) -> float:
        """Sum over time, nats."""
        return math.fsum(self.by_word.ravel().tolist())

    def within(self, start: float, end: float) -> float:
        """Return the nats between two seconds; a cell in part counts by its overlap."""
        return float(self.values @ _overlap(self.edges, start, end))


def carry_back(
    spoken: Spoken,
    units: Sequence[EvidenceUnit],
    values: Float[np.ndarray, " units"],
    *,
    by: str = "occlusion",
    cell: float = 0.1,
) -> Carried:
    """Lay what the decision owes to each written word onto the sound that said it.

    A word's nats are spread over time in proportion to what speaks for the word there: the positive part of its own
    saliency over the recording, so that each word's nats are kept to the last, whatever their sign. Where the saliency
    tells nothing (what speaks for the word and against it sums to less than `BALANCE` of its size), they lie evenly on
    the word's span, and a note says so.

    Args:
        spoken: the recording; ``spoken.text`` is what the system read.
        units: the text's evidence units (``Text.segment``), with character spans in ``spoken.text``.
        values: nats of each unit.
        by: ``"occlusion"``: how far the word's log-odds fall when a cell of the recording is silenced, measured for
            all words in one pass for each cell; ``"span"``: the word's span, evenly; or an attribution method's name
            (`veridical.modalities.METHODS`), at the spectrogram that Whisper reads. Of gradients little is to be had:
            the sum over a word's map nearly vanishes, for the recogniser is saturated.
        cell: seconds of a cell, at least 0.04.

    Raises:
        InputError: no words, units of another text, values that do not fit or are not finite, or an unknown ``by``.

    Example:
        >>> frame = fused.segmentations["text"].units, fused.values["text"]           # doctest: +SKIP
        >>> carry_back(hear("prompt.wav"), *frame).within(0.4, 0.7)                   # doctest: +SKIP
    """
    if len(values) != len(units) or not np.isfinite(values).all():
        raise InputError(f"speech: {len(values)} values for {len(units)} units; one finite value for each is wanted")
    if by not in ("occlusion", "span") and by not in METHODS:
        raise InputError(f"speech: carried by {by!r}; one of occlusion, span or a method's name is wanted")
    words = spoken.transcript.words
    if not words:
        raise InputError(f"speech: no words were heard ({spoken.text!r}); there is no sound to carry anything to")
    nats = _by_word(spoken, units, values)
    sense = Spectrogram((cell, 1))
    prepared = sense.prepare(spoken.wave)
    segmentation = sense.segment(prepared)
    edges = np.array([*(unit.time[0] for unit in segmentation.units), prepared.duration])
    if by == "span":
        saliency = np.zeros((len(words), len(segmentation)))
    elif by == "occlusion":
        edits: list[list[int]] = [[], *([u] for u in range(len(segmentation)))]
        saliency = _occluded(spoken, sense.infill(prepared, edits, "silence", segmentation))
    else:
        saliency = np.array([segmentation.total(_attributed(spoken, i, by, cell)) for i in range(len(words))])
    rows, told = [], []
    for word, time, value, slopes in zip(words, spoken.times, nats, saliency, strict=True):
        own = _overlap(edges, time.start, time.end)
        even = not slopes.sum() > BALANCE * np.abs(slopes).sum()
        share = own * np.diff(edges) if even else slopes.clip(0.0)
        share = share / share.sum()
        rows.append(_exactly(value, share))
        told.append(CarriedWord(word.text, time, value, float(share @ own), even))
    lost = [f"“{word.text}”" for word in told if word.even]
    notes = ()
    if lost and by != "span":
        notes = (f"{by} does not tell where {', '.join(lost)} was heard; its span was taken, evenly",)
    return Carried(edges, np.array(rows), tuple(told), by, notes)


def _exactly(value: float, share: Float[np.ndarray, " cells"]) -> Float[np.ndarray, " cells"]:
    """Return the value in these shares; the largest cell takes what rounding left over."""
    spread = value * share
    spread[share.argmax()] += value - math.fsum(spread.tolist())
    return spread


def _overlap(edges: Float[np.ndarray, " edges"], start: float, end: float) -> Float[np.ndarray, " cells"]:
    """Return the share of each cell that lies between two seconds."""
    common = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    return common.clip(0.0) / np.diff(edges)


def _by_word(spoken: Spoken, units: Sequence[EvidenceUnit], values: Float[np.ndarray, " units"]) -> list[float]:
    """Return the nats of each spoken word: of units that share characters with it, else of the nearest unit."""
    spans = np.array([word.span for word in spoken.transcript.words], float).reshape(-1, 2)
    nats = np.zeros(len(spans))
    for unit, value in zip(units, values, strict=True):
        if unit.span is None or unit.text != spoken.text[unit.span[0] : unit.span[1]]:
            raise InputError(
                f"speech: unit {unit.index} ({unit.text!r}) does not stand in what was heard, {spoken.text!r}; let the "
                "system read spoken.text as it is, and give the units of that text"
            )
        first, past = unit.span
        common = (np.minimum(spans[:, 1], past) - np.maximum(spans[:, 0], first)).clip(0.0)
        if not common.any():  # punctuation that stands alone
            common[np.maximum(spans[:, 0] - past, first - spans[:, 1]).argmin()] = 1.0
        nats += _exactly(float(value), common / common.sum())
    return nats.tolist()


@torch.no_grad()
def _occluded(spoken: Spoken, edited: Float[Tensor, "edits 80 frames"]) -> Float[np.ndarray, "words cells"]:
    """Return how far each word's log-odds fall by each edit; the first row of ``edited`` is the recording itself."""
    whisper, tokens = spoken.transcript.whisper, spoken.hearing.tokens
    tensor = edited.to(whisper.allowed.device)
    found = []
    for rows in tensor.split(_CHUNK):
        # Words before are held fixed as they were heard: one pass scores all words (teacher forcing).
        logits = whisper.token_logits(whisper.encode(rows), tokens)
        pairs = [word_logits(logits[:, a:b], tokens[a:b]) for a, b in (word.tokens for word in spoken.transcript.words)]
        found.append(torch.stack([pair[:, 0] - pair[:, 1] for pair in pairs]))
    odds = torch.cat(found, 1).double().cpu().numpy()
    return odds[:, :1] - odds[:, 1:]


def _attributed(spoken: Spoken, index: int, by: str, cell: float) -> Float[np.ndarray, "80 frames"]:
    system = spoken.transcript.word(index, "spectrogram", (cell, 1))
    view = attribute(system, system.example(), by, diagnosed=False).map("spectrogram", "units")
    return np.asarray(view.values, np.float64)
