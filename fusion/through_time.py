"""What a decision owes to past frames, sounds and words, followed back through a recurrent state step by step.

Two runs through the same steps are compared, one on the input and one on its baseline. At the end the difference of the
score is attributed to the difference of the last states, by the path integral of the gradient along the straight line
between them (Sundararajan, Taly and Yan, ICML 2017, section 3). That gives a multiplier m for each number in the state.
Then, step by step backwards, ``m · advance(state, inputs)`` is a score of its own: its gradient is integrated along the
straight line from the baseline's (state, inputs) before the step to the input's, both together. The integral over the
inputs, times their change, is what the decision owes to this step's inputs; that over the state is the multiplier for
the step before. By completeness what comes into a step goes out of it, to the state and to the inputs:

    m_k · (s_k - s'_k)  =  m_(k-1) · (s_(k-1) - s'_(k-1))  +  sum of the step's contributions

up to quadrature, and the gap of every step is told. A long path is so cut into short ones, none of which saturates
because another does: an old cause that only the state remembers is found as well as a fresh one.

**Products with gates.** ``"share"``: a straight line shares out the joint change of a product evenly among its factors
(Aumann and Shapley, 1974). ``"signal"``: gates take nothing, what they multiply takes all (signal-take-all: Arras,
Montavon, Müller and Samek, WASSA 2017); what the gates' own change did is then missing, and told as the step's gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..modalities.contract import SplitSystem
from ..modalities.scorer import Inputs, check_floating
from ..modalities.target import Target
from ..modalities.unrolled import RecurrentSystem, Unrolled
from .line import STATE, FlowSettings, Line, dot, still

__all__ = [
    "Conservation",
    "Passage",
    "TimeAttribution",
    "WindowAttribution",
    "flow",
    "through_time",
    "through_window",
]

Places = Float[np.ndarray, "..."]  # (rows, *place): of each sense another


@dataclass(frozen=True)
class Passage:
    """Two runs through the same steps: the input's and its baseline's.

    Attributes:
        starts: states before the first step, the input's and the baseline's, each (1, ...).
        inputs: for each step the features at hand by sense, each (1, rows, ...).
        baselines: the same of the baseline.
        times: first and last second of each step.
        advance: from a state and a step's inputs to the next state.
        read: from a state to the scores of all actions.
    """

    starts: tuple[Tensor, Tensor]
    inputs: Sequence[Mapping[str, Tensor]]
    baselines: Sequence[Mapping[str, Tensor]]
    times: Sequence[tuple[float, float]]
    advance: Callable[[Tensor, Mapping[str, Tensor]], Tensor]
    read: Callable[[Tensor], Float[Tensor, "batch actions"]]


@dataclass(frozen=True)
class Conservation:
    """What came into a step and where it went, nats; what is missing is the gap (signed: in less out)."""

    relevance_in: float
    to_state: float
    to_inputs: float

    @property
    def gap(self) -> float:
        """``relevance_in - to_state - to_inputs``."""
        return self.relevance_in - self.to_state - self.to_inputs

    @property
    def share(self) -> float:
        """Size of the gap as a share of what passed through: of the largest of the three figures; 0 of nothing."""
        largest = max(abs(self.relevance_in), abs(self.to_state), abs(self.to_inputs))
        return abs(self.gap) / largest if largest else 0.0


@dataclass(frozen=True)
class TimeAttribution:
    """Contributions to one decision by step, sense and row, in the target's unit (nats).

    Attributes:
        steps: for each step and sense what each row of its inputs (and each place in it: the cells of a frame) gave.
        times: first and last second of each step.
        conservation: of each step, in the steps' order.
        reading: of the last state into the score: in is the score's difference, out what the state is given.
        older: what the state before the first step gave; 0 where both runs start from the same one.
        score: the target's number on the input.
        baseline_score: the same on the baseline.
        nodes: gradients computed, over all steps.
        by_row: by sense, what each row of its features gave over all steps that saw it; empty where rows were not told.
    """

    steps: tuple[Mapping[str, Places], ...]
    times: tuple[tuple[float, float], ...]
    conservation: tuple[Conservation, ...]
    reading: Conservation
    older: float
    score: float
    baseline_score: float
    nodes: int
    by_row: Mapping[str, Places] = field(default_factory=dict)

    @property
    def by_time(self) -> dict[str, Float[np.ndarray, " steps"]]:
        """What each step's inputs gave, by sense."""
        senses = dict.fromkeys(m for step in self.steps for m in step)
        return {m: np.array([float(step[m].sum()) if m in step else 0.0 for step in self.steps]) for m in senses}

    @property
    def difference(self) -> float:
        """Score on the input less score on the baseline."""
        return self.score - self.baseline_score

    @property
    def gap(self) -> float:
        """|sum of all contributions and what is older - difference|."""
        return abs(sum(float(v.sum()) for v in self.by_time.values()) + self.older - self.difference)


