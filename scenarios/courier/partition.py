"""The two partitions of objects, sounds and phrasings: what Courier is trained on, and what is held out."""

from __future__ import annotations

from ...errors import InputError

__all__ = ["PARTITIONS", "check_partition"]

PARTITIONS = ("train", "held-out")
"""Names of the partitions."""


def check_partition(name: str) -> str:
    """Return the name of a partition.

    Raises:
        InputError: there is no such partition.
    """
    if name not in PARTITIONS:
        raise InputError(f"partition: no {name!r}; there are {' and '.join(map(repr, PARTITIONS))}")
    return name
