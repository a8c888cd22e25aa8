"""Where items come from: a folder, a manifest or a recording of a drive, read one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from ...errors import InputError
from .item import Bad, Item

__all__ = ["Source", "open_source"]


@runtime_checkable
class Source(Protocol):
    """Items, read lazily: as often as asked, in the same order, with the same ids."""

    def __iter__(self) -> Iterator[Item | Bad]:
        """Yield the items, and what cannot be one."""
        ...

    def count(self) -> int | None:
        """Return how many there are, where that can be known without reading them; else None."""
        ...


def open_source(path: Path, every: float = 1.0, *, absolute: bool = False) -> Source:
    """Return what a path holds.

    Args:
        path: a folder, a manifest (``.jsonl``) or a recording (``.mcap``).
        every: seconds between the moments of a recording.
        absolute: whether a manifest may name files outside its own folder.

    Raises:
        InputError: nothing there, or nothing that items can be had from.
    """
    from .drive import Drive
    from .folder import Folder
    from .manifest import Manifest

    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give a folder, a manifest (.jsonl) or a recording (.mcap)")
    if path.suffix.lower() == ".jsonl":
        return Manifest(path, absolute)
    if path.suffix.lower() == ".mcap":
        return Drive(path, every)
    raise InputError(f"{path.name}: neither a folder nor a file whose name ends in .jsonl or .mcap; give one of these")
