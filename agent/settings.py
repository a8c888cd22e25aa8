"""How a decision is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..concepts.naming import Namer
from ..verifier.ladder import LadderSettings
from ..verifier.verify import Reference, VerifySettings
from .conclude import Known
from .fuse_settings import FusionSettings

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How a decision is explained.

    Attributes:
        ladder: which rungs are climbed, and how far.
        verify: operators, controls, what *supported* asks for.
        namer: how sure an encoder must be to give a name; None gives no names, and loads no encoder for them.
        fusion: what is looked into of the senses together; None looks into nothing.
        known: the system's concepts and its task; by default the system's own ``concepts`` and ``task``, if it has
            any.
        reference: what was measured of the system beforehand (`veridical.verifier.calibrate`); by default the
            system's own ``reference``, if it has one.
        salt: of the control edits. By default a fresh one is drawn after the commitment; a function is asked for it
            then, with the commitment's digest, such as a log for its head (`agent.logged.head_salt`); a text is a fixed
            one, for repeating a verification.
        input_salts: of the digests of the signals, by sense, hexadecimal; drawn afresh by default. With those of an
            earlier result, and its salt, the same controls come again.
        diagnose: whether saturation and variation of the gradient at the input are looked at: five gradients more.
        further: whether each sense is taken away as a whole, everything but the first claim, and all claims together.
    """

    ladder: LadderSettings = field(default_factory=LadderSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    namer: Namer | None = field(default_factory=Namer)
    fusion: FusionSettings | None = field(default_factory=FusionSettings)
    known: Known = field(default_factory=Known)
    reference: Reference | None = None
    salt: str | Callable[[str], str] | None = None
    input_salts: Mapping[str, str] = field(default_factory=dict)
    diagnose: bool = True
    further: bool = True
