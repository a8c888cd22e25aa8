"""Which combinations of action, cause, sense and perturbation scenarios exercise, and which they do not.

The space is that of Courier's written policy. An *action* is what the policy asks for in the scene, a *cause* one that
the rule that applies rests on (``none`` where nothing speaks against going on), a *perturbation* what a variant's
observation undergoes and the *sense* the one that is disturbed (``none`` and ``none`` in a variant that is not). A
combination is exercised when at least one variant has it; of causes present together, pairs are counted beside.

That a combination was exercised says nothing about how the system did, nor about scenes between those that were tried:
coverage shows what was forgotten, and is no measure of safety. It is the combinatorial testing community's view of a
test suite (Kuhn, Kacker and Lei, NIST SP 800-142, 2010, chapter 7), taken over values as they stand in the files.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..courier.policy import RULES
from .perturb_names import KINDS
from .swept import SENSES_OF, causes_of, rule_of, scenes_of

if TYPE_CHECKING:
    from .load import LoadedScenario
    from .schema import Scenario

__all__ = ["AXES", "FORMAT", "NONE", "Cell", "Coverage", "cover", "space"]

FORMAT = "veridical.scenario-coverage/1"
"""Name and version of the plain data's layout."""

NONE = "none"
"""The cause of going on, and the perturbation of what is not disturbed."""

AXES = ("action", "cause", "sense", "perturbation")
"""The axes of the space."""


@dataclass(frozen=True, order=True)
class Cell:
    """One combination.

    Attributes:
        action: what the policy asks for.
        cause: on which cause.
        sense: which sense is disturbed.
        perturbation: by what.
    """

    action: str
    cause: str
    sense: str
    perturbation: str


def _demands() -> list[tuple[str, str]]:
    """Action and cause of each rule, in the policy's order, each once."""
    found = [(rule.action, cause) for rule in RULES for cause in sorted(rule.causes) or [NONE]]
    return list(dict.fromkeys(found))


def _disturbances() -> list[tuple[str, str]]:
    """Sense and perturbation: nothing, then each perturbation of each sense that it can disturb."""
    return [(NONE, NONE), *((sense, name) for name, kind in KINDS.items() for sense in kind.senses)]


def space() -> tuple[Cell, ...]:
    """Return all combinations that are possible."""
    return tuple(Cell(*demand, *disturbed) for demand in _demands() for disturbed in _disturbances())


