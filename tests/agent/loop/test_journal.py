# Wrong values and stand-ins are handed in on purpose here.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.record.vectors import sample
from veridical.agent.audit.contents import Contents
from veridical.agent.explanation import Explanation
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.loop.journal import EVENTS, Journal
from veridical.agent.loop.journal_items import Item, Waiting, tidy
from veridical.agent.loop.journal_writing import Scribe
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.context import Context
from veridical.errors import InputError, RecordError


class Failing:
    """A log that fails as long as it is told to, before or after it has written."""

    def __init__(self, log, monkeypatch):
        self.error, self.after, self.tried = None, False, 0
        self.gate = threading.Event()
        self.gate.set()
        appending = log.append_all, log.append

        def wrapped(append):
            def tries(*args):
                self.tried += 1
                self.gate.wait(20)
                if self.error is not None and not self.after:
                    raise self.error
                done = append(*args)
                if self.error is not None:
                    raise self.error
                return done

            return tries

        monkeypatch.setattr(log, "append_all", wrapped(appending[0]))
        monkeypatch.setattr(log, "append", wrapped(appending[1]))


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def log(home):
    with Log.open(home) as found:
        yield found


@pytest.fixture
def failing(log, monkeypatch):
    return Failing(log, monkeypatch)


def explanation():
    return Explanation(*sample())


def noted(home, kinds=("note", "operator", "decision")):
    """What the log holds, as (event or act or action, detail); the log verifies."""
    with Log.open(home) as log:
        found = verify_log(log, contents=Contents(deep=False))
        assert found.ok, found.problems
        rows = [entry.statement for entry in log.entries(1) if entry.statement.kind in kinds]
    return [(s.predicate.get("event") or s.predicate["action"], s.predicate.get("detail") or {}) for s in rows]


def wait_for(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.005)


def test_what_is_said_is_written_in_order_between_explanations_and_acts(home):
    journal = Journal(lambda: Log.open(home), "robot 7", patience_s=0.01)
    journal.say("started", {"policy": None})
    journal.say("decided", {"action": "STOP"})
    journal.keep(explanation(), Context(trigger="inline"), "order 1")
    journal.act("overridden", "M. Lind", "saw it", "SLOW")
    journal.act("released", "M. Lind", "it is gone", None)
    journal.say("decided", {"action": "GO"})
    assert journal.flush(10)
    assert journal.counts == {"said": 6, "written": 6, "waiting": 0, "lost": 0}
    assert journal.close(10)
    told = [event for event, _ in noted(home)]
    assert told == ["started", "decided", "STOP", "SLOW", None, "decided", "closed"]
    with Log.open(home) as log:
        first, act = log.entry(1).statement, log.entry(4).statement
        assert first.predicate["agent"] == act.predicate["agent"] == "robot 7"
        assert first.predicate["said"] <= first.time
        assert first.subjects == act.subjects == log.about()
        assert (act.predicate["act"], act.predicate["who"], act.predicate["about"]) == ("overridden", "M. Lind", None)
        assert all("backwards" not in str(entry.statement.predicate.get("clock")) for entry in log.entries())


def test_an_explanation_is_kept_under_the_decisions_id(home):
    context = Context(labels={"group": "A"}, trigger="low margin")
    journal = Journal(lambda: Log.open(home), "robot", patience_s=0)
    journal.keep(explanation(), context)
    assert journal.close(10)
    with Log.open(home) as log:
        said = log.entry(1).statement.predicate
    assert (said["id"], said["labels"], said["trigger"]) == (context.id, {"group": "A"}, "low margin")


def test_many_notes_take_few_transactions(home, log, failing):
    journal = Journal(lambda: log, "robot", patience_s=0.2)
    for number in range(128):
        journal.say("decided", {"number": number})
    assert journal.flush(10)
    assert failing.tried <= 4
    assert journal.close(10)
    assert [detail.get("number") for _, detail in noted(home)][:-1] == list(range(128))


