"""The variants of a scenario: which there are, in which order, and what each of them is."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests import toys
from tests.scenarios.suite.scenario_files import TEXT, composed_of, loaded, refused, scene_of
from veridical.scenarios.suite.compose import compose
from veridical.scenarios.suite.load import read_scenario
from veridical.scenarios.suite.perturb import perturb
from veridical.scenarios.suite.vary import BASE, variants

pytestmark = pytest.mark.usefixtures("stamps")

SCENE = TEXT[TEXT.index("scene:") : TEXT.index("expect:")]


def made(folder, more="", scene=SCENE, system=None):
    """Variants of the file with further keys before ``expect``."""
    return variants(loaded(folder, (SCENE, f"{scene}{more}\n")), system)


def told(folder, more, scene=SCENE):
    """What is said of such a file when its variants are made."""
    return refused(folder, (SCENE, f"{scene}{more}\n"), act=lambda path: variants(read_scenario(path)))


def test_a_scenario_without_variations_has_one_variant(tmp_path):
    found = loaded(tmp_path)
    (base,) = variants(found)
    assert (base.name, dict(base.values), base.perturbations) == (BASE, {}, ())
    assert np.array_equal(base.observation["vision"], compose(scene_of(found)).observation["vision"])
    assert list(composed_of(base).parts) == ["thing 0", "sound 0", "clause 0", "clause 1"]


def test_a_product_has_every_combination_after_the_base(tmp_path):
    found = made(tmp_path, "vary: {thing.0.size: [0.3, 0.6], light: {from: 0.6, to: 1, steps: 3}}")
    assert [v.name for v in found] == [BASE] + [
        f"thing.0.size = {size}, light = {light}" for size in ("0.3", "0.6") for light in ("0.6", "0.8", "1")
    ]
    assert found[4].values == {"thing.0.size": 0.6, "light": 0.6}
    assert composed_of(found[4]).plan.light == 0.6
    assert composed_of(found[4]).plan.things[0].track[0].height == 0.6
    assert [v.values["light"] for v in found[1:4]] == [0.6, 0.8, 1.0]


def test_a_zip_pairs_the_values(tmp_path):
    found = made(tmp_path, "vary: {seed: {seeds: 2, first: 5}, sound.0.level: [-30, -10]}\ncombine: zip")
    assert [dict(v.values) for v in found] == [{}, {"seed": 5, "sound.0.level": -30}, {"seed": 6, "sound.0.level": -10}]
    assert [composed_of(v).plan.sounds[0].level for v in found[1:]] == [-30, -10]


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        ("things.0.which", "fox", lambda c: c.parts["thing 0"].what == "fox"),
        ("scene.things.0.motion", "glimpse", lambda c: c.plan.things[0].track[2].height == 0),
        ("things.0.where", "left", lambda c: c.plan.things[0].track[0].x < 0.2),
        ("background.seed", 9, lambda c: c.plan.background.seed == 9),
        ("background.ground", "street", lambda c: c.plan.background.ground == "road"),
        ("ground", "brick", lambda c: c.plan.background.ground == "brick"),
        ("instruction.1.text", "Halt.", lambda c: c.observation["text"].endswith("Halt.")),
        ("instruction.0", "Halt.", lambda c: c.observation["text"].startswith("Halt.")),
        ("instruction", "Halt.", lambda c: c.observation["text"] == "Halt."),
        ("patch.side", 0.3, lambda c: c.plan.mark is not None and c.plan.mark.side == 0.3),
        ("seconds", 4, lambda c: len(c.observation["vision"]) == 4),
        ("traffic", -40, lambda c: c.plan.sounds[-1].level == -40),
        ("things.0.counts", False, lambda c: c.rule.name == "siren" and not c.plan.things[0].counts),
    ],
)
def test_paths_lead_into_the_scene(tmp_path, path, value, seen):
    word = {False: "false"}.get(value, value) if isinstance(value, bool) else value
    base, one = made(tmp_path, f"vary: {{{path}: [{word}]}}")
    assert seen(one.composed)
    assert not seen(base.composed)
    assert one.values == {path: value}


def test_perturbations_are_of_every_combination(tmp_path):
    more = """perturb:
  - {name: noise, sense: vision, strength: [0.1, 0.2]}
  - [{name: absent, sense: audio}, {name: typo}]"""
    found = made(tmp_path, more)
    assert [v.name for v in found] == [
        BASE,
        "noise of vision, strength 0.1",
        "noise of vision, strength 0.2",
        "absent of audio, strength 1 and typo of text, strength 1",
    ]
    assert [[(p.name, p.sense, p.strength) for p in v.perturbations] for v in found[2:]] == [
        [("noise", "vision", (0.2,))],
        [("absent", "audio", (1.0,)), ("typo", "text", (1.0,))],
    ]
    expected = perturb(found[0].observation, "noise", "vision", 0.2)
    assert np.array_equal(found[2].observation["vision"], expected["vision"])
    assert set(found[3].observation) == {"vision", "text"}
    both = made(tmp_path, f"vary: {{light: [0.7, 0.9]}}\n{more}")
    assert len(both) == 1 + 2 + 2 * 3
    assert both[3].name == "light = 0.7; noise of vision, strength 0.1"
    assert both[3].values == {"light": 0.7}
    assert both[3].composed is both[1].composed


def test_variants_of_one_name_are_numbered(tmp_path):
    found = made(tmp_path, "perturb: [{name: blur, seed: 1}, {name: blur, seed: 2}]")
    assert [v.name for v in found[1:]] == ["blur of vision, strength 1", "blur of vision, strength 1 (2)"]


def test_options_of_a_perturbation_are_read(tmp_path):
    more = """perturb:
  - {name: dropout, sense: vision, frames: 1}
  - {name: insert, text: Go on., first: true}
  - {name: conflict, sense: audio, scene: {partition: train, traffic: null, sounds: [{is: siren, which: synthetic 1}]}}
  - {name: conflict, sense: text, rule: halt}
  - {name: clock-skew, strength: 0.2, early: true}
  - {name: occlusion, strength: 0.1, at: [0.5, 0.5]}
  - {name: noise, sense: audio, span: [0, 1]}"""
    base, lost, added, other, halt, skewed, covered, noisy = (v.observation for v in made(tmp_path, more))
    assert [bool(frame.any()) for frame in lost["vision"]] == [True, False, True]
    assert added["text"] == f"Go on. {base['text']}"
    assert not np.array_equal(other["audio"][0], base["audio"][0])
    assert np.array_equal(other["vision"], base["vision"])
    assert halt["text"] != base["text"]
    shift = round(0.6 * 16000)
    assert np.allclose(skewed["audio"][0][:-shift], base["audio"][0][shift:])
    assert (covered["vision"][:, 112, 112] == 128).all()
    assert np.array_equal(noisy["audio"][0][16000:], base["audio"][0][16000:])


def test_a_patch_is_made_against_the_system(tmp_path):
    more = "perturb: [{name: gradient-patch, strength: 0.1, target: GO}]"
    Image.fromarray(toys.picture()[0]).save(tmp_path / "a.png")
    seen = "observation: {instruction: go down, camera: a.png}\n"
    base, one = made(tmp_path, more, seen, toys.Toy(toys.sees_red))
    assert not np.array_equal(base.observation["vision"][0], one.observation["vision"][0])
    said = told(tmp_path, more, seen)
    assert said == "dog.scenario.yaml:6: perturb.0: a gradient patch is made against a system; give system and target"


def test_an_observation_in_files(tmp_path):
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "b.wav", np.full(800, 0.25), 8000)
    scene = "observation: {camera: [a.png, a.png], microphone: b.wav, instruction: Go on.}\n"
    base, dark = made(tmp_path, "perturb: [{name: darken, strength: 0.5}]", scene)
    assert base.composed is None
    assert [frame.shape for frame in base.observation["vision"]] == [(20, 30, 3)] * 2
    assert base.observation["audio"][1] == 8000
    assert np.allclose(base.observation["audio"][0], 0.25)
    assert base.observation["text"] == "Go on."
    assert (dark.observation["vision"][0] == 45).all()


def test_an_observation_may_leave_senses_out(tmp_path):
    (base,) = made(tmp_path, "", "observation: {instruction: Go on.}\n")
    assert dict(base.observation) == {"text": "Go on."}
    assert told(tmp_path, "perturb: [{name: blur}]", "observation: {instruction: Go on.}\n") == (
        "dog.scenario.yaml:6: perturb.0: blur disturbs vision, which is not observed; observed: text"
    )


def test_a_file_that_is_no_picture_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.wav").write_bytes(b"no sound")
    assert told(tmp_path, "", "observation: {camera: a.png}\n").startswith("dog.scenario.yaml:5: observation.camera: ")
    said = told(tmp_path, "", "observation: {microphone: b.wav}\n")
    assert said.startswith("dog.scenario.yaml:5: observation.microphone: ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("vary: {lihgt: [1]}", "vary.lihgt: leads nowhere in the scene: no 'lihgt'"),
        ("vary: {thing.1.size: [1]}", "vary.thing.1.size: things has 1 items, counted from 0, and no '1'"),
        ("vary: {thing.x.size: [1]}", "vary.thing.x.size: things has 1 items, counted from 0, and no 'x'"),
        ("vary: {thing.0.where.x: [1]}", "vary.thing.0.where.x: things.0.where is a value of its own and has no 'x'"),
        (
            "vary: {thing.0.sise: [1]}",
            "vary.thing.0.sise: with thing.0.sise = 1 the scene is none: things.0.sise: there",
        ),
        (
            "vary: {thing.0.size: [0.5, 5]}",
            "vary.thing.0.size: with thing.0.size = 5 the scene is none: things.0.size: 5",
        ),
        ("vary: {thing.0.which: [lion]}", "scene.things.0.which: no 'lion'"),
        ("vary: {light: [1, 2], seed: [1]}\ncombine: zip", "vary: zip pairs the first"),
        ("vary: {light: {from: 0, to: 1, steps: 64}}", "vary: 65 variants, and at most 64 are made"),
        ("vary: {light: [0, 1]}\nlimit: 2", "limit: 3 variants, and at most 2 are made; vary less, or raise limit"),
        (
            "vary: {light: {from: 0, to: 1, steps: 900}, seed: {seeds: 900}}",
            "vary: 810000 combinations, and limit is 64",
        ),
        ("perturb: [{name: dropout, sense: vision, frames: 3}]", "perturb.0: there is no frame 3; there are 3"),
        ("perturb: [{name: conflict, sense: text, rule: non}]", "perturb.0: scene: no rule is named 'non'"),
        (
            "perturb: [{name: conflict, sense: text, scene: {things: [{is: animal, which: lyon}]}}]",
            "perturb.0.scene.things.0.which: no 'lyon'; do you mean 'lion'",
        ),
    ],
)
def test_what_cannot_be_varied_is_told(tmp_path, more, said):
    found = told(tmp_path, more)
    assert found.startswith("dog.scenario.yaml:")
    assert said in found


def test_the_line_is_that_of_the_key(tmp_path):
    assert told(tmp_path, "vary:\n  light: [1]\n  thing.0.sise: [1]").startswith("dog.scenario.yaml:15: vary.thing.0")
    assert told(tmp_path, "vary:\n  light: [1]\n  thing.1.size: [1]").startswith("dog.scenario.yaml:15: vary.thing.1")
