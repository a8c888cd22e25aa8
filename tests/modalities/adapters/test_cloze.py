"""Masked language models, randomly initialised and small: the wiring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

import veridical
from tests.toys import TOKENIZER
from veridical.errors import InputError
from veridical.modalities.adapters.cloze import Cloze, likely_words, wrap_masked_lm
from veridical.modalities.adapters.hugging import embedding_table
from veridical.modalities.observation import prepare
from veridical.modalities.path import PathSettings, integrate_path
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target, decision_score

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = "Go down this street, wait at the [MASK]. If you meet someone, stop."
WORDS = ["cat", "door", "siren"]


def bert(vocabulary: int = len(TOKENIZER), **options) -> BertForMaskedLM:
    torch.manual_seed(0)
    # Weights larger than usual, so that words matter.
    return BertForMaskedLM(BertConfig(**SMALL, vocab_size=vocabulary, initializer_range=0.5, **options)).eval()


def bytelevel() -> PreTrainedTokenizerFast:
    """A tokenizer like RoBERTa's: spaces belong to the word that follows, and to the mask token."""
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*marks, *letters, "Ġc", "Ġca", "Ġcat"])}
    merges = [("Ġ", "c"), ("Ġc", "a"), ("Ġca", "t")]
    core = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))  # noqa: S106 - no password
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    names |= {"pad_token": "<pad>", "unk_token": "<unk>"}
    made: Any = PreTrainedTokenizerFast(tokenizer_object=core, **names)
    made.add_special_tokens({"mask_token": AddedToken("<mask>", lstrip=True, special=True)})
    return made


MODEL = bert()
SYSTEM = wrap_masked_lm(MODEL, TOKENIZER, WORDS)
SENSE = SYSTEM.modalities["text"]
PREPARED = SENSE.prepare(TEXT)


def expected(text: str, model: Any = MODEL, tokenizer: Any = TOKENIZER) -> torch.Tensor:
    """Scores of the vocabulary at the blank, by token ids."""
    ids = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        logits = model(**ids).logits[0]
    return logits[int((ids["input_ids"][0] == tokenizer.mask_token_id).nonzero())]


def test_candidates_have_the_models_scores_and_the_rest_theirs():
    z = expected(TEXT)
    ids = [TOKENIZER.convert_tokens_to_ids(word) for word in WORDS]
    found = SYSTEM({"text": PREPARED.tensor})[0].detach()
    assert SYSTEM.actions == ("cat", "door", "siren", "anything else")
    torch.testing.assert_close(found[:3], z[ids], rtol=1e-4, atol=1e-5)
    probability = z.softmax(0)[ids[0]]
    torch.testing.assert_close(decision_score(found[None], 0)[0], (probability / (1 - probability)).log())


def test_the_blank_is_no_evidence_and_the_others_are():
    units = SENSE.segment(PREPARED).units
    words = [unit.text for unit in units]
    assert words == "Go down this street wait at the If you meet someone stop".split()
    assert [TEXT[slice(*unit.span)] for unit in units if unit.span] == words
    blank = PREPARED.detail["blank"]
    assert PREPARED.detail["words"][blank] == -1
    assert PREPARED.detail["words"][blank + 1] == -1  # the full stop after it
    assert PREPARED.tensor[0, :, -1].nonzero()[:, 0].tolist() == [blank]
    assert torch.equal(PREPARED.tensor[..., -1], PREPARED.baseline[..., -1])
    same = (PREPARED.tensor == PREPARED.baseline).all(2)[0].numpy()
    assert (same == (PREPARED.detail["words"] == -1)).all()


def test_contributions_of_words_add_up():
    path = integrate_path(SYSTEM, {"text": PREPARED}, 0, PathSettings(first=64, last=1024, tolerance=0.01))
    assert path.within
    views = SENSE.attribute(PREPARED, path.gradients["text"])
    assert views["words"][2].sum() == pytest.approx(path.contribution, rel=1e-4)
    assert len(views["words"][2]) == len(SENSE.segment(PREPARED))


def test_edits_leave_the_blank_where_it_is():
    segmentation = SENSE.segment(PREPARED)
    everything = range(len(segmentation))
    for operator in SENSE.operators:
        out = SENSE.infill(PREPARED, [(), [0, 3], everything], operator, segmentation)
        assert torch.equal(out[0], PREPARED.tensor[0])
        assert (out[..., -1] == PREPARED.tensor[..., -1]).all()
        changed = (out[1] != PREPARED.tensor[0]).any(1).numpy()
        assert (changed == np.isin(PREPARED.detail["words"], [0, 3])).all()
        assert SYSTEM({"text": out}).isfinite().all()
        assert SENSE.energy(PREPARED, out).tolist()[::2] == pytest.approx([0, 1])
    assert SENSE.energy(PREPARED, SENSE.infill(PREPARED, [[0]], "mask", segmentation)).item() == pytest.approx(
        SENSE.energy(PREPARED, SENSE.infill(PREPARED, [[0]], "drop", segmentation)).item()
    )


