"""The guard at the door: hosts, origins, headers, connections and whatever goes wrong behind it.

It is an ASGI middleware of its own, around everything else, so that nothing is answered without it: not a refusal, not
an error that nobody foresaw.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .problem import Problem
from .settings import ServeSettings

__all__ = ["Guard"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer: it is data, for whoever asked, and not to be kept, framed or guessed at."""

_HEADERS = 100
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::\d{0,5})?")
_LOGGER = logging.getLogger("veridical.serve")


class Guard:
    """Let in what may come in, and let out nothing but answers and problems.

    Args:
        app: what is guarded.
        settings: of the service.
        counts: requests, refusals and what is going on; written here.
    """

    def __init__(self, app: App, settings: ServeSettings, counts: dict[str, int]) -> None:
        self.app, self.settings, self.counts = app, settings, counts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request or stream."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        self.counts["asked"] += 1
        sending = _Sending(send)
        if self.counts["open"] >= self.settings.connections:
            told = f"{self.counts['open']} requests are open already, as many as may be; ask again later"
            await self._refuse(scope, sending, Problem.later(503, told, 1))
            return
        self.counts["open"] += 1
        try:
            self._check(scope)
            await self.app(scope, receive, sending)
        except Problem as problem:
            await self._refuse(scope, sending, problem)
        except Exception:  # whatever it is: the service goes on, and the client learns no more than that
            self.counts["faults"] += 1
            _LOGGER.exception("an error that was not foreseen, at %s", scope["path"][:200].encode("ascii", "replace"))
            told = "an error that was not foreseen, on the service's side; its own log says which"
            await self._refuse(scope, sending, Problem(500, told))
        finally:
            self.counts["open"] -= 1

    async def _refuse(self, scope: MutableMapping[str, Any], sending: _Sending, problem: Problem) -> None:
        self.counts["refused"] += 1
        if sending.begun:
            if scope["type"] == "websocket":
                await sending({"type": "websocket.close", "code": 1011, "reason": problem.detail[:100]})
            return  # an answer that has begun cannot be taken back; the server cuts the connection
        kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await sending({"type": "websocket.close", "code": 1008})
            return
        body = problem.body()
        headers = {**problem.all_headers(), "Content-Length": str(len(body))}
        await sending({"type": f"{kind}.start", "status": problem.status, "headers": _coded(headers)})
        await sending({"type": f"{kind}.body", "body": body})

    def _check(self, scope: MutableMapping[str, Any]) -> None:
        """See that a request is of a size, for a host and from an origin that is served."""
        bounds, headers = self.settings.bounds, scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > _HEADERS or size > bounds.headers:
            told = f"{len(headers)} headers of {size} bytes; {_HEADERS} of {bounds.headers} bytes are taken"
            raise Problem(431, told)
        target = len(scope.get("raw_path") or scope["path"].encode()) + len(scope.get("query_string", b""))
        if target > bounds.target:
            raise Problem(414, f"path and query are {target} bytes; {bounds.target} are taken")
        if self.settings.hosts:
            named = [value for name, value in headers if name == b"host"]
            host = _without_port(named[0].decode("latin-1")) if len(named) == 1 else None
            if host not in {known.lower() for known in self.settings.hosts}:
                shown = json.dumps(host[:80]) if host is not None else f"{len(named)} headers"
                known = ", ".join(self.settings.hosts)
                raise Problem(403, f"Host: {shown} is not served here; ask {known}, or start it with --allow-host")
        for name, value in headers:
            if name == b"origin" and value.decode("latin-1") not in self.settings.origins:
                shown = json.dumps(value.decode("latin-1")[:80])
                raise Problem(403, f"Origin: {shown} may not ask this service; start it with --allow-origin")


class _Sending:
    """What is sent, with the security headers; and whether anything was."""

    def __init__(self, send: Send) -> None:
        self.send, self.begun = send, False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        self.begun = self.begun or kind in ("http.response.start", "websocket.http.response.start", "websocket.accept")
        if kind in ("http.response.start", "websocket.http.response.start"):
            own = {name for name, _ in message.get("headers", ())}
            more = [pair for pair in _coded(SECURITY) if pair[0] not in own]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self.send(message)


def _coded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _without_port(host: str) -> str | None:
    """Return the name in a header ``Host``, in small letters; an IPv6 address keeps its brackets. None: it is none."""
    found = _HOST.fullmatch(host)
    return found[1].lower() if found else None
