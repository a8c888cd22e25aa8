"""Two to five sentences that say why; each rests on what was measured, and says so where that did not confirm it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..modalities.wording import nats, number, percent, shortened
from ..verifier.account import CheckedClaim, Effect
from ..verifier.judge import Verdict
from .naming import Name

__all__ = ["Decided", "Sentence", "justify"]

_VERBS = {"vision": "saw", "audio": "heard", "text": "read"}
_MOST_EVIDENCE = 3
_SETTLED = {
    "supported": "was put to the test and is supported",
    "unsupported": "was put to the test and is NOT supported",
    "inconclusive": "could not be settled",
}


@dataclass(frozen=True)
class Sentence:
    """A sentence, the claims that it rests on, and whether the measurements confirm it."""

    text: str
    claims: tuple[str, ...]
    confirmed: bool


@dataclass(frozen=True)
class Decided:
    """The decision in figures.

    Attributes:
        system: who decided.
        action: what was chosen.
        actions: all actions, each once.
        probabilities: one for each action.
        score: decision score, nats.
        absent: senses that were absent.
    """

    system: str
    action: str
    actions: tuple[str, ...]
    probabilities: tuple[float, ...]
    score: float
    absent: tuple[str, ...] = ()


def _evidence(checked: CheckedClaim, name: Name | None, where: str) -> str:
    """What was seen, heard or read: by its name where one was earned, else by where it lies.

    Words speak for themselves.
    """
    where = shortened(where)
    if checked.claim.modality == "text":
        return where
    kind = {"vision": "something", "audio": "a sound"}.get(checked.claim.modality, "evidence")
    if name:
        kind = f"what ImageNet calls {_article(name.text)}" if name.source == "ImageNet" else f"“{name.text}”"
    return f"{kind} {'in' if checked.claim.modality == 'vision' else 'at'} {where}"


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _after(checked: CheckedClaim, decided: Decided) -> str:
    """The decision that the edits led to, where they agree."""
    outcomes = {decided.actions[int(e.logits.argmax())] for e in checked.effects}
    if outcomes == {decided.action}:
        return f"the decision stays {decided.action}"
    if len(outcomes) == 1:
        return f"the decision becomes {outcomes.pop()}"
    return "the decision becomes " + " or ".join(sorted(outcomes)) + ", depending on how it is taken out"


def _fall(measured: float) -> str:
    return f"{'falls' if measured < 0 else 'rises'} by {number(abs(measured), 1)} nats"


def _claim_sentence(checked: CheckedClaim, decided: Decided, what: str, opening: str) -> Sentence:
    """Tell a claim beside its measurement.

    Args:
        checked: the claim.
        decided: the decision.
        what: the evidence in words.
        opening: how a confirmed claim is led up to.
    """
    if checked.status == "confirmed":
        # Effects that were measured, and only then stated, were not predicted.
        foretold = abs(checked.claim.predicted - checked.measured) > 1e-6
        beside = f" (predicted {number(abs(checked.claim.predicted), 1)})" if foretold else ""
        fall = f"{_fall(checked.measured)}{beside}"
        text = f"{opening} {what}; with that taken out its score {fall} and {_after(checked, decided)}."
        return Sentence(text, (checked.claim.name,), True)
    verb = _VERBS.get(checked.claim.modality, "had")
    found = "made no difference that counts" if checked.status == "negligible" else "raised the score instead"
    text = (
        f"The account points to what it {verb}, {what}, but this was not confirmed: taking it out {found} "
        f"({nats(checked.measured)} nats)."
    )
    return Sentence(text, (checked.claim.name,), False)


def _opening(decided: Decided) -> Sentence:
    probability = dict(zip(decided.actions, decided.probabilities, strict=True))
    second = max((a for a in decided.actions if a != decided.action), key=lambda a: probability[a])
    lead = f"{number(abs(decided.score), 1)} nats {'ahead of' if decided.score >= 0 else 'behind'} all else together"
    text = (
        f"{decided.system[:1].upper()}{decided.system[1:]} chose {decided.action} "
        f"({percent(probability[decided.action])}; next {second}, {percent(probability[second])}), {lead}."
    )
    return Sentence(text, (), True)


def justify(
    decided: Decided,
    claims: Sequence[CheckedClaim],
    senses: Mapping[str, Sequence[Effect]],
    names: Mapping[str, Name | None],
    where: Mapping[str, str],
    verdict: Verdict,
    least: float = 0.1,
) -> tuple[Sentence, ...]:
    """Write the justification.

    The decision comes first, then the first claim, another confirmed one, what made no difference, and how the account
    was tested. Only where the verdict is *supported* is the decision said to rest on the first claim.

    Args:
        decided: the decision.
        claims: checked claims, the strongest first.
        senses: effects of taking away a sense as a whole.
        names: names of the claims, where earned.
        where: for each claim where its evidence lies, in words.
        verdict: the verdict.
        least: smallest effect that counts, nats.

    Returns:
        Two to five sentences.
    """
    sentences = [_opening(decided)]
    for checked in claims[:_MOST_EVIDENCE]:
        first = checked is claims[0]
        if len(sentences) < 3 and (first or checked.status == "confirmed"):
            what = _evidence(checked, names.get(checked.claim.name), where[checked.claim.name])
            sensed = f"what it {_VERBS.get(checked.claim.modality, 'had')}:"
            lead = "It rests first on" if verdict.verdict == "supported" else "The account points first to"
            opening = f"{lead if first else 'Next comes'} {sensed}"
            sentences.append(_claim_sentence(checked, decided, what, opening))
    told = []
    idle = [m for m, effects in senses.items() if all(abs(e.effect) < least for e in effects)]
    if idle:
        sensed = " or ".join(_VERBS.get(m, m) for m in idle)
        told.append(f"taking away all that it {sensed} changes the score by less than {least:g} nats")
    if decided.absent:
        told.append(" and ".join(decided.absent) + (" was" if len(decided.absent) == 1 else " were") + " absent")
    if told:
        text = "; ".join(told)
        sentences.append(Sentence(text[0].upper() + text[1:] + ".", (), True))
    tested = tuple(checked.claim.name for checked in claims[:1])
    reason = verdict.reasons[0][:1].lower() + verdict.reasons[0][1:]
    last = f"This account {_SETTLED[verdict.verdict]}: {reason}"
    sentences.append(Sentence(last, tested, verdict.verdict == "supported"))
    return tuple(sentences)
