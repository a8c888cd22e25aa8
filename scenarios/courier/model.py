"""Courier as a system: frozen pretrained encoders, the trained head, the three senses."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...errors import InputError, WeightsError
from ...modalities.audio import Audio
from ...modalities.contract import Modality
from ...modalities.encoders.distinct import distinct
from ...modalities.encoders.efficientnet import load_efficientnet_lite0
from ...modalities.encoders.minilm import load_minilm
from ...modalities.encoders.yamnet import load_yamnet
from ...modalities.text import Text
from ...modalities.unrolled import Unrolled
from ...modalities.vision import Vision
from .head import WINDOW, WINDOW_HOP, CourierHead
from .policy import ACTIONS

if TYPE_CHECKING:
    from ...concepts.bank import ConceptBank
    from ...concepts.task import Task
    from ...verifier.verify import Reference

__all__ = [
    "BANKS",
    "BIASED_BANKS",
    "BIASED_FILE",
    "BIASED_TASK",
    "HEAD_FILE",
    "TASK",
    "Courier",
    "load",
    "load_biased",
    "load_head",
    "save_head",
]

HEAD_FILE = Path(__file__).with_name("head.safetensors")
"""The committed head."""

BIASED_FILE = Path(__file__).with_name("biased.safetensors")
"""The committed head with a planted shortcut, for trying explanations on; see `shortcut`."""

CALIBRATION = Path(__file__).with_name("calibration")
"""What was measured of the committed head's explanations."""

BANKS, BIASED_BANKS = (Path(__file__).with_name(name) for name in ("concepts", "concepts-biased"))
"""The concepts of the committed heads, see `find_concepts`."""

TASK, BIASED_TASK = (Path(__file__).with_name(name) for name in ("task.toml", "task-biased.toml"))
"""Courier's policy as a task statement; concepts have other numbers in the biased head's banks."""

FRAMES = 6
"""Frames encoded at once: the more, the less of the activations stays in a core's cache (of 8 a tenth slower)."""


