"""The second half of a split system, from features to scores, as a system of its own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from ..modalities.contract import SplitSystem
from ..modalities.held import held, parts
from ..modalities.scorer import Inputs

__all__ = ["Head"]


class Head:
    """The second half of a split system, as a system of features: directions are taken in what it is given.

    >>> head = Head(courier)                                        # doctest: +SKIP
    >>> Basis.of(Scorer(head, Target(2)), head.encode(inputs))      # doctest: +SKIP
    """

    def __init__(self, system: SplitSystem) -> None:
        """Wrap a split system.

        Raises:
            InputError: the system cannot be split.
        """
        if not isinstance(system, SplitSystem):
            raise InputError(
                f"head: {type(system).__name__} cannot be split; it has no encode and decide, so predict at its inputs"
            )
        self.system, self.modalities, self.actions = system, system.modalities, system.actions
        self._parts = parts(system)  # so that whoever holds the head still holds all of the system still

    def encode(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return features by sense, without a graph; senses are encoded one by one, in batches as given.

        Raises:
            ContractError: an encoder returns too few or too many rows.
        """
        found = {}
        with torch.no_grad(), held(self.system) as state:
            for m, x in inputs.items():
                try:
                    found[m] = self.system.encode(m, x)
                finally:
                    state.settle()
                if len(found[m]) != len(x):
                    raise ContractError(
                        f"system: encode({m!r}) returned {len(found[m])} rows for {len(x)}; one each is wanted"
                    )
        return found

    def __call__(self, inputs: Inputs) -> Float[Tensor, "batch actions"]:
        """Return the scores from features."""
        return self.system.decide(inputs)
