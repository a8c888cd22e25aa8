"""Words on a contact sheet: typefaces that are found, lines that fit, pictures of them.

A sheet is drawn with a typeface of the system's, for the package brings none. Where none is found, the one inside
Pillow stands in, which has no letters but those of English: others are written without their accents, or as ``?``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

__all__ = ["INK", "PAPER", "SHADE", "SOFT", "Face", "face", "fitted", "wrapped", "written"]

# The colours of the reports, see templates/suite.css.
PAPER, INK, SOFT, SHADE = "#fbfaf8", "#1d1f24", "#5d626d", "#efede8"

_FILES = {
    False: ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "arial.ttf"),
    True: ("DejaVuSans-Bold.ttf", "NotoSans-Bold.ttf", "LiberationSans-Bold.ttf", "Arial Bold.ttf", "arialbd.ttf"),
}
_SIMPLE = {"−": "-", "–": "-", "×": "x", "·": "-"}


@dataclass(frozen=True)
class Face:
    """A typeface in one size.

    Attributes:
        font: as Pillow has it.
        whole: whether it has more than the letters of English.
    """

    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    whole: bool

    @property
    def height(self) -> int:
        """Pixels from one line to the next."""
        ascent, descent = self.font.getmetrics() if isinstance(self.font, ImageFont.FreeTypeFont) else (11, 3)
        return round(1.15 * (ascent + descent))

    @property
    def letters(self) -> int:
        """Pixels from the top of a line to the foot of its letters and as much below as above them: to centre it."""
        box = self.font.getbbox("H")
        return round(box[1] + box[3])

    def can(self, text: str) -> str:
        """Return a text as the typeface can write it, on one line."""
        text = " ".join(text.split())
        if self.whole:
            return text
        plain = unicodedata.normalize("NFKD", "".join(_SIMPLE.get(letter, letter) for letter in text))
        return "".join(
            letter if letter.isascii() or letter in "“”‘’…" else "?"
            for letter in plain
            if not unicodedata.combining(letter)
        )

    def width(self, text: str) -> int:
        """Return how wide a text is, pixels."""
        return round(self.font.getlength(self.can(text)))


@cache
def face(size: int, bold: bool = False) -> Face:
    """Return a typeface of a size, in pixels."""
    for name in _FILES[bold]:
        try:
            return Face(ImageFont.truetype(name, size), True)
        except OSError:
            continue
    return Face(ImageFont.load_default(size), False)


def fitted(text: str, own: Face, width: int) -> str:
    """Return a text cut off, with ``…``, where it is wider than allowed."""
    if own.width(text) <= width:
        return text
    return next((f"{text[:n].rstrip()}…" for n in range(len(text), 0, -1) if own.width(f"{text[:n]}…") <= width), "…")


def wrapped(text: str, own: Face, width: int) -> Iterator[str]:
    """Yield the lines of a text; a word that is too long for a line is broken."""
    line = ""
    for word in text.split():
        rest = word
        if line and own.width(f"{line} {rest}") <= width:
            line = f"{line} {rest}"
            continue
        if line:
            yield line
        while own.width(rest) > width and len(rest) > 1:
            n = next((n for n in range(len(rest) - 1, 1, -1) if own.width(rest[:n]) <= width), 1)
            yield rest[:n]
            rest = rest[n:]
        line = rest
    if line:
        yield line


def written(text: str, own: Face, width: int, ink: str = INK, most: int = 0) -> Image.Image:
    """Draw a text in as many lines as it needs, at ``most`` so many (0: any number).

    Returns:
        RGB, as wide as asked for.
    """
    lines = list(wrapped(text, own, width))
    if most and len(lines) > most:
        lines = [*lines[: most - 1], fitted(" ".join(lines[most - 1 :]), own, width)]
    drawn = Image.new("RGB", (width, max(1, own.height * len(lines))), PAPER)
    pen = ImageDraw.Draw(drawn)
    for i, line in enumerate(lines):
        pen.text((0, i * own.height), own.can(line), font=own.font, fill=ink)
    return drawn
