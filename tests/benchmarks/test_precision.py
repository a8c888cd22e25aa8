"""The benchmark of precision: bytes are those of the record, losses those of its maps, verdicts those it recorded."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import precision
from benchmarks._decided import KINDS, Decided, decided
from benchmarks._rejudged import predict, predicted, rejudge, unit_values
from benchmarks._stored import BUDGETS, PARTS, PRECISIONS, Budgeted, Store
from benchmarks.precision import MOVED, Row, rows_of, summarise
from tests.agent import sample
from tests.toys import SENTENCE, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent.explainer import Settings, explain
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.manifest import Context, compose, read_arrays
from veridical.agent.record.sealing import Sealer
from veridical.errors import InputError, RecordError
from veridical.scenarios.courier.evaluate import FIRST_SEED
from veridical.verifier.ladder import LadderSettings
from veridical.verifier.verify import Reference

SHARES = ("moved", "verdicts", "verdicts_hinging", "causes")
SEAL = Sealer("s-precision", bytes(32))


@functools.cache
def tiny() -> tuple[Decided, Decided]:
    """Two records told by hand, the second without edited inputs."""
    result, arrays = sample.without("audio")
    arrays = {name: array for name, array in arrays.items() if not name.startswith("counterfactual.")}
    return Decided("main", 1, *sample.without("vision")), Decided("main", 2, result, arrays)


@functools.cache
def rows() -> tuple[tuple[Row, ...], tuple[Budgeted, ...]]:
    """Of the two."""
    told = [rows_of(one, Reference()) for one in tiny()]
    return tuple(r for each, _ in told for r in each), tuple(b for _, each in told for b in each)


def row(seed: int, name: str, forced: bool = False) -> Row:
    return next(r for r in rows()[0] if (r.seed, r.precision, r.forced) == (seed, name, forced))


@functools.cache
def explained(rung: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a small system's decision really came to, by one rung alone."""
    settings = Settings(namer=None, fusion=None, salt="s", ladder=LadderSettings(rungs=(rung,)))
    seen = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
    found = explain(Toy(lambda i: 0.5 * sees_red(i) + 0.5 * hears_tone(i) + reads_cat(i)), seen, settings)
    return json.loads(json.dumps(found.result)), dict(found.data)


def test_precisions_go_by_name_the_finest_first():
    assert list(PRECISIONS) == ["exact", "fp16", "int8", "sparse 10 %", "sparse 1 %"]


@pytest.mark.parametrize(("name", "kind"), [("exact",) * 2, ("fp16",) * 2, ("int8",) * 2, ("sparse 10 %", "sparse")])
def test_bytes_are_those_of_the_record_that_a_context_gives(name, kind):
    one = tiny()[0]
    manifest, blobs = compose(one.result, one.arrays, Context(precision=kind, seal=SEAL))
    found = Store(one.result, one.arrays).at(name, forced=False)
    told = len(canonical_json(manifest, "the manifest"))
    # Times are not those of the other record, nor is it as long a digit string that the losses are told in.
    assert found.size["manifest"] == pytest.approx(told, abs=4)
    assert found.size["total"] - found.size["manifest"] == sum(map(len, blobs.values()))
    assert found.size["total"] == sum(found.size[part] for part in PARTS[:-1])
    again = read_arrays(manifest, blobs.__getitem__, found.maps)
    assert all(np.array_equal(again[n], m) for n, m in found.maps.items())


def test_maps_get_smaller_and_losses_larger_and_the_rest_stays():
    names = list(PRECISIONS)
    for seed in (1, 2):
        stored = [row(seed, name) for name in names]
        sizes = [r.size["maps"] for r in stored]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] < sizes[0] / 20
        for part in ("units", "other", "sealed"):
            assert len({r.size[part] for r in stored}) == 1
        forced = [row(seed, name, forced=True) for name in names]
        assert [r.coded for r in forced] == [1.0] * 5
        assert [r.error for r in forced] == sorted(r.error for r in forced)
        assert all(a.size["maps"] <= b.size["maps"] for a, b in zip(stored, forced, strict=True))
    assert "audio.saliency" in row(1, "int8").ranks
    assert "audio.saliency" not in row(2, "int8").ranks


def test_nothing_is_lost_of_an_exact_record():
    for seed, one in enumerate(tiny(), 1):
        found = row(seed, "exact")
        assert found.error == found.total == 0
        assert set(found.ranks.values()) == {1.0}
        assert min(found.unit_ranks.values()) == pytest.approx(1.0)
        assert found.leading == 1
        told = [abs(a - b) for a, b in zip(predict(one.result, unit_values(one.result, one.arrays)),
                                           predicted(one.result), strict=True)]  # fmt: skip
        assert list(found.moves) == told


