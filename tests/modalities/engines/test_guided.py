"""Guided backpropagation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, picture
from veridical.errors import InputError
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.engines.gradient import gradients
from veridical.modalities.engines.guided import GuidedBackprop, guided_gradients
from veridical.modalities.engines.task import Method, Task
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

X = torch.tensor([[1.0, 2.0, -1.0, 0.5], [-0.3, 0.2, 0.7, -2.0]])
A = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
B = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
C = torch.randn(5, generator=torch.Generator().manual_seed(2))


def heard(score: Callable[[Tensor], Tensor]) -> Scorer:
    return Scorer(Toy(lambda i: score(i["audio"]), EARS), Target(0))


def guided(score: Callable[[Tensor], Tensor], x: Tensor = X) -> Tensor:
    return guided_gradients(heard(score), {"audio": x}).values["audio"]


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "keyword": lambda x: F.relu(input=x),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_network_of_two_layers_by_hand_however_its_relu_is_called_and_reused(way: str):
    relu = WAYS[way]

    def score(x: Tensor) -> Tensor:
        return relu(relu(x @ A) @ B) @ C

    found = guided(score)
    first = X @ A
    second = first.relu() @ B
    slope = C.clamp(min=0) * (second > 0)
    slope = (slope @ B.T).clamp(min=0) * (first > 0)
    torch.testing.assert_close(found, slope @ A.T)
    assert not torch.allclose(found, gradients(heard(score), {"audio": X}).values["audio"])


@pytest.mark.parametrize(
    "relu6",
    [nn.ReLU6(), nn.ReLU6(inplace=True), F.relu6, lambda x: F.relu6(x, inplace=True), lambda x: F.hardtanh(x, 0, 6)],
    ids=["module", "module in place", "F.relu6", "F.relu6 in place", "hardtanh"],
)
def test_relu6_passes_positive_gradient_between_its_bounds_alone(relu6: Callable[[Tensor], Tensor]):
    x = torch.tensor([[-1.0, 3.0, 3.0, 8.0]])
    weights = torch.tensor([1.0, 1.0, -1.0, 1.0])
    found = guided(lambda x: relu6(x * 1) @ weights, x)
    assert found.tolist() == [[0, 1, 0, 0]]


def test_the_forward_pass_is_untouched():
    scorer = heard(lambda x: nn.ReLU(inplace=True)(x @ A).sum(1) + F.relu6(5 * x).sum(1))
    assert torch.equal(guided_gradients(scorer, {"audio": X}).scores, gradients(scorer, {"audio": X}).scores)


def test_where_a_relu_feeds_a_residual_branch_the_whole_gradient_of_both_is_clipped():
    """y = relu(x); s = y - 3 y' w: the two branches sum to a negative slope in places, which is what is clipped."""
    w = torch.tensor([0.1, 2.0, 0.1, 0.1])

    def score(x: Tensor) -> Tensor:
        y = x.relu()
        return (y + -3 * y * w).sum(1)

    found = guided(score)
    torch.testing.assert_close(found, (1 - 3 * w).clamp(min=0) * (X > 0))


def test_around_a_residual_addition_only_the_branch_is_guided():
    block = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(inplace=True))
    found = guided(lambda x: (x + block(x)) @ C[:4])
    with torch.no_grad():
        weight = block[0].weight
        branch = (C[:4].clamp(min=0) * (X @ weight.T > 0)) @ weight  # type: ignore[operator]
    torch.testing.assert_close(found, C[:4] + branch)


def test_an_in_place_relu_on_part_of_a_tensor_is_guided_in_the_whole():
    def score(x: Tensor) -> Tensor:
        y = x * 1
        y[:, :2].relu_()
        return y @ C[:4]

    slope = C[:4].expand(2, 4).clone()
    slope[:, :2] = slope[:, :2].clamp(min=0) * (X[:, :2] > 0)
    torch.testing.assert_close(guided(score), slope)


def test_hardtanh_of_other_bounds_is_no_relu():
    with pytest.raises(InputError, match="no ReLU was met in Toy"):
        guided(lambda x: F.hardtanh(x) @ C[:4])
    found = guided(lambda x: F.hardtanh(x, -5, 5) @ C[:4] + 0 * x.relu().sum(1))
    torch.testing.assert_close(found, C[:4].expand(2, 4))


