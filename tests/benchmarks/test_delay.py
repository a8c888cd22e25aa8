"""The benchmark of delays: what counts as found, and that every method is asked the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import delay as module
from benchmarks.delay import METHODS, Case, Row, case_of, summarise
from veridical.modalities.target import Target
from veridical.scenarios.courier.delayed import delayed_scene
from veridical.scenarios.courier.evaluate import wilson
from veridical.scenarios.courier.model import Courier, load

NONE: Any = None
ROW = Row(
    seed=1,
    delay=5,
    effect=4.0,
    found=dict.fromkeys(METHODS, True),
    first=dict.fromkeys(METHODS, ("audio", 1)),
    seconds=dict.fromkeys(METHODS, 0.5),
    gaps=[0.001, 0.002, 0.009],
    gap=0.004,
)


@pytest.fixture(scope="module")
def case(request) -> Case:
    request.getfixturevalue("stamps")
    found = case_of(load(), delayed_scene(0, 1, "held-out"))
    assert found is not None
    return found


def test_rows_count_for_the_second_of_their_middle(case):
    assert case.seconds("vision").tolist() == [0, 1, 2, 3]
    # Windows begin every 0.48 s and last 0.975 s: middles at 0.49, 0.97, 1.45, 1.93 ...
    assert case.seconds("audio")[:6].tolist() == [0, 0, 1, 1, 2, 2]
    assert case.seconds("audio").max() == 3
    assert set(case.seconds("text").tolist()) == {0}


def test_entries_sum_the_rows_of_each_second(case):
    by_row = {m: np.ones((x.shape[1], *x.shape[3:])) for m, x in case.features.items()}
    entries = case.entries(by_row)
    assert entries["vision", 3] == 49
    assert entries["audio", 0] == 2
    assert entries["text", 0] == case.features["text"].shape[1]
    assert sum(entries.values()) == sum(v.size for v in by_row.values())


def test_found_is_a_second_of_sound_that_the_siren_sounds_in(case):
    late = replace(case, span=(1.2, 3.0))
    assert [late.finds({("audio", k): 1.0, ("text", 0): 0.5}) for k in range(5)] == [False, True, True, False, False]
    assert not late.finds({("audio", 1): 1.0, ("vision", 1): 1.5})
    assert not late.finds({("audio", 1): 1.0, ("text", 0): 1.5})


def test_a_case_is_a_scene_whose_siren_is_telling(case, monkeypatch):
    assert case.effect > 1
    assert case.target == Target(Courier.actions.index("YIELD"))
    with torch.no_grad():
        assert int(load().decide(case.features).argmax()) == case.target.action
    assert {m: x.shape for m, x in case.baselines.items()} == {m: x.shape for m, x in case.features.items()}
    monkeypatch.setattr(module, "TELLING", 100.0)
    assert case_of(load(), delayed_scene(0, 0, "held-out")) is None


def test_every_method_gives_every_entry_its_part(case, monkeypatch):
    monkeypatch.setattr(module, "POINTS", 2)
    with torch.no_grad():
        difference = float(case.target(load().decide(case.features)) - case.target(load().decide(case.baselines)))
    wanted = {("vision", k) for k in range(4)} | {("audio", k) for k in range(4)} | {("text", 0)}
    found = {name: method(case) for name, method in METHODS.items()}
    for name, entries in found.items():
        assert set(entries) == wanted, name
        assert np.isfinite(list(entries.values())).all(), name
    assert sum(found["through time"].values()) == pytest.approx(difference, rel=0.01)
    assert case.finds(found["through time"])
    edited = case.features["audio"].clone()
    edited[:, :2] = case.baselines["audio"][:, :2]
    with torch.no_grad():
        effect = case.target(load().decide(case.features)) - case.target(
            load().decide({**case.features, "audio": edited})
        )
    assert found["occlusion"]["audio", 0] == pytest.approx(float(effect), abs=1e-4)


def test_of_a_linear_score_and_a_baseline_of_zero_the_peers_agree(monkeypatch):
    """Each row w·x."""
    audio = torch.ones(1, 13, 4)

    class Linear(Courier):
        def __init__(self) -> None:
            self.modalities = {"audio": load().modalities["audio"]}

        def decide(self, features: Any) -> torch.Tensor:
            score = (features["audio"].sum(2) * torch.arange(13.0)).sum(1)
            return torch.stack((score, *[torch.zeros_like(score)] * 3), 1)

    linear = Case(Linear(), {"audio": audio}, {"audio": 0 * audio}, Target(0, kind="logit"), (0.0, 1.0), 2.0)
    monkeypatch.setattr(Case, "seconds", lambda self, sense: np.arange(13) // 2)
    for name in ("gradient x input", "integrated gradients", "occlusion"):
        entries = METHODS[name](linear)
        wanted = {("audio", k): 4.0 * (4 * k + 1) if k < 6 else 48.0 for k in range(7)}
        assert entries == pytest.approx(wanted, rel=1e-4), name


def test_shares_come_with_their_interval_and_gaps_with_their_largest():
    lost = replace(ROW, seed=2, found=dict.fromkeys(METHODS, False), gaps=[0.004], gap=0.002)
    told = summarise([ROW, lost], {5: 3, 30: 8})
    one = told["delays"]["5"]
    assert (one["scenes"], one["tried"], one["median_effect"]) == (2, 3, 4.0)
    assert one["found"]["occlusion"] == {"share": 0.5, "interval": list(wilson(1, 2)), "median_seconds": 0.5}
    assert told["delays"]["30"]["found"]["occlusion"]["share"] is None
    assert told["conservation"]["steps"] == {"count": 4, "max": 0.009, "median": pytest.approx(0.003)}
    assert told["conservation"]["scenes"]["max"] == 0.004


def test_scenes_are_tried_until_there_are_enough_or_too_many_were_in_vain(monkeypatch):
    monkeypatch.setattr(module, "load", lambda: NONE)
    monkeypatch.setattr(module, "delayed_scene", lambda seed, delay, partition: (seed, delay, partition))
    monkeypatch.setattr(module, "case_of", lambda courier, scene: scene if scene[0] % 2 and scene[1] < 9 else None)
    monkeypatch.setattr(module, "_row", lambda case, seed, delay: (seed, delay))
    rows, tried = module.measure([0, 9], 3, 10, "train")
    assert rows == [(11, 0), (13, 0), (15, 0)]
    assert tried == {0: 6, 9: 12}


def test_a_row_tells_what_every_method_ranked_first(case, monkeypatch):
    monkeypatch.setattr(module, "POINTS", 2)
    row = module._row(case, 7, 1)
    assert list(row.found) == ["through time", *[m for m in METHODS if m != "through time"]]
    assert row.found["through time"]
    assert row.first["through time"][0] == "audio"
    assert max(row.gaps) <= 0.01
    assert len(row.gaps) == 4
    assert row.gap <= 0.01
    assert all(v > 0 for v in row.seconds.values())


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    asked: list[Any] = []
    monkeypatch.setattr(module, "measure", lambda *options: asked.append(options) or ([ROW], {5: 2, 9: 4}))
    module.main(["--scenes", "1", "--delays", "5", "9", "5", "--first", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert asked == [([5, 9], 1, 3, "held-out")]
    assert told["delays"]["5"]["found"]["through time"]["share"] == 1
    assert told["rows"][0]["first"]["occlusion"] == ["audio", 1]
    monkeypatch.setenv("COLUMNS", "200")
    module.main([])
    out = capsys.readouterr().out
    assert "100 % (21–100)" in out
    assert "gap of conservation, 3 steps: largest 0.90 %, median 0.200 %" in out


@pytest.mark.parametrize(
    ("options", "told"), [(["--scenes", "0"], "delay: 0 scenes; at least 1"), (["--delays", "-3"], "a delay of -3 s")]
)
@pytest.mark.usefixtures("stamps")
def test_numbers_out_of_range_are_refused(options, told, capsys):
    with pytest.raises(SystemExit) as left:
        module.main(options)
    assert left.value.code == 2
    assert told in capsys.readouterr().err
