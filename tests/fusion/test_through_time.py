"""Through time: closed forms of what each step gave, and that nothing is lost on the way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import EARS, EYES, Toy
from veridical.errors import ContractError, InputError
from veridical.fusion.line import FlowSettings
from veridical.fusion.tail import Head
from veridical.fusion.through_time import Conservation, Passage, flow, through_time, through_window
from veridical.modalities.observation import prepare
from veridical.modalities.target import Target
from veridical.modalities.unrolled import RecurrentSystem, Unrolled
from veridical.scenarios.courier.model import load

SCORE = Target(0, kind="logit")


class Walker(nn.Module):
    """A system that reads its features row by row, two rows a step where asked; the score of STOP is the state's sum.

    The features of a sense are its input.
    """

    actions = ("STOP", "GO")

    def __init__(self, step: Callable[[Tensor, Mapping[str, Tensor]], Tensor], start: Tensor, wide: int = 1) -> None:
        super().__init__()
        self.step, self.start, self.wide = step, start, wide
        self.modalities = {"audio": EARS, "vision": EYES}

    def encode(self, modality: str, x: Tensor) -> Tensor:
        return x

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        count = max(x.shape[1] for x in features.values()) - self.wide + 1
        rows = [{m: np.arange(k, k + self.wide) for m, x in features.items() if k < x.shape[1]} for k in range(count)]
        return Unrolled(
            start=self.start if state is None else state,
            inputs=tuple({m: features[m][:, r] for m, r in row.items()} for row in rows),
            origins=tuple(rows),
            times=tuple((float(k), k + 1.0) for k in range(count)),
            advance=self.step,
            read=lambda s: torch.stack((s.flatten(1).sum(1), torch.zeros(len(s))), 1),
        )

    def decide(self, features: Mapping[str, Tensor]) -> Tensor:
        unrolled = self.unroll(features)
        state = unrolled.start
        for inputs in unrolled.inputs:
            state = unrolled.advance(state, inputs)
        return unrolled.read(state)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})


def fading(share: float) -> Walker:
    return Walker(lambda s, x: share * s + x["audio"].sum(1), torch.zeros(1, 3))


class Gated(nn.Module):
    """A GRU over the rows of the sound; frames are heard as sounds where there are any."""

    def __init__(self, seed: int, scale: float = 2.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.cell = nn.GRUCell(3, 5)
        with torch.no_grad():
            for p in self.cell.parameters():
                p.mul_(scale)

    def forward(self, state: Tensor, x: Mapping[str, Tensor]) -> Tensor:
        heard = sum(v.flatten(3).sum((1, 3)) if v.ndim > 3 else v.sum(1) for v in x.values())
        return self.cell(heard, state.expand(len(heard), -1))  # type: ignore[arg-type, union-attr]


def remembering(seed: int) -> Walker:
    return Walker(Gated(seed), torch.zeros(1, 5))


def rows(count: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(1, count, 3, generator=torch.Generator().manual_seed(seed))


def total(found: Any) -> float:
    return sum(float(v.sum()) for v in found.by_time.values())


def test_a_linear_memory_gives_each_step_its_power_of_what_fades():
    x, base = rows(6), rows(6, 1)
    found = through_time(fading(0.5), {"audio": x}, {"audio": base}, SCORE)
    wanted = [0.5 ** (5 - k) * float((x - base)[0, k].sum()) for k in range(6)]
    np.testing.assert_allclose(found.by_time["audio"], wanted, atol=1e-5)
    np.testing.assert_allclose(found.by_row["audio"], wanted, atol=1e-5)
    assert found.times == tuple((float(k), k + 1.0) for k in range(6))
    assert found.older == 0
    assert found.gap < 1e-5


def test_a_product_is_shared_evenly_between_its_factors():
    """s = x1 x2 from 2 x 3 to 5 x 7: each factor's change, times the mean of the other."""
    system = Walker(lambda s, x: s * x["audio"].sum(1), torch.ones(1, 1))
    x, base = torch.tensor([[[5.0], [7.0]]]), torch.tensor([[[2.0], [3.0]]])
    found = through_time(system, {"audio": x}, {"audio": base}, SCORE)
    np.testing.assert_allclose(found.by_time["audio"], [(5 - 2) * (7 + 3) / 2, (7 - 3) * (5 + 2) / 2], rtol=1e-6)
    (first, last) = found.conservation
    assert (last.relevance_in, last.to_inputs) == pytest.approx((35 - 6, 14))
    assert first.relevance_in == last.to_state == pytest.approx(15)


