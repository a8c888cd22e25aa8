"""What a scenario file varies and disturbs: swept values, seeds, perturbations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, Tag, model_validator

from .perturb_names import KINDS
from .schema_base import Action, Many, Model, Number, Sense, Share, Words, by_shape, check_sense, refuse
from .schema_scene import SceneSpec

__all__ = ["PerturbSpec", "Seeds", "Sweep", "Value", "Values"]

Value = StrictBool | StrictInt | Number | Annotated[str, Field(min_length=1, max_length=2000)] | None
"""What a swept key takes in turn."""


class Sweep(Model):
    """Evenly spaced values, both ends among them."""

    first: Annotated[Number, Field(alias="from")]
    """The first value."""
    last: Annotated[Number, Field(alias="to")]
    """The last one."""
    steps: Annotated[StrictInt, Field(ge=2, le=1000)]
    """How many values."""


class Seeds(Model):
    """Seeds one after the other."""

    seeds: Annotated[StrictInt, Field(ge=1, le=1000)]
    """How many."""
    first: Annotated[StrictInt, Field(ge=0, lt=2**30)] = 0
    """The first of them."""


Values = Annotated[
    Annotated[tuple[Value, ...], Field(min_length=1, max_length=1000), Tag("<list>")]
    | Annotated[Sweep, Tag("<mapping>")]
    | Annotated[Seeds, Tag("<seeds>")],
    by_shape(),
]
"""A list of values, a sweep, or seeds."""


class PerturbSpec(Model):
    """One perturbation; which keys it takes besides these depends on its name."""

    name: Literal[tuple(KINDS)]  # pyright: ignore[reportInvalidTypeForm] - the table's names, and the schema's
    """Which perturbation."""
    sense: Sense | None = None
    """Which sense it disturbs; left out where it can only disturb one."""
    strength: Annotated[tuple[Share, ...], Many()] = (1.0,)
    """How strong; of several, each makes a variant of its own."""
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] = 0
    """Of what is drawn."""
    frames: Annotated[tuple[Annotated[StrictInt, Field(ge=-30, le=29)], ...], Many()] | None = None
    """Frames that are disturbed, from 0, or from −1 backwards; left out: all."""
    span: tuple[Annotated[Number, Field(ge=0, le=600)], Annotated[Number, Field(gt=0, le=600)]] | None = None
    """From which second to which the sound is disturbed; left out: all of it."""
    at: tuple[Share, Share] | None = None
    """Middle of the box or patch, from the left and from above; left out: drawn by the seed."""
    target: Action | None = None
    """The action that the patch is optimised for."""
    text: Words | None = None
    """The text that is added; left out: an order to ignore the others."""
    first: StrictBool | None = None
    """Whether it comes before the instruction, not after it."""
    early: StrictBool | None = None
    """Whether the sound runs ahead of the pictures, not behind them."""
    rule: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The other scene is one of Courier's, drawn by the seed for this rule of its policy."""
    scene: SceneSpec | None = None
    """The other scene, in words."""

    @property
    def senses(self) -> tuple[str, ...]:
        """The sense that is disturbed, as a tuple of one."""
        return (self.sense or KINDS[self.name].senses[0],)

    @model_validator(mode="after")
    def _fits(self) -> PerturbSpec:
        check_sense("sense", self.name, self.sense)
        kind = KINDS[self.name]
        for key in ("frames", "span", "at", "target", "text", "first", "early", "rule", "scene"):
            if getattr(self, key) is not None and key not in kind.options:
                takes = ", ".join(sorted(kind.options)) or "no further keys"
                raise refuse(key, f"{self.name!r} does not read it; it takes {takes}")
        sense = self.sense or kind.senses[0]
        for key, of in (("frames", "vision"), ("span", "audio")):
            if getattr(self, key) is not None and sense != of:
                raise refuse(key, f"is of {of}, and {sense} is disturbed; leave it out")
        if self.span is not None and not self.span[0] < self.span[1]:
            raise refuse("span", f"seconds {self.span[0]:g} to {self.span[1]:g}; give the earlier one first")
        if self.name == "gradient-patch" and self.target is None:
            raise refuse("target", "is missing; name the action that the patch is to bring about")
        if self.rule is not None and self.scene is not None:
            raise refuse("scene", "given beside rule; the other scene is either drawn or written down")
        return self
