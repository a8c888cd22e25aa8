"""Expectations of reasons: what the decision must rest on, and what it must not.

Each is settled by intervention: the part is taken away in two ways, and its share of all measured falls of the score is
held against the bound. For ``rely_on`` both ways must agree that the part speaks for the decision; where they disagree
in sign the matter is *not settled*, which counts as failed and says so. ``not_rely_on`` holds where the share is small
by the mean and by each way alone; a mean below the bound with one way above it is not settled either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...errors import InputError, VeridicalError
from ...modalities.wording import percent
from .expect_decisions import failed, part_of
from .expect_trial import Trial
from .reliance import Effect, Reliance
from .result import Checked
from .schema_expect import Expect, NotRelyOn, RelyOn

__all__ = ["check_reasons", "concept_effect", "held_by", "senses_of"]

Wanted = RelyOn | NotRelyOn

_KIND = "reason"


def check_reasons(trial: Trial, expect: Expect, variants: Sequence[Any], explained: Sequence[Any]) -> list[Checked]:
    """Hold ``rely_on`` and ``not_rely_on`` against what each decision rests on.

    Args:
        trial: the system and its variants.
        expect: what is expected.
        variants: of which it is expected; a reason is not asked for where its own sense is perturbed.
        explained: of which explanations may be asked: concepts are looked for in these.
    """
    found = []
    for key, each in (("rely_on", expect.rely_on), ("not_rely_on", expect.not_rely_on)):
        for k, wanted in enumerate(each):
            name = f"{key}[{k}]"
            asked = [v for v in (explained if wanted.concept else variants) if not _disturbed(v, _sense(v, wanted))]
            if not asked:
                told = "its sense is perturbed in every variant that is asked about"
                found.append(Checked(name, None, _expected(wanted), told, {}, _KIND))
            found += [_reason(trial, wanted, name, variant) for variant in asked]
    return found


def _reason(trial: Trial, wanted: Wanted, name: str, variant: Any) -> Checked:
    expected = _expected(wanted)
    try:
        effect = _effect(trial, wanted, variant)
    except VeridicalError as error:
        return failed(name, error, expected, _KIND, variant.name)
    held, why = held_by(wanted, effect)
    happened = f"{effect.told()}{f'; {why}' if why else ''}"
    return Checked(name, held, expected, happened, effect.to_dict(), _KIND, variant.name)


def held_by(wanted: Wanted, effect: Effect) -> tuple[bool | None, str]:
    """Say whether a measured effect meets an expectation, and why not, in words; None: not settled."""
    if effect.effects is None:
        return None, "not settled"
    if effect.share is None:
        if isinstance(wanted, NotRelyOn):
            return True, "nothing that was taken away moves the score enough to be shared out"
        return False, "nothing that was taken away moves the score enough to be shared out"
    by_way = [share for share in effect.shares if share is not None]
    if isinstance(wanted, NotRelyOn):
        if effect.share > wanted.most:
            return (False, f"more than {percent(wanted.most)}") if effect.settled else (None, "not settled")
        over = [share for share in by_way if share > wanted.most]
        return (None, f"not settled: {percent(max(over))} by one way of taking it away") if over else (True, "")
    if not effect.settled:
        return None, "not settled"
    if effect.share >= wanted.least and effect.share > 0:
        return True, ""
    return False, f"less than {percent(wanted.least)}" if wanted.least > 0 else "it does not speak for the decision"


def _effect(trial: Trial, wanted: Wanted, variant: Any) -> Effect:
    """Measure what an expectation is about; what was measured already costs nothing."""
    if wanted.concept is not None:
        return concept_effect(trial.explanation(variant).result, wanted.concept, _names(trial.system))
    if wanted.sense is not None:
        return _named(trial.measured(variant, lambda parts: parts.senses()), wanted.sense)
    if wanted.region is not None:
        box = wanted.region
        return trial.measured(variant, lambda parts: parts.region(box)).groups[0]
    named = part_of(variant, wanted)
    if named is not None:
        return _named(trial.reliance(variant), named)
    if wanted.words is not None:
        words = wanted.words
        return _named(trial.measured(variant, lambda parts: parts.words(words)), f"words “{words}”")
    there = ", ".join(variant.composed.parts) if variant.composed is not None else "none, for it is made of files"
    raise InputError(f"{_what(wanted)}: the scene has no such part; its parts: {there}")


def _named(reliance: Reliance, name: str) -> Effect:
    found = reliance.of(name)
    if found is None:
        there = ", ".join(group.name for group in reliance.groups)
        raise InputError(f"{name}: nothing of that name is before the system; there are {there}")
    return found


def concept_effect(result: Mapping[str, Any], name: str, known: Collection[str] = ()) -> Effect:
    """Return what taking a concept out of the system's features does, from an explanation's concept cards.

    Every place of the concept in the observation counts; its share is of the falls of the score that all places of all
    concepts make, each alone. A place whose effect is not told from chance adds nothing.

    Args:
        result: of an explanation.
        name: of the concept.
        known: names of the system's concepts; one of these that is nowhere in the observation has the effect 0.

    Raises:
        InputError: the system has no concepts, or none of that name.
    """
    told, title = result.get("concepts") or {}, f"concept “{name}”"
    cards = told.get("cards") or []
    if not told.get("banks"):
        raise InputError(f"{title}: this system has no concepts; find some with `veridical concepts`")
    own = [card for card in cards if name in (card["label"], card["concept"])]
    seen = ", ".join(sorted({str(card["label"]) for card in cards})) or "none"
    if not own and name not in known:
        raise InputError(f"{title}: this system knows none of that name; found in this observation: {seen}")
    if not own:
        return Effect(title, "concepts", 0, (0.0,), 0.0, (0.0,), (), f"it is nowhere in this observation: {seen} are")
    measured = [card["effect"] for card in own if card["effect"] is not None]
    if not measured:
        return Effect(title, "concepts", len(own), None, None, (), (), "its effect was not measured")
    falls, mine = (sum(max(-c["effect"], 0.0) for c in each if c["drawn"] and c["effect"]) for each in (cards, own))
    doubt = "" if any(card["drawn"] for card in own) else "its effect is not told from chance"
    share = mine / falls if falls > 0 else 0.0
    return Effect(title, "concepts", len(own), (sum(measured),), share, (share,), (), doubt)


def _names(system: Any) -> set[str]:
    """Names of a system's own concepts."""
    banks = getattr(system, "concepts", None) or {}
    return {name.text for bank in banks.values() for name in bank.names if name is not None}


