"""One call for every method, and maps that look alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import CAT, EARS, EYES, READER, SENTENCE, Toy, hears_tone, linear, picture, reads_cat, sound, weights
from veridical.errors import ContractError, InputError
from veridical.modalities.attribution import METHODS, attribute
from veridical.modalities.engines.methods import find_method
from veridical.modalities.engines.paths.integrated import IntegratedGradients
from veridical.modalities.engines.smooth import SmoothGrad
from veridical.modalities.engines.task import Method
from veridical.modalities.observation import prepare
from veridical.modalities.target import Target

SCENE = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
PREPARED = prepare(Toy(linear({})), SCENE)
WEIGHTS = weights(0, PREPARED)
LINEAR = Toy(linear(WEIGHTS, 1.0))
READING = Toy(linear({"text": WEIGHTS["text"]}, 1.0), READER)
HEARING = Toy(linear({"audio": WEIGHTS["audio"]}, 1.0), EARS)


class Watch(nn.Module):
    """A small network over frames: convolutions, ReLUs, and tokens that attend to one another."""

    actions = ("GO", "SLOW", "STOP")

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"vision": EYES}
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.attend = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.1)
        self.head = nn.Linear(16, 3)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        maps = self.conv(inputs["vision"].flatten(0, 1))
        tokens = self.attend(maps.flatten(2).transpose(1, 2))
        return self.head(tokens.mean(1)).unflatten(0, inputs["vision"].shape[:2]).mean(1)


@pytest.fixture(scope="module")
def watch() -> Watch:
    torch.manual_seed(0)
    return Watch().eval()


def method_of(name: str) -> Method:
    """The method, told what it must be told of `Watch`: its layer, and that its tokens have none for the class."""
    method = find_method(name, "conv.2")
    return replace(method, read="mean") if "attention" in name else method  # type: ignore[type-var]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_with_saliency_maps_of_the_same_form(name, watch):
    found = attribute(watch, {"vision": picture()}, method_of(name))
    assert found.method == name
    assert set(found.maps) == {"vision"}
    for view, map_ in found.maps["vision"].items():
        assert map_.modality == "vision"
        assert map_.method == name
        assert map_.target.endswith("against the rest")
        assert map_.values.shape == tuple(len(map_.coords[d]) for d in map_.dims), view
        assert np.isfinite(map_.values).all()
        assert map_.seed == 0
        assert map_.unit.startswith(("nat", "(nat", "1", "attention")), map_.unit
        assert isinstance(map_.parameters, Mapping)
    share = found.map().diagnostics.local_share
    assert share is not None
    assert found.map().diagnostics.variation is not None


@pytest.mark.parametrize("name", METHODS)
def test_the_same_call_gives_the_same_bits_and_leaves_the_system_as_it_was(name, watch):
    hooks = [len(m._forward_hooks) + len(m._backward_hooks) for m in watch.modules()]
    before = {k: v.clone() for k, v in watch.state_dict().items()}
    method = method_of(name)
    first, second = (attribute(watch, {"vision": picture()}, method, seed=3, diagnosed=False) for _ in range(2))
    for view, map_ in first.maps["vision"].items():
        assert np.array_equal(map_.values, second.maps["vision"][view].values), view
    assert hooks == [len(m._forward_hooks) + len(m._backward_hooks) for m in watch.modules()]
    assert all(torch.equal(v, before[k]) for k, v in watch.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in watch.parameters())
    assert not any(m.training for m in watch.modules())


@pytest.mark.parametrize("name", ["integrated-gradients", "expected-gradients", "occlusion", "kernel-shap", "lrp"])
def test_of_a_linear_system_every_additive_method_finds_the_same_shares(name):
    """Only where the baselines agree: of the methods by gradients, those whose terms start at the modality's own."""
    found = attribute(READING, {"text": SENTENCE}, name)
    words = found.maps["text"]["units"]
    p = PREPARED["text"]
    exact = (p.tensor - p.baseline)[0].double() * WEIGHTS["text"]
    if name in ("integrated-gradients", "occlusion", "kernel-shap"):
        owner = p.detail["words"]
        for word in range(p.detail["words_read"]):
            assert words.values[owner == word].sum() == pytest.approx(float(exact[owner == word].sum()), abs=2e-3)
    assert np.isfinite(words.values).all()


def test_a_map_says_whether_the_score_is_saturated():
    straight = attribute(LINEAR, SCENE, "gradient").map("vision").diagnostics
    assert straight.local_share == pytest.approx(1.0, abs=1e-3)
    assert straight.saturated is False
    assert straight.variation == pytest.approx(0.0, abs=1e-3)

    def flat(inputs: Mapping[str, Tensor]) -> Tensor:
        return 5 * torch.tanh(20 * inputs["text"][:, :, CAT].sum(1))

    full = attribute(Toy(flat, READER), {"text": SENTENCE}, "integrated-gradients").map("text").diagnostics
    assert full.saturated is True


