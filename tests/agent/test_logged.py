from __future__ import annotations

import numpy as np
import pytest

from tests.agent.record.vectors import sample
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.logged import log_decision
from veridical.agent.record.context import Context
from veridical.agent.record.frame import read_manifest
from veridical.agent.record.manifest import read_arrays, read_result
from veridical.agent.record.sealing import Sealer
from veridical.errors import InputError, RecordError


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "home") as found:
        yield found


def manifest_of(log, number):
    return read_manifest(log.blobs.get(log.entry(number).statement.predicate["manifest"]), "it")


def test_a_decision_comes_back_as_it_was(log):
    result, arrays = sample()
    receipt = log_decision(log, result, arrays, Context(labels={"group": "A"}), "order 1")
    assert receipt.number == 1
    said, manifest = log.entry(1).statement.predicate, manifest_of(log, 1)
    assert (said["action"], said["score"], said["labels"]) == ("STOP", 2, {"group": "A"})
    assert said["subject"] == log.subjects.named("order 1") == manifest["subject"]
    assert log.entry(receipt.id).number == 1
    someone = log.subjects.find(said["subject"])
    assert someone is not None
    assert read_result(manifest, log.blobs.get, someone.key) == result
    back = read_arrays(manifest, log.blobs.get, key=someone.key)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_what_is_raw_or_a_persons_word_is_sealed(log):
    result, arrays = sample()
    log_decision(log, result, arrays)
    manifest = manifest_of(log, 1)
    assert [name for name, entry in manifest["arrays"].items() if "sealed" in entry] == ["vision.frames"]
    assert "red post" not in log.entry(1).envelope.decode() + str(manifest)
    frames = arrays["vision.frames"].tobytes()
    assert not any(frames[:64] in log.blobs.get(digest) for digest in log.blobs)


def test_each_decision_is_a_subject_of_its_own_unless_a_name_is_given(log):
    for subject in (None, None, "order 1", "order 1"):
        log_decision(log, *sample(), subject=subject)
    subjects = [log.entry(number).statement.predicate["subject"] for number in (1, 2, 3, 4)]
    assert len(set(subjects)) == 3
    assert subjects[2] == subjects[3]


def test_the_entry_is_dated_by_its_writing_and_says_when_it_was_decided(log):
    log_decision(log, *sample(), Context(start="2026-01-02T03:04:05+00:00", end="2026-01-02T03:04:06+00:00"))
    said = log.entry(1).statement.predicate
    assert said["decided"] == "2026-01-02T03:04:06.000000+00:00"
    assert said["time"] > "2026-01-03"
    assert said["clock"] == "steady"
    assert verify_log(log, contents=Contents(deep=False)).ok


def test_the_results_own_id_and_a_given_seal_are_taken(log):
    name = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    result, arrays = sample()
    assert log_decision(log, {**result, "id": name}, arrays).id == name
    seal = Sealer("s-" + "7" * 32, bytes(32))
    log_decision(log, result, arrays, Context(seal=seal))
    assert log.entry(2).statement.predicate["subject"] == seal.subject
    assert len(log.subjects) == 1


def test_nothing_is_logged_of_what_cannot_be_recorded(log):
    result, arrays = sample()
    with pytest.raises(RecordError, match="not finite"):
        log_decision(log, result, {**arrays, "vision.saliency": np.array([np.nan], np.float32)})
    with pytest.raises(InputError, match="a budget of 10 bytes cannot be held"):
        log_decision(log, result, arrays, Context(budget=10))
    with pytest.raises(InputError, match="give 1 to 200 printable characters"):
        log_decision(log, result, arrays, subject=" ")
    with pytest.raises(RecordError, match=r"result\.format is 'another'"):
        log_decision(log, {**result, "format": "another"}, arrays)
    assert log.size() == 1
    assert list(log.blobs) == []


def test_the_same_decision_twice_is_refused(log):
    result, arrays = sample()
    context = Context()
    log_decision(log, result, arrays, context)
    with pytest.raises(RecordError, match=f"the log holds {context.id} already, as entry 1"):
        log_decision(log, result, arrays, context)


def test_a_log_open_for_reading(log):
    with Log.open(log.home, read_only=True) as other, pytest.raises(RecordError, match="open for reading"):
        log_decision(other, *sample())
