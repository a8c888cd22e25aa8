"""Coalitions of senses: what is done alone, and what only together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import (
    CAT,
    READER,
    SENTENCE,
    Dropping,
    Split,
    Toy,
    laboratory,
    linear,
    picture,
    reads_cat,
    sees_red,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.fusion.coalitions import MOST, Coalition, Coalitions, measure_coalitions
from veridical.modalities.observation import prepare

OBSERVATION = {"vision": picture(), "audio": sound(), "text": SENTENCE}
WEIGHTS = weights(3, prepare(Toy(linear({})), OBSERVATION))
NAMES = ("vision", "audio", "text", "touch")


def measured(system: Any, observation: Mapping[str, Any] = OBSERVATION, action: int = 0) -> Coalitions:
    return measure_coalitions(system, prepare(system, observation), action)


def redness(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return (sees_red(inputs) + 3) / 12


def cat(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return inputs["text"][:, :, CAT].sum(1)


def game(*values: float) -> Coalitions:
    """Coalitions of as many senses as the values allow; values by size of the coalition, then in order."""
    senses = NAMES[: len(values).bit_length() - 1]
    every = [frozenset(c) for n in range(len(senses) + 1) for c in itertools.combinations(senses, n)]
    return Coalitions(senses, dict(zip(every, values, strict=True)))


VALUE = st.floats(-100, 100, allow_subnormal=False)
GAMES = st.integers(1, 4).flatmap(lambda count: st.lists(VALUE, min_size=2**count, max_size=2**count))
"""Values of all coalitions of one to four senses."""


@given(GAMES)
@settings(deadline=None)
def test_dividends_and_shapley_values_add_up_to_the_difference(values: list[float]):
    found = game(*values)
    dividends, shapley = found.dividends(), found.shapley()
    assert len(dividends) == 2 ** len(found.senses) - 1
    assert sum(dividends.values()) == pytest.approx(found.difference, abs=1e-9)
    assert sum(shapley.values()) == pytest.approx(found.difference, abs=1e-9)
    assert tuple(shapley) == found.senses


@given(GAMES)
@settings(deadline=None)
def test_every_score_is_the_sum_of_the_dividends_inside_it(values: list[float]):
    """Moebius inversion, which makes the dividends the only such numbers."""
    found = game(*values)
    dividends, nothing = found.dividends(), found.scores[frozenset()]
    for coalition, score in found.scores.items():
        inside = sum(d for members, d in dividends.items() if members <= coalition)
        assert nothing + inside == pytest.approx(score, abs=1e-9)


@given(GAMES)
@settings(deadline=None)
def test_shapley_values_are_the_mean_over_all_orders(values: list[float]):
    found = game(*values)
    total = dict.fromkeys(found.senses, 0.0)
    orders = list(itertools.permutations(found.senses))
    for order in orders:
        for k, m in enumerate(order):
            before: Coalition = frozenset(order[:k])
            total[m] += (found.scores[before | {m}] - found.scores[before]) / len(orders)
    assert found.shapley() == pytest.approx(total, abs=1e-9)


@given(GAMES)
@settings(deadline=None)
def test_how_two_senses_act_together_is_the_mean_second_difference_over_all_orders(values: list[float]):
    """The index by its other formula, with the two as one player: from scores, without dividends."""
    found = game(*values)
    index, count = found.interaction(), len(found.senses)
    assert len(index) == count * (count - 1) // 2
    for pair, value in index.items():
        a, b = pair
        others = [m for m in found.senses if m not in pair]
        expected = 0.0
        for size in range(len(others) + 1):
            weight = math.factorial(count - size - 2) * math.factorial(size) / math.factorial(count - 1)
            for chosen in itertools.combinations(others, size):
                t, v = frozenset(chosen), found.scores
                expected += weight * (v[t | pair] - v[t | {a}] - v[t | {b}] + v[t])
        assert value == pytest.approx(expected, abs=1e-9)


def test_of_two_senses_and_of_three_that_act_only_together_the_index_is_known():
    assert game(1, 1, 1, 4).interaction() == {frozenset({"vision", "audio"}): 3}
    assert set(game(0, 0, 0, 0, 0, 0, 0, 6).interaction().values()) == {3}
    assert game(0, 2).interaction() == {}


@given(GAMES)
@settings(deadline=None)
def test_the_matrix_is_symmetric_and_holds_the_dividends_of_one_and_two(values: list[float]):
    found = game(*values)
    matrix, dividends = found.matrix(), found.dividends()
    assert matrix.shape == (len(found.senses),) * 2
    assert np.array_equal(matrix, matrix.T)
    for i, a in enumerate(found.senses):
        for j, b in enumerate(found.senses):
            assert matrix[i, j] == dividends[frozenset({a, b})]


@given(GAMES)
@settings(deadline=None)
def test_a_marginal_has_every_coalition_of_the_others(values: list[float]):
    found = game(*values)
    for m in found.senses:
        added = found.marginal(m)
        assert len(added) == 2 ** (len(found.senses) - 1)
        assert all(m not in coalition for coalition in added)
        assert added[frozenset()] == found.dividends()[frozenset({m})]


def test_what_two_senses_do_only_together_is_shared_evenly():
    both = game(1, 1, 1, 4)  # AND
    assert both.dividends() == {
        frozenset({"vision"}): 0,
        frozenset({"audio"}): 0,
        frozenset({"vision", "audio"}): 3,
    }
    assert both.shapley() == {"vision": 1.5, "audio": 1.5}
    assert both.matrix().tolist() == [[0, 3], [3, 0]]
    either = game(0, 3, 3, 3)  # OR: the second adds nothing, and the pair takes one of the two away again
    assert either.dividends()[frozenset({"vision", "audio"})] == -3
    assert either.shapley() == {"vision": 1.5, "audio": 1.5}


def test_what_three_do_beyond_their_pairs_is_in_no_cell_of_the_matrix():
    three = game(0, 0, 0, 0, 0, 0, 0, 6)
    assert not three.matrix().any()
    assert three.dividends()[frozenset(three.senses)] == 6
    assert three.shapley() == {"vision": 2, "audio": 2, "text": 2}


@pytest.mark.parametrize("kind", [Toy, Split])
@pytest.mark.parametrize("action", [0, 1])
def test_of_an_additive_system_nothing_is_done_together(kind: type[Toy], action: int):
    prepared = prepare(kind(linear(WEIGHTS)), OBSERVATION)
    found = measure_coalitions(kind(linear(WEIGHTS)), prepared, action)
    dividends = found.dividends()
    for m, p in prepared.items():
        alone = (1 - 2 * action) * float(((p.tensor - p.baseline) * WEIGHTS[m]).sum())
        assert dividends[frozenset({m})] == pytest.approx(alone, abs=1e-4)
        assert list(found.marginal(m).values()) == pytest.approx([alone] * 4, abs=1e-4)
    assert max(abs(d) for members, d in dividends.items() if len(members) > 1) < 1e-4


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_product_the_dividend_of_the_pair_is_the_product_of_the_changes(kind: type[Toy]):
    system = kind(lambda i: 5 * redness(i) * cat(i) - 1 + 0 * i["audio"].sum(1))
    prepared = prepare(system, OBSERVATION)
    here, absent = ({m: getattr(p, end) for m, p in prepared.items()} for end in ("tensor", "baseline"))
    change = float(redness(here) - redness(absent))
    found = measure_coalitions(system, prepared, 0)
    dividends = found.dividends()
    assert float(cat(absent)) == 0
    assert change > 0.3
    assert dividends[frozenset({"vision", "text"})] == pytest.approx(5 * change, abs=1e-5)
    assert dividends[frozenset({"text"})] == pytest.approx(5 * float(redness(absent)), abs=1e-5)
    assert dividends[frozenset({"vision"})] == pytest.approx(0, abs=1e-5)
    assert found.shapley()["vision"] == pytest.approx(5 * change / 2, abs=1e-5)
    assert found.shapley()["audio"] == pytest.approx(0, abs=1e-5)


def test_a_score_is_that_of_the_senses_in_it_with_all_others_at_their_baseline():
    system = Toy(lambda i: torch.tanh(linear(WEIGHTS)(i)) * sees_red(i) + reads_cat(i))
    prepared = prepare(system, OBSERVATION)
    found = measure_coalitions(system, prepared, 0)
    assert found.senses == ("vision", "audio", "text")
    assert len(found.scores) == 8
    for members, score in found.scores.items():
        inputs = {m: p.tensor if m in members else p.baseline for m, p in prepared.items()}
        assert score == pytest.approx(float(system.score(inputs)), abs=1e-5)


def test_of_a_split_system_each_sense_is_encoded_twice():
    system = Split(linear(WEIGHTS))
    prepared = prepare(system, OBSERVATION)
    measure_coalitions(system, prepared, 0)
    assert system.encoded == [("vision", 2), ("audio", 2), ("text", 2)]


def test_senses_that_were_not_given_are_in_no_coalition():
    found = measured(Toy(reads_cat, READER), {"text": SENTENCE})
    assert found.scores == {frozenset(): -1.0, frozenset({"text"}): 3.0}
    assert found.matrix().tolist() == [[4.0]]
    assert found.shapley() == {"text": 4.0}


def test_dropout_is_off_while_coalitions_are_scored_and_on_again_after():
    system = Dropping()
    one, other = (measured(system, {"text": SENTENCE}) for _ in range(2))
    assert one.scores == other.scores
    assert system.training


def test_more_than_eight_senses_are_refused():
    system = Toy(linear(WEIGHTS))
    one = prepare(system, OBSERVATION)["text"]
    with pytest.raises(InputError, match="coalitions: 9 senses make 512 coalitions; give at most 8"):
        measure_coalitions(system, {f"sense {k}": one for k in range(MOST + 1)}, 0)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_scores_that_are_not_finite_at_a_baseline_are_told(kind: type[Toy]):
    system = kind(lambda i: cat(i).log(), READER)
    with pytest.raises(ContractError, match=r"for 2 coalitions of senses, or not finite; give .* scores of 2 actions"):
        measured(system, {"text": SENTENCE})


@pytest.mark.parametrize("kind", [Toy, Split])
def test_scores_of_a_wrong_shape_are_told(kind: type[Toy]):
    system = kind(reads_cat, READER)
    system.actions = ("STOP", "GO", "SLOW")
    with pytest.raises(ContractError, match=r"scores of shape \(2, 2\) for 2 coalitions .* scores of 3 actions"):
        measured(system, {"text": SENTENCE})


def test_the_difference_is_that_of_the_joint_path():
    lab = laboratory(Toy(lambda i: sees_red(i) * cat(i) + linear(WEIGHTS)(i)), OBSERVATION)
    found = measure_coalitions(lab.system, lab.prepared, 0)
    ends = [
        float(lab.system({m: getattr(p, e) for m, p in lab.prepared.items()})[0, 0]) for e in ("tensor", "baseline")
    ]
    assert found.difference == pytest.approx(ends[0] - ends[1], abs=1e-4)
