"""Shapley values of evidence: exact by enumeration, or estimated by KernelSHAP."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from captum.attr import KernelShap as TheirKernelShap
from captum.attr import ShapleyValues as TheirShapleyValues
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modalities.engines.blackbox.test_coalitions import (
    ALL,
    MANY,
    PAIR,
    WORDS,
    additive,
    asked,
    blind,
    both,
    either,
    flat,
    mixed,
)
from tests.modalities.engines.blackbox.test_occlusion import feature_mask
from tests.toys import READER, SENTENCE, Split, Toy, reads_cat
from veridical.errors import InputError
from veridical.modalities.engines.blackbox.coalitions import all_coalitions
from veridical.modalities.engines.blackbox.shapley import (
    Estimate,
    KernelShap,
    Plan,
    estimate_shapley,
    halves,
    plan_coalitions,
    shapley_values,
)
from veridical.modalities.engines.task import Method


def by_permutations(worth: np.ndarray) -> np.ndarray:
    """Shapley's definition: each player's effect, averaged over all orders of coming in."""
    players = len(worth).bit_length() - 1
    total = np.zeros(players)
    for order in itertools.permutations(range(players)):
        there = 0
        for player in order:
            total[player] += worth[there | 1 << player] - worth[there]
            there |= 1 << player
    return total / math.factorial(players)


games = st.integers(2, 6).flatmap(lambda n: st.lists(st.floats(-8, 8), min_size=2**n, max_size=2**n)).map(np.array)


def worth_of(present: np.ndarray) -> np.ndarray:
    """A game of ten: each alone, some in twos and threes."""
    x = present.astype(float)
    alone = x @ np.linspace(-1, 1, 10)
    return alone + 2 * x[:, 0] * x[:, 1] - 3 * x[:, 2] * x[:, 3] * x[:, 4] + np.tanh(x[:, 5:].sum(1) - 2)


def test_it_is_a_method():
    assert isinstance(KernelShap(), Method)


@settings(max_examples=40, deadline=None)
@given(games)
def test_enumeration_is_the_average_over_all_orders(worth: np.ndarray):
    np.testing.assert_allclose(shapley_values(worth), by_permutations(worth), atol=1e-9)
    assert shapley_values(worth).sum() == pytest.approx(worth[-1] - worth[0], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(games)
def test_the_regression_over_all_coalitions_gives_the_same(worth: np.ndarray):
    """Lundberg and Lee's theorem 2; the "drawn" part is a last pair with half of its weight."""
    players = len(worth).bit_length() - 1
    present = all_coalitions(players)[1:-1]
    size = present.sum(1)
    weights = (players - 1) / (np.array([math.comb(players, s) for s in size]) * size * (players - size))
    pair = np.array([present[0], ~present[0]] * 2)
    present, inside = np.concatenate([present, pair]), np.concatenate([worth[1:-1], worth[[1, -2]], worth[[1, -2]]])
    weights = np.concatenate([weights, np.zeros(4)])
    found = estimate_shapley(Plan(present, weights, len(present) - 4), inside, worth[0], worth[-1])
    np.testing.assert_allclose(found.values, by_permutations(worth), atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(games, st.integers(0, 5))
def test_players_that_are_alike_have_alike_and_a_bystander_has_nothing(worth: np.ndarray, which: int):
    players = len(worth).bit_length() - 1
    index = np.arange(len(worth))
    one = which % players
    idle = worth[index & ~(1 << one)]
    assert shapley_values(idle)[one] == pytest.approx(0, abs=1e-12)
    other = (one + 1) % players
    swapped = index & ~(1 << one) & ~(1 << other) | (index >> one & 1) << other | (index >> other & 1) << one
    values = shapley_values(worth + worth[swapped])
    assert values[one] == pytest.approx(values[other], abs=1e-9)


@pytest.mark.parametrize(("players", "samples"), [(5, 20), (5, 31), (6, 40), (10, 100), (10, 1000), (64, 1000)])
def test_a_plan_keeps_to_its_budget_and_weighs_each_size_as_the_kernel_does(players: int, samples: int):
    plan = plan_coalitions(players, samples, np.random.default_rng(0))
    size = plan.present.sum(1)
    assert samples - 3 <= len(plan.present) <= samples - 2
    assert size.min() == 1
    assert size.max() == players - 1
    first, second = plan.present[plan.listed :: 2], plan.present[plan.listed + 1 :: 2]
    assert np.array_equal(first, ~second)
    assert len(first) >= 4
    listed, drawn = set(size[: plan.listed].tolist()), set(size[plan.listed :].tolist())
    assert {1, players - 1} <= listed
    assert not listed & drawn
    for s in listed:
        mass = plan.weights[: plan.listed][size[: plan.listed] == s]
        assert len(mass) == math.comb(players, s)
        assert mass.sum() == pytest.approx((players - 1) / (s * (players - s)))
    whole = sum((players - 1) / (s * (players - s)) for s in range(1, players))
    assert plan.weights.sum() == pytest.approx(whole)
    assert len(np.unique(plan.present[: plan.listed], axis=0)) == plan.listed


def test_halves_of_a_plan_share_its_draws_and_weigh_each_size_alike():
    plan = plan_coalitions(10, 101, np.random.default_rng(0))
    pairs = (len(plan.present) - plan.listed) // 2
    parts = halves(plan)
    for rows, half in parts:
        assert half.weights.sum() == pytest.approx(plan.weights.sum())
        assert np.array_equal(half.present, plan.present[rows])
        assert np.array_equal(half.weights[: plan.listed], plan.weights[: plan.listed])
    drawn = [rows[plan.listed :] for rows, _ in parts]
    assert np.concatenate(drawn).tolist() == list(range(plan.listed, plan.listed + 2 * pairs))
    assert (drawn[1][0] - plan.listed) % 2 == 0


def test_estimates_are_right_on_average_and_their_standard_errors_are_those_that_are_seen():
    exact = shapley_values(worth_of(all_coalitions(10)))
    ends = worth_of(np.array([[False] * 10, [True] * 10]))
    spread = {}
    for samples in (80, 320):
        found: list[Estimate] = []
        for seed in range(200):
            plan = plan_coalitions(10, samples, np.random.default_rng(seed))
            found.append(estimate_shapley(plan, worth_of(plan.present), *ends))
        values = np.array([f.values for f in found])
        np.testing.assert_allclose(values.sum(1), ends[1] - ends[0], atol=1e-10)
        seen = spread[samples] = values.std(0)
        assert np.abs(values.mean(0) - exact).max() < 5 * seen.max() / 200**0.5
        ratio = np.sqrt(np.mean([f.errors**2 for f in found], 0)) / seen
        assert ratio.min() > 0.75
        assert ratio.max() < 1.35
    assert (spread[320] < 0.7 * spread[80]).all()


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_linear_score_the_values_are_its_contributions_enumerated_or_not(kind: type[Toy]):
    for observation, method in ((WORDS, KernelShap()), (WORDS, KernelShap(20, exact=0)), (MANY, KernelShap(300))):
        task, expected = additive(observation, kind)
        found = method.run(task)
        for m in observation:
            np.testing.assert_allclose(found.values[m], expected[m], atol=2e-5)
        assert found.gap == pytest.approx(0, abs=1e-6)
        assert found.facts["enumerated"] is (method.samples is None)
        if method.samples:
            assert max(found.facts["standard_errors"]["text"]) < 1e-5
            assert found.stability == pytest.approx(1, abs=1e-3)
            assert found.notes == ()
            assert method.samples - 1 <= found.facts["samples"] <= method.samples


def test_as_many_samples_as_coalitions_enumerate_them():
    task = asked(Toy(both, READER), WORDS)
    found = KernelShap(32, exact=0).run(task)
    assert found.facts["enumerated"] is True
    assert found.facts["evaluations"] == 33
    assert np.array_equal(found.values["text"], KernelShap().run(task).values["text"])


def test_of_a_product_and_of_an_alternative_each_has_half_and_a_bystander_nothing():
    for score in (both, either):
        found = KernelShap().run(asked(Toy(score, READER), PAIR))
        np.testing.assert_allclose(found.values["text"], [0, 0.5, 0.5, 0], atol=1e-12)
        assert found.facts["score_without_evidence"] == 0.0
        assert found.gap == pytest.approx(0, abs=1e-12)


def test_a_product_of_two_among_thirty_words_is_estimated():
    found = KernelShap(2000).run(asked(Toy(both, READER), {"text": SENTENCE.replace("street", "siren")}))
    values, errors = found.values["text"], np.array(found.facts["standard_errors"]["text"])
    truth = np.zeros(30)
    truth[[values.argsort()[-1], values.argsort()[-2]]] = 0.5
    assert set(values.argsort()[-2:].tolist()) == {8, 20}
    assert (np.abs(values - truth) < 5 * errors + 1e-9).all()
    assert errors.max() < 0.05


def test_exact_values_are_captums():
    def score(inputs):
        return torch.tanh(inputs["text"] @ torch.linspace(-1, 2, 8)).sum(1) ** 2

    task = asked(Toy(score, READER), {"text": "cat siren door dog"})
    theirs = TheirShapleyValues(lambda x: task.scorer({"text": x})).attribute(
        task.inputs["text"], baselines=task.baselines["text"], feature_mask=feature_mask(task), perturbations_per_eval=8
    )
    first = [int(np.flatnonzero(task.segmentations["text"].labels == u)[0]) for u in range(4)]
    np.testing.assert_allclose(KernelShap().run(task).values["text"], theirs[0, first, 0].numpy(), rtol=1e-4, atol=1e-5)


def test_where_sampling_does_not_matter_values_are_captums_kernel_shap():
    task, _ = additive({"text": "cat siren door dog go stop"})
    torch.manual_seed(0)
    theirs = TheirKernelShap(lambda x: task.scorer({"text": x})).attribute(
        task.inputs["text"], baselines=task.baselines["text"], feature_mask=feature_mask(task), n_samples=200
    )
    first = [int(np.flatnonzero(task.segmentations["text"].labels == u)[0]) for u in range(6)]
    np.testing.assert_allclose(KernelShap(25, exact=0).run(task).values["text"], theirs[0, first, 0].numpy(), atol=1e-3)


def test_whole_senses_come_and_go_and_their_units_share_alike():
    system = Split(mixed)
    task = asked(system, ALL)
    found = KernelShap(players="senses").run(task)
    by_sense = found.facts["senses"]
    worth = np.zeros(8)
    for k, row in enumerate(all_coalitions(3)):
        inputs = {}
        for there, (m, p) in zip(row, task.prepared.items(), strict=True):
            s = task.segmentations[m]
            inputs[m] = task.senses[m].infill(p, [() if there else range(len(s))], task.senses[m].operators[0], s)
        worth[k] = float(mixed(inputs)[0])
    np.testing.assert_allclose(list(by_sense.values()), by_permutations(worth), atol=1e-5)
    for m, values in found.values.items():
        np.testing.assert_allclose(values, by_sense[m] / len(task.segmentations[m]))
    assert found.facts["evaluations"] == 9
    assert found.facts["encoded"] == dict.fromkeys(ALL, 3)
    assert found.notes == ("whole senses came and went: the units of a sense share its value evenly",)


def test_a_sense_without_units_has_no_part_in_it():
    found = KernelShap(players="senses").run(asked(Toy(mixed), {**ALL, "text": ""}))
    assert list(found.facts["senses"]) == ["vision", "audio"]
    assert found.values["text"].shape == (0,)
    nothing = KernelShap().run(asked(Toy(reads_cat, READER), {"text": ""}))
    assert (nothing.gap, nothing.facts["evaluations"]) == (0.0, 2)
    assert KernelShap().run(asked(Toy(reads_cat, READER), {"text": "cat"})).values["text"] == pytest.approx([4])


def test_a_callable_without_gradient_will_do():
    assert KernelShap().run(asked(Toy(blind, READER), PAIR)).values["text"] == pytest.approx([0, 2, 2, 0])


def test_a_seed_decides_the_draws_and_a_second_run_gives_the_same_bits():
    method = KernelShap(260)
    first, second, other = (flat(method.run(asked(Toy(mixed), ALL, seed)).values) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    chunked = flat(KernelShap(260, chunk=7).run(asked(Toy(mixed), ALL, 1)).values)
    np.testing.assert_allclose(first, chunked, atol=1e-4)


def test_values_as_small_as_their_errors_bring_a_note():
    def parity(inputs):
        there = (inputs["text"] != task.baselines["text"]).any(2).sum(1)
        return (there % 2).float()

    task = asked(Toy(parity, READER), {"text": SENTENCE})
    found = KernelShap(80).run(task)
    assert any("ask for more samples" in note for note in found.notes)
    assert found.stability is not None
    assert found.stability < 0.9


def test_too_few_samples_for_the_players_are_refused():
    with pytest.raises(InputError, match="60 samples for 30 players; give at least 70, or ask for players 'senses'"):
        KernelShap(60).run(asked(Toy(reads_cat, READER), {"text": SENTENCE}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"exact": 21}, "exact 21; 0 to 20 players"),
        ({"exact": -1}, "exact -1"),
        ({"players": "words"}, "players 'words'; one of units, senses"),
        ({"samples": 0}, "0 samples"),
        ({"chunk": 0}, "chunk 0"),
    ],
)
def test_settings_out_of_range_are_refused(unchecked: None, wrong: dict, message: str):
    with pytest.raises(InputError, match=f"kernel-shap: {message}"):
        KernelShap(**wrong)


def test_of_the_courier_the_senses_values_sum_to_what_they_do_together():
    from veridical.scenarios.courier import load

    system = load()
    task = asked(system, system.example())
    found = KernelShap(players="senses").run(task)
    assert found.gap == pytest.approx(0, abs=1e-5)
    whole = found.facts["score"] - found.facts["score_without_evidence"]
    assert sum(found.facts["senses"].values()) == pytest.approx(whole, abs=1e-5)
    assert found.facts["encoded"] == {"vision": 3, "audio": 3, "text": 3}
    assert max(abs(v) for v in found.facts["senses"].values()) > 0.5
