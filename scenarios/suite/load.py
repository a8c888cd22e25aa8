"""Scenario files: found, read and checked; what is wrong is told with file and line.

Importing this module is cheap; YAML and the models are imported where a file is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .load_errors import line_of, told
from .load_yaml import MOST_BYTES, Lines, read_yaml

if TYPE_CHECKING:
    from .schema import Scenario

__all__ = ["SUFFIX", "LoadedScenario", "find_scenarios", "read_scenario"]

SUFFIX = ".scenario.yaml"
"""How names of scenario files end."""


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario and the file that it was read from.

    Attributes:
        path: of the file.
        scenario: what it says.
        digest: ``sha256:`` and the SHA-256 of its bytes.
        lines: the line of each of its parts, by path.
    """

    path: Path
    scenario: Scenario
    digest: str
    lines: Lines = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.name.removesuffix(SUFFIX)

    def where(self, at: str) -> str:
        """Return file and line of a part, given as a dotted path such as ``expect.rely_on.0``."""
        steps = [int(step) if step.isdecimal() else step for step in at.split(".") if step]
        return f"{self.path}:{line_of(steps, self.lines)}"

    def error(self, at: str, what: str) -> InputError:
        """Return an error about a part: its file, its line, its dotted path and what is wrong."""
        return InputError(f"{self.where(at)}: {at}: {what}" if at else f"{self.where(at)}: {what}")

    def file(self, name: str, at: str) -> Path:
        """Return the path of a file that the scenario names.

        Args:
            name: as it stands in the scenario, relative to its folder.
            at: dotted path of the key that names it.

        Raises:
            InputError: it is not there, is no file, or lies outside the scenario's folder, be it by a link.
        """
        folder = self.path.resolve().parent
        if Path(name).is_absolute():
            raise self.error(at, f"{name!r} is an absolute path; name a file relative to the scenario's folder")
        try:
            found = (folder / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise self.error(at, f"{name!r} cannot be followed: {error}; name another file") from error
        if not found.is_relative_to(folder):
            raise self.error(at, f"{name!r} lies outside the scenario's folder; put it into it")
        if not found.is_file():
            raise self.error(at, f"there is no file {name!r} in the scenario's folder")
        return found


def read_scenario(path: str | Path) -> LoadedScenario:
    """Read a scenario file.

    Args:
        path: of the file.

    Raises:
        InputError: the file cannot be read, is no strict YAML (see `load_yaml`), does not meet the schema, or names a
            file that is not there; the message begins with file and line, and gives the first of several faults.

    Example:
        >>> read_scenario("known-dog.scenario.yaml").scenario.family          # doctest: +SKIP
        'right-reason'
    """
    path = Path(path)
    content = _bytes(path)
    data, lines = read_yaml(content, str(path))
    if not isinstance(data, dict):
        raise InputError(f"{path}:1: a scenario is a mapping of keys to values; begin with `scenario: a title`")
    loaded = LoadedScenario(path, _checked(data, lines, path), f"sha256:{sha256(content).hexdigest()}", lines)
    _check_files(loaded)
    return loaded


def find_scenarios(paths: Iterable[str | Path]) -> list[Path]:
    """Return scenario files, each once: those named, and those in folders and below, in order of their names.

    Links to folders are not followed, and folders whose names begin with a dot are passed over.

    Raises:
        InputError: a path is neither file nor folder, or a folder holds no scenario.
    """
    found: dict[Path, None] = {}
    for one in map(Path, paths):
        if one.is_dir():
            inside = sorted(p for p in one.rglob(f"*{SUFFIX}") if p.is_file() and not _hidden(p.relative_to(one)))
            if not inside:
                raise InputError(f"{one}: no file *{SUFFIX} in this folder or below; name another one")
            found.update(dict.fromkeys(inside))
        elif one.is_file():
            found[one] = None
        else:
            raise InputError(f"{one}: neither a scenario file nor a folder; check the path")
    return list(found)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such scenario file; check the path")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read: {error}; check the path and its rights") from error


def _checked(data: dict[str, Any], lines: Lines, path: Path) -> Scenario:
    from pydantic import ValidationError

    from .schema import Scenario

    if (version := data.get("version")) != 1 and isinstance(version, int) and not isinstance(version, bool):
        at = line_of(("version",), lines)
        raise InputError(f"{path}:{at}: version: {version} is not known here; version 1 of the format is read")
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        faults: Sequence[Any] = error.errors(include_url=False)
        # A list all of whose items are at fault is told to be too short as well.
        faults = [one for one in faults if one["type"] != "too_short"] or faults
        line, what = min(told(fault, lines) for fault in faults)
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError(f"{path}:{line}: {what}{more}") from error


def _check_files(loaded: LoadedScenario) -> None:
    """Refuse a scenario that names files which are not there."""
    seen, expect, driven = loaded.scenario.observation, loaded.scenario.expect, loaded.scenario.storyboard
    if seen is not None:
        for i, name in enumerate(seen.camera or ()):
            loaded.file(name, f"observation.camera.{i}")
        if seen.microphone is not None:
            loaded.file(seen.microphone, "observation.microphone")
    if expect.oversight is not None:
        loaded.file(expect.oversight.policy, "expect.oversight.policy")
    if driven is not None and driven.policy is not None:
        loaded.file(driven.policy, "storyboard.policy")
