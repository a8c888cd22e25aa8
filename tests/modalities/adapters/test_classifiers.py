"""Image classifiers of timm and torchvision."""

from __future__ import annotations

from typing import Any

import pytest
import skimage.data
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms.functional import normalize

import veridical
from tests.toys import picture
from veridical.errors import InputError
from veridical.modalities.adapters.classifiers import wrap_timm, wrap_torchvision
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.modalities.weights import fetch

# timm's own configuration of this network is that of other weights: these are normalised by ImageNet's colours.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(load_file(fetch("efficientnet-lite0") / "model.safetensors"))
    return model.eval()


def test_a_cat_is_an_egyptian_cat(network: nn.Module):
    system = wrap_timm(network, mean=MEAN, std=STD)
    assert veridical.Explainer(system).decide({"vision": skimage.data.cat()}) == "Egyptian cat"


def test_timm_gives_the_scores_of_the_reference_encoder(network: nn.Module):
    system = wrap_timm(network, mean=MEAN, std=STD)
    prepared = prepare(system, {"vision": picture()})
    eyes = load_efficientnet_lite0()
    with torch.no_grad():
        expected = eyes.classify(eyes.features(prepared["vision"].tensor[:, 0]))
    found = Scorer(system, Target(0)).logits({"vision": prepared["vision"].tensor})
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_imagenets_names_are_all_different(network: nn.Module):
    names = wrap_timm(network, mean=MEAN, std=STD).actions
    assert len(set(names)) == 1000
    assert names[285] == "Egyptian cat"
    assert (names[134], names[517]) == ("crane (134)", "crane (517)")


def test_size_and_normalisation_are_those_of_the_configuration():
    model: Any = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=3, depth=1).eval()
    system = wrap_timm(model, ["a", "b", "c"])
    prepared = prepare(system, {"vision": picture()})["vision"].tensor
    assert prepared.shape == (1, 1, 3, 32, 32)
    assert model.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)
    with torch.no_grad():
        torch.testing.assert_close(system({"vision": prepared}), model(2 * prepared[:, 0] - 1))
    wide = wrap_timm(timm.create_model("resnet10t", num_classes=2), ["a", "b"], size=64)
    assert prepare(wide, {"vision": picture()})["vision"].tensor.shape[-1] == 64


def test_torchvision_gives_names_size_and_normalisation_by_its_weights_without_fetching_them():
    torch.manual_seed(0)
    model = torchvision.models.squeezenet1_1().eval()
    weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    system = wrap_torchvision(model, weights)
    assert len(set(system.actions)) == 1000
    assert system.actions[285] == "Egyptian cat"
    assert (system.actions[134], system.actions[517]) == ("crane bird", "crane")
    x = prepare(system, {"vision": picture()})["vision"].tensor
    assert x.shape[-1] == 224
    with torch.no_grad():
        expected = model(normalize(x[:, 0], list(MEAN), list(STD)))
        torch.testing.assert_close(system({"vision": x}), expected)


def test_torchvision_without_weights_wants_labels():
    model = torchvision.models.squeezenet1_1(num_classes=2).eval()
    system = wrap_torchvision(model, labels=["cat", "dog"], size=64)
    slopes = Scorer(system, Target(0)).gradient({"vision": torch.rand(2, 1, 3, 64, 64)})
    assert slopes.values["vision"].shape == (2, 1, 3, 64, 64)
    with pytest.raises(InputError, match="the classes' names are not known; give weights"):
        wrap_torchvision(model)


def test_one_picture_is_classified_and_several_are_refused():
    model = torchvision.models.squeezenet1_1(num_classes=2).eval()
    system = wrap_torchvision(model, labels=["cat", "dog"], size=64)
    with pytest.raises(InputError, match="takes one picture, got 2 frames; explain them one by one"):
        system({"vision": torch.rand(1, 2, 3, 64, 64)})


@pytest.mark.parametrize(
    "weights",
    [
        torchvision.models.video.R3D_18_Weights.DEFAULT,
        torchvision.models.detection.FasterRCNN_ResNet50_FPN_Weights.DEFAULT,
        "IMAGENET1K_V1",
    ],
    ids=["video", "detection", "a string"],
)
def test_weights_of_other_than_image_classifiers_are_refused(weights: object):
    with pytest.raises(InputError, match="are not an image classifier's weights"):
        wrap_torchvision(nn.Identity(), weights)


def test_what_timm_does_not_tell_is_asked_for():
    model: Any = timm.create_model("resnet10t", num_classes=7)
    with pytest.raises(InputError, match="the names of 7 classes are not known; give labels"):
        wrap_timm(model)
    with pytest.raises(InputError, match="2 labels for 7 classes"):
        wrap_timm(model, ["a", "b"])
    with pytest.raises(InputError, match="Linear has no pretrained_cfg"):
        wrap_timm(nn.Linear(1, 1))
    with pytest.raises(InputError, match="three of each, std above 0"):
        wrap_timm(model, list("abcdefg"), std=(0.0, 1.0, 1.0))
    model.pretrained_cfg["input_size"] = (1, 28, 28)
    with pytest.raises(InputError, match="squares in three colours are wanted"):
        wrap_timm(model, list("abcdefg"))
