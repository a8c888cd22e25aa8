"""As evidence arrives: what would have been decided after each step, and what each step did to the decision's score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError, VeridicalError
from ..modalities.contract import Prepared, System
from ..modalities.held import held
from ..modalities.scorer import logits_of
from ..modalities.target import Target
from ..modalities.unrolled import RecurrentSystem

__all__ = ["Arrival", "arrivals", "saliency_by_step"]

DRIFT = (1e-3, 1e-3)
"""Nats, and share of the score: how far the last step may score from the decision itself (rounding)."""


@dataclass(frozen=True)
class Arrival:
    """What would have been decided with what had come by then.

    Attributes:
        time: the step's first and last second; what came before is at hand as well.
        probabilities: of all actions.
        action: the likeliest then.
        score: of the decision made at the end (the target's value), in nats.
        change: of this score by this step; at the first step from what the system holds before anything has come, None
            where that is not known.
        by_sense: by sense, how much lower the score would be now had this step brought nothing of it, the steps before
            being what they were. They need not sum to ``change``: what senses do together is in each. Empty for systems
            whose steps cannot be seen.
    """

    time: tuple[float, float]
    probabilities: Mapping[str, float]
    action: str
    score: float
    change: float | None = None
    by_sense: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        told = {"time": list(self.time), "probabilities": dict(self.probabilities), "action": self.action}
        return {**told, "score": self.score, "change": self.change, "by_sense": dict(self.by_sense)}


def arrivals(
    system: System,
    prepared: Mapping[str, Prepared],
    target: Target | None = None,
    *,
    ends: Sequence[float] | None = None,
    parts: int = 6,
) -> tuple[Arrival, ...]:
    """Return the decision at successive steps; the last is the decision itself.

    A system that carries a state (`RecurrentSystem`) is read after each of its own steps, in one pass. Any other is
    given the first seconds of the observation, prepared anew: frames that have begun, sound up to then. A text is at
    hand from the start.

    Args:
        system: what is explained.
        prepared: its prepared signals.
        target: whose value the score is; by default the log-odds of the action decided on at the end.
        ends: seconds up to which the observation is given, rising; by default each frame's end, or where there are no
            two frames so many equal ``parts``. A recurrent system has steps of its own.
        parts: see ``ends``.

    Raises:
        InputError: nothing that takes time, ends out of order, ends for a recurrent system, or the system refuses a
            shorter observation.
        ContractError: the scores break the contract, or the last step is not the decision.

    Example:
        >>> [step.action for step in arrivals(courier, prepared)]       # doctest: +SKIP
        ['SLOW', 'SLOW', 'STOP']
    """
    with torch.no_grad(), held(system) as state:
        try:
            if isinstance(system, RecurrentSystem):
                if ends is not None:
                    raise InputError(f"arrival: {type(system).__name__} has steps of its own; leave out ends")
                return _read(system, prepared, target)
            return _truncated(system, prepared, target, ends, parts)
        finally:
            state.settle()


def saliency_by_step(steps: Sequence[Arrival]) -> tuple[float | None, ...]:
    """Return what each step did to the score, nats; all sum to its whole change. None where that is not known."""
    return tuple(step.change for step in steps)


def _asked(system: System, logits: Float[Tensor, "1 actions"], target: Target | None) -> Target:
    kind = "log-odds" if len(system.actions) > 1 else "logit"
    return Target(int(logits[0].argmax()), kind=kind) if target is None else target


def _told(
    system: System, time: tuple[float, float], logits: Tensor, target: Target, before: float | None
) -> tuple[float, Arrival]:
    """Return the score and what a step decides."""
    score = float(target(logits)[0])
    probabilities = dict(zip(system.actions, logits[0].double().softmax(0).tolist(), strict=True))
    action = system.actions[int(logits[0].argmax())]
    return score, Arrival(time, probabilities, action, score, None if before is None else score - before)


def _checked(system: System, logits: Tensor, when: str) -> Float[Tensor, "1 actions"]:
    if tuple(logits.shape) != (1, len(system.actions)) or not logits.isfinite().all():
        raise ContractError(
            f"system: scores of shape {tuple(logits.shape)} {when}; (1, {len(system.actions)}) is wanted, all of them "
            "finite"
        )
    return logits


def _read(system: RecurrentSystem, prepared: Mapping[str, Prepared], target: Target | None) -> tuple[Arrival, ...]:
    """Read a recurrent system after every step."""
    features = {m: system.encode(m, p.tensor) for m, p in prepared.items()}
    unrolled = system.unroll(features)
    decision = _checked(system, system.decide(features), "for one observation")
    asked = _asked(system, decision, target)

    def read(state: Tensor, when: str) -> Float[Tensor, "1 actions"]:
        return _checked(system, unrolled.read(state), when)

    found: list[Arrival] = []
    state, before = unrolled.start, float(asked(read(unrolled.start, "before the first step"))[0])
    for k, (inputs, time) in enumerate(zip(unrolled.inputs, unrolled.times, strict=True)):
        after = unrolled.advance(state, inputs)
        score, step = _told(system, time, read(after, f"after step {k}"), asked, before)
        parts = {}
        for m in inputs:
            rest = {other: x for other, x in inputs.items() if other != m}
            without = unrolled.advance(state, rest) if rest else state
            parts[m] = score - float(asked(read(without, f"after step {k} without {m}"))[0])
        found.append(Arrival(step.time, step.probabilities, step.action, score, step.change, parts))
        state, before = after, score
    end = float(asked(decision)[0])
    if not found or abs(before - end) > DRIFT[0] + DRIFT[1] * abs(end):
        raise ContractError(
            f"system: the decision scores {end:.3f} nats and the last of {len(found)} steps {before:.3f}; unroll must "
            "end in what decide returns"
        )
    return tuple(found)


def _truncated(
    system: System,
    prepared: Mapping[str, Prepared],
    target: Target | None,
    ends: Sequence[float] | None,
    parts: int,
) -> tuple[Arrival, ...]:
    """Give any system the first seconds of an observation, more and more of it."""
    whole = max(p.duration for p in prepared.values())
    times = _ends(prepared, whole, ends, parts)
    decision = logits_of(system, {m: p.tensor for m, p in prepared.items()}, 1, "for one observation")
    asked = _asked(system, decision, target)
    found: list[Arrival] = []
    begin, before = 0.0, None
    for end in times:
        logits = decision if end >= whole else _early(system, prepared, end)
        before, step = _told(system, (begin, end), logits, asked, before)
        found.append(step)
        begin = end
    return tuple(found)


def _ends(
    prepared: Mapping[str, Prepared], whole: float, asked: Sequence[float] | None, parts: int
) -> tuple[float, ...]:
    """Return the seconds at which steps end; the last is the end of all signals."""
    if not whole > 0:
        raise InputError(f"arrival: {', '.join(prepared)} take no time, so nothing arrives; give frames or sound")
    if asked is None:
        frames = [(p.duration, len(p.raw)) for p in prepared.values() if isinstance(p.raw, tuple) and len(p.raw) > 1]
        if not frames and parts < 1:
            raise InputError(f"arrival: {parts} parts; give at least 1")
        span, count = max(frames, default=(whole, parts))
        inner = [span * (k + 1) / count for k in range(count)]
    else:
        inner = [float(end) for end in asked]
    rising = all(b > a for a, b in zip([0.0, *inner], inner, strict=False)) and all(map(math.isfinite, inner))
    if not inner or not rising or inner[-1] > whole * (1 + 1e-9):
        raise InputError(f"arrival: ends {inner} of {whole:g} s; seconds that rise from above 0 to the end are wanted")
    # What rounding leaves of the end is the end.
    kept = [end for end in inner if end < whole * (1 - 1e-9)]
    return (*kept, whole)


def _early(system: System, prepared: Mapping[str, Prepared], end: float) -> Float[Tensor, "1 actions"]:
    """Return the scores of the first seconds of an observation."""
    told = f"of the first {end:g} s"
    try:
        shorter = {m: system.modalities[m].prepare(_first(p, end)).tensor for m, p in prepared.items()}
        return logits_of(system, shorter, 1, told)
    except (VeridicalError, RuntimeError, ValueError, IndexError) as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(
            f"arrival: {type(system).__name__} does not take the first {end:g} s alone: {why}; give later ends, or a "
            "system that can be unrolled"
        ) from error


def _first(prepared: Prepared, end: float) -> Any:
    """Return what of a signal has come by then: frames that have begun, samples, or all of a text."""
    raw, duration = prepared.raw, prepared.duration
    if isinstance(raw, str) or duration <= 0 or end >= duration:
        return list(raw) if isinstance(raw, tuple) else raw
    # Of 1e-9 less than a frame's begin the frame has not begun: sums of intervals round.
    if isinstance(raw, tuple):
        return list(raw[: max(1, math.ceil(end * len(raw) / duration - 1e-9))])
    if isinstance(raw, np.ndarray) and raw.ndim == 1:
        return raw[: max(1, round(end * len(raw) / duration))]
    raise InputError(f"arrival: {prepared.modality} is a {type(raw).__name__}, which has no first {end:g} s")
