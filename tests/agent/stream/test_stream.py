"""Streams: whatever comes in whatever order, the window is right, the decision falls, memory is flat."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from tests.agent.stream.small import SOURCES, Answering, Walker, frame, noise
from tests.toys import EYES, RATE, Dropping, Toy, sees_red
from veridical.agent.stream.source import Source
from veridical.agent.stream.stream import Stream
from veridical.errors import InputError


def filled(seconds: float = 4.0, system: Any = None, **options: Any) -> Stream:
    stream = Stream(system or Walker(), SOURCES, **options)
    stream.push("text", "go on", 0.0)
    for k in range(round(10 * seconds)):
        stream.push("vision", frame(k), k / 10)
        stream.push("audio", noise(RATE // 10, k), k / 10)
    return stream


@pytest.mark.parametrize(
    ("sources", "options", "told"),
    [
        ({}, {}, "no sources"),
        ({"smell": SOURCES["vision"]}, {}, "no sense 'smell'; it has vision, audio, text"),
        (SOURCES, {"step": 0.0}, "a step of 0.0 s"),
        (SOURCES, {"step": 4.0}, "at most the shortest window"),
        (SOURCES, {"step": math.nan}, "a step of nan s"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(sources: dict, options: dict, told: str):
    with pytest.raises(InputError, match=told):
        Stream(Walker(), sources, **options)


def test_only_what_can_be_unrolled_carries():
    with pytest.raises(InputError, match="Toy has no unroll"):
        Stream(Toy(sees_red, EYES), {"vision": SOURCES["vision"]}, carry=True)


def test_a_worker_that_would_not_know_the_state_is_refused():
    agent: Any = Answering(Walker())
    agent.worker = object()
    assert Stream(agent, SOURCES).memory is None
    with pytest.raises(InputError, match="explain inline, or leave carry off"):
        Stream(agent, SOURCES, carry=True)


def test_a_system_in_training_mode_is_put_into_evaluation_mode_and_that_is_told():
    system = Dropping()
    stream = Stream(system, {"text": SOURCES["text"]})
    assert not system.drop.training
    assert "training mode" in stream.notes[0]


def test_an_unknown_sense_is_the_only_thing_that_push_raises():
    with pytest.raises(InputError, match="no source 'smell'; it has vision, audio, text"):
        filled(0.1).push("smell", frame(), 1.0)


def test_the_window_is_what_came_in():
    observation, known = filled().observe(3.9)
    assert all(np.array_equal(a, frame(k)) for a, k in zip(observation["vision"], (19, 29, 39), strict=True))
    wave = np.concatenate([noise(RATE // 10, k) for k in range(40)])
    assert np.array_equal(observation["audio"][0], wave[round(0.9 * RATE) : round(3.9 * RATE)])
    assert observation["text"] == "go on"
    assert list(known.features) == list(known.prepared) == ["vision", "audio", "text"]
    assert known.notes == ()
    assert known.system is None


ARRIVING = st.permutations([(m, k) for m in ("vision", "audio") for k in range(8)])


@settings(deadline=None, max_examples=40)
@given_by(ARRIVING, st.lists(st.tuples(st.sampled_from(["vision", "audio"]), st.integers(0, 7)), max_size=5))
def test_in_whatever_order_samples_come_the_window_is_the_same(order: list[tuple[str, int]], again: list):
    sources = {
        "vision": Source("frames", 5.0, 1.0, 1.0, 2.0),
        "audio": Source("sound", RATE, 1.0, 1.0, 2.0),
    }
    stream, sorted_ = (Stream(Walker(), sources, step=0.5) for _ in range(2))
    signal = {"vision": frame, "audio": lambda k: noise(RATE // 5, k)}
    for m, k in [*order, *again]:
        assert stream.push(m, signal[m](k), k / 5).kind in ("taken", "gap", "twice")
    for m, k in sorted(order):
        sorted_.push(m, signal[m](k), k / 5)
    (a, _), (b, _) = stream.observe(1.4), sorted_.observe(1.4)
    assert len(a["vision"]) == len(b["vision"]) == 2
    assert all(np.array_equal(x, y) for x, y in zip(a["vision"], b["vision"], strict=True))
    assert np.array_equal(a["audio"][0], b["audio"][0])


def test_decisions_with_and_without_reuse_are_the_same():
    system = Walker()
    streams = [filled(0.1, system, reuse=reuse) for reuse in (True, False)]
    for k in range(1, 60):
        found = []
        for stream in streams:
            stream.push("vision", frame(k), k / 10)
            stream.push("audio", noise(RATE // 10, k), k / 10)
            _, known = stream.observe()
            found.append(system.decide(known.features))
        torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)
    vision = [stream.once.status()["vision"]["encoded"] for stream in streams]
    assert vision[0]["made"] == 60
    assert vision[1]["made"] > 120


def test_the_agent_is_asked_with_what_is_known():
    agent = Answering(Walker())
    stream = filled(system=agent)
    assert stream.decide(3.9, request=True) == "STOP"
    observation, known, request = agent.asked[0]
    assert list(observation) == ["vision", "audio", "text"]
    assert list(known.features) == ["vision", "audio", "text"]
    assert request is True
    told = stream.status()
    assert (told["decisions"], told["troubles"], told["trouble"]) == (1, 0, None)
    assert told["senses"]["vision"]["age"]["p50_ms"] == pytest.approx(0, abs=1e-6)
    assert told["latency"]["p50_ms"] > 0


def test_an_encoder_that_fails_leaves_the_decision_to_the_agent():
    class Exploding(Walker):
        def encode(self, modality: str, x: torch.Tensor) -> torch.Tensor:
            raise MemoryError("no memory left")

    agent = Answering(Exploding())
    stream = filled(system=agent)
    assert stream.decide() == "STOP"
    observation, known, _ = agent.asked[0]
    assert list(observation) == ["vision", "audio", "text"]
    assert known.prepared == {}
    assert stream.status()["trouble"] == "MemoryError: no memory left"


def test_with_nothing_at_hand_the_agent_is_asked_all_the_same():
    agent: Any = Answering(Walker())
    stream = Stream(agent, SOURCES)
    stream.decide(5.0)
    observation, known, _ = agent.asked[0]
    assert observation == {}
    assert len(known.notes) == 2
    with pytest.raises(InputError, match=r"nothing is at hand at 5 s: Sensor: vision is absent"):
        stream.observe(5.0)


def test_a_system_alone_does_not_decide():
    with pytest.raises(InputError, match="open the stream with an ExplanationAgent"):
        filled().decide()


@pytest.mark.parametrize("at", [math.nan, math.inf, True])
def test_a_moment_is_a_number(at: Any):
    with pytest.raises(InputError, match="a finite number of seconds"):
        filled().observe(at)


def test_a_silent_sense_is_told_and_left_out():
    stream = filled(2.0)
    for k in range(20, 50):
        stream.push("audio", noise(RATE // 10, k), k / 10)
    observation, known = stream.observe()
    assert list(observation) == ["audio", "text"]
    assert list(known.features) == ["audio", "text"]
    assert known.notes[0].startswith("Sensor: vision is absent: its newest sample is 3.1 s old")


@pytest.mark.parametrize(("first", "then"), [(0.0, 1000.0), (2000.0, 1000.0)])
def test_a_clock_set_anew_begins_anew_and_the_instruction_stands(first: float, then: float):
    stream = Stream(Walker(), SOURCES, carry=True)
    assert stream.memory is not None
    stream.push("text", "stop", first)
    push_both(stream, first)
    stream.observe(first + 0.2)
    assert len(stream.memory) > 0
    assert push_both(stream, then) == ["refused"] * 4 + ["gap"] * 2
    assert len(stream.memory) == 0
    observation, known = stream.observe()
    assert len(observation["vision"]) == 1
    assert observation["text"] == "stop"
    assert any(note.startswith("vision began anew") for note in known.notes)
    assert not any("began anew" in note for note in stream.observe()[1].notes)
    assert stream.status()["senses"]["vision"]["restarts"] == 1


def push_both(stream: Stream, start: float) -> list[str]:
    kinds = []
    for k in range(3):
        kinds.append(stream.push("vision", frame(k), start + k / 10).kind)
        kinds.append(stream.push("audio", noise(RATE // 10, k), start + k / 10).kind)
    return kinds


def test_samples_may_come_in_while_a_decision_falls():
    stream, going, troubles = filled(1.0), threading.Event(), []

    def camera() -> None:
        k = 10
        while not going.is_set():
            jump = 1000.0 * (k // 40)
            for m, signal in (("vision", frame(k % 20)), ("audio", noise(80, k)), ("text", str(k % 3))):
                try:
                    stream.push(m, signal, jump + k / 10)
                except Exception as error:  # noqa: BLE001 - told to the test
                    troubles.append(error)
            k += 1

    thread = threading.Thread(target=camera)
    thread.start()
    try:
        for _ in range(40):
            observation, given = stream.observe()
            assert set(given.prepared) == set(observation)
    finally:
        going.set()
        thread.join()
    assert troubles == []


def test_memory_is_flat_however_long_it_runs():
    stream = filled(0.1)
    kept = []
    for k in range(1, 400):
        stream.push("vision", frame(k % 50), k / 10)
        stream.push("audio", noise(RATE // 10, k), k / 10)
        if k % 10 == 0:
            stream.observe()
            kept.append(tuple(stream.status()["kept"].values()))
    assert len(set(kept[8:])) == 1
    assert kept[-1][0] <= 62
