"""Occlusion: what the score loses when a piece of evidence is taken away.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014), section 4.2, on evidence units of
every sense and with the infill operators of `veridical.modalities`. It is the intervention itself: with a window of one
unit, the value is the effect that the verifier would measure, with its sign turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from ....errors import InputError
from ...evidence import Segmentation
from ..task import Task, UnitValues
from .coalitions import Game, Operators, check_settings, unit_players, unit_values

__all__ = ["Occlusion", "spread_effects", "windows"]


def windows(segmentations: Mapping[str, Segmentation], window: int) -> Bool[np.ndarray, "units units"]:
    """Return for each unit (all senses', in their order) which units its window holds.

    A window of 1 is the unit alone, 2 adds its neighbours, 3 those of the neighbours, and so on; no window reaches from
    one sense into another.
    """
    count = sum(len(s) for s in segmentations.values())
    touch, first = np.eye(count, dtype=bool), 0
    for segmentation in segmentations.values():
        for unit, near in enumerate(segmentation.neighbours):
            touch[first + unit, [first + other for other in near]] = True
        first += len(segmentation)
    reach = np.eye(count, dtype=bool)
    for _ in range(window - 1):
        wider = (reach.astype(np.float32) @ touch.astype(np.float32)) > 0
        if np.array_equal(wider, reach):
            break
        reach = wider
    return reach


def spread_effects(
    lost: Float[np.ndarray, " windows"], held: Bool[np.ndarray, "windows units"]
) -> Float[np.ndarray, " units"]:
    """Return for each unit the mean, over the windows that hold it, of the window's effect by unit of the window.

    Args:
        lost: what the score loses without each window.
        held: which units each window holds; each unit is in at least one.
    """
    each = lost / held.sum(1)
    return (each @ held) / held.sum(0)


@dataclass(frozen=True)
class Occlusion:
    """The score, less the score without the unit.

    The values are measured effects and not shares: where evidence acts together they do not add up. Of a product of two
    units each one's value is the whole product; of two units of which either would do, each one's value is 0.

    Attributes:
        operator: infill operator, one name for all senses or one for each; by default each sense's first.
        window: 1 takes each unit away alone; 2 also its neighbours, 3 the neighbours' neighbours ... The effect of a
            window is then shared out evenly over its units, and a unit's value is the mean over the windows that hold
            it.
        chunk: edited inputs scored at once.

    Raises:
        InputError: a setting out of range.
    """

    name: ClassVar[str] = "occlusion"
    additive: ClassVar[bool] = False

    operator: Operators = None
    window: int = 1
    chunk: int = 16

    def __post_init__(self) -> None:
        check_settings(self.name, self.operator, self.chunk)
        if self.window < 1:
            raise InputError(f"occlusion: window {self.window}; 1 is the unit alone, 2 the unit and its neighbours")

    def run(self, task: Task) -> UnitValues:
        """Attribute; one forward pass for each unit, and two for the input.

        Raises:
            InputError: a sense has no such operator.
            ContractError: the system breaks the contract.
        """
        game = Game(task, unit_players(task.segmentations), self.operator, self.chunk)
        held = windows(task.segmentations, self.window)
        scores = game(~held)
        values = unit_values(game.players, spread_effects(game.score - scores, held), task.segmentations)
        return UnitValues(values, facts=game.facts())
