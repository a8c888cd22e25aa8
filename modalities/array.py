"""An array: any real-valued signal that is no picture, sound or text, such as a table's row, a spectrogram, a point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from .axis import Axis, Box, cut, join, place
from .contract import Prepared
from .edits import check_operator, membership
from .evidence import EvidenceUnit, Segmentation

__all__ = ["Array", "BlockUnit"]

View = tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]

_SHOWN = 6


@dataclass(frozen=True)
class BlockUnit(EvidenceUnit):
    """An evidence unit of an array; its ``text`` says where it lies.

    Attributes:
        ranges: first and past-the-last element along each axis; left out of ``to_dict``.
    """

    ranges: Box = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the unit as plain JSON values, with the fields of ``EvidenceUnit`` alone."""
        return {k: v for k, v in super().to_dict().items() if k != "ranges"}


class Array:
    """An array of real numbers, read as it is.

    The path from the baseline is straight. Infill operators: ``baseline`` (the units take the baseline's values) and
    ``mean``: the values given as ``mean``, or else the signal's own mean over those axes that are cut and whose
    elements are alike: without labels and not in hertz. Where there are no such axes and no mean is given, as for a
    table's row, the second operator is ``halfway``: half of the way to the baseline.

    Args:
        name: name of the sense; vision, audio and text are taken.
        axes: the axes in order, without that of the batch; a number stands for an axis of that many elements, and a
            sequence of strings for one of named elements.
        baseline: what absence is: a number, or an array that can be broadcast to the signal.
        mean: what the operator ``mean`` puts in, such as the training data's means.
        units: most evidence units; see `veridical.modalities.axis.cut`.

    Raises:
        InputError: an option that cannot be used.

    Example:
        >>> table = Array("customer", [("age", "income")], baseline=(40.0, 30e3))
        >>> table.show(table.segment(table.prepare([33.0, 52e3])).units)
        'feature “age”, “income”'
    """

    def __init__(
        self,
        name: str,
        axes: Sequence[Axis | int | Sequence[str]],
        *,
        baseline: Any = 0.0,
        mean: Any = None,
        units: int = 64,
    ) -> None:
        if not name or name in ("vision", "audio", "text"):
            raise InputError(f"array: name {name!r}; give a name, and one that no other kind of sense has")
        if not isinstance(axes, Sequence) or isinstance(axes, str) or len(axes) == 0 or units < 1:
            raise InputError(
                f"{name}: axes {axes!r}, {units} units; a list of at least one axis, and a unit, are wanted"
            )
        self.name, self.units = name, units
        self.axes = tuple(_axis(i, axis) for i, axis in enumerate(axes))
        if len({axis.name for axis in self.axes}) < len(self.axes):
            raise InputError(f"{name}: axes {[axis.name for axis in self.axes]}; give each its own name")
        self.baseline = _numbers(name, baseline, "baseline")
        self.mean = None if mean is None else _numbers(name, mean, "mean")
        self._alike = [
            i for i, axis in enumerate(self.axes) if not axis.labels and axis.unit != "Hz" and axis.block != "all"
        ]
        self.operators = ("baseline", "mean" if mean is not None or self._alike else "halfway")
        if None not in self.sizes:
            self._spread(self.baseline, "baseline", self.sizes)

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Number of elements along each axis, None where it varies."""
        return tuple(axis.fixed for axis in self.axes)

    @property
    def absent(self) -> Tensor | None:
        """What stands in where the sense is absent: the baseline as a batch of one; None where the size varies."""
        return None if None in self.sizes else self._spread(self.baseline, "baseline", self.sizes)[None].clone()

    def prepare(self, signal: Any) -> Prepared:
        """Turn an array into the system's input.

        Args:
            signal: a tensor, an array or nested lists of floats, of the axes' sizes, without a batch axis.

        Returns:
            ``tensor`` float32 (1, ...), on the signal's device; ``raw`` the same as an array; ``duration`` the end of
            the axis in seconds, 0 where there is none.

        Raises:
            InputError: not numbers, integers, values that are not finite, or another shape.
        """
        x = _numbers(self.name, signal, "signal")
        wanted = ", ".join("any" if n is None else str(n) for n in self.sizes)
        fits = x.ndim == len(self.axes) and all(n in (None, m) for n, m in zip(self.sizes, x.shape, strict=False))
        if not fits or x.numel() == 0:
            batched = x.ndim == len(self.axes) + 1 and len(x) == 1
            hint = "leave out the batch axis" if batched else f"axes: {', '.join(axis.name for axis in self.axes)}"
            raise InputError(f"{self.name}: shape {tuple(x.shape)}; ({wanted}) is wanted ({hint})")
        baseline = self._spread(self.baseline.to(x.device), "baseline", x.shape).clone()
        ends = [a.extent(0, n)[1] for a, n in zip(self.axes, x.shape, strict=True) if a.unit == "s"]
        return Prepared(self.name, x[None].clone(), baseline[None], x.numpy(force=True), max(ends, default=0.0))

    def segment(self, prepared: Prepared) -> Segmentation:
        """Cut the array into blocks; those that share a side are neighbours. Labels have the signal's shape.

        A unit's ``text`` is where it lies; time and band are those of the axes in seconds and in hertz.
        """
        sizes = tuple(prepared.tensor.shape[1:])
        blocks = cut(self.axes, sizes, self.units)
        counts = tuple(math.ceil(n / b) for n, b in zip(sizes, blocks, strict=True))
        grid = np.arange(math.prod(counts)).reshape(counts)
        labels = grid[np.ix_(*(np.arange(n) // b for n, b in zip(sizes, blocks, strict=True)))]
        units, neighbours = [], []
        for index, at in enumerate(product(*map(range, counts))):
            box = tuple((k * b, min((k + 1) * b, n)) for k, b, n in zip(at, blocks, sizes, strict=True))
            units.append(self._unit(index, box, sizes))
            near = [(*at[:i], at[i] + d, *at[i + 1 :]) for i in range(len(at)) for d in (-1, 1)]
            inside = [n for n in near if all(0 <= k < c for k, c in zip(n, counts, strict=True))]
            neighbours.append(tuple(sorted(int(grid[n]) for n in inside)))
        return Segmentation(labels.astype(np.int64), tuple(units), tuple(neighbours))

    def _unit(self, index: int, box: Box, sizes: Sequence[int]) -> BlockUnit:
        spans = {axis.unit: axis.extent(*span) for axis, span in zip(self.axes, box, strict=True)}
        text = place(self.axes, sizes, box)
        time = spans.get("s", (0.0, 0.0))
        return BlockUnit(self.name, index, time, band=spans.get("Hz"), text=text, ranges=box)

    def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(u, 1)``: the straight path."""
        return u, torch.ones_like(u)

    def attribute(self, prepared: Prepared, gradient: Tensor) -> Mapping[str, View]:
        """Return contributions ``gradient * (tensor - baseline)`` of all elements, view ``units``.

        Args:
            prepared: the signal.
            gradient: shape of ``prepared.tensor``, nats per unit of the signal.
        """
        change = (prepared.tensor - prepared.baseline).double()
        return {"units": self._view(gradient.detach().to(change) * change)}

    def sensitivity(self, prepared: Prepared, gradient: Tensor, squared: bool = False) -> Mapping[str, View]:
        """Return the gradient of each element with its sign, or its variance (``squared``); view ``units``."""
        return {"units": self._view(gradient.detach().double())}

    def _view(self, values: Tensor) -> View:
        coords = {axis.name: axis.values(n) for axis, n in zip(self.axes, values.shape[1:], strict=True)}
        return tuple(axis.name for axis in self.axes), coords, values[0].cpu().numpy()

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Replace the units of each edit; returns float32 (edits, ...). All other elements stay bit for bit.

        Raises:
            InputError: an unknown operator or unit.
        """
        check_operator(self.name, operator, self.operators)
        x = prepared.tensor[0]
        chosen = membership(self.name, edits, segmentation, tuple(x.shape)).to(x.device)
        gone = chosen[:, torch.from_numpy(segmentation.labels).to(x.device)]
        fill = prepared.baseline[0]
        if operator == "halfway":
            fill = (x + fill) / 2
        elif operator == "mean" and self.mean is not None:
            fill = self._spread(self.mean.to(x), "mean", x.shape)
        elif operator == "mean":
            fill = x.mean(self._alike, keepdim=True).expand_as(x)
        return torch.where(gone, fill, x)

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Return the L2 norm of each change over that of taking everything to the baseline; 0 where both are one."""
        x = prepared.tensor.double()
        whole = (x - prepared.baseline).norm()
        change = (edited.to(x) - x).flatten(1).norm(dim=1)
        return (change / whole if whole > 0 else torch.zeros_like(change)).float()

    def show(self, units: Sequence[EvidenceUnit]) -> str:
        """Return where the units lie: ``"mel 10–19, frame 0–31"``; blocks that touch are joined.

        A unit read back from a record is told by its text.

        Raises:
            InputError: a unit of another sense.
        """
        for unit in units:
            if unit.modality != self.name or unit.text is None:
                raise InputError(f"{self.name}: unit {unit.index} is one of {unit.modality!r}; show its own units only")
        placed = [unit.ranges for unit in units if isinstance(unit, BlockUnit)]
        if len(placed) == len(units):
            # How far an axis reaches does not matter here, but where it is known a whole axis is left out.
            sizes = [n or 0 for n in self.sizes]
            shown = [place(self.axes, sizes, box) for box in join(placed)]
        else:
            shown = list(dict.fromkeys(unit.text or "" for unit in units))
        more = len(shown) - _SHOWN
        if more <= 0:
            return "; ".join(shown)
        return "; ".join(shown[:_SHOWN]) + f" and {more} more {'places' if more > 1 else 'place'}"

    def _spread(self, values: Tensor, what: str, shape: Sequence[int | None]) -> Tensor:
        sizes = tuple(int(n) for n in shape if n is not None)
        try:
            return values.expand(sizes)
        except RuntimeError as error:
            raise InputError(
                f"{self.name}: a {what} of shape {tuple(values.shape)} for signals of shape {sizes}; give a number, "
                "or an array that can be broadcast"
            ) from error


