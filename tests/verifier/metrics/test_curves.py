"""Deletion, insertion, symmetric relevance gain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.metrics.curves import (
    RISE,
    UNITS,
    XPLIQUE,
    CurveProtocol,
    deletion,
    deletion_by,
    insertion,
    insertion_by,
    srg,
    srg_by,
    trapezoid,
)
from veridical.verifier.metrics.removal import Units

SIDE = 12


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def additive(worth) -> Units:
    worth = np.asarray(worth, float)
    return Units(lambda there: there @ worth, len(worth))


def test_the_trapezoid_of_a_straight_line_and_of_uneven_steps():
    assert trapezoid(np.array([2.0, 0.0]), np.array([0.0, 1.0])) == 1.0
    assert trapezoid(np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.9, 1.0])) == pytest.approx(0.95)


def test_a_step_function_has_the_area_that_it_must():
    """A score that is 1 as long as element 3 of ten is there: it falls after the first removal, or after the last."""
    removal = Units(lambda there: there[:, 3].astype(float), 10)
    ranked = np.arange(10.0)
    first, last = np.where(ranked == 3, 20.0, ranked), np.where(ranked == 3, -20.0, ranked)
    assert deletion_by(removal, first).figure == pytest.approx(0.05)
    assert deletion_by(removal, last).figure == pytest.approx(0.95)
    assert insertion_by(removal, first).figure == pytest.approx(0.95)
    assert insertion_by(removal, last).figure == pytest.approx(0.05)
    assert srg_by(removal, first).figure == pytest.approx(0.9)
    curve = deletion_by(removal, first).curve
    assert curve.scores.tolist() == [1.0] + [0.0] * 10
    np.testing.assert_allclose(curve.shares, np.arange(11) / 10)


def test_an_additive_score_has_the_areas_of_its_sums():
    worth = np.array([4.0, 3.0, 2.0, 1.0])
    after = np.array([10.0, 6.0, 3.0, 1.0, 0.0])
    assert deletion_by(additive(worth), worth).figure == pytest.approx(trapezoid(after, np.linspace(0, 1, 5)))


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12), st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_of_an_additive_score_insertion_is_the_whole_less_deletion(worth, seed):
    values = np.random.default_rng(seed).permutation(len(worth)).astype(float)
    removal = additive(worth)
    both = insertion_by(removal, values).figure + deletion_by(removal, values).figure
    assert both == pytest.approx(sum(worth), abs=1e-9)


@given(st.integers(2, 12), st.integers(0, 99), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_the_gain_changes_its_sign_with_the_map(count, seed, step):
    rng = np.random.default_rng(seed)
    table = rng.random(2**count)
    removal = Units(lambda there: table[there @ (1 << np.arange(count))], count)
    values = rng.permutation(count).astype(float)
    protocol = CurveProtocol("test", step=step)
    assert srg_by(removal, values, protocol).figure == pytest.approx(-srg_by(removal, -values, protocol).figure)


@given(st.integers(2, 8), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_no_order_beats_the_order_of_the_worths_of_an_additive_score(count, seed):
    rng = np.random.default_rng(seed)
    worth, other = rng.random(count), rng.random(count)
    assert deletion_by(additive(worth), worth).figure <= deletion_by(additive(worth), other).figure + 1e-12
    assert srg_by(additive(worth), worth).figure >= srg_by(additive(worth), other).figure - 1e-12


def test_the_area_does_not_depend_on_the_scale_of_the_map():
    removal, values = additive([3.0, 1.0, 2.0]), np.array([0.3, -0.1, 0.2])
    assert deletion_by(removal, values).figure == deletion_by(removal, 100 * values + 7).figure


def test_the_rise_protocol_on_a_score_that_is_the_red_of_half_the_picture():
    """Deleting the left half first falls in a straight line to the mean colour's score, then stays."""
    x = torch.zeros(1, 3, SIDE, SIDE)
    x[:, :, :, : SIDE // 2] = 1.0
    values = np.zeros((SIDE, SIDE))
    values[:, : SIDE // 2] = 1 + np.random.default_rng(0).random((SIDE, SIDE // 2))

    def score(rows):
        return rows[:, 0, :, : SIDE // 2].mean((1, 2))

    found = deletion(score, x, values)
    # The mean colour is 1/2: from 1 to 1/2 over the first half, then 1/2.
    assert found.figure == pytest.approx(0.5 * 0.75 + 0.5 * 0.5)
    assert len(found.curve.shares) == SIDE + 1
    assert found.protocol == (
        "RISE protocol: the score given; pixels of a single-channel map, the picture's mean colour, 12 a step, "
        "trapezoid rule on 0..1; most influential first"
    )


def test_insertion_begins_with_the_blurred_picture_and_ends_with_the_picture():
    x, seen = picture(), []

    def score(rows):
        seen.append(rows.clone())
        return rows.flatten(1).mean(1)

    insertion(score, x, np.random.default_rng(0).random((SIDE, SIDE)))
    rows = torch.cat(seen)
    assert len(rows) == SIDE + 1
    torch.testing.assert_close(rows[-1], x[0])
    assert float((rows[0] - rows[0].mean((1, 2), keepdim=True)).abs().max()) < 0.2  # the kernel covers nearly all
    assert int((rows[1] != rows[0]).any(0).sum()) == SIDE


def test_the_xplique_protocol_deletes_to_zero_in_ten_steps():
    x, seen = picture(), []

    def score(rows):
        seen.append(rows.clone())
        return rows.flatten(1).mean(1)

    found = deletion(score, x, np.random.default_rng(0).random((SIDE, SIDE)), XPLIQUE)
    rows = torch.cat(seen)
    assert len(rows) == 11
    assert not rows[-1].any()
    gone = [int((row == 0).all(0).sum()) for row in rows]
    assert gone == [int(144 * k / 10) for k in range(11)]
    assert "zero, 10 steps" in found.protocol


def test_the_area_by_xplique_is_the_mean_of_neighbouring_scores():
    """Its own rule is the mean of neighbours, which is the trapezoid's where the steps are even."""
    found = deletion(
        lambda rows: rows.flatten(1).mean(1), picture()[..., :10, :10], np.arange(100.0).reshape(10, 10), XPLIQUE
    )
    scores = found.curve.scores
    assert found.figure == pytest.approx(np.mean(scores[1:] + scores[:-1]) / 2)


def test_frames_lose_one_row_each_at_a_step():
    frames = torch.cat([picture(1), picture(2)])[None]
    found = srg(lambda rows: rows.flatten(1).mean(1), frames, np.random.default_rng(0).random((2, SIDE, SIDE)))
    assert len(found.most_first.shares) == SIDE + 1
    assert found.figure == pytest.approx(found.least_first.area() - found.most_first.area())


def test_a_constant_map_has_no_figure():
    for measure in (deletion, insertion, srg):
        found = measure(lambda rows: rows.flatten(1).mean(1), picture(), np.full((SIDE, SIDE), 0.5))
        assert found.value is None
        assert "the map is constant" in found.reason
    assert deletion_by(additive([1.0]), np.array([1.0])).value is None


def test_protocols_count_from_none_to_all():
    assert RISE.counts((224, 224)).tolist() == [224 * k for k in range(225)]
    assert UNITS.counts((3,)).tolist() == [0, 1, 2, 3]
    assert CurveProtocol("t", steps=32).counts((5,)).tolist() == [0, 1, 2, 3, 4, 5]
    assert CurveProtocol("t", step=4).counts((10,)).tolist() == [0, 4, 8, 10]


def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match="t: step 0, steps None; at least 1 is wanted"):
        CurveProtocol("t", step=0)
    with pytest.raises(InputError, match=r"map: shape \(3,\); \(12, 12\) is wanted"):
        deletion(lambda rows: rows.flatten(1).mean(1), picture(), np.zeros(3))
