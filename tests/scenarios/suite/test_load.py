"""Scenario files, found and read; what is wrong is told with file and line."""

import contextlib
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scenarios.suite.scenario_files import TEXT, loaded, refused, scene_of, write
from veridical.errors import InputError
from veridical.scenarios.suite.load import find_scenarios, read_scenario
from veridical.scenarios.suite.load_yaml import MOST_BYTES, MOST_DEPTH, read_yaml


def test_a_scenario_is_read(tmp_path):
    found = loaded(tmp_path)
    assert (found.name, found.scenario.family) == ("dog", "right-reason")
    assert found.digest.startswith("sha256:")
    assert len(found.digest) == 71
    assert scene_of(found).things[0].kind == "animal"
    assert found.where("scene.things.0.which") == f"{tmp_path}/dog.scenario.yaml:9"
    assert found.where("expect.action.0") == f"{tmp_path}/dog.scenario.yaml:14"
    assert found.where("") == f"{tmp_path}/dog.scenario.yaml:1"


def test_a_path_with_dots_is_one_key_of_vary(tmp_path):
    found = loaded(tmp_path, ("expect:", "vary:\n  light: [1, 2]\n  thing.0.size: [0.3, 0.5]\nexpect:"))
    assert found.where("vary.thing.0.size").endswith(":15")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("is: animal", "is: animl", "9: scene.things.0.is: no 'animl'; do you mean 'animal'?"),
        ("where: ahead", "wher: ahead", "9: scene.things.0.wher: there is no key 'wher'; do you mean 'where'?"),
        ("SLOW", "[SLOW, 3]", "14: expect.action.1: 3 stands where text is wanted; put it in quotes"),
        ("SLOW", "{a: 1}", "14: expect.action: a mapping stands where text is wanted"),
        ("SLOW", "[]", "14: expect.action: the list is empty; give a value, or leave the key out"),
        ("where: ahead", "where: [1]", "9: scene.things.0.where: a list stands where mapping or text is wanted"),
        ("where: ahead", "size: 5", "9: scene.things.0.size: 5 is out of range; give at most 2"),
        ("expect:\n  action: SLOW\n", "", "1: the key is missing; add 'expect', and say at least"),
        (
            "expect:",
            "storyboard: {policy: a.toml, must: {goal: {ahead: 5, within: 30}}}\nexpect:",
            "13: storyboard.policy: there is no file 'a.toml' in the scenario's folder",
        ),
        ("version: 1\n", "", "1: version: the key is missing; add 'version'"),
        ("version: 1", "version: 2", "2: version: 2 is not known here; version 1 of the format is read"),
        ("version: 1", "version: yes", "2: version: 'yes' stands where a whole number is wanted"),
        ("right-reason", "Right reason", "4: family: 'Right reason' is not written as it should be"),
        ("SLOW", "SLOW\n  rely_on: {thing: 7}", "15: expect.rely_on.thing: there is no thing 7; the scene has 1"),
        ("SLOW", "SLOW\n  same_as: scene", "15: expect.same_as: there are no variants; give vary or perturb"),
        ("SLOW", "SLOW\n  rely_on: {patch: false}", "15: expect.rely_on.patch: false is not true"),
        (
            "expect:",
            "perturb: [{name: blur, rule: siren}]\nexpect:",
            "13: perturb.0.rule: 'blur' does not read it; it takes frames",
        ),
        (
            "SLOW",
            "SLOW\n  oversight: {policy: ../a.toml, level: slow}",
            "15: expect.oversight.policy: '../a.toml' lies outside the scenario's folder; put it into it",
        ),
        (
            "SLOW",
            "SLOW\n  oversight: {policy: a.toml, level: slow}",
            "15: expect.oversight.policy: there is no file 'a.toml' in the scenario's folder",
        ),
        (
            "SLOW",
            "SLOW\n  oversight: {policy: /etc/passwd, level: slow}",
            "15: expect.oversight.policy: '/etc/passwd' is an absolute path; name a file relative to the scenario's",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, old, new, said):
    assert refused(tmp_path, (old, new)).startswith(f"dog.scenario.yaml:{said}")


def test_several_faults_are_counted_and_the_first_is_told(tmp_path):
    said = refused(tmp_path, ("is: animal", "is: animl"), ("is: siren", "is: sirn"))
    assert said == "dog.scenario.yaml:9: scene.things.0.is: no 'animl'; do you mean 'animal'? (and 1 more)"


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "y", "N", "1", "'true'"])
def test_only_true_and_false_are_truth_values(tmp_path, word):
    said = refused(tmp_path, ("where: ahead", f"flip: {word}"))
    assert "scene.things.0.flip" in said
    assert scene_of(loaded(tmp_path, ("where: ahead", "flip: true"))).things[0].flip


@pytest.mark.parametrize("number", ["1e-1", "5e-1", "0x1", "0o1", "01", "1_0", "0:30", ".inf", ".nan", "'0.5'", ".5"])
def test_a_number_that_readers_differ_on_is_none(tmp_path, number):
    assert "stands where a number" in (said := refused(tmp_path, ("where: ahead", f"size: {number}"))) or (
        "readers of YAML differ" in said
    )


