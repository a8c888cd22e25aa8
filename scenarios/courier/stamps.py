"""Pictures with exact masks: Debian's ``tuxpaint-stamps-default``, sorted into what the policy distinguishes.

The pictures are read where the package put them and never copied. Set ``VERIDICAL_STAMPS`` if they lie elsewhere.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from ...errors import InputError
from .partition import check_partition

__all__ = ["KINDS", "Stamp", "load_stamp", "stamp_folder", "stamps"]

_DEFAULT_FOLDER = "/usr/share/tuxpaint/stamps"

# Drawings, silhouettes and animals that live in the sea are left out of "animal"; what is listed is held out by
# species.
_NOT_ANIMALS = frozenset(
    "hedgehog echidna albino_peahen cuckoo whale dolphin orca heron_greatblue_flying seagull".split()
)
_HELD_OUT_ANIMALS = frozenset(
    """
        nandou ostrich owl peacock pelican turkey gander zebra giraffe deer doe wapiti caribou pig
        pig_golden pig_golden2 lion lion-2 gorilla bear european-bear bison goat beaver lark guineafowl
        helmeted_guineafowl iguana
    """.split()
)
_VEHICLES = {
    "train": """
        vehicles/auto/sportscar2 vehicles/auto/beetle vehicles/auto/truck vehicles/emergency/firetruck
        vehicles/masstransit/green_korean_bus vehicles/race/indycar military/vehicles/bradley
        vehicles/construction/cartoon/terex vehicles/emergency/cartoon/fire_engine
        vehicles/masstransit/cartoon/double_decker_bus vehicles/construction/cartoon/towTruck
        vehicles/construction/cartoon/cementMixer vehicles/farming/cartoon/tux_tractor
    """.split(),
    "held-out": """
        vehicles/auto/sedan vehicles/construction/dumper vehicles/garbagetruck military/vehicles/infantry-stryker
    """.split(),
}
_OBSTACLE_FOLDERS = "food/fruit food/vegetables hobbies/music household plants/flowers clothes".split()
_NOT_OBSTACLES = frozenset(
    "glass rubberduck cylinder cementmixer bassoon spade Lightbulb appooppanthady chuvanna_plastic_poo".split()
)
_DEVELOPED_ON = frozenset(
    """
        pineapple banana orange mandarine apple_red apple_fuji strawberry Strawberry2 broccoli
        pumpkin_small corn carrot trumpet violin cello drumkit garbagecan wheelie_bin toolbox kettle
        toilet teapot saw hammer t_jacket t_sock rose daffodil red-gazania
    """.split()
)  # looked at while Courier was developed, so never held out
_EVERY = 4  # of the other obstacles, in alphabetical order, one in so many is held out
_STOP_SIGN = "town/roadsigns/stop"
_OTHER_SIGNS = """
    town/roadsigns/hospital town/roadsigns/roundabout town/roadsigns/toilets town/roadsigns/arrow
    town/roadsigns/t-junction town/roadsigns/crossroads town/roadsigns/dead_end_sign
    town/roadsigns/school_sign
""".split()
_TREES = {
    "train": ["plants/trees/birch", "plants/trees/liberia-palm"],
    "held-out": ["plants/trees/tree336", "plants/trees/holm_oak"],
}

KINDS = ("animal", "vehicle", "obstacle", "stop-sign", "sign", "tree")
"""Kinds of picture."""


@dataclass(frozen=True)
class Stamp:
    """One picture: its kind, its name and its path below the stamps folder (without the ending)."""

    kind: str
    name: str
    path: str


def stamp_folder() -> Path:
    """Return the folder of the stamps.

    Raises:
        InputError: the folder does not exist.
    """
    folder = Path(os.environ.get("VERIDICAL_STAMPS", _DEFAULT_FOLDER))
    if not folder.is_dir():
        raise InputError(
            f"stamps: no folder {str(folder)!r}; install Debian's package tuxpaint-stamps-default, or set "
            "VERIDICAL_STAMPS to its stamps folder"
        )
    return folder


def _found(folder: Path, pattern: str) -> list[str]:
    paths = (p.relative_to(folder).with_suffix("").as_posix() for p in folder.glob(pattern + ".png"))
    return sorted(p for p in paths if "cartoon" not in p and "toys" not in p and "mirror" not in p)


def _split(kind: str, paths: list[str], held_out: frozenset[str]) -> dict[str, tuple[Stamp, ...]]:
    every = [Stamp(kind, p.rsplit("/", 1)[1], p) for p in paths]
    return {
        "train": tuple(s for s in every if s.name not in held_out),
        "held-out": tuple(s for s in every if s.name in held_out),
    }


@functools.cache
def stamps(partition: str) -> dict[str, tuple[Stamp, ...]]:
    """Return the stamps of a partition (``train`` or ``held-out``) by kind.

    The two partitions share no picture and no kind of animal (of obstacles they may: one garlic, several garlics),
    except for road signs, whose artwork is single.

    Raises:
        InputError: an unknown partition, or the stamps are not installed, or not all of them.
    """
    check_partition(partition)
    folder = stamp_folder()
    animals = [
        p
        for d in ("birds", "mammals/**", "marsupials", "lizards", "amphibians")
        for p in _found(folder, f"animals/{d}/*")
    ]
    animals = [p for p in dict.fromkeys(animals) if p.rsplit("/", 1)[1] not in _NOT_ANIMALS and "aquatic/" not in p]
    things = [p for d in _OBSTACLE_FOLDERS for p in _found(folder, f"{d}/**/*")]
    things = [p for p in dict.fromkeys(things) if p.rsplit("/", 1)[1] not in _NOT_OBSTACLES]
    for kind, found in (("animals", animals), ("things", things)):
        if not found:
            raise InputError(f"stamps: {str(folder)!r} holds no {kind}; reinstall tuxpaint-stamps-default")
    fresh = sorted({p.rsplit("/", 1)[1] for p in things} - _DEVELOPED_ON)
    signs = (Stamp("stop-sign", "stop", _STOP_SIGN),)
    others = tuple(Stamp("sign", p.rsplit("/", 1)[1], p) for p in _OTHER_SIGNS)
    return {
        "animal": _split("animal", animals, _HELD_OUT_ANIMALS)[partition],
        "vehicle": tuple(Stamp("vehicle", p.rsplit("/", 1)[1], p) for p in _VEHICLES[partition]),
        "obstacle": _split("obstacle", things, frozenset(fresh[::_EVERY]))[partition],
        "stop-sign": signs,
        "sign": others,
        "tree": tuple(Stamp("tree", p.rsplit("/", 1)[1], p) for p in _TREES[partition]),
    }


@functools.lru_cache(maxsize=512)
def load_stamp(stamp: Stamp, largest: int = 256) -> Float[np.ndarray, "height width 4"]:
    """Read a stamp, cut to its visible part and at most ``largest`` pixels a side, as RGBA in 0..1.

    Raises:
        InputError: the picture cannot be read.
    """
    path = stamp_folder() / f"{stamp.path}.png"
    try:
        with Image.open(path) as picture:
            rgba = picture.convert("RGBA")
    except OSError as error:
        raise InputError(f"stamps: cannot read {path.name}: {error}; reinstall tuxpaint-stamps-default") from error
    rgba = rgba.crop(rgba.getchannel("A").point([255 * (a > 32) for a in range(256)]).getbbox())
    rgba.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(rgba, np.float32) / 255
