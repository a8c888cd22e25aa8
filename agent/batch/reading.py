"""Reading the files of an item, once: whole, bounded, and named without the machine's paths."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from ...errors import InputError
from .item import MAX_FILE, Content

__all__ = ["SENSES", "in_order", "read_file", "read_words", "sense_of"]

SENSES = {
    "vision": frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}),
    "audio": frozenset({".wav", ".flac", ".ogg"}),
    "text": frozenset({".txt"}),
}
"""Which endings of a file's name stand for which sense; the same as `veridical.agent.folders` has them."""

_MAX_WORDS = 64 * 1024  # bytes of an instruction


def sense_of(path: Path) -> str | None:
    """Return the sense that a file is for, by its name; None for any other."""
    return next((sense for sense, kinds in SENSES.items() if path.suffix.lower() in kinds), None)


def in_order(paths: list[Path]) -> list[Path]:
    """Return paths in the order of their names, numbers as numbers: camera-2 before camera-10."""

    def order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
        parts = re.split(r"(\d+)", path.name.lower())
        return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts], path.name

    return sorted(paths, key=order)


def read_file(path: Path, name: str, most: int = MAX_FILE) -> Content:
    """Read a file.

    Args:
        path: where it is.
        name: what it is called in messages.
        most: bytes.

    Raises:
        InputError: it is not there, no file, too large or unreadable.
    """
    try:
        # Looked at before it is opened: opening a pipe would wait for its writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{name}: no file; name a picture, a recording or a text")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file; check the name") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    if len(content) > most:
        raise InputError(f"{name}: more than {most} bytes; cut it, or give it in parts")
    return Content(name, content)


def read_words(path: Path, name: str) -> str:
    """Read an instruction, UTF-8.

    Raises:
        InputError: as `read_file`, or other than UTF-8.
    """
    content = read_file(path, name, _MAX_WORDS).content
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 text, at byte {error.start}; save it as UTF-8") from error
