"""Classifiers of transformers."""

from __future__ import annotations

import functools
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperFeatureExtractor,
)

import veridical
from tests.toys import SENTENCE, TOKENIZER, picture, sound
from veridical.errors import InputError
from veridical.modalities.adapters.hugging import (
    embedding_table,
    longest_text,
    wrap_audio_classifier,
    wrap_image_classifier,
    wrap_text_classifier,
)
from veridical.modalities.adapters.module import Wrapped
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.observation import prepare
from veridical.modalities.path import PathSettings, integrate_path
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def bert(**options) -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**SMALL, vocab_size=len(TOKENIZER), **options)).eval()


def vit(size: int = 32) -> ViTForImageClassification:
    torch.manual_seed(0)
    names: dict[str, Any] = {"id2label": {0: "cat", 1: "dog", 2: "cat"}}
    return ViTForImageClassification(ViTConfig(**SMALL, image_size=size, patch_size=16, **names)).eval()


def wav2vec() -> Wav2Vec2ForSequenceClassification:
    torch.manual_seed(0)
    layers: dict[str, Any] = {
        "conv_dim": (8, 8),
        "conv_stride": (5, 8),
        "conv_kernel": (10, 8),
        "num_conv_pos_embeddings": 8,
    }
    more: dict[str, Any] = {"num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8, "num_labels": 3}
    return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SMALL, **layers, **more)).eval()


def ast() -> ASTForAudioClassification:
    torch.manual_seed(0)
    options: dict[str, Any] = {"max_length": 64, "num_mel_bins": 32, "num_labels": 2}
    return ASTForAudioClassification(ASTConfig(**SMALL, **options)).eval()


@torch.no_grad()
def scores(system: Wrapped, **observation) -> torch.Tensor:
    return system({m: p.tensor for m, p in prepare(system, observation).items()})


def test_a_picture_is_scored_as_with_the_models_own_processor():
    model, processor = vit(), ViTImageProcessor(size={"height": 32, "width": 32})
    system = wrap_image_classifier(model, processor)
    assert system.actions == ("cat (0)", "dog", "cat (2)")
    pixels = processor(Image.fromarray(picture()[0]), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        torch.testing.assert_close(scores(system, vision=picture()), model(pixels).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "size", "expected"),
    [
        ({"size": {"shortest_edge": 48}, "do_normalize": False}, 48, lambda x: x),
        ({"size": {"shortest_edge": 64}, "crop_size": 32, "do_center_crop": True, "do_rescale": False}, 32, None),
        ({"size": {"height": 32, "width": 32}, "image_mean": [0.0] * 3, "image_std": [0.5] * 3}, 32, lambda x: 2 * x),
    ],
    ids=["shortest edge, not normalised", "cropped, not rescaled", "another normalisation"],
)
def test_size_and_scale_are_the_processors(options: dict, size: int, expected):
    processor, model = ViTImageProcessor(**options), vit(size)
    system = wrap_image_classifier(model, processor)
    x = prepare(system, {"vision": picture()})["vision"].tensor
    assert x.shape == (1, 1, 3, size, size)
    given = (255 * x[:, 0] - 0.5) / 0.5 if expected is None else expected(x[:, 0])
    with torch.no_grad():
        torch.testing.assert_close(system({"vision": x}), model(given).logits)


def test_without_a_processor_the_model_reads_colours_as_they_are():
    model = vit()
    system = wrap_image_classifier(model)
    x = prepare(system, {"vision": picture()})["vision"].tensor
    with torch.no_grad():
        torch.testing.assert_close(system({"vision": x}), model(x[:, 0]).logits)


def test_a_waveform_is_scored_as_with_the_models_own_extractor():
    model, extractor = wav2vec(), Wav2Vec2FeatureExtractor(do_normalize=True, sampling_rate=8000)
    system = wrap_audio_classifier(model, extractor)
    values = extractor(sound(), sampling_rate=8000, return_tensors="pt")["input_values"]
    with torch.no_grad():
        torch.testing.assert_close(scores(system, audio=sound()), model(values).logits, rtol=1e-4, atol=1e-5)
    raw = wrap_audio_classifier(model)
    with torch.no_grad():
        expected = model(torch.from_numpy(sound())[None]).logits
    torch.testing.assert_close(scores(raw, audio=(sound(), 16000)), expected)


