"""Content: everything in a record that can be checked without the model, each check named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import RecordError, VeridicalError
from . import drawn, judged, maps, places, said, sums, tasked, tests_again, together
from .finding import Case, Finding, Sheet

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CHECKS", "Finding", "check_one", "recheck_content"]

Check = Callable[[Case, Sheet], None]

CHECKS: Mapping[str, Check] = {
    "decision": sums.decision,
    "contributions": sums.attribution,
    "ranking": sums.ranking,
    "signals": places.signals,
    "units": places.units,
    "maps": maps.saliency,
    "commitments": maps.committed,
    "effects": tests_again.effects,
    "claims": tests_again.claims,
    "tests": tests_again.controls,
    "necessity and sufficiency": tests_again.further,
    "verdict": judged.verdict,
    "critiques": judged.critique,
    "told twice": said.copies,
    "graph": drawn.graph,
    "evidence in the graph": drawn.evidence,
    "concepts": drawn.concepts,
    "task": tasked.task,
    "sentences": said.sentences,
    "short text": said.shorter,
    "figures in words": said.reasons,
    "senses together": together.together,
    "times": sums.timing,
}
"""Every check by its name, in the order in which they are told."""

_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, VeridicalError)


def recheck_content(
    result: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Check what a record says against itself, without the model: what follows from what is worked out again.

    It tells whether a record hangs together, not whether it is true: figures that were made up with care can hang
    together as well. That the model does what the record says only `agent.recheck` can tell.

    Args:
        result: the explanation of a record, see ``docs/record.md``.
        arrays: its arrays by name; maps, units and layers are checked where they are there.
        manifest: of the record, where it is at hand: it tells what storing the arrays lost and what is sealed.

    Returns:
        One finding for each of `CHECKS`, in order. A part that is malformed is a finding that is not ok.

    Raises:
        RecordError: the result is no explanation at all.
    """
    if not isinstance(result, Mapping) or not isinstance(result.get("decision"), Mapping):
        raise RecordError(
            "record: there is no decision in it, so there is nothing to check; give the result of a record, as "
            "read_record returns it"
        )
    case = Case(result, arrays or {}, manifest)
    return [check_one(case, what) for what in CHECKS]


def check_one(case: Case, what: str) -> Finding:
    """Run one of `CHECKS`; whatever a malformed result makes it stumble over is its finding."""
    import numpy as np

    sheet = Sheet()
    try:
        with np.errstate(all="ignore"):  # what is not finite is found where it is compared
            CHECKS[what](case, sheet)
    except _MALFORMED as error:
        told = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        told = " ".join(told.split())[:200] or type(error).__name__
        sheet.faults.append(f"it is malformed: {told}; it was altered, or written by another version")
    return sheet.finding(what)
