"""What a record may say: values that JSON can hold, and nothing else."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from ...errors import RecordError

__all__ = ["plain"]


def plain(value: Any, where: str = "result") -> Any:
    """Return ``value`` as plain JSON values; NumPy scalars and arrays, tuples and paths of mappings are converted.

    Raises:
        RecordError: a value that JSON cannot hold, a float that is not finite, a key that is not a string.
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise RecordError(f"{where}: key {key!r} is a {type(key).__name__}; name it with a string")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    numpy = sys.modules.get("numpy")  # where it was never loaded, nothing is an array, and a reader starts sooner
    if numpy and isinstance(value, numpy.ndarray | numpy.generic):
        return plain(value.tolist(), where)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(f"{where} is {value}, and a record holds finite numbers only; mend what computed it")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise RecordError(f"{where} is a {type(value).__name__}, which JSON cannot hold; convert it first")
