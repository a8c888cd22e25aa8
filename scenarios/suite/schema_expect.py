"""What a scenario file expects of the system: what it does, for which reason, and what may not change it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, Tag, model_validator

from .perturb_names import KINDS
from .schema_base import (
    Action,
    Line,
    Many,
    Model,
    Number,
    Path,
    Sense,
    Share,
    Words,
    by_shape,
    check_sense,
    refuse,
    unknown,
)

__all__ = [
    "Counterfactual",
    "Direction",
    "Expect",
    "Latency",
    "NotRelyOn",
    "NotVerdict",
    "OversightExpect",
    "PartSpec",
    "Probability",
    "RelyOn",
    "Robust",
]

Index = Annotated[StrictInt, Field(ge=0, le=15)]
Verdict = Literal["supported", "unsupported", "inconclusive"]
Seconds = Annotated[Number, Field(gt=0, le=600_000)]


class PartSpec(Model):
    """One part of a scene, by what it is."""

    thing: Index | None = None
    """Number of the thing in the scene, from 0."""
    sound: Index | None = None
    """Number of the sound, from 0."""
    words: Words | None = None
    """A stretch of the instruction, as it is written there."""
    patch: Literal[True] | None = None
    """The mark of the planted shortcut."""

    @property
    def what(self) -> str:
        """The one key that is given."""
        return next(key for key in self._kinds() if getattr(self, key) is not None)

    @classmethod
    def _kinds(cls) -> tuple[str, ...]:
        return "thing", "sound", "words", "patch"

    @model_validator(mode="after")
    def _one(self) -> PartSpec:
        given = [key for key in self._kinds() if getattr(self, key) is not None]
        if len(given) != 1:
            told = f"{' and '.join(given)} together" if given else "nothing named"
            raise refuse("", f"{told}; give exactly one of {', '.join(self._kinds())}")
        return self


class _Target(PartSpec):
    sense: Sense | None = None
    """A whole sense."""
    concept: Line | None = None
    """A concept of the system's, by its name."""
    region: tuple[Share, Share, Share, Share] | None = None
    """A box in all frames: left, upper, right and lower edge, as shares of the frame."""

    @classmethod
    def _kinds(cls) -> tuple[str, ...]:
        return "thing", "sound", "words", "patch", "sense", "concept", "region"

    @model_validator(mode="after")
    def _box(self) -> _Target:
        if self.region is not None and not (self.region[0] < self.region[2] and self.region[1] < self.region[3]):
            raise refuse("region", f"{list(self.region)} is empty; give left, upper, right and lower edge")
        return self


class RelyOn(_Target):
    """A reason that the decision must rest on."""

    least: Share = 0.1
    """Its share of all measured support, at least."""


class NotRelyOn(_Target):
    """A reason that the decision must not rest on."""

    most: Share = 0.1
    """Its share of all measured support, at most."""


class Probability(Model):
    """How probable an action must be."""

    of: Action
    """Which action."""
    least: Share = 0.0
    """At least this."""
    most: Share = 1.0
    """At most this."""

    @model_validator(mode="after")
    def _range(self) -> Probability:
        if not self.least <= self.most:
            raise refuse("least", f"{self.least:g} is more than most, {self.most:g}; no probability lies between")
        if self.least == 0 and self.most == 1:
            raise refuse("", "every probability lies between 0 and 1; give least or most")
        return self


class NotVerdict(Model):
    """Verdicts that must not be given."""

    no: Annotated[tuple[Verdict, ...], Many(), Field(alias="not")]
    """Of these, none."""


class Direction(Model):
    """How a probability must move as one value is swept (CheckList's directional expectation)."""

    of: Action
    """Whose probability."""
    when: Line
    """The swept value, as ``vary`` names it."""
    goes: Literal["up", "down"]
    """Which way the probability goes as the value rises."""
    slack: Share = 0.0
    """How far it may move the other way from one value to the next."""


class Counterfactual(Model):
    """What must be chosen in the scene rendered again without one of its parts."""

    without: PartSpec
    """Which part."""
    action: Annotated[tuple[Action, ...], Many()] | None = None
    """One of these must be chosen."""
    not_action: Annotated[tuple[Action, ...], Many()] | None = None
    """None of these may be chosen."""

    @model_validator(mode="after")
    def _asks(self) -> Counterfactual:
        if self.action is None and self.not_action is None:
            raise refuse("", "nothing is expected of the scene without it; give action or not_action")
        return self


