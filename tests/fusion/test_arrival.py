"""The decision at successive steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, Split, Toy, picture, sees_red, sound
from veridical.errors import ContractError, InputError
from veridical.fusion.arrival import arrivals, saliency_by_step
from veridical.modalities.observation import prepare
from veridical.modalities.target import Target
from veridical.modalities.unrolled import Unrolled
from veridical.scenarios.courier.model import load


class Counter(Split):
    """Its state halves at each step and takes in the redness of a frame, and the loudness of a second of sound."""

    def __init__(self, off: float = 0.0) -> None:
        super().__init__(self.total, EYES, EARS)
        self.off = off

    def taken(self, m: str, x: Tensor) -> Tensor:
        return x[:, :, 0].mean((2, 3)) if m == "vision" else x.abs().unflatten(1, (-1, RATE)).mean(2)

    def total(self, inputs: Mapping[str, Tensor]) -> Tensor:
        rows = sum(self.taken(m, x) for m, x in inputs.items())
        assert isinstance(rows, Tensor)
        halved = 0.5 ** torch.arange(rows.shape[1] - 1, -1, -1)
        return 1 + self.off + rows @ halved

    def unroll(self, features: Mapping[str, Tensor], state: Tensor | None = None) -> Unrolled:
        taken = {m: self.taken(m, x) for m, x in features.items()}
        steps = next(iter(taken.values())).shape[1]

        def read(state: Tensor) -> Tensor:
            return torch.stack((1 + state[:, 0], torch.zeros_like(state[:, 0])), 1)

        return Unrolled(
            start=torch.zeros(1, 1),
            inputs=tuple({m: x[:, k : k + 1] for m, x in taken.items()} for k in range(steps)),
            origins=tuple({m: np.array([k]) for m in taken} for k in range(steps)),
            times=tuple((float(k), k + 1.0) for k in range(steps)),
            advance=lambda state, inputs: 0.5 * state + sum(inputs.values(), torch.zeros(1, 1)),
            read=read,
        )


OBSERVATION: dict[str, Any] = {"vision": picture(3), "audio": (np.tile(sound(), 3), RATE)}


def test_a_system_with_a_state_is_read_after_every_step_and_ends_in_its_decision():
    system = Counter()
    prepared = prepare(system, OBSERVATION)
    inputs = {m: p.tensor for m, p in prepared.items()}
    found = arrivals(system, prepared)
    red, loud = (system.taken(m, x)[0].tolist() for m, x in inputs.items())
    expected = [1.0]
    for r, h in zip(red, loud, strict=True):
        expected.append(1 + 0.5 * (expected[-1] - 1) + r + h)
    assert [step.score for step in found] == pytest.approx(expected[1:])
    assert [step.time for step in found] == [(0, 1), (1, 2), (2, 3)]
    assert found[-1].score == pytest.approx(float(system(inputs)[0, 0]))
    assert saliency_by_step(found) == pytest.approx(tuple(np.diff(expected)))
    for step, r, h in zip(found, red, loud, strict=True):
        assert step.by_sense == pytest.approx({"vision": r, "audio": h})
        assert step.probabilities["STOP"] == pytest.approx(1 / (1 + np.exp(-step.score)))
        assert sum(step.probabilities.values()) == pytest.approx(1)
        assert step.action == "STOP"


def test_of_one_sense_alone_a_step_brought_all_or_nothing():
    system = Counter()
    found = arrivals(system, prepare(system, {"vision": picture(2)}))
    red = system.taken("vision", prepare(system, {"vision": picture(2)})["vision"].tensor)[0].tolist()
    # Without the only sense the state stays as it was, and does not halve.
    assert found[1].by_sense["vision"] == pytest.approx(found[1].score - found[0].score)
    assert found[0].by_sense == pytest.approx({"vision": red[0]})


def test_steps_that_do_not_end_in_the_decision_are_refused():
    system = Counter(off=0.5)
    with pytest.raises(ContractError, match=r"decision scores .* and the last of 3 steps .*; unroll must end"):
        arrivals(system, prepare(system, OBSERVATION))


def test_ends_are_not_for_a_system_with_steps_of_its_own():
    system = Counter()
    with pytest.raises(InputError, match="Counter has steps of its own; leave out ends"):
        arrivals(system, prepare(system, OBSERVATION), ends=[1.0])


def test_any_other_system_is_given_more_and_more_frames():
    """The red square comes with the third frame."""
    frames = picture(3)
    frames[:2, 16:24, 16:24] = (20, 200, 20)
    system = Toy(sees_red, EYES, READER)
    prepared = prepare(system, {"vision": frames, "text": SENTENCE})
    found = arrivals(system, prepared)
    assert [step.time for step in found] == [(0, 1), (1, 2), (2, 3)]
    assert [step.action for step in found] == ["GO", "GO", "STOP"]
    assert found[0].score == pytest.approx(found[1].score, abs=1e-5)
    assert saliency_by_step(found)[0] is None
    assert saliency_by_step(found)[2] == pytest.approx(found[2].score - found[1].score)
    whole = float(system({m: p.tensor for m, p in prepared.items()})[0, 0])
    assert found[-1].score == whole
    assert all(step.by_sense == {} for step in found)


def test_sound_is_given_up_to_each_end_and_another_action_may_be_asked_for():
    heard: list[int] = []

    def loud(inputs: Mapping[str, Tensor]) -> Tensor:
        heard.append(inputs["audio"].shape[1])
        return inputs["audio"].abs().sum(1)

    system = Toy(loud, EARS)
    prepared = prepare(system, {"audio": (sound(), RATE)})
    heard.clear()
    found = arrivals(system, prepared, Target(1), parts=4)
    assert sorted(heard) == [RATE // 4, RATE // 2, 3 * RATE // 4, RATE]
    wave = np.abs(prepared["audio"].raw)
    assert [step.score for step in found] == pytest.approx([-wave[:n].sum() for n in sorted(heard)], rel=1e-4)
    heard.clear()
    assert [step.time for step in arrivals(system, prepared, ends=[0.1, 0.7])] == [(0, 0.1), (0.1, 0.7), (0.7, 1.0)]
    assert sorted(heard) == [RATE // 10, 7 * RATE // 10, RATE]


@pytest.mark.parametrize("ends", [[], [0.5, 0.5], [0.7, 0.2], [-1.0], [2.0], [float("nan")]])
def test_ends_rise_within_the_observation(ends):
    system = Toy(lambda i: i["audio"].sum(1), EARS)
    with pytest.raises(InputError, match=r"arrival: ends .* of 1 s; seconds that rise"):
        arrivals(system, prepare(system, {"audio": (sound(), RATE)}), ends=ends)


def test_words_alone_take_no_time():
    system = Toy(lambda i: i["text"].sum((1, 2)), READER)
    with pytest.raises(InputError, match="arrival: text take no time, so nothing arrives"):
        arrivals(system, prepare(system, {"text": SENTENCE}))


def test_a_system_that_wants_all_of_it_is_told_in_words():
    system = Toy(lambda i: i["audio"] @ torch.ones(RATE), EARS)
    with pytest.raises(InputError, match=r"Toy does not take the first 0.5 s alone: .*; give later ends, or a system"):
        arrivals(system, prepare(system, {"audio": (sound(), RATE)}), parts=2)


def test_an_arrival_is_plain_json():
    system = Counter()
    told = json.loads(json.dumps([step.to_dict() for step in arrivals(system, prepare(system, OBSERVATION))]))
    assert told[0]["time"] == [0, 1]
    assert set(told[0]["by_sense"]) == {"vision", "audio"}


def test_courier_changes_its_mind_as_the_cat_comes_nearer():
    courier = load()
    prepared = prepare(courier, courier.example())
    with torch.no_grad():
        logits = courier({m: p.tensor for m, p in prepared.items()})
    found = arrivals(courier, prepared)
    assert [step.action for step in found] == ["SLOW", "SLOW", "STOP"]
    assert found[-1].score == pytest.approx(float(Target(2)(logits)[0]), abs=1e-4)
    assert list(found[-1].probabilities.values()) == pytest.approx(logits[0].softmax(0).tolist(), abs=1e-5)
    changes = saliency_by_step(found)
    assert None not in changes
    assert changes[-1] == pytest.approx(found[-1].score - found[-2].score)
    assert set(found[0].by_sense) == {"vision", "audio", "text"}
