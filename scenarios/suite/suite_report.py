"""Reports of scenarios and of suites: one HTML file each that holds everything, names no host and runs no script."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...agent.report import check_report
from ...agent.wording import clean, nats, number, percent
from ...errors import InputError
from .result import STATUSES, Checked, Result, Seen, reproduced_by
from .suite_report_drive import shown_drive
from .suite_report_rows import counted, expectations, families_of, matrices, rows_of
from .suite_report_scene import pictured

__all__ = ["MARKS", "render_scenario", "render_suite", "write_scenario_report", "write_suite_report"]

_TEMPLATES = Path(__file__).parent / "templates"
_SHOWN = 100  # variants in the table of a report
_TOLD = 3  # failures of a scenario in a suite's report

MARKS = {
    "passed": ("✓", "good"),
    "failed": ("✗", "bad"),
    "known failure": ("≈", "open"),
    "unexpectedly passed": ("!", "bad"),
    "error": ("⚠", "bad"),
}
"""Mark and colour of each status; a mark stands beside its word everywhere."""

_VERDICTS = {"supported": ("✓", "good"), "unsupported": ("✗", "bad"), "inconclusive": ("~", "open")}
_SAID = {
    "passed": "All that was expected happened.",
    "failed": "Not all that was expected happened.",
    "known failure": "It fails, as it is known to; a run does not fail with it.",
    "unexpectedly passed": "It is marked as a known failure and all that was expected happened: take the mark out.",
    "error": "It could not be run, so that nothing is known of the system.",
}


@cache
def _environment() -> Environment:
    """Jinja with escaping always on; an unknown name is an error and not an empty string."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _style() -> Markup:
    return Markup((_TEMPLATES / "suite.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def write_scenario_report(path: str | Path, result: Result) -> Path:
    """Write the report of a scenario, whole or not at all; one that is there already is replaced.

    Raises:
        InputError: it cannot be written there.
    """
    return _write(Path(path), render_scenario(result))


def write_suite_report(path: str | Path, results: Sequence[Result], coverage: Sequence[Mapping[str, Any]] = ()) -> Path:
    """Write the report of a suite, whole or not at all; one that is there already is replaced.

    Args:
        path: of the file.
        results: of the suite's scenarios.
        coverage: matrices to show, each a mapping with ``title``, ``rows`` and ``columns`` (names), ``cells`` (for each
            row a count for each column, None where the combination cannot be) and, if wanted, ``given`` (a sentence).

    Raises:
        InputError: it cannot be written there, or a matrix is not of that form.
    """
    return _write(Path(path), render_suite(results, coverage, Path(path).parent))


def _write(target: Path, page: str) -> Path:
    check_report(target)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        staged.write_text(page, encoding="utf-8")
        staged.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}; free space or name another place") from error
    finally:
        staged.unlink(missing_ok=True)
    return target


def render_scenario(result: Result) -> str:
    """Return the report of a scenario as one HTML document."""
    mark, side = MARKS[result.status]
    met = sum(check.held is True for check in result.checked)
    base = result.variants[0] if result.variants else None
    known = result.exhibits is not None
    shown: dict[str, Any] = {
        "style": _style(),
        "about": {key: _clean(value) for key, value in result.scenario.to_dict().items()},
        "status": {"mark": mark, "word": result.status, "side": side, "said": _SAID[result.status]},
        "seconds": _seconds(result.seconds),
        "decision": _decision(base),
        "fault": clean(base.fault or "") if base is not None else "Nothing was decided.",
        "notes": [clean(_sentence(note)) for note in result.notes],
        "tally": f"{met} of {len(result.checked)} expectations met, each counted in every variant that it is asked of.",
        "rows": expectations(result.checked),
        "reliance": _reliance(result.reliance, {} if result.exhibits is None else result.exhibits.labels),
        "justification": clean(result.justification),
        "verdict": _verdict(result.verdict),
        "claims": [_claim(claim) for claim in result.claims],
        "variants": [_variant(seen, result.checked) for seen in result.variants],
        "actions": [clean(a) for a in next((s.probabilities for s in result.variants if s.probabilities), {})],
        "shown": _SHOWN,
        "further": len(result.variants) > _SHOWN,
        "command": clean(reproduced_by(result)),
        "drive": shown_drive(result),
        **pictured(result.exhibits if known else None),
    }
    return _environment().get_template("scenario.html").render(shown)


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [clean(str(each)) for each in value]
    return None if value is None else clean(str(value))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _seconds(value: float) -> str:
    return f"{number(value, 1 if value < 10 else 0)} s"


def _decision(seen: Seen | None) -> dict[str, Any] | None:
    if seen is None or seen.action is None:
        return None
    odds = sorted(seen.probabilities.items(), key=lambda item: (-item[1], item[0]))
    return {
        "of": "Decision on the scene as written",
        "action": clean(seen.action),
        "margin": nats(seen.margin or 0.0),
        "odds": [{"action": clean(name), "width": round(100 * p, 1), "told": percent(p), "chosen": name == seen.action}
                 for name, p in odds],
    }  # fmt: skip


def _reliance(told: Mapping[str, Any] | None, labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Bars: a share's length is of all falls; what speaks against the decision is as long as its effect would be."""
    if told is None:
        return None
    falls = sum(max(-(g["effect"] or 0.0), 0.0) for g in told["groups"])
    largest = max((abs(g["effect"] or 0.0) for g in told["groups"]), default=0.0)
    scale = max(falls, largest) or 1.0
    bars = [_bar(group, scale, labels.get(group["name"], "")) for group in told["groups"]]
    ways = {1: "one way", 2: "two ways"}.get(len(told["operators"]), f"{len(told['operators'])} ways")
    return {
        "action": clean(told["action"]),
        "ways": ways,
        "variant": clean(str(told.get("variant") or "")),
        "bars": bars,
        "against": any(bar.get("side") == "against" and bar["width"] >= 1 for bar in bars),
    }


def _bar(group: Mapping[str, Any], scale: float, label: str) -> dict[str, Any]:
    named = {"name": clean(group["name"]), "label": clean(label), "rest": str(group["name"]).startswith("rest of")}
    if group["effects"] is None:
        return {**named, "why": clean(_sentence(group["why"]))}
    effect, ends = group["effect"], sorted(group["effects"])
    low, high = nats(ends[0]), nats(ends[-1])
    return {
        **named,
        "why": "",
        "side": "against" if effect > 0 else "for",
        "width": round(100 * abs(effect) / scale, 1),
        "share": "–" if group["share"] is None else percent(group["share"]),
        "effect": nats(effect),
        "range": "" if low == high else f"{low} … {high}",
        "settled": group["settled"],
    }


def _verdict(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    mark, side = _VERDICTS.get(told["verdict"], ("~", "open"))
    reasons = told.get("reasons") or []
    return {
        "verdict": clean(told["verdict"]),
        "mark": mark,
        "side": side,
        "reason": clean(_sentence(reasons[0])) if reasons else "",
    }


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    ends = sorted(effect["effect"] for effect in claim["effects"])
    low, high = (nats(ends[0]), nats(ends[-1])) if ends else ("", "")
    then = list(dict.fromkeys(clean(str(effect["action"])) for effect in claim["effects"]))
    return {
        "title": clean(str(claim["name"] or claim["modality"])),
        "status": clean(str(claim.get("status") or "")),
        "where": clean(str(claim.get("where") or "")),
        "predicted": nats(claim["predicted"]),
        "measured": "not measured" if claim.get("measured") is None else nats(claim["measured"]),
        "range": "" if low == high else f"{low} … {high}",
        "then": " or ".join(then),
    }


def _variant(seen: Seen, checked: Sequence[Checked]) -> dict[str, Any]:
    own = [check for check in checked if check.variant == seen.name]
    held = sum(check.held is True for check in own)
    return {
        "name": clean(seen.name),
        "perturbed": clean(", ".join(seen.perturbed)),
        "action": clean(seen.action) if seen.action else "",
        "fault": clean(seen.fault or ""),
        "odds": [{"told": percent(p), "chosen": name == seen.action} for name, p in seen.probabilities.items()],
        "held": held,
        "failed": len(own) - held,
    }


def render_suite(
    results: Sequence[Result], coverage: Sequence[Mapping[str, Any]] = (), beside: Path | None = None
) -> str:
    """Return the report of a suite as one HTML document.

    Args:
        results: of the suite's scenarios.
        coverage: matrices to show; see `write_suite_report`.
        beside: folder of the report, from which the scenarios' own reports are linked to.

    Raises:
        InputError: a matrix is not of the form that is wanted.
    """
    good = all(result.good for result in results)
    bad = sum(not result.good for result in results)
    said = "Every scenario did as it should"
    if not good:
        said = f"{bad} scenarios did not do as they should" if bad > 1 else "1 scenario did not do as it should"
    shown = {
        "style": _style(),
        "headline": {"word": "passed" if good else "failed", "said": said if results else "No scenario was run"},
        "total": len(results),
        "systems": list(dict.fromkeys(clean(result.scenario.system) for result in results)),
        "seconds": _seconds(sum(result.seconds for result in results)),
        "tiles": [counted(status, results, MARKS) for status in STATUSES],
        "families": families_of(results, MARKS),
        "coverage": matrices(coverage),
        "rows": rows_of(results, MARKS, _TOLD, lambda report: _href(report, beside)),
    }
    return _environment().get_template("suite.html").render(shown)


def _href(report: str | None, beside: Path | None) -> str:
    """Where a scenario's report lies, seen from the suite's; empty where there is none."""
    if report is None or beside is None:
        return ""
    from urllib.parse import quote

    try:
        return quote(Path(os.path.relpath(report, beside)).as_posix())
    except ValueError:  # another drive
        return ""
