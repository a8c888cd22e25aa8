"""A cloze: why a masked language model would fill the blank of a sentence with this word rather than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...errors import InputError
from ..contract import Prepared
from ..edits import check_operator, membership
from ..evidence import Segmentation
from ..held import held
from ..text import Text
from .hugging import embedding_table, longest_text
from .module import Wrapped, wrap

__all__ = ["Cloze", "likely_words", "wrap_masked_lm"]


class Cloze(Text):
    """A sentence with one blank, which is the tokenizer's mask token.

    As `Text`, but for these: the blank is no evidence unit; the last feature of each token says whether it is the
    blank (1) or not (0), so that the system finds it; and tokens stay in their places: the operator ``drop`` makes
    zeros of them, which are not attended to, in place of ``delete``.

    Args:
        tokenizer: a fast tokenizer of transformers, with a mask token.
        embedding: word embeddings, (vocab, features), without the blank's mark.
        max_tokens: longest input that is read, special tokens included.

    Raises:
        InputError: see `Text`.
    """

    operators = ("mask", "drop")

    def __init__(self, tokenizer: Any, embedding: Float[Tensor, "vocab features"], max_tokens: int = 256) -> None:
        super().__init__(tokenizer, nn.functional.pad(embedding.detach(), (0, 1)), max_tokens)

    def prepare(self, signal: Any) -> Prepared:
        """Turn a sentence into the system's input; see `Text.prepare`.

        Returns:
            As `Text.prepare`, with ``tensor`` (1, tokens, features + 1); ``detail["blank"]`` is the blank's token.

        Raises:
            InputError: not a string, no blank or several, other special tokens, or a blank that is not read.
        """
        prepared = super().prepare(signal)
        ids, labels = prepared.detail["ids"], prepared.detail["words"]
        blanks = np.flatnonzero(ids == self.tokenizer.mask_token_id)
        mark = self.tokenizer.mask_token
        if len(blanks) != 1:
            cut = " within the window" if prepared.notes else ""
            raise InputError(f"text: {len(blanks)} blanks{cut} in {signal[:60]!r}; write {mark} for one word")
        special = np.isin(ids, self.tokenizer.all_special_ids) & (ids != self.tokenizer.unk_token_id)
        if special.sum() != self.tokenizer.num_special_tokens_to_add() + 1:
            raise InputError(f"text: special tokens beside {mark} in {signal[:60]!r}; leave them out")
        blank = int(blanks[0])
        unit = labels[blank]
        # Punctuation that stands at the blank belongs to it, and so to no unit.
        words = np.where(labels == unit, -1, labels - (labels > unit))
        runs = tuple(run for i, run in enumerate(prepared.detail["runs"]) if i != unit)
        detail = {**prepared.detail, "words": words, "runs": runs, "words_read": len(runs), "blank": blank}
        prepared.tensor[0, blank, -1] = 1
        inside = torch.from_numpy(words >= 0).to(prepared.tensor.device)[:, None]
        return replace(prepared, baseline=torch.where(inside, prepared.baseline, prepared.tensor), detail=detail)

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Mask or drop the words of each edit, each token in its place; returns float32 (edits, tokens, features + 1).

        Raises:
            InputError: an unknown operator or unit.
        """
        check_operator(self.name, operator, self.operators)
        x = prepared.tensor[0]
        chosen = membership(self.name, edits, segmentation, (len(x),)).to(x.device)
        gone = chosen[:, torch.from_numpy(segmentation.labels).to(x.device)]
        return torch.where(gone[:, :, None], self._mask.to(x) if operator == "mask" else torch.zeros_like(x), x)

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Return the L2 distance from the tokens that are gone to the mask, over that of all words' tokens."""
        x = prepared.tensor.double()
        whole = (x - prepared.baseline).pow(2).sum()
        gone = (edited.to(x) != x).any(2)
        lost = ((x - prepared.baseline).pow(2).sum(2) * gone).sum(1)
        return ((lost / whole).sqrt() if whole > 0 else torch.zeros_like(lost)).float()

    def _tokens(self, text: str) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, "tokens 2"], bool]:
        # Here the mask token must be read as what it is; `prepare` refuses all other special tokens.
        options: dict[str, Any] = {"return_offsets_mapping": True, "split_special_tokens": False, "verbose": False}
        found = self.tokenizer(text, **options)
        cut = len(found["input_ids"]) > self.max_tokens
        if cut:
            found = self.tokenizer(text, truncation=True, max_length=self.max_tokens, **options)
        ids, offsets = (
            np.array(found["input_ids"], np.int64),
            np.array(found["offset_mapping"], np.int64).reshape(-1, 2),
        )
        # Some mask tokens take in the space before them, which would make them part of the word before.
        for blank in np.flatnonzero(ids == self.tokenizer.mask_token_id):
            first = text.find(self.tokenizer.mask_token, offsets[blank, 0])
            offsets[blank] = (first, first + len(self.tokenizer.mask_token))
        return ids, offsets, cut


