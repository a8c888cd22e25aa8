"""A system with what it remembers from before the window, and that memory kept from decision to decision."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from ...modalities.contract import Modality
from ...modalities.held import parts
from ...modalities.unrolled import RecurrentSystem, Unrolled

__all__ = ["Carried", "Memory"]

_PASSED_ON = ("concepts", "recall", "row_times", "task")
"""What is known of the system and holds with any state. What was measured of it beforehand (``reference``) does not:
it was measured with nothing remembered."""


class Carried:
    """A system that starts from a given state instead of from nothing; otherwise as it is.

    The state is a constant: an explanation of this system covers the window, given what came before.

    Attributes:
        system: the system itself.
        state: what it remembers from before the window, (1, ...).
        name: as the system's.
        actions: as the system's.
        modalities: as the system's.
    """

    def __init__(self, system: RecurrentSystem, state: Float[Tensor, "..."]) -> None:
        """Join a system and a state."""
        self.system = system
        self.state = state.detach()
        self.name: str = getattr(system, "name", type(system).__name__)
        self.actions: Sequence[str] = system.actions
        self.modalities: Mapping[str, Modality] = system.modalities
        # So that whoever holds this one still, holds the system's own networks.
        self.networks: dict[str, nn.Module] = {name or "system": module for name, module in parts(system).items()}

    def encode(self, modality: str, x: Tensor) -> Tensor:
        """Return the features of one sense, as the system does."""
        return self.system.encode(modality, x)

    def decide(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of all actions, from the state on."""
        unrolled = self.unroll(features)
        state = unrolled.start
        for inputs in unrolled.inputs:
            state = unrolled.advance(state, inputs)
        return unrolled.read(state)

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        """Return the steps by which features become scores, from the carried state on if no other is given."""
        return self.system.unroll(features, self.state if state is None else state)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of all actions; a sense missing from ``inputs`` is absent."""
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})

    @property
    def digest(self) -> str | None:
        """SHA-256 over the system's digest and the state; None for a system without a digest."""
        own = getattr(self.system, "digest", None)
        if own is None:
            return None
        told = f"{own} {self.state.dtype} {tuple(self.state.shape)};".encode()
        return f"sha256:{sha256(told + self.state.contiguous().numpy(force=True).tobytes()).hexdigest()}"

    def __getattr__(self, name: str) -> Any:
        """Return what is known of the system and holds with any state."""
        if name not in _PASSED_ON:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.system, name)


class Memory:
    """States by the moment up to which everything was taken in; what a later window begins with.

    Decisions may fall between the steps: those a whole step apart go on from one another, and each moment's state is
    that of the window that saw most of what came after it.
    """

    def __init__(self, step: float) -> None:
        """Remember nothing yet; ``step`` is the seconds of a step."""
        self.step = step
        self._times: list[float] = []
        self._states: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._times)

    def clear(self) -> None:
        """Forget everything."""
        self._times, self._states = [], []

    def near(self, at: float) -> tuple[float, Tensor] | None:
        """Return the state nearest to a moment, less than half a step from it, and its own moment."""
        place = bisect_left(self._times, at)
        near = [k for k in (place - 1, place) if 0 <= k < len(self._times)]
        best = min(near, key=lambda k: abs(self._times[k] - at), default=None)
        if best is None or abs(self._times[best] - at) >= self.step / 2:
            return None
        return self._times[best], self._states[best]

    def learn(self, unrolled: Unrolled, start: float) -> Tensor:
        """Run through a window that begins at a moment, keep the state after each step, and return the scores."""
        state = unrolled.start
        for k, inputs in enumerate(unrolled.inputs):
            state = unrolled.advance(state, inputs)
            self._put(start + (k + 1) * self.step, state)
        return unrolled.read(state)

    def forget_before(self, at: float) -> None:
        """Forget the states of moments before one."""
        first = bisect_left(self._times, at)
        del self._times[:first], self._states[:first]

    def _put(self, at: float, state: Tensor) -> None:
        place = bisect_left(self._times, at - 1e-4 * self.step)
        if place < len(self._times) and abs(self._times[place] - at) <= 1e-4 * self.step:
            self._times[place], self._states[place] = at, state.detach().clone()
            return
        self._times.insert(place, at)
        self._states.insert(place, state.detach().clone())
