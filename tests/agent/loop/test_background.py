"""Behind the loop: what outcomes mean for oversight, what is noted of them, and who is told."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.agent.loop.faults_sample import job
from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent.depths import settings_at
from veridical.agent.loop.background import Background, registered
from veridical.agent.loop.jobs import Outcome
from veridical.agent.loop.journal import Journal
from veridical.agent.loop.oversight import Overseer
from veridical.agent.loop.policy import Explaining, Oversight, Policy, Rule
from veridical.agent.loop.worker import ThreadWorker
from veridical.errors import InputError

ACTIONS = ("STOP", "GO")
RULES = (Rule("unsupported", "stop"), Rule("fault", "annotate"))


class Notes(Journal):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(None, "test")
        self.said: list[tuple[str, dict[str, Any]]] = []

    def say(self, event: str, said: Any) -> None:
        self.said.append((event, dict(said)))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [said for each, said in self.said if each == event]


def made(mode: str = "background", **more: Any) -> tuple[Background, Notes]:
    more = {"deadline_ms": 1000.0, **more} if mode == "inline" else more
    rules = RULES if mode != "off" else ()
    oversight = Oversight(rules, stop="STOP", fallback="STOP", fault_do="hand over" if mode == "background" else "none")
    policy = Policy(explain=Explaining(mode=mode, worker="thread", **more), oversight=oversight)
    notes = Notes()
    return Background(policy, Overseer(oversight, ACTIONS), notes), notes


def level(background: Background) -> str:
    return background._overseer.level


def test_a_verdict_feeds_the_overseer_and_the_change_is_noted():
    background, notes = made()
    background._outcome(Outcome("a", 0, "explained", "GO", "unsupported", findings=("unsupported",)))
    assert level(background) == "stop"
    (change,) = notes.of("oversight")
    assert (change["before"], change["after"], change["by"]) == ("none", "stop", "rule 1")
    assert "(a)" in change["why"]
    background._outcome(Outcome("b", 1, "explained", "GO", "supported", findings=("supported",)))
    assert level(background) == "none"
    assert background.status()["outcomes"] == {"explained": 2}


@pytest.mark.parametrize("kind", ["failed", "lost"])
def test_an_explanation_that_never_came_is_a_fault(kind):
    background, notes = made()
    background._outcome(Outcome("a", 0, kind, fault="it burst"))
    assert level(background) == "annotate"
    assert notes.of("fault") == [{"id": "a", "kind": kind, "what": "it burst"}]
    assert background.last_fault == "it burst"


def test_what_was_dropped_is_noted_and_no_fault():
    background, notes = made()
    background._outcome(Outcome("a", 7, "dropped", fault="8 later decisions were waiting"))
    assert level(background) == "none"
    assert notes.of("dropped") == [{"id": "a", "number": 7, "why": "8 later decisions were waiting"}]
    assert background.last_fault is None


def test_what_was_explained_but_not_logged_is_told():
    background, notes = made()
    background._outcome(Outcome("a", 0, "explained", "GO", "supported", findings=("supported",), fault="disk full"))
    assert notes.of("fault")[0]["what"] == "disk full"


def test_a_dead_worker_is_the_fail_safes_affair_until_outcomes_come_again():
    background, notes = made()
    background._happened("gone", {"why": "SIGKILL", "restarted": 0})
    assert level(background) == "none"
    background._happened("dead", {"why": "SIGKILL", "restarted": 3})
    assert level(background) == "hand over"
    assert [each["what"] for each in notes.of("worker")] == ["gone", "dead"]
    assert background.last_fault == "the worker is dead: SIGKILL"
    background._outcome(Outcome("a", 0, "explained", "GO", "supported", findings=("supported",)))
    assert "fail-safe" in [each["by"] for each in notes.of("oversight")[-2:]]
    assert level(background) == "none"


def test_listeners_are_told_and_one_that_fails_keeps_nobody_from_hearing():
    background, notes = made()
    heard: list[str] = []

    def failing(outcome: Outcome) -> None:
        raise ZeroDivisionError(outcome.id)

    background.listeners += [failing, lambda outcome: heard.append(outcome.id)]
    background._outcome(Outcome("a", 0, "explained", "GO", "supported", findings=("supported",)))
    assert heard == ["a"]
    assert notes.of("fault") == [
        {"kind": "a listener of outcomes", "what": "a listener of outcomes: ZeroDivisionError: a"}
    ]


def test_what_went_wrong_is_a_fault_of_the_decision_and_noted():
    background, notes = made()
    faults: list[str] = []
    background.wrong("explaining", ValueError("two\nlines"), faults)
    assert faults == ["explaining: ValueError: two lines"] == [background.last_fault]
    assert notes.of("fault") == [{"kind": "explaining", "what": "explaining: ValueError: two lines"}]


@pytest.mark.parametrize("mode", ["off", "inline"])
def test_no_worker_is_hired_where_none_is_needed(mode):
    background, _ = made(mode)
    background.hire(Toy(reads_cat, READER), None, settings_at("account"), None)
    assert background.worker is None
    background.tend()
    assert background.status() == {"outcomes": {}, "worker": None, "last_fault": None}


def test_a_process_needs_to_know_how_it_gets_a_system():
    background, _ = made()
    background._policy = Policy(explain=Explaining(worker="process"))
    with pytest.raises(
        InputError, match=r"^agent: a worker process makes a system of its own.*give make_system, or say"
    ):
        background.hire(Toy(reads_cat, READER), None, settings_at("account"), None)


def test_a_hired_thread_explains_and_its_outcome_arrives():
    background, notes = made()
    background.hire(Toy(reads_cat, READER), None, settings_at("account"), None)
    assert isinstance(background.worker, ThreadWorker)
    background.worker.offer(job(0, observation={"text": SENTENCE}))
    assert background.worker.close(30)
    assert background.status()["outcomes"] == {"explained": 1}
    assert background.status()["worker"] == {"alive": False, "waiting": 0, "restarted": 0}
    assert [each["what"] for each in notes.of("worker")] == ["ready"]
    json.dumps(background.status())


def test_that_nothing_comes_says_nothing_where_nothing_waits():
    now = [0.0]
    oversight = Oversight(stale_s=10.0, stale_do="stop", stop="STOP")
    policy = Policy(explain=Explaining(mode="background", worker="thread"), oversight=oversight)
    notes = Notes()
    background = Background(policy, Overseer(oversight, ACTIONS, lambda: now[0]), notes)
    background.worker = ThreadWorker(lambda: Toy(reads_cat, READER), None, None, 2, lambda outcome: None)
    for _ in range(10):
        now[0] += 9
        background.tend()
    assert notes.said == []
    background.worker.offer(job(0))  # it has not begun to work: the job waits, and nothing comes
    now[0] += 9
    background.tend()
    assert notes.said == []
    now[0] += 9
    background.tend()
    (change,) = notes.of("oversight")
    assert (change["before"], change["after"], change["by"]) == ("none", "stop", "fail-safe")


def test_what_changes_while_nothing_waits_is_noted_as_well():
    now = [0.0]
    oversight = Oversight(stop="STOP")
    policy = Policy(explain=Explaining(mode="off"), oversight=oversight)
    notes, overseer = Notes(), Overseer(oversight, ACTIONS, lambda: now[0])
    background = Background(policy, overseer, notes)
    overseer.override("STOP", "Ann", "a child on the road", 5.0)
    now[0] += 6
    background.tend()
    (change,) = notes.of("oversight")
    assert (change["before"], change["after"], change["by"]) == ("override", "none", "Ann")


def test_only_the_very_system_that_is_registered_goes_by_its_name():
    assert registered(Toy(reads_cat, READER, name="no such name")) is None
    nameless: Any = Toy(reads_cat, READER)
    nameless.name = 7
    assert registered(nameless) is None


def test_telling_takes_no_time_worth_speaking_of():
    background, _ = made()
    begun = time.perf_counter()
    for number in range(2000):
        background.tend()
        background._outcome(Outcome(str(number), number, "explained", "GO", "supported", findings=("supported",)))
    assert time.perf_counter() - begun < 2
