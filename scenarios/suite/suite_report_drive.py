"""What a scenario's report shows of a closed loop: a contact strip of what was seen, and a table of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from ...agent import pictures
from ...agent.wording import clean, number, percent
from .result import Checked, Exhibits, Result

__all__ = ["Strip", "contact_strip", "shown_drive"]

_SIDE, _CAPTION, _MARGIN, _COLUMNS = 136, 22, 6, 8  # pixels; pictures in a row
_PAPER, _INK = (29, 31, 36), (233, 232, 228)
_MOST = 240  # pictures in a strip


@dataclass(frozen=True)
class Strip(Exhibits):
    """Exhibits of a closed loop.

    Attributes:
        strip: what was seen last at each decision.
    """

    strip: tuple[np.ndarray, ...] = ()


def contact_strip(
    frames: Sequence[UInt8[np.ndarray, "height width 3"]], captions: Sequence[str]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Lay frames out in rows, each with a caption below it, as one picture.

    Args:
        frames: at least one; the first 240 are shown.
        captions: one for each.
    """
    shown = list(zip(frames, captions, strict=True))[:_MOST]
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    wide, high = _SIDE + _MARGIN, _SIDE + _CAPTION + _MARGIN
    sheet = Image.new("RGB", (columns * wide + _MARGIN, rows * high + _MARGIN), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, (frame, caption) in enumerate(shown):
        left, top = _MARGIN + i % columns * wide, _MARGIN + i // columns * high
        picture = Image.fromarray(np.ascontiguousarray(frame)).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left, top))
        draw.text((left + 2, top + _SIDE + 3), caption, fill=_INK, font=font)
    return np.asarray(sheet)


def shown_drive(result: Result) -> dict[str, Any] | None:
    """Return what the template shows of a closed loop; None where none was driven.

    The strip is among the exhibits, so that a result that was read from plain data has a table alone.
    """
    ran = next((check for check in result.checked if check.expectation == "storyboard"), None)
    steps: Sequence[Mapping[str, Any]] = [] if ran is None else ran.figures.get("steps", [])
    if ran is None or not steps:
        return None
    times = [float(step["time"]) for step in steps]
    fell = _fell(result.checked, times)
    frames = result.exhibits.strip if isinstance(result.exhibits, Strip) else ()
    captions = [f"{number(t, 1)} s  {clean(str(step['action']))}" for t, step in zip(times, steps, strict=True)]
    return {
        "told": clean(ran.happened),
        "strip": pictures.png(contact_strip(frames, captions)) if len(frames) == len(steps) else "",
        "actions": [clean(action) for action in _actions(steps)],
        "overseen": any(step.get("level") is not None for step in steps),
        "steps": [_row(step, fell.get(i, []), _actions(steps)) for i, step in enumerate(steps)],
    }


def _actions(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(action for step in steps for action in step["probabilities"]))


def _fell(checked: Sequence[Checked], times: Sequence[float]) -> dict[int, list[str]]:
    """Which criteria fell in which step: the last one that had begun when they did."""
    found: dict[int, list[str]] = {}
    for check in checked:
        at = check.figures.get("fell")
        if check.kind == "closed loop" and isinstance(at, int | float):
            step = max((i for i, time in enumerate(times) if time <= at + 1e-9), default=0)
            found.setdefault(step, []).append(clean(check.expectation.removeprefix("storyboard.")))
    return found


def _row(step: Mapping[str, Any], fell: list[str], actions: Sequence[str]) -> dict[str, Any]:
    gap, chosen = step.get("gap"), step.get("chosen")
    odds = step["probabilities"]
    return {
        "time": number(float(step["time"]), 1),
        "ahead": number(float(step["ahead"]), 2),
        "speed": number(float(step["speed"]), 2),
        "action": clean(str(step["action"])),
        "chosen": "" if chosen is None else clean(str(chosen)),
        "level": "" if step.get("level") is None else clean(str(step["level"])),
        "odds": [
            {"told": percent(odds[a]) if a in odds else "–", "chosen": a == (chosen or step["action"])} for a in actions
        ],
        "gap": "–" if gap is None else number(float(gap), 2),
        "nearest": "" if step.get("nearest") is None else clean(str(step["nearest"])),
        "fell": fell,
    }
