"""Task statements: what is read, what is refused, and that order makes no difference."""

from __future__ import annotations

import contextlib
import json
import random
import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts.task import Task, read_task
from veridical.concepts.task_findings import FINDINGS
from veridical.errors import InputError

CONTENT = {
    "task": {"name": "crossing", "version": 1, "others": "noted", "share": 0.2},
    "reasons": {
        "siren": {"label": "a siren", "sense": "audio", "names": ["Siren", "Ambulance (siren)"]},
        "sign": {"names": ["stop sign"], "concepts": ["vision#3", "vision#5"]},
        "stay": {"sense": "text", "words": ["stay", "wait here"]},
        "patch": {"sense": "vision", "names": ["pink patch"]},
    },
    "rule": [
        {"action": "YIELD", "must": ["siren"]},
        {"action": ["STOP", "SLOW"], "must_any": ["sign", "stay"]},
        {"action": "STOP", "may": ["siren"], "must_any": ["stay", "siren"]},
        {"action": "*", "must_not": ["patch"]},
    ],
}
FILE = """
[task]
name = "crossing"
version = 1

[reasons.siren]
sense = "audio"
names = ["Siren"]

[reasons.patch]
sense = "vision"

[[rule]]
action = "YIELD"
must = ["siren"]

[[rule]]
action = "*"
must_not = ["patch"]
"""


def changed(**changes) -> dict:
    """The content with values put in at dotted places; ``None`` takes a key away."""
    content: Any = deepcopy(CONTENT)
    for place, value in changes.items():
        *path, key = (int(step) if step.isdigit() else step for step in place.split("__"))
        table = content
        for step in path:
            table = table[step]
        if value is None:
            del table[key]
        else:
            table[key] = value
    return content


