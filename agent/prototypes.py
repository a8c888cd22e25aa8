"""What a concept looks, sounds or reads like: the places where it was strong when its bank was fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from math import gcd
from typing import Any

import numpy as np
from PIL import Image
from scipy.signal import resample_poly

from ..errors import InputError
from ..modalities.contract import Observation, Prepared, System
from .concept_pictures import PROTOTYPES, RATE
from .wording import shown_whole

__all__ = ["SIDE", "prototype_arrays"]

SIDE = 72
"""Height and width of a picture of one, px."""
_CELLS = 3
"""Cells of a picture's features that are shown down and across, the prototype's own in their middle."""
_AROUND = 4
"""Words shown before and after a prototype's own."""

Recall = Callable[[str], Observation | None]
Card = MutableMapping[str, Any]


def prototype_arrays(cards: Sequence[Card], recall: Recall | None, system: System) -> dict[str, np.ndarray]:
    """Call the prototypes of the concepts that are shown back, and cut out where each was strong.

    Each of the first 4 prototypes of a card gets ``shown``: whether it could be had. Those of a text get ``text``, the
    words around the place, and ``span``, the first and past-the-last character of its own words in that. Concepts
    without an effect that do not go along with the decision are left as they are.

    Args:
        cards: ``result["concepts"]["cards"]``; changed in place.
        recall: returns an observation that a bank was fitted on by its name, or None where it is no longer had; None
            where the system has no such thing.
        system: whose senses prepare an observation's signals.

    Returns:
        By name: ``concept.<sense>#<k>.prototypes``, for pictures uint8 (prototypes, 72, 72, 3), for sounds float32
        (prototypes, samples) at 16 kHz. A row for each prototype that is ``shown``, in their order.
    """
    observations: dict[str, Observation | None] = {}
    found: dict[tuple[str, int], list[Any]] = {}
    for card in cards:
        if not shown_whole(card) or recall is None:
            continue
        key = (card["sense"], card["concept"])
        if key not in found:
            found[key] = [_piece(p, card["sense"], recall, system, observations) for p in _first(card)]
        for prototype, piece in zip(_first(card), found[key], strict=True):
            prototype["shown"] = piece is not None
            if isinstance(piece, tuple):
                prototype["text"], prototype["span"] = piece[0], list(piece[1])
    pieces = {key: [p for p in each if isinstance(p, np.ndarray)] for key, each in found.items()}
    return {f"concept.{sense}#{k}.prototypes": _stacked(each) for (sense, k), each in pieces.items() if each}


def _first(card: Card) -> list[Card]:
    return list(card["prototypes"][:PROTOTYPES])


def _stacked(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures as they are; sounds padded with silence to the longest."""
    if pieces[0].ndim > 1:
        return np.stack(pieces)
    longest = max(map(len, pieces))
    return np.stack([np.pad(piece, (0, longest - len(piece))) for piece in pieces])


def _piece(
    prototype: Mapping[str, Any], sense: str, recall: Recall, system: System, seen: dict[str, Observation | None]
) -> Any:
    """Return a picture, a sound, or words with their place in them; None where there is nothing to show."""
    name = prototype["observation"]
    if name not in seen:
        seen[name] = _recalled(recall, name)
    observation, modality = seen[name], system.modalities.get(sense)
    if observation is None or modality is None or observation.get(sense) is None:
        return None
    try:
        prepared = modality.prepare(observation[sense])
    except InputError:  # what can no longer be read is no longer had
        return None
    place, grid = tuple(prototype["place"]), tuple(prototype["grid"])
    if len(place) != len(grid) or not all(0 <= i < n for i, n in zip(place, grid, strict=True)):
        return None
    if prepared.modality == "vision":
        return _seen(prepared, place, grid) if len(grid) in (2, 3) else None
    if prepared.modality == "audio":
        return _heard(prepared, place, grid, system)
    return _read(prepared, place, grid, modality) if prepared.modality == "text" else None


def _recalled(recall: Recall, name: str) -> Observation | None:
    try:
        return recall(name)
    except InputError:
        return None


def _seen(prepared: Prepared, place: tuple[int, ...], grid: tuple[int, ...]) -> np.ndarray:
    """Cut 3 by 3 cells out of the frame, moved inside it where the cell lies at its border."""
    frames = prepared.tensor[0]
    frame = frames[min(place[0], len(frames) - 1)] if len(grid) == 3 else frames[len(frames) // 2]
    pixels = np.clip(frame.numpy(force=True) * 255 + 0.5, 0, 255).astype(np.uint8)
    spans = []
    for at, cells, size in zip(place[-2:], grid[-2:], pixels.shape[-2:], strict=True):
        first = min(max(at - _CELLS // 2, 0), max(cells - _CELLS, 0))
        spans.append((first * size / cells, min(first + _CELLS, cells) * size / cells))
    (top, bottom), (left, right) = spans
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(left, top, right, bottom)))


def _heard(prepared: Prepared, place: tuple[int, ...], grid: tuple[int, ...], system: Any) -> np.ndarray:
    """Cut the window out; where the system does not tell its windows' times, they share the sound out evenly."""
    rows, row = int(np.prod(grid)), int(np.ravel_multi_index(place, grid))
    times = system.row_times(prepared.modality, rows) if hasattr(system, "row_times") else None
    step = prepared.duration / rows
    first, last = (row * step, (row + 1) * step) if times is None else (float(t) for t in times[row])
    wave, rate = np.asarray(prepared.raw, np.float32), int(prepared.detail["rate"])
    piece = wave[max(round(first * rate), 0) : max(round(last * rate), 1)]
    common = gcd(rate, RATE)
    return piece if rate == RATE else resample_poly(piece, RATE // common, rate // common).astype(np.float32)


def _read(
    prepared: Prepared, place: tuple[int, ...], grid: tuple[int, ...], modality: Any
) -> tuple[str, tuple[int, int]] | None:
    """Return the words around a token, and where its own word lies in them."""
    segmentation = modality.segment(prepared)
    if segmentation.labels.shape != grid:
        return None
    label = int(segmentation.labels[place])
    if label < 0:  # a token of the model's own, which stands for no word
        return None
    text, spans = str(prepared.raw), [unit.span for unit in segmentation.units]
    near = sorted(spans)
    own = segmentation.units[label].span
    at = near.index(own)
    first, last = near[max(at - _AROUND, 0)][0], near[min(at + _AROUND, len(near) - 1)][1]
    return text[first:last], (own[0] - first, own[1] - first)
