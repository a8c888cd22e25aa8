"""Layer-wise relevance propagation."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, linear, picture, sound, weights
from veridical.errors import ContractError, InputError
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.encoders.minilm import load_minilm
from veridical.modalities.encoders.yamnet import load_yamnet
from veridical.modalities.engines.relevance.lrp import LRP, Relevance, propagate_relevance
from veridical.modalities.engines.task import Task
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

EXACT = LRP(epsilon=0.0)
ALL = [LRP(epsilon=0.3), EXACT, LRP("composite"), LRP("gamma", gate="signal"), LRP(gate="signal")]


class Net(nn.Module):
    """A system of one input, ``x``, and as many actions as its network has outputs."""

    def __init__(self, network, actions: int = 2) -> None:
        super().__init__()
        self.network = network
        self.modalities, self.actions = {}, [str(k) for k in range(actions)]
        self.eval().requires_grad_(False)

    def forward(self, inputs) -> Tensor:
        return self.network(inputs["x"])


def relevance(
    network, x: Tensor, method: LRP = EXACT, action: int = 0, kind: Any = "logit"
) -> tuple[Tensor, Relevance]:
    """Relevance of the input's elements, and all that is told of it."""
    with torch.no_grad():
        system = Net(network, network(x).shape[1])
    found = propagate_relevance(Scorer(system, Target(action, kind=kind)), {"x": x}, method)
    return x * found.multipliers["x"], found


def score(function):
    """A network of two outputs, the second always 0, from a function with one number a row."""

    def network(x: Tensor) -> Tensor:
        value = function(x)
        return torch.stack((value, torch.zeros_like(value)), 1)

    return network


def seeded(make, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return make().eval().requires_grad_(False)


def convolutions(bias: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, bias=bias),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 9, 5, bias=bias),
    )


IMAGE = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
ROWS = torch.randn(3, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
STEPS = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


# ---- known answers


@pytest.mark.parametrize("method", [EXACT, LRP("composite", epsilon=0.0)])
def test_of_a_linear_system_relevance_is_weight_times_input_and_the_bias_is_told(method: LRP):
    observation = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
    prepared = prepare(Toy(linear({})), observation)
    w = weights(0, prepared)
    task = Task(Scorer(Toy(linear(w, bias=1.5)), Target(0)), prepared)
    answer = method.run(task)
    for m, p in prepared.items():
        torch.testing.assert_close(answer.terms[0].multipliers[m][0], w[m], rtol=1e-5, atol=1e-7)
        assert answer.terms[0].baselines[m].count_nonzero() == 0
        assert answer.terms[0].baselines[m].shape == p.tensor.shape
    assert answer.facts["absorbed_by_biases"] == pytest.approx(1.5, abs=1e-6)
    assert answer.facts["conservation_gap"] < 1e-4
    assert answer.notes == ()


def test_two_layers_of_relu_by_hand():
    first = torch.tensor([[1.0, 2.0], [3.0, -5.0]], dtype=torch.float64)
    second = torch.tensor([[2.0, 7.0]], dtype=torch.float64)
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    # Hidden 3 and -2, so 3 and 0; the score is 6, shared out 1 : 2 by the first unit alone.
    found, told = relevance(lambda x: F.linear(F.relu(F.linear(x, first)), second), x)
    assert found.tolist() == [[2.0, 4.0]]
    # With epsilon 1: the second layer passes 6 * 6/7, the first 3/4 of that.
    found, told = relevance(lambda x: F.linear(F.relu(F.linear(x, first)), second), x, LRP(epsilon=1.0))
    torch.testing.assert_close(found, x.new_tensor([[2.0, 4.0]]) * 6 / 7 * 3 / 4)
    assert told.epsilon == pytest.approx(6 - 6 * 6 / 7 * 3 / 4)
    assert told.gap < 1e-12


def test_a_bias_takes_its_part_of_each_units_relevance_by_hand():
    w, b = torch.tensor([[3.0, 1.0]]).double(), torch.tensor([-2.0]).double()
    x = torch.tensor([[2.0, 4.0]]).double()
    found, told = relevance(score(lambda x: 2 * F.silu(F.linear(x, w, b))[:, 0]), x)
    value = 2 * float(F.silu(torch.tensor(8.0).double()))
    # z = 6 + 4 - 2 = 8; whatever silu makes of it, parts stay as they are in z.
    torch.testing.assert_close(found, x.new_tensor([[6.0, 4.0]]) / 8 * value)
    assert told.biases == pytest.approx({"linear": -2 / 8 * value})


def test_without_biases_a_network_of_relus_has_gradient_times_input():
    network = seeded(lambda: convolutions(bias=False).double())
    x = (IMAGE - 0.3).requires_grad_(True)
    (slope,) = torch.autograd.grad(network(x)[:, 2].sum(), x)
    x = x.detach()
    found, told = relevance(network, x, EXACT, 2)
    torch.testing.assert_close(found, x * slope, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found.sum((1, 2, 3)), network(x)[:, 2], rtol=1e-10, atol=1e-12)
    near, _ = relevance(network, x, LRP(epsilon=1e-9), 2)
    torch.testing.assert_close(near, found, rtol=1e-4, atol=1e-8)
    assert told.biases == told.elsewhere == {}


def _gamma_by_hand(x: Tensor, w: Tensor, b: Tensor, gamma: float) -> Tensor:
    """Of ``sum_j z_j`` with z = x w + b, element by element."""
    found = torch.zeros_like(x)
    for j in range(len(w)):
        parts = [*(x * w[j]).tolist(), float(b[j])]
        z = sum(parts)
        weighed = [p * (1 + gamma) if p * z > 0 else p for p in parts]
        found += x.new_tensor(weighed[:-1]) / sum(weighed) * z
    return found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), gamma=st.sampled_from([0.1, 1.0, 50.0]))
