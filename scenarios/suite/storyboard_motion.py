"""How the robot of a closed loop moves: limits, exact steps, footprints, gaps and times to collision.

All of it is plain kinematics in metres and seconds. While the speed changes it does so at a constant rate, so that a
step has a closed form: whatever the ticks, a robot that brakes from ``v`` at ``b`` stands after ``v² / 2b`` metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ["Box", "Limits", "Motion", "gap", "moved", "overlap", "steered", "time_to_collision"]


@dataclass(frozen=True)
class Limits:
    """What the robot can do. The values are stated, not measured of any robot.

    Attributes:
        faster: m/s², so that nothing in the parcel falls over: 1.4 m/s are reached in 1.75 s.
        braking: m/s², what a light vehicle does on dry pavement with ease (a tyre holds three times as much): from
            1.4 m/s it stands after 0.49 m.
        turning: sideways speed over forward speed, at most: about 31 degrees.
        length: of its footprint, metres, back from its front.
        width: of its footprint, metres.
        half_way: how far to either side it may go, metres: a pavement 3 m wide.
        clearance: what it leaves to each side of a thing that it goes around, metres.
        sight: how far ahead it looks for what to go around, metres.
        backs: how far it backs off at most, metres.
    """

    faster: float = 0.8
    braking: float = 2.0
    turning: float = 0.6
    length: float = 0.7
    width: float = 0.6
    half_way: float = 1.5
    clearance: float = 0.25
    sight: float = 3.0
    backs: float = 0.5


@dataclass(frozen=True)
class Box:
    """A footprint: an upright rectangle on the ground.

    Attributes:
        side: of its middle, metres to the right.
        near: of its near side, metres ahead.
        width: metres.
        depth: metres.
    """

    side: float
    near: float
    width: float
    depth: float


@dataclass(frozen=True)
class Motion:
    """Where the robot is and how fast.

    Attributes:
        ahead: of its front, metres from the start.
        speed: m/s, forwards.
        side: of its middle, metres to the right of its way.
    """

    ahead: float = 0.0
    speed: float = 0.0
    side: float = 0.0

    def box(self, limits: Limits) -> Box:
        """Return its footprint."""
        return Box(self.side, self.ahead - limits.length, limits.width, limits.length)


def moved(motion: Motion, target: float, seconds: float, limits: Limits) -> Motion:
    """Go on for some seconds towards a target speed, exactly: at a constant rate, then at that speed.

    Braking holds for whatever brings the speed nearer to 0, ``faster`` for the rest.

    Args:
        motion: where it is.
        target: m/s.
        seconds: how long.
        limits: of the robot.
    """
    if motion.speed * target < 0:  # it stands in between: two rates, one after the other
        standing = min(seconds, abs(motion.speed) / limits.braking)
        motion = moved(motion, 0.0, standing, limits)
        return moved(motion, target, seconds - standing, limits) if seconds > standing else motion
    rate = limits.braking if abs(target) < abs(motion.speed) else limits.faster
    changing = min(seconds, abs(target - motion.speed) / rate)
    reached = changing < seconds or math.isclose(changing, abs(target - motion.speed) / rate)
    speed = target if reached else motion.speed + math.copysign(rate * changing, target - motion.speed)
    ahead = motion.ahead + (motion.speed + speed) / 2 * changing + speed * (seconds - changing)
    return replace(motion, ahead=ahead, speed=speed)


def steered(motion: Motion, wanted: float, seconds: float, limits: Limits) -> Motion:
    """Move sideways towards a place, no faster than a share of the forward speed."""
    most = limits.turning * max(motion.speed, 0.0) * seconds
    return replace(motion, side=motion.side + max(-most, min(most, wanted - motion.side)))


def overlap(one: Box, other: Box, clearance: float = 0.0) -> bool:
    """Whether two footprints, one of them widened by a clearance, would meet if they were moved along the way."""
    return abs(one.side - other.side) < (one.width + other.width) / 2 + clearance


def gap(one: Box, other: Box) -> float:
    """Return the distance between two footprints, metres; 0 or below where they touch or overlap."""
    side = abs(one.side - other.side) - (one.width + other.width) / 2
    along = max(other.near - (one.near + one.depth), one.near - (other.near + other.depth))
    return math.hypot(max(side, 0.0), max(along, 0.0)) if max(side, along) > 0 else max(side, along)


def time_to_collision(robot: Box, speed: float, other: Box, side: float, ahead: float) -> float:
    """Return after how many seconds two footprints touch if both go on as they do; infinite if they never do.

    The footprints are swept against each other: an interval of time for each axis in which they overlap, and where the
    two intervals meet they touch (Ericson, Real-Time Collision Detection, 2004, section 5.5.8, moving boxes).

    Args:
        robot: its footprint.
        speed: its speed, m/s ahead.
        other: the other's footprint.
        side: the other's speed to the right, m/s.
        ahead: the other's speed ahead, m/s.
    """
    centre = other.near + other.depth / 2 - robot.near - robot.depth / 2
    axes = (
        (other.side - robot.side, side, (robot.width + other.width) / 2),
        (centre, ahead - speed, (robot.depth + other.depth) / 2),
    )
    first, last = 0.0, math.inf
    for offset, rate, reach in axes:
        if rate == 0:
            if abs(offset) >= reach:
                return math.inf
            continue
        begin, end = sorted(((-reach - offset) / rate, (reach - offset) / rate))
        first, last = max(first, begin), min(last, end)
    return first if first < last else math.inf
