"""Why something does not hold: the closed list of words that `IntegrityError.cause` may be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CAUSES"]

CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "algorithm": "another algorithm than Ed25519 or SHA-256 is named",
        "checkpoint": "a checkpoint is malformed, or not of this tree",
        "content": "what a record says does not hold when it is computed again",
        "database": "the database cannot be read, or is damaged",
        "digest": "bytes are not those of their digest",
        "fork": "two checkpoints of one size differ, or two checkpoints are inconsistent",
        "format": "an unknown type, or a newer version",
        "index": "a column or a facet of the database says other than the entry",
        "json": "malformed JSON, a key that stands twice, or JSON that is not canonical",
        "key": "signed by a key that is not known, or a key that breaks the rules for keys",
        "missing": "an entry or a blob is absent, and nothing says that it was erased",
        "order": "the numbers of the entries are not 0, 1, 2 …, or an entry stands twice or elsewhere",
        "path": "a name that leads outside its folder",
        "revoked": "signed by a key after it was revoked",
        "rollback": "the log is shorter than a checkpoint that was seen of it",
        "signature": "a signature does not hold",
        "size": "larger than declared or allowed",
        "time": "an entry is older than the one before it, and does not say so",
        "tree": "the hashes of the tree are not those of the entries",
    }
)
"""Word -> its meaning. A reader may rely on these words; the messages beside them may change."""
