"""Expectations of decisions alone: which action, how probable, unchanged by variation, moving the right way.

Three of them are the kinds of CheckList (Ribeiro et al., ACL 2020): ``action``, ``not_action`` and ``probability`` are
minimum functionality tests, ``same_as`` is an invariance test, ``direction`` a directional expectation test.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import VeridicalError
from ...modalities.target import decision_score
from ...modalities.wording import listed, percent
from .expect_trial import Decided, Trial
from .result import Checked
from .schema_expect import Counterfactual, Direction, Expect, PartSpec, Probability

__all__ = ["check_decisions", "counterfactuals", "directions", "failed", "invariance", "known_actions", "part_of"]

_STEP = 1e-6  # rounding of a probability


def failed(expectation: str, error: VeridicalError, expected: str, kind: str, variant: str = "") -> Checked:
    """Return the failed check of what could not be found out, with the error's sentence."""
    return Checked(expectation, False, expected, str(error), {}, kind, variant)


def known_actions(expect: Expect, actions: Sequence[str]) -> list[Checked]:
    """Return a failed check for each action that is spoken of and that the system does not have."""
    spoken = {*(expect.action or ()), *(expect.not_action or ())}
    spoken |= {p.of for p in expect.probability} | {d.of for d in expect.direction}
    for each in expect.counterfactual:
        spoken |= {*(each.action or ()), *(each.not_action or ())}
    there = ", ".join(actions)
    return [
        Checked(
            "actions", False, f"the system knows {name}", f"it has no action {name!r}, only {there}; mend the file",
            {"action": name}, "run",
        )
        for name in sorted(spoken - set(actions))
    ]  # fmt: skip


def check_decisions(trial: Trial, expect: Expect, variants: Sequence[Any]) -> list[Checked]:
    """Hold ``action``, ``not_action`` and ``probability`` against the decision in each variant."""
    asked = bool(expect.action or expect.not_action or expect.probability)
    found = []
    for variant in variants if asked else ():
        try:
            decided = trial.decided(variant)
        except VeridicalError as error:
            wanted = f"a decision{f', {_either(expect.action)}' if expect.action else ''}"
            found.append(failed("action", error, wanted, "minimum functionality", variant.name))
            continue
        if expect.action:
            found.append(_chosen("action", decided, expect.action, True, variant.name))
        if expect.not_action:
            found.append(_chosen("not_action", decided, expect.not_action, False, variant.name))
        found += [_probable(k, decided, wanted, variant.name) for k, wanted in enumerate(expect.probability)]
    return found


def invariance(trial: Trial, variants: Sequence[Any]) -> list[Checked]:
    """Hold every variant's decision against that in the scene as written; one check for all of them."""
    expected = "every variant is decided as the scene as written is"
    try:
        base = trial.decided(trial.variants[0])
    except VeridicalError as error:
        return [failed("same_as", error, expected, "invariance")]
    others, broken = [v for v in variants if v is not trial.variants[0]], []
    chosen: dict[str, str] = {}
    for variant in others:
        try:
            chosen[variant.name] = trial.decided(variant).action
            if chosen[variant.name] != base.action:
                broken.append(f"{variant.name}: {chosen[variant.name]}")
        except VeridicalError as error:
            broken.append(f"{variant.name}: no decision ({error})")
    kept = f"{len(others) - len(broken)} of {len(others)} variants are decided {base.action}, as the scene is"
    figures = {"scene": base.action, "variants": chosen, "kept": len(others) - len(broken), "of": len(others)}
    if not others:
        told = "there is no variant: vary or perturb something, or leave same_as out"
        return [Checked("same_as", None, expected, told, figures, "invariance")]
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    told = f"{kept}; not {listed(broken[:3])}{more}" if broken else kept
    return [Checked("same_as", not broken, expected, told, figures, "invariance")]


def directions(trial: Trial, expect: Expect, variants: Sequence[Any]) -> list[Checked]:
    """Hold the way a probability moves over a sweep against the way it should; one check for each run of the sweep."""
    return [check for k, wanted in enumerate(expect.direction) for check in _direction(trial, wanted, k, variants)]


def _direction(trial: Trial, wanted: Direction, index: int, variants: Sequence[Any]) -> list[Checked]:
    name, kind = f"direction[{index}]", "direction"
    expected = (
        f"P({wanted.of}) goes {wanted.goes} as {wanted.when} rises"
        f"{f', by no more than {wanted.slack:g} the other way from one value to the next' if wanted.slack else ''}"
    )
    runs = _runs(wanted.when, variants)
    if not runs:
        told = f"{wanted.when} takes fewer than two values that can be put in order; vary it"
        return [Checked(name, None, expected, told, {}, kind)]
    found = []
    for rest, run in runs.items():
        try:
            points = [(value, trial.decided(variant).probabilities.get(wanted.of, 0.0)) for value, variant in run]
        except VeridicalError as error:
            found.append(failed(name, error, expected, kind, rest))
            continue
        sign = 1 if wanted.goes == "up" else -1
        moves = [sign * (b[1] - a[1]) for a, b in itertools.pairwise(points)]
        held = min(moves) >= -wanted.slack - _STEP and sum(moves) > _STEP
        told = ", ".join(f"{value:g}: {percent(p)}" for value, p in points)
        figures = {"when": wanted.when, "of": wanted.of, "points": [list(p) for p in points]}
        found.append(Checked(name, held, expected, f"P({wanted.of}) at {told}", figures, kind, rest))
    return found


