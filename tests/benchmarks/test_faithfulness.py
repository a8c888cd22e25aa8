"""The benchmark of faithfulness: all methods answer one question, and its figures are what they are called."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from benchmarks import faithfulness
from benchmarks._faithfulness_methods import LONG, METHODS, OURS, Explanation, explain
from benchmarks._faithfulness_metrics import (
    METRICS,
    Even,
    Row,
    SceneRow,
    measure_picture,
    named,
    pixels_of,
    summarise,
)
from benchmarks._faithfulness_subjects import Classifier, Picture, Story, ask, classifier, composites, stories
from benchmarks._subjects import CappedReLU
from benchmarks.faithfulness import Plan, best_of, measure
from tests.toys import EARS, EYES, READER, SENTENCE, Toy, hears_tone, linear, picture, reads_cat, sound, weights
from veridical.errors import InputError
from veridical.modalities.observation import prepare
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.scene import Cause
from veridical.verifier.claims import Claim

GRADIENTS = ("ours-gradient", "ours-few-steps", "ours-path", "integrated-gradients", "smoothgrad-times-change")
BOTH = {"ours-ladder": True, "lime": False}
OBSERVATION: dict[str, Any] = {"vision": picture(2), "audio": sound(), "text": SENTENCE}


class Blocks(nn.Module):
    """Sees how much redder than green each block of 8 x 8 pixels is, and a little of all else."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.conv: Any = nn.Conv2d(3, 4, 8, 8)
        self.relu, self.head = nn.ReLU6(), nn.Linear(4, 2)
        with torch.no_grad():
            self.conv.weight.copy_(0.002 * torch.randn(self.conv.weight.shape, generator=generator))
            self.conv.weight[0, 0], self.conv.weight[0, 1] = 4 / 64, -4 / 64
            self.conv.bias[:] = 0
            self.head.weight.copy_(torch.tensor([[3.0, 0.3, -0.2, 0.1], [0.0] * 4]))
            self.head.bias.copy_(torch.tensor([-4.0, 0.0]))
        self.eval().requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.conv(x)).sum((2, 3)))


class Three(Toy):
    """Sees, hears and reads."""

    def __init__(self) -> None:
        super().__init__(lambda i: self.looks(i) + hears_tone(i) + reads_cat(i), EYES, EARS, READER)
        self.eyes = Blocks()

    def looks(self, inputs: Any) -> torch.Tensor:
        frames = inputs["vision"]
        return self.eyes(frames.flatten(0, 1))[:, 0].unflatten(0, frames.shape[:2]).mean(1)


@pytest.fixture(scope="module")
def seen() -> Picture:
    where = np.zeros((32, 32), bool)
    where[16:24, 16:24] = True
    system = Classifier(Blocks(), ("STOP", "GO"), EYES)
    return Picture("square", ask(system, {"vision": picture()}, "network.relu"), "square", where)


@pytest.fixture(scope="module")
def found(seen) -> dict[str, Explanation]:
    return explain(METHODS, seen.question)


def test_every_method_answers_for_every_unit(seen, found):
    units = seen.question.segmentations["vision"]
    assert list(found) == list(METHODS)
    for explanation in found.values():
        assert explanation.values["vision"].shape == (len(units),)
        assert np.isfinite(explanation.values["vision"]).all()
        assert explanation.evaluations > 0 < explanation.seconds
    inside = set(np.unique(units.labels[0][seen.mask]))
    for name in ("ours-path", "ours-measured", "integrated-gradients", "occlusion", "kernel-shap"):
        assert named(found[name].claims, "vision", frozenset(inside)), name
    cam = found["grad-cam"].pixels
    assert cam is not None
    assert seen.mask[np.unravel_index(cam[0].argmax(), (32, 32))]
    assert found["integrated-gradients"].evaluations == 50
    assert found["smoothgrad"].evaluations == found["smoothgrad-times-change"].evaluations == 25
    assert found["smoothgrad"].seconds == found["smoothgrad-times-change"].seconds


def test_a_seed_gives_the_same_explanations_again(seen, found):
    drawn = ("ours-ladder", "smoothgrad", "kernel-shap")
    state = torch.random.get_rng_state()
    again = explain(drawn, seen.question)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name in drawn:
        np.testing.assert_array_equal(again[name].values["vision"], found[name].values["vision"])
    other = explain(["smoothgrad"], replace(seen.question, seed=1))["smoothgrad"].values["vision"]
    assert not np.array_equal(other, found["smoothgrad"].values["vision"])