def test_nothing_is_kept_without_a_log():
    journal = Journal(None, "robot")
    journal.say("decided", {})
    journal.act("overridden", "M. Lind", "x", None)
    assert journal.counts == {"said": 2, "written": 0, "waiting": 0, "lost": 0}
    assert journal.trouble is None
    assert journal.flush(0)
    assert journal.close(0)


def test_trouble_passes_and_nothing_is_lost(home, log, failing):
    journal = Journal(lambda: log, "robot", patience_s=0.01)
    failing.error = OSError(28, "No space left on device")
    journal.say("decided", {"action": "STOP"})
    wait_for(lambda: failing.tried >= 2)
    assert journal.trouble == "OSError: [Errno 28] No space left on device"
    assert not journal.flush(0.05)
    journal.say("decided", {"action": "GO"})
    failing.error = None
    assert journal.flush(10)
    assert journal.trouble is None
    assert journal.close(10)
    told = noted(home)
    assert [event for event, _ in told] == ["decided", "fault", "decided", "closed"]
    fault = told[1][1]
    assert (fault["what"], fault["why"]) == (
        "the log could not be written",
        "OSError: [Errno 28] No space left on device",
    )
    assert fault["tries"] >= 2
    assert fault["from"] <= fault["to"]


def test_what_was_written_though_nobody_could_say_so_is_not_written_twice(home, log, failing):
    journal = Journal(lambda: log, "robot", patience_s=0.02)
    failing.error, failing.after = RecordError("nobody can know whether it was appended"), True
    journal.say("decided", {"number": 0})
    journal.say("decided", {"number": 1})
    wait_for(lambda: journal.trouble)
    failing.error = None
    assert journal.flush(10)
    failing.error = RecordError("the same")
    journal.keep(explanation(), Context())
    wait_for(lambda: journal.trouble)
    failing.error = None
    assert journal.close(10)
    assert Counter(event for event, _ in noted(home)) == {"decided": 2, "STOP": 1, "fault": 2, "closed": 1}


def test_a_log_that_hangs_holds_nobody_up(home, log, failing, monkeypatch):
    monkeypatch.setattr("veridical.agent.loop.journal.SLOW", 0.05)
    journal = Journal(lambda: log, "robot", capacity=100, patience_s=0.01)
    failing.gate.clear()
    spent = []
    for number in range(1000):
        start = time.perf_counter()
        journal.say("decided", {"number": number})
        spent.append(time.perf_counter() - start)  # the median: a busy machine may take any of them off its core
        if not number:
            wait_for(lambda: failing.tried)
    journal.say("fault", {"what": "a camera stalled"})
    wait_for(lambda: journal.trouble)
    assert "has not answered for 0 s" in journal.trouble
    assert np.median(spent) < 1e-3
    counts = journal.counts
    assert counts["waiting"] == 101
    assert counts["said"] == 1001 == counts["waiting"] + counts["lost"]
    assert not journal.flush(0.01)
    failing.gate.set()
    assert journal.close(10)
    told = noted(home)
    lost = next(detail for event, detail in told if event == "lost")
    assert (lost["count"], lost["events"]) == (900, {"decided": 900})
    assert lost["why"] == "more was said than could be written"
    assert lost["from"] < lost["to"]
    assert [d["number"] for e, d in told if e == "decided"] == [0, *range(901, 1000)]
    assert journal.counts == {"said": 1001, "written": 101, "waiting": 0, "lost": 900}


def test_a_log_that_cannot_be_opened_is_opened_later(home):
    errors = [RecordError("no server"), RecordError("no server")]

    def opens():
        if errors:
            raise errors.pop()
        return Log.open(home)

    journal = Journal(opens, "robot", patience_s=0.01)
    journal.say("decided", {})
    assert journal.flush(10)
    assert journal.close(10)
    assert [(event, detail.get("tries")) for event, detail in noted(home)] == [
        ("decided", None),
        ("fault", 2),
        ("closed", None),
    ]


