"""What the format takes and refuses, in models and as a JSON Schema."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from tests.scenarios.suite.scenario_files import TEXT, composed_of
from veridical.scenarios.suite import schema_storyboard
from veridical.scenarios.suite.load import read_scenario
from veridical.scenarios.suite.perturb_names import KINDS, SENSES
from veridical.scenarios.suite.schema import Scenario, scenario_schema
from veridical.scenarios.suite.vary import variants

SCHEMA = jsonschema.Draft202012Validator(scenario_schema())


def given(**more):
    """The file's data, with other keys."""
    return {**yaml.safe_load(TEXT), **more}


def faults(**more):
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(given(**more))
    return [(one.get("ctx", {}).get("at"), one["msg"]) for one in caught.value.errors()]


def test_the_schema_in_the_package_is_the_one_that_is_read_by():
    kept = files("veridical.scenarios.suite") / "schema" / "scenario-1.schema.json"
    assert json.loads(kept.read_text("utf-8")) == scenario_schema()


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(scenario_schema())


def test_every_key_is_described():
    plain = []
    for name, model in {**scenario_schema()["$defs"], "Scenario": scenario_schema()}.items():
        for key, told in model.get("properties", {}).items():
            if "description" not in told:
                plain.append(f"{name}.{key}")
    assert plain == []


DRIVE = {"must": {"goal": {"ahead": 5, "within": 30}}}

FULL = {
    "tags": ["siren"],
    "known_failure": {"reason": "It does not know geese."},
    "vary": {"thing.0.size": [0.3, 0.6], "light": {"from": 0.6, "to": 1.1, "steps": 4}, "seed": {"seeds": 3}},
    "combine": "product",
    "limit": 100,
    "perturb": [
        {"name": "noise", "sense": "vision", "strength": [0.1, 0.2], "seed": 1},
        [{"name": "absent", "sense": "audio"}, {"name": "blur", "frames": -1}],
        {"name": "conflict", "sense": "audio", "scene": {"sounds": [{"is": "bell"}]}},
    ],
    "expect": {
        "on": "all",
        "action": ["STOP", "SLOW"],
        "not_action": "PROCEED",
        "probability": {"of": "STOP", "least": 0.5},
        "rely_on": [
            {"thing": 0, "least": 0.2},
            {"sound": 0},
            {"words": "Creep past animals."},
            {"sense": "audio"},
            {"concept": "animal"},
            {"region": [0.0, 0.0, 0.5, 1]},
        ],
        "not_rely_on": {"words": "pharmacy", "most": 0.05},
        "verdict": {"not": "unsupported"},
        "same_as": "scene",
        "direction": [{"of": "STOP", "when": "thing.0.size", "goes": "up", "slack": 0.1}],
        "counterfactual": [{"without": {"thing": 0}, "action": "PROCEED"}],
        "robust": {"perturbation": "noise", "sense": "vision", "least": 0.05},
        "latency_ms": {"decision": 1000},
        "oversight": {"policy": "file.toml", "level": "hand over"},
    },
}


def test_everything_that_can_be_said():
    data = given(**FULL)
    SCHEMA.validate(data)
    read = Scenario.model_validate(data)
    assert read.expect.action == ("STOP", "SLOW")
    assert read.expect.not_rely_on[0].words == "pharmacy"
    assert read.expect.verdicts == ("supported", "inconclusive")
    assert [part.what for part in read.expect.rely_on] == ["thing", "sound", "words", "sense", "concept", "region"]
    assert [[spec.senses for spec in together] for together in read.perturb] == [
        [("vision",)],
        [("audio",), ("vision",)],
        [("audio",)],
    ]
    again = Scenario.model_validate(read.model_dump(mode="json", by_alias=True, exclude_unset=True))
    assert again == read


@pytest.mark.parametrize(
    "more",
    [
        {"versoin": 1},
        {"version": 2},
        {"version": True},
        {"family": "Right Reason"},
        {"scenario": ""},
        {"expect": {"action": []}},
        {"expect": {"verdict": "sound"}},
        {"scene": {"things": [{"is": "ghost"}]}},
        {"scene": {"things": [{"is": "animal", "size": "0.5"}]}},
        {"scene": {"seconds": 31}},
        {"perturb": [{"name": "nose"}]},
        {"limit": 0},
        {"vary": {"light": 3}},
        {"vary": {"light": {"from": 1, "to": 2, "steps": 1}}},
    ],
)
def test_what_the_json_schema_refuses_the_reader_refuses(more):
    assert not SCHEMA.is_valid(given(**more))
    faults(**more)


