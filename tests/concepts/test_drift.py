"""Drift: false alarms by simulation, power, closed forms."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.stats import binom

from tests.concepts.planted import features, planted
from veridical.concepts.bank import ConceptName
from veridical.concepts.drift import Drift, Reference, _Gamblers, _Places
from veridical.concepts.project import Projection, Projector
from veridical.errors import InputError
from veridical.fusion.matches import holm

LEVELS = np.linspace(0, 1, 33)
ALPHA = 0.05


def drawn(rng: np.random.Generator, count: int, absent: float = 0.3) -> np.ndarray:
    """Largest strengths of one concept: nought in some decisions."""
    return np.where(rng.random(count) < absent, 0.0, rng.exponential(1.0, count))


def projected(strengths: ArrayLike, left: ArrayLike = 0.0) -> Projection:
    """Rows; the last coordinate is what no concept accounts for."""
    given_ = torch.tensor(np.atleast_2d(strengths), dtype=torch.float32)
    rest = torch.tensor(np.broadcast_to(left, len(given_)).reshape(-1, 1), dtype=torch.float32)
    coordinates = torch.cat([given_, rest], 1)
    return Projection(given_, coordinates, torch.cat([torch.zeros_like(given_), rest], 1))


def bank(concepts: int = 2, **changes):
    return planted(np.eye(concepts + 1)[:concepts], channels=concepts + 2, **changes)


def usual(rng: np.random.Generator, concepts: int, count: int, absent: float = 0.3) -> Reference:
    told = np.quantile([drawn(rng, concepts, absent) for _ in range(count)], LEVELS, axis=0).T
    return Reference(told, (count,) * concepts, np.quantile(rng.random(count), LEVELS))


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 60), st.integers(0, 1000))
def test_places_have_a_mean_of_one_half_given_the_past(count: int, seed: int):
    """Each class has as much probability as it has gaps."""
    rng = np.random.default_rng(seed)
    places = _Places(np.quantile(drawn(rng, count), LEVELS), count)
    for value in drawn(rng, 10):
        share = places.gaps / places.gaps.sum()
        middle = np.cumsum(share) - share / 2
        assert share @ middle == pytest.approx(0.5)
        before = places.gaps.copy()
        place = places.after(float(value))
        cell = int((places.gaps - before).argmax())
        assert place == pytest.approx(middle[cell])
    assert places.gaps.sum() == pytest.approx(count + 1 + 10)


def test_places_of_known_values():
    """33 quantiles of 33 values are the values themselves: each value in between has one gap of 34."""
    values = np.arange(1.0, 34)
    places = _Places(values, 33)
    assert places.after(0.5) == pytest.approx(0.5 / 34)
    assert places.after(100.0) == pytest.approx((35 - 0.5) / 35)
    assert places.after(17.5) == pytest.approx((1 + 17 + 0.5) / 36)
    assert places.after(17.5) == pytest.approx((1 + 17 + 1) / 37)  # the one before has made a gap


def test_values_that_are_alike_make_one_class():
    places = _Places(np.concatenate([np.zeros(17), np.linspace(1, 2, 16)]), 65)
    assert len(places.edges) == 16
    assert places.gaps[0] == pytest.approx(17 * 2 + 1)
    flat = _Places(np.zeros(33), 40)
    assert flat.after(0.0) == flat.after(5.0) == 0.5  # nothing can be told


@pytest.mark.usefixtures("unchecked")  # many steps
def test_wealth_is_kept_together():
    """At the places' mean nobody wins or loses; the money of those who have not begun is kept."""
    gamblers = _Gamblers("at most", "at least")
    for _ in range(200):
        gamblers.after(0.5)
    assert gamblers.e == pytest.approx(1)
    assert len(gamblers.tests) == 3  # at 0, 32 and 96
    for _ in range(60):
        gamblers.after(0.95)
    assert gamblers.side == "at most"
    assert gamblers.most == gamblers.e > 1000


@pytest.mark.usefixtures("unchecked")  # many steps
def test_quiet_streams_rarely_raise_an_alarm():
    """Of 500 streams, each with a reference of its own, at most 5 % ever raise an alarm, and some do."""
    rng, alarms, trials = np.random.default_rng(0), 0, 500
    for _ in range(trials):
        places = _Places(np.quantile(drawn(rng, 50), LEVELS), 50)
        gamblers = _Gamblers("at most", "at least")
        for value in drawn(rng, 45):
            gamblers.after(places.after(float(value)))
        alarms += gamblers.most >= 1 / ALPHA
    assert 0 < alarms <= ALPHA * trials


