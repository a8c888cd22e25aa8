"""Plain tables and lines for a terminal, without a library: an auditor's command must start at once."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from ..wording import clean

__all__ = ["STYLES", "Column", "heading", "paint", "pairs", "say", "table", "width"]

_WIDEST = 120
_GAP = "  "
STYLES = {
    "supported": "green",
    "unsupported": "red",
    "inconclusive": "yellow",
    "✓": "green",
    "✗": "red",
}
"""Colours of words and marks; nothing is said by colour alone."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: heading.
        least: columns of the terminal that it needs; None for a column that is never cut.
        right: whether it is set to the right.
        spare: the higher, the sooner it is left out where the terminal is narrow; 0 stays.
    """

    name: str
    least: int | None = None
    right: bool = False
    spare: int = 0


def width() -> int:
    """Columns of the terminal, 60 to 120; 100 where there is none."""
    try:
        columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = 100
    return min(max(columns, 60), _WIDEST)


def say(text: str = "") -> None:
    """Print to stdout; what its encoding lacks gives way to plain characters, and colour to ``NO_COLOR``."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "") != "utf8":
        from ..terminal import tidy

        text = tidy(text, encoding)
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def paint(text: str, style: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """Colour text by a word of `STYLES`."""
    return click.style(text, fg=STYLES.get(style or ""), bold=bold or None, dim=dim or None)


def heading(text: str) -> str:
    """A heading with an empty line above it."""
    return f"\n{click.style(text, bold=True)}"


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], wide: int | None = None) -> list[str]:
    """Set rows in columns, a line each, headings first.

    Cells are cleaned of control characters. Where the terminal is too narrow, columns with a least width are cut, the
    widest first, then spare ones are left out. A column in which no row has anything is left out.

    Args:
        columns: left to right.
        rows: a cell for each column.
        wide: columns of the terminal; by default those that there are.
    """
    wide = width() if wide is None else wide
    cells = [[clean(cell) for cell in row] for row in rows]
    shown = [i for i in range(len(columns)) if not rows or any(row[i] for row in cells)]
    sizes = {i: max([_cells(columns[i].name), *(_cells(row[i]) for row in cells)]) for i in shown}
    while shown:
        over = sum(sizes[i] for i in shown) + len(_GAP) * (len(shown) - 1) - wide
        soft = [i for i in shown if (least := columns[i].least) is not None and sizes[i] > least]
        if over <= 0:
            break
        if soft:
            sizes[max(soft, key=lambda i: sizes[i])] -= 1
            continue
        out = max(shown, key=lambda i: columns[i].spare)
        if not columns[out].spare:
            break
        shown.remove(out)
        sizes = {i: max([_cells(columns[i].name), *(_cells(row[i]) for row in cells)]) for i in shown}
    head = paint(_line([_set(columns[i].name, sizes[i], columns[i].right) for i in shown]), dim=True)
    return [head, *(_line([_cell(row[i], sizes[i], columns[i].right) for i in shown]) for row in cells)]


def pairs(rows: Iterable[tuple[str, str]], wide: int | None = None) -> list[str]:
    """Set names and what is said of them, wrapped beside the names; a name with a ✗ stands out."""
    import textwrap

    told = [(clean(name), clean(value)) for name, value in rows]
    wide = width() if wide is None else wide
    indent = min(max((_cells(name) for name, _ in told), default=0), 24) + len(_GAP)
    lines = []
    for name, value in told:
        wrapped = textwrap.wrap(value, max(wide - indent, 20)) or [""]
        bad = name.startswith("✗")
        lines.append(paint(_set(name, indent, False), "✗" if bad else None, dim=not bad) + wrapped[0])
        lines += [" " * indent + line for line in wrapped[1:]]
    return lines


def _line(cells: Sequence[str]) -> str:
    return _GAP.join(cells).rstrip()


def _cell(text: str, size: int, right: bool) -> str:
    """One cell, coloured where its first or last word has a colour."""
    word = next((w for w in text.split() if w in STYLES), None)
    return paint(_set(text, size, right), word) if word else _set(text, size, right)


def _set(text: str, size: int, right: bool) -> str:
    """Text in so many columns, cut with an ellipsis where it is longer."""
    if _cells(text) > size:
        kept = ""
        for character in text:
            if _cells(kept + character) > size - 1:
                break
            kept += character
        text = kept.rstrip() + "…"
    room = " " * max(size - _cells(text), 0)
    return room + text if right else text + room


def _cells(text: str) -> int:
    """Columns that text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
