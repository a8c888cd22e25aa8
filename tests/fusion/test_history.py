"""A stream's history: as good as the whole while it holds the whole, and never larger than it may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import Toy
from veridical.errors import InputError
from veridical.fusion.history import History
from veridical.fusion.line import FlowSettings
from veridical.fusion.tail import Head
from veridical.fusion.through_time import through_time
from veridical.modalities.observation import prepare
from veridical.modalities.target import Target
from veridical.modalities.unrolled import Unrolled
from veridical.scenarios.courier.model import load

SCORE = Target(0, kind="logit")


class Stream(nn.Module):
    """A GRU over the rows of a sound, whose state's sum is the score of STOP."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.modalities: dict[str, Any] = {}
        self.cell = nn.GRUCell(3, 4)

    def encode(self, modality: str, x: Tensor) -> Tensor:
        return x

    def unroll(self, features: Any, state: Tensor | None = None) -> Unrolled:
        count = features["audio"].shape[1]
        return Unrolled(
            start=torch.zeros(1, 4) if state is None else state,
            inputs=tuple({"audio": features["audio"][:, k : k + 1]} for k in range(count)),
            origins=tuple({"audio": np.array([k])} for k in range(count)),
            times=tuple((float(k), k + 1.0) for k in range(count)),
            advance=lambda s, x: self.cell(x["audio"].sum(1), s.expand(len(x["audio"]), -1)),
            read=lambda s: torch.stack((s.sum(1), torch.zeros(len(s))), 1),
        )

    def decide(self, features: Any) -> Tensor:
        unrolled = self.unroll(features)
        state = unrolled.start
        for inputs in unrolled.inputs:
            state = unrolled.advance(state, inputs)
        return unrolled.read(state)

    def forward(self, inputs: Any) -> Tensor:
        return self.decide(inputs)


