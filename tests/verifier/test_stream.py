"""Anytime-valid testing over a stream: validity by simulation, power, closed forms."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from veridical.errors import InputError
from veridical.verifier.stream import (
    BettingTest,
    ConfidenceSequence,
    ELond,
    Evidence,
    LordPlus,
    e_benjamini_hochberg,
    e_value,
)

values = st.lists(st.floats(0, 1), max_size=40)
ALPHA = 0.1


def run(state, stream):
    for value in stream:
        state = state.after(float(value))
    return state


def most(trials: int, share: float) -> int:
    """The most successes that chance allows, at 1 in 10 000."""
    return int(binom.ppf(0.9999, trials, share))


@given(values, st.floats(0.05, 0.95), st.sampled_from(["at most", "at least"]))
def test_wealth_is_never_negative_and_p_is_the_least_of_its_inverse(stream, null: float, side: str):
    test, least = BettingTest(null, side), 1.0
    for value in stream:
        test = test.after(value)
        assert test.wealth > 0
        assert 0 <= test.next_bet * test._mean <= test.cap + 1e-12
        least = min(least, 1 / test.wealth)
        assert test.p == pytest.approx(least)


@given(values, st.floats(0.05, 0.95))
def test_no_bet_leaves_wealth_at_one(stream, null: float):
    test = run(BettingTest(null, bet=0.0), stream)
    assert test.log_wealth == 0
    assert test.p == 1


@given(values, st.floats(0.1, 0.9))
def test_a_fixed_bet_multiplies(stream, null: float):
    bet = 0.9 / null
    test = run(BettingTest(null, bet=bet), stream)
    product = math.prod(1 + bet * (x - null) for x in stream)
    assert test.wealth == pytest.approx(product, rel=1e-9)


@given(values, st.floats(0.05, 0.95))
def test_at_least_is_at_most_in_the_mirror(stream, null: float):
    one = run(BettingTest(null, "at least"), stream)
    other = run(BettingTest(1 - null), [1 - x for x in stream])
    assert one.log_wealth == pytest.approx(other.log_wealth, abs=1e-9)


def test_agrapa_bets_by_mean_and_variance_so_far():
    test = run(BettingTest(0.3, cap=0.9), [1.0, 0.5])
    mean, variance = (0.5 + 1.5) / 3, (0.25 + (1 - 0.75) ** 2 + (0.5 - 2 / 3) ** 2) / 3
    gain = mean - 0.3
    assert test.next_bet == pytest.approx(gain / (variance + gain**2))
    assert BettingTest(0.7).next_bet == 0  # nothing speaks against it yet


@pytest.mark.usefixtures("unchecked")  # many steps
def test_ville_the_wealth_of_null_streams_rarely_ever_exceeds_its_inverse_level():
    """Coins of the null's own mean; uniform values; and values whose spread and luck hang on the past."""
    rng, trials, steps = np.random.default_rng(0), 300, 120
    exceeded = {"coins": 0, "uniform": 0, "adaptive": 0}
    for _ in range(trials):
        exceeded["coins"] += run(BettingTest(0.3), rng.random(steps) < 0.3).p <= ALPHA
        exceeded["uniform"] += run(BettingTest(0.5, "at least"), rng.random(steps)).p <= ALPHA
        test = BettingTest(0.5)
        for _ in range(steps):  # wide while the bets are high, narrow while they are low
            width = 0.5 if test.next_bet > 0.2 else 0.1
            test = test.after(0.5 + width * rng.choice([-1.0, 1.0]))
        exceeded["adaptive"] += test.p <= ALPHA
    assert all(n <= most(trials, ALPHA) for n in exceeded.values()), exceeded
    assert all(n > 0 for n in exceeded.values()), exceeded


@pytest.mark.usefixtures("unchecked")  # many steps
def test_it_sees_soon_that_claims_are_no_longer_true():
    rng = np.random.default_rng(1)
    needed = []
    for _ in range(40):
        test = BettingTest(0.9, "at least")
        while test.p > 0.01 and test.count < 500:
            test = test.after(float(rng.random() < 0.6))
        needed.append(test.count)
    assert np.median(needed) < 45
    assert max(needed) < 150
    far = run(BettingTest(0.5), [1.0] * 4000)
    assert far.wealth == math.inf
    assert far.p == 0
    assert far.log_wealth == pytest.approx(4000 * math.log(1.5), rel=0.01)


