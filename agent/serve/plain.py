"""Whatever the agent tells, as plain JSON: numbers that are not finite become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from starlette.responses import Response

__all__ = ["as_json", "plain"]


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses and mappings as objects, sequences and sets as arrays."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=str)
    return str(value)


def as_json(value: Any, status: int = 200) -> Response:
    """Return an answer of JSON, in ASCII: no string in it can break out of the encoding."""
    body = json.dumps(plain(value), allow_nan=False).encode("ascii")
    return Response(body, status, media_type="application/json")