def test_a_database_that_another_has_locked_is_waited_for(home, log, monkeypatch):
    monkeypatch.setattr("veridical.agent.log.database.WAIT", 0.05)
    journal = Journal(lambda: Log.open(home), "robot", patience_s=0.01)
    other = sqlite3.connect(home / "log.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.say("decided", {})
    wait_for(lambda: journal.trouble)
    assert "locked" in journal.trouble
    other.execute("ROLLBACK")
    other.close()
    assert journal.close(10)
    assert [event for event, _ in noted(home)] == ["decided", "fault", "closed"]


def test_closing_in_time_gives_up_what_is_left(log, failing):
    journal = Journal(lambda: log, "robot", patience_s=0.01)
    failing.error = RecordError("the disk is full")
    for _ in range(3):
        journal.say("decided", {})
    start = time.monotonic()
    assert not journal.close(0.2)
    assert time.monotonic() - start < 2
    wait_for(lambda: journal.counts["waiting"] == 0)
    assert journal.counts["lost"] == 3
    assert not journal.close(1)


def test_a_log_that_hangs_does_not_hold_up_closing(log, failing):
    journal = Journal(lambda: log, "robot", patience_s=0)
    failing.gate.clear()
    journal.say("decided", {})
    wait_for(lambda: failing.tried)
    start = time.monotonic()
    assert not journal.close(0.1)
    assert time.monotonic() - start < 1
    failing.gate.set()


def test_what_is_said_after_closing_is_counted(home):
    journal = Journal(lambda: Log.open(home), "robot")
    assert journal.close(10)
    assert journal.close(10)
    journal.say("decided", {})
    journal.act("released", "a", "b", None)
    assert journal.counts == {"said": 2, "written": 0, "waiting": 0, "lost": 2}
    assert [detail["said"] for _, detail in noted(home)] == [0]


def test_a_closed_log_is_used_all_the_same(home, log):
    journal = Journal(lambda: log, "robot", patience_s=0)
    log.close()
    journal.say("decided", {})
    assert journal.close(10)
    assert [event for event, _ in noted(home)] == ["decided", "closed"]


def test_an_explanation_that_cannot_be_written_is_given_up_and_told(home):
    journal = Journal(lambda: Log.open(home), "robot", patience_s=0.01)
    result, arrays = sample()
    journal.keep(Explanation({**result, "broken": object()}, arrays), Context())
    journal.keep(explanation(), Context(), "")  # a subject's name that cannot be used
    journal.say("decided", {})
    assert journal.close(10)
    told = noted(home)
    assert [event for event, _ in told] == ["fault", "lost", "fault", "lost", "decided", "closed"]
    assert "RecordError" in told[0][1]["why"]
    assert "InputError" in told[2][1]["why"]
    assert told[1][1]["events"] == {"explanation": 1}
    assert journal.counts == {"said": 3, "written": 1, "waiting": 0, "lost": 2}


class Hostile:
    def __str__(self):
        raise RuntimeError("nobody prints me")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "nan"),
        (np.float32(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (2**60, str(2**60)),
        ("x" * 3000, "x" * 2000 + "…"),
        ({1: {2}}, {"1": ["2"]}),
        ("\ud800", "?"),
        (None, None),
        (True, True),
    ],
)
def test_a_detail_becomes_what_json_can_hold(value, told):
    assert tidy(value) == told
    canonical_json(tidy(value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_detail_can_be_written(value):
    canonical_json(tidy(value))


def test_what_cannot_even_be_printed_or_is_too_long_gives_way_to_the_reason(home):
    journal = Journal(lambda: Log.open(home), "robot")
    journal.say("fault", {"what": Hostile()})
    journal.say("fault", {str(n): "x" * 1999 for n in range(50)})
    assert journal.close(10)
    told = [detail for _, detail in noted(home)]
    assert told[0] == {"unsaid": "RuntimeError: nobody prints me"}
    assert told[1]["unsaid"].endswith("bytes, and a note has at most 65,536")


def test_what_is_no_detail_at_all_is_counted(home, unchecked):
    journal = Journal(lambda: Log.open(home), "robot")
    journal.say("decided", 3)
    journal.keep(explanation(), None)
    assert journal.close(10)
    assert journal.counts == {"said": 2, "written": 0, "waiting": 0, "lost": 2}


def test_what_is_needed_is_not_dropped_for_anything_else():
    waiting = Waiting(4, kept=2)
    items = [item(event) for event in ("decided", "worker", "fault", "decided", "oversight", "decided", "fault")]
    dropped = [waiting.push(each) for each in items]
    assert dropped == [None] * 4 + [items[0], items[3], items[5]]
    kept = [item("explanation", "decision") for _ in range(4)]
    # The worker's note gives way to the first; then nothing but what is needed waits beside it.
    assert waiting.push(kept[0]) is items[1]
    assert waiting.push(kept[1]) is kept[0]
    assert waiting.push(item("fault")) is kept[1]
    late = item("fault")
    assert waiting.push(late) is late
    assert len(waiting) == 4
    assert [each.event for each in waiting.clear()] == ["fault", "oversight", "fault", "fault"]
    assert len(waiting) == 0


def test_explanations_are_taken_alone_and_few_wait():
    waiting = Waiting(100, kept=2)
    items = [item("decided"), *(item("explanation", "decision") for _ in range(3)), item("decided"), item("decided")]
    assert [waiting.push(each) for each in items] == [None, None, None, items[1], None, None]
    taken = [waiting.take(64) for _ in range(5)]
    assert taken == [[items[0]], [items[2]], [items[3]], items[4:], []]


@given(st.lists(st.sampled_from(EVENTS), max_size=60), st.integers(1, 8))
def test_nothing_vanishes_from_what_waits(events, capacity):
    waiting = Waiting(capacity)
    dropped = [d for event in events if (d := waiting.push(item(event))) is not None]
    left = waiting.clear()
    assert len(left) == min(len(events), capacity)
    assert Counter(each.event for each in dropped + left) == Counter(events)


def test_a_fork_says_nothing(home, monkeypatch):
    journal = Journal(lambda: Log.open(home), "robot")
    monkeypatch.setattr("veridical.agent.loop.journal.os.getpid", lambda: -1)
    journal.say("decided", {})
    assert journal.counts["said"] == 0
    assert journal.close(10)


def test_a_capacity_and_a_patience_must_be_such():
    with pytest.raises(InputError, match="at least 1 must find room"):
        Journal(None, "robot", 0)
    with pytest.raises(InputError, match="nobody waits less than 0 s"):
        Journal(None, "robot", patience_s=float("nan"))


def test_threads_say_things_at_once(home):
    def work(name):
        for number in range(100):
            journal.say("decided", {"of": name, "number": number})

    journal = Journal(lambda: Log.open(home), "robot", patience_s=0.01)
    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.close(20)
    told = [detail for event, detail in noted(home) if event == "decided"]
    for name in range(4):
        assert [d["number"] for d in told if d["of"] == name] == list(range(100))


def test_a_scribe_tells_of_what_it_gave_up_at_once(home, log):
    scribe = Scribe(lambda: log, "robot")
    scribe.lose(item("decided"), "a")
    scribe.lose(item("oversight"), "b")
    assert scribe.owes
    assert scribe.own()
    assert not scribe.owes
    ((event, detail),) = noted(home)
    assert (event, detail["count"], detail["why"]) == ("lost", 2, "a; b")
    assert detail["events"] == {"decided": 1, "oversight": 1}


def item(event, kind="note"):
    return Item(kind, event, "2026-11-23T20:12:33.000000+00:00")
