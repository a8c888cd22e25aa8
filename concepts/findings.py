"""Findings of the concept layer: how a decision's concepts are looked into, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InputError
from .bank import ConceptBank
from .effects import TailEffect
from .instances import Instance
from .places import Place

__all__ = ["ConceptSettings", "Found", "Group", "LayerFindings", "Pair"]


@dataclass(frozen=True)
class ConceptSettings:
    """How a decision's concepts are looked into.

    Attributes:
        most: places of concepts measured in each sense, those that the gradient ranks first.
        tested: effects of single places that are tested against chance, the largest first; what they do jointly is
            always tested.
        controls: natural changes that each is tested against.
        carried: share of a concept's strength that must go with a piece of evidence for it to be what that makes.
        pairs: pairs of concepts of different senses that are taken out together.

    Raises:
        InputError: a number out of range.
    """

    most: int = 12
    tested: int = 6
    controls: int = 19
    carried: float = 0.3
    pairs: int = 2

    def __post_init__(self) -> None:
        if min(self.most, self.tested, self.controls) < 1 or self.pairs < 0 or not 0 < self.carried <= 1:
            raise InputError(f"concepts: {self}; most, tested and controls are at least 1, carried is a share")


@dataclass(frozen=True)
class Found:
    """A concept at one place.

    Attributes:
        instance: which concept, which rows, how strong.
        place: where that is.
        told: what taking it out did; None where it was not measured.
        expected: what the gradient says that taking it out would do, nats.
        direct: what it does in the last step alone, nats; None for a system without a state.
        through_state: what it does by way of the memory alone, nats; None likewise.
    """

    instance: Instance
    place: Place
    told: TailEffect | None = None
    expected: float = 0.0
    direct: float | None = None
    through_state: float | None = None


@dataclass(frozen=True)
class Group:
    """The concepts that one piece of evidence makes, taken out jointly.

    Attributes:
        claim: name of the claim whose evidence it is.
        sense: its sense.
        members: the instances.
        told: what taking all of them out did.
        interaction: that, less the sum of what each did, nats.
        through: what the change of these concepts that editing the evidence makes does by itself, nats: how much of
            the evidence's effect goes by way of them (patching from the edited input); None where editing changes the
            number of rows.
    """

    claim: str
    sense: str
    members: tuple[str, ...]
    told: TailEffect
    interaction: float
    through: float | None


@dataclass(frozen=True)
class Pair:
    """Two concepts of different senses, taken out together: ``interaction`` is that less the sum of both, nats."""

    members: tuple[str, str]
    told: TailEffect
    interaction: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class LayerFindings:
    """All that was found out of a decision's concepts.

    Attributes:
        banks: banks used, by sense.
        found: concepts by place, those measured first.
        carried: for each claim the share of each instance's strength that goes with its evidence.
        groups: concepts of one piece of evidence, jointly.
        residuals: what taking out all that no concept accounts for did, by sense.
        unexplained: its share of the squared coordinates, by sense.
        pairs: concepts of different senses taken out together.
        missing: senses without concepts, and why.
        passes: rows of features scored.
        seconds: time spent projecting (``project``) and on the tail (``tail``).
    """

    banks: Mapping[str, ConceptBank] = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    carried: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    residuals: Mapping[str, TailEffect] = field(default_factory=dict)
    unexplained: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    passes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
