"""What came of a scenario: each expectation, what happened, and whether that was as it should be. Plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...agent.record.canonical import canonical_json
from ...errors import InputError

__all__ = [
    "KINDS",
    "RESULT_FORMAT",
    "STATUSES",
    "About",
    "Checked",
    "Exhibits",
    "Result",
    "Seen",
    "reproduced_by",
    "status_of",
]

RESULT_FORMAT = "veridical.scenario-result/1"
"""Name and version of a result's layout."""

STATUSES = ("passed", "failed", "known failure", "unexpectedly passed", "error")
"""What can come of a scenario. An ``error`` is the scenario's own: it could not be run, so nothing is known."""

KINDS = (
    "minimum functionality",
    "invariance",
    "direction",
    "reason",
    "counterfactual",
    "verdict",
    "robustness",
    "latency",
    "oversight",
    "closed loop",
    "run",
)
"""Kinds of expectation; the first three are those of CheckList (Ribeiro et al., ACL 2020)."""


@dataclass(frozen=True)
class About:
    """Which scenario it was.

    Attributes:
        title: what it is called.
        why: why it matters, one line.
        family: its family.
        tags: further words.
        system: name of the system that was tried.
        known_failure: why it is known to fail; None where it is to pass.
        file: the scenario's file, as it was named.
        digest: of that file, ``sha256:…``.
    """

    title: str
    why: str
    family: str
    tags: tuple[str, ...]
    system: str
    known_failure: str | None
    file: str
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "tags": list(self.tags)}


@dataclass(frozen=True)
class Checked:
    """One expectation, held against what happened in one variant (or in all of them together).

    Attributes:
        expectation: its key in the scenario's file, such as ``action`` or ``rely_on[0]``.
        held: True or False; None where it could not be settled, which counts as failed.
        expected: what was to happen, in words.
        happened: what did, in words with figures.
        figures: the figures, plain JSON values.
        kind: one of `KINDS`.
        variant: name of the variant; empty where it is about all of them.
    """

    expectation: str
    held: bool | None
    expected: str
    happened: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "minimum functionality"
    variant: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "figures": _plain(self.figures)}


@dataclass(frozen=True)
class Seen:
    """What the system decided in one variant.

    Attributes:
        name: of the variant; the first is the scene as written.
        values: what was varied.
        perturbed: what was perturbed, in words.
        action: the decision; None where the system failed.
        probabilities: of all actions.
        score: log-odds of the decision against the rest, nats; None where the system failed.
        margin: log-odds of the decision against the runner-up, nats.
        fault: why there is no decision; None where there is one.
    """

    name: str
    values: Mapping[str, Any]
    perturbed: tuple[str, ...]
    action: str | None
    probabilities: Mapping[str, float]
    score: float | None
    margin: float | None
    fault: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return _plain(vars(self))


