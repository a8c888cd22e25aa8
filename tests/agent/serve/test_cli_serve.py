"""The command line: what is asked for is checked before anything heavy is loaded, and the token is shown once."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.agent.serve.sample import TOKEN, agent, system
from veridical.agent import systems
from veridical.agent.serve import cli_serve, running
from veridical.agent.serve.cli_serve import serve
from veridical.errors import InputError


def asked(*options, ends=None):
    result = CliRunner().invoke(serve, options)
    if ends is None:
        assert result.exception is None, result.exception
        return result
    assert isinstance(result.exception, InputError), (result.exception, result.output)
    assert ends in str(result.exception)
    return result


@pytest.fixture
def served(monkeypatch):
    """What would be run, and is not: agent, settings, place."""
    seen = []
    monkeypatch.setattr(systems, "load_system", lambda name: system())
    monkeypatch.setattr(running, "run", lambda one, settings, place, *rest: seen.append((one, settings, place)))
    monkeypatch.delenv("VERIDICAL_TOKEN", raising=False)
    return seen


def test_the_document_is_printed_without_a_system():
    told = json.loads(asked("--openapi").stdout)
    assert told["openapi"].startswith("3.1")
    assert "/v1/decide" in told["paths"]


def test_a_token_is_made_and_shown_once_on_stderr(served):
    result = asked("--no-log", "--port", "0")
    token = re.findall(r"shown once: (\S{43})\n", result.stderr)[0]
    assert result.stderr.count(token) == 1
    assert result.stdout == ""
    assert served[0][1].token == token
    assert token not in repr(served[0][1])


def test_a_token_that_is_given_is_not_shown(served, monkeypatch):
    monkeypatch.setenv("VERIDICAL_TOKEN", TOKEN)
    assert TOKEN not in asked("--no-log", "--port", "0").stderr
    assert served[0][1].token == TOKEN


def test_on_the_loopback_other_hosts_are_refused_and_elsewhere_none_unless_said(served):
    asked("--no-log", "--port", "0", "--allow-host", "robot.local")
    assert served[0][1].hosts == ("localhost", "127.0.0.1", "[::1]", "robot.local")
    result = asked("--no-log", "--port", "0", "--host", "0.0.0.0")  # noqa: S104 - a test listens for a moment
    assert served[1][1].hosts == ()
    assert "without TLS" in result.stderr


def test_options_reach_the_service(served, tmp_path):
    (tmp_path / "operator").write_text("an-operators-token\n")
    asked(
        "--no-log", "--port", "0", "--max-body", "5000", "--timeout-s", "7", "--allow-origin", "https://page.example",
        "--operator-token-file", str(tmp_path / "operator"), "--label", "site=7",
    )  # fmt: skip
    one, settings, _ = served[0]
    assert (settings.bounds.body, settings.timeout_s, settings.origins) == (5000, 7, ("https://page.example",))
    assert f"{settings.operator_token}\n" == (tmp_path / "operator").read_text()
    assert one.labels == {"site": "7"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tls-cert", "a.pem"), "--tls-cert and --tls-key: one alone"),
        (("--token-file", "no/such/file"), "cannot be read: No such file"),
        (("--allow-host", "a/b"), "host 'a/b': not one"),
        (("--no-log", "--log", "sqlite:///x"), "--no-log and --log"),
        (("--label", "site"), "write NAME=VALUE"),
        (("--policy", "no/such/policy.toml"), "policy"),
        (("--host", "no.such.host.invalid"), "--host no.such.host.invalid"),
    ],
)
def test_what_cannot_be_is_said_before_a_system_is_loaded(monkeypatch, options, words):
    monkeypatch.setattr(systems, "load_system", lambda name: pytest.fail("a system was loaded"))
    asked("--port", "0", *options, ends=words)


def test_a_certificate_that_is_none_is_said_to_be(tmp_path):
    (tmp_path / "x.pem").write_text("no certificate")
    place = running.Place(port=0, certificate=tmp_path / "x.pem", key=tmp_path / "x.pem")
    one = agent()
    with running.listen(place) as listening, pytest.raises(InputError, match=r"x\.pem: cannot be used"):
        running.run(one, cli_serve._settings(OPTIONS)[0], place, listening, print)
    one.close()


OPTIONS = {
    "tls_cert": None, "tls_key": None, "token_file": None, "operator_token_file": None, "host": "127.0.0.1",
    "port": 0, "hosts": (), "origins": (), "max_body": 5000, "timeout_s": 9.0,
}  # fmt: skip


def test_importing_the_command_loads_nothing_heavy():
    code = "import sys, veridical.agent.serve.cli_serve; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = ("torch", "numpy", "fastapi", "starlette", "pydantic", "uvicorn", "PIL", "soundfile", "sqlalchemy")
    assert [name for name in heavy if f"'{name}'" in loaded] == []
