"""all-MiniLM-L6-v2, a sentence encoder: the reference encoder of what is read.

Wang et al., "MiniLM" (NeurIPS 2020); Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019) for pooling.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from jaxtyping import Float
from torch import Tensor, nn

from ...errors import InputError
from .. import weights

__all__ = ["MiniLM", "load_minilm", "no_progress_bar"]


class MiniLM(nn.Module):
    """Frozen text encoder; input is a row of word embeddings for each token. Batches of any size, 0 included.

    Attributes:
        tokenizer: transformers' fast tokenizer of the model.
        max_tokens: 256, special tokens included: the length that the published sentence encoder is set to. There are
            512 positions, but those beyond 256 never took part in its training on sentences.
    """

    max_tokens: int = 256

    def __init__(self, network: nn.Module, tokenizer: Any) -> None:
        """Freeze and wrap a BERT model and its tokenizer."""
        super().__init__()
        self.network: Any = network
        self.tokenizer = tokenizer
        self.eval().requires_grad_(False)

    @property
    def embedding(self) -> Float[Tensor, "vocabulary 384"]:
        """Word embeddings by token id."""
        return self.network.get_input_embeddings().weight

    def states(self, embeddings: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens 384"]:
        """Return the last hidden states; rows of zeros are padding, are not attended to, and give rows of zeros.

        Rows of zeros may stand anywhere; positions are counted with them. A path that starts at zeros would change
        what is padding when it leaves its start: let it start at an embedding, the mask token's say.

        Raises:
            InputError: another shape, no tokens, or more than `max_tokens`.
        """
        width = self.embedding.shape[1]
        if embeddings.ndim != 3 or embeddings.shape[2] != width or not 1 <= embeddings.shape[1] <= self.max_tokens:
            raise InputError(
                f"MiniLM takes (batch, tokens, {width}) with 1 to {self.max_tokens} tokens,"
                f" got {tuple(embeddings.shape)}; shorten or split the text"
            )
        if len(embeddings) == 0:  # which transformers refuses
            return torch.zeros_like(embeddings)
        present = (embeddings != 0).any(-1)
        # Additive, and made here: transformers would look at the mask's values to choose a path.
        mask = torch.zeros_like(embeddings[:, :, 0]).masked_fill(~present, torch.finfo(embeddings.dtype).min)
        hidden = self.network(inputs_embeds=embeddings, attention_mask=mask[:, None, None, :]).last_hidden_state
        return hidden * present[:, :, None]

    def sentence(self, texts: Sequence[str]) -> Float[Tensor, "texts 384"]:
        """Return one embedding of length one for each text: the mean of the states over its tokens.

        Raises:
            InputError: a text of more than `max_tokens` tokens.
        """
        if len(texts) == 0:
            return self.embedding.new_zeros(0, self.embedding.shape[1])
        rows = self.tokenizer(list(texts))["input_ids"]
        longest = max(range(len(rows)), key=lambda i: len(rows[i]))
        if len(rows[longest]) > self.max_tokens:
            raise InputError(
                f"text {longest} has {len(rows[longest])} tokens, more than {self.max_tokens}; shorten or split it"
            )
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=-1)
        ids = ids.to(self.embedding.device)
        present = (ids >= 0)[:, :, None]
        states = self.states(self.embedding[ids.clamp(min=0)] * present)
        return F.normalize(states.sum(1) / present.sum(1), dim=-1)


@functools.cache
def load_minilm() -> MiniLM:
    """Return the encoder on the CPU; weights are fetched on first use.

    One object is shared by all callers: copy it before changing it or moving it to another device.

    Raises:
        WeightsError: the weights cannot be fetched.
    """
    folder: Path = weights.fetch("minilm")
    with no_progress_bar():
        # Eager attention alone has a second derivative and a forward-mode one.
        network = transformers.AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager")
    return MiniLM(network, transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True))


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Keep transformers from drawing a bar for what takes a moment."""
    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers.utils.logging.enable_progress_bar()
