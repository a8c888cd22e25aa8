from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tests.agent.sample import result_and_arrays
from veridical.agent import cli, cli_options
from veridical.agent.record import plain, read_record, write_record
from veridical.errors import InputError, WeightsError

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.fixture(scope="module")
def sample():
    return result_and_arrays()


@dataclass
class Explained:
    result: dict
    data: dict

    def to_dict(self):
        return self.result

    def arrays(self):
        return self.data


class FakeSystem:
    modalities = types.MappingProxyType({"vision": None, "audio": None, "text": None})
    actions = ("PROCEED", "SLOW", "STOP", "YIELD")

    def __call__(self, inputs):
        raise NotImplementedError

    def example(self):
        return {"text": "the example"}


@pytest.fixture
def asked(monkeypatch, sample):
    """Put a system and an explainer that only note what they are asked in place of the real ones."""
    calls = []

    def explain(system, observation, settings=None, progress=None):
        calls.append(observation)
        sys.stdout.write("a library talks\n")
        return Explained(*sample)

    fake = types.SimpleNamespace(explain=explain, Settings=types.SimpleNamespace)
    monkeypatch.setitem(sys.modules, "veridical.agent.explainer", fake)
    monkeypatch.setattr(cli_options, "load_system", lambda name: FakeSystem())
    return calls


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; returns status, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["veridical", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


def commands(group: click.Command = cli.cli, path="veridical"):
    """Every command with its full name, groups included."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None, name
            yield from commands(command, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), list(commands()))
def test_every_command_and_option_is_described_and_documented(path, command):
    text = DOCS.read_text(encoding="utf-8")
    assert path in text
    assert (command.help or "").strip().endswith(".")
    if path == "veridical":
        section = text
    else:
        heading = re.search(rf"^(#+) {path}$", text, re.M)
        assert heading, f"docs/cli.md has no section {path!r}"
        section = text[heading.end() :].split("\n#")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help
            assert parameter.help.endswith(".")
            assert all(f"`{name}" in section or name in section for name in parameter.opts)


def test_the_docs_name_no_option_that_is_not_there():
    known = {name for _, command in commands() for p in command.params for name in p.opts} | {"--help"}
    assert set(re.findall(r"--[a-z]+(?:-[a-z]+)*", DOCS.read_text(encoding="utf-8"))) <= known


def test_help_loads_nothing_heavy_and_a_record_is_shown_without_torch(tmp_path, sample):
    folder = write_record(tmp_path / "r", *sample)
    code = (
        "import sys; from veridical.agent import cli; sys.argv = ['veridical', *sys.argv[1:]]\n"
        "try: cli.main()\n"
        "except SystemExit as e: print(e.code, [m for m in ('numpy', 'torch', 'rich') if m in sys.modules])"
    )

    def loaded(*arguments):
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]

    assert loaded("--help") == "0 []"
    assert loaded("weights", "list", "-h") == "0 []"
    assert loaded("show", str(folder), "--report", str(tmp_path / "r.html")) == "0 ['numpy', 'rich']"


@pytest.mark.parametrize(
    ("arguments", "observation"),
    [
        (["--camera", "a.png"], {"vision": ["a.png"]}),
        (["--camera", "a.png", "b.png", "c.png"], {"vision": ["a.png", "b.png", "c.png"]}),
        (["--camera", "a.png", "--camera", "b.png"], {"vision": ["a.png", "b.png"]}),
        (["--camera", "a.png", "b.png", "--instruction", "Go", "--camera", "c.png"],
         {"vision": ["a.png", "b.png", "c.png"], "text": "Go"}),
        (["--camera=-odd.png", "--microphone", "x.wav"], {"vision": ["-odd.png"], "audio": "x.wav"}),
        (["--instruction", ""], {"text": ""}),
        ([], {"text": "the example"}),
    ],
)  # fmt: skip
def test_only_the_given_senses_are_there(run, asked, arguments, observation):
    assert run("explain", *arguments)[0] == 0
    assert asked == [observation]


def test_without_input_the_first_line_says_that_it_is_the_example(run, asked):
    _, out, _ = run("explain")
    assert out.splitlines()[0] == "No input was given: this is courier's own example."
    assert "Decision  STOP" in out
    assert "No input" not in run("explain", "--instruction", "Go")[1]


def test_json_is_the_whole_result_and_nothing_else(run, asked, sample):
    _, out, err = run("explain", "--json")
    found = json.loads(out)
    assert set(found.pop("logged")) == {"entry", "id", "origin"}
    assert found == json.loads(json.dumps(plain(sample[0])))
    assert "a library talks" in err


def test_quiet_prints_nothing(run, asked):
    assert run("explain", "--quiet")[:2] == (0, "")


def test_report_and_record_go_with_everything_and_show_draws_the_same(run, asked, tmp_path, sample):
    record, report = tmp_path / "deep" / "record", tmp_path / "deep" / "report.html"
    status, out, _ = run("explain", "--report", report, "--record", record, "--json")
    assert status == 0
    assert json.loads(out)
    assert read_record(record)[0] == plain(sample[0])
    status, shown, _ = run("show", record, "--report", tmp_path / "again.html")
    assert (status, shown) == (0, run("explain", "--camera", "a.png")[1])
    assert (tmp_path / "again.html").read_text() == report.read_text()
    assert json.loads(run("show", record, "--json")[1]) == plain(sample[0])
    assert f"record: {record}" in run("explain", "--record", tmp_path / "two")[2].replace("two", "deep/record")


def test_targets_are_checked_before_anything_is_computed(run, asked, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    status, out, err = run("explain", "--record", tmp_path / "full")
    assert (status, out) == (2, "")
    assert err.startswith(f"veridical: error: {tmp_path / 'full'} is there already and is not empty")
    assert run("explain", "--report", tmp_path / "full" / "x" / "r.html")[0] == 2
    assert asked == []


def test_an_error_is_one_line_and_status_two(run, monkeypatch):
    def fail(name):
        raise InputError("what, where,\n  the values; the fix")

    monkeypatch.setattr(cli_options, "load_system", fail)
    assert run("explain") == (2, "", "veridical: error: what, where, the values; the fix\n")


def test_a_bug_shows_itself(run, monkeypatch):
    def fail(name):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli_options, "load_system", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run("explain")


def test_an_interrupt_leaves_with_130(run, monkeypatch):
    def interrupt(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_options, "load_system", interrupt)
    assert run("explain")[0] == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "--nope"], "--nope"),
        (["nope"], "nope"),
        (["explain", "stray"], "stray"),
        (["explain", "--camera"], "requires an argument"),
        (["explain", "--camera", "--json"], "requires an argument"),
        (["show"], "RECORD"),
        (
            ["weights", "fetch"],
            "give names (efficientnet-lite0, minilm, whisper-tiny-en, yamnet) or --all, and not both",
        ),
        (["weights", "fetch", "yamnet", "--all"], "and not both"),
    ],
)
def test_usage_errors_are_two_lines_at_most(run, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("veridical: error: ")
    assert len(err.splitlines()) <= 2


def test_no_command_prints_help(run):
    _, out, err = run()
    assert "Commands:" in out + err


def test_a_sense_that_the_system_lacks_is_named(run, asked, monkeypatch):
    monkeypatch.setattr(FakeSystem, "modalities", {"text": None})
    status, _, err = run("explain", "--microphone", "x.wav")
    assert (status, err) == (2, "veridical: error: system 'courier' has no sense 'audio'; it has text\n")


def test_without_input_a_system_without_an_example_says_so(run, asked, monkeypatch):
    monkeypatch.delattr(FakeSystem, "example")
    status, out, err = run("explain", "--system", "mine")
    assert (status, out) == (2, "")
    assert err == (
        "veridical: error: no input was given, and system 'mine' has no example of its own (a method example()); give "
        "--camera, --microphone or --instruction\n"
    )
    assert run("explain", "--system", "mine", "--instruction", "Go")[0] == 0
    assert asked == [{"text": "Go"}]


def test_a_broken_pipe_is_quiet(tmp_path, sample):
    folder = write_record(tmp_path / "r", *sample)
    code = "import sys; from veridical.agent.cli import main; sys.argv[0] = 'veridical'; main()"
    command = [sys.executable, "-c", code, "show", str(folder), "--json"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_weights_are_listed_fetched_and_verified(run, monkeypatch, tmp_path):
    from veridical.modalities import weights

    def verify(name):
        if name == "yamnet":
            raise WeightsError("yamnet: model.safetensors differs")
        return tmp_path

    monkeypatch.setattr(weights, "is_cached", lambda name: name != "minilm")
    monkeypatch.setattr(weights, "fetch", lambda name, progress=True: tmp_path / name)
    monkeypatch.setattr(weights, "verify", verify)
    listed = {row["name"]: row["cached"] for row in json.loads(run("weights", "list", "--json")[1])["weights"]}
    assert listed == {"efficientnet-lite0": True, "minilm": False, "whisper-tiny-en": True, "yamnet": True}
    assert "not fetched" in run("weights", "list")[1]
    assert run("weights", "fetch", "minilm")[1] == f"minilm: {tmp_path / 'minilm'}\n"
    assert len(run("weights", "fetch", "--all")[1].splitlines()) == 4
    status, out, err = run("weights", "verify")
    assert status == 2
    told = ["efficientnet-lite0: intact", "whisper-tiny-en: intact", "yamnet: yamnet: model.safetensors differs"]
    assert out.splitlines() == told
    assert err == "veridical: error: 1 of 3 not intact: yamnet; fetch again\n"
    assert run("weights", "verify", "efficientnet-lite0") == (0, "efficientnet-lite0: intact\n", "")
