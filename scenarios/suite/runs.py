"""Running scenario files one after the other: each system is loaded once, a file that cannot be read is a result too.

What the command line and the plugin for pytest share. Importing this module loads no model and no format.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import VeridicalError
from .load import SUFFIX, read_scenario

if TYPE_CHECKING:
    from ...agent.log.log import Log
    from .load import LoadedScenario
    from .result import Result

__all__ = ["UNREADABLE", "Runner", "common_folder", "few_threads", "report_place", "unread"]

UNREADABLE = "unreadable"
"""Family of files that are no scenarios."""


@dataclass
class Runner:
    """What is needed to run any number of scenarios.

    Attributes:
        name: of the system that is tried, whatever the scenarios say; None: the one that each names.
        reports: folder of HTML reports; None writes none.
        root: folder from which a report's place below ``reports`` is taken (see `report_place`).
        log: to write into; None writes nothing.
    """

    name: str | None = None
    reports: Path | None = None
    root: Path = field(default_factory=Path.cwd)
    log: Log | None = None
    _systems: dict[str, Any] = field(default_factory=dict, repr=False)

    def run(self, path: Path, progress: Callable[[str, float], None] | None = None) -> Result:
        """Read a scenario and run it; a file that cannot be read is a result of status ``error``."""
        try:
            loaded = read_scenario(path)
        except VeridicalError as error:
            return unread(path, error)
        return self.tried(loaded, progress)

    def tried(self, loaded: LoadedScenario, progress: Callable[[str, float], None] | None = None) -> Result:
        """Run a scenario; nothing is raised, whatever goes wrong is in the result."""
        from .run import run_scenario

        try:
            system = self.system(self.name or loaded.scenario.system)
        except VeridicalError as error:
            return _error(_about(loaded), "system", "the system can be loaded", error)
        report = None if self.reports is None else report_place(self.reports, loaded.path, self.root)
        with few_threads():
            return run_scenario(loaded, system, report=report, log=self.log, progress=progress)

    def system(self, name: str) -> Any:
        """Return a system by its registered name; it is loaded once.

        Raises:
            VeridicalError: there is none of that name, or it cannot be loaded.
        """
        if name not in self._systems:
            from ...agent.systems import load_system
            from .expect_trial import system_fails

            with system_fails(f"loading {name!r}"):
                self._systems[name] = load_system(name)
        return self._systems[name]


def report_place(reports: Path, scenario: Path, root: Path) -> Path:
    """Return where a scenario's report lies: at the scenario's own place from ``root``, so that no two share a name.

    Of a scenario outside ``root`` the name is followed by the first eight figures of its path's SHA-256.
    """
    whole = scenario.resolve()
    name = whole.name.removesuffix(SUFFIX)
    if whole.is_relative_to(root.resolve()):
        return reports / whole.relative_to(root.resolve()).parent / f"{name}.html"
    return reports / f"{name}-{sha256(str(whole).encode()).hexdigest()[:8]}.html"


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the innermost folder that all files lie in."""
    return Path(os.path.commonpath([path.resolve().parent for path in paths]))


def unread(path: Path, error: VeridicalError) -> Result:
    """Return the result of a file that is no scenario."""
    from .result import About

    about = About(path.name.removesuffix(SUFFIX), "", UNREADABLE, (), "", None, str(path), "")
    return _error(about, "file", "the file is a scenario", error)


def _about(loaded: LoadedScenario) -> Any:
    from .result import About

    told = loaded.scenario
    known = None if told.known_failure is None else told.known_failure.reason
    words = (told.scenario, told.why, told.family, tuple(told.tags), told.system)
    return About(*words, known, str(loaded.path), loaded.digest)


def _error(about: Any, expectation: str, expected: str, error: VeridicalError) -> Result:
    from .result import Checked, Result

    told = " ".join(str(error).split())
    return Result(about, "error", (Checked(expectation, False, expected, told, {}, "run"),), (), 0.0)


@contextmanager
def few_threads() -> Iterator[None]:
    """Leave each of several test workers its share of the cores, unless OMP_NUM_THREADS says how many it may have."""
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    if not workers.isdecimal() or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // max(1, int(workers))))
    try:
        yield
    finally:
        torch.set_num_threads(before)
