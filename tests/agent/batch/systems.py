"""Toy systems that a batch's workers can make by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from tests.toys import READER, SIREN, Toy, reads_cat

FATAL = "VERIDICAL_TEST_FATAL"
"""Names a file: the first worker of `fragile` that reads "siren" removes it and dies."""


def reads() -> Toy:
    """A system that stops for the word "cat"."""
    return Toy(reads_cat, READER)


def fragile() -> Toy:
    """The same, dying once on the way."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        path = Path(os.environ.get(FATAL, "/nowhere"))
        if path.exists() and bool(inputs["text"][..., SIREN].any()):
            path.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return reads_cat(inputs)

    return Toy(score, READER)