def _sense(variant: Any, wanted: Wanted) -> str | None:
    """The sense that a reason lies in; None where that is not known beforehand."""
    if wanted.sense is not None:
        return wanted.sense
    if wanted.region is not None or wanted.thing is not None or wanted.patch is not None:
        return "vision"
    if wanted.sound is not None:
        return "audio"
    return "text" if wanted.words is not None else None


def _disturbed(variant: Any, sense: str | None) -> bool:
    return bool(variant.perturbations) and (sense is None or sense in senses_of(variant.perturbations))


def senses_of(perturbations: Sequence[Any]) -> set[str]:
    """Return the senses that perturbations disturb."""
    return {sense for each in perturbations for sense in each.senses}


def _expected(wanted: Wanted) -> str:
    if isinstance(wanted, NotRelyOn):
        return f"does not rest on {_what(wanted)}: a share of at most {percent(wanted.most)}"
    return f"rests on {_what(wanted)}: a share of at least {percent(wanted.least)}"


def _what(wanted: Wanted) -> str:
    value = getattr(wanted, wanted.what)
    if wanted.what in ("thing", "sound"):
        return f"{wanted.what} {value}"
    if wanted.what == "patch":
        return "the patch"
    if wanted.what == "words":
        return f"the words “{value}”"
    if wanted.what == "region":
        return f"the region {', '.join(f'{v:g}' for v in value)}"
    return f"the sense {value}" if wanted.what == "sense" else f"the concept “{value}”"
