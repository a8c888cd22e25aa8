# Wrong values and stand-ins are handed in on purpose here.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.agent.loop.faults_sample import PICTURE, broken, job, nothing, open_faulty, toy
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.loop.worker import ThreadWorker, Worker
from veridical.errors import InputError


class Quick(Worker):
    """A worker whose process needs no torch."""

    open_desk = staticmethod(open_faulty)
    pause = 0.01
    job_timeout = 20.0


class QuickThread(ThreadWorker):
    open_desk = staticmethod(open_faulty)
    pause = 0.01


class Listener:
    """Keeps outcomes and events."""

    def __init__(self):
        self.outcomes, self.events = [], []

    def __call__(self, outcome):
        self.outcomes.append(outcome)

    def event(self, what, detail):
        self.events.append((what, dict(detail)))

    @property
    def kinds(self):
        return [outcome.kind for outcome in self.outcomes]


@pytest.fixture
def heard():
    return Listener()


def hired(kind, heard, queue=8, restarts=3, make=nothing, log=None, **attributes):
    worker = kind(make, None, log, queue, heard, restarts, heard.event)
    for name, value in attributes.items():
        setattr(worker, name, value)
    worker.start()
    return worker


def wait_for(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.005)


@pytest.mark.parametrize("kind", [Quick, QuickThread])
def test_jobs_are_done_in_order_and_closing_does_what_waits(kind, heard, capfd):
    worker = hired(kind, heard)
    assert worker.alive
    for number in range(5):
        worker.offer(job(number))
    assert worker.close(20)
    assert [(o.number, o.kind, o.action) for o in heard.outcomes] == [(n, "explained", "STOP") for n in range(5)]
    assert not worker.alive
    assert worker.waiting == 0
    assert heard.events[0][0] == "ready"
    if kind is Quick:
        assert capfd.readouterr().out == ""


def test_it_stands_back_and_closes_its_desk(heard, tmp_path):
    where = str(tmp_path / "told")
    worker = hired(Quick, heard, log=(where, None))
    worker.offer(job(0, "tell"))
    assert worker.close(20)
    pid, nice = map(int, heard.outcomes[0].action.split())
    assert pid != os.getpid()
    assert nice >= 10
    assert (tmp_path / "told").read_text() == "closed"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_oldest_of_too_many_is_dropped_and_each_has_an_outcome(heard):
    worker = hired(Quick, heard, queue=4)
    start = time.perf_counter()
    for number in range(1000):
        worker.offer(job(number, "slow"))
    spent = time.perf_counter() - start
    assert worker.waiting <= 4
    assert worker.close(20)
    assert spent / 1000 < 1e-3
    numbers = sorted(outcome.number for outcome in heard.outcomes)
    assert numbers == list(range(1000))
    dropped = [outcome.number for outcome in heard.outcomes if outcome.kind == "dropped"]
    assert dropped == sorted(dropped)
    done = {outcome.number for outcome in heard.outcomes if outcome.kind == "explained"}
    assert {996, 997, 998, 999} <= done
    assert len(done) in (4, 5)
    assert "4 later decisions" in next(o.fault for o in heard.outcomes if o.kind == "dropped")


@pytest.mark.parametrize(("action", "why"), [("die", "SIGKILL"), ("leave", "status 3")])
def test_a_job_that_kills_the_process_is_lost_and_the_next_one_is_done(action, why, heard):
    worker = hired(Quick, heard)
    worker.offer(job(0, action))
    worker.offer(job(1))
    assert worker.drain(20)
    assert heard.kinds == ["lost", "explained"]
    assert why in heard.outcomes[0].fault
    assert (worker.restarted, worker.alive) == (1, True)
    assert why in worker.trouble
    assert [what for what, _ in heard.events] == ["ready", "gone", "ready"]
    assert worker.close(10)


def test_a_process_that_is_killed_while_idle_is_replaced_before_it_is_needed(heard):
    worker = hired(Quick, heard)
    worker.offer(job(0, "tell"))
    assert worker.drain(20)
    os.kill(int(heard.outcomes[0].action.split()[0]), signal.SIGKILL)
    wait_for(lambda: worker.restarted == 1 and heard.events[-1][0] == "ready")
    worker.offer(job(1))
    assert worker.close(20)
    assert heard.kinds == ["explained", "explained"]


def test_a_job_that_a_dead_process_never_began_is_not_lost(heard):
    worker = hired(Quick, heard)
    worker.offer(job(0, "tell"))
    assert worker.drain(20)
    os.kill(int(heard.outcomes[0].action.split()[0]), signal.SIGKILL)
    worker.offer(job(1))
    assert worker.close(20)
    assert heard.outcomes[1].kind in ("explained", "lost")  # lost where it was on its way when the process died
    assert worker.restarted <= 1


