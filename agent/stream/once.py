"""Each frame, sound window and instruction prepared, cut up and encoded once, however many windows it is part of."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import ContractError
from ...modalities.contract import Modality, Prepared, SplitSystem, System
from ...modalities.evidence import Segmentation
from ...modalities.given import Given
from ...modalities.timed import place
from ...modalities.vision import Vision
from ..loop.choosing import version_of
from .kept import Kept
from .source import Rows, Source
from .units import Units, join_frames
from .window import AtHand

__all__ = ["SAME", "Once"]

SAME = 1e-4
"""How far features put together may be from those of the whole, as a share of the largest: batches round differently,
by up to 4e-6 as seen; what hangs together differs by far more."""

FEW = 8
"""Whole signals kept; of frames and sound windows as many as a window has."""

UNRATED = 64
"""Frames kept of a camera whose rate nobody says."""


class Once:
    """What was made of the newest samples, to be used again."""

    def __init__(self, system: System, sources: Mapping[str, Source], reuse: bool = True) -> None:
        """Hold nothing yet.

        Args:
            system: what prepares, and encodes if it can be split.
            sources: by sense.
            reuse: whether anything is used again; if not, everything is made anew each time, for comparison.
        """
        self.system = system
        self.sources = dict(sources)
        self.whole: dict[str, str] = {}
        self._same: set[str] = set()
        most = {m: _most(source) if reuse else 1 for m, source in self.sources.items()}
        self._reuse = reuse
        self._prepared = {m: Kept[Prepared](n) for m, n in most.items()}
        self._units = {m: Kept[Segmentation](n) for m, n in most.items()}
        self._rows = {m: Kept[Tensor](n) for m, n in most.items()}
        self._joined = {m: Kept[Segmentation](FEW if reuse else 1) for m in self.sources}
        self._lock = threading.RLock()

    def read(self, window: Mapping[str, AtHand]) -> Given:
        """Return what is known of a window: signals prepared, units when asked for, features of a split system.

        The system is not held still (`modalities.held`), for that waits for whoever explains with it.

        Args:
            window: what each sense has of it; those without a signal are absent.

        Raises:
            InputError: a signal that its sense cannot use.
            ContractError: ``encode`` gives another number of rows than it was given.
        """
        with self._lock:
            if not self._reuse:
                self._forget()
            present = {m: window[m] for m in self.system.modalities if m in window and window[m].signal is not None}
            prepared = {m: self._prepare(m, hand) for m, hand in present.items()}
            units = Units({m: partial(self._segment, m, hand, prepared[m]) for m, hand in present.items()})
            features: dict[str, Tensor] = {}
            if isinstance(self.system, SplitSystem):
                with torch.no_grad():
                    features = {m: self._encode(m, hand, prepared[m]) for m, hand in present.items()}
            notes = tuple(note for m, hand in window.items() for note in hand.notes if m in self.sources)
            return Given(prepared=prepared, segmentations=units, features=features, notes=notes)

    def status(self) -> dict[str, Any]:
        """Return plain JSON values: what was made and what was used again, by sense; what had to be made whole."""
        found: dict[str, Any] = {}
        for m in self.sources:
            stores = {"prepared": self._prepared, "segmented": self._units, "encoded": self._rows}
            found[m] = {k: {"made": kept[m].made, "again": kept[m].again} for k, kept in stores.items()}
            found[m]["whole"] = self.whole.get(m)
        return found

    def _forget(self) -> None:
        for stores in (self._prepared, self._units, self._rows, self._joined):
            for kept in stores.values():
                kept.clear()

    def _prepare(self, m: str, hand: AtHand) -> Prepared:
        sense = self.system.modalities[m]
        if not hand.shots or not _framewise(sense):
            if not hand.shots and not isinstance(hand.signal, str):
                return sense.prepare(hand.signal)  # sound moves on with every window, and is prepared in no time
            kept = self._prepared[m].get(_key(hand), lambda: sense.prepare(hand.signal))
            return replace(kept, tensor=kept.tensor.clone())  # a system that writes into it spoils this window alone
        parts = [self._prepared[m].get(s.key, partial(sense.prepare, [s.frame])) for s in hand.shots]
        first = parts[0]
        return Prepared(
            first.modality,
            torch.cat([p.tensor for p in parts], 1),
            torch.cat([p.baseline for p in parts], 1),
            tuple(p.raw[0] for p in parts),
            sum(p.duration for p in parts),
            first.notes,  # frames of one stream have one size, and so one set of notes
            {"sizes": tuple(p.detail["sizes"][0] for p in parts)},
        )

    def _segment(self, m: str, hand: AtHand, prepared: Prepared) -> Segmentation:
        sense = self.system.modalities[m]
        with self._lock:
            key = _key(hand) if hand.shots or isinstance(hand.signal, str) else _digest(prepared.tensor)
            if not hand.shots or not _framewise(sense):
                return self._units[m].get(key, lambda: place(sense.segment(prepared), prepared))
            return self._joined[m].get(key, lambda: place(self._join(m, hand), prepared))

    def _join(self, m: str, hand: AtHand) -> Segmentation:
        sense = self.system.modalities[m]

        def cut(frame: Any) -> Segmentation:
            return sense.segment(sense.prepare([frame]))

        parts = [self._units[m].get(shot.key, partial(cut, shot.frame)) for shot in hand.shots]
        return join_frames(parts, getattr(sense, "interval", 1.0))

    def _encode(self, m: str, hand: AtHand, prepared: Prepared) -> Tensor:
        rows = self.sources[m].rows
        if rows is None or m in self.whole:
            key = _key(hand) if hand.shots or isinstance(hand.signal, str) else _digest(prepared.tensor)
            return self._rows[m].get(("whole", key), lambda: self._ask(m, prepared.tensor)).clone()
        pieces = _pieces(prepared.tensor, rows)
        by_frame = hand.shots and (rows.length, rows.hop) == (1, 1)
        keys = [s.key for s in hand.shots] if by_frame else [_digest(piece) for piece in pieces]
        found = {key: self._rows[m].get(key, _never) for key in dict.fromkeys(keys) if key in self._rows[m]}
        missing = {key: piece for key, piece in zip(keys, pieces, strict=True) if key not in found}
        if missing:
            made = self._ask(m, torch.cat(list(missing.values())))
            if made.ndim < 2 or made.shape[1] != 1:
                return self._give_up(m, prepared, f"a piece gives features of shape {tuple(made.shape)}")
            for key, row in zip(missing, made.split(1), strict=True):
                found[key] = row.clone()
                self._rows[m].put(key, found[key])
        together = torch.cat([found[key] for key in keys], 1)
        return together if m in self._same or len(keys) == 1 else self._prove(m, prepared, together)

    def _prove(self, m: str, prepared: Prepared, together: Tensor) -> Tensor:
        """Hold what was put together against the whole, the first time that there are several rows."""
        whole = self._ask(m, prepared.tensor)
        if whole.shape != together.shape:
            told = f"pieces give features of shape {tuple(together.shape)}, the whole of {tuple(whole.shape)}"
            return self._give_up(m, prepared, told)
        apart = float((whole - together).abs().max()) / max(float(whole.abs().max()), 1e-12)
        if not apart <= SAME:
            return self._give_up(m, prepared, f"features put together are {apart:.2g} of the largest from the whole's")
        self._same.add(m)
        return together

    def _give_up(self, m: str, prepared: Prepared, why: str) -> Tensor:
        self.whole[m] = f"{m} is encoded as a whole each time: {why}"
        self._rows[m].clear()
        return self._ask(m, prepared.tensor)

    def _ask(self, m: str, x: Tensor) -> Tensor:
        assert isinstance(self.system, SplitSystem)  # noqa: S101 - for type checkers; asked before
        before = version_of(x)
        features = self.system.encode(m, x)
        if len(features) != len(x):
            raise ContractError(f"system: encode({m!r}) returned {len(features)} rows for {len(x)}; one each is wanted")
        if not torch.isfinite(features).all():
            # Kept, it would be used again long after whatever made it is over.
            raise ContractError(f"system: encode({m!r}) returned features that are not finite; look at its input")
        if version_of(x) != before:
            raise ContractError(f"system: encode({m!r}) wrote into its input; have it work on a copy")
        return features


def _framewise(sense: Modality) -> bool:
    """Whether a sense prepares and cuts up each frame by itself; known of our own alone."""
    return type(sense) is Vision


def _most(source: Source) -> int:
    if source.kind == "frames":
        return UNRATED if source.rate is None else math.ceil(source.window * source.rate) + FEW
    return UNRATED if source.kind == "sound" else FEW


def _key(hand: AtHand) -> Any:
    return tuple(shot.key for shot in hand.shots) or hand.signal


def _digest(x: Tensor) -> str:
    return sha256(x.numpy(force=True).tobytes()).hexdigest()


def _pieces(x: Tensor, rows: Rows) -> list[Tensor]:
    """Cut a signal (1, samples, ...) into what each row of its features is made of."""
    count = rows.count(x.shape[1])
    whole = rows.length + (count - 1) * rows.hop
    x = F.pad(x, (*[0, 0] * (x.ndim - 2), 0, whole - x.shape[1]))
    return [x[:, k * rows.hop : k * rows.hop + rows.length] for k in range(count)]


def _never() -> Tensor:
    raise KeyError("asked for only where it is kept")
