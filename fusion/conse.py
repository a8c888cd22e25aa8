"""Semantic spaces with encoders behind them: MiniLM's by default, or that of a CLIP model of the user's."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image

from ..modalities.held import held
from .space import ALIKE, Bank, NameSpace, Picture, Vectors

__all__ = ["Conse", "OpenClip", "load_conse"]

_BATCH = 32
_SEEN = 16


class Conse(NameSpace):
    """The default space: MiniLM's sentence embeddings of ImageNet's and AudioSet's names.

    ImageNet's names come with WordNet's definitions ("ox: an adult castrated bull ..."), which say that a hartebeest is
    an antelope. Each bank loses its mean, because the two are written in different styles. Both were chosen on training
    stamps (`benchmarks.matches`).

    Args:
        top: see `NameSpace`; likewise ``alike``.

    Raises:
        InputError: an option out of range.
        WeightsError: the encoders' weights cannot be had (on first use).

    Example:
        >>> space = load_conse()                                                          # doctest: +SKIP
        >>> float(space.texts(["a fire engine"])[0] @ space.sounds([siren])[0])           # doctest: +SKIP
    """

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return MiniLM's sentence embeddings.

        Raises:
            InputError: a text of more than 256 tokens.
        """
        return _minilm(tuple(texts))

    @property
    def seen(self) -> Bank:
        """ImageNet's names, with definitions."""
        return _imagenet(self.top)

    @property
    def heard(self) -> Bank:
        """AudioSet's names."""
        return _audioset(self.top)

    def see(self, pictures: Sequence[Picture]) -> Float[np.ndarray, "pictures names"]:
        """Return ImageNet's probabilities by EfficientNet-Lite0, for pictures resized to 224 x 224, aspect not kept."""
        from ..modalities.encoders.efficientnet import load_efficientnet_lite0

        eyes = load_efficientnet_lite0()
        small = [np.asarray(_image(p).resize((224, 224), Image.Resampling.BICUBIC)) for p in pictures]
        x = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad(), held(eyes):
            rows = [eyes.classify(eyes.features(part)).softmax(-1) for part in x.split(_SEEN)]
        return torch.cat(rows).numpy()


class OpenClip(NameSpace):
    """The same with a CLIP model of the user's: names are embedded by its text tower, pictures named by itself.

    A picture's probabilities are CLIP's own zero-shot ones over ImageNet's names (Radford et al., ICML 2021,
    section 3.1), and its place is their convex combination, not the picture's own embedding: those of pictures and of
    texts lie in cones apart (Liang et al., "Mind the Gap", NeurIPS 2022). Sounds are named by YAMNet.

    Args:
        model: a CLIP model of open_clip.
        preprocess: its evaluation transform, from a PIL image to a tensor.
        tokenizer: its tokenizer.
        top: see `NameSpace`; likewise ``alike``.

    Raises:
        InputError: an option out of range.

    Example:
        >>> model, tokenizer, preprocess = load_clip("ViT-B-32", "checkpoint.pt")         # doctest: +SKIP
        >>> space = OpenClip(model, preprocess, tokenizer)                                # doctest: +SKIP
    """

    def __init__(
        self, model: Any, preprocess: Callable[[Any], Any], tokenizer: Any, top: int = 10, alike: float = ALIKE
    ) -> None:
        super().__init__(top, alike)
        self.model, self.preprocess, self.tokenizer = model, preprocess, tokenizer

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the text tower's embeddings, of length one."""
        device = next(self.model.parameters()).device
        with torch.no_grad(), held(self.model):
            rows = [self.model.encode_text(self.tokenizer(list(part)).to(device)) for part in _parts(texts)]
        return F.normalize(torch.cat(rows), dim=-1).float().numpy(force=True)

    @functools.cached_property
    def _templates(self) -> Vectors:
        return self.embed([f"a photo of a {name}" for name in _imagenet_names()])

    @functools.cached_property
    def _banks(self) -> tuple[Bank, Bank]:
        names = _audioset_names()
        return Bank.of(_imagenet_names(), self._templates, self.top), Bank.of(names, self.embed(names), self.top)

    @property
    def seen(self) -> Bank:
        """ImageNet's names, as "a photo of a ..."."""
        return self._banks[0]

    @property
    def heard(self) -> Bank:
        """AudioSet's names."""
        return self._banks[1]

    def see(self, pictures: Sequence[Picture]) -> Float[np.ndarray, "pictures names"]:
        """Return zero-shot probabilities over ImageNet's names."""
        device = next(self.model.parameters()).device
        x = torch.stack([self.preprocess(_image(p)) for p in pictures]).to(device)
        with torch.no_grad(), held(self.model):
            seen = torch.cat([F.normalize(self.model.encode_image(part), dim=-1) for part in x.split(_SEEN)])
            logits = self.model.logit_scale.exp() * seen @ torch.from_numpy(self._templates).to(seen).T
        return logits.softmax(-1).float().numpy(force=True)


@functools.cache
def load_conse() -> Conse:
    """Return the default space; its names are embedded on first use (about 10 s on one core) and kept in the cache."""
    return Conse()


def _image(picture: Picture) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture))


def _parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[i : i + _BATCH] for i in range(0, max(len(items), 1), _BATCH))


def _minilm(texts: tuple[str, ...]) -> Vectors:
    from ..modalities.encoders.minilm import load_minilm

    reader = load_minilm()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of a length together: the less is padded
    with torch.no_grad(), held(reader):
        rows = torch.cat([reader.sentence(part) for part in _parts([texts[i] for i in order])]).numpy()
    return rows[np.argsort(order)]


def _kept(texts: tuple[str, ...]) -> Vectors:
    """Embeddings of names, from the user's cache where they were computed before with the same weights."""
    from ..modalities.encoders.minilm import load_minilm
    from ..modalities.weights import CATALOGUE, cache_folder

    key = sha256("\n".join((CATALOGUE["minilm"].sha256, *texts)).encode()).hexdigest()[:32]
    path = cache_folder() / "names" / f"{key}.npy"
    shape = (len(texts), load_minilm().embedding.shape[1])
    # A cache that is broken or can't be written costs time, and nothing else.
    with contextlib.suppress(OSError, ValueError, EOFError):
        found = np.load(path, allow_pickle=False)
        if found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all():
            return found
    found = _minilm(texts).astype(np.float32)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.save(file, found)
        Path(file.name).replace(path)
    return found


def _imagenet_names() -> tuple[str, ...]:
    from ..modalities.encoders.efficientnet import load_efficientnet_lite0

    return load_efficientnet_lite0().class_names


def _audioset_names() -> tuple[str, ...]:
    from ..modalities.encoders.yamnet import load_yamnet

    return load_yamnet().class_names


@functools.cache
def _defined() -> Vectors:
    """Embeddings of ImageNet's classes: the first name and the definition of each."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return _kept(tuple(info.index_to_description(index, detailed=True) for index in range(1000)))


@functools.cache
def _imagenet(near: int) -> Bank:
    return Bank.of(_imagenet_names(), _defined(), near)


@functools.cache
def _heard() -> Vectors:
    """Embeddings of AudioSet's classes."""
    return _kept(_audioset_names())


@functools.cache
def _audioset(near: int) -> Bank:
    return Bank.of(_audioset_names(), _heard(), near)
