"""What calls for an explanation: a close decision, a changed one, senses at odds, an unknown input, a request, chance.

Importing this loads no torch; looking at features does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ...errors import InputError
from .policy import TRIGGERS, Explaining

__all__ = ["FEWEST", "NOVEL", "Triggers", "modality_disagreement"]

NOVEL = 0.01
"""An input is out of distribution where in any sense at most this share of natural inputs would be as far."""
FEWEST = 19
"""Natural inputs of a sense with which it is asked at all; being further than all 19 has a probability of 1 in 20."""
_LOGITS = "logits"


class Triggers:
    """Finds what calls for an explanation of each decision.

    It keeps the last choice, for ``changed decision``; it is for one control loop, not for several threads.

    Attributes:
        explaining: which triggers are asked for.
        notes: what the user must be told, one sentence each.
    """

    def __init__(self, explaining: Explaining, novelty: Any = None) -> None:
        """Begin before the first decision.

        Args:
            explaining: which triggers are asked for.
            novelty: what natural inputs look like (`veridical.verifier.novelty.Novelty`): of a calibrated system
                ``system.reference.novelty``. Needed where ``out of distribution`` is asked for.

        Raises:
            InputError: ``out of distribution`` is asked for, and it is not known what natural inputs look like.
        """
        self.explaining = explaining
        self.notes: tuple[str, ...] = ()
        self._asked = frozenset(explaining.triggers)
        self._share = Fraction(repr(float(explaining.sample)))  # as it was written: a tenth is a tenth
        self._before: str | None = None
        self._novelty, self._levels = novelty, {}
        if "out of distribution" in self._asked:
            self._levels = _levels(novelty)
            self.notes = tuple(
                f"out of distribution, {sense}: {round(1 / p) - 1} natural inputs are too few to tell "
                f"{NOVEL:.0%} from less; what is further than all of them counts ({p:.1%} of natural ones would be)"
                for sense, p in self._levels.items()
                if p > NOVEL
            )

    def find(
        self,
        number: int,
        probabilities: Mapping[str, float],
        margin: float,
        features: Mapping[str, Any] | None = None,
        disagree: Callable[[], bool] | None = None,
        request: bool = False,
        logits: Any = None,
    ) -> tuple[str, ...]:
        """Return what calls for an explanation of one decision, in the order of `TRIGGERS`.

        A request always does. ``sampled`` depends on the number alone: of the first N decisions exactly
        floor(N · sample) are.

        Args:
            number: of the decision, from 0.
            probabilities: of all actions.
            margin: of the choice over the runner-up, nats.
            features: encoded features by sense, (1, …); None where the system cannot be split.
            disagree: tells whether a sense alone would choose otherwise (`modality_disagreement`); asked only where
                the policy looks for that.
            request: whether somebody asked for an explanation.
            logits: scores of all actions, (1, actions); for a system that cannot be split, whose novelty is theirs.

        Raises:
            InputError: features that do not fit what is known of natural ones.
        """
        chosen = max(probabilities, key=lambda action: probabilities[action]) if probabilities else None
        changed = self._before is not None and chosen is not None and chosen != self._before
        self._before = chosen if chosen is not None else self._before
        asked: dict[str, Callable[[], bool]] = {
            "low margin": lambda: not margin >= self.explaining.margin,  # NaN is no margin
            "changed decision": lambda: changed,
            "modality disagreement": lambda: disagree is not None and disagree(),
            "out of distribution": lambda: self._novel(features, logits),
        }
        found = {name for name, holds in asked.items() if name in self._asked and holds()}
        found |= {"request"} if request else set()
        found |= {"sampled"} if self._sampled(number) else set()
        return tuple(name for name in TRIGGERS if name in found)

    def _sampled(self, number: int) -> bool:
        return math.floor((number + 1) * self._share) > math.floor(number * self._share)

    def _novel(self, features: Mapping[str, Any] | None, logits: Any) -> bool:
        from ...verifier.novelty import pool

        seen = {**(features or {}), **({} if logits is None else {_LOGITS: logits})}
        seen = {sense: x for sense, x in seen.items() if sense in self._levels}
        scores = self._novelty.score(pool(seen)) if seen else {}
        return any(float(score.p[0]) <= self._levels[sense] for sense, score in scores.items())


def _levels(novelty: Any) -> dict[str, float]:
    """Return for each sense the p-value at which an input is novel: `NOVEL`, or the least that its sense can have."""
    fix = "calibrate the system (`veridical calibrate`), or leave the trigger out of the policy"
    if novelty is None:
        raise InputError(
            "triggers: 'out of distribution' is asked for, and it is not known what this system's natural inputs look "
            f"like; {fix}"
        )
    least = {sense: novelty.least_p(sense) for sense in novelty.senses}
    levels = {sense: max(NOVEL, p) for sense, p in least.items() if p <= 1 / (FEWEST + 1)}
    if not levels:
        known = ", ".join(f"{sense} {round(1 / p) - 1}" for sense, p in least.items())
        raise InputError(
            f"triggers: 'out of distribution' is asked for, and of no sense are {FEWEST} natural inputs kept to "
            f"compare with ({known}); {fix}"
        )
    return levels


def modality_disagreement(
    system: Any,
    prepared: Mapping[str, Any],
    features: Mapping[str, Any] | None,
    action: int | str,
    margin: float = 0.5,
    neutral: int | str | None = None,
) -> bool:
    """Return whether a sense alone, the others absent, would choose another action, and clearly.

    A sense in which nothing stands out chooses what the system chooses from nothing at all (PROCEED, of Courier): that
    is no other mind, and such a sense counts as silent. The second half of the system is asked once for each sense and
    once for nothing; no sense is encoded. A system that cannot be split, or that has but one sense before it, says no.

    Args:
        system: what decides.
        prepared: the prepared signals, of which the senses are taken.
        features: their encoded features, (1, …).
        action: what was chosen, its name or its index.
        margin: by how many nats the other action must lead the runner-up.
        neutral: what the system chooses from nothing, its name or its index; unless given, what it chooses from
            features that are all zero, which is as near to nothing as can be had without encoding.
    """
    import torch

    from ...modalities.contract import SplitSystem

    senses = [sense for sense in prepared if sense in (features or {})]
    if features is None or len(senses) < 2 or not isinstance(system, SplitSystem):
        return False
    actions = list(system.actions)

    def choice(given: Mapping[str, Any]) -> tuple[int, float]:
        logits = system.decide(given)[0]
        first, second = logits.topk(2).values.tolist()
        return int(logits.argmax()), first - second

    # Not `held`: that waits for whoever holds the system, an explainer in a thread, say, and a decision must not.
    with torch.no_grad():
        found = [choice({sense: features[sense]}) for sense in senses]
        other = {index for index, lead in found if lead >= margin} - {_index(actions, action)}
        if other and neutral is None:
            neutral = choice({sense: torch.zeros_like(features[sense]) for sense in senses})[0]
    return bool(other - ({_index(actions, neutral)} if neutral is not None else set()))


def _index(actions: list[str], action: int | str) -> int:
    return actions.index(action) if isinstance(action, str) else action