def _axis(index: int, given: Axis | int | Sequence[str]) -> Axis:
    if isinstance(given, Axis):
        return given
    if isinstance(given, int):
        return Axis(f"axis {index}", given)
    if isinstance(given, str) or not all(isinstance(label, str) for label in given):
        raise InputError(f"array: axis {given!r}; an Axis, a number of elements, or the elements' names are wanted")
    return Axis("feature", labels=tuple(given))


def _numbers(name: str, given: Any, what: str) -> Float[Tensor, "..."]:
    """Read finite real numbers as float32; a signal must hold floats, for integers have no gradient."""
    if isinstance(given, Tensor):
        x = given.detach()
    else:
        try:
            array = np.asarray(given)
        except ValueError as error:
            raise InputError(f"{name}: the {what} is no array: {' '.join(str(error).split())}") from error
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name}: the {what} holds {array.dtype}; give floats")
        x = torch.from_numpy(np.array(array, np.float64 if array.dtype.kind == "f" else array.dtype, order="C"))
    if not x.is_floating_point() and (what == "signal" or x.is_complex()):
        kind = str(x.dtype).removeprefix("torch.")
        fix = "for token ids give their embeddings, for counts floats" if "int" in kind else "give floats"
        raise InputError(f"{name}: the {what} holds {kind}, which has no gradient; {fix}")
    narrow = x.float()
    if not narrow.isfinite().all():
        at = tuple(int(i) for i in (~narrow.isfinite()).nonzero()[0])
        raise InputError(f"{name}: the {what} is {float(x[at])} at {at}; finite float32 numbers are wanted")
    return narrow