def test_what_comes_into_a_step_goes_out_of_it():
    for seed in range(5):
        system, x, base = remembering(seed), rows(12, seed), rows(12, seed + 100)
        found = through_time(system, {"audio": x}, {"audio": base}, SCORE, FlowSettings(tolerance=0.001))
        with torch.no_grad():
            scores = [float(system({"audio": v})[0, 0]) for v in (x, base)]
        assert (found.score, found.baseline_score) == pytest.approx(scores, abs=1e-6)
        assert found.reading.relevance_in == pytest.approx(found.difference)
        flows = [found.reading.to_state, *(c.to_state for c in reversed(found.conservation))]
        assert flows[:-1] == [c.relevance_in for c in reversed(found.conservation)]
        assert flows[-1] == found.older == 0
        for step in found.conservation:
            assert abs(step.gap) <= max(0.001 * abs(step.relevance_in), 1e-4) + 1e-5
        assert found.gap <= sum(abs(c.gap) for c in found.conservation) + 1e-5
        assert found.gap == pytest.approx(abs(total(found) - found.difference))


def test_the_gap_goes_to_nothing_with_the_nodes():
    def gap(nodes: int) -> float:
        settings = FlowSettings(nodes=nodes, most=2 * nodes, tolerance=0.0)
        found = through_time(remembering(3), {"audio": rows(8, 3, 6.0)}, {"audio": rows(8, 4, 6.0)}, SCORE, settings)
        return max(abs(c.gap) for c in found.conservation)

    gaps = [gap(n) for n in (1, 3, 9, 27)]
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]
    assert gaps[3] < 1e-4


def test_rows_that_several_steps_see_get_the_sum_of_what_they_gave():
    system = Walker(lambda s, x: s + x["audio"].sum(1), torch.zeros(1, 3), wide=2)
    x = rows(4)
    found = through_time(system, {"audio": x}, {"audio": torch.zeros_like(x)}, SCORE)
    each = x[0].sum(1).double().numpy()
    np.testing.assert_allclose(found.by_row["audio"], each * [1, 2, 2, 1], atol=1e-5)
    np.testing.assert_allclose(found.by_time["audio"], each[:-1] + each[1:], atol=1e-5)


def test_places_in_a_frame_are_kept_and_a_sense_may_end_before_the_others():
    x = {"audio": rows(4), "vision": torch.randn(1, 2, 3, 2, 2, generator=torch.Generator().manual_seed(2))}
    base = {m: torch.zeros_like(v) for m, v in x.items()}

    def step(s: Tensor, x: Mapping[str, Tensor]) -> Tensor:
        return s + x["audio"].sum(1) + (x["vision"].sum((1, 3, 4)) if "vision" in x else 0)

    found = through_time(Walker(step, torch.zeros(1, 3)), x, base, SCORE)
    assert found.steps[0]["vision"].shape == (1, 2, 2)
    assert list(found.steps[3]) == ["audio"]
    np.testing.assert_allclose(found.by_row["vision"], x["vision"][0].sum(1), atol=1e-5)
    np.testing.assert_allclose(found.by_time["vision"], [*x["vision"][0].sum((1, 2, 3)).tolist(), 0, 0], atol=1e-5)


def test_what_was_remembered_before_is_told_as_older():
    system, x, base = remembering(1), rows(9, 1), rows(9, 2)
    whole = through_time(system, {"audio": x}, {"audio": base}, SCORE)
    with torch.no_grad():
        states = []
        for given in (x, base):
            state = system.start
            for k in range(5):
                state = system.step(state, {"audio": given[:, k : k + 1]})
            states.append(state)
    late = through_time(system, {"audio": x[:, 5:]}, {"audio": base[:, 5:]}, SCORE, states=(states[0], states[1]))
    np.testing.assert_allclose(late.by_time["audio"], whole.by_time["audio"][5:], atol=1e-6)
    assert late.older == pytest.approx(whole.conservation[5].to_state, abs=1e-6)
    assert late.older == pytest.approx(whole.by_time["audio"][:5].sum(), abs=0.01)


