"""Names for evidence, where an encoder is sure: ImageNet's for what is seen, AudioSet's for what is heard.

The names come from the pretrained encoders on the evidence alone (a crop, a stretch of sound), whatever system is
explained. Below a stated probability nothing is named, and the evidence goes by its position or time; words speak for
themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.signal import resample_poly
from torch import Tensor

from ..modalities.contract import Prepared
from ..modalities.evidence import Segmentation

__all__ = ["Name", "Namer"]


@dataclass(frozen=True)
class Name:
    """A name, who gave it, and how sure it was (0..1)."""

    text: str
    source: str
    confidence: float


@dataclass(frozen=True)
class Namer:
    """Names evidence units.

    Attributes:
        seen: least ImageNet probability, averaged over the frames' crops, for a name.
        heard: least AudioSet score, the highest within the claim's time, for a name.
        margin: width added to a crop on each side, as a share of the crop.
    """

    seen: float = 0.4
    heard: float = 0.3
    margin: float = 0.15

    def name(self, prepared: Prepared, segmentation: Segmentation, units: Sequence[int]) -> Name | None:
        """Name what the units show, or return None where the encoder is not sure or the sense has none.

        Raises:
            WeightsError: the encoder's weights cannot be had.
        """
        if not units:
            return None
        if prepared.modality == "vision":
            return self._seen(prepared, segmentation, units)
        if prepared.modality == "audio":
            return self._heard(prepared, segmentation, units)
        return None

    @torch.no_grad()
    def _seen(self, prepared: Prepared, segmentation: Segmentation, units: Sequence[int]) -> Name | None:
        from ..modalities.encoders.efficientnet import load_efficientnet_lite0

        eyes = load_efficientnet_lite0()
        inside = torch.isin(torch.from_numpy(segmentation.labels).long(), torch.tensor(list(units)))
        crops = torch.cat(
            [_crop(prepared.tensor[0, i], mask, self.margin) for i, mask in enumerate(inside) if mask.any()]
        )
        probability = eyes.classify(eyes.features(crops)).softmax(-1).mean(0)
        confidence, index = probability.max(0)
        return Name(eyes.class_names[int(index)], "ImageNet", float(confidence)) if confidence >= self.seen else None

    @torch.no_grad()
    def _heard(self, prepared: Prepared, segmentation: Segmentation, units: Sequence[int]) -> Name | None:
        from ..modalities.encoders.yamnet import HOP_SAMPLES, SAMPLE_RATE, WINDOW_SAMPLES, load_yamnet

        ears = load_yamnet()
        wave = prepared.tensor
        if prepared.detail["rate"] != SAMPLE_RATE:
            common = math.gcd(prepared.detail["rate"], SAMPLE_RATE)
            heard = resample_poly(wave.numpy(force=True), SAMPLE_RATE // common, prepared.detail["rate"] // common, -1)
            wave = torch.from_numpy(np.ascontiguousarray(heard, np.float32))
        scores = ears.classify(ears.embed(wave))[0].sigmoid()
        start = min(segmentation.units[u].time[0] for u in units)
        end = max(segmentation.units[u].time[1] for u in units)
        begins = torch.arange(len(scores)) * HOP_SAMPLES / SAMPLE_RATE
        within = (begins < end) & (begins + WINDOW_SAMPLES / SAMPLE_RATE > start)
        best = scores[within].amax(0) if within.any() else scores[-1]
        confidence, index = best.max(0)
        return Name(ears.class_names[int(index)], "AudioSet", float(confidence)) if confidence >= self.heard else None


def _crop(frame: Float[Tensor, "3 height width"], mask: Tensor, margin: float) -> Float[Tensor, "1 3 224 224"]:
    """Cut out the box around a mask, as near to a square as the frame allows, and resize it to the encoder's input."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    size = int((1 + 2 * margin) * max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) + 1)
    slices = []
    for line, length in ((rows, mask.shape[0]), (columns, mask.shape[1])):
        side = min(size, length)
        start = int((line[0] + line[-1] + 1) / 2 - side / 2)
        start = max(0, min(start, length - side))
        slices.append(slice(start, start + side))
    piece = frame[:, slices[0], slices[1]][None]
    return F.interpolate(piece, size=(224, 224), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
