"""What goes on behind the loop: the worker that explains, what comes of its jobs, and what oversight makes of that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import InputError, VeridicalError
from .findings import text_of
from .jobs import Outcome
from .journal import Journal
from .oversight import Change, Overseer
from .policy import Policy
from .worker import ThreadWorker, Worker

if TYPE_CHECKING:
    from ...modalities.contract import System
    from ..explainer import Settings

__all__ = ["Background", "registered"]


class Background:
    """The worker of an agent, and what its outcomes mean.

    Attributes:
        worker: None where the policy asks for none.
        listeners: called with each outcome, in the worker's thread.
        last_fault: the last thing that went wrong, on one line; None so far.
    """

    def __init__(self, policy: Policy, overseer: Overseer, journal: Journal) -> None:
        self.worker: Worker | None = None
        self.listeners: list[Callable[[Outcome], None]] = []
        self.last_fault: str | None = None
        self._policy, self._overseer, self._journal = policy, overseer, journal
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def hire(
        self,
        system: System,
        make: str | Callable[[], System] | None,
        settings: Settings,
        place: tuple[str, str | None] | None,
    ) -> None:
        """Begin the worker that the policy asks for, if any.

        Args:
            system: that decides.
            make: what makes the worker process's own; None: the name under which the system is registered.
            settings: how it explains.
            place: home and URL of the log.

        Raises:
            InputError: a process is asked for, and it is not known how it gets a system.
        """
        explain = self._policy.explain
        if explain.mode not in ("background", "triggered"):
            return
        rest = (settings, place, explain.queue, self._outcome, explain.restarts, self._happened)
        if explain.worker == "thread":
            self.worker = ThreadWorker(lambda: system, *rest)
        else:
            make = make or registered(system)
            if make is None:
                raise InputError(
                    "agent: a worker process makes a system of its own, and this one is not registered under its name; "
                    'give make_system, or say worker = "thread" in the policy'
                )
            self.worker = Worker(make, *rest)
        self.worker.start()

    def tend(self) -> None:
        """Look at the overseer's clock; where nothing waits to be explained, that no outcome comes says nothing."""
        worker = self.worker
        idle = self._policy.explain.mode == "off" if worker is None else not (worker.waiting or worker.busy)
        if idle:
            self.changed(self._overseer.idle())
        self.changed(self._overseer.check())

    def wrong(self, where: str, error: Exception, faults: list[str]) -> None:
        """Note what went wrong around a decision that stands all the same."""
        told = f"{where}: {text_of(error)}"
        faults.append(told)
        self.last_fault = told
        self._journal.say("fault", {"kind": where, "what": told})

    def changed(self, changes: Iterable[Change], event: str = "oversight") -> None:
        """Note what changed in what oversight does."""
        for change in changes:
            self._journal.say(event, vars(change))

    def status(self) -> dict[str, Any]:
        """Return how it goes, as plain JSON values."""
        worker = self.worker
        with self._lock:
            counts = dict(self._counts)
        told = None
        if worker is not None:
            told = {"alive": worker.alive, "waiting": worker.waiting, "restarted": worker.restarted}
        return {"outcomes": counts, "worker": told, "last_fault": self.last_fault}

    def _outcome(self, outcome: Outcome) -> None:
        """Take what came of a job; in the worker's thread."""
        with self._lock:
            self._counts[outcome.kind] = self._counts.get(outcome.kind, 0) + 1
        if outcome.kind == "dropped":
            self._journal.say("dropped", {"id": outcome.id, "number": outcome.number, "why": outcome.fault})
        elif outcome.fault:
            self.last_fault = outcome.fault
            self._journal.say("fault", {"id": outcome.id, "kind": outcome.kind, "what": outcome.fault})
        if outcome.kind == "explained":
            self.changed(self._overseer.alive())
            self.changed(self._overseer.found(outcome.findings, outcome.id))
        elif outcome.kind in ("failed", "lost"):
            self.changed(self._overseer.found(("fault",), outcome.id))
        for listener in tuple(self.listeners):
            try:
                listener(outcome)
            except Exception as error:  # noqa: BLE001  # a listener's error is its own
                self.wrong("a listener of outcomes", error, [])

    def _happened(self, what: str, detail: Mapping[str, Any]) -> None:
        """Take what became of the worker's process."""
        self._journal.say("worker", {"what": what, **detail})
        if what == "dead":
            self.last_fault = f"the worker is dead: {detail.get('why')}"
            self.changed(self._overseer.fault("worker"))


def registered(system: System) -> str | None:
    """Return the name under which the very system is registered, for a process that makes its own; None without one."""
    from ..systems import load_system

    name = getattr(system, "name", None)
    if not isinstance(name, str):
        return None
    try:
        return name if load_system(name) is system else None
    except VeridicalError:
        return None