def test_eight_bits_miss_by_half_a_step_at_the_most():
    one = tiny()[0]
    found = Store(one.result, one.arrays).at("int8", forced=True)
    for name, stored in found.maps.items():
        step = np.abs(one.arrays[name]).max() / 127
        assert np.abs(stored - one.arrays[name]).max() <= step / 2 * 1.001


def test_a_record_that_does_not_say_how_its_verdict_came_about_is_not_judged():
    assert {r.verdict for r in rows()[0]} == {None}
    assert {r.becomes for r in rows()[0]} == {None}
    assert summarise(*rows())["precision"]["main"]["as stored"]["int8"]["verdicts"]["count"] == 0


def test_under_a_budget_pictures_go_first_and_what_cannot_be_held_says_what_it_needs():
    wide, tight = Store(tiny()[0].result, tiny()[0].arrays), 20_000
    whole = wide.at("exact", forced=False).size["total"]
    free = wide.within(whole + 1000, "main", 1)
    assert (free.omitted, free.codings) == ({}, {"exact": free.codings["exact"]})
    assert free.size == pytest.approx(whole, abs=4)
    some = wide.within(whole - 1000, "main", 1)
    assert some.omitted == {"counterfactual": 1}
    assert some.size is not None
    assert some.size <= whole - 1000
    none = wide.within(tight, "main", 1)
    assert (none.size, none.omitted) == (None, {})
    assert none.least is not None
    assert none.least > tight
    assert wide.within(none.least, "main", 1).size is not None
    assert [b.budget for b in rows()[1]] == [*BUDGETS, *BUDGETS]


@pytest.mark.parametrize("rung", ["gradient", "path", "measured"])
def test_a_real_verdict_comes_out_again_from_predictions_and_from_exact_maps(rung):
    result, arrays = explained(rung)
    told = (result["verdict"]["verdict"], result["verdict"]["cause"])
    assert predicted(result)
    again = rejudge(result, predicted(result), Reference())
    assert (again.verdict, again.cause) == told
    from_maps = predict(result, unit_values(result, arrays))
    assert from_maps == pytest.approx(predicted(result), abs=1e-4)
    again = rejudge(result, from_maps, Reference())
    assert (again.verdict, again.cause) == told


def test_predictions_that_are_wrong_are_found_out():
    result, _ = explained("path")
    assert result["verdict"]["verdict"] == "supported"
    found = rejudge(result, [-5 * p for p in predicted(result)], Reference())
    assert (found.verdict, found.cause) == ("unsupported", "inaccurate")


def test_what_was_not_measured_stays_open():
    result, _ = explained("path")
    attempt = {**result["verdict"]["attempts"][-1], "controls": []}
    bare = {**result, "verdict": {**result["verdict"], "attempts": [attempt]}}
    found = rejudge(bare, predicted(result), Reference())
    assert (found.verdict, found.cause) == ("inconclusive", "too-small")


def test_no_prediction_changes_what_could_not_be_measured():
    result, _ = explained("path")
    told = {**result["verdict"], "verdict": "inconclusive", "cause": "unmeasurable"}
    found = rejudge({**result, "verdict": told}, [0.0] * len(result["claims"]), Reference())
    assert (found.verdict, found.cause) == ("inconclusive", "unmeasurable")


def test_a_real_record_is_judged_at_every_precision():
    result, arrays = explained("path")
    found, _ = rows_of(Decided("path", 3, result, arrays), Reference())
    exact = [r for r in found if r.precision == "exact"]
    assert [(r.verdict, r.becomes, r.hinges) for r in exact] == [(True, r.cause, True) for r in exact]
    assert all(r.verdict is not None for r in found)
    assert max(exact[0].moves) < 1e-4


def test_contributions_are_sums_over_units_and_a_missing_map_is_told():
    result = {"ranking": [{"modality": "audio", "index": i} for i in (1, 0)] + [{"modality": "text", "index": 0}]}
    arrays = {
        "audio.saliency": np.array([[1.0, 2.0], [4.0, 8.0]], np.float32),
        "audio.units": np.array([[0, 1], [-1, 1]], np.int16),
        "text.saliency": np.array([3.0], np.float32),
    }
    found = unit_values(result, arrays)
    assert found["audio"].tolist() == [1.0, 10.0]
    assert found["text"].tolist() == [3.0]
    with pytest.raises(RecordError, match=r"^record: text has 1 evidence units and no map; give all of a record's map"):
        unit_values(result, {k: v for k, v in arrays.items() if k != "text.saliency"})


def judged(seed: int, moves: tuple[float, ...], verdict: bool | None, becomes: str | None, cause: str) -> Row:
    return replace(row(1, "exact"), seed=seed, moves=moves, verdict=verdict, becomes=becomes, cause=cause)


