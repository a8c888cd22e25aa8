"""One semantic space: what is seen, heard and read as directions among sentence embeddings.

A picture and a sound become the convex combination of their class names' embeddings under an encoder's probabilities
(ConSE: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014, eq. 3), words are
embedded as they stand; so that all three can be compared by their cosine, though no encoder ever saw two senses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from ..errors import InputError
from ..modalities.held import held

__all__ = ["ALIKE", "KINDS", "RATE", "Bank", "NameSpace", "Place", "SemanticSpace", "convex", "nothing_in"]

KINDS = ("vision", "audio", "text")
"""Senses that have a place in a semantic space."""

RATE = 16_000
"""Samples per second of the sounds given to a space."""

ALIKE = 0.35
"""Share of all contents, the most alike first, that a place is held against.

Against contents of every kind, two animals pass for a match because both are animals: of pairs put together at random
from the training stamps of `benchmarks.matches` 6 to 21 % then have p of at most 0.05, by the senses compared. Chosen
there, so that it is 2 to 6 %."""

_LOUD = 1e-4
"""Root mean square below which a sound is silence (-80 dB of full scale)."""
_PIXELS = 8
"""Least width and height of a picture that says anything."""
_TOLD = 5

Picture = UInt8[np.ndarray, "_ _ 3"]
Wave = Float[np.ndarray, " _"]
Vectors = Float[np.ndarray, "_ width"]


@dataclass(frozen=True)
class Bank:
    """The class names of one encoder in a space.

    Attributes:
        names: of the classes.
        vectors: their embeddings, less ``mean``, of length one.
        mean: of the embeddings, which is what the names have in common: how such names are written.
        near: for each class the classes by falling cosine; the first is itself.
    """

    names: tuple[str, ...]
    vectors: Float[np.ndarray, "names width"]
    mean: Float[np.ndarray, " width"]
    near: Int[np.ndarray, "names near"]

    @classmethod
    def of(cls, names: Sequence[str], embeddings: Float[np.ndarray, "names width"], near: int) -> Bank:
        """Make a bank that knows of each class the ``near`` nearest ones."""
        mean = embeddings.mean(0)
        vectors = _unit(embeddings - mean)
        return cls(tuple(names), vectors, mean, np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")[:, :near])

    def contents(self, weights: Float[np.ndarray, " top"]) -> Vectors:
        """Return what signals of other content would be: for each class, the same weights on it and its nearest."""
        return _unit(np.einsum("t,ntw->nw", weights, self.vectors[self.near[:, : len(weights)]]))


@dataclass(frozen=True)
class Place:
    """Where one signal lies in a space.

    Attributes:
        vector: its direction, of length one.
        names: the likeliest class names with the encoder's probabilities, falling; none for words.
        others: directions of other contents of a like kind, for the null distribution (`matches.compare`).
    """

    vector: Float[np.ndarray, " width"]
    names: tuple[tuple[str, float], ...]
    others: Float[np.ndarray, "others width"]


@runtime_checkable
class SemanticSpace(Protocol):
    """A space that pictures, sounds and words share."""

    def places(self, kind: str, signals: Sequence[Any]) -> tuple[Place, ...]:
        """Return the places of signals of one of `KINDS`.

        Raises:
            InputError: an unknown kind, or a signal that says nothing (`nothing_in`).
        """
        ...

    def pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Return unit vectors of pictures, uint8 (height, width, 3)."""
        ...

    def sounds(self, waves: Sequence[Wave]) -> Vectors:
        """Return unit vectors of sounds, one channel at `RATE` in -1..1."""
        ...

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts."""
        ...


def _unit(vectors: Float[np.ndarray, "*axes width"]) -> Float[np.ndarray, "*axes width"]:
    """Scale to length one; what has no direction stays at the origin, where every cosine is 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def convex(
    bank: Bank, probabilities: Float[np.ndarray, " names"], top: int
) -> tuple[Float[np.ndarray, " width"], Float[np.ndarray, " top"]]:
    """Return the direction of ``sum_t p_t v_t / sum_t p_t`` over the ``top`` likeliest classes, and its weights.

    Norouzi et al. (2014), eq. 3. Of classes that are equally likely the first count.
    """
    chosen = np.argsort(-probabilities, kind="stable")[:top]
    weights = probabilities[chosen] / max(float(probabilities[chosen].sum()), 1e-12)
    return _unit(weights @ bank.vectors[chosen]), weights


