"""The model parameter randomisation test: does a map change when the weights are no longer what was learned?

Cascading form: Adebayo et al., "Sanity Checks for Saliency Maps" (NeurIPS 2018), section 3.1. Efficient form: Hedström
et al., "Sanity Checks Revisited" (NeurIPS 2023 workshop on XAI; arXiv 2401.06465), section 4.2. How layers are ordered
and drawn anew is told in `veridical.verifier.redrawn`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...errors import ContractError
from ...modalities.contract import Observation, System
from ...modalities.engines.ranks import rank_correlation
from ...modalities.engines.task import Method
from ...modalities.target import Target
from ..redrawn import find_layers, grouped, redrawn
from ..subject import Maps, Subject, find_subject

__all__ = [
    "EntropyRise",
    "Randomisation",
    "RandomisedMaps",
    "Stage",
    "cascade",
    "compare",
    "entropy_rise",
    "histogram_entropy",
    "mprt",
    "unranked",
]

BINS = 100
"""Bins of the histogram whose entropy is taken, as the efficient form's authors have it."""


@dataclass(frozen=True)
class Stage:
    """One stage of the cascade: some more layers were drawn anew, those above them stay so.

    Attributes:
        layers: names of the layers drawn anew at this stage, top first.
        by_sense: Spearman's correlation of the map's sizes with those before, by sense; 0 where the map has become
            the same value everywhere, which ranks nothing.
        trouble: why there is no map at this stage (scores that are not finite ...), else None.
    """

    layers: tuple[str, ...]
    by_sense: Mapping[str, float]
    trouble: str | None = None

    @property
    def similarity(self) -> float | None:
        """Mean over the senses; None where there is none."""
        return float(np.mean(list(self.by_sense.values()))) if self.by_sense else None


@dataclass(frozen=True)
class Randomisation:
    """What the cascade found. Lower is better: the map depends on what was learned.

    Attributes:
        method: name of the method.
        target: what is explained, in words.
        stages: from the top layers alone to all. The unrandomised system, whose correlation with itself is 1, is no
            stage, and in no mean.
        unranked: senses left out, for their map has one value throughout, or fewer than two.
    """

    method: str
    target: str
    stages: tuple[Stage, ...]
    unranked: tuple[str, ...] = ()

    @property
    def similarity(self) -> float | None:
        """Mean over the stages, of the mean over the senses; None where no map could be ranked."""
        found = [s.similarity for s in self.stages if s.similarity is not None]
        return float(np.mean(found)) if found else None

    @property
    def by_sense(self) -> dict[str, float]:
        """Mean over the stages, by sense."""
        senses = dict.fromkeys(m for stage in self.stages for m in stage.by_sense)
        return {m: float(np.mean([s.by_sense[m] for s in self.stages if m in s.by_sense])) for m in senses}

    @property
    def last(self) -> float | None:
        """Similarity when all layers are drawn anew."""
        return self.stages[-1].similarity if self.stages else None


