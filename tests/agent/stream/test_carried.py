"""Carried: a stream taken step by step is the whole taken at once."""

from __future__ import annotations

import pytest
import torch

from tests.agent.stream.small import SOURCES, Walker, frame
from veridical.agent.stream.carried import Carried, Memory
from veridical.agent.stream.stream import Stream
from veridical.modalities.held import parts
from veridical.modalities.unrolled import AttentiveSystem, RecurrentSystem
from veridical.scenarios.courier.head import CourierHead, HeadSize


class Head(Walker):
    """Courier's head, small and random, over what `Walker` sees."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.head = CourierHead(HeadSize(vision=3, audio=1, text=8, width=8, heads=2, slots=2, cells=1)).eval()
        self.actions = ("PROCEED", "SLOW", "STOP", "YIELD")

    def encode(self, modality: str, x: torch.Tensor) -> torch.Tensor:
        features = super().encode(modality, x)
        return features[..., None, None] if modality == "vision" else features

    def decide(self, features):
        return self.head(features)

    def unroll(self, features, state=None):
        return self.head.unroll(features, state)


@torch.no_grad()
@pytest.mark.parametrize(("system", "every"), [(Walker(), 1.0), (Head(), 1.0), (Head(), 0.5)])
def test_a_stream_carried_step_by_step_is_the_whole_at_once(system: Walker, every: float):
    stream = Stream(system, {m: SOURCES[m] for m in ("vision", "text")}, carry=True)
    stream.push("text", "go on", 0.0)
    frames = [frame(k) for k in range(21)]
    for k, picture in enumerate(frames):
        at = k * 0.5
        stream.push("vision", picture, at)
        if at % every:
            continue
        observed, given = stream.observe(at)
        taken = [frames[k - 2 * i] for i in range(k // 2 + 1)][::-1]  # all of this phase, from the first on
        whole = {m: system.encode(m, system.modalities[m].prepare(s).tensor) for m, s in
                 (("vision", taken), ("text", "go on"))}  # fmt: skip
        expected = system.decide(whole)
        deciding = given.system or system
        assert isinstance(deciding, RecurrentSystem)
        torch.testing.assert_close(deciding.decide(given.features), expected, rtol=1e-4, atol=1e-5)
        assert given.logits is not None
        torch.testing.assert_close(given.logits, expected[0], rtol=1e-4, atol=1e-5)
        inputs = {m: system.modalities[m].prepare(s).tensor for m, s in observed.items()}
        torch.testing.assert_close(deciding(inputs), expected, rtol=1e-4, atol=1e-5)
        assert (given.system is not None) == (at >= 3.0)


@torch.no_grad()
def test_the_share_of_the_state_is_told():
    stream = Stream(Walker(), {"vision": SOURCES["vision"]}, carry=True)
    notes = ()
    for k in range(5):
        stream.push("vision", frame(k), float(k))
        notes = stream.observe()[1].notes
    means = [frame(k).mean() / 255 for k in range(5)]
    with_all, of_three = (sum(10 * x / 2**i for i, x in enumerate(means[::-1][:n])) for n in (5, 3))
    (note,) = [n for n in notes if "carried into" in n]
    assert f"of {with_all:.2f} nats for STOP it makes {with_all - of_three:+.2f}" in note


def test_a_state_is_a_constant_and_part_of_the_digest():
    system = Walker()
    one, two = (Carried(system, torch.full((1, 1), float(x))) for x in (1, 2))
    assert isinstance(one, RecurrentSystem)
    assert not isinstance(one, AttentiveSystem)
    assert len({system.digest, one.digest, two.digest, Carried(system, torch.ones(1, 1)).digest}) == 3
    assert one.digest == Carried(system, torch.ones(1, 1)).digest
    assert not Carried(system, torch.ones(1, 1, requires_grad=True)).state.requires_grad
    assert (one.name, one.actions) == (system.name, system.actions)


def test_who_holds_it_holds_the_systems_networks():
    system = Head()
    carried = Carried(system, system.head.slots[None])
    assert set(map(id, parts(carried).values())) == set(map(id, parts(system).values()))


def test_what_was_measured_with_nothing_remembered_is_not_passed_on():
    class Known(Walker):
        reference, task = "measured", "a task"

    carried = Carried(Known(), torch.ones(1, 1))
    assert carried.task == "a task"
    assert getattr(carried, "reference", None) is None
    with pytest.raises(AttributeError, match="'Carried' object has no attribute 'reference'"):
        _ = carried.reference


@torch.no_grad()
def test_memory_keeps_what_is_near_and_forgets_what_was_before():
    system, memory = Walker(), Memory(1.0)
    features = {"vision": torch.ones(1, 3, 3)}
    memory.learn(system.unroll(features), 10.0)
    assert len(memory) == 3
    found = memory.near(11.3)
    assert found is not None
    assert (found[0], found[1].tolist()) == (11.0, [[1.0]])
    assert memory.near(10.5) is None
    assert memory.near(13.6) is None
    memory.learn(system.unroll(features), 10.0)
    assert len(memory) == 3
    memory.forget_before(12.5)
    assert len(memory) == 1
    memory.clear()
    assert memory.near(13.0) is None


@torch.no_grad()
def test_memory_is_bounded():
    stream = Stream(Walker(), {"vision": SOURCES["vision"]}, carry=True)
    for k in range(100):
        stream.push("vision", frame(k), k / 10)
        stream.observe()
    assert stream.status()["remembered"] <= 60
