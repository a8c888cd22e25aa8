"""Attention as an account: how much each evidence unit is attended to.

It is no more than that. Attention says from where a layer draws, not what it makes of it, and nothing of for or
against; `veridical.verifier.adjudicate` holds it against other accounts by editing what they name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ContractError, InputError
from ..modalities.attribution import attribute
from ..modalities.contract import Prepared, System
from ..modalities.engines.attention import AttentionRollout, Read
from ..modalities.engines.interception.captured import capture_attention
from ..modalities.evidence import Segmentation
from ..modalities.held import held
from ..modalities.scorer import Scorer
from ..modalities.target import Target
from ..modalities.unrolled import AttentiveSystem

__all__ = ["ROLLOUT", "STEPS", "TimedRows", "attended", "evenly", "rule_of", "spread_rows"]

STEPS = (
    "mean over the steps, each counting alike, of attention averaged over heads and queries; how long the state keeps "
    "what a step took in is not known from attention"
)
"""How attention of a system that shows its own is rolled over its steps."""

ROLLOUT = (
    "attention rollout (Abnar and Zuidema 2020) of each sense's own self-attention; how much goes to one sense rather "
    "than another is not known from it"
)
"""How attention of any other system is rolled over its layers."""

Spans = Float[np.ndarray, "rows 2"]


@runtime_checkable
class TimedRows(Protocol):
    """A split system that says when the rows of a sense's features begin and end."""

    def row_times(self, modality: str, rows: int) -> Spans | None:
        """Return the first and last second of each of so many rows; None where they share the time evenly."""
        ...


def evenly(rows: int, duration: float) -> Spans:
    """Return the spans of rows that share a duration evenly.

    >>> evenly(2, 3.0).tolist()
    [[0.0, 1.5], [1.5, 3.0]]
    """
    edges = np.linspace(0.0, duration, rows + 1)
    return np.stack((edges[:-1], edges[1:]), 1)


def rule_of(system: System) -> str:
    """Return in words how a system's attention is rolled up."""
    return STEPS if isinstance(system, AttentiveSystem) else ROLLOUT


def attended(
    system: System,
    prepared: Mapping[str, Prepared],
    segmentations: Mapping[str, Segmentation],
    target: Target | None = None,
    *,
    read: Read = "first",
    times: Mapping[str, Spans] | None = None,
) -> dict[str, Float[np.ndarray, " units"]]:
    """Return how much each evidence unit is attended to, by sense; nothing is negative.

    A system that shows its attention (`AttentiveSystem`) is believed: of all steps the mean (`STEPS`), so that the
    values of all senses sum to at most 1, and those of a sense to the share that it gets. Of any other, self-attention
    is caught and rolled out, each sense by itself (`ROLLOUT`): a sense's values sum to at most 1, senses without
    self-attention of their own are left out, and values of two senses do not compare. What falls on special tokens,
    on padding or on nothing belongs to no unit and is missing from the sums.

    Rows go onto units by `spread_rows`: cells of a frame by area, rows of sound by time, tokens onto their words.

    Args:
        system: what is explained.
        prepared: its prepared signals.
        segmentations: their evidence units, with times on each signal's own clock.
        target: the question; attention does not depend on it, and by default it is the decision.
        read: of a rollout: which token's row is the answer, see `AttentionRollout`. Of sounds the first step is none.
        times: by sense, when its rows begin and end; by default the system is asked (`TimedRows`), and where it
            doesn't say, they share the signal's duration evenly.

    Raises:
        InputError: there is no attention to be seen, or rows that do not fit a sense's evidence units.
        ContractError: the system breaks the contract.

    Example:
        >>> attended(courier, prepared, segmentations)["text"].sum()        # doctest: +SKIP
    """
    if isinstance(system, AttentiveSystem):
        found, rows = dict[str, Float[np.ndarray, " units"]](), _shown(system, prepared)
    else:
        found, rows = _rolled(system, prepared, target, read)
    for m, weights in rows.items():
        spans = (times or {}).get(m)
        if spans is None and isinstance(system, TimedRows):
            spans = system.row_times(m, len(weights))
        found[m] = spread_rows(weights, segmentations[m], spans, prepared[m].duration)
    return {m: found[m] for m in prepared if m in found}


