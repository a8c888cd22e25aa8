"""The same maps as Captum and pytorch-grad-cam, where both sides have the method, on real weights."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.modalities.contract import Modality
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.engines.blackbox.occlusion import Occlusion
from veridical.modalities.engines.blackbox.shapley import KernelShap
from veridical.modalities.engines.cam import grad_cam
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.engines.gradient import gradients
from veridical.modalities.engines.guided import guided_gradients
from veridical.modalities.engines.layer import integrate_layer, layer_slopes
from veridical.modalities.engines.paths.integrated import integrated_gradients
from veridical.modalities.engines.paths.quadrature import Rule
from veridical.modalities.engines.relevance.lrp import LRP, propagate_relevance
from veridical.modalities.engines.smooth import generators, noisy, noisy_gradients
from veridical.modalities.engines.task import Task
from veridical.modalities.held import find_layer
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.modalities.text import Text
from veridical.modalities.vision import Vision

captum = pytest.importorskip("captum.attr")
from captum.attr._utils.lrp_rules import EpsilonRule  # noqa: E402 - after the check that Captum is there

CLOSE = 1e-4
"""Relative: the distance of two maps (L2) over the norm of one."""


class CappedReLU(nn.ReLU):
    """ReLU6 that Captum guides; it passes over ``nn.ReLU6``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input)


