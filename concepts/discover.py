"""Discovery: concepts of one sense, from what was gathered, without anybody's labels.

1. *Gradients weigh the features.* The outer products of the scores' gradients tell in which directions of the features
   a change of them changes a score (active subspace: Constantine, Dow and Wang, SIAM J. Sci. Comput. 2014). Few do:
   those that hold nearly all of it are the bank's space, and a coordinate there is in nats.
2. *Factorisation.* Rows, less the usual row, are factorised into weights >= 0, few of them in each row, times signed
   directions: a sparse semi-nonnegative factorisation (Ding, Li and Jordan, IEEE TPAMI 2010; Hoyer, "Non-negative
   sparse coding", 2002; scikit-learn's dictionary learning with positive codes).
3. *Their number is chosen by stability*: the factorisation is done again on resampled observations, directions are
   matched one to one (Hungarian method), and of the numbers tried the largest is taken whose directions are found
   again, by a mean cosine (Brunet et al., PNAS 2004, in spirit).

Whether a direction is a reason for anything is not decided here: that is measured, at each decision (`effects`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from scipy.stats import fisher_exact

from ..errors import InputError
from .bank import Association, ConceptBank, Prototype
from .gather import Gathered, Rows
from .project import nonnegative

__all__ = ["DiscoverySettings", "associate", "discover", "factorise", "matched"]

_ROUNDS = 40
"""Rounds of a factorisation."""
_SAME = 0.95
"""Cosine from which on two directions are one."""
_QUANTILES = 33
_CONTROLS = 64
_GOES_WITH = 0.05
"""Largest corrected p-value of an association."""


@dataclass(frozen=True)
class DiscoverySettings:
    """How concepts are found.

    Attributes:
        dims: dimensions of the space at the most; the bank tells the share of the gradients' squares that they hold.
        candidates: numbers of concepts tried.
        penalty: price of a weight in the factorisation: the larger, the fewer concepts share a row.
        stable: least mean cosine with the directions found in resamples.
        replicas: resamples.
        rows: rows factorised at the most.
        prototypes: places kept for each concept, each of another observation: half of them the strongest, half of them
            drawn from where it is present.
        present: a concept is present where it has this share of its 99th percentile's strength.
        seed: of samples and resamples.

    Raises:
        InputError: a number out of range.
    """

    dims: int = 8
    candidates: tuple[int, ...] = (6, 8, 10, 12)
    penalty: float = 0.1
    stable: float = 0.85
    replicas: int = 5
    rows: int = 2000
    prototypes: int = 8
    present: float = 0.35
    seed: int = 0

    def __post_init__(self) -> None:
        shares = 0 < self.stable <= 1 and 0 < self.present < 1
        least = min((self.dims, self.replicas, self.prototypes, self.rows, *(self.candidates or (0,))))
        if not (shares and least >= 1 and self.penalty > 0):
            raise InputError(
                f"concepts: {self}; stable and present are shares, the penalty is above 0, all else is at least "
                "1, and one number of concepts is to be tried"
            )


def factorise(
    rows: Float[np.ndarray, "rows dims"], count: int, penalty: float, seed: int = 0
) -> Float[np.ndarray, "concepts dims"]:
    """Return ``count`` directions of length 1 whose sparse sums with weights >= 0 come nearest to the rows.

    Args:
        rows: coordinates; their scale does not matter.
        count: how many directions.
        penalty: price of a weight, for rows of mean square 1.
        seed: of the search.

    Returns:
        The directions; those that no row needs, and those that are another over again, are left out.
    """
    from sklearn.decomposition import DictionaryLearning

    # By the square root of their size: a few loud rows (silence, in sound) would else be all that is fitted.
    rows = rows / np.sqrt(np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
    scale = np.sqrt(np.square(rows).sum(1).mean()) + 1e-12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not settled in so many rounds shows in the stability
        model = DictionaryLearning(
            count, alpha=cast("int", penalty), max_iter=_ROUNDS, fit_algorithm="cd", transform_algorithm="lasso_cd",
            positive_code=True, random_state=seed,
        ).fit((rows / scale).astype(np.float64))  # fmt: skip
    found = np.asarray(model.components_, np.float64)
    used = nonnegative(rows / scale, found, penalty / 2).sum(0) > 1e-6
    found = found[used & (np.linalg.norm(found, axis=1) > 1e-6)]
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    kept: list[int] = []
    for k in range(len(found)):
        if all(found[k] @ found[other] < _SAME for other in kept):
            kept.append(k)
    return found[kept].astype(np.float32)


def matched(
    directions: Float[np.ndarray, "concepts dims"], others: Float[np.ndarray, "others dims"]
) -> tuple[Float[np.ndarray, "concepts dims"], Float[np.ndarray, " concepts"]]:
    """Return for each direction its partner among others, one to one, and the cosine; itself and 0 if it has none."""
    similarity = directions @ others.T
    mine, theirs = linear_sum_assignment(-similarity)
    found, cosine = directions.copy(), np.zeros(len(directions), np.float32)
    found[mine], cosine[mine] = others[theirs], similarity[mine, theirs]
    return found, cosine


def _space(rows: Rows, settings: DiscoverySettings) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the space, the way back, and the share of the gradients' squares that it holds."""
    values, vectors = np.linalg.eigh(rows.outer / max(rows.gradients, 1))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    total = values.sum()
    if total <= 0:
        raise InputError("concepts: no gradient reaches these features; the scores do not hang on this sense")
    held = np.cumsum(values) / total
    dims = min(settings.dims, int((values > 1e-9 * values[0]).sum()))
    scale = np.sqrt(values[:dims])
    return vectors[:, :dims] * scale, (vectors[:, :dims] / scale).T, float(held[dims - 1])


