"""Control edits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.test_claims import connected, line
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.verifier.controls import Controls, allot, draw_beside, draw_controls


def grid(frames: int, side: int) -> Segmentation:
    """Square cells in frames; a cell touches those beside it, and itself in the next frame."""
    at = [(f, y, x) for f in range(frames) for y in range(side) for x in range(side)]
    index = {place: i for i, place in enumerate(at)}
    steps = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
    near = tuple(
        tuple(sorted(index[p] for d in steps if (p := tuple(np.add(place, d).tolist())) in index)) for place in at
    )
    units = tuple(EvidenceUnit("vision", i, (0.0, 1.0), frame=f) for i, (f, _, _) in enumerate(at))
    return Segmentation(np.arange(len(at)), units, near)


def draw(
    segmentation: Segmentation, claim, energy: np.ndarray | None = None, count: int = 19, seed: int = 0
) -> Controls:
    even = np.full(len(segmentation), 1 / len(segmentation))
    return draw_controls(segmentation, even if energy is None else energy, claim, count, np.random.default_rng(seed))


@given(st.integers(1, 3), st.integers(3, 6), st.data())
@settings(deadline=None, max_examples=40)
def test_controls_have_the_claims_count_in_each_frame_grow_together_and_all_differ(frames: int, side: int, data):
    cells = grid(frames, side)
    claim = data.draw(st.sets(st.integers(0, len(cells) - 1), min_size=1, max_size=len(cells) // 4))
    energy = np.random.default_rng(0).random(len(cells)) ** 3
    found = draw(cells, sorted(claim), energy / energy.sum(), seed=data.draw(st.integers(0, 99)))

    def quota(units):
        return Counter(cells.units[u].frame for u in units)

    assert len(found.edits) <= 19
    assert len(set(found.edits)) == len(found.edits) == len(found.energies)
    for edit in found.edits:
        assert list(edit) == sorted(set(edit))
        assert quota(edit) == quota(claim)
        assert 3 * len(claim.intersection(edit)) <= 2 * len(claim)
        if frames == 1:
            assert connected(cells, edit)
    ratios = [energy[list(edit)].sum() / energy[list(claim)].sum() for edit in found.edits]
    np.testing.assert_allclose(found.energies, ratios)
    matching = [1 / 1.3 <= r <= 1.3 for r in ratios]
    assert found.matched == sum(matching)
    assert matching == sorted(matching, reverse=True)  # those that match come first


@given(st.integers(1, 60), st.integers(0, 12))
def test_controls_are_shared_out_among_claims_and_the_first_has_the_most(count: int, claims: int):
    found = allot(count, claims)
    assert len(found) == claims
    assert all(n >= 1 for n in found)
    if claims:
        assert found[0] == max(found)
        assert len(set(found[1:])) <= 1
        assert sum(found) == max(count, claims)
    if claims > 1 and count >= 2 * claims:
        assert found[0] >= count // 2


def test_known_allotments():
    assert [allot(20, 1), allot(20, 3), allot(20, 5)] == [(20,), (10, 5, 5), (12, 2, 2, 2, 2)]
    assert [allot(3, 2), allot(2, 4), allot(7, 0)] == [(2, 1), (1, 1, 1, 1), ()]


def test_controls_that_match_in_energy_come_first():
    energy = np.where(np.arange(40) < 30, 1.0, 5.0)
    found = draw(line(40), (35,), energy / energy.sum(), count=12)
    assert {edit[0] for edit in found.edits[:9]} == set(range(30, 40)) - {35}
    assert all(edit[0] < 30 for edit in found.edits[9:])
    assert found.matched == 9
    assert len(found.edits) == 12


def test_an_edit_that_is_nearly_the_claim_is_no_control():
    found = draw(line(30), (10, 11, 12, 13), count=30)
    assert (9, 10, 11, 12) not in found.edits
    assert {(8, 9, 10, 11), (12, 13, 14, 15)} <= set(found.edits)


def test_around_a_bright_object_no_control_measures_the_claim_again():
    """One unit holds nearly all the energy: an edit of its energy is one that holds it, and none may."""
    energy = np.full(49, 0.1 / 48)
    energy[24] = 0.9
    found = draw(grid(1, 7), (24,), energy)
    assert len(found.edits) == 19
    assert found.matched == 0
    assert all(24 not in edit for edit in found.edits)


@pytest.mark.parametrize(
    ("count", "claim", "controls"),
    [(15, (7,), 14), (20, (3, 4), 18), (20, (3, 4, 5, 6), 14), (1, (0,), 0), (4, (0, 1, 2, 3), 0)],
)
def test_a_small_input_has_fewer_controls(count: int, claim, controls: int):
    assert len(draw(line(count), claim).edits) == controls


def test_controls_are_drawn_from_everywhere_alike():
    """A claim of one unit: each other unit is a control equally often."""
    seen = Counter(u for seed in range(400) for edit in draw(line(10), (4,), count=3, seed=seed).edits for u in edit)
    assert set(seen) == set(range(10)) - {4}
    assert max(seen.values()) < 1.35 * min(seen.values())


def test_the_draw_is_the_seeds_and_only_the_seeds():
    assert draw(grid(2, 5), (3, 4, 30), seed=1) == draw(grid(2, 5), (4, 3, 30), seed=1)
    assert draw(grid(2, 5), (3, 4, 30), seed=1) != draw(grid(2, 5), (3, 4, 30), seed=2)


def test_a_signal_of_no_energy_has_controls_all_the_same():
    found = draw(line(30), (3,), np.zeros(30))
    assert len(found.edits) == 19
    assert found.matched == 0
    assert np.isfinite(found.energies).all()


def beside(
    segmentation: Segmentation, claim, clear=None, energy: np.ndarray | None = None, count: int = 19, seed: int = 0
) -> tuple[tuple[int, ...], ...]:
    even = np.full(len(segmentation), 1 / max(len(segmentation), 1)) if energy is None else energy
    rng = np.random.default_rng(seed)
    return draw_beside(segmentation, even, claim, claim if clear is None else clear, count, rng)


@given(st.integers(1, 2), st.integers(3, 6), st.data())
@settings(deadline=None, max_examples=40)
def test_beside_a_claim_no_edit_holds_what_is_kept_clear_and_all_have_its_size(frames: int, side: int, data):
    units = grid(frames, side)
    every = st.integers(0, len(units) - 1)
    claim = data.draw(st.sets(every, min_size=1, max_size=len(units) // 3))
    clear = claim | data.draw(st.sets(every, max_size=len(units) // 3))
    found = beside(units, sorted(claim), clear, count=12, seed=data.draw(st.integers(0, 99)))
    size = min(len(claim), len(units) - len(clear))
    assert len(set(found)) == len(found) <= 12
    for edit in found:
        assert clear.isdisjoint(edit)
        assert list(edit) == sorted(set(edit))
        assert len(edit) == size
    assert found  # a third is always left


def test_those_that_grow_together_come_first_and_scattered_ones_follow():
    found = beside(line(8), (0, 1, 2), (0, 1, 2, 3), count=10)
    assert set(found[:2]) == {(4, 5, 6), (5, 6, 7)}
    assert set(found[2:]) == {(4, 5, 7), (4, 6, 7)}


def test_where_enough_grow_together_none_is_scattered():
    units = grid(1, 8)
    found = beside(units, (0, 1, 8), range(16), count=19)
    assert len(found) == 19
    assert all(connected(units, edit) for edit in found)


def test_beside_a_claim_those_of_like_energy_come_first():
    energy = np.where(np.arange(40) < 30, 1.0, 5.0)
    found = beside(line(40), (35,), (34, 35, 36), energy / energy.sum(), count=12)
    assert {edit[0] for edit in found[:7]} == set(range(30, 40)) - {34, 35, 36}
    assert all(edit[0] < 30 for edit in found[7:])
    assert len(found) == 12


@pytest.mark.parametrize(
    ("count", "claim", "clear", "left"),
    [
        (6, (0, 1, 2), (0, 1, 2, 3), ((4, 5),)),
        (4, (0,), (0, 1, 2), ((3,),)),
        (4, (0, 1), (0, 1, 2, 3), ()),
        (2, (0, 1), (0, 1), ()),
    ],
)
def test_where_too_few_units_are_left_all_of_them_are_the_one_edit(count: int, claim, clear, left):
    assert beside(line(count), claim, clear) == left


def test_a_single_unit_has_each_other_one_that_is_not_kept_clear_of():
    assert sorted(beside(line(30), (20,), (19, 20, 21), count=59)) == [(u,) for u in range(30) if u not in (19, 20, 21)]


def test_beside_a_claim_the_draw_is_the_seeds_and_only_the_seeds():
    assert beside(line(20), (3, 4), seed=1) == beside(line(20), (3, 4), seed=1)
    assert beside(line(20), (3, 4), count=5, seed=1) != beside(line(20), (3, 4), count=5, seed=2)
