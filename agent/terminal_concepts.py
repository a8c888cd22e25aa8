"""The concepts of a decision, and how it stands to its task, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..modalities.wording import shortened
from .graph_chart import span_of
from .wording import clean, nats, number, shown_whole

__all__ = ["concepts"]

_LINES = 6
"""Concepts that are told; the rest are counted."""
_WIDE = 28
"""Characters of a name."""
_STYLES = {"for": "yellow", "against": "blue"}
_MARKS = {"as the task asks": "✓", "not as the task asks": "✗"}
_COLOURS = {"✓": "green", "✗": "red"}


def concepts(result: Mapping[str, Any]) -> RenderableType:
    """Return at most six concepts, a line each, and the outcome of the check against the task.

    Told are those with an effect, the largest first, then those that go along; of the others how many there are.
    Nothing where the result holds no concepts.
    """
    found = result.get("concepts") or {}
    cards = sorted(filter(shown_whole, found.get("cards") or []), key=lambda card: not card["drawn"])
    parts: list[RenderableType] = []
    if cards:
        parts.append(_table(cards[:_LINES]))
    rest = _rest(found, cards)
    if rest:
        parts.append(Text(rest, style="dim"))
    if found.get("task"):
        parts.append(_task(found["task"]))
    return Group(Text("\nConcepts, in nats", style="bold"), *parts) if parts else Group()


def _table(cards: list[Mapping[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    for card in cards:
        span, p = span_of(card["interval"]), card["p"]
        table.add_row(
            Text(f"{_name(card)}, {clean(card['where'])}"),
            "not tested" if card["effect"] is None else nats(card["effect"]),
            f"({span})" if span else "",
            f"p {number(p, 3)}" if p is not None else "",
            Text(f" {clean(card['role'])}", style=_STYLES.get(card["role"], "")),
        )
    table.expand = True
    return table


def _name(card: Mapping[str, Any]) -> str:
    """The name, or where none was earned the sense and the number, which leave room for the place."""
    if card["named"]:
        return shortened(clean(card["label"]), _WIDE)
    return f"{clean(card['sense'])} #{card['concept']}"


def _rest(found: Mapping[str, Any], cards: list[Mapping[str, Any]]) -> str:
    """What is not told: further concepts, and those without an effect."""
    more, idle = len(cards) - _LINES, len(found.get("cards") or []) - len(cards)
    told = [f"{more} more"] if more > 0 else []
    told += [f"{idle} without an effect that could be shown"] if idle else []
    return f"and {', '.join(told)}" if told and cards else ", ".join(told)


def _task(check: Mapping[str, Any]) -> Text:
    """The outcome, and of the findings the first fault, or else the first."""
    outcome, findings = clean(check["outcome"]), check["findings"]
    mark = _MARKS.get(check["outcome"], "~")
    line = Text("Task  ", style="bold")
    line.append(f"{mark} {outcome}", style=_COLOURS.get(mark, "yellow"))
    first = next((f for f in findings if f["severity"] == "fault"), findings[0] if findings else None)
    if first:
        line.append(f": {clean(first['text'])}")
    return line
