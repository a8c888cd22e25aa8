"""The system's choice, as the control loop makes it: prepared, encoded and decided once, waiting for nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...modalities.contract import Observation, Prepared, SplitSystem, System
from ...modalities.deciding import decide_prepared
from ...modalities.given import Given
from ...modalities.held import parts
from ...modalities.observation import prepare
from ...modalities.target import decision_score
from .findings import UNUSABLE

__all__ = ["Choice", "choose", "stand_still", "version_of"]


@dataclass(frozen=True)
class Choice:
    """What a system chose, and all that was computed on the way.

    Attributes:
        system: that chose, with its carried state.
        given: what is known of the observation by now: prepared, encoded, decided.
        action: the choice.
        probabilities: of all actions.
        score: log-odds of the choice against the rest, nats.
        margin: against the runner-up, nats.
        logits: scores of all actions, (actions,).
    """

    system: System
    given: Given
    action: str
    probabilities: Mapping[str, float]
    score: float
    margin: float
    logits: Tensor

    @property
    def prepared(self) -> Mapping[str, Prepared]:
        """The prepared signals."""
        return self.given.prepared

    @property
    def features(self) -> Mapping[str, Tensor] | None:
        """The encoded features of a split system; None of another."""
        return self.given.features or None

    @property
    def findings(self) -> tuple[str, ...]:
        """``sensor`` where a sense that should be there cannot be used."""
        return ("sensor",) if any(w in note.lower() for note in self.given.notes for w in UNUSABLE) else ()


@torch.no_grad()
def choose(system: System, observation: Observation, given: Given | None = None) -> Choice:
    """Let a system choose; what is given is not computed again.

    The system is not held still (`modalities.held`), for that waits for whoever examines it; see `stand_still`.

    Raises:
        InputError: the observation cannot be used.
        ContractError: scores of another type or shape, or not finite.
    """
    given = given or Given({})
    system = given.system or system
    prepared = dict(given.prepared) or prepare(system, observation)
    features = dict(given.features)
    before = {m: version_of(p.tensor) for m, p in prepared.items()}
    if isinstance(system, SplitSystem):
        features |= {m: system.encode(m, p.tensor) for m, p in prepared.items() if m not in features}
    logits = given.logits if given.logits is not None else decide_prepared(system, prepared, features)
    written = [m for m, p in prepared.items() if version_of(p.tensor) != before[m]]
    if written:  # whoever explains must have what came in, not what was left of it
        prepared |= {m: p for m, p in prepare(system, observation).items() if m in written}
        told = f"The system wrote into its input ({', '.join(written)}); have it work on a copy"
        given = replace(given, notes=(*given.notes, told))
    action = int(logits.argmax())
    first, second = logits.topk(2).values.tolist()
    known = replace(given, prepared=prepared, features=features, logits=logits)
    return Choice(
        system,
        known,
        system.actions[action],
        dict(zip(system.actions, logits.softmax(-1).tolist(), strict=True)),
        float(decision_score(logits[None], action)[0]),
        first - second,
        logits,
    )


def version_of(tensor: Tensor) -> int:
    """Return a number that grows with each write into a tensor, as torch counts them; -1 where it does not."""
    return -1 if tensor.is_inference() else tensor._version


def stand_still(system: System) -> list[str]:
    """Put a system into evaluation mode for good, as a loop needs it; return what the user must be told."""
    modules = {id(m): m for root in parts(system).values() for m in root.modules() if m.training}
    for module in modules.values():
        module.training = False
    if not modules:
        return []
    names = ", ".join(sorted({type(m).__name__ for m in modules.values()})[:3])
    return [f"the system was in training mode ({names}); it decides in evaluation mode"]
