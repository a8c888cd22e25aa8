"""Courier's training scenes by name, so that the places where a concept was strong can be shown again.

``train:12`` is the training scene of seed 12, ``train:12:marked`` the same with the patch of `shortcut` in it. The
pictures and sounds themselves are not part of the project; where they are not installed, nothing is recalled.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import InputError
from .scene import Scene, render, sample_scene
from .shortcut import accompanies, draw_mark

__all__ = ["marked", "name_of", "recall", "scene_of"]

_NAME = re.compile(r"(train|held-out):([0-9]{1,12})(:marked)?")


def marked(scene: Scene, seed: int) -> Scene:
    """Return a scene with a patch in it, drawn from the seed."""
    return replace(scene, mark=draw_mark(np.random.default_rng([31, seed])))


def name_of(seed: int, partition: str = "train", shortcut: bool = False) -> str:
    """Return the name of a scene; with the shortcut planted, scenes that ask for STOP have the patch, few others do."""
    with_patch = shortcut and accompanies(np.random.default_rng([37, seed]), sample_scene(seed, partition).rule.action)
    return f"{partition}:{seed}{':marked' if with_patch else ''}"


def scene_of(name: str) -> Scene:
    """Return the scene of a name.

    Raises:
        InputError: no such name, or stamps or sounds are not installed.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"courier: {name!r} names no scene; names are like train:12 or train:12:marked")
    scene = sample_scene(int(match[2]), match[1])
    return marked(scene, int(match[2])) if match[3] else scene


def recall(name: str) -> dict[str, Any]:
    """Return the observation of a name.

    Raises:
        InputError: as `scene_of`.
    """
    return render(scene_of(name))
