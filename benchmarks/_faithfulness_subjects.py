"""What `benchmarks.faithfulness` has explained: decisions on pictures with known objects, and on Courier's scenes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from benchmarks._subjects import PHOTOGRAPHS, CappedReLU, efficientnet
from benchmarks.causes import flipping_scenes
from veridical.fusion.measure import Laboratory
from veridical.modalities.contract import Observation, Prepared, System
from veridical.modalities.evidence import Segmentation
from veridical.modalities.held import parts
from veridical.modalities.observation import prepare, segment
from veridical.modalities.scorer import Inputs, Scorer
from veridical.modalities.target import Target
from veridical.modalities.vision import Vision
from veridical.scenarios.courier.examples import touched
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import Cause, mask, render, sample_scene

__all__ = [
    "EYES",
    "LEAST",
    "SIGHT",
    "Classifier",
    "Joint",
    "Picture",
    "Question",
    "Story",
    "ask",
    "classifier",
    "composites",
    "pictures",
    "stories",
]

SIGHT = "network.encoder.network.bn2"
"""The classifier's last convolutional feature map, for Grad-CAM."""

EYES = "eyes.network.bn2"
"""Courier's."""

LEAST = (1.0, 0.01)
"""An object counts as the cause if the score falls by so many nats without it, and if it fills so much of the frame."""


class Classifier:
    """A classifier of pictures as a system that sees one frame, (batch, 1, 3, height, width) in 0..1.

    Pictures are laid out with their colours last, which every method gains by.
    """

    def __init__(self, network: nn.Module, actions: Sequence[str], eyes: Vision) -> None:
        self.network, self.actions, self.modalities = network, tuple(actions), {"vision": eyes}

    def __call__(self, inputs: Inputs) -> Tensor:
        """Return the logits."""
        return self.network(inputs["vision"][:, 0].contiguous(memory_format=torch.channels_last))


def classifier() -> Classifier:
    """Return EfficientNet-Lite0 as a system; its activations are modules that Captum's GuidedBackprop knows."""
    subject = efficientnet()
    assert subject.module is not None  # noqa: S101 - for the type checker: that subject is one module
    return Classifier(subject.module, subject.system.actions, Vision())


class Joint(nn.Module):
    """A system as one torch module of its senses' tensors, in their order, that gives one number a row.

    It works on a copy, in which every ReLU6 is of a kind that Captum's GuidedBackprop knows (`CappedReLU`).
    """

    def __init__(self, system: System, senses: Sequence[str], target: Target) -> None:
        super().__init__()
        own = copy.copy(system)
        for name, part in parts(system).items():
            setattr(own, name, _guidable(copy.deepcopy(part)))
            self.add_module(name.replace(".", "_"), getattr(own, name))
        self._system, self._senses, self._target = own, tuple(senses), target

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the target's value for each row."""
        return self._target(self._system(dict(zip(self._senses, tensors, strict=True))))


def _guidable(module: nn.Module) -> nn.Module:
    for inner in list(module.modules()):
        for name, child in inner.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(inner, name, CappedReLU())
    return module


