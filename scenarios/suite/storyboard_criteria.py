"""What must hold of a drive, held against what happened: each criterion with its figures and the second it fell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .result import Checked
from .schema_storyboard import Criteria, NeedlessStops, SpeedNear, StopBefore, Storyboard, YieldWithin
from .storyboard_drive import Drive
from .storyboard_world import Moment

__all__ = ["STILL", "judged"]

STILL = 0.01
"""Metres a second below which the robot stands."""

_BESIDE = 0.5  # metres beside the way within which a thing is reason enough to stop
_MEMORY = 3.0  # seconds that Courier sees and hears
_KIND = "closed loop"


def judged(drive: Drive, board: Storyboard) -> list[Checked]:
    """Hold every criterion against a drive, in the order of the format's keys."""
    must = board.must
    found = [_collision(drive), _goal(drive, must)]
    found += [_stop(drive, one, f"stop_before[{i}]") for i, one in enumerate(must.stop_before)]
    found += [_yield(drive, one, f"yield_within[{i}]") for i, one in enumerate(must.yield_within)]
    found += [_slow(drive, one, f"speed_near[{i}]") for i, one in enumerate(must.speed_near)]
    if must.time_to_collision is not None:
        found.append(_close(drive, must.time_to_collision))
    if must.needless_stops is not None:
        found.append(_needless(drive, board, must.needless_stops))
    return found


def _checked(
    name: str, held: bool, expected: str, happened: str, at: float | None, **figures: float | list[float] | None
) -> Checked:
    """A check; ``at`` is the second in which it fell, None where it held."""
    told = f"{happened} (at {at:.2f} s)" if at is not None and not held else happened
    return Checked(f"storyboard.{name}", held, expected, told, {**figures, "fell": None if held else at}, _KIND)


def _collision(drive: Drive) -> Checked:
    nearest = min(
        ((one.gap, moment.time, name) for moment in drive.moments for name, one in moment.actors.items() if one.seen),
        default=None,
    )
    if nearest is None:
        return _checked("collision", True, "no collision", "there was nothing to run into", None, gap=None)
    smallest, at, name = nearest
    expected = "no collision: all gaps above 0 m"
    hit = next((m.time for m in drive.moments for one in m.actors.values() if one.seen and one.gap <= 0), None)
    happened = f"the smallest gap was {max(smallest, 0.0):.2f} m, to {name} at {at:.2f} s"
    if hit is not None:
        happened = f"it ran into {name}, or {name} into it"
    return _checked("collision", hit is None, expected, happened, hit, gap=smallest, gap_at=at)


def _goal(drive: Drive, must: Criteria) -> Checked:
    goal = must.goal
    held = drive.arrived is not None and drive.arrived <= goal.within + 1e-9
    expected = f"{goal.ahead:g} m within {goal.within:g} s"
    if drive.arrived is not None:
        happened = f"it was there after {drive.arrived:.2f} s"
    else:
        last = drive.moments[-1]
        happened = f"after {last.time:.2f} s it had come {last.motion.ahead:.2f} m"
    fell = goal.within if drive.moments[-1].time >= goal.within else drive.moments[-1].time
    return _checked("goal", held, expected, happened, fell, arrived=drive.arrived, came=drive.moments[-1].motion.ahead)


def _stop(drive: Drive, one: StopBefore, name: str) -> Checked:
    """It stands while the actor is in its way, and comes no nearer than asked for."""
    expected = f"it stands before {one.actor}, {one.least:g} m away at least"
    ahead = [
        (m, m.actors[one.actor])
        for m in drive.moments
        if m.actors[one.actor].in_way and m.actors[one.actor].before + 1e-9 >= 0
    ]
    stood = next((m for m, _ in ahead if abs(m.motion.speed) <= STILL), None)
    smallest, at = min(((s.before, m.time) for m, s in ahead), default=(None, None))
    if smallest is None or at is None:
        end = drive.moments[-1].time
        return _checked(name, False, expected, f"{one.actor} never was in its way", end, gap=None, stood=None)
    if stood is None:
        happened = f"it never stood; it came as near as {smallest:.2f} m"
    else:
        happened = f"it stood from {stood.time:.2f} s on; the smallest gap was {smallest:.2f} m"
    held = stood is not None and smallest >= one.least
    return _checked(name, held, expected, happened, at, gap=smallest, stood=None if stood is None else stood.time)


