"""Readers under changed bytes: they refuse them in words, and the fuzzer itself sees what it is there to see."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks._fuzz_mutate import mutate
from benchmarks._fuzz_run import Run
from benchmarks.fuzz_targets import TARGETS, Target, Targets
from veridical.agent.record.foreign.forms import outline
from veridical.errors import InputError, IntegrityError, RecordError, VeridicalError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Targets:
    return Targets(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", TARGETS)
def test_every_reader_takes_its_seeds_and_refuses_changed_ones_in_words(targets: Targets, name: str):
    target, rng = targets.get(name), random.Random(5)
    read = 0
    for content in target.seeds:
        try:
            target.run(content)
            read += 1
        except VeridicalError as error:  # of several seeds some fit another key or number
            assert "\n" not in str(error)  # noqa: PT017
    assert read
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        try:
            target.run(mutate(rng.choice(target.seeds), target.most, rng))
        except VeridicalError as error:
            assert "\n" not in str(error)  # noqa: PT017


ONCE = {
    "a dtype is not parsed as Python": ("map", b'"dtype":"int64"', b'"dtype":"0,(1,)f"'),
    "a digest of two lines": ("statement", b'"sha256":"', b'"sha256":"a\\n'),
    "a list that is none": ("entry", b'"records":[]', b'"records":7'),
}
"""What broke a reader before, or what it told: target, what to find in a seed, and what to put in its place."""


@pytest.mark.parametrize("what", ONCE)
def test_what_broke_a_reader_once_is_refused_in_words(targets: Targets, what: str):
    name, old, new = ONCE[what]
    seeds = [seed for seed in targets.get(name).seeds if old in seed]
    assert seeds
    try:
        targets.get(name).run(seeds[0].replace(old, new, 1))
    except VeridicalError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(("kind", "number"), [("0,(1,)f", 1), ("()f4", 1), ("float32", 1e300), ("int8", 300), (7, 1)])
def test_numbers_of_a_file_of_maps_are_of_a_dtype_that_holds_them(kind: object, number: float):
    with pytest.raises(InputError, match="numbers are said to be of"):
        outline({"dtype": kind, "shape": [1], "data": [number]})


def test_a_terminal_takes_no_orders_from_a_record():
    told = str(IntegrityError("entry \x1b[2J says\n“no” − \ud800", "json"))
    assert told == r"entry \x1b[2J says\n“no” − \ud800"
    assert str(RecordError("plain “words”")) == "plain “words”"


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_reproducible_bounded_and_mostly_changes(seed: int):
    content = b'{"a":[1,2.5,"x",{"b":null}],"c":"aGVsbG8=","d":1e308}'
    found = [mutate(content, 500, random.Random(seed * 1000 + i)) for i in range(300)]
    assert found == [mutate(content, 500, random.Random(seed * 1000 + i)) for i in range(300)]
    assert max(map(len, found)) <= 500
    assert sum(one != content for one in found) > 250
    parsed = sum(_is_json(one) for one in found)
    assert 100 < parsed < 300


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


class Off:
    """A guard that sees nothing."""

    broken = ""

    def watching(self) -> Off:
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


def test_a_crash_is_kept_once_with_its_input(tmp_path: Path):
    def read(content: bytes) -> None:
        if content == b"fine":
            return
        if content == b"refused":
            raise RecordError("no")
        if content == b"odd":
            raise IntegrityError("no", "weather")
        raise KeyError(content)

    run = Run(Target("toy", (), read), Off(), tmp_path)  # type: ignore[arg-type]
    for content in (b"fine", b"refused", b"odd", b"x", b"y"):
        run(content)
    run.save()
    told = json.loads((tmp_path / "toy.json").read_text())
    assert told["executions"] == 5
    assert [crash["what"].split(":")[0] for crash in told["crashes"]] == [
        "IntegrityError at test_fuzz.py",
        "KeyError at test_fuzz.py",
    ]
    assert [Path(crash["file"]).read_bytes() for crash in told["crashes"]] == [b"odd", b"x"]


GUARDED = """
import json, sys
from pathlib import Path
from benchmarks._fuzz_run import Guard, Run
from benchmarks.fuzz_targets import Target

here = Path(sys.argv[1])
(here / "inside").write_text("x")
works = [
    lambda content: (here / "inside").read_text(),
    lambda content: open("/etc/hostname").close(),
    lambda content: eval("1 + 1"),
    lambda content: __import__("this"),
    lambda content: __import__("os").system("true"),
    lambda content: __import__("pickle").loads(b"cos\\nsystem\\n."),
    lambda content: Path(str(here) + "-beside").write_text("x"),
]
import os, pickle
guard, found = Guard(here), []
for work in works:
    run = Run(Target("toy", (), work), guard, here)
    run(b"x")
    found.append([crash["what"].split(" (")[0] for crash in run.crashes.values()])
print(json.dumps(found))
"""


def test_the_guard_refuses_what_no_reader_may_do(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    first, *rest = json.loads(done.stdout)
    assert first == []
    assert [told[0].split(":")[1].strip() for told in rest] == [
        "open",
        "compile",
        "import",
        "os.system",
        "pickle.find_class",
        "open",
    ]
    assert not tmp_path.with_name(f"{tmp_path.name}-beside").exists()


def test_a_whole_run_by_random_changes(tmp_path: Path, capsys):
    fuzz.main(["--targets", "vkey", "--engine", "random", "--minutes", "0.005", "--keep", str(tmp_path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["engine"], told["crashes"]) == (fuzz.FORMAT, "random", 0)
    assert told["executions"] == told["targets"][0]["executions"] > 10


def test_a_run_that_is_refused(capsys):
    for arguments, words in ((["--targets", "weather"], "no target 'weather'"), (["--minutes", "0"], "more than none")):
        with pytest.raises(SystemExit) as error:
            fuzz.main(arguments)
        assert error.value.code == 2
        assert words in capsys.readouterr().err


def test_the_table_tells_crashes(monkeypatch: pytest.MonkeyPatch, capsys):
    row = {"target": "vkey", "executions": 12, "slowest_ms": 3.0, "blocks": [3, 9]}
    crash = {"what": "KeyError at note_key.py:7: 'x'", "file": "kept/x"}
    monkeypatch.setattr(fuzz, "fuzz", lambda *rest: [row | {"crashes": [crash]}])
    with pytest.raises(SystemExit) as error:
        fuzz.main(["--targets", "vkey", "--engine", "random"])
    assert error.value.code == 1
    out = capsys.readouterr().out
    assert "3 → 9" in out
    assert "vkey: KeyError at note_key.py:7: 'x' (kept/x)" in out
