"""The metrics by name, on decisions of systems whose inside is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import EYES, READER, SENTENCE, Split, Toy, hears_tone, linear, picture, reads_cat, sees_red, sound
from veridical.errors import InputError
from veridical.modalities.array import Array
from veridical.modalities.attribution import attribute
from veridical.modalities.engines.methods import find_method
from veridical.modalities.observation import prepare
from veridical.verifier.metrics.case import Case, Explained
from veridical.verifier.metrics.suite import METRICS, find_metric

WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 3.0, -0.25])
TABLE = Array("table", [("a", "b", "c", "d", "e")], baseline=0.5)
SCENE = {"vision": picture(2), "audio": sound(), "text": SENTENCE}


class Raw(Toy):
    """One score alone."""

    actions = ("worth",)

    def __call__(self, inputs):
        return self.score(inputs)[:, None]


def everything(inputs):
    return sees_red(inputs) + hears_tone(inputs) + reads_cat(inputs)


def explained(system, observation, name: str = "integrated-gradients", **options) -> Explained:
    prepared = prepare(system, observation)
    case = Case(system, prepared, **options)
    method = find_method(name)
    return Explained(case, method, attribute(system, prepared, method, case.target, diagnosed=False))


@pytest.fixture(scope="module")
def table():
    return explained(Toy(linear({"table": WEIGHTS}, 0.7), TABLE), {"table": [1.0, 2.0, 3.0, -1.0, 0.25]})


@pytest.fixture(scope="module")
def seen():
    return explained(Toy(everything), SCENE, "occlusion")


def test_contributions_of_a_linear_score_are_perfect_by_every_measure(table):
    """Removal to the baseline of the path: what integrated gradients say is what happens."""
    assert METRICS["faithfulness-correlation"](table).figure == pytest.approx(1)
    assert METRICS["infidelity"](table).figure == pytest.approx(0, abs=1e-9)
    assert METRICS["infidelity-share"](table).figure == pytest.approx(0, abs=1e-9)
    assert METRICS["completeness-gap"](table).figure == pytest.approx(0, abs=1e-5)
    assert METRICS["completeness-share"](table).figure == pytest.approx(0, abs=1e-5)


def test_units_are_scored_by_the_probability_of_the_decision(table):
    x, w = np.array([1.0, 2.0, 3.0, -1.0, 0.25]), WEIGHTS.numpy()
    score = 0.7 + x @ w  # STOP against GO, in nats; it is negative, so that the decision is GO
    assert table.case.action == int(score < 0)
    assert table.case.score == pytest.approx(abs(score), rel=1e-5)
    sign = 1 if score > 0 else -1
    order = np.argsort(-sign * w * (x - 0.5))
    rows = [np.where(np.isin(np.arange(5), order[:k]), 0.5, x) for k in range(6)]
    chances = [1 / (1 + np.exp(-sign * (0.7 + row @ w))) for row in rows]
    found: Any = METRICS["unit-deletion"](table)
    np.testing.assert_allclose(found.curve.scores, chances, rtol=1e-5)
    assert found.figure == pytest.approx(np.mean(np.add(chances[1:], chances[:-1])) / 2, rel=1e-5)
    assert "probability of the action decided on; evidence units of table (baseline)" in found.protocol


def test_every_metric_has_a_figure_for_a_scene_of_all_senses(seen):
    results = {name: metric(seen) for name, metric in METRICS.items()}
    missing = {name: r.reason for name, r in results.items() if r.value is None}
    assert missing == {
        "completeness-gap": "the method promises no sum",
        "completeness-share": "the method promises no sum",
    }
    assert all(r.metric == name for name, r in results.items())
    assert results["unit-srg"].figure > 0.3
    assert results["srg"].figure > 0
    assert results["faithfulness-correlation"].figure > 0.8
    assert results["insertion"].figure > results["deletion"].figure


def test_the_negative_of_a_map_is_as_much_worse(seen):
    turned = Explained(seen.case, seen.method, _scaled(seen.attribution, -1.0))
    plain = METRICS["faithfulness-correlation"](seen).figure
    assert METRICS["faithfulness-correlation"](turned).figure == pytest.approx(-plain)
    assert METRICS["comprehensiveness"](turned).figure < METRICS["comprehensiveness"](seen).figure
    assert METRICS["unit-srg"](turned).figure < 0 < METRICS["unit-srg"](seen).figure


def _scaled(attribution, factor: float):
    maps = {
        m: {k: replace(v, values=(factor * v.values).astype(np.float32)) for k, v in views.items()}
        for m, views in attribution.maps.items()
    }
    return replace(attribution, maps=maps)


def test_a_system_that_is_split_has_the_same_figures_and_encodes_other_senses_once():
    system = Split(everything)
    whole, split = explained(Toy(everything), SCENE, "occlusion"), explained(system, SCENE, "occlusion")
    system.encoded.clear()
    for name in ("deletion", "road"):
        assert METRICS[name](split).figure == pytest.approx(METRICS[name](whole).figure, rel=1e-5)
    assert [m for m, _ in system.encoded].count("text") == 1


def test_what_was_scored_once_is_not_scored_again(seen):
    METRICS["unit-srg"](seen)
    before = seen.case.effects.scored
    METRICS["unit-deletion"](seen)
    METRICS["infidelity-share"](seen)
    METRICS["infidelity"](seen)
    METRICS["faithfulness-correlation"](seen)
    METRICS["infidelity-share"](seen)
    assert seen.case.effects.scored - before <= 101  # one set of random subsets, and the input


def test_the_same_seed_gives_the_same_figures():
    def figures(seed: int):
        found = explained(Toy(everything), SCENE, "gradient-times-input", seed=seed)
        return [METRICS[n](found).figure for n in ("road", "faithfulness-correlation", "max-sensitivity")]

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


def test_words_have_no_pixels_and_no_small_change():
    found = explained(Toy(reads_cat, READER), {"text": SENTENCE})
    assert METRICS["deletion"](found).reason == METRICS["road"](found).reason == "the observation has no picture"
    assert "no agreed size" in METRICS["max-sensitivity"](found).reason
    assert METRICS["comprehensiveness"](found).figure > 0.5
    assert METRICS["sufficiency"](found).figure == pytest.approx(0, abs=0.05)


def test_max_sensitivity_moves_pictures_and_leaves_words():
    found = explained(Toy(lambda inputs: sees_red(inputs) + reads_cat(inputs), EYES, READER), {
        "vision": picture(), "text": SENTENCE}, "gradient-times-input")  # fmt: skip
    result = METRICS["max-sensitivity"](found)
    assert 0 < result.figure < 0.2
    assert result.protocol.startswith("vision: 10 neighbours")


def test_a_map_of_one_sense_is_no_account_of_several(seen):
    eyes_alone = _only(seen.attribution, "vision")
    found = Explained(seen.case, seen.method, eyes_alone)
    assert METRICS["unit-srg"](found).reason == "audio: the method gives no map of it"
    assert METRICS["srg"](found).figure == METRICS["srg"](seen).figure


def _only(attribution, sense: str):
    return replace(attribution, maps={sense: attribution.maps[sense]})


def test_a_lone_score_is_taken_as_it_is():
    found = explained(Raw(linear({"table": WEIGHTS}), TABLE), {"table": [1.0, 2.0, 3.0, -1.0, 0.25]})
    result: Any = METRICS["unit-deletion"](found)
    assert result.curve.scores[0] == pytest.approx(float(WEIGHTS @ torch.tensor([1.0, 2.0, 3.0, -1.0, 0.25])), rel=1e-5)
    assert "score; evidence units" in METRICS["unit-deletion"](found).protocol


def test_a_system_that_does_not_look_has_no_figure_of_order_and_no_correlation():
    blind = Toy(lambda inputs: 0 * inputs["table"].sum(1) + 1.0, TABLE)
    found = explained(blind, {"table": [1.0, 2.0, 3.0, -1.0, 0.25]}, "occlusion")
    for name in ("unit-deletion", "unit-srg", "comprehensiveness", "sufficiency"):
        assert "constant" in METRICS[name](found).reason
    assert METRICS["faithfulness-correlation"](found).reason == "no subset changes the score"
    assert METRICS["infidelity"](found).value is None
    assert METRICS["entropy"](found).reason == METRICS["sparsity"](found).reason == "the map is zero everywhere"


def test_an_unknown_metric_is_told_what_is_near():
    with pytest.raises(InputError, match="no metric 'insertoin'; near it: insertion"):
        find_metric("insertoin")