@dataclass(frozen=True)
class EntropyRise:
    """How much the entropy of the map rises when all weights are drawn anew. Higher is better.

    Attributes:
        before: entropy of the map's values by sense, nats.
        after: the same, of the randomised system's map.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]

    @property
    def by_sense(self) -> dict[str, float]:
        """Relative rise, ``(after - before) / before``; senses whose map had no entropy are left out."""
        return {m: (self.after[m] - h) / h for m, h in self.before.items() if h > 0 and m in self.after}

    @property
    def rise(self) -> float | None:
        """Mean over the senses; None where there is none."""
        return float(np.mean(list(self.by_sense.values()))) if self.by_sense else None


def histogram_entropy(values: Float[np.ndarray, "..."], bins: int = BINS) -> float:
    """Return the entropy, in nats, of a map's values in equal bins from the least to the greatest; 0 of a constant.

    Hedström et al. (2023), section 4.2: a map that singles out little has nearly all its values in one bin.

    >>> round(histogram_entropy(np.arange(100.0)), 3) == round(np.log(100), 3)
    True
    """
    flat = np.asarray(values, np.float64).ravel()
    if flat.size == 0 or flat.min() == flat.max():
        return 0.0
    # Brought to 0..1 first: the histogram cannot divide the range of numbers near the smallest that there are.
    counts, _ = np.histogram((flat - flat.min()) / (flat.max() - flat.min()), bins, (0.0, 1.0))
    shares = counts[counts > 0] / flat.size
    return float(-(shares * np.log(shares)).sum())


@dataclass(frozen=True)
class RandomisedMaps:
    """Maps of a system some of whose layers are drawn anew.

    Attributes:
        layers: names of the layers drawn anew at this stage; those of the stages before stay so.
        maps: by sense; empty where there is trouble.
        trouble: why there are none.
    """

    layers: tuple[str, ...]
    maps: Maps
    trouble: str | None = None


def cascade(
    subject: Subject, most: int = 8, seed: int = 0, progress: Callable[[], None] = lambda: None
) -> tuple[RandomisedMaps, ...]:
    """Return the maps of each stage, from the top layers alone to all; then all is as it was, bit for bit.

    So it is after an exception, too.

    Args:
        subject: the decision and the method.
        most: stages at most; layers are grouped, in order, to have no more.
        seed: of the weights.
        progress: called after each stage.

    Raises:
        InputError: the system has no weights that could be drawn anew, or the method means nothing for it.
    """
    layers, found = find_layers(subject.system, subject.inputs), []
    with redrawn(subject.system, layers) as weights:
        for group in grouped(layers, most):
            weights.redraw(group, seed)
            names = tuple(layer.name for layer in group)
            try:
                found.append(RandomisedMaps(names, subject.maps()))
            except ContractError as error:  # weights at random may make scores that are not finite
                found.append(RandomisedMaps(names, {}, str(error)))
            progress()
    return tuple(found)


def mprt(
    system: System,
    observation: Observation,
    method: Method | str = "gradient",
    *,
    target: Target | None = None,
    most: int = 8,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Randomisation:
    """Run the model parameter randomisation test: draw layer after layer anew, from the top, and compare the maps.

    The question stays the same (the action decided on with the learned weights), and so does the method's seed: what
    changes is the weights alone. They are put back bit for bit.

    Args:
        system: what is explained; its parts are torch modules.
        observation: one signal per sense.
        method: a method, or the name of one with its defaults.
        target: what to explain; unless given, the log-odds of the action decided on.
        most: stages at most, each one explanation.
        seed: of the weights.
        progress: called with the share of the work that is done.

    Raises:
        InputError: the system holds no torch modules or no parameters; the observation or the method cannot be used.
        ContractError: the system breaks the contract before anything is drawn anew.

    Example:
        >>> mprt(robot, {"vision": "cat.png"}, "guided-backprop").similarity      # doctest: +SKIP
        0.69
    """
    subject = find_subject(system, observation, method, target)
    first, done = subject.maps(), itertools.count(1)
    found = cascade(subject, most, seed, lambda: progress(min(1.0, next(done) / most)))
    progress(1.0)
    told = subject.target.describe(system.actions)
    stages = tuple(compare(subject, first, maps) for maps in found)
    return Randomisation(subject.method.name, told, stages, unranked(subject, first))


def compare(subject: Subject, first: Maps, stage: RandomisedMaps) -> Stage:
    """Return how alike the maps of a stage are to the first ones."""
    before, after = subject.elements(first), subject.elements(stage.maps)
    alike = {
        m: rank_correlation(np.abs(before[m]), np.abs(after[m])) or 0.0
        for m in before
        if m in after and m not in unranked(subject, first)
    }
    return Stage(stage.layers, alike, stage.trouble)


def unranked(subject: Subject, maps: Maps) -> tuple[str, ...]:
    """Return the senses whose map ranks nothing: one size throughout, or fewer than two elements."""
    sizes = {m: np.abs(v) for m, v in subject.elements(maps).items()}
    return tuple(m for m, v in sizes.items() if v.size < 2 or v.min() == v.max())


def entropy_rise(
    system: System,
    observation: Observation,
    method: Method | str = "gradient",
    *,
    target: Target | None = None,
    seed: int = 0,
) -> EntropyRise:
    """Run the efficient form of the test: two maps, one of the system as it is, one of it fully randomised.

    Arguments are those of `mprt`.

    Raises:
        InputError: the system holds no torch modules or no parameters; the observation or the method cannot be used.
        ContractError: the system breaks the contract, also when its weights are at random.
    """
    subject = find_subject(system, observation, method, target)
    first = subject.elements(subject.maps())
    (last,) = cascade(subject, 1, seed)
    if last.trouble:
        raise ContractError(f"randomisation: with all weights at random, {last.trouble}")
    after = subject.elements(last.maps)
    return EntropyRise(*({m: histogram_entropy(v) for m, v in maps.items()} for maps in (first, after)))
