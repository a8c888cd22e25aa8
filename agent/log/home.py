"""Where all state lives: one folder, `VERIDICAL_HOME` or else the user's data directory.

It holds ``log.sqlite`` (unless the log lives elsewhere by URL), ``checkpoint`` (the last signed tree head that this
machine has seen), ``blobs/``, ``keys/`` and ``subjects/``.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import RecordError

__all__ = ["home", "log_url", "make_home"]

_VARIABLE = "VERIDICAL_HOME"


def home(path: Path | None = None) -> Path:
    """Return the folder of all state, absolute; it need not exist yet.

    Args:
        path: the folder, where the caller knows it; else `VERIDICAL_HOME`, else the user's data directory.

    Raises:
        RecordError: the path is there and is no folder, or leads to a user's home that is not known.
    """
    if path is None:
        named = os.environ.get(_VARIABLE)
        if named:
            path = Path(named)
        else:
            from platformdirs import user_data_path

            path = user_data_path("veridical")
    try:
        # absolute(), not resolve(): a folder that is a link is the user's choice, and is named as he named it.
        found = path.expanduser().absolute()
        if "\0" in str(found):
            raise ValueError("a name of a file holds no NUL")
        if found.exists() and not found.is_dir():
            raise RecordError(f"{found} is no folder; name the folder of the log, or set {_VARIABLE}")
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{str(path)[:200]!r} cannot be the folder of the log: {error}; set {_VARIABLE}") from error
    return found


def log_url(home: Path) -> str:
    """Return the URL of the log that lies in a home: SQLite's file ``log.sqlite``."""
    from urllib.parse import quote

    return f"sqlite:///{quote(str(home / 'log.sqlite'))}"


def make_home(folder: Path) -> None:
    """Make the folder, for its owner alone: it will hold keys and evidence.

    Raises:
        RecordError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{folder} cannot be made for the log: {error.strerror}; set {_VARIABLE}") from error