@dataclass(frozen=True)
class WindowAttribution:
    """Contributions over a window of past features, in the target's unit (nats).

    Attributes:
        by_row: by sense, one value for each row (time slot) and place in it.
        score: the target's number on the input.
        baseline_score: the same on the baseline.
        nodes: gradients computed.
    """

    by_row: Mapping[str, Places]
    score: float
    baseline_score: float
    nodes: int

    @property
    def by_time(self) -> dict[str, Float[np.ndarray, " rows"]]:
        """Total of each time slot, by sense."""
        return {m: v.reshape(len(v), -1).sum(1) for m, v in self.by_row.items()}

    @property
    def gap(self) -> float:
        """|sum of all contributions - (score - baseline score)|."""
        return abs(sum(float(v.sum()) for v in self.by_row.values()) - (self.score - self.baseline_score))


def through_time(
    system: RecurrentSystem,
    features: Inputs,
    baselines: Inputs,
    target: Target,
    settings: FlowSettings | None = None,
    states: tuple[Tensor, Tensor] | None = None,
) -> TimeAttribution:
    """Attribute a decision to what was seen, heard and read at each step.

    A row that is absent (all zero, padding) in one of features and baselines alone makes the score jump at that end of
    the line; no quadrature finds that, and it is told as the step's gap.

    Args:
        system: a system that can be unrolled.
        features: by sense, batches of one, as ``encode`` gives them.
        baselines: features of the senses' baselines, of the same shapes.
        target: which number of the scores.
        settings: how each step is integrated.
        states: what is remembered already, the input's and the baseline's; by default nothing. What it gives is told
            as ``older``.

    Raises:
        InputError: not a recurrent system, baselines that do not fit, or gates that are not there.
        ContractError: no gradient arrives, or one is not finite.

    Example:
        >>> found = through_time(courier, features, baselines, Target(3))       # doctest: +SKIP
        >>> found.by_time["audio"].argmax(), found.gap                          # doctest: +SKIP
    """
    if not isinstance(system, RecurrentSystem):
        raise InputError(f"through time: {type(system).__name__} has no unroll; try through_window, or the joint path")
    _check(features, baselines)
    before = states or (None, None)
    with still(system, features), torch.no_grad():
        ours, theirs = system.unroll(features, before[0]), system.unroll(baselines, before[1])
    passage = Passage((ours.start, theirs.start), ours.inputs, theirs.inputs, ours.times, ours.advance, ours.read)
    with still(system, features):
        found = flow(passage, target, settings)
    return replace(found, by_row=_by_row(found.steps, ours, features))