@dataclass(frozen=True)
class Coverage:
    """What was exercised.

    Attributes:
        scenarios: how many were looked at.
        variants: how many variants they have, the scenes as written included.
        counts: variants by combination; one variant may have several, and stands in each.
        together: variants by pair of causes present in the scene, in alphabetical order; a cause by itself with itself.
        families: scenarios by family.
        outside: scenarios made of files, in which nobody says what stands; they are not counted further.
    """

    scenarios: int
    variants: int
    counts: Mapping[Cell, int]
    together: Mapping[tuple[str, str], int]
    families: Mapping[str, int]
    outside: tuple[str, ...] = field(default=())

    @property
    def exercised(self) -> tuple[Cell, ...]:
        """The combinations that at least one variant has."""
        return tuple(cell for cell in space() if self.counts.get(cell))

    @property
    def missing(self) -> tuple[Cell, ...]:
        """The combinations that are possible and that no variant has."""
        return tuple(cell for cell in space() if not self.counts.get(cell))

    def pairs(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return how many pairs of values are exercised and how many are possible, for each two axes."""
        found = {}
        for one, other in itertools.combinations(AXES, 2):
            possible = {(getattr(c, one), getattr(c, other)) for c in space()}
            tried = {(getattr(c, one), getattr(c, other)) for c in self.exercised}
            found[one, other] = (len(tried), len(possible))
        return found

    def matrices(self) -> list[dict[str, Any]]:
        """Return matrices for a report of the suite: perturbations by demands, and causes present together.

        Each has ``title``, ``rows``, ``columns``, ``cells`` (None where a combination cannot be) and ``given``.
        """
        demands, disturbed = _demands(), _disturbances()
        said = "Variants by what the policy asks for and why, and by what was disturbed. 0: never tried. "
        first = {
            "title": "What was disturbed, and what was asked for",
            "rows": [f"{name} of {sense}" if name != NONE else "nothing" for sense, name in disturbed],
            "columns": [f"{action}: {cause}" for action, cause in demands],
            "cells": [[self.counts.get(Cell(*demand, *how), 0) for demand in demands] for how in disturbed],
            "given": f"{said}That something was tried says nothing about how it came out.",
        }
        causes = list(SENSES_OF)
        second = {
            "title": "Causes present together",
            "rows": causes,
            "columns": causes,
            "cells": [
                [self.together.get((min(a, b), max(a, b)), 0) if j <= i else None for j, b in enumerate(causes)]
                for i, a in enumerate(causes)
            ],
            "given": "Variants whose scene holds both; on the diagonal those that hold the one at all.",
        }
        return [first, second]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "format": FORMAT,
            "scenarios": self.scenarios,
            "variants": self.variants,
            "families": dict(self.families),
            "possible": len(space()),
            "exercised": [{**vars(cell), "variants": self.counts[cell]} for cell in self.exercised],
            "missing": [dict(vars(cell)) for cell in self.missing],
            "pairs": [
                {"axes": list(axes), "exercised": tried, "possible": possible}
                for axes, (tried, possible) in self.pairs().items()
            ],
            "together": [{"causes": list(pair), "variants": count} for pair, count in sorted(self.together.items())],
            "outside": list(self.outside),
            "caution": "Coverage shows what was not tried; it is no measure of safety.",
        }


def cover(loaded: Iterable[LoadedScenario]) -> Coverage:
    """Return what scenarios exercise. Nothing is rendered and no system is asked: it is read from the files."""
    counts: Counter[Cell] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    families: Counter[str] = Counter()
    scenarios, variants, outside = 0, 0, list[str]()
    for one in loaded:
        scenarios += 1
        families[one.scenario.family] += 1
        if one.scenario.scene is None:
            variants += 1 + sum(1 for _ in _perturbed(one.scenario))
            outside.append(one.name)
            continue
        for cells, present in _variants(one.scenario):
            variants += 1
            counts.update(cells)
            together.update(itertools.combinations_with_replacement(sorted(present), 2))
    return Coverage(scenarios, variants, dict(counts), dict(together), dict(sorted(families.items())), tuple(outside))


def _variants(scenario: Scenario) -> Iterator[tuple[list[Cell], frozenset[str]]]:
    """The combinations and the causes of each variant, in the order in which `vary` makes them."""
    (_, base), *swept = scenes_of(scenario)
    disturbed = list(_perturbed(scenario))
    plain = [base, *(spec for _, spec in swept)]
    for spec in plain:
        yield _cells(spec, [(NONE, NONE)]), causes_of(spec)
    for spec in plain[1:] or [base]:
        for how in disturbed:
            yield _cells(spec, how or [(NONE, NONE)]), causes_of(spec)


def _perturbed(scenario: Scenario) -> Iterator[list[tuple[str, str]]]:
    """Sense and perturbation of what is done together, for each choice of strengths; strength 0 does nothing."""
    for specs in scenario.perturb:
        for strengths in itertools.product(*(spec.strength for spec in specs)):
            yield [(spec.senses[0], spec.name) for spec, strength in zip(specs, strengths, strict=True) if strength > 0]


def _cells(spec: Any, disturbed: Sequence[tuple[str, str]]) -> list[Cell]:
    rule = rule_of(spec)
    causes = sorted(rule.causes) or [NONE]
    return [Cell(rule.action, cause, *how) for cause in causes for how in dict.fromkeys(disturbed)]
