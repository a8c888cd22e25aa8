"""Where a worker explains: a system of its own, and the log as it has opened it."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ...errors import RecordError
from .findings import findings_of, text_of
from .jobs import Job, Outcome

if TYPE_CHECKING:
    from ...modalities.contract import System
    from ...modalities.given import Given
    from ..explainer import Settings
    from ..explanation import Explanation
    from ..log.log import Log

__all__ = ["Desk", "Doing", "context_of", "open_desk"]

_LONGEST = 64  # characters of a record's trigger


@runtime_checkable
class Doing(Protocol):
    """Who does a worker's jobs."""

    def do(self, job: Job) -> Outcome:
        """Do a job; whatever goes wrong becomes its outcome."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Desk:
    """Explains jobs one by one, and writes the explanations into the log.

    Args:
        system: the desk's own, which nobody else uses.
        settings: how decisions are explained; their salt becomes the log's head, where there is a log.
        log: home and URL of the log, None for none.
    """

    def __init__(self, system: System, settings: Settings, log: tuple[str, str | None] | None) -> None:
        from ..explainer import Explainer

        self._where = log
        self._log: Log | None = None
        if log is not None:
            settings = replace(settings, salt=self._salt)
        self._explainer = Explainer(system, settings)

    def do(self, job: Job) -> Outcome:
        """Explain a decision and log it. What goes wrong is told, and nothing is raised."""
        start, clock = time.monotonic(), time.monotonic_ns()
        try:
            explanation = self._explainer.explain(job.observation, given=_told(job.notes))
        except Exception as error:  # noqa: BLE001  # whatever a system does, the next job is another one
            spent = time.monotonic() - start
            return Outcome(job.id, job.number, "failed", seconds=spent, fault=f"not explained: {text_of(error)}")
        faults = []
        if explanation.decision != job.action:
            faults.append(f"the worker's system chose {explanation.decision}, and the agent's {job.action}")
        entry = None
        try:
            entry = self._keep(job, explanation, clock)
        except Exception as error:  # noqa: BLE001  # a full disk is no reason to keep back what was found
            faults.append(f"explained, but not in the log: {text_of(error)}")
        verdict = explanation.result["verdict"]
        return Outcome(
            job.id,
            job.number,
            "explained",
            explanation.decision,
            verdict["verdict"],
            verdict.get("cause"),
            entry,
            time.monotonic() - start,
            findings_of(explanation.result),
            "; ".join(faults) or None,
        )

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def _opened(self) -> Log | None:
        from ..log.log import Log

        if self._log is None and self._where is not None:
            self._log = Log.open(*self._where)
        return self._log

    def _salt(self, digest: str) -> str:
        """The log's head; a fresh salt while the log cannot be read, for then nothing can be written there either."""
        from ..logged import head_salt

        try:
            log = self._opened()
            if log is not None:
                return head_salt(log)(digest)
        except RecordError:
            pass
        return os.urandom(16).hex()

    def _keep(self, job: Job, explanation: Explanation, clock: int) -> int | None:
        from ..logged import log_decision

        log = self._opened()
        if log is None:
            return None
        context = context_of(job, self._explainer.system, clock)
        return log_decision(log, {**explanation.to_dict(), "id": job.id}, explanation.arrays(), context).number


def context_of(job: Job, system: System, clock: int) -> Any:
    """Return the circumstances of an explained decision, for its record.

    Args:
        job: what was explained.
        system: by which.
        clock: the monotonic clock when explaining began, ns.
    """
    from ..provenance import provenance_of
    from ..record.context import Context

    return Context(
        id=job.id,
        start=job.time,
        end=datetime.now(UTC).isoformat(timespec="microseconds"),
        monotonic=(clock, time.monotonic_ns()),
        trigger=_trigger(job.triggers),
        labels=dict(job.labels),
        policy=dict(job.policy) or None,
        provenance=provenance_of(system),
    )


def open_desk(
    make: str | Callable[[], System], settings: Settings, log: tuple[str, str | None] | None, copied: bool
) -> Doing:
    """Make the system and its desk.

    Args:
        make: name of an entry point, or what makes the system.
        settings: how decisions are explained.
        log: home and URL.
        copied: whether what ``make`` gives may be in use elsewhere, so that the desk needs a copy.

    Raises:
        InputError: no such entry point.
        ContractError: what was made is no system.
    """
    from ..systems import load_system

    if isinstance(make, str):
        return Desk(load_system(make), settings, log)
    system = make()
    return Desk(copy.deepcopy(system) if copied else system, settings, log)


def _told(notes: tuple[str, ...]) -> Given | None:
    """What is to be told of an observation, as an explainer takes it."""
    from ...modalities.given import Given

    return Given({}, notes=notes) if notes else None


def _trigger(triggers: tuple[str, ...]) -> str:
    """What called for it, as many words of it as a record takes."""
    told = ""
    for trigger in triggers:
        longer = f"{told}, {trigger}" if told else trigger
        if len(longer) > _LONGEST:
            break
        told = longer
    return told or "background"
