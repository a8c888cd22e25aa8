"""A request's JSON, read within bounds: of time, of bytes, of values and of nesting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from .problem import Problem, invalid
from .settings import ServeSettings

__all__ = ["parse", "pointer", "read_body", "validate"]

M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request, settings: ServeSettings) -> bytes:
    """Read a body as it arrives, and no further than it may be long.

    Raises:
        Problem: 415 for another type than JSON or a body that is packed; 413 for one that is, or says that it is, too
            long; 408 for one that does not come.
    """
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Problem(415, f"Content-Type: {kind.strip()[:80]!r} {charset[:40]}; send application/json, in UTF-8")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(415, "Content-Encoding: a body that is packed is not taken; send it as it is")
    most = settings.bounds.body
    told = request.headers.get("content-length", "0")
    if told.isascii() and told.isdigit() and int(told[:20]) > most:
        raise _too_long(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.read_s):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_long(most)
                parts.append(part)
    except TimeoutError:
        raise Problem(408, f"the body did not come within {settings.read_s:g} s", {"Connection": "close"}) from None
    return b"".join(parts)


def _too_long(most: int) -> Problem:
    told = f"the body is longer than {most} bytes; send fewer or smaller pictures, or start the service with --max-body"
    return Problem(413, told, {"Connection": "close"})


def parse(body: bytes | str, most: int, where: str = "body") -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no name twice in an object.

    Args:
        body: the JSON, in UTF-8.
        most: values that it may hold.
        where: what it is, for the message.

    Raises:
        Problem: 400: it is no such JSON; 413: it holds too many values.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, f"{where}: byte {error.start} is not UTF-8; send JSON in UTF-8") from None
    # Counted before it is read: sixteen megabytes of brackets would become a gigabyte of lists.
    values = text.count(",") + text.count("[") + text.count("{")
    if values > most:
        told = f"{where}: about {values} values, and {most} are taken; send arrays as base64, see docs/service.md"
        raise Problem(413, told)
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise Problem(400, f"{where}: nested too deep to be read") from None
    except json.JSONDecodeError as error:
        told = f"{where}: no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise Problem(400, told) from None
    except ValueError as error:  # of the hooks, or an integer of thousands of digits
        raise Problem(400, f"{where}: {str(error)[:160]}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; a number is finite, and null stands for none")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"{name[:60]!a} stands twice in an object; give each name once")
    return found


def validate(model: type[M], data: Any, where: str = "body") -> M:
    """Return data as a model.

    Raises:
        Problem: 422: it does not fit; JSON pointers say where. No value that was sent is told back.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid(where, [(pointer(f["loc"], data), f["msg"]) for f in faults]) from None


def pointer(place: Sequence[str | int], data: Any) -> str:
    """Return the JSON pointer (RFC 6901) of a place; what pydantic puts in it to name a union's member is left out."""
    found = ""
    for step in place:
        inside = isinstance(data, list) and isinstance(step, int) and step < len(data)
        missing = isinstance(data, dict) and step == place[-1] and step != "[key]"
        if not (inside or missing or (isinstance(data, dict) and step in data)):
            continue
        found += "/" + str(step).replace("~", "~0").replace("/", "~1")
        data = data.get(step) if isinstance(data, dict) else data[int(step)]
    return found.encode("ascii", "backslashreplace").decode()
