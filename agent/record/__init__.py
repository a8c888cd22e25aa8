"""The open record: canonical JSON for the meaning, safetensors files for the arrays. See ``docs/record.md``.

Names are loaded when they are first used: an auditor's command reads canonical JSON long before it needs an array.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .plain import plain  # now, for later the name would be the module's

if TYPE_CHECKING:
    from .context import Context
    from .files import check_target, read_record, write_record
    from .frame import FORMAT, RESULT_FORMAT, read_manifest, record_schema
    from .manifest import compose, read_arrays, read_result
    from .summary import summary_of

__all__ = [
    "FORMAT",
    "RESULT_FORMAT",
    "Context",
    "check_target",
    "compose",
    "plain",
    "read_arrays",
    "read_manifest",
    "read_record",
    "read_result",
    "record_schema",
    "summary_of",
    "write_record",
]

_HOMES = {
    "Context": ".context",
    "FORMAT": ".frame",
    "RESULT_FORMAT": ".frame",
    "check_target": ".files",
    "compose": ".manifest",
    "read_arrays": ".manifest",
    "read_manifest": ".frame",
    "read_record": ".files",
    "read_result": ".manifest",
    "record_schema": ".frame",
    "summary_of": ".summary",
    "write_record": ".files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its names: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
