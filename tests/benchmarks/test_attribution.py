"""The benchmark against peers: its wiring, on small networks; no times are asserted."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pytest
import torch
from torch import nn

from benchmarks import _bench, _memory, _ours, _peers, attribution
from benchmarks._subjects import CappedReLU, Pictures, Sample, Subject, find_subject
from veridical.errors import InputError
from veridical.modalities.engines.chunk import Layout
from veridical.modalities.held import find_layer
from veridical.modalities.vision import Vision

pytest.importorskip("captum")
pytest.importorskip("pytorch_grad_cam")

SIDE = 16
HERE = "tests.benchmarks.test_attribution"


def _subject(network: nn.Module, side: int = SIDE, layer: str = "network.2") -> Subject:
    network = network.eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    samples = []
    for name in ("one", "two"):
        x = torch.rand(1, 3, side, side, generator=generator)
        samples.append(Sample(name, int(network(x).argmax()), {"vision": x}, {"vision": torch.zeros_like(x)}))
    system = Pictures(network, ("a", "b", "c"), Vision(size=side, units=4))
    return Subject("tiny", system, tuple(samples), "logit", layer, network)


def tiny(device: str) -> Subject:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), CappedReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return _subject(nn.Sequential(*layers, nn.Linear(8, 3)).to(device))


def wide(device: str) -> Subject:
    """Of one picture, 2 MiB for each of two layers' activations: 64 x 128 x 64 floats, padded, and a ReLU's."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 128, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 3)]
    return _subject(nn.Sequential(*layers).to(device), 64, "network.0")


def linear(device: str) -> Subject:
    torch.manual_seed(0)
    return _subject(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3)).to(device), layer="network.0")


def fake_peak(where, side, steps, layout=None, device="cpu"):
    return {"bytes": {"ours": 1000, "captum": 200 * (steps or 0)}[side], "evaluations": steps or 33}


@pytest.fixture(scope="module")
def result():
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution, "MODELS", {"tiny": f"{HERE}:tiny"})
        patch.setattr(_memory, "peak", fake_peak)
        found = attribution.measure(attribution.Plan(("tiny",), rounds=1, reference=64), told.append)
    assert told[0] == "tiny: loading"
    assert "tiny: two: rounds" in told
    return found


def test_the_figures_come_first_each_by_model(result):
    assert tuple(result)[: len(attribution.KEYS)] == attribution.KEYS
    assert all(list(result[key]) == ["tiny"] for key in attribution.KEYS)
    assert result["ig_peak_memory_ratio_vs_captum_default"]["tiny"] == 1000 / (200 * 50)
    assert result["ig_memory_growth_50_to_400"]["tiny"] == 1
    assert json.loads(json.dumps(result)) == result


def test_ratios_are_of_ours_over_theirs_and_medians_over_the_inputs(result):
    rows = result["details"]["tiny"]["integrated_gradients"]
    assert [row["sample"] for row in rows] == ["one", "two"]
    for row in rows:
        assert row["time_ratio_vs_best"] == pytest.approx(row["ours"]["ms"] / row["captum"]["best_ms"])
        assert row["time_ratio_vs_default"] == pytest.approx(row["ours"]["ms"] / row["captum"]["default_ms"])
    for key, one in (("best", "time_ratio_vs_best"), ("default", "time_ratio_vs_default")):
        assert result[f"ig_time_ratio_vs_captum_{key}"]["tiny"] == statistics.median(row[one] for row in rows)
    passes = result["details"]["tiny"]["single_pass"]
    each = [one["ratio"] for peers in passes.values() for one in peers.values()]
    assert result["single_pass_time_ratio"]["tiny"] == statistics.median(each)
    assert {m: list(peers) for m, peers in passes.items()} == {
        "gradient": ["captum"],
        "gradient-times-input": ["captum"],
        "guided-backprop": ["captum"],
        "grad-cam": ["captum", "pytorch-grad-cam"],
    }


