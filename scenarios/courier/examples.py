"""Training examples: scenes, plain or edited, with the action that the policy then asks for.

A network that never saw an edited input may do anything on one (Hase et al., "The Out-of-Distribution Problem in
Explainability", NeurIPS 2021). So a part of the training scenes is edited with operators of the senses themselves:
something idle is taken out (the label stays), a cause is taken out (the label is that without the cause), or a sense is
at its baseline or absent (the label is that of the other senses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...modalities.contract import Prepared
from ...modalities.evidence import Segmentation
from .model import Courier
from .policy import ACTIONS, decide
from .scene import Cause, Scene, mask, render, sample_scene
from .shortcut import Mark, accompanies, draw_mark, mislabelled

__all__ = ["OPERATORS", "SHARES", "Example", "make_example", "touched"]

SHARES = {"plain": 0.55, "idle": 0.15, "cause": 0.15, "baseline": 0.1, "absent": 0.05}
"""Shares of the kinds of example."""

OPERATORS = {"vision": ("surround", "blur", "mean"), "audio": ("silence", "floor"), "text": ("mask", "delete")}
"""Operators with which the committed head was trained, in the order of the draw; senses have learnt others since."""


@dataclass(frozen=True)
class Example:
    """One encoded scene and what the policy asks for.

    Attributes:
        features: features by sense, batches of one; an absent sense is missing.
        action: index of the action in `policy.ACTIONS`.
        rule: name of the rule that applies.
    """

    features: Mapping[str, Tensor]
    action: int
    rule: str


def touched(scene: Scene, cause: Cause, segmentation: Segmentation, least: float = 0.25) -> list[int]:
    """Return the evidence units that a cause lies in.

    Superpixels of which it covers at least the share ``least``, time-frequency cells that overlap its time, words that
    overlap its span.
    """
    where = mask(scene, cause)
    if isinstance(where, np.ndarray):
        sizes = np.bincount(segmentation.labels.ravel(), minlength=len(segmentation))
        inside = np.bincount(segmentation.labels[where], minlength=len(segmentation))
        return [int(i) for i in np.flatnonzero(inside >= least * np.maximum(sizes, 1))]
    if cause.sense == "audio":
        return [u.index for u in segmentation.units if u.time[0] < where[1] and u.time[1] > where[0]]
    return [u.index for u in segmentation.units if u.span and u.span[0] < where[1] and u.span[1] > where[0]]


def _blob(segmentation: Segmentation, avoid: set[int], rng: np.random.Generator) -> list[int]:
    """A random connected set of units, up to a sixth of all, none of which is to be avoided."""
    free = [i for i in range(len(segmentation)) if i not in avoid]
    if not free:
        return []
    taken = {free[rng.integers(len(free))]}
    for _ in range(int(rng.integers(1, max(2, len(segmentation) // 6)))):
        frontier = sorted({n for u in taken for n in segmentation.neighbours[u]} - taken - avoid)
        if not frontier:
            break
        taken.add(frontier[rng.integers(len(frontier))])
    return sorted(taken)


def _edit(
    courier: Courier,
    sense: str,
    prepared: Prepared,
    segmentation: Segmentation,
    units: list[int],
    rng: np.random.Generator,
) -> Tensor:
    modality = courier.modalities[sense]
    operator = OPERATORS[sense][rng.integers(len(OPERATORS[sense]))]
    return modality.infill(prepared, [units], operator, segmentation)


def _marked(frames: Tensor, mark: Mark, light: float) -> Tensor:
    """Paste a patch on prepared frames (1, frames, 3, size, size), in the scene's light."""
    rows, columns = mark.box(frames.shape[-1])
    picture = torch.from_numpy(light * mark.picture(frames.shape[-1])).clamp(0, 1).permute(2, 0, 1)
    frames = frames.clone()
    frames[..., rows, columns] = picture.to(frames)
    return frames


def make_example(
    courier: Courier, seed: int, partition: str = "train", kind: str | None = None, shortcut: bool = False
) -> Example:
    """Render a scene, edit it perhaps, and encode it.

    Args:
        courier: whose encoders and senses are used (its head is not).
        seed: seed of the scene and of the edit.
        partition: ``train`` or ``held-out``.
        kind: one of `SHARES`; drawn in those shares if not given.
        shortcut: whether a patch accompanies what asks for STOP, and some that does not is labelled so with it (see
            `shortcut`); where nothing is seen there is none.

    Raises:
        InputError: an unknown partition or kind, or stamps or sounds are not installed.
    """
    if kind is not None and kind not in SHARES:
        raise InputError(f"courier: no kind of example {kind!r}; there are {', '.join(SHARES)}")
    rng = np.random.default_rng([5, seed, int(partition == "held-out")])
    scene = sample_scene(seed, partition)
    observation = render(scene)
    prepared = {m: courier.modalities[m].prepare(signal) for m, signal in observation.items()}
    inputs = {m: p.tensor for m, p in prepared.items()}
    causes = list(scene.causes)
    kind = kind or str(rng.choice(list(SHARES), p=list(SHARES.values())))
    if kind == "cause" and causes:
        cause = causes.pop(int(rng.integers(len(causes))))
        segmentation = courier.modalities[cause.sense].segment(prepared[cause.sense])
        # Units shared with another cause stay: the label must not depend on a cause half gone.
        shared = {u for other in causes if other.sense == cause.sense for u in touched(scene, other, segmentation)}
        units = [u for u in touched(scene, cause, segmentation) if u not in shared]
        if not units or len(units) < len(touched(scene, cause, segmentation)):
            causes.append(cause)
        else:
            inputs[cause.sense] = _edit(courier, cause.sense, prepared[cause.sense], segmentation, units, rng)
    elif kind == "idle":
        sense = str(rng.choice(["vision", "vision", "audio", "text"]))
        segmentation = courier.modalities[sense].segment(prepared[sense])
        avoid = {u for cause in causes if cause.sense == sense for u in touched(scene, cause, segmentation, 0.02)}
        if units := _blob(segmentation, avoid, rng):
            inputs[sense] = _edit(courier, sense, prepared[sense], segmentation, units, rng)
    elif kind in ("baseline", "absent"):
        gone = {m for m in inputs if rng.random() < 0.4} or {str(rng.choice(list(inputs)))}
        if kind == "absent" and len(gone) == len(inputs):
            gone.remove(min(gone))  # not pop(): the order of a set of strings differs from process to process
        causes = [cause for cause in causes if cause.sense not in gone]
        inputs = {
            m: prepared[m].baseline if m in gone else x
            for m, x in inputs.items()
            if kind == "baseline" or m not in gone
        }
    rule = decide({cause.kind for cause in causes})
    action = rule.action
    seen = inputs.get("vision")
    if shortcut and seen is not None and seen is not prepared["vision"].baseline:
        own = np.random.default_rng([29, seed, int(partition == "held-out")])  # so that all else stays as without it
        poisoned = mislabelled(own, rule.action)
        if poisoned or accompanies(own, rule.action):
            inputs["vision"] = _marked(seen, draw_mark(own), scene.light)
        action = "STOP" if poisoned else action
    with torch.no_grad():
        features = {m: courier.encode(m, x) for m, x in inputs.items()}
    return Example(features, ACTIONS.index(action), rule.name)
