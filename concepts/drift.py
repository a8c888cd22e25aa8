"""Drift: does a concept come as often and as strongly in a stream of decisions as where its bank was fitted?

Each decision's largest strength of a concept takes its place among those at fitting *and* those of the stream so far.
If the stream is like the fitting (all decisions exchangeable), every place is as likely as any other, whatever the
distribution (conformal testing: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter 7).
A gambler bets that places lie high, another that they lie low (`BettingTest`); what they win is an e-value that may be
looked at after each decision.

Decisions must be drawn independently of each other, as scenes are: successive steps of one trip are alike, and that
they are is not drift. Feed one decision of each trip. It is concepts that are watched here, not what no concept shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fusion.matches import holm
from ..verifier.stream import BettingTest
from .bank import ConceptBank
from .drift_report import ConceptDrift, DriftReport, UnexplainedDrift
from .project import Projection, nonnegative
from .residual import refit

__all__ = ["Drift", "Reference"]

_FIRST = 64
"""Decisions of the stream that tell the usual unexplained share, where the reference does not."""
_LATER = 32
"""Gamblers begin anew after so many decisions, then after twice as many more, and so on: what begins late is found."""
_ENOUGH = 20
"""Rows that use a concept, for its direction to be fitted again."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What decisions were like before the stream, in a bank's terms.

    Attributes:
        strengths: evenly spaced quantiles of a decision's largest strength of each concept, least and most included;
            (concepts, quantiles), nats.
        counted: of how many decisions, for each concept.
        unexplained: likewise of the share that no concept accounts for; (quantiles,), or None if it is not known.

    Raises:
        InputError: shapes that do not fit, quantiles that fall or fewer than 8 decisions.
    """

    strengths: Float[np.ndarray, "concepts quantiles"]
    counted: tuple[int, ...]
    unexplained: Float[np.ndarray, " quantiles"] | None = None

    def __post_init__(self) -> None:
        told = [*self.strengths, *([] if self.unexplained is None else [self.unexplained])]
        rising = all(len(x) >= 3 and np.isfinite(x).all() and (np.diff(x) >= 0).all() for x in told)
        if len(self.counted) != len(self.strengths) or min(self.counted, default=8) < 8 or not rising:
            raise InputError(
                f"concepts: a reference of shape {self.strengths.shape} with {self.counted} decisions; three finite, "
                "rising quantiles of 8 decisions are wanted for each concept; measure it anew"
            )

    @classmethod
    def of(cls, bank: ConceptBank) -> Reference:
        """Return what the bank was fitted on.

        Raises:
            InputError: the bank does not tell how many observations that were.
        """
        counted = bank.made.get("counted") or [bank.made.get("observations", 0)] * len(bank)
        unexplained = bank.made.get("unexplained")
        return cls(
            np.asarray(bank.usual, np.float64),
            tuple(int(n) for n in counted),
            None if unexplained is None else np.asarray(unexplained, np.float64),
        )

    @classmethod
    def measured(cls, projections: Sequence[Projection], quantiles: int = 33) -> Reference:
        """Return what fresh decisions are like; better than `of`, for the bank was not fitted to them.

        Raises:
            InputError: fewer than 8 decisions in which the sense is there.
        """
        there = [p for p in projections if bool(p.coordinates.any())]
        if len(there) < 8:
            raise InputError(f"concepts: {len(there)} decisions of {len(projections)} show the sense; 8 are wanted")
        levels = np.linspace(0, 1, quantiles)
        peaks = np.array([p.strengths.numpy().max(0) for p in there], np.float64)
        left = np.array([p.unexplained for p in there], np.float64)
        return cls(np.quantile(peaks, levels, axis=0).T, (len(there),) * peaks.shape[1], np.quantile(left, levels))


class _Places:
    """Where values lie among those before them: an urn of gaps between the reference's values.

    Of n values in no particular order, the next falls into each of the n + 1 gaps between them with the same
    probability, and then makes a gap more (Pólya's urn). So quantiles and n tell all, and a place has a mean of 1/2
    given all places before.
    """

    def __init__(self, quantiles: np.ndarray, count: int) -> None:
        below = np.linspace(0, 1, len(quantiles)) * (count - 1) + 1  # gaps below each quantile, of count + 1
        # Of values that are alike (nought, mostly) it is not known how many there are: they make one class with their
        # neighbours.
        steps = np.diff(quantiles) > 0
        apart = np.append(True, steps) & np.append(steps, True) & (quantiles > 0)
        self.edges = quantiles[apart]
        self.gaps = np.diff(np.concatenate([[0.0], below[apart], [count + 1.0]]))

    def after(self, value: float) -> float:
        """Return the place of a value, 0 to 1, and take it in."""
        cell = int(np.searchsorted(self.edges, value, side="right"))
        place = (self.gaps[:cell].sum() + self.gaps[cell] / 2) / self.gaps.sum()
        self.gaps[cell] += 1
        return float(place)


class _Gamblers:
    """Bets that places lie high, and low if wanted; new ones begin later with a part of the money kept back."""

    def __init__(self, *sides: str) -> None:
        self.sides, self.count, self.next = sides, 0, 0
        self.tests: list[list[BettingTest]] = []
        self.e, self.most = 1.0, 1.0
        self.won = dict.fromkeys(sides, 1.0)

    def after(self, place: float) -> None:
        if self.count == self.next:
            self.tests.append([BettingTest(0.5, side) for side in self.sides])
            self.next += _LATER * 2 ** (len(self.tests) - 1)
        self.count += 1
        self.tests = [[test.after(place) for test in each] for each in self.tests]
        # The j-th to begin has 1 / (j (j + 1)) of the money; 1 / (their number + 1) is kept back for later ones.
        parts = [1 / ((j + 1) * (j + 2)) for j in range(len(self.tests))]
        kept = 1 / (len(self.tests) + 1)
        for i, side in enumerate(self.sides):
            self.won[side] = kept + sum(part * each[i].wealth for part, each in zip(parts, self.tests, strict=True))
        self.e = min(sum(self.won.values()) / len(self.sides), 1e300)
        self.most = max(self.most, self.e)

    @property
    def side(self) -> str:
        return max(self.sides, key=lambda side: self.won[side])


class _Rest:
    """The unexplained share; where its usual values are not known, the stream's first tell them."""

    def __init__(self, reference: Reference) -> None:
        self.gamblers, self.total, self.count = _Gamblers("at most"), 0.0, 0
        self.usual, self.first = reference.unexplained, list[float]()
        self.known = self.usual is not None
        self.places = None if self.usual is None else _Places(self.usual, min(reference.counted, default=8))

    def after(self, value: float) -> None:
        self.total, self.count = self.total + value, self.count + 1
        if self.places is not None:
            self.gamblers.after(self.places.after(value))
            return
        self.first.append(value)
        if len(self.first) == _FIRST:
            self.usual = np.sort(self.first)
            self.places = _Places(self.usual, _FIRST)

    def report(self, p: float, alpha: float) -> UnexplainedDrift:
        then = None if self.usual is None else float(np.mean(self.usual))
        return UnexplainedDrift(then, self.total / self.count, self.gamblers.e, p, p <= alpha, self.known)


class Drift:
    """Watches a stream for concepts that are no longer as they were. Its memory does not grow with the stream.

    >>> drift = Drift(bank)                                              # doctest: +SKIP
    >>> for features in stream:                                          # doctest: +SKIP
    ...     drift.update(projector(features))
    >>> drift.report().sentences()                                       # doctest: +SKIP
    """

    def __init__(
        self,
        bank: ConceptBank,
        reference: Reference | None = None,
        alpha: float = 0.05,
        rows: int = 384,
        seed: int = 0,
    ) -> None:
        """Take up a bank.

        Args:
            bank: which.
            reference: what to compare with; None for what the bank was fitted on.
            alpha: probability, at most, that anything is said to have drifted while all is as it was, however often
                one looks and however long.
            rows: rows kept at the most, for directions to be fitted again; those far from the usual row more likely.
            seed: of the rows kept.

        Raises:
            InputError: a reference of another number of concepts, or a level that is none.
        """
        self.bank, self.alpha, self.rows = bank, alpha, rows
        self.reference = Reference.of(bank) if reference is None else reference
        if len(self.reference.strengths) != len(bank) or not 0 < alpha < 1 or rows < 1:
            raise InputError(
                f"concepts: drift of {len(bank)} concepts with a reference of {len(self.reference.strengths)}, alpha "
                f"{alpha}, {rows} rows; one of each concept, a level between 0 and 1 and a row are wanted"
            )
        self.decisions = 0
        told = zip(self.reference.strengths, self.reference.counted, strict=True)
        self._places = [_Places(quantiles, count) for quantiles, count in told]
        self._gamblers = [_Gamblers("at most", "at least") for _ in self._places]
        self._present = np.zeros(len(bank))
        self._strength = np.zeros(len(bank))
        self._rest = _Rest(self.reference)
        self._rng = np.random.default_rng(seed)
        self._keys, self._kept = np.zeros(0), np.zeros((0, bank.directions.shape[1]))

    def update(self, projection: Projection) -> None:
        """Take in one decision; an absent sense says nothing and is not counted.

        Raises:
            InputError: a projection by another bank, or not finite.
        """
        strengths, rows = projection.strengths.numpy(), projection.coordinates.numpy()
        if strengths.shape[1] != len(self.bank) or not np.isfinite(strengths).all() or not np.isfinite(rows).all():
            raise InputError(
                f"concepts: drift was given strengths of {strengths.shape[1]} concepts, or not finite; "
                f"{len(self.bank)} are wanted, from a Projector of the same bank"
            )
        if not rows.any():
            return
        self.decisions += 1
        peaks = strengths.max(0).astype(np.float64)
        for peak, places, gamblers in zip(peaks, self._places, self._gamblers, strict=True):
            gamblers.after(places.after(float(peak)))
        here = peaks >= self.bank.threshold
        self._present += here
        self._strength += np.where(here, peaks, 0.0)
        self._rest.after(projection.unexplained)
        self._keep(rows)

    def _keep(self, rows: Float[np.ndarray, "rows dims"]) -> None:
        """Keep rows with a chance that grows with their length (Efraimidis and Spirakis, 2006: keys u^(1/w))."""
        size = np.linalg.norm(rows, axis=1)
        rows, size = rows[size > 0], size[size > 0]
        keys = np.concatenate([self._keys, np.log(self._rng.random(len(rows))) / size])
        best = np.argsort(-keys, kind="stable")[: self.rows]
        self._keys, self._kept = keys[best], np.concatenate([self._kept, rows])[best].astype(np.float64)

    def report(self) -> DriftReport:
        """Return how things stand; may be asked for after each decision.

        Raises:
            InputError: no decision yet.
        """
        if not self.decisions:
            raise InputError("concepts: no decision was seen yet, so nothing can be told of drift; call update() first")
        p = holm([1 / each.most for each in (*self._gamblers, self._rest.gamblers)])
        cosines = self._turned()
        found = []
        for k, gamblers in enumerate(self._gamblers):
            quantiles, threshold = self.reference.strengths[k], float(self.bank.threshold[k])
            usual = quantiles[quantiles >= threshold]
            now = self._strength[k] / self._present[k] if self._present[k] else None
            name = self.bank.names[k]
            found.append(
                ConceptDrift(
                    concept=k,
                    name=name.text if name else None,
                    then=1 - float(np.interp(threshold, quantiles, np.linspace(0, 1, len(quantiles)))),
                    now=float(self._present[k] / self.decisions),
                    ratio=None if now is None or not len(usual) else float(now / usual.mean()),
                    e=gamblers.e,
                    p=p[k],
                    drifted=p[k] <= self.alpha,
                    side="stronger" if gamblers.side == "at most" else "weaker",
                    cosine=cosines[k],
                    stability=float(self.bank.stability[k]),
                )
            )
        rest = self._rest.report(p[-1], self.alpha)
        return DriftReport(self.bank.sense, self.bank.digest, self.decisions, self.alpha, tuple(found), rest)

    def _turned(self) -> list[float | None]:
        """Cosine of each direction with the same fitted again to the rows kept; None where too few use it."""
        directions = refit(self._kept, self.bank.directions, self.bank.price)
        used = (nonnegative(self._kept, directions, self.bank.price) >= self.bank.threshold).sum(0)
        cosines = (directions * self.bank.directions).sum(1)
        return [float(c) if n >= _ENOUGH else None for c, n in zip(cosines, used, strict=True)]
