"""A system is left as it was found."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from veridical.errors import InputError
from veridical.modalities.engines.gradient import gradients
from veridical.modalities.engines.guided import guided_gradients
from veridical.modalities.engines.layer import layer_slopes
from veridical.modalities.held import find_layer, held, parts
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target


class Network(nn.Module):
    """Two actions over one sense of four numbers, with all that a pass could change."""

    actions = ("STOP", "GO")
    modalities: Mapping[str, Any] = {"text": None}

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.first = nn.Linear(4, 8)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.middle = nn.Linear(8, 8)
        self.last = nn.Linear(8, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.first.bias.requires_grad_(False)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.calls += 1
        hidden = self.relu(self.first(self.norm(inputs["text"])))
        return self.last(self.drop(self.relu(self.middle(hidden)))) * (1 + self.calls)


def network() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Network()


X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def state(net: nn.Module) -> dict[str, Any]:
    return {
        "training": {n: m.training for n, m in net.named_modules()},
        "flags": {n: p.requires_grad for n, p in net.named_parameters()},
        "objects": {n: id(t) for n, t in [*net.named_parameters(), *net.named_buffers()]},
        "values": {n: t.detach().clone().tolist() for n, t in net.state_dict().items()},
        "hooks": {
            n: [len(h) for h in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)]
            for n, m in net.named_modules()
        },
        "grads": [p.grad is None for p in net.parameters()],
    }


ENGINES: dict[str, Callable[[Scorer, Mapping[str, Tensor]], Any]] = {
    "value": lambda scorer, x: scorer.value(x),
    "gradient": gradients,
    "guided": guided_gradients,
    "layer": lambda scorer, x: layer_slopes(scorer, x, "first"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("training", [True, False])
def test_mode_flags_buffers_hooks_and_gradients_are_as_they_were(engine: str, training: bool):
    net = network().train(training)
    net.drop.eval()  # modes that differ from part to part come back as they were
    before = state(net)
    ENGINES[engine](Scorer(net, Target(0)), {"text": X})
    assert state(net) == before


@pytest.mark.parametrize("engine", ENGINES)
def test_they_are_after_an_exception_too(engine: str):
    net = network()
    before = state(net)

    def fail(*_: Any) -> None:
        raise RuntimeError("on purpose")

    handle = net.last.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        ENGINES[engine](Scorer(net, Target(0)), {"text": X})
    handle.remove()
    assert state(net) == before


def test_a_system_in_training_mode_is_examined_in_evaluation_mode_and_says_so():
    net = network()
    trained = copy.deepcopy(net).eval()
    with Scorer(net, Target(0)).held() as found:
        assert not any(m.training for m in net.modules())
        assert found.notes == (
            "the system was in training mode (BatchNorm1d, Dropout, Linear); it was examined in evaluation mode",
        )
    with Scorer(trained, Target(0)).held() as found:
        assert found.notes == ()
    ours = gradients(Scorer(net, Target(0)), {"text": X}).values["text"]
    assert torch.equal(ours, gradients(Scorer(trained, Target(0)), {"text": X}).values["text"])


def test_a_modules_own_train_method_is_not_called():
    class Loud(nn.Module):
        def train(self, mode: bool = True) -> Loud:
            raise AssertionError("train() called")

    net = Loud()
    with held(net):
        assert not net.training
    assert net.training


def test_a_counter_that_changes_the_output_stands_still_from_row_to_row_and_from_call_to_call():
    net = network().eval()
    counter = net.calls
    scorer = Scorer(net, Target(0))
    alone = [gradients(scorer, {"text": X[i : i + 1]}).values["text"] for i in range(3)]
    with scorer.held():
        together = [scorer.gradient({"text": X[i : i + 1]}).values["text"] for i in range(3)]
        assert net.calls == 0
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(a, b)
    assert net.calls is counter
    # 1 + calls is 2 in the first pass, whatever came before; the rest is the network by hand.
    with torch.no_grad():
        x = net.norm(X[:1])
        hidden = net.first(x).relu()
        slope = (net.last.weight[0] - net.last.weight[1]) * (net.middle(hidden) > 0)
        slope = ((slope @ net.middle.weight) * (hidden > 0)) @ net.first.weight
        by_hand = 2 * slope / (net.norm.running_var + net.norm.eps).sqrt()  # type: ignore[operator]
    torch.testing.assert_close(alone[0], by_hand)


def test_a_graph_made_before_the_buffers_are_settled_stays_valid():
    class Scaled(nn.Module):
        actions = ("STOP", "GO")
        modalities: Mapping[str, Any] = {"text": None}

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.tensor(2.0))

        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            score = (inputs["text"] * self.scale).sum(1)  # the graph keeps the buffer for the way back ...
            self.scale = self.scale + 1
            return torch.stack((score, torch.zeros_like(score)), 1)

    net = Scaled()
    scorer = Scorer(net, Target(0))
    with scorer.held(), torch.enable_grad():
        x = X.clone().requires_grad_(True)
        first, second = scorer({"text": x}), scorer({"text": x})
        for score in (first, second):  # ... and both ways back are those of their own pass
            (found,) = torch.autograd.grad(score.sum(), x)
            assert torch.equal(found, torch.full_like(X, 2))
    assert float(net.scale) == 2


def test_entering_again_costs_nothing_and_leaving_the_inner_one_changes_nothing():
    net = network()
    with held(net) as outer:
        with held(net) as inner:
            assert inner is outer
        assert not net.training
    assert net.training


def test_all_torch_modules_that_a_system_holds_are_found():
    a, b, c, d = (nn.Linear(1, 1) for _ in range(4))
    system = SimpleNamespace(eyes=a, both={"x": b, "n": 3}, row=[c, None], text="no", number=1, last=d)
    assert parts(system) == {"eyes": a, "both.x": b, "row.0": c, "last": d}
    assert parts(a) == {"": a}
    assert parts(lambda x: x) == {}


def test_properties_are_not_evaluated():
    class Lazy:
        @property
        def network(self) -> nn.Module:
            raise AssertionError("evaluated")

    assert parts(Lazy()) == {}


def test_a_layer_is_found_by_its_name():
    net = network()
    assert find_layer(net, "first") is net.first
    assert find_layer(SimpleNamespace(eyes=net), "eyes.first") is net.first
    shared = nn.ModuleDict({"a": net.first, "b": net.first})
    assert find_layer(shared, "b") is net.first


@pytest.mark.parametrize(
    ("system", "name", "message"),
    [
        (network(), "frist", "Network has no layer 'frist'; near it: first"),
        (network(), "", "Network has no layer ''"),
        (SimpleNamespace(eyes=network()), "eyes.frst", "near it: eyes.first"),
        (SimpleNamespace(), "first", "SimpleNamespace has no layer 'first'; it holds no torch module"),
    ],
)
def test_a_name_that_no_layer_has_is_refused_with_what_there_is(system: Any, name: str, message: str):
    with pytest.raises(InputError, match=message):
        find_layer(system, name)


def test_eight_threads_at_once_find_what_one_finds():
    net = network()  # in training mode, with a counter: what would go wrong without a lock
    before = state(net)
    rows = torch.randn(16, 1, 4, generator=torch.Generator().manual_seed(1))
    jobs = [(name, row) for row in rows for name in ("gradient", "guided", "layer")]

    def work(job: tuple[str, Tensor]) -> Tensor:
        found = ENGINES[job[0]](Scorer(net, Target(0)), {"text": job[1]})
        return found.gradients[0] if job[0] == "layer" else found.values["text"]

    serial = [work(job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for one, other in zip(serial, pool.map(work, jobs), strict=True):
                assert torch.equal(one, other)
    assert state(net) == before
    assert not torch.equal(serial[0], serial[1])  # guided and plain differ, so that a mix-up would show


def _others_view(hold: Any, look: Callable[[], Any]) -> Any:
    """What another thread sees inside ``hold()``, entered while this thread is inside its own."""
    inside, seen = threading.Event(), []

    def other() -> None:
        inside.set()
        with hold():
            seen.append(look())

    thread = threading.Thread(target=other)
    with hold():
        thread.start()
        inside.wait()
        thread.join(0.05)
        assert seen == []  # it waits
    thread.join(5)
    return seen[0]


def test_another_thread_waits_until_the_system_is_put_back():
    net = network()
    assert _others_view(lambda: held(net), lambda: net.training) is False
    assert net.training


def test_two_systems_that_share_a_module_take_turns():
    shared = network()
    systems = iter([nn.ModuleList([shared]), nn.ModuleList([shared])])
    assert _others_view(lambda: held(next(systems)), lambda: shared.training) is False
    assert shared.training