@pytest.mark.usefixtures("unchecked")
def test_of_all_that_is_watched_at_most_the_same_share_raises_an_alarm():
    rng, alarms, trials, made = np.random.default_rng(5), 0, 40, bank(2)
    for _ in range(trials):
        drift = Drift(made, usual(rng, 2, 50), alpha=0.2, rows=1)
        for _ in range(30):
            drift.update(projected(drawn(rng, 2), left=rng.random()))
        report = drift.report()
        alarms += bool(report.drifted) or report.unexplained.rising
        each = [1 / g.most for g in (*drift._gamblers, drift._rest.gamblers)]
        assert [*(c.p for c in report.concepts), report.unexplained.p] == list(holm(each))
    assert alarms <= binom.ppf(0.9999, trials, 0.2)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("change", "side"), [(3.0, "stronger"), (0.25, "weaker")])
def test_a_shift_is_found_soon_and_only_where_it_is(change: float, side: str):
    rng = np.random.default_rng(1)
    drift = Drift(bank(3), usual(rng, 3, 200, absent=0.1), rows=50)
    for _ in range(120):
        drift.update(projected(drawn(rng, 3, 0.1) * [1, change, 1], left=0.5))
    report = drift.report()
    assert report.drifted == (1,)
    assert report.concepts[1].side == side
    assert report.concepts[1].p < ALPHA < min(report.concepts[0].p, report.concepts[2].p)
    assert report.concepts[1].e > 1 / ALPHA


@pytest.mark.usefixtures("unchecked")
def test_a_shift_that_comes_late_is_found():
    rng, found = np.random.default_rng(2), []
    for _ in range(10):
        places, gamblers = _Places(np.quantile(drawn(rng, 300), LEVELS), 300), _Gamblers("at most", "at least")
        for value in drawn(rng, 200):
            gamblers.after(places.after(float(value)))
        late = 0
        while gamblers.most < 1 / ALPHA and late < 200:
            gamblers.after(places.after(float(drawn(rng, 1)[0] + 1)))
            late += 1
        found.append(late)
    assert np.median(found) < 60


