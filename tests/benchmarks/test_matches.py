"""The benchmark of matches: what is compared, and that its figures are what they are called."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmarks import matches
from benchmarks.matches import Trio, evaluate, measure, on_white, trios
from tests.fusion.test_space import Colours, hum, plain
from veridical.errors import InputError
from veridical.fusion.space import Place


def places(vectors: np.ndarray, others: np.ndarray) -> list[Place]:
    return [Place(v, (), others) for v in vectors]


def test_a_space_that_knows_everything_finds_everything():
    found = evaluate(places(np.eye(20), -np.eye(20)), places(np.eye(20), -np.eye(20)))
    assert (found["top_1"][0], found["top_5"][0], found["median_rank"], found["auc"]) == (1.0, 1.0, 1.0, 1.0)
    assert found["true_confirmed"][0] == 1.0
    assert found["shuffled_confirmed"] == 0.0
    assert found["shuffled_pairs"] == 380


def test_a_space_that_knows_nothing_is_at_chance():
    same = np.tile(np.eye(20)[0], (20, 1))
    found = evaluate(places(same, same), places(same, same))
    assert found["median_rank"] == found["chance"]["median_rank"] == 10.5
    assert found["auc"] == 0.5
    assert found["top_1"][0] == found["top_5"][0] == found["true_confirmed"][0] == found["shuffled_confirmed"] == 0.0
    assert found["chance"]["top_1"] == 1 / 20


def test_figures_of_three_things_worked_out_by_hand():
    asked = np.array([[1.0, 0], [0, 1], [0.6, 0.8]])
    found = evaluate(places(asked, -np.eye(2)), places(np.array([[1.0, 0], [0.8, 0.6], [0, 1.0]]), -np.eye(2)))
    # Cosines: 1 .8 0 / 0 .6 1 / .6 .96 .8; ranks 1, 2, 2; own 1, .6, .8 against .8 0 0 1 .6 .96.
    assert found["median_rank"] == 2
    assert found["top_1"][0] == pytest.approx(1 / 3)
    assert found["auc"] == pytest.approx((5.5 + 2.5 + 3.5) / 18)


def test_one_thing_cannot_be_told_from_others():
    with pytest.raises(InputError, match="1 things; give two or more"):
        evaluate(places(np.eye(2)[:1], np.eye(2)), places(np.eye(2)[:1], np.eye(2)))


def test_a_stamp_lies_on_white_with_a_border():
    stamp = np.zeros((20, 40, 4), np.float32)
    stamp[:, :20, 3] = 1
    found = on_white(stamp)
    assert found.shape == (48, 48, 3)
    assert (found[14:34, 4:24] == 0).all()
    assert (found == 255).sum() == found.size - 3 * 20 * 20


@pytest.mark.usefixtures("stamps")
def test_things_have_a_picture_a_sound_of_their_own_and_a_sentence():
    train, left_out = trios("train")
    held_out, _ = trios("held-out")
    assert len(train) > 40
    assert len(held_out) > 10
    assert not {t.name for t in train} & {t.name for t in held_out}
    heard = [t.sound.tobytes() for t in (*train, *held_out)]
    assert len(set(heard)) == len(heard)
    assert any("silence" in told for told in left_out)
    words = {t.name: t.words for t in train}
    assert (words["duck"], words["firetruck"]) == ("A duck.", "A fire truck.")
    with pytest.raises(InputError, match="partition: no 'test'"):
        trios("test")


def colours(*_: Any) -> Colours:
    return Colours(top=2, alike=1.0)


def things(partition: str) -> tuple[tuple[Trio, ...], tuple[str, ...]]:
    some = tuple(
        Trio(name, plain(colour), wave, name)
        for name, colour, wave in [
            ("red", (255, 0, 0), hum(0.1)),
            ("blue", (0, 0, 255), np.random.default_rng(0).standard_normal(1600)),
        ]
    )
    return some, (f"{partition} one: silence",)


def test_every_two_senses_are_measured():
    told = measure(colours(), things("train")[0])
    assert list(told["pairs"]) == ["audio to vision", "text to vision", "text to audio"]
    assert told["pairs"]["text to vision"]["top_1"][0] == 1.0
    assert all(ms > 0 for ms in told["milliseconds"].values())


def test_the_command_prints_tables_or_json(monkeypatch, capsys):
    monkeypatch.setattr(matches, "Conse", colours)
    monkeypatch.setattr(matches, "trios", things)
    matches.main(["--json", "--alike", "1"])
    told = json.loads(capsys.readouterr().out)
    assert list(told["partitions"]) == ["train", "held-out"]
    assert told["partitions"]["train"]["left_out"] == ["train one: silence"]
    assert told["names"] == 5
    matches.main(["--partition", "held-out"])
    out = capsys.readouterr().out
    assert "held-out: pictures, sounds and words of the same 2 things" in " ".join(out.split())
    assert "chance" in out
    assert "5 names embedded" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--things", "1"], "1 things; give two or more"),
        (["--alike", "0"], "give a share above 0"),
        (["--top", "0"], "top 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options, told, capsys):
    with pytest.raises(SystemExit) as left:
        matches.main(options)
    assert left.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
