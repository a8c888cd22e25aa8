"""The figures of the real-time benchmark: what they are made of, on signals with a known answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import _soaking, realtime
from benchmarks._reel import Reel
from veridical.errors import InputError


def test_a_spread_is_that_of_its_values():
    told = realtime.spread([float(x) for x in range(101)])
    assert told == {"n": 101, "p50": 50.0, "p99": 99.0, "max": 100.0, "sd": pytest.approx(np.sqrt(850.0))}
    with pytest.raises(InputError, match="nothing was measured"):
        realtime.spread([])


def test_a_slope_is_that_of_the_line():
    hours = [0.0, 0.5, 1.0, 1.5]
    assert _soaking.slope(hours, [100 + 3 * h for h in hours]) == pytest.approx(3.0)
    assert _soaking.slope([1.0], [7.0]) == 0.0


@pytest.mark.parametrize(("rise", "flat"), [(0.0, True), (50.0, False), (-50.0, True)])
def test_memory_that_grows_is_not_called_flat(rise: float, flat: bool):
    samples = [{"hour": h, "parent": 500 + rise * h} for h in np.linspace(0, 2, 21)]
    told = _soaking._flatness(samples, "parent")
    assert told["flat"] is flat
    assert told["mib_per_hour"] == pytest.approx(rise, abs=1e-6)
    assert told["growth"] == pytest.approx(rise / np.mean([500 + rise * h for h in np.linspace(1, 2, 11)]), abs=1e-6)


def test_a_reel_hands_out_everything_once_and_in_order():
    reel = Reel(0, 5.0, scenes=2)
    parts = [list(reel.until(end)) for end in (1.0, 1.0, 2.5, 6.0)]
    assert parts[1] == []
    came: dict[str, list[float]] = {"vision": [], "audio": [], "text": []}
    sound = 0
    for sense, signal, at in [each for part in parts for each in part]:
        came[sense].append(at)
        sound += len(signal) if sense == "audio" else 0
    assert came["vision"] == pytest.approx([k / 5 for k in range(31)])
    assert came["text"] == pytest.approx([0.0, 3.0])
    assert sound == 6 * 16000
    assert came["audio"] == pytest.approx([k / 10 for k in range(60)])


def test_frames_of_one_scene_differ_by_their_noise():
    frames = [signal for sense, signal, _ in Reel(0, 10.0).until(0.3) if sense == "vision"]
    assert len(frames) == 4
    apart = np.abs(frames[0].astype(int) - frames[1].astype(int))
    assert 0 < apart.max() <= 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--parts", "latency,speed"], "no part speed; there are latency, multiples, deadlines, soak"),
        (["--decisions", "0"], "0 decisions, 40 scenes, 1 hours; give more than none of each"),
    ],
)
def test_bad_options_are_answered_in_words(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        realtime.main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_late_decision_is_counted_and_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Courier with a deadline that nothing can keep: every decision is made, and every one is late."""
    monkeypatch.setattr(realtime.deadlines, "__defaults__", ((1,),))
    realtime.main(["--parts", "deadlines", "--decisions", "2", "--json"])
    told = json.loads(capsys.readouterr().out)["deadlines"]["1"]
    assert told["n"] == 2
    assert told["kept"] == 0
    assert [each["decision"] for each in told["late"]] == [0, 1]
    assert told["reached"] == {"not explained": 2}
    assert told["worst_overrun_ms"] == pytest.approx(told["max"] - 1)
