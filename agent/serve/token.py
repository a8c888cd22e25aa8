"""The bearer token: where it comes from, and how one that is shown is compared with it."""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

from ...errors import InputError

__all__ = ["VARIABLE", "find_token", "same"]

VARIABLE = "VERIDICAL_TOKEN"
_LONGEST = 4096


def find_token(path: Path | None) -> tuple[str, bool]:
    """Return the token of a file, else of the environment, else a new one; and whether it was made just now.

    It is taken out of the environment, so that no child process inherits it; an argument of the command line it can't
    be, for those are in the list of processes.

    Raises:
        InputError: the file cannot be read, or holds no single line of text.
    """
    inherited = os.environ.pop(VARIABLE, None)
    if path is not None:
        return _read(path), False
    if inherited is not None:
        return inherited.strip(), False
    return secrets.token_urlsafe(32), True


def same(shown: str, wanted: str) -> bool:
    """Compare two tokens in a time that tells nothing of where, or in how many characters, they differ."""
    digests = (sha256(token.encode("utf-8", "surrogatepass")).digest() for token in (shown, wanted))
    return hmac.compare_digest(*digests)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(
            f"--token-file {str(path)!r}: cannot be read: {why}; give a file with the token alone"
        ) from error
    token = text.strip()
    if not token or len(token.split()) != 1:
        raise InputError(
            f"--token-file {str(path)!r}: one word is wanted, {len(token.split())} found; give the token alone"
        )
    return token
