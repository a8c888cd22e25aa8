"""The semantic spaces of real encoders."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from PIL import Image
from skimage.data import chelsea

from veridical.fusion.conse import Conse, OpenClip, load_conse
from veridical.fusion.space import SemanticSpace
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.encoders.yamnet import load_yamnet
from veridical.scenarios.courier.sounds import siren

CAT = chelsea()
SIREN = siren(0, 2.0)


def unit(vector: Any) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_a_sound_is_the_combination_of_audioset_s_names_worked_out_by_hand():
    space, ears, reader = load_conse(), load_yamnet(), load_minilm()
    with torch.no_grad():
        names = torch.cat([reader.sentence([name]) for name in ears.class_names[::130]]).numpy()
        scores = ears.classify(ears.embed(torch.from_numpy(SIREN)[None]))[0].sigmoid().amax(0).numpy()
    bank = space.heard
    np.testing.assert_allclose(bank.vectors[::130], [unit(n - bank.mean) for n in names], atol=1e-5)
    best = np.argsort(-scores)[:10]
    by_hand = unit(sum(scores[i] / scores[best].sum() * bank.vectors[i] for i in best))
    (place,) = space.places("audio", [SIREN])
    np.testing.assert_allclose(place.vector, by_hand, atol=1e-6)
    assert place.names[0] == (ears.class_names[best[0]], pytest.approx(float(scores[best[0]])))
    assert "siren" in " ".join(name for name, _ in place.names).lower()
    assert len(place.others) == round(0.35 * 521)


def test_a_picture_is_the_combination_of_imagenet_s_names_worked_out_by_hand():
    space, eyes, reader = load_conse(), load_efficientnet_lite0(), load_minilm()
    x = torch.from_numpy(np.array(Image.fromarray(CAT).resize((224, 224), Image.Resampling.BICUBIC)))
    with torch.no_grad():
        p = eyes.classify(eyes.features(x.permute(2, 0, 1)[None].float() / 255)).softmax(-1)[0].numpy()
        ox = reader.sentence(["ox: an adult castrated bull of the genus Bos; especially Bos taurus"])[0].numpy()
    np.testing.assert_allclose(space.seen.vectors[345], unit(ox - space.seen.mean), atol=1e-5)
    best = np.argsort(-p)[:10]
    by_hand = unit(p[best] / p[best].sum() @ space.seen.vectors[best])
    (place,) = space.places("vision", [CAT])
    np.testing.assert_allclose(place.vector, by_hand, atol=1e-4)
    assert "cat" in place.names[0][0] or place.names[0][0] in ("tabby", "lynx")


def test_in_the_default_space_like_lies_beside_like_across_senses():
    space = load_conse()
    words = space.texts(["a cat", "a police siren", "a bowl of soup"])
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1, atol=1e-5)
    assert (words @ space.pictures([CAT])[0]).argmax() == 0
    assert (words @ space.sounds([SIREN])[0]).argmax() == 1


def test_names_are_embedded_once_whatever_is_asked_of_them():
    assert load_conse() is load_conse()
    assert load_conse().seen is load_conse().seen
    assert Conse(top=10).heard is load_conse().heard
    assert Conse(top=3).heard.near.shape == (521, 3)
    assert Conse().embed([]).shape == (0, 384)


def test_texts_of_any_length_keep_their_order():
    space, reader = Conse(), load_minilm()
    texts = ["a long sentence about " + "dogs and " * k + "a cat" for k in (9, 0, 30, 2)]
    with torch.no_grad():
        one_by_one = torch.cat([reader.sentence([t]) for t in texts]).numpy()
    np.testing.assert_allclose(space.embed(texts), one_by_one, atol=1e-5)


@functools.cache
def clip() -> OpenClip:
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=1, width=32, head_width=16, patch_size=16, image_size=32)
    text = CLIPTextCfg(context_length=16, vocab_size=49408, width=32, heads=2, layers=1)
    model = CLIP(16, vision, text).train()
    preprocess: Any = open_clip.image_transform(32, False)
    return OpenClip(model, preprocess, open_clip.SimpleTokenizer(context_length=16), top=5)


def test_a_clip_model_names_pictures_by_its_own_zero_shot_probabilities():
    space = clip()
    assert isinstance(space, SemanticSpace)
    names = load_efficientnet_lite0().class_names
    (place,) = space.places("vision", [CAT])
    model = space.model.eval()
    with torch.no_grad():
        sentences = space.tokenizer([f"a photo of a {n}" for n in names])
        seen, read, scale = model(space.preprocess(Image.fromarray(CAT))[None], sentences)
        p = (scale * seen @ read.T).softmax(-1)[0].numpy()
    best = np.argsort(-p)[:5]
    centred = read.numpy() - read.numpy().mean(0)
    by_hand = unit(sum(p[i] * unit(centred[i]) for i in best))
    np.testing.assert_allclose(place.vector, by_hand, atol=1e-4)
    assert place.names[0] == (names[best[0]], pytest.approx(float(p[best[0]]), rel=1e-4))


def test_a_clip_model_reads_words_and_names_of_sounds_and_is_left_as_it_was():
    space = clip()
    space.model.train()
    (heard,), (read,) = space.places("audio", [SIREN]), space.places("text", ["a siren"])
    assert heard.vector.shape == read.vector.shape == (16,)
    assert heard.names == load_conse().places("audio", [SIREN])[0].names
    with torch.no_grad():
        own = torch.nn.functional.normalize(space.model.encode_text(space.tokenizer(["a siren"])), dim=-1)[0].numpy()
    np.testing.assert_allclose(read.vector, unit(own - (space.seen.mean + space.heard.mean) / 2), atol=1e-5)
    assert all(m.training for m in space.model.modules())
    assert all(p.requires_grad and p.grad is None for p in space.model.parameters())