def test_the_gamma_rule_for_inputs_and_outputs_of_both_signs_by_hand(seed: int, gamma: float):
    generator = torch.Generator().manual_seed(seed)
    x, w, b = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((1, 5), (4, 5), (4,)))
    found, told = relevance(score(lambda x: F.linear(x, w, b).sum(1)), x, LRP("gamma", epsilon=0.0, gamma=gamma))
    torch.testing.assert_close(found[0], _gamma_by_hand(x[0], w, b, gamma), rtol=1e-8, atol=1e-10)
    assert told.gap < 1e-9


def test_a_convolution_is_the_dense_layer_that_it_is_under_gamma():
    torch.manual_seed(3)
    layer = nn.Conv2d(2, 3, 3, padding=1, stride=2).double()
    x = torch.randn(1, 2, 5, 5).double()
    rows = torch.stack([layer(e.view(1, 2, 5, 5))[0].flatten() for e in torch.eye(50).double()], 1)
    bias = layer(torch.zeros_like(x))[0].flatten()
    dense = nn.Linear(50, len(bias)).double()
    dense.weight.data, dense.bias.data = (rows - bias[:, None]).detach(), bias.detach()
    method = LRP("gamma", epsilon=0.01, gamma=2.0)
    found, _ = relevance(score(lambda x: layer(x).flatten(1).sum(1)), x, method)
    other, _ = relevance(score(lambda x: dense(x.flatten(1)).sum(1)), x, method)
    torch.testing.assert_close(found, other, rtol=1e-8, atol=1e-10)


def test_gamma_zero_is_epsilon_and_composite_is_gamma_in_convolutions_alone():
    network = seeded(lambda: convolutions().double())
    none, _ = relevance(network, IMAGE, LRP("gamma", gamma=0.0))
    torch.testing.assert_close(none, relevance(network, IMAGE, LRP())[0])
    dense = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).double())
    assert torch.equal(relevance(dense, ROWS, LRP("composite"))[0], relevance(dense, ROWS, LRP())[0])
    kinds = [relevance(network, IMAGE, LRP(rule))[0] for rule in ("epsilon", "gamma", "composite")]
    assert not torch.allclose(kinds[2], kinds[0])
    assert not torch.allclose(kinds[2], kinds[1])


# ---- Captum


class Plain(nn.Module):
    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, bias=bias), nn.Conv2d(6, 8, 3, bias=bias)
        self.third, self.last = nn.Linear(200, 10, bias=bias), nn.Linear(10, 4, bias=bias)
        self.one, self.two, self.three, self.pool = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.second(self.pool(self.one(self.first(x)))))
        return self.last(self.three(self.third(x.flatten(1))))


def captum(network: nn.Module, x: Tensor, action: int, rule) -> Tensor:
    from captum.attr import LRP as Theirs

    network = copy.deepcopy(network)
    for module in network.modules():
        if hasattr(module, "weight"):
            module.rule = rule()
    return Theirs(network).attribute(x.clone().requires_grad_(True), target=action).detach()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("epsilon", [1e-4, 0.25])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_epsilon_rule_is_captums(epsilon: float, shift: float):
    from captum.attr._utils.lrp_rules import EpsilonRule

    network, x = seeded(Plain), IMAGE.float() - shift
    own, _ = relevance(network, x, LRP(epsilon=epsilon), 1)
    theirs = captum(network, x, 1, lambda: EpsilonRule(epsilon))
    torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.filterwarnings("ignore")