@dataclass(frozen=True)
class Exhibits:
    """What a report shows of the scene as written.

    Attributes:
        frames: as they were given, uint8 (height, width, 3) each.
        masks: where each part is seen, bool (frames, height, width), by its name.
        sound: samples, and their rate in hertz; None where nothing is heard.
        spans: first and last second of each part that is heard.
        text: the instruction; None where nothing is read.
        clauses: first and past-the-last character of each part that is read.
        labels: what each thing and sound is, in a word.
    """

    frames: tuple[np.ndarray, ...] = ()
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    sound: tuple[np.ndarray, int] | None = None
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    text: str | None = None
    clauses: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came of a scenario.

    Attributes:
        scenario: which it was.
        status: one of `STATUSES`.
        checked: every expectation that was held against what happened, in the file's order.
        variants: what the system decided in each variant, the scene as written first.
        seconds: that it took.
        justification: the system's, for the scene as written; empty where nothing was explained.
        reliance: what the decision on the scene as written rests on, plain values; None where nobody asked.
        claims: of the explanation, predicted and measured, plain values; none where nothing was explained.
        verdict: of the explanation, with its cause and reasons; None where nothing was explained.
        report: path of the HTML report; None where none was written.
        notes: what a reader must know, one sentence each.
        exhibits: what a report shows beside: frames, sound, outlines. No part of the plain data.
    """

    scenario: About
    status: str
    checked: tuple[Checked, ...]
    variants: tuple[Seen, ...]
    seconds: float
    justification: str = ""
    reliance: Mapping[str, Any] | None = None
    claims: tuple[Mapping[str, Any], ...] = ()
    verdict: Mapping[str, Any] | None = None
    report: str | None = None
    notes: tuple[str, ...] = ()
    exhibits: Exhibits | None = field(default=None, repr=False, compare=False)

    @property
    def good(self) -> bool:
        """Whether a run of the suite may pass with it: passed, or failed as it is known to."""
        return self.status in ("passed", "known failure")

    @property
    def failures(self) -> tuple[Checked, ...]:
        """The expectations that were not met, those that could not be settled among them."""
        return tuple(checked for checked in self.checked if checked.held is not True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; figures that are not finite are null."""
        return {
            "format": RESULT_FORMAT,
            "scenario": self.scenario.to_dict(),
            "status": self.status,
            "checked": [checked.to_dict() for checked in self.checked],
            "variants": [seen.to_dict() for seen in self.variants],
            "seconds": self.seconds,
            "justification": self.justification,
            "reliance": _plain(self.reliance),
            "claims": _plain(self.claims),
            "verdict": _plain(self.verdict),
            "report": self.report,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Result:
        """Return the result that `to_dict` told, without its exhibits.

        Raises:
            InputError: another format, or a member that is missing or that no result has.
        """
        if told.get("format") != RESULT_FORMAT:
            raise InputError(f"result: format {told.get('format')!r}; {RESULT_FORMAT!r} is read here")
        try:
            about = About(**{**told["scenario"], "tags": tuple(told["scenario"]["tags"])})
            checked = tuple(Checked(**each) for each in told["checked"])
            seen = tuple(Seen(**{**each, "perturbed": tuple(each["perturbed"])}) for each in told["variants"])
            rest = {key: told[key] for key in ("status", "seconds", "justification", "reliance", "verdict", "report")}
            claims, notes = tuple(told["claims"]), tuple(told["notes"])
        except (KeyError, TypeError) as error:
            raise InputError(f"result: {error}; it is no result as `to_dict` tells it") from error
        return cls(scenario=about, checked=checked, variants=seen, claims=claims, notes=notes, **rest)

    def canonical(self) -> bytes:
        """Return the result as canonical JSON (RFC 8785), without what differs from run to run: seconds and report.

        Raises:
            RecordError: a value that JSON cannot hold.
        """
        told = {name: value for name, value in self.to_dict().items() if name not in ("seconds", "report")}
        told["checked"] = [check for check in told["checked"] if check["kind"] != "latency"]
        return canonical_json(told, f"the result of {self.scenario.file}")


def status_of(checked: Iterable[Checked], known_failure: str | None) -> str:
    """Return a scenario's status: strictly, so that a known failure that passes is said (as pytest's strict xfail).

    Args:
        checked: every expectation; one that could not be settled counts as failed. One of kind ``run`` says that the
            scenario itself could not be asked, which is an error and no failure that could be known of the system.
        known_failure: why it is known to fail; None where it is to pass.
    """
    checked = tuple(checked)
    if any(check.kind == "run" and check.held is not True for check in checked):
        return "error"
    passed = all(check.held is True for check in checked)
    if known_failure is None:
        return "passed" if passed else "failed"
    return "unexpectedly passed" if passed else "known failure"


def _plain(value: Any) -> Any:
    """The same as JSON has it: no tuples, no figures that are not finite."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def reproduced_by(result: Result) -> str:
    """Return the command that runs the scenario again."""
    return f"veridical scenarios run {result.scenario.file}"
