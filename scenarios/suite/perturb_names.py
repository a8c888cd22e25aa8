"""The perturbations that a scenario may name: the senses and options of each, and what its strength means.

No more than a table, so that reading a file needs none of the code that disturbs signals (`perturb`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "SENSES", "Kind"]

SENSES = ("vision", "audio", "text")
"""Senses that scenarios speak of."""

_ALL = frozenset({"frames", "span"})


@dataclass(frozen=True)
class Kind:
    """What can be asked of one perturbation.

    Attributes:
        senses: that it can disturb; where there is one only, a file need not name it.
        strength: what a strength of 0..1 means, in one line; 0 changes nothing.
        options: further keys that it reads.
        stepped: whether every strength above 0 does the same.
    """

    senses: tuple[str, ...]
    strength: str
    options: frozenset[str] = frozenset()
    stepped: bool = False


def _seen(strength: str, *options: str) -> Kind:
    return Kind(("vision",), strength, frozenset({"frames", *options}))


def _heard(strength: str, *options: str) -> Kind:
    return Kind(("audio",), strength, frozenset({"span", *options}))


def _step(senses: tuple[str, ...], strength: str, *options: str) -> Kind:
    return Kind(senses, strength, frozenset(options), True)


KINDS: dict[str, Kind] = {
    "absent": _step(SENSES, "above 0 the sense is missing from the observation"),
    "babble": _heard("RMS of six voices at once, as a share of the recording's"),
    "blur": _seen("σ of a Gaussian blur, of 6 pixels in 224"),
    "broken": Kind(("vision", "audio"), "share of the values that are no numbers", _ALL),
    "clipping": _heard("where the wave is cut off, 0 to 40 dB below its peak"),
    "clock-skew": Kind(("audio",), "shift of the sound against the pictures, of 3 seconds", frozenset({"early"})),
    "compression": _seen("JPEG quality, from 95 down to 5"),
    "conflict": _step(SENSES, "above 0 the sense is that of another scene", "rule", "scene"),
    "darken": _seen("share of the light that is missing"),
    "dropout": Kind(SENSES, "share of the frames, of the seconds or of the words that are lost", _ALL),
    "freeze": Kind(("vision",), "share of the frames that repeat the last one before the camera stalled"),
    "gain-loss": _heard("how much quieter, of 60 dB"),
    "gradient-patch": _seen("share of the frame that a patch covers, optimised against the system", "at", "target"),
    "insert": _step(("text",), "above 0 a text is added", "first", "text"),
    "motion-blur": _seen("length of a sideways smear, of a sixth of the frame's width"),
    "noise": Kind(("vision", "audio"), "σ of white noise: of 0.38 of the range, of the recording's RMS", _ALL),
    "occlusion": _seen("share of the frame that a grey box covers", "at"),
    "patch": _seen("share of the frame that a patch of strong colours covers", "at"),
    "salt-pepper": _seen("share of the pixels that are black or white, of 0.27"),
    "saturate": _seen("over-exposure, from once to five times the light"),
    "typo": Kind(("text",), "share of the words with a slip of the keyboard"),
}
"""Every perturbation by name."""
