"""The benchmark of concepts: causes are rendered away, joined to their concepts, and counted as it says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import concepts
from benchmarks.concepts import MATTERS, Row, summarise
from tests.benchmarks.test_names import Little, little
from veridical.errors import InputError
from veridical.modalities.observation import prepare
from veridical.modalities.target import decision_score
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.scene import render, sample_scene

ROW = Row(
    seed=1,
    cause="siren",
    sense="audio",
    action="YIELD",
    true=-4.0,
    concepts=2,
    effect=-3.0,
    strongest=-2.0,
    drawn=True,
    milliseconds=100.0,
)


def score(system: Little, observation, action: int | None = None) -> tuple[float, int]:
    with torch.no_grad():
        logits = system({m: p.tensor for m, p in prepare(system, observation).items()})
    action = int(logits.argmax()) if action is None else action
    return float(decision_score(logits, action)[0]), action


@pytest.mark.usefixtures("stamps")
def test_rows_hold_the_true_effect_of_every_cause():
    system = little()
    rows = concepts.measure(2, 50, "train", system)
    seeds = sorted({row.seed for row in rows})
    assert len(seeds) == 2
    assert all(not sample_scene(s).causes for s in set(range(50, seeds[-1])) - set(seeds))
    for seed in seeds:
        scene = sample_scene(seed)
        whole, action = score(system, render(scene))
        some = [row for row in rows if row.seed == seed]
        assert [(r.cause, r.sense) for r in some] == [(c.kind, c.sense) for c in scene.causes]
        for row, cause in zip(some, scene.causes, strict=True):
            assert row.action == system.actions[action]
            without, _ = score(system, render(scene.without(cause)), action)
            assert row.true == pytest.approx(without - whole, abs=1e-4)
            assert (row.concepts > 0) or (row.effect == row.strongest == 0 and not row.drawn)
            assert row.concepts != 1 or row.effect == pytest.approx(row.strongest)
            assert row.milliseconds > 0


@pytest.mark.usefixtures("stamps")
def test_without_banks_no_cause_makes_a_concept():
    rows = concepts.measure(1, 50, "train", Little({}))
    assert {(r.concepts, r.effect, r.strongest, r.drawn) for r in rows} == {(0, 0.0, 0.0, False)}


def test_figures_worked_out_by_hand():
    missed = replace(ROW, seed=2, cause="animal", sense="vision", effect=0.0, strongest=0.0, concepts=0, drawn=False)
    alarm = replace(ROW, seed=3, true=0.2, effect=-1.0, milliseconds=300.0)
    turned = replace(ROW, seed=3, true=2.0, effect=-MATTERS / 2, strongest=1.0, milliseconds=300.0)
    told = summarise([ROW, missed, alarm, turned])
    every = told["all"]
    assert every["causes"] == 4
    # Of those that matter: right, nothing found, turned round.
    assert every["sign"] == {"share": 1 / 3, "interval": list(wilson(1, 3)), "count": 3}
    assert every["sign_strongest"]["share"] == pytest.approx(2 / 3)
    assert every["precision"] == {"share": 0.5, "interval": list(wilson(1, 2)), "count": 2}
    assert every["recall"] == {"share": 0.5, "interval": list(wilson(1, 2)), "count": 2}
    assert every["recall_drawn"]["share"] == 0.5
    assert every["concepts"] == 1.5
    assert list(told) == ["all", "audio", "vision", "scenes", "milliseconds"]
    assert told["vision"]["recall"]["share"] == 0
    assert told["scenes"] == 3
    assert told["milliseconds"]["median"] == 100  # one time for each scene, not for each cause


def test_the_rank_correlation_is_that_of_ranks_and_none_where_it_is_not_defined():
    rows = [replace(ROW, true=t, effect=e) for t, e in ((-4.0, -9.0), (-1.0, -2.0), (0.5, 0.1))]
    assert summarise(rows)["all"]["spearman"] == pytest.approx(1)
    turned = [replace(r, effect=-r.effect) for r in rows]
    assert summarise(turned)["all"]["spearman"] == pytest.approx(-1)
    assert summarise([ROW, ROW, ROW])["all"]["spearman"] is None
    assert summarise(rows[:2])["all"]["spearman"] is None


def test_effects_matter_from_half_a_nat_on():
    edge = replace(ROW, true=-MATTERS, effect=-MATTERS)
    below = replace(ROW, true=np.nextafter(-MATTERS, 0), effect=np.nextafter(-MATTERS, 0))
    assert summarise([edge])["all"]["recall"]["count"] == 1
    assert summarise([below])["all"]["recall"]["count"] == summarise([below])["all"]["precision"]["count"] == 0


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(concepts, "measure", lambda scenes, first, partition: [replace(ROW, seed=first)] * scenes)
    concepts.main(["--scenes", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in told["rows"]] == [FIRST_SEED + 600_000] * 2
    concepts.main(["--scenes", "2"])
    out = " ".join(capsys.readouterr().out.split())
    assert "concepts' effects against those of the things that make them, 1 scenes" in out
    assert "100.0 %" in out
    assert "the layer: 100 ms a decision, ninth decile 100 ms" in out


def test_no_scene_is_refused(capsys):
    with pytest.raises(InputError, match=r"^concepts: 0 scenes; at least 1 is wanted$"):
        concepts.measure(0, 1, "train")
    with pytest.raises(SystemExit) as left:
        concepts.main(["--scenes", "0"])
    assert left.value.code == 2
    assert "concepts: 0 scenes" in capsys.readouterr().err.splitlines()[-1]