def test_the_gamma_rule_is_captums_where_both_mean_the_same():
    """Captum weighs weights, whatever the sign of inputs and outputs, and leaves biases as they are."""
    from captum.attr._utils.lrp_rules import GammaRule

    network, x = seeded(lambda: Plain(bias=False)), IMAGE.float()
    action = int(network(x).min(0).values.argmax())
    assert network(x)[:, action].min() > 0
    own, _ = relevance(network, x, LRP("gamma", epsilon=0.0), action)
    theirs = captum(network, x, action, lambda: GammaRule(0.25))
    torch.testing.assert_close(own, theirs, rtol=1e-3, atol=1e-5 * float(theirs.abs().max()))


# ---- rules of single functions


@pytest.mark.parametrize(
    "function",
    [
        *(F.relu6, F.gelu, F.silu, F.mish, F.elu, F.selu, F.celu, F.hardswish, F.hardtanh, F.softsign, F.tanhshrink),
        *(torch.tanh, torch.sin, torch.expm1, torch.erf, torch.atan, F.softshrink),
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: x.clamp(-0.4, 0.7),
        lambda x: F.relu6(x.clone(), inplace=True),
        lambda x: x.clone().tanh_(),
    ],
)
def test_an_activation_passes_relevance_through_unit_by_unit(function):
    x = torch.cat((ROWS.flatten() * 4, ROWS.new_tensor([0.0, 1e-5, -1e-4, 9e-4])))[None]
    found, told = relevance(score(lambda x: function(x).sum(1)), x)
    torch.testing.assert_close(found, function(x), rtol=1e-5, atol=1e-9)
    assert told.gap < 1e-7


@pytest.mark.parametrize(
    ("function", "offset"),
    [(torch.sigmoid, 0.5), (F.softplus, 0.6931471805599453), (torch.exp, 1.0), (torch.cos, 1.0), (F.hardsigmoid, 0.5)],
)
def test_what_an_activation_gives_for_nothing_counts_as_a_bias(function, offset: float):
    found, told = relevance(score(lambda x: function(x).sum(1)), ROWS)
    torch.testing.assert_close(found, function(ROWS) - offset, rtol=1e-5, atol=1e-9)
    assert sum(told.biases.values()) == pytest.approx(18 * offset)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, 1.5])
def test_a_power_passes_its_relevance_to_its_base(exponent: float):
    x = ROWS.abs() + 0.1
    found, told = relevance(score(lambda x: (x**exponent).sum(1)), x)
    torch.testing.assert_close(found, x**exponent)
    assert told.gap < 1e-9


def test_factors_have_half_each_in_any_kind_of_product():
    def halves(a: Tensor, b: Tensor, y: Tensor, found: Tensor) -> None:
        torch.testing.assert_close(found[:, :3].sum(1), y / 2)
        torch.testing.assert_close(found[:, 3:].sum(1), y / 2)

    kinds = [
        lambda a, b: (a * b).sum(1),
        lambda a, b: torch.einsum("bi,bi->b", a, b),
        lambda a, b: (a[:, None] @ b[:, :, None])[:, 0, 0],
        lambda a, b: torch.bmm(a[:, None], b[:, :, None]).flatten(),
        lambda a, b: (a.clone().mul_(b)).sum(1),
        lambda a, b: torch.stack([torch.dot(p, q) for p, q in zip(a, b, strict=True)]),
        lambda a, b: torch.stack([F.linear(p, q[None])[0] for p, q in zip(a, b, strict=True)]),
    ]
    for kind in kinds:
        for method in (EXACT, LRP(epsilon=0.0, gate="signal")):
            found, told = relevance(score(lambda x, kind=kind: kind(x[:, :3], x[:, 3:])), ROWS, method)
            halves(ROWS[:, :3], ROWS[:, 3:], kind(ROWS[:, :3], ROWS[:, 3:]), found)
            assert told.gap < 1e-12