class Pictures(nn.Module):
    """EfficientNet-Lite0, from picture (batch, 3, 224, 224) to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(load_efficientnet_lite0())
        for module in list(self.encoder.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.ReLU6):
                    setattr(module, name, CappedReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder.classify(self.encoder.features(x))


class Frames:
    """The same as a system of one frame."""

    def __init__(self, network: Pictures) -> None:
        self.network, self.actions = network, network.encoder.class_names
        self.modalities: Mapping[str, Modality] = {"vision": Hard(units=9)}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(inputs["vision"][:, 0])


class Hard(Vision):
    """Vision whose edits are black with hard edges, as feature ablation has them."""

    def infill(self, prepared: Any, edits: Any, operator: str, segmentation: Any) -> Tensor:
        labels = torch.from_numpy(segmentation.labels)
        gone = torch.stack([torch.isin(labels, torch.tensor(list(e), dtype=torch.long)) for e in edits])
        return prepared.tensor * ~gone[:, :, None]


class Sentences:
    """MiniLM, and the likeness of a sentence to each of three others as logits."""

    actions = ("animal", "vehicle", "meal")

    def __init__(self) -> None:
        self.reader = load_minilm()
        told = ("A cat sleeps on the sofa.", "The lorry drives along the road.", "They eat soup at noon.")
        self.anchors = self.reader.sentence(told)
        self.modalities: Mapping[str, Modality] = {"text": Text.minilm()}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return 10 * F.normalize(self.reader.states(inputs["text"]).mean(1), dim=-1) @ self.anchors.T


class Case(NamedTuple):
    """One question, as each side takes it; the peers' inputs have no axis of frames."""

    scorer: Scorer
    sense: str
    task: Task
    peer: Any
    target: int | None
    layer: str
    module: nn.Module | None = None

    @property
    def inputs(self) -> dict[str, Tensor]:
        return self.task.inputs

    @property
    def black(self) -> dict[str, Tensor]:
        """Baselines: black, or the mask token in place of each word."""
        return {m: torch.zeros_like(x) if m == "vision" else self.task.baselines[m] for m, x in self.inputs.items()}

    def theirs(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """What the peer is given; a leaf, so that nothing of ours is touched."""
        x = inputs[self.sense]
        return (x[:, 0] if self.sense == "vision" else x).detach().clone()

    def ours(self, maps: Mapping[str, Tensor]) -> Tensor:
        return self.theirs(maps)


@pytest.fixture(scope="module")
def cat() -> Case:
    system = Frames(Pictures().eval().requires_grad_(False))
    prepared = {"vision": system.modalities["vision"].prepare(skimage.data.cat())}
    action = int(system({"vision": prepared["vision"].tensor}).argmax())
    scorer = Scorer(system, Target(action, kind="logit"))
    layer = "network.encoder.network.blocks.5"
    return Case(scorer, "vision", Task(scorer, prepared), system.network, action, layer, system.network)


@pytest.fixture(scope="module")
def sentence() -> Case:
    system = Sentences()
    prepared = {"text": system.modalities["text"].prepare("A dog runs after the bus.")}
    scorer = Scorer(system, Target(0))

    def score(x: Tensor) -> Tensor:
        return scorer.target(system({"text": x}))

    layer = "reader.network.encoder.layer.3"
    return Case(scorer, "text", Task(scorer, prepared), score, None, layer)


@pytest.fixture(params=["cat", "sentence"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def peers_may_warn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def distance(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    ours, theirs = ours.detach().double(), theirs.detach().double()
    assert theirs.norm() > 0
    return float((ours - theirs).norm() / theirs.norm())


def test_the_gradient_is_that_of_captums_saliency(case):
    found = captum.Saliency(case.peer).attribute(case.theirs(case.inputs), target=case.target, abs=False)
    assert distance(case.ours(gradients(case.scorer, case.inputs).values), found) < CLOSE


def test_the_gradient_times_the_input_is_captums(case):
    found = captum.InputXGradient(case.peer).attribute(case.theirs(case.inputs), target=case.target)
    ours = case.ours(gradients(case.scorer, case.inputs).values) * case.theirs(case.inputs)
    assert distance(ours, found) < CLOSE


def test_integrated_gradients_are_captums_on_the_same_points(case):
    # Captum's trapezoid rule of n points weighs them 1/n and not 1/(n - 1): its sum is too small by that.
    found = captum.IntegratedGradients(case.peer).attribute(
        case.theirs(case.inputs),
        case.theirs(case.black),
        target=case.target,
        n_steps=17,
        method="riemann_trapezoid",
        internal_batch_size=4,
    )
    rule = Rule(first=16, most=16, tolerance=0, rounding=0)
    even = {case.sense: lambda u: (u, torch.ones_like(u))}
    ours = integrated_gradients(case.scorer, case.inputs, case.black, rule, Layout(4), even)
    assert int(ours.evaluations[0]) == 17
    assert distance(case.ours(ours.contributions), found * 17 / 16) < CLOSE


def test_integrated_gradients_converge_to_captums(sentence):
    found = captum.IntegratedGradients(sentence.peer).attribute(
        sentence.inputs["text"], sentence.black["text"], n_steps=32, internal_batch_size=8
    )
    rule = Rule(first=192, most=192, tolerance=0, rounding=0)
    ours = integrated_gradients(sentence.scorer, sentence.inputs, sentence.black, rule, Layout(8))
    assert distance(ours.contributions["text"], found) < CLOSE


def test_guided_backpropagation_is_captums(cat):
    found = captum.GuidedBackprop(cat.module).attribute(cat.theirs(cat.inputs), target=cat.target)
    ours = cat.ours(guided_gradients(cat.scorer, cat.inputs).values)
    assert distance(ours, found) < CLOSE
    plain = cat.ours(gradients(cat.scorer, cat.inputs).values)
    assert distance(plain, found) > 0.5  # they would agree, too, if neither side guided


@pytest.mark.parametrize("kind", ["smoothgrad", "vargrad"])
def test_smoothgrad_and_vargrad_are_captums_of_the_same_noise(case, kind, monkeypatch):
    samples, noise = 4, 0.1
    copies = noisy(case.inputs, samples, noise, generators(case.inputs, 0, 0))
    drawn = case.theirs(copies) - case.theirs(case.inputs)
    monkeypatch.setattr(torch, "normal", lambda mean, std: drawn)
    tunnel = captum.NoiseTunnel(captum.Saliency(case.peer))
    found = tunnel.attribute(case.theirs(case.inputs), nt_type=kind, nt_samples=samples, target=case.target, abs=False)
    ours = noisy_gradients(case.scorer, case.inputs, samples, noise, layout=Layout(2))
    maps = ours.mean if kind == "smoothgrad" else ours.variance
    assert distance(case.ours(maps), found) < CLOSE


def test_layer_gradient_times_activation_is_captums(case):
    method = captum.LayerGradientXActivation(case.peer, _layer(case))
    found = method.attribute(case.theirs(case.inputs), target=case.target)
    ours = layer_slopes(case.scorer, case.inputs, case.layer)
    assert distance(ours.activations[0] * ours.gradients[0], _first(found)) < CLOSE


def test_layer_integrated_gradients_are_captums(case):
    method = captum.LayerIntegratedGradients(case.peer, _layer(case))
    found = method.attribute(
        case.theirs(case.inputs), case.theirs(case.black), target=case.target, n_steps=16, internal_batch_size=4
    )
    ours = integrate_layer(case.scorer, case.inputs, case.black, case.layer, steps=16)
    assert distance(ours.values[0], _first(found)) < CLOSE


def _layer(case: Case) -> nn.Module:
    return find_layer(case.scorer.system, case.layer)


def _first(found: Any) -> Tensor:
    return found[0] if isinstance(found, tuple) else found


def test_occlusion_is_captums_feature_ablation(case):
    segmentation = case.task.segmentations[case.sense]
    units = torch.from_numpy(segmentation.labels) + 1  # 0: special tokens, which ours never takes away
    mask = (
        units[0, None, None].expand(1, 3, -1, -1)
        if case.sense == "vision"
        else units[None, :, None].expand_as(case.theirs(case.inputs))
    )
    found = captum.FeatureAblation(case.peer).attribute(
        case.theirs(case.inputs), case.theirs(case.black), target=case.target, feature_mask=mask
    )
    operator = None if case.sense == "vision" else "mask"
    ours = torch.from_numpy(Occlusion(operator=operator).run(case.task).values[case.sense])
    theirs = torch.stack([found[mask == u + 1][0] for u in range(len(segmentation))])
    assert distance(ours, theirs) < CLOSE


def test_exact_shapley_values_are_captums(sentence):
    task = Task(sentence.scorer, {"text": sentence.task.senses["text"].prepare("Dogs chase the bus")})
    mask = (torch.from_numpy(task.segmentations["text"].labels) + 1)[None, :, None]  # 0: what never goes
    method = captum.ShapleyValues(sentence.peer)
    found = method.attribute(task.inputs["text"], task.baselines["text"], feature_mask=mask, perturbations_per_eval=8)
    ours = torch.from_numpy(KernelShap(operator="mask").run(task).values["text"])
    assert len(ours) == 4
    assert distance(ours, torch.stack([found[:, mask[0, :, 0] == u + 1].flatten()[0] for u in range(4)])) < CLOSE


def test_grad_cam_is_captums(cat):
    found = captum.LayerGradCam(cat.module, _layer(cat)).attribute(
        cat.theirs(cat.inputs), cat.target, relu_attributions=True
    )
    assert distance(grad_cam(cat.scorer, cat.inputs, cat.layer), found[:, 0]) < CLOSE


def test_grad_cam_is_that_of_pytorch_grad_cam(cat):
    peer = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.image import scale_cam_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    leaf = cat.theirs(cat.inputs).requires_grad_(True)  # it wants a gradient where parameters are frozen
    with peer.GradCAM(model=cat.module, target_layers=[_layer(cat)]) as method:
        found = method(input_tensor=leaf, targets=[ClassifierOutputTarget(cat.target)])
    # It brings the map into 0..1 and to the picture's size, twice.
    ours = grad_cam(cat.scorer, cat.inputs, cat.layer).numpy()
    ours = scale_cam_image(scale_cam_image(ours, (224, 224)))
    assert distance(torch.from_numpy(ours), torch.from_numpy(found)) < CLOSE


class Plain(nn.Module):
    """What Captum has rules for; not for ReLU6, residual additions, attention or nn.Flatten."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2))
        self.head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


class Plains:
    actions = ("a", "b", "c")

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.modalities: Mapping[str, Modality] = {"vision": Vision(size=20)}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.network(inputs["vision"])


def test_lrp_epsilon_is_captums_on_a_plain_network():
    torch.manual_seed(0)
    network = Plain().eval()
    x, epsilon = torch.rand(2, 3, 20, 20), 0.01
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.__dict__["rule"] = EpsilonRule(epsilon)
    found = captum.LRP(network).attribute(x.clone(), target=1)

    scorer = Scorer(Plains(network), Target(1, kind="logit"))
    ours = propagate_relevance(scorer, {"vision": x}, LRP(epsilon=epsilon))
    assert distance(ours.multipliers["vision"] * x, found) < CLOSE
    plain = propagate_relevance(scorer, {"vision": x}, LRP(epsilon=0.0))
    assert distance(plain.multipliers["vision"] * x, found) > 0.01  # epsilon tells
