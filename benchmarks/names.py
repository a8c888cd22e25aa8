"""Do the names of concepts say what is there?

``python -m benchmarks.names`` (``make benchmark-names``).

On held-out scenes it is known where each object stands, when each sound is heard and what is written. Each place at
which `look` finds a concept is joined to the thing that it lies on with at least half of its strength: an object that
covers a quarter or more of a cell, a sound that lasts through half of a window. Of several sounds it is that without
which most of the strength goes, at least 30 % (the scene is rendered without each). Words are known wherever they are.

A name *matches* if it covers the thing: if it is a general noun or a class of AudioSet that the thing is a kind of, by
the folders of pictures and recordings (`_known.COVERED`); or if its cosine to what the folder says of the thing ("A
rhea") is `ALIKE` or more in MiniLM's sentence space. At that, 1 in 2,600 of ImageNet's classes of other kinds matches a
training picture, and for 71 % of them some class of their kind does. A name for words matches if its words, by their
stems, stand in the place. Chance is the share that would match by the names of the bank's other named concepts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor

from benchmarks._known import ALIKE, Judge, Known, heard, read, seen
from benchmarks._shares import share_of
from veridical.concepts.bank import ConceptBank
from veridical.concepts.graph import concept_name
from veridical.concepts.instances import Instance
from veridical.concepts.layer import ConceptSettings, Found, look
from veridical.concepts.project import Projector
from veridical.concepts.rows import grid_of
from veridical.errors import InputError, VeridicalError
from veridical.fusion.measure import Laboratory
from veridical.modalities.observation import prepare, segment
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import Courier, load
from veridical.scenarios.courier.scene import Cause, Scene, mask, render, sample_scene

__all__ = ["Row", "laboratory_of", "main", "measure", "summarise"]

_HALF = 0.5
_COVERS = 0.25
_CARRIED = 0.3
_QUICK = ConceptSettings(tested=1, controls=1, carried=_CARRIED, pairs=0)


@dataclass(frozen=True)
class Row:
    """A concept at one place of one scene.

    Attributes:
        seed: seed of the scene.
        sense: its sense.
        concept: index in the sense's bank.
        name: the concept's name; None where it has none.
        thing: what it lies on; None where that is not known.
        share: share of its strength that lies on it; where it is not known, the largest that lies on anything.
        matches: whether the name covers the thing; None where one of both is missing.
        chance: share of the bank's other named concepts whose names do; None likewise, or if there is no other.
    """

    seed: int
    sense: str
    concept: int
    name: str | None
    thing: str | None
    share: float
    matches: bool | None
    chance: float | None


class _Once(Courier):
    """A system that does not encode again what it encoded last."""

    def __init__(self, system: Courier) -> None:
        self.__dict__.update(vars(system))
        self.whole, self.last = system, {}

    def encode(self, modality: str, x: Tensor) -> Tensor:
        """Return the features of one sense."""
        if modality not in self.last or self.last[modality][0] is not x:
            self.last[modality] = x, self.whole.encode(modality, x)
        return self.last[modality][1]


def laboratory_of(system: Courier, observation: Mapping[str, Any]) -> tuple[Laboratory, dict[str, Tensor], Tensor]:
    """Return a laboratory before an observation (of the system's senses), its features, and the actions' scores."""
    system = _Once(system)
    prepared = prepare(system, {m: signal for m, signal in observation.items() if m in system.modalities})
    with torch.no_grad():
        features = {m: system.encode(m, p.tensor) for m, p in prepared.items()}
        logits = system.decide(features)
    action = int(logits.argmax())
    score = float(decision_score(logits, action)[0])
    return Laboratory(system, prepared, segment(system, prepared), action, score=score), features, logits[0]


@dataclass(frozen=True)
class _View:
    """What is known of one scene, with the strengths of all concepts in all rows by sense."""

    system: Courier
    scene: Scene
    laboratory: Laboratory
    strengths: Mapping[str, Float[np.ndarray, "rows concepts"]]
    grids: Mapping[str, tuple[int, ...]]
    carried: Mapping[str, Mapping[str, float]]

    def on(self, found: Found) -> tuple[Known | None, float]:
        """Return what a place lies on, and with which share of its strength."""
        each = found.instance
        if each.sense == "text":
            return self._read(found), 1.0
        if each.sense == "vision":
            shares = [self._share(each, self._cells(i)) for i in range(len(self.scene.things))]
            best = max(range(len(shares)), key=lambda i: shares[i], default=None)
        else:
            shares = [self._share(each, inside) for inside in self._windows()]
            best = self._loudest(each, shares)
        if best is None or shares[best] < _HALF:
            return None, max(shares, default=0.0)
        known = seen(self.scene.things[best].stamp) if each.sense == "vision" else heard(self.scene.sounds[best].clip)
        return known, shares[best]

    def _read(self, found: Found) -> Known | None:
        units = self.laboratory.segmentations["text"].units
        first, last = min(found.place.units, default=0), max(found.place.units, default=-1)
        words = " ".join(unit.text or "" for unit in units[first : last + 1])
        return read(words) if words else None

    def _loudest(self, each: Instance, shares: Sequence[float]) -> int | None:
        """Of several sounds at once, that without which most of the strength goes."""
        there = [i for i, share in enumerate(shares) if share >= _HALF]
        if len(there) < 2:
            return there[0] if there else None
        gone = [self.carried.get(str(i), {}).get(each.id, 0.0) for i in there]
        return there[int(np.argmax(gone))] if max(gone) >= _CARRIED else None

    def _share(self, each: Instance, inside: np.ndarray) -> float:
        rows = list(each.rows)
        strengths = self.strengths[each.sense][rows, each.concept]
        return float(strengths[inside[rows]].sum() / max(float(strengths.sum()), 1e-12))

    def _cells(self, index: int) -> np.ndarray:
        """Return in which cells a thing covers a quarter or more."""
        where = np.asarray(mask(self.scene, Cause("", "vision", index)), np.float32)
        frames, down, across = self.grids["vision"]
        height, width = where.shape[1] // down, where.shape[2] // across
        return where.reshape(frames, down, height, across, width).mean((2, 4)).ravel() >= _COVERS

    def _windows(self) -> list[np.ndarray]:
        """Return for each sound through half of which windows or more it lasts."""
        times = self.system.row_times("audio", len(self.strengths["audio"]))
        if times is None:
            return []
        spans = [mask(self.scene, cause) for cause in _sounds(self.scene)]
        over = [np.minimum(times[:, 1], end) - np.maximum(times[:, 0], start) for start, end in spans]
        return [overlap >= _HALF * (times[:, 1] - times[:, 0]) for overlap in over]


def _sounds(scene: Scene) -> list[Cause]:
    return [Cause(sound.clip.kind, "audio", i) for i, sound in enumerate(scene.sounds)]


def _view(system: Courier, banks: Mapping[str, ConceptBank], seed: int, scene: Scene) -> tuple[_View, Sequence[Found]]:
    laboratory, features, _ = laboratory_of(system, render(scene))
    without = {}
    if "audio" in banks and "audio" in features and len(scene.sounds) > 1:
        for i, cause in enumerate(_sounds(scene)):
            signal = render(replace(scene.without(cause), things=()))["audio"]  # what is seen takes time to draw
            with torch.no_grad():
                without[str(i)] = "audio", system.encode("audio", system.modalities["audio"].prepare(signal).tensor)
    found = look(laboratory, without, banks, np.random.default_rng([43, seed]), settings=_QUICK)
    strengths = {m: Projector(banks[m])(features[m]).strengths.numpy() for m in found.banks}
    grids = {m: grid_of(tuple(features[m].shape)) for m in found.banks}
    return _View(system, scene, laboratory, strengths, grids, found.carried), found.found


def _rows(system: Courier, banks: Mapping[str, ConceptBank], judge: Judge, seed: int, partition: str) -> list[Row]:
    view, places = _view(system, banks, seed, sample_scene(seed, partition))
    rows = []
    for found in places:
        sense, concept = found.instance.sense, found.instance.concept
        names, (thing, share) = banks[sense].names, view.on(found)
        name, matches, chance = concept_name(banks[sense], concept, None, found.instance.strength)[1], None, None
        if name is not None and thing is not None:
            matches = judge.covers(name, thing)
            others = [judge.covers(n, thing) for k, n in enumerate(names) if n is not None and k != concept]
            chance = float(np.mean(others)) if others else None
        told = name.text if name else None
        rows.append(Row(seed, sense, concept, told, thing.words if thing else None, share, matches, chance))
    return rows


def measure(scenes: int, first: int, partition: str, system: Courier | None = None) -> list[Row]:
    """Look into so many scenes, the first of which has seed ``first``.

    Raises:
        InputError: fewer than one scene, an unknown partition, a system without concept banks, or stamps or sounds are
            not installed.
    """
    if scenes < 1:
        raise InputError(f"names: {scenes} scenes; at least 1 is wanted")
    system, judge, rows = system or load(), Judge(), []
    banks = system.concepts
    if not banks:
        raise InputError(f"names: the system {system.name!r} has no concept banks; find its concepts first")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for seed in progress.track(range(first, first + scenes), description="scenes"):
            rows += _rows(system, banks, judge, seed, partition)
    return rows


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    chance = [r.chance for r in rows if r.chance is not None]
    return {
        "known": share_of([r.thing is not None for r in rows]),
        "unnamed": share_of([r.name is None for r in rows]),
        "unnamed_where_known": share_of([r.name is None for r in rows if r.thing is not None]),
        "nothing_where_named": share_of([r.thing is None for r in rows if r.name is not None]),
        "matches": share_of([r.matches for r in rows if r.matches is not None]),
        "chance": float(np.mean(chance)) if chance else None,
    }


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Figures over all places, by sense, and by name; ``chance`` is None where no name could be another's."""
    senses = sorted({r.sense for r in rows})
    named = sorted({(r.sense, r.concept, r.name) for r in rows if r.name is not None})
    by_name = []
    for sense, concept, name in named:
        some = [r for r in rows if (r.sense, r.concept) == (sense, concept)]
        by_name.append({"sense": sense, "concept": concept, "name": name, "places": len(some), **_figures(some)})
    return {
        "scenes": len({r.seed for r in rows}),
        "all": _figures(rows),
        "by_sense": {m: _figures([r for r in rows if r.sense == m]) for m in senses},
        "by_name": by_name,
    }


def _cell(share: Mapping[str, Any]) -> str:
    low, high = share["interval"]
    told = f"{100 * share['share']:.1f} % ({100 * low:.0f}–{100 * high:.0f}, {share['count']})"
    return told if share["count"] else "none"


def _print(summary: Mapping[str, Any]) -> None:
    table = Table(title=f"names of concepts against what is there, {summary['scenes']} scenes")
    for column in ("", "name matches", "chance", "unnamed", "named, on nothing"):
        table.add_column(column, justify="left" if not column else "right")
    named = {f"{n['sense']} #{n['concept']} “{n['name']}”": n for n in summary["by_name"]}
    for title, row in {"all": summary["all"], **summary["by_sense"], **named}.items():
        chance = "not defined" if row["chance"] is None else f"{100 * row['chance']:.1f} %"
        shares = [_cell(row[key]) for key in ("unnamed_where_known", "nothing_where_named")]
        table.add_row(title, _cell(row["matches"]), chance, *shares)
    Console().print(table)
    known, unnamed = (_cell(summary["all"][key]) for key in ("known", "unnamed"))
    Console().print(f"places on a known thing: {known}; of all places without a name: {unnamed}; cosine {ALIKE:g}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.names", description="Names against what is there.")
    parser.add_argument("--scenes", type=int, default=300, help="scenes")
    parser.add_argument("--first", type=int, default=FIRST_SEED + 610_000, help="seed of the first scene")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        rows = measure(options.scenes, options.first, options.partition)
    except VeridicalError as error:
        parser.error(str(error))
    summary = summarise(rows)
    if options.json:
        print(json.dumps({**summary, "rows": [asdict(r) for r in rows]}, indent=2))
    else:
        _print(summary)


if __name__ == "__main__":
    main()
