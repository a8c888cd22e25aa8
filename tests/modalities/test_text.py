"""Text: a written instruction."""

from __future__ import annotations

import string

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from veridical.errors import InputError
from veridical.modalities.contract import Modality
from veridical.modalities.evidence import EvidenceUnit
from veridical.modalities.text import Text


def small_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """A BERT tokenizer whose vocabulary is a few words and all letters."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "wait", "at", "the", "ke", "##rb", "stop", "go"]
    marks = list(string.ascii_lowercase + string.digits + string.punctuation + "…—«»")
    vocabulary = names + marks + [f"##{c}" for c in string.ascii_lowercase + string.digits]
    pieces = models.WordPiece({name: i for i, name in enumerate(vocabulary)}, unk_token="[UNK]")  # noqa: S106 - no password
    core = Tokenizer(pieces)
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names_of = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **({"mask_token": "[MASK]"} | names_of | special))


TOKENIZER = small_tokenizer()
EMBEDDING = torch.randn(len(TOKENIZER), 8, generator=torch.Generator().manual_seed(0))
EMBEDDING[0] = 0
SENSE = Text(TOKENIZER, EMBEDDING, max_tokens=24)
MASK = EMBEDDING[4]
ORDER = SENSE.prepare("Wait at the kerb, then go!")
WORDS = SENSE.segment(ORDER)
subsets = st.sets(st.integers(0, len(WORDS) - 1)).map(sorted)
few = settings(deadline=None, max_examples=50)


def words_of(text: str) -> list[str | None]:
    return [unit.text for unit in SENSE.segment(SENSE.prepare(text)).units]


def test_text_is_a_modality():
    assert isinstance(SENSE, Modality)
    assert SENSE.name == "text"
    assert SENSE.operators == ("mask", "delete", "neutral")


def test_prepare_reads_the_embedding():
    assert TOKENIZER.convert_ids_to_tokens(ORDER.detail["ids"].tolist()) == (
        "[CLS] wait at the ke ##rb , the ##n go ! [SEP]".split()
    )
    assert torch.equal(ORDER.tensor[0], EMBEDDING[ORDER.detail["ids"]])
    assert ORDER.raw == "Wait at the kerb, then go!"
    assert ORDER.duration == 0
    assert ORDER.notes == ()
    assert ORDER.detail["words"].tolist() == [-1, 0, 1, 2, 3, 3, 3, 4, 4, 5, 5, -1]


def test_the_baseline_masks_words_and_keeps_special_tokens():
    assert torch.equal(ORDER.baseline[0, [0, -1]], ORDER.tensor[0, [0, -1]])
    assert (ORDER.baseline[0, 1:-1] == MASK).all()


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_text_without_words_is_the_special_tokens_alone(text: str):
    prepared = SENSE.prepare(text)
    assert prepared.detail["ids"].tolist() == [2, 3]
    assert torch.equal(prepared.tensor, prepared.baseline)
    assert prepared.notes == ("the text is empty",)
    found = SENSE.segment(prepared)
    assert len(found) == 0
    assert found.labels.tolist() == [-1, -1]
    for operator in Text.operators:
        edited = SENSE.infill(prepared, [[]], operator, found)
        assert torch.equal(edited, prepared.tensor)
        assert SENSE.energy(prepared, edited).tolist() == [0]
    views = SENSE.attribute(prepared, torch.ones_like(prepared.tensor))
    assert views["units"][2].tolist() == [0, 0]
    assert views["words"][2].tolist() == []


def test_a_text_longer_than_the_window_says_what_is_not_read():
    prepared = SENSE.prepare("stop go " * 15)
    assert prepared.tensor.shape[1] == 24
    assert prepared.notes == (
        "the text is longer than the window: 22 of 30 words are read; nothing is read from word 23 on",
    )
    assert prepared.detail["words_read"] == len(SENSE.segment(prepared)) == 22
    assert prepared.detail["words_total"] == 30


def test_a_word_cut_by_the_window_is_told():
    prepared = SENSE.prepare("stop " * 20 + "abcd go")
    assert prepared.notes == (
        "the text is longer than the window: 21 of 22 words are read; word 21 is read only in part and nothing is "
        "read from word 22 on",
    )
    ends = SENSE.prepare("stop " * 21 + "abcd")
    assert ends.notes[0].endswith("22 of 22 words are read; word 22 is read only in part")
    mark = SENSE.prepare("stop " * 21 + "go!")
    assert mark.notes[0].endswith("22 of 22 words are read; punctuation at the end is not read")


def test_a_text_that_just_fits_is_read_whole():
    assert SENSE.prepare("stop " * 22).notes == ()


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (b"stop", r"text: 4 bytes are not a string; decode them"),
        (None, "text: a NoneType is not a string"),
        (["stop"], "text: a list is not a string"),
        (7, "text: a int is not a string"),
        ("stop \ud800", r"text: character 5 is U\+D800, half of a surrogate pair"),
    ],
)
def test_what_is_no_text_is_refused_in_words(signal: object, message: str):
    with pytest.raises(InputError, match=message):
        SENSE.prepare(signal)


def test_control_characters_are_left_out_and_said():
    prepared = SENSE.prepare("st\x00op \x01\x02 go")
    assert TOKENIZER.convert_ids_to_tokens(prepared.detail["ids"].tolist()) == ["[CLS]", "stop", "go", "[SEP]"]
    assert prepared.notes == ("word 2 holds only invisible characters, which are not read",)
    found = SENSE.segment(prepared)
    assert [unit.text for unit in found.units] == ["st\x00op", "go"]
    assert SENSE.show(found.units) == "“st op    go”"


def test_special_tokens_written_out_are_plain_words():
    prepared = SENSE.prepare("stop [SEP] [MASK] [PAD]")
    assert set(prepared.detail["ids"][1:-1].tolist()).isdisjoint(range(5))
    assert words_of("stop [SEP] [MASK]") == ["stop", "SEP", "MASK"]


def test_words_have_spans_without_punctuation_at_the_ends():
    assert [(unit.text, unit.span) for unit in WORDS.units] == [
        ("Wait", (0, 4)),
        ("at", (5, 7)),
        ("the", (8, 11)),
        ("kerb", (12, 16)),
        ("then", (18, 22)),
        ("go", (23, 25)),
    ]
    assert all(unit.time == (0, 0) and unit.index == i for i, unit in enumerate(WORDS.units))
    assert words_of("go … «stop»") == ["go", "…", "stop"]


def test_neighbours_are_the_previous_and_the_next_word():
    assert WORDS.neighbours == ((1,), (0, 2), (1, 3), (2, 4), (3, 5), (4,))
    assert SENSE.segment(SENSE.prepare("stop")).neighbours == ((),)


@few
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_string_is_cut_into_words_that_lie_in_it(text: str):
    prepared = SENSE.prepare(text)
    found = SENSE.segment(prepared)
    assert found.labels.shape == (prepared.tensor.shape[1],)
    assert np.array_equal(np.unique(found.labels[found.labels >= 0]), np.arange(len(found)))
    assert found.labels[0] == found.labels[-1] == -1
    for unit in found.units:
        assert unit.span is not None
        assert unit.text == text[slice(*unit.span)]
    for label, (first, last) in zip(found.labels, prepared.detail["offsets"], strict=True):
        assert (label < 0) == (first == last)
    edited = SENSE.infill(prepared, [[], list(range(len(found)))], "delete", found)
    assert torch.equal(edited[0], prepared.tensor[0])


def test_mask_puts_the_masks_embedding():
    edited = SENSE.infill(ORDER, [[], [3], [0, 5]], "mask", WORDS)
    for edit, after in zip([[], [3], [0, 5]], edited, strict=True):
        gone = torch.from_numpy(np.isin(WORDS.labels, edit))
        assert (after[gone] == MASK).all()
        assert torch.equal(after[~gone], ORDER.tensor[0, ~gone])
    everything = SENSE.infill(ORDER, [list(range(6))], "mask", WORDS)
    assert torch.equal(everything, ORDER.baseline)


def test_delete_moves_the_rest_up_and_pads_with_zeros():
    edited = SENSE.infill(ORDER, [[], [3], [0, 5]], "delete", WORDS)
    for edit, after in zip([[], [3], [0, 5]], edited, strict=True):
        left = ORDER.tensor[0, torch.from_numpy(~np.isin(WORDS.labels, edit))]
        assert torch.equal(after[: len(left)], left)
        assert (after[len(left) :] == 0).all()


def test_deleting_a_word_is_reading_the_text_without_it():
    without = SENSE.prepare("Wait at the then go!").tensor[0]
    edited = SENSE.infill(ORDER, [[3]], "delete", WORDS)[0]
    assert torch.equal(edited[: len(without)], without)


MINILM = Text.minilm()


def neutral(text: str, *edits: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The edited rows and their energies."""
    prepared = MINILM.prepare(text)
    edited = MINILM.infill(prepared, edits, "neutral", MINILM.segment(prepared))
    return edited, MINILM.energy(prepared, edited)