@pytest.mark.parametrize("how", ["hang", "stop"])
def test_a_process_that_does_not_answer_is_killed(how, heard):
    worker = hired(Quick, heard)
    worker.offer(job(0, "tell"))
    assert worker.drain(20)
    worker.job_timeout = 1.0
    if how == "stop":
        os.kill(int(heard.outcomes[0].action.split()[0]), signal.SIGSTOP)
    worker.offer(job(1, "hang"))
    worker.offer(job(2))
    assert worker.drain(20)
    assert heard.kinds == ["explained", "lost", "explained"]
    assert "did not answer within 1 s" in heard.outcomes[1].fault
    assert 0.9 < heard.outcomes[1].seconds < 3
    assert worker.close(10)


def test_a_thread_that_hangs_is_left_behind(heard):
    worker = hired(QuickThread, heard, job_timeout=0.1)
    worker.offer(job(0, "hang"))
    worker.offer(job(1))
    assert worker.close(10)
    assert heard.kinds == ["lost", "explained"]
    assert "left behind" in heard.outcomes[0].fault


@pytest.mark.parametrize("kind", [Quick, QuickThread])
def test_after_its_last_restart_it_is_dead_and_says_so_of_every_job(kind, heard):
    worker = hired(kind, heard, restarts=1, queue=4)
    for number in range(4):
        worker.offer(job(number, "raise"))
    wait_for(lambda: not worker.alive)
    worker.offer(job(9))
    assert worker.drain(5)
    assert heard.kinds == ["lost"] * 5
    assert "the worker is dead" in heard.outcomes[-1].fault
    assert [what for what, _ in heard.events] == ["ready", "gone", "ready", "dead"]
    assert not worker.close(5)


@pytest.mark.parametrize("kind", [Quick, QuickThread])
def test_a_system_that_cannot_be_made_is_told(kind, heard):
    worker = hired(kind, heard, restarts=0, make=broken)
    worker.offer(job(0))
    wait_for(lambda: heard.outcomes)
    assert "no camera is plugged in" in heard.outcomes[0].fault
    assert not worker.alive
    assert not worker.close(5)


def test_closing_in_time_loses_what_is_left(heard):
    worker = hired(Quick, heard)
    worker.offer(job(0, "hang"))
    worker.offer(job(1))
    wait_for(lambda: worker.busy)
    start = time.monotonic()
    assert not worker.close(0.2)
    assert time.monotonic() - start < 3
    assert sorted((o.number, o.kind) for o in heard.outcomes) == [(0, "lost"), (1, "lost")]
    worker.offer(job(2))
    assert heard.outcomes[-1].fault == "the agent was closed before its turn came"


def test_closing_before_the_process_is_ready_does_not_wait_for_it(heard):
    worker = hired(Quick, heard)
    start = time.monotonic()
    assert worker.close(30)
    assert time.monotonic() - start < 3


def test_closing_what_was_never_started_loses_its_jobs(heard):
    worker = Quick(nothing, None, None, 4, heard)
    worker.offer(job(0))
    assert not worker.alive
    assert worker.close(1) is False
    assert heard.kinds == ["lost"]


def test_starting_twice_begins_once(heard):
    worker = hired(QuickThread, heard)
    worker.start()
    worker.offer(job(0))
    assert worker.close(5)
    assert heard.kinds == ["explained"]


def test_a_listener_that_fails_does_not_matter(heard):
    def listen(outcome):
        heard(outcome)
        raise RuntimeError("no")

    worker = QuickThread(nothing, None, None, 4, listen)
    worker.start()
    for number in range(3):
        worker.offer(job(number))
    assert worker.close(5)
    assert len(heard.outcomes) == 3


def test_a_buffer_that_is_filled_again_does_not_change_the_job(heard):
    frame = np.ones((4, 4, 3), np.uint8)
    worker = QuickThread(nothing, None, None, 4, heard)
    worker.offer(job(0, observation={"vision": frame}))
    frame[:] = 9
    worker.start()
    assert worker.close(5)
    assert heard.outcomes[0].verdict == "48"


def test_what_cannot_be_carried_fails_in_words(heard):
    worker = hired(QuickThread, heard)
    worker.offer(job(0, observation={"vision": threading.Lock()}))
    worker.offer(job(1, observation={"vision": np.array([object()])}))
    assert worker.close(5)
    assert heard.kinds == ["failed", "failed"]
    assert heard.outcomes[0].fault.startswith("vision: a lock is not carried to the worker; give a NumPy array")
    assert "array of objects" in heard.outcomes[1].fault


def test_what_another_process_cannot_import_is_refused_at_once(heard):
    with pytest.raises(InputError, match="import: a function of a module"):
        Worker(lambda: None, None, None, 4, heard)
    with pytest.raises(InputError, match="a queue of 0"):
        Quick(nothing, None, None, 0, heard)
    with pytest.raises(InputError, match="-1 restarts"):
        Quick(nothing, None, None, 1, heard, -1)