def test_figures_worked_out_by_hand():
    hand = [
        judged(1, (0.0, MOVED), True, "inaccurate", "inaccurate"),
        judged(2, (0.2,), False, "too-small", "inaccurate"),
        judged(3, (0.3,), True, "not-confirmed", "not-confirmed"),
        judged(4, (), None, None, "holds"),
    ]
    others = [replace(h, precision=p, forced=f) for h in hand for p in PRECISIONS for f in (False, True)]
    told = summarise(others, [])["precision"]["main"]["as stored"]["exact"]
    assert told["records"] == 4
    counts = {k: (round(told[k]["share"] * told[k]["count"]), told[k]["count"]) for k in SHARES}
    assert counts == {"moved": (2, 4), "verdicts": (2, 3), "verdicts_hinging": (1, 2), "causes": (2, 3)}
    assert told["most_moved"] == 0.3
    assert told["bytes"]["total"] == [row(1, "exact").size["total"]] * 3


def test_budgets_are_summed_up():
    made = [
        Budgeted("main", 1, BUDGETS[0], 10, None, {"counterfactual": 3}, {"int8": 2}),
        Budgeted("main", 2, BUDGETS[0], 20, None, {}, {"int8": 1, "exact": 1}),
        Budgeted("main", 3, BUDGETS[0], None, 99, {}, {}),
    ]
    told = summarise(rows()[0], made)["budget"]["main"][str(BUDGETS[0])]
    assert (told["records"], told["fit"], told["bytes"], told["least"]) == (3, 2, [15, 10, 20], [99, 99, 99])
    assert told["omitted"] == {"counterfactual": 1.5}
    assert told["codings"] == {"exact": 0.5, "int8": 1.5}


class Fixed:
    """A system that is explained without weights."""

    digest = "sha256:" + "ab" * 32


def test_what_was_explained_once_is_read_again(monkeypatch, tmp_path):
    made = []

    def explain(system: Any, seen: Any, settings: Settings) -> Any:
        made.append(settings)
        data = {"text.saliency": tiny()[0].arrays["text.saliency"]}
        return type("Explanation", (), {"result": tiny()[0].result, "data": data})

    monkeypatch.setattr("benchmarks._decided.explain", explain)
    monkeypatch.setattr("benchmarks._decided.render", lambda scene: scene)
    monkeypatch.setattr("benchmarks._decided.sample_scene", lambda seed, partition: (seed, partition))
    for kind in (*KINDS, "main"):
        (one,) = decided(Fixed(), kind, range(5, 6), "train", tmp_path / "kept")  # type: ignore[arg-type]
        assert (one.kind, one.seed, one.result["decision"]["action"]) == (kind, 5, "STOP")
        assert set(one.arrays) == {"text.saliency"}
    assert [s.ladder.rungs for s in made[1:]] == [("gradient",), ("few-steps",), ("path",)]
    assert all(s.fusion is None and s.salt == "precision 5" for s in made)
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == sorted(f"{k}-train-5-{'ab' * 6}" for k in KINDS)
    with pytest.raises(InputError, match=r"^precision: no decisions of kind 'fast'; choose from main, gradient, few"):
        next(decided(Fixed(), "fast", range(1), "train", tmp_path))  # type: ignore[arg-type]


def test_the_command_prints_tables_or_json(monkeypatch, capsys):
    asked: list[Any] = []

    def measure(plan: Mapping[str, int], first: int, partition: str, folder: Any) -> Any:
        asked.append((dict(plan), first, partition, str(folder)))
        return rows()

    monkeypatch.setattr(precision, "measure", measure)
    precision.main(["--main", "2", "--path", "0", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert asked == [
        ({"main": 2, "gradient": 24, "few-steps": 24, "path": 0}, FIRST_SEED + 650_000, "held-out", "out/precision")
    ]
    assert len(told["rows"]) == 2 * 2 * 5
    assert len(told["budgets"]) == 2 * 3
    monkeypatch.setenv("COLUMNS", "160")
    precision.main([])
    out = " ".join(capsys.readouterr().out.split())
    told = (
        *("main: 2 records", "main, as stored: bytes and losses", "main, each map so: what is kept", "sparse 10 %"),
        *("budget 2,000 kB: 2 of 2 fit", "budget 100 kB: 0 of 2 fit, — kB; the others need"),
    )
    for words in told:
        assert words in out


@pytest.mark.parametrize("counts", [["0", "0", "0", "0"], ["1", "-1", "0", "0"]])
def test_no_decision_is_refused(counts, capsys):
    flags = [x for kind, n in zip(KINDS, counts, strict=True) for x in (f"--{kind}", n)]
    with pytest.raises(SystemExit) as left:
        precision.main(flags)
    assert left.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "decisions; at least 1 is wanted, and none below 0" in told
