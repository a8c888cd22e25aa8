"""What is said of altered bytes: the cause, and nothing but the errors of the tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from veridical.errors import IntegrityError


def told(read: Callable[..., Any], *arguments: Any) -> str | None:
    """Cause of the IntegrityError that a call ends with, None where it holds; every other error is a failure."""
    try:
        read(*arguments)
    except IntegrityError as error:
        found = error
    else:
        return None
    assert "\n" not in str(found), found
    return found.cause
