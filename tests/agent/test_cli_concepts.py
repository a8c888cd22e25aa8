"""The commands ``veridical concepts``."""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys

import pytest

import veridical.concepts
from tests.agent.sample import result_and_arrays
from tests.agent.test_cli_banks import listening, texts
from tests.concepts.planted import planted
from tests.concepts.told import siren
from tests.toys import READER, Split
from veridical.agent import cli, cli_concepts
from veridical.agent.cli_concepts import ENDINGS, check_graph_file
from veridical.agent.record import write_record
from veridical.concepts.bank_file import write_banks
from veridical.concepts.graph_export import export, from_graphml, from_json, to_json
from veridical.errors import InputError

SYSTEM = Split(listening, READER)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run ``veridical concepts`` in this process on the toy; returns status, stdout and stderr."""
    monkeypatch.setattr(cli_concepts, "load_system", lambda name: SYSTEM)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["veridical", "concepts", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


@pytest.fixture
def banks(tmp_path):
    folder = tmp_path / "banks"
    write_banks(folder, {"vision": planted([[1, 0], [0, 1], [1, 1]])})
    return folder


@pytest.fixture
def drives(tmp_path):
    folder = tmp_path / "drives"
    folder.mkdir()
    for name, read in texts(18):
        (folder / name).write_text(read()["text"])
    (folder / "notes.pdf").write_text("no observation")
    return folder


@functools.cache
def sample():
    return result_and_arrays()[0]


def decided():
    """The graph of one decision, with all that merging asks for."""
    graph = siren()
    graph.graph["bank"] = {"vision": "sha256:1", "audio": "sha256:2"}
    return graph


def record(folder, graph):
    return write_record(folder, {**sample(), "graph": to_json(graph)}, {})


def act(run, *arguments, by="Ann", reason="seen"):
    return run(*arguments, "--by", by, "--reason", reason)


def test_banks_are_fitted_named_written_and_shown(run, drives, tmp_path):
    out = tmp_path / "deep" / "banks"
    status, told, err = run("fit", drives, "--out", out)
    assert status == 0
    assert told.startswith("text: ")
    assert "  1 concept: the most that are stable (stability 1.00, at least 0.85 asked for; <1 % left" in told
    assert "“cat” (n-grams: score" in told
    assert "passed over: notes.pdf: neither a picture, a recording" in err
    assert f"written: {out}" in err
    assert {path.name for path in out.iterdir()} == {"text.json", "text.safetensors"}
    status, shown, _ = run("show", out)
    assert status == 0
    assert shown.splitlines()[0] == told.splitlines()[0]
    assert "“cat” (n-grams: score" in shown
    assert shown.endswith("acts of operators: none\n")


def test_what_is_fitted_as_json_is_the_whole_result(run, drives, tmp_path):
    out = tmp_path / "banks"
    status, told, _ = run("fit", drives, "--out", out, "--limit", 12, "--seed", 3, "--no-names", "--json")
    found = json.loads(told)
    assert (status, found["files"], found["notes"]) == (0, ["text.safetensors", "text.json"], [])
    text = found["senses"]["text"]
    assert (text["observations"], text["system"], text["chosen"]["concepts"]) == (12, "toy", len(text["concepts"]))
    assert {each["name"] for each in text["concepts"]} == {None}
    shown = json.loads(run("show", out, "--json")[1])
    assert (shown["senses"], shown["acts"]) == (found["senses"], 0)


def test_the_target_is_looked_at_before_anything_is_computed(run, drives, banks, monkeypatch):
    monkeypatch.setattr(cli_concepts, "load_system", None)
    status, out, err = run("fit", drives, "--out", banks)
    assert (status, out) == (2, "")
    assert err == f"veridical: error: {banks} is there already and is not empty; name another folder, or move it away\n"


def test_acts_are_done_logged_and_taken_back(run, banks):
    assert act(run, "name", banks, "vision#1", "stop sign") == (0, "name vision#1 “stop sign”, by Ann: seen\n", "")
    assert act(run, "merge", banks, "vision#2", "vision#1")[1] == "merge vision#2 into vision#1, by Ann: seen\n"
    assert act(run, "veto", banks, "vision#0", by="Bo", reason="a shadow")[0] == 0
    shown = run("show", banks)[1]
    assert "  vision#0 unnamed; vetoed" in shown
    assert shown.count("“stop sign” (by an operator)") == 2
    assert "merged into vision#1" in shown
    assert "acts of operators: 3; `veridical concepts log` lists them" in shown
    for command, concept in (("allow", "vision#0"), ("split", "vision#2"), ("unname", "vision#1")):
        assert act(run, command, banks, concept)[0] == 0
    back = json.loads(run("show", banks, "--json")[1])["senses"]["vision"]["concepts"]
    assert [each["name"] for each in back] == ["cat", None, None]
    assert not any(each["vetoed"] or each["merged_into"] for each in back)
    lines = run("log", banks)[1].splitlines()
    assert len(lines) == 6
    assert lines[2].endswith("Z veto vision#0, by Bo: a shadow")
    logged = json.loads(run("log", banks, "--json")[1])["acts"]
    assert [each["act"] for each in logged] == ["name", "merge", "veto", "allow", "split", "unname"]
    assert logged[1]["previous"] == logged[0]["digest"]


def test_without_acts_the_log_says_so(run, banks):
    assert run("log", banks) == (0, "no acts of operators\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("name", "vision", "x"), "concepts: 'vision' names no concept; give a sense and a number, such as vision#3"),
        (("name", "vision#01", "x"), "'vision#01' names no concept"),
        (("name", "audio#1", "x"), "holds no bank of 'audio'; it has vision"),
        (("name", "vision#7", "x"), "no vision concept 7; the bank has 0 to 2"),
        (("name", "vision#1", " x"), "give words, without spaces around them"),
        (("name", "vision#1", "a\x1bb"), "holds U+001B, which cannot be seen"),
        (("merge", "vision#1", "audio#0"), "vision#1 and audio#0 are of two senses"),
        (("merge", "vision#1", "vision#1"), "merged into itself"),
        (("unname", "vision#0"), "on which no 'name' is in force"),
    ],
)
def test_acts_that_make_no_sense_are_refused_and_not_written(run, banks, arguments, message):
    command, *rest = arguments
    status, out, err = act(run, command, banks, *rest)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (banks / "acts.jsonl").exists()


def test_an_act_needs_who_and_why(run, banks):
    status, _, err = run("veto", banks, "vision#1", "--by", "Ann")
    assert status == 2
    assert "Missing option '--reason'" in err


def test_a_log_that_was_altered_is_refused(run, banks):
    act(run, "veto", banks, "vision#1")
    path = banks / "acts.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Ann", b"Bob"))
    for command in (("show", banks), ("log", banks), ("allow", banks, "vision#1", "--by", "x", "--reason", "y")):
        status, out, err = run(*command)
        assert (status, out) == (2, "")
        assert "line 1: altered" in err


def test_a_folder_without_banks_is_refused(run, tmp_path):
    for command in ("show", "log"):
        assert run(command, tmp_path)[0] == 2
        assert "no folder" in run(command, tmp_path / "nowhere")[2]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_graph_of_one_record_is_the_decisions(run, tmp_path, ending):
    folder, out = record(tmp_path / "r", decided()), tmp_path / "deep" / f"g{ending}"
    assert run("graph", folder, "--out", out) == (0, "", f"graph: {out}\n")
    plain = export(decided(), tmp_path / f"plain{ending}")
    # A record gives whole floats back as integers, as any canonical JSON does.
    if ending == ".json":
        assert json.loads(out.read_text()) == json.loads(plain.read_text())
    elif ending in (".dot", ".mmd"):
        assert out.read_text() == plain.read_text()
    else:
        assert set(from_graphml(out.read_text())) == set(decided())


def test_the_graphs_of_several_records_are_the_systems(run, tmp_path):
    folders = [record(tmp_path / str(i), decided()) for i in range(2)]
    status, out, _ = run("graph", *folders, "--out", tmp_path / "g.json")
    assert status == 0
    assert out.startswith("2 decisions: STOP 2. Pairs of a concept and an action: undecided ")
    merged = from_json(json.loads((tmp_path / "g.json").read_text()))
    assert merged.graph["decisions"] == 2
    assert merged.edges["audio#3", "decision:STOP"]["effect"] == pytest.approx(-4.88)


def test_records_that_make_no_graph_are_refused(run, tmp_path):
    without = write_record(tmp_path / "old", {k: v for k, v in sample().items() if k != "graph"}, {})
    status, _, err = run("graph", without, "--out", tmp_path / "g.json")
    assert (status, err.startswith(f"veridical: error: {without}: explanation: the result holds no graph")) == (2, True)
    good = record(tmp_path / "r", decided())
    assert "named twice" in run("graph", good, tmp_path / "old" / ".." / "r", "--out", tmp_path / "g.json")[2]
    other = decided()
    other.graph["system"] = "another"
    two = record(tmp_path / "two", other)
    assert "merge graphs of one system" in run("graph", good, two, "--out", tmp_path / "g.json")[2]
    assert "is not a record" in run("graph", tmp_path, "--out", tmp_path / "g.json")[2]
    assert run("graph", good, "--out", tmp_path / "g.svg")[2] == (
        f"veridical: error: graph: {tmp_path / 'g.svg'} ends in '.svg'; the endings known are "
        ".json, .graphml, .dot, .mmd\n"
    )
    assert not (tmp_path / "g.json").exists()


def test_every_ending_is_one_that_a_graph_is_written_in(tmp_path):
    for ending in ENDINGS:
        check_graph_file(tmp_path / f"x{ending}")
        assert export(decided(), tmp_path / f"x{ending}").stat().st_size
    (tmp_path / "folder.dot").mkdir()
    with pytest.raises(InputError, match="is a folder; name a file"):
        check_graph_file(tmp_path / "folder.dot")
    with pytest.raises(InputError, match="cannot be made"):
        check_graph_file(tmp_path / "x.dot" / "y.dot")


def test_the_help_loads_nothing_heavy():
    code = (
        "import sys; from veridical.agent.cli_concepts import concepts; "
        "concepts.main(['fit', '--help'], standalone_mode=False); "
        "print([m for m in ('numpy', 'torch', 'rich', 'networkx', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_the_package_offers_is_where_it_says_and_no_module_of_its_own():
    homes = vars(veridical.concepts)["_HOME"]
    assert set(homes) == set(veridical.concepts.__all__)
    for name, home in homes.items():
        module = importlib.import_module(f"veridical.concepts.{home}")
        assert getattr(veridical.concepts, name) is getattr(module, name)
        assert name != home
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = veridical.concepts.nothing
