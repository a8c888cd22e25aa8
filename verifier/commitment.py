"""Commit, then reveal: what an explanation predicts is fixed before any edit is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import rfc8785

__all__ = ["Commitment", "commit", "digest_array"]


def digest_array(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and little-endian bytes."""
    array = np.ascontiguousarray(array)
    plain = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return f"sha256:{sha256(f'{array.dtype.kind}{array.dtype.itemsize} {array.shape};'.encode() + plain.tobytes()).hexdigest()}"


@dataclass(frozen=True)
class Commitment:
    """What was fixed before any edit.

    Attributes:
        content: digests of observation, system and saliency, the claims with their predictions, operators and parameters.
        digest: SHA-256 of the content as canonical JSON (RFC 8785).
    """

    content: Mapping[str, Any]
    digest: str

    def seed(self, salt: str) -> int:
        """Seed of the control edits, H(commitment || salt): chosen by neither the system nor the explainer."""
        return int.from_bytes(sha256(f"{self.digest}|{salt}".encode()).digest()[:16], "big")


def commit(content: Mapping[str, Any]) -> Commitment:
    """Fix a content of plain JSON values."""
    return Commitment(content, f"sha256:{sha256(rfc8785.dumps(dict(content))).hexdigest()}")
