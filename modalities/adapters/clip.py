"""CLIP models of open_clip: a picture against sentences, explained on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...errors import InputError
from ..engines.interception.intercept import Intercept
from ..held import held
from ..text import Text
from ..words import find_words
from ._pictures import Normal, eyes
from .module import Wrapped, different, wrap

__all__ = ["Caption", "load_clip", "wrap_clip", "wrap_clip_pair"]

_OPENAI = Normal((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


class Caption(Text):
    """A sentence as a CLIP model reads it: from the start token to the end token, at the word embeddings.

    As `Text`; but CLIP has no mask token, so that the mean of all word embeddings stands in for a word that is absent.

    Args:
        tokenizer: open_clip's tokenizer of the model: ``tokenizer([text])`` gives (1, context) token ids.
        embedding: word embeddings, (vocab, features).

    Raises:
        InputError: the tokenizer is not of that kind.
    """

    def __init__(self, tokenizer: Any, embedding: Float[Tensor, "vocab features"]) -> None:
        empty = _ids(tokenizer, "")
        if len(empty) != 2:
            raise InputError("text: the tokenizer does not put one start and one end token around a text; use wrap()")
        self.tokenizer, self.embedding = tokenizer, embedding.detach()
        self.start, self.end = (int(i) for i in empty)
        self.max_tokens = int(tokenizer([""]).shape[1])
        self._mean = self.embedding.float().mean(0)

    @property
    def _mask(self) -> Float[Tensor, " features"]:
        return self._mean

    def _tokens(self, text: str) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, "tokens 2"], bool]:
        """Return token ids and the span of the word that each lies in; open_clip's tokenizers give no spans."""
        ids = _ids(self.tokenizer, text)
        spans, pieces = [(0, 0)], []
        for word in find_words(text):
            of_word = _ids(self.tokenizer, text[slice(*word.run)])[1:-1].tolist()
            pieces += of_word
            spans += [word.run] * len(of_word)
        read = ids[1:-1].tolist()
        cut = len(pieces) > len(read)
        if pieces[: len(read)] != read:
            raise InputError(
                f"text: {text[:60]!r} is tokenised otherwise as a whole than word by word; use plain words"
            )
        return ids, np.array([*spans[: len(read) + 1], (0, 0)], np.int64), cut


def _ids(tokenizer: Any, text: str) -> Int[np.ndarray, " tokens"]:
    """Return the ids of a text from the start to the end token, padding cut off."""
    row = np.asarray(tokenizer([text])[0], np.int64)
    end = int(np.asarray(tokenizer([""])[0], np.int64)[1])
    return row[: int((row == end).argmax()) + 1]


def load_clip(architecture: str, path: str | Path) -> tuple[nn.Module, Any, Any]:
    """Load a CLIP model from a local checkpoint; no hub is asked.

    Args:
        architecture: open_clip's name of it, ``"ViT-B-32"``.
        path: the checkpoint, a file.

    Returns:
        The model in evaluation mode, its tokenizer, and its evaluation transform.

    Raises:
        InputError: open_clip is missing, or there is no such file or architecture.
    """
    try:
        import open_clip
    except ImportError as error:
        raise InputError("clip: open_clip is missing; pip install 'veridical[adapters]'") from error
    if not Path(path).is_file():
        raise InputError(f"clip: no file {str(path)!r}; give the path of a checkpoint of {architecture}")
    if architecture not in open_clip.list_models():
        raise InputError(f"clip: open_clip knows no architecture {architecture!r}; see open_clip.list_models()")
    made: Any = open_clip.create_model_and_transforms(architecture, pretrained=str(path))
    return made[0].eval(), open_clip.get_tokenizer(architecture), made[2]


def wrap_clip(model: Any, tokenizer: Any, sentences: Sequence[str], preprocess: Any = None) -> Wrapped:
    """Wrap zero-shot classification: which of these sentences fits the picture best?

    Actions are the sentences, their scores CLIP's logits (scaled cosines). The sentences are read once, now.

    Args:
        model: a CLIP model of open_clip.
        tokenizer: its tokenizer.
        sentences: one for each class, ``"a photo of a cat"``.
        preprocess: its evaluation transform, of which the normalisation is taken; by default OpenAI's. The picture is
            resized to the model's square without a crop.

    Raises:
        InputError: fewer than two sentences.

    Example:
        >>> system = wrap_clip(*load_clip("ViT-B-32", path)[:2], ["a cat", "a dog"])      # doctest: +SKIP
        >>> attribute(system, {"vision": "cat.png"}).map("vision")                        # doctest: +SKIP
    """
    if isinstance(sentences, str) or len(sentences) < 2:
        raise InputError(f"clip: sentences {sentences!r}; give a list of two or more")
    normal = _normal(preprocess)
    with torch.no_grad(), held(model):
        read = _features_of(model, tokenizer, sentences)

    def call(module: Any, given: dict[str, Tensor]) -> Tensor:
        seen = F.normalize(module.encode_image(normal(given["vision"])), dim=-1)
        return _logits(module, seen @ read.to(seen).T)

    return wrap(model, [eyes(_size(model))], different(sentences), call=call)