def test_a_spectrogram_transformer_is_explained_on_the_waveform_through_its_own_front_end():
    model, extractor = ast(), ASTFeatureExtractor(num_mel_bins=32, max_length=64)
    system = wrap_audio_classifier(model, extractor)
    for wave in (sound(), np.tile(sound(), 3)[:16000]):  # padded, and cut
        values = extractor(wave, sampling_rate=16000, return_tensors="pt")["input_values"]
        with torch.no_grad():
            torch.testing.assert_close(scores(system, audio=wave), model(values).logits, rtol=1e-4, atol=1e-5)
    prepared = prepare(system, {"audio": sound()})
    path = integrate_path(system, prepared, 0, PathSettings(first=16, last=256, tolerance=0.05))
    assert path.difference != 0
    assert path.within


def test_silence_has_a_finite_gradient_through_every_front_end():
    for system in (
        wrap_audio_classifier(wav2vec(), Wav2Vec2FeatureExtractor()),
        wrap_audio_classifier(ast(), ASTFeatureExtractor(num_mel_bins=32, max_length=64)),
    ):
        slopes = Scorer(system, Target(0)).gradient({"audio": torch.zeros(1, 8000)})
        assert slopes.values["audio"].isfinite().all()


def test_a_missing_torchaudio_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torchaudio.compliance", None)
    with pytest.raises(InputError, match=r"needs torchaudio; pip install 'veridical\[adapters\]'"):
        wrap_audio_classifier(ast(), ASTFeatureExtractor(num_mel_bins=32))


