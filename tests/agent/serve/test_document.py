"""The OpenAPI document is true: schemathesis finds no server error, no status that is not told, no schema broken."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.agent.serve.sample import AUTH, HEARD, READ, SEEN, TOKEN, agent
from veridical.agent.serve.app import make_app
from veridical.agent.serve.document import document_of
from veridical.agent.serve.nobody import Nobody
from veridical.agent.serve.settings import ServeSettings
from veridical.agent.serve.stream_wire import STREAM_MODELS

SETTINGS = settings(
    max_examples=50,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)


PATHS = "health decide explain decisions/{id} status policy override release".split()


@pytest.fixture(scope="module")
def api():
    one = agent()
    app = make_app(one, ServeSettings(TOKEN))

    async def lasting(scope, receive, send):  # schemathesis would start and stop it at each call
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for told in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{told}.complete"})

    yield schemathesis.openapi.from_asgi("/v1/openapi.json", lasting)
    one.close()


# A schema cannot say that a string is a picture: what fits it may be refused all the same, with 422, which is told.
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_sent_is_answered_as_the_document_says(api, path, mode):
    (operation,) = [result.ok() for result in api.include(path=f"/v1/{path}").get_all_operations()]

    @settings(SETTINGS)
    @given(operation.as_strategy(generation_mode=mode))
    def every_case(case):
        case.call_and_validate(headers={**AUTH}, excluded_checks=[positive_data_acceptance])

    try:
        every_case()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # there is nothing in the request that could be wrong


def test_all_of_schemathesis_checks_are_loaded():
    assert {"not_a_server_error", "status_code_conformance", "response_schema_conformance"} <= set(
        CHECKS.get_all_names()
    )


@pytest.fixture(scope="module")
def document():
    return document_of(make_app(Nobody(), ServeSettings(TOKEN)))


SIGNALS = {"vision": SEEN, "audio": HEARD, "text": READ}


@pytest.mark.parametrize("path", ["decide", "explain"])
def test_what_can_be_used_is_answered_with_200(api, path):
    operation = api[f"/v1/{path}"]["POST"]

    @settings(SETTINGS, max_examples=8)
    @given(st.sets(st.sampled_from(sorted(SIGNALS)), min_size=1))
    def every_observation(senses):
        body = {"observation": {sense: SIGNALS[sense] for sense in senses}}
        case = operation.Case(body=body, media_type="application/json")
        answer = case.call_and_validate(headers={**AUTH})
        assert answer.status_code == 200

    every_observation()


def test_every_status_is_told_with_a_problem(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            statuses = {int(status) for status in operation["responses"]}
            assert {200, 405, 500, 503} <= statuses, path
            for status in statuses - {200}:
                assert "application/problem+json" in operation["responses"][str(status)]["content"]
            if "requestBody" in operation:
                assert {400, 401, 403, 408, 413, 415, 422, 429, 504} <= statuses


def test_what_needs_no_token_is_named(document):
    free = [path for path, item in document["paths"].items() for o in item.values() if not o.get("security")]
    assert free == ["/v1/health"]


def test_examples_fit_their_schemas(document):
    schemas = document["components"]["schemas"]
    seen = 0
    for name, schema in schemas.items():
        whole = {**schema, "$defs": {}, "components": {"schemas": schemas}}
        for example in schema.get("examples", ()):
            Draft202012Validator(whole).validate(example)
            seen += 1
        assert "additionalProperties" in schema or "oneOf" in schema, name
    assert seen >= 12


def test_the_streams_messages_are_told(document):
    told = {name.rpartition("/")[2] for name in document["x-stream"]["takes"] + document["x-stream"]["sends"]}
    assert told == {model.__name__ for model in STREAM_MODELS}
    assert told <= set(document["components"]["schemas"])


def test_the_document_is_the_same_each_time():
    first, second = (make_app(Nobody(), ServeSettings(TOKEN)).openapi() for _ in range(2))
    assert first == second
