"""A stream's bounded history: the last steps are kept, all that was before is a state.

A system that decides over and over needs an account of each decision that reaches back, in memory that does not grow.
Kept are the inputs of the last N steps, on the stream and on its baseline, and the two states before the oldest of
them. A decision is explained over these steps (`through_time`); what the state before them gave is told as one figure,
``older``. The senses' baselines go through the steps as the stream does, so that the two states always stand for the
same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..modalities.target import Target
from ..modalities.unrolled import RecurrentSystem, Unrolled
from .line import FlowSettings, still
from .through_time import Passage, TimeAttribution, flow

__all__ = ["History"]


@dataclass(frozen=True)
class _Step:
    inputs: dict[str, Tensor]
    baselines: dict[str, Tensor]
    time: tuple[float, float]


class History:
    """The last steps of a stream, and the states before them and after.

    Example:
        >>> history = History(courier, steps=30)                            # doctest: +SKIP
        >>> for inputs in courier.unroll(features).inputs:                  # doctest: +SKIP
        ...     history.push(inputs, baseline)
        >>> history.attribute(Target(3)).older                              # doctest: +SKIP
    """

    def __init__(self, system: RecurrentSystem, steps: int) -> None:
        """Begin with nothing.

        Args:
            system: a system that can be unrolled.
            steps: how many steps are kept.

        Raises:
            InputError: the system cannot be unrolled, or fewer than one step.
        """
        if not isinstance(system, RecurrentSystem):
            raise InputError(f"history: {type(system).__name__} has no unroll; a system with a state is wanted")
        if steps < 1:
            raise InputError(f"history: {steps} steps; at least 1 is wanted")
        self.system, self.steps = system, steps
        self.pushed = 0
        self._kept: deque[_Step] = deque()
        self._unrolled: Unrolled | None = None
        self._before: tuple[Tensor, Tensor] | None = None  # before the oldest step kept; the stream's, its baseline's
        self._now: Tensor | None = None

    def __len__(self) -> int:
        """Steps kept."""
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Bytes of all tensors kept."""
        own = [x for step in self._kept for x in (*step.inputs.values(), *step.baselines.values())]
        states = [*(self._before or ()), *(() if self._now is None else (self._now,))]
        return sum(x.nbytes for x in (*own, *states))

    @torch.no_grad()
    def push(
        self,
        inputs: Mapping[str, Tensor],
        baselines: Mapping[str, Tensor],
        time: tuple[float, float] | None = None,
    ) -> Float[Tensor, "1 actions"]:
        """Take one step more, and let go of the oldest if there are too many.

        Args:
            inputs: the step's features by sense, each (1, rows, ...), as an `Unrolled` has them.
            baselines: features of the senses' baselines, of the same shapes.
            time: first and last second of the step; by default one second after the other, from 0.

        Returns:
            The scores of all actions now.

        Raises:
            InputError: no features, a batch, baselines that do not fit, or a step that ends before it begins or begins
                before the one before it.
        """
        time = (float(self.pushed), float(self.pushed + 1)) if time is None else time
        self._check(inputs, baselines, time)
        with still(self.system, inputs), torch.no_grad():
            if self._unrolled is None or self._before is None or self._now is None:
                self._unrolled = unrolled = self.system.unroll(inputs)
                start = unrolled.start.detach().clone()
                self._before, self._now = (start, start), start
            # Copies: a slice would keep all of what it was cut from.
            own, base = ({m: x.detach().clone() for m, x in given.items()} for given in (inputs, baselines))
            step = _Step(own, base, time)
            self._now = self._unrolled.advance(self._now, step.inputs)
            self._kept.append(step)
            if len(self._kept) > self.steps:
                oldest = self._kept.popleft()
                ours, theirs = self._before
                advance = self._unrolled.advance
                self._before = advance(ours, oldest.inputs), advance(theirs, oldest.baselines)
            self.pushed += 1
            return self._unrolled.read(self._now)

    def attribute(self, target: Target, settings: FlowSettings | None = None) -> TimeAttribution:
        """Explain the present decision over the steps kept; what they found is told as ``older``.

        Raises:
            InputError: nothing was pushed yet.
            ContractError: no gradient arrives, or one is not finite.
        """
        if self._unrolled is None or self._before is None:
            raise InputError("history: no step yet; push one first")
        passage = Passage(
            self._before,
            [step.inputs for step in self._kept],
            [step.baselines for step in self._kept],
            [step.time for step in self._kept],
            self._unrolled.advance,
            self._unrolled.read,
        )
        with still(self.system, self._kept[-1].inputs):
            return flow(passage, target, settings)

    def _check(self, inputs: Mapping[str, Tensor], baselines: Mapping[str, Tensor], time: tuple[float, float]) -> None:
        shapes, others = ({m: tuple(x.shape) for m, x in given.items()} for given in (inputs, baselines))
        if not shapes or shapes != others:
            raise InputError(
                f"history: step {self.pushed} has inputs {shapes} and baselines {others}; the same senses and shapes "
                "are wanted, at least one"
            )
        if many := {m: s for m, s in shapes.items() if s[:1] != (1,) or len(s) < 2}:
            raise InputError(f"history: step {self.pushed} has inputs {many}; batches of one (1, rows, ...) are wanted")
        last = self._kept[-1].time[0] if self._kept else time[0]
        if not (last <= time[0] <= time[1]):
            raise InputError(
                f"history: step {self.pushed} lasts from {time[0]:g} to {time[1]:g} s, the one before began at "
                f"{last:g} s; give the steps in the order of time"
            )
