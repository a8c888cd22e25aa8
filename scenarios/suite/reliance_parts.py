"""The parts of a scene as groups of evidence units: each thing, sound and clause, and what is left of each sense.

Where a variant was perturbed, a thing and a sound are sought where they are in the scene as composed; a clause must
stand in the text letter for letter. What cannot be found again is said, and has no figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ...errors import InputError, VeridicalError
from ...fusion.measure import Laboratory
from ...modalities.contract import Modality
from ...modalities.evidence import Segmentation
from .reliance import REST, Group
from .reliance_units import HALF, box_units, divided, masked_share, span_share, wave_share

__all__ = ["Parts"]

Box = tuple[float, float, float, float]

_DROWNED = "other sounds are louder wherever it is heard, so that it cannot be taken away alone"
_HIDDEN = "it fills no evidence unit of the picture by half, so that it cannot be taken away alone"
_GONE = "it does not stand in the text letter for letter"


@dataclass(frozen=True)
class Parts:
    """The parts of one variant's scene.

    Attributes:
        laboratory: the system before the variant's observation.
        units: evidence units of each part, by sense and by its name; disjoint within a sense.
        why: why a part has none, by its name.
    """

    laboratory: Laboratory
    units: Mapping[str, Mapping[str, tuple[int, ...]]]
    why: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, laboratory: Laboratory, variant: Any) -> Parts:
        """Find the parts of a variant's scene again in its observation; a variant without a scene has none."""
        composed = variant.composed
        clean, parts = ({}, {}) if composed is None else (composed.observation, dict(composed.parts))
        shares: dict[str, dict[str, np.ndarray]] = {}
        why = {}
        for name, part in parts.items():
            if part.sense not in laboratory.segmentations:
                why[name] = "its sense is absent"
                continue
            found, reason = _share(laboratory, part, clean)
            shares.setdefault(part.sense, {})[name] = found
            why[name] = reason
        units = {sense: divided(own) for sense, own in shares.items()}
        for name, part in parts.items():
            if part.sense not in laboratory.segmentations:
                units.setdefault(part.sense, {})[name] = ()
        return cls(laboratory, units, why)

    def groups(self) -> list[Group]:
        """Return the parts and what is left of each sense: together, all evidence units."""
        found = []
        for sense in self._senses():
            found += self._of(sense)
        return found

    def senses(self) -> list[Group]:
        """Return each sense as one group."""
        cut = self.laboratory.segmentations
        return [Group(sense, sense, tuple(range(len(cut[sense]))), "it holds nothing") for sense in cut]

    def region(self, box: Box) -> list[Group]:
        """Return a region of the picture, the rest of it, and the other senses' parts.

        Args:
            box: left, top, right, bottom as shares of the frame; the region is that of all frames.

        Raises:
            InputError: the system has no picture before it.
        """
        cut = self._cut("vision", "region")
        chosen = box_units(cut, box)
        return self._instead("vision", Group(f"region {_told(box)}", "vision", chosen, _HIDDEN))

    def words(self, text: str) -> list[Group]:
        """Return words of the instruction, the rest of it, and the other senses' parts.

        Raises:
            InputError: the system has no text before it.
        """
        cut, raw = self._cut("text", "words"), self.laboratory.prepared["text"].raw
        first = raw.find(text) if isinstance(raw, str) else -1
        name = f"words “{text}”"
        if first < 0:
            return self._instead("text", Group(name, "text", (), _GONE))
        chosen = np.flatnonzero(span_share(cut, (first, first + len(text))) >= HALF)
        return self._instead("text", Group(name, "text", tuple(chosen.tolist()), _HIDDEN))

    def _senses(self) -> Iterable[str]:
        return dict.fromkeys([*self.laboratory.segmentations, *self.units])

    def _of(self, sense: str) -> list[Group]:
        """The parts of one sense, and what is left of it."""
        own = self.units.get(sense, {})
        groups = [Group(name, sense, units, self.why.get(name, "")) for name, units in own.items()]
        if sense not in self.laboratory.segmentations:
            return groups
        return [*groups, *self._rest(sense, {u for units in own.values() for u in units})]

    def _rest(self, sense: str, taken: set[int]) -> list[Group]:
        left = tuple(u for u in range(len(self.laboratory.segmentations[sense])) if u not in taken)
        return [Group(REST.get(sense, f"rest of {sense}"), sense, left)] if left else []

    def _instead(self, sense: str, group: Group) -> list[Group]:
        """A group in the place of its sense's parts, with what is left of the sense."""
        found = []
        for each in self._senses():
            found += [group, *self._rest(sense, set(group.units))] if each == sense else self._of(each)
        return found

    def _cut(self, sense: str, what: str) -> Segmentation:
        cut = self.laboratory.segmentations.get(sense)
        if cut is None:
            there = ", ".join(self.laboratory.segmentations) or "nothing"
            raise InputError(f"{what}: the observation has no {sense}, only {there}; ask for one of these")
        return cut


def _share(laboratory: Laboratory, part: Any, clean: Mapping[str, Any]) -> tuple[np.ndarray, str]:
    """How much of each evidence unit is a part's, and why it would be none."""
    cut, prepared = laboratory.segmentations[part.sense], laboratory.prepared[part.sense]
    if part.sense == "vision":
        return masked_share(cut, part.mask), _HIDDEN
    if part.sense == "audio":
        return _sounding(cut, laboratory.system.modalities["audio"], part, clean, prepared.tensor[0]), _DROWNED
    span = _span(part.span, str(clean["text"]), str(prepared.raw))
    return (np.zeros(len(cut)), _GONE) if span is None else (span_share(cut, span), _HIDDEN)


def _sounding(
    cut: Segmentation, sense: Modality, part: Any, clean: Mapping[str, Any], heard: torch.Tensor
) -> np.ndarray:
    """How much of each cell's energy a sound gives: the mixture with it less the mixture without it."""
    try:
        with_it, without = (sense.prepare(signal).tensor[0] for signal in (clean["audio"], part.without()["audio"]))
    except VeridicalError:  # the scene without it cannot be rendered: then it cannot be told apart either
        return np.zeros(len(cut))
    if with_it.shape != without.shape or with_it.shape != heard.shape:
        return np.zeros(len(cut))
    return wave_share(cut, with_it - without, without)


def _span(span: tuple[int, int], clean: str, given: str) -> tuple[int, int] | None:
    """Where a clause of the text as written stands in the text as given; None where it does not."""
    if clean == given:
        return span
    clause = clean[span[0] : span[1]]
    first = given.find(clause)
    return (first, first + len(clause)) if clause and first >= 0 else None


def _told(box: Box) -> str:
    return "–".join(f"({x:g}, {y:g})" for x, y in (box[:2], box[2:]))
