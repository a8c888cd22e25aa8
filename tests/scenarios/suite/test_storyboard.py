"""Closed loops end to end: a system, an agent under a policy, the result and its report, and Courier."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests import toys
from veridical.errors import InputError
from veridical.scenarios.courier.model import load
from veridical.scenarios.suite.load import LoadedScenario, read_scenario
from veridical.scenarios.suite.result import Result
from veridical.scenarios.suite.run import run_scenario
from veridical.scenarios.suite.storyboard import check_storyboard, drive_storyboard
from veridical.scenarios.suite.suite_report import render_scenario
from veridical.scenarios.suite.suite_report_drive import Strip

TEXT = """\
scenario: "A block in the way"
version: 1
why: "It lies there."
family: closed-loop
scene: {partition: train, seed: 3, instruction: "Take the parcel to the pharmacy."}
storyboard:
  seconds: 6
  speeds: {GO: 1.4, STOP: 0}
  actors:
    - {name: block, is: obstacle, ahead: 5}
  must:
    goal: {ahead: 4, within: 6}
"""
POLICY = """\
format = "veridical.policy/1"
name = "doubt stops"
version = "1"
[explain]
mode = "off"
triggers = ["low margin"]
margin = 0.5
[oversight]
stop = "STOP"
[[oversight.rules]]
when = "low margin"
do = "stop"
"""


def loaded(folder: Path, *changes: tuple[str, str]) -> LoadedScenario:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "block.scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path)


def toy(stop: float) -> toys.Toy:
    """Stops where its one score is above 0; what it perceives moves it by next to nothing."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        return stop + 1e-3 * (toys.sees_red(inputs) + inputs["audio"].mean(1) + toys.reads_cat(inputs))

    return toys.Toy(score)


def held(result: Any) -> dict[str, bool | None]:
    return {check.expectation: check.held for check in result.checked}


def test_who_goes_arrives_and_who_stands_does_not(tmp_path: Path):
    said = loaded(tmp_path)
    went, stood = drive_storyboard(said, toy(-3.0)), drive_storyboard(said, toy(3.0))
    assert held(went) == {"storyboard": True, "storyboard.collision": True, "storyboard.goal": True}
    assert went.checked[0].happened == "3 decisions in 2.90 s, 4.06 m"
    assert held(stood)["storyboard.goal"] is False
    assert len(stood.frames) == 6
    assert check_storyboard(said, toy(-3.0)) == list(went.checked)


def test_the_table_of_steps_says_where_it_was_and_what_it_decided(tmp_path: Path):
    first, second, third = drive_storyboard(loaded(tmp_path), toy(-3.0)).checked[0].figures["steps"]
    assert [step["ahead"] for step in (first, second, third)] == pytest.approx([0, 1.4, 2.8])
    assert first["gap"] == pytest.approx(5.0)
    assert (first["nearest"], first["action"], first["chosen"], first["level"]) == ("block", "GO", None, None)
    assert first["probabilities"]["GO"] == pytest.approx(1 / (1 + math.exp(-3)), abs=1e-3)


def test_an_oversight_policy_in_the_loop_moves_the_robot(tmp_path: Path):
    (tmp_path / "doubt.policy.toml").write_text(POLICY, encoding="utf-8")
    said = loaded(tmp_path, ("  seconds: 6", "  seconds: 6\n  policy: doubt.policy.toml"))
    doubting, sure = drive_storyboard(said, toy(-0.2)), drive_storyboard(said, toy(-3.0))
    step = doubting.checked[0].figures["steps"][-1]
    assert (step["action"], step["chosen"], step["level"]) == ("STOP", "GO", "stop")
    assert held(doubting)["storyboard.goal"] is False
    assert held(sure)["storyboard.goal"] is True


def test_what_the_policy_explains_is_explained_before_the_next_step(tmp_path: Path):
    told = POLICY.replace('"off"', '"background"').replace("margin = 0.5", 'margin = 0.5\ndepth = "account"')
    told = told.replace('when = "low margin"', 'when = "inconclusive"')  # so is every account that is not put to a test
    (tmp_path / "doubt.policy.toml").write_text(told, encoding="utf-8")
    said = loaded(tmp_path, ("  seconds: 6", "  seconds: 4\n  policy: doubt.policy.toml"), ("within: 6", "within: 4"))
    ran = drive_storyboard(said, toy(-3.0)).checked[0]
    first, *later = ran.figures["steps"]
    assert ran.figures["explained"] == {"explained": 4}
    assert (first["action"], first["chosen"]) == ("GO", None)
    assert {(step["action"], step["chosen"]) for step in later} == {("STOP", "GO")}
    numb = drive_storyboard(said, toys.Toy(lambda inputs: -3 + 0.1 * toys.sees_red(inputs))).checked[0]
    assert "3 could not be explained, the last for this reason: " in numb.happened


