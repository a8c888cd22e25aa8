"""The command ``veridical verify``."""

from __future__ import annotations

import json
import sys

import pytest
import rfc8785

from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent import cli, cli_options
from veridical.agent.explainer import Settings, explain


class Reading(Toy):
    """A toy that reads, and has an example of its own."""

    def example(self):
        return {"text": SENTENCE}


@pytest.fixture
def record(tmp_path):
    return explain(Reading(reads_cat, READER), {"text": SENTENCE}, Settings(namer=None)).record(tmp_path / "record")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process on the toy; returns status, stdout and stderr."""
    monkeypatch.setattr(cli_options, "load_system", lambda name: Reading(reads_cat, READER))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["veridical", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def altered(record, change):
    path = record / "manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest["result"])
    path.write_bytes(rfc8785.dumps(manifest))


def test_a_record_that_holds_leaves_with_0_and_says_what_agrees(run, record):
    status, out, err = run(record)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Verified: supported, come to again bit for bit"
    assert any(line.startswith("✓  attempt 1") and "gradient times change" in line for line in lines)
    assert "✗" not in out
    assert "Not checked: names, sentences, pictures" in out
    assert max(map(len, lines)) <= 100


def test_a_record_that_does_not_hold_leaves_with_1_and_says_what_differs(run, record):
    def change(result):
        result["claims"][0]["predicted"] = -9.5

    altered(record, change)
    status, out, _ = run(record)
    assert status == 1
    assert out.startswith("Not verified: 2 of 11 points differ")
    told = " ".join(out.split())
    assert "✗ the record with itself claims: claim 1 is not as it was committed to, its predicted differ: -9.5" in told
    assert "✗ claims and senses claims[0].predicted is -9.5 in the record, -4" in told
    assert "The verdict is supported in the record, supported now." in told


def test_json_is_the_whole_finding_and_nothing_else(run, record):
    status, out, _ = run(record, "--json")
    found = json.loads(out)
    assert (status, found["agrees"], found["verdict"]) == (0, True, "supported")
    assert {point["what"] for point in found["points"]} >= {"commitments", "observation", "system", "attempt 1"}


def test_another_observation_is_not_measured(run, record):
    status, out, _ = run(record, "--instruction", "go home", "--json")
    found = json.loads(out)
    assert (status, found["verdict"], found["passes"]) == (1, None, 0)
    assert [p["told"] for p in found["points"] if not p["agrees"]] == ["text is another signal"]


def test_what_is_no_record_leaves_with_2(run, tmp_path, record):
    status, out, err = run(tmp_path / "nowhere")
    assert (status, out) == (2, "")
    assert "is not a record: there is no manifest.json" in err
    altered(record, lambda result: result["verdict"].pop("attempts"))
    status, out, err = run(record)
    assert (status, out) == (2, "")
    assert err.startswith("veridical: error: record: its verdict cannot be come to again: 'attempts' is missing")
