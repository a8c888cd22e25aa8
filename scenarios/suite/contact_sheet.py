"""A contact sheet of a scenario: what the system gets in the scene as written and in its variants, as one picture.

Frames with their parts outlined, the sound as a spectrogram with its parts below, the instruction. Of a variant, sound
and instruction are shown where they are others than in the scene as written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...agent import pictures
from ...agent.wording import clean
from ...errors import InputError
from . import contact_sheet_panels as panels
from .contact_sheet_text import PAPER, SOFT, face, written

if TYPE_CHECKING:
    from .load import LoadedScenario
    from .vary import Variant

__all__ = ["MOST_VARIANTS", "contact_sheet", "write_contact_sheet"]

MOST_VARIANTS = 24
"""Variants on one sheet, the scene as written included; the sheet says how many are left out."""

_MARGIN, _GAP, _BETWEEN = 32, 8, 40
_ACROSS = 3  # frames beside each other
_MOST_FRAMES, _FEWER_FRAMES = 12, 6  # of the scene as written; of its variants
_WIDEST = 460  # of a frame, pixels


def contact_sheet(loaded: LoadedScenario, variants: Sequence[Variant]) -> Image.Image:
    """Draw a scenario's variants, two beside each other, the scene as written first.

    Args:
        loaded: the scenario.
        variants: as `vary.variants` makes them.

    Returns:
        RGB.
    """
    shown, base = variants[:MOST_VARIANTS], variants[0]
    width = _width(shown)
    loudest = _loudest(shown)
    blocks = [_block(variant, base, width, loudest) for variant in shown]
    columns = min(2, len(blocks))
    whole = columns * width + (columns - 1) * _BETWEEN
    rows = [_beside(blocks[i : i + columns], width) for i in range(0, len(blocks), columns)]
    head = _head(loaded, len(variants), len(shown), whole)
    body = _stacked([head, *rows], whole, _BETWEEN)
    sheet = Image.new("RGB", (whole + 2 * _MARGIN, body.height + 2 * _MARGIN), PAPER)
    sheet.paste(body, (_MARGIN, _MARGIN))
    return sheet


def write_contact_sheet(path: Path, loaded: LoadedScenario, variants: Sequence[Variant]) -> Path:
    """Draw a scenario's contact sheet into a PNG file, and return its path.

    Raises:
        InputError: the file cannot be written.
    """
    drawn = contact_sheet(loaded, variants)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn.save(path, "PNG", optimize=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}; name another place") from error
    return path


def _head(loaded: LoadedScenario, made: int, shown: int, width: int) -> Image.Image:
    told = loaded.scenario
    count = "one variant: the scene as written" if made == 1 else f"{made} variants, the scene as written included"
    left = f"; the first {shown} are shown" if shown < made else ""
    driven = "; the street alone, for what is on it moves in a closed loop" if told.storyboard is not None else ""
    return _stacked(
        [
            written(clean(told.scenario), face(26, bold=True), width),
            written(clean(told.why), face(15), width, SOFT),
            written(f"{told.family}: {count}{left}{driven}", face(12), width, SOFT),
        ],
        width,
        4,
    )


def _block(variant: Variant, base: Variant, width: int, loudest: float) -> Image.Image:
    """One variant: its name, what the policy asks for in it, its senses."""
    name = "As written" if variant is base else clean(variant.name)
    titles = [written(name, face(15, bold=True), width, most=3)]
    if variant.composed is not None:
        rule = variant.composed.rule
        titles.append(written(f"the policy asks for {rule.action}", face(12), width, SOFT))
    found = [_stacked(titles, width, 0)]
    found += _frames(variant, width, _MOST_FRAMES if variant is base else _FEWER_FRAMES)
    same = []
    for sense, told, draw in (("audio", "sound", _sound), ("text", "instruction", _text)):
        given = variant.observation.get(sense)
        if given is None:
            found.append(written(f"no {told}", face(12), width, SOFT))
        elif (
            variant is not base
            and _equal(given, base.observation.get(sense))
            and not _parts_differ(variant, base, sense)
        ):
            same.append(told)
        else:
            found.append(draw(variant, width, loudest))
    if same:
        found.append(written(f"{' and '.join(same)} as written", face(12), width, SOFT))
    return _stacked(found, width, _GAP)


def _frames(variant: Variant, width: int, most: int) -> list[Image.Image]:
    every = panels.pixels_of(variant.observation.get("vision"))
    if not every:
        return [written("no pictures", face(12), width, SOFT)]
    chosen = sorted({round(i) for i in np.linspace(0, len(every) - 1, min(len(every), most))})
    parts = {name: part for name, part in _parts(variant, "vision").items() if part.mask is not None}
    cells = []
    for i in chosen:
        inside = {clean(name): part.mask[i] for name, part in parts.items() if i < len(part.mask)}
        drawn = panels.frame(every[i], inside)
        if drawn.width > _WIDEST:
            drawn = drawn.resize((_WIDEST, round(drawn.height * _WIDEST / drawn.width)))
        cells.append(_stacked([drawn, written(f"{i} s", face(11), drawn.width, SOFT)], drawn.width, 2))
    rows = []
    for i in range(0, len(cells), _ACROSS):
        row = Image.new("RGB", (width, max(cell.height for cell in cells[i : i + _ACROSS])), PAPER)
        for k, cell in enumerate(cells[i : i + _ACROSS]):
            row.paste(cell, (k * (cell.width + _GAP), 0))
        rows.append(row)
    told = [f"{len(chosen)} of {len(every)} frames"] if len(chosen) < len(every) else []
    told += [f"{name}: {part.what}" for name, part in parts.items() if part.what != name]
    return [*rows, written(clean(" · ".join(told)), face(12), width, SOFT)] if told else rows


def _sound(variant: Variant, width: int, loudest: float) -> Image.Image:
    heard = panels.samples_of(variant.observation["audio"])
    if heard is None:
        return written("no sound", face(12), width, SOFT)
    spans = {_label(part): part.time for part in _parts(variant, "audio").values() if part.time is not None}
    return panels.sound(*heard, spans, width, loudest)


def _text(variant: Variant, width: int, _: float) -> Image.Image:
    text = variant.observation["text"]
    # Words that are disturbed stand elsewhere than in the scene as composed: then they have no names.
    own = _parts(variant, "text").items() if not any(spec.sense == "text" for spec in variant.perturbations) else ()
    spans = {name: part.span for name, part in own if part.span is not None}
    return panels.sentences(text, spans, width) if text.strip() else written("an empty text", face(12), width, SOFT)


def _parts(variant: Variant, sense: str) -> Mapping[str, Any]:
    every = {} if variant.composed is None else variant.composed.parts
    return {name: part for name, part in every.items() if part.sense == sense}


def _label(part: Any) -> str:
    return clean(part.name if part.what == part.name else f"{part.name} · {part.what}")


def _parts_differ(variant: Variant, base: Variant, sense: str) -> bool:
    """Whether other parts are in a signal that is the same, so that it must be shown with them."""
    own, others = ({n: (p.what, p.time, p.span) for n, p in _parts(v, sense).items()} for v in (variant, base))
    return own != others


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[1:] == other[1:] and np.array_equal(np.asarray(one[0]), np.asarray(other[0]))
    return isinstance(one, str) and one == other


def _loudest(variants: Sequence[Variant]) -> float:
    """Decibels that all spectrograms show as white, so that louder looks louder."""
    every = [panels.samples_of(variant.observation.get("audio")) for variant in variants]
    return max((float(pictures.spectrum(heard[0]).max()) for heard in every if heard is not None), default=0.0)


def _width(variants: Sequence[Variant]) -> int:
    """Of a block: three of the widest frames beside each other."""
    shapes = [frame.shape for v in variants for frame in panels.pixels_of(v.observation.get("vision"))[:1]]
    wide = max((min(_WIDEST, round(panels.FRAME * w / h)) for h, w, _ in shapes), default=panels.FRAME)
    return _ACROSS * wide + (_ACROSS - 1) * _GAP


def _beside(blocks: Sequence[Image.Image], width: int) -> Image.Image:
    row = Image.new("RGB", (len(blocks) * (width + _BETWEEN) - _BETWEEN, max(b.height for b in blocks)), PAPER)
    for i, block in enumerate(blocks):
        row.paste(block, (i * (width + _BETWEEN), 0))
    return row


def _stacked(found: Sequence[Image.Image], width: int, gap: int) -> Image.Image:
    whole = Image.new("RGB", (width, sum(each.height for each in found) + gap * (len(found) - 1)), PAPER)
    top = 0
    for each in found:
        whole.paste(each, (0, top))
        top += each.height + gap
    return whole
