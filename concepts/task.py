"""The task as written down: for which reasons an action may, must and must not be chosen.

A task statement is a small TOML file (``docs/task.md``). It is data: nothing in it is run. What it says is held
against the graph of one decision by `task_check`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import rfc8785

from ..errors import InputError
from .task_reason import RECOGNISED_BY, Reason, words

__all__ = ["Asked", "Rule", "Task", "read_task"]

_OTHERS = ("may", "noted", "must not")
_LISTS = ("may", "must", "must_any", "must_not")
_EVERY = "*"


@dataclass(frozen=True)
class Rule:
    """What is asked of some actions; attributes as in the file, ``actions`` being ``("*",)`` for all."""

    actions: tuple[str, ...]
    may: tuple[str, ...] = ()
    must: tuple[str, ...] = ()
    must_any: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the rule's table as it stands in a file."""
        lists = {key: list(getattr(self, key)) for key in _LISTS if getattr(self, key)}
        return {"action": list(self.actions), **lists}


@dataclass(frozen=True)
class Asked:
    """What all rules together ask of one action.

    Attributes:
        may: reasons that it may rest on.
        must: reasons that it must rest on, each of them.
        must_any: sets of reasons; of each set it must rest on one at least.
        must_not: reasons that it must not rest on.
    """

    may: frozenset[str]
    must: frozenset[str]
    must_any: frozenset[frozenset[str]]
    must_not: frozenset[str]

    @property
    def wanted(self) -> frozenset[str]:
        """Reasons in ``must`` and in any set of ``must_any``."""
        return self.must.union(*self.must_any)

    @property
    def allowed(self) -> frozenset[str]:
        """Reasons that the action may or must rest on."""
        return self.may | self.wanted


@dataclass(frozen=True)
class Task:
    """A task statement.

    Attributes:
        name: its name.
        reasons: all reasons.
        rules: all rules; those for one action add up.
        others: what a reason is that no rule speaks of: ``may``, ``noted`` or ``must not``.
        share: least share, 0 to 1, of the measured effects that speak for a decision, from which on the decision
            counts as relying on a reason.
        version: of the format.
    """

    name: str
    reasons: tuple[Reason, ...]
    rules: tuple[Rule, ...]
    others: str = "noted"
    share: float = 0.1
    version: int = 1

    @property
    def actions(self) -> tuple[str, ...]:
        """Actions that the rules name, sorted."""
        return tuple(sorted({action for rule in self.rules for action in rule.actions} - {_EVERY}))

    @property
    def digest(self) -> str:
        """SHA-256 of the content as canonical JSON (RFC 8785); in what order a file says it makes no difference."""
        content = self.to_dict()
        for table in (*content["reasons"].values(), *content["rule"]):
            table.update({key: sorted(value) for key, value in table.items() if isinstance(value, list)})
        content["rule"].sort(key=rfc8785.dumps)
        return f"sha256:{sha256(rfc8785.dumps(content)).hexdigest()}"

    def asks(self, action: str) -> Asked:
        """Return what the rules ask of an action: its own and those for all; nothing, if none speaks of it."""
        rules = [rule for rule in self.rules if {action, _EVERY} & set(rule.actions)]
        may, must, must_not = (
            frozenset(reason for rule in rules for reason in getattr(rule, key)) for key in ("may", "must", "must_not")
        )
        return Asked(may, must, frozenset(frozenset(r.must_any) for r in rules if r.must_any), must_not)

    def to_dict(self) -> dict[str, Any]:
        """Return the content in plain JSON values, in the file's own shape; `from_dict` reads it."""
        head = {"name": self.name, "version": self.version, "others": self.others, "share": float(self.share)}
        reasons = {reason.id: reason.to_dict() for reason in self.reasons}
        return {"task": head, "reasons": reasons, "rule": [rule.to_dict() for rule in self.rules]}

    @staticmethod
    def from_dict(content: Mapping[str, Any], where: str = "task") -> Task:
        """Read a task statement that is in memory already.

        Args:
            content: as `tomllib` or `json` gives it.
            where: what messages call it.

        Raises:
            InputError: an unknown key or version, a wrong type, something empty, named twice or not defined, or a
                reason that one action both may or must and must not rest on.
        """
        _known(content, ("task", "reasons", "rule"), where, "the top level")
        head = _table(content, "task", where)
        version = head.get("version")
        if type(version) is not int or version != 1:
            _refuse(where, "[task] version", version, "is not known", "this release reads version = 1")
        _known(head, ("name", "version", "others", "share"), where, "[task]")
        others, share = head.get("others", "noted"), head.get("share", 0.1)
        if others not in _OTHERS:
            fix = f"write one of {', '.join(map(repr, _OTHERS))}" + _nearest(others, _OTHERS)
            _refuse(where, "[task] others", others, "is not known", fix)
        if type(share) not in (int, float) or not 0 <= share <= 1:
            _refuse(where, "[task] share", share, "is no share", "write a number from 0 to 1, such as 0.1")
        tables = _table(content, "reasons", where)
        reasons = tuple(_reason(where, id, _table(tables, id, where, "reasons.")) for id in tables)
        rules = content.get("rule")
        if not isinstance(rules, list) or not rules or not all(isinstance(rule, Mapping) for rule in rules):
            _refuse(where, "[[rule]]", rules, "holds no rule", "write at least one table [[rule]] with an action")
        ids = [reason.id for reason in reasons]
        read = tuple(_rule(where, f"[[rule]] {n}", rule, ids) for n, rule in enumerate(rules, 1))
        task = Task(_text(where, "[task] name", head.get("name")), reasons, read, others, float(share), version)
        for action in (*task.actions, _EVERY):
            asked = task.asks(action)
            for id in sorted(asked.allowed & asked.must_not):
                fix = "take it out of one of them; rules for one action add up, those for '*' among them"
                _refuse(where, f"[[rule]] action {action!r}", id, "is a reason both wanted and ruled out", fix)
        return task


