"""How many rows a system is given at once, and in which layout: found by a short measurement, once per model.

What a gradient costs per row falls with the rows computed together, until caches overflow; the memory for activations
grows with them. So the rows that a method wants (points of a path, noisy copies ...) are streamed in chunks: memory
does not grow with their number. Pictures whose colours lie beside one another in memory ("channels last") pass through
convolutions up to 1.6 times faster on a CPU, with no change of the model, for activations follow their input.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..held import parts
from ..scorer import Inputs, Scorer, Slopes, rows
from ..target import Target

__all__ = ["LARGEST", "LARGEST_CUDA", "Layout", "even", "find_layout", "stream"]

LARGEST = 8
"""Rows at once at most, on a CPU: more gain little, and cost memory."""

LARGEST_CUDA = 32
"""Rows at once at most, on a GPU."""

CLOSE = 1.05
"""Times per row within this factor of the best are as good as it: the smallest such chunk is taken."""

BUDGET = (12, 1.0)
"""The search ends before it has spent this many gradients of one row, or this many seconds, whichever is more."""

QUICK = 0.25
"""Seconds: what takes less is done twice, and the shorter time counts; first calls of a shape choose kernels."""

_SEARCH = threading.RLock()
_FOUND: dict[tuple[Any, ...], tuple[tuple[weakref.ref[Any], ...], Layout]] = {}


@dataclass(frozen=True)
class Layout:
    """How rows are given to a system.

    Attributes:
        chunk: rows at once, at most.
        channels_last: whether pictures (axes ..., channels, height, width) are laid out with their channels last in
            memory; the shape stays.

    Raises:
        InputError: a chunk of less than one row.

    Example:
        >>> Layout(4, channels_last=True).arrange({"vision": torch.zeros(1, 3, 8, 8)})["vision"].stride()
        (192, 1, 24, 3)
    """

    chunk: int = 4
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"layout: chunks of {self.chunk} rows; at least 1 is wanted")

    def arrange(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return the same values, pictures with their channels last in memory where that is wanted."""
        return {m: _channels_last(x) if self.channels_last and _is_picture(x) else x for m, x in inputs.items()}


