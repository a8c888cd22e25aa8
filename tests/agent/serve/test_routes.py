"""The endpoints: what is asked over HTTP is what the agent says in Python."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.agent.serve.sample import (
    AUTH,
    FRAME,
    OPERATOR,
    RATE,
    RAW,
    READ,
    TOKEN,
    WHOLE,
    agent,
    as_array,
    served,
    sound,
)
from veridical.agent.loop.jobs import Outcome
from veridical.agent.loop.policy import Explaining, Policy
from veridical.agent.serve.guard import SECURITY

BODY = {"observation": WHOLE}
ORDER = {"action": "GO", "who": "operator 7", "reason": "the road is clear"}


@pytest.fixture(scope="module")
def client():
    with served(kept=3) as found:
        yield found


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert "\n" not in told["detail"]
    assert "Traceback" not in answer.text
    return told


def test_a_decision_over_http_is_the_agents_own(client):
    told = client.post("/v1/decide", json=BODY).json()
    with agent() as one:
        own = one.decide(RAW)
    assert told["chosen"] == own.chosen == "STOP"
    assert told["score"] == pytest.approx(own.score, abs=1e-5)
    assert told["probabilities"] == pytest.approx(dict(own.probabilities), abs=1e-6)


def test_bare_arrays_decide_as_files_do(client):
    observation = {"vision": as_array(FRAME), "audio": as_array(sound(), rate=RATE), "text": READ}
    files, arrays = (client.post("/v1/decide", json={"observation": o}).json() for o in (WHOLE, observation))
    assert arrays["score"] == pytest.approx(files["score"], abs=1e-6)


def test_a_sense_that_is_left_out_is_absent(client):
    told = client.post("/v1/decide", json={"observation": {"text": READ}}).json()
    with agent() as one:
        assert told["score"] == pytest.approx(one.decide({"text": RAW["text"]}).score, abs=1e-5)


def test_an_explanation_is_told_whole(client):
    told = client.post("/v1/explain", json={**BODY, "timeout_s": 30}).json()
    assert told["action"] == "STOP"
    assert told["verdict"] == told["result"]["verdict"]["verdict"]
    assert told["justification"] == told["result"]["justification"]["text"]
    assert told["seconds"] < 30


def test_decisions_are_remembered_and_the_oldest_forgotten(client):
    ids = [client.post("/v1/decide", json={"observation": {"text": READ}}).json()["id"] for _ in range(4)]
    for id in ids[1:]:
        found = client.get(f"/v1/decisions/{id}").json()
        assert (found["id"], found["chosen"], found["outcome"]) == (id, "STOP", None)
    assert "the latest 3" in problem(client.get(f"/v1/decisions/{ids[0]}"), 404)["detail"]
    problem(client.get(f"/v1/decisions/{uuid.uuid4()}"), 404)
    problem(client.get("/v1/decisions/a%20b"), 422)


def test_what_became_of_an_explanation_is_told_with_its_decision(client):
    told = client.post("/v1/decide", json={"observation": {"text": READ}}).json()
    outcome = Outcome(told["id"], told["number"], "explained", "STOP", "supported", None, 4, 1.5, ("supported",))
    for listener in client.agent.on_outcome:
        listener(outcome)
    found = client.get(f"/v1/decisions/{told['id']}").json()["outcome"]
    assert (found["verdict"], found["entry"], found["findings"]) == ("supported", 4, ["supported"])


def test_an_override_is_obeyed_and_released(client):
    change = client.post("/v1/override", json=ORDER).json()
    assert (change["after"], change["by"], change["action"]) == ("override", "operator 7", "GO")
    told = client.post("/v1/decide", json=BODY).json()
    assert (told["chosen"], told["action"], told["reaction"]["level"]) == ("STOP", "GO", "override")
    assert client.get("/v1/status").json()["agent"]["level"] == "override"
    released = client.post("/v1/release", json={"who": "operator 7", "reason": "done"}).json()
    assert released["after"] == "none"
    assert client.post("/v1/decide", json=BODY).json()["action"] == "STOP"


def test_an_order_that_cannot_be_is_refused_in_words(client):
    told = problem(client.post("/v1/override", json={**ORDER, "action": "FLY"}), 422)
    assert "FLY" in told["detail"]
    assert "GO" in told["detail"]
    problem(client.post("/v1/override", json={**ORDER, "who": " "}), 422)
    problem(client.post("/v1/release", json={"who": "a", "reason": "nothing is overridden"}), 422)


def test_the_policy_is_told_with_its_digest():
    policy = Policy("careful", "3", Explaining(mode="off"))
    with served(agent(policy=policy)) as client:
        told = client.get("/v1/policy").json()
    assert (told["name"], told["version"], told["digest"]) == ("careful", "3", policy.digest)
    assert told["explain"]["mode"] == "off"


def test_the_status_counts_what_was_asked_and_refused():
    with served() as client:
        client.post("/v1/decide", json=BODY)
        client.get("/v1/nothing")
        told = client.get("/v1/status").json()
    assert told["agent"]["decisions"] == 1
    service = told["service"]
    assert (service["asked"], service["refused"], service["faults"], service["open"]) == (3, 1, 0, 1)
    assert service["lanes"]["decide"]["seconds"] > 0


@pytest.mark.parametrize("path", ["decide", "explain", "override", "release"])
def test_without_the_token_nothing_is_told_and_no_body_is_read(client, path):
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = client.post(f"/v1/{path}", content=b"x" * 99, headers=headers)
        told = problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in json.dumps(told)


@pytest.mark.parametrize("path", ["status", "policy", "decisions/x"])
def test_what_may_be_read_asks_for_the_token_too(client, path):
    problem(client.get(f"/v1/{path}", headers={"Authorization": "Bearer x"}), 401)


def test_health_and_the_document_need_none(client):
    for path in ("health", "openapi.json"):
        assert client.get(f"/v1/{path}", headers={"Authorization": ""}).status_code == 200


def test_where_an_operator_has_a_token_the_other_may_not_order():
    with served(operator_token=OPERATOR) as client:
        operator = {"Authorization": f"Bearer {OPERATOR}"}
        assert "operator" in problem(client.post("/v1/override", json=ORDER), 403)["detail"]
        assert client.post("/v1/override", json=ORDER, headers=operator).status_code == 200
        assert client.post("/v1/decide", json=BODY, headers=operator).status_code == 200
        assert client.post("/v1/decide", json=BODY).json()["action"] == "GO"
        problem(client.post("/v1/release", json=ORDER), 403)


def test_every_answer_has_the_security_headers(client):
    answers = (client.get("/v1/health"), client.get("/v1/nothing"), client.post("/v1/decide", json={}))
    for answer in answers:
        assert {name: answer.headers[name] for name in SECURITY} == SECURITY
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_an_unknown_path_and_method_are_problems(client):
    assert "/v1/nothing" in problem(client.get("/v1/nothing"), 404)["detail"]
    answer = client.delete("/v1/decide")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert client.get("/v1/health/", follow_redirects=False).status_code == 404


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        ({"smell": READ}, "unknown modality 'smell'; this system has vision, audio, text"),
        ({"vision": READ}, "vision: a signal of kind 'words', and this sense reads 'frames'"),
        ({"audio": {"kind": "words", "text": "/etc/passwd"}}, "this sense reads 'sound'"),
        ({"vision": {"kind": "frames", "images": ["AAAA"]}}, "3 bytes that are no PNG or JPEG file"),
    ],
)
def test_an_observation_that_cannot_be_used_is_told_in_words(client, observation, words):
    assert words in problem(client.post("/v1/decide", json={"observation": observation}), 422)["detail"]


def test_a_web_page_may_ask_only_where_it_was_said():
    page = {"Origin": "https://page.example"}
    with served() as client:
        assert "page.example" in problem(client.post("/v1/decide", json=BODY, headers=page), 403)["detail"]
    with served(origins=("https://page.example",)) as client:
        answer = client.post("/v1/decide", json=BODY, headers={**page, **AUTH})
        assert answer.headers["access-control-allow-origin"] == "https://page.example"
        problem(client.get("/v1/health", headers={"Origin": "https://other.example"}), 403)
        asked = {**page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        assert client.options("/v1/decide", headers=asked).status_code == 200
