"""From the frames of `veridical.Vision` to the normalised picture that an image model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ...errors import InputError
from ..vision import Vision

__all__ = ["Normal", "eyes"]


@dataclass(frozen=True)
class Normal:
    """What each colour is normalised by: ``(x - mean) / std`` of x in 0..1."""

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError(f"normalisation: mean {self.mean}, std {self.std}; three of each, std above 0, are wanted")

    def __call__(self, frames: Float[Tensor, "batch frames 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Return the one frame, normalised.

        Raises:
            InputError: more than one frame.
        """
        if frames.shape[1] != 1:
            raise InputError(
                f"vision: an image classifier takes one picture, got {frames.shape[1]} frames; explain them one by one"
            )
        shape = (1, 3, 1, 1)
        return (frames[:, 0] - frames.new_tensor(self.mean).view(shape)) / frames.new_tensor(self.std).view(shape)


def eyes(size: int | Sequence[int]) -> Vision:
    """Return the sense for square pictures of a size, given as one side, as (height, width) or (3, height, width).

    Raises:
        InputError: not a square, or not three colours.
    """
    sides = (size, size) if isinstance(size, int) else tuple(int(n) for n in size)
    if len(sides) == 1:
        sides = (sides[0], sides[0])
    if len(sides) not in (2, 3) or sides[-1] != sides[-2] or (len(sides) == 3 and sides[0] != 3):
        raise InputError(f"vision: pictures of shape {sides}; squares in three colours are wanted (wrap it yourself)")
    return Vision(size=sides[-1])