def test_words_that_look_like_truth_values_are_words(tmp_path):
    # What YAML 1.1 takes for false, null's sister and a date, and 1.2 for text, is text.
    found = loaded(tmp_path, ("which: synthetic 3", "which: no"), ("A known dog", "2024-02-03"))
    assert scene_of(found).sounds[0].which == "no"
    assert found.scenario.scenario == "2024-02-03"


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("why: a\nwhy: b", "4: key 'why' stands twice in one mapping; keep one of the two"),
        ("why: &a b", "3: an anchor, &a; write the value out where it is needed"),
        ("why: *a", "3: an alias, *a; write the value out"),
        ("why: !!str a", "3: a tag, 'tag:yaml.org,2002:str'; only plain data is read"),
        ("why: !!python/object/apply:os.system [ls]", "3: a tag, "),
        ("why: !a b", "3: a tag, '!a'; only plain data is read"),
        ("<<: {a: b}", "3: a merge key, <<; write the keys out"),
        ("? [a, b]\n: c", "3: a key is a list or a mapping; keys are text"),
        ("why: [a", "4: not YAML: "),
        ('why: "a\\e[31m"', "3: character U+001B in text; leave it out"),
        ('why: "a\\0"', "3: character U+0000 in text; leave it out"),
        ('why: "\\ud800"', "3: "),
        ("why: a\n---\nwhy: b", "4: a second document begins; a file holds one scenario"),
        ("why: \u0007", "1: not YAML: "),
    ],
)
def test_only_plain_data_is_read(tmp_path, new, said):
    assert refused(tmp_path, ("why: An instruction changes what an animal in the way means.", new)).startswith(
        f"dog.scenario.yaml:{said}"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- a\n", "a scenario is a mapping"),
        (b"a", "a scenario is a mapping"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: b\nc: \xe9\n", ":2: not UTF-8"),
        (b"[" * 100_000, f"more than {MOST_DEPTH} lists and mappings"),
        (b"{a: " * 100_000, f"more than {MOST_DEPTH} lists and mappings"),
        (b"a: " + b"b" * MOST_BYTES, f"at most {MOST_BYTES}"),
    ],
)
def test_what_is_no_scenario_at_all(tmp_path, content, said):
    path = tmp_path / "a.scenario.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.scenario\.yaml") as caught:
        read_scenario(path)
    assert said in str(caught.value)


def test_depth_is_counted_to_the_last():
    deepest = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
    assert read_yaml(deepest, "a")[0] == eval("[" * MOST_DEPTH + "]" * MOST_DEPTH)  # noqa: S307 - of brackets alone
    with pytest.raises(InputError, match="more than 32"):
        read_yaml(b"[" + deepest + b"]", "a")


def test_plain_scalars():
    text = b"{a: 1, b: -0.5, c: true, d: null, e: ~, f: '1', g: 1e3, h: yes, i: 1.50, j: -3, k: , l: 'null'}"
    found, lines = read_yaml(text, "a")
    assert found == {
        "a": 1, "b": -0.5, "c": True, "d": None, "e": None, "f": "1", "g": "1e3", "h": "yes", "i": 1.5, "j": -3,
        "k": None, "l": "null",
    }  # fmt: skip
    assert lines[("a",)] == 1
    assert read_yaml(b"on: 1\nno: 2\n", "a")[0] == {"on": 1, "no": 2}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(content):
    with contextlib.suppress(InputError):
        read_yaml(content, "a")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.integers(0, 30), st.text("{}[]:,-&*!|>'\"%@ \n\t0aé", max_size=6))
def test_a_file_that_was_damaged_is_read_or_refused(tmp_path_factory, at, cut, put):
    path = tmp_path_factory.mktemp("damaged") / "a.scenario.yaml"
    path.write_text(TEXT[:at] + put + TEXT[at + cut :], "utf-8")
    said = ""
    try:
        read_scenario(path)
    except InputError as error:
        said = str(error)
    assert not said or (said.startswith(str(path)) and "\n" not in said)


def test_a_link_may_not_lead_out_of_the_folder(tmp_path):
    inside, outside = tmp_path / "suite", tmp_path / "secret.txt"
    inside.mkdir()
    outside.write_text("secret")
    (inside / "a.wav").symlink_to(outside)
    scene = TEXT[TEXT.index("scene:") : TEXT.index("expect:")]
    said = refused(inside, (scene, "observation: {microphone: a.wav}\n"))
    assert "observation.microphone: 'a.wav' lies outside the scenario's folder" in said
    (inside / "loop.wav").symlink_to(inside / "loop.wav")
    assert "loop.wav" in refused(inside, (scene, "observation: {microphone: loop.wav}\n"))


def test_files_are_found_once_and_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    names = ["b/c.scenario.yaml", "a.scenario.yaml", ".hidden/d.scenario.yaml", "e.yaml"]
    for name in names:
        (tmp_path / name).write_text(TEXT)
    found = find_scenarios([tmp_path, tmp_path / "a.scenario.yaml", tmp_path / "e.yaml"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.scenario.yaml", "b/c.scenario.yaml", "e.yaml"
    ]  # fmt: skip


def test_nothing_to_find_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no file \*\.scenario\.yaml in this folder"):
        find_scenarios([tmp_path])
    with pytest.raises(InputError, match="neither a scenario file nor a folder"):
        find_scenarios([tmp_path / "none.scenario.yaml"])
    with pytest.raises(InputError, match="no such scenario file"):
        read_scenario(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path)
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        read_scenario(path)


def test_importing_the_loader_is_cheap():
    told = (
        "import sys, veridical.scenarios.suite.load; print(*{'torch', 'yaml', 'pydantic', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