def test_a_masked_word_is_the_mask_token_in_its_place():
    out = SENSE.infill(PREPARED, [[3]], "mask", SENSE.segment(PREPARED))
    ids = TOKENIZER(TEXT, return_tensors="pt")
    ids["input_ids"][0, PREPARED.detail["words"] == 3] = TOKENIZER.mask_token_id
    with torch.no_grad():
        z = MODEL(**ids).logits[0, PREPARED.detail["blank"]]
        torch.testing.assert_close(SYSTEM({"text": out})[0, 0], z[TOKENIZER.convert_tokens_to_ids("cat")])


def test_a_dropped_word_is_not_attended_to():
    out = SENSE.infill(PREPARED, [[3]], "drop", SENSE.segment(PREPARED))
    ids = TOKENIZER(TEXT, return_tensors="pt")
    ids["attention_mask"][0, PREPARED.detail["words"] == 3] = 0
    with torch.no_grad():
        z = MODEL(**ids).logits[0, PREPARED.detail["blank"]]
        torch.testing.assert_close(SYSTEM({"text": out})[0, 0], z[TOKENIZER.convert_tokens_to_ids("cat")])


def test_a_batch_of_texts_has_a_blank_for_each():
    texts = ["Go to the [MASK] and wait", "[MASK] to the door and wait"]
    both = torch.cat([SENSE.prepare(text).tensor for text in texts])
    found = SYSTEM({"text": both})
    for row, text in zip(found, texts, strict=True):
        torch.testing.assert_close(row[0], expected(text)[TOKENIZER.convert_tokens_to_ids("cat")], rtol=1e-4, atol=1e-5)


def test_the_likeliest_words_are_the_models_own():
    best = expected(TEXT).topk(3).indices.tolist()
    assert likely_words(MODEL, TOKENIZER, TEXT, 3) == tuple(TOKENIZER.convert_ids_to_tokens(best))
    training = bert().train()
    assert likely_words(training, TOKENIZER, TEXT, 3) == likely_words(MODEL, TOKENIZER, TEXT, 3)
    assert training.training


def test_a_mask_token_that_takes_in_the_space_before_it_is_a_word_by_itself():
    tokenizer = bytelevel()
    torch.manual_seed(0)
    config = RobertaConfig(**SMALL, vocab_size=len(tokenizer), pad_token_id=1, max_position_embeddings=60)
    model = RobertaForMaskedLM(config).eval()
    system = wrap_masked_lm(model, tokenizer, [" cat", "x"])
    sense = system.modalities["text"]
    text = "ab cd <mask> ef"
    p = sense.prepare(text)
    assert [unit.text for unit in sense.segment(p).units] == ["ab", "cd", "ef"]
    z = expected(text, model, tokenizer)
    ids = [tokenizer.convert_tokens_to_ids(token) for token in ("Ġcat", "x")]
    torch.testing.assert_close(system({"text": p.tensor})[0, :2].detach(), z[ids], rtol=1e-4, atol=1e-5)
    assert likely_words(model, tokenizer, text, 1) == (tokenizer.decode([int(z.argmax())]),)


def test_a_window_that_cuts_the_text_says_so_and_must_hold_the_blank():
    short = Cloze(TOKENIZER, embedding_table(MODEL), max_tokens=8)
    assert "are read" in short.prepare("Go to the [MASK] " + "and wait " * 1250).notes[0]
    with pytest.raises(InputError, match=r"0 blanks within the window in .*; write \[MASK\] for one word"):
        short.prepare("go " * 20 + "[MASK]")


def test_a_slope_arrives_at_the_words_and_none_at_the_mark():
    slope = Scorer(SYSTEM, Target(0)).gradient({"text": PREPARED.tensor}).values["text"]
    assert slope[..., :-1].abs().sum() > 0
    assert slope[..., -1].count_nonzero() == 0


def test_veridical_explains_a_word_that_was_filled_in():
    found = veridical.explain(SYSTEM, {"text": TEXT})
    assert found.decision in SYSTEM.actions
    assert {e["operator"] for e in found.result["senses"]["text"]} == {"mask", "drop"}
    assert prepare(SYSTEM, {"text": TEXT})["text"].raw == TEXT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Go to the door", r"0 blanks in 'Go to the door'; write \[MASK\] for one word"),
        ("[MASK] to the [MASK]", "2 blanks in"),
        ("Go [SEP] the [MASK]", r"special tokens beside \[MASK\]"),
        (3, "a int is not a string"),
    ],
)
def test_a_sentence_without_its_one_blank_is_refused(text: object, message: str):
    with pytest.raises(InputError, match=message):
        SENSE.prepare(text)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["cat", "unheard"], r"'unheard' is no single token of this model \(\['\[UNK\]'\]\)"),
        (["go down"], r"'go down' is no single token"),
        (["cat", "CAT"], "share a token"),
        ([], "give at least one word"),
        ("cat", "give at least one word"),
    ],
)
def test_candidates_that_are_no_single_tokens_are_refused(candidates: object, message: str):
    with pytest.raises(InputError, match=message):
        wrap_masked_lm(MODEL, TOKENIZER, candidates)  # type: ignore[arg-type]
