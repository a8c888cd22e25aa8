"""The benchmark of curvature: its edits are predicted before they are made, and it counts what it says it counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import curvature
from benchmarks._curvature import Row, summarise
from benchmarks._subjects import efficientnet
from benchmarks.curvature import _cases, connected
from tests.toys import EARS, EYES, READER, SENTENCE, Split, Toy, linear, picture, sound, weights
from veridical.modalities.observation import prepare
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.verifier.radius import STRENGTHS

T = np.array(STRENGTHS)
OBSERVATION: dict[str, Any] = {"vision": picture(2), "audio": (sound(), 8000), "text": SENTENCE}


def row(sample: str, a: float, b: float, c: float, **changed: Any) -> Row:
    """Of a score ``a t + b t^2 + c t^3``."""
    predicted = {"first": a * T, "second": a * T + b * T**2}
    one = Row(
        sample,
        "text",
        "mask",
        3,
        {"second": "second" if abs(c) <= abs(b) else "insufficient"},
        {"second": min(1.0, abs(b / c))},
        (a * T + b * T**2 + c * T**3).tolist(),
        {k: v.tolist() for k, v in predicted.items()},
        {"first": 0.5, "second": 1.0},
        telling=True,
    )
    return replace(one, **changed)


def test_edits_are_connected_and_of_the_size_asked_for_where_there_are_as_many():
    (prepared,) = prepare(Toy(lambda i: i["vision"].sum((1, 2, 3, 4)), EYES), {"vision": picture()}).values()
    units = EYES.segment(prepared)
    for seed in range(20):
        edit = connected(units, 5, np.random.default_rng(seed))
        assert len(set(edit)) == 5
        reached, grown = {edit[0]}, {edit[0]}
        while grown:
            grown = {n for u in grown for n in units.neighbours[u] if n in edit} - reached
            reached |= grown
        assert reached == set(edit)
    assert connected(units, 10_000, np.random.default_rng(0)) == tuple(range(len(units)))


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_linear_system_every_edit_is_foretold_at_every_strength(kind):
    senses = (EYES, EARS, READER)
    like = prepare(Toy(lambda i: i["text"].sum((1, 2)), *senses), OBSERVATION)
    system = kind(linear(weights(0, like), bias=5.0), *senses)
    cases = list(_cases(system, OBSERVATION, 1, np.random.default_rng(0)))
    assert [(c.sense, c.operator) for c in cases] == [(s.name, o) for s in senses for o in s.operators]
    for case in cases:
        (one,) = case.rows("toy")
        assert (one.sample, one.sense, one.operator, one.units) == (
            "toy",
            case.sense,
            case.operator,
            len(case.edits[0]),
        )
        np.testing.assert_allclose(one.predicted["first"], one.measured, atol=1e-4)
        np.testing.assert_allclose(one.predicted["second"], one.measured, atol=1e-4)
        assert one.radius["first"] == one.radius["second"] == 1


def test_a_surrogate_is_held_against_the_network_itself():
    system = Toy(lambda i: 20 * torch.relu(i["text"].mean((1, 2)) + 0.05), READER)
    observation = {"text": SENTENCE}
    case = next(_cases(system, observation, 1, np.random.default_rng(0), betas=(5.0,)))
    (one,) = case.rows("toy")
    assert list(one.predicted) == ["first", "second", "three-point", "path", "SoftPlus 5"]
    assert list(one.trusted) == list(one.within) == ["second", "SoftPlus 5"]
    assert set(one.radius) == set(one.predicted)
    np.testing.assert_allclose(one.predicted["second"], one.predicted["first"], atol=1e-6)  # a ReLU has no curvature
    assert np.abs(np.subtract(one.predicted["SoftPlus 5"], one.predicted["first"])).max() > 1e-6


def test_errors_are_those_of_the_terms_left_out():
    told = summarise([row(str(k), 1.0, 2.0, 0.5 * k) for k in range(1, 4)])
    assert (told["edits"], told["samples"]) == (3, 3)
    assert list(told["errors"]) == ["0.125", "0.25", "0.5", "1"]
    for strength, by_order in told["errors"].items():
        t = float(strength)
        assert by_order["first"]["median"][0] == pytest.approx(2 * t**2 + t**3)
        assert by_order["second"]["median"][0] == pytest.approx(t**3)
        assert by_order["second"]["median_ratio"][0] == pytest.approx(t / (2 + t))
        value, low, high = by_order["second"]["mean"]
        assert 0.5 * t**3 <= low <= value <= high <= 1.5 * t**3
        assert by_order["first"]["mean_ratio"] == [1, 1, 1]


def test_edits_of_one_sample_are_drawn_together():
    """Ten edits of one scene tell no more than one: an interval over a single scene has no width."""
    told = summarise([row("one", 1.0, 2.0, 0.1 * k) for k in range(1, 11)])
    value, low, high = told["errors"]["1"]["second"]["median"]
    assert value == low == high


def test_predictions_are_sorted_by_what_they_say_of_themselves():
    told = summarise([row("a", 1.0, 2.0, 1.0), row("b", 1.0, 2.0, 8.0), row("c", 1.0, 1.0, 50.0)])["trusted"]["second"]
    assert {k: v["edits"] for k, v in told.items()} == {
        "first": 0,
        "second": 1,
        "insufficient": 2,
        "as_far_as_borne": 2,
    }
    assert told["second"]["full_strength"]["second"]["median_ratio"][0] == pytest.approx(1 / 3)
    # To strength 1 and to 1/4: of 2 t^2 + c t^3 the cube is left, 1 of 3 and 8 / 64 of 2 / 16 + 8 / 64.
    assert told["as_far_as_borne"]["median_strength"] == pytest.approx((1 + 0.25) / 2)
    assert told["as_far_as_borne"]["mean_ratio"][0] == pytest.approx((1 + 0.125) / (3 + 0.25))


def test_radii_are_those_of_edits_that_move_the_score():
    still = row("b", 0.0, 1e-6, 0.0001, radius={"first": 1.0, "second": 1.0}, telling=False)
    told = summarise([row("a", 1.0, 2.0, 1.0), still])
    assert told["telling"]["edits"] == 1
    assert told["radius"]["first"] == {"quartiles": [0.5, 0.5, 0.5], "mean": 0.5, "whole": 0.0}
    assert told["radius"]["second"]["whole"] == 1


def test_a_share_of_no_error_is_not_defined():
    exact = row("a", 1.0, 1e-300, 1e-300)
    told = summarise([replace(exact, measured=exact.predicted["first"])])
    assert told["errors"]["1"]["second"]["median_ratio"] is None
    json.dumps(told, allow_nan=False)


def test_no_rows_have_no_summary():
    assert summarise([]) == {"edits": 0}


def test_the_command_prints_tables_or_json(monkeypatch, capsys):
    asked: list[Any] = []
    rows = [row("1", 1.0, 2.0, 1.0), row("2", 1.0, 2.0, 8.0)]
    monkeypatch.setattr(curvature, "measure_courier", lambda *options: asked.append(options) or rows)
    monkeypatch.setattr(curvature, "measure_photographs", lambda *options: asked.append(options) or [])
    curvature.main(["--scenes", "3", "--photographs", "0", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert asked == [(3, FIRST_SEED + 700_000, "held-out", 1), (0, 1)]
    assert told["courier"]["edits"] == len(told["rows"]["courier"]) == 2
    assert told["efficientnet-lite0"] == {"edits": 0}
    curvature.main([])
    out = capsys.readouterr().out
    assert "courier, all edits" in out
    assert "radius, second: median 1.00 (quartiles 1.00–1.00), 100 % hold all the way" in out
    assert "second, insufficient: 50 % of edits; median error over first order's 0.80" in out


@pytest.mark.parametrize("options", [["--edits", "0"], ["--scenes", "-1"], ["--photographs", "7"]])
def test_numbers_out_of_range_are_refused(options, capsys):
    with pytest.raises(SystemExit) as left:
        curvature.main(options)
    assert left.value.code == 2
    assert "give 0 or more, 0 to 6, and at least 1" in capsys.readouterr().err.splitlines()[-1]


def means(inputs) -> torch.Tensor:
    each = [w * inputs[m].flatten(1).mean(1) for m, w in (("vision", 3.0), ("audio", 2.0), ("text", 1.0))]
    return 5 + torch.stack(each).sum(0)


@pytest.mark.usefixtures("stamps")
def test_scenes_are_edited_in_every_sense_one_after_the_other(monkeypatch):
    monkeypatch.setattr(curvature, "load", lambda: Split(means, EYES, EARS, READER))
    rows = curvature.measure_courier(2, FIRST_SEED + 700_000, "held-out", 1)
    assert list(dict.fromkeys(r.sample for r in rows)) == ["1700000", "1700001"]
    assert {r.sense for r in rows if r.sample == "1700001"} == {"vision", "audio", "text"}
    assert all(r.radius["second"] == 1 for r in rows)
    assert curvature.measure_courier(0, 0, "held-out", 1) == []


def test_a_photograph_is_seen_by_the_classifier_as_by_the_subject(monkeypatch):
    seen: list[Any] = []
    monkeypatch.setattr(curvature, "_cases", lambda *options: seen.append(options) or [])
    assert curvature.measure_photographs(0, 1) == []
    assert curvature.measure_photographs(1, 1) == []
    ((system, observation, edits, _, betas),) = seen
    assert (edits, betas) == (1, curvature.BETAS)
    prepared = prepare(system, observation)["vision"].tensor
    (sample, *_) = efficientnet().samples
    torch.testing.assert_close(prepared[:, 0], sample.inputs["vision"], atol=1e-6, rtol=0)
    with torch.no_grad():
        assert int(system({"vision": prepared}).argmax()) == sample.action
