"""Image classifiers of timm and torchvision.

`veridical.Vision` resizes a picture to the model's square: its aspect is not kept and nothing is cropped, so that all
that is there can be evidence. The libraries' own evaluation transforms resize to a little more and crop the centre
(timm by ``crop_pct``, 0.875 for many): scores differ somewhat from theirs, and accuracy may by a point or two. To have
their very crop, crop the picture before it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ...errors import InputError
from ._pictures import Normal, eyes
from .module import Wrapped, different, wrap

__all__ = ["wrap_timm", "wrap_torchvision"]

_IMAGENET = Normal((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def wrap_timm(
    model: nn.Module,
    labels: Sequence[str] | None = None,
    *,
    size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Wrapped:
    """Wrap an image classifier of timm; its senses are one picture.

    Args:
        model: made by ``timm.create_model``; what is not given here is read from its ``pretrained_cfg``. Mind that
            this is the configuration of timm's own weights: with weights from elsewhere (a port of TensorFlow's model,
            say) mean and std may be others, and the scores quietly wrong.
        labels: names of its classes; of 1000 those of ImageNet-1k by default, of other known counts ImageNet's too.
        size: side of its input, pixels.
        mean: per colour, of pictures in 0..1.
        std: per colour.

    Raises:
        InputError: no configuration, or the classes' names are not known.

    Example:
        >>> system = wrap_timm(timm.create_model("resnet18", pretrained=True))         # doctest: +SKIP
        >>> attribute(system, {"vision": "cat.png"}).map().values.shape               # doctest: +SKIP
    """
    config: Any = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    if not config or not isinstance(getattr(model, "num_classes", None), int):
        raise InputError(f"timm: {type(model).__name__} has no pretrained_cfg or num_classes; use wrap() for others")
    told = dict(config) if isinstance(config, dict) else config.to_dict()
    normal = Normal(tuple(mean or told["mean"]), tuple(std or told["std"]))
    names = different(labels) if labels is not None else _imagenet(model)
    if len(names) != model.num_classes:
        raise InputError(f"timm: {len(names)} labels for {model.num_classes} classes; give one for each")
    built = getattr(getattr(model, "patch_embed", None), "img_size", None)  # which the configuration does not follow
    sense = eyes(size or built or told["input_size"])
    return wrap(model, [sense], names, call=lambda module, given: module(normal(given["vision"])))


def _imagenet(model: nn.Module) -> tuple[str, ...]:
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset(model)
    if not subset:
        raise InputError(f"timm: the names of {model.num_classes} classes are not known; give labels")
    info = ImageNetInfo(subset)
    return different([info.index_to_description(i).split(",")[0] for i in range(info.num_classes())])


def wrap_torchvision(
    model: nn.Module, weights: Any = None, labels: Sequence[str] | None = None, *, size: int | None = None
) -> Wrapped:
    """Wrap an image classifier of torchvision; its senses are one picture.

    Args:
        model: the model; its parameters are its own affair.
        weights: a member of the model's enumeration of weights, of which the classes' names, the size and the
            normalisation are taken, and nothing is downloaded. Without it ImageNet's normalisation is taken, and 224
            pixels.
        labels: names of the classes, where no weights are given or these have other classes.
        size: side of the input, pixels, where it is not that of the weights.

    Raises:
        InputError: the weights are not a classifier's, or neither weights nor labels are given.

    Example:
        >>> weights = torchvision.models.ResNet18_Weights.DEFAULT                     # doctest: +SKIP
        >>> system = wrap_torchvision(torchvision.models.resnet18(weights), weights)  # doctest: +SKIP
    """
    normal, side = _IMAGENET, 224
    if weights is not None:
        preset: Any = weights.transforms() if hasattr(weights, "transforms") else None
        if type(preset).__name__ != "ImageClassification":  # those of video have the same fields
            raise InputError(
                f"torchvision: {weights!r} are not an image classifier's weights; give a member of its enum"
            )
        normal, side = Normal(tuple(preset.mean), tuple(preset.std)), preset.crop_size
        labels = weights.meta.get("categories") if labels is None else labels
    if labels is None:
        raise InputError("torchvision: the classes' names are not known; give weights (a member of the enum) or labels")
    sense = eyes(size or side)
    return wrap(model, [sense], different(labels), call=lambda module, given: module(normal(given["vision"])))
