"""The benchmark of combinations: which scenes it takes, what it holds to be true, and how it counts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import combinations
from benchmarks.combinations import COMBINED, NONE, Row, summarise, true_interactions
from tests.fusion.test_coalitions import cat, redness
from tests.toys import EYES, READER, SENTENCE, Toy, laboratory, picture
from veridical.fusion.interactions import Evidence, Interaction
from veridical.modalities.observation import prepare
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.policy import RULES
from veridical.scenarios.courier.scene import Cause, render, sample_scene
from veridical.verifier.pairs import PairSettings, PairTest

FIRST = FIRST_SEED + 1_000_000
NOTHING: Any = None  # what is not asked for
ANIMAL, TAME = Cause("animal", "vision", 0), Cause("tame", "text", 1)
HIT = Row(
    seed=1,
    kind="combination",
    rule=COMBINED,
    action="SLOW",
    true=3.0,
    tests=({"measured": 2.0},),
    local=(1.0,),
    path=(1.5,),
    right=True,
    found=True,
    passes=100,
)
CLEAN = replace(HIT, kind="single", rule="siren", true=0.2, right=None, found=False, passes=300)


def kinds(scene: Any) -> list[str]:
    return [c.kind for c in scene.causes]


def test_shares_of_known_rows():
    wrong = replace(HIT, right=False, true=-5.0)
    missed = replace(HIT, right=False, found=False, tests=(), local=(), path=())
    combining = replace(CLEAN, true=-NONE, found=True)
    told = summarise([HIT, wrong, missed, CLEAN, combining])
    assert told["pair_found"] == {"share": 1 / 3, "interval": list(wilson(1, 3)), "count": 3}
    assert told["any_found_in_combinations"]["share"] == 2 / 3
    assert told["false"] == {"share": 0.5, "interval": list(wilson(1, 2)), "count": 2}
    assert told["false_where_rendering_shows_none"] == {"share": 0.0, "interval": list(wilson(0, 1)), "count": 1}
    assert told["true_interaction"] == {"combination": 3.0, "single": pytest.approx(0.35)}
    assert told["pairs"] == 4
    assert told["passes"] == 100


def test_rank_correlations_are_over_all_pairs_and_none_where_there_are_too_few():
    one = replace(
        HIT, tests=tuple({"measured": x} for x in (1.0, 2.0, 3.0)), local=(1.0, 3.0, 2.0), path=(4.0, 5.0, 9.0)
    )
    told = summarise([one])
    assert told["rank_correlation_with_measured"] == {"local": pytest.approx(0.5), "path": pytest.approx(1)}
    flat = replace(one, local=(2.0, 2.0, 2.0))
    assert summarise([flat])["rank_correlation_with_measured"] == {"local": None, "path": pytest.approx(1)}
    assert summarise([HIT, CLEAN])["rank_correlation_with_measured"] == {"local": None, "path": None}


def test_of_no_rows_nothing_is_found():
    told = summarise([])
    assert told["pair_found"] == {"share": 0.0, "interval": [0.0, 1.0], "count": 0}
    assert told["true_interaction"] == {"combination": None, "single": None}
    assert (told["pairs"], told["passes"]) == (0, 0.0)


class Parts:
    """A scene of numbers by sense; each can be left out."""

    def __init__(self, **values: tuple[float, ...]) -> None:
        self.values = {m: values.get(m, ()) for m in ("vision", "audio", "text")}
        thing, sound = SimpleNamespace(kind="thing"), SimpleNamespace(kind="sound")
        self.things = [SimpleNamespace(stamp=thing) for _ in self.values["vision"]]
        self.sounds = [SimpleNamespace(clip=sound) for _ in self.values["audio"]]
        self.instruction = SimpleNamespace(clauses=[SimpleNamespace(kind="clause") for _ in self.values["text"]])

    def without(self, cause: Cause) -> Parts:
        mine = self.values[cause.sense]
        return Parts(**{**self.values, cause.sense: mine[: cause.index] + mine[cause.index + 1 :]})


def test_of_a_product_true_interactions_are_products_of_parts(monkeypatch):
    def encoded(courier: Any, scene: Parts) -> dict[str, Tensor]:
        return {m: torch.tensor([[sum(values)]]) for m, values in scene.values.items()}

    def decide(features: Mapping[str, Tensor]) -> Tensor:
        score = features["vision"] * features["text"] + 5 * features["audio"]
        return torch.cat((score, torch.zeros(1, 1)), 1)

    monkeypatch.setattr(combinations, "_encoded", encoded)
    courier: Any = SimpleNamespace(decide=decide)
    scene: Any = Parts(vision=(2.0, 0.5), audio=(1.0,), text=(3.0, -1.0))
    found = true_interactions(courier, scene, 0)
    assert len(found) == 2 * 1 + 2 * 2 + 1 * 2
    for (a, b), value in found.items():
        both = {a.sense, b.sense} == {"vision", "text"}
        product = scene.values[a.sense][a.index] * scene.values[b.sense][b.index]
        assert value == pytest.approx(product if both else 0, abs=1e-5)
    other = true_interactions(courier, scene, 1)
    assert other == {pair: pytest.approx(-value) for pair, value in found.items()}


@pytest.mark.usefixtures("stamps")
def test_a_true_interaction_of_courier_is_that_of_four_whole_renderings():
    courier = load()
    scenes = (sample_scene(seed, "held-out", COMBINED) for seed in range(FIRST, FIRST + 500))
    scene = next(s for s in scenes if (len(s.causes), len(s.things), len(s.sounds)) == (2, 1, 1))
    found = true_interactions(courier, scene, 1)
    animal, tame = (next(c for c in scene.causes if c.kind == kind) for kind in ("animal", "tame"))
    assert len(found) == 1 + 2 * len(scene.instruction.clauses)

    def score(rendered: Any) -> float:
        with torch.no_grad():
            inputs = {m: p.tensor for m, p in prepare(courier, render(rendered)).items()}
            return float(decision_score(courier(inputs), 1)[0])

    without = scene.without(animal), scene.without(tame), scene.without(animal).without(tame)
    expected = score(scene) - score(without[0]) - score(without[1]) + score(without[2])
    assert found[animal, tame] == pytest.approx(expected, abs=0.02)


def pair(a: Evidence, b: Evidence, *, found: bool = True) -> PairTest:
    return PairTest(Interaction(a, b, ((0.0, 0.0, 2.0),)), 0.01, (59, 59), found)


@pytest.mark.parametrize(
    ("a", "b", "found", "right"),
    [
        (Evidence("vision", (3,)), Evidence("text", (3, 4)), True, True),
        (Evidence("text", (4,)), Evidence("vision", (1, 2, 3)), True, True),
        (Evidence("vision", (3,)), Evidence("text", (4,)), False, False),
        (Evidence("vision", (2,)), Evidence("text", (4,)), True, False),
        (Evidence("vision", (3,)), Evidence("text", (5,)), True, False),
        (Evidence("audio", (3,)), Evidence("text", (4,)), True, False),
        (Evidence("vision", (3,)), Evidence("audio", (4,)), True, False),
    ],
)
def test_the_true_pair_lies_on_the_animal_and_in_the_clause(monkeypatch, a, b, found, right):
    monkeypatch.setattr(combinations, "touched", lambda scene, cause, s: [3] if cause.kind == "animal" else [4])
    scene: Any = SimpleNamespace(causes=(ANIMAL, TAME))
    segmentations: Any = {"vision": None, "audio": None, "text": None}
    assert combinations._right([pair(a, b, found=found)], scene, segmentations) is right
    assert combinations._right([], scene, segmentations) is False


def decided(scene: Any) -> str:
    return scene.rule.action


@pytest.mark.usefixtures("stamps")
def test_a_scene_fits_if_the_decision_is_right_and_hangs_on_every_cause(monkeypatch):
    monkeypatch.setattr(combinations, "_decides", lambda courier, scene: decided(scene))
    fits: Any = combinations._fits
    for seed in range(25):
        combined = sample_scene(seed, "train", COMBINED)
        assert fits(NOTHING, combined, 2) == (sorted(kinds(combined)) == ["animal", "tame"])
        assert not fits(NOTHING, combined, 1)
        single = sample_scene(seed, "train", "siren")
        assert fits(NOTHING, single, 1) == (kinds(single) == ["siren"])
    scene = next(s for k in range(60) if len((s := sample_scene(k, "train", COMBINED)).causes) == 2)
    monkeypatch.setattr(combinations, "_decides", lambda courier, scene: "SLOW")
    assert not fits(NOTHING, scene, 2)  # it does not hang on its causes
    monkeypatch.setattr(combinations, "_decides", lambda courier, scene: "STOP")
    assert not fits(NOTHING, scene, 2)  # it is wrong


@pytest.mark.parametrize(("kind", "wanted"), [("combination", 2), ("single", 1)])
def test_as_many_scenes_are_drawn_as_are_wanted_of_the_rules_in_turn(monkeypatch, kind, wanted):
    asked: list[tuple[int, str, str]] = []

    def drawn(seed: int, partition: str, rule: str) -> int:
        asked.append((seed, partition, rule))
        return seed

    monkeypatch.setattr(combinations, "sample_scene", drawn)
    monkeypatch.setattr(combinations, "_fits", lambda courier, scene, kinds: scene % 3 == 0 and kinds == wanted)
    found = list(combinations._scenes(NOTHING, kind, 4, 300, "train"))
    assert found == [(s, s) for s in (300, 303, 306, 309)]
    assert len(asked) == 10  # and none after the last
    rules = [COMBINED] if kind == "combination" else [r.name for r in RULES if len(r.causes) == 1]
    assert asked == [(s, "train", rules[s % len(rules)]) for s in range(300, 310)]
    monkeypatch.setattr(combinations, "_fits", lambda *args: False)
    asked.clear()
    assert list(combinations._scenes(NOTHING, kind, 2, 0, "train")) == []
    assert len(asked) == 40


@pytest.mark.parametrize(("kind", "right"), [("combination", True), ("single", None)])
def test_a_scene_is_measured_from_gathering_to_the_verdict(monkeypatch, kind, right):
    """A toy before which a word makes a region count, in the place of Courier before a scene."""
    toy: Any = Toy(lambda i: 3 + 4 * redness(i) * cat(i), EYES, READER)
    lab = laboratory(toy, {"vision": picture(), "text": SENTENCE})
    labels = np.unique(lab.segmentations["vision"].labels[0, 16:24, 16:24]).tolist()
    monkeypatch.setattr(combinations, "render", lambda scene: {"vision": picture(), "text": SENTENCE})
    monkeypatch.setattr(combinations, "touched", lambda scene, cause, s: labels if cause.kind == "animal" else [20])
    monkeypatch.setattr(combinations, "true_interactions", lambda *args: {(ANIMAL, TAME): -2.0, (TAME, ANIMAL): 1.0})
    scene: Any = SimpleNamespace(causes=(ANIMAL, TAME), rule=SimpleNamespace(name="it"))
    row = combinations.measure(toy, scene, 7, kind, PairSettings())
    assert (row.seed, row.kind, row.rule, row.action, row.true) == (7, kind, "it", "STOP", -2.0)
    assert row.found
    assert row.right is right
    assert row.passes > 100
    test = row.tests[0]
    assert {test["a"]["sense"], test["b"]["sense"]} == {"vision", "text"}
    assert row.path[0] == pytest.approx(row.local[0], abs=1e-4)  # of second order
    assert test["range"][0] - 1e-4 <= row.local[0] <= test["range"][1] + 1e-4
    assert combinations.measure(toy, scene, 7, kind, PairSettings()) == row


@pytest.fixture
def made_up(monkeypatch) -> None:
    """The command on rows that are made up."""

    def scenes(courier: Any, kind: str, count: int, first: int, partition: str) -> Any:
        assert partition == "held-out"
        return ((seed, f"{kind} {seed}") for seed in itertools.islice(itertools.count(first), count))

    def measure(courier: Any, scene: str, seed: int, kind: str, settings: PairSettings) -> Row:
        assert (courier, scene, settings) == ("courier", f"{kind} {seed}", PairSettings())
        return replace(HIT if kind == "combination" else CLEAN, seed=seed)

    monkeypatch.setattr(combinations, "load", lambda: "courier")
    monkeypatch.setattr(combinations, "_scenes", scenes)
    monkeypatch.setattr(combinations, "measure", measure)


@pytest.mark.usefixtures("made_up")
def test_the_command_prints_json_and_nothing_else_or_a_table(capsys):
    combinations.main(["--scenes", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [(r["seed"], r["kind"]) for r in told["rows"]] == [
        (FIRST, "combination"),
        (FIRST + 1, "combination"),
        (FIRST, "single"),
        (FIRST + 1, "single"),
    ]
    assert told["pair_found"]["share"] == 1
    assert told["false"]["share"] == 0
    combinations.main(["--scenes", "1"])
    shown = capsys.readouterr().out
    assert "combination: the true pair found" in shown
    assert "100.0 %" in shown
    assert "2 pairs: rank correlation" in shown
    assert "not defined" in shown
    assert "200 passes a scene (median)" in shown.replace("\n", " ")


@pytest.mark.usefixtures("made_up")
def test_no_scene_is_refused(capsys):
    with pytest.raises(SystemExit) as left:
        combinations.main(["--scenes", "0"])
    assert left.value.code == 2
    assert "combinations: 0 scenes; give at least 1" in capsys.readouterr().err.splitlines()[-1]
