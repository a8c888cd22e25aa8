"""The condition of a signal: whether there is anything in it to decide from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..modalities.contract import Prepared, System

__all__ = ["Condition", "conditions"]

FLAT = 0.02
"""Spread (standard deviation) of a frame's intensities, 0..1, below which it shows nothing but sensor noise."""

DARK = 0.1
"""Mean intensity below which a frame that shows nothing is black."""

SILENT = 1e-4
"""Peak of a recording, as a share of full scale (-80 dB), up to which it is silent."""

CLIPPED = 0.01
"""Share of a recording's samples at its two extremes, of full scale, from which it is clipped."""


@dataclass(frozen=True)
class Condition:
    """What can be told of a signal before anybody decides from it.

    Attributes:
        state: ``working``, ``absent`` (not given), ``black`` or ``blank`` (every frame of one colour), ``frozen`` (the
            same frame again and again), ``silent``, ``clipped``, ``empty`` (no word), ``still`` (a sense of another
            kind, at its baseline).
        told: a sentence; empty where the sense works.
    """

    state: str
    told: str = ""

    @property
    def broken(self) -> bool:
        """Whether there is nothing in the signal that a decision could rest on."""
        return self.state in ("absent", "black", "blank", "silent", "empty", "still")


def conditions(system: System, prepared: Mapping[str, Prepared]) -> dict[str, Condition]:
    """Return the condition of every sense that the system has."""
    return {m: _condition(prepared[m]) if m in prepared else _ABSENT for m in system.modalities}


_ABSENT = Condition("absent", "It was not given.")


def _condition(prepared: Prepared) -> Condition:
    if prepared.modality == "vision" and prepared.tensor.ndim == 5:
        return _seen(prepared)
    if prepared.modality == "audio" and prepared.tensor.ndim == 2:
        return _heard(prepared)
    if isinstance(prepared.raw, str):
        words = any(c.isalnum() for c in prepared.raw)
        return Condition("working") if words else Condition("empty", "There is no word in it.")
    if bool((prepared.tensor == prepared.baseline).all()):
        return Condition("still", "It is at its baseline throughout.")
    return Condition("working")


def _seen(prepared: Prepared) -> Condition:
    frames = prepared.tensor[0].flatten(2)  # each colour by itself: a frame that is all red shows nothing
    if float(frames.std(2, correction=0).max()) < FLAT:
        if float(frames.mean()) < DARK:
            return Condition("black", "The camera is black: no frame shows anything.")
        return Condition("blank", "Every frame is of one colour: the camera is covered or blinded.")
    if len(frames) > 1 and bool((frames == frames[:1]).all()):
        return Condition("frozen", f"All {len(frames)} frames are the same: the camera may stand still, or be stuck.")
    return Condition("working")


def _heard(prepared: Prepared) -> Condition:
    wave = np.abs(prepared.tensor[0].numpy(force=True))
    if float(wave.max(initial=0.0)) <= SILENT:
        return Condition("silent", "The microphone is silent: nothing is louder than \u221280 dB of full scale.")
    share = float((wave >= 0.999).mean())
    if share >= CLIPPED:
        return Condition("clipped", f"{100 * share:.0f}\u00a0% of the samples are at full scale: the sound is clipped.")
    return Condition("working")
