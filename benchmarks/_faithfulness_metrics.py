"""What `benchmarks.faithfulness` measures of explanations, and what it makes of many (private)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from benchmarks._faithfulness_methods import OURS, Explanation
from benchmarks._faithfulness_subjects import Picture, Question, Story
from veridical.modalities.engines.blackbox.coalitions import Game, unit_players
from veridical.modalities.engines.task import Task
from veridical.modalities.layout import spread
from veridical.scenarios.courier.evaluate import wilson
from veridical.verifier.claims import Claim
from veridical.verifier.metrics.bootstrap import bootstrap
from veridical.verifier.metrics.case import Case
from veridical.verifier.metrics.correlation import CorrelationSettings, faithfulness_correlation
from veridical.verifier.metrics.curves import CurveProtocol, deletion_by, insertion_by, srg_by
from veridical.verifier.metrics.infidelity import Infidelity, InfidelitySettings, infidelity_by
from veridical.verifier.metrics.localisation import Pointing, localisation_mass, point, pointing_game
from veridical.verifier.metrics.removal import Remembered, Removal, Units
from veridical.verifier.metrics.result import Result

__all__ = [
    "AWAY",
    "METRICS",
    "POINTED",
    "STEPS",
    "Even",
    "Row",
    "SceneRow",
    "measure_picture",
    "measure_story",
    "named",
    "summarise",
]

AWAY = "mean"
"""The infill operator of the curves away from home: the ladder's measured rung uses the first two, this is another."""

STEPS = 12
"""Steps of every curve."""

DRAWS = 1000
"""Resamples of every bootstrap."""

_ON_UNITS = {
    "insertion": "up",
    "deletion": "down",
    "srg": "up",
    "faithfulness_correlation": "up",
    "infidelity": "down",
    "infidelity_share": "down",
}
METRICS: dict[str, str] = {
    **_ON_UNITS,
    **{f"{name}_{AWAY}": better for name, better in _ON_UNITS.items()},
    **{f"{name}_pixels": _ON_UNITS[name] for name in ("insertion", "deletion", "srg")},
    **dict.fromkeys(("pointing_game", "localisation_mass"), "up"),
    **{f"{name}_pixels": "up" for name in ("pointing_game", "localisation_mass")},
    "cause_identification": "up",
}
"""Every metric by its key, and which way is better."""

POINTED = ("pointing_game", "pointing_game_pixels")
"""Metrics that are a mean over classes."""


