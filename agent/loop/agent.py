"""The loop around a system: it decides at once; explaining never holds it up beyond what was allowed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...errors import ContractError, DeadlineError, InputError, VeridicalError
from ...modalities.contract import Observation, System
from ...modalities.deadline import Costs, Deadline
from ...modalities.given import Given
from ..depths import settings_at
from ..explainer import Explainer, Progress, Settings
from ..explanation import Explanation
from ..log.log import Log
from ..logged import head_salt
from .background import Background, registered
from .changes import moment
from .choosing import Choice, choose, stand_still
from .decision import Decision
from .findings import findings_of, text_of
from .jobs import Job, Outcome
from .journal import Journal
from .oversight import Change, Overseer
from .policy import FINDINGS, Explaining, Policy
from .salting import PatientSalt
from .triggers import Triggers, modality_disagreement
from .worker import Worker

__all__ = ["ExplanationAgent"]

_SPARE = 0.008
"""Seconds of a deadline that are kept for what follows an inline explanation: noting it, and the answer."""


class ExplanationAgent:
    """Stands around a system in its loop: ``decide`` answers at once, and sees to the explanation as the policy says.

    The loop goes on whatever happens to explaining: an error there, a dead worker, a full disk or a slow database are
    noted, counted and told by `status`, and the decision stands. Only where the system itself cannot decide, and the
    policy names no action for that, does ``decide`` raise. One thread calls ``decide``; everything else may be called
    from any. It is a context manager that closes itself.

    Attributes:
        system: what decides.
        policy: when decisions are explained, and what is done about what is found.
        explainer: explains in this thread, when asked to (`explain`).
        journal: what writes the log.
        overseer: what makes reactions of findings.
        costs: what explaining inline was measured to cost.

    Example:
        >>> with ExplanationAgent(courier.load(), log=Log.open()) as agent:           # doctest: +SKIP
        ...     print(agent.decide(observation).action)
    """

    def __init__(
        self,
        system: System,
        policy: Policy | None = None,
        *,
        settings: Settings | None = None,
        log: Log | None = None,
        make_system: str | Callable[[], System] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Wrap a system.

        Args:
            system: what decides.
            policy: when decisions are explained, and what is done about what is found. Without one, all are explained
                in the background where there is a log to write to, else none; and nothing is done.
            settings: of explanations that are asked for with `explain`, and of the policy's depth ``full``.
            log: where decisions and explanations are written. The agent opens it anew for itself.
            make_system: makes the worker process's own system: the name under which it is registered, or a function
                that can be pickled. Without one, the system's own name, if it is registered, or a copy in a thread.
            labels: of every record.

        Raises:
            InputError: the policy names an action that the system lacks, or asks for what this system cannot give.
            ContractError: the system breaks the contract.
        """
        self.explainer = Explainer(system, settings)
        if policy is None:
            policy = Policy(explain=Explaining(mode="off" if log is None else "background", worker="thread"))
            if make_system is not None or registered(system):
                policy = replace(policy, explain=replace(policy.explain, worker="process"))
        self.policy, self.system = policy.check(system.actions), system
        self.labels, self._log = dict(labels or {}), log
        self.overseer = Overseer(policy.oversight, system.actions)
        self.costs = Costs()
        novelty = getattr(getattr(system, "reference", None), "novelty", None)
        self._triggers = Triggers(policy.explain, novelty)
        place = None if log is None else (str(log.home), log.url)
        opened = None if place is None else (lambda: Log.open(*place))
        self.journal = Journal(opened, getattr(system, "name", type(system).__name__))
        self._background = Background(policy, self.overseer, self.journal)
        self._quick = settings_at(policy.explain.depth) if policy.explain.depth != "full" else self.explainer.settings
        try:
            self._background.hire(system, make_system, self._quick, place)
        except BaseException:
            self.journal.close(5.0)
            raise
        if log is not None:
            self._quick = replace(self._quick, salt=PatientSalt(log))
        self._lock, self._number, self._closed = threading.Lock(), 0, False
        self._explaining = threading.Lock()  # who explains holds the system still, and others wait for that
        notes = [*self._triggers.notes, *stand_still(system)]
        said = {"policy": policy.context(), "system": {"digest": getattr(system, "digest", None)}, "notes": notes}
        self.journal.say("started", said)
        if policy.explain.mode == "inline" and callable(getattr(system, "example", None)):
            try:
                self.warm()
            except BaseException:
                self.close(5.0)
                raise

    def warm(self, observation: Observation | None = None, times: int = 2) -> dict[str, float]:
        """Measure what explaining costs, so that a deadline can be kept: before the loop begins, without a deadline.

        Args:
            observation: like those that come; by default the system's own example.
            times: explanations measured, after one that is not.

        Returns:
            What each kind of work is foretold to take, seconds.

        Raises:
            InputError: no observation is given, and the system has no example.
        """
        if observation is None:
            example: Any = getattr(self.system, "example", None)
            if not callable(example):
                raise InputError("warm: the system has no example(); give an observation like those that will come")
            observed: Any = example()
        else:
            observed = observation
        explainer = Explainer(self.system, self._quick)
        for costs in (
            Costs(),
            *[self.costs] * times,
        ):  # the first time, much is made that is kept: it counts for nothing
            with self._explaining:
                explainer.explain(observed, deadline=Deadline(float("inf"), costs))
        if self._log is not None:  # digests of all weights, which are taken once
            self._context(str(uuid.uuid4()), moment(), time.monotonic_ns(), "request")
        return self.costs.to_dict()

    def decide(
        self,
        observation: Observation,
        given: Given | None = None,
        request: bool = False,
        begun: float | None = None,
    ) -> Decision:
        """Decide; explain as the policy says; return what is to be done.

        Args:
            observation: one signal per sense; senses left out are absent.
            given: what a stream knows of it already.
            request: whether an explanation of this decision is asked for.
            begun: when the decision was asked for, on `time.perf_counter`, where work was done on it before (by a
                stream, say): latency and deadline count from there. By default now.

        Raises:
            InputError: the observation cannot be used, and the policy names no action for that.
            ContractError: the system failed, and the policy names no action for that.
        """
        begun, time_ = time.perf_counter() if begun is None else begun, moment()
        with self._lock:
            number, self._number = self._number, self._number + 1
        identity = str(uuid.uuid4())
        limit = self.policy.explain.deadline_ms
        deadline = None if limit is None else Deadline(limit / 1000, self.costs, started=begun)
        self._background.tend()
        try:
            choice = choose(self.system, observation, given)
        except Exception as error:  # noqa: BLE001  # whatever a system does, the robot still moves
            return self._failed(error, identity, number, time_, begun)
        faults: list[str] = []
        triggers = self._triggered(choice, number, request, faults)
        explained, explanation, skipped = "no", None, list[str]()
        wanted = self.policy.explain.mode
        if wanted == "inline":
            explanation = self._inline(identity, choice, observation, deadline, skipped, faults)
            explained = "no" if explanation is None else "inline"
        elif self.worker is not None and (wanted == "background" or triggers):
            job = Job(
                identity, number, observation, choice.action, triggers, time_, self.policy.context(), self.labels,
                choice.given.notes,
            )  # fmt: skip
            self.worker.offer(job)
            explained = "queued"
        elif request:
            skipped.append("An explanation was asked for, and the policy has none made.")
        findings = [*(t for t in triggers if t in FINDINGS), *(["fault"] if faults else []), *choice.findings]
        if explanation is not None:
            findings += findings_of(explanation.result)
        self._background.changed(self.overseer.found(findings, identity, pending=explained == "queued"))
        if explanation is not None and wanted == "inline":
            self._background.changed(self.overseer.alive())
        reaction = self.overseer.react(choice.action)
        spent = time.perf_counter() - begun
        decision = Decision(
            identity,
            number,
            time_,
            reaction.action,
            choice.action,
            choice.probabilities,
            choice.score,
            choice.margin,
            1000 * spent,
            explained,
            self.policy.explain.depth if explained != "no" else None,
            tuple(skipped),
            explanation,
            reaction,
            triggers,
            tuple(faults),
            limit is not None and 1000 * spent > limit,
        )
        self._note(decision, choice)
        return decision

    def explain(self, observation: Observation, progress: Progress | None = None) -> Explanation:
        """Explain a decision in full, and log it where there is a log; see `Explainer.explain`.

        Raises:
            InputError: the observation cannot be used.
            ContractError: the system breaks the contract.
            WeightsError: the weights of an encoder that gives names cannot be had.
        """
        explainer = self.explainer
        if self._log is not None:
            explainer = Explainer(self.system, replace(explainer.settings, salt=head_salt(self._log)))
        begun, clock = moment(), time.monotonic_ns()
        with self._explaining:
            found = explainer.explain(observation, progress)
        self.journal.keep(found, self._context(found.result["id"], begun, clock, "request"))
        return found

    def override(self, action: str, who: str, reason: str, seconds: float | None = None) -> Change:
        """Let a person decide what is done, until `release`, or for some seconds; see `Overseer.override`.

        Raises:
            InputError: an action that the system lacks, nobody or no reason named, or seconds that are none.
        """
        change = self.overseer.override(action, who, reason, seconds)
        self.journal.act("overridden", who, reason, action)
        self._background.changed([change], "override")
        return change

    def release(self, who: str, reason: str) -> Change:
        """End a person's override.

        Raises:
            InputError: nothing is overridden, or nobody or no reason is named.
        """
        change = self.overseer.release(who, reason)
        self._background.changed([change], "released")
        return change

    def status(self) -> dict[str, Any]:
        """Return how it goes, as plain JSON values."""
        with self._lock:
            number = self._number
        return {
            "decisions": number,
            "level": self.overseer.level,
            "policy": self.policy.context(),
            **self._background.status(),
            "log": {**self.journal.counts, "trouble": self.journal.trouble},
        }

    def drain(self, seconds: float) -> bool:
        """Wait until what is queued is explained and what was said is written; return whether it was, in time."""
        until = time.monotonic() + seconds
        if self.worker is not None and not self.worker.drain(seconds):
            return False
        return self.journal.flush(max(0.0, until - time.monotonic()))

    def close(self, seconds: float = 30.0) -> bool:
        """Explain what is queued, write what was said, seal the log; return whether all of it was done in time."""
        with self._lock:
            if self._closed:
                return True
            self._closed = True
        until = time.monotonic() + seconds
        done = self.worker is None or self.worker.close(seconds)
        return self.journal.close(max(1.0, until - time.monotonic())) and done

    @property
    def worker(self) -> Worker | None:
        """What explains in the background; None where the policy asks for none."""
        return self._background.worker

    @property
    def on_outcome(self) -> list[Callable[[Outcome], None]]:
        """Called with each outcome of the worker, in a thread of its own."""
        return self._background.listeners

    def __enter__(self) -> ExplanationAgent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _triggered(self, choice: Choice, number: int, request: bool, faults: list[str]) -> tuple[str, ...]:
        try:
            return self._triggers.find(
                number,
                choice.probabilities,
                choice.margin,
                choice.features,
                lambda: modality_disagreement(
                    choice.system, choice.prepared, choice.features, choice.action, self.policy.explain.margin
                ),
                request,
                choice.logits[None],
            )
        except Exception as error:  # noqa: BLE001  # looking for triggers is explaining: the loop goes on
            self._background.wrong("triggers", error, faults)
            return ("request",) if request else ()

    def _inline(
        self,
        identity: str,
        choice: Choice,
        observation: Observation,
        deadline: Deadline | None,
        skipped: list[str],
        faults: list[str],
    ) -> Explanation | None:
        """Explain now, as far as the deadline allows; not at all while another thread explains (`explain`)."""
        if not self._explaining.acquire(blocking=False):
            skipped.append("Not explained: another explanation was under way, and a decision does not wait for it.")
            return None
        if deadline is not None:
            deadline.seconds -= _SPARE
        begun, clock = moment(), time.monotonic_ns()
        try:
            found = Explainer(self.system, self._quick).explain(observation, given=choice.given, deadline=deadline)
            skipped += deadline.skipped if deadline is not None else []
            self.journal.keep(found, self._context(identity, begun, clock, "inline"))
            return found
        except DeadlineError:
            skipped += deadline.skipped if deadline is not None else []
            return None
        except Exception as error:  # noqa: BLE001  # an exception in explaining never reaches the loop
            self._background.wrong("explaining", error, faults)
            return None
        finally:
            self._explaining.release()

    def _failed(self, error: Exception, identity: str, number: int, time_: str, begun: float) -> Decision:
        """The system chose nothing: what the policy puts in its place, or the error."""
        faults: list[str] = []
        self._background.wrong("deciding", error, faults)
        found = ["fault"] + (["sensor"] if isinstance(error, InputError) else [])
        self._background.changed(self.overseer.found(found, identity))
        reaction = self.overseer.stand_in(f"the system could not decide: {text_of(error)}")
        if reaction is None:
            if isinstance(error, VeridicalError):
                raise error
            raise ContractError(f"system: it failed while deciding: {text_of(error)}") from error
        spent = 1000 * (time.perf_counter() - begun)
        limit = self.policy.explain.deadline_ms
        late = limit is not None and spent > limit
        decision = Decision(
            identity, number, time_, reaction.action, None, {}, 0.0, 0.0, spent, "no", None, (), None, reaction,
            (), tuple(faults), late,
        )  # fmt: skip
        self._note(decision, None)
        return decision

    def _note(self, decision: Decision, choice: Choice | None) -> None:
        said = decision.to_dict()
        del said["explanation"]
        if choice is not None:
            said["notes"] = list(choice.given.notes)
        self.journal.say("decided", said)

    def _context(self, identity: str, begun: str, clock: int, trigger: str) -> Any:
        from ..provenance import provenance_of
        from ..record.context import Context

        return Context(
            id=identity,
            start=begun,
            end=moment(),
            monotonic=(clock, time.monotonic_ns()),
            trigger=trigger,
            labels=self.labels,
            policy=self.policy.context(),
            provenance=provenance_of(self.system),
        )
