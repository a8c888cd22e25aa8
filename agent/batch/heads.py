"""The log's head, read where an item is explained: after its commitment, as the salt of its control edits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..log.log import Log

__all__ = ["LogHead"]


@dataclass
class LogHead:
    """Reads the head of a log that others write; the log is opened at the first question.

    Attributes:
        home: of the log.
        url: of its database, None for SQLite's in the home.
    """

    home: Path
    url: str | None = None
    _log: Log | None = field(default=None, init=False, repr=False)

    def __call__(self, digest: str) -> str:
        """Return the head as a salt, see `veridical.agent.logged.head_salt`.

        Raises:
            RecordError: the log cannot be read.
        """
        from ..log.log import Log
        from ..logged import head_salt

        if self._log is None:
            self._log = Log.open(self.home, self.url, read_only=True)
        return head_salt(self._log)(digest)
