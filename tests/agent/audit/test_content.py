"""What a record says is held against itself: what was really recorded holds, what was altered is found."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.audit.content_sample import changed, faults, made
from veridical.agent.audit.content import CHECKS, Finding, recheck_content
from veridical.errors import RecordError

NAMES = ("climbed", "simple", "unsupported", "concepts")


@pytest.mark.parametrize("name", NAMES)
def test_what_was_really_recorded_holds(name: str):
    result, arrays = made(name)
    found = recheck_content(result, arrays)
    assert [f for f in found if not f.ok] == []
    assert [f.what for f in found] == list(CHECKS)
    assert {f.what for f in found if f.skipped} <= {"concepts", "task", "senses together"}


def test_all_that_can_be_checked_is_checked_where_there_are_concepts():
    assert not any(f.skipped for f in recheck_content(*made("concepts")) if f.what in ("concepts", "task"))


def test_without_arrays_the_maps_are_skipped_and_that_is_told():
    found = {f.what: f for f in recheck_content(made("simple")[0])}
    assert found["maps"] == Finding("maps", True, found["maps"].told, True)
    assert "vision.saliency is not at hand" in found["maps"].told
    assert all(f.ok for f in found.values())


def test_findings_are_plain():
    assert Finding("a", True, "b").to_dict() == {"what": "a", "ok": True, "told": "b", "skipped": False}


def test_what_is_no_result_is_refused():
    for nothing in ({}, {"decision": 1}, {"result": {}}):
        with pytest.raises(RecordError, match="there is no decision in it"):
            recheck_content(nothing)


def test_a_part_that_is_missing_is_a_finding():
    result = changed("simple")
    del result["attribution"]
    told = {f.what: f.told for f in recheck_content(result) if not f.ok}
    assert "it is malformed: 'attribution' is missing; it was altered" in told["contributions"]


def _numbers(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _numbers(item, (*path, key))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in _numbers(item, (*path, index))]
    return [path] if isinstance(value, int | float) and not isinstance(value, bool) else []


@pytest.mark.parametrize("section", ["decision", "justification", "graph"])
def test_nearly_every_number_that_is_changed_is_found(section: str):
    result, arrays = made("climbed")
    own = deepcopy(result)
    paths, rng, found = _numbers(own[section]), np.random.default_rng(1), 0
    picked = [paths[i] for i in rng.permutation(len(paths))[:8]]
    for path in picked:
        place = own[section]
        for part in path[:-1]:
            place = place[part]
        before = place[path[-1]]
        place[path[-1]] = before + 1 if isinstance(before, int) or not before else before * 1.07
        found += any(not f.ok for f in recheck_content(own, arrays))
        place[path[-1]] = before
    assert found >= 0.7 * len(picked)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_malformed_results_give_findings_and_nothing_else(data: st.DataObject):
    own = deepcopy(made("concepts")[0])
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = own
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if not (isinstance(place[key], dict | list) and place[key]) or data.draw(st.integers(0, 3)) == 0:
                break
            place = place[key]
        place[key] = data.draw(JSON)
    try:
        found = recheck_content(own, made("concepts")[1])
    except RecordError:
        return
    assert len(found) == len(CHECKS)


def test_arrays_of_another_shape_or_kind_are_findings():
    result, arrays = made("simple")
    for odd in (np.zeros((2, 2)), np.zeros(0), np.full((3, 4, 5), np.nan), np.array(["x"])):
        for name in ("vision.saliency", "vision.units", "text.saliency"):
            found = {f.what: f for f in recheck_content(result, {**arrays, name: odd})}
            assert not found["maps"].ok


def test_the_auditors_path_loads_no_torch():
    code = "import sys; import veridical.agent.audit.content as c; import veridical.agent.audit.diff; "
    code += "from veridical.concepts import consistency, grounds, truth; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "path", "value", "what"),
    [
        ("simple", "decision/score", 9.0, "decision"),
        ("simple", "decision/action", "GO", "decision"),
        ("simple", "attribution/gap", 2.0, "contributions"),
        ("simple", "ranking/0/contribution", 7.0, "ranking"),
        ("simple", "ranking/0/contribution", 7.0, "maps"),
        ("simple", "ranking/0/unit/time", [5.0, 1.0], "units"),
        ("simple", "observation/text/text", "Go on.", "signals"),
        ("simple", "verdict/attempts/0/salt", "other", "told twice"),
        ("simple", "verdict/attempts/0/committed/method", "by hand", "commitments"),
        ("climbed", "claims/0/effects/0/effect", -0.01, "effects"),
        ("climbed", "claims/0/status", "contradicted", "claims"),
        ("climbed", "verdict/specific/p", 0.2, "tests"),
        ("climbed", "verdict/sufficiency/low", 0.9, "necessity and sufficiency"),
        ("unsupported", "verdict/attempts/0/cause", "overtaken", "verdict"),
        ("unsupported", "verdict/attempts/0/critique/kind", "noise", "critiques"),
        ("concepts", "graph/graph/score", 0.1, "graph"),
        ("concepts", "concepts/cards/0/p", 0.5, "concepts"),
        ("concepts", "concepts/task/outcome", "undecided", "task"),
        ("concepts", "justification/full/0/confirmed", False, "sentences"),
        ("concepts", "justification/short", "It rests on nothing. So be it.", "short text"),
        ("climbed", "fusion/together/0/value", 3.0, "senses together"),
        ("simple", "timing/total_ms", 1.0, "times"),
    ],
)
def test_each_check_finds_its_own(name: str, path: str, value: Any, what: str):
    assert what in faults(name, (path, value))
