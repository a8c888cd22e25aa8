from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from tests.agent.record.foreign.test_maps import fields
from veridical.agent.record.foreign import ForeignMap, read_captum, read_foreign, write_captum_json
from veridical.errors import InputError, RecordError

WEIGHTS = torch.tensor([[1.0, -2.0, 0.5]])
X = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])


def integrated(x, **options):
    attr = pytest.importorskip("captum.attr")
    return attr.IntegratedGradients(lambda x: x @ WEIGHTS.T).attribute(x, target=0, **options)


def test_integrated_gradients_of_captum_come_in_and_go_out(tmp_path):
    values, delta = integrated(X, return_convergence_delta=True)
    (one,) = read_captum(values, delta=delta, method="IntegratedGradients", target=0, baseline=0.0, unit="logit")
    np.testing.assert_allclose(one.values, WEIGHTS * X, atol=1e-6)  # of a linear model: w · (x − 0)
    assert (one.name, one.source, one.dims, one.unit) == ("input", "captum", ("example", "axis_1"), "logit")
    assert one.version is not None
    assert one.extras["convergence_delta"].shape == (2,)
    assert one.gap == pytest.approx(0, abs=1e-5)
    write_captum_json([one], tmp_path / "a.json")
    assert read_foreign(tmp_path / "a.json")[0].same_as(one)


def test_several_inputs_share_a_delta_and_have_baselines_of_their_own(tmp_path):
    found = read_captum(
        (X, X[:, :1]), names=("camera", "speed"), delta=[0.1, -0.3], baseline=(torch.zeros(1, 3), 0.5), target=[0, 1]
    )
    assert [m.name for m in found] == ["camera", "speed"]
    assert [m.gap for m in found] == [-0.3, -0.3]
    assert isinstance(found[0].baseline, np.ndarray)
    assert found[1].baseline == 0.5
    write_captum_json(found, tmp_path / "a.json")
    back = read_captum(tmp_path / "a.json")
    assert all(a.same_as(b) for a, b in zip(found, back, strict=True))


@settings(max_examples=40, deadline=None)
@given(fields())
def test_whoevers_map_comes_back_bit_for_bit(tmp_path_factory, drawn):
    one = ForeignMap(**drawn)
    path = tmp_path_factory.mktemp("captum") / "a.json"
    write_captum_json([one, one], path)
    assert all(back.same_as(one) for back in read_captum(path))


def test_a_file_written_by_hand_needs_little(tmp_path):
    path = tmp_path / "a.json"
    content = {"format": "captum.attributions/1", "inputs": [{"attributions": [[1, 2.5]]}], "method": "Saliency"}
    content |= {"library": {"name": "captum", "version": "0.7.0"}, "convergence_delta": [0.25]}
    path.write_text(json.dumps(content))
    (one,) = read_captum(path)
    assert (one.name, one.method, one.version, one.gap) == ("input_0", "Saliency", "0.7.0", 0.25)
    assert one.values.tolist() == [[1, 2.5]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "captum.attributions/2"}, "this version reads 'captum.attributions/1'"),
        ({"inputs": []}, "at least one input"),
        ({"inputs": [{}]}, "attributions"),
        ({"inputs": [3]}, "malformed"),
        ({"inputs": [{"attributions": [[1], [2, 3]]}]}, "ragged"),
        ({"inputs": [{"attributions": [[]]}]}, "shape (1, 0)"),
        ({"inputs": [{"attributions": [1], "dims": ["a", "b"]}]}, "1 axes"),
        ({"inputs": [{"attributions": [1], "dims": [3]}]}, "lists of strings"),
        ({"inputs": [{"attributions": [1], "gap": "wide"}]}, "gap is a str"),
        ({"inputs": [{"attributions": [1], "version": 3}]}, "version is a int"),
        ({"inputs": [{"attributions": [1], "coords": {"example": 3}}]}, "dims and labels"),
        ({"inputs": [{"attributions": [0.1], "dtype": "float32"}]}, "does not hold them"),
        ({"inputs": [{"attributions": [1], "baseline": []}]}, "baseline is a tuple"),
        ({"inputs": [{"attributions": [1]}], "library": 3}, "malformed"),
        ({"inputs": [{"attributions": [1]}], "convergence_delta": []}, "no number"),
    ],
)
def test_files_that_do_not_hold_are_refused(tmp_path, change, words):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"format": "captum.attributions/1", "inputs": [{"attributions": [1]}]} | change))
    with pytest.raises(RecordError, match=r"a\.json") as caught:
        read_captum(path)
    assert words in str(caught.value)


def test_live_values_that_are_no_map_are_refused(tmp_path):
    for call, words in (
        (lambda: read_captum((X, X), names=("a",)), "2 attributions, but 1 names"),
        (lambda: read_captum((X, X), baseline=(0.0,)), "2 attributions, but 1 baselines"),
        (lambda: read_captum(X, colour="red"), "no fields of a map"),
        (lambda: read_captum(X * float("nan")), "6 of 6 are not finite"),
        (lambda: read_captum(tmp_path / "a.json", method="x"), "tells all of itself"),
        (lambda: read_captum({"a": 1}), "not all numbers"),
    ):
        with pytest.raises(InputError, match=words):
            call()