class Courier:
    """A delivery robot that sees, hears and reads, and chooses PROCEED, SLOW, STOP or YIELD.

    It meets `veridical.modalities.SplitSystem`: ``encode`` one sense, ``decide`` from features, or call it with
    prepared inputs. Everything is frozen and deterministic.

    Attributes:
        name: ``"courier"``, or another head's.
        actions: names of the actions, in the order of the scores.
        modalities: the senses by name.
    """

    actions = ACTIONS

    def __init__(self, head: CourierHead, name: str = "courier") -> None:
        """Wrap a head; the encoders' weights are fetched on first use."""
        self.name = name
        self.head = head.eval().requires_grad_(False)
        self.eyes, self.ears, self.reader = load_efficientnet_lite0(), load_yamnet(), load_minilm()
        senses: tuple[Modality, ...] = (Vision(), Audio(), Text.minilm())
        self.modalities: Mapping[str, Modality] = {sense.name: sense for sense in senses}

    def encode(self, modality: str, x: Tensor) -> Tensor:
        """Return the features of one sense.

        A frame that is the same in several members of a batch is encoded once (edits leave most frames as they were);
        that is only done where no gradient is asked for.

        Args:
            modality: ``"vision"``, ``"audio"`` or ``"text"``.
            x: (batch, frames, 3, 224, 224), (batch, samples) or (batch, tokens, 384).

        Returns:
            (batch, frames, 1280, 7, 7), (batch, windows, 521) or (batch, tokens, 384).

        Raises:
            InputError: Courier has no such sense.
        """
        if modality not in self.modalities:
            raise InputError(f"courier: no sense {modality!r}; it has {', '.join(self.modalities)}")
        if modality == "audio":
            return self.ears.classify(self.ears.embed(x))
        if modality == "text":
            return self.reader.states(x)
        frames = x.flatten(0, 1)
        if x.requires_grad or len(x) == 1:
            return self.eyes.features(self._laid_out(frames)).unflatten(0, x.shape[:2])
        rows = distinct(frames)
        features = torch.cat([self.eyes.features(chunk) for chunk in self._laid_out(frames[rows.first]).split(FRAMES)])
        return features[rows.back].unflatten(0, x.shape[:2])

    @staticmethod
    def _laid_out(frames: Float[Tensor, "frames 3 size size"]) -> Float[Tensor, "frames 3 size size"]:
        """Colours last in memory: so, and in small batches, frames are encoded in half the time on a CPU."""
        return frames.contiguous(memory_format=torch.channels_last)

    def decide(self, features: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores (logits) of the actions from features; batches of one are broadcast."""
        return self.head(features)

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        """Return the steps by which features become scores; see `CourierHead.unroll`."""
        return self.head.unroll(features, state)

    def attention(self, features: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], ...]:
        """Return for each step what is attended to; see `CourierHead.attention`."""
        return self.head.attention(features)

    def row_times(self, modality: str, rows: int) -> Float[np.ndarray, "rows 2"] | None:
        """Return the first and last second of each row of a sense's features; of words None, for they have no time."""
        if modality == "text":
            return None
        hop, length = (WINDOW_HOP, WINDOW) if modality == "audio" else (1.0, 1.0)
        starts = np.arange(rows) * hop
        return np.stack([starts, starts + length], 1)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "batch actions"]:
        """Return the scores of the actions; a sense missing from ``inputs`` is absent."""
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over the parameters and buffers of the encoders and the head."""
        total = sha256()
        for module in (self.eyes, self.ears, self.reader, self.head):
            for name, value in sorted(module.state_dict().items()):
                total.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
                total.update(value.contiguous().numpy(force=True).tobytes())
        return f"sha256:{total.hexdigest()}"

    @functools.cached_property
    def reference(self) -> Reference | None:
        """What was measured of Courier beforehand (`calibrate`): intervals of its explanations, natural inputs.

        None for a head that is not the committed one, for which it was not measured.

        Raises:
            InputError: the files were altered.
        """
        from ...verifier.calibrate import read_reference

        if not CALIBRATION.is_dir():
            return None
        found = read_reference(CALIBRATION)
        return found if all(c.system == self.digest for c in found.calibrations.values()) else None

    @functools.cached_property
    def concepts(self) -> dict[str, ConceptBank]:
        """The concept banks of this head by sense, found beforehand (`find_concepts`); none for an unknown head.

        Raises:
            InputError: the files were altered.
        """
        from ...concepts.bank_file import read_banks

        for folder in (BANKS, BIASED_BANKS):
            found = read_banks(folder) if folder.is_dir() else {}
            if found and all(bank.made.get("system") == self.digest for bank in found.values()):
                return found
        return {}

    @functools.cached_property
    def task(self) -> Task:
        """What may, must and must not matter to Courier, by its policy."""
        from ...concepts.task import read_task

        return read_task(BIASED_TASK if self.name == "courier-biased" else TASK)

    def recall(self, name: str) -> dict[str, Any] | None:
        """Return an observation that a concept bank names; None where its pictures and sounds are not installed."""
        from .recall import recall

        try:
            return recall(name)
        except InputError:
            return None

    def example(self) -> dict[str, Any]:
        """Return the built-in observation, made only of what Python packages carry."""
        from .example import example

        return example()


def save_head(head: CourierHead, path: Path = HEAD_FILE) -> None:
    """Write a head's parameters; `load_head` reads those of the default `HeadSize`."""
    save_file({name: value.contiguous() for name, value in head.state_dict().items()}, path)


def load_head(path: Path = HEAD_FILE) -> CourierHead:
    """Read a head.

    Raises:
        WeightsError: the file is missing or does not hold Courier's head.
    """
    if not path.is_file():
        raise WeightsError(f"courier: no head at {path.name!r}; run `make train-courier`")
    head = CourierHead()
    try:
        head.load_state_dict(load_file(path))
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"courier: {path.name!r} does not hold a head of {asdict(head.size)}: {told}; run `make train-courier`"
        ) from error
    return head


@functools.cache
def load() -> Courier:
    """Return Courier with the committed head (the entry point ``courier`` of ``veridical.systems``)."""
    return Courier(load_head())


@functools.cache
def load_biased() -> Courier:
    """Return Courier with a planted shortcut: it stops for a coloured patch (see `shortcut`)."""
    return Courier(load_head(BIASED_FILE), "courier-biased")