@pytest.mark.usefixtures("unchecked")  # many steps
def test_a_confidence_sequence_covers_at_all_times_and_narrows():
    rng, trials, steps, missed, widths = np.random.default_rng(2), 150, 150, 0, []
    for _ in range(trials):
        sequence = run(ConfidenceSequence(0.9), rng.random(steps) < 0.8)
        missed += not sequence.low <= 0.8 <= sequence.high
        widths.append(sequence.high - sequence.low)
    assert missed <= most(trials, 0.1)
    assert np.median(widths) < 0.25
    sure = run(ConfidenceSequence(), [0.5] * 300)  # no spread at all: far narrower than Hoeffding's ± 0.08 of one look
    assert 0.4 < sure.low < 0.5 < sure.high < 0.6
    assert sure.share.value == 0.5
    assert sure.share.method == "betting"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=25))
@settings(max_examples=40)
def test_wealth_against_means_is_monotone_so_that_the_grid_is_exact(stream):
    sequence = run(ConfidenceSequence(0.9), stream)
    assert (np.diff(sequence.above) <= 1e-9).all()
    assert (np.diff(sequence.below) >= -1e-9).all()
    assert 0 <= sequence.low <= sequence.share.value + 1e-9
    coarse = run(ConfidenceSequence(0.9, above=(0.0,) * 21, below=(0.0,) * 21), stream)
    assert coarse.low <= sequence.low + 1e-12
    assert coarse.high >= sequence.high - 1e-12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(max_examples=30)
def test_a_confidence_sequence_mirrors(stream):
    one, other = run(ConfidenceSequence(), stream), run(ConfidenceSequence(), [1 - x for x in stream])
    assert one.low == pytest.approx(1 - other.high, abs=0.0051)  # a grid step, where rounding tips the balance


@pytest.mark.usefixtures("unchecked")  # many steps
def test_a_mean_that_moved_empties_the_sequence():
    assert not run(ConfidenceSequence(), [0.9] * 100).empty
    moved = run(ConfidenceSequence(), [0.9] * 100 + [0.1] * 300)
    assert moved.empty
    assert moved.low > moved.high


@pytest.mark.parametrize("kappa", [None, 0.1, 0.5, 0.9])
def test_calibrators_have_expectation_one_under_uniform_p(kappa):
    """In u = −ln p, where the integrand is smooth; the mean over κ has a tail of 1/u, which is exact."""
    end = 60.0
    total = quad(lambda u: e_value(math.exp(-u), kappa) * math.exp(-u), 0, end, limit=200)[0]
    rest = quad(lambda k: math.exp(-k * end), 0, 1)[0] if kappa is None else math.exp(-kappa * end)
    assert total + rest == pytest.approx(1, abs=1e-6)


@given(st.integers(1, 300), st.sampled_from([None, 0.3, 0.5]))
@settings(deadline=None)
def test_rank_p_values_have_e_values_of_mean_exactly_one(controls: int, kappa):
    found = [e_value(r / (controls + 1), kappa, controls) for r in range(1, controls + 2)]
    assert math.fsum(found) / (controls + 1) == pytest.approx(1)
    assert found == sorted(found, reverse=True)
    assert found[0] <= controls + 1
    assert found[0] >= e_value(1 / (controls + 1), kappa) - 1e-12


@given(st.floats(1e-12, 1))
def test_the_mean_over_kappa_is_its_closed_form_and_its_series_joins_smoothly(p: float):
    by_hand = quad(lambda k: k * p ** (k - 1), 0, 1, epsabs=1e-12)[0]
    assert e_value(p) == pytest.approx(by_hand, rel=1e-7)
    assert e_value(math.exp(-0.00999999)) == pytest.approx(e_value(math.exp(-0.01000001)), rel=1e-7)
    assert e_value(1.0) == 0.5
    assert e_value(0.05, 0.5) == pytest.approx(0.5 / math.sqrt(0.05))
    assert math.isfinite(e_value(5e-324))


@pytest.mark.usefixtures("unchecked")  # many steps
def test_products_of_e_values_are_anytime_valid_and_mount_where_p_is_small():
    rng, trials, exceeded = np.random.default_rng(3), 300, 0
    for _ in range(trials):
        ranks = rng.integers(1, 41, 60) / 40
        exceeded += run(Evidence(), [e_value(p, None, 39) for p in ranks]).p <= ALPHA
    assert exceeded <= most(trials, ALPHA)
    true = run(Evidence(), [e_value(1 / 40, None, 39)] * 10)
    assert true.p < 1e-4
    assert true.average == pytest.approx(e_value(1 / 40, None, 39))


