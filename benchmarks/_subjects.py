"""What `benchmarks.attribution` attributes: a system, its inputs, and the same model as peers want it."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from veridical.errors import InputError
from veridical.modalities.contract import System
from veridical.modalities.held import parts
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Kind, Target
from veridical.modalities.vision import Vision

if TYPE_CHECKING:
    from veridical.modalities.encoders.efficientnet import EfficientNetLite0

__all__ = [
    "PHOTOGRAPHS",
    "CappedReLU",
    "Pictures",
    "Sample",
    "Subject",
    "courier",
    "efficientnet",
    "find_subject",
    "photograph",
]

PHOTOGRAPHS = ("cat", "coffee", "astronaut", "rocket", "stereo_motorcycle", "camera")
"""Photographs that scikit-image's wheel carries."""


@dataclass(frozen=True)
class Sample:
    """One input: what is attributed, from which baselines, for which action. All tensors are batches of one."""

    name: str
    action: int
    inputs: Mapping[str, Tensor]
    baselines: Mapping[str, Tensor]


@dataclass(frozen=True)
class Subject:
    """A system, its inputs, and its peers' view of it.

    Attributes:
        name: name of the model.
        system: our view: inputs by sense go in, scores of all actions come out.
        samples: the inputs.
        kind: kind of the target.
        module: where the model is one torch module that takes one tensor and gives logits: that module, which peers
            take with the action's index as target; else None, and peers get a function that gives the target's value.
        layer: name of the last convolutional feature map, for Grad-CAM.
    """

    name: str
    system: System
    samples: tuple[Sample, ...]
    kind: Kind
    layer: str
    module: nn.Module | None = None

    def scorer(self, sample: Sample) -> Scorer:
        """Return our question."""
        return Scorer(self.system, Target(sample.action, kind=self.kind))

    def peer(self, sample: Sample) -> tuple[Callable[..., Tensor], int | None]:
        """Return the same question as Captum takes it: a forward function of the senses' tensors, and a target."""
        if self.module is not None:
            return self.module, sample.action
        target, senses = Target(sample.action, kind=self.kind), tuple(sample.inputs)
        return lambda *tensors: target(self.system(dict(zip(senses, tensors, strict=True)))), None


def find_subject(where: str, device: str = "cpu") -> Subject:
    """Return a subject by ``"package.module:function"``; the function takes the device.

    Raises:
        InputError: no such function.
    """
    module, _, name = where.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"attribution: no subject {where!r}: {error}; give package.module:function") from error
    return make(device)


class CappedReLU(nn.ReLU):
    """ReLU6, as a kind of ``nn.ReLU``: Captum guides that alone, and passes over ``nn.ReLU6`` without a word."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input between 0 and 6."""
        return F.relu6(input)


class _Network(nn.Module):
    """EfficientNet-Lite0 from picture to logits."""

    def __init__(self, encoder: EfficientNetLite0) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder.classify(self.encoder.features(x))


class Pictures:
    """A classifier of pictures as a system of one sense, ``vision``, (batch, 3, height, width) in 0..1."""

    def __init__(self, network: nn.Module, actions: Sequence[str], eyes: Vision) -> None:
        self.network, self.actions, self.modalities = network, tuple(actions), {"vision": eyes}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits."""
        return self.network(inputs["vision"])


def photograph(name: str) -> np.ndarray:
    """Return one of scikit-image's photographs, uint8 (height, width, 3); of a pair the left one."""
    import skimage.data

    found = getattr(skimage.data, name)()
    return np.asarray(Image.fromarray(found[0] if isinstance(found, tuple) else found).convert("RGB"))


def efficientnet(device: str = "cpu") -> Subject:
    """EfficientNet-Lite0 on six photographs: the logit of the top class, from a black picture."""
    from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0

    encoder = copy.deepcopy(load_efficientnet_lite0())
    for module in list(encoder.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, CappedReLU())
    network, eyes = _Network(encoder).eval().requires_grad_(False).to(device), Vision()
    samples = []
    for name in PHOTOGRAPHS:
        x = eyes.prepare(photograph(name)).tensor[0].to(device)
        with torch.no_grad():
            action = int(network(x).argmax())
        samples.append(Sample(name, action, {"vision": x}, {"vision": torch.zeros_like(x)}))
    system = Pictures(network, encoder.class_names, eyes)
    return Subject("efficientnet-lite0", system, tuple(samples), "logit", "network.encoder.network.bn2", network)


def _observations(example: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Courier's built-in observation, and four made from it."""
    sound, rate = example["audio"]
    quiet, given = (0.3 * sound, rate), example["text"]
    mind, soup = "Go on along the path, and mind the cat.", "Deliver the soup to the office on the corner before noon."
    mirrored = [np.ascontiguousarray(frame[:, ::-1]) for frame in example["vision"]]
    coffee, rocket, cycle = ([photograph(name)] * 3 for name in ("coffee", "rocket", "stereo_motorcycle"))
    return {
        "example": dict(example),
        "mirrored": {"vision": mirrored, "audio": quiet, "text": mind},
        "coffee": {"vision": coffee, "audio": (sound, rate), "text": soup},
        "rocket": {"vision": rocket, "audio": quiet, "text": given},
        "motorcycle": {"vision": cycle, "audio": (sound, rate), "text": mind},
    }


def courier(device: str = "cpu") -> Subject:
    """Courier on five observations: the decision score, from black frames, silence and mask tokens."""
    from veridical.scenarios.courier.model import load

    system = copy.copy(load())
    for name, part in parts(system).items():
        setattr(system, name, copy.deepcopy(part).to(device))
    samples = []
    for name, observation in _observations(system.example()).items():
        prepared = prepare(system, observation)
        inputs = {m: p.tensor.to(device) for m, p in prepared.items()}
        baselines = {m: torch.zeros_like(x) for m, x in inputs.items()}
        baselines["text"] = prepared["text"].baseline.to(device)
        with torch.no_grad():
            action = int(system(inputs).argmax())
        samples.append(Sample(name, action, inputs, baselines))
    return Subject("courier", system, tuple(samples), "log-odds", "eyes.network.bn2")
