"""Grad-CAM and guided Grad-CAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, linear, picture, sound
from veridical.errors import InputError
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.engines.cam import (
    Call,
    GradCAM,
    GuidedGradCAM,
    default_layer,
    grad_cam,
    record_calls,
    weigh,
)
from veridical.modalities.engines.guided import guided_gradients
from veridical.modalities.engines.task import Method, Task
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.modalities.vision import Vision


def seeded(module: Any, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / max(1, p[0].numel()) ** 0.5)
    return module.eval()


class Sees(nn.Module):
    """Frames (batch, frames, 3, 32, 32), folded into the batch, to two actions."""

    actions = ("STOP", "GO")
    modalities: Mapping[str, Any] = {"vision": EYES}

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 6, 5, 3), nn.ReLU(inplace), nn.Conv2d(6, 4, 3, 2), nn.ReLU(inplace))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 2)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["vision"]
        pooled = self.pool(self.trunk(x.flatten(0, 1))).flatten(1)
        return self.head(pooled).unflatten(0, (len(x), -1)).mean(1)


class Both(nn.Module):
    """Frames, a sound on the time-frequency plane, and a text; convolutions for each, a head over all."""

    actions = ("STOP", "GO")
    modalities: Mapping[str, Any] = {"vision": EYES, "audio": EARS, "text": READER}

    def __init__(self) -> None:
        super().__init__()
        self.eyes = Sees()
        self.ears = nn.Conv2d(1, 2, 5, 4)
        self.reader = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.mixed = nn.Conv2d(1, 1, 1)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        seen = self.eyes({"vision": inputs["vision"]})
        heard = self.ears(inputs["audio"][:, :6400].view(-1, 1, 80, 80)).tanh().mean((2, 3))
        read = self.reader(inputs["text"]).mean(1)[:, :2]
        return seen + heard + read + self.mixed((seen * heard)[:, None, None]).flatten(1)


def task(system: Any, observation: Mapping[str, Any], target: Target | None = None, seed: int = 0) -> Task:
    return Task(Scorer(system, target or Target(0)), prepare(system, observation), seed)


def hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in module.modules())


ALL = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
TWO = torch.rand(3, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_channels_are_weighed_by_their_mean_slope():
    a = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, -1.0]]]])
    g = torch.tensor([[[[1.0, 1.0], [1.0, 1.0]], [[-8.0, 0.0], [0.0, -4.0]]]])
    # weights 1 and -3
    assert weigh(a, g, relu=False).tolist() == [[[-2.0, 2.0], [3.0, 7.0]]]
    assert weigh(a, g).tolist() == [[[0.0, 2.0], [3.0, 7.0]]]


def test_before_a_mean_over_places_and_a_linear_head_it_is_cam_itself():
    """Zhou et al. (2016): the map is the head's weights over channels; a mean over n places divides the slopes by n."""
    net = seeded(Sees())
    scorer = Scorer(net, Target(0, kind="logit"))
    found = grad_cam(scorer, {"vision": TWO}, "trunk.3", relu=False)
    with torch.no_grad():
        activations = net.trunk(TWO.flatten(0, 1))
    by_hand = torch.einsum("c,nchw->nhw", net.head.weight[0].detach(), activations) / activations[0, 0].numel()
    torch.testing.assert_close(found, by_hand)
    torch.testing.assert_close(grad_cam(scorer, {"vision": TWO}, "trunk.3"), by_hand.relu())


@pytest.mark.filterwarnings("ignore")
def test_it_is_captums_and_that_of_pytorch_grad_cam():
    captum = pytest.importorskip("captum.attr")
    peer = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, x = seeded(Sees()), TWO[:, 0]
    plain = nn.Sequential(net.trunk, net.pool, nn.Flatten(), net.head)
    scorer = Scorer(net, Target((0, 1, 1), kind="logit"))
    ours = grad_cam(scorer, {"vision": TWO}, "trunk.2")
    theirs = captum.LayerGradCam(plain, net.trunk[2]).attribute(x, torch.tensor([0, 1, 1]), relu_attributions=True)
    torch.testing.assert_close(ours, theirs[:, 0].detach(), rtol=1e-4, atol=1e-7)
    with peer.GradCAM(model=plain, target_layers=[net.trunk[2]]) as method:
        wide = method(
            input_tensor=x.clone().requires_grad_(True), targets=[ClassifierOutputTarget(i) for i in (0, 1, 1)]
        )
    from pytorch_grad_cam.utils.image import scale_cam_image

    np.testing.assert_allclose(scale_cam_image(scale_cam_image(ours.numpy(), (32, 32))), wide, rtol=1e-3, atol=1e-5)


