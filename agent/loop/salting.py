"""The log's head as the salt of control edits, had in time: a log that does not answer holds up no decision."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["PATIENCE", "PatientSalt"]

PATIENCE = 0.02
"""Seconds that the log has to tell its head: SQLite takes about one thousandth, a server across a network ten."""


class PatientSalt:
    """Gives a log's head as a salt (`veridical.agent.logged.head_salt`), or a fresh one where that does not come.

    A fresh salt is as good a guard against an explainer that would choose its controls; but only the head shows
    afterwards that none was tried again. A record tells by its salt which it was.

    Attributes:
        patience: seconds that are waited.
        missed: how often it was a fresh one.
    """

    def __init__(self, log: Log, patience: float = PATIENCE) -> None:
        """Ask this log."""
        from ..logged import head_salt

        self._head, self.patience, self.missed = head_salt(log), patience, 0
        self._asking: threading.Thread | None = None

    def __call__(self, digest: str) -> str:
        """Return the salt of a commitment; within `patience`, whatever becomes of the log."""
        # One that still hangs is not waited for again, and no second one is sent after it.
        if self._asking is None or not self._asking.is_alive():
            told: list[str] = []
            self._asking = threading.Thread(target=self._ask, args=(digest, told), name="salt", daemon=True)
            self._asking.start()
            self._asking.join(self.patience)
            if told:
                return told[0]
        self.missed += 1
        return os.urandom(16).hex()

    def _ask(self, digest: str, told: list[str]) -> None:
        try:
            told.append(self._head(digest))
        except Exception:  # noqa: BLE001  # the journal tells what the matter is with the log
            return
