from __future__ import annotations

import copy

import pytest

from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent.audit.contents import Contents
from veridical.agent.explainer import Settings, explain
from veridical.agent.log.log import Log
from veridical.agent.log.note import read_checkpoint
from veridical.agent.log.verify import verify_log
from veridical.agent.logged import head_salt, log_decision


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def found(log):
    return explain(Toy(reads_cat, READER), {"text": SENTENCE}, Settings(namer=None, salt=head_salt(log)))


def salts(result):
    return {attempt["salt"] for attempt in result["verdict"]["attempts"]}


def test_the_salt_is_the_logs_head(log, found):
    head = read_checkpoint(log.checkpoint()).checkpoint
    assert salts(found.to_dict()) == {f"{log.origin}@1:{head.root.hex()}"}
    assert not [note for note in found.to_dict()["notes"] if "given beforehand" in note]


def test_a_log_that_had_the_head_holds(log, found):
    log_decision(log, found.to_dict(), found.arrays())
    assert verify_log(log, contents=Contents(deep=False)).problems == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda salt: salt[:-1] + ("0" if salt[-1] != "0" else "1"), "a head of size 1 that this log never had"),
        (lambda salt: salt.replace("@1:", "@9:"), "the log's head of size 9, which came after it"),
    ],
)
def test_a_head_that_the_log_never_had_is_found(log, found, change, told):
    result = copy.deepcopy(found.to_dict())
    for part in (result["verdict"], *result["verdict"]["attempts"]):
        part["salt"] = change(part["salt"])
    log_decision(log, result, found.arrays())
    first = verify_log(log, contents=Contents()).first
    assert first is not None
    assert (first.cause, first.entry) == ("content", 1)
    assert told in first.told
