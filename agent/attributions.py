"""Attributions for people: computed for the command line, told in a table, drawn side by side, saved for NumPy."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageDraw

from ..errors import InputError
from ..modalities.attribution import METHODS, Attribution, attribute
from ..modalities.contract import Observation, Prepared, System
from ..modalities.engines.methods import find_method
from ..modalities.evidence import Segmentation
from ..modalities.observation import prepare, segment
from ..modalities.saliency import SaliencyMap
from ..modalities.scorer import Scorer
from ..modalities.target import Target
from .pictures import grey, mel_rows, spectrum, tint

__all__ = ["Asked", "Attributed", "compute", "draw", "listed", "save", "tell"]

_TOP = 3
_CELL = 224
_MARGIN = 8
_LABEL = 18


@dataclass(frozen=True)
class Asked:
    """Methods by name, the action and the one against it (None: the one decided on, all others), seed and layer."""

    methods: Sequence[str]
    action: str | None = None
    against: str | None = None
    seed: int = 0
    layer: str | None = None


@dataclass(frozen=True)
class Attributed:
    """Attributions by method, with the signals and evidence units that they are about."""

    system: System
    prepared: Mapping[str, Prepared]
    segmentations: Mapping[str, Segmentation]
    by_method: Mapping[str, Attribution]


def listed() -> list[dict[str, Any]]:
    """Return each method's name, whether its values add up, and the first line of what is written of it."""
    return [
        {"name": name, "additive": method.additive, "summary": (method.__doc__ or "").strip().splitlines()[0]}
        for name, method in METHODS.items()
    ]


def compute(system: System, observation: Observation, asked: Asked) -> Attributed:
    """Attribute one decision by each of the methods.

    Raises:
        InputError: the observation, an action or a method cannot be used.
    """
    methods = {name: find_method(name, asked.layer) for name in asked.methods}
    prepared = prepare(system, observation)
    target = _target(system, prepared, asked)
    by_method = {name: attribute(system, prepared, m, target, seed=asked.seed) for name, m in methods.items()}
    return Attributed(system, prepared, segment(system, prepared), by_method)


def _target(system: System, prepared: Mapping[str, Prepared], asked: Asked) -> Target | str | None:
    actions = list(system.actions)
    for name in filter(None, (asked.action, asked.against)):
        if name not in actions:
            raise InputError(f"no action {name!r}; the system has {', '.join(actions)}")
    if asked.against is None:
        return asked.action
    inputs = {m: p.tensor for m, p in prepared.items()}
    logits = Scorer(system, Target(0, kind="logit"), "for one observation").logits(inputs)
    action = int(logits.argmax()) if asked.action is None else actions.index(asked.action)
    return Target(action, against=actions.index(asked.against))


def _leading(found: Attributed, sense: str, map_: SaliencyMap) -> list[dict[str, Any]]:
    """The evidence units with the largest values, in words; none where the map does not lie on units."""
    segmentation = found.segmentations[sense]
    if map_.values.shape != segmentation.labels.shape:
        return []
    values = segmentation.total(map_.values)
    order = np.argsort(-values, kind="stable")[:_TOP]
    show = found.system.modalities[sense].show
    return [{"where": show([segmentation.units[i]]), "value": float(values[i])} for i in order]


def _summary(found: Attributed) -> list[dict[str, Any]]:
    rows = []
    for method, attribution in found.by_method.items():
        senses = {}
        for sense, views in attribution.maps.items():
            on_units = [v for v in views.values() if v.values.shape == found.segmentations[sense].labels.shape]
            first = (on_units or list(views.values()))[0]
            senses[sense] = {
                "views": {k: {"dims": list(v.dims), "shape": list(v.values.shape)} for k, v in views.items()},
                "unit": first.unit,
                "total": first.total(),
                "leading": _leading(found, sense, first),
                "diagnostics": asdict(first.diagnostics),
            }
        told = {"method": method, "target": attribution.target, "score": attribution.score, "gap": attribution.gap}
        rows.append({**told, "facts": dict(attribution.facts), "notes": list(attribution.notes), "senses": senses})
    return rows


