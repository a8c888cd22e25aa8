"""Split conformal prediction: how far off predictions are, learnt from a calibration set that is kept with a system.

The set is two files: canonical JSON (RFC 8785) for the meaning, and a safetensors file of the same name for the
arrays. Its digest covers both, so that a verdict can commit to it.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import rfc8785
from jaxtyping import Float

from ..errors import InputError
from .commitment import commit, digest_array

__all__ = [
    "FORMAT",
    "KINDS",
    "Bound",
    "Calibration",
    "conformal_bound",
    "conformal_p",
    "read_calibration",
    "write_calibration",
]

FORMAT = "veridical.calibration/1"
KINDS = ("absolute", "normalised")
"""Nonconformity scores: |measured − predicted|, nats; and the same over (|predicted| + a constant)."""

_GROUPS = ("statistics", "maps", "novelty")


@dataclass(frozen=True)
class Bound:
    """A conformal bound.

    Attributes:
        value: the bound; infinite where there are too few scores.
        level: share of fresh scores that it covers, at least.
        count: scores that it was found from.
        needed: scores needed for a finite bound at this level.
        note: in words, what is wrong; empty where the bound is finite.
    """

    value: float
    level: float
    count: int
    needed: int
    note: str = ""


def _plain(scores: Sequence[float] | np.ndarray) -> Float[np.ndarray, " scores"]:
    found = np.asarray(scores, np.float64)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise InputError(f"conformal: scores of shape {found.shape}, not all finite or not in a row; give a list")
    return found


def conformal_bound(scores: Sequence[float] | np.ndarray, level: float = 0.9) -> Bound:
    """Return the ⌈(n + 1) level⌉-th smallest score.

    A fresh score, exchangeable with these, lies at or below it with probability at least ``level``, and at most level +
    1/(n + 1) if there are no ties (Vovk et al., "Algorithmic Learning in a Random World", 2005; Lei et al., JASA 2018,
    section 2.2). Claims of one observation are not exchangeable with those of a fresh one: calibrate on one each.

    Raises:
        InputError: scores that are not finite, a level outside 0 to 1.

    >>> conformal_bound(range(1, 10), 0.9).value, conformal_bound([1.0, 2.0], 0.9).value
    (9.0, inf)
    """
    if not 0 < level < 1:
        raise InputError(f"conformal: level {level}; a coverage strictly between 0 and 1 is wanted, such as 0.9")
    found = np.sort(_plain(scores))
    exact = Fraction(str(float(level)))  # as it was written: 0.55 × 100 must not come out above 55
    rank, needed = math.ceil((len(found) + 1) * exact), math.ceil(exact / (1 - exact))
    if rank > len(found):
        note = f"{len(found)} calibration scores are too few for a bound at {level:g}: {needed} are needed"
        return Bound(math.inf, level, len(found), needed, note)
    return Bound(float(found[rank - 1]), level, len(found), needed)


def conformal_p(scores: Sequence[float] | np.ndarray, value: float) -> float:
    """Return (1 + #{scores ≥ value}) / (n + 1): at most α with probability at most α, if exchangeable.

    Raises:
        InputError: scores or a value that are not finite.

    >>> conformal_p([1.0, 2.0, 3.0], 2.0)
    0.75
    """
    if not math.isfinite(value):
        raise InputError(f"conformal: the value to be placed is {value}; a finite number is wanted")
    found = _plain(scores)
    return (1 + int((found >= value).sum())) / (len(found) + 1)


def _frozen(name: str, values: Any) -> np.ndarray:
    """A copy that nobody can change, of a type that safetensors and `digest_array` hold alike."""
    array = np.array(values)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8 or not np.isfinite(array).all():
        raise InputError(f"calibration: {name} holds {array.dtype}, or values that are not finite; give finite numbers")
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was measured beforehand of a system and a method, to judge fresh decisions by.

    Attributes:
        system: digest of the system.
        method: name of the explaining method whose predictions these are.
        origin: when and on what it was made; plain JSON.
        constant: nats; a prediction's scale is its size plus this. Above 0, and fixed before any measurement.
        predicted: predicted effects, nats, one claim for each observation.
        measured: the effects measured, nats.
        statistics: further scores by name (of what is true under a null hypothesis).
        maps: further arrays by name.
        novelty: arrays of a `veridical.verifier.novelty.Novelty`.

    Raises:
        InputError: values that are not finite, of different lengths, or that JSON cannot hold.
    """

    system: str
    method: str
    origin: Mapping[str, Any]
    constant: float
    predicted: np.ndarray
    measured: np.ndarray
    statistics: Mapping[str, Sequence[float] | np.ndarray] = field(default_factory=dict)
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    novelty: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("system", "method"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise InputError(f"calibration: {name} is {value!r}; a name or digest is wanted")
        if isinstance(self.constant, bool) or not isinstance(self.constant, int | float) or not 0 < self.constant < 1e6:
            raise InputError(f"calibration: constant is {self.constant!r}; nats above 0 are wanted, such as 0.1")
        if not isinstance(self.origin, Mapping):
            raise InputError(
                f"calibration: origin is a {type(self.origin).__name__}; a mapping of JSON values is wanted"
            )
        try:
            plain = json.loads(rfc8785.dumps(dict(self.origin)))
        except (rfc8785.CanonicalizationError, UnicodeError, TypeError) as error:
            raise InputError(
                f"calibration: origin cannot be canonical JSON: {error}; give plain, finite values"
            ) from error
        object.__setattr__(self, "origin", plain)
        object.__setattr__(self, "constant", float(self.constant))
        for name in ("predicted", "measured"):
            array = _frozen(name, getattr(self, name))
            object.__setattr__(self, name, _frozen(name, array.astype(np.float64)))
        if self.predicted.ndim != 1 or self.predicted.shape != self.measured.shape:
            raise InputError(
                f"calibration: predicted has shape {self.predicted.shape}, measured {self.measured.shape}; one of each "
                "for every claim is wanted"
            )
        for group in _GROUPS:
            held = {str(k): _frozen(f"{group}/{k}", v) for k, v in getattr(self, group).items()}
            object.__setattr__(self, group, held)
        for name, values in self.statistics.items():
            if np.ndim(values) != 1:
                raise InputError(f"calibration: statistics/{name} has shape {np.shape(values)}; a row is wanted")
        plain = {k: _frozen(k, np.asarray(v, np.float64)) for k, v in self.statistics.items()}
        object.__setattr__(self, "statistics", plain)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by their name in the file; a group's names follow it and a slash."""
        out = {"measured": self.measured, "predicted": self.predicted}
        for group in _GROUPS:
            out |= {f"{group}/{name}": np.asarray(array) for name, array in getattr(self, group).items()}
        return dict(sorted(out.items()))

    def content(self) -> dict[str, Any]:
        """Return the meaning, and the digest of each array: what the digest is of."""
        return {
            "format": FORMAT,
            "system": self.system,
            "method": self.method,
            "origin": self.origin,
            "constant": self.constant,
            "arrays": {
                name: {"digest": digest_array(a), "dtype": a.dtype.name, "shape": list(a.shape)}
                for name, a in self.arrays().items()
            },
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content as canonical JSON."""
        return commit(self.content()).digest

    def check(self, system: str, method: str) -> None:
        """Raise unless it was made for this system and this method.

        Raises:
            InputError: it was made for another.
        """
        for what, mine, wanted in (("system", self.system, system), ("method", self.method, method)):
            if mine != wanted:
                raise InputError(f"calibration: made for {what} {mine}, not for {wanted}; calibrate for that one")

    def _scale(self, predicted: Float[np.ndarray, " claims"], kind: str) -> Float[np.ndarray, " claims"]:
        if kind not in KINDS:
            raise InputError(f"calibration: no scores of kind {kind!r}; there are {', '.join(KINDS)}")
        return np.abs(predicted) + self.constant if kind == "normalised" else np.ones(len(predicted))

    def scores(self, kind: str = "absolute") -> Float[np.ndarray, " claims"]:
        """Return the nonconformity scores.

        Raises:
            InputError: an unknown kind.
        """
        return np.abs(self.measured - self.predicted) / self._scale(self.predicted, kind)

    def interval(self, predicted: float, level: float = 0.9, kind: str = "absolute") -> tuple[float, float]:
        """Return where a fresh claim's effect lies with probability ``level``, nats; infinite where scores are too few.

        Raises:
            InputError: an unknown kind, a level outside 0 to 1.
        """
        half = conformal_bound(self.scores(kind), level).value * float(
            self._scale(np.array([float(predicted)]), kind)[0]
        )
        return predicted - half, predicted + half

    def p(self, predicted: float, measured: float, kind: str = "absolute") -> float:
        """Return the p-value of a fresh claim: small where it misses by more than the calibration's claims do.

        Raises:
            InputError: an unknown kind, values that are not finite.
        """
        scale = float(self._scale(np.array([float(predicted)]), kind)[0])
        return conformal_p(self.scores(kind), abs(measured - predicted) / scale)

    def p_of(self, name: str, value: float) -> float:
        """Return the p-value of a value among the statistics of that name, small where it is large.

        Raises:
            InputError: no such statistics.
        """
        if name not in self.statistics:
            known = ", ".join(self.statistics) or "none"
            raise InputError(f"calibration: no statistics {name!r}; there are: {known}")
        return conformal_p(np.asarray(self.statistics[name]), value)


def _pair(path: str | Path) -> tuple[Path, Path]:
    found = Path(path)
    if found.suffix != ".json":
        raise InputError(f"calibration: {found} must end in .json; its arrays stand beside it, in .safetensors")
    return found, found.with_suffix(".safetensors")


def write_calibration(path: str | Path, calibration: Calibration) -> Path:
    """Write a calibration: ``path``, ending in ``.json``, and the ``.safetensors`` file beside it; both are replaced.

    Raises:
        InputError: another ending, or a place that cannot be written to.
    """
    from safetensors.numpy import save

    manifest, arrays = _pair(path)
    content = rfc8785.dumps({**calibration.content(), "digest": calibration.digest})
    try:
        for target, data in ((arrays, save(calibration.arrays())), (manifest, content)):
            staged = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
            try:
                staged.write_bytes(data)
                staged.replace(target)
            finally:
                staged.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"calibration: {manifest} cannot be written: {error.strerror}; name another place") from error
    return manifest


def read_calibration(path: str | Path, digest: str | None = None) -> Calibration:
    """Read a calibration, holding every array and the whole against their digests.

    Args:
        path: the JSON file.
        digest: the digest that it must have (of a record, say): who alters the files can alter the digest in them too.

    Raises:
        InputError: files that are missing, malformed, of another format, or altered.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    manifest, beside = _pair(path)
    content = _read_manifest(manifest)
    try:
        arrays = load(beside.read_bytes())
    except OSError as error:
        raise InputError(f"calibration: {beside} cannot be read: {error.strerror}; it belongs to the JSON") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"calibration: {beside} is not a safetensors file: {error}; copy both files again") from error
    if set(arrays) != set(content["arrays"]):
        odd = ", ".join(sorted(set(arrays) ^ set(content["arrays"])))
        raise InputError(f"calibration: {beside} does not hold the arrays that {manifest.name} names: {odd}")
    for name, array in arrays.items():
        wanted = content["arrays"][name]
        got = {"digest": digest_array(array), "dtype": array.dtype.name, "shape": list(array.shape)}
        if wanted != got:
            raise InputError(f"calibration: array {name!r} of {beside} is {got}, not {wanted}; it was altered")
    if {"predicted", "measured"} - set(arrays):
        raise InputError(f"calibration: {beside} lacks 'predicted' or 'measured'; calibrate again")
    parts: dict[str, Any] = {k: content[k] for k in ("system", "method", "origin", "constant")}
    parts |= {k: arrays[k] for k in ("predicted", "measured")}
    for group in _GROUPS:
        parts[group] = {k.split("/", 1)[1]: v for k, v in arrays.items() if k.startswith(f"{group}/")}
    found = Calibration(**parts)
    for wanted in (content["digest"], digest):
        if wanted is not None and found.digest != wanted:
            raise InputError(f"calibration: {manifest} has digest {found.digest}, not {wanted}; it was altered")
    return found


def _read_manifest(path: Path) -> dict[str, Any]:
    """Read the JSON file and check its outer form."""
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_unique, parse_constant=_refused)
    except OSError as error:
        raise InputError(f"calibration: {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"calibration: {path} is not JSON: {error}; it was cut short or altered") from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != FORMAT:
        raise InputError(f"calibration: {path} has format {found!r}; this version reads {FORMAT!r}")
    names = {"format", "system", "method", "origin", "constant", "arrays", "digest"}
    if set(content) != names or not isinstance(content["arrays"], dict) or not isinstance(content["digest"], str):
        raise InputError(f"calibration: {path} must hold {', '.join(sorted(names))}, and no more; it was altered")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that stands twice (two readers could see two meanings)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refused(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's parser would let through."""
    raise ValueError(f"{name} is not a JSON number")
