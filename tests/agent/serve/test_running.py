"""One real process: asked over HTTP and WebSocket, stopped by SIGTERM, and its log sealed and sound."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.agent.serve.sample import AUTH, READ, SEEN, TOKEN, WHOLE
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.serve.running import Place, is_loopback, listen
from veridical.errors import InputError

ROOT = Path(__file__).parents[3]
POLICY = """
format = "veridical.policy/1"
name = "quick"
version = "1"
[explain]
mode = "triggered"
triggers = ["request"]
depth = "verdict"
worker = "thread"
"""
LONG = 60  # on a machine that others use, too


@contextlib.contextmanager
def started(tmp_path, *options):
    """A process, what it said until it was up, and where it is."""
    (tmp_path / "policy.toml").write_text(POLICY)
    environment = {**os.environ, "VERIDICAL_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}
    environment |= {"VERIDICAL_TOKEN": TOKEN}
    command = [sys.executable, "-m", "tests.agent.serve.process", "serve", "--system", "toy", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        assert process.stderr is not None
        while "Ctrl-C" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield process, said, re.findall(r"https?://\S+:\d+", said)[-1]
    finally:
        process.kill()
        process.communicate()


def test_a_process_is_asked_and_stopped_and_its_log_is_sealed(tmp_path):
    with started(tmp_path, "--policy", str(tmp_path / "policy.toml")) as (process, said, url):
        assert TOKEN not in said
        assert TOKEN not in Path(f"/proc/{process.pid}/cmdline").read_text()
        with httpx.Client(base_url=url, headers=AUTH, timeout=LONG) as client:
            body = {"observation": WHOLE, "request": True}
            told = client.post("/v1/decide", json=body).raise_for_status().json()
            assert (told["chosen"], told["explained"], told["triggers"]) == ("STOP", "queued", ["request"])
            assert client.get("/v1/status", headers={"Authorization": ""}).status_code == 401
            assert client.get("/v1/health", headers={"Host": "evil.example"}).status_code == 403
            assert client.get("/v1/health", headers={"X": "y" * 20_000}).status_code in (400, 431)
            assert "server" not in client.get("/v1/health").headers
            order = {"action": "GO", "who": "operator 7", "reason": "a test"}
            assert client.post("/v1/override", json=order).status_code == 200
        where = url.replace("http", "ws") + "/v1/stream"
        with pytest.raises(InvalidStatus) as caught, websockets.sync.client.connect(where):
            pass
        assert caught.value.response.status_code == 401
        with websockets.sync.client.connect(where, additional_headers=AUTH) as stream:
            stream.send(json.dumps({"type": "open", "every": None}))
            assert json.loads(stream.recv(LONG))["type"] == "opened"
            for sense, signal_ in (("text", READ), ("vision", SEEN)):
                stream.send(json.dumps({"type": "sample", "sense": sense, "at": 1.0, "signal": signal_}))
                assert json.loads(stream.recv(LONG))["arrival"] == "taken"
            stream.send(json.dumps({"type": "decide", "request": True}))
            assert json.loads(stream.recv(LONG))["decision"]["action"] == "GO"
            process.send_signal(signal.SIGTERM)  # with the stream still open
            with pytest.raises(ConnectionClosed):
                stream.recv(LONG)
        assert process.wait(LONG) == 0
        assert process.stderr is not None
        assert process.stderr.read().rstrip().endswith("stopped; the log is sealed")
    with Log.open(tmp_path / "home", read_only=True) as log:
        found = verify_log(log, contents=Contents(deep=False))
        assert not found.problems
        kinds = [entry.statement.kind for entry in log.entries()]
        notes = [e.statement.predicate["event"] for e in log.entries() if e.statement.kind == "note"]
    assert kinds.count("decision") == 2  # both that were asked for, explained before it ended
    assert notes.count("decided") == 2
    assert notes[-1] == "closed"


def test_a_port_that_is_taken_is_said_to_be():
    with listen(Place(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--host 127.0.0.1 --port {port}: .*in use"):
            listen(Place(port=port))
    with pytest.raises(InputError, match=r"--host no\.such\.host\.invalid"):
        listen(Place("no.such.host.invalid"))


def test_what_only_this_machine_reaches_is_known():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.1", "localhost.example", "")))  # noqa: S104
    assert listen(Place("::1", 0)).close() is None if socket.has_ipv6 else True
