"""Checking a verdict again: from the record and the model, everything that was committed to, edited and measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from ..errors import ContractError, InputError, RecordError
from ..fusion.measure import Laboratory
from ..modalities.clock import Clock
from ..modalities.contract import Observation, Prepared, System
from ..modalities.held import held
from ..modalities.observation import prepare, segment
from ..modalities.scorer import logits_of
from ..modalities.target import decision_score
from ..modalities.timed import Timed
from ..verifier.commitment import digest_array
from ..verifier.critic import criticise
from ..verifier.ladder import Attempt, Climb, LadderSettings, Proposal, propose_at
from ..verifier.verify import Reference, VerifySettings, look_further, operators_of, unmeasurable, verify
from .clocks import with_clocks
from .points import Point, commitments, compared, copies, maps, observed, same_reference, same_system
from .tried import Tried, check_units, read_attempt, read_ladder
from .verdicts import by_action, claim_told, further_told, verdict_told

__all__ = ["Point", "Recheck", "recheck"]

Progress = Callable[[str, float], None]

_ATTEMPT = (
    "commitment", "salt", "verdict", "cause", "p", "agreement", "measured", "controls", "critique", "passes", "reasons",
)  # fmt: skip
"""What must come out the same of every attempt, what tells most first."""

_HEX = re.compile("(?:[0-9a-f]{2})+")

_DERIVED = ("method", "values", "claims", "operators", "parameters", "reference")
"""What `verify` itself puts into a commitment; the rest is told to it."""


@dataclass(frozen=True)
class Recheck:
    """What came of checking a record again.

    Attributes:
        points: what was checked, in order.
        recorded: the verdict as the record has it.
        verdict: the verdict found now; None where the inputs differ, so that nothing was measured.
        passes: edited inputs scored for it.
        skipped: what cannot be checked this way, or was not, in words.
    """

    points: tuple[Point, ...]
    recorded: str
    verdict: str | None
    passes: int
    skipped: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every point agrees, and the verdict was come to again."""
        return self.verdict == self.recorded and all(point.agrees for point in self.points)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "agrees": self.agrees,
            "recorded": self.recorded,
            "verdict": self.verdict,
            "points": [asdict(point) for point in self.points],
            "passes": self.passes,
            "skipped": list(self.skipped),
        }


def recheck(
    result: Mapping[str, Any],
    system: System,
    observation: Observation,
    arrays: Mapping[str, np.ndarray] | None = None,
    reference: Reference | None = None,
    progress: Progress = lambda stage, share: None,
) -> Recheck:
    """Come to a recorded verdict again, and say what agrees and what does not.

    Every attempt is judged again in the recorded order, by the account, the salt and the parameters that it was
    committed to with; the search of the rung ``measured`` is run again. Figures must be the same to the last bit, which
    holds on the same machine with the same libraries and threads.

    Args:
        result: of a record.
        system: the system that decided.
        observation: what it was shown.
        arrays: of the record; with them it is seen if the recorded maps are those that were committed to.
        reference: what was measured of the system beforehand, and was given with the decision; by default the system's
            own ``reference``, if it has one.
        progress: called with a stage and the share of the whole that is done.

    Raises:
        RecordError: the result lacks what a verdict is come to from, or holds something else in its place.
        InputError: the observation cannot be used.
        ContractError: the system breaks the contract.
    """
    tried, ladder, points = _parsed(result, arrays)
    recorded = str(result["verdict"]["verdict"])
    with held(system):
        prepared = prepare(system, _timed(observation, result))
        own: Reference | None = getattr(system, "reference", None)
        known = reference or own or Reference()
        committed = tried[-1].committed
        same = [
            observed(committed, prepared, _salts(result)),
            same_system(committed, system),
            same_reference(tried, known),
        ]
        points += same
        if not all(point.agrees for point in same):
            told = "Nothing was measured again: a verdict holds for one system before one observation."
            return Recheck(tuple(points), recorded, None, 0, (told,))
        return _again(result, tried, ladder, _Bench(system, prepared, known), points, progress)


