"""Names for concepts of what is heard: AudioSet's classes, and what the sound is like.

YAMNet gives each window of 0.98 s a score for each class, its own probability. A class's *fit* to a prototype is its
mean score over the windows that lie mostly where the concept is strongest. Its **score** as a name is the fit in the
mean over the prototypes, or in the median where that is less, minus its mean over windows where the concept is not, of
all observations looked at: 1 where the class is surely heard in each prototype and nowhere else. Beside the name stand
pitch, loudness and time (`sound_features`), also in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.signal import resample_poly

from ..modalities.contract import Prepared
from .bank import ConceptName
from .earn_exhibits import Exhibit
from .earn_settings import EarnSettings
from .sound_features import SoundFeatures, describe, together

__all__ = ["FAMILIES", "family", "fitting", "name_heard"]

FAMILIES = (0, 67, 132, 277, 294, 348, 382, 398, 420, 431, 451, 475, 494, 500)
"""First class of each family of AudioSet's 521: people, animals, music, nature, vehicles and engines, household,
alarms, machines and tools, bangs, materials, impacts, tones and clatter, silence and tests, surroundings. Within a
family a class stands after what it is a kind of (Gemmeke et al., "Audio Set", ICASSP 2017: its ontology, depth
first)."""

_SHORTEST = 0.06
"""Seconds of sound that can be described at least."""

_MOSTLY = 0.6
"""Share of a window that must lie in the place; the next window of YAMNet overlaps by half."""

Scores = Float[np.ndarray, "_ classes"]


def family(index: int) -> int:
    """Return the index in `FAMILIES` of the family that a class of AudioSet is of."""
    return int(np.searchsorted(FAMILIES, index, side="right")) - 1


@dataclass(frozen=True)
class _Heard:
    """One prototype: scores in the concept's windows (their mean) and in all others, and what it sounds like."""

    fit: Float[np.ndarray, " classes"]
    others: Scores
    like: SoundFeatures


def name_heard(exhibits: Iterable[Exhibit], count: int, settings: EarnSettings) -> tuple[ConceptName | None, ...]:
    """Name concepts by what is heard in their prototypes.

    Args:
        exhibits: of sounds, in any order.
        count: how many concepts there are.
        settings: thresholds.

    Raises:
        WeightsError: an encoder's weights cannot be had.
    """
    heard: list[list[_Heard]] = [[] for _ in range(count)]
    for exhibit in exhibits:
        heard[exhibit.concept].append(_listen(exhibit))
    others = [h.others for each in heard for h in each if len(h.others)]
    if not any(heard):
        return (None,) * count
    names = _names()
    ordinary = np.concatenate(others).mean(0) if others else np.zeros(len(names), np.float32)
    found: list[ConceptName | None] = []
    for each in heard:
        if len(each) < settings.least:
            found.append(None)
            continue
        like = together([h.like for h in each]).words
        found.append(fitting(np.stack([h.fit for h in each]), ordinary, names, like, settings))
    return tuple(found)


def fitting(
    fits: Scores, ordinary: Float[np.ndarray, " classes"], names: Sequence[str], like: str, settings: EarnSettings
) -> ConceptName | None:
    """Return the class that fits prototypes, or None if none has earned to be the name.

    Of the classes with nearly the best score that are of the best one's family, the last is taken: a class stands after
    what it is a kind of. Where prototypes differ (sheep, rooster, turkey) what they are all kinds of scores best.

    Args:
        fits: score of each class in each prototype; (prototypes, classes).
        ordinary: the same in the mean over other windows.
        names: of the classes.
        like: what the sounds are like, in words.
        settings: thresholds.
    """
    scores = np.minimum(fits.mean(0), np.median(fits, axis=0)) - ordinary
    top = int(scores.argmax())
    if scores[top] < settings.heard:
        return None
    kin = np.array([family(i) == family(top) for i in range(len(scores))])
    best = int(np.flatnonzero(kin & (scores >= max(settings.specific * scores[top], settings.heard)))[-1])
    others = ~kin & _otherwise(best, settings.alike)
    margin = float(scores[best] - max(0.0, scores[others].max(initial=0.0)))
    if margin < settings.margin:
        return None
    return ConceptName(names[best], "AudioSet", float(scores[best]), margin, like)


def _listen(exhibit: Exhibit) -> _Heard:
    """Return what is heard in a prototype's place, and in the rest of its observation."""
    scores, times = _hear(exhibit.prepared)
    duration = exhibit.prepared.duration
    start, end = exhibit.peak.time or (0.0, duration)
    overlap = np.minimum(times[:, 1], end) - np.maximum(times[:, 0], start)
    inside = overlap >= min(overlap.max(), _MOSTLY * (times[0, 1] - times[0, 0]))
    begins, ends = exhibit.present.time or (0.0, duration)
    elsewhere = (times[:, 1] <= begins) | (times[:, 0] >= ends)
    start, end = exhibit.place.time or (0.0, duration)
    rate = int(exhibit.prepared.detail["rate"])
    wave = exhibit.prepared.tensor[0].numpy(force=True)
    first = max(0, min(round(start * rate), len(wave) - math.ceil(_SHORTEST * rate)))
    piece = wave[first : max(round(end * rate), first + math.ceil(_SHORTEST * rate))]
    if len(wave) < _SHORTEST * rate:
        piece = wave = np.pad(wave, (0, math.ceil(_SHORTEST * rate) - len(wave)))
    return _Heard(scores[inside].mean(0), scores[elsewhere], describe(piece, rate, wave))


def _hear(prepared: Prepared) -> tuple[Scores, Float[np.ndarray, "windows 2"]]:
    """Return YAMNet's scores for each window, and each window's first and last second."""
    from ..modalities.encoders.yamnet import HOP_SAMPLES, SAMPLE_RATE, WINDOW_SAMPLES, load_yamnet

    ears, wave, rate = load_yamnet(), prepared.tensor.numpy(force=True), int(prepared.detail["rate"])
    if rate != SAMPLE_RATE:
        common = math.gcd(rate, SAMPLE_RATE)
        wave = resample_poly(wave, SAMPLE_RATE // common, rate // common, axis=-1)
    with torch.no_grad():
        scores = ears.classify(ears.embed(torch.from_numpy(np.ascontiguousarray(wave, np.float32))))[0].sigmoid()
    starts = np.arange(len(scores)) * HOP_SAMPLES / SAMPLE_RATE
    return scores.numpy(), np.stack([starts, starts + WINDOW_SAMPLES / SAMPLE_RATE], 1)


def _names() -> tuple[str, ...]:
    from ..modalities.encoders.yamnet import load_yamnet

    return load_yamnet().class_names


def _otherwise(best: int, alike: float) -> Bool[np.ndarray, " classes"]:
    """Return which classes lie far from one in the shared sentence space."""
    from ..fusion.conse import load_conse

    vectors = load_conse().heard.vectors
    return vectors @ vectors[best] < alike