def _vocabulary_scores(module: Any, x: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch vocab"]:
    """Return the scores of all tokens at the blank, which the last feature marks."""
    embeds, at = x[:, :, :-1], x[:, :, -1].argmax(1)
    logits = module(inputs_embeds=embeds, attention_mask=(x != 0).any(-1).long()).logits
    return logits[torch.arange(len(x), device=logits.device), at]


def _tokens_of(tokenizer: Any, words: Sequence[str]) -> list[int]:
    ids = []
    for word in words:
        found = tokenizer(word, add_special_tokens=False)["input_ids"]
        as_it_is = tokenizer.convert_tokens_to_ids(word)
        if len(found) != 1 and as_it_is not in (None, tokenizer.unk_token_id):
            found = [as_it_is]  # a piece of a word, "##ing"
        if len(found) != 1 or found[0] == tokenizer.unk_token_id:
            pieces = tokenizer.convert_ids_to_tokens(found)
            raise InputError(f"text: {word!r} is no single token of this model ({pieces}); give words that are")
        ids += found
    if len(set(ids)) < len(ids):
        raise InputError(f"text: candidates {list(words)} share a token; give different ones")
    return ids


def wrap_masked_lm(
    model: nn.Module, tokenizer: Any, candidates: Sequence[str], *, max_tokens: int | None = None
) -> Wrapped:
    """Wrap a masked language model over a choice of words; its sense is a sentence with the mask token in it.

    Actions are the candidates and "anything else". Scores are the model's logits at the blank, and the log of the sum
    of the exponentials of all others: the log-odds of a candidate are those among the whole vocabulary.

    Args:
        model: an ``...ForMaskedLM``.
        tokenizer: its fast tokenizer.
        candidates: words that are one token each; `likely_words` tells the model's own. Tokenizers that tell a word
            from its beginning by the space before it (RoBERTa's) want that space.
        max_tokens: longest input that is read; by default what tokenizer and positions allow.

    Raises:
        InputError: a candidate that is not one token, or see `Cloze`.

    Example:
        >>> system = wrap_masked_lm(model, tokenizer, ["paris", "london"])            # doctest: +SKIP
        >>> attribute(system, {"text": "The capital of France is [MASK]."})          # doctest: +SKIP
    """
    if not candidates or isinstance(candidates, str):
        raise InputError(f"text: candidates {candidates!r}; give at least one word, as a list")
    ids = _tokens_of(tokenizer, candidates)
    sense = Cloze(tokenizer, embedding_table(model), longest_text(model, tokenizer, max_tokens))

    def call(module: Any, given: Mapping[str, Tensor]) -> Tensor:
        scores = _vocabulary_scores(module, given["text"])
        rest = torch.ones(scores.shape[1], dtype=torch.bool, device=scores.device)
        rest[ids] = False
        return torch.cat((scores[:, ids], scores[:, rest].logsumexp(1, keepdim=True)), 1)

    return wrap(model, [sense], [*candidates, "anything else"], call=call)


def likely_words(model: nn.Module, tokenizer: Any, text: str, count: int = 5) -> tuple[str, ...]:
    """Return the tokens that a masked language model holds most likely at the blank, the likeliest first.

    Raises:
        InputError: see `Cloze`.
    """
    sense = Cloze(tokenizer, embedding_table(model), longest_text(model, tokenizer))
    parameter = next(model.parameters())
    x = sense.prepare(text).tensor.to(parameter.device, parameter.dtype)
    with torch.no_grad(), held(model):
        best = _vocabulary_scores(model, x)[0].topk(count).indices.tolist()
    return tuple(tokenizer.decode([token]) for token in best)
