"""Expectations, held against what happens: cheap ones first, explanations only where one asks for them.

Of which variants each is asked (``expect.on`` says ``all``, ``scene`` or ``variants``):

- ``action``, ``not_action``, ``probability``: of each of them;
- ``same_as``, ``direction``: of all of them together;
- ``rely_on``, ``not_rely_on``: of each in which the reason's own sense is not perturbed;
- ``counterfactual``: of each that is not perturbed, for the scene is rendered again;
- concepts, ``verdict``, ``oversight``: they need an explanation, which takes long; of the scene as written alone, and
  with ``on: variants`` of the first four variants;
- ``robust``, ``latency_ms``: of the first one that is asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .expect_bounds import check_latency, check_oversight, check_robust, check_verdict
from .expect_decisions import check_decisions, counterfactuals, directions, invariance, known_actions
from .expect_reasons import check_reasons
from .expect_trial import Trial
from .result import Checked
from .schema_expect import Expect

__all__ = ["EXPLAINED", "asked_of", "check", "explained_of", "unasked"]

EXPLAINED = 4
"""Variants of which explanations are asked at most, with ``on: variants``."""


def asked_of(trial: Trial, expect: Expect) -> list[Any]:
    """Return the variants of which something is expected."""
    base, *others = trial.variants
    return {"all": [base, *others], "scene": [base], "variants": others}[expect.on]


def explained_of(trial: Trial, expect: Expect) -> list[Any]:
    """Return the variants of which an explanation may be asked."""
    return asked_of(trial, expect)[: EXPLAINED if expect.on == "variants" else 1]


def check(
    trial: Trial,
    expect: Expect,
    policy: Path | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> list[Checked]:
    """Hold every expectation against what the system does.

    Args:
        trial: the system and the scenario's variants.
        expect: what is expected.
        policy: path of the oversight policy that it names.
        progress: called with a stage and the share of it that is done.

    Returns:
        The checks, in the order of the format's keys; one for each variant that an expectation is asked of.
    """
    unknown = known_actions(expect, list(trial.system.actions))
    if unknown:
        return unknown
    asked, explained = asked_of(trial, expect), explained_of(trial, expect)
    if not asked:
        told = "there are no variants: vary or perturb something, or leave `on` out"
        return [Checked("on", None, "there are variants", told, {}, "run")]
    stages: list[tuple[str, Callable[[], list[Checked]]]] = [
        ("decide", lambda: check_decisions(trial, expect, asked)),
        ("decide", lambda: invariance(trial, asked) if expect.same_as else []),
        ("decide", lambda: directions(trial, expect, asked)),
        ("render", lambda: counterfactuals(trial, expect, asked)),
        ("measure", lambda: check_reasons(trial, expect, asked, explained)),
        ("explain", lambda: check_verdict(trial, expect, explained)),
        ("search", lambda: check_robust(trial, expect, asked[0])),
        ("time", lambda: check_latency(trial, expect, asked[0])),
        ("oversee", lambda: [c for v in explained for c in check_oversight(trial, expect, v, policy)]),
    ]
    found = []
    for k, (stage, work) in enumerate(stages):
        progress(stage, k / len(stages))
        found += work()
    progress("check", 1.0)
    return found


def unasked(trial: Trial, expect: Expect) -> list[str]:
    """Say of what an explanation was not asked, where it might be thought that it was."""
    concepts = any(each.concept for each in (*expect.rely_on, *expect.not_rely_on))
    if not (concepts or expect.verdict or expect.oversight):
        return []
    left = len(asked_of(trial, expect)) - len(explained_of(trial, expect))
    if not left:
        return []
    where = "the scene as written" if expect.on != "variants" else f"the first {EXPLAINED} variants"
    return [
        f"verdict, concepts and oversight were asked of {where}, not of {left} further variant{'s' if left > 1 else ''}"
    ]