def test_a_cause_that_a_later_step_saturates_is_found():
    """s = tanh(4 s + 4 x) goes to 1 at the first x, and stays: the gradient at the input knows nothing of it."""
    system = Walker(lambda s, x: torch.tanh(4 * s + 4 * x["audio"].sum(1)), torch.zeros(1, 1))
    x = torch.zeros(1, 10, 1)
    x[0, 0] = 1.0
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(system({"audio": leaf})[0, 0], leaf)
    found = through_time(system, {"audio": x}, {"audio": torch.zeros_like(x)}, SCORE)
    assert slope.abs().max() < 0.02
    np.testing.assert_allclose(found.by_time["audio"][0], found.difference, atol=0.01)
    assert found.difference > 0.99


# Gates


def gate(s: Tensor, x: Mapping[str, Tensor]) -> Tensor:
    return s + (torch.sigmoid(x["audio"][..., 0]) * x["audio"][..., 1]).sum(1, keepdim=True)


def test_gates_that_take_nothing_leave_their_own_change_as_the_gap():
    system = Walker(gate, torch.zeros(1, 1))
    x, base = torch.tensor([[[2.0, 3.0]]]), torch.tensor([[[-1.0, 1.0]]])
    share = through_time(system, {"audio": x}, {"audio": base}, SCORE)
    signal = through_time(system, {"audio": x}, {"audio": base}, SCORE, FlowSettings(gates="signal"))
    # The mean of the gate on the line from -1 to 2: log(1 + e^z) is its antiderivative.
    mean = (math.log1p(math.exp(2)) - math.log1p(math.exp(-1))) / 3
    assert total(signal) == pytest.approx(2 * mean, rel=1e-5)
    assert total(share) == pytest.approx(share.difference, rel=1e-4)
    assert signal.conservation[0].gap == pytest.approx(signal.difference - 2 * mean, rel=1e-4)
    assert signal.nodes == share.nodes + 16


def test_of_a_gru_the_gates_are_found_inside_the_cell():
    """Held against a GRU written out, its gates detached by hand (equations of torch.nn.GRUCell)."""
    gated = Gated(2)
    cell = gated.cell

    def by_hand(s: Tensor, x: Mapping[str, Tensor]) -> Tensor:
        heard = x["audio"].sum(1)
        s = s.expand(len(heard), -1)
        r, z, n = (heard @ cell.weight_ih.T + cell.bias_ih).chunk(3, 1)
        hr, hz, hn = (s @ cell.weight_hh.T + cell.bias_hh).chunk(3, 1)
        reset, update = (1 / (1 + torch.exp(-(r + hr)))).detach(), (1 / (1 + torch.exp(-(z + hz)))).detach()
        return (1 - update) * torch.tanh(n + reset * hn) + update * s

    x, base = {"audio": rows(5, 1)}, {"audio": rows(5, 2)}
    settings = {"nodes": 12, "most": 24, "tolerance": 1.0}
    ours = through_time(Walker(gated, torch.zeros(1, 5)), x, base, SCORE, FlowSettings(**settings, gates="signal"))
    hand = through_time(Walker(by_hand, torch.zeros(1, 5)), x, base, SCORE, FlowSettings(**settings))
    np.testing.assert_allclose(ours.by_time["audio"], hand.by_time["audio"], atol=1e-5)
    share = through_time(Walker(gated, torch.zeros(1, 5)), x, base, SCORE, FlowSettings(**settings))
    assert np.abs(share.by_time["audio"] - ours.by_time["audio"]).max() > 0.01


def test_a_step_without_gates_has_none_that_could_take_nothing():
    x = {"audio": rows(2)}
    with pytest.raises(InputError, match=r"^through time: step 1 has no gate \(a sigmoid\) that could take nothing"):
        through_time(fading(0.5), x, {"audio": rows(2, 1)}, SCORE, FlowSettings(gates="signal"))


# A window


