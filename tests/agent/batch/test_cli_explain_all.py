from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from filelock import FileLock

from tests.agent.batch.workers import Stub
from veridical.agent.batch import batch
from veridical.agent.batch.cli_explain_all import FAILED, explain_all
from veridical.agent.log.log import Log
from veridical.errors import InputError


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Run the command on a folder of words; what explains is a stub."""
    real = batch.explain_all
    monkeypatch.setattr(batch, "explain_all", lambda *given: real(*given, make=Stub))
    folder = tmp_path / "items"
    folder.mkdir()

    def run(*options, **words):
        for name, text in words.items():
            (folder / f"{name}.txt").write_text(text)
        home = () if "--out" in options else ("--out", str(tmp_path / "home"))
        return CliRunner().invoke(explain_all, [str(folder), *home, "--jobs", "1", *options], catch_exceptions=True)

    return run


def test_the_summary_and_the_exit_status(asked, tmp_path):
    first = asked("--label", "group=A", a="go", b="a cat")
    assert first.exit_code == 0, first.output
    for told in ("explained         2", "verdicts          supported 2", "actions           GO 1, STOP 1", "3 entries"):
        assert told in first.stdout
    second = asked(c="fail")
    assert second.exit_code == FAILED
    assert "in the log before 2" in second.stdout
    assert "failed: c: it was asked to fail" in second.stderr
    third = asked()
    assert third.exit_code == FAILED
    assert "0, and 1 before" in third.stdout
    assert "--retry-failed does so" in third.stderr
    with Log.open(tmp_path / "home", read_only=True) as log:
        assert log.entry(1).statement.predicate["labels"]["group"] == "A"


def test_json_is_all_that_is_printed(asked):
    told = json.loads(asked("--json", a="go").stdout)
    assert (told["explained"], told["verdicts"], told["log"]["entries"]) == (1, {"supported": 1}, 2)


def test_quiet_prints_nothing(asked):
    found = asked("--quiet", a="go")
    assert (found.exit_code, found.output) == (0, "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--label", "item=x"), "label 'item' is one that a batch gives itself"),
        (("--out", "sqlite:///x", "--log-url", "sqlite:///y"), "both name a database"),
        (("--salt", ""), "salt: an empty text"),
    ],
)
def test_options_that_cannot_be(asked, options, told):
    found = asked(*options, a="go")
    assert isinstance(found.exception, InputError)
    assert told in str(found.exception)


def test_a_home_that_is_busy_is_said_at_once(asked, tmp_path):
    Log.open(tmp_path / "home").close()
    with FileLock(tmp_path / "home" / batch.LOCK):
        found = asked(a="go")
    assert "another batch is being written" in str(found.exception)


def test_a_database_may_be_named_by_its_url(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_HOME", str(tmp_path / "mine"))
    found = asked("--out", f"sqlite:///{tmp_path}/elsewhere.sqlite", a="go")
    assert found.exit_code == 0, found.exception
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert not (tmp_path / "mine" / "log.sqlite").exists()


def test_the_module_loads_nothing_heavy():
    code = (
        "import sys, veridical.agent.batch.cli_explain_all as m; "
        "print([n for n in ('torch', 'ray', 'numpy', 'pyarrow', 'sqlalchemy', 'rich') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout.strip() == "[]"