def test_the_target_may_be_an_action_a_contrast_or_the_bare_score(watch):
    scene = {"vision": picture()}
    slow = attribute(watch, scene, "gradient-times-input", "SLOW")
    assert slow.target == "SLOW against the rest"
    contrast = attribute(watch, scene, "gradient-times-input", Target(1, against=2))
    assert contrast.target == "SLOW rather than STOP"
    parts = [attribute(watch, scene, "gradient-times-input", Target(a, kind="logit")) for a in (1, 2)]
    assert parts[0].map().unit == "logit"
    np.testing.assert_allclose(contrast.map().values, parts[0].map().values - parts[1].map().values, atol=1e-6)


def test_settings_go_with_the_method_and_into_the_map():
    found = attribute(HEARING, {"audio": sound()}, SmoothGrad(samples=3, noise=0.0), diagnosed=False)
    assert found.map("audio").parameters["samples"] == 3
    plain = attribute(HEARING, {"audio": sound()}, "gradient", diagnosed=False)
    np.testing.assert_allclose(
        found.map("audio", "waveform").values, plain.map("audio", "waveform").values, rtol=1e-5, atol=1e-9
    )


def test_prepared_signals_are_taken_as_they_are():
    given = {"text": PREPARED["text"]}
    again = attribute(READING, given, "gradient", diagnosed=False)
    raw = attribute(READING, {"text": SENTENCE}, "gradient", diagnosed=False)
    np.testing.assert_array_equal(again.map("text").values, raw.map("text").values)


def test_a_system_in_training_mode_is_examined_as_it_will_be_used_and_that_is_said(watch):
    watch.train()
    try:
        found = attribute(watch, {"vision": picture()}, "gradient", diagnosed=False)
        assert any("was in training mode" in note for note in found.notes)
        assert all(m.training for m in watch.modules())
    finally:
        watch.eval()
    still = attribute(watch, {"vision": picture()}, "gradient", diagnosed=False)
    np.testing.assert_array_equal(found.map().values, still.map().values)


def test_a_system_without_gradients_is_open_to_black_box_methods_alone():
    def deaf(inputs: Mapping[str, Tensor]) -> Tensor:
        return torch.from_numpy(inputs["text"].numpy(force=True)[:, :, CAT].sum(1) * 4 - 1)

    toy = Toy(deaf, READER)
    found = attribute(toy, {"text": SENTENCE}, "occlusion")
    cat = SENTENCE.split().index("cat")
    assert int(found.map("text", "evidence").values.argmax()) == cat
    assert any("gives no gradient" in note for note in found.notes)
    with pytest.raises(ContractError, match="black-box methods"):
        attribute(toy, {"text": SENTENCE}, "gradient")


def test_progress_ends_at_one():
    shares: list[float] = []
    attribute(Toy(hears_tone, EARS), {"audio": sound()}, "integrated-gradients", progress=shares.append)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        ("gradcam", None, "no method 'gradcam'; near it: grad-cam"),
        ("gradient", "JUMP", "no action 'JUMP'; it has STOP, GO"),
        ("gradient", Target(7), "the system has 2 actions, 0 to 1"),
    ],
)
def test_what_cannot_be_asked_is_said(method, target, message):
    with pytest.raises(InputError, match=message):
        attribute(Toy(reads_cat, READER), {"text": SENTENCE}, method, target)


@pytest.mark.usefixtures("unchecked")
def test_a_thing_that_is_no_method_is_refused():
    with pytest.raises(InputError, match="dict is no method"):
        attribute(READING, {"text": SENTENCE}, {})  # type: ignore[arg-type]


def test_a_map_is_found_by_sense_and_view():
    found = attribute(LINEAR, SCENE, IntegratedGradients(), diagnosed=False)
    assert found.map("audio", "waveform").dims == ("sample",)
    assert found.map("audio").dims == ("frequency", "time")
    with pytest.raises(InputError, match="no map of 'smell'; there are vision, audio, text"):
        found.map("smell")
    with pytest.raises(InputError, match="no view 'pixel' of vision; there are units, pixels"):
        found.map("vision", "pixel")


def test_every_method_has_a_name_of_its_own_and_is_found_by_it():
    for name in METHODS:
        assert find_method(name, "conv").name == name
    assert find_method("grad-cam", "conv").layer == "conv"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"layer-integrated-gradients must be told which layer; give LayerIntegratedG"):
        find_method("layer-integrated-gradients")
