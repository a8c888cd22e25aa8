"""The world of a closed loop, in ticks: the robot moves as it decided, actors as their events say, without chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..courier.street import Body, Voice, falloff
from .schema_storyboard import Actor, Storyboard
from .storyboard_motion import Box, Limits, Motion, gap, moved, overlap, steered, time_to_collision

__all__ = ["BEFORE", "TICK", "Cast", "Moment", "Standing", "World"]

TICK = 0.05
"""Seconds; events begin and criteria are looked at so often."""
BEFORE = 3.0
"""Seconds before the start that can be seen and heard: the robot drives at its first speed, actors as at the start."""

_SLACK = 1e-9


@dataclass(frozen=True)
class Cast:
    """An actor with its picture and its voice.

    Attributes:
        actor: as the file has it.
        body: what is seen, at its place at the start; None where it is only heard.
        voice: what is heard; None where it is silent.
        width: of its footprint, metres.
    """

    actor: Actor
    body: Body | None
    voice: Voice | None
    width: float


@dataclass(frozen=True)
class Standing:
    """An actor at one moment.

    Attributes:
        side: of its middle, metres to the right of the robot's way.
        ahead: of its near side, metres from the start.
        seen: whether it is there.
        gap: from footprint to footprint, metres; of what is only heard, its distance.
        before: from the robot's front to its near side, along the way; below 0 it is beside or behind.
        in_way: whether the robot would run into it, going straight on.
        collision: seconds to the collision if both go on as they do; infinite if there is none.
        level: dB relative to its level at 5 m; minus infinity where it is silent.
        walks: whether it moves.
    """

    side: float
    ahead: float
    seen: bool
    gap: float
    before: float
    in_way: bool
    collision: float
    level: float
    walks: bool


@dataclass(frozen=True)
class Moment:
    """The world at one tick.

    Attributes:
        time: seconds from the start.
        motion: the robot's.
        actors: by name.
    """

    time: float
    motion: Motion
    actors: Mapping[str, Standing]


class World:
    """The robot and the actors; `tick` lets time pass, and what was is kept.

    Attributes:
        cast: the actors.
        limits: of the robot.
        moments: every tick so far, from `BEFORE` the start to now.
    """

    def __init__(self, board: Storyboard, cast: Sequence[Cast], limits: Limits | None = None) -> None:
        """Begin at the start, with what was before it."""
        self.cast, self.limits = tuple(cast), limits or Limits()
        self._motion, self._ticks = Motion(0.0, float(board.speed)), 0
        self._players = {one.actor.name: _Player(one) for one in cast}
        self._furthest: float | None = None
        count = round(BEFORE / TICK)
        self.moments = [self._before(-n * TICK) for n in range(count, 0, -1)]
        self._begin()
        self.moments.append(self._moment())

    @property
    def now(self) -> Moment:
        """The world as it is."""
        return self.moments[-1]

    def at(self, time: float) -> Moment:
        """Return the world as it was at a time, the start's three seconds at the earliest."""
        return self.moments[max(0, round((time + BEFORE) / TICK))]

    def tick(self, target: float, around: bool = False) -> Moment:
        """Let one tick pass.

        Args:
            target: speed that the robot aims at, m/s; below 0 it backs off, `Limits.backs` metres at most.
            around: whether it goes around what is in its way.
        """
        limits = self.limits
        if target < 0:
            furthest = self._motion.ahead if self._furthest is None else self._furthest
            self._furthest = max(furthest, self._motion.ahead)
            braking = min(self._motion.speed, 0.0) ** 2 / (2 * limits.braking)
            backed = self._furthest - self._motion.ahead + braking - target * TICK
            target = target if backed < limits.backs else 0.0
        else:
            self._furthest = None
        before = self._motion
        after = steered(moved(before, target, TICK, limits), self._lane(around), TICK, limits)
        self._motion = after
        for player in self._players.values():
            player.walk(TICK)
        self._ticks += 1
        self._begin()
        self.moments.append(self._moment())
        return self.now

    def _lane(self, around: bool) -> float:
        """Where the robot wants to be sideways: past what blocks its way, else on its way.

        Steering is no decision of the system's: it knows where things are, as a local planner does.
        """
        limits, robot = self.limits, self._motion.box(self.limits)
        near = [
            player.box
            for player in self._players.values()
            if player.solid and robot.near < player.box.near + player.box.depth
        ]
        near = [box for box in near if box.near - self._motion.ahead < limits.sight]
        way = Box(0.0, robot.near, robot.width, robot.depth)
        blocking = [box for box in near if overlap(way, box, limits.clearance)]
        if not blocking:
            return 0.0
        if not around:  # no decision to go around, and no room to go back to its way
            return self._motion.side
        sides = []
        for sign in (-1.0, 1.0):
            reach = (robot.width / 2 + limits.clearance + box.width / 2 for box in blocking)
            edges = [box.side + sign * r for box, r in zip(blocking, reach, strict=True)]
            sides.append(max(edges) if sign > 0 else min(edges))
        free = [side for side in sides if abs(side) <= limits.half_way]
        return min(free, key=lambda side: abs(side - self._motion.side), default=self._motion.side)

    def _begin(self) -> None:
        for player in self._players.values():
            player.begin(self._ticks * TICK, player.gap(self._motion, self.limits))

    def _moment(self) -> Moment:
        here = self._motion
        standing = {name: player.standing(here, self.limits) for name, player in self._players.items()}
        return Moment(self._ticks * TICK, here, standing)

    def _before(self, time: float) -> Moment:
        """What was before the start: places carried back at the first velocities; nothing was heard."""
        here = Motion(self._motion.speed * time, self._motion.speed)
        standing = {
            one.actor.name: _Player(one, since=time).standing(here, self.limits, silent=True) for one in self.cast
        }
        return Moment(time, here, standing)


