"""Is an edited input still like natural ones? Its distance from them in the system's own features.

An edit may move a score because evidence went, or because the system has never seen such an input. The distance is
Mahalanobis', on a covariance shrunk towards a ball (features are many, calibration inputs few), and a conformal p-value
says how rare it is among natural inputs that the covariance has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from ..modalities.contract import SplitSystem, System
from ..modalities.held import held
from ..modalities.scorer import logits_of, rows

__all__ = ["ENOUGH", "LOGITS", "Novelty", "NoveltyScore", "Reference", "features_of", "pool", "shrinkage"]

LOGITS = "logits"
"""The name under which a system that cannot be split has its features: the scores of its actions."""
Pooled = Float[Tensor, "batch steps pooled"]
ENOUGH = 20
"""Natural inputs; a novelty fitted on fewer says that they are too few."""
_LEAST = 4
_NAMES = ("mean", "components", "variances", "rest", "distances")


def pool(features: Mapping[str, Tensor], axes: Mapping[str, int] | None = None) -> dict[str, Pooled]:
    """Describe features by their mean and spread over all positions.

    Features stand where torch puts them: on the axis before two of space, (batch, …, features, height, width), where
    there are four axes or more; else on the last, (batch, positions, features). In the last form, rows of zeros are
    padding and don't count. Axes between batch and features of the first form are steps (frames), which are described
    one by one: one odd frame must not vanish among others. Mean and standard deviation are each brought to length one,
    beside which the logarithm of their length stands: at that, blank inputs are far from natural ones, which they are
    not in the plain mean (Mueller and Hein, "Mahalanobis++", ICML 2025, normalise so too). Features without positions,
    (batch, features), are left as they are.

    Args:
        features: encoded features by sense; batches may differ.
        axes: the features' axis by sense, where it is another; all other axes are positions then.

    Returns:
        (batch, steps, 2 · features + 2) by sense, or (batch, 1, features).

    Raises:
        InputError: fewer than two axes, or an axis that does not exist or is the batch's.
    """
    out: dict[str, Tensor] = {}
    for m, x in features.items():
        if x.ndim < 2:
            raise InputError(f"novelty: features of {m} have shape {tuple(x.shape)}; (batch, …) of two axes are wanted")
        own = (axes or {}).get(m)
        axis = own if own is not None else -3 if x.ndim >= 4 else -1
        if not -x.ndim < axis < x.ndim or axis == 0:
            raise InputError(f"novelty: features of {m} have shape {tuple(x.shape)}, so axis {axis} is none of theirs")
        if x.ndim == 2:
            out[m] = x[:, None]
            continue
        x = x.movedim(axis, -1)
        steps = x.flatten(1, -4) if x.ndim >= 5 and own is None else x[:, None]
        positions = steps.flatten(2, -2)
        counted = (positions != 0).any(-1, keepdim=True) if x.ndim == 3 else torch.ones_like(positions[..., :1])
        out[m] = _describe(positions, counted.to(x.dtype))
    return out


def _describe(
    x: Float[Tensor, "batch steps positions features"], counted: Float[Tensor, "batch steps positions 1"]
) -> Pooled:
    count = counted.sum(2).clamp(min=1)
    mean = (x * counted).sum(2) / count
    spread = (((x - mean[:, :, None]) ** 2 * counted).sum(2) / count).sqrt()
    parts: list[Tensor] = []
    for part in (mean, spread):
        length = part.norm(dim=-1, keepdim=True) + 1e-6
        parts += [part / length, length.log()]
    return torch.cat(parts, -1)


def features_of(
    system: System, inputs: Mapping[str, Tensor], axes: Mapping[str, int] | None = None
) -> dict[str, Pooled]:
    """Return the pooled features of inputs, (batch, steps, features) by sense.

    A split system's are its own encodings (see `pool`); of any other only its scores can be had, under the name
    `LOGITS`: edits that make inputs odd without making scores odd then go unnoticed.

    Args:
        system: what is explained.
        inputs: batches by sense.
        axes: the features' axis by sense, where `pool` would not find it.

    Raises:
        ContractError: features or scores that are not finite, or not tensors.
        InputError: features that `pool` cannot average.
    """
    with torch.no_grad(), held(system) as state:
        try:
            if not isinstance(system, SplitSystem):
                own = {m: x.clone() for m, x in inputs.items()}
                return pool({LOGITS: logits_of(system, own, rows(inputs), "for inputs whose novelty is asked")})
            encoded = {m: system.encode(m, x.clone()) for m, x in inputs.items()}
        finally:
            state.settle()
    for m, x in encoded.items():
        if not isinstance(x, Tensor) or not x.isfinite().all():
            raise ContractError(f"system: its features of {m} are no tensor, or not finite; mend encode({m!r}, …)")
    return pool(encoded, axes)


def shrinkage(centred: Float[np.ndarray, "inputs features"]) -> float:
    """Return how far a covariance is to be shrunk towards μ·identity (μ its mean variance), 0 to 1.

    The estimate of Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (J. of
    Multivariate Analysis 2004, section 3.2): min(b², d²) / d². Computed from the products of inputs, so that no
    matrix of features by features is made.
    """
    n, p = centred.shape
    gram = centred @ centred.T
    squared = float((gram**2).sum()) / n**2  # ‖S‖² of the covariance S = XᵀX / n
    mu = float(np.trace(gram)) / (n * p)
    d2 = squared - p * mu**2
    b2 = (float((np.diag(gram) ** 2).sum()) / n - squared) / n
    return min(max(b2 / d2, 0.0), 1.0) if d2 > 1e-12 * squared else 1.0


@dataclass(frozen=True, eq=False)
class Reference:
    """Natural features of one sense.

    Attributes:
        mean: their mean.
        components: directions in which they vary, orthonormal, most first.
        variances: shrunk variance in each.
        rest: variance in every other direction.
        distances: of natural inputs that the others were not fitted on, ascending; see `distance`.
    """

    mean: Float[np.ndarray, " features"]
    components: Float[np.ndarray, "components features"]
    variances: Float[np.ndarray, " components"]
    rest: float
    distances: Float[np.ndarray, " inputs"]

    def distance(self, features: Float[np.ndarray, "batch steps features"]) -> Float[np.ndarray, " batch"]:
        """Mahalanobis distance of the worst step over the root of the number of features; about 1 in the fit."""
        off = features - self.mean
        along = off @ self.components.T
        left = np.maximum((off**2).sum(-1) - (along**2).sum(-1), 0.0)
        return np.sqrt(((along**2 / self.variances).sum(-1) + left / self.rest) / len(self.mean)).max(-1)


def _fit(
    natural: Float[np.ndarray, "rows features"], fresh: Float[np.ndarray, "inputs steps features"], most: int
) -> Reference:
    mean = natural.mean(0)
    centred = natural - mean
    n, p = centred.shape
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    raw, mu = s**2 / n, float((s**2).sum()) / (n * p)
    share = shrinkage(centred)
    # Features that don't vary among natural inputs would make every rounding error infinitely far.
    floor = (1e-5 * float(np.sqrt((natural**2).mean()))) ** 2 + 1e-20
    variances = np.maximum((1 - share) * raw + share * mu, floor)
    kept = min(most, int((raw > 1e-12 * max(float(raw.max(initial=0)), 1e-300)).sum()))
    # Directions left out share what variance is left (as in probabilistic PCA, Tipping and Bishop, JRSS B 1999).
    left = (p * mu - float(((1 - share) * raw[:kept] + share * mu).sum())) / max(p - kept, 1)
    rest = max(left, floor) if p > kept else float(variances[-1])
    single = np.float32  # as it is written; distances must be those of what is read back
    parts = (mean, vt[:kept], variances[:kept])
    mean, components, variances = (np.asarray(x, single).astype(np.float64) for x in parts)
    rest = float(np.float32(rest))
    reference = Reference(mean, components, variances, rest, np.zeros(0))
    return Reference(mean, components, variances, rest, np.sort(reference.distance(fresh)))


@dataclass(frozen=True, eq=False)
class NoveltyScore:
    """How far inputs are from natural ones, in one sense.

    Attributes:
        distance: about 1 for natural inputs; see `Reference.distance`.
        p: conformal p-value of each, (1 + #{natural ones as far}) / (n + 1): small means off the data.
    """

    distance: Float[np.ndarray, " batch"]
    p: Float[np.ndarray, " batch"]


def _array(m: str, x: Any) -> Float[np.ndarray, "batch steps features"]:
    found = np.asarray(x.detach().cpu().double() if isinstance(x, Tensor) else x, np.float64)
    found = found[:, None] if found.ndim == 2 else found
    if found.ndim != 3 or 0 in found.shape[1:] or not np.isfinite(found).all():
        raise InputError(f"novelty: features of {m} have shape {found.shape} or are not finite; pool them first")
    return found


@dataclass(frozen=True, eq=False)
class Novelty:
    """What natural inputs look like to a system, sense by sense.

    Attributes:
        senses: the natural features of each sense.

    Example:
        >>> novelty = Novelty.fit(features_of(system, natural))                       # doctest: +SKIP
        >>> novelty.score(pool({"vision": encoded}))["vision"].p                       # doctest: +SKIP
    """

    senses: Mapping[str, Reference]

    @classmethod
    def fit(cls, features: Mapping[str, Tensor | np.ndarray], seed: int = 0, components: int = 64) -> Novelty:
        """Learn what natural inputs look like.

        A random half of the inputs gives mean and covariance, the other half the distribution of the distance.

        Args:
            features: pooled features of natural inputs, (inputs, steps, features) or (inputs, features) by sense.
            seed: of the halving.
            components: directions kept at most.

        Raises:
            InputError: fewer than four inputs, or features that are not finite or not pooled.
        """
        senses: dict[str, Reference] = {}
        if not features or components < 1:
            raise InputError(f"novelty: {len(features)} senses and {components} components; one of each is needed")
        for m, x in features.items():
            natural = _array(m, x)
            if len(natural) < _LEAST:
                raise InputError(
                    f"novelty: {len(natural)} natural inputs of {m}; {_LEAST} at the very least, {ENOUGH} to be of use"
                )
            order = np.random.default_rng(seed).permutation(len(natural))
            half = len(natural) // 2
            senses[m] = _fit(natural[order[half:]].reshape(-1, natural.shape[-1]), natural[order[:half]], components)
        return cls(senses)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user must be told, one sentence each."""
        return tuple(
            f"novelty of {m}: {len(r.distances)} natural inputs to compare with are few ({ENOUGH // 2} or more are "
            f"wanted, half of those given): no p-value can be below {self.least_p(m):.2f}"
            for m, r in self.senses.items()
            if len(r.distances) < ENOUGH // 2
        )

    def least_p(self, sense: str) -> float:
        """Return the smallest p-value that a sense can have, 1 / (n + 1).

        Raises:
            InputError: a sense without natural inputs.
        """
        return 1 / (len(self._reference(sense).distances) + 1)

    def _reference(self, sense: str) -> Reference:
        if sense not in self.senses:
            raise InputError(f"novelty: nothing known of natural {sense}; known: {', '.join(self.senses)}")
        return self.senses[sense]

    def score(self, features: Mapping[str, Tensor | np.ndarray]) -> dict[str, NoveltyScore]:
        """Return how far inputs are from natural ones, for each sense given.

        Args:
            features: pooled features, (batch, steps, features) or (batch, features) by sense; batches may differ.

        Raises:
            InputError: an unknown sense, or features of another number, not finite or not pooled.
        """
        out: dict[str, NoveltyScore] = {}
        for m, x in features.items():
            reference, found = self._reference(m), _array(m, x)
            if found.shape[2] != len(reference.mean):
                raise InputError(f"novelty: {found.shape[2]} features of {m}; {len(reference.mean)} were fitted")
            distance = reference.distance(found)
            natural = reference.distances
            as_far = len(natural) - np.searchsorted(natural, distance, "left")
            out[m] = NoveltyScore(distance, (1 + as_far) / (len(natural) + 1))
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, named ``sense/part``, for a `Calibration`; `from_arrays` reads them."""
        out: dict[str, np.ndarray] = {}
        for m, r in self.senses.items():
            for name in _NAMES:
                value = np.asarray(getattr(r, name))
                out[f"{m}/{name}"] = value if name == "distances" else value.astype(np.float32)
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Novelty:
        """Return what `arrays` wrote.

        Raises:
            InputError: parts that are missing, do not fit together, or hold variances not above 0.
        """
        senses: dict[str, Reference] = {}
        for m in sorted({name.rpartition("/")[0] for name in arrays}):
            lacking = [name for name in _NAMES if f"{m}/{name}" not in arrays]
            if lacking:
                raise InputError(f"novelty: of sense {m!r}, {', '.join(lacking)} are missing; fit it again")
            mean, components, variances, rest, distances = (np.asarray(arrays[f"{m}/{k}"], np.float64) for k in _NAMES)
            fits = mean.ndim == variances.ndim == distances.ndim == 1 and rest.ndim == 0
            fits = fits and components.shape == (len(variances), len(mean))
            if not fits or not rest > 0 or not (variances > 0).all():
                raise InputError(f"novelty: the parts of sense {m!r} do not fit together; fit it again")
            senses[m] = Reference(mean, components, variances, float(rest), np.sort(distances))
        return cls(senses)
