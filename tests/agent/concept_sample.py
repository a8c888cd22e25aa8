"""The sample of `sample` with concepts: one for, one against, one that goes along, one without an effect."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np

from tests.agent.sample import probabilities, result_and_arrays


def card(sense: str, k: int, effect: float | None, role: str, **told: Any) -> dict[str, Any]:
    """One card; drawn where its role is for or against."""
    drawn = role in ("for", "against")
    made = {
        "id": f"{sense}#{k}", "sense": sense, "concept": k, "direction": k, "label": f"unnamed concept #{k}",
        "named": False, "vetoed": False, "source": None, "score": None, "margin": None, "describes": "",
        "where": f"somewhere in {sense}", "time": None, "rows": [0], "boxes": [], "units": [], "strength": 0.2,
        "typical": 0.1, "stability": 0.9, "expected": effect, "effect": effect, "role": role, "drawn": drawn,
        "interval": [effect - 0.5, effect + 0.4] if drawn and effect is not None else None,
        "p": 0.05 if drawn else None, "controls": [0.1, -0.2, 0.3] if drawn else [],
        "becomes": "PROCEED" if drawn else None, "after": probabilities(-0.5) if drawn else None,
        "typically": {"effect": -0.7, "becomes": "STOP"} if drawn else None, "direct": -1.0 if drawn else None,
        "through_state": -0.4 if drawn else None, "goes_with": None,
        "prototypes": [
            {"observation": f"train:{i}", "place": [i], "grid": [6], "strength": 0.5 - 0.1 * i} for i in range(5)
        ],
    }  # fmt: skip
    return made | told


def told() -> dict[str, Any]:
    """Return ``result["concepts"]``."""
    boxes = [[0, 0.0, 0.0, 32.0, 32.0], [0, 32.0, 0.0, 64.0, 32.0], [2, 96.0, 96.0, 128.0, 128.0]]
    goes = {"action": "STOP", "share": 0.8, "usual": 0.25, "p": 0.001}
    named = {"named": True, "label": "cat", "source": "ImageNet", "score": 0.62, "margin": 0.31}
    return {
        "banks": {"vision": {"digest": "sha256:" + "ab" * 32, "version": 1, "concepts": 12, "stability": 0.9,
                             "observations": 400, "acts": None}},
        "cards": [
            card("vision", 3, -1.5, "for", boxes=boxes, time=[0.0, 3.0], **named),
            card("audio", 5, 1.2, "against", time=[1.0, 2.0]),
            card("text", 9, -0.05, "no effect shown", units=[14]),
            card("text", 2, -0.01, "goes along", units=[13, 14], goes_with=goes),
        ],
        "groups": [
            {"claim": "c1", "sense": "vision", "members": ["vision#3", "vision#4"], "interaction": -0.3,
             "through": -1.0, "effect": -2.0, "interval": [-2.4, -1.1], "p": 0.05, "controls": [], "drawn": True},
            {"claim": "c2", "sense": "audio", "members": ["audio#5"], "interaction": 0.0, "through": None,
             "effect": 1.2, "interval": None, "p": None, "controls": [], "drawn": True},
        ],
        "pairs": [{"members": ["vision#3", "text#9"], "interaction": 0.9, "interval": [0.4, 1.2], "drawn": True}],
        "unnamed": {"vision": {"effect": -0.8, "interval": [-0.8, -0.8], "p": 0.05, "controls": [], "share": 0.13,
                               "drawn": True}},
        "missing": {"lidar": "There is no bank."},
        "passes": 10,
        "milliseconds": {},
        "task": {
            "task": "courier", "digest": "", "action": "STOP", "expected": None, "outcome": "not as the task asks",
            "coverage": 0.4, "grounds": [], "sentences": [],
            "findings": [
                {"kind": "unlisted", "severity": "noted", "text": "No rule speaks of it."},
                {"kind": "forbidden", "severity": "fault", "text": "It rests on a patch."},
            ],
        },
    }  # fmt: skip


def graph() -> dict[str, Any]:
    """Return the graph that goes with it."""

    def concept(m: str, k: int, **more: Any) -> dict[str, Any]:
        return {"id": f"{m}#{k}", "kind": "concept", "modality": m, "concept": k, "label": f"unnamed concept #{k}",
                "named": False, "where": f"somewhere in {m}", **more}  # fmt: skip

    nodes = [
        {"id": "decision", "kind": "decision", "label": "STOP"},
        *({"id": f"sense:{m}", "kind": "sense", "label": m} for m in ("text", "vision", "audio")),
        {"id": "c1", "kind": "evidence", "modality": "vision", "label": "cat, the middle", "status": "confirmed"},
        concept("vision", 3),
        concept("audio", 5),
        concept("text", 9, idle=True, effect=-0.05),
        *(concept("text", 20 + i, idle=True, effect=None) for i in range(8)),
        {"id": "together:c1", "kind": "together", "modality": "vision", "label": "both", "members": ["vision#3"]},
        {"id": "unnamed:vision", "kind": "unnamed", "modality": "vision", "label": "what no concept accounts for"},
        {"id": "state", "kind": "state", "label": "memory"},
    ]

    def effect(source: str, size: float, **more: Any) -> dict[str, Any]:
        return {"source": source, "target": "decision", "kind": "effect", "effect": size, "p": 0.05,
                "interval": [size - 0.2, size + 0.2], **more}  # fmt: skip

    edges = [
        {"source": "c1", "target": "decision", "effect": -3.0, "operator_range": [-3.2, -2.8], "becomes": "PROCEED"},
        {"source": "c1", "target": "sense:vision", "part_of": True},
        {"source": "sense:vision", "target": "decision", "effect": -3.4, "operator_range": [-3.7, -3.1],
         "becomes": "SLOW"},
        {"source": "c1", "target": "vision#3", "kind": "carries", "share": 0.37},
        effect("vision#3", -1.5),
        effect("audio#5", 1.2),
        effect("together:c1", -2.0),
        effect("unnamed:vision", -0.8),
        {"source": "vision#3", "target": "together:c1", "part_of": True},
        {"source": "vision#3", "target": "state", "kind": "through", "effect": -0.4},
        {"source": "state", "target": "decision", "kind": "carries"},
        {"source": "vision#3", "target": "text#9", "kind": "interaction", "effect": 0.9, "interval": [0.4, 1.2]},
    ]  # fmt: skip
    about = {"action": "STOP", "note": "Effects are on this system.", "least": 0.1, "alpha": 0.05}
    return {"directed": True, "multigraph": False, "graph": about, "nodes": nodes, "edges": edges}


def justification() -> dict[str, Any]:
    """Return the justification that goes with it."""
    fact = {"subject": "vision#3", "relation": "speaks-for", "value": -1.5, "unit": "nats", "of": ""}
    also = {"subject": "text#2", "relation": "called", "value": "x", "unit": "words", "of": ""}
    whole = [
        {"text": "Courier chose STOP (94 %).", "claims": [], "confirmed": True, "kind": "decision", "edges": [],
         "facts": []},
        {"text": "It rests on a cat (−1.50 nats).", "claims": ["c1"], "confirmed": True, "kind": "for",
         "edges": [["vision#3", "decision"]], "facts": [fact]},
        {"text": "A word goes along.", "claims": [], "confirmed": False, "kind": "correlate", "edges": [],
         "facts": [also]},
    ]  # fmt: skip
    return {"text": " ".join(s["text"] for s in whole), "sentences": whole[:2], "short": "STOP, by a cat (94 %).",
            "full": whole}  # fmt: skip


_drawn_once = functools.cache(result_and_arrays)


def with_concepts() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the whole sample with concepts, its graph and its justification, and prototypes of all three senses.

    The result is a test's own to change; of the arrays, only which there are.
    """
    result, arrays = copy.deepcopy(_drawn_once()[0]), dict(_drawn_once()[1])
    result |= {"concepts": told(), "graph": graph(), "justification": justification()}
    rng = np.random.default_rng(5)
    arrays["concept.vision#3.prototypes"] = rng.integers(0, 255, (4, 72, 72, 3)).astype(np.uint8)
    arrays["concept.audio#5.prototypes"] = (0.1 * rng.normal(size=(2, 4000))).astype(np.float32)
    vision, audio, _, text = result["concepts"]["cards"]
    for one, had in ((vision, (1, 1, 1, 1)), (audio, (1, 0, 1, 0))):
        for prototype, shown in zip(one["prototypes"], had, strict=False):
            prototype["shown"] = bool(shown)
    text["prototypes"][0] |= {"shown": True, "text": "and stop at once", "span": [4, 8]}
    return result, arrays
