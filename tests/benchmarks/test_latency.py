"""The benchmark of time: its figures hang together."""

from __future__ import annotations

import json

import pytest

from benchmarks import latency
from tests.toys import SENTENCE, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.errors import InputError


class Small(Toy):
    """A system of three senses with an observation of its own, in Courier's place."""

    def __init__(self):
        super().__init__(lambda x: sees_red(x) + hears_tone(x) + reads_cat(x))

    def example(self):
        return {"vision": picture(2), "audio": sound(), "text": SENTENCE}


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "load", Small)
        return latency.measure(1)


def test_every_rung_is_told_in_milliseconds_and_in_forward_passes(result):
    assert list(result["rungs"]) == ["forward", "gradient", "integrated gradients", "verified explanation"]
    assert result["forward_ms"] > 0
    for row in result["rungs"].values():
        assert set(row) == {"ms", "x_forward", "min_ms", "max_ms"}
        assert row["x_forward"] == pytest.approx(row["ms"] / result["forward_ms"])
        assert row["min_ms"] == row["ms"] == row["max_ms"]  # of one round
    assert result["rungs"]["forward"]["x_forward"] == 1


def test_the_stages_of_an_explanation_make_up_the_whole(result):
    assert set(result["split"]) == set(latency._STAGES)
    total = sum(row["ms"] for row in result["split"].values())
    assert 0.5 < total / result["rungs"]["verified explanation"]["ms"] < 1.01
    for row in result["split"].values():
        assert row["x_forward"] == pytest.approx(row["ms"] / result["forward_ms"])


def test_passes_rounds_and_machine_are_told(result):
    assert result["rounds"] == 1
    assert result["path_nodes"] > 1
    assert all(result["passes"][way] > 0 for way in ("forward", "backward"))
    assert set(result["machine"]) == {"cores", "threads", "processor", "torch"}
    assert json.loads(json.dumps(result)) == result


def test_no_round_is_refused():
    with pytest.raises(InputError, match=r"^latency: 0 rounds; at least 1 is wanted$"):
        latency.measure(0)


def test_the_command_prints_tables_or_json(result, monkeypatch, capsys):
    monkeypatch.setattr(latency, "measure", lambda rounds: {**result, "rounds": rounds})
    latency.main(["--rounds", "3", "--json"])
    assert json.loads(capsys.readouterr().out) == {**result, "rounds": 3}
    latency.main(["--rounds", "2"])
    told = capsys.readouterr().out
    assert all(name in told for name in (*result["rungs"], "attribution", "2 rounds"))


def test_the_command_leaves_with_two_and_one_line(capsys):
    with pytest.raises(SystemExit) as left:
        latency.main(["--rounds", "0"])
    assert left.value.code == 2
    assert "latency: 0 rounds" in capsys.readouterr().err.splitlines()[-1]
