"""A lane does its work in order, refuses what is too much, and ends."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

import pytest

from veridical.agent.serve.lane import Lane
from veridical.agent.serve.problem import Problem


def test_work_is_done_in_another_thread_in_order():
    lane, done = Lane("testing"), []

    async def main():
        return await asyncio.gather(
            *(lane.run(lambda i=i: (done.append(i), threading.get_ident())[1], 5) for i in range(9))
        )

    threads = set(asyncio.run(main()))
    assert done == list(range(9))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    assert lane.close(1)


def test_what_work_raises_is_raised_where_it_is_waited_for():
    lane = Lane("testing")

    def fail(error):
        raise error

    for error in (ValueError("of the work"), TimeoutError("of the work")):
        with pytest.raises(type(error), match="of the work"):
            asyncio.run(lane.run(lambda error=error: fail(error), 5))
    assert lane.status()["taken"] == 0
    lane.close(1)


def test_too_much_is_refused_with_when_to_ask_again():
    lane, go = Lane("testing", waiting=2), threading.Event()
    taken = [lane.offer(go.wait) for _ in range(3)]
    with pytest.raises(Problem) as caught:
        lane.offer(go.wait)
    assert caught.value.status == 429
    assert int(caught.value.headers["Retry-After"]) >= 1
    go.set()
    assert all(future.result(5) for future in taken)
    assert lane.offer(lambda: 7).result(5) == 7
    lane.close(1)


def test_what_takes_too_long_is_a_time_out_and_keeps_its_place():
    lane, go = Lane("testing", waiting=1), threading.Event()

    async def main():
        for _ in range(2):
            with pytest.raises(Problem) as caught:
                await lane.run(go.wait, 0.05)
            assert caught.value.status == 504

    asyncio.run(main())
    assert lane.status()["taken"] == 1  # the first goes on; the second never began and is forgotten
    go.set()
    lane.close(2)
    assert lane.status()["taken"] == 0


def test_a_closed_lane_takes_nothing_and_cancels_what_waits():
    lane, go = Lane("testing", waiting=2), threading.Event()
    began = threading.Event()
    running, waiting = lane.offer(lambda: began.set() or go.wait(5)), lane.offer(lambda: 1)
    assert began.wait(5)
    closer = threading.Thread(target=lane.close, args=(5,))
    closer.start()
    deadline = time.monotonic() + 5
    while not waiting.cancelled() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert waiting.cancelled()
    with pytest.raises(Problem, match="stopping"):
        lane.offer(lambda: 1)
    go.set()
    closer.join(5)
    assert running.result(5)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_a_nice_lane_stands_back_alone():
    lane = Lane("testing", nice=5)
    before = os.nice(0)
    assert lane.offer(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result(5) == before + 5
    assert os.nice(0) == before
    lane.close(1)