def test_a_file_is_read(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(FILE, encoding="utf-8")
    task = read_task(path)
    assert (task.name, task.version, task.others, task.share) == ("crossing", 1, "noted", 0.1)
    assert [reason.label for reason in task.reasons] == ["siren", "patch"]
    assert task.actions == ("YIELD",)
    assert task.asks("YIELD").must == {"siren"}


def test_rules_for_one_action_add_up():
    task = Task.from_dict(CONTENT)
    asked = task.asks("STOP")
    assert (asked.may, asked.must, asked.must_not) == ({"siren"}, frozenset(), {"patch"})
    assert asked.must_any == {frozenset({"sign", "stay"}), frozenset({"stay", "siren"})}
    assert asked.allowed == {"siren", "sign", "stay"}
    assert asked.wanted == {"siren", "sign", "stay"}
    assert task.asks("PROCEED").allowed == frozenset()
    assert task.asks("PROCEED").must_not == {"patch"}


def test_content_goes_out_and_in_again():
    task = Task.from_dict(CONTENT)
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task
    assert task.digest == Task.from_dict(task.to_dict()).digest


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_digest_is_of_what_is_said_not_of_the_order(rng: random.Random):
    content = deepcopy(CONTENT)
    for table in (*content["reasons"].values(), *content["rule"]):
        for value in table.values():
            if isinstance(value, list):
                rng.shuffle(value)
    rng.shuffle(content["rule"])
    ids = list(content["reasons"])
    rng.shuffle(ids)
    content["reasons"] = {id: content["reasons"][id] for id in ids}
    assert Task.from_dict(content).digest == Task.from_dict(CONTENT).digest


@pytest.mark.parametrize(
    "content",
    [changed(task__share=0.3), changed(reasons__sign__label="a sign"), changed(rule__0__must=["siren", "stay"])],
)
def test_the_digest_changes_with_what_is_said(content):
    assert Task.from_dict(content).digest != Task.from_dict(CONTENT).digest


REFUSED = {
    "a key at the top": (changed(rules=[]), "top level, key 'rules'.*did you mean 'rule'"),
    "no head": (changed(task=None), r"\[task\]: None is missing, empty or no table"),
    "a key of the head": (changed(task__shares=0.1), r"key 'shares': 0.1 stands.*keys are name, .*mean 'share'"),
    "no name": (changed(task__name=None), r"\[task\] name: None is no text; write some words"),
    "a name of two lines": (changed(task__name="a\nb"), r"name: 'a\\nb' is no text; .*one line"),
    "no version": (changed(task__version=None), r"version: None is not known; this release reads version = 1"),
    "a later version": (changed(task__version=2), r"version: 2 is not known"),
    "a version that is true": (changed(task__version=True), r"version: True is not known"),
    "others": (changed(task__others="mustnot"), r"others: 'mustnot' is not known.*did you mean 'must not'"),
    "others, a list": (changed(task__others=["may"]), r"others: \['may'\] is not known"),
    "a share of two": (changed(task__share=2), r"share: 2 is no share; write a number from 0 to 1"),
    "no number for a share": (changed(task__share=float("nan")), r"share: nan is no share"),
    "a text for a share": (changed(task__share="0.1"), r"share: '0.1' is no share"),
    "true for a share": (changed(task__share=True), r"share: True is no share"),
    "no reasons": (changed(reasons={}), r"\[reasons\]: {} is missing, empty or no table"),
    "a reason that is no table": (changed(reasons__sign=3), r"\[reasons.sign\]: 3 is missing, empty or no table"),
    "a key of a reason": (changed(reasons__sign__name=["x"]), r"\[reasons.sign\], key 'name'.*did you mean 'names'"),
    "nothing but a label": (changed(reasons__sign={"label": "x"}), r"\[reasons.sign\].*how the reason is recognised"),
    "names, a text": (changed(reasons__sign__names="x"), r"names: 'x' is no list, or empty"),
    "names, empty": (changed(reasons__sign__names=[]), r"names: \[\] is no list, or empty; .*leave the key out"),
    "names, a number": (changed(reasons__sign__names=[3]), r"names: 3 is no text"),
    "a name twice": (changed(reasons__sign__names=["x", "x"]), r"names: 'x' stands there twice"),
    "a name without letters": (changed(reasons__sign__names=["—"]), r"names: '—' holds no word"),
    "a concept without number": (changed(reasons__sign__concepts=["vision"]), r"'vision' is no concept; .*'vision#3'"),
    "a concept of naught-three": (changed(reasons__sign__concepts=["vision#03"]), r"'vision#03' is no concept"),
    "a concept of another sense": (
        changed(reasons__siren__concepts=["vision#3"]),
        r"\[reasons.siren\] concepts: 'vision#3' does not belong to the sense 'audio'",
    ),
    "no rule": (changed(rule=[]), r"\[\[rule\]\]: \[\] holds no rule"),
    "a rule that is a table": (changed(rule={"action": "STOP"}), r"\[\[rule\]\].* holds no rule"),
    "a key of a rule": (changed(rule__0__must_no=["siren"]), r"\[\[rule\]\] 1, key 'must_no'.*did you mean 'must_not'"),
    "no action": (changed(rule__0__action=None), r"\[\[rule\]\] 1 action: None is no text"),
    "an action twice": (changed(rule__1__action=["STOP", "STOP"]), r"rule\]\] 2 action: 'STOP' stands there twice"),
    "all actions and one": (
        changed(rule__1__action=["STOP", "*"]),
        r"2 action: \['STOP', '\*'\] names all .* and some",
    ),
    "a rule that asks nothing": (changed(rule__0={"action": "STOP"}), r"\[\[rule\]\] 1.*asks for nothing; .*must_any"),
    "a reason not defined": (changed(rule__0__must=["sirn"]), r"must: 'sirn' is a reason that is not.*mean 'siren'"),
    "a reason twice": (changed(rule__0__must=["siren", "siren"]), r"must: 'siren' stands there twice"),
    "both must and must not": (
        changed(rule__0__must_not=["siren"]),
        r"action 'YIELD': 'siren' is a reason both wanted and ruled out",
    ),
    "ruled out for all": (
        changed(rule__3__must_not=["sign"]),
        r"action 'SLOW': 'sign' is a reason both wanted and ruled out.*'\*' among them",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_what_where_and_how_to_mend_it(case):
    content, message = REFUSED[case]
    with pytest.raises(InputError, match=rf"^t\.toml: .*{message}") as caught:
        Task.from_dict(content, "t.toml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[task\nname = 1", r"task: '.*task\.toml' is no TOML in UTF-8: .*line 1.*docs/task\.md"),
        (b"\xff\xfe", "is no TOML in UTF-8"),
        (b"a = " + b"[" * 5000, "is no TOML"),
        (b"", r"\[task\]: None is missing"),
        (b"[task]\nname = 'x'\nversion = 2\n", "version: 2 is not known"),
    ],
)
def test_a_file_that_is_not_one_is_refused(tmp_path, content, message):
    path = tmp_path / "task.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_task(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"task: cannot read '.*none\.toml': No such file.*give the path"):
        read_task(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot read"):
        read_task(tmp_path)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["siren", "STOP", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from(
    "task task__name task__others task__share reasons reasons__sign reasons__sign__names reasons__sign__concepts "
    "reasons__sign__sense rule rule__0__action rule__1__must_any rule__2__may rule__3__must_not".split()
)


@settings(max_examples=150, deadline=None)
@given(PLACES, JSON)
def test_anything_else_is_read_or_refused(place, value):
    content = changed(**{place: {} if value is None else value})
    with contextlib.suppress(InputError):  # any other error fails the test
        task = Task.from_dict(content)
        assert Task.from_dict(task.to_dict()) == task


def test_the_example_in_the_documents_is_read_and_every_key_is_explained():
    document = (Path(__file__).parents[2] / "docs" / "task.md").read_text(encoding="utf-8")
    example = re.search(r"^```toml\n(.*?)^```$", document, re.M | re.S)
    assert example is not None
    task = Task.from_dict(tomllib.loads(example[1]))
    assert task.asks("STOP").must_any == {frozenset({"stop-sign", "stay"})}
    keys = "name version others share label sense names concepts words action may must must_any must_not".split()
    assert set(keys) <= set(re.findall(r"`([a-z_]+)`", document))
    assert set(FINDINGS) <= set(re.findall(r"^\| `([a-z-]+)` \|", document, re.M))
