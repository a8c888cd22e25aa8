"""What is asked for at the same time: time-outs, full lanes, and explanations that hold up no decision."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.agent.serve.sample import READ, Slow, agent, served
from tests.toys import EARS, EYES, READER, Toy

BODY = {"observation": {"text": READ}}


@pytest.fixture
def slow():
    one = Slow()
    yield one
    one.go.set()
    one.deciding.set()


def test_an_explanation_out_of_time_is_a_504_with_what_was_done_and_ends(slow):
    with served(slow, timeout_s=0.2) as client:
        answer = client.post("/v1/explain", json=BODY)
        told = answer.json()
        assert answer.status_code == 504
        assert (told["done"], told["stage"], told["share"]) == (["prepare"], "verify", 0.25)
        assert "verify was under way; done: prepare" in told["detail"]
        assert slow.ended.wait(5)
        assert not slow.go.is_set()  # it was given up, and did not end by itself


def test_the_services_own_time_out_is_the_most_that_may_be_asked_for(slow):
    with served(slow, timeout_s=0.1) as client:
        assert "within 0.1 s" in client.post("/v1/explain", json={**BODY, "timeout_s": 60}).json()["detail"]


def test_full_explanations_are_refused_and_decisions_go_on(slow):
    with served(slow, explaining=1) as client, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(client.post, "/v1/explain", json={**BODY, "timeout_s": 2}) for _ in range(2)]
        assert slow.began.wait(5)
        deadline = time.monotonic() + 5
        while client.get("/v1/status").json()["service"]["lanes"]["explain"]["taken"] < 2:
            assert time.monotonic() < deadline
        answer = client.post("/v1/explain", json=BODY)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert client.post("/v1/decide", json=BODY).status_code == 200
        slow.go.set()
        assert {future.result().status_code for future in asked} == {500}


def test_orders_pass_by_decisions_that_hang(slow):
    slow.deciding.clear()
    with served(slow, deciding=1, decide_s=0.3) as client, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(client.post, "/v1/decide", json=BODY) for _ in range(3)]
        order = {"action": "STOP", "who": "a person", "reason": "it hangs"}
        assert client.post("/v1/override", json=order).json()["after"] == "override"
        assert client.get("/v1/status").json()["agent"] == {"odd": None, "set": [1]}
        assert sorted(future.result().status_code for future in asked) == [429, 504, 504]
        slow.deciding.set()


def test_stopping_gives_up_explanations_and_closes_the_agent(slow):
    with ThreadPoolExecutor(1) as pool:
        with served(slow, close_s=5) as client:
            asked = pool.submit(client.post, "/v1/explain", json=BODY)
            assert slow.began.wait(5)
            desk = client.app.state.desk  # type: ignore[attr-defined]
            assert desk.close()
            assert asked.result().status_code == 503
            assert client.post("/v1/decide", json=BODY).status_code == 503
        assert slow.ended.is_set()
        assert slow.closed >= 1


def test_an_error_of_the_agent_is_a_500_without_its_words(slow):
    slow.go.set()
    with served(slow) as client:
        answer = client.post("/v1/explain", json=BODY)
    assert answer.status_code == 500
    assert "of the test" not in answer.text


def test_a_system_that_fails_is_a_503_in_words():
    def fails(inputs):
        raise RuntimeError("the camera is on fire")

    from veridical.agent.loop.agent import ExplanationAgent

    with served(ExplanationAgent(Toy(fails, EYES, EARS, READER))) as client:
        answer = client.post("/v1/decide", json=BODY)
    assert answer.status_code == 503
    assert "system" in answer.json()["detail"]


def test_an_explanation_of_the_real_agent_holds_up_no_decision():
    """The system is held by the explanation all the while; deciding takes no such lock."""
    entered, go = threading.Event(), threading.Event()
    one: Any = agent()
    inner = one.explainer.explain

    def explain(observation, progress=None, **more):
        from veridical.modalities.held import held

        with held(one.system):
            entered.set()
            go.wait(10)
        return inner(observation, progress, **more)

    one.explainer.explain = explain
    with served(one) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/v1/explain", json=BODY)
        assert entered.wait(5)
        assert client.post("/v1/decide", json=BODY).status_code == 200
        go.set()
        assert asked.result().status_code == 200
