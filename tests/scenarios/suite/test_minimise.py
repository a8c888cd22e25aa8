"""A failing scenario is made smaller while it fails in the same way: on a stub whose fault is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.scenarios.suite.load import LoadedScenario, read_scenario
from veridical.scenarios.suite.minimise import minimise, write_minimised
from veridical.scenarios.suite.minimise_yaml import to_yaml
from veridical.scenarios.suite.result import About, Checked, Result, Seen

TEXT = """\
scenario: A dog, a tree, a bell
version: 1
why: It matters.
family: right-reason
known_failure: {reason: "It goes on (99 %)."}
scene:
  partition: train
  traffic: null
  seed: 1
  things:
    - {is: tree, which: birch, where: left}
    - {is: animal, which: dog, where: ahead}
    - {is: tree, which: birch, where: right}
  sounds: [{is: bell}]
  instruction: [Take the parcel to the pharmacy., The stairs creak.]
perturb: [{name: noise, sense: vision, strength: [0.1, 0.2], seed: 1}, {name: blur, sense: vision, strength: 0.1}]
expect:
  not_action: PROCEED
  action: STOP
  rely_on: [{thing: 1}]
"""

Judge = Callable[[Any], Mapping[str, Any]]
"""Of a scenario: what its checks come to, by expectation, and the action."""


def loaded(folder: Path, text: str = TEXT) -> LoadedScenario:
    path = folder / "dog.scenario.yaml"
    path.write_text(text, "utf-8")
    return read_scenario(path)


def stub(broken: Callable[[Any], bool], action: str = "PROCEED") -> Callable[[LoadedScenario], Result]:
    """A run in which ``action`` is not met where a scenario is broken; all else is."""

    def run(tried: LoadedScenario) -> Result:
        held = not broken(tried.scenario)
        chosen = "STOP" if held else action
        checked = []
        if tried.scenario.expect.not_action:
            checked.append(Checked("not_action", True, "not PROCEED", "SLOW", {"action": chosen}, variant="as written"))
        if tried.scenario.expect.action:
            checked.append(Checked("action", held, "STOP", chosen, {"action": chosen}, variant="as written"))
        about = About("A dog", "It matters.", "right-reason", (), "toy", None, str(tried.path), tried.digest)
        seen = Seen("as written", {}, (), chosen, {}, None, None)
        return Result(about, "passed" if held else "failed", tuple(checked), (seen,), 0.0)

    return run


def test_what_has_nothing_to_do_with_the_failure_goes(tmp_path: Path):
    given_ = loaded(tmp_path)
    runs = list[str]()
    dogs = lambda scenario: "animal" in str(scenario.scene.things) and len(scenario.scene.sounds or ()) > 0  # noqa: E731
    made = minimise(given_, stub(dogs), progress=lambda n, left: runs.append(f"{n} {left}"))
    kept = yaml.safe_load(made.text)
    assert [thing["is"] for thing in kept["scene"]["things"]] == ["animal"]
    assert [sound["is"] for sound in kept["scene"]["sounds"]] == ["bell"]
    assert list(kept["expect"]) == ["action"]
    assert "perturb" not in kept
    assert "known_failure" not in kept
    assert kept["scenario"].endswith("(minimised)")
    assert made.whole
    assert made.expectation == "action"
    assert made.after < made.before
    assert made.runs == len(runs) + 1
    written = write_minimised(tmp_path / "small.scenario.yaml", given_, made)
    assert stub(dogs)(written).status == "failed"


def test_runs_that_are_used_up_are_said_and_what_was_found_is_kept(tmp_path: Path):
    made = minimise(loaded(tmp_path), stub(lambda scenario: "animal" in str(scenario.scene.things)), most=4)
    assert not made.whole
    assert made.runs == 4
    assert "animal" in made.text


@pytest.mark.parametrize(
    ("broken", "asked", "most", "told"),
    [
        pytest.param(
            lambda s: False, None, 9, "nothing fails, so that nothing can be made smaller; it is passed", id="-"
        ),
        pytest.param(lambda s: True, "rely_on[0]", 9, "'rely_on[0]' does not fail; what does: action", id="another"),
        pytest.param(lambda s: True, None, 1, "1 runs at most; two are needed to begin with", id="one run"),
    ],
)
def test_what_cannot_be_made_smaller_is_said(
    tmp_path: Path, broken: Callable[[Any], bool], asked: str | None, most: int, told: str
):
    with pytest.raises(InputError) as caught:
        minimise(loaded(tmp_path), stub(broken), expectation=asked, most=most)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dog.scenario.yaml", "is the scenario itself"),
        ("there.scenario.yaml", "is there already"),
        ("small.yaml", "name it *.scenario.yaml"),
    ],
)
def test_a_place_that_will_not_do_is_refused(tmp_path: Path, name: str, told: str):
    (tmp_path / "there.scenario.yaml").write_text("x")
    given_ = loaded(tmp_path)
    made = minimise(given_, stub(lambda scenario: "animal" in str(scenario.scene.things)))
    with pytest.raises(InputError, match=told.replace("*", r"\*")):
        write_minimised(tmp_path / name, given_, made)


TEXTS = st.text("ab: #-'\"é\n", max_size=9)
NUMBERS = st.integers(-1000, 1000) | st.floats(-1e6, 1e6).map(lambda x: round(x, 4))
NAMES = st.text("abc", min_size=1, max_size=4)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_written_is_read_again(plain: Any):
    assert yaml.safe_load(to_yaml(plain)) == plain
