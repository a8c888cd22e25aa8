"""The benchmark of causes: it finds scenes with one decisive cause, and counts what it says it counts."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import causes
from benchmarks.causes import Row, summarise
from veridical.errors import InputError
from veridical.modalities.audio import Audio
from veridical.modalities.text import Text
from veridical.modalities.vision import Vision
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.instructions import sample_instruction
from veridical.scenarios.courier.policy import ACTIONS
from veridical.scenarios.courier.scene import sample_scene
from veridical.verifier.ladder import RUNGS

FIRST = FIRST_SEED + 500_000
NONE: Any = None  # a system that is not asked
VERDICTS = {"supported", "unsupported", "inconclusive"}
ROW = Row(
    seed=1,
    cause="bell",
    sense="audio",
    action="SLOW",
    without="PROCEED",
    named=True,
    verdict="supported",
    rung="gradient",
    passes=60,
    predicted=1.0,
    measured=2.0,
    last_named=True,
    last_verdict="supported",
    last_passes=300,
    random_named=False,
    random_verdict="unsupported",
)


@pytest.fixture
def obedient(monkeypatch):
    """A system that does what the policy asks for."""
    monkeypatch.setattr(causes, "_decide", lambda system, scene: ACTIONS.index(scene.rule.action))


class Reader:
    """Stops where the mean of the words' embeddings says halt; what it sees and hears weighs little."""

    actions = ACTIONS

    def __init__(self):
        self.modalities = {"vision": Vision(), "audio": Audio(), "text": Text.minilm()}
        rng = np.random.default_rng(0)
        kinds = [("halt",) if i % 2 else () for i in range(300)]
        texts = [sample_instruction(rng, "train", some).text for some in kinds]
        x = torch.cat([self.modalities["text"].prepare(text).tensor.mean(1) for text in texts]).double()
        x = torch.cat((x, torch.ones(300, 1)), 1)
        y = torch.tensor([20.0 * len(some) - 10 for some in kinds], dtype=torch.double)
        self.weights = torch.linalg.solve(x.T @ x + 1e-3 * torch.eye(x.shape[1]), x.T @ y).float()

    def __call__(self, inputs):
        stop = inputs["text"].mean(1) @ self.weights[:-1] + self.weights[-1]
        stop = stop + 0.1 * inputs["vision"].mean((1, 2, 3, 4)) + (inputs["audio"] ** 2).mean(1)
        return torch.stack([torch.zeros_like(stop), stop - 30, stop, stop - 30], 1)


@pytest.mark.usefixtures("stamps")
def test_rows_are_well_formed(monkeypatch):
    system = Reader()
    monkeypatch.setattr(causes, "load", lambda: system)
    rows = causes.measure(1, FIRST, "held-out")
    assert len(rows) == 1
    assert rows[0].seed >= FIRST
    for row in rows:
        assert row.sense == "text"
        scene = sample_scene(row.seed, "held-out")
        cause = next(c for c in scene.causes if c.kind == row.cause)
        assert cause.sense == row.sense
        assert system.actions[causes._decide(system, scene)] == row.action != row.without
        assert system.actions[causes._decide(system, scene.without(cause))] == row.without
        assert {row.verdict, row.last_verdict, row.random_verdict} <= VERDICTS
        assert row.rung in RUNGS
        assert row.passes > 0 < row.last_passes
        assert all(map(math.isfinite, (row.predicted, row.measured)))
        assert row.predicted < 0 > row.measured  # without its first claim the system is less sure to do what it does


@pytest.mark.usefixtures("stamps", "obedient")
def test_a_scene_flips_by_one_cause_alone():
    for seed, scene, cause, decided, after in itertools.islice(causes.flipping_scenes(NONE, 0, "train"), 30):
        assert scene == sample_scene(seed)
        assert ACTIONS[decided] == scene.rule.action != scene.without(cause).rule.action == ACTIONS[after]
        others = [c for c in scene.causes if c != cause]
        assert all(scene.without(c).rule.action == scene.rule.action for c in others)


