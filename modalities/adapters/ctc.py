"""Speech recognisers that emit labels frame by frame (CTC), such as those of torchaudio's pipelines.

Graves et al., "Connectionist Temporal Classification" (ICML 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import InputError
from ..audio import Audio
from .module import Wrapped, logits_in, wrap

__all__ = ["wrap_ctc_frame", "wrap_ctc_transcript"]


def wrap_ctc_frame(model: nn.Module, labels: Sequence[str], at: float, *, rate: int = 16_000) -> Wrapped:
    """Wrap a recogniser at one moment: why was this label emitted there?

    Actions are the labels, their scores the emission of the frame whose centre is nearest.

    Args:
        model: from waveforms (batch, samples) to emissions (batch, frames, labels), alone or first in a tuple
            (torchaudio gives lengths with them), or as ``logits``.
        labels: the label of each emission, the blank included: ``bundle.get_labels()``.
        at: seconds from the beginning of the recording.
        rate: samples per second that the model reads.

    Raises:
        InputError: a moment before the beginning; when called, one after the end.

    Example:
        >>> system = wrap_ctc_frame(bundle.get_model(), bundle.get_labels(), at=0.52)     # doctest: +SKIP
        >>> attribute(system, {"audio": "word.wav"}).map("audio")                         # doctest: +SKIP
    """
    if not (math.isfinite(at) and at >= 0):
        raise InputError(f"audio: at {at} s; give seconds from the beginning of the recording")

    def call(module: Any, given: dict[str, Tensor]) -> Tensor:
        wave = given["audio"]
        duration = wave.shape[1] / rate
        if at > duration:
            raise InputError(f"audio: the recording ends at {duration:.3g} s, before the moment asked for, {at:.3g} s")
        emissions = _emissions(module(wave))
        frames = emissions.shape[1]
        return emissions[:, min(int(at / duration * frames), frames - 1)]

    return wrap(model, [Audio(rate=rate)], labels, call=call)


def wrap_ctc_transcript(
    model: nn.Module, labels: Sequence[str], transcripts: Sequence[str], *, rate: int = 16_000, blank: int = 0
) -> Wrapped:
    """Wrap a recogniser over a choice of transcripts: why was this heard rather than that?

    Actions are the transcripts and "anything else"; scores are their log-probabilities, each summed over all
    alignments (the forward algorithm), and that of the rest. PyTorch's CTC has a gradient, but no second derivative.

    Args:
        model: see `wrap_ctc_frame`.
        labels: see there; one character each.
        transcripts: what may have been said, spelt with the labels (``"|"`` between words in torchaudio's).
        rate: samples per second that the model reads.
        blank: index of the blank label.

    Raises:
        InputError: a transcript with a character that is no label; when called, one that the recording is too short
            for.

    Example:
        >>> system = wrap_ctc_transcript(model, labels, ["LEFT", "LIFT"])                 # doctest: +SKIP
    """
    if not transcripts or isinstance(transcripts, str):
        raise InputError(f"audio: transcripts {transcripts!r}; give at least one, as a list")
    if not 0 <= blank < len(labels):
        raise InputError(f"audio: blank {blank} of {len(labels)} labels; give its index")
    index = {label: i for i, label in enumerate(labels) if i != blank}
    spelt: list[list[int]] = []
    for text in transcripts:
        unknown = sorted(set(text) - set(index))
        if unknown or not text:
            raise InputError(f"audio: {text!r} cannot be spelt; {unknown or 'nothing'} is none of {''.join(index)!r}")
        spelt.append([index[character] for character in text])

    def call(module: Any, given: dict[str, Tensor]) -> Tensor:
        return _transcript_scores(_emissions(module(given["audio"])), spelt, blank, transcripts)

    return wrap(model, [Audio(rate=rate)], [*transcripts, "anything else"], call=call)


def _emissions(found: Any) -> Float[Tensor, "batch frames labels"]:
    emissions = logits_in(found)
    if not isinstance(emissions, Tensor) or emissions.ndim != 3:
        got = f"shape {tuple(emissions.shape)}" if isinstance(emissions, Tensor) else type(emissions).__name__
        raise InputError(f"audio: the model's emissions are of {got}; (batch, frames, labels) is wanted")
    return emissions


def _transcript_scores(
    emissions: Float[Tensor, "batch frames labels"], spelt: Sequence[Sequence[int]], blank: int, names: Sequence[str]
) -> Float[Tensor, "batch transcripts_and_rest"]:
    """Return the log-probability of each transcript, and of all others."""
    batch, frames, _ = emissions.shape
    log_probs = emissions.log_softmax(-1).transpose(0, 1)
    scores = []
    for target, name in zip(spelt, names, strict=True):
        least = len(target) + sum(a == b for a, b in pairwise(target))
        if frames < least:
            raise InputError(f"audio: {name!r} needs {least} frames, the recording gives {frames}; it is too short")
        rows = torch.tensor(target, device=emissions.device).expand(batch, -1)
        lengths = torch.full((batch,), frames), torch.full((batch,), len(target))
        scores.append(-F.ctc_loss(log_probs, rows, *lengths, blank=blank, reduction="none"))
    each = torch.stack(scores, 1)
    # log(1 - p), away from p = 1, where float32 has no more digits
    said = each.logsumexp(1, keepdim=True).clamp(max=-1e-6)
    return torch.cat((each, torch.log(-torch.expm1(said))), 1)
