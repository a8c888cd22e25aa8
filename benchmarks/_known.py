"""What is known of the things of Courier's scenes, and whether a name covers one: for `benchmarks.names`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from veridical.concepts.bank import ConceptName
from veridical.concepts.earn_words import stem
from veridical.fusion.conse import load_conse
from veridical.scenarios.courier.sounds import Clip
from veridical.scenarios.courier.stamps import Stamp, stamp_folder

__all__ = ["ALIKE", "COVERED", "Judge", "Known", "heard", "read", "seen"]

ALIKE = 0.5
"""Cosine from which on two phrases mean one thing; looked at on training pictures, never on held-out ones."""

COVERED: Mapping[str, str] = {
    "animal; Animal": "animals/",
    "bird; Bird; Bird vocalization, bird call, bird song": "animals/birds/",
    "duck or goose": "animals/birds/duck animals/birds/drake animals/birds/gander",
    "Fowl": "animals/birds/gander animals/birds/turkey animals/birds/duck animals/birds/rooster animals/birds/hen",
    "mammal": "animals/mammals/ animals/marsupials/",
    "reptile": "animals/lizards/",
    "monkey or ape": "animals/mammals/apes/",
    "bear": "animals/mammals/bears/",
    "big cat; Roaring cats (lions, tigers)": "animals/mammals/cats/",
    "Canidae, dogs, wolves": "animals/mammals/dogs/",
    "rodent or rabbit": "animals/mammals/rodents/ animals/mammals/rabbit",
    "hoofed animal": "animals/mammals/bovines/ animals/mammals/camel/ animals/mammals/deer/ animals/mammals/equines/ "
    "animals/mammals/pig animals/mammals/wildboar animals/mammals/hippopotamus animals/mammals/giraffe",
    "Livestock, farm animals, working animals": "animals/mammals/bovines/ animals/mammals/equines/ animals/mammals/pig",
    "vehicle": "vehicles/ military/vehicles/",
    "car": "vehicles/auto/sportscar vehicles/auto/beetle vehicles/auto/sedan vehicles/race/",
    "truck": "vehicles/auto/truck vehicles/emergency/ vehicles/construction/ vehicles/garbagetruck",
    "bus": "vehicles/masstransit/",
    "farm machine": "vehicles/farming/",
    "food": "food/",
    "fruit": "food/fruit/",
    "vegetable": "food/vegetables/",
    "musical instrument; Music; Musical instrument": "hobbies/music/",
    "container": "household/dishes/ household/garbagecan household/wheelie_bin",
    "tool; Tools": "household/tools/",
    "plant": "plants/",
    "flower": "plants/flowers/",
    "clothing": "clothes/",
    "hat": "clothes/hats/ clothes/t_baseballcap",
    "street sign": "town/roadsigns/",
    "Siren; Alarm; Emergency vehicle; Civil defense siren; Police car (siren); Ambulance (siren)": "siren",
    "Fire engine, fire truck (siren)": "siren",
    "Bell; Bicycle bell; Bicycle": "bell",
    "Speech": "speech",
    "Traffic noise, roadway noise; Vehicle; Motor vehicle (road); Car; Car passing by": "traffic",
    "Noise; Environmental noise; White noise; Pink noise; Wind": "hiss",
}
"""How the paths begin of the pictures and recordings, or what the kinds of the sounds are, that names cover."""

_WORDS = {
    "siren": "a siren",
    "bell": "a bicycle bell",
    "speech": "speech",
    "traffic": "traffic",
    "hiss": "the hiss of wind",
}
_QUOTES = str.maketrans("", "", "\"“”„«»'‘’`.,;:!?()")


@dataclass(frozen=True)
class Known:
    """A thing of a scene: what is said of it, and the names that cover it; of words, their stems."""

    words: str
    names: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()


def _said(path: str) -> str:
    """Return the first English sentence of a stamp's description; failing that, its name."""
    file = stamp_folder() / f"{path}.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return (lines[0] if lines else path.rsplit("/", 1)[-1].replace("_", " ")).split(".")[0].strip(" !")


def _covering(path: str) -> frozenset[str]:
    return frozenset(
        n for names, starts in COVERED.items() if path.startswith(tuple(starts.split())) for n in names.split("; ")
    )


def seen(stamp: Stamp) -> Known:
    """Return what is known of a picture."""
    return Known(_said(stamp.path), _covering(stamp.path))


def heard(clip: Clip) -> Known:
    """Return what is known of a sound."""
    path = clip.path or ""
    kind = "speech" if "_desc" in path else "hiss" if clip.hiss is not None else clip.kind
    kind = "traffic" if kind == "noise" and not path else kind
    return Known(_WORDS[kind], _covering(kind)) if kind in _WORDS else Known(_said(path), _covering(path))


def read(words: str) -> Known:
    """Return what is known of words."""
    return Known(words, stems=tuple(stem(word) for word in _plain(words)))


@dataclass
class Judge:
    """Says whether a name covers a thing; remembers what it embedded."""

    vectors: dict[str, Float[np.ndarray, " width"]] = field(default_factory=dict)

    def cosine(self, a: str, b: str) -> float:
        """Return the cosine of two phrases in the sentence space."""
        for text in {a, b} - set(self.vectors):
            vector = load_conse().embed([text])[0]
            self.vectors[text] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return float(self.vectors[a] @ self.vectors[b])

    def covers(self, name: ConceptName, thing: Known) -> bool:
        """Return whether a name covers a thing."""
        if thing.stems:
            wanted = tuple(stem(word) for word in _plain(name.text))
            return any(thing.stems[i : i + len(wanted)] == wanted for i in range(len(thing.stems)))
        return name.text in thing.names or self.cosine(name.text, thing.words) >= ALIKE


def _plain(text: str) -> list[str]:
    return text.translate(_QUOTES).lower().split()
