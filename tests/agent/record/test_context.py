from __future__ import annotations

import json
import uuid

import pytest

from veridical.agent.record import Context
from veridical.agent.record.context import libraries
from veridical.agent.record.sealing import Sealer
from veridical.errors import InputError

RESULT = {
    "version": "0.1.0",
    "created": "2026-01-02T05:04:05.678+02:00",
    "system": {"name": "courier", "digest": None, "actions": []},
    "timing": {"total_ms": 678},
}


def test_by_default_all_comes_from_the_result():
    told = Context().frame(RESULT)
    assert uuid.UUID(told.pop("id")).version == 4
    assert told == {
        "time": {
            "start": "2026-01-02T03:04:05.000000+00:00",
            "end": "2026-01-02T03:04:05.678000+00:00",
            "monotonic": None,
            "source": "system clock",
        },
        "trigger": "request",
        "provenance": {
            "system": {"name": "courier", "digest": None},
            "weights": {},
            "preprocessing": None,
            "libraries": {"veridical": "0.1.0"},
            "precision": None,
            "device": None,
            "threads": None,
        },
        "subject": None,
        "labels": {},
        "policy": None,
    }


def test_what_is_given_stands_over_what_is_guessed_but_not_over_the_system():
    context = Context(
        start="2026-01-02T03:04:00Z",
        end="2026-01-02T03:04:01.5Z",
        monotonic=(2**60, 2**60 + 1_500_000_000),
        trigger="low margin",
        labels={"group": "a"},
        policy={"name": "p", "version": 2, "digest": None},
        provenance={"device": "cpu", "threads": 1, "clock": "NTP", "system": {"name": "other"}},
        seal=Sealer("s-1", bytes(32)),
    )
    told = context.frame(RESULT)
    assert told["time"]["start"] == "2026-01-02T03:04:00.000000+00:00"
    assert told["time"]["monotonic"]["end"] - told["time"]["monotonic"]["start"] == 1500
    assert told["subject"] == "s-1"
    assert told["provenance"]["system"]["name"] == "courier"
    assert (told["provenance"]["device"], told["provenance"]["clock"]) == ("cpu", "NTP")
    assert "bytes(32)" not in repr(context)
    json.dumps(told)


def test_a_result_without_a_time_was_made_now():
    told = Context().frame({})["time"]
    assert told["start"] == told["end"] > "2025"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"id": "x"}, "id 'x' is not a UUID of version 4"),
        ({"precision": "int4"}, "precision 'int4' is not known; choose from exact, fp16, int8, sparse"),
        ({"budget": 0}, "a budget of 0 bytes holds nothing"),
        ({"trigger": ""}, "trigger has 0 characters"),
        ({"trigger": "x" * 65}, "trigger has 65 characters"),
        ({"policy": {"name": "p"}}, "a policy has name, version and digest; this one has name"),
        ({"policy": {}}, "this one has nothing"),
        ({"start": "yesterday"}, "start 'yesterday' is no ISO 8601 time"),
        ({"end": "2026-01-02T03:04:05"}, "it has no offset"),
        ({"subject": "s-2", "seal": Sealer("s-1", bytes(32))}, "subject 's-2', but sealed for 's-1'"),
    ],
)
def test_a_value_of_the_wrong_form_is_named(given, message):
    with pytest.raises(InputError, match=message):
        Context(**given)


def test_libraries_are_told_by_version():
    found = libraries()
    assert {"numpy", "torch", "veridical"} <= found.keys()
    assert all(isinstance(version, str) for version in found.values())
