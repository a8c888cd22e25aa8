"""The vocabulary of telemetry is closed."""

from __future__ import annotations

import logging

import pytest

from veridical.agent.telemetry.words import Bounded, attributes_of, error_type, guarded, release
from veridical.errors import InputError


def test_only_known_words_become_attributes():
    found = attributes_of({"id": "r1", "action": "STOP", "entry": 3, "instruction": "go left", "who": "Ada"})
    assert found == {"gen_ai.response.id": "r1", "veridical.action": "STOP", "veridical.log.entry": 3}


def test_only_plain_and_finite_values_become_attributes_and_long_ones_are_cut():
    words = {"id": None, "action": ["go", "left"], "entry": float("nan"), "cause": b"raw", "digest": "x" * 999}
    assert attributes_of(words) == {"veridical.system.digest": "x" * 200}


def test_an_errors_type_is_its_class_and_not_its_message():
    assert error_type(KeyError("go left")) == "KeyError"
    assert error_type(InputError("go left")) == "veridical.errors.InputError"


def test_a_bounded_label_tells_so_many_apart_and_counts_the_rest_as_other():
    bounded = Bounded(2)
    assert [bounded(v) for v in ("a", "b", "c", "a", "d", "b")] == ["a", "b", "other", "a", "other", "b"]


def test_what_is_guarded_becomes_one_warning_without_the_errors_message(caplog):
    with guarded("a span"):
        raise ValueError("go left")
    assert [r.getMessage() for r in caplog.records] == [
        "telemetry: a span is lost (ValueError); the decision and its log stand"
    ]
    assert (caplog.records[0].name, caplog.records[0].levelno) == ("veridical", logging.WARNING)


def test_a_request_to_stop_is_no_failure_of_telemetry():
    with pytest.raises(KeyboardInterrupt), guarded("a span"):
        raise KeyboardInterrupt


def test_the_release_is_that_of_the_package():
    assert release()
