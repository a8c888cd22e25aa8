"""When each word was said: Whisper's cross-attention, warped to the order of the words.

Some of Whisper's heads look, at every token, at the sound that it stands for ("alignment heads", listed with the
weights). As in the reference's ``whisper/timing.py`` their attention is standardised over the tokens, smoothed over
time (median of 7 frames) and averaged, and dynamic time warping finds the path through it that moves on in tokens and
in time alike; a word begins where the path steps to its first token.

It differs from the reference in three things, settled on 96 recorded single words that were joined by four:
punctuation takes no time (a comma's row looks ahead, and takes half of the next word), a boundary moves to the quietest
moment within 80 ms, and a span is cut to where there is sound. So the first word begins with the first sound, and the
last one ends with the last: in noise as loud as that they reach to the ends of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ...errors import InputError
from .whisper import _END, _PROMPT, HOP, SAMPLE_RATE, SAMPLES, Hearing, Whisper, log_mel

__all__ = ["QUIET", "REACH", "RESOLUTION", "UNCERTAINTY", "WordTime", "warp", "word_times"]

RESOLUTION = 2 * HOP / SAMPLE_RATE
"""Seconds from one of Whisper's states to the next: no boundary is known more finely from attention alone."""

UNCERTAINTY = 0.09
"""Seconds by which a boundary errs in running speech: root mean square over 31 words checked by hand."""

REACH = 0.08
"""Seconds that a boundary moves at most to a quieter moment, and at most a third of the words beside it."""

QUIET = 45.0
"""Decibels below the loudest moment from which on a moment counts as silent."""

_WIDTH = 7  # frames of the median, as in the reference
_STEP = 80  # samples: level is taken every 5 ms, over 10


@dataclass(frozen=True)
class WordTime:
    """When a word was said.

    Attributes:
        start: second of the recording at which it begins.
        end: second at which it ends.
        confidence: share of the alignment heads' attention, at the word's tokens, that lies within the span and one
            frame to each side: near 1 where the heads look there alone.
    """

    start: float
    end: float
    confidence: float


def warp(cost: Float[np.ndarray, "rows columns"]) -> tuple[Int[np.ndarray, " steps"], Int[np.ndarray, " steps"]]:
    """Return rows and columns of the cheapest path from the first corner to the last.

    A step goes on by one row, one column or both (dynamic time warping; Sakoe and Chiba, IEEE Trans. ASSP 1978, P = 0,
    without their double weight of the diagonal). Of equally cheap steps the one along the columns is taken, unless
    the diagonal is cheaper than either; so in the reference.

    Raises:
        InputError: no rows, no columns, or costs that are not finite.

    Example:
        >>> warp(np.array([[0.0, 0.0, 9.0], [9.0, 9.0, 0.0]]))
        (array([0, 0, 1]), array([0, 1, 2]))
    """
    rows, columns = cost.shape
    if 0 in cost.shape or not np.isfinite(cost).all():
        raise InputError(f"warp: costs of shape {cost.shape}; give at least one row and column, all of them finite")
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, rows + columns + 1):  # cells of one diagonal do not depend on each other
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(np.minimum(total[i - 1, j - 1], total[i - 1, j]), total[i, j - 1])
        total[i, j] = before + cost[i - 1, j - 1]
    i, j = rows, columns
    path = [(i - 1, j - 1)]
    while (i, j) != (1, 1):
        both, row, column = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        if both < row and both < column:
            i, j = i - 1, j - 1
        elif row < both and row < column:
            i -= 1
        elif np.isfinite(column):
            j -= 1
        else:  # the first column: only rows are left
            i -= 1
        path.append((i - 1, j - 1))
    steps = np.array(path[::-1], np.int64)
    return steps[:, 0], steps[:, 1]