def test_an_in_place_relu_after_the_layer_changes_nothing():
    maps = [
        grad_cam(Scorer(seeded(Sees(inplace)), Target(0)), {"vision": TWO}, "trunk.2", relu=False)
        for inplace in (False, True)
    ]
    assert (maps[0] < 0).any()
    assert torch.equal(maps[0], maps[1])


@pytest.mark.parametrize("at_once", [1, 2])
def test_how_many_rows_go_at_once_changes_nothing(at_once: int):
    scorer = Scorer(seeded(Sees()), Target((0, 1, 0)))
    frames = {"vision": TWO.expand(3, 2, 3, 32, 32)}
    found = grad_cam(scorer, frames, "trunk", at_once=at_once)
    assert found.shape == (6, 4, 4)
    torch.testing.assert_close(found, grad_cam(scorer, frames, "trunk"))


def test_the_last_layer_with_places_is_found():
    net = seeded(Sees())
    assert default_layer(record_calls(Scorer(net, Target(0)), {"vision": TWO})) == "trunk"
    found = GradCAM().run(task(net, {"vision": picture(2)}))
    assert (found.layer, found.dims, found.sense) == ("trunk", ("row", "y", "x"), "vision")
    assert found.values.shape == (2, 4, 4)
    assert found.facts["layer"] == "trunk"
    assert hooks(net) == 0


def test_of_several_senses_the_layers_are_known_by_what_they_read():
    both = seeded(Both())
    asked = task(both, ALL)
    calls = {call.layer: call for call in record_calls(asked.scorer, asked.inputs)}
    assert calls["eyes.trunk.0"] == Call("eyes.trunk.0", (2, 6, 10, 10), frozenset({"vision"}), True)
    assert calls["ears"].senses == {"audio"}
    assert calls["reader.linear2"].senses == {"text"}
    assert calls["mixed"].senses == {"vision", "audio"}
    assert hooks(both) == 0
    assert default_layer(tuple(calls.values()), "vision") == "eyes.trunk"
    assert GradCAM(sense="vision").run(asked).layer == "eyes.trunk"
    assert GradCAM(sense="audio").run(asked).layer == "ears"
    assert GradCAM("eyes.trunk.1").run(asked).sense == "vision"
    assert GradCAM().run(asked).layer == "ears"  # the last of all
    with pytest.raises(
        InputError, match=r"no convolution gives \(rows, channels, height, width\) and reads text alone"
    ):
        GradCAM(sense="text").run(asked)
    words = GradCAM("reader").run(asked)
    assert (words.dims, words.sense) == (("row", "step"), "text")
    assert words.values.shape == (1, asked.inputs["text"].shape[1])


def test_a_system_without_places_is_refused():
    class Flat(Sees):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.head(inputs["vision"].flatten(1)[:, :4])

    flat = seeded(Flat())
    with pytest.raises(InputError, match=r"grad-cam: no convolution gives .* name a layer, layer=, of a transformer"):
        GradCAM().run(task(flat, {"vision": picture()}))
    with pytest.raises(InputError, match=r"layer 'head' gives \(1, 2\), which has no places"):
        GradCAM("head").run(task(flat, {"vision": picture()}))
    assert hooks(flat) == 0


