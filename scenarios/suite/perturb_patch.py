"""A patch that is optimised against the system: what an adversary who has its weights would stick to a wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from .perturb_signal import Frame
from .perturb_vision import box_of, laid, pattern

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["STEPS", "gradient_patch"]

STEPS = 20
"""Steps of gradient ascent."""

STEP = 0.1
"""Change of each value in a step, of the range 0..1: in all steps together any value can be reached."""


def gradient_patch(
    frames: Sequence[Frame],
    strength: float,
    draw: np.random.Generator,
    *,
    observation: Mapping[str, Any],
    chosen: Sequence[int],
    at: Sequence[float] | None = None,
    system: Any = None,
    target: str | None = None,
) -> list[Frame]:
    """Lay a patch over frames whose pixels raise the score of an action, the same patch in all of them.

    From squares of strong colours, 20 steps along the sign of the gradient of the action's log-odds (Madry et al.,
    "Towards deep learning models resistant to adversarial attacks", ICLR 2018, without a bound on the change, inside a
    patch as in Brown et al., "Adversarial patch", 2017). The best of all steps is kept; it is no upper bound on what an
    adversary can do.

    Args:
        frames: that are disturbed.
        strength: share of the frame that is covered.
        draw: random numbers.
        observation: all senses, undisturbed.
        chosen: index of each of the frames in the observation.
        at: middle of the patch, as shares of the frame; None: drawn.
        system: what is attacked.
        target: the action that is to be chosen.

    Raises:
        InputError: no system, no such action, or a system whose sight is no frames of colours.
    """
    if system is None or target is None:
        raise InputError("perturb: a gradient patch is made against a system; give system and target")
    if target not in system.actions:
        raise InputError(f"perturb: the system has no action {target!r}; it has {', '.join(system.actions)}")
    where, start = draw.random(2), pattern(draw)
    found = _optimised(system, observation, list(system.actions).index(target), (strength, where, at, start, chosen))
    made = []
    for frame in frames:
        colours = found if frame.shape[-1] == found.shape[-1] else found.mean(-1, keepdims=True)
        made.append(laid(frame, colours, box_of(frame.shape[:2], strength, where, at)))
    return made


def _optimised(system: Any, observation: Mapping[str, Any], action: int, place: tuple[Any, ...]) -> Frame:
    """The patch as the system reads it: (rows, columns, colours), values that 8 bits can hold."""
    import torch

    from ...modalities.held import held
    from ...modalities.observation import prepare
    from ...modalities.target import decision_score

    strength, where, at, start, chosen = place
    prepared = prepare(system, observation)
    picture = prepared["vision"].tensor.detach()
    if picture.ndim != 5 or picture.shape[2] != 3:
        shape = tuple(picture.shape)
        raise InputError(f"perturb: this system sees {shape}, not (1, frames, 3, height, width); a patch has no place")
    rows, columns = box_of((picture.shape[3], picture.shape[4]), strength, where, at)
    blank = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3))
    piece = laid(blank, start, (slice(0, blank.shape[0]), slice(0, blank.shape[1])))
    patch = torch.from_numpy(piece).permute(2, 0, 1).to(picture)
    with held(system), torch.enable_grad():
        score = _score(system, {m: p.tensor.detach() for m, p in prepared.items() if m != "vision"})
        best, highest = patch, -torch.inf
        for step in range(STEPS + 1):
            patch = patch.detach().requires_grad_()
            seen = picture.clone()
            seen[:, list(chosen), :, rows, columns] = patch
            now = decision_score(score(seen), action)[0]
            if float(now.detach()) > highest:
                best, highest = patch.detach(), float(now.detach())
            if step < STEPS:
                (slope,) = torch.autograd.grad(now, patch)
                patch = (patch.detach() + STEP * slope.sign()).clamp(0, 1)
    return np.rint(best.permute(1, 2, 0).cpu().double().numpy() * 255) / 255


def _score(system: Any, others: Mapping[str, Tensor]) -> Any:
    """The scores as a function of the picture; of a system that can be split, the other senses are encoded once."""
    import torch

    from ...modalities.contract import SplitSystem

    if not isinstance(system, SplitSystem):
        return lambda seen: system({**others, "vision": seen})
    with torch.no_grad():
        features = {m: system.encode(m, x) for m, x in others.items()}
    return lambda seen: system.decide({**features, "vision": system.encode("vision", seen)})
