"""When each word was said, from a recogniser that emits labels frame by frame (CTC).

The likeliest of all frame-by-frame paths that spell the transcript, by torchaudio's ``forced_align`` (Kürzinger et al.,
"CTC-Segmentation of Large Corpora", SPECOM 2020, without its skipping of unspoken text).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError

__all__ = ["LabelSpan", "align_ctc", "align_ctc_words"]


@dataclass(frozen=True)
class LabelSpan:
    """When a label, or a word of labels, was emitted.

    Attributes:
        labels: indices of the labels.
        start: second of the recording at which the first frame begins.
        end: second at which the last frame ends.
        probability: geometric mean of the labels' probabilities over the frames that emit them, 0 to 1.
    """

    labels: tuple[int, ...]
    start: float
    end: float
    probability: float


def align_ctc(
    emissions: Float[Tensor, "frames labels"], tokens: Sequence[int], *, frame_seconds: float, blank: int = 0
) -> tuple[LabelSpan, ...]:
    """Return when each label of a transcript was emitted, on the likeliest path that spells it.

    CTC emits a label in a frame or a few, often at its onset, and blanks elsewhere: spans are shorter than the sounds.

    Args:
        emissions: log-probabilities of the labels for one recording; each frame's sum to 1.
        tokens: the transcript as indices of labels, without blanks.
        frame_seconds: seconds from one frame to the next.
        blank: index of the blank.

    Returns:
        One for each token, in their order; none where there are none.

    Raises:
        InputError: emissions that are no log-probabilities, a token that is no label or the blank, a recording with too
            few frames for the transcript, a transcript of no probability, or torchaudio is not installed.

    Example:
        >>> emissions = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.1, 0.9]]).log()
        >>> [(s.start, s.end) for s in align_ctc(emissions, [1, 1], frame_seconds=0.5)]
        [(0.0, 0.5), (1.0, 1.5)]
    """
    _check(emissions, tokens, frame_seconds, blank)
    if not tokens:
        return ()
    try:
        from torchaudio.functional import forced_align
    except ImportError as error:
        raise InputError("CTC alignment: torchaudio is not installed; pip install 'veridical[adapters]'") from error
    target = torch.tensor([list(tokens)], dtype=torch.int32, device=emissions.device)
    floating = emissions if emissions.dtype in (torch.float32, torch.float64) else emissions.float()
    with torch.no_grad():
        path, scores = forced_align(floating.detach()[None].contiguous(), target, blank=blank)
    labels, values = path[0].tolist(), scores[0].double().tolist()
    if not all(math.isfinite(value) for value in values):
        raise InputError(
            "CTC alignment: the transcript has probability 0 under the emissions; was it said here at all?"
        )
    # A label that stands twice has a blank between, so that a run of frames is one token.
    edges = [0, *(k for k in range(1, len(labels)) if labels[k] != labels[k - 1]), len(labels)]
    runs = [(a, b) for a, b in pairwise(edges) if labels[a] != blank]
    return tuple(
        LabelSpan((labels[a],), a * frame_seconds, b * frame_seconds, math.exp(math.fsum(values[a:b]) / (b - a)))
        for a, b in runs
    )


def align_ctc_words(
    emissions: Float[Tensor, "frames labels"],
    tokens: Sequence[int],
    *,
    separator: int,
    frame_seconds: float,
    blank: int = 0,
) -> tuple[LabelSpan, ...]:
    """Return when each word of a transcript was said: from its first label's first frame to its last label's last.

    Args:
        emissions: see `align_ctc`.
        tokens: the transcript as indices of labels, words parted by the separator.
        separator: index of the label between words, ``"|"`` in torchaudio's.
        frame_seconds: see `align_ctc`.
        blank: see `align_ctc`.

    Raises:
        InputError: as `align_ctc`, or a separator that is no label.
    """
    if not 0 <= separator < emissions.shape[-1] or separator == blank:
        raise InputError(
            f"CTC alignment: separator {separator}; give a label below {emissions.shape[-1]}, not the blank"
        )
    words: list[list[LabelSpan]] = [[]]
    for span in align_ctc(emissions, tokens, frame_seconds=frame_seconds, blank=blank):
        if span.labels == (separator,):
            words.append([])
        else:
            words[-1].append(span)
    return tuple(_joined(word, frame_seconds) for word in words if word)


def _joined(spans: Sequence[LabelSpan], frame_seconds: float) -> LabelSpan:
    frames = [round((s.end - s.start) / frame_seconds) for s in spans]
    mean = math.fsum(n * math.log(max(s.probability, 1e-300)) for n, s in zip(frames, spans, strict=True)) / sum(frames)
    labels = tuple(label for s in spans for label in s.labels)
    return LabelSpan(labels, spans[0].start, spans[-1].end, math.exp(mean))


def _check(emissions: Tensor, tokens: Sequence[int], frame_seconds: float, blank: int) -> None:
    if emissions.ndim != 2:
        raise InputError(f"CTC alignment: emissions of shape {tuple(emissions.shape)}; give one recording's")
    frames, labels = emissions.shape
    if not (math.isfinite(frame_seconds) and frame_seconds > 0):
        raise InputError(f"CTC alignment: frames of {frame_seconds} s; give the seconds from one frame to the next")
    if not 0 <= blank < labels:
        raise InputError(f"CTC alignment: blank {blank} of {labels} labels; give its index")
    unknown = [t for t in tokens if not 0 <= t < labels or t == blank]
    if unknown:
        raise InputError(f"CTC alignment: token {unknown[0]}; labels are 0 to {labels - 1}, without the blank, {blank}")
    if frames and not (bool((emissions <= 1e-3).all()) and bool((emissions.exp().sum(-1) - 1).abs().max() < 1e-2)):
        raise InputError(
            "CTC alignment: the emissions are no log-probabilities; take log_softmax over the labels first"
        )
    least = len(tokens) + sum(a == b for a, b in pairwise(tokens))
    if tokens and frames < least:
        raise InputError(
            f"CTC alignment: {len(tokens)} tokens need {least} frames (a blank between equal ones), the recording "
            f"gives {frames}; it is too short, or the transcript is of another"
        )
