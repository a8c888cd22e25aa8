"""Problems are RFC 9457's: type, title, status and one sentence."""

from __future__ import annotations

import json

import pytest

from veridical.agent.serve.document import _WHY
from veridical.agent.serve.problem import TYPES, Problem, invalid, problem_of
from veridical.errors import ContractError, InputError, RecordError, WeightsError


def test_a_problem_has_the_members_of_the_rfc():
    told = json.loads(Problem(422, "one\nline", more={"status": 1, "seconds": 2}).body())
    assert told == {
        "type": "urn:veridical:problem:input",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "one line",
        "seconds": 2,
    }


@pytest.mark.parametrize(
    ("error", "status"), [(InputError, 422), (ContractError, 503), (RecordError, 503), (WeightsError, 503)]
)
def test_errors_have_a_status_and_their_sentence(error, status):
    problem = problem_of(error("what: why; fix"))
    assert (problem.status, problem.detail) == (status, "what: why; fix")


def test_retry_after_is_whole_seconds_within_ten_minutes():
    assert [Problem.later(429, "x", s).headers["Retry-After"] for s in (0.01, 2.7, 1e9)] == ["1", "3", "600"]


def test_many_faults_are_told_in_part():
    problem = invalid("body", [(f"/{i}", "wrong") for i in range(30)])
    assert len(problem.more["errors"]) == 20
    assert "(and 29 more)" in problem.detail


def test_each_status_that_the_document_tells_has_a_type():
    assert set(_WHY) == set(TYPES)
