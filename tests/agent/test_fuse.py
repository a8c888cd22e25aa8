"""What fusion adds to an explanation: its parts are there, agree with one another, and never take it away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.toys import SENTENCE, Split, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent import fuse_parts
from veridical.agent.explainer import Settings, explain
from veridical.agent.fuse_parts import Parts
from veridical.agent.fuse_settings import FusionSettings
from veridical.agent.record import read_record, write_record
from veridical.agent.report import render_report
from veridical.errors import ContractError, InputError
from veridical.modalities.timed import Timed
from veridical.verifier.pairs import PairSettings

QUICK = FusionSettings(pairs=PairSettings(groups=12, controls=19))
PLAIN = Settings(namer=None, salt="fixed", fusion=QUICK)
EVERYTHING: dict[str, Any] = {"vision": picture(2), "audio": sound(), "text": SENTENCE}


def together(inputs) -> Tensor:
    """The word counts only where red is seen, and the tone a little by itself."""
    seen = sees_red(inputs) if "vision" in inputs else torch.zeros(1)
    read = reads_cat(inputs) if "text" in inputs else torch.zeros(1)
    heard = hears_tone(inputs) if "audio" in inputs else torch.zeros(1)
    return seen * read + 0.2 * heard


def apart(inputs) -> Tensor:
    """All three count, each by itself."""
    parts = {"vision": sees_red, "audio": hears_tone, "text": reads_cat}
    return sum((score(inputs) for m, score in parts.items() if m in inputs), torch.zeros(1))


@pytest.fixture(scope="module")
def joint():
    return explain(Split(together), EVERYTHING, PLAIN)


def test_shares_and_lanes_are_the_same_sums_on_one_clock(joint):
    fusion = joint.to_dict()["fusion"]
    lanes = {lane["sense"]: sum(mark["value"] for mark in lane["marks"]) for lane in fusion["clock"]["lanes"]}
    for share in fusion["shares"]:
        assert lanes[share["sense"]] == pytest.approx(share["contribution"], rel=1e-5, abs=1e-6)
        assert share["low"] - 1e-9 <= share["contribution"] <= share["high"] + 1e-9
        assert share["condition"] == "working"


def test_what_senses_do_alone_and_together_is_the_score(joint):
    result = joint.to_dict()
    fusion = result["fusion"]
    whole = sum(part["value"] for part in fusion["together"])
    assert whole == pytest.approx(fusion["difference"], abs=1e-4)
    assert fusion["score"] == pytest.approx(result["decision"]["score"], abs=1e-4)
    pair = next(p["value"] for p in fusion["together"] if set(p["senses"]) == {"vision", "text"})
    rows = fusion["matrix"]["senses"]
    assert fusion["matrix"]["values"][rows.index("vision")][rows.index("text")] == pytest.approx(pair)


def test_the_pair_that_counts_only_together_is_found(joint):
    found = joint.to_dict()["fusion"]["interactions"]
    (pair,) = found["pairs"]
    sides = {pair["a"]["sense"]: pair["a"], pair["b"]["sense"]: pair["b"]}
    assert set(sides) == {"vision", "text"}
    assert pair["kind"] == "synergy"
    assert pair["measured"] > 0
    assert sides["text"]["where"] == "“cat”"
    assert pair["effects"][2] - pair["effects"][0] - pair["effects"][1] == pytest.approx(pair["measured"])


def test_senses_that_add_up_are_not_looked_into():
    missing = explain(Split(apart), EVERYTHING, PLAIN).to_dict()["fusion"]["missing"]
    assert "pairs of evidence are" in missing["interactions"]


def test_what_cannot_be_had_says_why_and_the_rest_is_there(joint):
    fusion = joint.to_dict()["fusion"]
    assert "attention" in fusion["missing"]
    assert "unroll" in fusion["missing"]["through_time"]
    assert {"clock", "shares", "together", "matrix", "arrivals"} <= set(fusion)
    assert "speech" not in fusion["missing"], "nobody misses it who wrote the instruction"


@pytest.mark.parametrize(
    ("sense", "signal", "condition"),
    [("vision", np.zeros((2, 32, 32, 3), np.uint8), "black"), ("audio", (np.zeros(8000, np.float32), 8000), "silent")],
)
def test_a_sense_that_is_broken_shows_up_as_such(sense, signal, condition):
    settings = replace(PLAIN, fusion=FusionSettings(pairs=None, attention=None, depths=0))
    found = explain(Split(apart), {**EVERYTHING, sense: signal}, settings).to_dict()["fusion"]
    share = next(s for s in found["shares"] if s["sense"] == sense)
    assert share["condition"] == condition
    assert share["told"]


def test_a_sense_left_out_is_told_as_absent():
    found = explain(Split(apart), {"text": SENTENCE}, PLAIN).to_dict()["fusion"]
    assert {s["sense"]: s["condition"] for s in found["shares"]} == {
        "vision": "absent",
        "audio": "absent",
        "text": "working",
    }


def test_without_fusion_nothing_is_looked_into():
    assert "fusion" not in explain(Toy(apart), EVERYTHING, replace(PLAIN, fusion=None)).to_dict()


def test_a_part_that_fails_does_not_take_the_explanation_away(monkeypatch):
    def broken(*_: Any) -> None:
        raise ContractError("system: it answers no more")

    monkeypatch.setattr(fuse_parts, "measure_coalitions", broken)
    found = explain(Toy(apart), EVERYTHING, PLAIN).to_dict()
    assert found["verdict"]["verdict"]
    assert found["fusion"]["missing"]["shares"] == "system: it answers no more"
    assert "coalitions are missing" in found["fusion"]["missing"]["interactions"]


def test_times_are_those_of_the_clock_that_was_given():
    observation = {
        "vision": Timed.stamped(picture(2), [10.0, 10.4]),
        "audio": Timed.started(sound(), 10.0),
        "text": SENTENCE,
    }
    result = explain(Split(apart), observation, PLAIN).to_dict()
    clock = result["fusion"]["clock"]
    assert clock["start"] == pytest.approx(10.0)
    assert [mark["start"] for mark in clock["lanes"][0]["marks"]] == pytest.approx([10.0, 10.4])
    assert result["observation"]["vision"]["clock"]
    assert result["verdict"]["committed"]["clocks"]["vision"] == result["observation"]["vision"]["clock"]


def test_it_is_drawn_and_recorded(joint, tmp_path):
    result, arrays = joint.to_dict(), joint.arrays()
    page = render_report(result, arrays)
    assert 'id="fusion"' in page or "How the senses came together" in page
    write_record(tmp_path / "record", result, arrays)
    again, kept = read_record(tmp_path / "record")
    assert again["fusion"] == result["fusion"]
    assert set(kept) == set(arrays)


def test_every_part_has_a_name_in_the_report():
    from veridical.agent.fused_views import PARTS

    told = {"clock", "speech", "shares", "together", "matrix", "interactions", "attention", "depths", "arrivals"}
    assert told | {"through_time", "matches"} == set(PARTS)
    assert all(callable(getattr(Parts, name)) for name in set(PARTS) - {"together", "matrix"})


def test_signals_that_were_never_at_the_same_time_are_refused():
    observation = {**EVERYTHING, "audio": Timed.started(sound(), 100.0)}
    with pytest.raises(InputError, match=r"vision.*audio|audio.*vision"):
        explain(Split(apart), observation, replace(PLAIN, fusion=None))