def nothing_in(kind: str, signal: Any) -> str | None:
    """Return why a signal has no place, in words; None where it has one.

    Raises:
        InputError: an unknown kind.
    """
    if kind == "vision":
        height, width = signal.shape[:2]
        small = min(height, width) < _PIXELS
        return f"a crop of {width} x {height} pixels shows nothing; {_PIXELS} x {_PIXELS} are wanted" if small else None
    if kind == "audio":
        level = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if len(signal) else 0.0
        return None if level >= _LOUD else f"a sound of {len(signal)} samples at level {level:.1g} is silence"
    if kind == "text":
        return None if signal.strip() else "no words"
    raise InputError(f"space: no place for the sense {kind!r}; it has one for {', '.join(KINDS)}")


class NameSpace(ABC):
    """A space of names: texts are embedded; pictures and sounds are put among the names of their classes.

    Args:
        top: classes that are combined.
        alike: share of all contents, the most alike first, that a place is held against.

    Raises:
        InputError: an option out of range.
    """

    def __init__(self, top: int = 10, alike: float = ALIKE) -> None:
        if top < 1:
            raise InputError(f"space: top {top}; combine at least 1 class")
        if not 0 < alike <= 1:
            raise InputError(f"space: alike {alike}; give a share above 0, up to 1")
        self.top, self.alike = top, alike

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return embeddings of texts, as their encoder gives them."""

    @property
    @abstractmethod
    def seen(self) -> Bank:
        """The names of what is seen."""

    @property
    @abstractmethod
    def heard(self) -> Bank:
        """The names of what is heard."""

    @abstractmethod
    def see(self, pictures: Sequence[Picture]) -> Float[np.ndarray, "pictures names"]:
        """Return the probabilities of what is seen."""

    def hear(self, waves: Sequence[Wave]) -> Float[np.ndarray, "waves names"]:
        """Return AudioSet's scores by YAMNet, each the highest of all windows of its sound (0..1, no distribution)."""
        from ..modalities.encoders.yamnet import load_yamnet

        ears = load_yamnet()
        with torch.no_grad(), held(ears):
            waves32 = (torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None] for wave in waves)
            scores = [ears.classify(ears.embed(wave))[0].sigmoid().amax(0).numpy() for wave in waves32]
        return np.stack(scores) if scores else np.zeros((0, len(ears.class_names)), np.float32)

    def places(self, kind: str, signals: Sequence[Any]) -> tuple[Place, ...]:
        """Return the places of signals of one of `KINDS`; see `SemanticSpace`."""
        for index, signal in enumerate(signals):
            nothing = nothing_in(kind, signal)
            if nothing is not None:
                raise InputError(f"space: {kind} {index}: {nothing}; leave it out")
        if kind not in KINDS:
            raise InputError(f"space: no place for the sense {kind!r}; it has one for {', '.join(KINDS)}")
        if not len(signals):
            return ()
        if kind == "text":
            return self._read(signals)
        bank, probabilities = (self.seen, self.see(signals)) if kind == "vision" else (self.heard, self.hear(signals))
        return tuple(self._place(bank, row) for row in probabilities)

    def pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Return unit vectors of pictures; see `SemanticSpace`."""
        return self._stack(self.places("vision", pictures))

    def sounds(self, waves: Sequence[Wave]) -> Vectors:
        """Return unit vectors of sounds; see `SemanticSpace`."""
        return self._stack(self.places("audio", waves))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts; see `SemanticSpace`."""
        return self._stack(self.places("text", texts))

    def _stack(self, places: Sequence[Place]) -> Vectors:
        return np.stack([p.vector for p in places]) if places else np.zeros((0, len(self.seen.mean)), np.float32)

    def _place(self, bank: Bank, probabilities: Float[np.ndarray, " names"]) -> Place:
        vector, weights = convex(bank, probabilities, self.top)
        told = np.argsort(-probabilities, kind="stable")[:_TOLD]
        names = tuple((bank.names[i], float(probabilities[i])) for i in told)
        return Place(vector, names, self._alike(vector, bank.contents(weights)))

    def _read(self, texts: Sequence[str]) -> tuple[Place, ...]:
        """Texts lose the mean of both banks' means; what else they could have said are the names of both."""
        middle = (self.seen.mean + self.heard.mean) / 2
        others = np.concatenate((self.seen.vectors, self.heard.vectors))
        return tuple(Place(v, (), self._alike(v, others)) for v in _unit(self.embed(texts) - middle))

    def _alike(self, vector: Float[np.ndarray, " width"], contents: Vectors) -> Vectors:
        kept = max(1, round(self.alike * len(contents)))
        return contents[np.argsort(-(contents @ vector), kind="stable")[:kept]]