@dataclass(frozen=True)
class Even(CurveProtocol):
    """Steps that are the same from both ends, so that insertion asks for edits which deletion has asked for.

    Example:
        >>> Even("even", steps=4).counts((10,))
        array([ 0,  2,  5,  8, 10])
    """

    def counts(self, shape: tuple[int, ...]) -> Int[np.ndarray, " points"]:
        """Return how many elements are gone at each point, from none to all."""
        whole, steps = int(np.prod(shape)), self.steps or 1
        first = [whole * k // steps for k in range(steps // 2 + 1)]
        return np.unique([*first, *(whole - n for n in first)]).astype(np.int64)


UNIT_CURVE = Even("evidence units", steps=STEPS)
PIXEL_CURVE = Even(f"RISE's fills in {STEPS} steps", "mean", "blur", steps=STEPS)


@dataclass(frozen=True)
class Row:
    """One picture: figures by metric and method (None where there is none), seconds and evaluations by method.

    Attributes:
        name: of the picture.
        kind: kind of the object; empty where it is not known.
        action: what the classifier sees.
        figures: by metric and method.
        seconds: by method.
        evaluations: by method.
        centre: whether the frame's centre points at the object; None where it is not known.
    """

    name: str
    kind: str
    action: str
    figures: Mapping[str, Mapping[str, float | None]]
    seconds: Mapping[str, float]
    evaluations: Mapping[str, int]
    centre: float | None = None


@dataclass(frozen=True)
class SceneRow:
    """One scene of Courier: whether the first claim names the cause, by method; seconds and evaluations likewise."""

    seed: int
    cause: str
    sense: str
    action: str
    named: Mapping[str, bool]
    seconds: Mapping[str, float]
    evaluations: Mapping[str, int]


def named(claims: Sequence[Claim], sense: str, inside: frozenset[int]) -> bool:
    """Return whether the first claim names the cause: of its sense, and at least half of its units belong to it.

    The definition of `benchmarks.causes`.
    """
    if not claims or claims[0].modality != sense:
        return False
    units = claims[0].units
    return sum(u in inside for u in units) >= len(units) / 2


def measure_story(story: Story, found: Mapping[str, Explanation]) -> SceneRow:
    """Return what methods named of a scene."""
    return SceneRow(
        story.seed,
        story.cause.kind,
        story.cause.sense,
        story.question.system.actions[story.question.action],
        {name: named(e.claims, story.cause.sense, story.inside) for name, e in found.items()},
        {name: e.seconds for name, e in found.items()},
        {name: e.evaluations for name, e in found.items()},
    )


class _Removals:
    """What the classifier scores with evidence gone: units at home and away, pixels under RISE's fills."""

    def __init__(self, question: Question) -> None:
        self.case = Case(question.system, question.prepared, question.seed)
        players = unit_players(question.segmentations)
        game = Game(Task(self.case.scorer, question.prepared, question.seed), players, AWAY)
        away = Remembered(Units(game, len(players), f"decision score in nats; evidence units of vision ({AWAY})"))
        name = away.name.replace("decision score in nats", "probability of the action decided on")
        self.effects: dict[str, Removal] = {"": self.case.effects, f"_{AWAY}": away}
        self.chances: dict[str, Removal] = {
            "": self.case.chances,
            f"_{AWAY}": Units(lambda there: away(~there), len(players), name, expit),
        }


def measure_picture(picture: Picture, found: Mapping[str, Explanation]) -> tuple[Row, dict[str, str]]:
    """Return the figures of every method's explanation of one picture, and the protocols by metric."""
    question, removals = picture.question, _Removals(picture.question)
    protocols: dict[str, str] = {}
    figures: dict[str, dict[str, float | None]] = {}
    centre: float | None = None
    for name, explanation in found.items():
        results = {**_on_units(question, removals, explanation), **_on_pixels(question, removals, explanation)}
        if picture.mask is not None:
            results |= _located(question, explanation, picture.mask)
        for metric, result in results.items():
            figures.setdefault(metric, {})[name] = result.value
            protocols[metric] = result.protocol
            if isinstance(result, Pointing):
                centre = result.centre
    seconds, evaluations = ({n: getattr(e, key) for n, e in found.items()} for key in ("seconds", "evaluations"))
    action = question.system.actions[question.action]
    return Row(picture.name, picture.kind, action, figures, seconds, evaluations, centre), protocols


def _on_units(question: Question, removals: _Removals, explanation: Explanation) -> dict[str, Result]:
    values, found = explanation.values["vision"], dict[str, Result]()
    for where, chances in removals.chances.items():
        effects = removals.effects[where]
        missed = infidelity_by(effects, values, InfidelitySettings(seed=question.seed))
        found |= {
            f"deletion{where}": deletion_by(chances, values, UNIT_CURVE),
            f"insertion{where}": insertion_by(chances, values, UNIT_CURVE),
            f"srg{where}": srg_by(chances, values, UNIT_CURVE),
            f"faithfulness_correlation{where}": faithfulness_correlation(
                effects, values, CorrelationSettings(seed=question.seed)
            ),
            f"infidelity{where}": missed,
            f"infidelity_share{where}": _as_share(missed),
        }
    return found


def _as_share(missed: Infidelity) -> Result:
    told = f"infidelity over the mean square of the effects; {missed.protocol}"
    reason = missed.reason or "no edit changes the score" if missed.share is None else ""
    return Result("infidelity-share", missed.share, told, reason=reason)


def pixels_of(question: Question, explanation: Explanation) -> Float[np.ndarray, "frames height width"]:
    """Return a method's map of pixels; where it has none, each unit's value spread evenly over its pixels."""
    if explanation.pixels is not None:
        return explanation.pixels
    return _spread(question, explanation)


def _spread(question: Question, explanation: Explanation) -> Float[np.ndarray, "frames height width"]:
    sense, prepared = question.system.modalities["vision"], question.prepared["vision"]
    return spread(explanation.values["vision"], sense, prepared, question.segmentations["vision"])[2]


def _on_pixels(question: Question, removals: _Removals, explanation: Explanation) -> dict[str, Result]:
    values, case = pixels_of(question, explanation), removals.case
    return {
        "deletion_pixels": deletion_by(case.picture(PIXEL_CURVE.deleted), values, PIXEL_CURVE),
        "insertion_pixels": insertion_by(case.picture(PIXEL_CURVE.inserted), values, PIXEL_CURVE),
        "srg_pixels": srg_by(case.picture(PIXEL_CURVE.deleted), values, PIXEL_CURVE),
    }


def _located(question: Question, explanation: Explanation, mask: np.ndarray) -> dict[str, Result]:
    """Where the map lies; the pointing of units asks for the strongest unit, whatever its size."""
    units, pixels = _spread(question, explanation)[0], pixels_of(question, explanation)[0]
    painted = explanation.values["vision"][question.segmentations["vision"].labels[0]].astype(np.float64)
    return {
        "pointing_game": point(painted, mask),
        "localisation_mass": localisation_mass(units, mask),
        "pointing_game_pixels": point(pixels, mask),
        "localisation_mass_pixels": localisation_mass(pixels, mask),
    }


Interval = tuple[float | None, list[float] | None]


def _mean(values: Sequence[float | None]) -> Interval:
    found = bootstrap(values, DRAWS)
    return found.mean, None if found.low is None or found.high is None else [found.low, found.high]


def _share(values: Sequence[float | None]) -> Interval:
    known = [v for v in values if v is not None]
    return (sum(known) / len(known), list(wilson(round(sum(known)), len(known)))) if known else (None, None)


def _over_classes(values: Sequence[float | None], kinds: Sequence[str]) -> Interval:
    """Return the mean of per-class accuracies, and its interval over resampled pictures."""
    pointings = [
        Pointing("pointing-game", v, "as measured", reason="" if v is not None else "undefined", centre=0.0)
        for v in values
    ]
    value = pointing_game(pointings, kinds).value
    if len(values) < 2 or value is None:
        return value, None
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(values), size=len(values))
        again = pointing_game([pointings[i] for i in chosen], [str(kinds[i]) for i in chosen]).value
        if again is not None:
            drawn.append(again)
    return value, np.quantile(drawn, (0.025, 0.975)).tolist()