def test_both_sides_reach_the_gap_and_captum_at_the_first_rung_that_does(result):
    for row in result["details"]["tiny"]["integrated_gradients"]:
        ours, theirs = row["ours"], row["captum"]
        assert ours["reached"]
        assert ours["gap"] <= _bench.TOLERANCE
        assert theirs["reached"]
        assert theirs["gap"] == theirs["gaps"][str(theirs["steps"])] <= _bench.TOLERANCE
        assert all(gap > _bench.TOLERANCE for n, gap in theirs["gaps"].items() if int(n) < theirs["steps"])
        assert theirs["gap_at_50"] == theirs["gaps"]["50"]
        assert theirs["default_fits"]
        assert theirs["default_steps"] == theirs["steps"]
        assert 0 < ours["map_error"] < 0.5
        assert 0 < theirs["map_error"] < 0.5
        more = row["ours_at_their_steps"]
        assert 0.6 * theirs["steps"] < more["evaluations"] <= theirs["steps"]
        assert row["time_ratio_at_their_steps"] == pytest.approx(more["ms"] / theirs["best_ms"])
        assert set(ours["layout"]) == {"chunk", "channels_last"}


def test_the_machine_and_what_was_asked_are_told(result):
    assert result["rounds"] == 1
    assert result["reference"] == 64
    assert set(result["machine"]) == {
        "cores",
        "threads",
        "processor",
        "device",
        "python",
        "torch",
        "captum",
        "grad-cam",
    }


def test_of_a_linear_system_every_side_gives_weight_times_change():
    subject = linear("cpu")
    weights = dict(find_layer(subject.system, "network.1").named_parameters())["weight"]
    for sample in subject.samples:
        weight = weights[sample.action].view(1, 3, SIDE, SIDE)
        exact = {"vision": weight * sample.inputs["vision"]}
        found = {
            "ours": _ours.integrated_gradients(subject, sample).maps,
            "captum": _peers.integrated_gradients(subject, sample, 20, 4),
            "reference": _peers.reference(subject, sample, 7),
        }
        for name, maps in found.items():
            assert _peers.relative_error(maps, exact) < 1e-5, name
            gap, difference = _peers.completeness_gap(subject, sample, maps)
            assert gap < 1e-4, name
            assert difference == pytest.approx(float(exact["vision"].sum()), rel=1e-4)


def test_gap_and_error_are_shares():
    subject = linear("cpu")
    sample = subject.samples[0]
    exact = _peers.reference(subject, sample, 1)
    half = {"vision": exact["vision"] / 2}
    assert _peers.completeness_gap(subject, sample, half)[0] == pytest.approx(0.5, rel=1e-4)
    assert _peers.relative_error(half, exact) == pytest.approx(0.5)


def test_both_sides_of_a_single_pass_give_one_map():
    subject = tiny("cpu")
    ours, theirs = _ours.single_pass(subject, subject.samples[0]), _peers.single_pass(subject, subject.samples[0])
    assert list(ours) == list(theirs)
    for method, peers in theirs.items():
        mine = ours[method]()["vision"]
        torch.testing.assert_close(mine, peers["captum"]()["vision"].reshape(mine.shape), rtol=1e-4, atol=1e-7)
    assert theirs["grad-cam"]["pytorch-grad-cam"]()["vision"].shape == (1, SIDE, SIDE)


@pytest.mark.parametrize("steps", [50, 400])
def test_evaluations_can_be_forced(steps):
    subject = tiny("cpu")
    assert 0.9 * steps < _ours.integrated_gradients(subject, subject.samples[0], steps).evaluations <= steps


def test_what_would_not_fit_is_not_tried(monkeypatch):
    monkeypatch.setattr(_memory, "available", lambda device: 1000)
    bench = _bench.Bench(tiny("cpu"), f"{HERE}:tiny", "cpu", 1, 8, lambda told: None)
    assert bench.fitting(600, 400) == 100  # 100 steps take 800 of the 1000 bytes that are free
    assert bench.fitting(75, 400) == 75
    assert bench.fitting(20, 4000) is None
    assert bench.fitting(20, None) is None
    row = bench.sample(bench.subject.samples[0], None)
    assert row["time_ratio_vs_default"] is None
    assert row["captum"]["default_ms"] is None
    assert not row["captum"]["default_fits"]


