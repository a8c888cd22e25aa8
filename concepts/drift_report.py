"""What is told of drift: figures for each concept, and sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..modalities.wording import listed, number, percent

__all__ = ["ConceptDrift", "DriftReport", "UnexplainedDrift"]


@dataclass(frozen=True)
class ConceptDrift:
    """How a concept is in a stream, beside how it was before.

    Attributes:
        concept: its index.
        name: its name; None for an unnamed concept.
        then: share of decisions in which it was present before the stream.
        now: share in the stream.
        ratio: mean of its largest strength where it is present, now over then; None where it is absent in one of them.
        e: wealth of a gambler against "as it was": an e-value at whatever time one looks.
        p: anytime-valid p-value, one over the largest wealth so far; Holm's adjustment for all concepts and the
            unexplained share.
        drifted: whether p is at most alpha.
        side: ``stronger`` (or more often) or ``weaker`` (or more seldom): for which side there is more evidence.
        cosine: of its direction with the one fitted again to rows of the stream; None where few use it. A figure, no
            test: hold it against ``stability``.
        stability: mean cosine of its direction with those found in resamples, at fitting.
    """

    concept: int
    name: str | None
    then: float
    now: float
    ratio: float | None
    e: float
    p: float
    drifted: bool
    side: str
    cosine: float | None
    stability: float


@dataclass(frozen=True)
class UnexplainedDrift:
    """Whether the share that no concept accounts for is rising.

    Attributes:
        then: its mean before the stream, or in the stream's first decisions where that is not known.
        now: its mean over the stream.
        e: as of a concept.
        p: as of a concept.
        rising: whether p is at most alpha.
        known: whether it was known before the stream.
    """

    then: float | None
    now: float
    e: float
    p: float
    rising: bool
    known: bool


@dataclass(frozen=True)
class DriftReport:
    """What is told of drift.

    Attributes:
        sense: whose concepts.
        bank: digest of their bank.
        decisions: seen so far.
        alpha: probability, at most, of any false alarm at any time.
        concepts: one for each.
        unexplained: share that no concept accounts for.
    """

    sense: str
    bank: str
    decisions: int
    alpha: float
    concepts: tuple[ConceptDrift, ...]
    unexplained: UnexplainedDrift

    @property
    def drifted(self) -> tuple[int, ...]:
        """Indices of the concepts that have drifted."""
        return tuple(c.concept for c in self.concepts if c.drifted)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "concepts": [asdict(c) for c in self.concepts], "drifted": list(self.drifted)}

    def sentences(self) -> tuple[str, ...]:
        """Return what there is to say, in plain words."""
        said = [self._one(c) for c in self.concepts if c.drifted]
        calm = [c for c in self.concepts if not c.drifted]
        if calm:
            those = "none" if not said else "no other"
            said.append(
                f"Of {self.sense}’s {_count(len(self.concepts), 'concept')}, {those} is seen to have drifted in "
                f"{_count(self.decisions, 'decision')}; that is no proof that none has."
            )
        turned = [c for c in self.concepts if c.cosine is not None and c.cosine < min(0.9, c.stability)]
        if turned:
            those = listed([f"{_called(self.sense, c)} (cosine {number(c.cosine or 0.0)})" for c in turned])
            said.append(f"Fitted again to this stream, these point elsewhere than in the bank: {those}.")
        rest = self.unexplained
        if rest.rising:
            since = "" if rest.then is None else f", against {percent(rest.then)} before"
            said.append(
                f"What no concept accounts for is rising: {percent(rest.now)} on average{since} ({_p(rest.p)}); "
                "the bank may lack a concept."
            )
        return tuple(said)

    def _one(self, found: ConceptDrift) -> str:
        strength = "" if found.ratio is None else f", {number(found.ratio)} times as strong where it is"
        return (
            f"{_called(self.sense, found)} has drifted, it is {found.side} or {_OFTEN[found.side]}: present in "
            f"{percent(found.now)} of {_count(self.decisions, 'decision')}, against {percent(found.then)} before"
            f"{strength} ({_p(found.p)})."
        )


_OFTEN = {"stronger": "more frequent", "weaker": "rarer"}


def _called(sense: str, found: ConceptDrift) -> str:
    of = f"{sense}#{found.concept}"
    return f"Concept “{found.name}” ({of})" if found.name else f"Unnamed concept #{found.concept} ({of})"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {number(value, 3)}"
