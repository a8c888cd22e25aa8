"""The explanation of one decision: prepare, decide, attribute, verify, name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..concepts.graph import causal_graph
from ..concepts.naming import Name, Namer
from ..concepts.sentences import Decided, justify
from ..errors import ContractError, InputError
from ..fusion.frame import FusedFrame, MapOrigin, fuse
from ..modalities.contract import Observation, Prepared, System
from ..modalities.evidence import Segmentation
from ..modalities.path import JointPath, PathSettings, decision_score, integrate_path
from ..verifier.commitment import digest_array
from ..verifier.measure import Laboratory
from ..verifier.verify import Verification, VerifySettings, verify
from .assemble import Findings, assemble, collect_arrays, signal_digest
from .explanation import Explanation

__all__ = ["ExplanationAgent", "Settings", "explain"]

METHOD = "integrated gradients along one joint path"

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Settings:
    """How a decision is explained.

    Attributes:
        path: quadrature of the joint path.
        verify: operators, controls, level.
        namer: how sure an encoder must be to give a name.
        salt: fixed salt of the control edits, for repeating a verification; by default a fresh one is drawn after the commitment.
    """

    path: PathSettings = field(default_factory=PathSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    namer: Namer = field(default_factory=Namer)
    salt: str | None = None


class _Clock:
    """Time spent by stage, milliseconds."""

    def __init__(self, progress: Progress | None) -> None:
        self.spent: dict[str, float] = {}
        self.progress = progress or (lambda stage, share: None)

    @contextmanager
    def stage(self, name: str):
        """Time a block."""
        self.progress(name, 0.0)
        start = time.perf_counter()
        yield lambda share: self.progress(name, share)
        self.spent[name] = self.spent.get(name, 0.0) + 1000 * (time.perf_counter() - start)
        self.progress(name, 1.0)


def prepare(system: System, observation: Observation) -> dict[str, Prepared]:
    """Prepare the signals of an observation; senses left out (or None) are absent.

    Raises:
        InputError: not a mapping, an unknown sense, no sense at all, or a signal that cannot be used.
    """
    if not isinstance(observation, Mapping):
        raise InputError(f"observation: a mapping from sense to signal is wanted, got {type(observation).__name__}; e.g. {{'vision': 'frame.png'}}")
    known = list(system.modalities)
    for name in observation:
        if name not in system.modalities:
            raise InputError(f"observation: unknown modality {name!r}; this system has {', '.join(known)}")
    given = {m: observation[m] for m in known if observation.get(m) is not None}
    if not given:
        raise InputError(f"observation: empty; give at least one of {', '.join(known)}")
    return {m: system.modalities[m].prepare(signal) for m, signal in given.items()}


@torch.no_grad()
def _decide(system: System, prepared: Mapping[str, Prepared]) -> Tensor:
    logits = system({m: p.tensor for m, p in prepared.items()})
    if tuple(logits.shape) != (1, len(system.actions)):
        raise ContractError(f"system: scores of shape {tuple(logits.shape)} for one observation and {len(system.actions)} actions; (1, {len(system.actions)}) is wanted")
    if not logits.isfinite().all():
        raise ContractError(f"system: the scores are not finite: {logits[0].tolist()}")
    return logits[0]


def _commitment_content(system: System, prepared: Mapping[str, Prepared], fused: FusedFrame, action: str, path: JointPath) -> dict[str, Any]:
    return {
        "observation": {m: signal_digest(p) for m, p in prepared.items()},
        "system": {"name": getattr(system, "name", type(system).__name__), "digest": getattr(system, "digest", None)},
        "decision": action,
        "saliency": {m: {view: digest_array(map_.values) for view, map_ in views.items()} for m, views in fused.maps.items()},
        "units": {m: digest_array(s.labels) for m, s in fused.segmentations.items()},
        "attribution": {"method": METHOD, "nodes": path.nodes, "gap": path.gap},
    }


class ExplanationAgent:
    """Wraps a system: ``decide`` gives its decision, ``explain`` the decision with a checked account of it.

    Example:
        >>> agent = ExplanationAgent(courier.load())                                  # doctest: +SKIP
        >>> print(agent.explain({"vision": "cat.png"}).justification)                 # doctest: +SKIP
    """

    def __init__(self, system: System, settings: Settings | None = None) -> None:
        """Wrap a system.

        Raises:
            ContractError: it has no modalities or fewer than two actions.
        """
        if not isinstance(system, System):
            raise ContractError(f"system: {type(system).__name__} lacks modalities, actions or __call__; see veridical.modalities.System")
        if not system.modalities or len(system.actions) < 2:
            raise ContractError(f"system: {len(system.modalities)} modalities and {len(system.actions)} actions; at least 1 and 2 are wanted")
        self.system = system
        self.settings = settings or Settings()

    def decide(self, observation: Observation) -> str:
        """Return the system's decision, unexplained.

        Raises:
            InputError: the observation cannot be used.
        """
        logits = _decide(self.system, prepare(self.system, observation))
        return self.system.actions[int(logits.argmax())]

    def explain(self, observation: Observation, progress: Progress | None = None) -> Explanation:
        """Explain the system's decision on an observation, and check the explanation.

        Args:
            observation: one signal per sense; senses left out are absent.
            progress: called with a stage (``prepare``, ``decide``, ``attribute``, ``verify``, ``name``) and the share done.

        Raises:
            InputError: the observation cannot be used.
            ContractError: the system breaks the contract.
        """
        clock = _Clock(progress)
        started = time.perf_counter()
        system, settings = self.system, self.settings
        with clock.stage("prepare"):
            prepared = prepare(system, observation)
            segmentations = {m: system.modalities[m].segment(p) for m, p in prepared.items()}
        # A signal with nothing to edit (an empty text) still takes part in the decision, but rests on no evidence.
        with clock.stage("decide"):
            logits = _decide(system, prepared)
        action = int(logits.argmax())
        with clock.stage("attribute") as advance:
            path = integrate_path(system, prepared, action, settings.path, advance)
            origin = MapOrigin(f"{system.actions[action]} against the rest", METHOD, path.gap, {"nodes": path.nodes})
            fused = fuse(system, prepared, segmentations, path.gradients, origin)
        with clock.stage("verify") as advance:
            laboratory = Laboratory(system, prepared, segmentations, action)
            content = _commitment_content(system, prepared, fused, system.actions[action], path)
            verification = verify(laboratory, fused.values, content, self._salt, settings.verify, advance)
        with clock.stage("name"):
            findings = self._conclude(prepared, segmentations, logits, path, fused, verification)
        spent = {**clock.spent, "total": 1000 * (time.perf_counter() - started)}
        return Explanation(assemble(findings, spent), collect_arrays(findings))

    def _salt(self, digest: str) -> str:
        """Draw the salt, after the commitment is fixed."""
        return self.settings.salt if self.settings.salt is not None else os.urandom(16).hex()

    def _conclude(
        self,
        prepared: Mapping[str, Prepared],
        segmentations: Mapping[str, Segmentation],
        logits: Tensor,
        path: JointPath,
        fused: FusedFrame,
        verification: Verification,
    ) -> Findings:
        """Name the evidence, draw the graph, write the sentences."""
        system = self.system
        names: dict[str, Name | None] = {}
        where: dict[str, str] = {}
        for checked in verification.claims:
            claim = checked.claim
            names[claim.name] = self.settings.namer.name(prepared[claim.modality], segmentations[claim.modality], claim.units)
            where[claim.name] = system.modalities[claim.modality].show([segmentations[claim.modality].units[u] for u in claim.units])
        action = int(logits.argmax())
        decided = Decided(
            system=getattr(system, "name", type(system).__name__),
            action=system.actions[action],
            actions=tuple(system.actions),
            probabilities=tuple(logits.softmax(-1).tolist()),
            score=float(decision_score(logits[None], action)[0]),
            absent=tuple(m for m in system.modalities if m not in prepared),
        )
        sentences = justify(decided, verification.claims, verification.senses, names, where, verification.verdict)
        graph = causal_graph(decided.action, verification.claims, verification.senses, where, names)
        return Findings(system, prepared, decided, logits, path, fused, verification, names, where, sentences, graph, self.settings.path.tolerance)


def explain(system: System, observation: Observation, settings: Settings | None = None, progress: Progress | None = None) -> Explanation:
    """Explain one decision of a system, and check the explanation.

    Args:
        system: what decides; see `veridical.modalities.System`.
        observation: one signal per sense; senses left out are absent.
        settings: how.
        progress: called with a stage and the share of it that is done.

    Raises:
        InputError: the observation cannot be used.
        ContractError: the system breaks the contract.
    """
    return ExplanationAgent(system, settings).explain(observation, progress)