def _runs(when: str, variants: Iterable[Any]) -> dict[str, list[tuple[float, Any]]]:
    """Variants by what else is varied in them, each run in the swept value's order; none that is perturbed."""
    runs: dict[str, list[tuple[float, Any]]] = {}
    for variant in variants:
        value = variant.values.get(when)
        if isinstance(value, bool) or not isinstance(value, int | float) or variant.perturbations:
            continue
        rest = ", ".join(f"{key}={value}" for key, value in variant.values.items() if key != when)
        runs.setdefault(rest, []).append((float(value), variant))
    return {rest: sorted(run, key=lambda each: each[0]) for rest, run in runs.items() if len(run) > 1}


def counterfactuals(trial: Trial, expect: Expect, variants: Sequence[Any]) -> list[Checked]:
    """Render each scene again without a part, and hold what is then decided against what should be."""
    asked = [v for v in variants if not v.perturbations]
    found = []
    for k, wanted in enumerate(expect.counterfactual):
        if not asked:
            told = "every variant that is asked about is perturbed, and none of these can be rendered again"
            found.append(Checked(f"counterfactual[{k}]", None, _without(wanted), told, {}, "counterfactual"))
        found += [_counterfactual(trial, wanted, k, variant) for variant in asked]
    return found


def _counterfactual(trial: Trial, wanted: Counterfactual, index: int, variant: Any) -> Checked:
    name, expected, kind = f"counterfactual[{index}]", _without(wanted), "counterfactual"
    try:
        before = trial.decided(variant)
        observation = _rendered(variant, wanted.without)
        if observation is None:
            told = f"the scene has no {_told(wanted.without)} that could be left out"
            return Checked(name, None, expected, told, {}, kind, variant.name)
        after = trial.decide(observation, f"variant {variant.name!r} without {_told(wanted.without)}")
    except VeridicalError as error:
        return failed(name, error, expected, kind, variant.name)
    held = (wanted.action is None or after.action in wanted.action) and after.action not in (wanted.not_action or ())
    happened = (
        f"{after.action} ({percent(after.probabilities[after.action])}); with it {before.action} "
        f"({percent(before.probabilities[before.action])})"
    )
    # The true effect of the part: that of rendering, to be held beside that of editing.
    at = list(before.probabilities).index(before.action)
    effect = float(decision_score(after.logits[None], at)[0]) - before.score
    figures = {"before": before.action, "after": after.action, "probabilities": dict(after.probabilities),
               "effect": effect}  # fmt: skip
    return Checked(name, held, expected, happened, figures, kind, variant.name)


def _rendered(variant: Any, part: PartSpec) -> Mapping[str, Any] | None:
    """The variant's observation without a part; None where it has no such part."""
    named = part_of(variant, part)
    if named is not None:
        return variant.composed.parts[named].without()
    text = variant.observation.get("text")
    if part.words is None or not isinstance(text, str) or part.words not in text:
        return None
    return {**variant.observation, "text": " ".join(text.replace(part.words, " ", 1).split())}


def part_of(variant: Any, part: PartSpec) -> str | None:
    """Return the name of the scene's part that is meant; None where the scene has none that is just that."""
    if variant.composed is None:
        return None
    parts = variant.composed.parts
    if part.words is None:
        what, value = part.what, getattr(part, part.what)
        name = "patch" if what == "patch" else f"{what} {value}"
        return name if name in parts else None
    text = str(variant.composed.observation.get("text", ""))
    for name, each in parts.items():
        if each.sense == "text" and each.span and _bare(text[slice(*each.span)]) == _bare(part.words):
            return name
    return None


def _bare(words: str) -> str:
    """Words without what stands around them: the full stop at a sentence's end is no part of what is meant."""
    return words.strip().rstrip(".!")


def _told(part: PartSpec) -> str:
    value = getattr(part, part.what)
    return "patch" if part.what == "patch" else f"words “{value}”" if part.what == "words" else f"{part.what} {value}"


def _either(actions: Sequence[str]) -> str:
    return " or ".join(actions)


def _without(wanted: Counterfactual) -> str:
    asked = [_either(wanted.action)] if wanted.action else []
    asked += [f"not {_either(wanted.not_action)}"] if wanted.not_action else []
    return f"rendered without {_told(wanted.without)}: {', '.join(asked)}"


def _chosen(name: str, decided: Decided, actions: Sequence[str], among: bool, variant: str) -> Checked:
    held = (decided.action in actions) is among
    happened = f"{decided.action} ({percent(decided.probabilities[decided.action])})"
    figures = {"action": decided.action, "probabilities": dict(decided.probabilities), "margin": decided.margin}
    expected = _either(actions) if among else f"not {_either(actions)}"
    return Checked(name, held, expected, happened, figures, "minimum functionality", variant)


def _probable(index: int, decided: Decided, wanted: Probability, variant: str) -> Checked:
    value = decided.probabilities.get(wanted.of, 0.0)
    bounds = [f"at least {wanted.least:g}"] if wanted.least > 0 else []
    bounds += [f"at most {wanted.most:g}"] if wanted.most < 1 else []
    held = wanted.least - _STEP <= value <= wanted.most + _STEP
    expected, figures = f"P({wanted.of}) {' and '.join(bounds)}", {"of": wanted.of, "probability": value}
    happened = f"P({wanted.of}) = {value:.3f}"
    return Checked(f"probability[{index}]", held, expected, happened, figures, "minimum functionality", variant)
