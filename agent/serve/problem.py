"""Problems, as the service tells them: RFC 9457, ``application/problem+json``, one sentence and never a traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from ...errors import InputError, VeridicalError

__all__ = ["MEDIA_TYPE", "TYPES", "Problem", "invalid", "problem_of"]

MEDIA_TYPE = "application/problem+json"

TYPES: Mapping[int, str] = {
    400: "malformed",
    401: "unauthorized",
    403: "forbidden",
    404: "unknown",
    405: "method",
    408: "slow",
    413: "too-large",
    414: "target",
    415: "media-type",
    422: "input",
    429: "busy",
    431: "headers",
    500: "fault",
    503: "unavailable",
    504: "time-out",
}
"""Last part of a problem's ``type``, ``urn:veridical:problem:…``, by status."""


class Problem(Exception):
    """What is answered instead of a result.

    Attributes:
        status: HTTP's.
        detail: one sentence: what, where, the values, the likely fix.
        headers: that go with it, such as ``Retry-After``.
        more: further members, plain JSON.
    """

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, " ".join(detail.split())
        self.headers, self.more = dict(headers or {}), dict(more or {})

    @classmethod
    def later(cls, status: int, detail: str, seconds: float) -> Problem:
        """A problem that will be none after so many seconds, rounded up and at most ten minutes."""
        return cls(status, detail, {"Retry-After": str(math.ceil(min(max(seconds, 1), 600)))})

    def to_dict(self) -> dict[str, Any]:
        """Return the members of RFC 9457, and those of its own."""
        own = {
            "type": f"urn:veridical:problem:{TYPES.get(self.status, 'other')}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return {**self.more, **own}

    def body(self) -> bytes:
        """Return it as JSON; what a client sent comes back as ASCII alone."""
        return json.dumps(self.to_dict()).encode("ascii")

    def all_headers(self) -> dict[str, str]:
        """Return its headers, with the type of what it holds."""
        return {"Content-Type": MEDIA_TYPE, **self.headers}


def problem_of(error: VeridicalError) -> Problem:
    """Return what an error is to whoever asked: 422 for what was sent, 503 for what the service cannot do."""
    return Problem(422 if isinstance(error, InputError) else 503, str(error))


def invalid(where: str, faults: Sequence[tuple[str, str]], most: int = 20) -> Problem:
    """Return the problem of values that do not fit their schema.

    Args:
        where: what they are part of.
        faults: JSON pointer and sentence of each.
        most: how many of them are told.
    """
    pointer, what = faults[0]
    rest = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    detail = f"{where}: {pointer or 'the whole'}: {what}{rest}; GET /v1/openapi.json says what is taken"
    return Problem(422, detail, more={"errors": [{"pointer": p[:200], "detail": w[:300]} for p, w in faults[:most]]})