def test_an_e_value_of_zero_ends_a_product_but_not_what_was_won():
    state = run(Evidence(), [4.0, 0.0, 8.0])
    assert state.log_product == -math.inf
    assert state.p == 0.25
    assert state.average == 4
    assert Evidence.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_e_bh_rejects_the_largest_by_hand():
    assert e_benjamini_hochberg([50.0, 1.0, 41.0, 26.0], 0.05).tolist() == [True, False, True, False]
    assert e_benjamini_hochberg([50.0, 1.0, 41.0, 27.0], 0.05).tolist() == [
        True,
        False,
        True,
        True,
    ]  # 27 ≥ 4 / (3 · 0.05)
    assert not e_benjamini_hochberg([19.0] * 4, 0.05).any()
    assert e_benjamini_hochberg([20.0] * 4, 0.05).all()
    assert e_benjamini_hochberg([], 0.05).tolist() == []


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_e_bh_is_its_definition(e, alpha: float):
    found, n = e_benjamini_hochberg(e, alpha), len(e)
    k = int(found.sum())
    if k:
        assert min(x for x, r in zip(e, found, strict=True) if r) * k * alpha >= n
    ordered = sorted(e, reverse=True)
    assert all(ordered[j - 1] * j * alpha < n for j in range(k + 1, n + 1))


def mixture(rng, size: int, true: float, controls: int = 999):
    """Rank p-values of a stream in which a share of claims is true; the others' are uniform on their grid."""
    real = rng.random(size) < true
    ranks = np.where(real, 1 + rng.poisson(1.0, size), rng.integers(1, controls + 2, size))
    return real, np.minimum(ranks, controls + 1) / (controls + 1)


def proportions(real, found) -> tuple[float, float]:
    return (~real & found).sum() / max(found.sum(), 1), (real & found).sum() / max(real.sum(), 1)


@pytest.mark.usefixtures("unchecked")  # many steps
@pytest.mark.parametrize("true", [0.0, 0.2, 0.7])
def test_false_discoveries_stay_within_their_rate_over_streams_and_batches(true: float):
    rng, trials, size = np.random.default_rng(4), 150, 100
    seen: dict[str, list[tuple[float, float]]] = {"lord": [], "e-lond": [], "e-bh": []}
    for _ in range(trials):
        real, p = mixture(rng, size, true)
        e = np.array([e_value(float(x), 0.1, 999) for x in p])
        lord, lond, found = LordPlus(ALPHA, ALPHA / 2), ELond(ALPHA), np.zeros((2, size), bool)
        for t in range(size):
            lord, lond = lord.after(float(p[t])), lond.after(float(e[t]))
            found[:, t] = lord.found, lond.found
        assert found.sum(1).tolist() == [lord.discoveries, lond.discoveries]
        batch = e_benjamini_hochberg(e.tolist(), ALPHA)
        for name, which in (("lord", found[0]), ("e-lond", found[1]), ("e-bh", batch)):
            seen[name].append(proportions(real, which))
    for name, pairs in seen.items():
        false = np.array([p for p, _ in pairs])
        assert false.mean() <= ALPHA + 3 * false.std() / math.sqrt(trials), name
        if true == 0.7:
            power = np.mean([p for _, p in pairs])
            # e-LOND's bar rises with time, soon above what e-values of ranks can reach.
            assert power > {"lord": 0.95, "e-lond": 0.0, "e-bh": 0.9}[name], (name, power)


def test_lord_is_its_formula_with_all_times_kept():
    rng, start = np.random.default_rng(5), 0.02
    state, times = LordPlus(0.1, start), []
    decays = np.array(state.decays)
    for t in range(1, 200):
        gamma = [float(((1 - decays) * decays ** (t - s - 1)).mean()) for s in (0, *times)]
        weights = [start, 0.1 - start, *[0.1] * len(times)][: len(times) + 1]
        assert state.level == pytest.approx(math.fsum(w * g for w, g in zip(weights, gamma, strict=True)))
        state = state.after(float(rng.random() ** 3))
        if state.found:
            times.append(t)
    assert len(times) > 5


def test_200_ranks_are_just_enough_to_find_true_claims_from_the_first_on():
    assert run(LordPlus(), [1 / 200] * 50).discoveries == 50
    assert run(LordPlus(), [1 / 100] * 50).discoveries == 0


