"""The explanation of one decision: prepare, decide, attribute, verify, name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..concepts.graph import causal_graph
from ..concepts.naming import Name, Namer
from ..concepts.sentences import Decided, justify
from ..errors import ContractError
from ..fusion.frame import FusedFrame, MapOrigin, fuse
from ..modalities.contract import Observation, Prepared, System
from ..modalities.engines.diagnose import diagnose
from ..modalities.evidence import Segmentation
from ..modalities.held import held
from ..modalities.observation import prepare
from ..modalities.path import JointPath, PathSettings, integrate_path
from ..modalities.saliency import Diagnostics
from ..modalities.scorer import Scorer, logits_of
from ..modalities.target import Target, decision_score
from ..verifier.commitment import digest_array
from ..verifier.measure import Laboratory
from ..verifier.verify import Verification, VerifySettings, verify
from .arrays import collect_arrays
from .assemble import Findings, assemble, signal_digest
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
        namer: how sure an encoder must be to give a name; None gives no names, and loads no encoder for them.
        salt: fixed salt of the control edits, for repeating a verification; by default a fresh one is drawn after the
            commitment.
    """

    path: PathSettings = field(default_factory=PathSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    namer: Namer | None = field(default_factory=Namer)
    salt: str | None = None


class _Clock:
    """Time spent by stage, milliseconds."""

    def __init__(self, progress: Progress | None) -> None:
        self.spent: dict[str, float] = {}
        self.progress = progress or (lambda stage, share: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a block."""
        self.progress(name, 0.0)
        start = time.perf_counter()
        yield lambda share: self.progress(name, share)
        self.spent[name] = self.spent.get(name, 0.0) + 1000 * (time.perf_counter() - start)
        self.progress(name, 1.0)


@torch.no_grad()
def _decide(system: System, prepared: Mapping[str, Prepared]) -> Tensor:
    return logits_of(system, {m: p.tensor for m, p in prepared.items()}, 1, "for one observation")[0]


def _diagnose(system: System, prepared: Mapping[str, Prepared], action: int) -> dict[str, Diagnostics]:
    inputs, baselines = ({m: getattr(p, which) for m, p in prepared.items()} for which in ("tensor", "baseline"))
    return diagnose(Scorer(system, Target(action)), inputs, baselines)


def _commitment_content(
    system: System, prepared: Mapping[str, Prepared], fused: FusedFrame, action: str, path: JointPath
) -> dict[str, Any]:
    return {
        "observation": {m: signal_digest(p) for m, p in prepared.items()},
        "system": {"name": getattr(system, "name", type(system).__name__), "digest": getattr(system, "digest", None)},
        "decision": action,
        "saliency": {
            m: {view: digest_array(map_.values) for view, map_ in views.items()} for m, views in fused.maps.items()
        },
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
            ContractError: it has no modalities, fewer than two actions, or two of the same name.
        """
        if not isinstance(system, System):
            raise ContractError(
                f"system: {type(system).__name__} lacks modalities, actions or __call__; see "
                "veridical.modalities.System"
            )
        actions = list(system.actions)
        if not system.modalities or len(actions) < 2:
            raise ContractError(
                f"system: {len(system.modalities)} modalities and {len(actions)} actions; at least 1 and 2 are wanted"
            )
        if len(set(actions)) < len(actions):
            raise ContractError(f"system: actions {actions} are not all different; give each its own name")
        self.system = system
        self.settings = settings or Settings()

    def decide(self, observation: Observation) -> str:
        """Return the system's decision, unexplained.

        Raises:
            InputError: the observation cannot be used.
        """
        prepared = prepare(self.system, observation)
        with held(self.system):
            logits = _decide(self.system, prepared)
        return self.system.actions[int(logits.argmax())]

    def explain(self, observation: Observation, progress: Progress | None = None) -> Explanation:
        """Explain the system's decision on an observation, and check the explanation.

        Args:
            observation: one signal per sense; senses left out are absent.
            progress: called with a stage (``prepare``, ``decide``, ``attribute``, ``verify``, ``name``) and the share
                of it that is done.

        Raises:
            InputError: the observation cannot be used.
            ContractError: the system breaks the contract.
            WeightsError: the weights of an encoder that gives names cannot be had.
        """
        # Held still, so that what is explained is what decides: evaluation mode, no dropout, buffers as they are.
        with held(self.system) as state:
            return self._explain(observation, _Clock(progress), state.notes)

    def _explain(self, observation: Observation, clock: _Clock, held_notes: tuple[str, ...]) -> Explanation:
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
            diagnostics = _diagnose(system, prepared, action)
            target = f"{system.actions[action]} against the rest"
            origin = MapOrigin(target, METHOD, path.gap, {"nodes": path.nodes}, diagnostics)
            fused = fuse(system, prepared, segmentations, path.gradients, origin)
        with clock.stage("verify") as advance:
            score = float(decision_score(logits[None], action)[0])
            laboratory = Laboratory(system, prepared, segmentations, action, score=score)
            content = _commitment_content(system, prepared, fused, system.actions[action], path)
            verification = verify(laboratory, fused.values, content, self._salt, settings.verify, advance)
        with clock.stage("name"):
            findings = self._conclude(prepared, segmentations, logits, path, fused, verification)
            findings = replace(findings, diagnostics=diagnostics, notes=held_notes)
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
            namer, units = self.settings.namer, segmentations[claim.modality].units
            given = (prepared[claim.modality], segmentations[claim.modality], claim.units)
            names[claim.name] = namer.name(*given) if namer else None
            where[claim.name] = system.modalities[claim.modality].show([units[u] for u in claim.units])
        action = int(logits.argmax())
        decided = Decided(
            system=getattr(system, "name", type(system).__name__),
            action=system.actions[action],
            actions=tuple(system.actions),
            probabilities=tuple(logits.softmax(-1).tolist()),
            score=float(decision_score(logits[None], action)[0]),
            absent=tuple(m for m in system.modalities if m not in prepared),
        )
        least = self.settings.verify.least
        sentences = justify(
            decided, verification.claims, verification.senses, names, where, verification.verdict, least
        )
        return Findings(
            system=system,
            prepared=prepared,
            decided=decided,
            logits=logits,
            path=path,
            fused=fused,
            verification=verification,
            names=names,
            where=where,
            sentences=sentences,
            graph=causal_graph(decided.action, verification.claims, verification.senses, where, names),
            tolerance=self.settings.path.tolerance,
            salted=self.settings.salt is not None,
        )


def explain(
    system: System, observation: Observation, settings: Settings | None = None, progress: Progress | None = None
) -> Explanation:
    """Explain one decision of a system, and check the explanation.

    Args:
        system: what decides; see `veridical.modalities.System`.
        observation: one signal per sense; senses left out are absent.
        settings: how.
        progress: called with a stage and the share of it that is done.

    Raises:
        InputError: the observation cannot be used.
        ContractError: the system breaks the contract.
        WeightsError: the weights of an encoder that gives names cannot be had.
    """
    return ExplanationAgent(system, settings).explain(observation, progress)
