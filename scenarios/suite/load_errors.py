"""What is wrong in a scenario file, in one line: where, what, the value, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .load_yaml import Lines

__all__ = ["line_of", "told"]

_WANTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
}
_RANGES = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_PATTERNS = {
    "^[a-z0-9][a-z0-9-]*$": "use small letters, figures and hyphens, such as senses-in-conflict",
    r"^[^\x00-\x1f\x7f]+$": "use one line",
    r"^[^\x00-\x1f\x7f\\]+$": "use one line, and / between folders",
}
_TAG = re.compile(r"<[a-z ]+>")
_AMBIGUOUS = re.compile(r"(?i)y|n|yes|no|on|off|[-+]?[0-9.][0-9_:.]*(e[-+]?[0-9]+)?|0[xo][0-9a-f]+|[-+]?\.(inf|nan)")


def line_of(path: Sequence[str | int], lines: Lines) -> int:
    """Return the line of the innermost part of a path that stands in the file."""
    found: tuple[str | int, ...] = ()
    for i, step in enumerate(path):
        if (*found, step) in lines:
            found = (*found, step)
        elif (*found, rest := ".".join(map(str, path[i:]))) in lines:  # a key with dots in it, as in ``vary``
            found = (*found, rest)
            break
        elif step != 0:  # one value that stands for a list of it alone has no index
            break
    return lines.get(found, 1)


def told(error: Mapping[str, Any], lines: Lines) -> tuple[int, str]:
    """Return the line of one of pydantic's errors, and what it says in a line of our own."""
    ctx = error.get("ctx", {})
    path = [step for step in error["loc"] if not (isinstance(step, str) and _TAG.fullmatch(step))]
    if error["type"] == "refused":
        path += [int(step) if step.isdecimal() else step for step in ctx["at"].split(".") if step]
    name = ".".join(map(str, _as_written(path, lines)))
    what = _what(error, ctx, str(path[-1]) if path else "")
    return line_of(path, lines), f"{name}: {what}" if name else what


def _as_written(path: Sequence[str | int], lines: Lines) -> list[str | int]:
    """A path without the indices of values that stand for a list of them alone."""
    kept: list[str | int] = []
    for step in path:
        if not (step == 0 and isinstance(step, int) and tuple(kept) in lines and (*kept, step) not in lines):
            kept.append(step)
    return kept


def _what(error: Mapping[str, Any], ctx: Mapping[str, Any], key: str) -> str:
    kind, value = error["type"], error["input"]
    if kind == "refused":
        return ctx["what"]
    if kind == "missing":
        return f"the key is missing; add {key!r}"
    if kind == "literal_error":
        from .schema_base import unknown

        expected = re.findall(r"'([^']*)'", ctx["expected"])
        if not expected:
            return f"{_shown(value)} is not {ctx['expected'].lower()}; write that, or leave the key out"
        return unknown(str(value), expected)
    if kind in _WANTED:
        return _wrong_kind(_WANTED[kind], value)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        wanted = " or ".join(sorted(set(re.findall(r"<([a-z ]+)>", ctx.get("expected_tags", ""))) - {"seeds"}))
        return _wrong_kind(wanted or "something else", value)
    if kind in _RANGES:
        limit, words = _RANGES[kind]
        return f"{_shown(value)} is out of range; give {words} {ctx[limit]:g}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(value)} is not written as it should be; {_PATTERNS.get(ctx['pattern'], ctx['pattern'])}"
    return f"{_shown(value)}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _wrong_kind(wanted: str, value: Any) -> str:
    if isinstance(value, str) and _AMBIGUOUS.fullmatch(value) and wanted in ("true or false", "a number"):
        fix = "write true or false" if wanted == "true or false" else "write it out in decimals"
        return f"{value!r} is text, for readers of YAML differ on it; {fix}"
    fix = "; put it in quotes" if wanted == "text" and isinstance(value, (bool, int, float)) else ""
    return f"{_shown(value)} stands where {wanted} is wanted{fix}"


def _shown(value: Any) -> str:
    """A value as it may stand in a message: YAML's words, cut short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} …'"