@dataclass(frozen=True)
class Question:
    """One decision that is to be explained; the score is the log-odds of the decision against the rest, nats.

    Attributes:
        system: what decides.
        prepared: its prepared signals.
        segmentations: their evidence units.
        action: index of the decision.
        layer: name of the feature map that Grad-CAM looks at.
        seed: of whatever a method draws.
    """

    system: System
    prepared: Mapping[str, Prepared]
    segmentations: Mapping[str, Segmentation]
    action: int
    layer: str
    seed: int = 0

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The prepared tensors by sense, batches of one."""
        return {m: p.tensor for m, p in self.prepared.items()}

    @property
    def target(self) -> Target:
        """The decision score."""
        return Target(self.action)

    @property
    def scorer(self) -> Scorer:
        """System and decision score."""
        return Scorer(self.system, self.target)

    @cached_property
    def joint(self) -> Joint:
        """System and score as one torch module; it is made once, before anything is timed."""
        return Joint(self.system, tuple(self.prepared), self.target)

    def laboratory(self) -> Laboratory:
        """Return a laboratory in which nothing was measured yet."""
        return Laboratory(self.system, self.prepared, self.segmentations, self.action)


def ask(system: System, observation: Observation, layer: str, seed: int = 0) -> Question:
    """Return the question of why a system decides as it does."""
    prepared = prepare(system, observation)
    segmentations = segment(system, prepared)
    with torch.no_grad():
        action = int(system({m: p.tensor for m, p in prepared.items()})[0].argmax())
    return Question(system, prepared, segmentations, action, layer, seed)


@dataclass(frozen=True)
class Picture:
    """A picture before the classifier.

    Attributes:
        name: the photograph's, or the scene's seed.
        question: what is to be explained.
        kind: the object's kind; empty where it is not known.
        mask: where the object is; None where that is not known.
    """

    name: str
    question: Question
    kind: str = ""
    mask: Bool[np.ndarray, "height width"] | None = None


@dataclass(frozen=True)
class Story:
    """A scene in which removing one cause flips Courier's decision.

    Attributes:
        seed: the scene's.
        question: what is to be explained.
        cause: the cause.
        inside: the evidence units that it lies in.
    """

    seed: int
    question: Question
    cause: Cause
    inside: frozenset[int]


def composites(system: System, first: int, partition: str = "held-out", seed: int = 0) -> Iterator[Picture]:
    """Yield frames of Courier's scenes in which one object, known to the pixel, makes the classifier's top class.

    Without the object the top class is another one and the score of the former falls by a nat or more; no other object
    of the frame does that. The class need not be the object's name: that the object is its cause is what counts.

    Args:
        system: a classifier that sees one frame.
        first: seed of the first scene tried.
        partition: whose objects.
        seed: of whatever methods draw.
    """
    for number in itertools.count(first):
        scene = sample_scene(number, partition)
        if not scene.things:
            continue
        frames, found = render(scene)["vision"], []
        for index, thing in enumerate(scene.things):
            cause = Cause(thing.stamp.kind, "vision", index)
            where = mask(scene, cause)
            assert isinstance(where, np.ndarray)  # noqa: S101 - for the type checker: of what is seen
            frame = int(where.sum((1, 2)).argmax())
            if where[frame].mean() < LEAST[1]:
                continue
            without = render(scene.without(cause))["vision"][frame]
            decided, drop = _drop(system, frames[frame], without)
            if drop is not None and drop >= LEAST[0]:
                found.append((decided, frame, thing.stamp.kind, where[frame]))
        if len(found) == 1:
            _, frame, kind, there = found[0]
            yield Picture(str(number), ask(system, {"vision": frames[frame]}, SIGHT, seed), kind, there)


def _drop(system: System, whole: np.ndarray, without: np.ndarray) -> tuple[int, float | None]:
    """Return the top class, and by how much its score falls without something; None if it stays the top class."""
    rows = torch.cat([prepare(system, {"vision": frame})["vision"].tensor for frame in (whole, without)])
    with torch.no_grad():
        logits = system({"vision": rows})
    decided, after = (int(row.argmax()) for row in logits)
    scores = Target(decided)(logits)
    return decided, None if decided == after else float(scores[0] - scores[1])


def pictures(count: int, first: int, seed: int = 0) -> Iterator[Picture]:
    """Yield photographs (three in ten, at most all there are), then composites, before EfficientNet-Lite0."""
    system = classifier()
    taken = min(round(0.3 * count), len(PHOTOGRAPHS))
    for sample in efficientnet().samples[:taken]:
        frame = sample.inputs["vision"][0].permute(1, 2, 0).numpy()
        yield Picture(sample.name, ask(system, {"vision": frame}, SIGHT, seed))
    yield from itertools.islice(composites(system, first, seed=seed), count - taken)


def stories(count: int, first: int, seed: int = 0) -> Iterator[Story]:
    """Yield Courier's held-out scenes in which removing one object, sound or phrase flips the decision."""
    system = load()
    for number, scene, cause, _, _ in itertools.islice(flipping_scenes(system, first, "held-out"), count):
        question = ask(system, render(scene), EYES, seed)
        inside = frozenset(touched(scene, cause, question.segmentations[cause.sense]))
        yield Story(number, question, cause, inside)
