from __future__ import annotations

import json
from typing import Any

import pytest

from tests.toys import SENTENCE
from veridical.agent.batch.explaining import FIELDS, Explaining, identity_of, make_system, settings_for
from veridical.agent.batch.frames import from_bytes
from veridical.agent.batch.heads import LogHead
from veridical.agent.batch.item import Content
from veridical.agent.batch.packing import pack
from veridical.agent.batch.plan import Plan
from veridical.agent.batch.same import TRANSIENT, digest_of_result, essence
from veridical.agent.batch.writer import Writer
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.errors import InputError

NAME = "tests.agent.batch.systems:reads"


@pytest.fixture(scope="module")
def explaining():
    return Explaining(NAME, "verdict", salt="fixed")


def row(words=SENTENCE, name="a", **more):
    return {**FIELDS, "kind": "item", "id": name, "content": pack({"text": words}), **more}


def test_a_result_depends_on_its_item_alone(explaining):
    first = explaining(row())
    explaining(row("stop for a siren", "b"))
    again = Explaining(NAME, "verdict", salt="fixed")(row())
    one, two = (json.loads(found["result"]) for found in (first, again))
    assert one["id"] != two["id"]
    assert essence(one) == essence(two)
    assert digest_of_result(one) == digest_of_result(two)
    assert from_bytes(first["arrays"]) == from_bytes(again["arrays"])
    other = json.loads(explaining(row(name="c"))["result"])
    assert digest_of_result(one) != digest_of_result(other)  # its controls are drawn by its own salt


def test_essence_leaves_out_times_alone():
    result = {"id": "x", "created": "now", "timing": {}, "verdict": {"attempts": [{"ms": {"a": 1}, "p": 0.5}]}}
    assert essence(result) == b'{"verdict":{"attempts":[{"p":0.5}]}}'
    assert TRANSIENT == ("id", "created", "timing")


def test_a_fixed_salt_is_told(explaining):
    notes = json.loads(explaining(row(notes=json.dumps(["The sound began late."])))["result"])["notes"]
    assert "The sound began late." in notes
    assert any("given beforehand" in note for note in notes)


def test_trouble_is_said_in_the_row(explaining):
    bad = explaining(row() | {"content": pack({"vision": (Content("a.png", b"no"),)})})
    assert (bad["kind"], bad["why"]) == (
        "failed",
        "vision: a.png is not an image that Pillow can read; is it a picture, and whole?",
    )
    assert explaining(row() | {"content": b"no"})["kind"] == "failed"
    assert explaining({**FIELDS, "kind": "done", "id": "x"})["kind"] == "done"


def test_what_explains_beyond_expectation_is_no_traceback(explaining, monkeypatch):
    def explode(*_, **__):
        raise MemoryError("out of\nmemory")

    monkeypatch.setattr("veridical.agent.explainer.Explainer.explain", explode)
    assert explaining(row())["why"] == "MemoryError: out of memory"


def test_the_heads_salt_stands_in_the_log_and_the_entry_holds(tmp_path):
    with Log.open(tmp_path / "home") as log:
        explain = Explaining(NAME, "verdict", head=LogHead(log.home))
        writer = Writer(log, Plan(depth="verdict"))
        for name in "ab":
            done = explain(row(name=name, key=name * 32))
            number, result = writer.keep(done)
            assert {attempt["salt"].split(":")[0] for attempt in result["verdict"]["attempts"]} == {
                f"{log.origin}@{number}"
            }
        said = log.entry(2).statement.predicate
        assert (said["labels"]["item"], said["trigger"], said["system"]["name"]) == ("b", "batch", "toy")
        assert verify_log(log).problems == []


def test_settings_hold_what_may_differ_between_processes():
    assert settings_for("verdict", "s").ladder.path.chunk == 4
    assert settings_for("full", None).salt is None


def test_systems_by_name():
    system: Any = make_system(NAME)
    assert identity_of(system).startswith("toy sha256:")
    system.digest = "sha256:own"
    assert identity_of(system) == "toy sha256:own"
    for name, told in (
        ("nothing", "no system is named"),
        ("tests.agent.batch.systems:none", "has no attribute 'none'"),
    ):
        with pytest.raises(InputError, match=told):
            make_system(name)