@pytest.mark.usefixtures("unchecked")  # many steps
def test_spending_never_exceeds_the_level():
    """Without a discovery, the levels of e-LOND sum to α and those of LORD++ to w₀."""
    assert math.fsum(1 / ELond(0.05, count=t).needed for t in range(5000)) == pytest.approx(0.05, rel=3e-4)
    state, spent = LordPlus(), 0.0
    for _ in range(12000):
        spent += state.level
        state = state.after(1.0)
    assert spent == pytest.approx(0.025, rel=1e-5)


def test_e_values_of_few_controls_cannot_be_discoveries():
    best = e_value(1 / 20, None, 19)
    assert run(ELond(), [best] * 50).discoveries == 0
    assert run(ELond(), [1e9] * 50).discoveries == 50


STATES = [
    run(BettingTest(0.4, "at least"), [0.1, 0.9]),
    run(BettingTest(0.4, bet=1.0), [0.1]),
    run(ConfidenceSequence(), [0.1, 0.9]),
    run(Evidence(), [2.0, 3.0]),
    run(ELond(), [100.0, 0.0]),
    run(LordPlus(), [0.001, 0.9]),
]


@pytest.mark.parametrize("state", STATES, ids=lambda s: type(s).__name__)
def test_states_go_to_json_and_back_and_go_on_alike(state):
    text = json.dumps(state.to_dict(), allow_nan=False)
    back = type(state).from_dict(json.loads(text))
    assert back == state
    assert back.after(0.5) == state.after(0.5)
    assert len(json.dumps(run(state, [0.5] * 200).to_dict())) < 2 * len(text) + 9000  # bounded memory


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        (BettingTest, {"null": 0.0}, "null is 0.0; a number strictly between 0 and 1"),
        (BettingTest, {"null": "half"}, "null is 'half'"),
        (BettingTest, {"side": "around"}, "side 'around'"),
        (BettingTest, {"bet": 2.5}, "bet is 2.5; a number between 0 and 2.475"),
        (BettingTest, {"total": 3.0}, "total is 3.0; a number between 0 and 1"),
        (BettingTest, {"log_wealth": 9.0}, "log_wealth is 9.0"),
        (ConfidenceSequence, {"below": [0.0]}, "grids of 201 and 1"),
        (ConfidenceSequence, {"level": 1}, "level is 1"),
        (Evidence, {"total": None}, "total is None"),
        (ELond, {"discoveries": 7}, "discoveries is 7"),
        (ELond, {"more": 7}, "missing or unknown: more"),
        (LordPlus, {"stakes": [0.1]}, "1 stakes for 4 decays"),
        (LordPlus, {"start": 0.5}, "start is 0.5; a number between 0 and 0.05"),
        (LordPlus, {"stakes": [9.0, 0.0, 0.0, 0.0]}, "stake is 9.0"),
    ],
)
def test_a_state_that_was_altered_is_refused_in_words(kind, changes, told: str):
    state = next(s for s in (STATES[1], *STATES[2:]) if type(s) is kind)
    with pytest.raises(InputError, match=told):
        kind.from_dict(state.to_dict() | changes)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: BettingTest(0.5).after(1.5), "value is 1.5; a number between 0 and 1"),
        (lambda: BettingTest(0.5).after(math.nan), "value is nan"),
        (lambda: ConfidenceSequence().after(-0.1), "value is -0.1"),
        (lambda: ConfidenceSequence().share, "no value yet"),
        (lambda: Evidence().average, "no e-value yet"),
        (lambda: Evidence().after(-1.0), "e-value is -1.0"),
        (lambda: Evidence().after(math.inf), "e-value is inf"),
        (lambda: ELond().after(math.nan), "e-value is nan"),
        (lambda: LordPlus().after(1.1), "p is 1.1"),
        (lambda: e_value(0.0), "p is 0, which no rank test gives"),
        (lambda: e_value(0.06, controls=19), "p 0.06 is no rank among 19 controls"),
        (lambda: e_value(0.5, kappa=1.0), "kappa is 1.0"),
        (lambda: e_benjamini_hochberg([-1.0]), "an e-value is below 0 or NaN"),
        (lambda: e_benjamini_hochberg([1.0], 0.0), "alpha is 0.0"),
    ],
)
def test_wrong_values_are_told(call, told: str):
    with pytest.raises(InputError, match=told):
        call()
