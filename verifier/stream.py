"""Anytime-valid testing over a stream of decisions: look as often as you like, stop when you like.

A *betting test* multiplies what a gambler would win who bets against a hypothesis; where it is true, her wealth exceeds
1/α at any time with probability α at most (Ville's inequality). An *e-value* is such a wealth after one decision. Every
state is a frozen object of plain numbers, of a size that does not grow with the stream, so that it can be logged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError
from .bounds import Share

__all__ = [
    "BettingTest",
    "ConfidenceSequence",
    "ELond",
    "Evidence",
    "LordPlus",
    "e_benjamini_hochberg",
    "e_value",
]

_LEAST_P = 1e-300  # below, e-values leave the range of floats; a larger p only makes them smaller, so still valid


def _number(where: str, name: str, value: object, low: float, high: float, strict: bool = False) -> None:
    """Raise an `InputError` unless a value is a number from ``low`` to ``high`` (strictly between, if wanted)."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not good or (strict and value in (low, high)):
        between = "strictly between" if strict else "between"
        raise InputError(f"{where}: {name} is {value!r}; a number {between} {low:g} and {high:g} is wanted")


_Kind = TypeVar("_Kind", bound="_State")


@dataclass(frozen=True)
class _State:
    """What all states share: their way to JSON and back."""

    def _check(self, where: str, limits: Mapping[str, tuple[float, float]], strict: bool = False) -> None:
        """Raise an `InputError` unless the fields named are numbers within their limits."""
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if type(value) not in (int, float) or not low <= value <= high or (strict and value in (low, high)):
                _number(where, name, value, low, high, strict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; a logarithm of zero is None."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else None if v == -math.inf else v for k, v in found.items()}

    @classmethod
    def from_dict(cls: type[_Kind], data: Mapping[str, Any]) -> _Kind:
        """Return the state that `to_dict` gave.

        Raises:
            InputError: other names, or values that no such state has.
        """
        names = {f.name for f in fields(cls)}
        if set(data) != names:
            odd = ", ".join(sorted(names ^ set(data)))
            raise InputError(f"{cls.__name__}: its state has {', '.join(sorted(names))}; missing or unknown: {odd}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        if "log_product" in values and values["log_product"] is None:
            values["log_product"] = -math.inf
        return cls(**values)


def _moments(count: int, total: float, squares: float) -> tuple[float, float]:
    """Mean and variance so far, each with one prior observation, so that they exist at the start and never vanish.

    Waudby-Smith and Ramdas (2024): mean (1/2 + Σx)/(t + 1), variance (1/4 + Σ(x_i − mean_i)²)/(t + 1).
    """
    return (0.5 + total) / (count + 1), (0.25 + squares) / (count + 1)


@dataclass(frozen=True)
class BettingTest(_State):
    """Test of the mean of values in 0 to 1, one at a time.

    The hypothesis: given all that came before, the expected value is at most (or at least) ``null``. The values need be
    neither independent nor alike; 1 − p of valid p-values has a mean of at most 0.5. Wealth is Π(1 + λ_t (x_t − null));
    the bets λ_t know only the past: aGRAPA, the approximate growth rate of Waudby-Smith and Ramdas, "Estimating means
    of bounded random variables by betting" (JRSS B 2024, appendix on betting strategies), kept at 0 or above.

    Attributes:
        null: the hypothesis' mean, strictly between 0 and 1.
        side: ``"at most"`` (evidence mounts if values lie above) or ``"at least"`` (if they lie below).
        bet: a fixed bet λ from 0 to 0.99/null (of the mirrored null for ``"at least"``); None for aGRAPA.
        cap: aGRAPA's bets risk at most this share of the wealth at once.
        count: values so far.
        total: their sum (mirrored, 1 − x, for ``"at least"``).
        squares: sum of their squared distances from the mean at the time.
        log_wealth: logarithm of the wealth.
        peak: its largest value so far, 0 at least.

    Raises:
        InputError: an option or a state out of range.

    >>> test = BettingTest(0.5)
    >>> for _ in range(20):
    ...     test = test.after(1.0)
    >>> test.p < 0.01
    True
    """

    null: float
    side: str = "at most"
    bet: float | None = None
    cap: float = 0.5
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    log_wealth: float = 0.0
    peak: float = 0.0

    def __post_init__(self) -> None:
        where = "betting test"
        self._check(where, {"null": (0, 1), "cap": (0, 1)}, strict=True)
        if self.side not in ("at most", "at least"):
            raise InputError(f"{where}: side {self.side!r}; 'at most' or 'at least' is wanted")
        if self.bet is not None:
            _number(where, "bet", self.bet, 0, 0.99 / self._mean)
        self._check(where, {"count": (0, 2**53), "peak": (0, math.inf)})
        self._check(where, {"total": (0, self.count), "squares": (0, self.count), "log_wealth": (-math.inf, self.peak)})

    @property
    def _mean(self) -> float:
        return self.null if self.side == "at most" else 1 - self.null

    @property
    def next_bet(self) -> float:
        """The bet on the next value, fixed by the past alone."""
        if self.bet is not None:
            return self.bet
        mean, variance = _moments(self.count, self.total, self.squares)
        gain = mean - self._mean
        return min(max(gain / (variance + gain * gain), 0.0), self.cap / self._mean)

    def after(self, value: float) -> BettingTest:
        """Return the state after one more value.

        Raises:
            InputError: a value outside 0 to 1.
        """
        _number("betting test", "value", value, 0, 1)
        x = float(value) if self.side == "at most" else 1 - float(value)
        wealth = self.log_wealth + math.log1p(self.next_bet * (x - self._mean))
        count, total = self.count + 1, self.total + x
        squares = self.squares + (x - _moments(count, total, 0)[0]) ** 2
        return replace(self, count=count, total=total, squares=squares, log_wealth=wealth, peak=max(self.peak, wealth))

    @property
    def wealth(self) -> float:
        """The wealth: an e-value at any time at which one stops; infinite where a float holds it no more."""
        return math.exp(self.log_wealth) if self.log_wealth < 709 else math.inf

    @property
    def p(self) -> float:
        """Anytime-valid p-value, the least 1/wealth so far: P(p ever ≤ α) ≤ α under the hypothesis."""
        return math.exp(-self.peak)


@dataclass(frozen=True)
class ConfidenceSequence(_State):
    """Interval of the mean of values in 0 to 1 that holds at all times at once, with probability ``level``.

    The values have one mean given the past; where that moves, the sequence ends up empty. Each mean of a grid is bet
    against from both sides with half the wealth each, and left out once one side has won (the hedged capital process of
    Waudby-Smith and Ramdas 2024, with their predictable plug-in bets). These bets do not depend on the mean but for
    their cap, so that a side's wealth is monotone in it: what lies beyond an excluded mean is excluded too, and the
    grid costs nothing but width.

    Attributes:
        level: confidence.
        cap: the bets risk at most this share of the wealth at once.
        count: values so far.
        total: their sum.
        squares: sum of their squared distances from the mean at the time.
        above: log-wealth of the bets that the mean is higher, for each mean of the grid, evenly from 0 to 1.
        below: the same, lower.
        low: largest mean found too low so far.
        high: smallest mean found too high so far.

    Raises:
        InputError: an option or a state out of range, or a value outside 0 to 1.
    """

    level: float = 0.95
    cap: float = 0.5
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    above: tuple[float, ...] = (0.0,) * 201
    below: tuple[float, ...] = (0.0,) * 201
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        where = "confidence sequence"
        self._check(where, {"level": (0, 1), "cap": (0, 1)}, strict=True)
        self._check(where, {"count": (0, 2**53), "low": (0, 1), "high": (0, 1)})
        self._check(where, {"total": (0, self.count), "squares": (0, self.count)})
        if len(self.above) != len(self.below) or len(self.above) < 3:
            raise InputError(f"{where}: grids of {len(self.above)} and {len(self.below)}; two of one size are wanted")
        wealth = np.array((self.above, self.below))
        if wealth.dtype.kind not in "if" or not np.isfinite(wealth).all():
            raise InputError(f"{where}: a log-wealth on the grids is not a finite number; start anew")

    def after(self, value: float) -> ConfidenceSequence:
        """Return the state after one more value.

        Raises:
            InputError: a value outside 0 to 1.
        """
        _number("confidence sequence", "value", value, 0, 1)
        x, log_2_alpha, count = float(value), math.log(2 / (1 - self.level)), self.count + 1
        variance = _moments(self.count, self.total, self.squares)[1]
        bet = math.sqrt(2 * log_2_alpha / (variance * count * math.log(1 + count)))
        means = np.linspace(0, 1, len(self.above))
        edge = np.maximum(means, 1e-12), np.maximum(1 - means, 1e-12)
        above = np.array(self.above) + np.log1p(np.minimum(bet, self.cap / edge[0]) * (x - means))
        below = np.array(self.below) + np.log1p(-np.minimum(bet, self.cap / edge[1]) * (x - means))
        low, high = means[above >= log_2_alpha], means[below >= log_2_alpha]
        total = self.total + x
        return replace(
            self,
            count=count,
            total=total,
            squares=self.squares + (x - _moments(count, total, 0)[0]) ** 2,
            above=tuple(above.tolist()),
            below=tuple(below.tolist()),
            low=max(self.low, float(low.max(initial=0))),
            high=min(self.high, float(high.min(initial=1))),
        )

    @property
    def empty(self) -> bool:
        """Whether no mean is left: the mean has moved (or an event of probability 1 − level has come true)."""
        return self.low > self.high

    @property
    def share(self) -> Share:
        """The mean seen, and its interval; of an `empty` sequence the low end lies above the high one.

        Raises:
            InputError: no value yet.
        """
        if not self.count:
            raise InputError("confidence sequence: no value yet, so there is no mean; call after() first")
        return Share(self.total / self.count, self.low, self.high, self.count, self.level, "betting")


def _calibrated(p: float, kappa: float | None) -> float:
    u = -math.log(max(p, _LEAST_P))
    if kappa is not None:
        return kappa * math.exp((1 - kappa) * u)
    if u < 0.01:  # the closed form cancels here; its series is exact to rounding
        return sum(u**k / math.factorial(k + 2) for k in range(6))
    return (math.expm1(u) - u) / u**2


@lru_cache(maxsize=64)
def _grid_mean(controls: int, kappa: float | None) -> float:
    return math.fsum(_calibrated(r / (controls + 1), kappa) for r in range(1, controls + 2)) / (controls + 1)


def e_value(p: float, kappa: float | None = None, controls: int | None = None) -> float:
    """Turn a p-value into an e-value: of expectation one at most where the p-value is valid.

    Calibrators of Vovk and Wang, "E-values: calibration, combination and applications" (Annals of Statistics 2021,
    section 2): κ p^(κ−1), or its mean over all κ in 0 to 1, (1 − p + p ln p) / (p ln² p).

    Args:
        p: the p-value, above 0.
        kappa: strictly between 0 and 1, small for discoveries, which need large e-values; None for the mean over all.
        controls: where ``p`` is a rank r / (controls + 1), it takes no other values, and the calibrator is divided by
            its mean over them: valid still, and larger (K controls allow K + 1 at most).

    Raises:
        InputError: values out of range, or a ``p`` that is no rank among that many controls.

    >>> round(e_value(0.01), 2), round(e_value(0.01, controls=99), 2)
    (4.45, 5.48)
    """
    _number("e-value", "p", p, 0, 1)
    if p == 0:
        raise InputError("e-value: p is 0, which no rank test gives; count the claim itself, (1 + r) / (controls + 1)")
    if kappa is not None:
        _number("e-value", "kappa", kappa, 0, 1, strict=True)
    value = _calibrated(float(p), kappa)
    if controls is None:
        return value
    _number("e-value", "controls", controls, 1, 10**6)
    if abs(p * (controls + 1) - round(p * (controls + 1))) > 1e-6:
        raise InputError(f"e-value: p {p} is no rank among {controls} controls; leave controls= out")
    return value / _grid_mean(controls, kappa)


@dataclass(frozen=True)
class Evidence(_State):
    """E-values of a stream, brought together against the hypothesis that all their hypotheses are true.

    Attributes:
        count: e-values so far.
        log_product: logarithm of their product.
        peak: its largest value so far, 0 at least.
        total: their sum.
    """

    count: int = 0
    log_product: float = 0.0
    peak: float = 0.0
    total: float = 0.0

    def __post_init__(self) -> None:
        self._check("evidence", {"count": (0, 2**53), "peak": (0, math.inf), "total": (0, math.inf)})
        self._check("evidence", {"log_product": (-math.inf, self.peak)})

    def after(self, value: float) -> Evidence:
        """Return the state after one more e-value.

        Raises:
            InputError: an e-value below 0, or not finite.
        """
        _number("evidence", "e-value", value, 0, 1.7e308)
        product = self.log_product + (math.log(value) if value else -math.inf)
        return replace(
            self,
            count=self.count + 1,
            log_product=product,
            peak=max(self.peak, product),
            total=self.total + float(value),
        )

    @property
    def p(self) -> float:
        """Anytime-valid p-value from the product; needs each e-value to be valid *given those before it*."""
        return math.exp(-self.peak)

    @property
    def average(self) -> float:
        """Mean e-value: an e-value however they depend on each other, but at a time fixed beforehand.

        Raises:
            InputError: no e-value yet.
        """
        if not self.count:
            raise InputError("evidence: no e-value yet, so there is no average; call after() first")
        return self.total / self.count


def e_benjamini_hochberg(values: Sequence[float], alpha: float = 0.05) -> Bool[np.ndarray, " hypotheses"]:
    """Return which hypotheses of a batch to reject (e-BH): the false discovery rate is at most ``alpha``.

    The k largest e-values are rejected, for the largest k whose k-th is at least n / (k α); they may depend on each
    other in any way (Wang and Ramdas, "False discovery rate control with e-values", JRSS B 2022, Theorem 2).

    Raises:
        InputError: a level outside 0 to 1, an e-value below 0 or NaN.
    """
    _number("e-BH", "alpha", alpha, 0, 1, strict=True)
    e: Float[np.ndarray, " hypotheses"] = np.asarray(values, np.float64)
    if np.isnan(e).any() or (e < 0).any():
        raise InputError("e-BH: an e-value is below 0 or NaN; look at what computed it")
    order = np.argsort(-e, kind="stable")
    enough = e[order] * np.arange(1, len(e) + 1) * alpha >= len(e)
    kept = np.zeros(len(e), bool)
    kept[order[: int(np.flatnonzero(enough).max(initial=-1)) + 1]] = True
    return kept


@dataclass(frozen=True)
class ELond(_State):
    """False discoveries over a stream of e-values, however they depend on each other (e-LOND).

    The t-th is a discovery if it is at least 1 / (α γ_t (discoveries + 1)), with γ_t = 1 / (t (t + 1)) (Xu and Ramdas,
    "Online multiple testing with e-values", AISTATS 2024). The bar rises with time, at best linearly: e-values
    of K controls, K + 1 at most, soon find nothing. For streams of fresh tests see `LordPlus`.

    Attributes:
        alpha: false discovery rate allowed.
        count: e-values so far.
        discoveries: how many were discoveries.
        found: whether the last one was.
    """

    alpha: float = 0.05
    count: int = 0
    discoveries: int = 0
    found: bool = False

    def __post_init__(self) -> None:
        self._check("e-LOND", {"alpha": (0, 1)}, strict=True)
        self._check("e-LOND", {"count": (0, 2**53)})
        self._check("e-LOND", {"discoveries": (0, self.count)})

    @property
    def needed(self) -> float:
        """Least e-value that the next discovery needs."""
        t = self.count + 1
        return t * (t + 1) / (self.alpha * (self.discoveries + 1))

    def after(self, value: float) -> ELond:
        """Return the state after one more e-value; ``found`` says if it is a discovery.

        Raises:
            InputError: an e-value below 0 or NaN.
        """
        _number("e-LOND", "e-value", value, 0, math.inf)
        found = bool(value >= self.needed)
        return replace(self, count=self.count + 1, discoveries=self.discoveries + found, found=found)


@dataclass(frozen=True)
class LordPlus(_State):
    """False discoveries over a stream of p-values, each valid given those before it (LORD++).

    The t-th level is w₀ γ_t + (α − w₀) γ_(t−τ₁) + α Σ_j≥2 γ_(t−τ_j), with τ_j the times of the discoveries (Ramdas et
    al., "Online control of the false discovery rate with decaying memory", NeurIPS 2017): the false discovery rate is
    at most α if the p-values of true hypotheses are independent, its modified form (expected false over expected all)
    if they are valid given the past. γ is a mean of geometric series of several lives, so that nothing but one number
    for each has to be kept. A rank among K controls is 1 / (K + 1) at least: where `level` is below, nothing is found
    (by default, 199 controls are just enough).

    Attributes:
        alpha: false discovery rate allowed.
        start: w₀, the part of ``alpha`` at hand before the first discovery.
        decays: what is kept of each series a step.
        stakes: level at hand in each series; empty at the start.
        count: p-values so far.
        discoveries: how many were discoveries.
        found: whether the last one was.
    """

    alpha: float = 0.05
    start: float = 0.025
    decays: tuple[float, ...] = (0.3, 0.8, 0.97, 0.999)
    stakes: tuple[float, ...] = ()
    count: int = 0
    discoveries: int = 0
    found: bool = False

    def __post_init__(self) -> None:
        self._check("LORD++", {"alpha": (0, 1)}, strict=True)
        self._check("LORD++", {"count": (0, 2**53)})
        self._check("LORD++", {"start": (0, self.alpha), "discoveries": (0, self.count)})
        for decay in self.decays:
            _number("LORD++", "decay", decay, 0, 1, strict=True)
        object.__setattr__(self, "stakes", self.stakes or (self.start,) * len(self.decays))
        if not self.decays or len(self.stakes) != len(self.decays):
            raise InputError(f"LORD++: {len(self.stakes)} stakes for {len(self.decays)} decays; one each is wanted")
        for stake, decay in zip(self.stakes, self.decays, strict=True):
            _number("LORD++", "stake", stake, 0, self.alpha / (1 - decay) + 1e-9)

    @property
    def level(self) -> float:
        """Largest p-value that would be the next discovery."""
        parts = [s * (1 - r) for s, r in zip(self.stakes, self.decays, strict=True)]
        return math.fsum(parts) / len(parts)

    def after(self, p: float) -> LordPlus:
        """Return the state after one more p-value; ``found`` says if it is a discovery.

        Raises:
            InputError: a p-value outside 0 to 1.
        """
        _number("LORD++", "p", p, 0, 1)
        found = bool(p <= self.level)
        won = 0.0 if not found else self.alpha - self.start if self.discoveries == 0 else self.alpha
        stakes = tuple(s * r + won for s, r in zip(self.stakes, self.decays, strict=True))
        return replace(self, stakes=stakes, count=self.count + 1, discoveries=self.discoveries + found, found=found)