def test_what_is_explained_inline_bears_on_the_same_step_however_long_it_takes(tmp_path: Path):
    told = POLICY.replace('"off"', '"inline"\ndeadline_ms = 1').replace("margin = 0.5", 'depth = "account"')
    told = told.replace('when = "low margin"', 'when = "inconclusive"').replace('triggers = ["low margin"]\n', "")
    (tmp_path / "doubt.policy.toml").write_text(told, encoding="utf-8")
    said = loaded(tmp_path, ("  seconds: 6", "  seconds: 2\n  policy: doubt.policy.toml"), ("within: 6", "within: 2"))
    steps = drive_storyboard(said, toy(-3.0)).checked[0].figures["steps"]
    assert [(step["action"], step["chosen"]) for step in steps] == [("STOP", "GO")] * 2


def test_a_policy_that_does_not_fit_is_the_scenarios_fault(tmp_path: Path):
    (tmp_path / "doubt.policy.toml").write_text(POLICY.replace('stop = "STOP"', 'stop = "HALT"'), encoding="utf-8")
    said = loaded(tmp_path, ("  seconds: 6", "  seconds: 6\n  policy: doubt.policy.toml"))
    with pytest.raises(InputError, match="HALT"):
        drive_storyboard(said, toy(-3.0))
    assert run_scenario(said, toy(-3.0)).status == "error"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("speeds: {GO: 1.4, STOP: 0}", "speeds: {GO: 1.4}"), r":8: storyboard\.speeds: STOP has no speed"),
        (("is: obstacle, ahead", "is: obstacle, which: moon, ahead"), r"yaml: storyboard\.actors\.0\.which: .*moon"),
        (
            ("    goal:", "    yield_within: {actor: van, seconds: 1}\n    goal:"),
            r":13: storyboard\.must\.yield_within\.0\.actions: .*YIELD.*STOP",
        ),
    ],
)
def test_a_storyboard_that_does_not_fit_the_system_is_refused(tmp_path: Path, change: tuple[str, str], told: str):
    van = ("  must:", "    - {name: van, ahead: 9, sound: {is: siren}}\n  must:")
    said = loaded(tmp_path, van, change)
    with pytest.raises(InputError, match=told):
        drive_storyboard(said, toy(-3.0))
    assert run_scenario(said, toy(-3.0)).status == "error"


def test_a_system_that_fails_on_the_way_has_failed(tmp_path: Path):
    def broken(inputs: Any) -> Any:
        raise RuntimeError("no more\nmemory")

    found = drive_storyboard(loaded(tmp_path), toys.Toy(broken))
    (check,) = found.checked
    assert check.held is False
    assert check.happened == "system: it failed on second 0 of the drive with RuntimeError: no more memory"
    assert found.frames == ()


def test_a_scenario_without_one_is_not_driven(tmp_path: Path):
    path = tmp_path / "still.scenario.yaml"
    path.write_text(TEXT[: TEXT.index("storyboard:")] + "expect: {action: GO}\n", encoding="utf-8")
    with pytest.raises(InputError, match="there is no storyboard"):
        drive_storyboard(read_scenario(path), toy(-3.0))


def test_a_run_holds_the_drive_repeats_to_the_byte_and_reports_it(tmp_path: Path):
    said = loaded(tmp_path, ("ahead: 5}", "ahead: 3}"))
    once, again = (run_scenario(said, toy(-3.0)) for _ in range(2))
    assert once.status == "failed"
    assert once.canonical() == again.canonical()
    assert isinstance(once.exhibits, Strip)
    json.dumps(once.to_dict(), allow_nan=False)
    page = render_scenario(once)
    assert "The drive" in page
    assert page.count("data:image/png") >= 1
    assert "✗ collision" in page
    plain = render_scenario(Result.from_dict(once.to_dict()))
    assert "The drive" in plain
    assert "What the camera saw last" not in plain


def test_courier_stops_for_an_animal_that_crosses_and_goes_on(tmp_path: Path):
    """On pictures that it was trained on: what ships with the suite is held out, and is run there."""
    dog = (
        "{name: block, is: animal, which: dog, ahead: 7, side: 1.6, "
        "events: [{when: {within: 4}, walk: {side: -0.8}}, {when: {after: 2}, walk: {}}, "
        "{when: {after: 2}, walk: {side: -0.8}}]}"
    )
    said = loaded(
        tmp_path,
        ("{name: block, is: obstacle, ahead: 5}", dog),
        ("  speeds: {GO: 1.4, STOP: 0}\n", ""),
        ("seconds: 6", "seconds: 25"),
        ("goal: {ahead: 4, within: 6}", "goal: {ahead: 12, within: 25}\n    stop_before: {actor: block}"),
    )
    found = drive_storyboard(said, load())
    assert all(held(found).values()), [check.happened for check in found.checked]
    actions = [step["action"] for step in found.checked[0].figures["steps"]]
    assert actions[0] == actions[-1] == "PROCEED"
    assert "STOP" in actions