def test_a_text_is_scored_as_by_its_ids():
    model = bert(num_labels=3)
    system = wrap_text_classifier(model, TOKENIZER)
    assert system.actions == ("LABEL_0", "LABEL_1", "LABEL_2")
    ids = TOKENIZER(SENTENCE, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(scores(system, text=SENTENCE), model(**ids).logits, rtol=1e-4, atol=1e-6)


def test_deleted_words_are_padding_which_changes_nothing():
    system = wrap_text_classifier(bert(), TOKENIZER)
    sense = system.modalities["text"]
    p = sense.prepare("go down the street")
    cut = sense.infill(p, [[1]], "delete", sense.segment(p))
    torch.testing.assert_close(system({"text": cut}), scores(system, text="go the street"), rtol=1e-4, atol=1e-6)


def test_positions_are_the_models_own():
    torch.manual_seed(0)
    config = RobertaConfig(**SMALL, vocab_size=len(TOKENIZER), max_position_embeddings=42, pad_token_id=0)
    model = RobertaForSequenceClassification(config).eval()
    assert longest_text(model, TOKENIZER) == 41
    system = wrap_text_classifier(model, TOKENIZER)
    assert "of 90 words are read" in system.modalities["text"].prepare(" ".join([SENTENCE] * 3)).notes[0]
    for text in (SENTENCE, " ".join([SENTENCE] * 3)):
        ids = TOKENIZER(text, return_tensors="pt", truncation=True, max_length=41)
        with torch.no_grad():
            torch.testing.assert_close(scores(system, text=text), model(**ids).logits, rtol=1e-4, atol=1e-6)


def test_a_text_of_2500_tokens_is_cut_with_a_note_and_explained():
    system = wrap_text_classifier(bert(max_position_embeddings=64), TOKENIZER)
    text = "go down the street " * 625
    prepared = prepare(system, {"text": text})
    assert prepared["text"].tensor.shape == (1, 64, 16)
    assert "62 of 2500 words are read; nothing is read from word 63 on" in prepared["text"].notes[0]
    path = integrate_path(system, prepared, 0, PathSettings(first=2, last=4))
    assert path.gradients["text"].isfinite().all()
    wide = wrap_text_classifier(bert(max_position_embeddings=2502), TOKENIZER, max_tokens=2502)
    slopes = Scorer(wide, Target(0)).gradient({"text": prepare(wide, {"text": text})["text"].tensor})
    assert slopes.values["text"].shape == (1, 2502, 16)


def test_the_window_is_the_least_of_tokenizer_and_positions():
    model = bert(max_position_embeddings=64)
    assert longest_text(model, TOKENIZER) == 64
    assert longest_text(model, TOKENIZER, 20) == 20
    with pytest.raises(InputError, match="a window of 65 tokens for 64 positions; give at most 64"):
        longest_text(model, TOKENIZER, 65)


def test_an_embedding_that_scales_is_read_as_it_gives_tokens():
    class Scaled(torch.nn.Embedding):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 4 * super().forward(input)

    model = bert()
    plain = embedding_table(model)
    assert plain.data_ptr() == model.bert.embeddings.word_embeddings.weight.data_ptr()
    scaled = Scaled(len(TOKENIZER), 16)
    scaled.weight.data.copy_(plain)
    model.set_input_embeddings(scaled)
    torch.testing.assert_close(embedding_table(model), 4 * plain)
    assert not embedding_table(model).requires_grad


ANIMALS = [
    "A cat sleeps on the sofa.",
    "The dog chased a rabbit.",
    "Two horses stood in the field.",
    "A bird sang at dawn.",
]
VEHICLES = [
    "The car would not start.",
    "A train left the station.",
    "He parked the truck outside.",
    "The plane landed late.",
]


@functools.cache
def animals_or_vehicles() -> Wrapped:
    """MiniLM's weights under transformers' own head; the last layer is fitted here by least squares on eight texts."""
    encoder = load_minilm()
    config = type(encoder.network.config)(**{**encoder.network.config.to_dict(), "num_labels": 2})
    config.id2label = {0: "animal", 1: "vehicle"}
    model = BertForSequenceClassification(config).eval()
    model.bert.load_state_dict(encoder.network.state_dict())
    ids = encoder.tokenizer(ANIMALS + VEHICLES, return_tensors="pt", padding=True)
    wanted = torch.tensor([[3.0, -3.0]] * 4 + [[-3.0, 3.0]] * 4)
    with torch.no_grad():
        pooled = model.bert(**ids).pooler_output
        model.classifier.weight.copy_((torch.linalg.pinv(pooled, rtol=1e-2) @ wanted).T)
        model.classifier.bias.zero_()
    return wrap_text_classifier(model, encoder.tokenizer)


@pytest.mark.parametrize(
    ("text", "action", "word"),
    [("We saw a kitten near the gate.", "animal", "kitten"), ("We saw a lorry near the gate.", "vehicle", "lorry")],
)
def test_minilm_decides_on_words_that_the_head_was_not_fitted_on_and_the_word_is_found(text, action, word):
    system = animals_or_vehicles()
    prepared = prepare(system, {"text": text})
    chosen = int(scores(system, text=text).argmax())
    assert system.actions[chosen] == action
    path = integrate_path(system, prepared, chosen, PathSettings(first=16, last=32))
    sense = system.modalities["text"]
    words = sense.attribute(prepared["text"], path.gradients["text"])["words"][2]
    units = sense.segment(prepared["text"]).units
    assert units[int(words.argmax())].text == word


def test_the_checker_finds_a_wrapped_classifier_right():
    told = veridical.check_system(animals_or_vehicles(), {"text": "A kitten."})
    assert "a finite gradient arrives at text" in told
    assert "members of a batch do not mix" in told


def test_what_cannot_be_wrapped_is_said():
    with pytest.raises(InputError, match="no differentiable form of WhisperFeatureExtractor is known"):
        wrap_audio_classifier(wav2vec(), WhisperFeatureExtractor())
    with pytest.raises(InputError, match="ViTForImageClassification takes no inputs_embeds"):
        wrap_text_classifier(vit(), TOKENIZER)
    model: Any = vit()
    model.config = SimpleNamespace()
    with pytest.raises(InputError, match="the size that ViTForImageClassification takes is not known"):
        wrap_image_classifier(model)
