"""What an agent writes down as it decides: said in microseconds, written into the log by a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .journal_items import Item, Waiting
from .journal_writing import SLOW, Scribe

if TYPE_CHECKING:
    from ..explanation import Explanation
    from ..log.log import Log
    from ..record.context import Context

__all__ = ["BATCH", "EVENTS", "Journal"]

EVENTS = (
    "started",
    "decided",
    "dropped",
    "fault",
    "oversight",
    "override",
    "released",
    "worker",
    "closed",
    "lost",
)
"""What a note can be of; ``docs/log.md`` says what each tells."""

BATCH = 64
"""Notes that one transaction takes at the most."""

_LONGEST_PAUSE = 5.0


class Journal:
    """Notes, explanations and acts, written into a log in the order in which they were said.

    Nothing that says something waits, and nothing raises, whatever becomes of the log: what cannot be written is tried
    again, waits in memory up to a bound, and is counted when it is lost. Once the log is well again, a note ``fault``
    tells of the trouble and a note ``lost`` of what is missing.

    Args:
        open_log: opens the log, in the journal's own thread; None writes nothing, and counts.
        agent: name of the agent, under which notes stand.
        capacity: how much may wait. Beyond it the oldest note ``decided`` goes first, then other notes, then
            explanations; faults, oversight and acts never go for anything else.
        patience_s: seconds for which more is awaited before a batch is written, and the first pause after a failure;
            each further pause is twice as long, up to 5 s.

    Raises:
        InputError: a capacity below 1, or a patience below 0.
    """

    def __init__(
        self, open_log: Callable[[], Log] | None, agent: str, capacity: int = 10_000, patience_s: float = 0.2
    ) -> None:
        if capacity < 1 or not patience_s >= 0:
            told = f"journal: capacity {capacity}, patience {patience_s} s"
            raise InputError(f"{told}; at least 1 must find room, and nobody waits less than 0 s")
        self._agent, self._patience = agent, patience_s
        self._waiting = Waiting(capacity)
        self._scribe = None if open_log is None else Scribe(open_log, agent)
        self._changed = threading.Condition(threading.Lock())
        self._said = self._unsayable = 0
        self._busy_since: float | None = None
        self._closing: float | None = None  # until when, on the monotonic clock
        self._sealed = self._over = False
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        if self._scribe is not None:
            self._thread = threading.Thread(target=self._run, args=(self._scribe,), name="journal", daemon=True)
            self._thread.start()

    def say(self, event: str, said: Mapping[str, Any]) -> None:
        """Note an event. Returns at once, and never raises.

        Args:
            event: one of `EVENTS`.
            said: its detail, not to be changed afterwards. What JSON cannot hold is written as what it prints as.
        """
        try:
            self._push(Item("note", str(event), _now(), dict(said)))
        except Exception:  # noqa: BLE001  # what cannot even be copied is counted
            self._miss()

    def keep(self, explanation: Explanation, context: Context, subject: str | None = None) -> None:
        """Have an explanation written into the log, as `log_decision` does. Returns at once, and never raises.

        Args:
            explanation: with its arrays; at most 16 wait, the oldest goes first.
            context: when, why, under which policy; its id becomes that of the result and of the entry.
            subject: name of whom the signals are about.
        """
        try:
            item = Item("decision", "explanation", _now(), {}, explanation, context, subject, context.id)
            self._push(item)
        except Exception:  # noqa: BLE001  # as above
            self._miss()

    def act(self, act: str, who: str, reason: str, action: str | None) -> None:
        """Have a person's act on the agent written as an entry ``operator``. Returns at once, and never raises.

        Args:
            act: ``overridden`` or ``released``.
            who: did it.
            reason: why.
            action: what is done from now on, None where the system decides again.
        """
        said = {"act": act, "who": who, "reason": reason, "action": action}
        self._push(Item("operator", "act", _now(), said))

    @property
    def counts(self) -> Mapping[str, int]:
        """How much was ``said`` (notes, explanations, acts), and of it ``written``, ``waiting`` and ``lost``.

        Without a log all but ``said`` are 0. What the journal notes of itself is not counted.
        """
        with self._changed:
            if self._scribe is None:
                return {"said": self._said, "written": 0, "waiting": 0, "lost": self._unsayable}
            written, lost = self._scribe.written, self._scribe.lost + self._unsayable
            return {"said": self._said, "written": written, "waiting": self._said - written - lost, "lost": lost}

    @property
    def trouble(self) -> str | None:
        """Why nothing could be written lately, on one line; None when all is well."""
        since = self._busy_since
        if self._scribe is None:
            return None
        if self._scribe.trouble is None and since is not None and time.monotonic() - since > SLOW:
            return f"the log has not answered for {time.monotonic() - since:.0f} s"
        return self._scribe.trouble

    def flush(self, seconds: float) -> bool:
        """Wait until everything said is written, or given up and told; return whether it is, after so many seconds."""
        with self._changed:
            return self._changed.wait_for(self._settled, max(seconds, 0.0))

    def close(self, seconds: float) -> bool:
        """Write what waits, say so in a note ``closed``, and close the log. What is said afterwards is lost.

        Returns:
            Whether that was done within so many seconds. If not, what still waits is lost.
        """
        with self._changed:
            if self._closing is None:
                self._closing = time.monotonic() + max(seconds, 0.0)
            self._changed.notify_all()
        if self._thread is None:
            self._sealed = True
        else:
            self._thread.join(max(seconds, 0.0) + 0.1)
        return self._sealed

    def _push(self, item: Item) -> None:
        if os.getpid() != self._pid:  # a forked child: the thread that writes, and perhaps the lock, stayed behind
            return
        with self._changed:
            self._said += 1
            if self._scribe is None:
                return
            if self._closing is not None:
                self._unsayable += 1
                return
            dropped = self._waiting.push(item)
            if dropped is not None:
                self._scribe.lose(dropped, "more was said than could be written")
            if len(self._waiting) in (1, BATCH):
                self._changed.notify_all()

    def _miss(self) -> None:
        with self._changed:
            self._said += 1
            self._unsayable += 1

    def _settled(self) -> bool:
        if self._scribe is None or self._over:
            return True
        return not len(self._waiting) and self._busy_since is None and not self._scribe.owes

    def _run(self, scribe: Scribe) -> None:
        """Write until it is closed: the thread."""
        while self._await():
            self._gather()
            with self._changed:
                batch = self._waiting.take(BATCH)
                self._busy_since = time.monotonic()
            done = self._persist(lambda batch=batch: scribe.attempt(batch)) if batch else True
            with self._changed:
                if not done:
                    for item in batch:
                        scribe.lose(item, "the journal was closed before it could be written")
            while scribe.owes and self._persist(scribe.own):
                pass
            with self._changed:
                self._busy_since = None
                self._changed.notify_all()
        self._seal(scribe)

    def _await(self) -> bool:
        """Wait until something is to be written; False once the journal is closed and empty, or its time is over."""
        with self._changed:
            while not len(self._waiting) and self._closing is None:
                self._changed.wait()
            return len(self._waiting) > 0 and not self._late()

    def _gather(self) -> None:
        """Wait a moment for more, so that one transaction takes it."""
        until = time.monotonic() + self._patience
        with self._changed:
            while len(self._waiting) < BATCH and self._closing is None:
                left = until - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _persist(self, attempt: Callable[[], bool]) -> bool:
        """Attempt until it succeeds, with longer and longer pauses; False once the time to close is over."""
        pause = max(self._patience, 0.01)
        while not attempt():
            with self._changed:
                if self._late():
                    return False
                left = pause if self._closing is None else min(pause, self._closing - time.monotonic())
                until = time.monotonic() + left
                # Whoever says something wakes this thread too, and the pause goes on.
                while (left := until - time.monotonic()) > 0:
                    closing = self._closing
                    self._changed.wait(left)
                    if closing is None and self._closing is not None:
                        break
                if self._late():
                    return False
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _late(self) -> bool:
        return self._closing is not None and time.monotonic() >= self._closing

    def _seal(self, scribe: Scribe) -> None:
        """Give up what is left, tell the counts, and close the log."""
        with self._changed:
            left = self._waiting.clear()
            for item in left:
                scribe.lose(item, "the journal was closed before it could be written")
        told = not scribe.owes or scribe.own()
        sealed = scribe.close(dict(self.counts))
        with self._changed:
            self._sealed = sealed and told and not left
            self._over = True
            self._changed.notify_all()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
