"""The open record: canonical JSON for the meaning, safetensors files for the arrays. See ``docs/record.md``."""

from __future__ import annotations

from .folder import FORMAT, RESULT_FORMAT, check_target, read_record, write_record
from .plain import plain

__all__ = ["FORMAT", "RESULT_FORMAT", "check_target", "plain", "read_record", "write_record"]
