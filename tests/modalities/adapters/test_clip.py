"""CLIP models, randomly initialised and small: the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
from torch import nn

from tests.toys import picture
from veridical.errors import InputError
from veridical.modalities.adapters.clip import Caption, load_clip, wrap_clip, wrap_clip_pair
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

VISION = CLIPVisionCfg(layers=1, width=32, head_width=16, patch_size=16, image_size=32)
TEXT = CLIPTextCfg(context_length=16, vocab_size=49408, width=32, heads=2, layers=2)
TOKENIZER = open_clip.SimpleTokenizer(context_length=16)
SENTENCES = ["a photo of a cat", "a dog in the snow", "an empty street"]
SENTENCE = "A sleeping cat, on the unfathomable chair."
MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


def small(kind: Any = CLIP, **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(16, VISION, CLIPTextCfg(**{**vars(TEXT), **options})).eval()


MODEL = small()
FRAMES = prepare(wrap_clip(MODEL, TOKENIZER, SENTENCES), {"vision": picture()})["vision"].tensor


def normalised(frames: torch.Tensor, mean=MEAN, std=STD) -> torch.Tensor:
    return (frames[:, 0] - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def test_sentences_are_scored_as_the_model_does_it():
    system = wrap_clip(MODEL, TOKENIZER, SENTENCES)
    assert system.actions == tuple(SENTENCES)
    with torch.no_grad():
        seen, read, scale = MODEL(normalised(FRAMES), TOKENIZER(SENTENCES))
        torch.testing.assert_close(system({"vision": FRAMES}), scale * seen @ read.T)


def test_a_bias_and_another_normalisation_are_taken_on():
    torch.manual_seed(0)
    model = CLIP(16, VISION, TEXT, init_logit_bias=-3.0).eval()
    transform = open_clip.image_transform(32, False, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    system = wrap_clip(model, TOKENIZER, SENTENCES, transform)
    with torch.no_grad():
        seen, read, scale, bias = model(4 * FRAMES[:, 0] - 2, TOKENIZER(SENTENCES))
        torch.testing.assert_close(system({"vision": FRAMES}), scale * seen @ read.T + bias)


def test_the_picture_has_a_gradient_and_nothing_is_left_behind():
    model = small().train()
    system = wrap_clip(model, TOKENIZER, SENTENCES)
    slopes = Scorer(system, Target(0)).gradient({"vision": FRAMES})
    assert slopes.values["vision"].abs().sum() > 0
    assert all(module.training for module in model.modules())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("kind", "options"),
    [(CLIP, {}), (CLIP, {"no_causal_mask": True}), (CustomTextCLIP, {}), (CustomTextCLIP, {"pool_type": "last"})],
    ids=["tower in the model", "not causal", "tower of its own", "last token pooled"],
)
def test_a_sentence_read_at_its_embeddings_is_the_sentence_read_by_its_ids(kind: type[nn.Module], options: dict):
    model = small(kind, **options)
    system = wrap_clip_pair(model, TOKENIZER, SENTENCES[:2])
    prepared = prepare(system, {"vision": picture(), "text": SENTENCE})
    found = system({m: p.tensor for m, p in prepared.items()})
    with torch.no_grad():
        seen, read, scale = model(normalised(FRAMES), TOKENIZER([SENTENCE, *SENTENCES[:2]]))
        torch.testing.assert_close(found, scale * seen @ read.T, rtol=1e-4, atol=1e-4)
    assert system.actions == ("this sentence", *SENTENCES[:2])


def test_both_sides_have_a_gradient_in_batches_of_several():
    system = wrap_clip_pair(MODEL, TOKENIZER, SENTENCES)
    prepared = prepare(system, {"vision": picture(), "text": SENTENCE})
    scorer = Scorer(system, Target(0))
    alone = scorer.gradient({m: p.tensor for m, p in prepared.items()})
    pair = scorer.gradient({m: torch.cat((p.baseline, p.tensor)) for m, p in prepared.items()})
    for m, slope in alone.values.items():
        assert slope.abs().sum() > 0
        torch.testing.assert_close(pair.values[m][1:], slope, rtol=1e-3, atol=1e-4)


def test_the_words_are_the_evidence_units_of_a_sentence():
    sense = wrap_clip_pair(MODEL, TOKENIZER, SENTENCES).modalities["text"]
    p = sense.prepare(SENTENCE)
    assert [unit.text for unit in sense.segment(p).units] == [
        "A",
        "sleeping",
        "cat",
        "on",
        "the",
        "unfathomable",
        "chair",
    ]
    pieces = [TOKENIZER.decode([i]).strip() for i in p.detail["ids"][1:-1]]
    assert "".join(pieces) == SENTENCE.lower().replace(" ", "")
    assert p.detail["words"].tolist() == [-1, 0, 1, 2, 2, 3, 4, *[5] * (len(pieces) - 8), 6, 6, -1]
    torch.testing.assert_close(p.baseline[0, 1], MODEL.token_embedding.weight.mean(0).detach())
    assert torch.equal(p.baseline[0, 0], p.tensor[0, 0])
    assert torch.equal(p.baseline[0, -1], p.tensor[0, -1])


def test_a_deleted_word_is_a_sentence_without_it():
    sense = wrap_clip_pair(MODEL, TOKENIZER, SENTENCES).modalities["text"]
    system = wrap_clip_pair(MODEL, TOKENIZER, SENTENCES)
    p = sense.prepare("a cat on the chair")
    cut = sense.infill(p, [[2]], "delete", sense.segment(p))
    shorter = sense.prepare("a cat the chair").tensor
    torch.testing.assert_close(
        system({"vision": FRAMES, "text": cut}), system({"vision": FRAMES, "text": shorter}), rtol=1e-5, atol=1e-5
    )


def test_a_long_sentence_is_cut_where_the_model_cuts_it():
    sense = Caption(TOKENIZER, MODEL.token_embedding.weight)
    p = sense.prepare("word " * 2500)
    assert p.tensor.shape[1] == 16
    assert "14 of 2500 words are read" in p.notes[0]
    assert sense.prepare("").tensor.shape[1] == 2


def test_a_checkpoint_is_loaded_from_a_file(tmp_path: Path):
    folder = tmp_path / "configs"
    folder.mkdir()
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    vision = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (folder / "tiny-for-tests.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    torch.save(MODEL.state_dict(), tmp_path / "tiny.pt")
    model, tokenizer, preprocess = load_clip("tiny-for-tests", tmp_path / "tiny.pt")
    assert not model.training
    found = wrap_clip(model, tokenizer, SENTENCES, preprocess)({"vision": FRAMES})
    torch.testing.assert_close(found, wrap_clip(MODEL, TOKENIZER, SENTENCES)({"vision": FRAMES}))
    with pytest.raises(InputError, match="knows no architecture 'tiny-for-testers'"):
        load_clip("tiny-for-testers", tmp_path / "tiny.pt")


def test_a_checkpoint_that_is_not_there_is_not_looked_for_elsewhere():
    with pytest.raises(InputError, match="no file 'openai'; give the path of a checkpoint of ViT-B-32"):
        load_clip("ViT-B-32", "openai")


def test_what_cannot_be_wrapped_is_said():
    with pytest.raises(InputError, match="give a list of two or more"):
        wrap_clip(MODEL, TOKENIZER, ["a cat"])
    with pytest.raises(InputError, match="give a list of one sentence or more"):
        wrap_clip_pair(MODEL, TOKENIZER, "a cat")
    with pytest.raises(InputError, match="the transform has no normalisation"):
        wrap_clip(MODEL, TOKENIZER, SENTENCES, nn.Identity())
    other = small(CustomTextCLIP)
    other.text = nn.Identity()
    with pytest.raises(InputError, match="Identity is no text transformer of open_clip's own"):
        wrap_clip_pair(other, TOKENIZER, SENTENCES)
    with pytest.raises(InputError, match="one start and one end token"):
        Caption(lambda texts: torch.zeros(len(texts), 4, dtype=torch.long), MODEL.token_embedding.weight)
