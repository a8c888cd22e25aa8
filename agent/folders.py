"""Folders of observations: pictures, recordings, texts, and folders of these."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..modalities.contract import Observation

__all__ = ["Read", "find_observations"]

Read = Callable[[], Observation]
"""Reads one observation; raises an `InputError` where it cannot be used."""


_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_SOUNDS = {".wav", ".flac", ".ogg"}
_TEXTS = {".txt"}


def find_observations(folder: Path) -> list[tuple[str, Read]]:
    """Return the observations of a folder by name, each to be read when its turn comes.

    A picture is one observation, so is a recording, so is a text file, and so is a folder: its pictures in the order of
    their names (numbers as numbers) are the frames, and one recording and one text file may lie beside them. Files
    whose names begin with a dot are passed over.

    Raises:
        InputError: no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: {'a file' if folder.exists() else 'no such folder'}; give a folder of observations"
        )
    entries = _entries(folder)
    if not entries:
        raise InputError(f"{folder}: nothing in it; put pictures, recordings, .txt files or folders of these there")
    return [(path.name + ("/" if path.is_dir() else ""), _reader(path)) for path in entries]


def _entries(folder: Path) -> list[Path]:
    def order(path: Path) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", path.name.lower())
        return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts]

    try:
        return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: (order(p), p.name))
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error


def _reader(path: Path) -> Read:
    return lambda: _read_folder(path) if path.is_dir() else _read_file(path)


def _read_file(path: Path) -> Observation:
    kind = path.suffix.lower()
    if kind in _PICTURES:
        return {"vision": str(path)}
    if kind in _SOUNDS:
        return {"audio": str(path)}
    if kind in _TEXTS:
        return {"text": _read_text(path)}
    raise InputError("neither a picture, a recording (WAV, FLAC, OGG) nor a .txt file, by its name")


def _read_folder(folder: Path) -> Observation:
    entries = _entries(folder)
    found = {
        sense: [str(p) for p in entries if p.suffix.lower() in kinds and p.is_file()]
        for sense, kinds in (("vision", _PICTURES), ("audio", _SOUNDS), ("text", _TEXTS))
    }
    for sense, paths in found.items():
        if sense != "vision" and len(paths) > 1:
            raise InputError(f"{len(paths)} files of {sense} in one observation; keep one")
    extra = [p.name for p in entries if str(p) not in {q for paths in found.values() for q in paths}]
    if extra:
        raise InputError(f"an observation's folder holds frames, one recording and one .txt file, and not {extra[0]!r}")
    observation: dict[str, Any] = {sense: paths for sense, paths in found.items() if paths}
    if not observation:
        raise InputError("an empty folder")
    if "audio" in observation:
        observation["audio"] = observation["audio"][0]
    if "text" in observation:
        observation["text"] = _read_text(Path(observation["text"][0]))
    return observation


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: not UTF-8 text, at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read: {error.strerror}") from error
