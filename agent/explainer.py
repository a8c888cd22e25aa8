"""The explanation of one decision: prepare, decide, attribute, verify, name."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np

from ..concepts.layer import LayerFindings
from ..errors import ContractError, DeadlineError
from ..fusion.frame import FusedFrame, MapOrigin, fuse, fuse_units
from ..fusion.lanes import overlap
from ..fusion.measure import Laboratory
from ..fusion.speech import Spoken
from ..modalities.contract import Observation, Prepared, System
from ..modalities.deadline import Deadline, within
from ..modalities.deciding import decide_prepared
from ..modalities.engines.diagnose import diagnose
from ..modalities.evidence import Segmentation
from ..modalities.given import Given
from ..modalities.held import held
from ..modalities.observation import prepare, segment
from ..modalities.saliency import Diagnostics
from ..modalities.scorer import Scorer
from ..modalities.target import Target, decision_score
from ..verifier.commitment import digest_array
from ..verifier.ladder import Proposal, climb
from ..verifier.verify import Verification, look_further
from .arrays import collect_arrays
from .assemble import Findings, assemble, signal_digest
from .conclude import Known, conclude, find_concepts
from .course import Course, Progress
from .explanation import Explanation
from .fuse import Fused, fuse_further
from .prototypes import prototype_arrays
from .settings import Settings
from .telemetry import explaining, mirror

__all__ = ["Explainer", "Progress", "Settings", "explain"]


def _diagnose(system: System, prepared: Mapping[str, Prepared], action: int) -> dict[str, Diagnostics]:
    inputs, baselines = ({m: getattr(p, which) for m, p in prepared.items()} for which in ("tensor", "baseline"))
    return diagnose(Scorer(system, Target(action)), inputs, baselines)


def _content(
    system: System, prepared: Mapping[str, Prepared], fused: FusedFrame, decision: str, salts: Mapping[str, str]
) -> dict[str, Any]:
    """What a commitment holds beside the claims: digests of observation, system, saliency and evidence units."""
    clocks = {m: p.clock.to_dict() for m, p in prepared.items() if p.clock is not None}
    return {
        "observation": {m: signal_digest(p, salts[m]) for m, p in prepared.items()},
        **({"clocks": clocks} if clocks else {}),
        "system": {"name": getattr(system, "name", type(system).__name__), "digest": getattr(system, "digest", None)},
        "decision": decision,
        "saliency": {
            m: {view: digest_array(map_.values) for view, map_ in views.items()} for m, views in fused.maps.items()
        },
        "units": {m: digest_array(s.labels) for m, s in fused.segmentations.items()},
    }


def _check_overlap(prepared: Mapping[str, Prepared]) -> None:
    """Refuse signals with clocks that were never at the same time: nothing could be decided from them together."""
    if any(p.clock is not None for p in prepared.values()):
        ends = {m: np.array([0.0, p.duration]) for m, p in prepared.items() if not isinstance(p.raw, str)}
        clocks = {m: prepared[m].clock for m in ends}
        spans = {m: x if (clock := clocks[m]) is None else clock(x) for m, x in ends.items()}
        if len(spans) > 1:
            overlap({m: (float(first), float(last)) for m, (first, last) in spans.items()})


class Explainer:
    """Wraps a system: ``decide`` gives its decision, ``explain`` the decision with a checked account of it.

    One observation at a time; around a loop of them stands `veridical.ExplanationAgent`.

    Example:
        >>> explainer = Explainer(courier.load())                                     # doctest: +SKIP
        >>> print(explainer.explain({"vision": "cat.png"}).justification)             # doctest: +SKIP
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
            logits = decide_prepared(self.system, prepared)
        return self.system.actions[int(logits.argmax())]

    def explain(
        self,
        observation: Observation,
        progress: Progress | None = None,
        given: Given | None = None,
        deadline: Deadline | None = None,
    ) -> Explanation:
        """Explain the system's decision on an observation, and check the explanation.

        Args:
            observation: one signal per sense; senses left out are absent. The text may be `Spoken`: what was heard in
                a recording of it is then what is read.
            progress: called with a stage (``prepare``, ``decide``, ``attribute``, ``verify``, ``concepts``, ``name``,
                ``fuse``) and the share of it that is done.
            given: what is known of the observation already; it is not found out again.
            deadline: by when to have ended. What cannot be done by then, as far as costs were measured, is not begun,
                and the notes say so; its costs learn from this explanation.

        Raises:
            DeadlineError: there is no time for any account; costs that were never measured count as no time.
            InputError: the observation cannot be used.
            ContractError: the system breaks the contract.
            WeightsError: the weights of an encoder that gives names cannot be had.
        """
        # Held still, so that what is explained is what decides: evaluation mode, no dropout, buffers as they are.
        system = given.system if given is not None and given.system is not None else self.system
        with held(system) as state, explaining(progress) as stages:
            spoken = observation.get("text") if isinstance(observation, Mapping) else None
            if isinstance(spoken, Spoken):
                observation = {**observation, "text": spoken.text}
            else:
                spoken = None
            notes = (*state.notes, *(given.notes if given is not None else ()))
            clock = Course(stages, deadline)
            found = self._explain(system, observation, clock, notes, spoken, given or Given({}))
            mirror(found.to_dict())
            return found

    def _explain(
        self,
        system: System,
        observation: Observation,
        clock: Course,
        held_notes: tuple[str, ...],
        spoken: Spoken | None,
        given: Given,
    ) -> Explanation:
        started = time.perf_counter()
        settings, deadline = self.settings, clock.deadline
        if deadline is not None:  # what was measured must be told as well
            deadline.reserve = deadline.costs.estimate("tell") if deadline.costs.knows("tell") else 0.0
            # Without the first account nothing can be told; so nothing is begun that only serves it.
            deadline.ask(f"account: {settings.ladder.rungs[0]}", what="the first account")
        with clock.stage("prepare"):
            prepared = dict(given.prepared) or prepare(system, observation)
            _check_overlap(prepared)
            segmentations = self._segment(system, prepared, given, deadline)
        # A signal with nothing to edit (an empty text) still takes part in the decision, but rests on no evidence.
        with clock.stage("decide"):
            logits = given.logits if given.logits is not None else decide_prepared(system, prepared, given.features)
        action = int(logits.argmax())
        score = float(decision_score(logits[None], action)[0])
        laboratory = Laboratory(system, prepared, segmentations, action, score=score, deadline=deadline)
        clock.progress("attribute", 0.0)
        start = time.perf_counter()
        diagnostics: dict[str, Diagnostics] = {}
        try:
            if settings.diagnose:
                with within(deadline, "diagnose", what="looking at saturation and variation of the gradient"):
                    diagnostics = _diagnose(system, prepared, action)
        except ContractError as error:
            held_notes = (*held_notes, f"The gradient could not be examined: {error}")
        except DeadlineError:
            diagnostics = {}
        clock.add("attribute", time.perf_counter() - start)
        frames: dict[int, FusedFrame] = {}
        salts = {m: self._input_salt(m) for m in prepared}

        def content(proposal: Proposal) -> dict[str, Any]:
            frames[id(proposal)] = self._fuse(laboratory, proposal, diagnostics)
            return _content(system, prepared, frames[id(proposal)], system.actions[action], salts)

        reference = settings.reference or getattr(system, "reference", None)
        climbed = climb(laboratory, content, self._salt, settings.ladder, settings.verify, reference, clock.progress)
        clock.add("attribute", sum(attempt.seconds[0] for attempt in climbed.attempts))
        clock.add("verify", sum(attempt.seconds[1] for attempt in climbed.attempts))
        start = time.perf_counter()
        final = climbed.final
        if settings.further:
            final = replace(final, verification=self._further(laboratory, final.verification))
        climbed = replace(climbed, attempts=(*climbed.attempts[:-1], final))
        clock.add("verify", time.perf_counter() - start)
        clock.progress("verify", 1.0)
        fused = frames[id(final.proposal)]
        known = self._known()
        with clock.stage("concepts"):
            layer, known = self._concepts(laboratory, final.verification, known)
        told = time.perf_counter()
        with clock.stage("name"):
            findings = Findings(
                system=system,
                prepared=prepared,
                logits=logits,
                climb=climbed,
                fused=fused,
                conclusions=conclude(laboratory, logits, final.verification, layer, settings.namer, known),
                tolerance=settings.ladder.path.tolerance,
                ladder=settings.ladder,
                salts=salts,
                salted=isinstance(settings.salt, str),
                diagnostics=diagnostics,
                notes=(*held_notes, *(deadline.skipped if deadline is not None else ())),
            )
        with clock.stage("fuse") as advance:
            found = Fused({}, {})
            if settings.fusion is not None:
                found = fuse_further(laboratory, fused, climbed, settings.namer, settings.fusion, spoken, advance)
        spent = {**clock.spent, "total": 1000 * (time.perf_counter() - started)}
        result, arrays = assemble(findings, spent), collect_arrays(findings)
        arrays |= prototype_arrays(result["concepts"]["cards"], getattr(system, "recall", None), system)
        if found.told:
            result["fusion"], arrays = found.told, {**arrays, **found.arrays}
        if deadline is not None:
            deadline.costs.observe("tell", 1, time.perf_counter() - told)
        return Explanation(result, arrays)

    @staticmethod
    def _segment(
        system: System, prepared: Mapping[str, Prepared], given: Given, deadline: Deadline | None
    ) -> dict[str, Segmentation]:
        """Cut into evidence units what is not cut up already."""
        missing = {m: p for m, p in prepared.items() if m not in given.segmentations}
        found = dict(given.segmentations)
        if missing:
            with within(deadline, f"segment: {' + '.join(missing)}", what="cutting signals into evidence units"):
                found |= segment(system, missing)
        return {m: found[m] for m in prepared}

    def _concepts(
        self, laboratory: Laboratory, verification: Verification, known: Known
    ) -> tuple[LayerFindings, Known]:
        """Look for concepts, if there is the time; without them nothing is held against a task."""
        least = self.settings.verify.criteria.least
        if known.settings is not None and known.banks:
            try:
                with within(laboratory.deadline, "concepts", what="looking for concepts and checking the task"):
                    return find_concepts(laboratory, verification, known, least), known
            except DeadlineError:
                known = replace(known, settings=None, task=None)
        return find_concepts(laboratory, verification, known, least), known

    def _further(self, laboratory: Laboratory, verification: Verification) -> Verification:
        """Look further, if there is the time."""
        try:
            with within(laboratory.deadline, "further", what="taking away senses, complement and all claims together"):
                return look_further(laboratory, verification, self.settings.verify)
        except DeadlineError:
            return verification

    def _fuse(self, laboratory: Laboratory, proposal: Proposal, diagnostics: Mapping[str, Diagnostics]) -> FusedFrame:
        """Bring a proposal's saliency into one frame: that of its path, or of what was measured."""
        system, account = laboratory.system, proposal.account
        target = f"{system.actions[laboratory.action]} against the rest"
        nodes = {"nodes": proposal.path.nodes}
        given = (system, laboratory.prepared, laboratory.segmentations)
        if proposal.rung == "measured":
            return fuse_units(*given, account.values, MapOrigin(target, account.method, None, nodes, diagnostics))
        origin = MapOrigin(target, account.method, proposal.path.gap, nodes, diagnostics)
        return fuse(*given, proposal.path.gradients, origin)

    def _salt(self, digest: str) -> str:
        """Draw the salt, after the commitment is fixed."""
        salt = self.settings.salt
        if salt is None:
            return os.urandom(16).hex()
        return salt if isinstance(salt, str) else salt(digest)

    def _input_salt(self, sense: str) -> str:
        """Draw the salt of a signal's digest; follow from the fixed one, where there is one."""
        if sense in self.settings.input_salts:
            return self.settings.input_salts[sense]
        if isinstance(self.settings.salt, str):
            return sha256(f"{self.settings.salt}|{sense}".encode()).hexdigest()[:32]
        return os.urandom(16).hex()

    def _known(self) -> Known:
        """What is known beforehand: what was given, and what was not, of the system's own ``concepts`` and ``task``."""
        known = self.settings.known
        own = {} if known.settings is None else getattr(self.system, "concepts", None) or {}
        task = known.task if known.task is not None else getattr(self.system, "task", None)
        return replace(known, banks={**own, **known.banks}, task=task)


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
    return Explainer(system, settings).explain(observation, progress)
