"""The moments of a drive: late messages, a clock set back, missing frames and sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.seams.drive_sample import frame
from veridical.agent.seams.moments import DriveMoment, Moments, Plan
from veridical.agent.seams.signals import Picture, Sound, Words
from veridical.errors import InputError

S = 1_000_000_000


def run(messages, plan: Plan | None = None, kinds: dict[str, str] | None = None) -> list[DriveMoment]:
    """Moments of (seconds, signal) in the order given."""
    moments = Moments(plan or Plan(), kinds or {"vision": "vision"})
    senses = list(moments.senses)
    out, clock = [], moments.clock()
    for at, signal in messages:
        ns = clock.place(round(at * S))
        if ns is not None:
            out += moments.take(ns, senses, lambda signal=signal: signal)
    return out + list(moments.end())


def shown(moment: DriveMoment) -> list[int]:
    return [int(f[0, 0, 0]) for f in moment.observation["vision"]]


def frames(*times: float) -> list[tuple[float, Picture]]:
    return [(at, Picture(frame(index))) for index, at in enumerate(times)]


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)))
def test_messages_out_of_order_within_a_second_take_their_place(order):
    times = [i * 0.5 for i in range(24)]
    # Twelve places of two neighbours each: a message moves by half a second at most.
    pairs = [(2 * k, 2 * k + 1) if order[k] % 2 else (2 * k + 1, 2 * k) for k in range(12)]
    moved = [frames(*times)[i] for pair in pairs for i in pair]
    assert [(m.at, shown(m)) for m in run(moved)] == [(m.at, shown(m)) for m in run(frames(*times))]


def test_a_message_that_comes_too_late_is_left_out_and_counted():
    told = run([*frames(0, 1, 2, 3, 4), (1.5, Picture(frame(99))), *frames(0, 1, 2, 3, 4, 5, 6)[5:]])
    assert all(99 not in shown(m) for m in told)
    assert sum("1 message came more than 1 s late" in note for m in told for note in m.notes) == 1


def test_a_clock_that_was_set_back_goes_on():
    first = frames(*(100 + i for i in range(6)))
    then = [(float(i), Picture(frame(50 + i))) for i in range(20)]
    told = run([*first, *then])
    assert any("clock was set back by 98 s" in note for m in told for note in m.notes)
    assert shown(told[-1])[-1] >= 68
    assert [m.at for m in told] == sorted(m.at for m in told)


def test_a_long_gap_gives_no_moments_and_is_said():
    told = run(frames(*range(5), *range(100_000, 100_005)))
    assert len(told) < 20
    assert any("nothing came for 1e+05 s" in note for m in told for note in m.notes)


def test_frames_that_tremble_keep_their_places():
    rng = np.random.default_rng(0)
    told = run(frames(*(i + float(rng.uniform(-0.05, 0.05)) if i else 0.0 for i in range(10))))
    for moment in told:
        last = shown(moment)[-1]
        assert shown(moment) == [last - 2, last - 1, last]
        assert not moment.notes


def test_a_missing_frame_is_the_one_before_it_and_that_is_said():
    told = run(frames(0, 1, 3, 4, 5))  # the second at 2 s is missing
    assert (told[0].at, shown(told[0])) == (3.0, [1, 1, 2])
    assert "a frame is missing; the one before it stands again" in told[0].notes


def test_a_camera_that_stalls_is_said_and_then_absent():
    words = [(float(i), Words("go")) for i in range(10)]
    moments = Moments(Plan(), {"vision": "vision", "text": "text"})
    out = []
    for index, (at, signal) in enumerate(words):
        if index < 3:
            out += moments.take(round(at * S), ["vision"], lambda i=index: Picture(frame(i)))
        out += moments.take(round(at * S), ["text"], lambda signal=signal: signal)
    out += moments.end()
    by = {m.at: m for m in out}
    assert shown(by[3.0]) == [0, 1, 2]
    assert "the newest frame was 2 s old" in by[4.0].notes
    assert set(by[6.0].observation) == {"text"}
    assert "no camera frame had come" in by[6.0].notes


def pieces(starts: list[float], seconds: float = 0.5, rate: int = 1000) -> list[tuple[float, Sound]]:
    """Sound whose samples tell their own time, in milliseconds."""
    count = round(seconds * rate)
    return [
        (at, Sound(np.round(1000 * (at + np.arange(count) / rate)).astype(np.int16)[:, None], rate)) for at in starts
    ]


def test_sound_is_put_at_its_time_and_gaps_are_silence():
    starts = [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]  # 1.5 to 2 s is missing
    (moment,) = run(pieces(starts), kinds={"audio": "audio"})
    samples, rate = moment.observation["audio"]
    expected = np.arange(3000).astype(np.int16)
    expected[1500:2000] = 0
    assert rate == 1000
    assert np.array_equal(samples, expected)
    assert moment.notes == ("0.5 s of the sound are missing, and stand as silence",)


def test_stretches_that_tremble_are_joined_without_a_click():
    rng = np.random.default_rng(1)
    true = [i * 0.5 for i in range(8)]
    moved = [(at + (float(rng.uniform(-0.009, 0.009)) if at else 0.0), s) for at, s in pieces(true)]
    (moment,) = run(moved, kinds={"audio": "audio"})
    assert np.array_equal(np.diff(moment.observation["audio"][0].astype(int)), np.ones(2999))


def test_channels_are_kept():
    two = [(at, Sound(np.repeat(s.samples, 2, 1), s.rate)) for at, s in pieces([i * 0.5 for i in range(8)])]
    (moment,) = run(two, kinds={"audio": "audio"})
    assert moment.observation["audio"][0].shape == (3000, 2)


def test_sound_at_another_rate_begins_anew():
    before, after = pieces([0.0, 0.5, 1.0]), pieces([1.5, 2.0, 2.5, 3.0], rate=500)
    (moment,) = run([*before, *after], kinds={"audio": "audio"})
    samples, rate = moment.observation["audio"]
    assert (rate, len(samples)) == (500, 1500)
    assert not samples[:750].any()
    assert moment.notes[0] == "the sound changed from 1000 to 500 Hz; what came before is left out"


def test_nothing_is_seen_before_it_came():
    told = run([(at, Words(f"at {at}")) for at in (0.0, 3.0, 3.001)], kinds={"text": "text"})
    assert [(m.at, m.observation["text"]) for m in told] == [(3.0, "at 3.0")]


def test_memory_is_that_of_a_window():
    moments = Moments(Plan(), {"vision": "vision"})
    for index in range(2000):
        list(moments.take(index * S // 10, ["vision"], lambda: Picture(frame(0))))
    assert len(moments.waiting) <= 11
    kept = moments.senses["vision"].kept
    assert len(kept) <= 10 * 8 + 10


@pytest.mark.parametrize(
    "options", [{"every": 0.0}, {"window": float("nan")}, {"window": 1e9}, {"rate": 0.0}, {"rate": 1e6}]
)
def test_plans_out_of_range(options):
    with pytest.raises(InputError, match="drive: "):
        Plan(**options)