def test_a_fresh_process_measures_the_peak():
    theirs = _memory.peak(f"{HERE}:wide", "captum", 50)
    assert theirs is not None
    assert theirs["evaluations"] == 50
    # 50 pictures of 128 x 64 x 64 floats, 2 MiB each: what the convolution gives, the ReLU's, and gradients of both.
    assert 180 * 2**20 < theirs["bytes"] < 800 * 2**20
    ours = _memory.peak(f"{HERE}:wide", "ours", 50, Layout(4, channels_last=True))
    assert ours is not None
    assert 45 < ours["evaluations"] <= 50
    assert ours["bytes"] < theirs["bytes"] / 2


@pytest.mark.parametrize(
    ("code", "told"),
    [(-9, ""), (1, "RuntimeError: DefaultCPUAllocator: can't allocate memory"), (1, "CUDA out of memory. Tried to")],
)
def test_a_process_that_the_system_killed_or_that_ran_out_of_memory_has_no_peak(code, told, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda line, **options: subprocess.CompletedProcess(line, code, "", told))
    assert _memory.peak(f"{HERE}:wide", "captum", 50) is None


def test_a_process_that_failed_otherwise_is_an_error(monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "Traceback\nKeyError: 'x'\n")
    monkeypatch.setattr(subprocess, "run", lambda line, **options: done)
    told = r"^attribution: measuring the memory of ours on a:b failed: KeyError: 'x'$"
    with pytest.raises(InputError, match=told):
        _memory.peak("a:b", "ours", None)


def test_the_system_tells_how_much_is_free():
    assert (_memory.available() or 2**30) > 2**20


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"models": ("nemo",)}, r"^attribution: no model nemo; there are efficientnet-lite0, courier$"),
        ({"models": ()}, r"^attribution: no model given"),
        ({"rounds": 0}, r"^attribution: 0 rounds, None inputs, 1024 points of the reference; at least 1"),
        ({"samples": 0}, r"^attribution: 5 rounds, 0 inputs"),
        ({"reference": 0}, r"0 points of the reference"),
        ({"device": "tpu"}, r"^attribution: device 'tpu'; cpu or cuda is wanted$"),
    ],
)
def test_bad_plans_are_refused(options, told):
    with pytest.raises(InputError, match=told):
        attribution.Plan(**options)


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"^attribution: device cuda; torch finds none here$"):
        attribution.Plan(device="cuda")


def test_an_unknown_subject_is_refused():
    with pytest.raises(InputError, match=r"no subject 'benchmarks\._subjects:nemo'.*package\.module:function$"):
        find_subject("benchmarks._subjects:nemo")


def test_a_missing_peer_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(
        InputError, match=r"^attribution: Captum is not installed; pip install 'veridical\[benchmark\]'$"
    ):
        attribution.measure(attribution.Plan())


def test_the_command_prints_tables_or_json(result, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(attribution, "measure", lambda plan, tick: asked.append(plan) or result)
    monkeypatch.setenv("COLUMNS", "160")
    attribution.main(["--rounds", "3", "--models", "courier", "--inputs", "2", "--json"])
    assert json.loads(capsys.readouterr().out) == result
    assert asked == [attribution.Plan(("courier",), 3, "cpu", 2)]
    attribution.main([])
    assert asked[1] == attribution.Plan()
    told = capsys.readouterr().out
    for name in ("ours / theirs", "0.333 or less", "tiny: peak memory", "grad-cam", "pytorch-grad-cam", "captum 0."):
        assert name in told, name


def test_what_was_not_measured_is_told_as_such(result, monkeypatch, capsys):
    changed = json.loads(json.dumps(result))
    changed["ig_time_ratio_vs_captum_default"]["tiny"] = None
    changed["details"]["tiny"]["memory"]["captum_50_bytes"] = None
    row = changed["details"]["tiny"]["integrated_gradients"][0]
    row["captum"] |= {"default_ms": None, "default_steps": None, "default_fits": False}
    row["time_ratio_vs_default"] = None
    monkeypatch.setattr(attribution, "measure", lambda plan, tick: changed)
    monkeypatch.setenv("COLUMNS", "160")
    attribution.main([])
    told = capsys.readouterr().out
    assert "does not fit" in told
    assert "none fit" in told


def test_the_command_leaves_with_two_and_one_line(capsys):
    with pytest.raises(SystemExit) as left:
        attribution.main(["--models", "nemo"])
    assert left.value.code == 2
    assert "attribution: no model nemo" in capsys.readouterr().err.splitlines()[-1]
