"""Written instructions, made of clauses, so that any one clause can be left out.

A clause's *kind* is ``halt`` or ``tame`` (the policy knows them) or ``talk`` (it does not). Training and held-out
phrasings share no clause; many training clauses are put together from parts. Some small talk in training
holds the words that matter elsewhere (wait, stop, animals), so that single words do not give the rule away.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from .clauses import FORMS, HELD_OUT, TRAIN

__all__ = ["CLAUSES", "Clause", "Instruction", "sample_instruction"]


@dataclass(frozen=True)
class Clause:
    """One sentence of an instruction and what the policy makes of it."""

    text: str
    kind: str


@dataclass(frozen=True)
class Instruction:
    """An instruction as its clauses, in order."""

    clauses: tuple[Clause, ...]

    @property
    def text(self) -> str:
        """The clauses joined by single spaces."""
        return " ".join(clause.text for clause in self.clauses)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of all clauses."""
        return frozenset(clause.kind for clause in self.clauses)

    def span(self, index: int) -> tuple[int, int]:
        """First and past-the-last character of clause ``index`` in ``text``."""
        start = sum(len(clause.text) + 1 for clause in self.clauses[:index])
        return start, start + len(self.clauses[index].text)

    def without(self, index: int) -> Instruction:
        """The instruction with clause ``index`` left out."""
        return Instruction(self.clauses[:index] + self.clauses[index + 1 :])


@functools.cache
def _combined(kind: str) -> tuple[tuple[Clause, ...], ...]:
    """All clauses of each form of a kind."""
    return tuple(tuple(Clause("".join(parts), kind) for parts in itertools.product(*form)) for form in FORMS[kind])


def _clauses(texts: dict[str, str]) -> dict[str, tuple[Clause, ...]]:
    return {k: tuple(Clause(line.strip(), k) for line in v.strip().splitlines()) for k, v in texts.items()}


CLAUSES = {"train": _clauses(TRAIN), "held-out": _clauses(HELD_OUT)}
"""Clauses written out, by partition and kind."""


def sample_instruction(rng: np.random.Generator, partition: str, kinds: tuple[str, ...]) -> Instruction:
    """Draw an instruction, its clauses in random order.

    Args:
        rng: where the draw comes from.
        partition: ``train`` or ``held-out``.
        kinds: kinds of which it holds one clause each, at most two; to these comes small talk, so that there are three
            or four clauses in all (fewer where the same small talk is drawn twice).
    """
    written = CLAUSES[partition]

    def draw(kind: str) -> Clause:
        pool = written[kind]
        if partition == "train" and rng.random() < 0.6:
            forms = _combined(kind)
            pool = forms[rng.integers(len(forms))]
        return pool[rng.integers(len(pool))]

    talk = {clause.text: clause for clause in (draw("talk") for _ in range(3 - len(kinds) + int(rng.integers(0, 2))))}
    clauses = [*talk.values(), *(draw(kind) for kind in kinds)]
    return Instruction(tuple(clauses[i] for i in rng.permutation(len(clauses))))
