"""The endpoints: who may ask, what is read, and what the desk makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Path
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from .answers import (
    ChangeAnswer,
    DecisionAnswer,
    ExplanationAnswer,
    HealthAnswer,
    PolicyAnswer,
    RememberedAnswer,
    StatusAnswer,
)
from .body import parse, read_body, validate
from .desk import Desk
from .document import answers, takes
from .plain import as_json
from .problem import Problem
from .session import Session
from .settings import ServeSettings
from .signals import unpack
from .token import same
from .wire import DecideRequest, ExplainRequest, OverrideRequest, ReleaseRequest

__all__ = ["add_routes", "check_token"]

M = TypeVar("M", bound=BaseModel)
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="The token that the service was started with.")
Shown = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$", description="Of the decision.")]
_LINK = {"decision": {"operationId": "recall", "parameters": {"id": "$response.body#/id"}}}


def check_token(shown: str | None, settings: ServeSettings, operator: bool = False) -> None:
    """See that a token is one that may ask this.

    Args:
        shown: None where there is none.
        settings: of the service.
        operator: whether a person's order is given.

    Raises:
        Problem: 401, or 403 for the token of one who may decide and explain alone.
    """
    wanted = settings.operator_token if operator and settings.operator_token else settings.token
    known = settings.operator_token is not None and same(shown or "", settings.operator_token)
    if shown is None or not (same(shown, settings.token) or known):
        what = "no token" if shown is None else "another token than the service's"
        told = f"Authorization: {what}; send Bearer and the token that the service was started with"
        raise Problem(401, told, {"WWW-Authenticate": 'Bearer realm="veridical"'})
    if wanted == settings.operator_token and not known:
        raise Problem(403, "this token may not order; send the operator's")


def add_routes(app: FastAPI, desk: Desk) -> None:
    """Add all endpoints to an application."""

    async def user(shown: Shown) -> None:
        check_token(None if shown is None else shown.credentials, desk.settings)

    async def operator(shown: Shown) -> None:
        check_token(None if shown is None else shown.credentials, desk.settings, operator=True)

    app.include_router(_open_to_all(app))
    app.include_router(_asking(desk, user))
    app.include_router(_ordering(desk, operator))
    _add_stream(app, desk)


def _open_to_all(app: FastAPI) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["service"])

    @router.get("/health", operation_id="health", summary="Whether the service is up.", responses=answers(HealthAnswer))
    async def health() -> Response:
        return as_json({"status": "ok"})

    @router.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return as_json(app.openapi())

    return router


def _asking(desk: Desk, user: Callable[..., Any]) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["agent"], dependencies=[Depends(user)])
    decided = answers(DecisionAnswer, body=True, asks=True)
    decided[200]["links"] = _LINK

    @router.post(
        "/decide", operation_id="decide", summary="Decide.", responses=decided, openapi_extra=takes(DecideRequest)
    )
    async def decide(request: Request) -> Response:
        asked, observation = await _observed(desk, request, DecideRequest)
        return as_json(await desk.decide(lambda: desk.agent.decide(observation, request=asked.request)))

    @router.post(
        "/explain",
        operation_id="explain",
        summary="Explain one decision in full, and wait for it.",
        responses=answers(ExplanationAnswer, body=True, asks=True),
        openapi_extra=takes(ExplainRequest),
    )
    async def explain(request: Request) -> Response:
        asked, observation = await _observed(desk, request, ExplainRequest)
        return as_json(await desk.explain(observation, asked.timeout_s, lambda: _gone(request)))

    remembered = answers(RememberedAnswer, more=(404, 422))

    @router.get("/decisions/{id}", operation_id="recall", summary="Recall a decision.", responses=remembered)
    async def recall(id: Id) -> Response:
        found = desk.recent.get(id)
        if found is None:
            told = f"no decision {id} is remembered; the latest {desk.settings.kept} are, and all are in the log"
            raise Problem(404, told)
        return as_json(found)

    @router.get("/status", operation_id="status", summary="How all stands.", responses=answers(StatusAnswer, asks=True))
    async def status() -> Response:
        return as_json(await desk.status())

    @router.get(
        "/policy", operation_id="policy", summary="The policy in force.", responses=answers(PolicyAnswer, asks=True)
    )
    async def policy() -> Response:
        return as_json(await desk.order(lambda: _policy(desk.agent.policy)))

    return router


def _ordering(desk: Desk, operator: Callable[..., Any]) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["oversight"], dependencies=[Depends(operator)])
    changed = answers(ChangeAnswer, body=True, asks=True)

    @router.post(
        "/override",
        operation_id="override",
        summary="Have an action done, whatever the system chooses.",
        responses=changed,
        openapi_extra=takes(OverrideRequest),
    )
    async def override(request: Request) -> Response:
        asked = await _read(desk, request, OverrideRequest)
        return as_json(await desk.order(lambda: desk.agent.override(asked.action, asked.who, asked.reason)))

    @router.post(
        "/release",
        operation_id="release",
        summary="Take an override back.",
        responses=changed,
        openapi_extra=takes(ReleaseRequest),
    )
    async def release(request: Request) -> Response:
        asked = await _read(desk, request, ReleaseRequest)
        return as_json(await desk.order(lambda: desk.agent.release(asked.who, asked.reason)))

    return router


def _add_stream(app: FastAPI, desk: Desk) -> None:
    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        kind, _, shown = socket.headers.get("authorization", "").partition(" ")
        check_token(shown.strip() if kind.lower() == "bearer" and shown.strip() else None, desk.settings)
        if desk.counts["streams"] >= desk.settings.streams:
            told = f"{desk.counts['streams']} streams are open, as many as may be; close one, or ask again later"
            raise Problem.later(503, told, 5)
        desk.counts["streams"] += 1
        try:
            await socket.accept()
            await Session(socket, desk).run()
        finally:
            desk.counts["streams"] -= 1


async def _observed(desk: Desk, request: Request, model: type[M]) -> tuple[M, dict[str, Any]]:
    """Read a body that holds an observation, and unpack that, in a thread."""
    body, bounds = await read_body(request, desk.settings), desk.settings.bounds

    def work() -> tuple[M, dict[str, Any]]:
        asked: Any = validate(model, parse(body, bounds.values))
        return asked, unpack(asked.observation, bounds, desk.agent.system.modalities)

    return await desk.read(work)


async def _read(desk: Desk, request: Request, model: type[M]) -> M:
    body = await read_body(request, desk.settings)
    return await desk.read(lambda: validate(model, parse(body, desk.settings.bounds.values)))


async def _gone(request: Request) -> None:
    """Return when the client has gone; its body was read already."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _policy(policy: Any) -> Any:
    told: Any = getattr(policy, "to_dict", None)
    return policy if told is None else {**told(), "digest": policy.digest}