def test_of_a_linear_system_all_gradient_methods_say_the_same():
    like = prepare(Toy(lambda i: i["text"].sum((1, 2)), EYES, EARS, READER), OBSERVATION)
    question = ask(Toy(linear(weights(0, like), bias=5.0), EYES, EARS, READER), OBSERVATION, "")
    every = explain([*GRADIENTS, "guided-backprop-times-change"], question)
    first = every["ours-gradient"]
    for name, one in every.items():
        for m, values in one.values.items():
            np.testing.assert_allclose(values, first.values[m], atol=1e-4, err_msg=f"{name} {m}")
        assert one.claims[0].units == first.claims[0].units
        assert one.pixels is not None
        assert one.pixels.sum() == pytest.approx(one.values["vision"].sum(), abs=1e-6)


def test_games_of_an_additive_system_are_won_by_the_effects_of_its_words():
    question = ask(Toy(lambda i: reads_cat(i) + 0.01 * i["text"][:, :, 0].sum(1), READER), {"text": SENTENCE}, "")
    every = explain(["occlusion", "kernel-shap", "lime", "ours-measured"], question)
    laboratory = question.laboratory()
    effects = laboratory.measure([{"text": (u,)} for u in range(30)], {"text": READER.operators[0]}).effect.numpy()
    np.testing.assert_allclose(every["occlusion"].values["text"], -effects, atol=1e-5)
    np.testing.assert_allclose(every["kernel-shap"].values["text"], -effects, atol=1e-3)
    for one in every.values():
        assert one.claims[0].units == (20,)  # "cat"
        assert one.pixels is None


def test_maps_of_the_eyes_say_nothing_of_other_senses_but_guided_gradients_do():
    system: Any = Three()
    question = ask(system, OBSERVATION, "eyes.relu")
    every = explain(["grad-cam", "guided-backprop", "integrated-gradients"], question)
    cam, guided = every["grad-cam"], every["guided-backprop"]
    assert cam.values["vision"].max() > 0
    assert not cam.values["audio"].any()
    assert not cam.values["text"].any()
    assert cam.pixels is not None
    assert cam.pixels.shape == (2, 32, 32)
    assert all(guided.values[m].max() > 0 for m in ("vision", "audio", "text"))
    copied: Any = question.joint._system
    assert isinstance(copied.eyes.relu, CappedReLU)
    assert isinstance(system.eyes.relu, nn.ReLU6)  # the system itself is as it was


@given(st.integers(1, 400), st.integers(1, 30))
def test_steps_are_the_same_from_both_ends(whole, steps):
    counts = Even("even", steps=steps).counts((whole,))
    np.testing.assert_array_equal(counts, whole - counts[::-1])
    assert counts[0] == 0
    assert counts[-1] == whole
    assert (np.diff(counts) > 0).all()


def _values(seen: Picture, values: np.ndarray) -> Explanation:
    return Explanation({"vision": values.astype(np.float64)}, None, (), 1, 1.0)


def test_figures_of_one_picture_obey_their_identities(seen, found):
    truth = found["occlusion"].values["vision"]
    told = {"truth": _values(seen, truth), "against": _values(seen, -truth), "flat": _values(seen, 0 * truth)}
    row, protocols = measure_picture(seen, told)
    f: Any = row.figures
    assert set(f) == set(METRICS) - {"cause_identification"} == set(protocols)
    for where in ("", "_mean"):
        assert f[f"insertion{where}"]["truth"] > f[f"insertion{where}"]["against"]
        assert f[f"deletion{where}"]["truth"] < f[f"deletion{where}"]["against"]
        # What is inserted first is deleted last: with steps even from both ends the three areas are two.
        for name in ("truth", "against"):
            srg = f[f"insertion{where}"][name] - f[f"deletion{where}"][name]
            assert f[f"srg{where}"][name] == pytest.approx(srg, abs=1e-9)
        assert f[f"srg{where}"]["truth"] > 0
        assert f[f"faithfulness_correlation{where}"]["truth"] == pytest.approx(
            -f[f"faithfulness_correlation{where}"]["against"]
        )
        # The optimal scale takes the sign too: infidelity cannot tell a map from its negative.
        assert f[f"infidelity{where}"]["truth"] == pytest.approx(f[f"infidelity{where}"]["against"])
    # At home these are the very effects, of one unit at a time.
    assert f["srg"]["truth"] > f["srg_mean"]["truth"]
    assert f["faithfulness_correlation"]["truth"] > 0.8
    assert f["infidelity_share"]["truth"] < 0.5
    assert f["srg_pixels"]["truth"] > 0 > f["srg_pixels"]["against"]
    assert f["pointing_game"]["truth"] == 1
    assert all(f[metric]["flat"] is None for metric in f)
    assert row.centre == 1.0  # the square is within 15 pixels of the centre
    assert "(surround)" in protocols["insertion"]
    assert "(mean)" in protocols["insertion_mean"]
    assert "mean colour" in protocols["deletion_pixels"]
    assert "blurred" in protocols["insertion_pixels"]


