"""The benchmark of conservation: what it measures of a toy is known, and it counts what it says it counts."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import conservation
from benchmarks.conservation import SETTINGS, Row, measure, summarise
from tests.fusion.test_coalitions import OBSERVATION, WEIGHTS, cat, redness
from tests.toys import EYES, READER, SENTENCE, Split, Toy, laboratory, linear, picture
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.scenarios.courier.model import load
from veridical.scenarios.courier.scene import render, sample_scene

FIRST = FIRST_SEED + 800_000
SENSES = ("vision", "audio", "text")
ROW = Row(
    seed=1,
    action="STOP",
    nodes=9,
    difference=4.0,
    gap=0.02,
    shares={"vision": 3.0, "audio": 1.0},
    low={"vision": 2.0, "audio": 0.0},
    high={"vision": 4.0, "audio": 2.0},
    shapley={"vision": 2.5, "audio": 1.5},
    ablation={"vision": 3.5, "audio": 0.5},
    seconds={"path": 2.0, "fusing": 0.1, "coalitions": 0.3},
)


def scaled(vision: float, ablation: float, **other) -> Row:
    """A row with another share of what is seen."""
    row = replace(ROW, shares={**ROW.shares, "vision": vision}, ablation={**ROW.ablation, "vision": ablation})
    return replace(row, **other)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_linear_system_contributions_shares_and_shapley_values_are_the_same_and_sum_up(kind: type[Toy]):
    row = measure(kind(linear(WEIGHTS, 9.0)), OBSERVATION, 7)
    assert (row.seed, row.action) == (7, "STOP")
    assert row.gap <= SETTINGS.tolerance * abs(row.difference)
    assert sum(row.shapley.values()) == pytest.approx(row.difference, abs=1e-4)
    for m in SENSES:
        assert row.shares[m] == pytest.approx(row.shapley[m], rel=0.02, abs=1e-2)
        assert row.high[m] - row.low[m] < 0.02 * max(abs(row.shapley[m]), 0.5)
    assert set(row.seconds) == {"path", "fusing", "coalitions"}
    assert min(row.seconds.values()) > 0


def test_ablation_is_minus_the_mean_effect_of_the_whole_sense_over_its_operators():
    system = Toy(lambda i: 3 + 2 * redness(i) + 4 * cat(i), EYES, READER)
    observation = {"vision": picture(), "text": SENTENCE}
    row = measure(system, observation)
    lab = laboratory(system, observation)
    for m, sense in system.modalities.items():
        whole = {m: tuple(range(len(lab.segmentations[m])))}
        effects = [float(lab.measure([whole], {m: o}).effect[0]) for o in sense.operators]
        assert row.ablation[m] == pytest.approx(-np.mean(effects), abs=1e-5)
    assert row.ablation["text"] == pytest.approx(4)  # masked, deleted or a neutral word: no cat
    assert row.shares["text"] == pytest.approx(4, rel=0.01)


def test_figures_of_known_rows():
    rows = [ROW, scaled(5.0, 4.0, gap=0.2, nodes=17), scaled(4.0, 6.0, difference=0.05, gap=9.0)]
    told = summarise(rows)
    assert told["scenes"] == 3
    assert told["too_small_a_difference"] == 1  # whose gap is no share of anything
    assert told["gap_share"] == {
        "within_1_percent": 0.5,
        "median": pytest.approx((0.005 + 0.05) / 2),
        "largest": pytest.approx(0.05),
    }
    assert told["nodes"] == 9
    seen = told["agreement_over_scenes"]["vision"]
    assert seen["path"] == pytest.approx(0.5)  # ranks 1, 3, 2 and 1, 2, 3
    assert seen["interval"][0] <= 0.5 <= seen["interval"][1]
    assert seen["shapley"] is None
    assert seen["interval_width"] == 2
    assert told["agreement_over_scenes"]["audio"]["path"] is None  # it never varies
    assert told["agreement_within_scenes"] == pytest.approx(1)
    assert told["same_sense_first"] == 1
    assert told["seconds"] == ROW.seconds
    assert told["fusing_of_attribution"] == pytest.approx(0.2)


def test_senses_in_another_order_within_a_scene_are_no_agreement():
    told = summarise([ROW, scaled(0.5, 3.5)])
    assert told["agreement_within_scenes"] == pytest.approx(0)
    assert told["same_sense_first"] == 0.5


def test_a_gap_of_exactly_one_per_cent_is_within():
    assert summarise([replace(ROW, gap=0.04)])["gap_share"]["within_1_percent"] == 1
    assert summarise([replace(ROW, gap=0.0401)])["gap_share"]["within_1_percent"] == 0


def test_where_no_difference_is_large_enough_no_gap_is_told(capsys):
    told = summarise([replace(ROW, difference=-0.0999)])
    assert told["gap_share"] == {"within_1_percent": None, "median": None, "largest": None}
    assert summarise([replace(ROW, difference=-0.1)])["too_small_a_difference"] == 0
    conservation._print(told)
    assert "gap at most" not in capsys.readouterr().out


def test_of_no_rows_nothing_is_told():
    assert summarise([]) == {"scenes": 0}


@pytest.fixture
def toy(monkeypatch) -> list[int]:
    """The command on rows that are made up; returns the seeds that were measured."""
    seeds: list[int] = []

    def made_up(system: object, observation: object, seed: int) -> Row:
        seeds.append(seed)
        assert (system, observation) == ("courier", ("rendered", seed, "held-out"))
        return scaled(float(seed - FIRST), 2.0 * (seed - FIRST), seed=seed)

    monkeypatch.setattr(conservation, "load", lambda: "courier")
    monkeypatch.setattr(conservation, "sample_scene", lambda seed, partition: SimpleNamespace(at=(seed, partition)))
    monkeypatch.setattr(conservation, "render", lambda scene: ("rendered", *scene.at))
    monkeypatch.setattr(conservation, "measure", made_up)
    return seeds


def test_the_command_prints_json_and_nothing_else_or_tables(toy, capsys):
    conservation.main(["--scenes", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in told["rows"]] == [FIRST, FIRST + 1, FIRST + 2] == toy
    assert told["agreement_over_scenes"]["vision"]["path"] == pytest.approx(1)
    assert {k: told[k] for k in summarise([ROW])} == {k: told[k] for k in told if k != "rows"}
    conservation.main(["--scenes", "2"])
    shown = capsys.readouterr().out
    assert "2 scenes; gap at most 1 % in 100.0 %, median 0.50 %, largest 0.50 %" in shown
    assert "not defined" in shown
    assert "20.0 % of the attribution" in shown.replace("\n", " ")


def test_scenes_that_were_measured_are_kept_and_not_measured_again(toy, tmp_path, capsys):
    kept = tmp_path / "rows.jsonl"
    conservation.main(["--scenes", "2", "--rows", str(kept), "--json"])
    assert [json.loads(line)["seed"] for line in kept.read_text().splitlines()] == [FIRST, FIRST + 1]
    first = json.loads(capsys.readouterr().out)["rows"]
    toy.clear()
    conservation.main(["--scenes", "3", "--rows", str(kept), "--json"])
    assert toy == [FIRST + 2]
    assert json.loads(capsys.readouterr().out)["rows"][:2] == first
    assert len(kept.read_text().splitlines()) == 3


def left(arguments: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as error:
        conservation.main(arguments)
    assert error.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_no_scene_is_refused(toy, capsys):
    assert "conservation: 0 scenes; give at least 1" in left(["--scenes", "0"], capsys)
    assert toy == []


@pytest.mark.parametrize("content", ["{", '{"seed": 1}', "[1, 2]", '{"seed": 1, "speed": 2}'])
def test_a_file_that_holds_no_rows_is_refused(toy, tmp_path: Path, capsys, content: str):
    kept = tmp_path / "rows.jsonl"
    kept.write_text(json.dumps(asdict(ROW)) + "\n" + content + "\n")
    told = left(["--scenes", "1", "--rows", str(kept)], capsys)
    assert "conservation: 'rows.jsonl' does not hold rows of this benchmark" in told
    assert toy == []


def test_rows_that_cannot_be_kept_are_refused_before_anything_is_measured(toy, tmp_path: Path, capsys):
    nowhere = tmp_path / "none" / "rows.jsonl"
    assert "there is no folder for the rows' file 'rows.jsonl'" in left(["--rows", str(nowhere)], capsys)
    assert "does not hold rows of this benchmark" in left(["--rows", str(tmp_path)], capsys)
    assert toy == []


def test_flows_are_summed_up_as_shares():
    flows = [conservation.Flow(1, 4.0, 0.02, 0.001, 100), conservation.Flow(2, -2.0, 0.1, 0.02, 300)]
    told = conservation.summarise_flows(flows)
    assert told["whole"] == {"within_1_percent": 0.5, "median": pytest.approx(0.0275), "largest": pytest.approx(0.05)}
    assert told["step"]["largest"] == 0.02
    assert told["gradients"] == 200


def test_a_scene_is_carried_back_through_the_state(stamps):
    flow = conservation.measure_flow(load(), render(sample_scene(5_700_000, "train")))
    assert flow.gap <= 0.01 * abs(flow.difference)
    assert flow.step <= 0.01
