"""Perturbations: what happens to senses in the field, each as a pure function of an observation.

An observation is not changed; a new one is returned. The same seed gives the same result, strength 0 the observation
as it was, and a greater strength more of the same. Frames and recordings keep shape, type and range (but for
``broken``, whose values integers cannot hold, and ``conflict``, whose signal is another scene's).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import InputError
from . import perturb_audio as audio
from . import perturb_text as text
from . import perturb_vision as vision
from .perturb_names import KINDS, SENSES, Kind
from .perturb_patch import gradient_patch
from .perturb_signal import heard, picture

__all__ = ["PERTURBATIONS", "Perturbation", "perturb"]

_SEEN: dict[str, Callable[..., Any]] = {
    "blur": vision.blur,
    "broken": vision.broken,
    "compression": vision.compression,
    "darken": vision.darken,
    "dropout": vision.dropout,
    "freeze": vision.freeze,
    "gradient-patch": gradient_patch,
    "motion-blur": vision.motion_blur,
    "noise": vision.noise,
    "occlusion": vision.occlusion,
    "patch": vision.patch,
    "salt-pepper": vision.salt_pepper,
    "saturate": vision.saturate,
}
_HEARD: dict[str, Callable[..., Any]] = {
    "babble": audio.babble,
    "broken": audio.broken,
    "clipping": audio.clipping,
    "clock-skew": audio.clock_skew,
    "dropout": audio.dropout,
    "gain-loss": audio.gain_loss,
    "noise": audio.noise,
}
_READ: dict[str, Callable[..., Any]] = {"dropout": text.dropout, "insert": text.insert, "typo": text.typo}


@dataclass(frozen=True)
class Perturbation:
    """One perturbation.

    Attributes:
        name: as a scenario file has it.
        kind: its senses, its options, and what its strength means.
        apply: what it does to frames, to a wave or to a text, by sense; ``absent`` and ``conflict`` do it to the
            observation itself.
    """

    name: str
    kind: Kind
    apply: Mapping[str, Callable[..., Any]]


PERTURBATIONS: Mapping[str, Perturbation] = MappingProxyType(
    {
        name: Perturbation(
            name,
            kind,
            {
                sense: table[name]
                for sense, table in (("vision", _SEEN), ("audio", _HEARD), ("text", _READ))
                if name in table
            },
        )
        for name, kind in KINDS.items()
    }
)
"""Every perturbation by name."""


def perturb(
    observation: Mapping[str, Any],
    name: str,
    sense: str | None = None,
    strength: float = 1.0,
    seed: int = 0,
    *,
    system: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """Return an observation of which one sense is disturbed.

    Args:
        observation: signals by sense: frames (arrays of uint8 or floats, or what `modalities.images` reads), a
            recording (a pair of samples and rate, or a file), a text.
        name: of the perturbation, one of `PERTURBATIONS`.
        sense: that is disturbed; may be left out where the perturbation can only disturb one.
        strength: 0..1; what it means `perturb_names.KINDS` says, 0 changes nothing.
        seed: of what is drawn.
        system: what ``gradient-patch`` is made against.
        more: options as in a scenario file: ``frames``, ``span`` (seconds), ``at``, ``target``, ``text``, ``first``,
            ``early``; for ``conflict``, ``rule`` (a scene of Courier's that is drawn) or ``scene``, the other
            observation itself.

    Raises:
        InputError: an unknown perturbation or option, a sense that it cannot disturb or that is absent, a strength out
            of range, or a signal that cannot be read.

    Example:
        >>> perturb({"text": "Go on."}, "insert", text="Stop.")
        {'text': 'Go on. Stop.'}
    """
    found, sense = _known(name, sense, more)
    if not (isinstance(strength, (int, float)) and not isinstance(strength, bool) and 0 <= strength <= 1):
        raise InputError(f"perturb: {name} of strength {strength!r}; give 0 to 1")
    if observation.get(sense) is None:
        there = ", ".join(key for key in observation if observation[key] is not None) or "none"
        raise InputError(f"perturb: {name} disturbs {sense}, which is not observed; observed: {there}")
    made = dict(observation)
    if strength == 0:
        return made
    draw = np.random.default_rng([53, seed, zlib.crc32(name.encode())])
    if name == "absent":
        del made[sense]
    elif name == "conflict":
        made[sense] = _other(sense, seed, more)
    elif sense == "vision":
        given = {"observation": observation, "system": system} if name == "gradient-patch" else {}
        made[sense] = _disturb_frames(observation[sense], found.apply[sense], strength, draw, {**more, **given})
    elif sense == "audio":
        made[sense] = _disturb_sound(observation[sense], found.apply[sense], strength, draw, more)
    else:
        if not isinstance(observation[sense], str):
            raise InputError(f"perturb: the text is a {type(observation[sense]).__name__}; give a string")
        named = {"added": more["text"]} if more.get("text") is not None else {}
        named |= {"first": more["first"]} if more.get("first") is not None else {}
        made[sense] = found.apply[sense](observation[sense], strength, draw, **named)
    return made


def _known(name: str, sense: str | None, more: Mapping[str, Any]) -> tuple[Perturbation, str]:
    found = PERTURBATIONS.get(name)
    if found is None:
        from .schema_base import unknown

        raise InputError(f"perturb: {unknown(name, PERTURBATIONS)}")
    senses = found.kind.senses
    if sense is None and len(senses) > 1:
        raise InputError(f"perturb: {name} can disturb {', '.join(senses)}; say which sense")
    if sense is not None and sense not in senses:
        raise InputError(f"perturb: {name} cannot disturb {sense!r}; it disturbs {', '.join(senses)}")
    odd = sorted(key for key in more if more[key] is not None and key not in found.kind.options)
    if odd:
        takes = ", ".join(sorted(found.kind.options)) or "no options"
        raise InputError(f"perturb: {name} does not read {', '.join(odd)}; it takes {takes}")
    return found, sense or next(iter(senses))


def _disturb_frames(
    signal: Any, apply: Callable[..., Any], strength: float, draw: np.random.Generator, more: Mapping[str, Any]
) -> Any:
    """Disturb some frames, or all."""
    seen = picture(signal)
    count = len(seen.frames)
    chosen = list(range(count))
    if more.get("frames") is not None:
        asked = [more["frames"]] if isinstance(more["frames"], int) else list(more["frames"])
        beyond = [i for i in asked if not -count <= i < count]
        if beyond:
            raise InputError(f"perturb: there is no frame {beyond[0]}; there are {count}, counted from 0")
        chosen = sorted({i % count for i in asked})
    options = {key: value for key, value in more.items() if key != "frames" and value is not None}
    if "observation" in options:
        options["chosen"] = chosen
    if "at" in options and (len(options["at"]) != 2 or not all(0 <= share <= 1 for share in options["at"])):
        raise InputError(f"perturb: a middle of {list(options['at'])}; give two shares of the frame, 0 to 1")
    disturbed = apply([seen.frames[i] for i in chosen], strength, draw, **options)
    made = dict(zip(chosen, disturbed, strict=True))
    return seen.back([made.get(i, frame) for i, frame in enumerate(seen.frames)])


def _disturb_sound(
    signal: Any, apply: Callable[..., Any], strength: float, draw: np.random.Generator, more: Mapping[str, Any]
) -> Any:
    """Disturb some seconds of a sound, or all."""
    sound = heard(signal)
    first, past = 0, len(sound.wave)
    if more.get("span") is not None:
        start, end = _span(more["span"])
        first, past = min(round(start * sound.rate), past), min(round(end * sound.rate), past)
        if first >= past:
            told = f"the recording has {len(sound.wave) / sound.rate:g} s"
            raise InputError(f"perturb: nothing is heard from second {start:g} on; {told}")
    options = {key: value for key, value in more.items() if key != "span" and value is not None}
    made = sound.wave.copy()
    made[first:past] = apply(sound.wave[first:past], strength, draw, sound.rate, **options)
    return sound.back(made)


def _span(span: Sequence[float]) -> tuple[float, float]:
    first, past = span
    if not (math.isfinite(first) and math.isfinite(past) and 0 <= first < past):
        raise InputError(f"perturb: a span from second {first:g} to {past:g}; give the earlier one first, from 0")
    return first, past


def _other(sense: str, seed: int, more: Mapping[str, Any]) -> Any:
    """The signal of another scene: the one given, or one that is drawn."""
    other = more.get("scene")
    if other is None:
        from ..courier.scene import render, sample_scene

        other = render(sample_scene(seed, "held-out", more.get("rule")))
    elif not isinstance(other, Mapping):
        raise InputError(
            f"perturb: the other scene is a {type(other).__name__}; give an observation, {', '.join(SENSES)}"
        )
    if other.get(sense) is None:
        raise InputError(f"perturb: nothing of the other scene is {sense}; give one that has it")
    return other[sense]
