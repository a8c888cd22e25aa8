"""Vision: camera frames, their superpixels, and pictures from which something was taken away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from scipy import ndimage
from skimage.segmentation import slic
from torch import Tensor

from ..errors import InputError
from .contract import Prepared
from .edits import check_operator, membership
from .evidence import EvidenceUnit, Segmentation
from .images import read_frames
from .infill_vision import blur, feather, mean_colour, road, surround, swap
from .placed import PlacedUnit
from .quiet import one_thread
from .regions import describe
from .wording import listed

__all__ = ["Vision", "neighbours_of"]

View = tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]

BASELINE_SIGMA = 1 / 3
"""Width of the baseline's blur as a share of the frame: an object a third of it wide keeps 15 % of its contrast."""

BLUR_SIGMA = 1 / 14
"""Width of the operator ``blur`` as a share of the frame."""

REACH = 1 / 14
"""How far a thing may move from one frame to the next and still touch itself, as a share of the frame."""

COMPACTNESS = 20.0
CHUNK = 64


class Vision:
    """Camera frames: prepared to squares of ``size`` pixels, cut into superpixels.

    The attribution baseline is each frame under a strong Gaussian blur (a third of the frame): light and ground stay,
    objects do not. Infill operators: ``surround`` (what lies around the edit grows into it), ``blur`` (the frame's own
    blur, a fourteenth of the frame), ``mean`` (the frame's mean colour), ``road`` (noisy linear imputation from the
    edit's border, Rong et al., ICML 2022) and ``swap`` (patches from elsewhere in the frame). Edits are feathered by 4
    pixels outwards; all other pixels stay bit for bit. Of a frame that is edited whole, nothing is left to fill from:
    there ``surround``, ``road`` and ``swap`` are ``mean``.

    Args:
        size: width and height of the system's input, pixels; at least 16.
        units: superpixels wanted in each frame; the segmentation may give somewhat fewer or more.
        interval: seconds between frames; frame i spans ``i * interval`` to ``(i + 1) * interval``.

    Raises:
        InputError: an option out of range.
    """

    name: str = "vision"
    operators: tuple[str, ...] = ("surround", "blur", "mean", "road", "swap")

    def __init__(self, size: int = 224, units: int = 64, interval: float = 1.0) -> None:
        if size < 16:
            raise InputError(f"vision: size {size} is too small; give at least 16 pixels")
        if not 1 <= units <= size * size // 4:
            raise InputError(f"vision: {units} units do not fit {size} x {size} pixels; give 1 to {size * size // 4}")
        if not (math.isfinite(interval) and interval > 0):
            raise InputError(f"vision: interval {interval} s between frames; give a positive number of seconds")
        self.size, self.units, self.interval = size, units, float(interval)

    def prepare(self, signal: Any) -> Prepared:
        """Turn one picture, or a sequence of them oldest first, into the system's input.

        Frames of any size are resized (bicubic, antialiased) to ``size`` x ``size``; their aspect is not kept and
        nothing is cropped.

        Args:
            signal: a path, a PIL image, an array (height, width[, 1, 3 or 4]) of uint8, uint16, bool or floats in
                0..1, a list of these, or an array (frames, height, width, 1, 3 or 4).

        Returns:
            ``tensor`` float32 (1, frames, 3, size, size) in 0..1; ``raw`` a tuple of uint8 (height, width, 3) arrays;
            ``detail["sizes"]`` the (height, width) of each frame.

        Raises:
            InputError: a frame is missing, not a picture, corrupt, empty, or holds values not finite or out of range.
        """
        frames, notes = read_frames(signal)
        shape = (self.size, self.size)
        resized = [np.asarray(Image.fromarray(f).resize(shape, Image.Resampling.BICUBIC)) for f in frames]
        tensor = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous().float().div_(255)[None]
        sizes = tuple((f.shape[0], f.shape[1]) for f in frames)
        odd = sorted({f"{w} x {h}" for h, w in sizes if w != h})
        if odd:
            square = f"{self.size} x {self.size}"
            told = f"frames of {listed(odd)} pixels were resized to {square}: aspect not kept, nothing cropped"
            notes = (*notes, told)
        baseline = blur(tensor, BASELINE_SIGMA * self.size)
        duration = len(frames) * self.interval
        return Prepared(self.name, tensor, baseline, frames, duration, notes, {"sizes": sizes})

    def segment(self, prepared: Prepared) -> Segmentation:
        """Cut each frame into superpixels (SLIC, Achanta et al., PAMI 2012); unit indices run on over the frames.

        Units are neighbours where they touch in a frame, or where they lie within a fourteenth of the frame of each
        other in the next or previous frame.
        """
        with one_thread():
            labels, frame_of = _superpixels(prepared, self.units)
            neighbours = neighbours_of(labels, frame_of)
        areas = np.bincount(labels.ravel()) / self.size**2
        units = []
        for frame, (height, width) in enumerate(prepared.detail["sizes"]):
            first = len(units)
            boxes = ndimage.find_objects(labels[frame] - first + 1)
            scale = (width / self.size, height / self.size)
            span = (frame * self.interval, (frame + 1) * self.interval)
            for rows, columns in boxes:
                box = (columns.start * scale[0], rows.start * scale[1], columns.stop * scale[0], rows.stop * scale[1])
                place = {"box": box, "extent": (float(width), float(height)), "area": float(areas[len(units)])}
                units.append(PlacedUnit(self.name, len(units), span, frame=frame, **place))
        return Segmentation(labels, tuple(units), neighbours)

    def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(u^3, 3 u^2)``: contrast rises slowly at first, for networks know things at a few per cent of it.

        Along a straight schedule the score would do all its moving within the first tenth of the path.
        """
        return u**3, 3 * u**2

    def attribute(self, prepared: Prepared, gradient: Tensor) -> Mapping[str, View]:
        """Return contributions per pixel, ``(gradient * (tensor - baseline))`` summed over colours.

        Both views, ``units`` and ``pixels``, have dims (frame, y, x). Coordinates are pixel centres in the original
        frame; where frames differ in size there is no such pixel grid, and they are shares of the frame, 0..1.

        Args:
            prepared: the signal.
            gradient: shape of ``prepared.tensor``, nats per unit of intensity.
        """
        change = (prepared.tensor - prepared.baseline).double()
        return self._views(prepared, (gradient.detach().double().to(change.device) * change).sum(2)[0].cpu().numpy())

    def _views(self, prepared: Prepared, values: Float[np.ndarray, "frames height width"]) -> Mapping[str, View]:
        sizes = set(prepared.detail["sizes"])
        height, width = sizes.pop() if len(sizes) == 1 else (1.0, 1.0)
        centres = (np.arange(self.size) + 0.5) / self.size
        coords = {"frame": np.arange(len(values)), "y": centres * height, "x": centres * width}
        view = (("frame", "y", "x"), coords, values)
        return {"units": view, "pixels": view}

    def sensitivity(self, prepared: Prepared, gradient: Tensor, squared: bool = False) -> Mapping[str, View]:
        """Return the length of the gradient over colours per pixel; of variances (``squared``) their sum.

        Views as `attribute` gives them.
        """
        values = gradient.detach().double()
        over_colours = values.sum(2) if squared else values.norm(dim=2)
        return self._views(prepared, over_colours[0].cpu().numpy())

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Replace the units of each edit; returns float32 (edits, frames, 3, size, size).

        Pixels farther than 4 from an edit, and frames without an edited unit, stay bit for bit.

        Raises:
            InputError: an unknown operator or unit.
        """
        check_operator(self.name, operator, self.operators)
        x = prepared.tensor[0]
        chosen = membership(self.name, edits, segmentation, (len(x), self.size, self.size)).to(x.device)
        labels = torch.from_numpy(segmentation.labels).to(x.device)
        out = x.expand(len(edits), *x.shape).clone()
        frames = torch.tensor([unit.frame for unit in segmentation.units], device=x.device)
        hit = torch.stack([chosen[:, :-1][:, frames == f].any(1) for f in range(len(x))], 1)
        fills = {"blur": lambda: blur(x, BLUR_SIGMA * self.size), "mean": lambda: mean_colour(x)}
        local = {"surround": surround, "road": road, "swap": swap}
        ready = fills[operator]() if operator in fills else None
        for pairs in hit.nonzero().split(CHUNK):
            edit, frame = pairs.unbind(1)
            alpha = feather(chosen[edit[:, None, None], labels[frame]])
            before = x[frame]
            fill = local[operator](before, alpha) if ready is None else ready[frame]
            out[edit, frame] = before + alpha * (fill - before)
        return out

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Return the L2 norm of each change over the norm of ``tensor`` without each frame's mean colour.

        A signal of one colour per frame holds nothing that could be removed: its edits have energy 0.
        """
        x = prepared.tensor.double()
        content = (x - mean_colour(x)).flatten().norm()
        change = (edited.to(x) - x).flatten(1).norm(dim=1)
        flat = content < 1e-4 * math.sqrt(x.numel())  # what is left is float rounding
        return (torch.zeros_like(change) if flat else change / content).float()

    def show(self, units: Sequence[EvidenceUnit]) -> str:
        """Return where the units lie: ``"the middle and lower middle, frames 1–3 (0–3 s)"``; see `regions.describe`.

        Raises:
            InputError: a unit of another sense.
        """
        return describe(units)


def _superpixels(
    prepared: Prepared, wanted: int
) -> tuple[Int[np.ndarray, "frames size size"], Int[np.ndarray, " units"]]:
    labels, frame_of = [], []
    for frame in prepared.tensor[0].permute(0, 2, 3, 1).cpu().numpy():
        found = slic(frame, n_segments=wanted, compactness=COMPACTNESS, start_label=0, channel_axis=-1)
        _, dense = np.unique(found, return_inverse=True)  # indices without holes
        dense = dense.reshape(found.shape)
        frame_of += [len(labels)] * (int(dense.max()) + 1)
        labels.append(dense + len(frame_of) - int(dense.max()) - 1)
    return np.stack(labels).astype(np.int64), np.array(frame_of)


def neighbours_of(
    labels: Int[np.ndarray, "frames size size"], frame_of: Int[np.ndarray, " units"]
) -> tuple[tuple[int, ...], ...]:
    """Return each unit's neighbours: those that it touches, and those near it in the next or previous frame.

    Args:
        labels: each pixel's unit.
        frame_of: each unit's frame; units of one frame follow one another.
    """
    with one_thread():
        return _neighbours(labels, frame_of)


def _neighbours(
    labels: Int[np.ndarray, "frames size size"], frame_of: Int[np.ndarray, " units"]
) -> tuple[tuple[int, ...], ...]:
    count = len(frame_of)
    touch = np.zeros((count, count), bool)
    touch[labels[:, 1:].ravel(), labels[:, :-1].ravel()] = True
    touch[labels[:, :, 1:].ravel(), labels[:, :, :-1].ravel()] = True
    # Nearness across frames is found on blocks of a 56th of the frame; that is exact enough and 16 times cheaper.
    size = labels.shape[1]
    block = max(1, size // 56)
    reach = math.ceil(REACH * size / block)
    at = np.arange(size) // block
    for frame in range(len(labels) - 1):
        here, there = (np.flatnonzero(frame_of == f) for f in (frame, frame + 1))
        stamps = []
        for units, f in ((here, frame), (there, frame + 1)):
            stamp = np.zeros((len(units), at[-1] + 1, at[-1] + 1), np.float32)
            stamp[labels[f] - units[0], at[:, None], at[None, :]] = 1
            stamps.append(stamp)
        grown = ndimage.maximum_filter(stamps[0], size=(1, 2 * reach + 1, 2 * reach + 1))
        touch[np.ix_(here, there)] = grown.reshape(len(here), -1) @ stamps[1].reshape(len(there), -1).T > 0
    touch |= touch.T
    np.fill_diagonal(touch, False)
    return tuple(tuple(int(j) for j in np.flatnonzero(row)) for row in touch)