def flow(passage: Passage, target: Target, settings: FlowSettings | None = None) -> TimeAttribution:
    """Follow the difference of a score back through the steps of two runs; the system must be held still.

    Raises:
        InputError: gates were to take nothing, and there are none.
        ContractError: no gradient arrives, or one is not finite.
    """
    settings = settings or FlowSettings()
    ours = _states(passage, passage.starts[0], passage.inputs)
    theirs = _states(passage, passage.starts[1], passage.baselines)

    def read(x: Mapping[str, Tensor]) -> Tensor:
        return target(passage.read(x[STATE]))

    line = Line(read, {STATE: theirs[-1]}, {STATE: ours[-1]}, "reading the last state")
    integral, (baseline_score, score), nodes = line.integrate(settings)
    multiplier = integral[STATE]
    incoming = dot(multiplier, ours[-1], theirs[-1])
    reading = Conservation(score - baseline_score, incoming, 0.0)
    steps, kept = [], []
    for k in reversed(range(len(passage.inputs))):

        def advanced(x: Mapping[str, Tensor], m: Tensor = multiplier) -> Tensor:
            after = passage.advance(x[STATE], {k: v for k, v in x.items() if k != STATE})
            return (m * after).flatten(1).sum(1)

        start, stop = {STATE: theirs[k], **passage.baselines[k]}, {STATE: ours[k], **passage.inputs[k]}
        integral, _, spent = Line(advanced, start, stop, f"step {k}").integrate(settings, gated=True)
        multiplier = integral.pop(STATE)
        given = {m: _placed(integral[m] * (stop[m] - start[m])) for m in integral}
        out = dot(multiplier, ours[k], theirs[k])
        kept.append(Conservation(incoming, out, sum(float(v.sum()) for v in given.values())))
        steps.append(given)
        incoming, nodes = out, nodes + spent
    return TimeAttribution(
        steps=tuple(reversed(steps)),
        times=tuple(passage.times),
        conservation=tuple(reversed(kept)),
        reading=reading,
        older=incoming,
        score=score,
        baseline_score=baseline_score,
        nodes=nodes,
    )


def through_window(
    system: SplitSystem, features: Inputs, baselines: Inputs, target: Target, settings: FlowSettings | None = None
) -> WindowAttribution:
    """Attribute a decision to the time slots of a window of features that the system attends to all at once.

    One straight line from the baselines to the features, all slots of all senses together.

    Args:
        system: a system that can be split.
        features: by sense, batches of one; axis 1 counts the time slots.
        baselines: of the same shapes.
        target: which number of the scores.
        settings: how the line is integrated; gates are shared with, whatever it says.

    Raises:
        InputError: baselines that do not fit.
        ContractError: no gradient arrives, or one is not finite.
    """
    _check(features, baselines)
    with still(system, features):
        line = Line(lambda x: target(system.decide(x)), dict(baselines), dict(features), "the window")
        integral, (low, high), nodes = line.integrate(settings or FlowSettings())
    rows = {m: _placed(integral[m] * (features[m] - baselines[m])) for m in features}
    return WindowAttribution(rows, high, low, nodes)


@torch.no_grad()
def _states(passage: Passage, start: Tensor, inputs: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
    states = [start]
    for x in inputs:
        states.append(passage.advance(states[-1], x))
    return states


def _placed(x: Tensor) -> Places:
    """Sum contributions (1, rows, features, *place) over the features."""
    x = x[0].double()
    return (x.sum(1) if x.ndim > 1 else x).numpy(force=True)


def _by_row(steps: Sequence[Mapping[str, Places]], unrolled: Unrolled, features: Inputs) -> dict[str, Places]:
    found: dict[str, Places] = {m: np.zeros((x.shape[1], *x.shape[3:])) for m, x in features.items()}
    for given, origins in zip(steps, unrolled.origins, strict=True):
        for m, values in given.items():
            np.add.at(found[m], origins[m], values)
    return found


def _check(features: Inputs, baselines: Inputs) -> None:
    shapes = {m: tuple(x.shape) for m, x in features.items()}
    if not shapes or shapes != {m: tuple(x.shape) for m, x in baselines.items()}:
        given = {m: tuple(x.shape) for m, x in baselines.items()}
        raise InputError(
            f"through time: baselines {given} for features {shapes}; the same senses and shapes are wanted"
        )
    check_floating(features, list(features))
    if many := {m: s for m, s in shapes.items() if s[0] != 1 or len(s) < 2}:
        raise InputError(f"through time: features of shape {many}; one observation (1, rows, ...) at a time is wanted")
