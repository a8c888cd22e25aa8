"""Reading an oversight policy from a TOML file, strictly, and the JSON Schema of such files.

Everything is checked when the file is read, and a message names the file, the line, the key, the value and the fix.
Nothing in a file is run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ...errors import InputError
from .policy import Explaining, Oversight, Policy, Rule
from .policy_checks import (
    Problem,
    explain_problems,
    lacking_actions,
    oversight_problems,
    policy_problems,
    rule_problems,
    unfit,
)
from .policy_keys import EXPLAIN, FORMAT, OVERSIGHT, RULE, TOP, Key, nearest

__all__ = ["LARGEST", "parse_policy", "policy_schema", "read_policy"]

LARGEST = 64 * 1024
"""Bytes of a file, the most that is read."""

_SEARCHED = 400
"""Lines of a file in which the place of a mistake is looked for: it is parsed as often."""

_TABLES = ("explain", "oversight")
_PARTS = ("rules", "slow")


def read_policy(path: str | PathLike[str], actions: Sequence[str] | None = None) -> Policy:
    """Read an oversight policy from a TOML file.

    Args:
        path: of the file.
        actions: those of the system that the policy is for, to be checked too; None leaves that to `Policy.check`.

    Raises:
        InputError: the file cannot be read or is too large, is no TOML, holds an unknown key or a value that does not
            fit, or a policy that could not take effect as it is written.
    """
    place = Path(path)
    where = f"policy {str(path)!r}"
    try:
        if not place.is_file():  # a pipe would be waited for, and a device never ends
            missing = not place.exists()
            raise InputError(
                f"{where}: {'there is no such file' if missing else 'this is no file'}; give the path of a TOML file"
            )
        with place.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{where}: it cannot be read: {said}; give the path of a TOML file") from error
    if len(content) > LARGEST:
        raise InputError(f"{where}: it holds more than {LARGEST} bytes; a policy is a small file, name another")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: it is not in UTF-8: {error.reason} at byte {error.start}; save it so") from error
    return parse_policy(text, where, actions)


def parse_policy(text: str, where: str = "policy", actions: Sequence[str] | None = None) -> Policy:
    """Read an oversight policy from TOML that is in memory already.

    Args:
        text: the TOML.
        where: what messages call it.
        actions: those of the system that the policy is for, to be checked too.

    Raises:
        InputError: as of `read_policy`.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{where}: this is no TOML: {said}; see docs/policy.md for the format") from error
    for problem in _problems(content, actions):
        line = _line(text, problem)
        raise InputError(problem.told(where if line is None else f"{where}, line {line}"))
    return _policy(content)


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a policy's file, for editors; TOML's tables are its objects.

    What cannot go together (a reaction without its action, a rule that could never fire) it does not say: `read_policy`
    does.
    """
    rule = {**_object(RULE), "title": "A rule: it fires on findings and holds until it is lifted"}
    slow = {
        "description": "Action to the one that stands in for it at slow.",
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1},
    }
    oversight = _object(OVERSIGHT)
    oversight["properties"] |= {"rules": {"type": "array", "items": rule}, "slow": slow}
    found = _object(TOP)
    found["properties"] |= {"explain": _object(EXPLAIN), "oversight": oversight}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{FORMAT.replace('.', ':').replace('/', ':')}",
        "title": "Oversight policy, version 1",
    }
    return head | found


def _object(keys: Sequence[Key]) -> dict[str, Any]:
    needed = [key.name for key in keys if key.needed]
    return {
        "type": "object",
        **({"required": needed} if needed else {}),
        "properties": {key.name: key.schema() for key in keys},
        "additionalProperties": False,
    }


def _problems(content: Mapping[str, Any], actions: Sequence[str] | None) -> Iterator[Problem]:
    """Yield all that is wrong with a file; what follows would only repeat it once a table does not have its shape."""
    shaped = [*_shape_problems(content)]
    yield from shaped
    if shaped:
        return
    explain, oversight = _values(content, "explain", EXPLAIN), _values(content, "oversight", OVERSIGHT)
    rules = [_filled(rule, RULE) for rule in content.get("oversight", {}).get("rules", [])]
    oversight |= {"rules": rules, "slow": content.get("oversight", {}).get("slow", {})}
    own = [*unfit("", TOP, content), *explain_problems(explain)]
    for n, rule in enumerate(rules, 1):
        own += [Problem(p.table, p.key, p.value, p.wrong, p.fix, n) for p in rule_problems(rule)]
    own += oversight_problems(oversight) if not own else ()
    yield from own
    if not own:
        yield from policy_problems(explain, oversight)
        yield from lacking_actions(oversight, actions) if actions is not None else ()


def _shape_problems(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield tables that are none and keys that are not known."""
    yield from _unknown("", content, (*(key.name for key in TOP), *_TABLES))
    for table, keys, more in (("explain", EXPLAIN, ()), ("oversight", OVERSIGHT, _PARTS)):
        values = content.get(table, {})
        if not isinstance(values, Mapping):
            yield Problem("", table, values, "is no table", f"write a table [{table}]")
            continue
        yield from _unknown(table, values, (*(key.name for key in keys), *more))
        if "rules" in more:
            yield from _rule_shapes(values.get("rules", []))


