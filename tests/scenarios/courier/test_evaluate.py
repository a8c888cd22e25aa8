"""Evaluation: intervals, counts, and the committed head on scenes that it was not trained on."""

from __future__ import annotations

import json

import pytest
import torch

from veridical.scenarios.courier import evaluate as module
from veridical.scenarios.courier.evaluate import FIRST_SEED, evaluate, wilson
from veridical.scenarios.courier.examples import make_example
from veridical.scenarios.courier.head import CourierHead
from veridical.scenarios.courier.policy import ACTIONS, RULES
from veridical.scenarios.courier.train import Features

ASKED = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3])
CHOSEN = torch.tensor([0, 0, 1, 1, 2, 2, 0, 3])
NAMES = ("clear", "clear", "clear", "bell", "obstacle", "halt", "siren", "vehicle")


class Told(CourierHead):
    """A head that chooses what stands in the sound's first four features."""

    def forward(self, features):
        return features["audio"][:, 0, :4]


@pytest.fixture
def features() -> Features:
    audio = torch.nn.functional.one_hot(CHOSEN, 4)[:, None].half()
    return Features(torch.zeros(8, 1, 1, 1, 1).half(), audio, torch.zeros(8, 1, 1).half(), ASKED, NAMES)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [  # Newcombe, Statistics in Medicine 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_s_interval_has_the_published_values(right, count, low, high):
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("count", [1, 7, 30, 1200])
def test_wilson_s_interval_holds_the_share_stays_within_bounds_and_is_symmetric(count):
    for right in {0, 1, count // 3, count - 1, count}:
        low, high = wilson(right, count)
        assert 0 <= low <= right / count <= high <= 1
        assert wilson(count - right, count) == pytest.approx((1 - high, 1 - low))


def test_nothing_counted_tells_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_counts_and_confusion_of_known_decisions(features):
    scores = evaluate(Told(), features)
    assert (scores.right, scores.count) == (5, 8)
    assert scores.actions == {"PROCEED": (2, 3), "SLOW": (1, 2), "STOP": (1, 1), "YIELD": (1, 2)}
    assert {k: v for k, v in scores.rules.items() if v[1]} == {
        "clear": (2, 3), "bell": (1, 1), "obstacle": (0, 1), "halt": (1, 1), "siren": (0, 1), "vehicle": (1, 1),
    }  # fmt: skip
    assert set(scores.rules) == {rule.name for rule in RULES}
    table = [[scores.confusion[a][b] for b in ACTIONS] for a in ACTIONS]
    assert table == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 1]]


def test_the_sums_of_the_confusion_are_the_counts(features):
    scores = evaluate(Told(), features)
    assert {a: sum(row.values()) for a, row in scores.confusion.items()} == {
        a: n for a, (_, n) in scores.actions.items()
    }
    assert sum(scores.confusion[a][a] for a in ACTIONS) == scores.right
    assert sum(n for _, n in scores.rules.values()) == sum(n for _, n in scores.actions.values()) == scores.count


def test_scores_as_json_values(features):
    told = evaluate(Told(), features).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["accuracy"] == 5 / 8
    assert told["interval"] == list(wilson(5, 8))
    assert told["by_action"]["SLOW"] == {"accuracy": 0.5, "scenes": 2, "interval": list(wilson(1, 2))}
    assert told["by_rule"]["animal"] == {"accuracy": 0.0, "scenes": 0, "interval": [0.0, 1.0]}


@pytest.fixture
def asked(monkeypatch, features):
    arguments = []

    def collected(*given):
        arguments.append(given[:4])
        return features

    monkeypatch.setattr(module, "collect", collected)
    monkeypatch.setattr(module, "load_head", Told)
    return arguments


def test_the_command_prints_json_and_nothing_else(asked, capsys, features):
    module.main(["--scenes", "8", "--json"])
    assert asked == [(FIRST_SEED, 8, "held-out", "plain")]
    assert json.loads(capsys.readouterr().out) == evaluate(Told(), features).to_dict()


@pytest.mark.usefixtures("asked")
def test_the_command_prints_tables(capsys):
    module.main(["--scenes", "8"])
    told = capsys.readouterr().out
    assert "accuracy by rule" in told
    assert "62.5 %" in told
    assert all(name in told for name in (*ACTIONS, *(rule.name for rule in RULES)))


def test_without_a_head_the_command_leaves_with_two_and_one_line(monkeypatch, capsys, tmp_path):
    load = module.load_head
    monkeypatch.setattr(module, "load_head", lambda: load(tmp_path / "gone.safetensors"))
    with pytest.raises(SystemExit) as left:
        module.main([])
    assert left.value.code == 2
    assert "courier: no head at 'gone.safetensors'; run `make train-courier`" in capsys.readouterr().err


@pytest.mark.usefixtures("stamps")
def test_the_committed_head_decides_four_of_five_held_out_scenes_as_the_policy_asks(courier):
    right = 0
    for seed in range(FIRST_SEED, FIRST_SEED + 40):
        example = make_example(courier, seed, "held-out", "plain")
        with torch.no_grad():
            right += int(courier.decide(example.features).argmax()) == example.action
    assert right >= 32
