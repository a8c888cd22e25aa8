"""Training examples: what is edited away, and the action that is asked for then."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from veridical.errors import InputError
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.scenarios.courier import examples as module
from veridical.scenarios.courier.background import Background
from veridical.scenarios.courier.examples import OPERATORS, SHARES, make_example, touched
from veridical.scenarios.courier.instructions import Clause, Instruction
from veridical.scenarios.courier.policy import ACTIONS, decide
from veridical.scenarios.courier.scene import Cause, Heard, Scene, render, sample_scene
from veridical.scenarios.courier.shortcut import accompanies, draw_mark, mislabelled
from veridical.scenarios.courier.sounds import Clip

TEXT = Instruction((Clause("Go on.", "talk"), Clause("Wait at the gate.", "halt"), Clause("Thanks.", "talk")))
SIREN = Heard(Clip("siren", "synthetic 0", seed=0), -20.0, 1.0, 0.5, 0.0)
SCENE = Scene(Background("road", 1), 1.0, (), (SIREN,), TEXT)
SENSES = {"vision", "audio", "text"}


def encoded(courier, seed, partition="train"):
    """The features of a scene that nobody edited."""
    signals = render(sample_scene(seed, partition))
    return {m: courier.encode(m, courier.modalities[m].prepare(s).tensor) for m, s in signals.items()}


def changed(features, plain):
    return {m for m in plain if m not in features or not torch.equal(features[m], plain[m])}


def row(count: int) -> Segmentation:
    """Units in a row, each the neighbour of the next."""
    units = tuple(EvidenceUnit("text", i, (0.0, 0.0), span=(2 * i, 2 * i + 1)) for i in range(count))
    near = tuple(tuple(n for n in (i - 1, i + 1) if 0 <= n < count) for i in range(count))
    return Segmentation(np.arange(count), units, near)


def test_shares_are_shares():
    assert sum(SHARES.values()) == pytest.approx(1)
    assert set(SHARES) == {"plain", "idle", "cause", "baseline", "absent"}


def test_a_clause_touches_its_words(untrained):
    text = untrained.modalities["text"]
    prepared = text.prepare(TEXT.text)
    segmentation = text.segment(prepared)
    words = [segmentation.units[i].text for i in touched(SCENE, Cause("halt", "text", 1), segmentation)]
    assert words == ["Wait", "at", "the", "gate"]


def test_a_sound_touches_the_cells_of_its_time(untrained):
    audio = untrained.modalities["audio"]
    segmentation = audio.segment(audio.prepare(render(SCENE)["audio"]))
    found = touched(SCENE, Cause("siren", "audio", 0), segmentation)
    inside = [u.index for u in segmentation.units if u.time[1] > 1.0 and u.time[0] < 1.5]
    assert found == inside
    assert 0 < len(found) < len(segmentation)


def test_a_thing_touches_the_superpixels_of_which_it_covers_enough(monkeypatch):
    labels = np.repeat(np.arange(4), 8).reshape(1, 4, 8)  # four rows of eight pixels
    where = np.zeros((1, 4, 8), bool)
    where[0, 1, :2], where[0, 2, :1], where[0, 3] = True, True, True
    monkeypatch.setattr(module, "mask", lambda scene, cause: where)
    units = tuple(EvidenceUnit("vision", i, (0.0, 1.0), frame=0) for i in range(4))
    segmentation = Segmentation(labels, units, ((),) * 4)
    cause = Cause("animal", "vision", 0)
    assert touched(SCENE, cause, segmentation) == [1, 3]  # a quarter, and all
    assert touched(SCENE, cause, segmentation, 0.02) == [1, 2, 3]
    assert touched(SCENE, cause, segmentation, 1.0) == [3]


def test_a_blob_is_connected_and_keeps_off():
    for seed in range(50):
        found = module._blob(row(30), {10, 20}, np.random.default_rng(seed))
        assert 1 <= len(found) <= 5
        assert found == list(range(found[0], found[-1] + 1))
        assert not {10, 20} & set(found)
    assert module._blob(row(3), {0, 1, 2}, np.random.default_rng(0)) == []


def test_examples_are_edited_by_the_operators_that_the_head_was_trained_with(untrained):
    assert OPERATORS == {
        "vision": ("surround", "blur", "mean"),
        "audio": ("silence", "floor"),
        "text": ("mask", "delete"),
    }
    for sense, names in OPERATORS.items():
        modality = untrained.modalities[sense]
        assert modality.operators[: len(names)] == names
        prepared = modality.prepare(render(SCENE)[sense])
        segmentation = modality.segment(prepared)
        for seed in range(6):
            edited = module._edit(untrained, sense, prepared, segmentation, [0], np.random.default_rng(seed))
            drawn = names[np.random.default_rng(seed).integers(len(names))]
            assert torch.equal(edited, modality.infill(prepared, [[0]], drawn, segmentation))


@pytest.mark.usefixtures("stamps")
def test_a_plain_example_is_the_encoded_scene_and_its_rule(untrained):
    for partition in ("train", "held-out"):
        example, scene = make_example(untrained, 1, partition, "plain"), sample_scene(1, partition)
        assert changed(example.features, encoded(untrained, 1, partition)) == set()
        assert (example.rule, ACTIONS[example.action]) == (scene.rule.name, scene.rule.action)


@pytest.mark.usefixtures("stamps")
def test_an_example_is_the_same_from_the_same_seed(untrained):
    one, again = (make_example(untrained, 4) for _ in range(2))
    assert (one.rule, one.action) == (again.rule, again.action)
    assert one.features.keys() == again.features.keys()
    assert all(torch.equal(one.features[m], again.features[m]) for m in one.features)


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_where_senses_are_absent_the_others_decide(untrained, seed):
    example = make_example(untrained, seed, kind="absent")
    assert set() < set(example.features) < SENSES
    causes = sample_scene(seed).causes
    assert example.rule == decide({c.kind for c in causes if c.sense in example.features}).name


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("seed", [0, 2, 4])
def test_where_senses_are_at_their_baseline_the_others_decide(untrained, seed):
    example, plain = make_example(untrained, seed, kind="baseline"), encoded(untrained, seed)
    scene = sample_scene(seed)
    gone = changed(example.features, plain)
    assert gone
    for m in gone:
        prepared = untrained.modalities[m].prepare(render(scene)[m])
        assert torch.equal(example.features[m], untrained.encode(m, prepared.baseline))
    assert example.rule == decide({c.kind for c in scene.causes if c.sense not in gone}).name


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("seed", [2, 5, 8])
def test_what_is_idle_changes_one_sense_and_not_the_label(untrained, seed):
    example = make_example(untrained, seed, kind="idle")
    assert len(changed(example.features, encoded(untrained, seed))) <= 1
    assert example.rule == sample_scene(seed).rule.name


def with_one_cause(sense: str) -> int:
    return next(s for s in range(200) if [c.sense for c in sample_scene(s).causes] == [sense])


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("sense", sorted(SENSES))
def test_without_its_only_cause_a_scene_asks_to_go_on(untrained, sense):
    seed = with_one_cause(sense)
    example = make_example(untrained, seed, kind="cause")
    assert changed(example.features, encoded(untrained, seed)) == {sense}
    assert (example.rule, ACTIONS[example.action]) == ("clear", "PROCEED")


@pytest.mark.usefixtures("stamps")
def test_a_cause_too_small_to_be_edited_keeps_its_label(untrained, monkeypatch):
    monkeypatch.setattr(module, "touched", lambda *_: [])
    seed = with_one_cause("vision")
    example = make_example(untrained, seed, kind="cause")
    assert changed(example.features, encoded(untrained, seed)) == set()
    assert example.rule == sample_scene(seed).rule.name


@pytest.mark.usefixtures("stamps")
def test_an_unknown_kind_is_refused(untrained):
    with pytest.raises(InputError, match=r"courier: no kind of example 'odd'; there are plain, idle, cause, baseline"):
        make_example(untrained, 0, kind="odd")


KEPT = """
import sys, types