def even(count: int, chunk: int) -> list[tuple[int, int]]:
    """Cut ``count`` rows into as few chunks as there must be, all about as large: pairs of start and stop.

    >>> even(17, 8)
    [(0, 6), (6, 12), (12, 17)]
    """
    number = -(-count // chunk)
    sizes = [count // number + (i < count % number) for i in range(number)]
    return [(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(number)]


def stream(
    scorer: Scorer,
    batch: Callable[[int, int], Inputs],
    count: int,
    layout: Layout,
    wrt: Collection[str] | None = None,
) -> Iterator[Slopes]:
    """Give the gradients of many rows, chunk by chunk, in order.

    Only one chunk's rows and activations are in memory at a time, as long as the caller keeps no slice of a chunk's
    gradients (a slice keeps the whole chunk alive: clone it). Chunks are of even size, `even`. Call it inside
    ``with scorer.held()``, which else is entered for each chunk.

    Args:
        scorer: system and question; with one action per row, there must be ``count`` of them.
        batch: gives rows ``start`` to ``stop - 1``.
        count: number of rows; none gives no chunk.
        layout: rows at once and their layout.
        wrt: senses of which gradients are wanted; by default all.

    Raises:
        InputError, ContractError: as `Scorer.gradient` has it.

    Example:
        >>> for slopes in stream(scorer, lambda start, stop: noisy(start, stop), 50, layout):  # doctest: +SKIP
        ...     mean += slopes.values["vision"].sum(0) / 50
    """
    target = scorer.target
    if isinstance(target.action, tuple) and len(target.action) != count:
        raise InputError(f"target: {len(target.action)} actions for {count} rows; give one for each row")
    for start, stop in even(count, layout.chunk):
        asked = scorer
        if isinstance(target.action, tuple):
            asked = Scorer(scorer.system, Target(target.action[start:stop], target.against, target.kind), scorer.when)
        yield asked.gradient(layout.arrange(batch(start, stop)), wrt)


def find_layout(
    scorer: Scorer, inputs: Inputs, wrt: Collection[str] | None = None, largest: int | None = None
) -> Layout:
    """Measure which layout gives gradients fastest: the smallest chunk that is within 5 % of the best.

    One row is timed, then two rows in either layout of pictures, then chunks of 4, 8 ... rows in the faster layout,
    until the time per row rises, memory is out, or the search has spent a dozen gradients' time (1 s, if that is more).
    What was found is kept for as long as the model lives, by shapes, types, device and number of threads: a second
    call with the same inputs therefore computes the very same bits. Another process may find another chunk, and differ
    by rounding; give the layout to avoid that.

    Args:
        scorer: system and question.
        inputs: one row or more by sense; the first row is used.
        wrt: senses of which gradients will be wanted; by default all.
        largest: rows at once at most; by default 8, on a GPU 32.

    Raises:
        InputError: no rows, or none at once at most.
        InputError, ContractError: as `Scorer.gradient` has it.
    """
    if rows(inputs) == 0:
        raise InputError("layout: a batch of no rows; nothing can be measured on it")
    if largest is None:
        largest = LARGEST_CUDA if any(x.is_cuda for x in inputs.values()) else LARGEST
    if largest < 1:
        raise InputError(f"layout: {largest} rows at most; at least 1 is wanted")
    anchors = tuple(parts(scorer.system).values()) or (scorer.system,)
    try:
        marks = tuple(weakref.ref(a) for a in anchors)
    except TypeError:
        # What cannot be remembered is not measured either: a second call must give the same bits.
        return Layout(min(Layout.chunk, largest))
    asked = tuple(sorted(inputs if wrt is None else wrt))
    shapes = tuple((m, tuple(x.shape[1:]), x.dtype, x.device) for m, x in inputs.items())
    key = (tuple(map(id, anchors)), type(scorer.system), shapes, asked, largest, torch.get_num_threads())
    # The system's own lock first, in every thread: then no two can wait for one another.
    with scorer.held(), _SEARCH:
        known = _FOUND.get(key)
        if known is not None and all(mark() is a for mark, a in zip(known[0], anchors, strict=True)):
            return known[1]
        for dead in [k for k, (kept, _) in _FOUND.items() if any(mark() is None for mark in kept)]:
            del _FOUND[dead]
        row = {m: x[:1].detach() for m, x in inputs.items()}
        scorer = scorer.at(0)
        layout = _search(lambda at: _seconds(scorer, row, wrt, at), largest, any(map(_is_picture, row.values())))
        _FOUND[key] = (marks, layout)
        return layout


def _search(seconds: Callable[[Layout], float], largest: int, pictures: bool) -> Layout:
    """Return the best layout; ``seconds`` gives the time that a chunk takes, infinite where memory is out."""
    spent = 0.0

    def timed(layout: Layout) -> float:
        nonlocal spent
        taken = seconds(layout)
        spent += taken if taken < float("inf") else 0.0
        return taken

    per_row = {1: _shortest(timed, [Layout(1)])[Layout(1)]}
    limit = max(BUDGET[0] * per_row[1], BUDGET[1])
    chunk, formats = 2, [False, True] if pictures else [False]
    while chunk <= largest:
        ahead = len(formats) * chunk * min(per_row.values())
        if spent + ahead > limit:
            break
        times = _shortest(timed, [Layout(chunk, last) for last in formats])
        best = min(times, key=lambda at: times[at])
        formats = [best.channels_last]
        per_row[chunk] = times[best] / chunk
        if per_row[chunk] > CLOSE * min(per_row.values()):
            break
        chunk *= 2
    enough = CLOSE * min(per_row.values())
    return Layout(min(c for c, t in per_row.items() if t <= enough), formats[0] and len(per_row) > 1)


def _shortest(seconds: Callable[[Layout], float], layouts: list[Layout]) -> dict[Layout, float]:
    """Time each layout, quick ones twice and in turn, so that what else the machine does hits all."""
    times = {at: seconds(at) for at in layouts}
    if max(times.values()) <= QUICK:
        times = {at: min(times[at], seconds(at)) for at in layouts}
    return times


def _seconds(scorer: Scorer, row: Inputs, wrt: Collection[str] | None, layout: Layout) -> float:
    """Return the time of one gradient of a chunk; infinite where a GPU's memory does not suffice for it."""
    inputs = layout.arrange({m: x.expand(layout.chunk, *x.shape[1:]).clone() for m, x in row.items()})
    cuda = next((x.device for x in inputs.values() if x.is_cuda), None)
    # The time of this thread alone, where it does all the work: other processes do not disturb it.
    clock = time.thread_time if cuda is None and torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    try:
        scorer.gradient(inputs, wrt)
    except torch.OutOfMemoryError:
        if layout.chunk == 1:
            raise
        torch.cuda.empty_cache()
        return float("inf")
    except RuntimeError:
        # A system that calls view() on its input takes contiguous pictures alone; what else is wrong shows there too.
        if not layout.channels_last:
            raise
        return float("inf")
    if cuda is not None:
        torch.cuda.synchronize(cuda)
    return clock() - began


def _is_picture(x: Tensor) -> bool:
    return x.ndim >= 4 and x.shape[-3] > 1 and x.shape[-1] * x.shape[-2] > 1


def _channels_last(x: Tensor) -> Tensor:
    return x.movedim(-3, -1).contiguous().movedim(-1, -3)