@torch.no_grad()
def _attention(whisper: Whisper, wave: Float[Tensor, "1 samples"], hearing: Hearing) -> Float[Tensor, "heads rows _"]:
    """Return the alignment heads' attention to the frames of the recording; a row for each token and the end."""
    ids = torch.tensor([[*_PROMPT, *hearing.tokens, _END]], device=wave.device)
    states = whisper.encode(log_mel(wave))
    found = whisper.network.model.decoder(
        input_ids=ids, encoder_hidden_states=states, use_cache=False, output_attentions=True
    )
    heads = [
        found.cross_attentions[layer][0, head] for layer, head in whisper.network.generation_config.alignment_heads
    ]
    frames = -(-wave.shape[1] // (2 * HOP))
    # A softmax over the recording's own frames alone, as in the reference, is a share of that over all 30 s.
    heard = torch.stack(heads)[:, :, :frames]
    return heard / heard.sum(-1, keepdim=True).clamp_min(torch.finfo(heard.dtype).tiny)


def _likeness(attention: Float[Tensor, "heads rows frames"]) -> Float[np.ndarray, "tokens frames"]:
    """Return how well each token goes with each frame."""
    spread, mean = torch.std_mean(attention, -2, keepdim=True, unbiased=False)
    even = (attention - mean) / spread.clamp_min(1e-12)
    if even.shape[-1] > _WIDTH // 2:
        padded = F.pad(even, (_WIDTH // 2, _WIDTH // 2), mode="reflect")
        even = padded.unfold(-1, _WIDTH, 1).median(-1).values
    # Token k is chosen where the one before it is read: row 1 + k, behind the start.
    return even.mean(0)[1:-2].double().cpu().numpy()


def _levels(wave: Float[Tensor, " samples"]) -> Float[np.ndarray, " moments"]:
    """Return the level over 10 ms every 5 ms, in decibels; digital silence is -120."""
    power = F.avg_pool1d(F.pad(wave.double().square(), (_STEP, _STEP))[None, None], 2 * _STEP, _STEP)[0, 0]
    return 10 * power.clamp_min(1e-12).log10().cpu().numpy()


def _boundaries(likeness: Float[np.ndarray, "rows frames"], sizes: list[int], duration: float) -> list[float]:
    """Return the seconds at which the words begin, and the duration; ``sizes`` counts their rows."""
    rows, columns = warp(-likeness)
    begins = columns[np.searchsorted(rows, np.arange(len(likeness)))] * RESOLUTION
    return [*(float(begins[first]) for first in np.cumsum([0, *sizes[:-1]])), duration]


def _settled(bounds: list[float], levels: Float[np.ndarray, " moments"]) -> list[tuple[float, float]]:
    """Move inner boundaries to the quietest moment nearby, then cut each span to where there is sound."""
    step = _STEP / SAMPLE_RATE
    moved = list(bounds)
    for k in range(1, len(bounds) - 1):
        reach = min(REACH, (bounds[k] - bounds[k - 1]) / 3, (bounds[k + 1] - bounds[k]) / 3)
        first, past = round((bounds[k] - reach) / step), round((bounds[k] + reach) / step) + 1
        near = levels[max(first, 0) : past]
        if reach >= step and len(near):
            moved[k] = (max(first, 0) + int(near.argmin())) * step
    sounding = levels > levels.max() - QUIET
    spans = []
    for start, end in pairwise(moved):
        first = round(start / step)
        loud = np.flatnonzero(sounding[first : round(end / step) + 1])
        if len(loud):  # where nothing sounds, the attention alone says where the word was
            start, end = max(start, (first + loud[0]) * step), min(end, (first + loud[-1]) * step)
        # A word that the path hurries past lasts a frame all the same.
        start = min(start, max(moved[-1] - RESOLUTION, 0.0))
        spans.append((float(start), float(min(max(end, start + RESOLUTION), moved[-1]))))
    return spans


def word_times(whisper: Whisper, wave: Float[Tensor, "1 samples"], hearing: Hearing) -> tuple[WordTime, ...]:
    """Return when each word of a transcript was said.

    Boundaries come in steps of 20 ms from attention and of 5 ms from the level. On single words joined by four, whose
    times are known and which fade out before the next begins, they err by 10 ms in the median and by less than 90 ms
    in nine of ten; in running speech by 35 and 170 ms, rather late than early, most where one vowel runs into the next
    (``benchmarks.speech``).

    Args:
        whisper: the recogniser.
        wave: the samples that were heard, at 16 kHz, 30 s at most.
        hearing: what it heard in them (`Whisper.transcribe`).

    Returns:
        One for each of ``hearing.words``, in their order; none where there are none.

    Raises:
        InputError: more than 30 s, another shape, digital silence, or a transcript that is longer than the decoder.

    Example:
        >>> word_times(whisper, wave, whisper.transcribe(wave))[0].start              # doctest: +SKIP
        0.205
    """
    if wave.ndim != 2 or len(wave) != 1 or not 1 <= wave.shape[1] <= SAMPLES:
        raise InputError(
            f"word times: a wave of shape {tuple(wave.shape)}; (1, samples) at 16 kHz is wanted, of at most {SAMPLES} "
            "samples, the 30 s that Whisper hears at once (first_window cuts)"
        )
    most = whisper.network.config.max_target_positions - len(_PROMPT) - 1
    if len(hearing.tokens) > most:
        raise InputError(f"word times: {len(hearing.tokens)} tokens; Whisper's decoder has room for {most}")
    if not hearing.words:
        return ()
    if not bool((wave != 0).any()):
        words = " ".join(word.text for word in hearing.words)
        raise InputError(f"word times: the recording is silent throughout; {words!r} was not said in it")
    attention = _attention(whisper, wave, hearing)
    kept = [range(*word.tokens) for word in hearing.words]
    likeness = _likeness(attention)[[k for tokens in kept for k in tokens]]
    bounds = _boundaries(likeness, [len(tokens) for tokens in kept], wave.shape[1] / SAMPLE_RATE)
    seen = attention.mean(0).double().cpu().numpy()
    found = []
    for (start, end), tokens in zip(_settled(bounds, _levels(wave[0])), kept, strict=True):
        # A boundary on the grid must not take in one frame more by rounding.
        first, past = int(start / RESOLUTION + 1e-6) - 1, int(np.ceil(end / RESOLUTION - 1e-6)) + 1
        inside = seen[1 + tokens.start : 1 + tokens.stop, max(first, 0) : past]
        found.append(WordTime(start, end, float(np.clip(inside.sum() / len(tokens), 0.0, 1.0))))
    return tuple(found)
