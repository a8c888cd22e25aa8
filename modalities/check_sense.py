"""A checker for those who write a modality: what is wrong with it, in words, before a map depends on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..errors import ContractError, InputError, VeridicalError
from .contract import Modality, Prepared
from .evidence import Segmentation

__all__ = ["check_modality"]

Found = Callable[[bool, str, str], None]
T = TypeVar("T")

_WANTED = ("name", "operators", "prepare", "segment", "schedule", "attribute", "infill", "energy", "show")


class _Broken(Exception):
    """What follows cannot be checked; it was said why."""


def check_modality(modality: Modality, signal: Any) -> tuple[str, ...]:
    """Check a modality against the contract on one signal.

    Args:
        modality: one sense.
        signal: a raw signal that holds something: from silence or an empty text nothing can be taken away.

    Returns:
        One line for each thing that was checked and found right.

    Raises:
        ContractError: all that was found wrong, each with its likely cause.
        InputError: the modality says that it cannot use the signal.

    Example:
        >>> check_modality(Vision(), "frame.png")[0]                        # doctest: +SKIP
        'two operators or more: surround, blur, mean'
    """
    lacking = [name for name in _WANTED if not hasattr(modality, name)]
    if lacking:
        raise ContractError(f"modality: {type(modality).__name__} lacks {', '.join(lacking)}")
    wrong: list[str] = []
    right: list[str] = []

    def found(good: bool, what: str, why: str) -> None:
        if not good:
            wrong.append(why)
        elif what:
            right.append(what)

    ops = modality.operators
    found(
        len(set(ops)) == len(ops) >= 2 and all(isinstance(op, str) for op in ops),
        f"two operators or more: {', '.join(map(str, ops))}",
        f"operators {ops}; at least two names are wanted, for effects are measured by more than one kind of absence",
    )
    try:
        prepared = _check_prepare(modality, signal, found)
        segmentation = _check_segment(modality, prepared, found)
        _check_schedule(modality, found)
        _check_attribute(modality, prepared, segmentation, found)
        _check_edits(modality, prepared, segmentation, found)
        _check_show(modality, segmentation, found)
    except _Broken as error:
        wrong.append(str(error))
    if wrong:
        raise ContractError(f"modality {modality.name}: " + "; ".join(wrong))
    return tuple(right)


def _ask(what: str, call: Callable[[], T]) -> T:
    """Call the modality; what it raises is a fault of its own."""
    try:
        return call()
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise _Broken(f"{what} fails: {type(error).__name__}: {told}") from error


def _check_prepare(modality: Modality, signal: Any, found: Found) -> Prepared:
    before = signal.copy() if isinstance(signal, np.ndarray) else None
    try:
        prepared = modality.prepare(signal)
    except VeridicalError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise _Broken(f"prepare fails: {type(error).__name__}: {told}; what it cannot use is an InputError") from error
    if not isinstance(prepared, Prepared):
        raise _Broken(f"prepare gives a {type(prepared).__name__}; a Prepared is wanted")
    x, x0 = prepared.tensor, prepared.baseline
    if x.ndim < 2 or len(x) != 1:
        raise _Broken(f"prepare gives a tensor of shape {tuple(x.shape)}; a batch of one is wanted, (1, ...)")
    if not x.is_floating_point():
        kind = str(x.dtype).removeprefix("torch.")
        raise _Broken(f"prepare gives {kind}, which has no gradient; give floats: intensities, samples, embeddings")
    if x0.shape != x.shape or x0.dtype != x.dtype or x0.device != x.device:
        raise _Broken(
            f"the baseline is {tuple(x0.shape)} {x0.dtype} on {x0.device}, the tensor {tuple(x.shape)} {x.dtype} on "
            f"{x.device}; the two must be alike"
        )
    if not (x.isfinite().all() and x0.isfinite().all()):
        raise _Broken("prepare gives values that are not finite; look for a division by the signal's own range")
    found(True, f"prepared to a tensor of shape {tuple(x.shape)}, finite, with a baseline like it", "")
    found(
        not (x.requires_grad or x0.requires_grad),
        "the tensor carries no graph",
        "the prepared tensor requires a gradient; detach it (of embeddings: table.detach()[ids])",
    )
    found(
        prepared.modality == modality.name,
        "the prepared signal knows its modality",
        f"prepared.modality is {prepared.modality!r}; the modality's name is {modality.name!r}",
    )
    again = _ask("prepare, the second time,", lambda: modality.prepare(signal))
    found(
        torch.equal(again.tensor, x) and torch.equal(again.baseline, x0),
        "preparing twice gives the same",
        "preparing a signal twice gives different tensors; noise, dither or a random crop is drawn; fix its seed",
    )
    if before is not None:
        found(
            np.array_equal(before, signal, equal_nan=before.dtype.kind == "f"),
            "the signal is left as it is",
            "prepare writes into the signal; work on a copy",
        )
    return prepared


def _check_segment(modality: Modality, prepared: Prepared, found: Found) -> Segmentation:
    cut = _ask("segment", lambda: modality.segment(prepared))
    if not isinstance(cut, Segmentation):
        raise _Broken(f"segment gives a {type(cut).__name__}; a Segmentation is wanted")
    labels, count = cut.labels, len(cut)
    if labels.dtype.kind not in "iu":
        raise _Broken(f"labels are {labels.dtype}; integers are wanted, the index of each element's unit")
    inside = np.unique(labels[labels != -1])
    if inside.size and not (inside[0] >= 0 and inside[-1] < count):
        raise _Broken(
            f"labels run from {inside[0]} to {inside[-1]}, for {count} units; give 0 to {count - 1}, or -1 for none"
        )
    empty = sorted(set(range(count)) - set(inside.tolist()))
    found(
        not empty,
        f"{count} units, each with elements of its own",
        f"unit {', '.join(map(str, empty[:3]))} has no element; leave it out and count the others anew",
    )
    misplaced = [i for i, unit in enumerate(cut.units) if unit.index != i or unit.modality != modality.name]
    found(
        not misplaced,
        "units know their place",
        f"units[{misplaced[0] if misplaced else 0}] has another index or modality; units[i].index is i, "
        f"and the modality {modality.name!r}",
    )
    lines = cut.neighbours
    good = len(lines) == count and all(list(line) == sorted(set(line)) for line in lines)
    pairs = {(i, j) for i, line in enumerate(lines) for j in line}
    good = good and all(i != j and 0 <= j < count and (j, i) in pairs for i, j in pairs)
    found(
        good,
        "neighbours are mutual",
        "neighbours: for each unit the sorted indices of others are wanted, and of two each must name the other",
    )
    again = _ask("segment, the second time,", lambda: modality.segment(prepared))
    found(
        np.array_equal(again.labels, labels),
        "segmenting twice gives the same",
        "segmenting twice gives different labels; draw from a fixed seed",
    )
    return cut


def _check_schedule(modality: Modality, found: Found) -> None:
    u, h = torch.linspace(0, 1, 65, dtype=torch.float64), 1e-3
    g, slope = _ask("schedule", lambda: modality.schedule(u))
    if g.shape != u.shape or slope.shape != u.shape:
        raise _Broken(f"schedule gives shapes {tuple(g.shape)} and {tuple(slope.shape)} for {tuple(u.shape)}; keep it")
    ends = (float(g[0]), float(g[-1]))
    found(
        abs(ends[0]) <= 1e-6 and abs(ends[1] - 1) <= 1e-6,
        "the schedule runs from 0 to 1",
        f"the schedule runs from {ends[0]:.3g} to {ends[1]:.3g}; g(0) = 0 (the baseline) and g(1) = 1 (the input)",
    )
    found(
        bool((g.diff() >= 0).all()),
        "the schedule never turns back",
        "the schedule falls somewhere; a path that turns back counts evidence twice",
    )
    inner = u[1:-1]
    (above, _), (below, _) = (_ask("schedule", lambda at=at: modality.schedule(at)) for at in (inner + h, inner - h))
    measured = (above - below) / (2 * h)
    off = ((measured - slope[1:-1]).abs() / measured.abs().clamp_min(1)).max()
    found(
        bool(off <= 1e-2),
        "the schedule's derivative is its derivative",
        f"the schedule's derivative differs from finite differences by {float(off):.2g} of it; contributions would not "
        "add up to the score's difference",
    )


def _check_attribute(modality: Modality, prepared: Prepared, cut: Segmentation, found: Found) -> None:
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(prepared.tensor.shape, generator=generator).to(prepared.tensor)
    views = _ask("attribute", lambda: modality.attribute(prepared, gradient))
    if "units" not in views:
        raise _Broken(f"attribute gives the views {', '.join(views) or 'none'}; the view 'units' is wanted")
    parts = (gradient.double() * (prepared.tensor - prepared.baseline).double()).flatten()
    total, size = float(parts.sum()), float(parts.abs().sum())
    for name, (dims, coords, values) in views.items():
        _check_view("attribute", name, (dims, coords, values), found)
        gap = abs(float(np.sum(values, dtype=np.float64)) - total)
        found(
            gap <= 1e-4 * size + 1e-9,
            f"view {name!r} sums to (gradient * (tensor - baseline)).sum()",
            f"view {name!r} sums to something else than (gradient * (tensor - baseline)).sum(), by {gap:.3g} of sizes "
            f"that sum to {size:.3g}; something is left out, counted twice or scaled",
        )
    shape = views["units"][2].shape
    found(
        shape == cut.labels.shape,
        "view 'units' has the labels' shape",
        f"view 'units' has shape {shape}, the segmentation's labels {cut.labels.shape}; the two must agree",
    )
    sensitivity = getattr(modality, "sensitivity", None)
    if sensitivity is not None:
        for name, view in _ask("sensitivity", lambda: sensitivity(prepared, gradient)).items():
            _check_view("sensitivity", name, view, found)
            found(
                bool((view[2] >= 0).all()),
                "",
                f"sensitivity {name!r} has values below 0; sizes are wanted, the gradient's length over colours, say",
            )


def _check_view(method: str, name: str, view: tuple[Any, Mapping[str, Any], np.ndarray], found: Found) -> None:
    dims, coords, values = view
    given = {d: len(coords[d]) if d in coords else None for d in dims}
    wanted = dict(zip(dims, values.shape, strict=False))
    found(
        len(dims) == values.ndim and given == wanted and set(coords) == set(dims),
        f"{method}: dims and coordinates of {name!r} fit its values, which are finite",
        f"{method}: view {name!r} has dims {tuple(dims)}, coordinates of lengths "
        f"{ {d: len(c) for d, c in coords.items()} } and values of shape {values.shape}; name each axis, with one "
        "coordinate for each place",
    )
    found(
        values.dtype.kind == "f" and bool(np.isfinite(values).all()),
        "",
        f"{method}: view {name!r} holds {values.dtype} or values that are not finite; floats are wanted",
    )


def _check_edits(modality: Modality, prepared: Prepared, cut: Segmentation, found: Found) -> None:
    x, count = prepared.tensor, len(cut)
    edits: list[list[int]] = [[], list(range(count))] + ([[0], [count - 1]] if count else [])
    slight = 1e-4 * float(x.abs().max()) if x.numel() else 0.0  # of a signal that holds nothing, all is rounding
    empty = not count or bool(((x - prepared.baseline).abs() <= slight).all())
    for op in modality.operators:
        before = x.clone()
        out = _infill(modality, prepared, edits, op, cut)
        if out.shape != (len(edits), *x.shape[1:]) or out.dtype != x.dtype:
            raise _Broken(
                f"infill by {op!r} gives {tuple(out.shape)} {out.dtype} for {len(edits)} edits; "
                f"{(len(edits), *x.shape[1:])} {x.dtype} is wanted, a row for each edit"
            )
        if not torch.equal(x, before):
            found(False, "", f"infill by {op!r} writes into prepared.tensor; work on a copy")
            x.copy_(before)
        found(bool(out.isfinite().all()), "", f"infill by {op!r} gives values not finite")
        found(
            torch.equal(out[0], x[0]),
            "",
            f"infill by {op!r} changes the signal where no unit is edited, by up to "
            f"{float((out[0] - x[0]).abs().max()):.3g}; change the edited units alone",
        )
        if not empty:
            found(
                bool(((out[1] - x[0]).abs() > slight).any()),
                "",
                f"infill by {op!r} changes nothing where all units are edited; nothing could be measured by it",
            )
        alone = torch.cat([_infill(modality, prepared, [edit], op, cut) for edit in edits])
        gap = float((alone - out).abs().max()) if alone.numel() else 0.0
        found(
            gap <= 1e-5 * max(1.0, float(x.abs().max())),
            f"edits by {op!r}: none changes nothing, all change something, those of a batch are independent",
            f"infill by {op!r} gives an edit in a batch otherwise than alone, by up to {gap:.3g}; edits of a batch "
            "mix, or the fill is drawn at random (fix its seed)",
        )
        _check_energy(modality, prepared, out, op, slight, found)
    _check_refusals(modality, prepared, cut, found)


def _infill(modality: Modality, prepared: Prepared, edits: list[list[int]], operator: str, cut: Segmentation) -> Tensor:
    return _ask(f"infill by {operator!r}", lambda: modality.infill(prepared, edits, operator, cut))


def _check_energy(
    modality: Modality, prepared: Prepared, out: Tensor, operator: str, slight: float, found: Found
) -> None:
    energy = _ask(f"energy of edits by {operator!r}", lambda: modality.energy(prepared, out))
    if energy.shape != (len(out),) or not energy.isfinite().all():
        raise _Broken(
            f"energy by {operator!r} gives {tuple(energy.shape)} {energy.tolist()}; one finite number for each edit"
        )
    changed = bool(((out[1] - prepared.tensor[0]).abs() > slight).any())
    found(
        float(energy[0]) == 0 and bool((energy >= 0).all()) and (not changed or float(energy[1]) > 0),
        f"energy by {operator!r} is 0 for no edit and positive for all",
        f"energy by {operator!r} is {float(energy[0]):.3g} for no edit and {float(energy[1]):.3g} for all units; 0 and "
        "about 1 are wanted, the size of the change over that of removing everything",
    )


def _check_refusals(modality: Modality, prepared: Prepared, cut: Segmentation, found: Found) -> None:
    first = modality.operators[0]
    cases = (("operator", [[]], "no such operator"), ("unit", [[len(cut)]], first), ("unit", [[-1]], first))
    for what, edits, operator in cases:
        asked = f"{what} {edits[0][0] if what == 'unit' else operator!r}"
        try:
            modality.infill(prepared, edits, operator, cut)
        except InputError:
            found(True, f"an unknown {asked} is refused", "")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            found(False, "", f"infill answers an unknown {asked} by {type(error).__name__}; raise InputError")
        else:
            found(False, "", f"infill takes an unknown {asked} without a word; raise InputError")


def _check_show(modality: Modality, cut: Segmentation, found: Found) -> None:
    for units in [cut.units[:1], cut.units] if len(cut) else []:
        told = _ask("show", lambda units=units: modality.show(units))
        found(
            isinstance(told, str) and bool(told.strip()) and "\n" not in told,
            "units are shown in words" if len(units) > 1 else "",
            f"show gives {told!r} for {len(units)} units; a line of words is wanted, where they lie",
        )
