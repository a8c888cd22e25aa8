"""The picture of a drive: frames in rows with their captions, and a row of the table for each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from veridical.scenarios.suite.result import About, Checked, Result
from veridical.scenarios.suite.suite_report_drive import Strip, contact_strip, shown_drive


def step(time: float, **more: Any) -> dict[str, Any]:
    given = {"time": time, "ahead": 1.4 * time, "side": 0.0, "speed": 1.4, "action": "GO", "chosen": None,
             "level": None, "probabilities": {"GO": 0.8, "STOP": 0.2}, "gap": 2.0, "nearest": "block"}  # fmt: skip
    return {**given, **more}


def result(*steps: dict[str, Any], fell: float | None = None, strip: int = 0) -> Result:
    about = About("t", "w", "closed-loop", (), "toy", None, "t.scenario.yaml", "sha256:0")
    ran = Checked("storyboard", True, "the closed loop is run", "it was", {"steps": list(steps)}, "closed loop")
    goal = Checked("storyboard.goal", fell is None, "e", "h", {"fell": fell}, "closed loop")
    frames = tuple(np.full((224, 224, 3), 50 * i, np.uint8) for i in range(strip))
    return Result(about, "failed", (ran, goal), (), 0.0, exhibits=Strip(strip=frames) if strip else None)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (8, 1, 8), (9, 2, 8)])
def test_frames_lie_in_rows_of_eight(count: int, rows: int, columns: int):
    sheet = contact_strip([np.full((224, 224, 3), 200, np.uint8)] * count, ["0.0 s  GO"] * count)
    assert sheet.shape == (rows * 164 + 6, columns * 142 + 6, 3)
    assert (sheet == 200).all(-1).sum() >= count * 136 * 136
    assert (sheet[6:142, 6:142] == 200).all()
    assert sheet[143:164, 6:142].max() > 150  # the caption


def test_a_criterion_stands_in_the_row_of_the_step_in_which_it_fell():
    shown = shown_drive(result(step(0), step(1), step(2), fell=1.65, strip=3))
    assert shown is not None
    assert [row["fell"] for row in shown["steps"]] == [[], ["goal"], []]
    assert shown["strip"].startswith("data:image/png;base64,")
    assert not shown["overseen"]
    assert [odd["told"] for odd in shown["steps"][0]["odds"]] == ["80\u00a0%", "20\u00a0%"]


def test_oversight_has_a_column_and_the_systems_own_choice_is_marked():
    shown = shown_drive(result(step(0, action="STOP", chosen="GO", level="stop", gap=None, nearest=None)))
    assert shown is not None
    (row,) = shown["steps"]
    assert shown["overseen"]
    assert (row["action"], row["chosen"], row["level"], row["gap"]) == ("STOP", "GO", "stop", "–")
    assert [odd["chosen"] for odd in row["odds"]] == [True, False]
    assert shown["strip"] == ""


def test_without_a_drive_there_is_nothing_to_show():
    assert shown_drive(result()) is None
    about = About("t", "w", "f", (), "toy", None, "t.scenario.yaml", "sha256:0")
    assert shown_drive(Result(about, "passed", (), (), 0.0)) is None
