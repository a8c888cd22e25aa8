"""Sanity checks of any method on any system; what each tests is told in `veridical.verifier.sanity_judges`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ContractError, InputError
from ..modalities.contract import Observation, System
from ..modalities.engines.ranks import rank_correlation
from ..modalities.engines.task import Method
from ..modalities.target import Target
from .metrics.randomisation import RandomisedMaps, cascade, compare
from .sanity_judges import (
    FEWEST,
    INPUTS,
    RANDOMISATION,
    SWAP,
    SanityCheck,
    SanitySettings,
    judge_inputs,
    judge_randomisation,
    judge_swap,
)
from .subject import Maps, Subject, find_subject

__all__ = ["METHODS_CHECKED", "Sanity", "check_sanity", "edge_energy"]

METHODS_CHECKED = ("gradient-times-input",)
"""The methods checked unless others are asked for: cheap, and with a sign."""


@dataclass(frozen=True)
class Sanity:
    """The checks of one method on one decision.

    Attributes:
        method: name of the method.
        target: what is explained, in words.
        checks: in the order of this module's text.
        explanations: maps that were computed.
    """

    method: str
    target: str
    checks: tuple[SanityCheck, ...]
    explanations: int

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if check.verdict == "failed")


def check_sanity(
    system: System,
    observation: Observation,
    methods: Sequence[Method | str] = METHODS_CHECKED,
    settings: SanitySettings | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Sanity, ...]:
    """Check methods on one decision of a system; the system is left bit for bit as it was found.

    A check that means nothing here says so: *not applicable*, with the reason.

    Args:
        system: what is explained.
        observation: one signal per sense.
        methods: methods, or their names.
        settings: what is spent and how strict the checks are.
        progress: called with the share of the work that is done.

    Raises:
        InputError: the observation cannot be used, or a method means nothing for this system.
        ContractError: the system breaks the contract.

    Example:
        >>> [check.verdict for check in check_sanity(robot, scene, ["guided-backprop"])[0].checks]   # doctest: +SKIP
        ['failed', 'failed', 'passed']
    """
    chosen = settings or SanitySettings()
    found = []
    for index, method in enumerate(methods):
        subject = find_subject(system, observation, method, seed=chosen.seed)

        def advance(share: float, index: int = index) -> None:
            progress((index + share) / len(methods))

        found.append(_Examination(subject, chosen, advance).run())
    progress(1.0)
    return tuple(found)


def edge_energy(subject: Subject) -> Maps:
    """Return the input's own edge energy on the raw axes of each sense; no system is asked.

    Of pictures (frames, 3, height, width): squared differences along both axes, central, summed over colours. Of other
    senses, which know no edges: the squared norm of what the baseline takes away, split as the sense splits
    contributions (a sound's energy by bin and window, the length of each word's embedding).
    """
    found = {}
    for m, p in subject.prepared.items():
        if p.tensor.ndim == 5:
            x = p.tensor[0].double().numpy(force=True)
            found[m] = sum((np.gradient(x, axis=axis) ** 2).sum(1) for axis in (-1, -2))
        else:
            views = subject.system.modalities[m].attribute(p, p.tensor - p.baseline)
            found[m] = np.asarray(views["units"][2], np.float64)
    return found


class _Examination:
    """One method before all checks."""

    def __init__(self, subject: Subject, settings: SanitySettings, progress: Callable[[float], None]) -> None:
        self.subject, self.settings, self.progress = subject, settings, progress
        self.count = 0
        self.others = self._others()
        self.total = 1 + settings.stages + settings.draws - 1 + 1 + len(self.others) + settings.noisy
        self.first = subject.maps()
        self._counted()
        sizes = {m: np.abs(v) for m, v in subject.elements(self.first).items()}
        self.ranked = [m for m, v in sizes.items() if v.size >= FEWEST and v.min() < v.max()]

    def run(self) -> Sanity:
        """Run the checks."""
        subject = self.subject
        randomised, known = self._weights()
        checks = (randomised, self._swap(), known)
        return Sanity(subject.method.name, subject.target.describe(subject.system.actions), checks, self.count)

    def _counted(self) -> None:
        self.count += 1
        self.progress(min(1.0, self.count / self.total))

    def _weights(self) -> tuple[SanityCheck, SanityCheck]:
        """The two checks that draw weights anew; the cascade ends with the first of the fully randomised systems."""
        try:
            stages = cascade(self.subject, self.settings.stages, self.settings.seed, self._counted)
        except InputError as error:  # there are no weights
            why = str(error).removeprefix("randomisation: ")
            first, last = (SanityCheck(name, "not applicable", why) for name in (RANDOMISATION, INPUTS))
            return first, last
        whole = stages[-1:]
        for draw in range(1, self.settings.draws):
            whole += cascade(self.subject, 1, self.settings.seed + draw, self._counted)
        randomised = [self.subject.densities(stage.maps) for stage in whole if stage.trouble is None]
        edges = self.subject.densities(edge_energy(self.subject))
        densities = {m: v for m, v in self.subject.densities(self.first).items() if m in edges}
        return (
            judge_randomisation(self._alike(stages), self._alike(whole)),
            judge_inputs(densities, randomised, edges, self.settings),
        )

    def _alike(self, stages: Sequence[RandomisedMaps]) -> dict[str, list[float]]:
        """Similarities to the first map, by sense; stages in trouble are left out."""
        each = [compare(self.subject, self.first, stage).by_sense for stage in stages]
        return {m: [by_sense[m] for by_sense in each if m in by_sense] for m in self.ranked}

    def _others(self) -> list[int]:
        """The runner-up, the last, and those evenly between, by score."""
        chosen = self.subject.target.action
        order = [int(k) for k in np.argsort(self.subject.logits)[::-1] if int(k) != chosen]
        places = np.linspace(0, len(order) - 1, min(self.settings.others, len(order))).round().astype(int)
        return [order[int(place)] for place in places]

    def _swap(self) -> SanityCheck:
        actions, settings = self.subject.system.actions, self.settings
        action = self.subject.target.action
        # Of two actions the log-odds are free of what logits share; of more, all log-odds hold the one decided on.
        kind = "logit" if len(actions) > 2 else "log-odds"
        if not isinstance(action, int) or not self.others:
            return SanityCheck(SWAP, "not applicable", "there is one action, so no other can be asked about")
        asked = Target(action, kind=kind)
        base = self.first if asked == self.subject.target else self._signed(asked)
        values = {m: v for m, v in self.subject.elements(base).items() if m in self.ranked}
        if not values:
            why = f"the map of {actions[action]} has one value throughout, or fewer than {FEWEST} elements"
            return SanityCheck(SWAP, "not applicable", why)
        if len(actions) == 2 and not self.subject.method.additive and all(v.min() >= 0 for v in values.values()):
            why = f"of two actions, what speaks for {actions[action]} speaks against the other, and a map without sign "
            return SanityCheck(SWAP, "not applicable", why + "is the same for both")
        swapped = {
            actions[k]: self._likeness(values, self._signed(Target(k, kind=kind), seed=i + 1))
            for i, k in enumerate(self.others)
        }
        null = [self._likeness(values, self._signed(asked, settings.noise, seed=i + 1)) for i in range(settings.noisy)]
        ranked = {name: value for name, value in swapped.items() if value is not None}
        return judge_swap(actions[action], ranked, [v for v in null if v is not None], settings)

    def _signed(self, target: Target, noise: float = 0.0, seed: int = 0) -> Maps:
        """Maps of another question or of a noisy input; none where the system breaks the contract there."""
        try:
            return self.subject.maps(target, noise, self.settings.seed + seed)
        except ContractError:
            return {}
        finally:
            self._counted()

    def _likeness(self, base: Mapping[str, np.ndarray], maps: Maps) -> float | None:
        """Mean over the senses of the rank correlation, signs and all; None where no sense ranks anything."""
        other = self.subject.elements(maps)
        found = [rank_correlation(v, other[m]) for m, v in base.items() if m in other and v.size == other[m].size]
        ranked = [v for v in found if v is not None]
        return float(np.mean(ranked)) if ranked else None