@pytest.mark.parametrize(
    "score",
    [
        lambda x: x.tanh().sum(1),
        lambda x: F.gelu(x).sum(1),
        lambda x: nn.RNN(4, 2, nonlinearity="relu")(x[None])[0][0].sum(1),
    ],
    ids=["tanh", "gelu", "fused"],
)
def test_a_system_without_a_relu_that_can_be_met_is_refused(score: Callable[[Tensor], Tensor]):
    with pytest.raises(InputError, match="guided-backprop: no ReLU was met in Toy, so it would be the plain gradient"):
        guided(score)


def test_where_all_slopes_are_positive_it_is_the_gradient():
    scorer = heard(lambda x: (x @ A.abs()).relu() @ B.abs() @ C.abs())
    torch.testing.assert_close(
        guided_gradients(scorer, {"audio": X}).values["audio"], gradients(scorer, {"audio": X}).values["audio"]
    )


def conv(inplace: bool = False) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.ReLU(inplace),
            nn.Conv2d(8, 8, 3, 2),
            nn.ReLU(inplace),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 2),
        ).eval()


@pytest.mark.filterwarnings("ignore")
def test_it_is_captums_on_a_plain_convolutional_network():
    captum = pytest.importorskip("captum.attr")
    net, x = conv(), torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    theirs = captum.GuidedBackprop(net).attribute(x.clone().requires_grad_(True), target=1)
    system = Toy(lambda i: net(i["vision"])[:, 1], EYES)
    for chunk in (1, 2):
        ours = guided_gradients(Scorer(system, Target(0)), {"vision": x}, layout=Layout(chunk)).values["vision"]
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-8)
    in_place = conv(True)
    again = Toy(lambda i: in_place(i["vision"])[:, 1], EYES)
    torch.testing.assert_close(guided_gradients(Scorer(again, Target(0)), {"vision": x}).values["vision"], theirs)


def test_modules_get_no_hooks_and_the_next_gradient_is_the_plain_one():
    net, x = conv(), torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    scorer = Scorer(Toy(lambda i: net(i["vision"])[:, 1], EYES), Target(0))
    plain = gradients(scorer, {"vision": x}).values["vision"]
    guided_gradients(scorer, {"vision": x})
    assert torch.equal(gradients(scorer, {"vision": x}).values["vision"], plain)
    assert not any(m._forward_hooks or m._backward_hooks or m._backward_pre_hooks for m in net.modules())


def test_after_an_exception_the_next_gradient_is_the_plain_one():
    def broken(x: Tensor) -> Tensor:
        x.relu()
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        guided(broken)
    plain = gradients(heard(lambda x: x.relu() @ C[:4]), {"audio": X}).values["audio"]
    torch.testing.assert_close(plain, C[:4] * (X > 0))


def test_rows_may_have_actions_of_their_own_and_there_may_be_none():
    scorer = Scorer(Toy(lambda i: i["audio"].relu() @ C[:4], EARS), Target((0, 1)))
    found = guided_gradients(scorer, {"audio": X}).values["audio"]
    slopes = torch.stack((C[:4], -C[:4])).clamp(min=0) * (X > 0)
    torch.testing.assert_close(found, slopes)
    none = guided_gradients(heard(lambda x: x.relu().sum(1)), {"audio": X[:0]})
    assert none.values["audio"].shape == (0, 4)


def test_a_sense_that_reads_no_relu_has_its_plain_gradient():
    def score(inputs):
        return inputs["vision"].relu().flatten(1).sum(1) - inputs["text"].tanh().sum((1, 2))

    toy = Toy(score, EYES, READER)
    prepared = prepare(toy, {"vision": picture(), "text": SENTENCE})
    found = GuidedBackprop().run(Task(Scorer(toy, Target(0)), prepared))
    text = prepared["text"].tensor
    torch.testing.assert_close(found.values["text"], text.tanh().square() - 1)
    assert found.values["vision"].shape == prepared["vision"].tensor.shape
    assert (found.gap, found.squared) == (None, False)


def test_it_is_a_method():
    assert isinstance(GuidedBackprop(), Method)
    assert (GuidedBackprop.name, GuidedBackprop.additive) == ("guided-backprop", False)