@pytest.mark.parametrize(
    ("more", "at", "said"),
    [
        ({"observation": {"instruction": "Go."}}, "", "both are given"),
        ({"scene": None}, "", "neither is given"),
        ({"scene": None, "observation": {}}, "", "nothing is observed"),
        ({"expect": {}}, "", "nothing is expected"),
        ({"expect": {"on": "scene"}}, "", "nothing is expected"),
        ({"expect": {"rely_on": [{"thing": 1}]}}, "expect.rely_on.0.thing", "the scene has 1"),
        ({"expect": {"rely_on": [{"patch": True}]}}, "expect.rely_on.0.patch", "give it a patch"),
        ({"expect": {"rely_on": [{"words": "pharmacie"}]}}, "expect.rely_on.0.words", "does not stand"),
        ({"expect": {"rely_on": [{"thing": 0, "sound": 0}]}}, "", "thing and sound together"),
        ({"expect": {"rely_on": [{"least": 0.2}]}}, "", "nothing named"),
        ({"expect": {"rely_on": [{"region": [0.5, 0, 0.5, 1]}]}}, "region", "is empty"),
        ({"expect": {"action": "STOP", "not_action": "STOP"}}, "not_action", "expected and forbidden"),
        ({"expect": {"same_as": "scene"}}, "expect.same_as", "no variants"),
        ({"expect": {"action": "STOP", "on": "variants"}}, "expect.on", "no variants"),
        ({"expect": {"probability": {"of": "STOP"}}}, "", "every probability"),
        ({"expect": {"probability": {"of": "STOP", "least": 0.6, "most": 0.5}}}, "least", "more than most"),
        ({"expect": {"robust": {"perturbation": "nose", "least": 0.1}}}, "perturbation", "do you mean 'noise'"),
        ({"expect": {"robust": {"perturbation": "noise", "least": 0.1}}}, "sense", "can disturb vision, audio"),
        ({"expect": {"robust": {"perturbation": "insert", "least": 0.1}}}, "perturbation", "no strengths"),
        ({"expect": {"latency_ms": {}}}, "", "nothing is timed"),
        ({"expect": {"oversight": {"policy": "a.toml"}}}, "", "nothing is expected of the policy"),
        (
            {"expect": {"counterfactual": {"without": {"words": "animals."}, "action": "STOP"}}},
            "expect.counterfactual.0.without.words",
            "no whole item",
        ),
        ({"expect": {"counterfactual": {"without": {"thing": 0}}}}, "", "nothing is expected of the scene"),
        (
            {"expect": {"direction": {"of": "STOP", "when": "light", "goes": "up"}}},
            "expect.direction.0.when",
            "is not varied",
        ),
        ({"perturb": [{"name": "blur", "text": "Go."}]}, "text", "does not read it"),
        ({"perturb": [{"name": "blur", "sense": "audio"}]}, "sense", "cannot be disturbed"),
        ({"perturb": [{"name": "noise", "sense": "audio", "frames": [0]}]}, "frames", "is of vision"),
        ({"perturb": [{"name": "noise", "sense": "audio", "span": [1, 1]}]}, "span", "earlier one first"),
        ({"perturb": [{"name": "gradient-patch"}]}, "target", "is missing"),
        ({"perturb": [{"name": "conflict", "sense": "text", "rule": "halt", "scene": {}}]}, "scene", "beside rule"),
        ({"scene": {"sounds": [{"is": "bell", "start": 3}]}}, "sounds.0.start", "begin earlier"),
        ({"scene": {"things": [{"is": "tree", "seen": [3, 4]}]}}, "things.0.seen", "the last frame is 2"),
        ({"scene": {"things": [{"is": "tree", "seen": [2, 1]}]}}, "seen", "earlier one first"),
        (
            {"scene": {"things": [{"is": "tree", "size": 1, "motion": {"track": [{"x": 0, "foot": 1, "height": 1}]}}]}},
            "motion",
            "leave out where",
        ),
    ],
)
def test_what_no_schema_can_say_is_refused(more, at, said):
    ((found, told),) = faults(**more)
    assert found == at
    assert said in told


def test_an_observation_in_files_has_no_things_and_no_scene_to_vary():
    seen = {"scene": None, "observation": {"instruction": "Go on."}}
    assert faults(**seen, expect={"rely_on": [{"thing": 0}]})[0][0] == "expect.rely_on.0.thing"
    assert faults(**seen, vary={"light": [1, 2]})[0][0] == "vary"
    assert faults(**seen, storyboard=DRIVE)[0][0] == "storyboard"
    told = {"counterfactual": {"without": {"words": "Go on."}, "action": "STOP"}}
    assert faults(**seen, expect=told)[0][0] == "expect.counterfactual.0.without.words"
    read = Scenario.model_validate(given(**seen, expect={"rely_on": {"words": "Go"}}))
    assert read.expect.rely_on[0].what == "words"


def test_a_storyboard_says_itself_what_must_hold():
    data = {key: value for key, value in given(storyboard=DRIVE, scene={}).items() if key != "expect"}
    assert SCHEMA.is_valid(data)
    assert Scenario.model_validate(data).expect.action is None
    del data["storyboard"]
    assert not SCHEMA.is_valid(data)
    with pytest.raises(ValidationError, match="the key is missing; add 'expect'"):
        Scenario.model_validate(data)


def test_nothing_in_a_scenario_changes():
    read = Scenario.model_validate(given())
    with pytest.raises(ValidationError, match="frozen"):
        read.limit = 3


DOCS = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text("utf-8")


def test_the_guide_names_every_key_and_every_perturbation():
    own = schema_storyboard.__name__
    driven = {name for name, each in vars(schema_storyboard).items() if getattr(each, "__module__", "") == own}
    models = {name: told for name, told in scenario_schema()["$defs"].items() if name not in driven}
    keys = {key for told in [scenario_schema(), *models.values()] for key in told.get("properties", {})}
    silent = [key for key in sorted(keys | set(KINDS)) if not re.search(rf"\b{re.escape(key)}\b", DOCS)]
    assert silent == []
    table = DOCS[DOCS.index("## The perturbations") : DOCS.index("## `expect`")]
    assert [name for name in KINDS if f"| `{name}` | " not in table] == []
    for name, kind in KINDS.items():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{name}` | "))
        senses = row.split(" | ")[1]
        assert senses == ("all" if kind.senses == SENSES else ", ".join(kind.senses)), name


def test_the_guides_example_is_a_scenario(tmp_path, stamps):
    text = DOCS[DOCS.index("```yaml\n") + 8 :]
    path = tmp_path / "known-dog.scenario.yaml"
    path.write_text(text[: text.index("```")], "utf-8")
    found = variants(read_scenario(path))
    assert len(found) == 1 + 2 + 2 * 2
    assert {composed_of(variant).rule.name for variant in found} == {"known animal"}
