"""Names for concepts of what is seen: ImageNet's classes, and general nouns over them.

From each prototype the cells where the concept is are cut out, and EfficientNet-Lite0 gives the crop's probabilities.
A name's *fit* to a crop is the probability of all classes that it covers: a cat, a dog and a cow are each an "animal".
Its **score** is the fit in the mean over the prototypes, or in the median where that is less, minus the mean fit of
crops of the same sizes at random places of the same observations: 1 where each prototype is surely that and nothing
else is, 0 where it is no more so than any place. So what the encoder says everywhere cannot win, nor can one striking
prototype among eight.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from .bank import ConceptName
from .earn_exhibits import Exhibit
from .earn_settings import EarnSettings
from .general_nouns import EXTENTS

__all__ = ["crop", "fitting", "name_seen", "vocabulary"]

_SIDE = 224
_BATCH = 8

Fits = Float[np.ndarray, "_ names"]


def name_seen(exhibits: Iterable[Exhibit], count: int, settings: EarnSettings) -> tuple[ConceptName | None, ...]:
    """Name concepts by what their prototypes show.

    Args:
        exhibits: of pictures, in any order.
        count: how many concepts there are.
        settings: thresholds.

    Raises:
        WeightsError: an encoder's weights cannot be had.
    """
    rng = np.random.default_rng(settings.seed)
    shown: list[list[Tensor]] = [[] for _ in range(count)]
    elsewhere: list[Tensor] = []
    for exhibit in exhibits:
        frame, box = _box(exhibit)
        frames = exhibit.prepared.tensor[0]
        shown[exhibit.concept].append(crop(frames[frame], box, settings.context))
        elsewhere.append(crop(frames[rng.integers(len(frames))], _moved(box, frames, rng), settings.context))
    if not elsewhere:
        return (None,) * count
    names, covers = vocabulary()
    ordinary = (_see(elsewhere) @ covers.T).mean(0)
    found: list[ConceptName | None] = []
    for crops in shown:
        enough = len(crops) >= settings.least
        found.append(fitting(_see(crops) @ covers.T, ordinary, names, covers, settings) if enough else None)
    return tuple(found)


def fitting(
    fits: Fits,
    ordinary: Float[np.ndarray, " names"],
    names: Sequence[str],
    covers: Float[np.ndarray, "names classes"],
    settings: EarnSettings,
) -> ConceptName | None:
    """Return the name that fits prototypes, or None if none has earned it.

    Of the names with nearly the best score, that with the fewest classes is taken; of as many, the better one.

    Args:
        fits: probability of the classes that each name covers, for each prototype; (prototypes, names).
        ordinary: the same in the mean over crops at random places.
        names: the names.
        covers: which classes each name covers, 0 or 1.
        settings: thresholds.
    """
    scores = np.minimum(fits.mean(0), np.median(fits, axis=0)) - ordinary
    top = float(scores.max())
    if top < settings.seen:
        return None
    near = np.flatnonzero(scores >= max(settings.specific * top, settings.seen)).tolist()
    best: int = min(near, key=lambda i: (float(covers[i].sum()), -float(scores[i])))
    others = _otherwise(best, covers, settings.alike)
    margin = float(scores[best] - max(0.0, scores[others].max(initial=0.0)))
    return ConceptName(names[best], "ImageNet", float(scores[best]), margin) if margin >= settings.margin else None


def crop(
    frame: Float[Tensor, "3 height width"], box: tuple[float, float, float, float], context: float
) -> Float[Tensor, "3 224 224"]:
    """Cut out a box (left, top, right, bottom; pixels) with a margin, as near to a square as the frame allows."""
    height, width = frame.shape[-2:]
    side = (1 + 2 * context) * max(box[2] - box[0], box[3] - box[1])
    slices = []
    for first, last, length in ((box[1], box[3], height), (box[0], box[2], width)):
        size = max(1, min(round(side), length))
        start = max(0, min(round((first + last - size) / 2), length - size))
        slices.append(slice(start, start + size))
    piece = frame[None, :, slices[0], slices[1]].float()
    return F.interpolate(piece, (_SIDE, _SIDE), mode="bicubic", antialias=True, align_corners=False)[0].clamp(0, 1)


@functools.cache
def vocabulary() -> tuple[tuple[str, ...], Float[np.ndarray, "names 1000"]]:
    """Return the names and which of ImageNet's classes each covers: the general nouns, then the classes.

    Raises:
        WeightsError: the encoder's weights, with which the names come, cannot be had.
    """
    from ..modalities.encoders.efficientnet import load_efficientnet_lite0

    classes = load_efficientnet_lite0().class_names
    covers = np.zeros((len(EXTENTS) + len(classes), len(classes)), np.float32)
    for row, extent in zip(covers, EXTENTS.values(), strict=False):
        row[list(extent)] = 1
    covers[len(EXTENTS) :] = np.eye(len(classes))
    return (*EXTENTS, *classes), covers


def _otherwise(best: int, covers: Float[np.ndarray, "names classes"], alike: float) -> Bool[np.ndarray, " names"]:
    """Return which names mean something else: no class in common, and far apart in the shared sentence space."""
    vectors = covers @ _meanings()
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return (covers @ covers[best] == 0) & (vectors @ vectors[best] < alike)


def _meanings() -> Float[np.ndarray, "classes width"]:
    """Unit vectors of ImageNet's classes, with their definitions; a general noun lies in the middle of its classes."""
    from ..fusion.conse import load_conse

    return load_conse().seen.vectors


def _see(crops: Sequence[Float[Tensor, "3 224 224"]]) -> Float[np.ndarray, "crops classes"]:
    """Return ImageNet's probabilities."""
    from ..modalities.encoders.efficientnet import load_efficientnet_lite0

    eyes = load_efficientnet_lite0()
    with torch.no_grad():
        parts = [
            eyes.classify(eyes.features(part.cpu())).softmax(-1) for part in torch.stack(list(crops)).split(_BATCH)
        ]
    return torch.cat(parts).numpy()


def _box(exhibit: Exhibit) -> tuple[int, tuple[float, float, float, float]]:
    """Return the frame and the box around the exhibit's cells; all of the frame where features have no cells."""
    boxes = exhibit.place.boxes
    if not boxes:
        frames, _, height, width = exhibit.prepared.tensor[0].shape
        return frames // 2, (0.0, 0.0, float(width), float(height))
    left, top = min(b[1] for b in boxes), min(b[2] for b in boxes)
    return boxes[0][0], (left, top, max(b[3] for b in boxes), max(b[4] for b in boxes))


def _moved(
    box: tuple[float, float, float, float], frames: Tensor, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return a box of the same size at a random place of the frame."""
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = rng.uniform(0, frames.shape[-1] - width), rng.uniform(0, frames.shape[-2] - height)
    return (left, top, left + width, top + height)
