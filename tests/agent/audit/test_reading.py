from __future__ import annotations

import pytest

from tests.agent.audit.content_sample import made
from tests.agent.audit.homes import ORDER, copied, shared
from veridical.agent.audit.reading import read_decision
from veridical.agent.log.erasure import erase
from veridical.agent.log.log import Log
from veridical.errors import IntegrityError, RecordError


@pytest.fixture
def log(tmp_path):
    with Log.open(copied(tmp_path)) as log:
        yield log


def test_with_the_key_the_record_is_what_was_written(log):
    result, arrays = made("concepts")
    decision = read_decision(log, 2)
    assert decision.result == result
    assert {name: a.tobytes() for name, a in decision.arrays().items()} == {n: a.tobytes() for n, a in arrays.items()}
    assert (decision.name, decision.erased) == (ORDER, None)
    assert {row.state for row in decision.stored()} == {"open", "opened"}
    assert [number for number, _ in decision.acts()] == [4]
    assert decision.gone() == []


def test_how_arrays_are_stored_is_told():
    with Log.open(shared(), read_only=True) as log:
        rows = {row.name: row for row in read_decision(log, 3).stored()}
    one = rows["vision.saliency"]
    assert one.dims.endswith(" frame, y, x")
    assert (one.dtype, one.unit, one.state) == ("float32", "nat", "open")
    assert any(row.coding.startswith("int8, off by ") for row in rows.values())
    assert rows["vision.units"].coding == "exact"


def test_what_is_sealed_needs_the_key(log):
    decision = read_decision(log, 2)
    log.subjects.folder.joinpath(f"{decision.predicate['subject']}.json").unlink()
    decision = read_decision(log, 2)
    assert decision.key is None
    assert "vision.frames" not in decision.arrays()
    with pytest.raises(RecordError, match=r"'vision\.frames' of entry 2 is sealed, and its subject's key"):
        decision.arrays(["vision.frames"])
    assert decision.missing()[0].startswith("Sealed for the subject, whose key is not in this home: quoted words")
    assert decision.result != made("concepts")[0]


def test_what_was_erased_is_told_with_the_entry(log):
    subject = read_decision(log, 2).predicate["subject"]
    erase(log, subject, "Dan", "asked")
    decision = read_decision(log, 2)
    assert decision.erased == 6
    assert decision.missing()[0].startswith("Erased, as entry 6 says: quoted words")
    assert decision.gone() == ["the pictures", "the sound", "the words"]
    with pytest.raises(RecordError, match="is erased"):
        decision.arrays(["vision.frames"])
    assert read_decision(log, 1).erased is None


def test_a_blob_that_is_absent_without_a_word_is_an_error(log):
    decision = read_decision(log, 2)
    log.blobs.drop(decision.predicate["manifest"])
    with pytest.raises(IntegrityError) as caught:
        _ = read_decision(log, 2).manifest
    assert caught.value.cause == "missing"


def test_an_entry_that_is_no_decision_is_refused(log):
    with pytest.raises(RecordError, match="entry 4 is no decision, but of kind 'operator'; it is about record"):
        read_decision(log, 4)
    with pytest.raises(RecordError, match="no entry '9'"):
        read_decision(log, 9)
