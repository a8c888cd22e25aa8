"""Classifiers of transformers: of pictures, of sounds, of texts."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import InputError
from ..audio import Audio
from ..text import Text
from ._pictures import Normal, eyes
from .module import Wrapped, different, wrap

__all__ = [
    "embedding_table",
    "longest_text",
    "wrap_audio_classifier",
    "wrap_image_classifier",
    "wrap_text_classifier",
]


def wrap_image_classifier(model: nn.Module, processor: Any = None) -> Wrapped:
    """Wrap an image classifier; its senses are one picture, resized to the model's square without a crop.

    Args:
        model: an ``...ForImageClassification``.
        processor: its image processor, of which size, rescaling and normalisation are taken; without it the size is
            that of the model's configuration, and the model reads colours in 0..1 as they are.

    Raises:
        InputError: the size is not known, or not a square.

    Example:
        >>> system = wrap_image_classifier(model, AutoImageProcessor.from_pretrained(path))     # doctest: +SKIP
    """
    config: Any = model.config
    size, scale, shift, normal = getattr(config, "image_size", None), 1.0, 0.0, Normal()
    if processor is not None:
        size = _side(processor, size)
        scale = 255 * processor.rescale_factor if getattr(processor, "do_rescale", True) else 255.0
        shift = -1.0 if getattr(processor, "rescale_offset", False) else 0.0
        if getattr(processor, "do_normalize", True):
            normal = Normal(tuple(processor.image_mean), tuple(processor.image_std))
    if size is None:
        raise InputError(f"image: the size that {type(model).__name__} takes is not known; give its processor")

    def call(module: Any, given: dict[str, Tensor]) -> Any:
        return module(pixel_values=normal(scale * given["vision"] + shift))

    return wrap(model, [eyes(size)], _labels(model), call=call)


def _side(processor: Any, default: Any) -> Any:
    """Read the size of the model's input from its image processor."""
    crop = getattr(processor, "crop_size", None) if getattr(processor, "do_center_crop", False) else None
    sides: Any = crop or processor.size
    if isinstance(sides, int):
        return sides
    found = [sides[key] for key in ("height", "width") if sides.get(key)]
    return found or sides.get("shortest_edge") or default


def wrap_audio_classifier(model: nn.Module, feature_extractor: Any = None) -> Wrapped:
    """Wrap an audio classifier; its sense is a recording, and the front end is made differentiable.

    Args:
        model: an ``...ForAudioClassification`` or ``...ForSequenceClassification`` that takes ``input_values``.
        feature_extractor: its feature extractor: one of raw waveforms (Wav2Vec2, HuBERT, WavLM ...) or the Audio
            Spectrogram Transformer's. Without it the model reads the waveform in -1..1 at 16 kHz as it is.

    Raises:
        InputError: another kind of front end, or torchaudio is missing where it is needed.

    Example:
        >>> system = wrap_audio_classifier(model, AutoFeatureExtractor.from_pretrained(path))   # doctest: +SKIP
    """
    rate = getattr(feature_extractor, "sampling_rate", 16_000)
    if feature_extractor is None:
        front = None
    elif hasattr(feature_extractor, "max_length") and hasattr(feature_extractor, "num_mel_bins"):
        front = _filterbanks(feature_extractor)
    elif getattr(feature_extractor, "feature_size", None) == 1 and hasattr(feature_extractor, "do_normalize"):
        front = _unit_variance if feature_extractor.do_normalize else None
    else:
        raise InputError(
            f"audio: no differentiable form of {type(feature_extractor).__name__} is known; wrap the model over its "
            "features, with wrap() and an Array"
        )

    def call(module: Any, given: dict[str, Tensor]) -> Any:
        wave = given["audio"]
        return module(input_values=wave if front is None else front(wave))

    return wrap(model, [Audio(rate=rate)], _labels(model), call=call)


def _unit_variance(wave: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch samples"]:
    """Normalise as ``Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm`` does."""
    centred = wave - wave.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-7).sqrt()