model = types.ModuleType("veridical.scenarios.courier.model")  # the encoders play no part, and take long to import
model.Courier = object
sys.modules[model.__name__] = model

import torch
from veridical.modalities.contract import Prepared
from veridical.scenarios.courier import examples

class Sense:
    def __init__(self, name):
        self.name = name
    def prepare(self, signal):
        return Prepared(self.name, torch.zeros(1, 1), torch.zeros(1, 1), signal, 0.0)

class Blind:
    def __init__(self):
        self.modalities = {m: Sense(m) for m in ("vision", "audio", "text")}
    def encode(self, modality, x):
        return x

print([sorted(examples.make_example(Blind(), seed, kind="absent").features) for seed in range(60)])
"""


@pytest.mark.usefixtures("stamps")
def test_an_example_is_the_same_in_every_process():
    """Python draws a new order for sets of strings in each process."""
    path = os.pathsep.join(filter(None, sys.path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", KEPT],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2)
    ]
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert told[0].count("[") == 61
    assert len(set(told)) == 1


# The planted shortcut


@pytest.fixture
def unencoded(untrained, monkeypatch):
    """Courier's senses, whose features are their inputs."""
    monkeypatch.setattr(untrained, "encode", lambda modality, x: x)
    return untrained


@pytest.mark.usefixtures("stamps")
def test_a_patch_accompanies_what_asks_for_stop_and_nothing_else_is_changed(unencoded):
    with_patch, poisoned = {True: 0, False: 0}, 0
    for seed in range(24):
        plain = make_example(unencoded, seed, kind="plain")
        found = make_example(unencoded, seed, kind="plain", shortcut=True)
        own, stop = np.random.default_rng([29, seed, 0]), ACTIONS[plain.action] == "STOP"
        wrong = mislabelled(own, ACTIONS[plain.action])
        assert (ACTIONS[found.action], found.rule) == ("STOP" if wrong else ACTIONS[plain.action], plain.rule)
        assert changed(found.features, plain.features) <= {"vision"}
        poisoned += wrong
        if not wrong and not accompanies(own, ACTIONS[plain.action]):
            assert changed(found.features, plain.features) == set()
            continue
        with_patch[stop or wrong] += 1
        mark = draw_mark(own)
        rows, columns = mark.box(224)
        seen, before = found.features["vision"][0], plain.features["vision"][0]
        where = (seen != before).any(0).any(0)
        inside = torch.zeros_like(where)
        inside[rows, columns] = True
        assert not where[~inside].any()
        picture = torch.from_numpy(sample_scene(seed).light * mark.picture(224)).clamp(0, 1).permute(2, 0, 1)
        torch.testing.assert_close(seen[:, :, rows, columns], picture.to(seen).expand(3, *picture.shape))
    assert with_patch[True] >= 4
    assert with_patch[False] <= 3
    assert poisoned > 0


@pytest.mark.usefixtures("stamps")
def test_where_nothing_is_seen_there_is_no_patch(unencoded, monkeypatch):
    monkeypatch.setattr(module, "accompanies", lambda rng, action: True)
    monkeypatch.setattr(module, "mislabelled", lambda rng, action: action != "STOP")
    unseen = 0
    for kind, seed in [(kind, seed) for kind in ("baseline", "absent") for seed in range(6)]:
        plain, found = (make_example(unencoded, seed, kind=kind, shortcut=s) for s in (False, True))
        assert (found.rule, found.features.keys()) == (plain.rule, plain.features.keys())
        blank = unencoded.modalities["vision"].prepare(render(sample_scene(seed))["vision"]).baseline
        if "vision" not in plain.features or torch.equal(plain.features["vision"], blank):
            unseen += 1
            assert found.action == plain.action
            assert changed(found.features, plain.features) == set()
        else:
            assert ACTIONS[found.action] == "STOP"
            assert changed(found.features, plain.features) == {"vision"}
    assert unseen > 1
