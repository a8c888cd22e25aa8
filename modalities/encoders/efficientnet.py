"""EfficientNet-Lite0, trained on ImageNet-1k: the reference encoder of what is seen.

Tan and Le, "EfficientNet" (ICML 2019), in its Lite form: ReLU6 in place of swish, no squeeze-and-excitation.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import cast

import timm
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.data.imagenet_info import ImageNetInfo
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...errors import InputError
from .. import weights
from .in_place import InPlaceReLU6

__all__ = ["EfficientNetLite0", "load_efficientnet_lite0"]

# WordNet gives these pairs one and the same first name.
_SAME_NAMES = {134: "crane (bird)", 517: "crane (machine)", 638: "maillot (tights)", 639: "maillot (swimsuit)"}


class EfficientNetLite0(nn.Module):
    """Frozen image encoder; input is RGB in 0..1, 224 x 224. Batches of any size, 0 included.

    Attributes:
        class_names: the 1000 ImageNet classes, one short and unique name each.
    """

    mean: Tensor
    std: Tensor
    class_names: tuple[str, ...]

    def __init__(self, network: nn.Module) -> None:
        """Freeze and wrap timm's ``tf_efficientnet_lite0``."""
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(IMAGENET_DEFAULT_MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_DEFAULT_STD).view(3, 1, 1))
        info = ImageNetInfo()
        short = (info.index_to_description(index).split(",")[0] for index in range(1000))
        self.class_names = tuple(_SAME_NAMES.get(index, name) for index, name in enumerate(short))
        self.eval().requires_grad_(False)

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1280 7 7"]:
        """Return the last feature maps of images of shape (batch, 3, 224, 224), one cell for each 32 pixels.

        Raises:
            InputError: ``x`` has another shape.
        """
        if x.ndim != 4 or x.shape[1:] != (3, 224, 224):
            raise InputError(f"EfficientNet-Lite0 takes (batch, 3, 224, 224), got {tuple(x.shape)}; resize first")
        return self.network.forward_features((x - self.mean) / self.std)  # type: ignore[operator]

    def classify(self, features: Float[Tensor, "batch 1280 7 7"]) -> Float[Tensor, "batch 1000"]:
        """Return the logits of the ImageNet classes."""
        return self.network.forward_head(features)  # type: ignore[operator]


@functools.cache
def load_efficientnet_lite0() -> EfficientNetLite0:
    """Return the encoder on the CPU; weights are fetched on first use.

    One object is shared by all callers: copy it before changing it or moving it to another device.

    Raises:
        WeightsError: the weights cannot be fetched.
    """
    folder = weights.fetch("efficientnet-lite0")
    with torch.device("meta"):  # no memory, no random numbers
        network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(load_file(folder / "model.safetensors"), assign=True)
    _fold_norms(network.eval())
    return EfficientNetLite0(network)


def _fold_norms(module: nn.Module) -> None:
    """Fold each batch norm into the convolution before it: the same function, in 0.7 of the time, both ways."""
    children = list(module.named_children())
    for (first, conv), (second, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, BatchNormAct2d):
            folded = fuse_conv_bn_eval(conv, cast("nn.BatchNorm2d", norm))
            setattr(module, first, folded)
            act = norm.act
            setattr(module, second, InPlaceReLU6(folded) if isinstance(act, nn.ReLU6) else act)
    for _, child in children:
        _fold_norms(child)