@pytest.mark.parametrize(
    "gated",
    [
        lambda a, b: a * torch.sigmoid(b),
        lambda a, b: torch.sigmoid(b) * a,
        lambda a, b: a * b.sigmoid()[:, :],
        lambda a, b: F.glu(torch.cat((a, b), 1), 1),
        lambda a, b: a * (1 - torch.sigmoid(b)),
        lambda a, b: a.clone().mul_(2 * torch.sigmoid(b).mean(1, keepdim=True)),
        lambda a, b: torch.einsum("bi,bi->bi", a, F.hardsigmoid(b)),
    ],
)
def test_the_signal_takes_all_and_its_gate_nothing(gated):
    network = score(lambda x: gated(x[:, :3], x[:, 3:]).sum(1))
    found, told = relevance(network, ROWS, LRP(epsilon=0.0, gate="signal"))
    torch.testing.assert_close(found[:, :3], gated(ROWS[:, :3], ROWS[:, 3:]))
    assert found[:, 3:].count_nonzero() == 0
    assert told.gap < 1e-12
    halved, told = relevance(network, ROWS)
    torch.testing.assert_close(halved[:, :3], found[:, :3] / 2)
    assert halved[:, 3:].count_nonzero() > 0
    assert told.gap < 1e-7


def test_a_sigmoid_that_gates_nothing_is_an_activation_in_either_case():
    network = score(lambda x: torch.sigmoid(x).sum(1))
    both = [relevance(network, ROWS, LRP(epsilon=0.0, gate=gate))[0] for gate in ("half", "signal")]
    assert torch.equal(*both)
    assert both[0].count_nonzero() == both[0].numel()


def test_attention_passes_relevance_to_what_it_looks_at_alone():
    def attention(x: Tensor) -> Tensor:
        return (x[:, :, :2] @ x[:, :, 2:4].transpose(1, 2)).softmax(-1) @ x[:, :, 4:]

    def fused(x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x[..., :2], x[..., 2:4], x[..., 4:], scale=1.0)

    found = [relevance(score(lambda x, f=f: f(x).sum((1, 2))), STEPS)[0] for f in (attention, fused)]
    torch.testing.assert_close(*found)
    weights = (STEPS[:, :, :2] @ STEPS[:, :, 2:4].transpose(1, 2)).softmax(-1)
    torch.testing.assert_close(found[0][:, :, 4:], weights.sum(1)[:, :, None] * STEPS[:, :, 4:])
    assert found[0][:, :, :4].count_nonzero() == 0


CENTRED = [
    lambda x: F.layer_norm(x, (6,), torch.arange(1.0, 7).double(), torch.ones(6).double()),
    lambda x: F.group_norm(x.transpose(1, 2), 2, torch.arange(1.0, 7).double(), torch.ones(6).double()),
    lambda x: F.instance_norm(x.transpose(1, 2), weight=torch.arange(1.0, 7).double()),
    lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-3),
]
SCALED = [
    lambda x: F.rms_norm(x, (6,), torch.arange(1.0, 7).double()),
    lambda x: F.normalize(x, dim=2),
    lambda x: x / x.norm(dim=-1, keepdim=True),
    lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
    lambda x: F.local_response_norm(x, 3),
    lambda x: x * (1 / x.abs().sum(-1, keepdim=True)),
]