def _column(metric: str, method: str, rows: Sequence[Row], scenes: Sequence[SceneRow]) -> list[float | None]:
    if metric == "cause_identification":
        return [float(s.named[method]) if method in s.named else None for s in scenes]
    return [r.figures[metric].get(method) for r in rows if metric in r.figures]


def _told(metric: str, values: Sequence[float | None], rows: Sequence[Row]) -> Interval:
    if metric == "cause_identification":
        return _share(values)
    if metric in POINTED:
        return _over_classes(values, [r.kind for r in rows if metric in r.figures])
    return _mean(values)


def _medians(rows: Sequence[Row] | Sequence[SceneRow], key: Callable[[Any], Mapping[str, float]]) -> dict[str, float]:
    methods = list(dict.fromkeys(name for r in rows for name in key(r)))
    return {name: float(np.median([key(r)[name] for r in rows if name in key(r)])) for name in methods}


def summarise(rows: Sequence[Row], scenes: Sequence[SceneRow]) -> dict[str, Any]:
    """Return figures by metric and method with 95 % intervals, and what they cost; plain JSON values."""
    told: dict[str, Any] = {}
    methods = list(dict.fromkeys(name for r in (*rows, *scenes) for name in r.seconds))
    for metric in METRICS:
        columns = {name: _column(metric, name, rows, scenes) for name in methods}
        columns = {name: values for name, values in columns.items() if any(v is not None for v in values)}
        each = {name: _told(metric, values, rows) for name, values in columns.items()}
        told[metric] = {name: value for name, (value, _) in each.items()}
        told[f"{metric}_interval"] = {name: interval for name, (_, interval) in each.items()}
        told[f"{metric}_count"] = {n: sum(v is not None for v in values) for n, values in columns.items()}
        mine = columns.get("ours-ladder")
        if mine is not None and metric not in POINTED:
            told[f"{metric}_ladder_minus_peer"] = {
                name: _difference(mine, values) for name, values in columns.items() if name not in OURS
            }
    known = [r for r in rows if r.centre is not None]
    told["pointing_game_centre"] = _over_classes([r.centre for r in known], [r.kind for r in known])[0]
    told["cause_identification_by_sense"] = {
        sense: {
            name: [sum(s.named[name] for s in some if name in s.named), sum(name in s.named for s in some)]
            for name in methods
        }
        for sense in sorted({s.sense for s in scenes})
        if (some := [s for s in scenes if s.sense == sense])
    }
    for key in ("seconds", "evaluations"):
        told[f"{key}_per_explanation"] = _medians(rows, lambda r, key=key: getattr(r, key))
        told[f"{key}_per_explanation_courier"] = _medians(scenes, lambda r, key=key: getattr(r, key))
    told["counts"] = {"pictures": len(rows), "composites": len(known), "scenes": len(scenes)}
    return told


def _difference(mine: Sequence[float | None], theirs: Sequence[float | None]) -> list[float] | None:
    """Return the mean paired difference with its interval, where both are defined."""
    pairs = [a - b for a, b in zip(mine, theirs, strict=True) if a is not None and b is not None]
    value, interval = _mean(pairs)
    return None if value is None or interval is None else [value, *interval]
