"""Items from a manifest: JSON lines, each naming the files of one observation."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError, RecordError
from .item import MAX_ID, Bad, Item, good_id
from .reading import read_file

__all__ = ["MAX_LINE", "Manifest"]

MAX_LINE = 2**20
"""Bytes of one line, the most that is read."""

_KEYS = ("id", "camera", "microphone", "instruction", "labels", "time")


@dataclass(frozen=True)
class Manifest:
    """A manifest: ``{"id", "camera": [files], "microphone": file, "instruction": words, "labels", "time"}`` a line.

    Files are named from the manifest's own folder, with forward slashes. A name that leads out of it, by ``..``, by a
    link or because it is absolute, is refused unless that is allowed. Empty lines are passed over.

    Attributes:
        path: of the manifest.
        absolute: whether files may lie outside its folder.
    """

    path: Path
    absolute: bool = False

    def __iter__(self) -> Iterator[Item | Bad]:
        for number, line in self._lines():
            where = f"{self.path.name}:{number}"
            name = f"line {number}"
            try:
                if len(line) > MAX_LINE:
                    raise InputError(f"the line has more than {MAX_LINE} bytes; is this a manifest?")
                told = _parsed(line)
                name = told["id"]
                yield Item(name, self._read(told), told.get("time"), told.get("labels") or {})
            except InputError as error:
                yield Bad(name, f"{where}: {error}")

    def count(self) -> int:
        """Return how many lines there are that are not empty."""
        return sum(1 for _ in self._lines())

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each line; of a longer line than is read, its beginning."""
        try:
            with self.path.open("rb") as file:
                number = 0
                while line := file.readline(MAX_LINE + 1):
                    number += 1
                    rest = line
                    while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
                        rest = file.readline(MAX_LINE + 1)
                    if line.strip():
                        yield number, line
        except OSError as error:
            raise InputError(f"{self.path.name}: cannot be read: {error.strerror}") from error

    def _read(self, told: dict[str, Any]) -> dict[str, Any]:
        observation: dict[str, Any] = {}
        if told.get("camera"):
            observation["vision"] = tuple(read_file(self._place(name), name) for name in told["camera"])
        if told.get("microphone") is not None:
            observation["audio"] = read_file(self._place(told["microphone"]), told["microphone"])
        if told.get("instruction") is not None:
            observation["text"] = told["instruction"]
        if not observation:
            raise InputError("nothing is observed; give camera, microphone or instruction")
        return observation

    def _place(self, name: str) -> Path:
        folder = self.path.parent.resolve()
        try:
            found = (folder / name).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # NUL, or a circle of links
            raise InputError(f"{name[:120]!r} cannot be a file's name: {error}") from error
        if self.absolute:
            return found
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not found.is_relative_to(folder):
            raise InputError(
                f"{name[:120]!r} leads out of the manifest's folder; name files within it, or allow it with "
                "--allow-absolute"
            )
        return found


def _parsed(line: bytes) -> dict[str, Any]:
    """Read a line strictly: known members, each of its kind."""
    from ..record.canonical import read_json

    try:
        told = read_json(line, "the line")
    except RecordError as error:
        raise InputError(str(error).replace(" of a record", "").replace("; it was cut short or altered", "")) from error
    if not isinstance(told, dict):
        raise InputError(f"the line is no JSON object; write {{{', '.join(_KEYS)}}}")
    for key in told:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1, 0.5)
            raise InputError(
                f"unknown member {key[:40]!r}; {f'did you mean {near[0]!r}?' if near else 'known: '}"
                + ("" if near else ", ".join(_KEYS))
            )
    if not good_id(told.get("id")):
        raise InputError(f"id is {told.get('id')!r:.60}; give one of 1 to {MAX_ID} characters that can be printed")
    if isinstance(told.get("camera"), str):
        told["camera"] = [told["camera"]]
    frames = told.get("camera")
    if frames is not None and not (isinstance(frames, list) and all(isinstance(name, str) and name for name in frames)):
        raise InputError(f"camera is {frames!r:.60}; give a list of files' names, oldest first")
    for key in ("microphone", "instruction", "time"):
        if told.get(key) is not None and not isinstance(told[key], str):
            raise InputError(f"{key} is {told[key]!r:.60}; give text")
    labels = told.get("labels")
    if labels is not None and not (isinstance(labels, dict) and all(isinstance(v, str) for v in labels.values())):
        raise InputError(f"labels are {labels!r:.60}; give an object of texts")
    if told.get("time") is not None:
        from ..log.query import moment

        told["time"] = moment(told["time"])
    return told