def tell(found: Attributed, *, as_json: bool) -> None:
    """Print what was found, as a table for each method or as JSON."""
    rows = _summary(found)
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    for row in rows:
        gap = "" if row["gap"] is None else f", gap {row['gap']:.2g}"
        title = f"{row['method']}: {row['target']}, score {row['score']:+.2f}{gap}"
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
        )
        table.add_column("sense", no_wrap=True)
        table.add_column("total", justify="right", no_wrap=True)
        table.add_column("unit", style="dim")
        table.add_column("leads", ratio=1, min_width=24)
        table.add_column("at the input", style="dim")
        for sense, told in row["senses"].items():
            leads = "\n".join(f"{lead['value']:+.2g}  {lead['where']}" for lead in told["leading"])
            shape = ", ".join(f"{k} {'×'.join(map(str, v['shape']))}" for k, v in told["views"].items())
            table.add_row(sense, f"{told['total']:+.3g}", told["unit"], leads or shape, _told(told["diagnostics"]))
        console.print(table)
        for note in row["notes"]:
            console.print(f"· {note}")
        console.print()
    console.print("Proposals, not tested: veridical explain tests one.", style="dim")


def _told(diagnostics: Mapping[str, Any]) -> str:
    """Saturation, variation and stability in a few words."""
    said = []
    if diagnostics["saturated"] is not None:
        said.append("saturated" if diagnostics["saturated"] else "not saturated")
    if diagnostics["variation"] is not None:
        said.append(f"gradients vary {diagnostics['variation']:.0%}")
    if diagnostics["stability"] is not None:
        said.append(f"stability {diagnostics['stability']:.2f}")
    return "\n".join(said)


def save(found: Attributed, path: Path) -> None:
    """Write every map as ``method/sense/view``, float32, for ``numpy.load``; nothing in the file is pickled."""
    arrays = {
        f"{method}/{sense}/{view}": map_.values
        for method, attribution in found.by_method.items()
        for sense, views in attribution.maps.items()
        for view, map_ in views.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def draw(found: Attributed) -> Image.Image:
    """Draw the maps side by side: a row for each method, a column for each frame and one for the sound.

    Orange speaks for the action, blue against it; each map's full colour is its 99.5th percentile. Maps that lie
    neither on pixels nor on frequency and time are left out.
    """
    columns = _columns(found)
    if not columns:
        raise InputError("picture: none of these senses can be drawn; --arrays writes the maps as they are")
    pitch, row_height = _CELL + _MARGIN, _CELL + _LABEL + _MARGIN
    size = (_MARGIN + pitch * len(columns), _MARGIN + row_height * len(found.by_method))
    sheet = Image.new("RGB", size, (250, 250, 250))
    pen = ImageDraw.Draw(sheet)
    for i, (method, attribution) in enumerate(found.by_method.items()):
        top = _MARGIN + i * row_height
        pen.text((_MARGIN, top), f"{method}: {attribution.target}", fill=(20, 20, 20))
        for j, (sense, frame, ground) in enumerate(columns):
            cell = Image.fromarray(ground).convert("RGB")
            values = _drawable(attribution, sense, frame)
            if values is not None:
                limit = float(np.quantile(np.abs(values), 0.995)) or 1.0
                over = Image.fromarray(tint(values, limit)).resize(cell.size)
                cell.paste(over, mask=over.getchannel("A"))
            sheet.paste(cell.resize((_CELL, _CELL)), (_MARGIN + j * pitch, top + _LABEL))
    return sheet


def _columns(found: Attributed) -> list[tuple[str, int, np.ndarray]]:
    """Sense, frame and grey ground of each column."""
    columns: list[tuple[str, int, np.ndarray]] = []
    for m, p in found.prepared.items():
        if p.tensor.ndim == 5:
            frames = (p.tensor[0].mean(1).clamp(0, 1) * 255).round().byte().cpu().numpy()
            columns += [(m, k, frame) for k, frame in enumerate(frames)]
        elif isinstance(p.raw, np.ndarray) and p.raw.ndim == 1 and "rate" in p.detail:
            rows = mel_rows(np.arange(257) * p.detail["rate"] / 512, 128)
            columns.append((m, 0, grey(spectrum(p.raw))[rows]))
    return columns


def _drawable(attribution: Attribution, sense: str, frame: int) -> np.ndarray | None:
    for map_ in attribution.maps.get(sense, {}).values():
        if map_.dims == ("frame", "y", "x"):
            return map_.values[frame].astype(np.float64)
        if map_.dims == ("frequency", "time"):
            return map_.values[mel_rows(map_.coords["frequency"], 128)].astype(np.float64)
    return None
