"""Commands that write files: a scenario to begin with, its picture, and what is left of one that fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.scenarios.suite.test_minimise import TEXT, stub
from veridical.errors import InputError
from veridical.scenarios.suite.cli import scenarios
from veridical.scenarios.suite.load import read_scenario
from veridical.scenarios.suite.runs import Runner


def called(*arguments: object):
    return CliRunner().invoke(scenarios, [str(each) for each in arguments])


def test_a_new_scenario_passes_the_schema(tmp_path: Path):
    file = tmp_path / "a-cat.scenario.yaml"
    done = called("new", file, "--family", "distractor")
    assert done.exit_code == 0, done.output
    told = read_scenario(file).scenario
    assert (told.scenario, told.family) == ("A cat", "distractor")
    assert f"veridical scenarios run {file}" in done.stderr


def test_every_key_that_the_template_speaks_of_can_be_used(tmp_path: Path):
    file = tmp_path / "a.scenario.yaml"
    called("new", file)
    lines = file.read_text("utf-8").splitlines()
    used = [
        line.replace("# ", "", 1) if line.lstrip().startswith("# ") and i > 3 else line for i, line in enumerate(lines)
    ]
    file.write_text("\n".join(used), "utf-8")
    told = read_scenario(file).scenario
    assert told.vary
    assert told.perturb
    assert told.known_failure is not None


def test_an_example_comes_with_its_family_and_the_files_that_it_names(tmp_path: Path):
    shipped = Path(__file__).parents[3] / "scenarios" / "shipped" / "oversight"
    name = next(path for path in sorted(shipped.glob("*.scenario.yaml")) if "policy:" in path.read_text("utf-8"))
    file = tmp_path / "mine.scenario.yaml"
    done = called("new", file, "--from-example", name.name)
    assert done.exit_code == 0, done.output
    policy = read_scenario(file).scenario.expect.oversight
    assert policy is not None
    assert (tmp_path / policy.policy).read_bytes() == (shipped / policy.policy).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("there.scenario.yaml",), "there already; name another file, or say --force"),
        (("a.yaml",), "name it *.scenario.yaml"),
        (("a.scenario.yaml", "--family", "Not A Slug"), "small letters, figures and hyphens"),
        (("a.scenario.yaml", "--from-example", "patch-anywher"), "do you mean shortcut/patch-anywhere"),
    ],
)
def test_what_cannot_be_begun_with_is_said(tmp_path: Path, arguments: tuple[str, ...], told: str):
    (tmp_path / "there.scenario.yaml").write_text("x")
    done = called("new", tmp_path / arguments[0], *arguments[1:])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)
    assert not (tmp_path / "a.scenario.yaml").exists()


def test_a_picture_is_drawn_of_every_variant(tmp_path: Path):
    file = tmp_path / "dog.scenario.yaml"
    file.write_text(TEXT, "utf-8")
    assert called("render", file, tmp_path / "all.png").exit_code == 0
    file.write_text(TEXT.replace("perturb:", "# perturb:"), "utf-8")
    assert called("render", file, tmp_path / "pictures").exit_code == 0
    with Image.open(tmp_path / "all.png") as every, Image.open(tmp_path / "pictures" / "dog.png") as base:
        assert every.size[1] > base.size[1]
        assert len(set(base.convert("L").tobytes())) > 50


def test_a_picture_of_another_kind_is_refused(tmp_path: Path):
    file = tmp_path / "dog.scenario.yaml"
    file.write_text(TEXT, "utf-8")
    assert "pictures are written as PNG" in str(called("render", file, tmp_path / "a.jpg").exception)


def test_what_is_left_of_a_failing_scenario_is_written_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = stub(lambda scenario: "animal" in str(scenario.scene.things))
    monkeypatch.setattr(Runner, "tried", lambda self, loaded, progress=None: run(loaded))
    file = tmp_path / "dog.scenario.yaml"
    file.write_text(TEXT, "utf-8")
    done = called("minimise", file, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["format"] == "veridical.minimised/1"
    assert told["written"] == str(tmp_path / "dog-minimal.scenario.yaml")
    left = read_scenario(Path(told["written"])).scenario.scene
    assert left is not None
    assert len(left.things) == 1
    again = called("minimise", file)
    assert "is there already" in str(again.exception)
    assert "No single part more" in called("minimise", file, "--force").stderr
