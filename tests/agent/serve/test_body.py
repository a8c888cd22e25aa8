"""A body is read within bounds, and what is no JSON, or does not fit, is told without what was sent."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from tests.agent.serve.sample import READ, TOKEN, WHOLE
from veridical.agent.serve.body import parse, read_body, validate
from veridical.agent.serve.problem import Problem
from veridical.agent.serve.settings import Bounds, ServeSettings
from veridical.agent.serve.wire import DecideRequest, OverrideRequest

SETTINGS = ServeSettings(TOKEN, bounds=Bounds(body=100), read_s=0.05)


def request(parts, headers=None, delay=0.0):
    """A request whose body comes in parts; `None` never comes."""
    left = list(parts)

    async def receive():
        await asyncio.sleep(delay)
        if not left or left[0] is None:
            await asyncio.sleep(9)
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    all_headers = {"content-type": "application/json"} | (headers or {})
    coded = [(k.encode(), v.encode()) for k, v in all_headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": coded}, receive)


def read(parts, headers=None):
    return asyncio.run(read_body(request(parts, headers), SETTINGS))


def refused(work, status):
    with pytest.raises(Problem) as caught:
        work()
    assert caught.value.status == status
    return caught.value


def test_a_body_comes_out_whole():
    assert read([b"[1,", b"2]"]) == b"[1,2]"
    assert read([b"{}"], {"content-type": 'Application/JSON; charset="UTF-8"'}) == b"{}"


def test_a_long_body_is_refused_whether_it_says_so_or_not():
    refused(lambda: read([b"x"], {"content-length": "101"}), 413)
    refused(lambda: read([b"x"], {"content-length": "9" * 5000}), 413)
    refused(lambda: read([b"x" * 60, b"x" * 60]), 413)
    refused(lambda: read([b"x" * 60, b"x" * 60], {"content-length": "3"}), 413)


def test_a_body_that_does_not_come_is_not_waited_for():
    assert "0.05 s" in refused(lambda: read([b"x", None]), 408).detail


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1", "multipart/form-data"])
def test_another_type_is_refused(kind):
    refused(lambda: read([b"{}"], {"content-type": kind}), 415)


def test_a_packed_body_is_refused():
    refused(lambda: read([b"{}"], {"content-encoding": "gzip"}), 415)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_is_read_as_it_was_written(value):
    assert parse(json.dumps(value).encode(), 10_000) == value


@given(st.binary() | st.text())
@example("[" * 100_000)
@example('{"a": NaN}')
@example("-Infinity")
@example('{"a": 1, "a": 2}')
@example("1" * 5000)
@example(b"\xff\xfe{\0}\0")
@example(b"\xef\xbb\xbf{}")
def test_whatever_else_it_is_it_is_read_or_refused(body):
    found = []
    try:
        parse(body, 200_000)
    except Problem as problem:
        found.append(problem)
    assert all(problem.status == 400 and problem.detail.isprintable() for problem in found)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "line 1, column 2"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' stands twice"),
        ("[" * 100_000, "nested too deep"),
        (b"\xff", "byte 0 is not UTF-8"),
    ],
)
def test_why_it_is_no_json_is_told(body, words):
    assert words in refused(lambda: parse(body, 200_000), 400).detail


def test_a_body_of_very_many_values_is_refused_before_it_is_read():
    assert "52 values" in refused(lambda: parse("[" + ",".join(["[]"] * 26) + "]", 50), 413).detail
    assert len(parse("[" + ",".join(["0"] * 49) + "]", 50)) == 49


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/observation"),
        ([], ""),
        ({"observation": {}}, "/observation"),
        ({"observation": WHOLE, "request": 1}, "/request"),
        ({"observation": WHOLE, "extra": 1}, "/extra"),
        ({"observation": {"text": {"kind": "words"}}}, "/observation/text/text"),
        ({"observation": {"text": {"kind": "words", "text": 7}}}, "/observation/text/text"),
        ({"observation": {"text": {"kind": "shouts", "text": ""}}}, "/observation/text"),
        ({"observation": {"vision": {"kind": "frames", "images": ["AAAA", 7]}}}, "/observation/vision/images/1"),
        ({"observation": {"a b": READ}}, "/observation/a b"),
        ({"observation": {"text": {"kind": "words", "text": "\ud800"}}}, "/observation/text/text"),
    ],
)
def test_where_a_value_does_not_fit_is_told(data, pointer):
    problem = refused(lambda: validate(DecideRequest, data), 422)
    assert pointer in [error["pointer"] for error in problem.more["errors"]]
    problem.body()


def test_what_was_sent_is_not_told_back():
    problem = refused(lambda: validate(OverrideRequest, {"action": 5, "who": "secret", "reason": ["secret"]}), 422)
    assert b"secret" not in problem.body()
    assert len(problem.more["errors"]) == 2