@pytest.mark.parametrize(
    ("text", "edit", "after"),
    [
        ("Wait at the kerb, then go!", [0, 3], "do at the thing, then go!"),
        ("Wait at the kerbstone, then go!", [3], "Wait at the thing, then go!"),
        ("The dogs (old ones) must wait.", [0, 1, 2, 3, 4, 5], "a things (certain things) do do."),
        ("stop ... now", [1], "stop , now"),
        ("don't", [0], "do"),
    ],
)
def test_neutral_words_are_read_as_if_they_had_been_written(text: str, edit: list[int], after: str):
    edited, _ = neutral(text, edit)
    written = MINILM.prepare(after).tensor[0]
    assert torch.equal(edited[0, : len(written)], written)
    assert (edited[0, len(written) :] == 0).all()


def test_neutral_words_in_place_count_what_they_change():
    text = "Wait at the kerb, then go!"
    prepared = MINILM.prepare(text)
    assert prepared.tensor.shape[1] == MINILM.prepare("Wait at the thing").tensor.shape[1] + 5
    (edited, energy), whole = neutral(text, [1], [1, 5], []), (prepared.tensor - prepared.baseline).norm()
    change = (edited - prepared.tensor).flatten(1).norm(dim=1)
    assert energy.tolist() == pytest.approx((change / whole).tolist())
    assert energy[0] < energy[1]
    assert energy[2] == 0