def test_mass_is_where_the_units_lie(seen):
    labels = seen.question.segmentations["vision"].labels[0]
    shares = np.bincount(labels[seen.mask], minlength=labels.max() + 1) / np.bincount(labels.ravel())
    unit = int(shares.argmax())
    one = _values(seen, np.eye(len(shares))[unit])
    row, _ = measure_picture(seen, {"one": one})
    assert row.figures["localisation_mass"]["one"] == pytest.approx(shares[unit])
    assert row.figures["localisation_mass_pixels"]["one"] == pytest.approx(shares[unit])
    assert pixels_of(seen.question, one).sum() == pytest.approx(1)


def test_pictures_without_a_known_object_have_no_localisation(seen):
    one = _values(seen, np.arange(len(seen.question.segmentations["vision"])))
    row, _ = measure_picture(replace(seen, mask=None), {"one": one})
    assert not any(metric.startswith(("pointing", "localisation")) for metric in row.figures)
    assert row.centre is None


@pytest.mark.parametrize(
    ("sense", "units", "wanted"),
    [("text", (3, 4), True), ("text", (3, 9), True), ("text", (3, 8, 9), False), ("audio", (3,), False)],
)
def test_a_claim_names_a_cause_of_its_sense_to_which_half_of_its_units_belong(sense, units, wanted):
    assert named([Claim("c1", sense, units, -1.0)], "text", frozenset((3, 4, 5))) is wanted
    assert not named([], "text", frozenset((3,)))


def row(name: str, kind: str, points: dict[str, float | None], insertion: dict[str, float | None]) -> Row:
    cost = dict.fromkeys(insertion, 1.0)
    figures = {"insertion": insertion, **({"pointing_game": points} if kind else {})}
    return Row(name, kind, "cat", figures, {n: len(name) * s for n, s in cost.items()}, dict.fromkeys(cost, 7), 0.5)


def test_summaries_of_known_rows():
    rows = [
        row("a", "cat", {"ours-ladder": 1.0, "lime": 0.0}, {"ours-ladder": 0.5, "lime": 0.1}),
        row("bb", "cat", {"ours-ladder": 0.0, "lime": 0.0}, {"ours-ladder": 0.7, "lime": None}),
        row("ccc", "dog", {"ours-ladder": 1.0, "lime": None}, {"ours-ladder": 0.6, "lime": 0.4}),
    ]
    scenes = [
        SceneRow(
            1, "bell", "audio", "STOP", {"ours-ladder": True, "lime": False}, {"ours-ladder": 2.0, "lime": 9.0}, {}
        ),
        SceneRow(2, "bell", "audio", "STOP", {"ours-ladder": True}, {"ours-ladder": 4.0}, {}),
        SceneRow(3, "halt", "text", "STOP", {"ours-ladder": False}, {"ours-ladder": 6.0}, {}),
    ]
    told = summarise(rows, scenes)
    json.dumps(told, allow_nan=False)
    assert told["insertion"] == {"ours-ladder": pytest.approx(0.6), "lime": pytest.approx(0.25)}
    assert told["insertion_count"] == {"ours-ladder": 3, "lime": 2}
    low, high = told["insertion_interval"]["ours-ladder"]
    assert 0.5 <= low < 0.6 < high <= 0.7
    value, low, high = told["insertion_ladder_minus_peer"]["lime"]
    assert (value, low, high) == (pytest.approx(0.3), pytest.approx(0.2), pytest.approx(0.4))
    assert told["pointing_game"] == {"ours-ladder": 0.75, "lime": 0.0}  # the mean over kinds: (1/2 + 1) / 2
    assert told["pointing_game_centre"] == 0.5
    assert told["cause_identification"] == {"ours-ladder": pytest.approx(2 / 3), "lime": 0.0}
    assert told["cause_identification_interval"]["ours-ladder"] == list(wilson(2, 3))
    assert told["cause_identification_count"] == {"ours-ladder": 3, "lime": 1}
    assert told["cause_identification_by_sense"] == {
        "audio": {"ours-ladder": [2, 2], "lime": [0, 1]},
        "text": {"ours-ladder": [0, 1], "lime": [0, 0]},
    }
    assert told["seconds_per_explanation"]["lime"] == 2
    assert told["seconds_per_explanation_courier"] == {"ours-ladder": 4, "lime": 9}
    assert told["evaluations_per_explanation"]["ours-ladder"] == 7
    assert told["deletion"] == {}
    assert best_of(told, "insertion") == {"ours-ladder"}


