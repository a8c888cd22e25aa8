"""What Courier's tests share: the committed Courier, and its encoders under a head that was never trained."""

from __future__ import annotations

import pytest
import torch

from veridical.scenarios.courier.head import CourierHead
from veridical.scenarios.courier.model import Courier, load


@pytest.fixture(scope="session")
def courier() -> Courier:
    """The committed Courier; without its head every test of it fails."""
    return load()


@pytest.fixture(scope="session")
def untrained() -> Courier:
    """Courier's encoders and senses under a random head, for what does not depend on the head."""
    torch.manual_seed(0)
    return Courier(CourierHead())
