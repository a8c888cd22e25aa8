"""A concept bank: the concepts of one sense of one system, found once, used at every decision.

A concept is a direction in the system's own features. Directions are kept in the *space* that the decision's gradients
span: coordinates there are measured by how much the scores change (nats, by the root mean square of the gradients).
What the scores do not hang on is no part of it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import rfc8785
from jaxtyping import Float

from ..errors import InputError

__all__ = ["FORMAT", "Association", "ConceptBank", "ConceptName", "Prototype"]

FORMAT = "veridical.concepts/1"
"""Name and version of a bank's layout."""


@dataclass(frozen=True)
class Prototype:
    """A place where a concept was strong when the bank was fitted.

    Attributes:
        observation: which observation, by the name that it was given.
        place: index of the row's place in the grid, e.g. (frame, row, column).
        grid: shape of that grid.
        strength: strength of the concept there, nats.
    """

    observation: str
    place: tuple[int, ...]
    grid: tuple[int, ...]
    strength: float


@dataclass(frozen=True)
class ConceptName:
    """A name that was earned.

    Attributes:
        text: the name.
        source: who gave it: ``ImageNet``, ``AudioSet``, ``n-grams`` or ``operator``.
        score: how well it fits, 0..1.
        margin: by how much it fits better than the next best of another meaning.
        describes: more that was seen of it (pitch, loudness, time), in words.
    """

    text: str
    source: str
    score: float
    margin: float
    describes: str = ""


@dataclass(frozen=True)
class Association:
    """How a concept goes with an action, over the observations that the bank was fitted on.

    Attributes:
        action: the action that it goes with most.
        share: share of its occurrences in which this action was chosen.
        usual: share of all observations in which it was.
        p: Fisher's exact test, one-sided, times the number of concepts and actions (Bonferroni); at most 1.
        count: observations in which the concept occurs.
    """

    action: str
    share: float
    usual: float
    p: float
    count: int


@dataclass(frozen=True, eq=False)
class ConceptBank:
    """The concepts of one sense.

    Attributes:
        sense: name of the sense.
        centre: features of a usual place, where nothing in particular is; (channels,).
        space: from features less the centre to coordinates, nats; (channels, dims).
        back: from coordinates to the smallest change of the features that makes them; (dims, channels).
        directions: of the concepts in the space, each of length 1; (concepts, dims).
        replicas: the same found in resamples of the observations, matched to the directions; (replicas, concepts,
            dims).
        typical: median strength of each concept where it is present, nats.
        threshold: strength from which on a concept is present, nats.
        usual: what an observation's largest strength of each concept was at fitting: evenly spaced quantiles, least and
            most included; (concepts, quantiles).
        natural: unit directions in which the features differ from place to place, for controls; (controls, channels).
        stability: mean cosine of each direction with its replicas.
        prototypes: where each was strong, the strongest first.
        associations: which action each goes with; None where it goes with none (p > 0.05).
        names: names earned; None for an unnamed concept.
        price: of the weights in the projection, see `project.nonnegative`.
        made: of what and how: system and digest, observations, seed, settings, figures.
        version: 1 for a bank fitted, one more each time that it has grown.
    """

    sense: str
    centre: Float[np.ndarray, " channels"]
    space: Float[np.ndarray, "channels dims"]
    back: Float[np.ndarray, "dims channels"]
    directions: Float[np.ndarray, "concepts dims"]
    replicas: Float[np.ndarray, "replicas concepts dims"]
    typical: Float[np.ndarray, " concepts"]
    threshold: Float[np.ndarray, " concepts"]
    usual: Float[np.ndarray, "concepts quantiles"]
    natural: Float[np.ndarray, "controls channels"]
    stability: Float[np.ndarray, " concepts"]
    prototypes: tuple[tuple[Prototype, ...], ...]
    associations: tuple[Association | None, ...]
    names: tuple[ConceptName | None, ...]
    price: float = 0.05
    made: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        channels, dims = self.space.shape
        count = len(self.directions)
        shapes = {
            "centre": (channels,),
            "back": (dims, channels),
            "directions": (count, dims),
            "replicas": (len(self.replicas), count, dims),
            "typical": (count,),
            "threshold": (count,),
            "usual": (count, self.usual.shape[-1]),
            "natural": (len(self.natural), channels),
            "stability": (count,),
        }
        for name, shape in shapes.items():
            found = getattr(self, name)
            if found.shape != shape or not np.isfinite(found).all():
                raise InputError(
                    f"concepts: the {self.sense} bank's {name} have shape {found.shape} or hold what is not finite; "
                    f"{shape}, finite, is wanted"
                )
        for name in ("prototypes", "associations", "names"):
            if len(getattr(self, name)) != count:
                raise InputError(
                    f"concepts: the {self.sense} bank has {len(getattr(self, name))} {name} for {count} concepts; one "
                    "each is wanted"
                )

    def __len__(self) -> int:
        return len(self.directions)

    @property
    def channels(self) -> int:
        """Features of one place."""
        return len(self.centre)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the bank's description, which holds that of its arrays."""
        return f"sha256:{sha256(rfc8785.dumps(self.describe())).hexdigest()}"

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, float32."""
        names = ("centre", "space", "back", "directions", "replicas", "typical", "threshold", "usual", "natural")
        names += ("stability",)
        return {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in names}

    def describe(self) -> dict[str, Any]:
        """Return all but the arrays as plain JSON values, with the arrays' digest."""
        content = sha256()
        for name, array in sorted(self.arrays().items()):
            content.update(f"{name} {array.shape};".encode())
            content.update(array.astype("<f4").tobytes())
        return {
            "format": FORMAT,
            "sense": self.sense,
            "version": self.version,
            "arrays": f"sha256:{content.hexdigest()}",
            "price": self.price,
            "made": dict(self.made),
            "prototypes": [
                [{**asdict(p), "place": list(p.place), "grid": list(p.grid)} for p in each] for each in self.prototypes
            ],
            "associations": [asdict(a) if a else None for a in self.associations],
            "names": [asdict(n) if n else None for n in self.names],
        }

    def named(self, names: tuple[ConceptName | None, ...]) -> ConceptBank:
        """Return the bank with these names.

        Raises:
            InputError: not one for each concept.
        """
        return replace(self, names=names)
