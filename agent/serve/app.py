"""The application: one agent, behind HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from .body import pointer
from .desk import Desk
from .document import document_of
from .guard import Guard
from .problem import Problem, invalid
from .routes import add_routes
from .served import Served
from .settings import ServeSettings

__all__ = ["make_app"]

VERSION = "1.0.0"
"""Of the interface, not of the package: it changes where a client must."""

_ABOUT = """An agent that decides from what it sees, hears and reads, and explains its decisions.

Every request but `GET /v1/health` carries `Authorization: Bearer <token>`. Whatever goes wrong is told as
`application/problem+json` (RFC 9457), in one sentence. Samples may be streamed over a WebSocket at `/v1/stream`; the
member `x-stream` names its messages."""


def make_app(agent: Served, settings: ServeSettings, ready: Callable[[], None] | None = None) -> FastAPI:
    """Return the application that serves an agent; as it stops, the agent drains and seals its log.

    Args:
        agent: what is asked; from now on the application's own.
        settings: token, bounds and times.
        ready: called when it starts.

    Example:
        >>> app = make_app(agent, ServeSettings(token=secrets.token_urlsafe(32)))     # doctest: +SKIP
    """
    desk = Desk(agent, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if ready is not None:
            ready()
        yield
        await asyncio.get_running_loop().run_in_executor(None, desk.close)

    app = FastAPI(
        title="Veridical",
        version=VERSION,
        description=_ABOUT,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.desk = desk
    add_routes(app, desk)
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(document_of(app))
        return document

    app.openapi = openapi
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _unfit)
    if settings.origins:
        headers = ["Authorization", "Content-Type"]
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["GET", "POST"], allow_headers=headers
        )
    app.add_middleware(Guard, settings=settings, counts=desk.counts)  # last: around all others
    return app


async def _told(request: HTTPConnection, error: Exception) -> Any:
    """Tell what Starlette refuses by itself, an unknown path or method, as any other problem."""
    assert isinstance(error, HTTPException)  # noqa: S101 - for type checkers; registered for it alone
    path, method = request.url.path[:100].encode("ascii", "replace").decode(), request.scope.get("method", "GET")
    told = {404: f"{path}: there is nothing here", 405: f"{path} has no method {str(method)[:20]}"}
    detail = f"{told.get(error.status_code, str(error.detail)[:200])}; GET /v1/openapi.json says what there is"
    raise Problem(error.status_code, detail, error.headers) from error


async def _unfit(_: HTTPConnection, error: Exception) -> Any:
    """Tell of a parameter that does not fit, without its value."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    faults = error.errors()
    raise invalid("request", [(pointer(fault["loc"], {}), fault["msg"]) for fault in faults]) from error