def _salts(result: Mapping[str, Any]) -> dict[str, str | None]:
    """Salts of the signals' digests, by sense; records of version 1 have none."""
    found = {m: signal.get("salt") for m, signal in result["observation"].items()}
    for m, salt in found.items():
        if salt is not None and not (isinstance(salt, str) and _HEX.fullmatch(salt)):
            raise RecordError(f"record: the salt of {m}'s digest is {salt!r}, not hexadecimal: sealed, or altered")
    return found


def _timed(observation: Observation, result: Mapping[str, Any]) -> Observation:
    """The observation with the clocks that were recorded, where it comes without."""
    told = {m: signal["clock"] for m, signal in result["observation"].items() if signal.get("clock")}
    bare = {m: c for m, c in told.items() if observation.get(m) is not None and not isinstance(observation[m], Timed)}
    return with_clocks(observation, {m: Clock.from_dict(c) for m, c in bare.items()})


class _Bench:
    """The system before the observation, anew."""

    def __init__(self, system: System, prepared: Mapping[str, Prepared], reference: Reference) -> None:
        self.reference = reference
        with torch.no_grad():
            self.logits = logits_of(system, {m: p.tensor for m, p in prepared.items()}, 1, "for one observation")[0]
        segmentations = segment(system, prepared)
        action = int(self.logits.argmax())
        score = float(decision_score(self.logits[None], action)[0])
        self.laboratory = Laboratory(system, prepared, segmentations, action, score=score)
        self.decision = system.actions[action]
        self.actions = list(system.actions)


def _again(
    result: Mapping[str, Any],
    tried: Sequence[Tried],
    ladder: LadderSettings | None,
    bench: _Bench,
    points: list[Point],
    progress: Progress,
) -> Recheck:
    """Judge every attempt again, and hold what is found against what is recorded."""
    laboratory, last = bench.laboratory, tried[-1]
    decided = {"action": bench.decision, "logits": by_action(bench.actions, bench.logits.tolist())}
    points.append(compared("decision", decided, result["decision"], "the same scores of all actions"))
    units = {m: digest_array(s.labels) for m, s in laboratory.segmentations.items()}
    points.append(compared("evidence units", {"units": units}, last.committed, "cut as they were"))
    if not all(point.agrees for point in points[-2:]):
        told = "Nothing was measured again: the decision or its evidence units are others."
        return Recheck(tuple(points), str(result["verdict"]["verdict"]), None, 0, (told,))
    for one in tried:
        check_units(one.account, laboratory.segmentations)
    attempts: list[Attempt] = []
    for index, one in enumerate(tried):
        progress(f"attempt {index + 1}", index / (len(tried) + 1))
        attempt, searched = _attempted(one, attempts, bench, ladder or LadderSettings())
        attempts.append(attempt)
        points += searched
    if result["verdict"].get("stopped") == "untestable":
        attempts[-1] = _broken(attempts, laboratory, ladder or LadderSettings(), last.settings)
    progress("further", len(tried) / (len(tried) + 1))
    final = attempts[-1]
    if result["senses"] or result["complement"]:
        final = replace(final, verification=look_further(laboratory, final.verification, last.settings))
    climb = Climb((*attempts[:-1], final), str(result["verdict"].get("stopped")))
    found = verdict_told(bench.actions, climb, ladder)
    points += _judged(found, result, tried)
    claims = [claim_told(bench.actions, bench.decision, c) for c in final.verification.claims]
    further = {"claims": claims, **further_told(bench.actions, final.verification)}
    points.append(compared("claims and senses", further, result, "every effect is the same, bit for bit"))
    rest = {k: v for k, v in found.items() if k not in ("attempts", "committed", "commitment", "salt", "stopped")}
    points.append(compared("tests", rest, result["verdict"], "controls, p, necessity, sufficiency and stability"))
    progress("further", 1.0)
    return Recheck(
        tuple(points), str(result["verdict"]["verdict"]), found["verdict"], laboratory.passes, _skipped(ladder)
    )


def _skipped(ladder: LadderSettings | None) -> tuple[str, ...]:
    told = ["Not checked: names, sentences, pictures, times, and how gradients came to the contributions."]
    if ladder is None:
        told.append("The record does not say how the ladder was set; its defaults were taken.")
    return tuple(told)


