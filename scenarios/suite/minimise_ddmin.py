"""Delta debugging: the smallest part of something that still fails (Zeller and Hildebrandt, IEEE TSE 28(2), 2002)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

__all__ = ["ddmin", "one_minimal"]

T = TypeVar("T", bound=Hashable)


def ddmin(parts: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return parts that still fail, from which no single one can be taken without that they do not.

    The algorithm *ddmin* of Zeller and Hildebrandt (figure 5): halves, then ever smaller pieces, are tried alone and
    left out in turn. First nothing at all is tried, which they take for granted not to fail.

    Args:
        parts: that fail together, each once.
        fails: whether some of them, in their order, fail in the same way; what cannot be tried at all does not. It is
            asked of some more than once, so that it should remember.

    Returns:
        What is left, in the order given.
    """
    left = list(parts)
    if not left or fails([]):
        return []
    pieces = 2
    while len(left) >= 2:
        subsets = _split(left, pieces)
        smaller = next((subset for subset in subsets if fails(subset)), None)
        if smaller is not None:
            left, pieces = smaller, 2
            continue
        # Of two pieces each is the other's complement, and was tried just now.
        rests = ([part for part in left if part not in set(subset)] for subset in subsets) if pieces > 2 else ()
        smaller = next((rest for rest in rests if fails(rest)), None)
        if smaller is not None:
            left, pieces = smaller, max(pieces - 1, 2)
        elif pieces < len(left):
            pieces = min(len(left), 2 * pieces)
        else:
            break
    return left


def one_minimal(parts: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Take single parts away, the last ones first, until none can be taken any more; see `ddmin`."""
    left = list(parts)
    smaller = True
    while smaller:
        smaller = False
        for part in reversed(left):
            rest = [other for other in left if other != part]
            if fails(rest):
                left, smaller = rest, True
    return left


def _split(parts: list[T], pieces: int) -> list[list[T]]:
    """As many pieces as asked for, as equal as can be, one after the other."""
    ends = [round(i * len(parts) / pieces) for i in range(pieces + 1)]
    return [parts[first:past] for first, past in itertools.pairwise(ends) if first < past]
