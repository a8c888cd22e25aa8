"""The service's OpenAPI document: every status of every endpoint, with schema and example."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .answers import ANSWERS
from .problem import MEDIA_TYPE
from .stream_wire import STREAM_MODELS
from .wire import REQUESTS

__all__ = ["answers", "document_of", "takes"]

_REF = "#/components/schemas/{model}"
_WHY = {
    400: "The body is no JSON, or JSON with NaN, a name twice, or nested too deep.",
    401: "No token, or not the right one.",
    403: "The token is not the operator's; or another Host or Origin than is served.",
    404: "There is none of that id, or no longer any.",
    405: "Another method than the endpoint has.",
    408: "The body did not come in time.",
    413: "The body is too long, or holds too many values.",
    414: "Path and query are too long.",
    415: "Another type than application/json.",
    422: "What was sent does not fit the schema, or cannot be used; the sentence says why and what to do.",
    429: "As many are asked for as may be.",
    431: "The headers are too long.",
    500: "An error that was not foreseen.",
    503: "Too many requests at once, a system or a log that cannot do it, or a service that is stopping.",
    504: "Not done in time.",
}
_EVERY = (401, 403, 405, 414, 431, 500, 503)
_BODY = (400, 408, 413, 415, 422, 429, 504)


def answers(
    model: type[BaseModel], *, body: bool = False, asks: bool = False, more: tuple[int, ...] = ()
) -> dict[int | str, Any]:
    """Return an endpoint's answers: its own, and every problem that it may tell.

    Args:
        model: of the answer.
        body: whether the endpoint takes a body.
        asks: whether it asks the agent, in a lane that may be full.
        more: further problems.
    """
    statuses = sorted({*_EVERY, *(_BODY if body else ()), *((429, 504) if asks else ()), *more})
    told: dict[int | str, Any] = {200: {"model": model, "description": (model.__doc__ or "").strip()}}
    return told | {s: _problem(s) for s in statuses}


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """Return the part of an endpoint that tells its body, which it reads by itself, within bounds."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def document_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application, whole."""
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    models: list[Any] = [*REQUESTS, *ANSWERS, *STREAM_MODELS]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    components = found.setdefault("components", {}).setdefault("schemas", {})
    components |= schemas.get("$defs", {})  # also those that it has: FastAPI leaves null out of examples
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)  # FastAPI's own; here a problem is told instead
    for path in found["paths"].values():
        for operation in path.values():
            if "422" in operation["responses"] and MEDIA_TYPE not in operation["responses"]["422"]["content"]:
                del operation["responses"]["422"]
    found["x-stream"] = {
        "path": "/v1/stream",
        "protocol": "WebSocket, JSON text messages",
        "takes": [f"#/components/schemas/{m.__name__}" for m in STREAM_MODELS if m.__name__.endswith("Message")],
        "sends": [f"#/components/schemas/{m.__name__}" for m in STREAM_MODELS if m.__name__.endswith("Event")],
    }
    return found


def _problem(status: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    told: dict[str, Any] = {"description": _WHY[status], "content": content}
    names = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}
    if status in names:
        told["headers"] = {names[status]: {"required": True, "schema": {"type": "string"}}}
    return told