def _attempted(
    one: Tried, attempts: list[Attempt], bench: _Bench, ladder: LadderSettings
) -> tuple[Attempt, list[Point]]:
    """Make one attempt again: its search, if it was one, its verification and its critique."""
    laboratory = bench.laboratory
    passes = one.entry.get("passes") or {}
    told = int(one.entry.get("gradients", 0)), int(passes.get("proposing", 0))
    account, points = one.account, []
    if one.rung == "measured":
        proposal = propose_at("measured", laboratory, attempts, ladder, one.settings)
        points.append(_search(len(attempts) + 1, proposal, one))
        if points[-1].agrees:  # JSON has no negative zero; these have
            account = proposal.account
        proposal = replace(proposal, account=account)
    else:  # that an account is from gradients is not what is tested; a path is only asked for by its shape
        path = attempts[-1].proposal.path if attempts else propose_at("gradient", laboratory, [], ladder).path
        proposal = Proposal(one.rung, account, path, *told)
    content = {k: v for k, v in one.committed.items() if k not in _DERIVED}
    stage = "all"
    if one.entry["cause"] == "untested":  # time does not come again: it is ended where it was
        stage = "claims" if one.entry["measured"] else "account"
    verification = verify(laboratory, account, content, lambda _: one.salt, one.settings, bench.reference, stage=stage)
    critique = None
    if verification.verdict.verdict != "supported":
        spent = laboratory.passes
        operators = operators_of(laboratory, one.settings.operators)
        critique = criticise(laboratory, verification, operators, one.settings.criteria)
        verification = replace(verification, passes=verification.passes + laboratory.passes - spent)
    return Attempt(proposal, verification, critique, (0.0, 0.0)), points


def _broken(
    attempts: list[Attempt], laboratory: Laboratory, ladder: LadderSettings, settings: VerifySettings
) -> Attempt:
    """Return the last attempt with the verdict that it has where the system breaks down on the ladder's last rung."""
    last = attempts[-1]
    if last.verification.verdict.cause in ("unmeasurable", "nothing-moves"):
        return last
    rung = "measured" if "measured" in ladder.rungs else ladder.rungs[-1]
    try:
        propose_at(rung, laboratory, attempts, ladder, settings)
    except ContractError as error:
        return replace(last, verification=unmeasurable(last.verification, str(error)))
    return last


def _search(number: int, proposal: Proposal, one: Tried) -> Point:
    """Hold the search of the rung ``measured``, run again, against the account recorded."""
    found = {
        "claims": [{**asdict(c), "units": list(c.units)} for c in proposal.account.claims],
        "values": {m: v.tolist() for m, v in proposal.account.values.items()},
    }
    recorded = {"claims": one.committed["claims"], "values": one.entry["values"]}
    return compared(f"search of attempt {number}", found, recorded, "it comes to the same claims")


def _judged(found: Mapping[str, Any], result: Mapping[str, Any], tried: Sequence[Tried]) -> list[Point]:
    """One point for each attempt: its commitment, its effects, its p and its verdict."""
    points = []
    for number, (again, one) in enumerate(zip(found["attempts"], tried, strict=True), 1):
        kept = {k: again[k] for k in _ATTEMPT}
        told = f"{one.entry['method']}: {again['verdict']}, from the same commitment by the same effects"
        points.append(compared(f"attempt {number}", kept, one.entry, told))
    return points


def _parsed(
    result: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None
) -> tuple[list[Tried], LadderSettings | None, list[Point]]:
    """Return the attempts and the ladder's settings of a result, and what can be said of them without the model."""
    try:
        verdict = result["verdict"]
        if not verdict["attempts"]:
            raise ValueError("no attempt is recorded")
        _ = verdict["verdict"], result["decision"]["logits"]
        tried = [read_attempt(entry) for entry in verdict["attempts"]]
        points = [commitments(tried), copies(result, tried)]
        points += [maps(tried[-1].committed, arrays)] if arrays is not None else []
        return tried, read_ladder(verdict.get("ladder")), points
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, InputError) as error:
        told = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise RecordError(
            f"record: its verdict cannot be come to again: {told}; it was altered, or written by another version"
        ) from error
