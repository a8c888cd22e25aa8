"""Systems with weights, for tests of randomisation only; three actions each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tests.toys import EYES, SIDE
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.engines.task import Sensitivities, Task
from veridical.modalities.held import parts
from veridical.modalities.vision import Vision

ACTIONS = ("STOP", "SLOW", "GO")


class Linear(nn.Module):
    """One linear layer from the pixels to the scores."""

    def __init__(self, actions: tuple[str, ...] = ACTIONS) -> None:
        super().__init__()
        self.modalities, self.actions = {"vision": EYES}, actions
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.layer = nn.Linear(3 * SIDE * SIDE, len(actions))
        self.eval()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.layer(inputs["vision"][:, 0].flatten(1))


class Deep(nn.Module):
    """Layers registered in another order than they are used in, bare parameters, norms, and a layer never used."""

    def __init__(self) -> None:
        super().__init__()
        self.modalities, self.actions = {"vision": EYES}, ACTIONS
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            self.top = nn.Linear(16, 3)
            self.middle = nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16))
            self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 16))
            self.norm = nn.BatchNorm2d(4)
            self.bottom = nn.Conv2d(3, 4, 8, 8)
            self.unused = nn.Linear(5, 5)
            self.steady: Tensor
            self.register_buffer("steady", torch.arange(3.0))
            with torch.no_grad():
                self.norm.get_buffer("running_mean").uniform_(-0.2, 0.2)
                self.norm.get_buffer("running_var").uniform_(0.1, 0.3)
                self.norm.weight.uniform_(0.5, 2)
        self.eval()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = self.norm(self.bottom(inputs["vision"][:, 0])).relu().flatten(2)
        x = x.mean(1) * self.scale
        return self.top(self.middle(x).tanh()) + self.steady


class Eyes:
    """EfficientNet-Lite0 as it is, no torch module itself."""

    def __init__(self) -> None:
        self.network = load_efficientnet_lite0()
        self.actions, self.modalities = self.network.class_names, {"vision": Vision()}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network.classify(self.network.features(inputs["vision"][:, 0]))


@dataclass(frozen=True)
class Edges:
    """An explanation that is no more than the input's own edges, whatever the system."""

    name: ClassVar[str] = "edges"
    additive: ClassVar[bool] = False

    def run(self, task: Task) -> Sensitivities:
        x = task.inputs["vision"]
        down = x.diff(dim=-2, append=x[..., -1:, :])
        right = x.diff(dim=-1, append=x[..., -1:])
        return Sensitivities({"vision": (down**2 + right**2).sqrt()})


def digest(system: object) -> str:
    """SHA-256 over all parameters and buffers, with what else must stay."""
    total = hashlib.sha256()
    for prefix, part in parts(system).items():
        for name, module in part.named_modules():
            total.update(f"{prefix} {name} {module.training} {len(module._forward_hooks)}".encode())
            for key, value in [*module._parameters.items(), *module._buffers.items()]:
                if value is not None:
                    total.update(f"{key} {id(value)} {value.dtype} {value.requires_grad} {value.grad}".encode())
                    total.update(
                        value.detach().contiguous().view(torch.uint8).numpy().tobytes()
                        if value.ndim
                        else str(value.item()).encode()
                    )
    return total.hexdigest()
