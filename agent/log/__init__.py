"""The tamper-evident log: signed entries in an append-only Merkle tree. See ``docs/log.md``."""