def wrap_clip_pair(model: Any, tokenizer: Any, against: Sequence[str], preprocess: Any = None) -> Wrapped:
    """Wrap the match of a picture and a sentence, both explained: what in the picture, and which words?

    Senses are ``vision`` and ``text``. Actions are "this sentence" and those that it is held against; the score of the
    first is the logit of picture and sentence.

    Args:
        model: a CLIP model of open_clip with a text transformer of its own (none of transformers).
        tokenizer: its tokenizer.
        against: other sentences; as a group they say what the match is more than.
        preprocess: see `wrap_clip`.

    Raises:
        InputError: no sentence to hold against, or another kind of text tower.

    Example:
        >>> system = wrap_clip_pair(model, tokenizer, ["a photo"])                        # doctest: +SKIP
        >>> attribute(system, {"vision": "cat.png", "text": "a sleeping cat"})            # doctest: +SKIP
    """
    if isinstance(against, str) or len(against) == 0:
        raise InputError(f"clip: against {against!r}; give a list of one sentence or more")
    tower = getattr(model, "text", model)
    if not isinstance(getattr(tower, "token_embedding", None), nn.Embedding):
        raise InputError(f"clip: {type(tower).__name__} is no text transformer of open_clip's own; use wrap_clip")
    normal, sense = _normal(preprocess), Caption(tokenizer, tower.token_embedding.weight)
    with torch.no_grad(), held(model):
        others = _features_of(model, tokenizer, against)

    def call(module: Any, given: dict[str, Tensor]) -> Tensor:
        seen = F.normalize(module.encode_image(normal(given["vision"])), dim=-1)
        read = F.normalize(_read(module, sense, given["text"]), dim=-1)
        cosines = torch.cat(((seen * read).sum(1, keepdim=True), seen @ others.to(seen).T), 1)
        return _logits(module, cosines)

    actions = different(["this sentence", *against])
    return wrap(model, [eyes(_size(model)), sense], actions, call=call)


def _read(model: Any, sense: Caption, x: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch width"]:
    """Run the text tower on word embeddings; rows of zeros at the end are filled with the padding's embedding.

    The tower looks embeddings up by itself; that one call is answered with ours, in this thread alone. The ids it is
    given say no more than where the text ends, which its pooling asks.
    """
    tower = getattr(model, "text", model)
    table, pad = tower.token_embedding.weight, getattr(tower, "pad_id", 0)
    present = (x != 0).any(-1)
    last = present.sum(1) - 1
    ids = torch.full((len(x), sense.max_tokens), pad, device=x.device)
    padding = table[ids]
    ids[:, : x.shape[1]] = torch.where(present, sense.start, pad)
    ids[torch.arange(len(x), device=x.device), last] = sense.end
    words = torch.where(present[:, :, None], x, padding[:, : x.shape[1]])
    whole = torch.cat((words, padding[:, x.shape[1] :]), 1)

    def look_up(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return whole if args[1] is table else function(*args, **kwargs)

    with Intercept({F.embedding: look_up}):
        return model.encode_text(ids)


def _features_of(model: Any, tokenizer: Any, sentences: Sequence[str]) -> Float[Tensor, "sentences width"]:
    ids = tokenizer(list(sentences)).to(next(model.parameters()).device)
    return F.normalize(model.encode_text(ids), dim=-1)


def _logits(model: Any, cosines: Float[Tensor, "batch sentences"]) -> Float[Tensor, "batch sentences"]:
    bias = getattr(model, "logit_bias", None)
    scaled = model.logit_scale.exp() * cosines
    return scaled if bias is None else scaled + bias


def _size(model: Any) -> Any:
    size = getattr(model.visual, "image_size", None)
    if size is None:
        raise InputError(
            f"clip: {type(model.visual).__name__} does not say its image_size; set model.visual.image_size"
        )
    return size


def _normal(preprocess: Any) -> Normal:
    """Read the normalisation off a transform: that of its steps which has a mean and a std."""
    if preprocess is None:
        return _OPENAI
    for step in getattr(preprocess, "transforms", [preprocess]):
        if hasattr(step, "mean") and hasattr(step, "std"):
            return Normal(tuple(float(v) for v in step.mean), tuple(float(v) for v in step.std))
    raise InputError("clip: the transform has no normalisation; give open_clip's own evaluation transform, or none")