class Robust(Model):
    """How strong a perturbation must leave the action as it is."""

    perturbation: Line
    """Name of the perturbation."""
    sense: Sense | None = None
    """Which sense it disturbs; left out where it can only disturb one."""
    least: Annotated[Number, Field(gt=0, le=1)]
    """The largest strength that keeps the action is at least this."""
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] = 0
    """Of what is drawn."""

    @model_validator(mode="after")
    def _known(self) -> Robust:
        known = KINDS.get(self.perturbation)
        if known is None:
            raise refuse("perturbation", unknown(self.perturbation, KINDS))
        if known.stepped or self.perturbation == "gradient-patch":
            raise refuse("perturbation", f"{self.perturbation!r} has no strengths to search; name another one")
        check_sense("sense", self.perturbation, self.sense)
        return self


class Latency(Model):
    """How long something may take on the machine that runs the scenario: milliseconds, the median of five."""

    decision: Seconds | None = None
    """The decision alone."""
    explanation: Seconds | None = None
    """Decision and verified explanation together."""

    @model_validator(mode="after")
    def _asks(self) -> Latency:
        if self.decision is None and self.explanation is None:
            raise refuse("", "nothing is timed; give decision or explanation")
        return self


class OversightExpect(Model):
    """What an oversight policy must make of the decision's findings."""

    policy: Path
    """The policy's file, relative to the scenario's."""
    level: Literal["none", "annotate", "slow", "hand over", "stop"] | None = None
    """The level that it must reach."""
    action: Annotated[tuple[Action, ...], Many()] | None = None
    """What must be done in the end: one of these."""

    @model_validator(mode="after")
    def _asks(self) -> OversightExpect:
        if self.level is None and self.action is None:
            raise refuse("", "nothing is expected of the policy; give level or action")
        return self


class Expect(Model):
    """All that is expected; every part of it must hold."""

    on: Literal["all", "scene", "variants"] = "all"
    """Of what: of the scene as written and all its variants, of it alone, or of its variants alone."""
    action: Annotated[tuple[Action, ...], Many()] | None = None
    """One of these must be chosen."""
    not_action: Annotated[tuple[Action, ...], Many()] | None = None
    """None of these may be chosen."""
    probability: Annotated[tuple[Probability, ...], Many()] = ()
    """How probable actions must be."""
    rely_on: Annotated[tuple[RelyOn, ...], Many()] = ()
    """Reasons that the decision must rest on, as measured by taking them away."""
    not_rely_on: Annotated[tuple[NotRelyOn, ...], Many()] = ()
    """Reasons that it must not rest on."""
    verdict: (
        Annotated[
            Annotated[Verdict, Tag("<text>")]
            | Annotated[tuple[Verdict, ...], Field(min_length=1), Tag("<list>")]
            | Annotated[NotVerdict, Tag("<mapping>")],
            by_shape(),
        ]
        | None
    ) = None
    """The verdict on the explanation: one of these, or none of those under ``not``."""
    same_as: Literal["scene"] | None = None
    """All variants choose what the scene as written chooses (CheckList's invariance)."""
    direction: Annotated[tuple[Direction, ...], Many()] = ()
    """Which way probabilities go as a value is swept (CheckList's directional expectation)."""
    counterfactual: Annotated[tuple[Counterfactual, ...], Many()] = ()
    """What is chosen in the scene rendered again without one of its parts."""
    robust: Annotated[tuple[Robust, ...], Many()] = ()
    """How strong a perturbation leaves the action as it is."""
    latency_ms: Latency | None = None
    """How long the decision may take."""
    oversight: OversightExpect | None = None
    """What an oversight policy makes of it."""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdicts that may be given; empty where none is expected."""
        if self.verdict is None:
            return ()
        if isinstance(self.verdict, NotVerdict):
            no = self.verdict.no
            return tuple(word for word in ("supported", "unsupported", "inconclusive") if word not in no)
        return (self.verdict,) if isinstance(self.verdict, str) else self.verdict

    @model_validator(mode="after")
    def _something(self) -> Expect:
        if not self.model_fields_set - {"on"}:
            raise refuse("", "nothing is expected; say at least which action must be chosen")
        both = sorted(set(self.action or ()) & set(self.not_action or ()))
        if both:
            raise refuse("not_action", f"{', '.join(both)} is expected and forbidden; take it out of one of the two")
        return self
