from __future__ import annotations

import json
import sys
import types
from copy import deepcopy

import click
import pytest

from tests.agent.audit.content_sample import made
from tests.toys import Toy, reads_cat
from veridical.agent import cli, cli_options
from veridical.agent.cli_log_options import keep_options, keeping, labels_of
from veridical.agent.log.log import Log
from veridical.agent.record.frame import read_manifest
from veridical.errors import InputError, RecordError

OPTIONS = {"no_log": False, "log_url": None, "subject": None, "labels": (), "precision": "exact", "budget": None}


class Example(Toy):
    def example(self):
        return {"text": "the example"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def asked(home, monkeypatch):
    """A system and an explainer that only note that they were asked, in place of the real ones."""
    calls = []

    def explain(system, observation, settings=None, progress=None):
        calls.append(observation)
        result, arrays = deepcopy(made("simple"))
        return types.SimpleNamespace(to_dict=lambda: result, arrays=lambda: arrays)

    fake = types.SimpleNamespace(explain=explain, Settings=types.SimpleNamespace)
    monkeypatch.setitem(sys.modules, "veridical.agent.explainer", fake)
    monkeypatch.setattr(cli_options, "load_system", lambda name: Example(reads_cat))
    return calls


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `veridical explain` in this process; returns status, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["veridical", "explain", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def test_the_decision_is_in_the_log_and_says_where(asked, run, home):
    status, out, err = run("--label", "group=A", "--label", "scenario=night", "--subject", "order 1")
    assert status == 0
    with Log.open(home) as log:
        said = log.entry(1).statement.predicate
        assert said["labels"] == {"group": "A", "scenario": "night"}
        assert said["subject"] == log.subjects.named("order 1")
        assert f"entry 1 of {log.origin}" in out + err
        assert said["id"] in out + err
        manifest = read_manifest(log.blobs.get(said["manifest"]), "it")
    assert manifest["time"]["end"] >= manifest["time"]["start"]
    assert manifest["time"]["monotonic"]["end"] >= manifest["time"]["monotonic"]["start"]
    assert manifest["provenance"]["threads"] >= 1


def test_json_says_it_too(asked, run, home):
    status, out, _ = run("--json")
    assert status == 0
    with Log.open(home) as log:
        assert json.loads(out)["logged"] == {"entry": 1, "id": log.entry(1).statement.id, "origin": log.origin}


def test_no_log(asked, run, home):
    assert run("--no-log")[0] == 0
    assert not home.exists()
    assert len(asked) == 1


def test_the_log_can_lie_elsewhere(asked, run, home, tmp_path):
    assert run("--log", f"sqlite:///{tmp_path}/other.sqlite")[0] == 0
    assert not (home / "log.sqlite").exists()
    with Log.open(home, f"sqlite:///{tmp_path}/other.sqlite") as log:
        assert log.size() == 2


def test_precision_and_budget(asked, run, home):
    assert run("--precision", "int8", "--budget", "300kB")[0] == 0
    with Log.open(home) as log:
        manifest = read_manifest(log.blobs.get(log.entry(1).statement.predicate["manifest"]), "it")
    assert "int8" in {entry["coding"]["kind"] for entry in manifest["arrays"].values()}


def refused(run, asked, *arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("veridical: error: ")
    assert err.count("\n") == 1
    assert asked == []
    return err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--no-log", "--subject", "me"], "--no-log and --subject: nothing is written into the log"),
        (["--no-log", "--label", "a=b"], "--no-log and --label:"),
        (["--no-log", "--log", "sqlite:////x"], "--no-log and --log:"),
        (["--no-log", "--budget", "2MB"], "--no-log and --budget:"),
        (["--no-log", "--precision", "int8"], "--no-log and --precision:"),
        (["--label", "night"], "--label 'night': write NAME=VALUE, such as group=A"),
        (["--label", "a=1", "--label", "a=2"], "--label a: given twice, '1' and '2'; give one value"),
        (["--budget", "much"], "--budget 'much': write a size such as 500kB or 2MB"),
        (["--budget", "0"], "--budget '0': write a size"),
        (["--log", "mysql://host/log"], "the log cannot lie on 'mysql'; sqlite and postgresql are what it can"),
    ],
)
def test_options_that_cannot_be_are_said_before_anything_is_computed(asked, run, arguments, told):
    assert told in refused(run, asked, *arguments)


def test_a_home_that_is_no_folder(asked, run, home):
    home.write_text("a file")
    assert "is no folder; name the folder of the log" in refused(run, asked)


def test_a_log_whose_key_is_not_here(asked, run, home):
    Log.open(home).close()
    for path in (home / "keys").glob("*.pem"):
        path.unlink()
    assert "no key ed25519:" in refused(run, asked)


def test_a_log_that_another_process_keeps(asked, run, home, monkeypatch):
    import sqlite3

    from veridical.agent.log import database

    Log.open(home).close()
    monkeypatch.setattr(database, "WAIT", 0.05)
    other = sqlite3.connect(home / "log.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert "another process has kept it locked" in refused(run, asked)
    finally:
        other.close()


def test_a_log_that_was_set_back(asked, run, home):
    Log.open(home).close()
    (home / "log.sqlite").unlink()
    assert "remembers one; it was deleted: restore it" in refused(run, asked)


def test_a_failure_at_writing_still_tells_the_explanation(asked, run, home, monkeypatch):
    def full(blobs, content):
        raise RecordError("blob cannot be written: No space left on device; make room")

    monkeypatch.setattr("veridical.agent.log.blobs.Blobs.put", full)
    status, out, err = run()
    assert status == 2
    assert "Decision  STOP" in out
    told = [line for line in err.splitlines() if "error: " in line]
    assert told == [
        "veridical: error: the decision is explained, but it is NOT in the log: blob cannot be written: No space left "
        "on device; make room"
    ]
    with Log.open(home) as log:
        assert log.size() == 1


def test_a_budget_that_cannot_be_held_still_tells_the_explanation(asked, run):
    status, out, err = run("--budget", "1kB", "--json")
    assert status == 2
    assert "logged" not in json.loads(out)
    assert "NOT in the log: a budget of 1000 bytes cannot be held" in err


def test_labels():
    assert labels_of(("group=A", "x.y-z_1=a=b c")) == {"group": "A", "x.y-z_1": "a=b c"}
    for text in ("", "=a", "a=", "a= ", "a b=c", f"{'n' * 65}=v", f"n={'v' * 201}", "n=a\x07"):
        with pytest.raises(InputError, match="write NAME=VALUE"):
            labels_of((text,))


@pytest.mark.parametrize(
    ("text", "size"), [("500kB", 500_000), ("2MB", 2_000_000), ("7", 7), ("7B", 7), (" 3 M ", 3e6)]
)
def test_sizes(home, text, size):
    found = keeping({**OPTIONS, "budget": text})
    assert found is not None
    found.log.close()
    assert found.budget == size


def test_every_command_gets_the_same_options():
    @keep_options
    def command(**options):
        return options

    names = {option for parameter in click.command()(command).params for option in parameter.opts}
    assert names == {"--no-log", "--log", "--subject", "--label", "--precision", "--budget"}
