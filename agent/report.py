"""The report: one HTML file that holds everything, names no host, and can be read without a script."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..errors import InputError, RecordError
from . import pictures, views
from .charts import claim_rows, control_rows, ladder_steps
from .concept_views import concepts, sentences, unbroken
from .fused_views import fused
from .graph_chart import chart
from .wording import (
    MARKS,
    SENSES,
    STATUS_WORDS,
    STOPPED,
    VERDICT_WORDS,
    clean,
    in_order,
    moment,
    nats,
    number,
    own_notes,
    percent,
    seconds,
    sensed,
    tested,
    unrepeated,
    without_sense,
)

__all__ = ["check_report", "render_report", "write_report"]

_TEMPLATES = Path(__file__).parent / "templates"
_RANKED = 25  # units listed in the table of contributions


@cache
def _environment() -> Environment:
    """Jinja with escaping always on; an unknown name is an error and not an empty string."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(clean=clean, moment=moment, nats=nats, number=number, percent=percent, seconds=seconds)
    made.globals.update(MARKS=MARKS, STATUS_WORDS=STATUS_WORDS, VERDICT_WORDS=VERDICT_WORDS, SENSES=SENSES)
    return made


def render_report(result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the report of a result as one HTML document.

    Args:
        result: as ``veridical.explanation/1`` has it.
        arrays: the arrays that go with it, by name.

    Raises:
        RecordError: an array that the result calls for is missing.
    """
    try:
        shown = _view(result, arrays)
    except KeyError as error:
        missing = error.args[0]
        raise RecordError(
            f"the report cannot be drawn: {missing!r} is missing from the result or its arrays"
        ) from error
    return _environment().get_template("report.html").render(shown)


def check_report(path: Path) -> None:
    """Raise at once if a report cannot be written to ``path``; its parent folders are made.

    Raises:
        InputError: ``path`` is a folder, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file for the report, such as {path / 'report.html'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be made: {error.strerror}; name another place") from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path.parent} cannot be written to; name another place, or change its permissions")


def write_report(path: str | Path, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write the report of a result, whole or not at all; a report that is there already is replaced.

    Raises:
        RecordError: an array that the result calls for is missing.
        InputError: it cannot be written there.
    """
    target = Path(path)
    check_report(target)
    page = render_report(result, arrays)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        staged.write_text(page, encoding="utf-8")
        staged.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}; free space or name another place") from error
    finally:
        staged.unlink(missing_ok=True)
    return target


def _view(result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Everything the templates show."""
    decision, said = result["decision"], result["justification"]
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    truth, measured = claim_rows(result["claims"])
    controls_axis, controls = control_rows(result)
    return {
        "result": result,
        "decision": decision,
        "verdict": result["verdict"],
        "style": Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "notes": own_notes(result),
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "odds": sorted(decision["probabilities"].items(), key=lambda item: (-item[1], item[0])),
        "senses": {name: sensed(name, result["observation"]) for name in in_order({*SENSES, *result["observation"]})},
        "limit": views.limit_of(result),
        "legend": pictures.legend(),
        "saw": views.saw(result, arrays),
        "heard": views.heard(result, arrays),
        "read": views.read(result),
        "fusion": fused(result, arrays),
        "claims": views.claims(result, arrays),
        "truth_axis": truth,
        "measured": {row["id"]: row for row in measured},
        "controls_axis": controls_axis,
        "controls": controls,
        "steps": ladder_steps(result["verdict"]["attempts"]),
        "tested": tested(result),
        "lead": unbroken(said["short"]) if said.get("short") else "",
        "sentences": sentences(result, unrepeated(result)),
        "whole": sentences(result, said.get("full") or []),
        "stopped": STOPPED.get(result["verdict"]["stopped"], ""),
        "graph": chart(result["graph"]),
        "concepts": concepts(result, arrays),
        "shares": _shares(result),
        "ranked": [_ranked(entry) for entry in result["ranking"][:_RANKED]],
        "ranked_of": len(result["ranking"]),
    }


def _shares(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Shares of the senses, with the width of a bar in per cent."""
    shares = result["attribution"]["shares"]
    largest = max((abs(value) for value in shares.values()), default=0.0) or 1.0
    return [
        {"name": name, "nats": nats(value), "width": round(100 * abs(value) / largest, 1),
         "side": "for" if value >= 0 else "against", "without": without_sense(result, name)}
        for name, value in ((name, shares[name]) for name in in_order(shares))
    ]  # fmt: skip


def _ranked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the table of contributions."""
    unit = entry["unit"]
    if unit.get("text") is not None:
        where = f"“{clean(unit['text'])}”"
    elif unit.get("band"):
        low, high = (number(value / 1000, 1) for value in unit["band"])
        where = f"{seconds(unit['time'])}, {low}–{high} kHz"
    elif unit.get("box"):
        left, top, right, bottom = (round(value) for value in unit["box"])
        where = f"frame {unit['frame'] + 1}, x {left}–{right}, y {top}–{bottom} px"
    else:
        where = seconds(unit["time"])
    value = nats(entry["contribution"], 3)
    return {"rank": entry["rank"], "modality": entry["modality"], "where": where, "nats": value}
