"""Whatever the agent tells comes out as JSON that any parser takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.agent.serve.plain import as_json, plain


@dataclass
class Told:
    first: tuple[int, ...]
    second: object = None


def test_values_become_plain():
    assert plain(Told((1, 2), {"x": np.float32(0.5), 3: {7}})) == {"first": [1, 2], "second": {"x": 0.5, "3": [7]}}
    assert plain([np.int64(3), np.bool_(True), Path("a"), float("inf"), float("nan"), b"x"]) == [
        3, True, "a", None, None, "b'x'"
    ]  # fmt: skip


def test_an_answer_is_ascii_json():
    answer = as_json({"a": "ä\u2028", "b": float("nan")}, 201)
    assert answer.status_code == 201
    assert bytes(answer.body).isascii()
    assert json.loads(bytes(answer.body)) == {"a": "ä\u2028", "b": None}
