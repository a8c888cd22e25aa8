"""Options of ``veridical explain`` about concepts, the task and the text."""

from __future__ import annotations

import json
import sys
import types

import pytest

from tests.agent.sample import result_and_arrays
from tests.agent.test_cli_banks import listening, texts
from tests.concepts.planted import planted
from tests.concepts.told import siren
from tests.toys import READER, SENTENCE, Split
from veridical.agent import cli, cli_options
from veridical.agent.cli_banks import fit_banks
from veridical.agent.cli_explain_options import at_length, check_asked, known_of, why_not_lines, why_not_told
from veridical.agent.explainer import Settings, explain
from veridical.agent.explanation import Explanation
from veridical.concepts.acts import Act, append_act
from veridical.concepts.bank_file import write_banks
from veridical.concepts.graph_export import from_json, to_json
from veridical.errors import InputError

NOTHING = dict.fromkeys(("concepts", "task", "expected", "why_not", "graph")) | {"no_concepts": False}
TASK = """
[task]
name = "reading"
version = 1
[reasons.cat]
sense = "text"
words = ["cat"]
[[rule]]
action = "STOP"
must = ["cat"]
"""


@pytest.fixture(scope="module")
def sample():
    result, arrays = result_and_arrays()
    return {**result, "graph": to_json(siren())}, arrays


