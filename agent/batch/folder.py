"""Items from a folder: each folder in it is one, and files beside each other are one by the stem of their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from .item import Bad, Item, good_id
from .reading import SENSES, in_order, read_file, read_words, sense_of

__all__ = ["Folder"]


@dataclass(frozen=True)
class Folder:
    """A folder of observations; the rules for a folder in it are those of `veridical.agent.folders`.

    A folder in it holds frames (pictures, in the order of their names), one recording, one .txt file, or some of these.
    ``lion.png``, ``lion.wav`` and ``lion.txt`` beside each other are the observation ``lion``. A folder that itself
    holds ``camera*`` pictures, ``microphone.*`` or ``instruction.txt`` is a single observation. What begins with a dot
    is passed over.

    Attributes:
        path: of the folder.

    Raises:
        InputError: it cannot be listed, or there is nothing in it.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self._groups():
            raise InputError(f"{self.path.name}: nothing in it; put folders of observations, or files, there")

    def __iter__(self) -> Iterator[Item | Bad]:
        for name, paths, kind in self._groups():
            try:
                if not good_id(name):
                    raise InputError("its name cannot be an id; give it one of 1 to 200 characters that can be printed")
                found = _listed(paths[0]) if kind == "folder" else paths
                yield Item(name, _read(found, self.path))
            except InputError as error:
                yield Bad(name.encode("unicode_escape").decode()[:120] if not good_id(name) else name, str(error))

    def count(self) -> int:
        """Return how many observations the names stand for."""
        return len(self._groups())

    def _groups(self) -> list[tuple[str, list[Path], str]]:
        """Name, paths and kind of each observation; no file is read."""
        entries = _listed(self.path)
        if any(_fixed(path) for path in entries):
            return [(self.path.resolve().name or "all", entries, "files")]
        groups: dict[tuple[str, str], list[Path]] = {}
        for path in entries:
            folder = path.is_dir()
            # What is for no sense keeps its ending, so that it is told of by itself.
            name = path.name if folder or sense_of(path) is None else path.stem
            groups.setdefault((name, "folder" if folder else "files"), []).append(path)
        return [(name, paths, kind) for (name, kind), paths in groups.items()]


def _fixed(path: Path) -> bool:
    """Whether a file's name is one that stands in an observation's own folder."""
    stem, sense = path.stem.lower(), sense_of(path)
    camera = sense == "vision" and stem.rstrip("0123456789").rstrip("-_.") == "camera"
    return camera or (stem, sense) in {("microphone", "audio"), ("instruction", "text")}


def _listed(folder: Path) -> list[Path]:
    try:
        return in_order([path for path in folder.iterdir() if not path.name.startswith(".")])
    except OSError as error:
        raise InputError(f"{folder.name}: cannot be listed: {error.strerror}") from error


def _read(paths: list[Path], root: Path) -> dict[str, Any]:
    """Read one observation's files."""
    by: dict[str, list[Path]] = {sense: [] for sense in SENSES}
    for path in paths:
        sense = sense_of(path)
        if sense is None or path.is_dir():
            raise InputError(
                f"{path.name}: neither a picture, a recording (WAV, FLAC, OGG) nor a .txt file; move it elsewhere"
            )
        by[sense].append(path)
    for sense, found in by.items():
        if sense != "vision" and len(found) > 1:
            raise InputError(f"{len(found)} files of {sense}: {found[0].name}, {found[1].name}; keep one")
    observation: dict[str, Any] = {}
    if by["vision"]:
        observation["vision"] = tuple(read_file(path, _name(path, root)) for path in by["vision"])
    if by["audio"]:
        observation["audio"] = read_file(by["audio"][0], _name(by["audio"][0], root))
    if by["text"]:
        observation["text"] = read_words(by["text"][0], _name(by["text"][0], root))
    if not observation:
        raise InputError("an empty folder; put frames, a recording or a text there")
    return observation


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
