"""What a scenario file says of a closed loop: the decision moves the robot, and the next frame follows from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from .schema_base import Model, Number

__all__ = ["Storyboard"]


class Storyboard(Model):
    """A closed loop over the file's ``scene``, in which ``approach``-ing is the robot's own doing."""

    seconds: Annotated[StrictInt, Field(ge=1, le=120)] = 12
    """How long it runs, one decision each second."""
    speed: Annotated[Number, Field(gt=0, le=5)] = 1.0
    """Metres a second at PROCEED."""
    collision: Annotated[Number, Field(ge=0, le=20)] | None = None
    """It fails if the robot comes nearer than this to a thing that counts, metres."""
    stop_within: Annotated[Number, Field(gt=0, le=50)] | None = None
    """It fails if the robot has not come to a stand after so many metres."""
    yield_within: Annotated[Number, Field(gt=0, le=120)] | None = None
    """It fails if the robot has not yielded after so many seconds."""
