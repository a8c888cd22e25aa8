"""Rows of the reports: an expectation over all variants, a family, a scenario, a matrix of what was exercised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...agent.concept_views import unbroken
from ...agent.wording import clean
from ...errors import InputError
from .result import STATUSES, Checked, Result

__all__ = ["counted", "expectations", "families_of", "matrices", "rows_of"]

Marks = Mapping[str, tuple[str, str]]

_HELD = {True: ("✓", "met", "good"), False: ("✗", "not met", "bad"), None: ("~", "not settled", "open")}
_OPEN = 4  # variants that are told without being asked for
_ORDER = ("error", "failed", "unexpectedly passed", "known failure", "passed")


def expectations(checked: Sequence[Checked]) -> list[dict[str, Any]]:
    """Return a row for each expectation over all variants, those first that were not met.

    Of an expectation that was met everywhere one variant is told at once; of another those that did not meet it.
    """
    groups: dict[tuple[str, str], list[Checked]] = {}
    for check in checked:
        groups.setdefault((check.expectation, check.expected), []).append(check)
    rows = [_expectation(own) for own in groups.values()]
    return sorted(rows, key=lambda row: (row["side"] == "good", row["side"] != "bad"))


def _expectation(own: Sequence[Checked]) -> dict[str, Any]:
    failed = [check for check in own if check.held is not True]
    held = False if any(check.held is False for check in own) else None if failed else True
    mark, word, side = _HELD[held]
    ordered = [*failed, *(check for check in own if check.held is True)]
    told = [
        {"mark": _HELD[each.held][0], "variant": clean(each.variant), "happened": unbroken(each.happened)}
        for each in ordered
    ]
    first = min(len(failed), _OPEN) or 1
    return {
        "mark": mark,
        "word": word if len(own) == 1 or not failed else f"{len(own) - len(failed)} of {len(own)} met",
        "side": side,
        "expectation": clean(own[0].expectation),
        "kind": own[0].kind,
        "expected": unbroken(own[0].expected),
        "told": told[:first],
        "more": told[first:],
        "several": len(own) > 1,
    }


def counted(status: str, results: Sequence[Result], marks: Marks) -> dict[str, Any]:
    """Return how many results have a status, with its mark and colour."""
    mark, side = marks[status]
    return {"word": status, "mark": mark, "side": side, "count": sum(result.status == status for result in results)}


def families_of(results: Sequence[Result], marks: Marks) -> list[dict[str, Any]]:
    """Return a row for each family, in alphabetical order."""
    rows = []
    for name in sorted({result.scenario.family for result in results}):
        own = [result for result in results if result.scenario.family == name]
        counts = Counter(result.status for result in own)
        checks = [check for result in own for check in result.checked]
        cells = [{"count": counts[status], "mark": marks[status][0], "side": marks[status][1]} for status in STATUSES]
        rows.append(
            {
                "name": clean(name),
                "total": len(own),
                "cells": cells,
                "variants": sum(len(result.variants) for result in own),
                "met": sum(check.held is True for check in checks),
                "checks": len(checks),
            }
        )
    return rows


def matrices(coverage: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return matrices of counts, each cell with its level from 0 to 1 among the largest.

    Raises:
        InputError: a matrix without rows, columns or cells, or with as many as do not fit.
    """
    return [_matrix(each) for each in coverage]


def _matrix(told: Mapping[str, Any]) -> dict[str, Any]:
    lacking = sorted({"title", "rows", "columns", "cells"} - set(told))
    if lacking:
        raise InputError(f"coverage: a matrix without {', '.join(lacking)}; give title, rows, columns and cells")
    rows, columns, cells = told["rows"], told["columns"], told["cells"]
    if len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        shape = f"{len(cells)} rows of {sorted({len(row) for row in cells})} cells"
        raise InputError(f"coverage: {told['title']}: {shape} for {len(rows)} rows and {len(columns)} columns")
    most = max((count for row in cells for count in row if count), default=0) or 1
    return {
        "title": clean(str(told["title"])),
        "given": clean(str(told.get("given") or "")),
        "columns": [clean(str(column)) for column in columns],
        "rows": [
            {"name": clean(str(name)), "cells": [{"count": n, "level": round((n or 0) / most, 2)} for n in row]}
            for name, row in zip(rows, cells, strict=True)
        ],
    }


def rows_of(
    results: Sequence[Result], marks: Marks, most: int, href: Callable[[str | None], str]
) -> list[dict[str, Any]]:
    """Return a row for each scenario, those first that a run fails on.

    Args:
        results: of the scenarios.
        marks: mark and colour of each status.
        most: failures told of each.
        href: from the path of a scenario's report to what links to it.
    """
    ordered = sorted(results, key=lambda r: (_ORDER.index(r.status), r.scenario.family, r.scenario.title))
    return [_row(result, marks, most, href) for result in ordered]


def _row(result: Result, marks: Marks, most: int, href: Callable[[str | None], str]) -> dict[str, Any]:
    mark, side = marks[result.status]
    failures = [row for row in expectations(result.checked) if row["side"] != "good"]
    base = result.variants[0] if result.variants else None
    return {
        "mark": mark,
        "side": side,
        "word": result.status,
        "title": clean(result.scenario.title),
        "family": clean(result.scenario.family),
        "why": clean(result.scenario.why),
        "href": href(result.report),
        "variants": len(result.variants),
        "action": clean(base.action) if base is not None and base.action else "none",
        "known": clean(result.scenario.known_failure or ""),
        "failures": failures[:most],
        "more": max(0, len(failures) - most),
    }
