"""Growing: a bank gains a concept when what it cannot account for turns out to have a direction of its own.

A stream's rows that the bank accounts for worst are kept, few of each decision. Their residuals have a direction of
their own if one direction explains enough of them, is found again in the other half of the observations, and explains
more than it would where residuals point anywhere that they can (see `residual.anywhere`).

Three things this cannot find: what lies outside the bank's space (no gradient of the scores leads there), what sums of
present concepts account for, and what is hidden by noise of very unlike size in the coordinates (which can also feign
a direction).
"""

from __future__ import annotations

import heapq
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from .bank import ConceptBank, Prototype
from .discover import DiscoverySettings, associate
from .project import Projector, nonnegative
from .residual import Found, anywhere, halved, refit, unaccounted
from .rows import grid_of

__all__ = ["Growth", "GrowthSettings"]

_ROUNDS = 25
"""Rounds of the new direction's fit: it begins in the cone's open part, and may lie as near to a present direction."""
_PROTOTYPES = 8
"""Places kept of the new concept, each of another observation."""


@dataclass(frozen=True)
class GrowthSettings:
    """How a bank grows.

    Attributes:
        min_gain: least share of the unexplained squares that a new direction explains, in rows that it was not
            found from.
        beyond: what it leaves unexplained is less, by this share at least, than what the best direction leaves where
            rows point anywhere.
        found_again: least cosine of the directions of two halves of the observations.
        apart: largest cosine with a present direction.
        strength: least typical strength, as a share of the weakest typical strength in the bank.
        observations: distinct observations among the rows kept, at least.
        rows: rows kept at the most.
        each: rows kept of one decision at the most, so that one odd decision makes no concept.
        sample: whole decisions kept, drawn evenly, for the new concept's usual strengths.
        chances: draws of rows that point anywhere.
        seed: of halves, draws and resamples.

    Raises:
        InputError: a number out of range.
    """

    min_gain: float = 0.3
    beyond: float = 0.2
    found_again: float = 0.8
    apart: float = 0.9
    strength: float = 1.0
    observations: int = 16
    rows: int = 256
    each: int = 4
    sample: int = 64
    chances: int = 9
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.min_gain, self.beyond, self.found_again, self.apart)
        counts = (self.each, self.sample, self.chances)
        fits = self.observations >= 4 and self.rows >= self.observations
        if not (all(0 < x < 1 for x in shares) and self.strength >= 0 and min(counts) >= 1 and fits):
            raise InputError(
                f"concepts: {self}; min_gain, beyond, found_again and apart lie between 0 and 1, observations are at "
                "least 4 and at most as many as rows, all else is at least 1"
            )


@dataclass(frozen=True, order=True)
class _Kept:
    """A row of the reservoir, ordered by what is unexplained of it."""

    left: float
    order: int
    name: str
    row: int
    grid: tuple[int, ...]
    coordinates: tuple[float, ...]

    def prototype(self, strength: float) -> Prototype:
        return Prototype(self.name, tuple(int(x) for x in np.unravel_index(self.row, self.grid)), self.grid, strength)


@dataclass(frozen=True, eq=False)
class _New:
    """The new concept, beside the present ones."""

    directions: Float[np.ndarray, "concepts dims"]
    replicas: Float[np.ndarray, "replicas 1 dims"]
    threshold: float
    typical: float
    nearest: float
    prototypes: tuple[Prototype, ...]


def _present(bank: ConceptBank) -> float:
    """Share of the 99th percentile from which on a concept is present, as the bank was fitted."""
    return float(bank.made.get("settings", {}).get("present", DiscoverySettings().present))