def _filterbanks(extractor: Any) -> Any:
    """Return Kaldi's filterbanks as ``ASTFeatureExtractor`` has them, with a gradient."""
    try:
        from torchaudio.compliance import kaldi
    except ImportError as error:
        raise InputError(
            "audio: the spectrogram transformer's front end needs torchaudio; pip install 'veridical[adapters]'"
        ) from error

    def front(wave: Tensor) -> Tensor:
        rows = []
        for row in wave:
            bank = kaldi.fbank(
                row[None],
                sample_frequency=extractor.sampling_rate,
                window_type="hanning",
                num_mel_bins=extractor.num_mel_bins,
            )[: extractor.max_length]
            rows.append(nn.functional.pad(bank, (0, 0, 0, extractor.max_length - len(bank))))
        bank = torch.stack(rows)
        return (bank - extractor.mean) / (2 * extractor.std) if extractor.do_normalize else bank

    return front


def wrap_text_classifier(model: nn.Module, tokenizer: Any, *, max_tokens: int | None = None) -> Wrapped:
    """Wrap a text classifier; its sense is a string, read at its word embeddings.

    Positions and types are the model's own. Tokens of zeros, which are padding, are masked from its attention. Of a
    text longer than the window the rest is not read, and a note says so. Several labels that do not exclude each other
    (``problem_type`` "multi_label_classification") are best asked for with a `Target` of kind ``"logit"``.

    Args:
        model: an ``...ForSequenceClassification`` that takes ``inputs_embeds``.
        tokenizer: its fast tokenizer, with a mask token.
        max_tokens: longest input that is read; by default what tokenizer and positions allow.

    Raises:
        InputError: the model takes no embeddings, or the tokenizer is not fast or has no mask token.

    Example:
        >>> system = wrap_text_classifier(model, AutoTokenizer.from_pretrained(path))           # doctest: +SKIP
        >>> attribute(system, {"text": "A fine film."}).map("text", "words")                    # doctest: +SKIP
    """
    sense = Text(tokenizer, embedding_table(model), longest_text(model, tokenizer, max_tokens))

    def call(module: Any, given: dict[str, Tensor]) -> Any:
        x = given["text"]
        return module(inputs_embeds=x, attention_mask=(x != 0).any(-1).long())

    return wrap(model, [sense], _labels(model), call=call)


def embedding_table(model: Any) -> Float[Tensor, "vocab features"]:
    """Return what a model's word embedding gives for each token, scaling and the like included.

    Raises:
        InputError: the model takes no embeddings.
    """
    if "inputs_embeds" not in inspect.signature(model.forward).parameters:
        raise InputError(f"text: {type(model).__name__} takes no inputs_embeds, so words cannot be explained")
    layer: Any = model.get_input_embeddings()
    if type(layer) is nn.Embedding:
        return layer.weight.detach()
    with torch.no_grad():
        return layer(torch.arange(layer.num_embeddings, device=layer.weight.device))


def longest_text(model: Any, tokenizer: Any, asked: int | None = None) -> int:
    """Return the number of tokens that a model reads: the least of what was asked, tokenizer and positions.

    Raises:
        InputError: more are asked for than there are positions.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    # RoBERTa and its kin count positions from the padding's index on.
    taken = [
        1 + (m.padding_idx or 0)
        for name, m in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(m, nn.Embedding) and m.padding_idx is not None
    ]
    room = positions - max(taken, default=0) if isinstance(positions, int) and positions > 0 else None
    if asked is not None:
        if room is not None and asked > room:
            raise InputError(f"text: a window of {asked} tokens for {room} positions; give at most {room}")
        return asked
    return min(tokenizer.model_max_length, 512 if room is None else room)


def _labels(model: Any) -> tuple[str, ...]:
    config = model.config
    return different([config.id2label.get(i, f"class {i}") for i in range(config.num_labels)])
