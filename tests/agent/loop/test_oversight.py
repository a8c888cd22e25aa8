"""Oversight: rules with hysteresis, the strongest reaction, a person's override, the fail-safe, clocks and threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from hypothesis.stateful import rule as step

from veridical.agent.loop.oversight import OVERRIDE, Overseer, Reaction
from veridical.agent.loop.policy import FINDINGS, REACTIONS, Oversight, Rule
from veridical.errors import InputError

ACTIONS = ("PROCEED", "SLOW", "STOP", "YIELD")
ARMS = {"slow": {"PROCEED": "SLOW", "YIELD": "STOP"}, "fallback": "YIELD", "stop": "STOP"}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def overseer(*rules: Rule, clock=None, **more) -> Overseer:
    return Overseer(Oversight(tuple(rules), **ARMS, **more), ACTIONS, clock or Clock())


@pytest.mark.parametrize(
    ("do", "chosen", "action"),
    [
        ("annotate", "PROCEED", "PROCEED"),
        ("slow", "PROCEED", "SLOW"),
        ("slow", "YIELD", "STOP"),
        ("slow", "STOP", "STOP"),  # not in the table: it stays
        ("hand over", "PROCEED", "YIELD"),
        ("hand over", "STOP", "YIELD"),
        ("stop", "PROCEED", "STOP"),
    ],
)
def test_each_reaction_puts_its_action_in_place(do, chosen, action):
    watch = overseer(Rule("unsupported", do, reason="It did not hold"))
    assert watch.react(chosen) == Reaction("none", chosen)
    change = watch.found({"unsupported"}, "d1")[0]
    assert (change.before, change.after, change.by, change.why) == ("none", do, "rule 1", "unsupported (d1)")
    assert datetime.fromisoformat(change.time).utcoffset() is not None
    assert watch.react(chosen) == Reaction(do, action, ("It did not hold",))
    assert watch.level == do


def test_a_rule_fires_at_least_of_the_last_of():
    watch = overseer(Rule("unsupported", "stop", of=4, least=2))
    verdicts = "supported unsupported supported supported supported unsupported".split()
    assert [watch.found({v})[-1:] for v in verdicts] == [()] * 6  # the first had fallen out of the last four
    assert watch.found({"unsupported"})[0].why == "unsupported: 2 of the last 4 findings"


def test_a_rule_is_lifted_after_findings_in_a_row_without():
    watch = overseer(Rule("unsupported", "slow", release=3))
    watch.found({"unsupported"})
    for verdict in ("supported", "supported", "unsupported", "supported", "inconclusive"):
        assert watch.found({verdict}) == ()
        assert watch.level == "slow"
    change = watch.found({"supported"})[0]
    assert (change.before, change.after) == ("slow", "none")
    assert change.why == "3 findings in a row without unsupported"


def test_a_lifted_rule_does_not_fire_by_old_findings():
    watch = overseer(Rule("unsupported", "stop", of=9, least=3))
    for _ in range(3):
        watch.found({"unsupported"})
    assert watch.found({"supported"})[0].after == "none"
    assert watch.found({"supported"}) == ()
    assert watch.found({"unsupported"})[0].after == "stop"  # a fourth in the last six


def test_the_strongest_reaction_counts_and_what_lies_beneath_is_told():
    watch = overseer(Rule("unsupported", "stop"), Rule("low margin", "slow", reason="Close"))
    found = watch.found({"unsupported", "low margin"}, "d1")
    assert [(c.before, c.after, c.by) for c in found] == [("none", "stop", "rule 1"), ("stop", "stop", "rule 2")]
    assert watch.react("PROCEED").reasons == ("the account of a decision was unsupported", "Close")
    lifted = watch.found({"supported", "low margin"}, "d2")
    assert [(c.before, c.after) for c in lifted] == [("stop", "slow")]
    assert watch.react("PROCEED") == Reaction("slow", "SLOW", ("Close",))


def test_a_decision_counts_once_for_a_rule():
    watch = overseer(Rule("low margin", "slow", release=2), Rule("unsupported", "stop", release=2))
    watch.found({"low margin"}, "d1", pending=True)
    watch.found({"unsupported"}, "d1")
    assert watch.level == "stop"
    watch.found((), "d2", pending=True)  # as it is made: the margin was not low; no verdict yet
    watch.found({"supported"}, "d2")  # as it was explained: of the margin nothing new
    assert watch.level == "stop"
    assert [c.by for c in watch.found((), "d3")] == ["rule 1"]  # not low for the second time
    assert watch.level == "stop"
    assert [c.by for c in watch.found({"supported"}, "d3")] == ["rule 2"]
    assert watch.level == "none"


def test_what_is_found_later_of_the_same_decision_counts():
    watch = overseer(Rule("sensor", "hand over"), Rule("fault", "slow"))
    assert watch.found((), "d1") == ()
    assert [c.after for c in watch.found({"supported", "sensor"}, "d1")] == ["hand over"]
    assert watch.found({"sensor"}, "d1") == ()


@pytest.mark.parametrize("word", ["fault", "sensor"])
def test_a_decision_that_will_be_explained_says_nothing_of_faults_yet(word):
    watch = overseer(Rule(word, "slow"))
    watch.found({word}, "d1")
    assert watch.found((), "d2", pending=True) == ()
    assert watch.level == "slow"
    assert watch.found({"supported"}, "d2")[0].after == "none"


def test_only_a_verdict_says_that_there_was_no_other():
    watch = overseer(Rule("unsupported", "slow"), Rule("forbidden", "stop"))
    watch.found({"unsupported", "forbidden"}, "d1")
    for n in range(50):
        assert watch.found({"low margin"} if n % 2 else (), f"unexplained {n}") == ()
    assert watch.level == "stop"
    assert watch.found({"supported"}, "explained")[-1].after == "none"


def test_calls_for_an_explanation_are_no_findings_and_other_words_are_refused():
    watch = overseer(Rule("fault", "slow"))
    assert watch.found({"request", "sampled"}) == ()
    with pytest.raises(InputError, match="finding 'unsuported' is not known; did you mean 'unsupported'"):
        watch.found({"unsuported"})


def test_an_action_that_the_system_lacks_is_refused():
    with pytest.raises(InputError, match=r"\[oversight\] stop: 'HALT' is no action of this system"):
        Overseer(Oversight(stop="HALT"), ACTIONS)


def test_a_persons_override_stands_above_all_until_it_is_released():
    watch = overseer(Rule("unsupported", "stop", release=2))
    watch.found({"unsupported"})
    change = watch.override("PROCEED", "Ada Lovelace", "The road is closed to others")
    assert (change.before, change.after, change.by) == ("stop", OVERRIDE, "Ada Lovelace")
    assert (change.why, change.action) == ("The road is closed to others", "PROCEED")
    assert watch.react("STOP") == Reaction(OVERRIDE, "PROCEED", ("Ada Lovelace decides: The road is closed to others",))
    watch.fault("worker")
    assert watch.level == OVERRIDE
    watch.found({"supported"})
    beneath = watch.found({"supported"})[0]  # the rule is lifted beneath the override
    assert (beneath.before, beneath.after) == (OVERRIDE, OVERRIDE)
    change = watch.release("Ada Lovelace", "Open again")
    assert (change.before, change.after, change.by) == (OVERRIDE, "annotate", "Ada Lovelace")  # the dead worker
    assert watch.react("PROCEED").action == "PROCEED"


def test_an_override_ends_with_its_time_and_somebody_is_told():
    clock = Clock()
    watch = overseer(clock=clock)
    watch.override("STOP", "Ada", "A parade", seconds=10)
    clock.now += 9.9
    assert watch.react("PROCEED").action == "STOP"
    clock.now += 0.2
    assert watch.react("PROCEED") == Reaction("none", "PROCEED")
    change = watch.check()[0]
    assert (change.before, change.after, change.by) == (OVERRIDE, "none", "Ada")
    assert change.why == "the time that was given is over"
    assert watch.check() == ()
    with pytest.raises(InputError, match="nothing is overridden"):
        watch.release("Ada", "Over")


def test_an_override_may_follow_another():
    watch = overseer()
    watch.override("STOP", "Ada", "A parade")
    change = watch.override("YIELD", "Grace", "An ambulance")
    assert (change.before, change.after, change.by) == (OVERRIDE, OVERRIDE, "Grace")
    assert watch.react("PROCEED").action == "YIELD"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("STPO", "Ada", "why"), "override: 'STPO' is no action of this system; .* did you mean 'STOP'"),
        (("STOP", "", "why"), "override: who '' is no text; write 1 to 300 characters"),
        (("STOP", "Ada", "  "), "override: reason '  ' is no text"),
        (("STOP", "Ada", "a\nb"), "override: reason .* is no text"),
        (("STOP", "Ada", "x" * 301), "override: reason .* is no text"),
        (("STOP", "fail-safe", "why"), "who 'fail-safe' is how oversight names itself"),
        (("STOP", "rule 7", "why"), "who 'rule 7' is how oversight names itself"),
        (("STOP", "Ada", "why", 0), "0 is no time; give seconds above 0"),
        (("STOP", "Ada", "why", math.nan), "nan is no time"),
    ],
)
def test_an_override_without_an_action_a_person_or_a_reason_is_refused(arguments, said):
    watch = overseer()
    with pytest.raises(InputError, match=said):
        watch.override(*arguments)
    assert watch.level == "none"


def test_a_release_needs_a_person_and_a_reason():
    watch = overseer()
    watch.override("STOP", "Ada", "A parade")
    with pytest.raises(InputError, match="release: who"):
        watch.release(" ", "Over")
    assert watch.level == OVERRIDE


def test_an_explainer_that_is_silent_is_stale_and_outcomes_lift_it():
    clock = Clock()
    watch = overseer(clock=clock, stale_s=10.0, release=2)
    clock.now += 10
    assert watch.check() == ()
    clock.now += 0.1
    assert watch.react("PROCEED") == Reaction("hand over", "YIELD", ("no explanation came for too long",))
    change = watch.check()[0]
    assert (change.before, change.after, change.by) == ("none", "hand over", "fail-safe")
    assert watch.check() == ()  # it is told once
    assert watch.alive() == ()
    clock.now += 11  # stale again before the second: the count begins anew
    assert watch.alive() == ()
    change = watch.alive()[0]
    assert (change.before, change.after, change.by) == ("hand over", "none", "fail-safe")


def test_nothing_to_explain_is_no_silence():
    clock = Clock()
    watch = overseer(clock=clock, stale_s=10.0)
    for _ in range(10):
        clock.now += 9
        assert watch.idle() == ()
    clock.now += 11
    assert watch.idle()[0].after == "hand over"  # too late, and saying so lifts nothing
    assert watch.level == "hand over"
    assert watch.alive()[0].after == "none"


def test_a_dead_worker_is_reacted_to_until_outcomes_come_again():
    watch = overseer(fault_do="stop", release=2)
    assert [(c.after, c.by) for c in watch.fault("worker")] == [("stop", "fail-safe")]
    assert watch.fault("worker") == ()
    assert watch.react("PROCEED") == Reaction("stop", "STOP", ("the worker that explains has died",))
    assert watch.found({"supported"}, "d1") == ()  # a finding is no outcome
    assert watch.alive() == ()
    assert watch.alive()[0].after == "none"


def test_the_fail_safe_never_lowers_what_rules_ask_for():
    clock = Clock()
    watch = overseer(Rule("unsupported", "stop"), clock=clock, stale_s=1.0, stale_do="annotate")
    watch.found({"unsupported"})
    clock.now += 5
    assert [(c.before, c.after) for c in watch.check()] == [("stop", "stop")]


def test_faults_count_for_rules_about_them():
    watch = overseer(Rule("fault", "slow", of=3, least=2, release=2))
    assert watch.fault("journal") == ()
    assert watch.fault("journal")[0].why == "fault: 2 of the last 2 findings (journal)"
    watch.found({"supported"}, "d1")
    assert watch.found({"supported"}, "d2")[0].after == "none"


def test_a_rule_may_be_about_staleness():
    clock = Clock()
    watch = overseer(Rule("stale", "stop", release=3), clock=clock, stale_s=10.0, stale_do="annotate")
    clock.now += 11
    assert [(c.after, c.by) for c in watch.check()] == [("annotate", "fail-safe"), ("stop", "rule 1")]
    assert [c.after for c in watch.alive()] == ["stop"]
    assert watch.alive() == ()
    assert [c.after for c in watch.alive()] == ["none"]


def test_reactions_of_none_change_nothing():
    watch = overseer(fault_do="none")
    watch.fault("worker")
    assert watch.react("PROCEED") == Reaction("none", "PROCEED")


def test_where_the_system_chose_nothing_stopping_comes_first():
    assert overseer().stand_in("It failed") == Reaction("stop", "STOP", ("It failed",))
    only = Overseer(Oversight(fallback="YIELD"), ACTIONS)
    assert only.stand_in("It failed") == Reaction("hand over", "YIELD", ("It failed",))
    assert Overseer(Oversight(), ACTIONS).stand_in("It failed") is None
    only.override("PROCEED", "Ada", "I drive")
    assert only.stand_in("It failed") == Reaction(OVERRIDE, "PROCEED", ("It failed", "Ada decides: I drive"))


@pytest.mark.parametrize("jump", [-1e9, -1.0, math.nan, -math.inf])
def test_a_clock_that_jumps_back_hides_nothing(jump):
    clock = Clock()
    watch = overseer(clock=clock, stale_s=10.0)
    watch.override("STOP", "Ada", "A parade", seconds=8)
    clock.now += 6
    watch.check()
    kept = clock.now
    clock.now += jump
    assert watch.check() == ()
    clock.now = kept + 5 if not math.isfinite(jump) else clock.now + 5
    assert [c.after for c in watch.check()][-1] == "hand over"  # eleven seconds have passed
    assert watch.level == "hand over"


def test_a_clock_that_jumps_forward_raises_the_fail_safe_and_recovers():
    clock = Clock()
    watch = overseer(clock=clock, stale_s=10.0)
    clock.now += 1e9
    assert watch.check()[0].after == "hand over"
    assert watch.alive()[0].after == "none"


FOUND = st.lists(
    st.sampled_from([("supported",), ("unsupported",), ("inconclusive",), ("unsupported", "forbidden"), ()]),
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(FOUND, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_the_level_never_falls_within_the_release_after_a_rule_last_fired(findings, of, least, release):
    least = min(of, least)
    watch = overseer(Rule("unsupported", "slow", of=of, least=least, release=release))
    recent: deque[bool] = deque(maxlen=of)
    since, active = 0, False  # findings since the condition last held
    for each in findings:
        before = watch.level
        watch.found(each)
        if not {"supported", "unsupported", "inconclusive"} & set(each):
            assert watch.level == before  # without a verdict nothing was found either way
            continue
        recent.append("unsupported" in each)
        fires = recent[-1] and sum(recent) >= least
        since = 0 if fires else since + 1
        active = active or fires
        if active and since < release:
            assert watch.level == "slow"
        active = watch.level == "slow"
        if fires:
            assert active
        if before == "none" and active:
            assert fires


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.sampled_from(FINDINGS)), max_size=40), st.integers(1, 3))
def test_the_level_is_always_that_of_the_strongest_rule_that_holds(findings, release):
    pairs = [("unsupported", "stop"), ("low margin", "slow"), ("sensor", "annotate"), ("fault", "hand over")]
    rules = [Rule(when, do, release=release) for when, do in pairs]
    together = overseer(*rules)
    alone = [overseer(rule) for rule in rules]
    for n, each in enumerate(findings):
        for watch in (together, *alone):
            watch.found(each, f"d{n}")
        assert together.level == max((watch.level for watch in alone), key=REACTIONS.index)


class Life(RuleBasedStateMachine):
    """Whatever comes in whatever order: what is said of levels is a chain, and a person is always obeyed."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.person, self.last = Clock(), None, "none"
        self.watch = overseer(
            Rule("unsupported", "slow", of=3, least=2, release=2),
            Rule("fault", "annotate", release=2),
            Rule("stale", "stop"),
            clock=self.clock,
            stale_s=5.0,
            release=2,
        )

    def take(self, changes) -> None:
        for change in changes:
            assert change.before == self.last
            self.last = change.after

    @step(found=st.sets(st.sampled_from(FINDINGS)), about=st.sampled_from(["", "a", "b", "c"]), pending=st.booleans())
    def find(self, found, about, pending) -> None:
        self.take(self.watch.found(found, about, pending))

    @step(kind=st.sampled_from(["worker", "journal"]))
    def fail(self, kind) -> None:
        self.take(self.watch.fault(kind))

    @step()
    def live(self) -> None:
        self.take(self.watch.alive())

    @step(seconds=st.floats(-10, 10))
    def wait(self, seconds) -> None:
        self.clock.now += seconds
        self.take(self.watch.check())

    @step(action=st.sampled_from(ACTIONS))
    def override(self, action) -> None:
        self.take([self.watch.override(action, "Ada", "A parade")])
        self.person = action

    @step()
    def release(self) -> None:
        if self.person is not None:
            self.take([self.watch.release("Ada", "Over")])
            self.person = None

    @invariant()
    def the_level_is_what_was_told(self) -> None:
        assert self.watch.level == self.last
        reaction = self.watch.react("PROCEED")
        assert reaction.action in ACTIONS
        assert (reaction.level == OVERRIDE) == (self.person is not None)
        assert (reaction.level == "none") == (reaction.reasons == ())
        if self.person is not None:
            assert reaction.action == self.person


Life.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase


def test_threads_may_share_it():
    watch = overseer(Rule("unsupported", "stop", of=7, least=3, release=4), stale_s=1000.0)
    changes, failed = [], []

    def work(seed: int) -> None:
        try:
            for n in range(300):
                changes.extend(watch.found({"unsupported" if (n + seed) % 3 else "supported"}, f"{seed} {n}"))
                watch.react("PROCEED")
                changes.extend(watch.alive() if n % 2 else watch.check())
        except Exception as error:  # noqa: BLE001  # an error in a thread would be lost otherwise
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(c.after == "stop" for c in changes) - sum(c.after == "none" for c in changes) == (watch.level == "stop")


def test_what_is_remembered_of_decisions_is_bounded():
    watch = overseer(Rule("unsupported", "stop"))
    for n in range(5000):
        watch.found({"supported"}, f"d{n}")
    assert len(watch._counted) == 4096