class Growth:
    """Watches a stream for what a bank cannot account for. Its memory does not grow with the stream."""

    def __init__(self, bank: ConceptBank, settings: GrowthSettings | None = None) -> None:
        """Take up a bank.

        Args:
            bank: which.
            settings: how it grows.
        """
        self.bank, self.settings = bank, settings or GrowthSettings()
        self.seen = 0
        self._projector = Projector(bank)
        self._rng = np.random.default_rng(self.settings.seed)
        self._kept: list[_Kept] = []  # a heap: the row best accounted for goes first
        self._whole: list[tuple[np.ndarray, str | None]] = []
        self._order = 0

    def __len__(self) -> int:
        """Coordinates kept."""
        return len(self._kept)

    def observe(self, features: Tensor, name: str, action: str | None = None) -> None:
        """Take in one decision; an absent sense (features of 0) says nothing and is not counted.

        Args:
            features: of the bank's sense, one decision.
            name: of the observation.
            action: what was decided, if it is to be told with which action a new concept goes.

        Raises:
            ContractError: features that the bank was not fitted on.
            InputError: features of several decisions, or not finite.
        """
        self._projector.check(features)
        if len(features) != 1 or not bool(features.isfinite().all()):
            raise InputError(
                f"concepts: growth was given features of shape {tuple(features.shape)} of {name!r}, of several "
                "decisions or not finite; give one decision's"
            )
        rows = self._projector(features).coordinates.numpy().astype(np.float64)
        if not rows.any():
            return
        self.seen += 1
        self._sample(rows, action)
        left = np.square(unaccounted(rows, self.bank.directions)[0]).sum(1)
        grid = grid_of(tuple(features.shape))
        for row in np.argsort(-left, kind="stable")[: self.settings.each]:
            if left[row] <= 0:
                break
            self._order += 1
            kept = _Kept(float(left[row]), -self._order, name, int(row), grid, tuple(rows[row].tolist()))
            if len(self._kept) < self.settings.rows:
                heapq.heappush(self._kept, kept)
            else:
                heapq.heappushpop(self._kept, kept)

    def _sample(self, rows: Float[np.ndarray, "rows dims"], action: str | None) -> None:
        """Keep whole decisions, each with the same chance (Vitter's algorithm R)."""
        if len(self._whole) < self.settings.sample:
            self._whole.append((rows.astype(np.float32), action))
        elif (place := int(self._rng.integers(self.seen))) < self.settings.sample:
            self._whole[place] = (rows.astype(np.float32), action)

    def grow(self, min_gain: float | None = None) -> ConceptBank | None:
        """Return the bank with one concept more, or None where what is unexplained has no direction of its own.

        Directions, names and indices of the present concepts stay as they are. The new one has no name. Its usual
        strengths are those of the decisions sampled; of how many, ``made["counted"]`` tells for each concept. Watch on
        with a new `Growth` of what is returned.

        Args:
            min_gain: in place of the settings'.

        Raises:
            InputError: a gain that is no share.
        """
        settings = self.settings if min_gain is None else replace(self.settings, min_gain=min_gain)
        kept = sorted(self._kept, reverse=True)
        names = sorted({k.name for k in kept})
        if len(names) < settings.observations:
            return None
        rng = np.random.default_rng(settings.seed)
        halves = dict(zip(rng.permutation(names).tolist(), np.arange(len(names)) % 2 == 0, strict=True))
        first = np.array([bool(halves[k.name]) for k in kept])
        rows = np.array([k.coordinates for k in kept])
        left, weights = unaccounted(rows, self.bank.directions)
        found = halved(left, first)
        if found.gain < settings.min_gain or found.again < settings.found_again:
            return None
        many = (settings.chances, 1)
        drawn = anywhere(np.tile(left, many), np.tile(weights, many), self.bank.directions, rng)
        chance = max(halved(each, first).gain for each in np.split(drawn, settings.chances))
        if 1 - found.gain > (1 - settings.beyond) * (1 - chance):
            return None
        new = self._new(kept, found, rng)
        if new is None or new.nearest > settings.apart or new.typical < settings.strength * self.bank.typical.min():
            return None
        figures = {
            "concept": len(self.bank),
            "decisions": self.seen,
            "rows": len(rows),
            "observations": len(names),
            "gain": found.gain,
            "by_chance": chance,
            "found_again": found.again,
            "nearest": new.nearest,
            "settings": asdict(settings),
        }
        return self._extended(new, figures)

    def _new(self, kept: list[_Kept], found: Found, rng: np.random.Generator) -> _New | None:
        """Fit the direction to the rows as they are; None if they then do without it."""
        bank, rows = self.bank, np.array([k.coordinates for k in kept])
        begun = np.vstack([bank.directions, found.direction]).astype(np.float32)
        directions = refit(rows, begun, bank.price, fixed=len(bank), rounds=_ROUNDS)
        strengths = nonnegative(rows, directions, bank.price)[:, -1]
        threshold = max(_present(bank) * float(np.quantile(strengths, 0.99)), 1e-4)
        if strengths.max() < threshold:
            return None
        of: dict[str, list[int]] = {}
        for i, k in enumerate(kept):
            of.setdefault(k.name, []).append(i)
        replicas = []
        for _ in bank.replicas:
            drawn = rng.choice(len(of), len(of))
            again = rows[np.concatenate([list(of.values())[i] for i in drawn])]
            replicas.append(refit(again, directions, bank.price, fixed=len(bank))[-1])
        best = [max(each, key=lambda i: float(strengths[i])) for each in of.values()]
        return _New(
            directions=directions,
            replicas=np.array(replicas, np.float32).reshape(len(bank.replicas), 1, -1),
            threshold=threshold,
            typical=float(np.median(strengths[strengths >= threshold])),
            nearest=float((bank.directions @ directions[-1]).max()),
            prototypes=tuple(
                kept[i].prototype(float(strengths[i]))
                for i in sorted(best, key=lambda i: -strengths[i])[:_PROTOTYPES]
                if strengths[i] > 0
            ),
        )

    def _extended(self, new: _New, figures: dict[str, object]) -> ConceptBank:
        """Return the next version of the bank."""
        bank = self.bank
        strengths = [nonnegative(whole, new.directions, bank.price) for whole, _ in self._whole]
        peaks = [each[:, -1].max() for each in strengths]
        usual = np.quantile(peaks, np.linspace(0, 1, bank.usual.shape[1]))
        threshold = np.append(bank.threshold, new.threshold).astype(np.float32)
        told = {str(i): action for i, (_, action) in enumerate(self._whole) if action is not None}
        present = np.array([(strengths[int(i)] >= threshold).any(0) for i in told])
        goes_with = associate(present, list(told.values())) if told else (None,)
        counted = bank.made.get("counted") or [bank.made.get("observations", 0)] * len(bank)
        return replace(
            bank,
            directions=np.vstack([bank.directions, new.directions[-1]]).astype(np.float32),
            replicas=np.concatenate([bank.replicas, new.replicas], 1).astype(np.float32),
            typical=np.append(bank.typical, new.typical).astype(np.float32),
            threshold=threshold,
            usual=np.vstack([bank.usual, usual]).astype(np.float32),
            stability=np.append(bank.stability, (new.replicas[:, 0] @ new.directions[-1]).mean()).astype(np.float32),
            prototypes=(*bank.prototypes, new.prototypes),
            associations=(*bank.associations, goes_with[-1]),
            names=(*bank.names, None),
            made={
                **bank.made,
                "parent": bank.digest,
                "ancestors": [*bank.made.get("ancestors", []), bank.digest],
                "grown": figures,
                "counted": [*counted, len(peaks)],
            },
            version=bank.version + 1,
        )
