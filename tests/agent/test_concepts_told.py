"""Concepts as plain values: every figure is that of the layer and the graph."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.tails import BANKS, OBSERVATION, Senses, linear
from tests.toys import CAT, SIREN
from veridical.agent.conclude import Known
from veridical.agent.explainer import Settings, explain
from veridical.concepts.acts import Act, apply_acts
from veridical.concepts.bank import Association
from veridical.concepts.task import Task

LOUD = torch.tensor([0.0, 0.02])
SYSTEM = Senses(linear({"text": 4 * torch.eye(8)[CAT] - 0.01 * torch.eye(8)[SIREN], "audio": LOUD}, -1.0))
TASK = {
    "task": {"name": "crossing", "version": 1},
    "reasons": {"animal": {"sense": "text", "names": ["animal"]}},
    "rule": [{"action": ["STOP"], "must": ["animal"]}],
}


# The cat is as strong as is usual, so it goes by its name.
OURS = {**BANKS, "text": replace(BANKS["text"], typical=np.array([0.9, 2.0], np.float32))}


def result(**known: Any) -> dict[str, Any]:
    changes: dict[str, Any] = {"banks": OURS} | known
    given = Known(**changes)
    return explain(SYSTEM, OBSERVATION, Settings(namer=None, fusion=None, salt="s", known=given)).to_dict()


RESULT = result()
TOLD = RESULT["concepts"]
CARDS = {card["id"]: card for card in TOLD["cards"]}
EDGES = {(e["source"], e["target"]): e for e in RESULT["graph"]["edges"]}
NODES = {n["id"]: n for n in RESULT["graph"]["nodes"]}


def test_they_are_plain_values_with_the_keys_told():
    assert set(TOLD) == {
        "banks", "cards", "groups", "pairs", "unnamed", "missing", "passes", "milliseconds", "task",
    }  # fmt: skip
    assert json.loads(json.dumps(TOLD, allow_nan=False)) == TOLD


def test_the_card_of_the_concept_that_decides():
    card = CARDS["text#0.1"]
    assert (card["label"], card["named"], card["source"], card["describes"]) == ("animal", True, "n-grams", "said once")
    assert (card["sense"], card["concept"], card["direction"], card["vetoed"]) == ("text", 0, 0, False)
    assert (card["where"], card["time"], card["boxes"]) == ("“cat”", None, [])
    assert card["effect"] == pytest.approx(-4.0, abs=1e-3)
    assert card["expected"] == pytest.approx(-4.0, abs=1e-3)
    assert (card["strength"], card["typical"], card["stability"]) == (
        pytest.approx(1.0),
        pytest.approx(0.9),
        pytest.approx(0.95),
    )
    assert (card["role"], card["drawn"], card["becomes"]) == ("for", True, "GO")
    assert sum(card["after"].values()) == pytest.approx(1.0)
    assert card["typically"] == {"effect": pytest.approx(-0.4, abs=1e-3), "becomes": "STOP"}
    assert card["prototypes"] == [{"observation": "a", "place": [0, 1], "grid": [1, 3], "strength": 2.5}]
    assert len(card["controls"]) == 19


def test_cards_agree_with_the_graph():
    for name, card in CARDS.items():
        node = NODES[name]
        for key in ("label", "named", "vetoed", "source", "score", "margin", "concept"):
            assert card[key] == node[key]
        assert card["drawn"] is ((name, "decision") in EDGES)
        if card["drawn"]:
            edge = EDGES[name, "decision"]
            for key in ("effect", "interval", "p", "becomes", "after"):
                assert card[key] == edge[key]
        else:
            assert node["idle"] is True
            assert card["role"] in ("goes along", "no effect shown")
            assert (card["becomes"], card["after"], card["typically"]) == (None, None, None)


def test_what_goes_along_and_does_nothing_is_told_apart():
    card = CARDS["text#1.1"]
    assert card["effect"] == pytest.approx(0.01, abs=1e-3)
    assert (card["role"], card["p"]) == ("goes along", None)
    assert card["goes_with"] == {"action": "STOP", "share": 0.8, "usual": 0.3, "p": 0.02}
    assert CARDS["audio#0.1"]["role"] == "no effect shown"
    assert CARDS["audio#0.1"]["goes_with"] is None


def test_the_largest_effects_come_first():
    sizes = [abs(card["effect"] or 0.0) for card in TOLD["cards"]]
    assert sizes == sorted(sizes, reverse=True)


def test_against_is_what_speaks_against_the_decision():
    bank = replace(BANKS["text"], associations=(None, Association("GO", 0.9, 0.3, 0.01, 9)))
    system = Senses(linear({"text": 6 * torch.eye(8)[CAT] - 2 * torch.eye(8)[SIREN]}, -1.0))
    known = Known(banks={"text": bank})
    found = explain(system, OBSERVATION, Settings(namer=None, fusion=None, salt="s", known=known)).to_dict()
    cards = {card["id"]: card for card in found["concepts"]["cards"]}
    assert cards["text#1.1"]["effect"] == pytest.approx(2.0, abs=1e-3)
    drawn = cards["text#1.1"]["drawn"]
    assert cards["text#1.1"]["role"] == ("against" if drawn else "no effect shown")


def test_banks_are_told_by_their_digests():
    assert set(TOLD["banks"]) == {"text", "audio"}
    assert TOLD["banks"]["text"] == {
        "digest": OURS["text"].digest,
        "version": 1,
        "concepts": 2,
        "stability": pytest.approx(0.95),
        "observations": 100,
        "acts": None,
    }
    assert TOLD["missing"] == {"vision": "There is no concept bank of this sense."}


def test_groups_pairs_and_what_is_left_are_told():
    for group in TOLD["groups"]:
        assert group["claim"] in NODES
        assert set(group["members"]) <= set(CARDS)
        assert {"effect", "interval", "p", "controls", "interaction", "through", "drawn"} < set(group)
        if len(group["members"]) == 1:
            assert group["drawn"] is CARDS[group["members"][0]]["drawn"]
            assert group["interaction"] == 0
    assert any(group["members"] == ["text#0.1"] for group in TOLD["groups"])
    assert set(TOLD["unnamed"]) == {"text", "audio"}
    assert all(0 <= each["share"] <= 1 for each in TOLD["unnamed"].values())
    assert all(pair["drawn"] is (tuple(pair["members"]) in EDGES) for pair in TOLD["pairs"])


def test_passes_and_time():
    assert TOLD["passes"] > 0
    assert set(TOLD["milliseconds"]) == {"project", "tail"}


def test_what_operators_did_is_told():
    bank = replace(BANKS["text"], made={**BANKS["text"].made, "system": SYSTEM.name})
    who: dict[str, Any] = {"by": "A. Operator", "reason": "seen"}
    acted = apply_acts(bank, [Act.on(bank, "name", 1, text="horn", **who), Act.on(bank, "veto", 0, **who)])
    found = result(banks={"text": bank}, acted={"text": acted})["concepts"]
    cards = {card["id"]: card for card in found["cards"]}
    assert found["banks"]["text"]["acts"] == acted.digest
    assert (cards["text#1.1"]["label"], cards["text#1.1"]["source"]) == ("horn", "operator")
    assert (cards["text#0.1"]["vetoed"], cards["text#0.1"]["label"]) == (True, "vetoed concept #0")
    assert cards["text#0.1"]["describes"] == ""


def test_the_check_against_the_task_is_told():
    assert TOLD["task"] is None
    task = Task.from_dict(TASK)
    assert result(task=task, expected="STOP")["concepts"]["task"]["task"] == "crossing"


def test_a_decision_without_banks_has_no_concepts():
    found = result(banks={})["concepts"]
    assert (found["cards"], found["groups"], found["pairs"], found["unnamed"], found["banks"]) == ([], [], [], {}, {})
    assert set(found["missing"]) == {"vision", "audio", "text"}
