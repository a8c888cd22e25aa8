"""Projection: how strong each concept of a bank is in each place of a decision's features."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from ..errors import ContractError
from .bank import ConceptBank
from .rows import from_rows, to_rows

__all__ = ["Projection", "Projector", "nonnegative"]


def nonnegative(
    targets: Float[np.ndarray, "rows dims"], directions: Float[np.ndarray, "concepts dims"], price: float = 0.0
) -> Float[np.ndarray, "rows concepts"]:
    """Return the weights u >= 0 that make each target y of the directions V: least ``|y - u V|^2 + price (sum u)^2``.

    Non-negative least squares (Lawson and Hanson), with one more equation for the price; with more directions than
    dimensions it is the price that makes the weights unique, and few.
    """
    design = np.vstack([directions.T, np.full((1, len(directions)), np.sqrt(price))]).astype(np.float64)
    padded = np.hstack([targets, np.zeros((len(targets), 1))]).astype(np.float64)
    found = [nnls(design, target)[0] for target in padded]
    return np.array(found, np.float32).reshape(len(targets), len(directions))


@dataclass(frozen=True)
class Projection:
    """Features of one sense, as concepts and what is left.

    Attributes:
        strengths: strength of each concept in each row, >= 0, nats; (rows, concepts).
        coordinates: of each row in the bank's space, nats; (rows, dims).
        residual: coordinates less what the concepts account for; (rows, dims).
        replicas: strengths by the directions that were found in resamples; (replicas, rows, concepts). empty unless
            asked for.
    """

    strengths: Float[Tensor, "rows concepts"]
    coordinates: Float[Tensor, "rows dims"]
    residual: Float[Tensor, "rows dims"]
    replicas: Float[Tensor, "replicas rows concepts"] = field(default_factory=lambda: torch.zeros(0, 0, 0))

    @property
    def unexplained(self) -> float:
        """Share of the squared coordinates that no concept accounts for."""
        return float(self.residual.square().sum() / self.coordinates.square().sum().clamp(min=1e-12))


class Projector:
    """A bank, ready to be used on features; holds its arrays as tensors."""

    def __init__(self, bank: ConceptBank) -> None:
        """Take up a bank."""
        self.bank = bank
        self.centre, self.space, self.back, self.directions, self.replicas = (
            torch.from_numpy(x).float() for x in (bank.centre, bank.space, bank.back, bank.directions, bank.replicas)
        )

    def check(self, features: Tensor) -> None:
        """Refuse features that the bank was not fitted on.

        Raises:
            ContractError: another number of channels, or features of an unknown layout.
        """
        channels = to_rows(features).shape[-1]
        if channels != self.bank.channels:
            raise ContractError(
                f"concepts: features of {self.bank.sense} have {channels} channels, the bank was fitted on "
                f"{self.bank.channels}; fit a bank for this system"
            )

    @torch.no_grad()
    def __call__(self, features: Float[Tensor, "1 ..."], replicas: bool = False) -> Projection:
        """Project the features of one decision, if asked for onto the directions of each resample too.

        Raises:
            ContractError: as `check`.
        """
        self.check(features)
        rows = to_rows(features)[0].float().cpu()
        coordinates = (rows - self.centre) @ self.space
        # A row of zeros is padding, or an absent sense: nothing is there, not even the usual.
        coordinates[(rows == 0).all(-1)] = 0.0
        strengths = torch.from_numpy(nonnegative(coordinates.numpy(), self.bank.directions, self.bank.price))
        found = Projection(strengths, coordinates, coordinates - strengths @ self.directions)
        if not replicas:
            return found
        given, bank = coordinates.numpy(), self.bank
        again = [nonnegative(given, directions, bank.price) for directions in bank.replicas]
        return replace(found, replicas=torch.from_numpy(np.array(again).reshape(-1, *strengths.shape)))

    def moved(
        self, features: Float[Tensor, "1 ..."], changes: Float[Tensor, "edits rows dims"]
    ) -> Float[Tensor, "edits ..."]:
        """Return the features with their coordinates changed, by the smallest change of the features that does it."""
        rows = to_rows(features)
        delta = (changes @ self.back).to(rows)
        return from_rows(rows + delta, tuple(features.shape))