def test_neutral_words_shorter_than_the_words_count_the_tokens_that_are_gone():
    prepared = MINILM.prepare("Wait at the kerb then go")
    x, mask = prepared.tensor[0].double(), MINILM._mask.double()
    rows = np.flatnonzero(prepared.detail["words"] == 3)
    assert len(rows) == 2
    thing = MINILM.prepare("thing").tensor[0, 1].double()
    ways = [(x[a] - thing).pow(2).sum() + (x[b] - mask).pow(2).sum() for a, b in (rows, rows[::-1])]
    _, energy = neutral("Wait at the kerb then go", [3])
    whole = (x - prepared.baseline[0]).pow(2).sum()
    assert energy.item() == pytest.approx((min(ways) / whole).sqrt().item(), rel=1e-5)


def test_where_the_tokenizer_has_no_neutral_word_the_mask_stands_in():
    edited = SENSE.infill(ORDER, [[0], [3]], "neutral", WORDS)
    assert torch.equal(edited[0], SENSE.infill(ORDER, [[0]], "mask", WORDS)[0])
    masked = SENSE.infill(ORDER, [[3]], "mask", WORDS)[0]
    assert torch.equal(edited[1, :5], masked[:5])  # "ke ##rb" became one mask
    assert torch.equal(edited[1, 5:11], ORDER.tensor[0, 6:])  # and the comma stays
    assert (edited[1, 11:] == 0).all()


@few
@given(st.lists(subsets, max_size=4))
def test_neutral_edits_do_not_depend_on_those_beside_them(edits: list[list[int]]):
    together = SENSE.infill(ORDER, edits, "neutral", WORDS)
    for edit, row in zip(edits, together, strict=True):
        assert torch.equal(row, SENSE.infill(ORDER, [edit], "neutral", WORDS)[0])
        assert (SENSE.energy(ORDER, row[None]).item() == 0) == (not edit)


@few
@given(subsets, subsets)
def test_energy_grows_with_the_words_and_is_that_of_either_operator(small: list[int], more: list[int]):
    large = sorted({*small, *more})
    masked, deleted = (
        SENSE.energy(ORDER, SENSE.infill(ORDER, [small, large], operator, WORDS)).tolist()
        for operator in ("mask", "delete")
    )
    assert masked == pytest.approx(deleted, abs=1e-5)
    assert masked[0] <= masked[1] + 1e-6
    assert (masked[0] < masked[1]) == (set(small) < set(large))
    assert (masked[0] == 0) == (not small)