def spread_rows(
    weights: Float[np.ndarray, "..."],
    segmentation: Segmentation,
    times: Spans | None = None,
    duration: float = 0.0,
) -> Float[np.ndarray, " units"]:
    """Spread what rows of features hold over evidence units; what falls on elements of no unit is left out.

    ============================  ======================================================================================
    rows of                       spread
    ============================  ======================================================================================
    frames (frames[, y, x])       each cell evenly over the area that it covers
    tokens, one for each element  onto the unit of that element
    time, any other row           evenly over that part of its span that has units, and over the bands there alike; a
                                  row that lies wholly beyond the signal is left out
    ============================  ======================================================================================

    Args:
        weights: one for each row, or for each place of each row.
        segmentation: evidence units.
        times: when each row begins and ends, seconds; by default rows share ``duration`` evenly.
        duration: of the signal, seconds.

    Raises:
        InputError: rows that fit neither the elements nor the time of the units.
    """
    labels = segmentation.labels
    if labels.ndim == 3 and weights.ndim in (1, 3) and len(weights) == len(labels):
        cells = weights if weights.ndim == 3 else weights[:, None, None]
        down, across = (_overlap(n, size) for n, size in zip(cells.shape[1:], labels.shape[1:], strict=True))
        return segmentation.total(np.einsum("fij,iy,jx->fyx", cells.astype(np.float64), down, across))
    if weights.shape == labels.shape:
        return segmentation.total(weights)
    bands = all(unit.band is not None for unit in segmentation.units)
    if weights.ndim == 1 and bands and (times is not None or duration > 0):
        spans = evenly(len(weights), duration) if times is None else np.asarray(times, np.float64)
        if spans.shape != (len(weights), 2):
            raise InputError(
                f"attention: spans of shape {spans.shape} for {len(weights)} rows; give a begin and an end"
            )
        return _over_time(weights, spans, segmentation)
    raise InputError(
        f"attention: weights of shape {weights.shape} fit no evidence units of shape {labels.shape}; frames (frames, "
        "height, width), one weight for each token, or one for each row of time is wanted"
    )


def _overlap(cells: int, pixels: int) -> Float[np.ndarray, "cells pixels"]:
    """Return the share of each of so many equal cells that lies in each pixel; rows sum to 1."""
    at, edges = np.arange(pixels), np.arange(cells + 1) * pixels / cells
    low = np.maximum(at, edges[:-1, None])
    high = np.minimum(at + 1, edges[1:, None])
    return np.clip(high - low, 0.0, None) * cells / pixels


def _over_time(
    weights: Float[np.ndarray, " rows"], spans: Spans, segmentation: Segmentation
) -> Float[np.ndarray, " units"]:
    """Spread rows over the units that share their time."""
    shares = Counter(unit.time for unit in segmentation.units)  # the bands of each span of time
    columns = sorted(shares)
    low = np.maximum(spans[:, :1], [c[0] for c in columns])
    high = np.minimum(spans[:, 1:], [c[1] for c in columns])
    shared = np.clip(high - low, 0.0, None)
    inside = shared.sum(1)
    part = np.divide(shared, inside[:, None], out=np.zeros_like(shared), where=inside[:, None] > 0)
    each = dict(zip(columns, weights.astype(np.float64) @ part, strict=True))
    return np.array([each[unit.time] / shares[unit.time] for unit in segmentation.units])


def _shown(system: AttentiveSystem, prepared: Mapping[str, Prepared]) -> dict[str, np.ndarray]:
    """Return the mean over the steps of what the system itself shows."""
    with torch.no_grad(), held(system) as state:
        try:
            steps = system.attention({m: system.encode(m, p.tensor) for m, p in prepared.items()})
        finally:
            state.settle()
    if not steps:
        raise ContractError(f"system: attention() of {type(system).__name__} has no steps; give one at least")
    total = {m: _whole([step[m] for step in steps if m in step]) for m in prepared if any(m in step for step in steps)}
    found = {m: (x[0] / len(steps)).numpy(force=True) for m, x in total.items()}
    for m, x in found.items():
        if not np.isfinite(x).all() or (x < 0).any():
            raise ContractError(f"system: attention to {m} is negative or not finite; weights of a softmax are wanted")
    return found


def _whole(steps: list[Tensor]) -> Tensor:
    return torch.stack([x.detach().double() for x in steps]).sum(0)


def _rolled(
    system: System, prepared: Mapping[str, Prepared], target: Target | None, read: Read
) -> tuple[dict[str, Float[np.ndarray, " units"]], dict[str, np.ndarray]]:
    """Return the rollout of each sense that has self-attention of its own: on words, and on the rows of all others."""
    words: dict[str, np.ndarray] = {}
    rows: dict[str, np.ndarray] = {}
    for m in prepared if len(prepared) == 1 else _attending(system, prepared):
        view = attribute(system, prepared, AttentionRollout(read=read, sense=m), target, diagnosed=False).maps[m]
        if "evidence" in view:
            words[m] = view["evidence"].values.astype(np.float64)
            continue
        laid = view["layer"]
        values = laid.values.astype(np.float64)
        if laid.dims == ("row", "step"):
            if read == "first":
                raise InputError(f"attention: the first step of {m} is no class token; ask for the mean, read='mean'")
            values = values[0] if len(values) == 1 else values
        rows[m] = values
    return words, rows


def _attending(system: System, prepared: Mapping[str, Prepared]) -> list[str]:
    """Return the senses that have self-attention of their own; an error says why if none has."""
    asked = Scorer(system, Target(0, kind="logit"), "for one observation")
    inputs, found, why = {m: p.tensor for m, p in prepared.items()}, [], None
    for m in prepared:
        try:
            capture_attention(asked, inputs, m)
            found.append(m)
        except InputError as error:
            why = error
    if why is not None and not found:
        raise why
    return found