def rows(count: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(1, count, 3, generator=torch.Generator().manual_seed(seed))


def streamed(system: Stream, x: Tensor, base: Tensor, steps: int) -> History:
    history = History(system, steps)
    for k in range(x.shape[1]):
        history.push({"audio": x[:, k : k + 1]}, {"audio": base[:, k : k + 1]})
    return history


@pytest.mark.parametrize("steps", [8, 20])
def test_while_all_steps_are_kept_the_account_is_that_of_the_whole(steps):
    system, x, base = Stream(), rows(8), rows(8, 1)
    whole = through_time(system, {"audio": x}, {"audio": base}, SCORE)
    found = streamed(system, x, base, steps).attribute(SCORE)
    np.testing.assert_array_equal(found.by_time["audio"], whole.by_time["audio"])
    assert found.conservation == whole.conservation
    assert found.times == whole.times
    assert (found.older, found.by_row) == (0, {})


def test_what_was_let_go_of_is_told_as_older():
    system, x, base = Stream(), rows(12), rows(12, 1)
    whole = through_time(system, {"audio": x}, {"audio": base}, SCORE)
    history = streamed(system, x, base, 3)
    found = history.attribute(SCORE)
    assert (len(history), history.pushed) == (3, 12)
    assert found.times == ((9.0, 10.0), (10.0, 11.0), (11.0, 12.0))
    np.testing.assert_allclose(found.by_time["audio"], whole.by_time["audio"][-3:], atol=1e-5)
    assert found.older == pytest.approx(whole.conservation[9].to_state, abs=1e-5)
    assert found.gap < 0.01 * abs(found.difference)


def test_memory_is_flat_once_the_history_is_full():
    history, sizes = History(Stream(), 5), []
    for k in range(40):
        history.push({"audio": rows(1, k)}, {"audio": rows(1, 100 + k)})
        sizes.append(history.bytes)
    row, state = 3 * 4, 4 * 4
    assert sizes[:5] == [2 * row * n + 3 * state for n in range(1, 6)]
    assert set(sizes[4:]) == {sizes[4]}


def test_a_step_that_was_cut_from_a_long_recording_does_not_keep_the_recording():
    history, long = History(Stream(), 2), rows(1000)
    history.push({"audio": long[:, 500:501]}, {"audio": long[:, :1]})
    kept = [x for step in history._kept for x in (*step.inputs.values(), *step.baselines.values())]
    assert all(x.untyped_storage().nbytes() == x.nbytes for x in kept)


def test_a_push_tells_the_scores_now():
    system, x = Stream(), rows(6)
    history, scores = History(system, 2), torch.zeros(1, 2)
    for k in range(6):
        scores = history.push({"audio": x[:, k : k + 1]}, {"audio": torch.zeros(1, 1, 3)})
        with torch.no_grad():
            torch.testing.assert_close(scores, system({"audio": x[:, : k + 1]}))
    assert history.attribute(SCORE).score == pytest.approx(float(scores[0, 0]), abs=1e-6)


def test_times_may_be_told_and_may_not_go_back():
    history, x = History(Stream(), 3), {"audio": rows(1)}
    history.push(x, x, (10.0, 10.5))
    history.push(x, x, (10.5, 11.0))
    assert history.attribute(SCORE).times == ((10.0, 10.5), (10.5, 11.0))
    with pytest.raises(InputError, match=r"step 2 lasts from 9 to 9\.5 s, the one before began at 10\.5 s"):
        history.push(x, x, (9.0, 9.5))
    with pytest.raises(InputError, match=r"step 2 lasts from 12 to 11 s"):
        history.push(x, x, (12.0, 11.0))
    assert (len(history), history.pushed) == (2, 2)


def test_bad_input_is_refused_in_words():
    history, x = History(Stream(), 3), {"audio": rows(1)}
    with pytest.raises(InputError, match=r"^history: no step yet; push one first$"):
        history.attribute(SCORE)
    with pytest.raises(InputError, match=r"step 0 has inputs {} and baselines {}"):
        history.push({}, {})
    with pytest.raises(InputError, match="the same senses and shapes are wanted"):
        history.push(x, {"audio": rows(2)})
    with pytest.raises(InputError, match=r"batches of one \(1, rows, \.\.\.\) are wanted"):
        history.push({"audio": torch.ones(2, 1, 3)}, {"audio": torch.ones(2, 1, 3)})
    with pytest.raises(InputError, match=r"^history: 0 steps; at least 1 is wanted$"):
        History(Stream(), 0)


@pytest.mark.usefixtures("unchecked")
def test_a_system_without_a_state_is_refused():
    none: Any = Toy(lambda i: i["audio"].sum(1))
    with pytest.raises(InputError, match="history: Toy has no unroll; a system with a state is wanted"):
        History(none, 3)


def test_courier_is_streamed_as_it_is_unrolled():
    courier = load()
    prepared, head = prepare(courier, courier.example()), Head(courier)
    features = head.encode({m: p.tensor for m, p in prepared.items()})
    baselines = head.encode({m: p.baseline for m, p in prepared.items()})
    target, settings = Target(2), FlowSettings(tolerance=0.01)
    whole, base = courier.unroll(features), courier.unroll(baselines)
    all_kept, two_kept = History(courier, 3), History(courier, 2)
    scores: list[Tensor] = []
    for inputs, others in zip(whole.inputs, base.inputs, strict=True):
        scores = [history.push(inputs, others) for history in (all_kept, two_kept)]
    with torch.no_grad():
        torch.testing.assert_close(scores[0], courier.decide(features))
    wanted = through_time(courier, features, baselines, target, settings)
    found = all_kept.attribute(target, settings)
    for m, values in wanted.by_time.items():
        np.testing.assert_allclose(found.by_time[m], values, atol=1e-5)
    late = two_kept.attribute(target, settings)
    assert late.older == pytest.approx(wanted.conservation[1].to_state, abs=1e-4)
    assert two_kept.bytes < all_kept.bytes