@pytest.mark.parametrize("norm", CENTRED + SCALED)
def test_a_norm_conserves_with_its_deviation_held_constant(norm):
    w = torch.randn(norm(STEPS).shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, told = relevance(score(lambda x: (w * norm(x)).sum((1, 2))), STEPS)
    torch.testing.assert_close(told.scores, (w * norm(STEPS)).sum((1, 2)))
    assert told.gap < 1e-8
    assert told.elsewhere == {}
    # A true derivative would be at right angles to the input, and leave nothing.
    assert float(found.sum()) == pytest.approx(float(told.scores.sum()) - sum(told.biases.values()))
    if norm in SCALED:
        torch.testing.assert_close(found, w * norm(STEPS))


def test_similarity_of_two_inputs_gives_each_half():
    found, _ = relevance(score(lambda x: F.cosine_similarity(x[:, :3], x[:, 3:])), ROWS)
    half = F.cosine_similarity(ROWS[:, :3], ROWS[:, 3:]) / 2
    torch.testing.assert_close(found[:, :3].sum(1), half)
    torch.testing.assert_close(found[:, 3:].sum(1), half)


def test_layer_norm_by_hand():
    x = torch.tensor([[1.0, 2.0, 6.0]]).double()
    found, _ = relevance(score(lambda x: F.layer_norm(x, (3,), None, None, 0.0)[:, 2]), x)
    deviation = float(x.std(unbiased=False))
    torch.testing.assert_close(found, x.new_tensor([[-1 / 3, -2 / 3, 4.0]]) / deviation)


def test_batch_norm_in_evaluation_is_the_affine_layer_that_it_is():
    torch.manual_seed(4)
    norm: Any = nn.BatchNorm2d(3).double().eval()
    for t in (norm.running_mean, norm.weight.data, norm.bias.data):
        t.normal_()
    norm.running_var.uniform_(0.5, 2)
    found, told = relevance(score(lambda x: norm(x).sum((1, 2, 3))), IMAGE)
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
    torch.testing.assert_close(found, IMAGE * scale[:, None, None])
    shift = float((norm.bias.detach() - norm.running_mean * scale).sum() * 2 * 16 * 16)
    assert told.biases == pytest.approx({"batch_norm": shift})


@pytest.mark.parametrize(
    ("network", "constant"),
    [
        (lambda x: x.sum(1) + 2, 6.0),
        (lambda x: 2 - x.sum(1), 6.0),
        (lambda x: (x - torch.arange(6.0).double()).sum(1), -45.0),
        (lambda x: torch.sub(x, 2, alpha=3).sum(1), -108.0),
        (lambda x: torch.cat((x, torch.ones(3, 2).double()), 1).sum(1), 6.0),
        (lambda x: torch.stack((x, torch.ones(3, 6).double())).sum((0, 2)), 18.0),
        (lambda x: torch.where(x > -9, x, 7.0).sum(1) + torch.where(x < -9, x, 7.0).sum(1), 126.0),
        (lambda x: x.masked_fill(torch.arange(6) < 2, 3.0).sum(1), 18.0),
        (lambda x: F.pad(x, (0, 2), value=4.0).sum(1), 24.0),
        (lambda x: F.pad(x, (0, 2)).sum(1), 0.0),
        (lambda x: x.clone().add_(1).div_(2).sum(1), 9.0),
        (lambda x: torch.ones(3, 6).double().add_(x).sum(1), 18.0),
        (lambda x: torch.addmm(torch.ones(2).double(), x, torch.ones(6, 2).double()).sum(1), 6.0),
    ],
)
def test_constants_that_are_added_or_stand_beside_are_counted(network, constant: float):
    _, told = relevance(score(network), ROWS)
    assert sum(told.biases.values()) == pytest.approx(constant)
    assert told.gap < 1e-10


def test_elements_that_are_set_are_counted():
    def over(x: Tensor) -> Tensor:
        y = torch.full((3, 7), 5.0).double()
        y[:, :6] = x
        z = x.clone()
        z[:, 0] = 3.0
        return y.sum(1) + z.sum(1)

    _, told = relevance(score(over), ROWS)
    assert told.biases == pytest.approx({"setitem": 3 * 5.0 + 3 * 3.0})
    assert told.gap < 1e-10


def test_a_function_without_a_rule_passes_by_its_gradient_and_its_loss_is_told():
    found, told = relevance(score(lambda x: torch.logsumexp(x, 1)), ROWS)
    torch.testing.assert_close(found, ROWS * ROWS.softmax(1))
    # log-sum-exp is the mean by its weights, and their entropy on top.
    entropy = float(-(ROWS.softmax(1) * ROWS.log_softmax(1)).sum())
    assert told.elsewhere == pytest.approx({"logsumexp": entropy})
    assert told.gap < 1e-12
    _, told = relevance(score(lambda x: (x.round() + x).sum(1)), ROWS)
    assert told.elsewhere == pytest.approx({"round": float(ROWS.round().sum())})
    toy = Toy(lambda inputs: torch.logsumexp(inputs["text"].flatten(1), 1), READER)
    answer = LRP().run(Task(Scorer(toy, Target(0)), prepare(toy, {"text": SENTENCE})))
    assert "no rule for logsumexp" in answer.notes[0]


def test_what_the_target_absorbs_is_its_entropy():
    network = seeded(lambda: nn.Linear(6, 4, bias=False).double())
    _, told = relevance(network, ROWS, EXACT, 1, "log-probability")
    p = network(ROWS).softmax(1)
    assert told.target == pytest.approx(float((p * p.log()).sum()))
    assert told.gap < 1e-12
    _, told = relevance(network, ROWS, EXACT, 1, "logit")
    assert told.target == 0.0


# ---- conservation and equivalences in whole networks


class Residual(nn.Module):
    """Convolutions that are added, one ReLU used again and in place, and one module called twice."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.again, self.relu = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=inplace)
        self.squeeze, self.excite = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)
        self.act, self.head = nn.Hardswish(inplace=inplace), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(self.again(self.again(x)) + x)
        gate = torch.sigmoid(self.excite(self.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.head(self.act(x * gate).mean((2, 3)))


class Remembering(nn.Module):
    def __init__(self, kind) -> None:
        super().__init__()
        self.layer = kind(6, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, activation="gelu")
    return nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(30, 3))


NETWORKS = {
    "residual": (Residual, IMAGE),
    "lstm": (lambda: Remembering(nn.LSTM), STEPS[:, :3]),
    "gru": (lambda: Remembering(nn.GRU), STEPS[:, :3]),
    "rnn": (lambda: Remembering(nn.RNN), STEPS[:, :3]),
    "transformer": (encoder, STEPS),
}


@pytest.mark.parametrize("method", ALL, ids=str)
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_score_is_conserved_and_is_the_systems_own(kind: str, method: LRP):
    make, x = NETWORKS[kind]
    network = seeded(lambda: make().double())
    found, told = relevance(network, x, method, 1, "log-odds")
    scores = Target(1)(network(x))
    torch.testing.assert_close(told.scores, scores, rtol=1e-9, atol=1e-9)
    assert told.gap < 1e-9
    assert told.arrived == pytest.approx(float(found.sum()))
    assert found.abs().max() > 0
    assert told.elsewhere == {}
    assert told.unmeasured == ()


@pytest.mark.parametrize("kind", NETWORKS)
def test_rows_are_independent(kind: str):
    make, x = NETWORKS[kind]
    network = seeded(lambda: make().double())
    whole, _ = relevance(network, x, LRP("gamma"), 1, "log-odds")
    alone = torch.cat([relevance(network, row[None], LRP("gamma"), 1, "log-odds")[0] for row in x])
    torch.testing.assert_close(whole, alone, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("method", ALL, ids=str)
def test_in_place_and_reused_activations_are_as_any(method: LRP):
    inplace, plain = seeded(lambda: Residual(True).double()), seeded(lambda: Residual(False).double())
    torch.testing.assert_close(relevance(inplace, IMAGE, method)[0], relevance(plain, IMAGE, method)[0])
    for inner in ((), (3,)):
        dense = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(True), nn.Linear(8, 2)).double())
        x = ROWS.reshape(3, *[1] * len(inner), 6).expand(3, *inner, 6).contiguous()
        flat = [nn.Sequential(dense[0], nn.ReLU(), dense[2]), dense]
        found = [relevance(score(lambda x, n=n: n(x).flatten(1)[:, ::2].sum(1)), x, method)[0] for n in flat]
        torch.testing.assert_close(*found)


def test_a_step_of_an_lstm_by_hand_gives_its_gates_nothing():
    torch.manual_seed(8)
    layer: Any = nn.LSTM(1, 1, bias=False).double()
    layer.weight_hh_l0.data.zero_()
    x = torch.tensor([[[1.5]], [[-2.0]]]).double()  # two steps, one row
    swapped = score(lambda x: layer(x.transpose(0, 1))[0][-1, :, 0])
    found, told = relevance(swapped, x.transpose(0, 1), LRP(epsilon=0.0, gate="signal"))
    z = [(layer.weight_ih_l0 @ x[t, 0]).detach() for t in (0, 1)]
    into, forget, out = (torch.stack([z[t][k].sigmoid() for t in (0, 1)]) for k in (0, 1, 3))
    first = float(forget[1] * into[0] * z[0][2].tanh())
    second = float(into[1] * z[1][2].tanh())
    # The cell is the sum of what each step brought in; the output's share is as in the cell.
    share = float(out[1] * torch.tanh(torch.tensor(first + second).double())) / (first + second)
    torch.testing.assert_close(found.flatten(), x.new_tensor([first * share, second * share]))
    assert told.gap < 1e-12


@pytest.mark.parametrize("method", [LRP(), LRP("composite")], ids=str)
def test_efficientnet_conserves_its_score(method: LRP):
    network = load_efficientnet_lite0()
    prepared = prepare(Toy(linear({}), EYES), {"vision": picture()})["vision"]
    x = F.interpolate(prepared.tensor[:, 0], (224, 224))
    found, told = relevance(lambda x: network.classify(network.features(x)), x, method, 207, "log-odds")
    assert told.gap < 1e-4 * (abs(float(told.scores)) + abs(told.arrived))
    assert set(told.biases) <= {"linear", "sub", "batch_norm", "conv2d"}
    assert told.elsewhere == {}
    assert told.unmeasured == ()
    assert found.abs().max() > 0


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_minilm_conserves_its_score_fused_or_not(implementation: str):
    encoder = copy.deepcopy(load_minilm())
    encoder.network.set_attn_implementation(implementation)
    ids = encoder.tokenizer("stop when the siren comes near")["input_ids"]
    x = encoder.embedding[torch.tensor(ids)][None]
    found, told = relevance(lambda x: encoder.states(x)[:, 0, :3], x, LRP(), 1, "log-odds")
    assert told.gap < 1e-5
    assert told.elsewhere == {}
    assert found.abs().sum() > 0.01
    if implementation == "sdpa":
        eager, _ = relevance(lambda x: load_minilm().states(x)[:, 0, :3], x, LRP(), 1, "log-odds")
        torch.testing.assert_close(found, eager, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [LRP(), LRP("gamma", gate="signal")], ids=str)
def test_yamnet_conserves_its_score_from_the_waveform_on(method: LRP):
    network = load_yamnet()
    wave = torch.from_numpy(sound()).repeat_interleave(2)[None]
    found, told = relevance(lambda x: network.classify(network.embed(x)).mean(1), wave, method, 0, "log-odds")
    # The log-mel front end is no exception: its offset and its logarithm are accounted for.
    assert told.gap < 1e-4 * (abs(float(told.scores)) + abs(told.arrived) + abs(sum(told.biases.values())))
    assert told.elsewhere == {}
    assert told.unmeasured == ()
    assert found.shape == wave.shape


def open_clip() -> tuple[nn.Module, Tensor, Tensor]:
    model: Any = pytest.importorskip("open_clip").model
    eyes = {"layers": 2, "width": 64, "patch_size": 16, "image_size": 32}
    reader = {"layers": 1, "width": 32, "heads": 2, "vocab_size": 50, "context_length": 8}
    clip = model.CLIP(32, eyes, reader).eval().requires_grad_(False)
    texts = clip.encode_text(torch.arange(24).view(3, 8), normalize=True)
    return clip, torch.rand(2, 3, 32, 32), texts


def test_open_clip_conserves_the_likeness_of_picture_and_text():
    torch.manual_seed(10)
    clip, x, texts = open_clip()
    network: Any = clip
    _, told = relevance(lambda x: 10 * network.encode_image(x, normalize=True) @ texts.T, x, LRP(), 1, "log-odds")
    assert told.gap < 1e-5
    assert told.elsewhere == {}


@pytest.mark.parametrize("gate", ["half", "signal"])
@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_language_models_conserve_their_scores(name: str, gate: Any):
    torch.manual_seed(11)
    small: dict[str, Any] = {
        "GPT2": {"n_layer": 2, "n_embd": 16, "n_head": 2},
        "Llama": {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4},
    }[name]
    small |= {"num_key_value_heads": 2} if name == "Llama" else {}
    network: Any = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(vocab_size=9, **small))
    network.eval().requires_grad_(False)
    x = torch.randn(1, 5, 16)
    _, told = relevance(lambda x: network(inputs_embeds=x).last_hidden_state[:, -1, :3], x, LRP(gate=gate))
    assert told.gap < 1e-5
    assert told.elsewhere == {}
    assert told.unmeasured == ()


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "vit_tiny_patch16_224", "convnext_atto"])
def test_networks_of_a_library_conserve_their_scores(name: str):
    torch.manual_seed(9)
    size: dict[str, Any] = {"img_size": 64} if name.startswith("vit") else {}
    network = timm.create_model(name, num_classes=3, **size)
    x = torch.rand(1, 3, 64, 64)
    for method in (LRP("composite"), LRP(gate="signal")):
        _, told = relevance(network.eval(), x, method, 1, "log-odds")
        assert told.gap < 1e-5
        assert told.elsewhere == {}
        assert told.unmeasured == ()


# ---- what stays behind, and what is refused


def test_parameters_that_learn_and_hide_in_a_function_are_constants_all_the_same():
    network = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).double())
    tied = copy.deepcopy(network).requires_grad_(True)

    def hiding(x: Tensor) -> Tensor:
        return tied(x)

    for method in (LRP(), LRP("gamma")):
        still, told = relevance(network, ROWS, method)
        hidden, same = relevance(hiding, ROWS, method)
        torch.testing.assert_close(still, hidden)
        assert told.biases == pytest.approx(same.biases)
    by_hand, _ = relevance(lambda x: F.linear(F.relu(x @ tied[0].weight.t() + tied[0].bias), tied[2].weight), ROWS)
    torch.testing.assert_close(by_hand, relevance(network, ROWS)[0])


def test_nothing_stays_behind_even_after_an_exception():
    network = seeded(lambda: Residual().double())
    network.train()
    network.stem.weight.requires_grad_(True)
    system = Net(network, 3)
    system.train()
    system.network.stem.weight.requires_grad_(True)
    before = copy.deepcopy(system.state_dict())
    scorer = Scorer(system, Target(0))
    first = propagate_relevance(scorer, {"x": IMAGE}, LRP()).multipliers["x"]
    with pytest.raises(RuntimeError):
        propagate_relevance(scorer, {"x": IMAGE[:, :2]}, LRP())
    assert torch.overrides._len_torch_function_stack() == 0  # type: ignore[reportPrivateImportUsage]
    assert all(m.training for m in system.modules())
    assert [k for k, p in system.named_parameters() if p.requires_grad] == ["network.stem.weight"]
    assert all(p.grad is None for p in system.parameters())
    assert all(torch.equal(before[k], v) for k, v in system.state_dict().items())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in system.modules())
    assert torch.equal(first, propagate_relevance(scorer, {"x": IMAGE}, LRP()).multipliers["x"])


def test_threads_that_ask_at_once_have_the_same_answer():
    network = seeded(lambda: Residual().double())
    system = Net(network, 3)
    found: list[Tensor] = []

    def ask() -> None:
        scorer = Scorer(system, Target(0))
        found.append(propagate_relevance(scorer, {"x": IMAGE}, LRP("composite")).multipliers["x"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(found[0], f) for f in found)


def test_a_sense_that_acts_through_gates_alone_has_none_and_it_is_told():
    def gated(inputs) -> Tensor:
        heard = torch.sigmoid(inputs["audio"].abs().mean(1))
        return inputs["vision"].flatten(1).mean(1) * heard

    toy = Toy(gated, EYES, EARS)
    prepared = prepare(toy, {"vision": picture(), "audio": sound()})
    answer = LRP(gate="signal").run(Task(Scorer(toy, Target(0)), prepared))
    assert answer.terms[0].multipliers["audio"].count_nonzero() == 0
    assert "no relevance reaches audio" in answer.notes[0]
    assert LRP().run(Task(Scorer(toy, Target(0)), prepared)).notes == ()


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_scripted_code_that_no_rule_sees_shows_in_the_gap_and_is_told():
    scripted: Any = torch.jit.trace(seeded(lambda: nn.Sequential(nn.Linear(8, 8), nn.GELU())), torch.rand(1, 5, 8))
    toy = Toy(lambda inputs: scripted(inputs["text"]).sum((1, 2)), READER)
    answer = LRP().run(Task(Scorer(toy, Target(0)), prepare(toy, {"text": SENTENCE})))
    assert answer.facts["conservation_gap"] > 0.01
    assert any("relevance is not conserved" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (lambda x: x.sum((1, 2))[:, None].softmax(1) * torch.ones(1, 2), InputError, "the scores come from a softmax"),
        (lambda x: x.detach().sum(1)[:, :2], InputError, "no relevance reaches any input"),
        (
            lambda x: nn.LSTM(6, 4)(nn.utils.rnn.pack_sequence([x[0].float()]))[0].data[:2, :2],
            InputError,
            "a packed sequence",
        ),
        (lambda x: (x * 0).sum(1)[:, :2].sqrt(), ContractError, "the relevance of x is not finite"),
    ],
)
def test_what_cannot_be_propagated_is_said(network, error, message: str):
    with pytest.raises(error, match=message):
        relevance(network, STEPS)


def test_token_ids_are_refused():
    with pytest.raises(InputError, match="x holds int64, to which no relevance flows"):
        propagate_relevance(Scorer(Net(nn.Identity()), Target(0)), {"x": torch.ones(1, 2, dtype=torch.int64)}, LRP())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "alpha"}, "rule 'alpha'; one of epsilon, gamma, composite"),
        ({"gate": "none"}, "gate 'none'; one of half, signal"),
        ({"epsilon": -1.0}, "epsilon=-1.0, gamma=0.25; both are finite and at least 0"),
        ({"gamma": float("inf")}, "gamma=inf"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_out_of_range_are_refused(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        LRP(**options)