@pytest.mark.usefixtures("stamps", "obedient")
def test_scenes_that_do_not_flip_are_passed_over():
    seeds = [found[0] for found in itertools.islice(causes.flipping_scenes(NONE, 0, "train"), 30)]
    for seed in set(range(seeds[-1])) - set(seeds):
        scene = sample_scene(seed)
        assert sum(scene.without(c).rule.action != scene.rule.action for c in scene.causes) != 1


@pytest.mark.parametrize(
    ("modality", "units", "named"),
    [
        ("text", (3, 4), True),
        ("text", (3, 9), True),
        ("text", (3, 8, 9), False),
        ("text", (8,), False),
        ("audio", (3,), False),
    ],
)
def test_a_claim_names_a_cause_of_its_sense_to_which_half_of_its_units_belong(monkeypatch, modality, units, named):
    monkeypatch.setattr(causes, "touched", lambda scene, cause, segmentation: [3, 4, 5])
    claim = SimpleNamespace(claim=SimpleNamespace(modality=modality, units=units))
    laboratory = SimpleNamespace(segmentations={"text": None})
    cause = SimpleNamespace(sense="text")
    names: Any = causes._names
    assert names(None, cause, SimpleNamespace(claims=[claim]), laboratory) is named
    assert names(None, cause, SimpleNamespace(claims=[]), laboratory) is False


def test_shares_of_known_rows():
    lost = replace(ROW, cause="animal", named=False, verdict="inconclusive", predicted=2.0, measured=4.0, passes=600)
    lost = replace(lost, rung="measured", last_verdict="unsupported")
    told = summarise([ROW, lost, replace(ROW, rung="path", predicted=3.0, measured=6.0, random_verdict="supported")])
    assert told["all"]["named"] == {"share": 2 / 3, "interval": list(wilson(2, 3)), "count": 3}
    assert told["all"]["supported_where_named"]["share"] == 1
    assert told["all"]["inconclusive"]["share"] == told["all"]["random_supported"]["share"] == 1 / 3
    assert list(told["by_cause"]) == ["animal", "bell"]
    assert told["by_cause"]["animal"]["supported_where_named"] == {"share": 0.0, "interval": [0.0, 1.0], "count": 0}
    assert told["all"]["last_supported"]["share"] == pytest.approx(2 / 3)
    assert {rung: share["share"] for rung, share in told["settled"].items()} == {
        "gradient": pytest.approx(1 / 3),
        "few-steps": 0,
        "path": pytest.approx(1 / 3),
        "measured": 0,
    }
    assert told["passes"] == {"ladder": 240, "last_rung_alone": 300}
    assert told["predicted_against_measured"] == {"pearson": pytest.approx(1)}


def test_a_correlation_that_is_not_defined_is_none():
    assert summarise([ROW])["predicted_against_measured"]["pearson"] is None
    assert summarise([ROW, ROW])["predicted_against_measured"]["pearson"] is None


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(causes, "measure", lambda count, first, partition: [replace(ROW, seed=first)] * count)
    causes.main(["--scenes", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in told["rows"]] == [FIRST, FIRST]
    causes.main(["--scenes", "2"])
    told = capsys.readouterr().out
    assert "predicted against measured effect of the first claim: not defined" in told
    assert "100 %" in told
    assert "supported at the rung: gradient 100 %, few-steps 0 %, path 0 %, measured 0 %" in told
    assert "mean passes: 60; the last rung alone: 300" in told


def test_no_scene_is_refused(capsys):
    with pytest.raises(InputError, match=r"^causes: 0 scenes; at least 1 is wanted$"):
        causes.measure(0, FIRST, "held-out")
    with pytest.raises(SystemExit) as left:
        causes.main(["--scenes", "0"])
    assert left.value.code == 2
    assert "causes: 0 scenes" in capsys.readouterr().err.splitlines()[-1]
