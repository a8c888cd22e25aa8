"""Text: a written instruction, its words, and sentences from which words were taken away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import InputError
from .contract import Prepared
from .edits import check_operator, membership
from .evidence import EvidenceUnit, Segmentation
from .infill_text import close_up, least_change
from .neutral import GONE, NONE, neutral_tokens
from .placed import PlacedUnit
from .words import Word, find_words

__all__ = ["Text"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

View = tuple[tuple[str, ...], dict[str, np.ndarray], np.ndarray]


class Text:
    """A string, tokenised for a BERT-like encoder and read as word embeddings.

    The attribution baseline is the mask token's embedding at every word, with the special tokens as they are. Infill
    operators: ``mask`` (the mask token's embedding stands in), ``delete`` (the tokens are taken out, the rest moves up,
    and all-zero rows, which are padding, fill the end) and ``neutral`` (an English word that says little, of the same
    part of speech, stands in: "thing", "do", "certain"; it is one token, so that the rest moves up where the word had
    more, and punctuation at the word's ends stays; where the tokenizer has no such token, absence stands in as by
    ``mask``; see `neutral.NEUTRAL`).

    Args:
        tokenizer: a fast tokenizer of transformers, with a mask token.
        embedding: word embeddings, (vocab, features); no row of zeros but the padding token's.
        max_tokens: longest input that is read, special tokens included.

    Raises:
        InputError: the tokenizer gives no offsets or has no mask token, or the embedding does not fit it.
    """

    name: str = "text"
    operators: tuple[str, ...] = ("mask", "delete", "neutral")

    def __init__(self, tokenizer: Any, embedding: Float[Tensor, "vocab features"], max_tokens: int = 256) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise InputError("text: the tokenizer gives no character offsets; use a fast tokenizer of transformers")
        if tokenizer.mask_token_id is None:
            raise InputError("text: the tokenizer has no mask token to stand for absence; use a BERT-like one")
        if len(tokenizer) > len(embedding):
            raise InputError(f"text: {len(embedding)} embeddings for {len(tokenizer)} tokens; give the encoder's own")
        extra = tokenizer.num_special_tokens_to_add()
        if max_tokens <= extra:
            raise InputError(f"text: a window of {max_tokens} tokens leaves no room beside {extra} special ones")
        zero = set((embedding == 0).all(1).nonzero()[:, 0].tolist()) - {tokenizer.pad_token_id}
        if zero:
            raise InputError(f"text: the embedding of token {min(zero)} is all zero, which would be read as padding")
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.embedding = embedding.detach()

    @classmethod
    def minilm(cls) -> Text:
        """Return the modality for all-MiniLM-L6-v2, fetching its weights at first use.

        Raises:
            WeightsError: the weights cannot be had.
        """
        from .encoders.minilm import load_minilm

        encoder = load_minilm()
        return cls(encoder.tokenizer, encoder.embedding, encoder.max_tokens)

    @property
    def _mask(self) -> Float[Tensor, " features"]:
        return self.embedding[self.tokenizer.mask_token_id]

    def prepare(self, signal: Any) -> Prepared:
        """Turn a string into the system's input.

        Nothing is stripped. An empty string is the special tokens alone. What does not fit the window is not read, and
        a note says from which word on.

        Returns:
            ``tensor`` float32 (1, tokens, features); ``raw`` the string; ``detail``: ``ids`` and ``offsets`` of the
            tokens, ``words`` the unit of each token (-1 for special tokens), ``runs`` the index among all words of each
            unit, ``words_read`` and ``words_total``.

        Raises:
            InputError: not a string, or one that is not valid Unicode.
        """
        _check_string(signal)
        found = find_words(signal)
        ids, offsets, cut = self._tokens(signal)
        owner = _owners(offsets, found)
        runs = sorted(set(owner[owner >= 0].tolist()))
        labels = np.where(owner >= 0, np.searchsorted(runs, owner), -1)
        notes = _notes(signal, found, runs, int(offsets[:, 1].max(initial=0)) if cut else None)
        tensor = self.embedding[torch.from_numpy(ids).to(self.embedding.device)].float()[None].clone()
        baseline = torch.where(torch.from_numpy(labels >= 0).to(tensor.device)[:, None], self._mask.float(), tensor)
        detail = {"ids": ids, "offsets": offsets, "words": labels, "runs": tuple(runs)}
        detail |= {"words_read": len(runs), "words_total": len(found)}
        return Prepared(self.name, tensor, baseline, signal, 0.0, notes, detail)

    def segment(self, prepared: Prepared) -> Segmentation:
        """Cut the string into words: runs of non-space characters, punctuation at their ends kept out of the span.

        Labels have shape (tokens,), -1 for special tokens; the tokens of a word's punctuation belong to the word. The
        previous and the next word are neighbours. An instruction is at hand from the start: time is (0, 0).
        """
        found = find_words(prepared.raw)
        words = [found[run] for run in prepared.detail["runs"]]
        units, end = [], 0
        for index, word in enumerate(words):
            first, last = word.span
            gap = prepared.raw[end:first]
            text = prepared.raw[first:last]
            units.append(PlacedUnit(self.name, index, (0.0, 0.0), span=word.span, text=text, gap=gap))
            end = last
        neighbours = tuple(tuple(j for j in (i - 1, i + 1) if 0 <= j < len(words)) for i in range(len(words)))
        return Segmentation(prepared.detail["words"], tuple(units), neighbours)

    def schedule(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(u^4, 4 u^3)``: words come in last, when what is seen and heard is there.

        Half-way between the mask token and a word lies no word, and before empty frames and silence a text encoder's
        answer to such embeddings can decide anything.
        """
        return u**4, 4 * u**3

    def attribute(self, prepared: Prepared, gradient: Tensor) -> Mapping[str, View]:
        """Return contributions ``(gradient * (tensor - baseline))`` summed over features.

        View ``units`` has dims (token,), view ``words`` dims (word,), each with indices. Special tokens contribute 0.

        Args:
            prepared: the signal.
            gradient: shape of ``prepared.tensor``, nats per unit of embedding.
        """
        change = (prepared.tensor - prepared.baseline).double()
        tokens = (gradient.detach().to(change) * change).sum(2)[0].cpu().numpy()
        return _views(prepared, tokens, _by_word(prepared, tokens))

    def sensitivity(self, prepared: Prepared, gradient: Tensor, squared: bool = False) -> Mapping[str, View]:
        """Return the length of the gradient over features, per token and per word; of variances (``squared``) sums.

        Views as `attribute` gives them. Special tokens count here: the score may well hang on them.
        """
        each = gradient[0].detach().double()
        tokens = (each if squared else each.square()).sum(1).cpu().numpy()
        words = _by_word(prepared, tokens)
        return _views(prepared, tokens, words) if squared else _views(prepared, np.sqrt(tokens), np.sqrt(words))

    def infill(
        self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
    ) -> Tensor:
        """Mask, delete or neutralise the words of each edit; returns float32 (edits, tokens, features).

        Raises:
            InputError: an unknown operator or unit.
        """
        check_operator(self.name, operator, self.operators)
        x = prepared.tensor[0]
        chosen = membership(self.name, edits, segmentation, (len(x),)).to(x.device)
        gone = chosen[:, torch.from_numpy(segmentation.labels).to(x.device)]
        if operator == "mask":
            return torch.where(gone[:, :, None], self._mask.to(x), x)
        if operator == "delete":
            return close_up(x.expand(len(edits), *x.shape), ~gone)
        detail = prepared.detail
        places = (detail["ids"], detail["runs"], detail["words"], detail["offsets"])
        found = neutral_tokens(self._pieces, prepared.raw, *places)
        ids = torch.from_numpy(found)[:, None].to(self.embedding.device)
        stand_in = torch.where(ids == NONE, self._mask, self.embedding[ids[:, 0].clamp_min(0)]).to(x)
        changed = gone & torch.from_numpy(found != detail["ids"]).to(x.device)
        rows = torch.where(changed[:, :, None], stand_in, x)
        return close_up(rows, ~(gone & (ids[:, 0] == GONE).to(x.device)))

    def energy(self, prepared: Prepared, edited: Tensor) -> Float[Tensor, " edits"]:
        """Return the L2 distance that an edit moves the text by, over that of masking all its words.

        Where no token is gone, rows are compared in place. Where some are, the rest has moved up, and rows are compared
        in the order in which they stand: a token that is gone counts its distance to the mask, one that another stands
        in for its distance to that (`infill_text.least_change`). So ``mask`` and ``delete`` give the same energy for
        the same words, and all words give 1; by ``neutral`` it is what the neutral words' embeddings say, and may well
        exceed 1. A text without words has energy 0.
        """
        x, mask = prepared.tensor[0].double(), self._mask.double().to(prepared.tensor.device)
        after = edited.to(x)
        whole = (x - prepared.baseline[0]).pow(2).sum()
        if whole == 0:
            return torch.zeros(len(after), device=x.device)
        change = (after - x).pow(2).sum((1, 2))
        shorter = ~(after != 0).any(2).all(1)
        if shorter.any():
            change[shorter] = least_change(x, after[shorter], mask)
        return (change / whole).sqrt().float()

    def show(self, units: Sequence[EvidenceUnit]) -> str:
        """Return the words in quotation marks, neighbours as they stand in the string: ``“wait at the kerb”``.

        Control characters are shown as spaces.
        """
        shown: list[str] = []
        before: EvidenceUnit | None = None
        for unit in sorted(units, key=lambda unit: unit.index):
            if unit.text is None:
                raise InputError(f"text: unit {unit.index} of {unit.modality!r} has no text; show its own units only")
            if before is not None and unit.index == before.index + 1:
                gap = unit.gap if isinstance(unit, PlacedUnit) and unit.gap is not None else " "
                shown[-1] += gap + unit.text
            elif before is None or unit.index != before.index:
                shown.append(unit.text)
            before = unit
        return ", ".join(f"“{re.sub(_CONTROL, ' ', words)}”" for words in shown)

    def _pieces(self, text: str) -> list[int]:
        """Return the tokens that a string is read as, without special ones and without the unknown."""
        ids, offsets, _ = self._tokens(text)
        own = ids[offsets[:, 1] > offsets[:, 0]].tolist()
        return [token for token in own if token != getattr(self.tokenizer, "unk_token_id", None)]

    def _tokens(self, text: str) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, "tokens 2"], bool]:
        """Return token ids, their spans in the string (0, 0 for special tokens), and if the window cut the text."""
        # Special tokens written out, such as "[SEP]", are words like any other: text must not steer the encoder.
        options: dict[str, Any] = {"return_offsets_mapping": True, "split_special_tokens": True, "verbose": False}
        found = self.tokenizer(text, **options)
        cut = len(found["input_ids"]) > self.max_tokens
        if cut:
            found = self.tokenizer(text, truncation=True, max_length=self.max_tokens, **options)
        return np.array(found["input_ids"], np.int64), np.array(found["offset_mapping"], np.int64).reshape(-1, 2), cut