def test_every_method_is_the_first_in_its_turn_and_long_ones_are_left_out():
    plan = Plan(images=1)
    orders = [plan.order(n) for n in range(len(METHODS))]
    assert [order[0] for order in orders] == list(METHODS)
    assert all(sorted(order) == sorted(METHODS) for order in orders)
    assert set(plan.order(3, long=False)) == set(METHODS) - set(LONG)


def test_pictures_and_scenes_go_through(seen, capsys):
    question = ask(Three(), OBSERVATION, "eyes.relu")
    inside = frozenset((20,))
    story = Story(5, question, Cause("cat", "text", 0), inside)
    plan = Plan(images=1, scenes=2, long=1, methods=("ours-path", "kernel-shap", "grad-cam"))
    rows, scenes, protocols = measure(plan, [seen], [story, story])
    assert list(rows[0].seconds) == list(plan.methods)
    assert [list(s.named) for s in scenes] == [list(plan.methods), ["ours-path", "grad-cam"]]
    assert not scenes[0].named["grad-cam"]
    assert "insertion" in protocols
    told = summarise(rows, scenes)
    assert told["counts"] == {"pictures": 1, "composites": 1, "scenes": 2}
    assert "picture square" not in capsys.readouterr().out  # progress goes to stderr


def test_the_command_prints_tables_or_json(monkeypatch, capsys, seen):
    plan = Plan(images=1, scenes=0, methods=("ours-gradient", "grad-cam"))
    found = measure(plan, [seen])
    scene = SceneRow(1, "bell", "audio", "STOP", {"ours-gradient": True}, {"ours-gradient": 2.0}, {"ours-gradient": 3})
    asked: list[Plan] = []
    monkeypatch.setattr(faithfulness, "measure", lambda plan: asked.append(plan) or (found[0], [scene], found[2]))
    faithfulness.main(["--images", "1", "--scenes", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (asked[0].images, asked[0].scenes) == (1, 1)
    assert set(told["insertion"]) == {"ours-gradient", "grad-cam"}
    assert {"seconds_per_explanation", "protocol", *METRICS} <= set(told)
    assert "home" in told["protocol"]
    assert len(told["rows"]) == 2
    faithfulness.main(["--images", "1"])
    out = capsys.readouterr().out
    assert "evidence units, away: mean" in out
    assert "pointing game of the frame's centre: 1.000" in out
    assert "ours-gradient" in out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--images", "-1"], "none below 0"),
        (["--images", "0", "--scenes", "0"], "at least one image or scene is wanted"),
        (["--methods", "guess"], "no method guess; there are ours-gradient"),
    ],
)
def test_plans_that_mean_nothing_are_refused(options, why, capsys):
    with pytest.raises(SystemExit) as left:
        faithfulness.main(options)
    assert left.value.code == 2
    assert why in capsys.readouterr().err.replace("\n", " ")
    with pytest.raises(InputError, match="no method given"):
        Plan(methods=())


@pytest.mark.usefixtures("stamps")
def test_in_a_composite_the_object_makes_the_class():
    one = next(composites(classifier(), FIRST_SEED + 800_000))
    question = one.question
    assert one.mask is not None
    assert one.mask.shape == (224, 224)
    assert one.mask.mean() >= 0.01
    # Another proof than the one it was chosen by: its own pixels, painted over, take the class away.
    frame = question.inputs["vision"].clone()
    frame[0, 0, :, torch.from_numpy(one.mask)] = frame[0, 0].mean((1, 2))[:, None]
    with torch.no_grad():
        before, after = (question.target(question.system({"vision": x})) for x in (question.inputs["vision"], frame))
    assert float(after) < float(before) - 1


@pytest.mark.usefixtures("stamps")
def test_courier_is_explained_in_all_its_senses():
    story = next(stories(1, FIRST_SEED + 500_000))
    found = explain(["ours-gradient", "guided-backprop-times-change", "grad-cam"], story.question)
    assert story.inside
    assert set(found) - set(OURS) == {"guided-backprop-times-change", "grad-cam"}
    for explanation in found.values():
        assert list(explanation.values) == ["vision", "audio", "text"]
        assert explanation.claims
    assert all(found["guided-backprop-times-change"].values[m].any() for m in ("vision", "audio", "text"))
    assert not found["grad-cam"].values["text"].any()
