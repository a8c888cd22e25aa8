"""The form of a letter: its parts, and how they are set as plain text and as a page."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from ...errors import InputError

__all__ = ["Letter", "Section"]


@dataclass(frozen=True)
class Section:
    """A part of the letter.

    Attributes:
        heading: of the part.
        paragraphs: in order.
        points: a list below them, each a lead and what is said of it.
        tone: the verdict, in the part that tells it; else empty.
    """

    heading: str
    paragraphs: tuple[str, ...]
    points: tuple[tuple[str, str], ...] = ()
    tone: str = ""


@dataclass(frozen=True)
class Letter:
    """A letter, ready to be read.

    Attributes:
        title: what it is about.
        under: the line below the title.
        sections: in order.
        annex: figures for experts, name and value.
    """

    title: str
    under: str
    sections: tuple[Section, ...]
    annex: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [
            {**vars(s), "paragraphs": list(s.paragraphs), "points": [list(p) for p in s.points]} for s in self.sections
        ]
        return {"title": self.title, "under": self.under, "sections": rows, "annex": [list(row) for row in self.annex]}

    def body(self, width: int = 78) -> str:
        """Return the letter without its annex as plain text, wrapped to ``width`` characters.

        Raises:
            InputError: fewer than 40 characters.
        """
        if width < 40:
            raise InputError(f"letter: a width of {width} characters; 40 at least are needed")
        lines = [*textwrap.wrap(self.title, width), *textwrap.wrap(self.under, width)]
        for section in self.sections:
            lines += ["", *textwrap.wrap(section.heading.upper(), width)]
            for paragraph in section.paragraphs:
                lines += ["", *textwrap.wrap(paragraph, width)]
            lines += [""] if section.points else []
            for number, (lead, told) in enumerate(section.points, start=1):
                indent = f"{number:>2}. "
                lines += textwrap.wrap(f"{lead} {told}", width, initial_indent=indent, subsequent_indent=" " * 4)
        return "\n".join(lines) + "\n"

    def text(self, width: int = 78) -> str:
        """Return the whole letter as plain text, wrapped to ``width`` characters.

        Raises:
            InputError: fewer than 40 characters.
        """
        lines = [self.body(width), "ANNEX: FIGURES FOR EXPERTS", ""]
        for name, value in self.annex:
            lines += textwrap.wrap(f"{name}: {value}", width, subsequent_indent="    ")
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """Return the letter as a page that holds everything, loads nothing and runs nothing."""
        from .pages import render

        return render("letter.html.j2", letter=self)