def _usual(features: np.ndarray, space: np.ndarray) -> np.ndarray:
    """Return the usual row: the mean of the quarter that is nearest to the median in the space."""
    placed = features @ space
    far = np.square(placed - np.median(placed, axis=0)).sum(1)
    return features[np.argsort(far, kind="stable")[: max(1, len(features) // 4)]].mean(0)


def _sample(coordinates: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows: half of them as they come, half of them by how far they are from the usual."""
    if len(coordinates) <= count:
        return coordinates
    weight = np.linalg.norm(coordinates, axis=1) + 1e-9
    plain = rng.choice(len(coordinates), count // 2, replace=False)
    far = rng.choice(len(coordinates), count - count // 2, replace=False, p=weight / weight.sum())
    return coordinates[np.concatenate([plain, far])]


def _choose(
    draws: list[np.ndarray], settings: DiscoverySettings, advance: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """Factorise the first draw, and the others as resamples, with each number of concepts, and choose among them."""
    tried: list[dict[str, Any]] = []
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for count in sorted(set(settings.candidates)):
        directions = factorise(draws[0], count, settings.penalty, settings.seed)
        again = [factorise(draw, count, settings.penalty, settings.seed) for draw in draws[1:]]
        pairs = [matched(directions, each) for each in again]
        advance()
        replicas, cosines = (np.stack([pair[i] for pair in pairs]) for i in (0, 1))
        stability = cosines.mean(0)
        error = draws[0] - nonnegative(draws[0], directions, settings.penalty / 2) @ directions
        left = float(np.square(error).sum() / max(np.square(draws[0]).sum(), 1e-12))
        tried.append({"concepts": len(directions), "stability": float(stability.mean()), "left": left})
        found.append((directions, replicas, stability))
    if not found:
        raise InputError("concepts: no number of concepts was tried")
    stable = [i for i, each in enumerate(tried) if each["stability"] >= settings.stable]
    if stable:
        best = max(stable, key=lambda i: (tried[i]["concepts"], -tried[i]["left"]))
    else:
        best = max(range(len(tried)), key=lambda i: tried[i]["stability"])
    return (*found[best], tried)


def discover(
    gathered: Gathered,
    sense: str,
    settings: DiscoverySettings | None = None,
    advance: Callable[[], None] = lambda: None,
) -> ConceptBank:
    """Find the concepts of one sense; they have no names yet.

    Args:
        gathered: features and gradients.
        sense: which sense.
        settings: how.
        advance: called after each number of concepts tried.

    Raises:
        InputError: nothing was gathered of this sense, or the scores do not hang on it.
    """
    settings = settings or DiscoverySettings()
    if sense not in gathered.rows:
        raise InputError(f"concepts: nothing was gathered of {sense!r}; there is {', '.join(gathered.rows)}")
    rows, rng = gathered.rows[sense], np.random.default_rng(settings.seed)
    if len(rows.features) < 8:
        raise InputError(f"concepts: {len(rows.features)} observations of {sense}; at least 8 are wanted")
    space, back, held = _space(rows, settings)
    every = np.concatenate([x.astype(np.float32) for x in rows.features])
    filled = np.abs(every).sum(1) > 0
    centre = _usual(every[filled], space)
    placed = np.where(filled[:, None], (every - centre) @ space, 0.0)
    parts = np.split(placed, np.cumsum([len(x) for x in rows.features])[:-1])
    draws = [_sample(placed[filled], settings.rows, rng)]
    for _ in range(settings.replicas):
        picked = rng.choice(len(parts), len(parts))
        draws.append(_sample(np.concatenate([parts[i] for i in picked]), settings.rows, rng))
    directions, replicas, stability, tried = _choose(draws, settings, advance)
    order = np.argsort(-nonnegative(draws[0], directions, settings.penalty / 2).sum(0), kind="stable")
    directions, replicas, stability = directions[order], replicas[:, order], stability[order]
    strengths = [nonnegative(part, directions, settings.penalty / 2) for part in parts]
    threshold, typical = _levels(np.concatenate(strengths), settings)
    return ConceptBank(
        sense=sense,
        centre=centre.astype(np.float32),
        space=space.astype(np.float32),
        back=back.astype(np.float32),
        directions=directions,
        replicas=replicas.astype(np.float32),
        typical=typical,
        threshold=threshold,
        usual=np.quantile([x.max(0) for x in strengths], np.linspace(0, 1, _QUANTILES), axis=0).T.astype(np.float32),
        natural=_natural(every[filled], rng),
        stability=stability.astype(np.float32),
        prototypes=_prototypes(rows, strengths, threshold, settings.prototypes, rng),
        associations=associate(
            np.array([(x >= threshold).any(0) for x in strengths]), [gathered.actions[name] for name in rows.names]
        ),
        names=(None,) * len(directions),
        price=settings.penalty / 2,
        made={
            "system": gathered.system,
            "observations": len(parts),
            "rows": int(filled.sum()),
            "gradient_share": held,
            "tried": tried,
            "stable": bool(stability.mean() >= settings.stable),
            "unexplained": np.quantile(
                _unexplained(parts, strengths, directions), np.linspace(0, 1, _QUANTILES)
            ).tolist(),
            "settings": {**asdict(settings), "candidates": list(settings.candidates)},
        },
    )


def _unexplained(parts: list[np.ndarray], strengths: list[np.ndarray], directions: np.ndarray) -> list[float]:
    """Return for each observation the share of the squared coordinates that no concept accounts for."""
    pairs = zip(parts, strengths, strict=True)
    return [float(np.square(p - s @ directions).sum() / max(np.square(p).sum(), 1e-12)) for p, s in pairs]


def _natural(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return unit directions from one row to another, of any observations."""
    one, other = (features[rng.integers(len(features), size=4 * _CONTROLS)] for _ in range(2))
    found = (one - other)[np.linalg.norm(one - other, axis=1) > 1e-6][:_CONTROLS]
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def _levels(strengths: np.ndarray, settings: DiscoverySettings) -> tuple[np.ndarray, np.ndarray]:
    """Return from which strength on each concept is present, and its median where it is."""
    threshold = np.maximum(settings.present * np.quantile(strengths, 0.99, axis=0), 1e-4).astype(np.float32)
    typical = [
        float(np.median(s[s >= t])) if (s >= t).any() else float(t) for s, t in zip(strengths.T, threshold, strict=True)
    ]
    return threshold, np.array(typical, np.float32)


def _prototypes(
    rows: Rows, strengths: list[np.ndarray], threshold: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[tuple[Prototype, ...], ...]:
    """Return where each concept is strongest, and where it is present besides: one place of an observation."""
    found = []
    for k in range(strengths[0].shape[1]):
        peaks = np.array([s[:, k].max() for s in strengths])
        order = [int(i) for i in np.argsort(-peaks, kind="stable") if peaks[i] > 0]
        first = order[: count - count // 2]
        others = [i for i in order[len(first) :] if peaks[i] >= threshold[k]]
        drawn = rng.permutation(len(others))[: count - len(first)]
        chosen = [*first, *(others[i] for i in sorted(drawn))]
        found.append(
            tuple(
                Prototype(
                    rows.names[i],
                    tuple(int(x) for x in np.unravel_index(strengths[i][:, k].argmax(), rows.grids[i])),
                    rows.grids[i],
                    float(peaks[i]),
                )
                for i in chosen
            )
        )
    return tuple(found)


def associate(
    present: Bool[np.ndarray, "observations concepts"], decided: Sequence[str]
) -> tuple[Association | None, ...]:
    """Return which action each concept goes with most, by Fisher's exact test with Bonferroni's correction."""
    chosen_actions = np.array(decided)
    actions = sorted(set(decided))
    found: list[Association | None] = []
    for column in present.T:
        if not column.any() or column.all() or len(actions) < 2:
            found.append(None)
            continue
        best = None
        for action in actions:
            chosen = chosen_actions == action
            table = [
                [int((column & chosen).sum()), int((column & ~chosen).sum())],
                [int((~column & chosen).sum()), int((~column & ~chosen).sum())],
            ]
            p = min(
                1.0,
                float(cast("Any", fisher_exact(table, alternative="greater")).pvalue) * len(actions) * present.shape[1],
            )
            told = Association(str(action), table[0][0] / int(column.sum()), float(chosen.mean()), p, int(column.sum()))
            if told.p <= _GOES_WITH and (best is None or told.p < best.p):
                best = told
        found.append(best)
    return tuple(found)