def test_energy_is_a_closed_form():
    distance = (ORDER.tensor - ORDER.baseline)[0].double().pow(2).sum(1)
    expected = (distance[[4, 5, 6]].sum() / distance.sum()).sqrt().item()
    for operator in ("mask", "delete"):
        edited = SENSE.infill(ORDER, [[3], list(range(6))], operator, WORDS)
        assert SENSE.energy(ORDER, edited).tolist() == pytest.approx([expected, 1.0])


def test_unknown_operators_and_units():
    with pytest.raises(InputError, match="text: no infill operator 'blur'; it has mask, delete"):
        SENSE.infill(ORDER, [[0]], "blur", WORDS)
    with pytest.raises(InputError, match="text: edit 0 names unit 6; this signal has units 0 to 5"):
        SENSE.infill(ORDER, [[6]], "mask", WORDS)


def test_the_schedule_is_a_fourth_power():
    u = torch.linspace(0, 1, 5, dtype=torch.float64, requires_grad=True)
    value, slope = SENSE.schedule(u)
    torch.testing.assert_close(value, u**4)
    torch.testing.assert_close(slope, torch.autograd.grad(value.sum(), u)[0])
    assert value[[0, -1]].tolist() == [0, 1]


def test_attribution_views_sum_to_the_product():
    gradient = torch.randn(ORDER.tensor.shape, generator=torch.Generator().manual_seed(0))
    views = SENSE.attribute(ORDER, gradient)
    whole = (gradient.double() * (ORDER.tensor - ORDER.baseline)).sum().item()
    assert views["units"][0] == ("token",)
    assert views["words"][0] == ("word",)
    assert views["units"][2].shape == WORDS.labels.shape
    assert views["units"][2][[0, -1]].tolist() == [0, 0]
    for dims, coords, values in views.values():
        assert coords[dims[0]].tolist() == list(range(len(values)))
        assert values.sum() == pytest.approx(whole)
    assert WORDS.total(views["units"][2]) == pytest.approx(views["words"][2])


def test_show_quotes_neighbours_as_they_stand():
    units = WORDS.units
    assert SENSE.show(units[:4]) == "“Wait at the kerb”"
    assert SENSE.show([units[4], units[3]]) == "“kerb, then”"
    assert SENSE.show([units[5], units[0], units[3]]) == "“Wait”, “kerb”, “go”"
    assert SENSE.show([]) == ""


def test_show_of_units_read_from_a_record():
    units = [EvidenceUnit("text", i, (0.0, 0.0), span=(0, 0), text=t) for i, t in enumerate(["stop", "now"])]
    assert SENSE.show(units) == "“stop now”"
    with pytest.raises(InputError, match="unit 0 of 'audio' has no text"):
        SENSE.show([EvidenceUnit("audio", 0, (0.0, 0.0))])


def test_what_the_modality_cannot_be_made_of():
    with pytest.raises(InputError, match="no character offsets; use a fast tokenizer"):
        Text(object(), EMBEDDING)
    with pytest.raises(InputError, match="has no mask token"):
        Text(small_tokenizer(mask_token=None), EMBEDDING)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rf"9 embeddings for {len(TOKENIZER)} tokens"):
        Text(TOKENIZER, EMBEDDING[:9])
    with pytest.raises(InputError, match="a window of 2 tokens leaves no room beside 2 special ones"):
        Text(TOKENIZER, EMBEDDING, 2)
    zero = EMBEDDING.clone()
    zero[7] = 0
    with pytest.raises(InputError, match="the embedding of token 7 is all zero, which would be read as padding"):
        Text(TOKENIZER, zero)


def test_minilm():
    sense = Text.minilm()
    assert sense.max_tokens == 256
    prepared = sense.prepare("Wait at the kerb, please.")
    found = sense.segment(prepared)
    assert prepared.tensor.shape[2] == 384
    assert not prepared.tensor.requires_grad
    assert [unit.text for unit in found.units] == ["Wait", "at", "the", "kerb", "please"]
    assert sense.show(found.units[2:]) == "“the kerb, please”"
