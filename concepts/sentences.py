"""Two to five sentences that say why; each rests on what was measured, and says so where that did not confirm it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..verifier.judge import Verdict
from ..verifier.verify import CheckedClaim, Effect
from .naming import Name

__all__ = ["Decided", "Sentence", "justify"]

_VERBS = {"vision": "saw", "audio": "heard", "text": "read"}
_MOST_EVIDENCE = 3


@dataclass(frozen=True)
class Sentence:
    """A sentence, the claims that it rests on, and whether the measurements confirm it."""

    text: str
    claims: tuple[str, ...]
    confirmed: bool


@dataclass(frozen=True)
class Decided:
    """The decision in figures: who decided, the action, all actions, their probabilities, the decision score in nats, senses that were absent."""

    system: str
    action: str
    actions: tuple[str, ...]
    probabilities: tuple[float, ...]
    score: float
    absent: tuple[str, ...] = ()


def _percent(p: float) -> str:
    return f"{100 * p:.0f} %" if 0.01 <= p <= 0.99 else f"{100 * p:.1f} %"


def _evidence(checked: CheckedClaim, name: Name | None, where: str) -> str:
    """What was seen, heard or read: by its name where one was earned, else by where it lies; words speak for themselves."""
    if checked.claim.modality == "text":
        return where
    kind = {"vision": "something", "audio": "a sound"}.get(checked.claim.modality, "evidence")
    called = f"what ImageNet calls {_article(name.text)}" if name and name.source == "ImageNet" else f"“{name.text}”" if name else kind
    return f"{called} at {where}"


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
    return f"{'falls' if measured < 0 else 'rises'} by {abs(measured):.1f} nats"


def _claim_sentence(checked: CheckedClaim, decided: Decided, name: Name | None, where: str, first: bool) -> Sentence:
    what = _evidence(checked, name, where)
    verb = _VERBS.get(checked.claim.modality, "had")
    opening = f"It rests first on what it {verb}" if first else f"It also {verb}"
    opening += f": {what}" if first else f" {what}"
    if checked.status == "confirmed":
        text = f"{opening}; with that taken out its score {_fall(checked.measured)} (predicted {abs(checked.claim.predicted):.1f}) and {_after(checked, decided)}."
        return Sentence(text, (checked.claim.name,), True)
    found = "made no difference that counts" if checked.status == "negligible" else "raised the score instead"
    text = f"The gradients point to what it {verb}, {what}, but this was not confirmed: taking it out {found} ({checked.measured:+.2f} nat)."
    return Sentence(text, (checked.claim.name,), False)


def justify(
    decided: Decided,
    claims: Sequence[CheckedClaim],
    senses: Mapping[str, Sequence[Effect]],
    names: Mapping[str, Name | None],
    where: Mapping[str, str],
    verdict: Verdict,
) -> tuple[Sentence, ...]:
    """Write the justification.

    The decision comes first, then the first claim, up to two more confirmed ones, what made no difference, and how the account was tested.

    Args:
        decided: the decision.
        claims: checked claims, the strongest first.
        senses: effects of taking away a sense as a whole.
        names: names of the claims, where earned.
        where: for each claim where its evidence lies, in words.
        verdict: the verdict.

    Returns:
        Two to five sentences.
    """
    probability = dict(zip(decided.actions, decided.probabilities, strict=True))
    second = max((a for a in decided.actions if a != decided.action), key=lambda a: probability[a])
    opening = (
        f"{decided.system.capitalize()} chose {decided.action} ({_percent(probability[decided.action])}; next {second}, {_percent(probability[second])}), "
        f"{decided.score:.1f} nats ahead of all else."
    )
    sentences = [Sentence(opening, (), True)]
    for i, checked in enumerate(claims[:_MOST_EVIDENCE]):
        if i == 0 or checked.status == "confirmed":
            sentences.append(_claim_sentence(checked, decided, names.get(checked.claim.name), where[checked.claim.name], i == 0))
    sentences = sentences[:3]
    idle = [m for m, effects in senses.items() if all(abs(e.effect) < 0.1 for e in effects)]
    told = []
    if idle:
        told.append("taking away all that it " + " or ".join(_VERBS.get(m, m) for m in idle) + " changes the score by less than 0.1 nat")
    if decided.absent:
        told.append(" and ".join(decided.absent) + (" was" if len(decided.absent) == 1 else " were") + " absent")
    if told:
        text = "; ".join(told)
        sentences.append(Sentence(text[0].upper() + text[1:] + ".", (), True))
    tested = tuple(claim.claim.name for claim in claims[:1])
    word = {"supported": "was put to the test and is supported", "unsupported": "was put to the test and is NOT supported", "inconclusive": "could not be settled"}
    sentences.append(Sentence(f"This account {word[verdict.verdict]}: {verdict.reasons[0]}", tested, verdict.verdict == "supported"))
    return tuple(sentences)
