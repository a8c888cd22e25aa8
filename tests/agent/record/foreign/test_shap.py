"""``shap-exact.json`` was made by shap 0.51.0: the Exact explainer on a linear regression with two outputs, whose
members were then written by ``json.dump``; its member ``note`` says the same."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings

from tests.agent.record.foreign.test_maps import fields
from veridical.agent.record.foreign import ForeignMap, read_foreign, read_shap, write_shap_json
from veridical.errors import InputError, RecordError

REAL = Path(__file__).with_name("shap-exact.json")
NAMES = ["speed", "distance"]


def test_a_real_explanation_adds_up_and_comes_back(tmp_path):
    one = read_shap(REAL)
    assert one.dims == ("row", "feature", "output")
    assert one.coords == {"feature": ("speed", "distance", "light", "load"), "output": ("go", "stop")}
    assert (one.method, one.version, one.unit) == ("Exact", "0.51.0", "model output")
    total = one.baseline + one.values.sum(1)
    np.testing.assert_allclose(total, one.extras["outputs"], atol=1e-12)
    assert one.gap == pytest.approx(0, abs=1e-12)
    assert one.attrs["completeness"] == {"tolerance": 0.05, "within_tolerance": True}
    assert one.attrs.keys() == {"completeness"}
    write_shap_json(one, tmp_path / "a.json")
    assert read_foreign(tmp_path / "a.json")[0].same_as(one)
    assert "veridical" not in json.loads((tmp_path / "a.json").read_text())  # its own members say it all


@settings(max_examples=40, deadline=None)
@given(fields())
def test_whoevers_map_comes_back_bit_for_bit(tmp_path_factory, drawn):
    one = ForeignMap(**drawn)
    path = tmp_path_factory.mktemp("shap") / "a.json"
    write_shap_json(one, path)
    assert read_shap(path).same_as(one)


def explanation(values, **members):
    return SimpleNamespace(values=np.asarray(values), **members)


@pytest.mark.parametrize(
    ("live", "dims"),
    [
        (explanation([1.0, 2.0], base_values=0.5), ("feature",)),
        (explanation(np.ones((3, 2)), base_values=np.zeros(3), data=np.ones((3, 2))), ("row", "feature")),
        (explanation(np.ones((3, 2)), base_values=0.5, feature_names=NAMES), ("row", "feature")),
        (explanation(np.ones((2, 3)), base_values=np.zeros(3), data=np.ones(2)), ("feature", "output")),
        (explanation(np.ones((2, 3)), base_values=np.zeros(3), output_names=["a", "b", "c"]), ("feature", "output")),
        (explanation(np.ones((4, 2, 3)), base_values=np.zeros((4, 3))), ("row", "feature", "output")),
        (explanation(np.ones((4, 5, 6, 3)), base_values=np.zeros(4)), ("row", "axis_0", "axis_1", "axis_2")),
        (explanation(np.ones((5, 6, 3)), base_values=0.5), ("axis_0", "axis_1", "axis_2")),
    ],
)
def test_rows_features_and_outputs_are_told_apart(live, dims):
    assert read_shap(live).dims == dims


def test_the_gap_is_output_less_base_and_sum():
    live = explanation([[1.0, 2.0], [0.0, 1.0]], base_values=np.array([0.5, 0.5]), data=np.ones((2, 2)))
    one = read_shap(live, outputs=[3.6, 1.5])
    assert one.gap == pytest.approx(0.1)
    assert one.attrs["completeness"]["within_tolerance"] is True  # 0.1 of 3.1
    worse = read_shap(live, outputs=[3.5, 1.0])
    assert worse.gap == pytest.approx(-0.5)
    assert worse.attrs["completeness"]["within_tolerance"] is False
    assert read_shap(live).gap is None
    with pytest.raises(InputError, match="give one output to each row"):
        read_shap(live, outputs=[1.0, 2.0, 3.0])


def test_missing_data_words_and_names_stay(tmp_path):
    live = explanation(
        [[1.0, 2.0]],
        base_values=np.array([0.5]),
        data=np.array([[np.nan, 3.0]]),
        feature_names=NAMES,
        output_names="risk",
        instance_names=["first"],
        clustering=np.ones(3),
    )
    one = read_shap(live, method="Tree")
    assert one.extras["data"].tolist() == [[0, 3]]
    assert one.extras["data.absent"].tolist() == [[True, False]]
    assert (one.target, one.coords["row"]) == ("risk", ("first",))
    assert one.attrs == {"left_out": ["clustering"]}
    words = read_shap(explanation([1.0, 2.0], base_values=0.5, data=np.array(["go ", "on"], object)))
    assert words.attrs == {"data": ["go ", "on"]}
    for i, given_ in enumerate((one, words)):
        write_shap_json(given_, tmp_path / f"{i}.json")
        assert read_shap(tmp_path / f"{i}.json").same_as(given_)
    assert json.loads((tmp_path / "0.json").read_text())["data"] == [[None, 3.0]]


def test_names_that_fit_no_axis_are_kept_beside():
    one = read_shap({"values": [1.0, 2.0], "feature_names": ["a", "b", "c"]})
    assert one.coords == {}
    assert one.attrs == {"feature_names": ["a", "b", "c"]}
    numbered = read_shap({"values": [1.0, 2.0], "feature_names": [4, 7]})
    assert np.asarray(numbered.coords["feature"]).tolist() == [4, 7]


def test_explanations_that_are_no_map_are_refused():
    ragged = np.array([np.ones(2), np.ones(3)], dtype=object)
    for live, words in (
        (explanation(ragged, base_values=np.zeros(2)), "ragged"),
        (explanation(np.ones((2, 2)), base_values=np.zeros(2), data=(["a"], ["b", "c"])), "data are ragged"),
        (explanation(np.ones((2, 3, 3)), base_values=np.zeros(2), data=np.ones((2, 4))), "interactions"),
        (SimpleNamespace(base_values=1.0), "there are none"),
        (explanation([np.nan]), "not finite"),
        (explanation([1.0], base_values="high"), "base_values are of <U4"),
    ):
        with pytest.raises(InputError, match=words):
            read_shap(live)


@pytest.mark.parametrize(
    "change",
    [
        {"values": [[1], [2, 3]]},
        {"values": "many"},
        {"values": None},
        {"library": 3},
        {"method": 3},
        {"unit": 3},
        {"dims": 3},
        {"dims": ["a"]},
        {"dims": [1, 2]},
        {"base_values": [[[1]]], "outputs": [1]},
        {"veridical": {"colour": "red"}},
        {"veridical": {"gap": "wide"}},
        {"veridical": {"coords": 3}},
        {"veridical": {"shape": [7]}},
        {"veridical": {"extras": {"a": {"dtype": "uint8", "shape": [1], "data": [300]}}}},
        {"veridical": 3},
    ],
)
def test_files_that_do_not_hold_are_refused(tmp_path, change):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"values": [[1.0, 2.0]]} | change))
    with pytest.raises(RecordError, match=r"a\.json") as caught:
        read_shap(path)
    assert "\n" not in str(caught.value)
