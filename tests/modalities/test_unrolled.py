"""What systems may offer beyond the contract: steps that can be followed, attention that can be seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.toys import EARS, READER, SENTENCE, Split, Toy, linear, reads_cat
from veridical.modalities.contract import SplitSystem, System
from veridical.modalities.observation import prepare
from veridical.modalities.unrolled import AttentiveSystem, RecurrentSystem, Unrolled
from veridical.scenarios.courier.model import Courier, load


class Counting(Split):
    """Reads word by word, and counts cats; shows that it looks at every word alike."""

    def __init__(self) -> None:
        super().__init__(reads_cat, READER)

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        rows = features["text"].split(1, 1)
        return Unrolled(
            start=torch.full((1, 1), -1.0) if state is None else state,
            inputs=tuple({"text": row} for row in rows),
            origins=tuple({"text": np.array([k])} for k in range(len(rows))),
            times=tuple((float(k), k + 1.0) for k in range(len(rows))),
            advance=lambda s, x: s + 4 * x["text"][:, :, 6].sum(1, keepdim=True),
            read=lambda s: torch.cat((s, torch.zeros_like(s)), 1),
        )

    def attention(self, features: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], ...]:
        batch, rows = features["text"].shape[:2]
        return ({"text": torch.full((batch, rows), 1 / rows)},)


class Unsplit(Toy):
    """Unrolls and attends, but cannot be split."""

    unroll, attention = Counting.unroll, Counting.attention


@pytest.fixture(scope="module")
def courier() -> Courier:
    return load()


def test_courier_can_be_split_followed_step_by_step_and_seen_to_attend(courier):
    assert isinstance(courier, SplitSystem)
    assert isinstance(courier, RecurrentSystem)
    assert isinstance(courier, AttentiveSystem)


def test_a_system_with_all_methods_is_both():
    assert isinstance(Counting(), RecurrentSystem)
    assert isinstance(Counting(), AttentiveSystem)


@pytest.mark.parametrize("system", [Toy(linear({})), Split(linear({}))])
def test_a_system_without_steps_or_attention_is_neither(system):
    assert isinstance(system, System)
    assert not isinstance(system, RecurrentSystem)
    assert not isinstance(system, AttentiveSystem)


def test_a_system_that_cannot_be_split_is_neither_whatever_else_it_has():
    system = Unsplit(reads_cat, READER)
    assert not isinstance(system, RecurrentSystem)
    assert not isinstance(system, AttentiveSystem)


def test_each_is_asked_for_by_itself():
    class Steps(Split):
        unroll = Counting.unroll

    class Looks(Split):
        attention = Counting.attention

    steps, looks = Steps(reads_cat, READER), Looks(reads_cat, READER)
    assert [isinstance(steps, kind) for kind in (RecurrentSystem, AttentiveSystem)] == [True, False]
    assert [isinstance(looks, kind) for kind in (RecurrentSystem, AttentiveSystem)] == [False, True]


def ending(unrolled: Unrolled) -> Tensor:
    state = unrolled.start
    for inputs in unrolled.inputs:
        state = unrolled.advance(state, inputs)
    return unrolled.read(state)


def check(unrolled: Unrolled, features: Mapping[str, Tensor]) -> None:
    """What holds of every unrolled decision: one row of inputs, origins and times a step, and inputs are those rows."""
    assert len(unrolled.inputs) == len(unrolled.origins) == len(unrolled.times)
    for inputs, origins, (first, last) in zip(unrolled.inputs, unrolled.origins, unrolled.times, strict=True):
        assert set(inputs) == set(origins)
        assert first < last
        for m, rows in origins.items():
            assert torch.equal(inputs[m], features[m][:, torch.from_numpy(rows)])


@pytest.mark.parametrize("text", [SENTENCE, "go by", "cat cat cat"])
def test_steps_end_in_the_scores_of_the_whole(text: str):
    system = Counting()
    features = {m: system.encode(m, p.tensor) for m, p in prepare(system, {"text": text}).items()}
    unrolled = system.unroll(features)
    check(unrolled, features)
    assert torch.equal(ending(unrolled), system.decide(features))
    assert float(ending(unrolled)[0, 0]) == 4 * text.split().count("cat") - 1


def test_from_a_state_on_it_goes_on_from_there():
    system = Counting()
    features = {"text": prepare(system, {"text": "cat"})["text"].tensor}
    assert ending(system.unroll(features, torch.full((1, 1), 10.0))).tolist() == [[14.0, 0.0]]


@torch.no_grad()
def test_couriers_steps_end_in_its_scores_and_its_attention_sums_to_one_at_most(courier):
    make = torch.Generator().manual_seed(0)
    shapes = {"vision": (2, 3, 1280, 7, 7), "audio": (2, 6, 521), "text": (2, 9, 384)}
    features = {m: torch.rand(shape, generator=make) for m, shape in shapes.items()}
    unrolled = courier.unroll(features)
    check(unrolled, features)
    torch.testing.assert_close(ending(unrolled), courier.decide(features), rtol=1e-4, atol=1e-4)
    shown = courier.attention(features)
    assert len(shown) == len(unrolled.inputs)
    for step in shown:
        assert {m: w.shape[:2] for m, w in step.items()} == {m: x.shape[:2] for m, x in features.items() if m in step}
        assert all(bool((w >= 0).all()) for w in step.values())
        given = torch.stack([w.flatten(1).sum(1) for w in step.values()]).sum(0)
        assert float(given.max()) <= 1 + 1e-5
    assert EARS.name in shown[0]
