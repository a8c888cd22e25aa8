"""The guard lets in what may come in, and lets out nothing but answers and problems."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from tests.agent.serve.sample import AUTH, READ, TOKEN, served
from veridical.agent.serve.guard import SECURITY, Guard
from veridical.agent.serve.problem import Problem
from veridical.agent.serve.settings import Bounds, ServeSettings


def counts() -> dict[str, int]:
    return dict.fromkeys(("asked", "open", "refused", "faults"), 0)


def ask(app, counted=None, kind="http", path="/", headers=(), query=b"", **settings):
    """What a guarded application answers, as ASGI messages."""
    sent = []
    extensions = {"websocket.http.response": {}} if kind == "websocket" else {}
    scope = {"type": kind, "path": path, "headers": list(headers), "query_string": query, "extensions": extensions}

    async def receive():
        return {"type": f"{kind}.request", "body": b""}

    async def send(message):
        sent.append(message)

    guard = Guard(app, ServeSettings(TOKEN, **settings), counts() if counted is None else counted)
    asyncio.run(guard(scope, receive, send))
    return sent


async def fine(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def raising(error):
    async def app(scope, receive, send):
        raise error

    return app


def told(sent):
    """Status and problem of an answer."""
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    assert all(headers[name.lower()] == value for name, value in SECURITY.items())
    assert headers["content-type"] == "application/problem+json"
    assert int(headers["content-length"]) == len(sent[1]["body"])
    return sent[0]["status"], json.loads(sent[1]["body"])["detail"]


def test_what_may_come_in_is_answered_with_the_security_headers():
    sent = ask(fine)
    assert sent[0]["status"] == 204
    assert len(sent[0]["headers"]) == len(SECURITY)


def test_an_error_that_nobody_foresaw_is_logged_and_not_told(caplog):
    counted = counts()
    with caplog.at_level(logging.ERROR, "veridical.serve"):
        status, detail = told(ask(raising(KeyError("a secret")), counted))
    assert status == 500
    assert "secret" not in detail
    assert "a secret" in caplog.text
    assert counted == {"asked": 1, "open": 0, "refused": 1, "faults": 1}


def test_a_problem_is_told():
    assert told(ask(raising(Problem(422, "what\nand why")))) == (422, "what and why")


def test_an_answer_that_has_begun_is_not_followed_by_another():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise Problem(422, "too late")

    assert [m["type"] for m in ask(app)] == ["http.response.start"]


def test_a_stream_is_denied_with_a_problem_before_it_is_accepted():
    sent = ask(raising(Problem(401, "no token")), kind="websocket")
    assert sent[0]["type"] == "websocket.http.response.start"
    assert told(sent) == (401, "no token")


def test_more_requests_than_may_be_open_are_refused():
    counted = counts() | {"open": 2}
    sent = ask(fine, counted, connections=2)
    assert told(sent)[0] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert counted["open"] == 2


def test_long_headers_and_paths_are_refused():
    assert told(ask(fine, headers=[(b"x", b"y" * 200)], bounds=Bounds(headers=100)))[0] == 431
    assert told(ask(fine, headers=[(b"x", b"")] * 101))[0] == 431
    assert told(ask(fine, path="/" + "x" * 50, query=b"y" * 50, bounds=Bounds(target=100)))[0] == 414


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8600", "127.0.0.1:1", "[::1]:8600", "[::1]"])
def test_the_hosts_that_are_served_are(host):
    own = ("localhost", "127.0.0.1", "[::1]")
    assert ask(fine, headers=[(b"host", host.encode())], hosts=own)[0]["status"] == 204


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"evil.example")],
        [(b"host", b"localhost.evil.example:8600")],
        [(b"host", b"[::1]x")],
        [(b"host", b"")],
        [(b"host", b"\xff\n")],
        [],
        [(b"host", b"localhost")] * 2,
    ],
)
def test_another_host_is_refused_for_dns_may_have_been_rebound(headers):
    for kind in ("http", "websocket"):
        assert told(ask(fine, headers=headers, hosts=("localhost", "127.0.0.1", "[::1]"), kind=kind))[0] == 403


def test_the_bounds_hold_through_the_whole_application():
    with served(bounds=Bounds(body=1000, target=100), hosts=("localhost",)) as client:
        body = {"observation": {"text": {**READ, "text": "x" * 2000}}}
        assert client.post("/v1/decide", json=body).status_code == 413
        parts = (b'{"observation": ' + b" " * 400 for _ in range(9))
        assert client.post("/v1/decide", content=parts, headers={"Content-Type": "application/json"}).status_code == 413
        assert client.get("/v1/health?" + "x" * 100).status_code == 414
        assert client.get("/v1/health", headers={"Host": "evil.example", **AUTH}).status_code == 403
