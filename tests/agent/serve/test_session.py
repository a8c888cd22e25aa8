"""Streams over a WebSocket: samples are told what became of them, and decisions come at the stated rate."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from tests.agent.serve.sample import FRAME, READ, SEEN, agent, as_array, served, sound, system
from tests.toys import RATE, SENTENCE
from veridical.agent.serve.session import sources_of
from veridical.agent.serve.settings import Bounds
from veridical.agent.stream.source import Source
from veridical.agent.stream.stream import Stream

OPEN = {"type": "open", "every": None}
EACH_SECOND = {"type": "open", "every": 1.0, "clock": "stream"}
SOUND = as_array(sound(), rate=RATE)


def sample(sense, signal, at):
    return {"type": "sample", "sense": sense, "signal": signal, "at": at}


@pytest.fixture(scope="module")
def client():
    with served(bounds=Bounds(message=100_000)) as found:
        yield found


@contextlib.contextmanager
def opened(client, opening=OPEN):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(opening)
        assert socket.receive_json()["type"] == "opened"
        yield socket


@pytest.fixture
def stream(client):
    with opened(client) as socket:
        yield socket


def ask(socket, message):
    socket.send_json(message)
    return socket.receive_json()


def problem(event):
    assert event["type"] == "problem", event
    assert event["problem"]["status"] in (400, 413, 422)
    return event["problem"]["detail"]


def events(socket) -> Iterator[Any]:
    """All events, and the disconnection at last."""
    try:
        while True:
            yield socket.receive_json()
    except WebSocketDisconnect as end:
        yield end


def ended(socket):
    """Code and reason with which the service closes a stream."""
    *_, last = events(socket)
    return last.code, last.reason


def test_a_decision_over_a_stream_is_the_streams_own(stream):
    messages = [sample("text", READ, 0.0), sample("vision", SEEN, 0.5), sample("audio", SOUND, 0.0)]
    assert [ask(stream, message)["arrival"] for message in messages] == ["taken"] * 3
    event = ask(stream, {"type": "decide", "at": 1.0})
    with agent() as one:
        own = Stream(one, sources_of(one.system))
        own.push("text", SENTENCE, 0.0)
        own.push("vision", FRAME, 0.5)
        own.push("audio", (sound(), RATE), 0.0)
        assert event["decision"]["score"] == pytest.approx(own.decide(1.0).score, abs=1e-5)
    assert event["type"] == "decision"
    assert event["at"] == 1.0


def test_what_became_of_a_sample_is_told(stream):
    assert ask(stream, sample("vision", SEEN, 1.0))["arrival"] == "taken"
    assert ask(stream, sample("vision", SEEN, 1.0))["arrival"] == "twice"
    event = ask(stream, sample("vision", as_array(np.full((4, 4, 3), np.nan, np.float32)), 2.0))
    assert (event["arrival"], event["at"]) == ("refused", 2.0)
    assert event["why"]


def test_decisions_of_a_stream_are_remembered(client, stream):
    ask(stream, sample("text", READ, 0.0))
    told = ask(stream, {"type": "decide"})["decision"]
    assert client.get(f"/v1/decisions/{told['id']}").json()["score"] == told["score"]


def test_decisions_come_at_the_samples_own_rate(client):
    with opened(client, EACH_SECOND) as socket:
        for frame in range(25):  # ten a second
            socket.send_json(sample("vision", SEEN, frame / 10))
        socket.send_json({"type": "close"})
        *found, _ = events(socket)
    decided = [event["at"] for event in found if event["type"] == "decision"]
    assert decided == pytest.approx([0.0, 1.0, 2.0])


def test_decisions_come_at_the_walls_rate_while_a_sensor_is_silent(client):
    opening = {"type": "open", "every": 0.05, "sources": {"vision": {"kind": "frames", "hold": 0.3}}}
    with opened(client, opening) as socket:
        assert ask(socket, sample("vision", SEEN, 100.0))["type"] == "arrival"
        begun, events = time.monotonic(), []
        while not events or events[-1]["type"] == "decision":
            assert time.monotonic() - begun < 5
            events.append(socket.receive_json())
    times = [event["at"] for event in events[:-1]]
    assert len(times) >= 2
    assert all(b > a for a, b in itertools.pairwise(times))
    assert (times[-1] - times[0]) / 0.05 >= len(times) - 1.5  # a tick may be late, and the next one in time
    assert 100 <= times[0] < times[-1] < 102
    assert "empty" in events[-1]["problem"]["detail"] or "hand" in events[-1]["problem"]["detail"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "sample"}, "/sense"),
        (sample("smell", READ, 0.0), "smell: the stream has vision, audio, text"),
        (sample("vision", READ, 0.0), "this sense reads 'frames'"),
        (sample("vision", {**SEEN, "images": SEEN["images"] * 2}, 0.0), "2 pictures; send one a message"),
        (sample("text", READ, 1e300), "/at"),
        ({"type": "open"}, "open already"),
        ({"type": "dance"}, "dance"),
        ([], "the whole"),
    ],
)
def test_a_message_that_cannot_be_used_is_told_and_the_stream_goes_on(stream, message, words):
    told = problem(ask(stream, message))
    assert words in told or words == "dance"
    assert ask(stream, sample("text", READ, 0.0))["arrival"] == "taken"


def test_what_is_no_json_is_told(stream):
    for text, words in (("{", "no JSON"), ('{"at": NaN}', "NaN"), ("[" * 90_000, "values")):
        stream.send_text(text)
        assert words in problem(stream.receive_json())


def test_nothing_at_hand_is_a_problem_and_no_end(stream):
    stream.send_json({"type": "decide"})
    assert problem(stream.receive_json())
    assert ask(stream, sample("text", READ, 0.0))["arrival"] == "taken"


@pytest.mark.parametrize(
    ("opening", "code", "words"),
    [
        (sample("text", READ, 0.0), 1008, "must be of type open"),
        ({"type": "open", "sources": {"smell": {"kind": "frames"}}}, 1008, "smell"),
        ({"type": "open", "sources": {"audio": {"kind": "sound"}}}, 1008, "rate"),
        ({"type": "open", "step": 50.0}, 1008, "step"),
    ],
)
def test_a_stream_that_cannot_be_opened_is_closed_with_why(client, opening, code, words):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(opening)
        found, reason = ended(socket)
    assert found == code
    assert words in reason


def test_long_and_binary_messages_end_a_stream(client):
    with opened(client) as socket:
        socket.send_text("x" * 100_001)
        assert ended(socket)[0] == 1009
    with opened(client) as socket:
        socket.send_bytes(b"{}")
        assert ended(socket)[0] == 1003


def test_a_client_that_does_not_learn_is_sent_away(stream):
    for _ in range(50):
        stream.send_text("{")
    code, reason = ended(stream)
    assert (code, reason) == (1008, "50 messages could not be used")


def test_a_silent_stream_is_closed_and_others_may_come():
    with served(idle_s=0.1, streams=1) as client:
        with opened(client) as socket:
            assert ended(socket) == (1008, "no message for 0.1 s")
        with opened(client), pytest.raises(WebSocketDisconnect) as caught, opened(client):
            pass
        assert caught.value.status_code == 503  # type: ignore[attr-defined]


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic x"])
def test_a_stream_without_the_token_is_denied(client, header):
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        client.websocket_connect("/v1/stream", headers={"Authorization": header}),
    ):
        pass
    answer = caught.value
    assert json.loads(answer.content)["status"] == answer.status_code == 401  # type: ignore[attr-defined]


def test_a_stream_of_another_origin_is_denied(client):
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        client.websocket_connect("/v1/stream", headers={"Origin": "https://evil.example"}),
    ):
        pass
    assert caught.value.status_code == 403  # type: ignore[attr-defined]


def test_the_sources_are_the_systems_own_or_as_its_senses_suggest():
    one: Any = system()
    assert sources_of(one) == {
        "vision": Source("frames"), "audio": Source("sound", RATE), "text": Source("words", hold=math.inf)
    }  # fmt: skip
    one.sources = lambda: {"vision": Source("frames", 10.0)}
    assert sources_of(one) == {"vision": Source("frames", 10.0)}