def _yield(drive: Drive, one: YieldWithin, name: str) -> Checked:
    expected = f"{' or '.join(one.actions)} within {one.seconds:g} s of hearing {one.actor}"
    heard = next((m.time for m in drive.moments if m.actors[one.actor].level > -math.inf), None)
    if heard is None:
        return _checked(name, False, expected, f"{one.actor} was never heard", drive.moments[-1].time, taken=None)
    step = next((s for s in drive.steps if s.time >= heard and s.action in one.actions), None)
    if step is None:
        return _checked(name, False, expected, f"it never did; heard from {heard:.2f} s on", heard + one.seconds)
    taken = step.time - heard
    happened = f"{step.action} after {taken:.2f} s"
    return _checked(name, taken <= one.seconds + 1e-9, expected, happened, heard + one.seconds, taken=taken)


def _slow(drive: Drive, one: SpeedNear, name: str) -> Checked:
    expected = f"{one.most:g} m/s at most within {one.within:g} m of {one.actor}"
    near = [m for m in drive.moments if m.actors[one.actor].seen and m.actors[one.actor].gap <= one.within]
    if not near:
        return _checked(name, True, expected, f"it never came so near to {one.actor}", None, fastest=None)
    fastest = max(near, key=lambda m: abs(m.motion.speed))
    at = next((m.time for m in near if abs(m.motion.speed) > one.most + 1e-9), None)
    happened = f"{abs(fastest.motion.speed):.2f} m/s at the most"
    return _checked(name, at is None, expected, happened, at, fastest=abs(fastest.motion.speed))


def _close(drive: Drive, least: float) -> Checked:
    expected = f"time to collision at least {least:g} s"
    found = [(one.collision, m.time, name) for m in drive.moments for name, one in m.actors.items() if one.seen]
    smallest, at, name = min(found, default=(math.inf, 0.0, ""))
    if not math.isfinite(smallest):
        return _checked("time_to_collision", True, expected, "it was never on a course of collision", None, least=None)
    first = next((t for seconds, t, _ in found if seconds < least), at)
    happened = f"{smallest:.2f} s, with {name} at {at:.2f} s"
    return _checked("time_to_collision", smallest >= least, expected, happened, first, least=smallest)


def _needless(drive: Drive, board: Storyboard, wanted: NeedlessStops) -> Checked:
    expected = f"at most {wanted.most} stops for nothing"
    kinds = {actor.name: actor.kind for actor in board.actors}
    idle = [
        step.time
        for step in drive.steps
        if board.speeds[step.action] <= 0
        and not _reason((m for m in drive.moments if step.time - _MEMORY < m.time <= step.time), kinds, wanted.beyond)
    ]
    happened = f"{len(idle)}" + (f", the first at {idle[0]:.2f} s" if idle else "")
    over: Sequence[float] = idle[wanted.most :]
    return _checked("needless_stops", not over, expected, happened, over[0] if over else None, stops=idle)


def _reason(moments: Iterable[Moment], kinds: dict[str, str | None], beyond: float) -> bool:
    """Whether anything of these moments is reason enough to stop."""
    for moment in moments:
        for name, one in moment.actors.items():
            near = one.seen and -1.0 <= one.before <= beyond
            beside = abs(one.side - moment.motion.side) <= _BESIDE or one.in_way or one.walks
            if one.level > -math.inf or (near and (beside or kinds[name] == "stop-sign")):
                return True
    return False
