"""A failing scenario made smaller, to the smallest that still fails in the same way.

Parts are left out by delta debugging: expectations, swept values and perturbations, then things, sounds and sentences.
Then keys fall back to what is usual and numbers go towards nothing. What counts as the same failure: the same
expectation is not met in the same way (false or not settled; the same action chosen, the same verdict), and the rule of
Courier's policy that applies to the scene is the same. Without the last, every scene would shrink to an empty one, in
which it is right not to stop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ...errors import InputError
from .load import SUFFIX, LoadedScenario, read_scenario
from .minimise_ddmin import ddmin, one_minimal
from .minimise_parts import Unit, kept, plain_of, unit_of, units_of
from .minimise_simpler import simpler, weaker
from .minimise_yaml import to_yaml
from .schema import Scenario
from .swept import rule_of, scenes_of

if TYPE_CHECKING:
    from .result import Checked, Result

__all__ = ["MOST_RUNS", "Minimised", "minimise", "target_of", "write_minimised"]

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
        InputError: nothing fails, or not this expectation, or the scenario cannot be run.
    """
    plain = plain_of(loaded.scenario)
    search = _Search(loaded, run, most, progress or (lambda runs, parts: None))
    target = search.begin(plain, expectation)
    units = units_of(plain)
    try:
        search.left = (plain, units)
        plain = search.smaller(plain, units, target)
        plain = search.settle(weaker(simpler(plain, search.fails), search.fails))
    except _UsedUp:
        plain = search.best
    after = units_of(plain)
    text = search.text(plain)
    return Minimised(text, search.named(plain), search.runs, len(units), len(after), not search.used_up)
