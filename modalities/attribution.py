"""Attribute one decision by any method, and get saliency maps that look alike whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ContractError, InputError
from .contract import Observation, Prepared, System
from .engines.diagnose import diagnose
from .engines.methods import METHODS, find_method
from .engines.task import Answer, Contributions, Method, Sensitivities, Task, UnitValues
from .layout import View, lay_out
from .observation import prepare
from .saliency import Diagnostics, SaliencyMap
from .scorer import Scorer
from .target import Target

__all__ = ["METHODS", "Attribution", "attribute"]


@dataclass(frozen=True)
class Attribution:
    """The saliency maps of one decision by one method.

    Attributes:
        maps: by sense and view, the most telling view first; see `veridical.modalities.layout.lay_out`.
        target: what is explained, in words.
        method: name of the method.
        score: the target's value at the input.
        gap: completeness gap over all senses, in the target's unit; None where the method promises none.
        facts: what the method spent and reached.
        notes: what the user must be told, one sentence each.
    """

    maps: Mapping[str, Mapping[str, SaliencyMap]]
    target: str
    method: str
    score: float
    gap: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def map(self, sense: str | None = None, view: str | None = None) -> SaliencyMap:
        """Return one map; by default the first view of the first sense.

        Raises:
            InputError: no such sense or view.
        """
        sense = next(iter(self.maps)) if sense is None else sense
        if sense not in self.maps:
            raise InputError(f"attribution: no map of {sense!r}; there are {', '.join(self.maps)}")
        views = self.maps[sense]
        view = next(iter(views)) if view is None else view
        if view not in views:
            raise InputError(f"attribution: no view {view!r} of {sense}; there are {', '.join(views)}")
        return views[view]


def attribute(
    system: System,
    observation: Observation,
    method: Method | str = "integrated-gradients",
    target: Target | str | None = None,
    *,
    seed: int = 0,
    diagnosed: bool = True,
    progress: Callable[[float], None] = lambda share: None,
) -> Attribution:
    """Attribute one decision of a system to its inputs.

    The same call, seed and machine give the same bits. The system is left as it was found: its mode, its parameters'
    flags, its buffers, its hooks.

    Args:
        system: what is explained.
        observation: one signal per sense (or `Prepared`); senses left out are absent.
        method: a method with its settings, ``SmoothGrad(samples=50)``, or the name of one with its defaults; `METHODS`
            has them all.
        target: what to explain; an action's name means its log-odds against the rest, None the action decided on.
        seed: of whatever the method draws.
        diagnosed: also measure saturation and variation (six gradients).
        progress: called with the share of the work that is done.

    Raises:
        InputError: the observation cannot be used, there is no such method or action, or the method means nothing for
            this system.
        ContractError: the system breaks the contract.

    Example:
        >>> attribute(robot, {"vision": "cat.png"}, "smoothgrad").map("vision").values.shape    # doctest: +SKIP
        (1, 224, 224)
    """
    chosen = find_method(method) if isinstance(method, str) else method
    if not isinstance(chosen, Method):
        raise InputError(f"attribute: {type(chosen).__name__} is no method; give a name or one of veridical's methods")
    prepared = _prepared(system, observation)
    inputs = {m: p.tensor for m, p in prepared.items()}
    asked = Scorer(system, _target(system, target, inputs))
    task = Task(asked, prepared, seed, progress)
    with asked.held() as state:
        score = float(asked.value(inputs)[0])
        answer = chosen.run(task)
        notes = [*state.notes, *answer.notes]
        found: Mapping[str, Diagnostics] = {}
        if diagnosed:
            found = _diagnosed(task, answer, notes)
    progress(1.0)
    origin = _Origin(task, chosen, answer, found)
    maps = {m: {k: origin.saliency(m, v) for k, v in views.items()} for m, views in lay_out(answer, task).items()}
    told = asked.target.describe(system.actions)
    return Attribution(maps, told, chosen.name, score, answer.gap, dict(answer.facts), tuple(notes))


def _prepared(system: System, observation: Observation) -> dict[str, Prepared]:
    if isinstance(observation, Mapping) and observation and all(isinstance(v, Prepared) for v in observation.values()):
        return {m: observation[m] for m in system.modalities if m in observation}
    return prepare(system, observation)


def _target(system: System, target: Target | str | None, inputs: Mapping[str, Any]) -> Target:
    if isinstance(target, Target):
        return target
    actions = list(system.actions)
    kind = "log-odds" if len(actions) > 1 else "logit"
    if target is None:
        logits = Scorer(system, Target(0, kind="logit"), "for one observation")
        scores = logits.logits(inputs).detach()[0]
        return Target(int(scores.argmax()), kind=kind)
    if target not in actions:
        some = ", ".join(actions[:8]) + (" ..." if len(actions) > 8 else "")
        raise InputError(f"attribute: the system has no action {target!r}; it has {some}")
    return Target(actions.index(target), kind=kind)


def _diagnosed(task: Task, answer: Answer, notes: list[str]) -> Mapping[str, Diagnostics]:
    try:
        return diagnose(task.scorer, task.inputs, task.baselines, seed=task.seed)
    except ContractError:
        if not isinstance(answer, UnitValues):
            raise
        notes.append("the system gives no gradient, so saturation and variation were not measured")
        return {}


@dataclass(frozen=True)
class _Origin:
    """What the maps of one attribution say of themselves."""

    task: Task
    method: Method
    answer: Answer
    diagnostics: Mapping[str, Diagnostics]

    def saliency(self, sense: str, view: View) -> SaliencyMap:
        dims, coords, values = view
        target = self.task.scorer.target
        settings = {k: v for k, v in asdict(self.method).items() if not hasattr(v, "shape")}  # type: ignore[call-overload]
        return SaliencyMap(
            modality=sense,
            values=np.asarray(values, np.float32),
            dims=tuple(dims),
            coords=coords,
            target=target.describe(self.task.scorer.system.actions),
            method=self.method.name,
            baseline=self._baseline(sense),
            unit=self._unit(target.unit),
            completeness_gap=self.answer.gap,
            parameters={**settings, **self.answer.facts},
            seed=self.task.seed,
            diagnostics=replace(self.diagnostics.get(sense, Diagnostics()), stability=self.answer.stability),
        )

    def _baseline(self, sense: str) -> str:
        if not isinstance(self.answer, Contributions):
            edited = isinstance(self.answer, UnitValues) and self.answer.unit is None
            return "each unit's infill" if edited else "none"
        if len(self.answer.terms) > 1:
            return f"{len(self.answer.terms)} baselines"
        used = next(iter(self.answer.terms)).baselines[sense]
        own = self.task.prepared[sense].baseline
        if used.shape == own.shape and bool((used == own).all()):
            return f"the {sense} modality's baseline"
        return "zero" if not used.any() else "given"

    def _unit(self, unit: str) -> str:
        if self.answer.unit is not None:
            return self.answer.unit
        if isinstance(self.answer, Sensitivities):
            return f"({unit} per unit of input)²" if self.answer.squared else f"{unit} per unit of input"
        return unit