def _rule_shapes(rules: Any) -> Iterator[Problem]:
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        yield Problem("oversight", "rules", rules, "is no list of tables", "write tables [[oversight.rules]]")
        return
    for n, rule in enumerate(rules, 1):
        yield from _unknown("oversight.rules", rule, [key.name for key in RULE], n)


def _unknown(table: str, values: Mapping[str, Any], known: Sequence[str], rule: int | None = None) -> Iterator[Problem]:
    for key, value in values.items():
        if key not in known:
            fix = f"the keys here are {', '.join(known)}{nearest(key, known)}"
            yield Problem(table, key, value, "stands under a key that is not known", fix, rule)


def _values(content: Mapping[str, Any], table: str, keys: Sequence[Key]) -> dict[str, Any]:
    return _filled(content.get(table, {}), keys)


def _filled(values: Mapping[str, Any], keys: Sequence[Key]) -> dict[str, Any]:
    return {key.name: values.get(key.name, key.default) for key in keys if key.name in values or not key.needed}


def _policy(content: Mapping[str, Any]) -> Policy:
    explain, oversight = dict(content.get("explain", {})), dict(content.get("oversight", {}))
    if "triggers" in explain:
        explain["triggers"] = tuple(explain["triggers"])
    oversight["rules"] = tuple(Rule(**rule) for rule in oversight.get("rules", []))
    return Policy(content["name"], content["version"], Explaining(**explain), Oversight(**oversight))


def _line(text: str, problem: Problem) -> int | None:
    """Return the line on which what is wrong begins; None where it is not there, or the file is long.

    A file's first lines are parsed, and more and more of them: where what is wrong appears, it stands. tomllib itself
    tells no places.
    """
    lines = text.splitlines()
    path: list[str | int] = [part for part in problem.table.split(".") if part]
    path += [] if problem.rule is None else [problem.rule - 1]
    path += [problem.key] if problem.key else []
    if len(lines) > _SEARCHED:
        return None
    # What is missing has no line: the table that lacks it has.
    return next((n for end in range(len(path), 0, -1) if (n := _first(lines, path[:end])) is not None), None)


def _first(lines: Sequence[str], path: Sequence[str | int]) -> int | None:
    begun = 1
    for n in range(1, len(lines) + 1):
        try:
            found: Any = tomllib.loads("\n".join(lines[:n]))
        except (ValueError, RecursionError):  # in the midst of a value that takes several lines
            continue
        if _has(found, path):
            return begun
        begun = n + 1
    return None


def _has(found: Any, path: Sequence[str | int]) -> bool:
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
