"""Effects: what is taken out, in closed form; intervals and p-values by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.concepts.planted import features, planted
from tests.concepts.tails import linear, tail_of
from tests.toys import Split
from veridical.concepts import effects as module  # its `tested` would be taken for a test here
from veridical.concepts.bank import ConceptBank
from veridical.concepts.effects import (
    Removal,
    TailEffect,
    interval_of,
    joined,
    removal,
    residual_removal,
    typical_shift,
)
from veridical.concepts.instances import Instance
from veridical.concepts.project import Projection, Projector
from veridical.concepts.tail import Shift, Tail

SKEW = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0]], np.float32)
BANK = planted(SKEW, channels=6, price=0.0)
COORDINATES = [[2.0, 0, 0, 0], [1.2, 1.6, 3.0, 0], [0, 0, 0, -2.0], [0.5, 0, 1.0, 1.0]]
"""Strengths: 2 of the first; 2 of the second and 3 of the third; nothing; .5 of the first and 1 of the third."""
W = torch.tensor([0.5, -1.0, 2.0, 0.3, -0.7, 1.1])


def at(concept: int, *rows: int, sense: str = "vision") -> Instance:
    return Instance(sense, concept, 1, rows, 1.0, 1.0)


def looked(bank: ConceptBank = BANK) -> tuple[Projector, Projection, Tail]:
    x = features(bank, COORDINATES)
    projector = Projector(bank)
    return projector, projector(x, replicas=True), tail_of(Split(linear({"vision": W}, 30.0)), {"vision": x})


def pull(bank: ConceptBank, concept: int) -> float:
    """What one nat of strength of a concept does to the linear score: w · back · direction."""
    return float(bank.directions[concept] @ bank.back @ W.numpy())


def effect(tail: Tail, *removals: Removal) -> list[float]:
    return tail.measure([each.shifts for each in removals]).effect.tolist()


def told(value: float) -> TailEffect:
    return TailEffect(value, np.zeros(2, np.float32))


def test_strengths_are_those_planted():
    _, projection, _ = looked()
    expected = [[2, 0, 0], [0, 2, 3], [0, 0, 0], [0.5, 0, 1]]
    np.testing.assert_allclose(projection.strengths, expected, atol=1e-5)


@pytest.mark.parametrize(("members", "strengths"), [
    ([at(0, 0)], {0: 2.0}),
    ([at(0, 0, 3)], {0: 2.5}),
    ([at(2, 1, 3)], {2: 4.0}),
    ([at(1, 1), at(2, 1)], {1: 2.0, 2: 3.0}),
    ([at(0, 0), at(0, 3), at(1, 1)], {0: 2.5, 1: 2.0}),
    ([at(1, 2)], {1: 0.0}),
])  # fmt: skip
def test_taken_out_of_a_linear_tail_a_concept_does_minus_its_strength_times_its_pull(members, strengths):
    projector, projection, tail = looked()
    item = removal(projector, projection, members)
    expected = -sum(s * pull(BANK, k) for k, s in strengths.items())
    assert effect(tail, item) == pytest.approx([expected], abs=1e-4)


def test_what_is_left_has_no_strength_of_it_and_the_rest_is_as_it_was():
    projector, projection, tail = looked()
    gone = tail.edited([removal(projector, projection, [at(2, 1, 3)]).shifts], ["vision"])["vision"][1:]
    again = projector(gone)
    expected = projection.strengths.clone()
    expected[:, 2] = 0
    torch.testing.assert_close(again.strengths, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(again.residual, projection.residual, atol=1e-4, rtol=0)


def test_made_typical_a_concept_does_what_it_lacks_times_its_pull():
    projector, projection, tail = looked()
    item = removal(projector, projection, [at(2, 1, 3)])
    assert item.typical is not None
    assert effect(tail, Removal(item.typical)) == pytest.approx([((2 - 3) + (2 - 1)) * pull(BANK, 2)], abs=1e-4)
    shift = typical_shift(projector, projection, 0, [3, 1])
    assert shift.rows == (1, 3)
    assert effect(tail, Removal((shift,))) == pytest.approx([(2 + 1.5) * pull(BANK, 0)], abs=1e-4)
    assert removal(projector, projection, [at(0, 0), at(2, 1)]).typical is None


def test_taken_out_jointly_concepts_do_on_a_linear_tail_what_they_do_one_by_one():
    projector, projection, tail = looked()
    members = [at(0, 0, 3), at(1, 1), at(2, 1, 3)]
    *alone, joint = effect(tail, *(removal(projector, projection, each) for each in [*([m] for m in members), members]))
    assert joint == pytest.approx(sum(alone), abs=1e-4)


def test_the_residual_taken_out_is_what_no_concept_accounts_for():
    projector, projection, tail = looked()
    item = residual_removal(projector, projection)
    fourth = float(BANK.back[3] @ W.numpy())
    assert effect(tail, item) == pytest.approx([-(-2.0 + 1.0) * fourth], abs=1e-4)
    assert (item.replicas, item.typical) == ((), None)


def test_of_a_bilinear_tail_the_interaction_is_the_product():
    a, b = (torch.from_numpy(BANK.directions[k] @ BANK.back) for k in (0, 2))
    system = Split(lambda f: 20 + ((f["vision"] - centre) @ a).sum(1) * ((f["vision"] - centre) @ b).sum(1))
    centre = torch.from_numpy(BANK.centre)
    projector, projection, _ = looked()
    tail = tail_of(system, {"vision": features(BANK, COORDINATES)})
    one, other = at(0, 0, 3), at(2, 1, 3)
    first, second, joint = effect(
        tail, *(removal(projector, projection, each) for each in ([one], [other], [one, other]))
    )
    # a sums to 2 + 1.2 + .5 = 3.7 (the skew concept leans on it) and b to 4; of a 2.5 goes, of b 4.
    assert (first, second) == (pytest.approx(-2.5 * 4, abs=1e-3), pytest.approx(-3.7 * 4, abs=1e-3))
    assert joint - first - second == pytest.approx(2.5 * 4, abs=1e-3)


def test_removals_of_several_senses_are_joined_with_their_resamples():
    projector, projection, _ = looked()
    first = removal(projector, projection, [at(0, 0)])
    second = replace(first, replicas=first.replicas[:1])
    both = joined([first, second])
    assert both.shifts == first.shifts + second.shifts
    assert both.replicas == (first.replicas[0] + second.replicas[0],)
    assert both.typical is None


def test_each_resample_has_its_own_direction_and_its_own_strength():
    half = np.stack([SKEW, SKEW[[0, 1, 2]] * np.array([[1], [1], [-1]], np.float32)])
    bank = replace(BANK, replicas=half)
    projector, projection, tail = looked(bank)
    item = removal(projector, projection, [at(2, 1)])
    again = tail.measure(item.replicas).effect
    assert again.tolist() == [pytest.approx(-3 * pull(bank, 2), abs=1e-4), 0.0]  # of the opposite nothing is there


# Intervals and chance


def test_the_interval_is_the_range_of_all():
    assert interval_of(-2.0, np.array([-1.5, -3.0])) == (-3.0, -1.5)
    assert interval_of(-1.0, np.array([-1.5, -3.0])) == (-3.0, -1.0)
    assert interval_of(0.5, np.array([])) == (0.5, 0.5)


@pytest.mark.parametrize(("p", "interval", "value", "drawn"), [
    (0.05, (-1.2, -0.9), -1.0, True),
    (0.05, (0.9, 1.2), 1.0, True),
    (0.05, (-1.2, 0.1), -1.0, False),
    (0.05, (-1.2, 0.0), -1.0, False),
    (0.051, (-1.2, -0.9), -1.0, False),
    (0.05, (-0.12, -0.05), -0.1, True),
    (0.05, (-0.12, -0.05), -0.099, False),
    (None, (-1.2, -0.9), -1.0, False),
    (0.05, None, -1.0, False),
])  # fmt: skip
def test_drawn_is_what_counts_is_not_chance_and_is_on_one_side_of_zero(p, interval, value: float, drawn: bool):
    assert replace(told(value), p=p, interval=interval).drawn(0.1, 0.05) is drawn


def judged(
    bank: ConceptBank, members: list[list[Instance]], controls: int = 19, seed: int = 0
) -> tuple[list[TailEffect], list[Removal], Tail]:
    projector, projection, tail = looked(bank)
    items = [removal(projector, projection, each) for each in members]
    first = [told(e) for e in effect(tail, *items)]
    rng = np.random.default_rng(seed)
    return module.tested(tail, items, first, {"vision": projector}, controls, rng), items, tail


def unit(*rows: np.ndarray) -> np.ndarray:
    stacked = np.stack(rows).astype(np.float32)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def test_the_p_value_is_the_share_of_natural_changes_as_large_that_do_as_much():
    """Along w any change does more than the concept; across it, nothing: p by hand for 0 to 4 of 4 controls."""
    across = np.linalg.svd(W.numpy()[None])[2][1:5]
    for alike in range(5):
        natural = unit(*across[: 4 - alike], *[W.numpy() * (-1) ** i for i in range(alike)])
        (found,), items, tail = judged(replace(BANK, natural=natural), [[at(2, 1, 3)]], controls=4)
        assert found.p == pytest.approx((1 + alike) / 5)
        size = float(items[0].shifts[0].change.norm(dim=1).sum())
        assert size == pytest.approx(4.0, abs=1e-4)
        expected = sorted([0.0] * (4 - alike) + [size * float(W.norm()) * (-1) ** i for i in range(alike)])
        assert sorted(found.controls) == pytest.approx(expected, abs=2e-4)
        assert tail.passes > 0


def test_controls_change_the_same_rows_by_as_much():
    seen: list[list[tuple[Shift, ...]]] = []
    projector, projection, tail = looked()
    item = removal(projector, projection, [at(0, 0, 3)])
    measure = tail.measure
    tail.measure = lambda edits: seen.append(list(edits)) or measure(edits)  # type: ignore[method-assign]
    module.tested(tail, [item], [told(-1.0)], {"vision": projector}, 2, np.random.default_rng(0))
    replicas, controls, typical = seen[0][:2], seen[0][2:4], seen[0][4:]
    assert len(replicas) == 2
    assert len(typical) == 1
    for (shift,) in controls:
        assert shift.rows == (0, 3)
        torch.testing.assert_close(shift.change.norm(dim=1), item.shifts[0].change.norm(dim=1))
        directions = shift.change / shift.change.norm(dim=1, keepdim=True)
        natural = torch.from_numpy(BANK.natural)
        assert any(torch.allclose(directions, n.expand(2, -1), atol=1e-6) for n in natural)


def test_no_control_counts_twice():
    """Of two natural directions there are two controls, whatever was asked for: p is no smaller than 1/3."""
    (found,), _, _ = judged(BANK, [[at(0, 0)]], controls=19)
    assert len(found.controls) == 2
    assert found.p is not None
    assert found.p >= 1 / 3


def test_without_natural_directions_nothing_can_be_told_from_chance():
    (found,), _, _ = judged(replace(BANK, natural=np.zeros((0, 6), np.float32)), [[at(0, 0)]])
    assert (found.p, found.controls) == (1.0, ())


def test_interval_typical_and_effect_are_kept_apart_for_several():
    replicas = np.stack([SKEW, unit(*(SKEW + 0.1))])
    bank = replace(BANK, replicas=replicas, natural=unit(*np.eye(6)))
    found, items, tail = judged(bank, [[at(2, 1)], [at(0, 0), at(1, 1)], [at(0, 3)]], controls=5)
    assert [each.typical is None for each in found] == [False, True, False]
    for each, item in zip(found, items, strict=True):
        assert each.interval == interval_of(each.effect, tail.measure(item.replicas).effect)
        assert len(each.controls) == 5
    assert found[0].typical is not None
    assert found[0].typical[0] == pytest.approx((2 - 3) * pull(bank, 2), abs=1e-4)
    assert found[0].interval is not None
    assert found[0].interval[0] < found[0].interval[1]


def test_tests_are_the_same_from_the_same_seed():
    bank = replace(BANK, natural=unit(*np.random.default_rng(4).normal(size=(30, 6))))
    one, again, other = (judged(bank, [[at(0, 0)]], 9, seed)[0][0] for seed in (1, 1, 2))
    assert one.controls == again.controls
    assert one.controls != other.controls


def test_nothing_to_test_is_nothing_tested():
    projector, _, tail = looked()
    assert module.tested(tail, [], [], {"vision": projector}, 3, np.random.default_rng(0)) == []


@given(st.permutations(range(4)))
def test_rows_in_another_order_give_the_same_effects(order: list[int]):
    x = features(BANK, np.array(COORDINATES)[order])
    projector = Projector(BANK)
    tail = tail_of(Split(linear({"vision": W}, 30.0)), {"vision": x})
    rows = tuple(sorted(order.index(r) for r in (1, 3)))
    found = effect(tail, removal(projector, projector(x, replicas=True), [at(2, *rows)]))
    assert found == pytest.approx([-4 * pull(BANK, 2)], abs=1e-4)


@given(st.floats(0.1, 5))
def test_effects_on_a_linear_tail_grow_with_the_strength(scale: float):
    x = features(BANK, scale * np.array(COORDINATES))
    projector = Projector(BANK)
    tail = tail_of(Split(linear({"vision": W}, 90.0)), {"vision": x})
    found = effect(tail, removal(projector, projector(x, replicas=True), [at(0, 0, 3)]))
    assert found == pytest.approx([-2.5 * scale * pull(BANK, 0)], abs=5e-4)


def test_concepts_that_are_nowhere_change_nothing():
    """One more direction, opposite to all that is there."""
    more = planted(np.vstack([SKEW, [[0, 0, -1, 0]]]), channels=6, price=0.0)
    projector, projection, tail = looked(more)
    assert effect(tail, removal(projector, projection, [at(2, 1, 3)])) == pytest.approx([-4 * pull(BANK, 2)], abs=1e-4)
