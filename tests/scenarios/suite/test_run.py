from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import toys
from tests.scenarios.suite import trial_sample as sample
from veridical.agent.log.log import Log, Query
from veridical.scenarios.suite.load import LoadedScenario, read_scenario
from veridical.scenarios.suite.result import Result
from veridical.scenarios.suite.run import reproduced_by, run_scenario

HEAD = """
scenario: "A cat, and a siren"
version: 1
why: "Two words ask for the same."
family: right-reason
tags: [cat]
"""
READ = f"""
observation: {{instruction: "{sample.TEXT}"}}
"""


def loaded(folder: Path, expect: str, more: str = "", observed: str = READ) -> LoadedScenario:
    path = folder / "cat.scenario.yaml"
    path.write_text(f"{HEAD}{observed}{more}\nexpect: {expect}\n", encoding="utf-8")
    return read_scenario(path)


def reader(cat: float = 4.0, siren: float = 2.0, bias: float = 0.0) -> toys.Toy:
    return toys.Split(sample.reads(cat, siren, bias), toys.READER)


def test_a_scenario_that_holds_passes_and_repeats_to_the_byte(tmp_path: Path):
    reasons = "rely_on: [{words: cat, least: 0.6}], not_rely_on: {words: siren, most: 0.4}"
    said = loaded(tmp_path, f"{{action: STOP, {reasons}}}")
    first, second = (run_scenario(said, reader()) for _ in range(2))
    assert first.status == "passed", first.failures
    assert first.good
    assert first.canonical() == second.canonical()
    assert first.scenario.title == "A cat, and a siren"
    assert first.scenario.system == "toy"
    assert [seen.action for seen in first.variants] == ["STOP"]
    assert first.seconds > 0
    json.dumps(first.to_dict(), allow_nan=False)
    assert reproduced_by(first).endswith("cat.scenario.yaml")


def test_a_scenario_that_does_not_hold_fails_and_says_what_happened(tmp_path: Path):
    result = run_scenario(loaded(tmp_path, "{action: GO}"), reader())
    (failure,) = result.failures
    assert result.status == "failed"
    assert (failure.expected, failure.happened) == ("GO", "STOP (>99\u00a0%)")


@pytest.mark.parametrize(("expect", "status"), [("GO", "known failure"), ("STOP", "unexpectedly passed")])
def test_a_known_failure_is_strict(tmp_path: Path, expect: str, status: str):
    said = loaded(tmp_path, f"{{action: {expect}}}", "known_failure: {reason: it never saw a cat}")
    result = run_scenario(said, reader())
    assert result.status == status
    assert result.scenario.known_failure == "it never saw a cat"


def test_perturbed_variants_are_decided_and_told(tmp_path: Path):
    said = loaded(tmp_path, "{same_as: scene, action: STOP}", "perturb: [{name: dropout, sense: text, strength: 1.0}]")
    result = run_scenario(said, reader(bias=-1.0))
    assert len(result.variants) == 2
    assert result.variants[1].perturbed == ("dropout of text, strength 1",)
    assert result.variants[1].action == "GO"
    assert result.status == "failed"


def test_a_system_that_fails_is_a_failed_check(tmp_path: Path):
    def fails(inputs):
        raise RuntimeError("no\nmemory")

    result = run_scenario(loaded(tmp_path, "{action: STOP}"), toys.Toy(fails, toys.READER))
    assert result.status == "failed"
    assert "RuntimeError: no memory" in result.failures[0].happened
    assert result.variants[0].fault is not None


def test_a_system_that_is_none_is_an_error_and_no_traceback(tmp_path: Path):
    result = run_scenario(loaded(tmp_path, "{action: STOP}", "system: no-such-system"))
    assert result.status == "error"
    assert "no system is named 'no-such-system'" in result.failures[0].happened
    assert not result.good


def test_what_does_not_fit_the_system_is_a_failed_check(tmp_path: Path):
    result = run_scenario(loaded(tmp_path, "{action: STOP}"), toys.Toy(toys.sees_red, toys.EYES))
    assert result.status == "failed"
    assert "unknown modality 'text'" in result.failures[0].happened


def test_a_report_is_written_into_a_folder_or_a_file(tmp_path: Path):
    said = loaded(tmp_path, "{action: STOP, rely_on: {words: cat}}")
    result = run_scenario(said, reader(), report=tmp_path / "reports")
    assert result.report == str(tmp_path / "reports" / "cat.html")
    assert "A cat, and a siren" in (tmp_path / "reports" / "cat.html").read_text(encoding="utf-8")
    blocked = tmp_path / "folder.html"
    blocked.mkdir()
    missing = run_scenario(said, reader(), report=blocked)
    assert missing.report is None
    assert missing.status == "passed"
    assert "no report was written" in missing.notes[-1]


def test_the_outcome_and_its_explanations_are_logged(tmp_path: Path):
    said = loaded(tmp_path, "{verdict: [supported, unsupported, inconclusive]}")
    with Log.open(tmp_path / "home") as log:
        result = run_scenario(said, reader(), log=log)
        assert result.status == "passed", result.failures
        entries = [entry.statement for entry in log.entries()]
        kinds = [statement.kind for statement in entries]
        assert kinds[-2:] == ["decision", "note"]
        note, decision = entries[-1], entries[-2]
        assert note.predicate["event"] == "scenario"
        assert note.predicate["detail"]["status"] == "passed"
        assert note.subjects == (("cat.scenario.yaml", said.digest),)
        assert decision.predicate["labels"]["scenario"] == "cat"
        assert log.count(Query(kind="note")) == 1


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path):
    said = loaded(tmp_path, "{action: STOP}")
    with Log.open(tmp_path / "home"):
        pass
    with Log.open(tmp_path / "home", read_only=True) as log:
        result = run_scenario(said, reader(), log=log)
    assert result.status == "error"
    assert result.failures[-1].expectation == "log"


def test_progress_is_told(tmp_path: Path):
    told: list[tuple[str, float]] = []
    said = loaded(tmp_path, "{action: STOP}")
    run_scenario(said, reader(), progress=lambda stage, share: told.append((stage, share)))
    assert told[0] == ("load", 0.0)
    assert told[-1] == ("check", 1.0)


COURIER = """
scene:
  partition: train
  things: [{is: animal, where: ahead, size: 0.5}]
  instruction: ["Take the parcel to the pharmacy.", "Mind the step."]
"""


def test_courier_stops_for_the_animal_and_for_that_reason(stamps: Path, tmp_path: Path):
    del stamps  # the scene is made of them
    said = loaded(
        tmp_path,
        "{action: STOP, rely_on: {thing: 0, least: 0.5}, counterfactual: [{without: {thing: 0}, action: PROCEED}]}",
        observed=COURIER,
    )
    result = run_scenario(said)
    assert isinstance(result, Result)
    assert result.status == "passed", [check.to_dict() for check in result.failures]
    assert result.reliance is not None
    names = [group["name"] for group in result.reliance["groups"]]
    assert names == ["thing 0", "rest of the picture", "rest of the sound", "clause 0", "clause 1"]