@pytest.fixture
def asked(monkeypatch, sample):
    """Put a system and an explainer that only note what they are asked in place of the real ones."""
    calls = []

    def explain(system, observation, settings=None, progress=None):
        calls.append(settings)
        return Explanation(*sample)

    fake = types.SimpleNamespace(explain=explain, Settings=types.SimpleNamespace)
    monkeypatch.setitem(sys.modules, "veridical.agent.explainer", fake)

    class Fake:
        modalities = types.MappingProxyType({"text": None})
        actions = ("PROCEED", "SLOW", "STOP", "YIELD")
        name = "toy"

        def __call__(self, inputs):
            raise NotImplementedError

        def example(self):
            return {"text": "x"}

    system = Fake()
    monkeypatch.setattr(cli_options, "load_system", lambda name: system)
    return calls


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["veridical", "explain", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, " ".join(out.split()) if "--json" not in arguments else out, err

    return call


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(TASK)
    return path


@pytest.fixture
def banks(tmp_path):
    folder, bank = tmp_path / "banks", planted([[1, 0], [0, 1]])
    write_banks(folder, {"vision": bank})
    append_act(folder, Act.on(bank, "veto", 1, by="Ann", reason="no"))
    return folder


def test_unless_said_what_the_system_has_is_taken(run, asked):
    assert run()[0] == 0
    known = asked[0].known
    assert (known.banks, known.acted, known.task, known.expected) == ({}, {}, None, None)
    assert known.settings is not None


def test_banks_with_their_acts_and_the_task_are_handed_on(run, asked, banks, task):
    assert run("--concepts", banks, "--task", task, "--expected", "SLOW")[0] == 0
    known = asked[0].known
    assert (set(known.banks), known.acted["vision"].vetoed) == ({"vision"}, frozenset({1}))
    assert (known.task.name, known.expected) == ("reading", "SLOW")


def test_no_concepts_are_looked_for_where_that_is_said(run, asked, task):
    assert run("--no-concepts", "--task", task)[0] == 0
    assert (asked[0].known.settings, asked[0].known.task.name) == (None, "reading")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--concepts", "x", "--no-concepts"), "--concepts and --no-concepts: concepts are looked for or not"),
        (("--expected", "STOP"), "--expected STOP: there is no task to hold it against; give --task FILE.toml"),
        (
            ("--task", "{task}", "--expected", "FLY"),
            "--expected: 'FLY' is no action of this system; it has PROCEED, SLOW",
        ),
        (("--why-not", "FLY"), "--why-not: 'FLY' is no action of this system"),
        (("--why-not", ""), "--why-not: '' is no action of this system"),
        (("--task", "{odd}"), "'HALT' is no action of this system"),
        (("--task", "nowhere.toml"), "task: cannot read 'nowhere.toml'"),
        (("--concepts", "nowhere"), "concepts: no folder nowhere"),
        (("--graph", "graph.png"), "ends in '.png'; the endings known are .json, .graphml, .dot, .mmd"),
        (("--concepts", "{other}"), "was fitted for the system another, this is toy"),
        (("--length", "long"), "'long' is not one of"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_computed(run, asked, tmp_path, task, arguments, message):
    odd = tmp_path / "odd.toml"
    odd.write_text(TASK.replace("STOP", "HALT"))
    other = tmp_path / "other"
    write_banks(other, {"vision": planted([[1, 0], [0, 1]], made={"system": "another"})})
    given = [a.format(task=task, odd=odd, other=other) for a in arguments]
    status, out, err = run(*given)
    assert (status, out, asked) == (2, "", [])
    assert message in err
    assert err.startswith("veridical: error: ")


def test_the_length_of_what_is_printed_is_as_asked(run, asked, sample):
    found = Explanation(*sample)
    # The terminal leaves out sentences that repeat the verdict beside them.
    for length in ("short", "full"):
        told = run("--length", length)[1]
        for sentence in found.sentences(length):
            if sentence.kind != "verdict":
                assert " ".join(sentence.text.split()) in told.replace(" [1]", "").replace(" [2]", "")
    assert run("--length", "medium")[1] == run()[1]
    one, other = (json.loads(run(*length, "--json")[1]) for length in (("--length", "short"), ()))
    assert {**one, "logged": None} == {**other, "logged": None}  # each stands elsewhere in the log


def test_why_not_follows_the_explanation(run, asked, sample):
    text = " ".join(s.text for s in Explanation(*sample).why_not("PROCEED"))
    told = run("--why-not", "PROCEED")[1]
    assert told == f"{run()[1]} Why not PROCEED? {' '.join(text.split())}"
    found = json.loads(run("--why-not", "PROCEED", "--json")[1])
    assert (found["why_not"]["action"], found["why_not"]["text"]) == ("PROCEED", text)
    assert run("--why-not", "STOP")[1].endswith("Why not STOP? STOP is what was decided.")


def test_the_graph_is_written_where_it_was_asked_for(run, asked, tmp_path):
    path = tmp_path / "deep" / "graph.json"
    status, _, err = run("--graph", path)
    assert (status, f"graph: {path}\n" in err) == (0, True)
    assert from_json(json.loads(path.read_text())).edges == siren().edges


def test_lines_are_no_longer_than_the_terminal_and_move_no_cursor(sample):
    result, _ = sample
    lines = why_not_lines(result, "PROCEED", 70).splitlines()
    assert lines[:2] == ["", "Why not PROCEED?"]
    assert max(map(len, lines)) <= 70
    action = "ST\x1b[2JOP"
    hostile = {**result, "decision": {**result["decision"], "action": action}}
    assert "\x1b" not in why_not_lines(hostile, action, 70)
    assert why_not_told(hostile, action)["sentences"] == []


def test_another_length_leaves_the_result_as_it_is(sample):
    result, _ = sample
    before = json.dumps(result["justification"])
    short = at_length(result, "short")
    assert len(short["justification"]["sentences"]) == 2
    assert json.dumps(result["justification"]) == before
    assert at_length(result, "medium") is result


def test_what_is_known_goes_into_a_real_explanation(tmp_path, task):
    system = Split(listening, READER)
    write_banks(tmp_path / "banks", fit_banks(system, texts(12), named=False).banks)
    options = {**NOTHING, "concepts": tmp_path / "banks", "task": task, "expected": "STOP"}
    known = known_of(system, check_asked(options), options)
    found = explain(system, {"text": SENTENCE}, Settings(namer=None, fusion=None, known=known, salt="s"))
    assert found.task is not None
    assert (found.task["expected"], found.task["outcome"]) == ("STOP", "as the task asks")
    assert [card["sense"] for card in found.concepts] == ["text"]
    assert found.graph().graph["bank"] == {"text": known.banks["text"].digest}


def test_banks_are_held_against_the_digest_before_the_name(banks):
    system = Split(listening, READER)
    options = {**NOTHING, "concepts": banks}
    assert set(known_of(system, None, options).banks) == {"vision"}
    system.digest = "sha256:x"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="was fitted for the system toy, this is sha256:x"):
        known_of(system, None, options)