def _by_word(prepared: Prepared, tokens: Float[np.ndarray, " tokens"]) -> Float[np.ndarray, " words"]:
    """Sum over the tokens of each word."""
    owner = prepared.detail["words"]
    summed = np.bincount(owner[owner >= 0], weights=tokens[owner >= 0], minlength=prepared.detail["words_read"])
    return summed.astype(np.float64)


def _views(
    prepared: Prepared, tokens: Float[np.ndarray, " tokens"], words: Float[np.ndarray, " words"]
) -> Mapping[str, View]:
    return {
        "units": (("token",), {"token": np.arange(len(tokens))}, tokens),
        "words": (("word",), {"word": np.arange(len(words))}, words),
    }


def _check_string(signal: Any) -> None:
    if isinstance(signal, (bytes, bytearray)):
        raise InputError(f"text: {len(signal)} bytes are not a string; decode them, e.g. .decode('utf-8')")
    if not isinstance(signal, str):
        raise InputError(f"text: a {type(signal).__name__} is not a string; give the instruction as str")
    for at, character in enumerate(signal):
        if "\ud800" <= character <= "\udfff":
            raise InputError(
                f"text: character {at} is U+{ord(character):04X}, half of a surrogate pair; decode the text again"
            )


def _owners(offsets: Int[np.ndarray, "tokens 2"], words: Sequence[Word]) -> Int[np.ndarray, " tokens"]:
    """Return the index of the word that each token lies in, -1 for special tokens."""
    starts = np.array([word.run[0] for word in words], np.int64)
    inside = offsets[:, 1] > offsets[:, 0]
    return np.where(inside, np.searchsorted(starts, offsets[:, 0], side="right") - 1, -1)


def _notes(text: str, found: Sequence[Word], runs: Sequence[int], read_to: int | None) -> tuple[str, ...]:
    """Say what of the text is not read; ``read_to`` is the first character that is not, None if the text fits."""
    notes = []
    if not found:
        notes.append("the text is empty")
    last = len(found)
    if read_to is not None:
        last = runs[-1] + 1
        partly = found[last - 1].run[1] > read_to and bool(text[read_to : found[last - 1].span[1]])
        nothing = f"nothing is read from word {last + 1} on" if last < len(found) else ""
        part = f"word {last} is read only in part" if partly else ""
        tail = " and ".join(filter(None, (part, nothing))) or "punctuation at the end is not read"
        notes.append(f"the text is longer than the window: {len(runs)} of {len(found)} words are read; {tail}")
    silent = [i + 1 for i in range(last) if i not in set(runs)]
    if silent:
        notes.append(f"word {', '.join(map(str, silent[:5]))} holds only invisible characters, which are not read")
    return tuple(notes)
