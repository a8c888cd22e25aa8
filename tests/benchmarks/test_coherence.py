"""The benchmark of coherence: the motion that it measures with is the scenes' own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import coherence as module
from benchmarks.coherence import MAPS, Row, maps_of, motion, moving_scenes, summarise
from tests.toys import EARS, READER, Split
from veridical.fusion.coherence import coherence, warp
from veridical.modalities.vision import Vision
from veridical.scenarios.courier.scene import FRAMES, SIZE, Cause, mask, render, sample_scene

ROW = Row(1, dict.fromkeys(MAPS, 0.25), dict.fromkeys(MAPS, 0.75), 0.125)


@pytest.mark.usefixtures("stamps")
def test_a_frame_carried_along_is_the_next_one_wherever_its_motion_is_known():
    moved = 0
    for _, scene in (pair for _, pair in zip(range(4), moving_scenes(0, "train"), strict=False)):
        frames, ways = render(scene)["vision"].mean(-1), motion(scene)
        still = np.moveaxis(np.indices((SIZE, SIZE)), 0, -1).astype(float)
        for t, way in enumerate(ways, 1):
            known = np.isfinite(way).all(-1)
            carried = warp(frames[t - 1], way)[known]
            error = np.abs(carried - frames[t][known]).mean()
            left_behind = np.abs(frames[t - 1] - frames[t])[known].mean()
            shift = np.abs(way - still)[known].mean()
            if known.sum() > 500 and shift > 10:
                assert error < 0.25 * left_behind
                assert error < 6  # of 255: things are resized anew in each frame
                moved += 1
    assert moved >= 4


@pytest.mark.usefixtures("stamps")
def test_motion_is_known_of_things_that_are_seen_twice_and_of_nothing_else():
    alone = 0
    for seed in range(16):
        scene = sample_scene(seed, "train")
        masks = [np.asarray(mask(scene, Cause(t.stamp.kind, "vision", k))) for k, t in enumerate(scene.things)]
        known = np.isfinite(motion(scene)[..., 0])
        seen = sum(masks, np.zeros((FRAMES, SIZE, SIZE), bool))
        assert not (known & ~seen[1:]).any()
        if len(masks) == 1 and all(p.height > 0 for p in scene.things[0].track):  # nothing hides it
            assert known[0][masks[0][1]].mean() > 0.6
            alone += 1
    assert alone >= 2


@pytest.mark.usefixtures("stamps")
def test_scenes_with_motion_are_chosen():
    for seed, scene in (pair for _, pair in zip(range(3), moving_scenes(100, "held-out"), strict=False)):
        assert seed >= 100
        assert any(np.ptp([p.x for p in t.track]) > 0.25 for t in scene.things if t.counts)


@pytest.mark.usefixtures("stamps")
def test_maps_are_those_of_the_system():
    """A score that is linear in the pixels: gradient and path agree."""
    _, scene = next(moving_scenes(0, "train"))

    def score(i):
        return 10 * i["vision"].mean((1, 2, 3, 4)) + sum(0 * i[m].flatten(1).sum(1) for m in i)

    system = Split(score, Vision(), EARS, READER)
    maps = maps_of(system, scene, 3)
    assert tuple(maps) == MAPS
    np.testing.assert_allclose(maps["gradient"], maps["path, 9 points"], atol=1e-7)
    assert all(m.shape == (FRAMES, SIZE, SIZE) for m in maps.values())
    assert maps["noise"].std() == pytest.approx(1, abs=0.02)
    ways = motion(scene)
    assert coherence(maps["gradient"], ways) > coherence(maps["noise"], ways) + 0.3


def test_means_come_with_their_interval():
    told = summarise([ROW, Row(2, dict.fromkeys(MAPS, 0.75), dict.fromkeys(MAPS, 0.75), 0.375)])
    assert (told["scenes"], told["known"]) == (2, 0.25)
    assert told["plain"]["gradient"] == [0.5, 0.25, 0.75]
    assert told["smoothed"]["noise"] == [0.75, 0.75, 0.75]


@pytest.mark.usefixtures("stamps")
def test_scenes_are_measured_plain_and_smoothed(monkeypatch):
    noise = np.random.default_rng(0).standard_normal((FRAMES, SIZE, SIZE))
    monkeypatch.setattr(module, "load", lambda: None)
    monkeypatch.setattr(module, "maps_of", lambda system, scene, seed: dict.fromkeys(MAPS, noise))
    rows = module.measure(2, 0, "train", 3.0)
    assert [r.seed for r in rows] == [seed for _, (seed, _) in zip(range(2), moving_scenes(0, "train"), strict=False)]
    for row in rows:
        assert 0 < row.known < 1
        assert row.smoothed["noise"] > row.plain["noise"] + 0.1


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(module, "measure", lambda *options: [ROW] if options == (2, 7, "train", 1.0) else [])
    arguments = ["--scenes", "2", "--first", "7", "--partition", "train"]
    module.main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["plain"]["noise"] == [0.25, 0.25, 0.25]
    assert told["rows"][0]["seed"] == 1
    module.main(arguments)
    assert "0.750 (0.750–0.750)" in capsys.readouterr().out


def test_no_scenes_are_refused(capsys):
    with pytest.raises(SystemExit) as left:
        module.main(["--scenes", "0"])
    assert left.value.code == 2
    assert "coherence: 0 scenes; at least 1 is wanted" in capsys.readouterr().err
