"""One system before the variants of one scenario: decided, edited and explained, each at most once.

Decisions come first and cost a forward pass; of a system that can be split, a signal that stands in several variants
is encoded once. What a decision rests on, and its explanation, are found out only when an expectation asks for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from ...agent.depths import settings_at
from ...agent.explainer import Explainer, Settings
from ...agent.explanation import Explanation
from ...errors import ContractError, VeridicalError
from ...fusion.measure import Laboratory
from ...modalities.contract import Observation, Prepared, SplitSystem, System
from ...modalities.deciding import decide_prepared
from ...modalities.given import Given
from ...modalities.held import held
from ...modalities.observation import prepare, segment
from ...modalities.store import TensorStore
from ...modalities.target import decision_score
from .reliance import Reliance, measure_groups
from .reliance_parts import Parts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Decided", "Trial", "reliance", "system_fails"]

_TIMED = 5  # decisions of which the median is the latency

Found = TypeVar("Found")


@dataclass(frozen=True)
class Decided:
    """What a system decided.

    Attributes:
        action: the decision.
        probabilities: of all actions, by softmax.
        score: log-odds of the decision against the rest, nats.
        margin: log-odds of the decision against the runner-up, nats.
        logits: scores of all actions.
        prepared: the signals, as the system took them in.
        features: what a split system made of them; none of another.
    """

    action: str
    probabilities: Mapping[str, float]
    score: float
    margin: float
    logits: Tensor
    prepared: Mapping[str, Prepared]
    features: Mapping[str, Tensor]


class Trial:
    """A system and a scenario's variants; what was found out once is kept.

    Attributes:
        system: what is tried.
        variants: of the scenario; the first is the scene as written.
        settings: how decisions are explained.
        explanations: those made so far, by variant.
    """

    def __init__(
        self,
        system: System,
        variants: Sequence[Any],
        settings: Settings | None = None,
        salt: str | Callable[[str], str] | None = None,
    ) -> None:
        """Begin with nothing decided.

        Args:
            system: what is tried.
            variants: of the scenario (`vary.variants`).
            settings: how decisions are explained; by default at the depth ``measured``, with concepts and task.
            salt: of control edits: a text, so that a run can be repeated, or what gives a log's head.
        """
        self.system, self.variants = system, tuple(variants)
        self.settings = replace(settings or settings_at("measured"), salt=salt)
        self.explanations: dict[str, Explanation] = {}
        self._features = TensorStore()
        self._decided: dict[str, Decided | VeridicalError] = {}
        self._parts: dict[str, Parts] = {}
        self._reliance: dict[str, Reliance] = {}
        self._failed: dict[str, VeridicalError] = {}

    def decided(self, variant: Any) -> Decided:
        """Return the decision in a variant.

        Raises:
            VeridicalError: there is none; the message says why, and it says the same when asked again.
        """
        if variant.name not in self._decided:
            try:
                self._decided[variant.name] = self.decide(variant.observation, f"variant {variant.name!r}")
            except VeridicalError as error:
                self._decided[variant.name] = error
        found = self._decided[variant.name]
        if isinstance(found, VeridicalError):
            raise found
        return found

    def decide(self, observation: Observation, where: str = "the observation") -> Decided:
        """Return the decision on any observation.

        Args:
            observation: one signal per sense.
            where: what it is, for the message.

        Raises:
            VeridicalError: the observation cannot be used, or the system fails on it.
        """
        with system_fails(where), held(self.system) as state:
            prepared = prepare(self.system, observation)
            try:
                with torch.no_grad():
                    features = self._encoded(prepared)
                    logits = decide_prepared(self.system, prepared, features).detach()
            finally:
                state.settle()
        index = int(logits.argmax())
        rest = torch.cat((logits[:index], logits[index + 1 :]))
        actions = list(self.system.actions)
        return Decided(
            action=actions[index],
            probabilities=dict(zip(actions, logits.double().softmax(0).tolist(), strict=True)),
            score=float(decision_score(logits[None], index)[0]),
            margin=float(logits[index] - rest.max()),
            logits=logits,
            prepared=prepared,
            features=features,
        )

    def seconds(self, observation: Observation) -> float:
        """Return how long a decision takes here, from the raw signals on: the median of five, nothing kept.

        Raises:
            VeridicalError: the observation cannot be used, or the system fails on it.
        """
        taken = []
        with system_fails("the timed observation"), held(self.system) as state:
            for _ in range(_TIMED):
                start = time.perf_counter()
                decide_prepared(self.system, prepare(self.system, observation))
                taken.append(time.perf_counter() - start)
                state.settle()
        return median(taken)

    def parts(self, variant: Any) -> Parts:
        """Return the parts of a variant's scene, before a laboratory of its own.

        Raises:
            VeridicalError: there is no decision.
        """
        if variant.name not in self._parts:
            decided = self.decided(variant)
            with system_fails(f"variant {variant.name!r}"):
                segmentations = segment(self.system, decided.prepared)
                index = list(self.system.actions).index(decided.action)
                laboratory = Laboratory(
                    self.system, decided.prepared, segmentations, index, score=decided.score, chunk=16
                )
                self._parts[variant.name] = Parts.of(laboratory, variant)
        return self._parts[variant.name]

    def reliance(self, variant: Any) -> Reliance:
        """Return what the decision in a variant rests on, by the parts of its scene.

        Raises:
            VeridicalError: there is no decision, or the system cannot be measured.
        """
        if variant.name not in self._reliance:
            self._reliance[variant.name] = self.measured(variant, lambda parts: parts.groups())
        return self._reliance[variant.name]

    def measured(self, variant: Any, groups: Callable[[Parts], Sequence[Any]]) -> Reliance:
        """Return what the decision in a variant rests on, by groups of one's own; what was edited once costs nothing.

        Raises:
            VeridicalError: there is no decision, or the system cannot be measured.
        """
        parts = self.parts(variant)
        with system_fails(f"variant {variant.name!r}, edited"):
            return measure_groups(parts.laboratory, groups(parts))

    def guarded(self, work: Callable[[], Found], where: str) -> Found:
        """Return what some work on the system gives; whatever it raises becomes a sentence.

        Raises:
            VeridicalError: it failed; the message says on what, and why.
        """
        with system_fails(where):
            return work()

    def asked(self, variant: Any) -> Reliance | None:
        """Return what `reliance` found of a variant, or None where nobody asked."""
        return self._reliance.get(variant.name)

    def explanation(self, variant: Any) -> Explanation:
        """Return the explanation of the decision in a variant.

        Raises:
            VeridicalError: there is no decision, or it cannot be explained; the same when asked again.
        """
        if variant.name in self._failed:
            raise self._failed[variant.name]
        if variant.name not in self.explanations:
            decided = self.decided(variant)
            parts = self._parts.get(variant.name)
            given = Given(
                decided.prepared,
                parts.laboratory.segmentations if parts is not None else {},
                decided.features,
                logits=decided.logits,
            )
            try:
                with system_fails(f"variant {variant.name!r}, explained"):
                    explainer = Explainer(self.system, self.settings)
                    self.explanations[variant.name] = explainer.explain(variant.observation, given=given)
            except VeridicalError as error:
                self._failed[variant.name] = error
                raise
        return self.explanations[variant.name]

    def _encoded(self, prepared: Mapping[str, Prepared]) -> dict[str, Tensor]:
        """What a split system makes of each signal; of one that was met before, what it made of it then."""
        if not isinstance(self.system, SplitSystem):
            return {}
        found = {}
        for m, signal in prepared.items():
            content = signal.tensor.detach().contiguous().cpu().numpy().tobytes()
            key = m, tuple(signal.tensor.shape), sha256(content).digest()
            kept = self._features.get(key)
            if kept is None:
                kept = self.system.encode(m, signal.tensor)
                if isinstance(kept, Tensor):
                    self._features.put(key, kept)
            found[m] = kept
        return found


@contextmanager
def system_fails(where: str) -> Iterator[None]:
    """Whatever a system raises becomes a sentence: a scenario's run ends with a result, not with a traceback."""
    try:
        yield
    except VeridicalError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:200] or "it says nothing more"
        raise ContractError(f"system: it failed on {where} with {type(error).__name__}: {told}") from error


def reliance(system: System, variant: Any) -> Reliance:
    """Return what a system's decision rests on, by the parts of a variant's scene.

    Args:
        system: what decides.
        variant: of a scenario (`vary.variants`).

    Raises:
        InputError: the observation cannot be used.
        ContractError: the system fails on it, or cannot be measured.
    """
    return Trial(system, [variant]).reliance(variant)