def test_of_a_window_every_slot_gets_its_own():
    system = Walker(lambda s, x: s + x["audio"].sum(1) ** 2, torch.zeros(1, 3))
    x, base = rows(4, 1), rows(4, 2)
    found = through_window(system, {"audio": x}, {"audio": base}, SCORE)
    np.testing.assert_allclose(found.by_time["audio"], (x**2 - base**2)[0].sum(1), rtol=1e-4)
    np.testing.assert_array_equal(found.by_row["audio"], found.by_time["audio"])
    assert found.gap < 1e-4
    assert found.nodes == 16


# Bad input


@pytest.mark.usefixtures("unchecked")
def test_a_system_without_steps_is_refused():
    none: Any = Toy(lambda i: i["audio"].sum(1), EARS)
    with pytest.raises(InputError, match="Toy has no unroll; try through_window"):
        through_time(none, {"audio": rows(2)}, {"audio": rows(2)}, SCORE)


@pytest.mark.parametrize(
    ("features", "baselines", "told"),
    [
        ({"audio": rows(3)}, {"audio": rows(4)}, r"baselines {'audio': \(1, 4, 3\)} for features"),
        ({"audio": rows(3)}, {"vision": rows(3)}, "the same senses and shapes are wanted"),
        ({}, {}, "the same senses and shapes are wanted"),
        ({"audio": rows(3).expand(2, -1, -1)}, {"audio": rows(3).expand(2, -1, -1)}, "one observation"),
        ({"audio": torch.ones(1, 3, 3).long()}, {"audio": torch.ones(1, 3, 3).long()}, "which has no gradient"),
    ],
)
@pytest.mark.parametrize("way", [through_time, through_window])
def test_features_that_do_not_fit_are_refused(way, features, baselines, told):
    with pytest.raises(InputError, match=told):
        way(fading(0.5), features, baselines, SCORE)


def test_a_step_that_stops_gradients_is_told():
    system = Walker(lambda s, x: (s + x["audio"].sum(1)).detach(), torch.zeros(1, 3))
    with pytest.raises(ContractError, match="no gradient passes through step 1; look for"):
        through_time(system, {"audio": rows(2)}, {"audio": rows(2, 1)}, SCORE)


def test_a_gap_is_told_as_a_share_of_what_passed_through():
    assert Conservation(2.0, 1.0, 0.5).share == 0.25
    assert Conservation(0.1, 4.0, -3.8).share == pytest.approx(0.025)
    assert Conservation(0.0, 0.0, 0.0).share == 0


def test_no_steps_give_all_to_what_is_older():
    read = lambda s: torch.stack((s.sum(1), 0 * s.sum(1)), 1)  # noqa: E731
    still = Passage((torch.ones(1, 2), torch.zeros(1, 2)), [], [], [], lambda s, x: s, read)
    found = flow(still, SCORE)
    assert (found.older, found.gap, found.steps) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-6), ())


# Courier


def test_courier_loses_no_more_than_a_hundredth_at_any_step():
    courier = load()
    assert isinstance(courier, RecurrentSystem)
    head, prepared = Head(courier), prepare(courier, courier.example())
    features = head.encode({m: p.tensor for m, p in prepared.items()})
    baselines = head.encode({m: p.baseline for m, p in prepared.items()})
    target = Target(courier.actions.index("STOP"))
    found = through_time(courier, features, baselines, target)
    with torch.no_grad():
        assert found.score == pytest.approx(float(target(courier.decide(features))), abs=1e-4)
        assert found.baseline_score == pytest.approx(float(target(courier.decide(baselines))), abs=1e-4)
    assert max(c.share for c in (*found.conservation, found.reading)) < 0.01
    assert found.gap < 0.01 * abs(found.difference)
    assert found.by_row["vision"].shape == (3, 7, 7)
    assert {m: len(v) for m, v in found.by_row.items()} == {m: x.shape[1] for m, x in features.items()}
    for m, values in found.by_time.items():
        assert values.sum() == pytest.approx(found.by_row[m].sum(), abs=1e-6)
    assert found.by_time["vision"].sum() > 2  # the cat in the way
    assert not any(p.requires_grad for p in courier.head.parameters())
