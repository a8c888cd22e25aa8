"""The explanation as a result."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.agent.sample import result_and_arrays
from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent.explainer import Settings, explain
from veridical.agent.explanation import FORMAT, Explanation
from veridical.agent.record import read_record
from veridical.errors import InputError, RecordError

FOUND = explain(Toy(reads_cat, READER), {"text": SENTENCE}, Settings(namer=None, salt="s"))


def test_the_short_ways_lead_to_the_result():
    result, arrays = result_and_arrays()
    found = Explanation(result, arrays)
    assert found.decision == result["decision"]["action"]
    assert found.verdict == result["verdict"]["verdict"]
    assert found.justification == result["justification"]["text"]
    assert found.claims is result["claims"]
    assert found.to_dict() == result
    assert found.arrays() == arrays


def test_the_result_is_plain_json_of_the_known_format():
    assert FOUND.to_dict()["format"] == FORMAT == "veridical.explanation/1"
    assert json.loads(json.dumps(FOUND.to_dict(), allow_nan=False)) == FOUND.to_dict()


def test_a_record_gives_it_back(tmp_path):
    result, arrays = read_record(FOUND.record(tmp_path / "record"))
    assert result == FOUND.to_dict()
    for name, array in FOUND.arrays().items():
        np.testing.assert_array_equal(arrays[name], array)


def test_a_report_is_written_where_it_was_asked_for(tmp_path):
    path = FOUND.report(tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert "STOP" in path.read_text(encoding="utf-8")


def test_targets_that_cannot_be_written_to_are_refused(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(RecordError, match="not empty"):
        FOUND.record(tmp_path / "taken")
    with pytest.raises(InputError):
        FOUND.report(tmp_path / "taken")
