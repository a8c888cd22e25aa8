"""The explanation as a result."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.agent.sample import result_and_arrays
from tests.concepts.told import siren
from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent.explainer import Settings, explain
from veridical.agent.explanation import FORMAT, Explanation
from veridical.agent.record import read_record
from veridical.concepts.consistency import contradictions
from veridical.concepts.contrast import why_not
from veridical.concepts.graph_export import from_graphml, to_json
from veridical.concepts.sentences import justify
from veridical.errors import InputError, RecordError

FOUND = explain(Toy(reads_cat, READER), {"text": SENTENCE}, Settings(namer=None, salt="s"))
TOLD = Explanation({**result_and_arrays()[0], "graph": to_json(siren())}, {})
"""The sample's decision with the graph of `siren`, whose sentences are known."""


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


def test_the_graph_is_the_results_and_made_anew_at_each_call():
    graph = FOUND.graph()
    assert to_json(graph) == FOUND.result["graph"]
    graph.graph["action"] = "GO"
    assert FOUND.graph().graph["action"] == "STOP"


def test_sentences_are_made_from_the_graph_and_bear_it_out():
    assert FOUND.text() == FOUND.justification == " ".join(s.text for s in FOUND.sentences())
    assert FOUND.text("short") == FOUND.result["justification"]["short"]
    assert FOUND.text("full") == " ".join(s.text for s in FOUND.sentences("full"))
    for length in ("short", "medium", "full"):
        assert contradictions(FOUND.graph(), FOUND.sentences(length)) == []
    assert TOLD.sentences("short") == justify(siren(), "short")


def test_the_text_is_the_recorded_one_and_made_again_only_where_there_is_none():
    told = {"text": "medium.", "sentences": [], "short": "short.", "full": [{"text": "full."}, {"text": "All."}]}
    found = Explanation({**TOLD.result, "justification": told}, {})
    assert [found.text(length) for length in ("short", "medium", "full")] == ["short.", "medium.", "full. All."]
    old = Explanation({**TOLD.result, "justification": {"text": "medium.", "sentences": []}}, {})
    assert old.text("short") == " ".join(s.text for s in justify(siren(), "short"))
    assert old.text("full") == " ".join(s.text for s in justify(siren(), "full"))


def test_why_not_is_the_graphs_answer():
    assert TOLD.why_not("PROCEED") == why_not(siren(), "PROCEED")
    with pytest.raises(InputError, match="'STOP' is what was decided"):
        TOLD.why_not("STOP")


def test_a_record_answers_the_same(tmp_path):
    result, arrays = read_record(FOUND.record(tmp_path / "record"))
    again = Explanation(result, arrays)
    assert again.sentences("full") == FOUND.sentences("full")
    assert again.why_not("GO") == FOUND.why_not("GO")


def test_a_rephrasing_stands_only_if_it_says_the_same():
    kept = TOLD.rephrase(lambda text: text.replace("  ", " "))
    assert (kept.accepted, kept.text) == (True, " ".join(s.text for s in TOLD.sentences()))
    turned = TOLD.rephrase(lambda text: text.replace("falls", "rises"), "short")
    assert not turned.accepted
    assert turned.text == " ".join(s.text for s in TOLD.sentences("short"))


def test_the_graph_is_exported_by_its_ending(tmp_path):
    path = TOLD.export_graph(tmp_path / "g.graphml")
    assert to_json(from_graphml(path.read_text(encoding="utf-8"))) == TOLD.result["graph"]
    with pytest.raises(InputError, match="the endings known are"):
        TOLD.export_graph(tmp_path / "g.svg")


def test_concepts_and_task_are_those_of_the_result_and_none_of_an_older_one():
    cards, task = [{"id": "audio#3"}], {"outcome": "undecided"}
    found = Explanation({**TOLD.result, "concepts": {"cards": cards, "task": task}}, {})
    assert (found.concepts, found.task) == (cards, task)
    old = Explanation({k: v for k, v in TOLD.result.items() if k not in ("concepts", "graph")}, {})
    assert (old.concepts, old.task) == ([], None)
    with pytest.raises(InputError, match="the result holds no graph"):
        old.graph()
