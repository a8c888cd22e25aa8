"""Commit, then reveal: what an explanation predicts is fixed before any edit is made."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import rfc8785

from ..errors import InputError

__all__ = ["Commitment", "commit", "digest_array"]


def digest_array(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and little-endian bytes in C order.

    Raises:
        InputError: an array of Python objects, whose bytes mean nothing.
    """
    if array.dtype.hasobject:
        raise InputError(f"digest: an array of {array.dtype} has no bytes of its own; give numbers")
    head = f"{array.dtype.kind}{array.dtype.itemsize} {array.shape};".encode()
    plain = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return f"sha256:{sha256(head + plain.tobytes()).hexdigest()}"


@dataclass(frozen=True)
class Commitment:
    """What was fixed before any edit.

    Attributes:
        content: digests of observation, system and saliency, the claims with their predictions, operators and
            parameters.
        digest: SHA-256 of the content as canonical JSON (RFC 8785).
    """

    content: Mapping[str, Any]
    digest: str

    def seed(self, salt: str) -> int:
        """Seed of the control edits, H(commitment || salt): chosen by neither the system nor the explainer."""
        return int.from_bytes(sha256(f"{self.digest}|{salt}".encode()).digest()[:16], "big")


def commit(content: Mapping[str, Any]) -> Commitment:
    """Fix a content of plain JSON values; it is copied, so that nothing done to it later changes what was fixed.

    Raises:
        InputError: a value that canonical JSON cannot hold, such as NaN or an array.
    """
    fixed = deepcopy(dict(content))
    try:
        canonical = rfc8785.dumps(fixed)
    except rfc8785.CanonicalizationError as error:
        raise InputError(f"commitment: {error}; commit to plain, finite JSON values") from error
    return Commitment(fixed, f"sha256:{sha256(canonical).hexdigest()}")
