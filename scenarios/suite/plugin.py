"""The plugin for pytest: every ``*.scenario.yaml`` that pytest comes across is a test.

A scenario is one item, its variants inside it. ``-k`` knows its name, family, tags and system, ``-m`` its family and
tags, and ``scenario``. One that is known to fail is an expected failure, strictly; a file that is no scenario is a
failed item. Until a scenario is met, nothing is loaded that pytest has not loaded itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ...errors import VeridicalError
    from .load import LoadedScenario
    from .result import Result
    from .runs import Runner

__all__ = [
    "ScenarioFailedError",
    "ScenarioFile",
    "ScenarioItem",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
]

_SUFFIX = ".scenario.yaml"
_OWN = frozenset("filterwarnings parametrize scenario skip skipif usefixtures xfail".split())  # pytest does things then
_TOLD = "veridical_scenario"  # where a test's report has its scenario's result

_runner_key = pytest.StashKey["Runner"]()
_words_key = pytest.StashKey[set[str]]()


class ScenarioFailedError(Exception):
    """A scenario did not do as it should; its text is the failure as it is printed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("veridical", "scenarios of autonomous systems (*.scenario.yaml)")
    group.addoption("--veridical-system", metavar="NAME", help="try this system, whichever the scenarios name")
    group.addoption(
        "--veridical-reports",
        metavar="DIR",
        default="out/scenarios",
        help="folder of the HTML reports, from pytest's root (default: %(default)s; empty: none are written)",
    )
    group.addoption("--veridical-home", metavar="DIR", help="write outcomes and explanations into the log there")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what gathers results for the suite's report."""
    config.addinivalue_line("markers", "scenario: a scenario file; its family and its tags are markers too")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Gathered(config), "veridical-scenarios-gathered")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the log."""
    runner = config.stash.get(_runner_key, None)
    if runner is not None and runner.log is not None:
        runner.log.close()
        runner.log = None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect a scenario file; leave every other file alone."""
    if file_path.name.endswith(_SUFFIX) and file_path.name != _SUFFIX:
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A scenario file: one item."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Read the file; one that is no scenario is an item that fails."""
        from ...errors import VeridicalError
        from .load import read_scenario

        name = self.path.name.removesuffix(_SUFFIX)
        try:
            read = read_scenario(self.path)
            loaded, fault = replace(read, path=_short(self.config, self.path)), None
        except VeridicalError as error:
            loaded, fault = None, error
        yield ScenarioItem.from_parent(self, name=name, loaded=loaded, fault=fault)


class ScenarioItem(pytest.Item):
    """A scenario, or the reason why its file is none.

    Attributes:
        loaded: the scenario; None where the file is none.
        fault: why it is none.
        result: what came of it, once it was run.
    """

    def __init__(self, *, loaded: LoadedScenario | None, fault: VeridicalError | None, **named: Any) -> None:
        super().__init__(**named)
        self.loaded, self.fault, self.result = loaded, fault, None
        self.add_marker("scenario")
        if loaded is not None:
            told = loaded.scenario
            self.extra_keyword_matches.update((told.family, *told.tags, told.system))
            for word in (told.family, *told.tags):
                self._mark(word)

    result: Result | None

    def _mark(self, word: str) -> None:
        """Mark the item with a word; it is registered first, for projects that allow registered markers alone."""
        if word in _OWN:
            return
        known = self.config.stash.setdefault(_words_key, set())
        if word not in known:
            known.add(word)
            self.config.addinivalue_line("markers", f"{word}: scenarios of this family or with this tag")
        self.add_marker(word)

    def runtest(self) -> None:
        """Run the scenario.

        Raises:
            ScenarioFailedError: it did not do as it should, or could not be run.
        """
        from ...errors import InputError
        from .runs import unread
        from .told import failure_lines

        if self.loaded is None:
            fault = self.fault or InputError(f"{self.path}: it was not read")
            self.result = unread(_short(self.config, self.path), fault)
            raise ScenarioFailedError(" ".join(str(fault).split()))
        with chdir(self.config.invocation_params.dir):  # whatever another test did: paths are told from there
            self.result = result = _runner(self.config).tried(self.loaded)
        self._say(result)
        if result.status == "known failure":
            pytest.xfail(result.scenario.known_failure or "known failure")  # with --runxfail it does nothing
        if self.config.getoption("runxfail", False) and result.status == "unexpectedly passed":
            return
        if result.status != "passed":
            raise ScenarioFailedError("\n".join(failure_lines(result)))

    def _say(self, result: Result) -> None:
        """Leave the figures for JUnit's XML and other reports of tests."""
        about = result.scenario
        told = {"scenario": about.title, "family": about.family, "system": about.system, "status": result.status}
        told |= {"digest": about.digest, "report": result.report or ""}
        self.user_properties += list(told.items())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what is printed: the expectations that were not met, and no traceback."""
        if isinstance(excinfo.value, ScenarioFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return file, line and name."""
        return self.path, 0, f"scenario {self.name}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the result into the test's report, as plain data, for nothing else leaves a worker."""
    report = yield
    if isinstance(item, ScenarioItem) and item.result is not None and call.when == "call":
        import json

        setattr(report, _TOLD, json.loads(json.dumps(item.result.to_dict(), default=str)))
    return report


class _Gathered:
    """Results of all scenarios, from all workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.told: dict[str, Any] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result out of a test's report."""
        told = getattr(report, _TOLD, None)
        if told is not None:
            self.told[report.nodeid] = told

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say how many came out how, and where the suite's report is."""
        if not self.told:
            return
        from collections import Counter

        from .result import STATUSES

        counts = Counter(told["status"] for told in self.told.values())
        said = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        terminalreporter.section("scenarios")
        terminalreporter.line(f"{len(self.told)} scenarios: {said}")
        reports = _reports(self.config)
        if reports is not None:
            terminalreporter.line(self._report(reports))

    def _report(self, reports: Path) -> str:
        from ...errors import VeridicalError
        from .result import Result
        from .suite_report import write_suite_report

        try:
            results = [Result.from_dict(told) for _, told in sorted(self.told.items())]
            place = write_suite_report(reports / "index.html", results)
        except VeridicalError as error:
            return f"no report of the suite was written: {error}"
        return f"report: {_short(self.config, place)}"


def _runner(config: pytest.Config) -> Runner:
    """What runs scenarios in this process; made where the first one is run."""
    runner = config.stash.get(_runner_key, None)
    if runner is None:
        from .runs import Runner

        log = None
        if home := config.getoption("veridical_home"):
            from ...agent.log.log import Log
            from ...errors import VeridicalError

            try:
                log = Log.open(config.rootpath / home)
            except VeridicalError as error:
                raise ScenarioFailedError(f"--veridical-home: {error}") from error
        system = config.getoption("veridical_system")
        runner = Runner(name=system, reports=_reports(config), root=config.rootpath, log=log)
        config.stash[_runner_key] = runner
    return runner


def _reports(config: pytest.Config) -> Path | None:
    given = config.getoption("veridical_reports")
    return _short(config, config.rootpath / given) if given else None


def _short(config: pytest.Config, path: Path) -> Path:
    """A path as one would type it: from the folder in which pytest was called, where it lies below."""
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