def read_task(path: str | PathLike[str]) -> Task:
    """Read a task statement from a TOML file.

    Raises:
        InputError: the file cannot be read, is no TOML, or says what `Task.from_dict` refuses.
    """
    where = repr(str(path))
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"task: cannot read {where}: {error.strerror}; give the path of a TOML file") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number or a nesting beyond all bounds
        said = " ".join(str(error).split())
        raise InputError(f"task: {where} is no TOML in UTF-8: {said}; see docs/task.md for the format") from error
    return Task.from_dict(content, f"task {where}")


def _refuse(where: str, key: str, value: object, wrong: str, fix: str) -> NoReturn:
    shown = repr(value)
    raise InputError(f"{where}: {key}: {shown if len(shown) <= 80 else shown[:79] + '…'} {wrong}; {fix}")


def _nearest(word: object, known: Collection[str]) -> str:
    near = get_close_matches(str(word), list(known), 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known(table: Mapping[str, Any], known: Sequence[str], where: str, place: str) -> None:
    for key in table:
        if key not in known:
            fix = f"its keys are {', '.join(known)}" + _nearest(key, known)
            _refuse(where, f"{place}, key {key!r}", table[key], "stands under a key that is not known", fix)


def _table(content: Mapping[str, Any], key: str, where: str, prefix: str = "") -> Mapping[str, Any]:
    table = content.get(key)
    if not isinstance(table, Mapping) or not table:
        _refuse(where, f"[{prefix}{key}]", table, "is missing, empty or no table", f"write a table [{prefix}{key}]")
    return table


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        _refuse(where, key, value, "is no text", "write some words on one line, in quotation marks")
    return value


def _texts(where: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        _refuse(where, key, value, "is no list, or empty", 'write a list such as ["a", "b"], or leave the key out')
    texts = tuple(_text(where, key, each) for each in value)
    for text in texts:
        if texts.count(text) > 1:
            _refuse(where, key, text, "stands there twice", "write it once")
    return texts


def _reason(where: str, id: str, table: Mapping[str, Any]) -> Reason:
    place = f"[reasons.{_text(where, '[reasons]', id)}]"
    _known(table, ("label", "sense", *RECOGNISED_BY), where, place)
    sense = _text(where, f"{place} sense", table["sense"]) if "sense" in table else None
    by = {key: _texts(where, f"{place} {key}", table[key]) for key in RECOGNISED_BY if key in table}
    if sense is None and not by:
        fix = "give it a sense, names, concepts or words"
        _refuse(where, place, dict(table), "does not say how the reason is recognised", fix)
    for key, text in ((k, text) for k in ("names", "words") for text in by.get(k, ())):
        if not words(text):
            _refuse(where, f"{place} {key}", text, "holds no word", "write letters or digits")
    for concept in by.get("concepts", ()):
        if not re.fullmatch(r"[^\s#]+#(0|[1-9][0-9]*)", concept):
            _refuse(where, f"{place} concepts", concept, "is no concept", "write a sense and a number: 'vision#3'")
        if sense is not None and not concept.startswith(f"{sense}#"):
            fix = f"name concepts of {sense!r}, or leave the sense out"
            _refuse(where, f"{place} concepts", concept, f"does not belong to the sense {sense!r}", fix)
    return Reason(id, _text(where, f"{place} label", table.get("label", id)), sense, **by)


def _rule(where: str, place: str, table: Mapping[str, Any], ids: Sequence[str]) -> Rule:
    _known(table, ("action", *_LISTS), where, place)
    named = table.get("action")
    actions = _texts(where, f"{place} action", named if isinstance(named, list) else [named])
    if _EVERY in actions and len(actions) > 1:
        _refuse(where, f"{place} action", named, "names all actions and some", "write '*' alone, or leave it out")
    lists = {key: _texts(where, f"{place} {key}", table[key]) for key in _LISTS if key in table}
    if not lists:
        _refuse(where, place, dict(table), "asks for nothing", f"give it one of {', '.join(_LISTS)}")
    for key, id in ((k, id) for k, listed in lists.items() for id in listed):
        if id not in ids:
            fix = f"define [reasons.{id}], or name one of {', '.join(ids)}" + _nearest(id, ids)
            _refuse(where, f"{place} {key}", id, "is a reason that is not defined", fix)
    return Rule(actions, **lists)
