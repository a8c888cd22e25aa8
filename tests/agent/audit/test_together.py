"""What the senses do together adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.audit.content_sample import checked, faults, made
from veridical.agent.audit.finding import Case, Sheet
from veridical.agent.audit.together import together

TOLD = made("climbed")[0]["fusion"]


@pytest.mark.parametrize("name", ["climbed", "simple", "concepts"])
def test_a_real_one_holds(name: str):
    assert checked("senses together", name).ok


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("together/0/value", 3.0), ("difference", 1.0), ("matrix/values/0/0", 5.0), ("shares/0/alone", 5.0),
        ("shares/0/last", 5.0), ("shares/0/shapley", 5.0), ("shares/0/low", -50.0), ("shares/0/contribution", 50.0),
        ("arrivals/0/score", 5.0), ("arrivals/0/action", "GO"), ("clock/lanes/0/marks/0/value", 5.0),
    ],
)  # fmt: skip
def test_what_was_changed_is_found(path: str, value: Any):
    if path == "arrivals/0/action":
        value = {"GO": "STOP", "STOP": "GO"}[TOLD["arrivals"][0]["action"]]
    assert "senses together" in faults("climbed", (f"fusion/{path}", value))


def checked_part(fusion: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> list[str]:
    sheet = Sheet()
    together(Case({**made("climbed")[0], "fusion": fusion}, arrays or {}), sheet)
    return sheet.faults


def test_a_pair_is_what_both_do_less_what_each_does():
    side = {"sense": "vision", "units": [0], "claim": None}
    claims = [c for c in made("climbed")[0]["claims"] if c["modality"] == "vision" and 0 in c["units"]]
    pair = {
        "a": side | {"claim": claims[0]["id"] if claims else None}, "b": {"sense": "audio", "units": [], "claim": None},
        "effects": [-1.0, -2.0, -2.5], "measured": 0.5, "kind": "synergy", "share": 0.2, "range": [0.4, 0.6],
        "p": 0.02, "found": True, "controls": [39, 39],
    }  # fmt: skip
    pair["b"] = pair["a"] | {"sense": "text", "units": [1], "claim": None}
    texts = [c for c in made("climbed")[0]["claims"] if c["modality"] == "text" and 1 in c["units"]]
    pair["b"]["claim"] = texts[0]["id"] if texts else None

    def of(**change: Any) -> list[str]:
        return checked_part({"interactions": {"pairs": [pair | change], "alpha": 0.05, "tested": 1, "controls": 39}})

    assert of() == []
    for change in ({"measured": 0.4}, {"kind": "redundancy"}, {"share": 0.5}, {"found": False}, {"range": [0.6, 0.7]}):
        assert of(**change)


def test_relevance_is_conserved_from_step_to_step():
    steps = [
        {"time": [0, 1], "by_sense": {"a": 1.0}, "relevance_in": 1.0, "to_state": 0.0, "to_inputs": 1.0, "gap": 0.0},
        {"time": [1, 2], "by_sense": {"a": 2.0}, "relevance_in": 3.0, "to_state": 1.0, "to_inputs": 2.0, "gap": 0.0},
    ]
    whole = {"steps": steps, "difference": 3.0, "older": 0.0, "gap": 0.0, "gradients": 1}
    assert checked_part({"through_time": whole}) == []
    for change in ({"difference": 4.0}, {"steps": [steps[0], steps[1] | {"to_state": 0.5}]}, {"older": 1.0}):
        assert checked_part({"through_time": whole | change})


def test_a_layer_is_that_of_its_array():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3, 4)).astype(np.float32)
    size = np.abs(values.astype(np.float64))
    share = size / size.sum()
    layer = {
        "total": float(values.sum()), "size": float(size.sum()), "resolution": [3, 4],
        "support": float(values.clip(0).sum() / size.sum()),
        "entropy": float(-(share * np.log(share)).sum() / np.log(share.size)),
        "centre": [float((share.sum((0, 2)) * (np.arange(3) + 0.5) / 3).sum()),
                   float((share.sum((0, 1)) * (np.arange(4) + 0.5) / 4).sum())],
    }  # fmt: skip
    arrays = {"fusion.depth.0": values}
    assert checked_part({"depths": [layer]}, arrays) == []
    for key, value in layer.items():
        odd = [9, 9] if isinstance(value, list) else value + 0.1
        assert checked_part({"depths": [layer | {key: odd}]}, arrays), key
    assert checked_part({"depths": [layer]}) == []  # without the array nothing can be seen


def test_a_ruling_follows_from_what_each_names():
    side = {"top": [0, 1], "units": [0], "effects": [-1.0, -2.0], "effect": -1.5, "p": [0.1, 1.0], "controls": 9}
    ruling = {
        "sense": "vision", "attention": side, "gradient": side | {"top": [1, 2], "units": [2]}, "overlap": 1 / 3,
        "operators": ["blur", "surround"], "correlation": 0.1, "random": [-1.0, 0.0], "right": "neither",
    }  # fmt: skip
    assert checked_part({"attention": [ruling]}) == []
    odd = [{"overlap": 0.5}, {"right": "agree"}, {"attention": side | {"effect": -1.0}}, {"random": [1.0, 0.0]}]
    for change in [*odd, {"attention": side | {"p": [0.15, 1.0]}}, {"attention": side | {"units": [0, 1]}}]:
        assert checked_part({"attention": [ruling | change]})
