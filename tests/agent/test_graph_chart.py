from __future__ import annotations

import itertools

import pytest

from tests.agent.concept_sample import graph
from tests.agent.sample import result_and_arrays
from veridical.agent.graph_chart import chart, key_of, span_of


@pytest.fixture(scope="module")
def drawn():
    return chart(graph())


def node(drawn, name):
    return next(n for n in drawn["nodes"] if n["id"] == name)


def edge(drawn, *ends):
    return next(e for e in drawn["edges"] if e["key"] == key_of(*ends))


def test_layers_run_from_left_to_right(drawn):
    lefts = [node(drawn, name)["left"] for name in ("c1", "vision#3", "state", "decision")]
    assert lefts == sorted(lefts)
    assert len(set(lefts)) == 4
    assert node(drawn, "together:c1")["left"] == node(drawn, "unnamed:vision")["left"] == lefts[1]


def test_senses_have_bands_in_one_order_and_tell_what_is_without_them(drawn):
    assert [band["sense"] for band in drawn["bands"]] == ["vision", "audio", "text"]
    first = drawn["bands"][0]
    assert (first["effect"], first["side"], first["then"]) == ("−3.40", "for", "SLOW")
    assert first["key"] == "sense:vision→decision"
    for name, sense in (("c1", 0), ("audio#5", 1), ("text#9", 2)):
        past = drawn["bands"][sense + 1]["top"] if sense < 2 else drawn["height"]
        assert drawn["bands"][sense]["top"] < node(drawn, name)["middle"] < past


def test_each_box_has_a_row_of_its_own(drawn):
    rows = sorted(n["middle"] for n in drawn["nodes"] if n["kind"] not in ("decision", "state"))
    assert all(b - a >= 74 for a, b in itertools.pairwise(rows))
    assert node(drawn, "state")["middle"] > rows[-1] + 50


def test_width_and_sign_tell_the_effect(drawn):
    wide = {e["key"]: e["width"] for e in drawn["edges"]}
    assert wide["c1→decision"] == 14
    assert wide["vision#3→decision"] == pytest.approx(7)
    assert min(wide.values()) >= 2
    assert edge(drawn, "audio#5", "decision")["side"] == "against"
    assert edge(drawn, "c1", "decision")["side"] == "for"
    assert edge(drawn, "c1", "vision#3")["side"] == edge(drawn, "state", "decision")["side"] == "neutral"
    assert edge(drawn, "audio#5", "decision")["tip"] != edge(drawn, "vision#3", "decision")["tip"]
    assert drawn["edges"] == sorted(drawn["edges"], key=lambda e: -e["width"])


def test_lines_that_meet_at_the_decision_keep_apart_and_inside_its_box(drawn):
    box = node(drawn, "decision")
    ports = sorted((e["y"], e["width"]) for e in drawn["edges"] if e["key"].endswith("→decision") and e["turn"] == 0)
    assert all(b[0] - a[0] >= (a[1] + b[1]) / 2 + 8 for a, b in itertools.pairwise(ports))
    assert all(abs(y - box["middle"]) < box["tall"] / 2 for y, _ in ports)


def test_a_share_stands_on_its_line_and_a_pair_beside_the_concepts(drawn):
    assert edge(drawn, "c1", "vision#3")["share"] == "37\u00a0%"
    (pair,) = drawn["pairs"]
    assert pair["effect"] == "+0.90"
    assert "beyond the sum of both" in pair["title"]
    assert not any(e["key"] == pair["key"] for e in drawn["edges"])


def test_idle_concepts_have_no_line_and_six_are_named(drawn):
    assert len(drawn["idle"]) == 6
    assert drawn["more"] == 2
    assert drawn["idle"][0]["title"].endswith("not tested")
    assert node(drawn, "text#9")["idle"]  # it stands in the graph, for a pair leads to it
    assert not any("text#9" in e["key"] for e in drawn["edges"])


def test_labels_are_whole_in_the_title(drawn):
    told = node(drawn, "vision#3")["title"]
    assert told.startswith("unnamed concept #3, somewhere in vision")
    assert "−1.50 nats, −1.70 … −1.30, p = 0.050" in told
    assert drawn["note"] == "Effects are on this system."


def test_a_graph_from_before_concepts_is_drawn_too():
    drawn = chart(result_and_arrays()[0]["graph"])
    assert [band["sense"] for band in drawn["bands"]] == ["vision", "audio", "text"]
    assert len(drawn["edges"]) == 5
    assert (drawn["pairs"], drawn["idle"], drawn["note"], drawn["deep"]) == ([], [], "", False)


def test_an_empty_graph_and_one_without_senses():
    assert chart({"nodes": [], "edges": []})["nodes"] == []
    nodes = [{"id": "a", "kind": "evidence", "label": "x"}, {"id": "d", "kind": "decision", "label": "STOP"}]
    drawn = chart({"nodes": nodes, "edges": [{"source": "a", "target": "d", "effect": 0.5}]})
    assert [e["side"] for e in drawn["edges"]] == ["against"]


def test_an_interval_of_one_figure_is_not_told():
    assert span_of([-2.4999, -2.4991]) == span_of(None) == ""
    assert span_of([-1.0, 0.5]) == "−1.00 … +0.50"