SCRIPT = """
import sys, time
from tests.agent.loop.faults_sample import job, nothing, open_faulty
from veridical.agent.loop.worker import Worker
from veridical.errors import InputError
print("runs", flush=True)
class Quick(Worker):
    open_desk = staticmethod(open_faulty)
def mine(): ...
try:
    Quick(mine, None, None, 4, print)
except InputError as error:
    print(error, flush=True)
told = []
worker = Quick(nothing, None, None, 4, told.append)
worker.start()
worker.offer(job(0, "tell"))
worker.drain(20)
print(told[0].action.split()[0], flush=True)
worker.offer(job(1, "hang"))
while not worker.busy:
    time.sleep(0.01)
time.sleep(60)
"""


def test_a_script_without_a_guard_is_not_run_twice_and_its_process_ends_with_it(tmp_path):
    """However it ends: here it is killed while a job is being done."""
    script = tmp_path / "robot.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline() == "runs\n"
        assert "'mine' is of the program's main script" in parent.stdout.readline()
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        time.sleep(0.3)
        parent.kill()
        assert parent.stdout.read() == ""

    def ended():
        try:
            os.kill(child, 0)
            # Where nobody takes over its orphans, a dead process stays as a zombie.
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (ProcessLookupError, FileNotFoundError):
            return True

    wait_for(ended)


def check_explained(worker, heard, home):
    """Two decisions explained and logged, one that cannot be, and one of another mind."""
    policy = {"name": "p", "version": "1", "digest": "sha256:" + "0" * 64}
    said = {"policy": policy, "labels": {"group": "A"}, "triggers": ("low margin", "sampled")}
    worker.offer(job(1, observation={"text": "stop if you meet cat"}, **said))
    worker.offer(job(2, observation={"smell": "cat"}))
    worker.offer(job(3, "GO", observation={"text": "meet cat on way back home"}))
    assert worker.close(60)
    first, failed, last = heard.outcomes
    assert (first.kind, first.action, first.entry, first.fault) == ("explained", "STOP", 1, None)
    assert first.findings[0] == first.verdict
    assert (failed.kind, failed.entry) == ("failed", None)
    assert "unknown modality 'smell'" in failed.fault
    assert last.fault == "the worker's system chose STOP, and the agent's GO"
    with Log.open(home) as log:
        said = log.entry(1).statement.predicate
        assert said["id"] == first.id
        assert (said["trigger"], said["labels"], said["policy"]) == ("low margin, sampled", {"group": "A"}, policy)
        assert said["monotonic"]["end"] >= said["monotonic"]["start"]
        found = verify_log(log, contents=Contents())
        assert (found.ok, found.kinds) == (True, {"opened": 1, "decision": 2})


@pytest.mark.parametrize("kind", [Worker, ThreadWorker])
def test_decisions_are_explained_and_logged(kind, heard, tmp_path):
    from veridical.agent.depths import settings_at

    Log.open(tmp_path / "home").close()
    worker = kind(toy, settings_at("verdict"), (str(tmp_path / "home"), None), 8, heard)
    worker.start()
    check_explained(worker, heard, tmp_path / "home")


def test_an_explanation_that_cannot_be_logged_is_told_all_the_same(heard, tmp_path):
    from veridical.agent.depths import settings_at

    (tmp_path / "file").write_text("no folder")
    worker = ThreadWorker(toy, settings_at("account"), (str(tmp_path / "file"), None), 8, heard)
    worker.start()
    worker.offer(job(1, observation={"text": "meet cat"}))
    assert worker.close(20)
    assert heard.kinds == ["explained"]
    assert heard.outcomes[0].entry is None
    assert "not in the log: RecordError" in heard.outcomes[0].fault


def test_the_threads_system_is_a_copy(heard):
    from veridical.agent.loop.desk import open_desk

    made = toy()
    assert open_desk(lambda: made, None, None, True)._explainer.system is not made
    assert open_desk(lambda: made, None, None, False)._explainer.system is made


def test_a_picture_is_offered_within_a_millisecond(heard):
    worker = QuickThread(nothing, None, None, 4, heard)
    frames = np.zeros((3, 224, 224, 3), np.uint8)
    wave = np.zeros(48_000, np.float32)
    spent = []
    for number in range(50):
        one = job(number, observation={"vision": list(frames), "audio": (wave, 16_000), "text": "go"})
        start = time.perf_counter()
        worker.offer(one)
        spent.append(time.perf_counter() - start)
    assert np.median(spent) < 1e-3
    worker.close(0)


def test_what_nobody_can_write_to_is_not_copied(unchecked):
    from veridical.agent.loop.jobs import carried

    fixed = PICTURE.copy()
    fixed.flags.writeable = False
    told = carried({"a": fixed, "b": fixed[:2], "c": [PICTURE, 3], "d": None, "e": (PICTURE, 16_000)})
    assert told["a"] is fixed
    assert told["b"].base is None
    assert told["c"][0] is not PICTURE
    assert isinstance(told["e"], tuple)
    with pytest.raises(InputError, match="a mapping from sense to signal"):
        carried("cat.png")
