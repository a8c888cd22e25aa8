"""A failing scenario made smaller, to the smallest that still fails in the same way.

Parts are left out by delta debugging: expectations, swept values and perturbations, then things, sounds and sentences.
Then keys fall back to what is usual and numbers go towards nothing. What counts as the same failure: the same
expectation is not met in the same way (false or not settled; the same action chosen, the same verdict), and the rule of
Courier's policy that applies to the scene is the same. Without the last, every scene would shrink to an empty one, in
which it is right not to stop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ...errors import InputError
from .load import SUFFIX, LoadedScenario, read_scenario
from .minimise_ddmin import ddmin, one_minimal
from .minimise_parts import EXPECTED, Unit, alone, kept, plain_of, unit_of, units_of
from .minimise_simpler import simpler, weaker
from .minimise_yaml import to_yaml
from .schema import Scenario
from .swept import rule_of, scenes_of

if TYPE_CHECKING:
    from .result import Checked, Result

__all__ = ["MOST_RUNS", "Minimised", "check_place", "minimise", "write_minimised"]

MOST_RUNS = 400
"""Runs after which it stops with the smallest found so far."""

Run = Callable[[LoadedScenario], "Result"]
Way = tuple[Any, ...]


@dataclass(frozen=True)
class Minimised:
    """What was left of a scenario.

    Attributes:
        text: of the new file, YAML.
        expectation: that is still not met, as the new file counts it.
        runs: how many scenarios were run, the one given included.
        before: parts that could have been left out: expectations, variants' values, things, sounds, sentences …
        after: those that are left.
        whole: whether no further part can be left out; False where the runs were used up.
    """

    text: str
    expectation: str
    runs: int
    before: int
    after: int
    whole: bool


def minimise(
    loaded: LoadedScenario,
    run: Run,
    *,
    expectation: str | None = None,
    most: int = MOST_RUNS,
    progress: Callable[[int, int], None] | None = None,
) -> Minimised:
    """Make a failing scenario smaller.

    Args:
        loaded: the scenario.
        run: runs one, as `run.run_scenario` does for one system; whatever goes wrong is in its result.
        expectation: the one whose failure is kept, such as ``rely_on[0]``; by default the first that is not met.
        most: runs at most.
        progress: called after each run with the number of runs and of parts that are left.

    Raises:
        InputError: nothing fails, or not this expectation; the scenario cannot be run; or it does not fail again.
    """
    if most < 2:
        raise InputError(f"minimise: {most} runs at most; two are needed to begin with")
    plain = plain_of(loaded.scenario)
    search = _Search(loaded, plain, run, most, progress or (lambda runs, parts: None))
    search.begin(expectation)
    before, whole = len(units_of(plain)), True
    try:
        plain = search.fewer_parts(plain)
        plain = search.fewest(weaker(simpler(plain, search.fails), search.fails))
    except _UsedUpError:
        plain, whole = search.best, False
    return Minimised(
        text=search.text(plain),
        expectation=search.name,
        runs=search.runs,
        before=before,
        after=len(units_of(plain)),
        whole=whole,
    )


def check_place(path: Path, loaded: LoadedScenario, *, replace: bool = False) -> None:
    """Refuse a place at which what is left of a scenario cannot be written, or not be run.

    Raises:
        InputError: the name does not end as scenarios' names do, the file is there already, or it would no longer find
            the files that the scenario names.
    """
    if not path.name.endswith(SUFFIX) or path.name == SUFFIX:
        raise InputError(f"{path}: name it *{SUFFIX}, so that it is found as a scenario")
    if path.exists() and path.samefile(loaded.path):
        raise InputError(f"{path} is the scenario itself; name another file")
    if path.exists() and not replace:
        raise InputError(f"{path} is there already; name another file, or allow that it is replaced (--force)")
    told = loaded.scenario
    driven = told.storyboard is not None and told.storyboard.policy is not None
    if (told.observation or told.expect.oversight or driven) and path.resolve().parent != loaded.path.resolve().parent:
        raise InputError(
            f"{path}: the scenario names files beside it; write the new one into {loaded.path.parent}, too"
        )


def write_minimised(path: Path, loaded: LoadedScenario, made: Minimised, *, replace: bool = False) -> LoadedScenario:
    """Write the new file, and read it.

    Args:
        path: of the new file.
        loaded: the scenario that was made smaller.
        made: what was left of it.
        replace: whether a file that is there already may be replaced.

    Raises:
        InputError: see `check_place`; or the file cannot be written.
    """
    check_place(path, loaded, replace=replace)
    try:
        path.write_text(made.text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; name another place") from error
    return read_scenario(path)


class _UsedUpError(Exception):
    """No run is left."""


class _Search:
    """Runs scenarios and remembers which failed in the same way.

    Attributes:
        runs: how many were run.
        best: the smallest that failed in the same way, as plain data.
        name: of the expectation, as the one given counts it; once the others are left out, as the smaller ones do.
    """

    def __init__(
        self, loaded: LoadedScenario, plain: dict[str, Any], run: Run, most: int, progress: Callable[[int, int], None]
    ) -> None:
        self.loaded, self.run, self.most, self.progress = loaded, run, most, progress
        self.runs, self.name, self.best = 0, "", plain
        self._ways: frozenset[Way] = frozenset()
        self._known: dict[str, bool] = {}

    def begin(self, expectation: str | None) -> None:
        """Run the scenario as it is, and keep how it fails."""
        result = self._ran(self.loaded)
        checked = _target(self.loaded, result, expectation)
        self.name = checked.expectation
        self._ways = self._failed(self.loaded, result)

    def fewer_parts(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Leave out what can be: other expectations at once, then variants, then what is in the scene."""
        target, name = unit_of(self.name), self.name
        units = units_of(plain)
        rest = [unit for unit in units if unit[0] not in EXPECTED]
        expected = [unit for unit in units if unit[0] in EXPECTED]
        if target is not None:
            self.name = alone(name)
            if self._parts_fail(plain, [target, *rest]):
                expected = [target]
            else:  # it fails beside the others alone: they stay, and are counted as they were
                self.name = name
        left = [*expected, *rest]
        for kinds in (EXPECTED, ("row", "value", "strength"), None):
            if kinds == EXPECTED and target is not None:
                continue
            own = [unit for unit in left if (kinds is None and unit not in expected) or (kinds and unit[0] in kinds)]
            others = frozenset(left) - set(own)
            small = ddmin(own, lambda some, others=others: self._parts_fail(plain, [*others, *some]))
            left = [unit for unit in left if unit in others or unit in small]
        return kept(plain, left) or plain

    def fewest(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Leave out single parts until none can be left out any more."""
        left = one_minimal(units_of(plain), lambda some: self._parts_fail(plain, some))
        found = kept(plain, left) or plain
        if not self.fails(found):
            told = f"{self.name} is met when the scenario is written down again and run: its failure comes and goes"
            raise InputError(f"{self.loaded.path}: {told}; nothing can be made of it by leaving out parts")
        return found

    def _parts_fail(self, plain: Mapping[str, Any], units: Collection[Unit]) -> bool:
        tried = kept(plain, units)
        return tried is not None and self.fails(tried)

    def fails(self, plain: dict[str, Any]) -> bool:
        """Whether a scenario fails in the same way; one that the schema refuses does not."""
        key = json.dumps(plain, sort_keys=True)
        if key not in self._known:
            scenario = _valid(plain)
            self._known[key] = scenario is not None and self._same(scenario, plain)
        return self._known[key]

    def _same(self, scenario: Scenario, plain: dict[str, Any]) -> bool:
        digest = f"sha256:{sha256(self.text(plain).encode()).hexdigest()}"
        tried = LoadedScenario(self.loaded.path, scenario, digest)
        failed = bool(self._failed(tried, self._ran(tried)) & self._ways)
        if failed and _size(plain) <= _size(self.best):
            self.best = plain
        self.progress(self.runs, len(units_of(self.best)))
        return failed

    def _ran(self, loaded: LoadedScenario) -> Result:
        if self.runs >= self.most:
            raise _UsedUpError
        self.runs += 1
        return self.run(loaded)

    def _failed(self, loaded: LoadedScenario, result: Result) -> frozenset[Way]:
        """The ways in which the expectation is not met: the action, what came of it, the rule of the policy there."""
        rules = _rules(loaded.scenario)
        seen = {each.name: each for each in result.variants}
        base = result.variants[0] if result.variants else None
        ways = set()
        for check in result.failures:
            if check.expectation == self.name and check.kind != "run":
                own = seen.get(check.variant, base)
                values = {} if own is None else own.values
                figures = tuple(str(check.figures.get(key)) for key in ("after", "verdict", "level", "scene"))
                action = None if own is None else own.action
                ways.add((check.held, action, *figures, rules.get(json.dumps(dict(values), sort_keys=True))))
        return frozenset(ways)

    def text(self, plain: Mapping[str, Any]) -> str:
        """The file: the same for the same scenario, for controls of explanations are drawn from its digest."""
        name = self.loaded.path.name
        title = f"{plain['scenario'].removesuffix(_TITLE)[: 200 - len(_TITLE)]}{_TITLE}"
        first = f"# What is left of {name}: take anything more away, and {self.name} no longer fails as it does.\n"
        return first + to_yaml({**plain, "scenario": title})


_TITLE = " (minimised)"


def _target(loaded: LoadedScenario, result: Result, expectation: str | None) -> Checked:
    """The check whose failure is kept."""
    own = [check for check in result.checked if check.kind == "run"]
    if result.status == "error" or own:
        told = own[0].happened if own else "it could not be run"
        raise InputError(f"{loaded.path}: it cannot be tried: {told}")
    failures = [check for check in result.failures if expectation in (None, check.expectation)]
    if not failures:
        there = ", ".join(dict.fromkeys(check.expectation for check in result.failures))
        if expectation is not None and there:
            raise InputError(f"{loaded.path}: {expectation!r} does not fail; what does: {there}")
        raise InputError(f"{loaded.path}: nothing fails, so that nothing can be made smaller; it is {result.status}")
    return next((check for check in failures if check.held is False), failures[0])


def _valid(plain: Mapping[str, Any]) -> Scenario | None:
    try:
        scenario = Scenario.model_validate(plain)
        for _ in scenes_of(scenario):  # a swept path may lead nowhere now
            pass
    except (ValidationError, ValueError):
        return None
    return scenario


def _rules(scenario: Scenario) -> dict[str, str]:
    """The policy's rule in the scene as written and with each combination of the swept values."""
    return {json.dumps(dict(values), sort_keys=True): rule_of(spec).name for values, spec in scenes_of(scenario)}


def _size(plain: Mapping[str, Any]) -> tuple[int, int]:
    return len(units_of(plain)), len(json.dumps(plain))
