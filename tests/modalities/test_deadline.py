"""Deadlines: what pieces cost is foretold from what was measured, and what would overrun is not begun."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import DeadlineError, InputError, VeridicalError
from veridical.modalities.deadline import KEPT, MARGIN, Costs, Deadline, within


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def seen(**kinds: float) -> Costs:
    costs = Costs()
    for kind, seconds in kinds.items():
        costs.observe(kind, 1, seconds)
    return costs


def test_what_was_never_measured_is_not_promised():
    assert Costs().estimate("gradient") == float("inf")
    assert not Deadline(1e9).affords("gradient")
    assert not Costs().knows("gradient")


def test_no_pieces_cost_nothing_and_teach_nothing():
    costs = Costs()
    assert costs.estimate("gradient", 0) == 0.0
    costs.observe("gradient", 0, 5.0)
    assert not costs.knows("gradient")


def test_the_most_that_was_seen_and_a_quarter_more_is_foretold():
    costs = seen(gradient=0.2)
    costs.observe("gradient", 1, 0.1)
    assert costs.estimate("gradient") == MARGIN * 0.2 == 0.25
    assert costs.to_dict() == {"gradient": 0.25}


def test_a_batch_is_foretold_from_batches_of_its_size():
    costs = Costs()
    costs.observe("edits", 1, 0.1)  # one alone: 100 ms
    costs.observe("edits", 8, 0.16)  # eight together: 20 ms each
    assert costs.estimate("edits", 1) == pytest.approx(MARGIN * 0.1)
    assert costs.estimate("edits", 8) == pytest.approx(MARGIN * 0.16)
    assert costs.estimate("edits", 5) == pytest.approx(MARGIN * 5 * 0.02)  # 5 to 8 are one size
    assert costs.estimate("edits", 16) == pytest.approx(MARGIN * 16 * 0.02)  # the next smaller size
    assert costs.estimate("edits", 4) == pytest.approx(MARGIN * 4 * 0.1)  # of 2 to 4 nothing is known, of 1 is


def test_of_fewer_than_were_ever_seen_the_smallest_batch_counts_whole():
    costs = Costs()
    costs.observe("edits", 8, 0.16)
    assert costs.estimate("edits", 1) == pytest.approx(MARGIN * 0.16)


def test_a_kind_never_seen_takes_the_costliest_of_its_family():
    costs = Costs()
    costs.observe("edits/text", 1, 0.01)
    costs.observe("edits/vision", 1, 0.3)
    assert costs.estimate("edits/audio") == pytest.approx(MARGIN * 0.3)
    assert costs.estimate("edits/text") == pytest.approx(MARGIN * 0.01)
    assert costs.estimate("accounts/text") == float("inf")
    assert not costs.knows("edits/audio")


def test_costs_follow_the_machine():
    costs = seen(gradient=9.0)
    for _ in range(KEPT):
        costs.observe("gradient", 1, 0.1)
    assert costs.estimate("gradient") == pytest.approx(MARGIN * 0.1)


@given(
    st.lists(st.tuples(st.integers(1, 64), st.floats(1e-6, 10)), min_size=1, max_size=20),
    st.integers(1, 64),
)
def test_no_batch_is_foretold_cheaper_than_what_was_seen_of_its_own_size(measured, count):
    costs = Costs()
    for size, seconds in measured:
        costs.observe("edits", size, seconds)
    same = [s / n for n, s in measured if (n - 1).bit_length() == (count - 1).bit_length()]
    assert all(costs.estimate("edits", count) >= count * each for each in same)
    assert costs.estimate("edits", count) < float("inf")


def test_threads_may_share_costs():
    costs = Costs()

    def measure(kind: str) -> None:
        for n in range(1, 400):
            costs.observe(kind, n, 0.001 * n)
            costs.estimate(f"{kind[0]}/x", n)
            costs.to_dict()

    threads = [threading.Thread(target=measure, args=(f"{'ab'[n % 2]}/{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert costs.estimate("a/0") == pytest.approx(MARGIN * 0.001)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_no_time_at_all_is_refused(seconds):
    with pytest.raises(InputError, match=r"^deadline: .* s; give a positive number of seconds$"):
        Deadline(seconds)


def test_time_is_left_until_it_has_passed(clock):
    deadline = Deadline(2.0, clock=clock)
    assert deadline.left() == 2.0
    clock.now += 3
    assert deadline.left() == -1.0


def test_it_counts_from_when_the_decision_was_asked_for(clock):
    assert Deadline(2.0, clock=clock, started=99.5).left() == 1.5


def test_what_must_follow_is_reserved(clock):
    deadline = Deadline(1.0, seen(gradient=0.4), clock)
    assert deadline.affords("gradient")
    deadline.reserve = 0.6
    assert not deadline.affords("gradient")


def test_what_cannot_be_done_in_time_is_said(clock):
    deadline = Deadline(0.1, seen(gradient=0.2), clock)
    with pytest.raises(DeadlineError, match=r"^deadline: the account takes up to 250 ms, and 100 ms were left; allow"):
        deadline.ask("gradient", what="the account")
    assert deadline.skipped == ["Not done in the time allowed: the account takes up to 250 ms, and 100 ms were left."]
    clock.now += 1
    with pytest.raises(DeadlineError, match="edits was never measured here, and 0 ms were left"):
        deadline.ask("edits")
    assert len(deadline.skipped) == 2
    assert issubclass(DeadlineError, VeridicalError)
    assert issubclass(DeadlineError, TimeoutError)


def test_what_is_done_within_it_is_learnt_from(clock):
    deadline = Deadline(10.0, seen(edits=0.1), clock)
    with within(deadline, "edits", 4):
        clock.now += 2.0
    assert deadline.costs.estimate("edits", 4) == pytest.approx(MARGIN * 2.0)
    assert deadline.skipped == []


def test_what_failed_or_was_not_begun_teaches_nothing(clock):
    deadline = Deadline(1.0, seen(edits=0.1), clock)
    with pytest.raises(ZeroDivisionError), within(deadline, "edits", 4):
        raise ZeroDivisionError
    begun = False
    with pytest.raises(DeadlineError), within(deadline, "edits", 100):
        begun = True
    assert not begun
    assert deadline.costs.to_dict() == {"edits": pytest.approx(0.125)}


def test_without_a_deadline_work_is_just_done():
    with within(None, "edits", 10**9):
        done = True
    assert done
