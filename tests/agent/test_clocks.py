"""Clocks from a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.toys import Toy, linear, picture, sound
from veridical.agent.clocks import read_clocks, with_clocks
from veridical.errors import InputError
from veridical.modalities.clock import Clock, Stamps
from veridical.modalities.observation import prepare
from veridical.modalities.timed import Timed


def put(path, content) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_each_form_of_a_clock_is_read(tmp_path):
    local = [0.0, 10.0, 20.0, 40.0]
    content = {
        "vision": {"stamps": [0, 1.2, 2], "uncertainty": 0.02},
        "audio": {"start": 0.2, "drift": 5e-5, "uncertainty": 0.01, "drift_uncertainty": 1e-6},
        "lidar": {"events": [[t, 3 + 1.001 * t] for t in local]},
        "text": {"start": -4, "uncertainty": None},
    }
    found = read_clocks(put(tmp_path / "clocks.json", content))
    assert found["vision"] == Stamps((0.0, 1.2, 2.0), 0.02)
    assert found["audio"] == Clock.affine(0.2, 5e-5, 0.01, 1e-6)
    assert found["lidar"] == Clock.fit(local, [3 + 1.001 * t for t in local])
    assert found["text"] == Clock.affine(-4.0, 0.0, None)


def test_an_observation_takes_its_clocks_and_is_prepared_with_them(tmp_path):
    clocks = read_clocks(put(tmp_path / "c.json", '\ufeff{"vision": {"stamps": [5, 6.5]}, "audio": {"start": 5.5}}'))
    timed = with_clocks({"vision": picture(2), "audio": sound(), "text": "stop"}, clocks)
    assert [isinstance(signal, Timed) for signal in timed.values()] == [True, True, False]
    prepared = prepare(Toy(linear({})), timed)
    assert prepared["vision"].clock == Clock.of_stamps([5, 6.5], 1.0)
    assert prepared["audio"].clock == Clock.affine(5.5)
    assert prepared["text"].clock is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"clocks: c.json is not JSON \(.*\); give e.g. \{\"vision\""),
        ("[1]", "c.json holds a list; give e.g."),
        ("{}", "c.json holds nothing; give e.g."),
        ('{"vision": 3}', "vision has a int; one of stamps, start, events is wanted"),
        ('{"vision": {}}', "vision has nothing; one of stamps, start, events is wanted"),
        ('{"vision": {"drift": 1}}', "vision has drift; one of"),
        ('{"vision": {"stamps": [0], "start": 1}}', "vision has stamps, start; one of"),
        (
            '{"vision": {"stamps": [0], "drift": 1}}',
            "vision: unknown key 'drift'; beside stamps there may be uncertainty",
        ),
        (
            '{"audio": {"start": 0, "rate": 1}}',
            "unknown key 'rate'; beside start there may be drift, uncertainty, drift_",
        ),
        ('{"audio": {"events": [], "drift": 1}}', "unknown key 'drift'; events stands alone"),
        ('{"audio": {"start": 0, "start": 1}}', "the key 'start' stands twice; keep one"),
        ('{"audio": {"start": "0.2"}}', "audio: clock: start '0.2'; a finite number is wanted"),
        ('{"audio": {"start": null}}', "audio: clock: start None; a finite number is wanted"),
        ('{"audio": {"start": NaN}}', "audio: clock: start nan; a finite number"),
        ('{"audio": {"start": 0, "drift": 0.5}}', "audio: clock: drift 0.5 is beyond ±0.1"),
        ('{"audio": {"start": 0, "uncertainty": -1}}', "audio: clock: uncertainty -1 is negative"),
        ('{"vision": {"stamps": [0, 2, 1]}}', "vision: stamps: timestamps go backwards at sample 2: 1.0 s after 2.0 s"),
        ('{"vision": {"stamps": [0, 0]}}', "vision: stamps: timestamps stand twice at samples 0 and 1"),
        ('{"vision": {"stamps": 3}}', r"timestamps of shape \(\); a list of seconds is wanted"),
        ('{"vision": {"stamps": [0, "1"]}}', "timestamps are of type <U.*; numbers are wanted"),
        ('{"vision": {"stamps": {"0": 1}}}', "timestamps are of type object; numbers are wanted"),
        ('{"audio": {"events": [[0, 1], [2]]}}', r"audio: events are pairs \[own second, observation's second\]"),
        ('{"audio": {"events": 7}}', "audio: events are pairs"),
        ('{"audio": {"events": [[0, 1]]}}', "audio: clock: 1 event; two give start and drift"),
        ("[" * 100_000, "c.json is not JSON"),
    ],
)
def test_what_is_no_file_of_clocks_is_refused_in_words(unchecked: None, tmp_path, content, message: str):
    with pytest.raises(InputError, match=message):
        read_clocks(put(tmp_path / "c.json", content))


def test_files_that_cannot_be_read_are_refused_in_words(tmp_path):
    with pytest.raises(InputError, match=r"no such file: .*; check the path"):
        read_clocks(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"cannot be read: Is a directory"):
        read_clocks(tmp_path)
    (tmp_path / "c.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match=r"c.json is not UTF-8 text, at byte 7"):
        read_clocks(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ({"text": "stop"}, "a clock for 'audio', which was not given; the observation holds text"),
        ({"audio": None}, "a clock for 'audio', which was not given; the observation holds nothing"),
        ({"audio": Timed.started(np.zeros(9), 0.0)}, "timed: a signal that is timed already"),
    ],
)
def test_a_clock_without_its_signal_is_refused(observation, message: str):
    with pytest.raises(InputError, match=message):
        with_clocks(observation, {"audio": Clock.affine(1.0)})
