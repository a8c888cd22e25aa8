"""What an explanation means for oversight: its verdict, a reason that must not be, a sense that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["UNUSABLE", "findings_of", "text_of"]

UNUSABLE = ("cannot be used", "is absent", "fell silent", "is silent", "stalled", "unusable")
"""Words of a note that says so of a sense; whoever notes it (`veridical.agent.stream`) writes one of them."""

_VERDICTS = ("supported", "unsupported", "inconclusive")
_MOST = 300


def findings_of(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what an explanation found, in words of `veridical.agent.loop.policy.FINDINGS`.

    Args:
        result: an explanation's, see ``docs/record.md``.

    Returns:
        The verdict first; ``forbidden`` where the decision was found to rest on what its task rules out (a trace of it
        does not count, see ``docs/task.md``); ``sensor`` where a note says that a sense cannot be used.

    Example:
        >>> findings_of({"verdict": {"verdict": "supported"}, "notes": ["vision: the camera stalled at 3.0 s"]})
        ('supported', 'sensor')
    """
    found = [word for word in (_object(result.get("verdict")).get("verdict"),) if word in _VERDICTS]
    task = _object(_object(result.get("concepts")).get("task"))
    if any(map(_ruled_out, task.get("findings") or ())):
        found.append("forbidden")
    if any(word in note for note in _notes(result) for word in UNUSABLE):
        found.append("sensor")
    return tuple(found)


def text_of(error: BaseException) -> str:
    """Return what went wrong on one line: the kind of error and its message, at most 300 characters."""
    try:
        told = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # an error of somebody else's, whose message fails as well
        told = "it has no message"
    name = type(error).__name__
    return (f"{name}: {told}" if told else name)[:_MOST]


def _ruled_out(finding: Any) -> bool:
    """Whether a finding of the task says so: a ``must_not``, or no rule's where the task allows nothing else."""
    said = _object(finding)
    return said.get("severity") == "fault" and said.get("kind") in ("forbidden", "unlisted")


def _notes(result: Mapping[str, Any]) -> Iterator[str]:
    """The notes of the senses, and those of the result."""
    senses = [_object(sense) for sense in _object(result.get("observation")).values()]
    for notes in (*(sense.get("notes") for sense in senses), result.get("notes")):
        yield from (str(note).lower() for note in notes or ())


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