class _Player:
    """An actor as it is now."""

    def __init__(self, cast: Cast, since: float = 0.0) -> None:
        actor = cast.actor
        self.actor, self._width = actor, cast.width
        self._velocity = (float(actor.walk.side), float(actor.walk.ahead))
        self._side = float(actor.side) + self._velocity[0] * since
        self._ahead = float(actor.ahead) + self._velocity[1] * since
        self._seen, self._heard = actor.kind is not None and actor.seen, actor.sound is not None and actor.heard
        self._next, self._last = 0, 0.0

    @property
    def solid(self) -> bool:
        return self._seen

    @property
    def box(self) -> Box:
        return Box(self._side, self._ahead, self._width, float(self.actor.depth))

    def walk(self, seconds: float) -> None:
        self._side += self._velocity[0] * seconds
        self._ahead += self._velocity[1] * seconds

    def begin(self, time: float, near: float) -> None:
        """Begin every event whose turn it is and whose condition holds."""
        for event in self.actor.events[self._next :]:
            when = event.when
            holds = (
                time >= when.time - _SLACK
                if when.time is not None
                else near <= when.within
                if when.within is not None
                else time >= self._last + (when.after or 0.0) - _SLACK
            )
            if not holds:
                return
            self._next, self._last = self._next + 1, time
            if event.walk is not None:
                self._velocity = (float(event.walk.side), float(event.walk.ahead))
            if event.seen is not None:
                self._seen = event.seen and self.actor.kind is not None
            if event.heard is not None:
                self._heard = event.heard and self.actor.sound is not None

    def gap(self, motion: Motion, limits: Limits) -> float:
        if self.actor.kind is not None:
            return gap(motion.box(limits), self.box)
        return self._distance(motion)

    def _distance(self, motion: Motion) -> float:
        return math.hypot(self._side - motion.side, self._ahead - motion.ahead)

    def standing(self, motion: Motion, limits: Limits, silent: bool = False) -> Standing:
        robot, side, ahead = motion.box(limits), *self._velocity
        collision = time_to_collision(robot, motion.speed, self.box, side, ahead) if self._seen else math.inf
        heard = self._heard and not silent
        return Standing(
            side=self._side,
            ahead=self._ahead,
            seen=self._seen,
            gap=self.gap(motion, limits),
            before=self._ahead - motion.ahead,
            in_way=self._seen and overlap(robot, self.box),
            collision=collision,
            level=-falloff(self._distance(motion)) if heard else -math.inf,
            walks=(side, ahead) != (0.0, 0.0),
        )