class Patches(nn.Module):
    """A transformer over patches of 8 pixels, with ``prefix`` tokens before them."""

    actions = ("STOP", "GO")
    modalities: Mapping[str, Any] = {"vision": EYES}

    def __init__(self, prefix: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 8, 8)
        self.first = nn.Parameter(torch.zeros(1, prefix, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = self.embed(inputs["vision"][:, 0]).flatten(2).transpose(1, 2)
        x = self.block(torch.cat((self.first.expand(len(x), -1, -1), x), 1))
        return self.head(x).mean(1)


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_a_transformers_tokens_are_a_grid_without_those_before_it(prefix: int):
    net = seeded(Patches(prefix))
    asked = task(net, {"vision": picture()}, Target(0, kind="logit"))
    found = GradCAM("block", relu=False).run(asked)
    assert (found.dims, found.values.shape) == (("row", "y", "x"), (1, 4, 4))
    with torch.no_grad():
        x = net.embed(asked.inputs["vision"][:, 0]).flatten(2).transpose(1, 2)
        tokens = net.block(torch.cat((net.first.expand(1, -1, -1), x), 1))[:, prefix:]
    by_hand = (tokens @ net.head.weight[0].detach()).view(1, 4, 4) / (16 + prefix)
    torch.testing.assert_close(torch.from_numpy(found.values), by_hand, rtol=1e-4, atol=1e-6)


def test_tokens_that_make_no_square_are_steps():
    assert grad_cam(Scorer(seeded(Patches(8)), Target(0)), {"vision": TWO}, "block", patches=True).shape == (3, 24)


def test_channels_may_lie_last_as_in_a_swin_transformer():
    class Last(Sees):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(4)

        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.head(self.norm(self.trunk(inputs["vision"][:, 0]).permute(0, 2, 3, 1)).square().mean((1, 2)))

    net = seeded(Last())
    found = grad_cam(Scorer(net, Target(0)), {"vision": TWO}, "norm", channels=3, relu=False)
    with torch.no_grad():
        y = net.norm(net.trunk(TWO[:, 0]).permute(0, 2, 3, 1))
        slopes = 2 * y * (net.head.weight[0] - net.head.weight[1]) / 16
    torch.testing.assert_close(found, (slopes.mean((1, 2), keepdim=True) * y).sum(3), rtol=1e-4, atol=1e-6)


def test_a_layer_called_for_each_frame_has_the_sum_of_its_maps():
    class Looped(Sees):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            each = [self.pool(self.trunk(x)).flatten(1) for x in inputs["vision"].unbind(1)]
            return self.head(torch.stack(each).mean(0))

    frames = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    looped, folded = Scorer(seeded(Looped()), Target(0)), Scorer(seeded(Sees()), Target(0))
    one = grad_cam(looped, {"vision": frames}, "trunk")
    other = grad_cam(folded, {"vision": frames}, "trunk").unflatten(0, (2, 3)).sum(1)
    torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore")
def test_guided_grad_cam_is_captums_with_the_map_enlarged_smoothly():
    captum = pytest.importorskip("captum.attr")
    net = seeded(Sees())
    asked = task(net, {"vision": picture()}, Target(1, kind="logit"))
    plain = nn.Sequential(net.trunk, net.pool, nn.Flatten(), net.head)
    x = asked.inputs["vision"][:, 0].clone().requires_grad_(True)
    theirs = captum.GuidedGradCam(plain, net.trunk[2]).attribute(x, 1, interpolate_mode="bilinear")
    found = GuidedGradCAM("trunk.2").run(asked)
    assert theirs.any()
    torch.testing.assert_close(found.values["vision"][:, 0], theirs.detach(), rtol=1e-4, atol=1e-8)


def test_guided_grad_cam_of_frames_is_frame_by_frame():
    asked = task(seeded(Sees()), {"vision": picture(3)})
    found = GuidedGradCAM().run(asked).values["vision"]
    cam = grad_cam(asked.scorer, asked.inputs, "trunk")
    slopes = guided_gradients(asked.scorer, asked.inputs).values["vision"]
    for k in range(3):
        wide = F.interpolate(cam[k][None, None], (32, 32), mode="bilinear")
        torch.testing.assert_close(found[0, k], (slopes[0, k] * wide)[0])


def test_guided_grad_cam_speaks_of_the_sense_that_its_layer_reads():
    asked = task(seeded(Both()), ALL)
    assert list(GuidedGradCAM(sense="vision").run(asked).values) == ["vision"]
    for layer, told in (("ears", "reads audio, which is no picture"), ("mixed", "reads more senses than one")):
        with pytest.raises(InputError, match=f"guided-grad-cam: layer '{layer}' {told}"):
            GuidedGradCAM(layer).run(asked)


def test_guided_grad_cam_of_a_map_that_does_not_fit_the_frames_is_refused():
    class Mean(Sees):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.head(self.pool(self.trunk(inputs["vision"].mean(1))).flatten(1))

    with pytest.raises(InputError, match=r"has a map of shape \(1, 4, 4\); one \(height, width\) for each of 2 frames"):
        GuidedGradCAM("trunk").run(task(seeded(Mean()), {"vision": picture(2)}))


def test_after_an_exception_no_hook_is_left():
    class Broken(Sees):
        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            super().forward(inputs)
            raise RuntimeError("on purpose")

    net = seeded(Broken())
    scorer = Scorer(net, Target(0))
    for work in (lambda: grad_cam(scorer, {"vision": TWO}, "trunk"), lambda: record_calls(scorer, {"vision": TWO})):
        with pytest.raises(RuntimeError, match="on purpose"):
            work()
        assert hooks(net) == 0


@pytest.mark.parametrize("enabled", [True, False])
def test_the_callers_grad_mode_is_as_it_was(enabled: bool):
    single, several = task(seeded(Sees()), {"vision": picture()}), task(seeded(Both()), ALL)
    with torch.set_grad_enabled(enabled):
        for asked in (single, several):
            GradCAM().run(asked)
            assert torch.is_grad_enabled() == enabled
            with torch.inference_mode():
                GradCAM().run(asked)
                assert torch.is_inference_mode_enabled()


def test_modules_behind_a_plain_object_have_names_too():
    net = seeded(Sees())

    class Robot(Toy):
        def __init__(self) -> None:
            super().__init__(linear({}), EYES)
            self.eyes = {"front": net}

        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.eyes["front"](inputs)

    found = GradCAM().run(task(Robot(), {"vision": picture()}))
    assert found.layer == "eyes.front.trunk"
    torch.testing.assert_close(
        found.values, GradCAM("trunk").run(task(net, {"vision": picture()})).values, rtol=0, atol=0
    )


def test_a_sense_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no sense 'audio' in the observation; it has vision"):
        GradCAM(sense="audio").run(task(seeded(Sees()), {"vision": picture()}))


def test_on_a_real_network_it_points_at_what_the_network_sees():
    """EfficientNet-Lite0: a cat in the left or in the right half of a grey picture moves the map's weight with it."""
    data = pytest.importorskip("skimage.data")

    class Real:
        def __init__(self) -> None:
            self.encoder = load_efficientnet_lite0()
            self.actions = self.encoder.class_names
            self.modalities = {"vision": Vision()}

        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.encoder.classify(self.encoder.features(inputs["vision"][:, 0]))

    from PIL import Image

    cat = np.asarray(Image.fromarray(data.cat()).resize((112, 112)))
    system, centres = Real(), []
    tabby = next(i for i, n in enumerate(system.actions) if "tabby" in n)
    for left in (0, 112):
        scene = np.full((224, 224, 3), 128, np.uint8)
        scene[56:168, left : left + 112] = cat
        found = GradCAM().run(task(system, {"vision": scene}, Target(tabby, kind="logit")))
        assert found.layer == "encoder.network.bn2"
        assert found.values.shape == (1, 7, 7)
        across = found.values[0].sum(0)
        centres.append(float((across * np.arange(7)).sum() / across.sum()))
    assert centres[0] < 2.7
    assert centres[1] > 3.3


def test_they_are_methods():
    assert isinstance(GradCAM(), Method)
    assert isinstance(GuidedGradCAM(), Method)
    assert (GradCAM.name, GuidedGradCAM.name) == ("grad-cam", "guided-grad-cam")
    assert not GradCAM.additive


def test_a_tensor_of_four_axes_that_is_no_map_is_not_taken_for_one():
    class Headed(nn.Module):
        """Convolutions, then a head that keeps frames, places and features apart."""

        actions = ("GO", "STOP")

        def __init__(self) -> None:
            super().__init__()
            self.modalities = {"vision": EYES}
            self.conv, self.act = nn.Conv2d(3, 5, 3, 4), nn.ReLU()
            self.mix, self.out = nn.Linear(5, 6), nn.Linear(6, 2)

        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            x = inputs["vision"]
            maps = self.act(self.conv(x.flatten(0, 1)))
            places = self.mix(maps.flatten(2).transpose(1, 2).unflatten(0, x.shape[:2]))
            return self.out(places.mean((1, 2)))

    calls = record_calls(Scorer(Headed().eval(), Target(0)), {"vision": TWO[:1]})
    assert {call.layer: len(call.shape) for call in calls}["mix"] == 4
    assert default_layer(calls, "vision") == "act"
