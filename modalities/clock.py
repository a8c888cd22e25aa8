"""Clocks: from a signal's own seconds to those of the observation.

Each sense counts its own seconds: frame i begins at i times the nominal interval, sample i lies at i / rate. Devices
start at different moments, run at slightly different rates, and drop frames. A clock says when each of a signal's own
seconds was, on the one clock that all senses of an observation share, and how well that is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, overload

import numpy as np
from jaxtyping import Float

from ..errors import InputError

__all__ = ["MOST_DRIFT", "Clock", "Seconds", "Stamps"]

MOST_DRIFT = 0.1
"""A clock that gains or loses more than this share is none: quartz stays within a few parts in 100 000."""

_FAR = 2.0**20
"""Seconds between the two knots of a straight clock: so far that rounding at Unix times does not bend its slope."""

Seconds = Sequence[float] | np.ndarray
"""Seconds, one for each of something."""


@dataclass(frozen=True)
class Clock:
    """When each of a signal's own seconds was: straight between knots, and on by the end slopes beyond them.

    Attributes:
        local: the signal's own seconds at the knots, strictly rising, at least two.
        reference: the observation's clock at the knots, strictly rising.
        uncertainty: standard deviation of the alignment in seconds, at ``pivot``; None where it is not known.
        drift_uncertainty: standard deviation of the drift; None where it is not known.
        pivot: the signal's own second at which offset and drift err independently.
        stamped: whether the knots are samples with timestamps of their own.

    Raises:
        InputError: knots that do not rise, are not finite or are not of one number; a negative uncertainty.

    Example:
        >>> Clock.affine(start=2.0)(10.0)
        12.0
    """

    local: tuple[float, ...]
    reference: tuple[float, ...]
    uncertainty: float | None = 0.0
    drift_uncertainty: float | None = 0.0
    pivot: float = 0.0
    stamped: bool = False

    def __post_init__(self) -> None:
        for name in ("local", "reference"):
            values = _numbers("clock", f"{name} seconds", getattr(self, name))
            object.__setattr__(self, name, values)
            _check_rising(values, f"clock: {name} seconds", "knot")
        if len(self.local) != len(self.reference):
            raise InputError(
                f"clock: {len(self.local)} local and {len(self.reference)} reference seconds; a knot has one of each"
            )
        if len(self.local) < 2:
            raise InputError(f"clock: {len(self.local)} knot; give at least two, or a start and a drift (Clock.affine)")
        for name in ("uncertainty", "drift_uncertainty"):
            object.__setattr__(self, name, _spread(name, getattr(self, name)))
        object.__setattr__(self, "pivot", _number("pivot", self.pivot))

    @classmethod
    def affine(
        cls,
        start: float = 0.0,
        drift: float = 0.0,
        uncertainty: float | None = 0.0,
        drift_uncertainty: float | None = 0.0,
    ) -> Clock:
        """Return the clock ``start + (1 + drift) * seconds``.

        Args:
            start: the observation's clock at the signal's first moment, seconds.
            drift: by how much the observation's clock runs on more, as a share; 5e-5 is 50 parts in a million.
            uncertainty: standard deviation of the start, seconds.
            drift_uncertainty: standard deviation of the drift.

        Raises:
            InputError: a number that is not finite, a drift beyond ``MOST_DRIFT``, a negative uncertainty.
        """
        return cls._line(0.0, _number("start", start), 1 + _drift(drift), (uncertainty, drift_uncertainty))

    @classmethod
    def _line(cls, pivot: float, at: float, slope: float, spread: tuple[float | None, float | None]) -> Clock:
        return cls((pivot, pivot + _FAR), (at, at + slope * _FAR), *spread, pivot=pivot)

    @classmethod
    def of_stamps(cls, stamps: Seconds, interval: float, uncertainty: float | None = 0.0) -> Clock:
        """Return the clock of samples with timestamps: sample i spans ``stamps[i]`` to ``stamps[i + 1]``.

        The last lasts as long as the median of the gaps; a single one lasts the nominal interval.

        Args:
            stamps: when each sample was taken, seconds of the observation's clock, strictly rising.
            interval: seconds that the signal itself counts from one sample to the next.
            uncertainty: standard deviation of a timestamp, seconds.

        Raises:
            InputError: no timestamps, a timestamp that goes backwards, stands twice or is not finite; an interval that
                is not positive.
        """
        return Stamps.of(stamps, uncertainty).clock(interval)

    @classmethod
    def fit(cls, local: Seconds, reference: Seconds) -> Clock:
        """Return the straight clock through events that both clocks saw, by least squares.

        The residual's standard deviation s (n - 2 degrees of freedom) gives the uncertainty at a second t as
        ``s * sqrt(1/n + (t - mean)^2 / Sxx)``, the standard error of a fitted line (Draper & Smith, Applied Regression
        Analysis, 3rd ed., section 1.4). Two events leave no residual: then the uncertainty is None, not known.

        Args:
            local: when each event was by the signal's own clock, seconds, in any order.
            reference: when the same events were by the observation's clock.

        Raises:
            InputError: fewer than two events, other numbers of them on the two clocks, all at one moment, not finite,
                or a drift beyond ``MOST_DRIFT``.
        """
        x, y = (np.array(_numbers("clock", "seconds of events", values)) for values in (local, reference))
        if len(x) != len(y):
            raise InputError(f"clock: {len(x)} events on the one clock, {len(y)} on the other; pair them")
        if len(x) < 2:
            raise InputError(f"clock: {len(x)} event; two give start and drift, three their uncertainty as well")
        mean, level = float(x.mean()), float(y.mean())
        within = float(np.sum((x - mean) ** 2))
        if within == 0:
            raise InputError(f"clock: all {len(x)} events are at {x[0]:g} s; a drift shows only between events apart")
        slope = float(np.sum((x - mean) * (y - level))) / within
        if abs(slope - 1) > MOST_DRIFT:
            raise InputError(
                f"clock: the events give a drift of {100 * (slope - 1):.3g} %, beyond {100 * MOST_DRIFT:g} %; are they "
                "the same events in the same order, and in seconds?"
            )
        if len(x) == 2:
            return cls._line(mean, level, slope, (None, None))
        residual = y - level - slope * (x - mean)
        deviation = math.sqrt(float(residual @ residual) / (len(x) - 2))
        return cls._line(mean, level, slope, (deviation / math.sqrt(len(x)), deviation / math.sqrt(within)))

    @property
    def drift(self) -> float:
        """By how much the observation's clock runs on more than the signal's, as a share, from first to last knot."""
        return (self.reference[-1] - self.reference[0]) / (self.local[-1] - self.local[0]) - 1

    @overload
    def __call__(self, seconds: float) -> float: ...
    @overload
    def __call__(self, seconds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
    def __call__(self, seconds: Any) -> Any:
        """Return the observation's seconds at the signal's own."""
        return _along(seconds, self.local, self.reference)

    @overload
    def inverse(self, seconds: float) -> float: ...
    @overload
    def inverse(self, seconds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
    def inverse(self, seconds: Any) -> Any:
        """Return the signal's own seconds at the observation's."""
        return _along(seconds, self.reference, self.local)

    @overload
    def uncertainty_at(self, seconds: float) -> float: ...
    @overload
    def uncertainty_at(self, seconds: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]: ...
    def uncertainty_at(self, seconds: Any) -> Any:
        """Return the standard deviation at the signal's own seconds; infinite where it is not known."""
        if self.uncertainty is None or self.drift_uncertainty is None:
            found = np.full(np.shape(seconds), np.inf)
        else:
            found = np.hypot(self.uncertainty, self.drift_uncertainty * (np.asarray(seconds, float) - self.pivot))
        return found if isinstance(seconds, np.ndarray) else float(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` reads them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Clock:
        """Read what `to_dict` gave.

        Raises:
            InputError: other keys, or values that make no clock.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(content, Mapping) or sorted(content) != sorted(known):
            got = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
            raise InputError(f"clock: the keys {', '.join(known)} are wanted, got {got or 'nothing'}")
        if not isinstance(content["stamped"], bool):
            raise InputError(f"clock: stamped {content['stamped']!r}; true or false is wanted")
        knots = {k: _numbers("clock", f"{k} seconds", content[k]) for k in ("local", "reference")}
        return cls(**{**content, **knots})


@dataclass(frozen=True)
class Stamps:
    """When each sample of a signal was taken.

    Attributes:
        times: seconds of the observation's clock, strictly rising, one for each sample.
        uncertainty: standard deviation of each, seconds; None where it is not known.

    Raises:
        InputError: none, a timestamp that goes backwards, stands twice or is not finite; a negative uncertainty.
    """

    times: tuple[float, ...]
    uncertainty: float | None = 0.0

    def __post_init__(self) -> None:
        times = _numbers("stamps", "timestamps", self.times)
        if len(times) == 0:
            raise InputError("stamps: no timestamps; give one for each sample")
        _check_rising(times, "stamps: timestamps", "sample")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "uncertainty", _spread("uncertainty", self.uncertainty))

    @classmethod
    def of(cls, times: Seconds, uncertainty: float | None = 0.0) -> Stamps:
        """Return the stamps of any list of numbers.

        Raises:
            InputError: as above, or what is no list of numbers.
        """
        return cls(_numbers("stamps", "timestamps", times), uncertainty)

    def clock(self, interval: float) -> Clock:
        """Return the clock of a signal that itself counts ``interval`` seconds a sample; see `Clock.of_stamps`.

        Raises:
            InputError: an interval that is not positive.
        """
        interval = _number("interval", interval)
        if interval <= 0:
            raise InputError(f"clock: interval {interval:g} s between samples; give a positive number of seconds")
        last = float(np.median(np.diff(self.times))) if len(self.times) > 1 else interval
        local = tuple(i * interval for i in range(len(self.times) + 1))
        return Clock(local, (*self.times, max(self.times) + last), self.uncertainty, stamped=True)


def _along(seconds: Any, knots: tuple[float, ...], values: tuple[float, ...]) -> Any:
    """Interpolate; beyond the ends the first and the last slope go on."""
    x, y = np.array(knots), np.array(values)
    at = np.asarray(seconds, float)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    found = y[piece] + (at - x[piece]) * (np.diff(y) / np.diff(x))[piece]
    return found if isinstance(seconds, np.ndarray) else float(found)


def _numbers(where: str, what: str, values: Any) -> tuple[float, ...]:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: the {what} are not numbers: {error}") from error
    if array.size and array.dtype.kind not in "iuf":  # strings that read like numbers are not taken for them
        raise InputError(f"{where}: the {what} are of type {array.dtype}; numbers are wanted, in seconds")
    if array.ndim != 1:
        raise InputError(f"{where}: {what} of shape {array.shape}; a list of seconds is wanted")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise InputError(f"{where}: {what}: number {bad[0]} is {array[bad[0]]}, not finite; drop that sample")
    return tuple(map(float, array))


def _number(what: str, value: Any) -> float:
    try:
        found = math.nan if isinstance(value, (str, bool)) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"clock: {what} {value!r}; a finite number is wanted")
    return found


def _drift(value: Any) -> float:
    found = _number("drift", value)
    if abs(found) > MOST_DRIFT:
        raise InputError(
            f"clock: drift {found:g} is beyond ±{MOST_DRIFT:g}; it is a share (50 parts in a million are 5e-5), not a "
            "rate"
        )
    return found


def _spread(what: str, value: Any) -> float | None:
    if value is None:
        return None
    found = _number(what, value)
    if found < 0:
        raise InputError(f"clock: {what} {found:g} is negative; give a standard deviation, or None if it is not known")
    return found


def _check_rising(values: Sequence[float], what: str, sample: str) -> None:
    gaps = np.diff(np.array(values))
    back = np.flatnonzero(gaps < 0)
    if len(back):
        i = int(back[0])
        raise InputError(
            f"{what} go backwards at {sample} {i + 1}: {values[i + 1]!r} s after {values[i]!r} s at {sample} {i}; put "
            f"the {sample}s in order, or mend the clock that stamped them"
        )
    same = np.flatnonzero(gaps == 0)
    if len(same):
        pairs = ", ".join(f"{i} and {i + 1} ({values[i]!r} s)" for i in same[:3].tolist())
        more = f" and {len(same) - 3} more" if len(same) > 3 else ""
        raise InputError(f"{what} stand twice at {sample}s {pairs}{more}; drop one of each")