def test_what_is_rare_and_comes_often_is_found():
    made = bank(1, usual=np.quantile([0.0] * 90 + [1.0] * 10, LEVELS)[None].astype(np.float32))
    drift = Drift(made, rows=1)
    for i in range(60):
        drift.update(projected([float(i % 2) * 1.1], left=0.1))
    report = drift.report()
    assert report.drifted == (0,)
    assert report.concepts[0].then == pytest.approx(0.1, abs=0.03)
    assert report.concepts[0].now == pytest.approx(0.5)
    assert report.concepts[0].ratio == pytest.approx(1.1, rel=0.1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("known", [True, False])
def test_an_unexplained_share_that_rises_is_found(known: bool):
    rng = np.random.default_rng(3)
    before = np.quantile(rng.random(100) * 0.2, LEVELS) if known else None
    drift = Drift(bank(1), Reference(LEVELS[None], (100,), before), rows=1)
    for i in range(200):
        share = 0.2 * rng.random() * (1 if i < 80 else 3)
        drift.update(projected([1.0], left=np.sqrt(share / (1 - share))))
        if i == 79:
            assert not drift.report().unexplained.rising
    found = drift.report().unexplained
    assert found.rising
    assert found.known is known
    assert found.then == pytest.approx(0.1, abs=0.03)


def test_a_share_that_falls_is_no_alarm():
    drift = Drift(bank(1), Reference(LEVELS[None], (100,), np.linspace(0.5, 1, 33)), rows=1)
    for _ in range(100):
        drift.update(projected([0.5], left=0.0))
    assert not drift.report().unexplained.rising


def test_a_direction_that_turns_is_seen():
    made = planted(np.eye(4)[:2], channels=5)
    projector, rng = Projector(made), np.random.default_rng(0)
    axis = np.array([0.8, 0, 0.6, 0])
    still, turns = Drift(made), Drift(made)
    for i in range(80):
        size = 1 + rng.random()
        other = (1 + rng.random()) * np.eye(4)[1]
        noise = 0.02 * rng.normal(size=(2, 4))
        still.update(projector(features(made, np.array([size * np.eye(4)[0], other * (i % 2)]) + noise)))
        turns.update(projector(features(made, np.array([size * axis, other * (i % 2)]) + noise)))
    one, other = still.report(), turns.report()
    assert one.concepts[0].cosine == pytest.approx(1, abs=0.01)
    assert other.concepts[0].cosine == pytest.approx(0.8, abs=0.02)
    assert other.concepts[1].cosine == pytest.approx(1, abs=0.01)
    assert any("(vision#0) (cosine 0.80)" in s for s in other.sentences())
    assert not any("elsewhere" in s for s in one.sentences())


def test_where_few_rows_use_a_concept_its_direction_is_not_told():
    drift = Drift(bank(2))
    for _ in range(10):
        drift.update(projected([2.0, 0.0]))
    assert [c.cosine for c in drift.report().concepts] == [None, None]


def test_memory_is_bounded():
    drift = Drift(bank(2), rows=16)
    for _ in range(200):
        drift.update(projected(np.random.default_rng(0).random((5, 2))))
    assert drift._kept.shape == (16, 3)
    assert len(drift._gamblers[0].tests) <= 4
    assert len(drift._rest.first) <= 64


def test_the_reference_is_what_the_bank_was_fitted_on():
    made = bank(2, made={"observations": 77, "counted": [77, 20], "unexplained": LEVELS.tolist()})
    found = Reference.of(made)
    assert found.counted == (77, 20)
    np.testing.assert_array_equal(found.strengths, made.usual)
    assert found.unexplained is not None
    assert Reference.of(replace(made, made={"observations": 9})).counted == (9, 9)
    assert Reference.of(bank()).unexplained is None


def test_a_reference_is_measured_on_fresh_decisions():
    many = [projected([[0.0, i], [2.0 * i, 0.0]], left=1.0) for i in range(10)] + [projected([0.0, 0.0])]
    found = Reference.measured(many)
    assert found.counted == (10, 10)
    np.testing.assert_allclose(found.strengths, [LEVELS * 18, LEVELS * 9], atol=1e-5)
    assert found.unexplained is not None
    assert found.unexplained[-1] == 1
    assert found.unexplained[0] == pytest.approx(2 / (81 + 18**2 + 2))


def test_an_absent_sense_is_not_counted():
    drift = Drift(bank())
    drift.update(projected([0.0, 0.0]))
    assert drift.decisions == 0
    with pytest.raises(InputError, match="no decision was seen yet"):
        drift.report()


def test_it_is_told_in_plain_json_and_words():
    made = bank(2, usual=np.tile(np.linspace(0, 1, 33, dtype=np.float32), (2, 1)))
    made = made.named((ConceptName("cat", "operator", 1.0, 1.0), None))
    drift = Drift(made, Reference(made.usual, (100, 100), LEVELS / 100))
    for i in range(50):
        drift.update(projected([[3.0, 0.0], [0.0, (i % 10) / 10], [0.0, 0.0]], left=[0.0, 0.0, 1.0]))
    report = drift.report()
    told = report.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["drifted"] == [0]
    first, calm, rising = report.sentences()
    assert first.startswith(
        "Concept “cat” (vision#0) has drifted, it is stronger or more frequent: present in 100\u00a0%"
    )
    assert "of 50 decisions, against 50\u00a0% before, 4.00 times as strong where it is (p < 0.001)." in first
    assert calm == (
        "Of vision’s 2 concepts, no other is seen to have drifted in 50 decisions; that is no proof that none has."
    )
    assert rising.startswith("What no concept accounts for is rising: ")


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="measure it anew"):
        Reference(LEVELS[None], (7,))
    with pytest.raises(InputError, match="measure it anew"):
        Reference(LEVELS[None, ::-1].copy(), (70,))
    with pytest.raises(InputError, match="measure it anew"):
        Drift(bank(made={"system": "toy"}))
    with pytest.raises(InputError, match="reference of 1"):
        Drift(bank(2), Reference(LEVELS[None], (70,)))
    with pytest.raises(InputError, match="alpha 0"):
        Drift(bank(2), alpha=0.0)
    with pytest.raises(InputError, match="0 decisions of 0"):
        Reference.measured([])
    with pytest.raises(InputError, match="strengths of 3 concepts"):
        Drift(bank(2)).update(projected([1.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="not finite"):
        Drift(bank(2)).update(projected([1.0, np.nan]))
