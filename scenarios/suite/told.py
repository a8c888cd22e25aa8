"""What came of a scenario, as lines of text: for a terminal, and for a failure that pytest prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...agent.wording import clean

if TYPE_CHECKING:
    from .result import Checked, Result

__all__ = ["HELD", "MARKS", "failure_lines", "headline"]

HELD = {True: "✓", False: "✗", None: "~"}
"""Mark of an expectation: met, not met, not settled."""

MARKS = {"passed": "✓", "failed": "✗", "known failure": "≈", "unexpectedly passed": "!", "error": "⚠"}
"""Mark of each status; it stands beside its word everywhere."""

_VARIANTS = 4  # told of each expectation


def headline(result: Result) -> str:
    """Return the status in one sentence."""
    about = result.scenario
    name = f"{clean(about.title)} ({clean(about.family)})"
    if result.status == "error":
        return f"{name} could not be run"
    if result.status == "unexpectedly passed":
        return f"{name} is marked as a known failure, and all that was expected happened: take the mark out"
    failed = len(result.failures)
    if not failed:
        return f"{name} passed: {len(result.checked)} expectations met"
    known = ", as it is known to" if result.status == "known failure" else ""
    return f"{name} failed{known}: {failed} of {len(result.checked)} expectations not met"


def failure_lines(result: Result) -> list[str]:
    """Return what was expected and what happened, the justification, the report's path and how to run it again."""
    about = result.scenario
    lines = [headline(result)]
    if about.why:
        lines.append(f"why it matters: {clean(about.why)}")
    if about.known_failure is not None:
        lines.append(f"known to fail: {clean(about.known_failure)}")
    lines += ["", *_expectations(result)]
    if result.justification:
        lines += ["", "what the system's explanation says:", f"    {clean(result.justification)}"]
    if result.verdict is not None:
        lines.append(f"    verdict: {clean(str(result.verdict.get('verdict')))}")
    for note in result.notes:
        lines.append(f"note: {clean(note)}")
    lines.append("")
    if result.report is not None:
        lines.append(f"report: {clean(result.report)}")
    lines.append(f"alone:  pytest {clean(_quoted(about.file))}")
    if result.status != "error":
        lines.append(f"shrink: veridical scenarios minimise {clean(_quoted(about.file))}")
    return lines


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _expectations(result: Result) -> Iterator[str]:
    """Each expectation that was not met, with what happened in the variants in which it was not."""
    groups: dict[tuple[str, str], list[Checked]] = {}
    for check in result.failures:
        groups.setdefault((check.expectation, check.expected), []).append(check)
    for (expectation, expected), own in groups.items():
        mark = HELD[False] if any(check.held is False for check in own) else HELD[None]
        yield f"{mark} {clean(expectation)}: expected: {clean(expected)}"
        for check in own[:_VARIANTS]:
            where = f"{clean(check.variant)}: " if check.variant else ""
            settled = " (not settled, which counts as not met)" if check.held is None else ""
            yield f"    happened: {where}{clean(check.happened)}{settled}"
        if len(own) > _VARIANTS:
            yield f"    … and in {len(own) - _VARIANTS} further variants"
