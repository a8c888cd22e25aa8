"""Cards, nodes and edges tell one story, and each p follows from its controls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.audit.content_sample import checked, faults, made

RESULT = made("concepts")[0]
CARDS = {card["id"]: i for i, card in enumerate(RESULT["concepts"]["cards"])}
DRAWN = next(card["id"] for card in RESULT["concepts"]["cards"] if card["drawn"])
IDLE = next(card["id"] for card in RESULT["concepts"]["cards"] if not card["drawn"])
EDGES = {(e["source"], e["target"]): i for i, e in enumerate(RESULT["graph"]["edges"])}
NODES = {n["id"]: i for i, n in enumerate(RESULT["graph"]["nodes"])}


@pytest.mark.parametrize("what", ["graph", "evidence in the graph", "concepts"])
def test_a_real_record_holds(what: str):
    found = checked(what, "concepts")
    assert (found.ok, found.skipped) == (True, False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("p", 0.5), ("effect", -0.05), ("interval", [1.0, 2.0]), ("role", "against"), ("becomes", "STOP"),
        ("drawn", False), ("label", "dog"), ("rows", [1, 0]), ("after", {"STOP": 0.9, "GO": 0.1}), ("stability", 3.0),
    ],
)  # fmt: skip
def test_a_card_that_was_changed_is_found(key: str, value: Any):
    assert DRAWN in faults("concepts", (f"concepts/cards/{CARDS[DRAWN]}/{key}", value))["concepts"]


def test_a_concept_that_was_not_shown_to_do_anything_cannot_be_made_a_reason():
    place = f"concepts/cards/{CARDS[IDLE]}"
    told = faults("concepts", (f"{place}/drawn", True), (f"{place}/role", "for"))["concepts"]
    assert f"whether {IDLE} is drawn is True in the record, it comes to False" in told


@pytest.mark.parametrize("key", ["effect", "p", "controls", "becomes", "contrasts", "kind"])
def test_an_edge_that_was_changed_is_found(key: str):
    place = f"graph/edges/{EDGES[DRAWN, 'decision']}/{key}"
    value = {"contrasts": {"GO": 9.0}, "becomes": "STOP", "kind": "carries"}.get(key, 0.7)
    assert DRAWN in faults("concepts", (place, value))["concepts"]


def test_the_evidence_of_the_graph_is_that_of_the_claims():
    place = f"graph/edges/{EDGES['c1', 'decision']}"
    for key, value in (("effect", -9.0), ("predicted", 1.0), ("becomes", "STOP"), ("operator_range", [0.0, 1.0])):
        assert "c1" in faults("concepts", (f"{place}/{key}", value))["evidence in the graph"]
    told = faults("concepts", (f"graph/nodes/{NODES['c1']}/status", "negligible"))["evidence in the graph"]
    assert "the status of node c1" in told


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "unsupported"),
        ("least", 0.2),
        ("action", "GO"),
        ("absent", ["smell"]),
        ("reason", "Because."),
        ("bank", {}),
    ],
)
def test_the_whole_is_that_of_the_record(key: str, value: Any):
    assert f"the graph's {key if key != 'absent' else 'absent senses'}" in str(
        faults("concepts", (f"graph/graph/{key}", value))["graph"]
    ).replace("names in the graph's banks", "the graph's bank")


def test_what_no_concept_accounts_for_follows_from_its_controls():
    m = next(iter(RESULT["concepts"]["unnamed"]))
    assert f"unnamed:{m}" in faults("concepts", (f"concepts/unnamed/{m}/p", 0.33))["concepts"]
